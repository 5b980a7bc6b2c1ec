"""A server that `iperf3 -c` talks to (TCP, both ways, any number of streams), with the standard library alone.

    python examples/iperf3_server.py [--port N] [--count N]
    python -m rxpath.run --tap t0 --address 10.9.0.2/24 --host-address 10.9.0.1/24 examples/iperf3_server.py
    iperf3 -c 10.9.0.2            # the client sends
    iperf3 -c 10.9.0.2 -R         # the client receives

One test at a time.  The protocol: a control connection carries states, one octet each, and JSON texts behind their
length (32 bits, big endian); every data connection begins with the control connection's cookie.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import threading
import time
from typing import Any

TEST_START, TEST_RUNNING, TEST_END = 1, 2, 4
PARAM_EXCHANGE, CREATE_STREAMS = 9, 10
CLIENT_TERMINATE, EXCHANGE_RESULTS, DISPLAY_RESULTS, IPERF_DONE = 12, 13, 14, 16
ACCESS_DENIED, SERVER_ERROR = 255, 254
COOKIE = 37
IEUNIMP = 13  # iperf3's number for what is not implemented
PATIENCE = 10.0  # seconds for the other side to take the next step


class Refused(Exception):
    """The client asks for what this server does not have, or went away."""


def exactly(conn: socket.socket, n: int) -> bytes:
    """`n` octets.  Refused when the connection ends before."""
    parts = []
    while n:
        data = conn.recv(n)
        if not data:
            raise Refused("the client went away")
        parts.append(data)
        n -= len(data)
    return b"".join(parts)


def read_json(conn: socket.socket) -> dict[str, Any]:
    (n,) = struct.unpack(">I", exactly(conn, 4))
    if n > 1 << 20:
        raise Refused(f"a text of {n} octets")
    what = json.loads(exactly(conn, n))
    if not isinstance(what, dict):
        raise Refused("not an object")
    return what


def write_json(conn: socket.socket, what: dict[str, Any]) -> None:
    raw = json.dumps(what).encode()
    conn.sendall(struct.pack(">I", len(raw)) + raw)


class Stream:
    """One data connection; counts octets in the direction that it serves."""

    def __init__(self, number: int, conn: socket.socket, sends: bool, size: int) -> None:
        self.number = number
        self.conn = conn
        self.sends = sends
        self.size = size
        self.octets = 0
        self.stopped = threading.Event()
        self.began = time.monotonic()
        self.ended = self.began
        self.again = -1
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        self.began = time.monotonic()
        self.conn.settimeout(0.5)
        data = bytes(self.size)
        buffer = bytearray(max(self.size, 1 << 18))
        while not self.stopped.is_set():
            try:
                n = self.conn.send(data) if self.sends else self.conn.recv_into(buffer)
            except TimeoutError:
                continue
            except OSError:
                break
            if not n:
                break
            self.octets += n
            self.ended = time.monotonic()

    def stop(self) -> None:
        """End it and close its connection, which a client that waits for more needs to see."""
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join(PATIENCE)
        if self.sends and self.conn.fileno() >= 0:  # segments sent again, as the kernel counts them
            info = self.conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            self.again = struct.unpack_from("=I", info, 100)[0]
        self.conn.close()

    def result(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "bytes": self.octets,
            "retransmits": self.again,
            "jitter": 0,
            "errors": 0,
            "packets": 0,
            "start_time": 0,
            "end_time": self.ended - self.began,
        }


def stream_ids(count: int) -> list[int]:
    """iperf3 numbers its streams 1, 3, 4, 5..."""
    return [1, *range(3, count + 2)][:count]


def serve_one(listener: socket.socket, control: socket.socket) -> list[Stream]:
    """A whole test on a control connection; its streams, ended.  Refused."""
    control.settimeout(PATIENCE)
    cookie = exactly(control, COOKIE)
    control.sendall(bytes([PARAM_EXCHANGE]))
    asked = read_json(control)
    if asked.get("udp") or asked.get("sctp"):
        control.sendall(bytes([SERVER_ERROR]) + struct.pack(">II", IEUNIMP, 0))
        raise Refused("TCP only")
    count = int(asked.get("parallel", 1))
    ways = [False, True] if asked.get("bidirectional") else [bool(asked.get("reverse"))]
    size = min(max(int(asked.get("len", 131072)), 1), 1 << 20)
    control.sendall(bytes([CREATE_STREAMS]))
    streams: list[Stream] = []
    listener.settimeout(PATIENCE)
    ids = iter(stream_ids(count * len(ways)))
    for sends in ways:
        for _ in range(count):
            while True:
                conn, _who = listener.accept()
                conn.settimeout(PATIENCE)
                if exactly(conn, COOKIE) == cookie:
                    break
                conn.sendall(bytes([ACCESS_DENIED]))
                conn.close()
            if asked.get("nodelay"):
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if asked.get("MSS"):
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, int(asked["MSS"]))
            streams.append(Stream(next(ids), conn, sends, size))
    control.sendall(bytes([TEST_START]))
    for s in streams:
        s.thread.start()
    control.sendall(bytes([TEST_RUNNING]))
    try:
        control.settimeout(None if not asked.get("time") else float(asked["time"]) + 6 * PATIENCE)
        state = exactly(control, 1)[0]
        if state != TEST_END:
            raise Refused("the client gave up" if state == CLIENT_TERMINATE else f"state {state} in the test")
        control.settimeout(PATIENCE)
        for s in streams:  # what a sender still queues is none of the client's any more
            s.stopped.set()
        for s in streams:
            s.stop()
        control.sendall(bytes([EXCHANGE_RESULTS]))
        read_json(control)
        write_json(
            control,
            {
                "cpu_util_total": 0,
                "cpu_util_user": 0,
                "cpu_util_system": 0,
                "sender_has_retransmits": 1 if any(s.sends for s in streams) else -1,
                "congestion_used": "cubic",
                "streams": [s.result() for s in streams],
            },
        )
        control.sendall(bytes([DISPLAY_RESULTS]))
        exactly(control, 1)  # IPERF_DONE
    finally:
        for s in streams:
            s.stop()
    return streams


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=5201)
    parser.add_argument("--count", type=int, default=0, help="end after so many tests (default: never)")
    options = parser.parse_args()
    done = 0
    with socket.create_server(("", options.port), backlog=128) as listener:
        print(f"listening on port {options.port}", flush=True)
        while not options.count or done < options.count:
            listener.settimeout(None)
            control, who = listener.accept()
            done += 1
            with control:
                try:
                    streams = serve_one(listener, control)
                except (Refused, OSError, ValueError) as e:
                    print(f"{who[0]}: {e}", flush=True)
                    continue
            for way, sends in (("received", False), ("sent", True)):
                mine = [s for s in streams if s.sends is sends]
                if mine:
                    octets = sum(s.octets for s in mine)
                    took = max(s.ended - s.began for s in mine) or 1e-9
                    print(f"{who[0]}: {way} {octets:,} octets, {octets * 8 / took / 1e6:,.1f} Mbit/s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
