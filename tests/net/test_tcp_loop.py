"""TCP from the machine to itself: super-packets longer than a device takes are cut before it."""

from __future__ import annotations

from rxpath.conform.adapter import run_ours
from rxpath.conform.tcp_script import PORT, Tcp


def test_a_long_stream_arrives_whole() -> None:
    t = Tcp("loop", "tcp_data").listen()
    t.step("socket", id="k", type="tcp").step("connect", sock="k", to=["127.0.0.1", PORT])
    t.step("accept", sock="l", **{"as": "c"}).send(400000, "k").step("recv_count", sock="c")
    o = run_ours(t.done())
    assert o["steps"][3] == {"n": 400000}
    assert o["steps"][4] == {"bytes": 400000, "end": "EAGAIN"}  # no segment's length went round: none was lost
