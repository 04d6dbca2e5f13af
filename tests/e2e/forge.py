#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Sends one frame that an honest pod would not send.

    forge.py DEVICE TO-MAC KIND...

    udp SOURCE DESTINATION       a datagram; --vlan ID: tagged; --sport, --dport: 40000 and 7777 otherwise
    tcp SOURCE DESTINATION       a segment; --flags of syn, ack, fin, rst: syn otherwise
    synack SOURCE DESTINATION    the answer to a SYN, with these ports
    icmp SOURCE DESTINATION      an echo request, of either family
    sctp SOURCE DESTINATION      an INIT
    arp-reply SENDER TARGET      SENDER is here
    arp-request SENDER TARGET    where is TARGET? SENDER asks, who is here
    na TARGET                    a neighbour advertisement: TARGET is here
    ns SOURCE TARGET             a neighbour solicitation: where is TARGET? SOURCE asks, who is here
    ra PREFIX                    a router advertisement: here is a router, and a prefix
    redirect FROM DESTINATION    an ICMPv6 redirect in the name of FROM: DESTINATION is here
    dhcp, dhcp6                  an offer of a DHCP server
"""
import argparse
import socket
import struct

ETH_P_IP, ETH_P_ARP, ETH_P_8021Q, ETH_P_IPV6 = 0x800, 0x806, 0x8100, 0x86DD
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "ack": 16}
ALL_NODES = "ff02::1"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def pseudo(source, destination, protocol, length):
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, protocol, length)
    return source + destination + struct.pack("!IxxxB", length, protocol)


def packet(source, destination, protocol, payload, hops=64):
    """(ethertype, packet) of either family."""
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, hops, protocol, 0, source, destination)
        return ETH_P_IP, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
    return ETH_P_IPV6, struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + source + destination + payload


def datagram(source, destination, sport, dport, payload, hops=64):
    source, destination = ip(source), ip(destination)
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(source, destination, UDP, 8 + len(payload)) + head + payload)
    return packet(source, destination, UDP, head[:6] + struct.pack("!H", total or 0xFFFF) + payload, hops)


def segment(source, destination, sport, dport, flags, hops=64):
    source, destination = ip(source), ip(destination)
    head = struct.pack("!HHIIHHHH", sport, dport, 1, 1, 5 << 12 | flags, 65535, 0, 0)
    total = checksum(pseudo(source, destination, TCP, len(head)) + head)
    return packet(source, destination, TCP, head[:16] + struct.pack("!H", total) + head[18:], hops)


def echo(source, destination):
    source, destination = ip(source), ip(destination)
    if len(source) == 16:
        message = struct.pack("!BBHHH", 128, 0, 0, 7, 1)
        total = checksum(pseudo(source, destination, ICMPV6, len(message)) + message)
        return packet(source, destination, ICMPV6, message[:2] + struct.pack("!H", total) + message[4:])
    message = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    return packet(source, destination, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp_init(source, destination, sport, dport):
    head, chunk = struct.pack("!HHI", sport, dport, 0), struct.pack("!BBHIIHHI", 1, 0, 20, 1, 65536, 1, 1, 1)
    total = struct.pack("<I", crc32c(head + bytes(4) + chunk))
    return packet(ip(source), ip(destination), SCTP, head + total + chunk)


def icmp6(source, destination, kind, payload):
    """Hop limit 255, as neighbour discovery demands: nothing but the sender is wrong with it."""
    source, destination = ip(source), ip(destination)
    message = struct.pack("!BBH", kind, 0, 0) + payload
    total = checksum(pseudo(source, destination, ICMPV6, len(message)) + message)
    return packet(source, destination, ICMPV6, message[:2] + struct.pack("!H", total) + message[4:], 255)


def option(kind, payload):
    return struct.pack("!BB", kind, (2 + len(payload)) // 8) + payload


def forge(args, here):
    what = args.what
    if args.kind == "udp":
        return datagram(what[0], what[1], args.sport, args.dport, b"?", args.hops)
    if args.kind in ("tcp", "synack"):
        flags = "syn,ack" if args.kind == "synack" else args.flags
        return segment(what[0], what[1], args.sport, args.dport, sum(FLAGS[f] for f in flags.split(",")), args.hops)
    if args.kind == "icmp":
        return echo(what[0], what[1])
    if args.kind == "sctp":
        return sctp_init(what[0], what[1], args.sport, args.dport)
    if args.kind in ("arp-reply", "arp-request"):
        operation = 2 if args.kind == "arp-reply" else 1
        return ETH_P_ARP, (struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, operation) + here + ip(what[0]) +
                           mac(args.to) + ip(what[1]))
    if args.kind == "ns":
        return icmp6(what[0], what[1], 135, bytes(4) + ip(what[1]) + option(1, here))
    if args.kind == "na":    # flags: solicited and override
        return icmp6(what[0], ALL_NODES, 136, struct.pack("!I", 3 << 29) + ip(what[0]) + option(2, here))
    if args.kind == "ra":    # hop limit 64, life 1800 s; the prefix on link and for addresses
        prefix = struct.pack("!BBIII", 64, 0xC0, 1800, 1800, 0) + ip(what[0])
        return icmp6("fe80::bad", ALL_NODES, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) +
                     option(1, here) + option(3, prefix))
    if args.kind == "redirect":
        return icmp6(what[0], ALL_NODES, 137, bytes(4) + ip("fe80::bad") + ip(what[1]) + option(2, here))
    if args.kind == "dhcp":
        return datagram("10.244.1.1", "255.255.255.255", 67, 68, b"\2\1\6\0" + bytes(232) + b"\x63\x82\x53\x63\x35\1\2\xff")
    return datagram("fe80::bad", ALL_NODES, 547, 546, b"\2\0\0\0")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("to")
    parser.add_argument("kind", choices=(
        "udp", "tcp", "synack", "icmp", "sctp", "arp-reply", "arp-request", "na", "ns", "ra", "redirect", "dhcp", "dhcp6"))
    parser.add_argument("what", nargs="*")
    parser.add_argument("--vlan", type=int)
    parser.add_argument("--sport", type=int, default=40000)
    parser.add_argument("--dport", type=int, default=7777)
    parser.add_argument("--flags", default="syn")
    parser.add_argument("--hops", type=int, default=64)
    args = parser.parse_args()

    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((args.device, 0))
    here = sock.getsockname()[4]
    ethertype, payload = forge(args, here)
    tag = struct.pack("!HH", ETH_P_8021Q, args.vlan) if args.vlan is not None else b""
    sock.send(mac(args.to) + here + tag + struct.pack("!H", ethertype) + payload)


main()
