#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Listens on a device and prints each new "source destination protocol" that arrives, once.

    wire.py DEVICE [--pods]

Prints "ready" first and, at SIGTERM, when it has read all that had arrived, "lost N": the frames that the kernel
could not give it. --pods: only what has a pod's address as its source, for tests that send more than can be read here.
ARP's source and destination are those of its payload; ICMP's type is part of the protocol.
"""
import ctypes
import select
import signal
import socket
import struct
import sys

SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
SOL_PACKET, PACKET_STATISTICS = 263, 6
ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 3, 0x800, 0x806, 0x86DD
SNAPLEN = 128
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}

# Classic BPF: (code, jump if true, jump if false, operand).
LOAD_HALF, LOAD, AND, JUMP_EQUAL, RETURN = 0x28, 0x20, 0x54, 0x15, 0x06
EVERYTHING = [(RETURN, 0, 0, SNAPLEN)]      # its first bytes, so that floods fit the buffer
PODS = [(LOAD_HALF, 0, 0, 12),
        (JUMP_EQUAL, 0, 3, ETH_P_IP),
        (LOAD, 0, 0, 26),
        (AND, 0, 0, 0xFFFF0000),
        (JUMP_EQUAL, 5, 6, 0x0AF40000),     # 10.244.0.0/16
        (JUMP_EQUAL, 0, 5, ETH_P_IPV6),
        (LOAD, 0, 0, 22),
        (JUMP_EQUAL, 0, 3, 0xFD000010),     # fd00:10:244::/48
        (LOAD_HALF, 0, 0, 26),
        (JUMP_EQUAL, 0, 1, 0x0244),
        (RETURN, 0, 0, SNAPLEN),
        (RETURN, 0, 0, 0)]


def listen(device, wanted):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in wanted))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("@HP", len(wanted), ctypes.addressof(program)))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.bind((device, ETH_P_ALL))
    return sock


def describe(frame):
    """(source, destination, protocol) or None."""
    ethertype = struct.unpack_from("!H", frame, 12)[0]
    packet = frame[14:]
    if ethertype == ETH_P_ARP and len(packet) >= 28:
        return socket.inet_ntoa(packet[14:18]), socket.inet_ntoa(packet[24:28]), "arp"
    if ethertype == ETH_P_IP and len(packet) >= 20:
        source, destination = (socket.inet_ntoa(packet[i:i + 4]) for i in (12, 16))
        protocol, payload = packet[9], packet[(packet[0] & 15) * 4:]
        first = not struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
    elif ethertype == ETH_P_IPV6 and len(packet) >= 40:
        source, destination = (socket.inet_ntop(socket.AF_INET6, packet[i:i + 16]) for i in (8, 24))
        protocol, payload, first = packet[6], packet[40:], True
        if protocol == 44 and len(payload) >= 8:    # a fragment header
            protocol, first = payload[0], not struct.unpack_from("!H", payload, 2)[0] & 0xFFF8
            payload = payload[8:]
    else:
        return None
    name = NAMES.get(protocol, str(protocol))
    if name.startswith("icmp") and first and payload:
        name += f"/{payload[0]}"
    return source, destination, name


def main():
    sock = listen(sys.argv[1], PODS if "--pods" in sys.argv else EVERYTHING)
    stop, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    seen = set()

    print("ready", flush=True)
    while sock in (readable := select.select([sock, stop], [], [])[0]) or stop not in readable:
        frame, (_, _, kind, _, _) = sock.recvfrom(SNAPLEN)
        what = None if kind == socket.PACKET_OUTGOING else describe(frame)
        if what and what not in seen:
            seen.add(what)
            print(*what, flush=True)
    lost = struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    print("lost", lost, flush=True)


main()
