#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Listens on a device, and says when it first and last saw each kind of frame.

    sightings.py DEVICE

Prints "ready"; at SIGTERM, when it has read all that had arrived, a line for each kind of frame, tab-separated:
    first  last  count  source  destination  protocol  source-port  destination-port  destination-MAC
and then "lost N", the frames that the kernel could not give it. Frames that the device sends are not seen. Times are
CLOCK_REALTIME in seconds, as the kernel took them. Ports are 0 but of TCP and UDP.
"""
import select
import signal
import socket
import struct
import sys

SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 263, 6, 4
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x800, 0x86DD
SNAPLEN = 128
NAMES = {6: "tcp", 17: "udp", 50: "esp"}


def describe(frame):
    """(source, destination, protocol, source port, destination port, destination MAC) or None."""
    ethertype, packet = struct.unpack_from("!H", frame, 12)[0], frame[14:]
    if ethertype == ETH_P_IP and len(packet) >= 20:
        family, addresses, protocol, segment = socket.AF_INET, packet[12:20], packet[9], packet[(packet[0] & 15) * 4:]
    elif ethertype == ETH_P_IPV6 and len(packet) >= 40:
        family, addresses, protocol, segment = socket.AF_INET6, packet[8:40], packet[6], packet[40:]
    else:
        return None
    half = len(addresses) // 2
    ports = struct.unpack_from("!HH", segment) if protocol in (6, 17) and len(segment) >= 4 else (0, 0)
    return (socket.inet_ntop(family, addresses[:half]), socket.inet_ntop(family, addresses[half:]),
            NAMES.get(protocol, str(protocol)), *ports, frame[:6].hex(":"))


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.bind((sys.argv[1], ETH_P_ALL))
    stop, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    seen = {}

    print("ready", flush=True)
    while sock in (readable := select.select([sock, stop], [], [])[0]) or stop not in readable:
        frame, ancillary, _, (_, _, kind, _, _) = sock.recvmsg(SNAPLEN, 256)
        what = None if kind == PACKET_OUTGOING else describe(frame)
        if what:
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
            now = seconds + nanoseconds / 1e9
            first, _, count = seen.get(what, (now, 0, 0))
            seen[what] = first, now, count + 1
    for what, (first, last, count) in seen.items():
        print(f"{first:.6f}", f"{last:.6f}", count, *what, sep="\t", flush=True)
    print("lost", struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1], flush=True)


main()
