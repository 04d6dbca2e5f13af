#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""A flow that goes on while something changes, and what it noticed.

    steady.py serve PORT
        Echoes what it is sent over TCP and UDP, both families, every address of the namespace; behind a datagram it
        writes "address port" of who it saw. To who says "push" over UDP it sends 200 datagrams a second from then on,
        whatever becomes of them. Prints "ready".
    steady.py many ADDRESS PORT COUNT
        Begins COUNT flows over UDP and COUNT over TCP at once, and prints how many were answered.
    steady.py (udp | tcp) ADDRESS PORT [--sport N] [--rate N] [--size N] [--push]
        RATE numbered messages a second of SIZE bytes over one socket, until SIGTERM. Prints "ready" at the first
        echo, at the end a line of JSON:
            sent, lost       messages; lost are those whose echo never came
            reordered        echoes that came after a later one's
            retransmitted    segments (TCP)
            gaps             [from, until] of each time of more than 0.2 s without an echo
            silent           how long there had been none when the end came
            sources          [address and port, time] of each that the server saw, from then on (UDP)
            error            what ended the connection, or null
        Times are CLOCK_REALTIME in seconds.
"""
import argparse
import json
import select
import signal
import socket
import struct
import threading
import time

IP_PKTINFO, IPV6_RECVPKTINFO = 8, 49
TCP_INFO, TOTAL_RETRANS = 11, 100    # offset of tcpi_total_retrans
GAP, LINGER, PUSHES = 0.2, 0.5, 200
HEAD = struct.Struct("!Q")


# ---- the server

def serve_tcp(port):
    def talk(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass    # it went away: its business

    sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=talk, args=sock.accept()[:1], daemon=True).start()


def push(sock, ancillary, peer):
    while True:
        try:
            sock.sendmsg([b"push"], ancillary, 0, peer)
        except OSError:
            pass    # an ICMP error of an earlier one
        time.sleep(1 / PUSHES)


def serve_udp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    sock.bind(("::", port))
    pushed = set()
    while True:
        data, ancillary, _, peer = sock.recvmsg(65536, 256)
        if data == b"push":
            if peer not in pushed:
                pushed.add(peer)
                threading.Thread(target=push, args=(sock, ancillary, peer), daemon=True).start()
            continue
        source = f"{peer[0].removeprefix('::ffff:')} {peer[1]}".encode()
        try:
            sock.sendmsg([data, source], ancillary, 0, peer)
        except OSError:
            pass    # no way back just now


def serve(args):
    for target in (serve_tcp, serve_udp):
        threading.Thread(target=target, args=(args.port,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


# ---- the client

class Seen:
    """What came back."""

    def __init__(self):
        self.numbers, self.newest, self.reordered = set(), -1, 0
        self.gaps, self.last, self.sources, self.silent, self.stopped = [], None, [], 0, False

    def echo(self, number, source=None):
        now = time.time()
        if not self.numbers:
            print("ready", flush=True)
        self.gap(now)
        self.last = now
        self.reordered += number < self.newest
        self.newest = max(self.newest, number)
        self.numbers.add(number)
        if source and (not self.sources or self.sources[-1][0] != source):
            self.sources.append([source, now])

    def gap(self, now):
        if self.last and not self.stopped and now - self.last > GAP:
            self.gaps.append([self.last, now])

    def stop(self, now):
        """Nothing more will be asked: silence is no gap any more."""
        self.gap(now)
        self.silent = now - (self.last or now)
        self.stopped = True


def read_udp(sock, size, seen):
    data = sock.recv(65536)
    if data != b"push":
        seen.echo(HEAD.unpack_from(data)[0], data[size:].decode())


class Stream:
    """Messages of one size out of a stream."""

    def __init__(self):
        self.rest = b""

    def read(self, sock, size, seen):
        data = sock.recv(65536)
        if not data:
            raise ConnectionError("end of stream")
        self.rest += data
        while len(self.rest) >= size:
            seen.echo(HEAD.unpack_from(self.rest)[0])
            self.rest = self.rest[size:]


def run(args, sock, read, seen, stop):
    """Sends and reads until told to stop, then reads on for a while. Returns the number of messages sent."""
    sent, start, end = 0, time.monotonic(), None
    udp = args.protocol == "udp"
    if args.push:
        sock.send(b"push")
    while not end or time.monotonic() < end:
        due = start + sent / args.rate
        wait = max(0, (end or due) - time.monotonic())
        ready = select.select([sock] if end else [sock, stop], [], [], wait)[0]
        try:
            if sock in ready:
                read(sock, args.size, seen)
            if not end and time.monotonic() >= due:
                sent += 1
                message = HEAD.pack(sent - 1).ljust(args.size, b".")
                sock.send(message) if udp else sock.sendall(message)
        except OSError:
            if not udp:
                raise    # over UDP it was an ICMP error of an earlier one, or no route just now
        if stop in ready:
            end = time.monotonic() + LINGER
            seen.stop(time.time())
    return sent


def talk(args):
    kind = socket.SOCK_DGRAM if args.protocol == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET6 if ":" in args.address else socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if args.sport:
        sock.bind(("", args.sport))
    stop, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    seen, result = Seen(), {"sent": 0, "error": None}
    try:
        sock.connect((args.address, args.port))
        if args.protocol == "tcp":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result["sent"] = run(args, sock, read_udp if args.protocol == "udp" else Stream().read, seen, stop)
    except OSError as error:
        result["error"] = str(error)
        select.select([stop], [], [])
    result.update(lost=result["sent"] - len(seen.numbers), reordered=seen.reordered, gaps=seen.gaps,
                  silent=seen.silent, sources=seen.sources)
    if args.protocol == "tcp":
        info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
        result["retransmitted"] = struct.unpack_from("=I", info, TOTAL_RETRANS)[0]
    print(json.dumps(result), flush=True)


def many(args):
    family = socket.AF_INET6 if ":" in args.address else socket.AF_INET
    waiting, answered = [], 0
    for kind in [socket.SOCK_DGRAM, socket.SOCK_STREAM] * args.count:
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        sock.connect_ex((args.address, args.port))    # over TCP it goes on by itself
        waiting.append(sock)
        if kind == socket.SOCK_DGRAM:
            sock.send(bytes(100))
    end = time.monotonic() + 3
    while waiting and time.monotonic() < end:
        udp = [sock for sock in waiting if sock.type == socket.SOCK_DGRAM]
        tcp = [sock for sock in waiting if sock.type == socket.SOCK_STREAM]
        readable, writable, _ = select.select(udp, tcp, [], 0.1)
        for sock in readable + writable:
            answered += sock in readable or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            waiting.remove(sock)
    print(answered)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True, dest="protocol")
    command = commands.add_parser("serve")
    command.set_defaults(run=serve)
    command.add_argument("port", type=int)
    command = commands.add_parser("many")
    command.set_defaults(run=many)
    command.add_argument("address")
    command.add_argument("port", type=int)
    command.add_argument("count", type=int)
    for protocol in ("udp", "tcp"):
        command = commands.add_parser(protocol)
        command.set_defaults(run=talk)
        command.add_argument("address")
        command.add_argument("port", type=int)
        command.add_argument("--sport", type=int, default=0)
        command.add_argument("--rate", type=int, default=500)
        command.add_argument("--size", type=int, default=100)
        command.add_argument("--push", action="store_true")
    args = parser.parse_args()
    args.run(args)


main()
