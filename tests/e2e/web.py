#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""An HTTP client with good manners, and bad ones.

    web.py ask METHOD ADDRESS PORT PATH [BYTES]        status, headers, an empty line and the body; BYTES: of a body to send
    web.py time ADDRESS PORT PATH N                    the median of N requests, in microseconds
    web.py silent ADDRESS PORT N                       N connections that say nothing; prints "ready" when they stand
    web.py dribble ADDRESS PORT N                      ... that send a byte now and then
    web.py deaf ADDRESS PORT PATH N                    ... that ask, and do not read the answer
        these three print how many were closed, when all are or after 40 seconds
    web.py raw ADDRESS PORT                            sends stdin, prints what comes
"""
import http.client
import select
import socket
import sys
import time

PATIENCE = 40


def ask(method, address, port, path, body=None):
    connection = http.client.HTTPConnection(address, int(port), timeout=10)
    connection.request(method, path, body=b"x" * int(body) if body else None)
    answer = connection.getresponse()
    print(answer.status)
    for name, value in answer.getheaders():
        print(f"{name}: {value}")
    print()
    print(answer.read().decode(), end="")


def measure(address, port, path, n):
    took = []
    for _ in range(int(n)):
        start = time.monotonic_ns()
        connection = http.client.HTTPConnection(address, int(port), timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took.append(time.monotonic_ns() - start)
        if answer.status != 200 or not body:
            sys.exit(f"{answer.status}: {body}")
    print(sorted(took)[len(took) // 2] // 1000)


def connect(address, port, n, request=b""):
    """Beyond a number, whoever came first is sent away, perhaps before he has said anything."""
    peers = []
    for _ in range(int(n)):
        peers.append(socket.create_connection((address, int(port)), timeout=10))
        try:
            peers[-1].send(request)
        except OSError:
            pass
    return peers


def hold(peers, poke):
    print("ready", flush=True)
    end = time.monotonic() + PATIENCE
    alive = {p.fileno(): p for p in peers}
    closed = 0
    watch = select.poll()
    for fd in alive:
        watch.register(fd, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    while alive and time.monotonic() < end:
        for fd, _ in watch.poll(200):
            watch.unregister(fd)
            alive.pop(fd).close()
            closed += 1
        for peer in alive.values():
            poke(peer)
    print(f"closed {closed} of {len(peers)}")


def dribble(peer):
    try:
        peer.send(b"G")
    except OSError:
        pass


def deaf(address, port, path, n):
    hold(connect(address, port, n, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), lambda peer: None)


def raw(address, port):
    peer = socket.create_connection((address, int(port)), timeout=10)
    try:
        peer.sendall(sys.stdin.buffer.read())
        while True:
            got = peer.recv(65536)
            if not got:
                break
            sys.stdout.buffer.write(got)
    except (ConnectionError, BrokenPipeError):
        pass
    except TimeoutError:
        sys.exit("no answer, and not closed")


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "ask":
        ask(*args)
    elif verb == "time":
        measure(*args)
    elif verb == "silent":
        hold(connect(*args), lambda peer: None)
    elif verb == "dribble":
        hold(connect(*args), dribble)
    elif verb == "deaf":
        deaf(*args)
    elif verb == "raw":
        raw(*args)
    else:
        sys.exit(__doc__)


main()
