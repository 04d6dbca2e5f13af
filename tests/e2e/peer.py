#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""The other end: says which address and port it saw.

    peer.py serve PORT
        TCP, UDP and SCTP, both families, every address of the namespace. Answers "address port": over UDP padded to
        the length of the question, over TCP followed by whatever is sent, over SCTP in the cookie of an INIT ACK.
        Prints "ready".
    peer.py ask PROTOCOL ADDRESS PORT [--sport N] [--size N] [--count N] [--pause S] [--timeout S]
        Asks and prints the answer. --size: bytes sent (and, over TCP, read back). --count: questions in a row over
        one flow, one line for each; --pause: between them. Exit status 1 without an answer.
    peer.py flood ADDRESS RATE SECONDS
        Begins RATE flows a second that nobody answers: datagrams to one port after the other.
    peer.py pings
        Prints "ready", then the source of each ICMP echo request that arrives.
"""
import argparse
import socket
import struct
import sys
import threading
import time

IP_PKTINFO, IPV6_RECVPKTINFO = 8, 49
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_DO = 10, 23, 0, 2
IPPROTO_SCTP, INIT, INIT_ACK = 132, 1, 2


def plain(address):
    """Without ::ffff: of an IPv4 peer on an IPv6 socket."""
    return address[7:] if address.startswith("::ffff:") else address


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- SCTP as far as the first two packets of a handshake, on raw sockets: the kernel need not know it

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp_packet(sport, dport, tag, chunk, cookie=b""):
    parameters = struct.pack("!HH", 7, 4 + len(cookie)) + cookie if cookie else b""
    # chunk type, flags, length, initiate tag, receiver window, streams out and in, first TSN
    body = struct.pack("!BBHIIHHI", chunk, 0, 20 + len(parameters), 0x1234ABCD, 65536, 1, 1, 1) + parameters
    head = struct.pack("!HHI", sport, dport, tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + body)) + body


def sctp_parse(family, packet):
    """(source port, destination port, chunk type, initiate tag, cookie)"""
    if family == socket.AF_INET:    # raw IPv4 sockets give the IP header too
        packet = packet[(packet[0] & 15) * 4:]
    sport, dport, _, checksum = struct.unpack_from("!HHI4s", packet)
    if checksum != struct.pack("<I", crc32c(packet[:8] + bytes(4) + packet[12:])):
        sys.exit("SCTP: wrong checksum")
    return sport, dport, packet[12], struct.unpack_from("!I", packet, 16)[0], packet[36:]


def serve_sctp(family, port):
    sock = socket.socket(family, socket.SOCK_RAW, IPPROTO_SCTP)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    while True:
        packet, ancillary, _, peer = sock.recvmsg(2048, 256)
        sport, dport, chunk, tag, _ = sctp_parse(family, packet)
        if dport == port and chunk == INIT:
            cookie = f"{peer[0]} {sport}".encode()
            sock.sendmsg([sctp_packet(dport, sport, tag, INIT_ACK, cookie)], ancillary, 0, (peer[0], 0))


# ---- TCP and UDP

def serve_tcp(port):
    def talk(connection, peer):
        with connection:
            try:
                connection.sendall(f"{plain(peer[0])} {peer[1]}\n".encode())
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass    # it went away: its business

    sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    while True:
        threading.Thread(target=talk, args=sock.accept(), daemon=True).start()


def serve_udp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    sock.bind(("::", port))
    while True:
        question, ancillary, _, peer = sock.recvmsg(65536, 256)
        answer = f"{plain(peer[0])} {peer[1]}\n".encode()
        # With the question's ancillary data, which holds the address asked, the answer comes from there.
        sock.sendmsg([answer.ljust(len(question), b".")], ancillary, 0, peer)


def serve(args):
    for target in ((serve_tcp, args.port), (serve_udp, args.port), (serve_sctp, socket.AF_INET, args.port),
                   (serve_sctp, socket.AF_INET6, args.port)):
        threading.Thread(target=target[0], args=target[1:], daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def ask_tcp(args, sock):
    sock.connect((args.address, args.port))
    stream = sock.makefile("rwb")
    print(stream.readline().decode().strip())
    for _ in range(args.size and args.count):
        stream.write(bytes(args.size))
        stream.flush()
        if len(stream.read(args.size)) != args.size:
            sys.exit("the connection ended early")
        time.sleep(args.pause)


def ask_udp(args, sock):
    for _ in range(args.count):
        sock.sendto(b"?".ljust(args.size, b"?"), (args.address, args.port))
        answer, peer = sock.recvfrom(65536)
        if plain(peer[0]) != args.address or len(answer) < args.size:
            sys.exit(f"{len(answer)} bytes from {peer[0]}")
        print(answer.split(b"\n")[0].decode())
        time.sleep(args.pause)


def ask_sctp(args, sock):
    sport = args.sport or 45678
    sock.sendto(sctp_packet(sport, args.port, 0, INIT), (args.address, 0))
    while True:
        packet, peer = sock.recvfrom(2048)
        *ports_and_chunk, _, cookie = sctp_parse(sock.family, packet)
        if ports_and_chunk == [args.port, sport, INIT_ACK] and peer[0] == args.address:
            print(cookie.decode())
            return


def ask(args):
    kind, protocol = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0),
                      "sctp": (socket.SOCK_RAW, IPPROTO_SCTP)}[args.protocol]
    sock = socket.socket(family_of(args.address), kind, protocol)
    sock.settimeout(args.timeout)
    if args.sport and args.protocol != "sctp":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", args.sport))
    if args.pmtudisc:
        value = {"do": PMTUDISC_DO, "dont": PMTUDISC_DONT}[args.pmtudisc]
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, value)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, value)
    try:
        {"tcp": ask_tcp, "udp": ask_udp, "sctp": ask_sctp}[args.protocol](args, sock)
    except OSError as error:
        sys.exit(f"{args.protocol} {args.address} {args.port}: {error}")


def flood(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_DGRAM)
    start, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - start) < args.seconds:
        for _ in range(int(elapsed * args.rate) - sent):
            sock.sendto(b"?", (args.address, 1024 + sent % 60000))
            sent += 1
        time.sleep(0.002)
    print(sent)


def pings(_):
    def report(family, protocol, request):
        sock = socket.socket(family, socket.SOCK_RAW, protocol)
        while True:
            packet, peer = sock.recvfrom(65536)
            if packet[(packet[0] & 15) * 4 if family == socket.AF_INET else 0] == request:
                print(peer[0], flush=True)

    for target in ((socket.AF_INET, socket.IPPROTO_ICMP, 8), (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128)):
        threading.Thread(target=report, args=target, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("serve")
    command.set_defaults(run=serve)
    command.add_argument("port", type=int)
    command = commands.add_parser("ask")
    command.set_defaults(run=ask)
    command.add_argument("protocol", choices=("tcp", "udp", "sctp"))
    command.add_argument("address")
    command.add_argument("port", type=int)
    command.add_argument("--sport", type=int, default=0)
    command.add_argument("--size", type=int, default=0)
    command.add_argument("--count", type=int, default=1)
    command.add_argument("--pause", type=float, default=0)
    command.add_argument("--timeout", type=float, default=2)
    command.add_argument("--pmtudisc", choices=("do", "dont"))
    command = commands.add_parser("flood")
    command.set_defaults(run=flood)
    command.add_argument("address")
    command.add_argument("rate", type=int)
    command.add_argument("seconds", type=float)
    commands.add_parser("pings").set_defaults(run=pings)
    args = parser.parse_args()
    args.run(args)


main()
