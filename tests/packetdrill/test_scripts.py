"""The corpus on the machine, and on this host's own kernel; what the runner says when script and host differ."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.cli.main import run
from rxpath.packetdrill.runner import BAD, FAIL, PASS, SKIP, Options, run_file, run_text

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.pkt"))
KERNEL_TRIES = 5

SERVER = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 8192 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.02 < . 1:1(0) ack 1 win 8192
+0 accept(3, ..., ...) = 4
"""


def on_machine(text: str, options: Options | None = None) -> tuple[str, str]:
    r = run_text(text, "x.pkt", options or Options())
    return r.outcome, r.message


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 60


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_on_the_machine(path: Path) -> None:
    r = run_file(path, Options())
    assert r.outcome == PASS, f"{r.line}: {r.message}"
    assert r.events >= 2


@pytest.mark.netns
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_on_the_kernel(path: Path) -> None:
    """The same script on this host's kernel; real time, so a busy host gets several tries."""
    if not os.uname().release.startswith("6.18."):
        pytest.skip("the scripts are for 6.18, this host runs another kernel")
    for _ in range(KERNEL_TRIES):
        o = Options()
        o.tolerance_us = 30_000
        r = run_file(path, o, "kernel")
        if r.outcome != FAIL:
            break
    if r.outcome == SKIP:
        pytest.skip(r.message)
    assert r.outcome == PASS, f"{r.line}: {r.message}"


def test_a_wrong_packet_shows_both() -> None:
    outcome, message = on_machine(SERVER + "+0 write(4, ..., 100) = 100\n+0 > P. 1:201(200) ack 1\n")
    assert outcome == FAIL
    first, script, actual = message.split("\n")
    assert "tcp_payload: expected: 200 (0xc8) vs actual: 100 (0x64)" in first
    assert script == "script packet: 0.020000 P. 1:201(200) ack 1"
    assert re.fullmatch(r"actual packet: 0\.0200\d\d P\. 1:101\(100\) ack 1 win 64240", actual)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("+0 read(4, ..., 10) = 10", "the call blocks"),
        ("+0 write(4, ..., 10) = 11", "Expected result 11 but got 10"),
        ("+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [7], [4]) = 0", "expected 7 but got 1000"),
        ("+0 close(77) = 0", "EBADF"),
        ("+0 write(4, ..., 10) = -1 EPIPE (Broken pipe)", "Expected result -1 but got 10"),
        ("+0 > . 1:1(0) ack 1", "Timed out"),
        ("+0 %{ assert tcpi_snd_mss == 7, 'mss' }%", "mss"),
        ("+0 nosuch(4) = 0", "nosuch() is not modelled"),
        ("+0 setsockopt(4, SOL_TCP, NOSUCH, [1], 4) = 0", "unknown symbol NOSUCH"),
        ("+.5 write(4, ..., 10) = 10\n+0.3 > P. 1:11(10) ack 1", "timing error"),
        ("+0 < . 1:1(0) ack 1 win 5 <sackOK>", "not padded"),
    ],
)
def test_what_is_said_when_it_differs(line: str, what: str) -> None:
    outcome, message = on_machine(SERVER + line + "\n")
    assert outcome == FAIL
    assert what in message


def test_tolerance_and_non_fatal() -> None:
    text = SERVER + "+.1 write(4, ..., 10) = 10\n+.003 > P. 1:11(10) ack 1\n"
    assert on_machine(text)[0] == PASS
    o = Options()
    o.tolerance_us = 1000
    assert on_machine(text, o)[0] == FAIL
    o.non_fatal = ("packet",)
    assert on_machine(text, o)[0] == PASS


def test_segments_of_one_script_packet() -> None:
    text = SERVER + "+.1 write(4, ..., 4000) = 4000\n+0 > P. 1:4001(4000) ack 1\n"
    assert on_machine(text)[0] == PASS
    pieces = text.replace("> P. 1:4001(4000) ack 1", "> . 1:3001(3000) ack 1\n+0 > P. 3001:4001(1000) ack 1")
    assert on_machine(pieces)[0] == PASS
    assert on_machine("--strict_segments\n" + pieces)[0] == FAIL


def test_one_connection_of_several_by_ports() -> None:
    text = SERVER.replace("< ", "< 7001 > 8080 ").replace("> S.", "> 8080 > 7001 S.")
    more = """
+0 < 7002 > 8080 S 0:0(0) win 8192 <mss 900>
+0 > 8080 > 7002 S. 0:0(0) ack 1 <mss 1460>
+.01 < 7001 > 8080 P. 1:11(10) ack 1 win 8192
+0 > 8080 > 7001 . 1:1(0) ack 11
"""
    assert on_machine(text + more) == (PASS, "")


def test_merged_packets_of_mss_bytes() -> None:
    text = SERVER + "+.01 < P. 1:4001(4000) ack 1 win 8192\n+0 > . 1:1(0) ack 4001\n"
    assert on_machine("--mss=1000\n" + text + "+0 %{ assert tcpi_rcv_mss == 1000, tcpi_rcv_mss }%\n") == (PASS, "")
    assert on_machine(text + "+0 %{ assert tcpi_rcv_mss == 1460, tcpi_rcv_mss }%\n") == (PASS, "")


def test_encapsulated_packets_are_injected() -> None:
    headers = (
        "ipv4 2.2.2.2 > 1.1.1.1: gre:",
        "ipv4 2.2.2.2 > 1.1.1.1: gre flags 0xb000, sum 511, off 1023, key 0x80001234, seq 512:",
        "ipv4 2.2.2.2 > 1.1.1.1: gre: mpls (label 0, tc 0, ttl 0) (label 5, tc 7, [S], ttl 255):",
        "ipv4 2.2.2.2 > 1.1.1.1: ipv4 2.2.2.2 > 1.1.1.1:",
    )
    lines = "".join(f"+0 < {h} . 1:1001(1000) ack 1 win 123\n" for h in headers)
    assert on_machine("0 `true`\n" + lines) == (PASS, "")


def test_what_is_not_modelled_is_named() -> None:
    for line, what in (
        ("+0 < S 0:0(0) win 9 <mss 1460,mpcapable v1 flags[flag_h] nokey>", "mpcapable"),
        ("+0 < sctp: INIT[flgs=0]", "SCTP"),
        ("+0 socket(..., SOCK_STREAM, IPPROTO_MPTCP) = 3", "MPTCP"),
        ("+0 > encap psp spi 23 P. 501:1001(500) ack 501", "PSP"),
    ):
        outcome, message = on_machine("0 `true`\n" + line + "\n")
        assert outcome == FAIL
        assert what in message and "not modelled" in message


def test_another_release() -> None:
    o = Options()
    o.setup.release = "3.13"
    text = SERVER + "+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n"
    assert on_machine(text, o)[0] == PASS


def test_sysctls_and_scripts_beside(tmp_path: Path) -> None:
    (tmp_path / "defaults.sh").write_text('#!/bin/bash\nsysctl -q net.ipv4.tcp_rmem="4096 $((8*1000)) 100000"\n')
    (tmp_path / "a.pkt").write_text(
        "`./defaults.sh\nsysctl -q -w net.ipv4.tcp_sack=0; echo 0 > /proc/sys/net/ipv4/tcp_timestamps`\n"
        "0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3\n"
        "+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [8000], [4]) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n"
        "+0 > S 0:0(0) <mss 1460,nop,wscale 7>\n"
        "+0 `nosuchcommand --really`\n"
    )
    r = run_file(tmp_path / "a.pkt", Options())
    assert r.outcome == PASS, r.message
    assert any("nosuchcommand" in x for x in r.remarks)


def test_ipv6_is_skipped_with_a_word() -> None:
    outcome, message = on_machine("--ip_version=ipv6\n0 `true`\n")
    assert outcome == SKIP and "IPv6" in message


def test_code_beyond_the_subset_is_skipped() -> None:
    r = run_text("0 `true`\n+0 %{ import os }%\n+0 %{ x = 3 }%\n+0 %{ assert x + 1 == 4 }%\n", "x.pkt", Options())
    assert r.outcome == PASS
    assert len(r.remarks) == 1 and "import os" in r.remarks[0]


def test_a_script_that_cannot_be_read() -> None:
    r = run_text("0 what 5\n", "x.pkt", Options())
    assert (r.outcome, r.line) == (BAD, 1)


def test_two_runs_are_the_same() -> None:
    path = next(p for p in SCRIPTS if p.stem == "loss-rto")
    a, b = run_file(path, Options()), run_file(path, Options())
    assert (a.outcome, a.virtual_us, a.remarks) == (b.outcome, b.virtual_us, b.remarks)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, broken = tmp_path / "good.pkt", tmp_path / "bad.pkt", tmp_path / "broken.pkt"
    good.write_text(SERVER)
    bad.write_text(SERVER + "+0 read(4, ..., 10) = 3\n")
    broken.write_text("0 <\n")
    assert run(["packetdrill", str(good)]) == 0
    assert capsys.readouterr().out == ""
    assert run(["packetdrill", str(good), str(bad)]) == 1
    out = capsys.readouterr().out
    assert f"{bad}:9: runtime error in read call" in out
    assert out.endswith("1 passed, 1 failed, 0 skipped, 0 cannot be read\n")
    assert run(["packetdrill", str(broken)]) == 2
    assert run(["packetdrill", str(tmp_path / "none.pkt")]) == 2
    assert run(["packetdrill", "--mtu", "many", str(good)]) == 2
    capsys.readouterr()
    assert run(["packetdrill", "--json", str(good), str(bad)]) == 1
    doc = json.loads(capsys.readouterr().out)
    assert doc["count"] == {"pass": 1, "fail": 1, "skip": 0, "error": 0}
    assert [s["outcome"] for s in doc["scripts"]] == ["pass", "fail"]


ODD = [
    ("+99999999999 close(3) = 0", "time out of range"),
    ("+1" + "0" * 5000 + " close(3) = 0", "out of range"),
    ("+0 close(" + "9" * 60 + ") = 0", "number out of range"),
    ("+0 close(" + "-" * 5000 + "3) = 0", "too deep"),
    ("+0 < udp (4) {0}", "mutations in braces is not modelled"),
    ("+0 < . 1:1(0) ack 1 win 5 {0:1}", "mutations in braces is not modelled"),
    ("+0 < ipv4 300.1.1.1 > 1.1.1.1: . 1:1(0) ack 1 win 5", "a packet that cannot be made"),
    ("+0 < icmp unreachable port_unreachable mtu 99999999999 [1:1(0)]", "a packet that cannot be made"),
    ("+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1}, 8) = 0", "a structure without linger"),
    ("+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {fd=4}) = 0", "a structure without events"),
    ("+0 write(4, ..., -5) = 0", "a buffer of -5 bytes"),
    ("+0...0 read(4, ..., 5) = cap_set(x)\n+0 < P. 1:6(5) ack 1 win 5", "is not a number"),
    ("+0 %{ assert 1 << 99999999999 }%", "error executing code"),
    ("+0 %{ assert 7 % 0 }%", "error executing code"),
    ("+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1 << 999], 4) = -1 EBADF", "Expected result -1"),
]


@pytest.mark.parametrize(("line", "word"), ODD, ids=[w for _, w in ODD])
def test_odd_lines_are_one_plain_word(line: str, word: str) -> None:
    r = run_text(SERVER + line + "\n", "x.pkt", Options())
    assert r.outcome in (BAD, FAIL), r.message
    assert word in r.message
    assert "rxpath itself failed" not in r.message


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_and_mixed_scripts_never_raise(data: st.DataObject) -> None:
    """Pieces of the corpus in any order: a script that is read, or one line that says why not."""
    lines = [x for p in SCRIPTS[:: len(SCRIPTS) // 12] for x in p.read_text().split("\n")]
    parts = data.draw(st.lists(st.sampled_from(lines), max_size=12))
    text = "\n".join(parts)
    at, n = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 20))
    text = text[:at] + data.draw(st.text("{}()[]<>%`'\"~+*0123.=,|-#/\\ aS", max_size=4)) + text[at + n :]
    r = run_text(text, "x.pkt", Options(dry_run=True))
    assert r.outcome in (PASS, BAD)
    assert "\n" not in r.message or r.outcome != BAD
