#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""One end of a flow, which does what it is told, when it is told.

    end.py PIPES tcp|udp ADDRESS PORT [PEER PORT]
        Binds to ADDRESS and PORT; then connects to the peer or, if none is named, waits for whoever comes (over TCP one
        connection). Prints "ready" when connected or listening. Commands are lines of the named pipe PIPES.tell, each is
        answered by one line in PIPES.told, which begins with "error" if it failed:

        send N          N bytes over TCP, N messages of 100 bytes over UDP
        stream N        from now on N messages of 100 bytes a second; 0 ends it. Says how many the stream has sent
        arrived N       waits until N bytes (TCP) or messages (UDP) have arrived since the start; says how many have
        peer            "address port" of the other end as seen here
        finish          no more from here (FIN)
        reset           RST, and the end of this end
        over            waits until the other end has finished, and says how: "end" or "reset"

What arrives is counted and thrown away, all the time. A peer of UDP is whoever spoke last.
"""
import argparse
import socket
import struct
import sys
import threading
import time

PATIENCE = 20
MESSAGE = bytes(100)
MSG_TRUNC = 0x20    # of TCP: counts bytes without copying them
ERRORS = {ConnectionResetError: "reset", BrokenPipeError: "reset"}


class End:
    def __init__(self, args):
        kind = socket.SOCK_STREAM if args.protocol == "tcp" else socket.SOCK_DGRAM
        self.tcp, self.there = args.protocol == "tcp", None
        self.sock = socket.socket(socket.AF_INET6 if ":" in args.address else socket.AF_INET, kind)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((args.address, args.port))
        self.changed, self.arrived_so_far, self.how_over = threading.Condition(), 0, None
        self.streaming, self.rate, self.rate_since = threading.Lock(), 0, 0
        self.streamed = self.streamed_since = 0
        if args.peer:
            self.there = (args.peer, args.peer_port)
            if self.tcp:
                self.sock.connect(self.there)
        elif self.tcp:
            self.sock.listen(1)
        threading.Thread(target=self.receive, daemon=True).start()
        threading.Thread(target=self.keep_sending, daemon=True).start()

    def receive(self):
        if self.tcp and not self.there:
            connection, there = self.sock.accept()
            self.sock.close()
            self.note(sock=connection, there=there)
        while True:
            try:
                if self.tcp:
                    n = self.sock.recv_into(buffer, 0, MSG_TRUNC)
                    if not n:    # or whoever sends was told of a reset before us
                        return self.note(how_over=self.how_over or "end")
                    self.note(arrived_so_far=self.arrived_so_far + n)
                else:
                    _, there = self.sock.recvfrom(65536)
                    self.note(arrived_so_far=self.arrived_so_far + 1, there=there)
            except OSError as error:
                if self.tcp:    # UDP: of an ICMP error we know by what does not arrive
                    return self.note(how_over=ERRORS.get(type(error), str(error)))

    def note(self, **what):
        with self.changed:
            vars(self).update(what)
            self.changed.notify_all()

    def wait_for(self, what, condition):
        with self.changed:
            if not self.changed.wait_for(condition, PATIENCE):
                raise OSError(f"{what} after {PATIENCE} s")

    def transmit(self, n):
        if n:
            self.wait_for("nobody is there", lambda: self.there)
        if self.tcp:
            try:
                while n:
                    n -= self.sock.send(view[:n])
            except OSError as error:
                self.note(how_over=ERRORS.get(type(error), str(error)))
                raise
        else:
            for _ in range(n):
                self.sock.sendto(MESSAGE, self.there)

    def keep_sending(self):
        while True:
            with self.streaming:
                due = int((time.monotonic() - self.rate_since) * self.rate) - self.streamed_since
                try:
                    self.transmit(due * len(MESSAGE) if self.tcp else due)
                except OSError:
                    return
                self.streamed_since += due
            time.sleep(0.005)

    # ---- commands

    def send(self, n):
        self.transmit(int(n))

    def stream(self, rate):
        with self.streaming:
            self.streamed += self.streamed_since
            self.rate, self.rate_since, self.streamed_since = int(rate), time.monotonic(), 0
            return self.streamed

    def arrived(self, n):
        try:
            self.wait_for("", lambda: self.arrived_so_far >= int(n))
        except OSError:
            return f"error: {self.arrived_so_far} arrived"
        return self.arrived_so_far

    def peer(self):
        self.wait_for("nobody is there", lambda: self.there)
        return f"{self.there[0]} {self.there[1]}"

    def finish(self):
        self.wait_for("nobody is there", lambda: self.there)
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.shutdown(socket.SHUT_RD)    # ends the thread's reading, or close() would wait for it
        self.sock.close()

    def over(self):
        self.wait_for("not over", lambda: self.how_over)
        return self.how_over


buffer = bytearray(1 << 20)
view = memoryview(bytes(1 << 20))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pipes")
    parser.add_argument("protocol", choices=("tcp", "udp"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("peer", nargs="?")
    parser.add_argument("peer_port", type=int, nargs="?")
    args = parser.parse_args()
    end = End(args)
    print("ready", flush=True)
    with open(args.pipes + ".tell", "r+b", 0) as tell, open(args.pipes + ".told", "r+b", 0) as told:
        while line := tell.readline():
            command, *arguments = line.decode().split()
            try:
                answer = getattr(end, command)(*arguments)
            except OSError as error:
                answer = f"error: {error}"
            told.write(f"{'ok' if answer is None else answer}\n".encode())


main()
