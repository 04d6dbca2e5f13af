#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Listens on a device and prints each new "source destination protocol" that arrives, once.

    wire.py DEVICE

Prints "ready" first and, at SIGTERM, when it has read all that had arrived, "lost N": the frames that the kernel
could not give it. ARP's source and destination are those of its payload; ICMP's type is part of the protocol.
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
BPF_RET_K = 6
SNAPLEN = 128
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}


def listen(device):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    # The shortest classic filter: the first SNAPLEN bytes of everything, so that floods fit the buffer.
    program = ctypes.create_string_buffer(struct.pack("=HBBI", BPF_RET_K, 0, 0, SNAPLEN))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("@HP", 1, ctypes.addressof(program)))
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
    sock = listen(sys.argv[1])
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
