#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Many connections that go on while something changes.

    many.py serve PORT
    many.py ask COUNT ADDRESS PORT
        That many TCP connections; each is asked ten times a second and must echo. Prints "ready" when all have; with
        SIGTERM "N asked, N answered, N broken, longest N ms" and ends.
"""
import selectors
import signal
import socket
import sys
import time

TURN = 0.1


def serve(port):
    selector = selectors.DefaultSelector()
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    listener.listen(200)
    selector.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(4096)
                if data:
                    key.fileobj.sendall(data)
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()


def ask(count, address, port):
    selector = selectors.DefaultSelector()
    since, longest, asked, answered, broken = {}, 0.0, 0, 0, 0
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    for _ in range(count):
        sock = socket.create_connection((address, port), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
    socks = [key.fileobj for key in selector.get_map().values()]
    print("ready", flush=True)
    turn = time.monotonic()
    while not over or (since and time.monotonic() < turn + 5):
        now = time.monotonic()
        if not over and now >= turn:
            turn = now + TURN
            for sock in socks:
                if sock not in since:
                    since[sock] = now
                    asked += 1
                    try:
                        sock.send(b"?")
                    except OSError:
                        pass
        for key, _ in selector.select(max(0.0, min(TURN, turn - now)) if not over else TURN):
            sock = key.fileobj
            try:
                good = bool(sock.recv(4096))
            except OSError:
                good = False
            if good and sock in since:
                longest = max(longest, time.monotonic() - since.pop(sock))
                answered += 1
            elif not good:
                broken += 1
                since.pop(sock, None)
                selector.unregister(sock)
                socks.remove(sock)
    broken += len(since)
    print(f"{asked} asked, {answered} answered, {broken} broken, longest {longest * 1000:.0f} ms", flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    ask(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
