"""The language of packetdrill: what is read, and what is refused with file and line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.packetdrill.packets import FLAG_BITS, decode_options, encode_options, flag_bits
from rxpath.packetdrill.parser import parse
from rxpath.packetdrill.script import (
    ABSOLUTE,
    ANY,
    RELATIVE,
    RELATIVE_RANGE,
    Array,
    Code,
    Command,
    Ellipsis_,
    Packet,
    ScriptError,
    Struct,
    SysCall,
    TcpOption,
    show,
)


def one(text: str) -> object:
    events = parse(text).events
    assert len(events) == 1
    return events[0].action


def packet(text: str) -> Packet:
    p = one("0 " + text)
    assert isinstance(p, Packet)
    return p


def call(text: str) -> SysCall:
    c = one("0 " + text)
    assert isinstance(c, SysCall)
    return c


def test_options_init_events_cleanup() -> None:
    s = parse(
        '--tolerance_usecs=9000\n--define=CC="reno"\n--strict_segments\n`init`\n0 `run`\n%{ pass }%\n'.replace(
            "%{", "+0 %{"
        )
        + "`end`"
    )
    assert s.options == [("tolerance_usecs", "9000"), ("define", 'CC="reno"'), ("strict_segments", "")]
    assert s.init == Command("init")
    assert s.cleanup == Command("end")
    assert [type(e.action) for e in s.events] == [Command, Code]


def test_times() -> None:
    s = parse(
        "0 `a`\n0.25 `a`\n+1.5 `a`\n+.001 `a`\n* > . 1:1(0) ack 1\n+0~+.1 > . 1:1(0) ack 1\n1~2.5 > . 1:1(0) ack 1"
    )
    assert [(e.kind, e.time_us, e.end_us) for e in s.events] == [
        (ABSOLUTE, 0, 0),
        (ABSOLUTE, 250_000, 0),
        (RELATIVE, 1_500_000, 0),
        (RELATIVE, 1_000, 0),
        (ANY, 0, 0),
        (RELATIVE_RANGE, 0, 100_000),
        ("absolute range", 1_000_000, 2_500_000),
    ]


def test_comments() -> None:
    s = parse("// one\n# two\n/* three\n 0 `x` */ 0 `a` // four\n+0 `b` # five\n")
    assert [e.action for e in s.events] == [Command("a"), Command("b")]
    assert [e.line for e in s.events] == [4, 5]


def test_tcp_packet() -> None:
    p = packet("> [ect0] 8080 > 5000 FP. 1:1001(1000) ack 7 win 99 urg 3 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>")
    assert (p.inbound, p.protocol, p.ecn, p.src_port, p.dst_port) == (False, "tcp", "ect0", 8080, 5000)
    assert (p.flags, p.seq, p.end, p.length, p.ack, p.window, p.urg) == ("FP.", 1, 1001, 1000, 7, 99, 3)
    assert p.options == [
        TcpOption("mss", [1460]),
        TcpOption("sackOK"),
        TcpOption("TS", [1, 2]),
        TcpOption("nop"),
        TcpOption("wscale", [7]),
    ]


@pytest.mark.parametrize(
    ("text", "flags", "ace"),
    [
        ("S", "S", None),
        (".", ".", None),
        ("-", "", None),
        ("SEW.", "SEW.", None),
        ("P.5", "P.", 5),
        (".5", ".", 5),
        ("SEWA", "SEWA", None),
    ],
)
def test_flags(text: str, flags: str, ace: int | None) -> None:
    p = packet(f"> {text} 1:1(0)")
    assert (p.flags, p.ace) == (flags, ace)


def test_flag_bits_of_ace() -> None:
    p = packet("> P.5 1:1(0)")
    assert flag_bits(p) == FLAG_BITS["P"] | FLAG_BITS["."] | FLAG_BITS["A"] | FLAG_BITS["E"]


def test_wildcard_options_and_sack() -> None:
    assert packet("> S. 0:0(0) ack 1 <...>").options is None
    p = packet("< . 1:1(0) ack 1 win 9 <nop, nop, sack 1:2 5:9>")
    assert p.options is not None and p.options[2] == TcpOption("sack", [1, 2, 5, 9])


def test_fast_open_md5_ecn_and_unknown_options() -> None:
    p = packet(
        "< S 0:0(0) win 9 <FO 0011aabb, FO, FOEXP 1234, md5 000102030405060708090a0b0c0d0e0f, ECN e1b 1 ceb 2 e0b 3>"
    )
    assert p.options is not None
    assert [(o.name, o.blob.hex(), o.values) for o in p.options] == [
        ("FO", "0011aabb", []),
        ("FO", "", []),
        ("FOEXP", "1234", []),
        ("md5", "000102030405060708090a0b0c0d0e0f", []),
        ("ECN", "", [1, 2, 3]),
    ]
    q = packet("> S 0:0(0) <mss 1460, mpcapable v1 flags[flag_h] nokey>")
    assert q.refused == "the TCP option mpcapable"


def test_icmp() -> None:
    p = packet("< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]")
    assert (p.icmp_type, p.icmp_code, p.icmp_mtu, p.echoed, p.seq, p.length) == (
        "unreachable",
        "frag_needed",
        1200,
        "tcp",
        1,
        1000,
    )
    assert packet("< icmp unreachable port_unreachable [udp (100)]").echoed == "udp"
    assert packet("< icmp echo_request id 5").icmp_id == 5


def test_udp_and_outer_headers() -> None:
    assert packet("< udp (1000)").length == 1000
    p = packet("< udp 5 > 6 (7)")
    assert (p.src_port, p.dst_port, p.length) == (5, 6, 7)
    p = packet("< ipv4 1.1.1.1 > 2.2.2.2: gre: mpls (label 0, tc 0, [S], ttl 64): ipv6 ::1 > ::2: S 0:0(0) win 1")
    assert [o.kind for o in p.outer] == ["ipv4", "gre", "mpls", "ipv6"]
    assert p.outer[3].dst == "::2"


def test_sctp_is_read_and_refused() -> None:
    s = parse("+0 < sctp: INIT[flgs=0, tag=1,\n a_rwnd=1500]\n+0 `after`")
    assert isinstance(s.events[0].action, Packet) and s.events[0].action.refused == "SCTP"
    assert s.events[1].action == Command("after")


def test_system_calls() -> None:
    c = call("read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)")
    assert (c.name, c.errno, c.note) == ("read", "EAGAIN", "Resource temporarily unavailable")
    assert isinstance(c.args[1], Ellipsis_)
    c = call("fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)")
    assert show(c.result) == "2" and c.note == "flags O_RDWR"
    c = call('setsockopt(3, SOL_TCP, TCP_CONGESTION, "re" "no", 4) = 0')
    assert show(c.args[3]) == '"reno"'
    s = parse("+.1...0.25 read(4, ..., 10) = 10\n").events[0]
    assert isinstance(s.action, SysCall) and s.action.end_us == 250_000 and s.time_us == 100_000


def test_structures() -> None:
    c = call(
        "recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC,"
        " msg_control=[{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_data=7}}]}, 0) = 0"
    )
    f = c.args[1]
    assert isinstance(f, Struct) and set(f.fields()) == {"msg_name", "msg_iov", "msg_flags", "msg_control"}
    assert isinstance(f.fields()["msg_control"], Array)
    c = call('bind(3, {sa_family = AF_INET, sin_port = htons(99), sin_addr = inet_addr("1.2.3.4")}, 16) = 0')
    assert show(c.args[1]) == '{sa_family=AF_INET, sin_port=htons(99), sin_addr=inet_addr("1.2.3.4")}'


def test_defines_replace_words() -> None:
    s = parse("0 < S 0:0(0) win 9 <FO COOKIE>", defines={"COOKIE": "3021b9d889017eeb"})
    p = s.events[0].action
    assert isinstance(p, Packet) and p.options is not None and p.options[0].blob.hex() == "3021b9d889017eeb"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("0 `a`\n\nread(4)", 3, "expected the time"),
        ("0 read(4, ..., 5)", 1, "expected '='"),
        ("0 > Q. 1:1(0)", 1, "unknown TCP flag"),
        ("0 > . 1:5(1)", 1, "inconsistent"),
        ("* < . 1:1(0)", 1, "star"),
        ("0~1 < . 1:1(0)", 1, "range can only"),
        ("2~1 > . 1:1(0)", 1, "backwards"),
        ("0 < . 1:1(0) <...>", 1, "only be used with outbound"),
        ("0 > . 1:1(0) ack 1 win 70000", 1, "window value"),
        ("0 > . 1:1(0) <mss 70000>", 1, "mss value"),
        ("0 > [tos 0x1ff] . 1:1(0)", 1, "8 bits"),
        ('0 read("abc) = 1', 1, "cannot read"),
        ("0 < . 1:1(0) <sack 1:2", 1, "expected"),
    ],
)
def test_errors_name_the_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ScriptError) as e:
        parse(text, "x.pkt")
    assert e.value.line == line
    assert what in str(e.value)
    assert str(e.value).startswith(f"x.pkt:{line}: ")


@given(st.text(alphabet=" \n0123456789.+~*<>=(){}[]`%SFRPacktudprewin,:;|\"'_-", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ScriptError:
        pass


options = st.lists(
    st.one_of(
        st.just(TcpOption("nop")),
        st.integers(0, 65535).map(lambda n: TcpOption("mss", [n])),
        st.integers(0, 255).map(lambda n: TcpOption("wscale", [n])),
        st.just(TcpOption("sackOK")),
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda t: TcpOption("TS", list(t))),
        st.binary(min_size=4, max_size=8).map(lambda b: TcpOption("FO", blob=b)),
    ),
    max_size=4,
)


@given(options)
def test_options_come_back(wanted: list[TcpOption]) -> None:
    padded = list(wanted)
    for _ in range(4):
        try:
            raw = encode_options(padded)
            break
        except ValueError as e:
            if "bytes" in str(e):
                return
            padded.append(TcpOption("nop"))
    assert decode_options(raw) == padded
