"""TCP scenarios, made by rule: generators that walk through whole tables of them.

What lives here: `ALL`, the generators by name.  Each yields scenarios in the format of tests/conform/README.md; the
builder is rxpath.conform.tcp_script.  Who runs them: `differential.py` beside this file, against the host's kernel.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

from rxpath.conform.tcp_script import (
    FLAGS,
    FULL,
    ISN,
    PLAIN,
    PORT,
    SACK_OPTS,
    SOK,
    TS_OPTS,
    Scenario,
    Tcp,
    icmp_error,
    mss,
    pat,
    sack,
    seg,
    ts,
    ws,
)

# --- handshakes ------------------------------------------------------------------------------------------------------


def hs_options(r: random.Random) -> Iterator[Scenario]:
    """Every combination of what a SYN may offer with what the machine may have switched off."""
    for i in range(16):
        for m in (1460, 536) if i & 1 else (0,):
            o = (
                (mss(m) if i & 1 else b"")
                + (SOK if i & 2 else b"")
                + (ts(77) if i & 4 else b"")
                + (ws(5) if i & 8 else b"")
            )
            yield Tcp(f"opts_{i}_{m}", "hs").established(o).state().sleep(60).done()
    for m in (0, 1, 47, 48, 64, 88, 100, 1000, 1461, 4000, 9000, 65535):
        yield Tcp(f"mss_{m}", "hs").established(mss(m)).state().send(3000).sleep(5).done()
    for w in range(16):
        yield Tcp(f"ws_{w}", "hs").established(PLAIN + ws(w), win=3000).state().send(4000).sleep(5).done()
    yield Tcp("ws_255", "hs").established(PLAIN + ws(255)).state().done()
    for name, v in (("timestamps", 0), ("timestamps", 2), ("sack", 0), ("window_scaling", 0), ("ecn", 0), ("ecn", 1)):
        t = Tcp(f"off_{name}_{v}", "hs").sysctl(**{"tcp_" + name: v}).established(FULL)
        yield t.state().sleep(60).done()
    for ecn in (0, 1, 2):
        for fl in ("S", "SE", "SC", "SEC"):
            for tos in (0, 1, 2, 3):
                t = Tcp(f"ecn_{ecn}_{fl}_{tos}", "hs").sysctl(tcp_ecn=ecn).listen()
                t.inject(seg(fl, ISN, 0, opts=PLAIN, tos=tos), seg("A")).step("accept", sock="l", **{"as": "c"})
                yield t.state().done()
    for rb in (2304, 4096, 5000, 16384, 65536, 200000, 1000000, 6291456):
        for o in (PLAIN, FULL):
            yield Tcp(f"rcvbuf_{rb}_{len(o)}", "hs").established(o, [["SO_RCVBUF", rb]]).state().done()
    for mx in (88, 500, 536, 1000, 1460, 1461, 32767):
        for o in (PLAIN, FULL):
            yield (
                Tcp(f"maxseg_{mx}_{len(o)}", "hs")
                .established(o, [["TCP_MAXSEG", mx]])
                .state()
                .get("TCP_MAXSEG")
                .send(3000)
                .done()
            )
    for c in (1, 1000, 2304, 10000, 65535, 100000, 1000000):
        for o in (PLAIN, FULL):
            t = Tcp(f"clamp_{c}_{len(o)}", "hs").established(o, [["TCP_WINDOW_CLAMP", c]])
            yield (
                t.state()
                .get("TCP_WINDOW_CLAMP")
                .inject(seg("PA", data=pat(500), opts=ts(102) if o is FULL else b""))
                .state()
                .done()
            )
    for rm in ("4096 4096 4096", "4096 8192 16384", "4096 65536 65536", "8192 300000 500000", "4096 131072 33554432"):
        for o in (PLAIN, FULL):
            t = Tcp(f"rmem_{rm.replace(' ', '_')}_{len(o)}", "hs")
            t.sysctls["net.ipv4.tcp_rmem"] = rm
            yield t.established(o).state().done()
    for k, v in (
        ("tcp_app_win", 1),
        ("tcp_app_win", 3),
        ("tcp_adv_win_scale", 2),
        ("tcp_workaround_signed_windows", 1),
    ):
        yield (
            Tcp(f"{k}_{v}", "hs")
            .sysctl(**{k: v})
            .established(FULL)
            .state()
            .inject(seg("PA", data=pat(1000), opts=ts(103)))
            .state()
            .done()
        )
    for mtu in (576, 1000, 1280, 9000):
        yield Tcp(f"mtu_{mtu}", "hs", mtu=mtu).established(FULL).state().send(3000).done()


def hs_syn(r: random.Random) -> Iterator[Scenario]:
    """SYNs that are not plain, and what follows one."""
    for fl in ("SP", "SU", "SF", "SFP", "SR", "SA", "SFA", "SFUP", "SPAU", "SRA", "SFR"):
        yield Tcp(f"syn_flags_{fl}", "hs").listen().inject(seg(fl, ISN, 0, opts=PLAIN, absolute=True)).sleep(20).done()
    for n in (1, 10, 500, 1400):
        for fl in ("S", "SP", "SF"):
            t = Tcp(f"syn_data_{n}_{fl}", "hs").listen().inject(seg(fl, ISN, 0, opts=PLAIN, data=pat(n)))
            t.inject(seg("A")).step("accept", sock="l", **{"as": "c"}).recv_all()
            yield t.inject(seg("PA", data=pat(n))).recv_all().done()
    for urg in (0, 1, 5):
        yield (
            Tcp(f"syn_urg_{urg}", "hs")
            .listen()
            .inject(seg("SU", ISN, 0, opts=PLAIN, urg=urg), seg("A"))
            .state("l")
            .done()
        )
    for res in range(1, 16):
        yield Tcp(f"syn_res_{res}", "hs").listen().inject(seg("S", ISN, 0, opts=PLAIN, res=res)).state("l").done()
    bad = {
        "mss_len3": b"\2\3\5\1",
        "mss_len5": b"\2\5\5\xb4\0\1\1\1",
        "ws_len2": b"\3\2\1\1",
        "ws_len4": b"\3\4\7\7",
        "ts_len9": b"\x08\x09\0\0\0\1\0\0\0\1\1\1",
        "sok_len3": b"\4\3\0\1",
        "kind_254": b"\xfe\4\x99\x99",
        "two_mss": mss(500) + mss(1200),
        "two_ws": b"\3\3\2\1\3\3\x09\1",
        "eol_first": b"\0\2\4\5\xb4\0\0\0",
        "nops": b"\1" * 8,
        "len_overrun": b"\2\x28\5\xb4",
        "len1": b"\2\1\1\1",
        "md5": b"\x13\x12" + b"\0" * 16 + b"\1\1",
        "sack_in_syn": b"\5\x0a" + b"\0\0\0\1\0\0\0\2" + b"\1\1",
        "fo_empty": b"\x22\2\1\1",
        "fo_cookie": b"\x22\x0a" + b"abcdefgh" + b"\1\1",
        "exp_fo": b"\xfe\4\xf9\x89",
        "mptcp": b"\x1e\x0c\0\x81" + b"12345678",
        "ao": b"\x1d\4\1\1",
        "last_byte_kind": b"\1\1\1\2",
        "ts_zero": ts(0),
        "40_bytes": b"\1" * 40,
    }
    for k, v in bad.items():
        t = Tcp(f"syn_opt_{k}", "hs").listen().inject(seg("S", ISN, 0, opts=v), seg("A"))
        yield t.step("accept", sock="l", **{"as": "c"}).state().done()
    for doff in (0, 1, 4, 6, 15):
        yield Tcp(f"syn_doff_{doff}", "hs").listen().inject(seg("S", ISN, 0, doff=doff)).sleep(10).done()
    for tos in (4, 8, 16, 0x2E << 2, 0xFF, 0xFC):
        yield (
            Tcp(f"syn_tos_{tos}", "hs")
            .listen()
            .inject(seg("S", ISN, 0, opts=PLAIN, tos=tos), seg("A", tos=tos))
            .step("accept", sock="l", **{"as": "c"})
            .send(10)
            .get("IP_TOS")
            .done()
        )
        yield (
            Tcp(f"syn_tos_{tos}_reflect", "hs")
            .sysctl(tcp_reflect_tos=1)
            .listen()
            .inject(seg("S", ISN, 0, opts=PLAIN, tos=tos), seg("A", tos=tos))
            .step("accept", sock="l", **{"as": "c"})
            .send(10)
            .get("IP_TOS")
            .done()
        )
    for n in (
        IPO := (
            ("IP_TOS", 16),
            ("IP_TTL", 33),
            ("IP_TTL", 255),
            ("IP_MINTTL", 64),
            ("IP_MINTTL", 65),
            ("SO_PRIORITY", 5),
            ("SO_MARK", 7),
            ("IP_MTU_DISCOVER", 0),
            ("IP_MTU_DISCOVER", 2),
            ("IP_MTU_DISCOVER", 3),
            ("IP_TRANSPARENT", 1),
        )
    ):
        yield Tcp(f"lopt_{n[0]}_{n[1]}", "hs").established(PLAIN, [list(n)]).send(2000).get(n[0]).state().done()
    del IPO


def hs_third(r: random.Random) -> Iterator[Scenario]:
    """What may come for a request in SYN_RECV."""
    for o, oname in ((PLAIN, "plain"), (FULL, "full")):
        for fl in (
            "A",
            "PA",
            "FA",
            "UA",
            "EA",
            "CA",
            "RA",
            "R",
            "SA",
            "S",
            "",
            "F",
            "P",
            "U",
            "FPU",
            "SF",
            "SFA",
            "SR",
            "FRA",
        ):
            for seq, sname in (
                (ISN + 1, "0"),
                (ISN, "m1"),
                (ISN + 2, "p1"),
                (ISN + 30000, "in"),
                (ISN + 100000, "out"),
                (ISN - 10, "old"),
            ):
                for ack, aname in ((1, "0"), (0, "m1"), (2, "p1")) if "A" in fl and seq == ISN + 1 else ((1, "0"),):
                    t = Tcp(f"third_{oname}_{fl}_{sname}_{aname}", "hs").listen()
                    x = ts(101) if o is FULL else b""
                    t.inject(seg("S", ISN, 0, opts=o), seg(fl, seq, ack if "A" in fl else 0, opts=x))
                    t.step("accept", sock="l", **{"as": "c"}).state("l")
                    t.inject(seg("A", opts=x)).step("accept", sock="l", **{"as": "d"})
                    yield t.state("d").done()
    for n in (1, 100, 1460):
        for fl in ("A", "PA", "FA", "FPA", "UPA"):
            t = (
                Tcp(f"third_data_{n}_{fl}", "hs")
                .listen()
                .inject(seg("S", ISN, 0, opts=PLAIN), seg(fl, data=pat(n), urg=1 if "U" in fl else 0))
            )
            yield t.step("accept", sock="l", **{"as": "c"}).state().recv_all().sleep(60).done()
    for val, ecr, name in (
        (101, None, "ok"),
        (99, None, "old_1"),
        (98, None, "old_2"),
        (50, None, "old"),
        (0x80000200, None, "far"),
        (101, 0, "zero"),
        (101, 1, "one"),
        (101, 0xFFFFFFFF, "max"),
        (100, None, "same"),
    ):
        t = Tcp(f"third_ts_{name}", "hs").listen()
        t.inject(seg("S", ISN, 0, opts=FULL), seg("A", opts=ts(val, ecr or 0), tsecr=ecr is None)).step(
            "accept", sock="l", **{"as": "c"}
        )
        yield t.state("l").state("c").done()
        t = Tcp(f"third_ts_rst_{name}", "hs").listen()
        t.inject(seg("S", ISN, 0, opts=FULL), seg("RA", opts=ts(val, ecr or 0), tsecr=ecr is None)).step(
            "accept", sock="l", **{"as": "c"}
        )
        yield t.state("l").inject(seg("A", opts=ts(102))).done()
    for d in (-100000, -1, 1, 5, 100000):
        t = Tcp(f"third_ecr_{d}", "hs").listen()
        t.inject(seg("S", ISN, 0, opts=FULL), seg("A", opts=ts(101, d))).step("accept", sock="l", **{"as": "c"})
        yield t.state("l").inject(seg("A", opts=ts(101, 0))).step("accept", sock="l", **{"as": "c"}).done()
    for w in (0, 1, 100, 1000):
        yield (
            Tcp(f"third_win_{w}", "hs")
            .listen()
            .inject(seg("S", ISN, 0, opts=PLAIN), seg("A", win=w))
            .step("accept", sock="l", **{"as": "c"})
            .state()
            .send(2000)
            .sleep(10)
            .done()
        )
    yield (
        Tcp("syn_other_isn", "hs")
        .listen()
        .inject(seg("S", ISN, 0, opts=PLAIN), seg("S", ISN + 5000, 0, opts=PLAIN))
        .inject(seg("A", ISN + 5001))
        .inject(seg("A"))
        .step("accept", sock="l", **{"as": "c"})
        .done()
    )
    yield (
        Tcp("syn_other_isn_far", "hs")
        .listen()
        .inject(seg("S", ISN, 0, opts=PLAIN), seg("S", ISN + 500000, 0, opts=PLAIN))
        .inject(seg("A"))
        .step("accept", sock="l", **{"as": "c"})
        .done()
    )
    for k in range(2, 7):
        yield (
            Tcp(f"syn_again_{k}", "hs")
            .listen()
            .inject(*[seg("S", ISN, 0, opts=PLAIN)] * k)
            .inject(seg("A"))
            .step("accept", sock="l", **{"as": "c"})
            .state()
            .done()
        )
        yield (
            Tcp(f"syn_again_slow_{k}", "hs")
            .listen()
            .inject(seg("S", ISN, 0, opts=PLAIN))
            .sleep(600)
            .inject(*[seg("S", ISN, 0, opts=PLAIN)] * k)
            .sleep(700)
            .inject(seg("A"))
            .step("accept", sock="l", **{"as": "c"})
            .state()
            .done()
        )
    for sv, val in ((0, 0), (1, 0), (2, 0), (5, 0), (5, 1), (5, 2)):
        t = (
            Tcp(f"synack_retries_{sv}_{val}", "hs")
            .sysctl(tcp_synack_retries=sv)
            .listen([["TCP_SYNCNT", val]] if val else None)
        )
        yield t.syn().sleep(3300).state("l").inject(seg("A")).step("accept", sock="l", **{"as": "c"}).done()


def hs_listener(r: random.Random) -> Iterator[Scenario]:
    """Backlogs, cookies, deferral."""

    def pair(p: int, o: bytes = PLAIN) -> list[Any]:
        return [seg("S", ISN, 0, opts=o, sport=p), seg("A", sport=p)]

    for b in (0, 1, 2, 3):
        for ao in (0, 1):
            for ck in (0, 1, 2):
                t = (
                    Tcp(f"backlog_{b}_{ao}_{ck}", "hs")
                    .sysctl(tcp_abort_on_overflow=ao, tcp_syncookies=ck)
                    .listen(backlog=b)
                )
                for p in range(6):
                    t.inject(*pair(40000 + p))
                t.state("l")
                for i in range(6):
                    t.step("accept", sock="l", **{"as": f"c{i}"})
                t.inject(seg("PA", sport=40005, data=b"late")).sleep(1200)
                yield t.state("l").step("accept", sock="l", **{"as": "z"}).done()
    for b in (1, 4, 10):
        for ck in (0, 1):
            t = Tcp(f"synq_{b}_{ck}", "hs").sysctl(tcp_syncookies=ck).listen(backlog=b)
            t.inject(*[seg("S", ISN, 0, opts=PLAIN, sport=41000 + p) for p in range(14)]).state("l").sleep(1200)
            yield t.state("l").inject(*[seg("A", sport=41000 + p) for p in range(14)]).state("l").done()
    for o, name in (
        (PLAIN, "plain"),
        (FULL, "full"),
        (TS_OPTS, "ts"),
        (mss(1460) + ts(5) + ws(9), "ts_ws"),
        (b"", "none"),
        (mss(1200), "m1200"),
        (mss(9000), "m9000"),
        (SACK_OPTS, "sack"),
    ):
        t = Tcp(f"cookie_{name}", "hs").sysctl(tcp_syncookies=2).listen()
        x = ts(101) if b"\x08\x0a" in o else b""
        t.inject(seg("S", ISN, 0, opts=o), seg("A", opts=x)).step("accept", sock="l", **{"as": "c"}).state()
        yield t.inject(seg("PA", data=b"hello", opts=x)).recv_all().done()
        t = Tcp(f"cookie_data_{name}", "hs").sysctl(tcp_syncookies=2).listen()
        t.inject(seg("S", ISN, 0, opts=o), seg("PA", opts=x, data=b"hello")).step("accept", sock="l", **{"as": "c"})
        yield t.state().recv_all().done()
    for fl in ("A", "PA", "FA", "RA", "R", "SA", "FPA"):
        t = Tcp(f"cookie_third_{fl}", "hs").sysctl(tcp_syncookies=2).listen().syn()
        yield t.inject(seg(fl)).step("accept", sock="l", **{"as": "c"}).state("l").sleep(20).done()
    for d in (0, 2, 0x1000000, 0x2000000):
        yield (
            Tcp(f"cookie_ack_{d}", "hs")
            .sysctl(tcp_syncookies=2)
            .listen()
            .syn()
            .inject(seg("A", ack=d))
            .step("accept", sock="l", **{"as": "c"})
            .done()
        )
    for v in (1, 2, 5):
        for ops in ("ack", "data", "fin", "wait", "two"):
            t = Tcp(f"defer_{v}_{ops}", "hs").listen([["TCP_DEFER_ACCEPT", v]])
            t.inject(seg("S", ISN, 0, opts=PLAIN), seg("A")).step("accept", sock="l", **{"as": "c"}).state("l")
            if ops == "data":
                t.inject(seg("PA", data=b"hello"))
            elif ops == "fin":
                t.inject(seg("FA"))
            elif ops == "wait":
                t.sleep(3300)
            elif ops == "two":
                t.sleep(1200).inject(seg("A")).sleep(2200)
            yield t.step("accept", sock="l", **{"as": "d"}).state("l").get("TCP_DEFER_ACCEPT", "l").sleep(20).done()
    for op in ("close", "shutdown_rd", "shutdown_wr", "relisten", "disconnect"):
        for st in ("syn", "ack", "none"):
            t = Tcp(f"listener_{op}_{st}", "hs").listen()
            if st != "none":
                t.syn()
            if st == "ack":
                t.inject(seg("A"))
            if op == "close":
                t.step("close", sock="l")
            elif op.startswith("shutdown"):
                t.step("shutdown", sock="l", how=op[9:])
            elif op == "relisten":
                t.step("listen", sock="l", backlog=1)
            else:
                t.step("disconnect", sock="l")
            t.poll("l").inject(seg("A")).step("accept", sock="l", **{"as": "c"}).inject(
                seg("S", ISN, 0, sport=40500, opts=PLAIN)
            )
            yield t.step("listen", sock="l", backlog=3).state("l").done()
    for t_, c in ((3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0), (4, 0), (5, 1)):
        t = Tcp(f"synrecv_icmp_{t_}_{c}", "hs").listen().syn().inject(icmp_error(t_, c, 0, info=1000 if c == 4 else 0))
        yield t.inject(seg("A")).step("accept", sock="l", **{"as": "c"}).done()
        yield (
            Tcp(f"synrecv_icmp_bad_{t_}_{c}", "hs")
            .listen()
            .syn()
            .inject(icmp_error(t_, c, 5))
            .inject(seg("A"))
            .step("accept", sock="l", **{"as": "c"})
            .done()
        )
    for op in (["SO_REUSEADDR", 1], ["SO_REUSEPORT", 1], None):
        for op2 in (["SO_REUSEADDR", 1], ["SO_REUSEPORT", 1], None):
            t = Tcp(f"bind_{op and op[0]}_{op2 and op2[0]}", "hs").listen([op] if op else None)
            t.step("socket", id="b", type="tcp", bind=["0.0.0.0", PORT], opts=[op2] if op2 else [])
            t.step("listen", sock="b", backlog=2)
            t.step("socket", id="e", type="tcp", bind=["10.0.0.2", PORT], opts=[op2] if op2 else [])
            yield t.step("listen", sock="e", backlog=2).state("b").done()
    for a in ("127.0.0.1", "10.0.0.1", "10.0.0.255", "255.255.255.255", "224.0.0.1"):
        yield (
            Tcp(f"bind_addr_{a}", "hs")
            .step("socket", id="b", type="tcp", bind=[a, PORT], listen=3)
            .inject(seg("S", ISN, 0, opts=PLAIN))
            .done()
        )


def closed_port(r: random.Random) -> Iterator[Scenario]:
    """Nobody listens: every combination of flags."""
    for f in range(64):
        fl = "".join(k for k, v in FLAGS.items() if f & v)
        yield (
            Tcp(f"flags_{f}_{fl}", "closed")
            .inject(seg(fl, ISN, 7000, absolute=True), seg(fl, ISN, 7000, absolute=True, data=b"xyz", opts=ts(9)))
            .done()
        )
        yield (
            Tcp(f"listen_flags_{f}_{fl}", "closed")
            .listen()
            .inject(seg(fl, ISN, 7000, absolute=True, urg=2))
            .sleep(5)
            .state("l")
            .done()
        )


# --- every state against every segment -------------------------------------------------------------------------------


def enter(t: Tcp, st: str, tsopt: bool) -> tuple[int, int]:
    """Bring the connection into state `st`; (the peer's next sequence number, the machine's bytes sent + 1)."""

    def x(n: int) -> bytes:
        return ts(n) if tsopt else b""

    t.listen()
    if st == "SYN_RECV":
        t.syn(FULL if tsopt else SACK_OPTS)
        return ISN + 1, 1
    t.open(FULL if tsopt else SACK_OPTS)
    if st == "ESTABLISHED":
        return ISN + 1, 1
    if st in ("CLOSE_WAIT", "LAST_ACK", "LAST_ACK_orphan"):
        t.inject(seg("FA", opts=x(102)))
        if st == "LAST_ACK":
            t.step("shutdown", sock="c", how="wr")
        elif st == "LAST_ACK_orphan":
            t.step("close", sock="c")
        return ISN + 2, 1 if st == "CLOSE_WAIT" else 2
    t.step("close", sock="c") if st.endswith("_orphan") or st == "TIME_WAIT" else t.step("shutdown", sock="c", how="wr")
    if st.startswith("FIN_WAIT1"):
        return ISN + 1, 2
    if st.startswith("FIN_WAIT2"):
        t.inject(seg("A", ack=2, opts=x(102)))
        return ISN + 1, 2
    if st.startswith("CLOSING"):
        t.inject(seg("FA", ack=1, opts=x(102)))
        return ISN + 2, 2
    t.inject(seg("FA", ack=2, opts=x(102)))
    return ISN + 2, 2


STATES = (
    "SYN_RECV",
    "ESTABLISHED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LAST_ACK_orphan",
    "FIN_WAIT1",
    "FIN_WAIT1_orphan",
    "FIN_WAIT2",
    "FIN_WAIT2_orphan",
    "CLOSING",
    "CLOSING_orphan",
    "TIME_WAIT",
)


def state_segments(r: random.Random) -> Iterator[Scenario]:
    for tsopt in (False, True):
        for st in STATES:
            segs: list[tuple[str, str, int, int | str, int]] = [
                ("ack", "A", 0, "all", 0),
                ("ack_old", "A", 0, -1, 0),
                ("ack_far_old", "A", 0, -100000, 0),
                ("ack_ahead", "A", 0, "ahead", 0),
                ("data", "PA", 0, "all", 50),
                ("data_noack", "P", 0, "all", 50),
                ("data_old", "PA", -1, "all", 1),
                ("data_old30", "A", -30, "all", 20),
                ("data_partly", "PA", -5, "all", 20),
                ("data_ahead", "A", 200, "all", 50),
                ("data_beyond", "A", 200000, "all", 50),
                ("fin", "FA", 0, "all", 0),
                ("fin_data", "FPA", 0, "all", 30),
                ("fin_old", "FA", -1, "all", 0),
                ("fin_ahead", "FA", 100, "all", 0),
                ("fin_noack", "F", 0, "all", 0),
                ("rst", "R", 0, 0, 0),
                ("rst_ack", "RA", 0, "all", 0),
                ("rst_m1", "R", -1, 0, 0),
                ("rst_p1", "R", 1, 0, 0),
                ("rst_in", "RA", 1000, "all", 0),
                ("rst_out", "R", 200000, 0, 0),
                ("rst_data", "RA", 0, "all", 10),
                ("syn", "S", 0, 0, 0),
                ("syn_isn", "S", "isn", 0, 0),
                ("syn_in", "S", 1000, 0, 0),
                ("syn_high", "S", 200000, 0, 0),
                ("syn_ack", "SA", "isn", "all", 0),
                ("syn_ack_0", "SA", 0, "all", 0),
                ("syn_fin", "SF", 0, 0, 0),
                ("none", "", 0, 0, 0),
                ("urg", "UA", 0, "all", 0),
                ("probe", "A", -1, "all", 0),
                ("urgdata", "UPA", 0, "all", 10),
                ("ece", "EA", 0, "all", 0),
                ("win0", "A0", 0, "all", 0),
                ("ack_ahead_data", "PA", 0, "ahead", 20),
            ]  # type: ignore[list-item]
            for name, fl, off, ack, n in segs:
                t = Tcp(f"{st}_{name}{'_ts' if tsopt else ''}", "states")
                nxt, sent = enter(t, st, tsopt)
                seq = ISN if off == "isn" else nxt + int(off)
                a = sent if ack == "all" else sent + 5000 if ack == "ahead" else int(ack)
                win = 0 if fl == "A0" else 65535
                fl = "A" if fl == "A0" else fl
                x = ts(105) if tsopt else b""
                s = seg(fl, seq, a if "A" in fl else 0, data=pat(n), opts=x, urg=3 if "U" in fl else 0, win=win)
                t.inject(s)
                if st != "SYN_RECV":
                    t.state().poll().get("SO_ERROR")
                t.inject(s)
                t.recv_all()
                yield t.send(20).sleep(5).done()


def icmp_states(r: random.Random) -> Iterator[Scenario]:
    errors = [(3, c) for c in range(17)] + [(11, 0), (11, 1), (12, 0), (4, 0), (5, 1)]
    for st in ("ESTABLISHED", "FIN_WAIT1", "CLOSE_WAIT", "TIME_WAIT", "LAST_ACK_orphan"):
        for t_, c in errors:
            for re in (0, 1):
                if re and st != "ESTABLISHED":
                    continue
                t = Tcp(f"{st}_{t_}_{c}_{re}", "icmp")
                nxt, sent = enter(t, st, False)
                if re:
                    t.set("IP_RECVERR", 1)
                if st == "ESTABLISHED":
                    t.send(100)
                t.inject(icmp_error(t_, c, 1 if st != "TIME_WAIT" else 2, info=1000 if (t_, c) == (3, 4) else 0))
                t.state().poll().get("SO_ERROR").recv_all().recv(100, ["ERRQUEUE"]).send(10)
                yield t.inject(seg("A", nxt, sent)).done()
    for seqno in (-1000, 0, 1, 100, 101, 102, 5000):
        t = Tcp(f"seq_{seqno}", "icmp").established().set("IP_RECVERR", 1).send(100)
        yield t.inject(icmp_error(3, 3, seqno)).get("SO_ERROR").state().done()
    for size in (0, 4, 7, 8, 12, 20):
        t = Tcp(f"size_{size}", "icmp").established().set("IP_RECVERR", 1).send(100)
        yield t.inject(icmp_error(3, 3, 1, size=size, rel=size >= 8)).get("SO_ERROR").state().done()
    for mtu in (0, 60, 68, 100, 296, 551, 552, 553, 576, 1000, 1400, 1499, 1500, 1501, 9000):
        for disc in (0, 1, 2, 3):
            if disc not in (1,) and mtu not in (576, 1000):
                continue
            t = Tcp(f"frag_{mtu}_{disc}", "icmp").established(PLAIN).set("IP_MTU_DISCOVER", disc).send(3000)
            t.inject(icmp_error(3, 4, 1, info=mtu)).state().get("IP_MTU").inject(seg("A", ack=3001)).send(3000)
            yield t.state().sleep(20).done()


# --- data in every order ---------------------------------------------------------------------------------------------


def data_random(r: random.Random) -> Iterator[Scenario]:
    """Pieces of a stream in any order, overlapping, again, with holes filled at last."""
    for k in range(120):
        o = r.choice((PLAIN, SACK_OPTS, FULL, TS_OPTS))
        t = Tcp(f"pieces_{k}", "data")
        if r.random() < 0.1:
            t.sysctl(tcp_dsack=0)
        t.established(o)
        total = r.choice((300, 1000, 3000, 8000))
        n = r.randrange(3, 14)
        frames = []
        val = 102
        for _ in range(n):
            a = r.randrange(0, total)
            ln = min(r.choice((1, 10, 100, 500, 1000, 1448)), total - a) or 1
            if r.random() < 0.5:
                a -= a % 100
            fl = r.choice(("A", "PA"))
            frames.append(seg(fl, ISN + 1 + a, data=pat(total)[a : a + ln], opts=ts(val) if b"\x08\x0a" in o else b""))
            val += r.choice((0, 0, 1))
        for f in frames:
            t.inject(f)
            if r.random() < 0.25:
                t.recv_all() if r.random() < 0.5 else t.recv(r.randrange(1, 500))
            if r.random() < 0.1:
                t.sleep(r.choice((5, 50, 250)))
            if r.random() < 0.2:
                t.state()
        t.sleep(2)
        pos = 0
        while pos < total:
            t.inject(
                seg("PA", ISN + 1 + pos, data=pat(total)[pos : pos + 1000], opts=ts(val) if b"\x08\x0a" in o else b"")
            )
            pos += 1000
        yield t.recv_all().state().sleep(60).done()


def data_small(r: random.Random) -> Iterator[Scenario]:
    """The neighbours of the recorded ones: sizes, flags, acks, delays."""
    for n in (1, 2, 87, 88, 127, 128, 255, 535, 536, 537, 1000, 1447, 1448, 1460):
        for c in (1, 2, 3, 5, 12):
            for o in (PLAIN, FULL):
                x = ts(102) if o is FULL else b""
                t = Tcp(f"inorder_{n}_{c}_{len(o)}", "data").established(o)
                t.inject(*[seg("A" if i < c - 1 else "PA", ISN + 1 + i * n, data=pat(n, i), opts=x) for i in range(c)])
                yield t.state().step("inq", sock="c").recv_all().state().sleep(60).done()
    for gap in (0, 20, 45, 100, 250, 1100):
        t = Tcp(f"paced_{gap}", "data").established(PLAIN)
        for i in range(24 if gap <= 20 else 6):
            t.inject(seg("PA", ISN + 1 + i * 100, data=pat(100, i)))
            if gap:
                t.sleep(gap)
        yield t.recv_all().sleep(60).done()
    for q in (0, 1, 2):
        for po in (0, 1):
            t = Tcp(f"quickack_{q}_{po}", "data").established(PLAIN)
            if po:
                t.send(10).inject(seg("A", ack=11))
            t.set("TCP_QUICKACK", q).get("TCP_QUICKACK")
            for i in range(20):
                t.inject(seg("PA", ISN + 1 + i * 10, ack=11 if po else 1, data=pat(10, i)))
            yield t.recv_all().get("TCP_QUICKACK").sleep(60).done()
    for fl in ("", "P", "F", "U", "S", "SA", "FA", "PA", "UA", "ECA", "EA", "CA", "FPUA", "RA"):
        for off in (0, 50, -50):
            t = Tcp(f"flags_{fl}_{off}", "data").established(SACK_OPTS).inject(seg("PA", data=pat(100)))
            t.inject(seg(fl, ISN + 101 + off, data=pat(100, 3), urg=5 if "U" in fl else 0)).state()
            yield t.recv_all().state().sleep(60).done()
    for d in (-30000, -65536, -70000, -1, 1, 1000, 70000):
        t = Tcp(f"ack_off_{d}", "data").established(PLAIN).send(500).inject(seg("A", ack=501))
        yield (
            t.inject(seg("PA", ack=501 + d, data=b"abc"))
            .state()
            .recv_all()
            .inject(seg("PA", ISN + 4, ack=501, data=b"def"))
            .recv_all()
            .done()
        )
    for v, e, name in (
        (101, None, "same"),
        (100, None, "m1"),
        (99, None, "m2"),
        (90, None, "old"),
        (0x80000065, None, "half"),
        (0x80000070, None, "beyond"),
        (500, None, "ahead"),
        (0, None, "zero"),
        (102, 0, "ecr0"),
    ):
        for kind in ("data", "ack", "rst", "fin", "syn", "old", "ooo", "dup_ack"):
            t = Tcp(f"paws_{name}_{kind}", "data").established(FULL).inject(seg("PA", data=pat(20), opts=ts(101)))
            x = ts(v, e or 0)
            fl = {
                "data": "PA",
                "ack": "A",
                "rst": "RA",
                "fin": "FA",
                "syn": "S",
                "old": "PA",
                "ooo": "A",
                "dup_ack": "A",
            }[kind]
            sq = ISN + 21 + {"old": -10, "ooo": 50}.get(kind, 0)
            t.inject(
                seg(fl, sq, data=pat(10, 4) if kind in ("data", "old", "ooo") else b"", opts=x, tsecr=e is None)
            ).state()
            yield t.inject(seg("PA", ISN + 21, data=pat(30, 5), opts=ts(600))).recv_all().state().done()
    t = Tcp("no_ts_after_ts", "data").established(FULL)
    yield (
        t.inject(seg("PA", data=b"abc"))
        .recv_all()
        .inject(seg("PA", ISN + 4, data=b"def", opts=b"\x08\x0a" + struct.pack("!II", 103, 0) + b"\1\1"))
        .recv_all()
        .inject(seg("FA", ISN + 7))
        .state()
        .done()
    )
    for bad in (True,):
        for n in (0, 1, 40, 60, 100, 1460):
            t = Tcp(f"badcsum_{n}", "data").established(PLAIN).inject(seg("PA", data=pat(n), bad=bad)).state()
            yield (
                t.inject(seg("PA", data=pat(n)))
                .recv_all()
                .inject(seg("FA", ISN + 1 + n, bad=True))
                .inject(seg("RA", ISN + 1 + n, bad=True))
                .state()
                .done()
            )
    for ttl in (0, 1, 63, 64, 255):
        yield (
            Tcp(f"ttl_{ttl}", "data")
            .established(PLAIN, [["IP_MINTTL", 64]])
            .inject(seg("PA", data=b"abc", ttl=ttl))
            .recv_all()
            .set("IP_MINTTL", 0)
            .inject(seg("PA", data=b"abc", ttl=ttl))
            .recv_all()
            .done()
        )
    for n in range(1, 8):
        t = Tcp(f"sackblocks_{n}", "data").established(SACK_OPTS)
        order = list(range(1, n + 1))
        r.shuffle(order)
        for i in order:
            t.inject(seg("A", ISN + 1 + 200 * i, data=pat(100, i)))
            t.sleep(1)
        for i in range(n + 1):
            t.inject(seg("A", ISN + 1 + 200 * i, data=pat(200, i))).sleep(1)
        yield t.recv_all().state().sleep(60).done()
    for n in (1, 3):
        for o in (PLAIN, SACK_OPTS, FULL):
            t = Tcp(f"dup_{n}_{len(o)}", "data").established(o)
            x = ts(102) if o is FULL else b""
            t.inject(*[seg("PA", data=pat(100), opts=x)] * (n + 1)).state().sleep(60)
            yield t.recv_all().inject(seg("A", ISN + 51, data=pat(100, 1), opts=x)).recv_all().state().sleep(60).done()


def urgent(r: random.Random) -> Iterator[Scenario]:
    for inline in (0, 1):
        for std in (0, 1):
            for up in (0, 1, 5, 10, 11, 50, 5000, 65535):
                for fl in ("UPA", "PA"):
                    t = Tcp(f"urg_{inline}_{std}_{up}_{fl}", "urg").sysctl(tcp_stdurg=std).established()
                    t.set("SO_OOBINLINE", inline).inject(seg(fl, data=b"0123456789", urg=up)).poll().step(
                        "inq", sock="c"
                    )
                    t.recv(1, ["OOB"]).recv(3).recv(100).recv(1, ["OOB"]).recv(100).inject(
                        seg("PA", ISN + 11, data=b"abcdefghij")
                    ).poll()
                    yield t.recv(1, ["OOB", "PEEK"]).recv(1, ["OOB"]).recv_all().state().done()
    for k in range(20):
        t = Tcp(f"random_{k}", "urg").established(SACK_OPTS).set("SO_OOBINLINE", r.choice((0, 0, 1)))
        seq = ISN + 1
        for _ in range(6):
            n = r.randrange(1, 30)
            u = r.random() < 0.5
            t.inject(
                seg(
                    "UPA" if u else "PA",
                    seq + r.choice((0, 0, 0, -3, 5)),
                    data=pat(n, r.randrange(9)),
                    urg=r.randrange(0, n + 3) if u else 0,
                )
            )
            seq += n
            c = r.randrange(5)
            if c == 0:
                t.recv(r.randrange(1, 20))
            elif c == 1:
                t.recv(1, ["OOB"])
            elif c == 2:
                t.poll().step("inq", sock="c")
            elif c == 3:
                t.recv(10, ["PEEK"])
        yield t.recv_all().recv(1, ["OOB"]).state().sleep(60).done()
    for n in (1, 5):
        for fl in (["OOB"], ["OOB", "MORE"]):
            yield (
                Tcp(f"send_oob_{n}_{len(fl)}", "urg")
                .established()
                .send(n, flags=fl)
                .send(20)
                .inject(seg("A", ack=n + 21))
                .send(10)
                .done()
            )


# --- reading ---------------------------------------------------------------------------------------------------------


def reading(r: random.Random) -> Iterator[Scenario]:
    for fl in (
        [],
        ["PEEK"],
        ["TRUNC"],
        ["WAITALL"],
        ["PEEK", "TRUNC"],
        ["WAITALL", "PEEK"],
        ["ERRQUEUE"],
        ["DONTWAIT"],
    ):
        for n in (0, 1, 50, 100, 150, 200, 1000):
            if "TRUNC" in fl and n:
                continue
            t = (
                Tcp(f"flags_{'_'.join(fl)}_{n}", "read")
                .established(PLAIN)
                .inject(seg("PA", data=pat(100)), seg("PA", ISN + 101, data=pat(100, 1)))
            )
            yield (
                t.recv(n, fl)
                .recv(n, fl)
                .recv_all()
                .recv(n, fl)
                .inject(seg("FA", ISN + 201))
                .recv(n, fl)
                .recv(n, fl)
                .state()
                .done()
            )
    for lw in (0, 1, 50, 101, 1000, 70000, 200000, 10000000):
        t = (
            Tcp(f"lowat_{lw}", "read")
            .established(PLAIN)
            .set("SO_RCVLOWAT", lw)
            .get("SO_RCVLOWAT")
            .inject(seg("PA", data=pat(100)))
            .poll()
            .recv(10)
            .poll()
        )
        yield (
            t.inject(seg("PA", ISN + 101, data=pat(900)))
            .poll()
            .state()
            .recv_all()
            .inject(seg("FA", ISN + 1001))
            .poll()
            .sleep(60)
            .done()
        )
    for off in (-1, 0, 10, 90, 150):
        t = Tcp(f"peekoff_{off}", "read").established(PLAIN).set("SO_PEEK_OFF", off).inject(seg("PA", data=pat(100)))
        yield (
            t.recv(20, ["PEEK"])
            .get("SO_PEEK_OFF")
            .recv(200, ["PEEK"])
            .get("SO_PEEK_OFF")
            .recv(30)
            .get("SO_PEEK_OFF")
            .recv(200, ["PEEK"])
            .recv_all()
            .get("SO_PEEK_OFF")
            .done()
        )
    for st in STATES[1:]:
        t = Tcp(f"state_{st}", "read")
        enter(t, st, False)
        yield (
            t.recv(10)
            .recv(10, ["OOB"])
            .send(5)
            .poll()
            .step("inq", sock="c")
            .step("getpeername", sock="c")
            .step("getsockname", sock="c")
            .step("shutdown", sock="c", how="rd")
            .recv(5)
            .poll()
            .step("shutdown", sock="c", how="wr")
            .poll()
            .step("connect", sock="c", to=["10.0.0.1", 5])
            .step("listen", sock="c", backlog=1)
            .step("accept", sock="c", **{"as": "q"})
            .state()
            .done()
        )
    t = (
        Tcp("fresh", "read")
        .step("socket", id="c", type="tcp")
        .recv(5)
        .send(5)
        .poll()
        .step("inq", sock="c")
        .step("shutdown", sock="c", how="rdwr")
        .poll()
        .recv(5)
        .step("accept", sock="c", **{"as": "q"})
        .step("getpeername", sock="c")
        .step("getsockname", sock="c")
        .get("SO_ERROR")
        .get("IP_MTU")
        .state()
        .step("disconnect", sock="c")
        .step("close", sock="c")
    )
    yield t.done()
    t = (
        Tcp("listener", "read")
        .listen()
        .recv(5, sock="l")
        .send(5, "l")
        .poll("l")
        .step("inq", sock="l")
        .step("connect", sock="l", to=["10.0.0.1", 5])
        .step("getpeername", sock="l")
        .get("SO_ACCEPTCONN", "l")
        .get("SO_ERROR", "l")
        .state("l")
        .recv(1, ["OOB"], "l")
        .recv(5, ["PEEK"], "l")
        .step("listen", sock="l", backlog=0)
        .state("l")
    )
    yield t.done()
    vals: dict[str, tuple[int, ...]] = {
        "TCP_NODELAY": (0, 1, 5, -1),
        "TCP_MAXSEG": (0, 1, 87, 88, 536, 1460, 32767, 32768, -1),
        "TCP_CORK": (0, 1, 2),
        "TCP_KEEPIDLE": (0, 1, 100, 32767, 32768, -1),
        "TCP_KEEPINTVL": (0, 1, 100, 32767, 32768),
        "TCP_KEEPCNT": (0, 1, 9, 127, 128),
        "TCP_SYNCNT": (0, 1, 127, 128),
        "TCP_LINGER2": (-5, -1, 0, 1, 60, 120, 121, 1000000),
        "TCP_DEFER_ACCEPT": (-1, 0, 1, 2, 3, 4, 7, 10, 60, 100000),
        "TCP_WINDOW_CLAMP": (-1, 0, 1, 1151, 1152, 1153, 5000, 65535, 1000000),
        "TCP_QUICKACK": (0, 1, 2, 3),
        "TCP_USER_TIMEOUT": (-1, 0, 1, 1000, 1000000),
        "TCP_SAVE_SYN": (0, 1, 2, 3),
        "SO_RCVBUF": (0, 1, 2304, 10000, 300000, 10000000, -1),
        "SO_SNDBUF": (0, 1, 4608, 10000, 300000, 10000000, -1),
        "SO_RCVLOWAT": (-1, 0, 1, 5, 100000, 10000000),
        "SO_KEEPALIVE": (0, 1, 7),
        "SO_OOBINLINE": (0, 1, 3),
        "SO_PRIORITY": (0, 6, 7, 100),
        "SO_MARK": (0, 9),
        "SO_BROADCAST": (0, 1),
        "SO_REUSEADDR": (0, 1, 2),
        "SO_REUSEPORT": (0, 1),
        "SO_NO_CHECK": (0, 1),
        "SO_INCOMING_CPU": (-1, 0, 5),
        "SO_PEEK_OFF": (-1, 0, 7),
        "IP_TOS": (0, 1, 3, 16, 255, 256, -1),
        "IP_TTL": (-1, 0, 1, 64, 255, 256),
        "IP_MINTTL": (-1, 0, 1, 255, 256),
        "IP_MTU_DISCOVER": (-1, 0, 1, 2, 3, 4, 5, 6),
        "IP_RECVERR": (0, 1, 2),
        "IP_RECVTTL": (0, 1),
        "IP_RECVTOS": (0, 1),
        "IP_PKTINFO": (0, 1),
        "IP_TRANSPARENT": (0, 1),
        "IP_FREEBIND": (0, 1),
        "IP_MULTICAST_ALL": (0, 1),
        "SO_RCVBUFFORCE": (0, 5000, 10000000),
        "SO_ERROR": (),
        "SO_ACCEPTCONN": (),
        "IP_MTU": (),
        "IP_HDRINCL": (),
        "IP_CHECKSUM": (0, 1),
        "UDP_CORK": (1,),
        "SO_RXQ_OVFL": (0, 1),
    }
    for opt, vv in vals.items():
        for where in ("fresh", "listener", "established"):
            t = Tcp(f"opt_{opt}_{where}", "opts")
            if where == "fresh":
                t.step("socket", id="c", type="tcp")
            else:
                t.established(SACK_OPTS)
            s = "l" if where == "listener" else "c"
            t.get(opt, s)
            for v in vv:
                t.set(opt, v, s).get(opt, s)
            if where == "established":
                t.inject(seg("PA", data=pat(200))).send(30).sleep(3)
            yield t.state(s).done()


# --- the receive buffer ----------------------------------------------------------------------------------------------


def windows(r: random.Random) -> Iterator[Scenario]:
    for rb in (2304, 4096, 6000, 8192, 12000, 16384, 32768, 65536):
        for n in (1, 50, 100, 536, 1000, 1460):
            for o in (PLAIN, FULL):
                if (n == 1 and rb > 8192) or (o is FULL and n in (50, 536)):
                    continue
                x = ts(102) if o is FULL else b""
                cnt = min(rb * 2 // max(n, 300) + 6, 90)
                t = Tcp(f"fill_{rb}_{n}_{len(o)}", "win").established(o, [["SO_RCVBUF", rb]])
                t.inject(*[seg("A", ISN + 1 + i * n, data=pat(n, i), opts=x) for i in range(cnt)]).state()
                t.recv(n * 2 or 1).state().recv_all().state()
                yield t.inject(seg("PA", ISN + 1 + cnt * n, data=pat(n), opts=x)).recv_all().state().sleep(60).done()
    for rb in (4096, 8192, 16384):
        for n in (100, 500, 1460):
            t = Tcp(f"holes_{rb}_{n}", "win").established(SACK_OPTS, [["SO_RCVBUF", rb]])
            t.inject(*[seg("A", ISN + 1 + i * n * 2, data=pat(n, i)) for i in range(1, 12)]).sleep(2).state()
            t.inject(*[seg("A", ISN + 1 + i * n, data=pat(n, i)) for i in range(24)]).state().recv_all().state()
            yield t.sleep(250).done()
    for rb in (4096, 10000):
        for how in ("fin", "probe", "ack", "rst", "urg", "data1", "old"):
            t = Tcp(f"zero_{rb}_{how}", "win").established(PLAIN, [["SO_RCVBUF", rb]])
            n, cnt = 1000, rb // 500 + 2
            t.inject(*[seg("A", ISN + 1 + i * n, data=pat(n, i)) for i in range(cnt)]).state()
            end = ISN + 1 + (rb * 2 * 0 + 0)
            del end
            for e in (1, 2, 3, 4, 5, 8, 9, 10, 12, 16):
                fl, d, w = {
                    "fin": ("FA", b"", 0),
                    "probe": ("A", b"", -1),
                    "ack": ("A", b"", 0),
                    "rst": ("R", b"", 0),
                    "urg": ("UA", b"z", 0),
                    "data1": ("PA", b"z", 0),
                    "old": ("PA", b"zz", -1),
                }[how]
                if e in (2, 3, 4, 5):
                    t.inject(seg(fl, ISN + 1 + e * n + w, data=d, urg=1 if "U" in fl else 0))
            yield t.state().recv_all().state().sleep(60).done()
    for sh in (0, 1):
        for op in ("SO_RCVBUF", "TCP_WINDOW_CLAMP"):
            for v in (2304, 5000, 20000, 100000, 400000):
                t = Tcp(f"later_{op}_{v}_{sh}", "win").sysctl(tcp_shrink_window=sh).established(FULL)
                t.inject(seg("PA", data=pat(1000), opts=ts(102))).set(op, v).get(op).state()
                t.inject(
                    *[seg("A", ISN + 1001 + i * 1448, data=pat(1448, i), opts=ts(103)) for i in range(12)]
                ).state().recv_all()
                yield t.inject(seg("PA", ISN + 1001 + 12 * 1448, data=pat(100), opts=ts(104))).state().sleep(60).done()
    for rm in ("4096 131072 262144", "4096 16384 131072", "4096 8192 8192"):
        for cnt in (20, 60, 140):
            for rd in (0, 1, 5):
                for o in (PLAIN, FULL):
                    t = Tcp(f"auto_{rm.split()[2]}_{cnt}_{rd}_{len(o)}", "win")
                    t.sysctls["net.ipv4.tcp_rmem"] = rm
                    t.established(o)
                    x = ts(102) if o is FULL else b""
                    for i in range(cnt):
                        t.inject(seg("A", ISN + 1 + i * 1448, data=pat(1448, i), opts=x))
                        if rd and i % rd == rd - 1:
                            t.recv_all()
                    if len(t.steps) > 300:
                        continue
                    yield t.state().recv_all().state().sleep(60).done()
    for alloc in ("build_skb", "alloc_skb"):
        for n in (1, 10, 100, 500, 700, 1460):
            for cnt in (5, 40, 150):
                if alloc == "build_skb" and cnt == 5:
                    continue
                t = Tcp(f"mem_{alloc}_{n}_{cnt}", "win", skb_alloc=alloc).established(PLAIN)
                t.inject(*[seg("A", ISN + 1 + i * n, data=pat(n, i)) for i in range(cnt)]).state().recv(n * 3)
                yield t.step("mem", sock="c").recv_all().state().done()
    for k in range(40):
        rb = r.choice((2304, 4096, 8192, 16384, 50000))
        t = Tcp(f"random_{k}", "win", skb_alloc=r.choice(("build_skb", "build_skb", "alloc_skb")))
        o = r.choice((PLAIN, SACK_OPTS, FULL))
        t.established(o, [["SO_RCVBUF", rb]] if r.random() < 0.7 else None)
        x = ts(102) if o is FULL else b""
        seq = ISN + 1
        for _ in range(r.randrange(5, 25)):
            c = r.random()
            n = r.choice((1, 10, 100, 536, 1000, 1448))
            if c < 0.6:
                t.inject(seg("A", seq, data=pat(n, 1), opts=x))
                seq += n
            elif c < 0.7:
                t.inject(seg("A", seq + r.choice((100, 1000, 3000)), data=pat(n, 1), opts=x))
            elif c < 0.8:
                t.inject(seg("A", seq - r.choice((1, 100, 1000)), data=pat(n, 1), opts=x))
            elif c < 0.9:
                t.recv(r.choice((10, 1000, 3000)))
            else:
                t.recv_all()
        yield t.state().recv_all().state().sleep(60).done()


# --- sending ---------------------------------------------------------------------------------------------------------


def sending(r: random.Random) -> Iterator[Scenario]:
    for n in (1, 100, 1459, 1460, 1461, 2920, 5000, 14600, 14601, 30000, 60000, 100000):
        for o in (PLAIN, FULL):
            t = Tcp(f"size_{n}_{len(o)}", "send").established(o).send(n).state().sleep(2)
            x = ts(103) if o is FULL else b""
            yield t.inject(seg("A", ack=min(n, 14000) + 1, opts=x)).state().sleep(2).done()
    for w in (0, 1, 100, 500, 1459, 1460, 2000, 5000, 65535):
        for n in (100, 3000, 20000):
            t = Tcp(f"win_{w}_{n}", "send").established(PLAIN, win=w).send(n).state().sleep(230)
            t.inject(seg("A", ack=min(n, w) + 1, win=w)).state().sleep(2)
            yield t.inject(seg("A", ack=min(n, 2 * w) + 1, win=65535)).sleep(2).state().done()
    for m in (88, 100, 536, 1000):
        yield Tcp(f"mss_{m}", "send").established(mss(m)).send(m * 5 + 7).state().done()
    for opt in ("none", "TCP_NODELAY", "TCP_CORK", "more"):
        for sizes in ((10, 10, 10), (1460, 10, 10), (2000, 500, 1), (700, 700, 700, 700)):
            t = Tcp(f"nagle_{opt}_{'_'.join(map(str, sizes))}", "send").established(PLAIN)
            if opt.startswith("TCP"):
                t.set(opt, 1)
            for n in sizes:
                t.send(n, flags=["MORE"] if opt == "more" else None)
            t.state().sleep(10).inject(seg("A", ack=sizes[0] + 1)).sleep(230).state()
            if opt == "TCP_CORK":
                t.set(opt, 0)
            if opt == "more":
                t.send(1)
            yield t.sleep(5).done()
    for n in (100, 3000, 20000):
        for o in (PLAIN, SACK_OPTS, FULL):
            x = ts(103) if o is FULL else b""
            t = Tcp(f"rto_{n}_{len(o)}", "send").established(o).send(n).sleep(1700).state()
            yield (
                t.inject(seg("A", ack=n // 2 + 1, opts=x))
                .state()
                .sleep(20)
                .inject(seg("A", ack=n + 1, opts=x))
                .state()
                .sleep(20)
                .done()
            )
    for dup in (1, 2, 3, 4, 6):
        for o in (PLAIN, SACK_OPTS):
            t = Tcp(f"dupack_{dup}_{len(o)}", "send").established(o).send(14600).sleep(2)
            for i in range(dup):
                x = sack((1461, 1461 + 1460 * (i + 1))) if o is SACK_OPTS else b""
                t.inject(seg("A", ack=1, opts=x)).sleep(1)
            t.state().inject(seg("A", ack=1 + 1460 * (dup + 1))).sleep(2).state().inject(seg("A", ack=14601)).sleep(2)
            yield t.state().send(5000).sleep(2).state().done()
    for name, blocks in (
        ("tail", ((13141, 14601),)),
        ("two", ((1461, 2921), (4381, 5841))),
        ("beyond", ((20000, 21000),)),
        ("reversed", ((5000, 4000),)),
        ("dsack", ((1, 1461),)),
        ("mid", ((2000, 3000),)),
        ("all", ((1461, 14601),)),
        ("zero", ((1461, 1461),)),
        ("old", ((0, 1),)),
    ):
        t = (
            Tcp(f"sack_{name}", "send")
            .established(SACK_OPTS)
            .send(14600)
            .sleep(2)
            .inject(seg("A", ack=1, opts=sack(*blocks)))
            .sleep(20)
            .state()
        )
        t.inject(seg("A", ack=1, opts=sack(*blocks))).sleep(250).state()
        yield t.inject(seg("A", ack=14601)).sleep(5).state().done()
    for a in (1, 100, 1461, 1500, 2921, 7000):
        t = (
            Tcp(f"partial_{a}", "send")
            .established(SACK_OPTS)
            .send(7300)
            .sleep(2)
            .inject(seg("A", ack=a))
            .state()
            .sleep(250)
            .state()
        )
        yield t.inject(seg("A", ack=7301)).sleep(5).state().done()
    for shrink in (100, 1460, 5000):
        t = (
            Tcp(f"shrink_{shrink}", "send")
            .established(PLAIN)
            .send(14600)
            .inject(seg("A", ack=1461, win=shrink))
            .state()
            .send(5000)
            .sleep(250)
            .state()
        )
        yield t.inject(seg("A", ack=14601, win=65535)).sleep(2).state().done()
    for n in (10, 3000):
        for ms in (250, 700, 1500, 3300):
            t = Tcp(f"probe_{n}_{ms}", "send").established(PLAIN, win=0).send(n).sleep(ms).state()
            yield t.inject(seg("A", win=0)).sleep(250).inject(seg("A", win=65535)).sleep(2).state().done()
    for n in (0, 10, 3000, 30000):
        for how in ("close", "wr", "rdwr", "linger0", "linger1"):
            t = Tcp(f"end_{n}_{how}", "send").established(SACK_OPTS)
            if n:
                t.send(n)
            if how.startswith("linger"):
                t.set("SO_LINGER", [1, int(how[6:])])
            t.step("close", sock="c") if how in ("close", "linger0", "linger1") else t.step(
                "shutdown", sock="c", how=how
            )
            t.sleep(2).inject(seg("A", ack=n + 1 if n < 20000 else 14601)).sleep(2).inject(seg("A", ack=n + 2))
            yield t.sleep(2).inject(seg("FA", ack=n + 2)).sleep(20).done()
    for sb in (4608, 10000, 50000):
        t = (
            Tcp(f"sndbuf_{sb}", "send")
            .established(PLAIN, [["SO_SNDBUF", sb]])
            .send(100000)
            .poll()
            .send(100000)
            .state()
            .inject(seg("A", ack=14601))
            .poll()
            .send(50000)
        )
        yield t.sleep(2).done()
    for cc in ("reno", "cubic"):
        t = Tcp(f"cc_{cc}", "send").sysctl(tcp_congestion_control=cc).established(FULL).send(60000)
        a = 1
        for i in range(14):
            a += 2896
            t.inject(seg("A", ack=a, opts=ts(103 + i))).sleep(1)
        yield t.state().done()
    for idle in (0, 1):
        t = Tcp(f"idle_{idle}", "send").sysctl(tcp_slow_start_after_idle=idle).established(SACK_OPTS)
        a = 1
        for _ in range(4):
            t.send(14600)
            a += 14600
            t.inject(seg("A", ack=a))
        yield t.state().sleep(1500).send(30000).state().sleep(2).done()
    for ece in ("E", "C", "EC"):
        t = (
            Tcp(f"ecn_{ece}", "send")
            .listen()
            .inject(seg("SEC", ISN, 0, opts=SACK_OPTS), seg("A"))
            .step("accept", sock="l", **{"as": "c"})
        )
        t.send(14600).inject(seg("A" + ece, ack=1461)).state().send(3000).inject(
            seg("PA", ack=4381, data=b"x", tos=3),
            seg("PA", ISN + 2, ack=4381, data=b"y", tos=2),
            seg("CPA", ISN + 3, ack=4381, data=b"z", tos=2),
        ).state()
        yield t.recv_all().send(10).sleep(60).done()
    for k in range(60):
        o = r.choice((PLAIN, SACK_OPTS, FULL, mss(536) + SOK))
        t = Tcp(f"random_{k}", "send").established(o, win=r.choice((2000, 10000, 65535)))
        sent, acked = 0, 0
        val = 102
        for _ in range(r.randrange(4, 16)):
            c = r.random()
            val += 1
            x = ts(val) if o is FULL else b""
            if c < 0.4:
                n = r.choice((1, 10, 100, 1000, 3000, 9000))
                t.send(n, flags=r.choice((None, None, ["MORE"])))
                sent += n
            elif c < 0.75 and acked < sent:
                acked += min(sent - acked, r.choice((1, 100, 1448, 1460, 2896, 9000)))
                t.inject(seg("A", ack=acked + 1, opts=x, win=r.choice((2000, 10000, 65535))))
            elif c < 0.85:
                t.inject(seg("PA", ack=acked + 1, opts=x, data=b""))
            else:
                t.sleep(r.choice((1, 45)))
        yield t.state().sleep(60).done()


# --- timers ----------------------------------------------------------------------------------------------------------


def timers(r: random.Random) -> Iterator[Scenario]:
    for cnt in (1, 2):
        for ans in (0, 1, 2):
            t = Tcp(f"keepalive_{cnt}_{ans}", "timer").established(PLAIN)
            t.set("SO_KEEPALIVE", 1).set("TCP_KEEPIDLE", 1).set("TCP_KEEPINTVL", 1).set("TCP_KEEPCNT", cnt).sleep(1200)
            if ans == 1:
                t.inject(seg("A"))
            elif ans == 2:
                t.inject(seg("PA", data=b"x"))
            yield t.sleep(2300).state().get("SO_ERROR").poll().recv_all().done()
    for ut in (500, 2000):
        t = (
            Tcp(f"keepalive_ut_{ut}", "timer")
            .established(PLAIN)
            .set("SO_KEEPALIVE", 1)
            .set("TCP_KEEPIDLE", 1)
            .set("TCP_KEEPINTVL", 1)
            .set("TCP_USER_TIMEOUT", ut)
        )
        yield t.sleep(3400).state().get("SO_ERROR").done()
        t = (
            Tcp(f"user_timeout_{ut}", "timer")
            .established(PLAIN)
            .set("TCP_USER_TIMEOUT", ut)
            .send(100)
            .sleep(3200)
            .state()
            .get("SO_ERROR")
            .poll()
        )
        yield t.done()
        t = (
            Tcp(f"user_timeout_probe_{ut}", "timer")
            .established(PLAIN, win=0)
            .set("TCP_USER_TIMEOUT", ut)
            .send(100)
            .sleep(3200)
            .state()
            .get("SO_ERROR")
            .poll()
        )
        yield t.done()
    for r1, r2 in ((0, 0), (1, 1), (3, 2), (3, 3)):
        t = (
            Tcp(f"retries_{r1}_{r2}", "timer")
            .sysctl(tcp_retries1=r1, tcp_retries2=r2)
            .established(PLAIN)
            .send(100)
            .sleep(3500)
            .state()
            .get("SO_ERROR")
            .poll()
            .recv_all()
        )
        yield t.done()
    for orph in (0, 1, 2):
        t = (
            Tcp(f"orphan_{orph}", "timer")
            .sysctl(tcp_orphan_retries=orph)
            .established(PLAIN)
            .send(100)
            .step("close", sock="c")
            .sleep(3300)
        )
        yield t.inject(seg("A", ack=101)).done()
    for ft in (1, 2):
        for how in ("close", "linger2"):
            t = Tcp(f"finwait2_{ft}_{how}", "timer").sysctl(tcp_fin_timeout=ft).established(PLAIN)
            if how == "linger2":
                t.set("TCP_LINGER2", 1)
            t.step("close", sock="c").inject(seg("A", ack=2)).sleep(500).inject(seg("PA", ack=2, data=b"abc")).sleep(
                2000
            )
            yield t.inject(seg("FA", ack=2)).sleep(20).done()
            t = Tcp(f"finwait2_quiet_{ft}_{how}", "timer").sysctl(tcp_fin_timeout=ft).established(PLAIN)
            if how == "linger2":
                t.set("TCP_LINGER2", 1)
            t.step("close", sock="c").inject(seg("A", ack=2)).sleep(2600)
            yield t.inject(seg("FA", ack=2)).sleep(20).done()
    for sr in (1, 2):
        for to in ("timeout", "late"):
            t = (
                Tcp(f"syn_{sr}_{to}", "timer")
                .sysctl(tcp_syn_retries=sr, tcp_syn_linear_timeouts=0)
                .connect()
                .sleep(2500 if to == "late" else 3500)
            )
            if to == "late":
                t.inject(seg("SA", 3000, 1, opts=PLAIN, sport=9000, dport=6000))
            yield t.state("k").get("SO_ERROR", "k").poll("k").sleep(100).done()
    for lt in (0, 1, 2, 4):
        yield (
            Tcp(f"syn_linear_{lt}", "timer").sysctl(tcp_syn_linear_timeouts=lt).connect().sleep(3500).state("k").done()
        )
    for st in ("FIN_WAIT1", "FIN_WAIT1_orphan", "LAST_ACK_orphan", "LAST_ACK", "CLOSING"):
        t = Tcp(f"fin_again_{st}", "timer")
        enter(t, st, False)
        yield t.sleep(1600).done()
    for g in (30, 41, 60, 100, 210):
        t = Tcp(f"delack_{g}", "timer").established(PLAIN)
        for i in range(20):
            t.inject(seg("A", ISN + 1 + i * 50, data=pat(50, i)))
        t.recv_all()
        for i in range(20, 23):
            t.sleep(g).inject(seg("A", ISN + 1 + i * 50, data=pat(50, i)))
        yield t.sleep(300).state().done()
    for g in (100, 400, 600):
        t = Tcp(f"oow_limit_{g}", "timer").established(PLAIN)
        for _ in range(4):
            t.inject(seg("A", ISN - 5)).sleep(g)
        yield t.done()
    for lim in (0, 1, 2):
        t = (
            Tcp(f"challenge_{lim}", "timer")
            .sysctl(tcp_challenge_ack_limit=lim, tcp_invalid_ratelimit=0)
            .established(PLAIN)
        )
        yield t.inject(*[seg("R", ISN + 50)] * 5).done()
    for iv in (0, 100, 1000):
        t = Tcp(f"invalid_rl_{iv}", "timer").sysctl(tcp_invalid_ratelimit=iv).established(PLAIN)
        yield (
            t.inject(*[seg("A", ISN - 5)] * 3, *[seg("S", ISN, 0)] * 3, *[seg("R", ISN + 50)] * 3)
            .sleep(150)
            .inject(seg("A", ISN - 5), seg("R", ISN + 50))
            .done()
        )


def timewait(r: random.Random) -> Iterator[Scenario]:
    for o, name in ((PLAIN, "plain"), (FULL, "ts")):
        for rfc in (0, 1):
            for fl in ("R", "RA", "A", "FA", "S", "SA", "PA", ""):
                for off in (-2, -1, 0, 1, 1000, 70000, 200000):
                    for tv in (106, 50) if o is FULL else (0,):
                        if rfc and fl not in ("R", "RA", "S"):
                            continue
                        t = (
                            Tcp(f"tw_{name}_{rfc}_{fl}_{off}_{tv}", "tw")
                            .sysctl(tcp_rfc1337=rfc)
                            .established(o)
                            .step("close", sock="c")
                        )
                        t.inject(seg("FA", ack=2, opts=ts(105) if tv else b""))
                        x = ts(tv) if tv else b""
                        t.inject(
                            seg(fl, ISN + 2 + off, 2 if "A" in fl else 0, opts=x, data=b"ab" if fl == "PA" else b"")
                        ).sleep(2)
                        t.inject(seg("FA", ack=2, opts=ts(105) if tv else b""))
                        yield t.step("accept", sock="l", **{"as": "d"}).done()
    for lim in (0, 1):
        t = Tcp(f"buckets_{lim}", "tw").sysctl(tcp_max_tw_buckets=lim)
        t.listen()
        for p in (40000, 40001, 40002):
            t.inject(seg("S", ISN, 0, opts=PLAIN, sport=p), seg("A", sport=p)).step(
                "accept", sock="l", **{"as": f"c{p}"}
            ).step("close", sock=f"c{p}").inject(seg("FA", ack=2, sport=p))
        yield t.inject(seg("FA", ack=2), seg("A", ISN + 2, ack=2, sport=40001)).done()


# --- active open -----------------------------------------------------------------------------------------------------


def client(r: random.Random) -> Iterator[Scenario]:
    def s(fl: str, seq: int = 3000, ack: int | None = None, **kw: Any) -> Any:
        return seg(fl, seq, ack, sport=9000, dport=6000, **kw)

    for i in range(16):
        o = (
            (mss(1400) if i & 1 else b"")
            + (SOK if i & 2 else b"")
            + (ts(500) if i & 4 else b"")
            + (ws(5) if i & 8 else b"")
        )
        x = ts(501) if i & 4 else b""
        t = (
            Tcp(f"synack_{i}", "client")
            .connect()
            .inject(s("SA", opts=o))
            .state("k")
            .get("SO_ERROR", "k")
            .poll("k")
            .send(100, "k")
            .inject(s("PA", 3001, 101, opts=x, data=b"hi"))
        )
        yield t.recv_all("k").state("k").sleep(60).done()
    for name in ("timestamps", "sack", "window_scaling"):
        t = Tcp(f"off_{name}", "client").sysctl(**{"tcp_" + name: 0}).connect().inject(s("SA", opts=FULL))
        yield t.state("k").send(3000, "k").sleep(5).done()
    for m in (0, 1, 48, 88, 536, 1460, 65535):
        yield (
            Tcp(f"mss_{m}", "client").connect().inject(s("SA", opts=mss(m))).state("k").send(3000, "k").sleep(5).done()
        )
    for w in (0, 7, 14, 15):
        yield (
            Tcp(f"ws_{w}", "client")
            .connect()
            .inject(s("SA", opts=PLAIN + ws(w), win=2000))
            .state("k")
            .send(3000, "k")
            .inject(s("A", 3001, 2001, win=2000))
            .state("k")
            .sleep(5)
            .done()
        )
    for f in range(64):
        fl = "".join(k for k, v in FLAGS.items() if f & v)
        for a in (1, 0, 2) if "A" in fl else (1,):
            t = (
                Tcp(f"flags_{fl}_{a}", "client")
                .connect()
                .inject(s(fl, ack=a if "A" in fl else 0, opts=PLAIN, urg=1 if "U" in fl else 0))
            )
            t.state("k").poll("k").get("SO_ERROR", "k").recv_all("k")
            if a == 1:
                t.inject(s("SA", opts=PLAIN)).state("k").send(10, "k")
            yield t.sleep(5).done()
    for n in (1, 100):
        for fl in ("SA", "SFA", "SPA", "S", "SF"):
            t = (
                Tcp(f"syndata_{fl}_{n}", "client")
                .connect()
                .inject(s(fl, opts=PLAIN, data=pat(n)))
                .state("k")
                .recv_all("k")
                .inject(s("A", 3001, 1))
                .state("k")
                .recv_all("k")
            )
            yield t.sleep(60).done()
    for d in (-100000, -1, 0, 1, 1000):
        t = (
            Tcp(f"tsecr_{d}", "client")
            .connect()
            .inject(s("SA", opts=mss(1460) + ts(7, d)))
            .state("k")
            .get("SO_ERROR", "k")
        )
        yield t.inject(s("SA", opts=mss(1460) + ts(8))).state("k").done()
    yield (
        Tcp("tsecr_zero", "client").connect().inject(s("SA", opts=mss(1460) + ts(7, 0), tsecr=False)).state("k").done()
    )
    for ecn in (0, 1, 2):
        for fl in ("SA", "SAE", "SAC", "SAEC"):
            for res in (0, 1):
                t = (
                    Tcp(f"ecn_{ecn}_{fl}_{res}", "client")
                    .sysctl(tcp_ecn=ecn)
                    .connect()
                    .inject(s(fl, opts=PLAIN, res=res))
                    .state("k")
                    .send(100, "k")
                )
                yield t.inject(s("PAE", 3001, 101, data=b"x", tos=3)).send(10, "k").state("k").sleep(60).done()
    for t_, c in [(3, c) for c in range(16)] + [(11, 0), (12, 0), (4, 0), (5, 1)]:
        for re in (0, 1):
            t = Tcp(f"icmp_{t_}_{c}_{re}", "client").connect([["IP_RECVERR", 1]] if re else None)
            t.inject(icmp_error(t_, c, 0, sport=6000, dport=9000, info=1000 if c == 4 else 0)).state("k").poll("k").get(
                "SO_ERROR", "k"
            ).recv(50, ["ERRQUEUE"], "k").recv_all("k")
            yield (
                t.inject(s("SA", opts=PLAIN))
                .state("k")
                .step("connect", sock="k", to=["10.0.0.1", 9000])
                .sleep(5)
                .done()
            )
    for a in (
        "10.0.0.1",
        "10.0.0.2",
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.255",
        "255.255.255.255",
        "224.0.0.5",
        "10.0.0.77",
        "8.8.8.8",
        "240.0.0.1",
    ):
        t = (
            Tcp(f"to_{a}", "client")
            .step("socket", id="k", type="tcp")
            .step("connect", sock="k", to=[a, 9000])
            .state("k")
            .step("connect", sock="k", to=[a, 9000])
        )
        yield (
            t.poll("k")
            .get("SO_ERROR", "k")
            .step("connect", sock="k", to=[a, 9000])
            .send(5, "k")
            .recv(5, sock="k")
            .done()
        )
    for op in (
        "send",
        "recv",
        "shutdown_rd",
        "shutdown_wr",
        "shutdown_rdwr",
        "close",
        "disconnect",
        "listen",
        "accept",
        "nodelay",
        "peer",
        "poll",
        "oob",
        "inq",
    ):
        t = Tcp(f"synsent_{op}", "client").connect()
        if op == "send":
            t.send(100, "k").send(100, "k", ["MORE"])
        elif op == "recv":
            t.recv(5, sock="k").recv(5, ["PEEK"], "k")
        elif op.startswith("shutdown"):
            t.step("shutdown", sock="k", how=op[9:])
        elif op in ("close", "disconnect"):
            t.step(op, sock="k")
        elif op == "listen":
            t.step("listen", sock="k", backlog=1)
        elif op == "accept":
            t.step("accept", sock="k", **{"as": "z"})
        elif op == "nodelay":
            t.set("TCP_NODELAY", 1, "k").set("TCP_QUICKACK", 0, "k")
        elif op == "peer":
            t.step("getpeername", sock="k").step("getsockname", sock="k")
        elif op == "oob":
            t.recv(1, ["OOB"], "k")
        elif op == "inq":
            t.step("inq", sock="k")
        t.poll("k").get("SO_ERROR", "k").inject(s("SA", opts=PLAIN)).poll("k").state("k").recv_all("k").send(
            10, "k"
        ).inject(s("PA", 3001, 11, data=b"zz"))
        yield t.sleep(60).step("connect", sock="k", to=["10.0.0.1", 9001]).done()
    for q in ("TCP_QUICKACK", "TCP_DEFER_ACCEPT", "TCP_NODELAY", "SO_KEEPALIVE", "TCP_CORK"):
        for v in (0, 1):
            t = (
                Tcp(f"pre_{q}_{v}", "client")
                .connect([[q, v]])
                .inject(s("SA", opts=PLAIN))
                .state("k")
                .sleep(250)
                .send(10, "k")
                .inject(s("PA", 3001, 11, data=b"abc"))
            )
            yield t.sleep(60).state("k").done()
    for m in (88, 1000, 1460):
        for rb in (0, 4096, 100000):
            t = (
                Tcp(f"maxseg_{m}_{rb}", "client")
                .connect([["TCP_MAXSEG", m]] + ([["SO_RCVBUF", rb]] if rb else []))
                .inject(s("SA", opts=FULL))
            )
            yield t.state("k").inject(s("PA", 3001, 1, data=pat(80), opts=ts(101))).state("k").sleep(60).done()
    for sim in ("S_A", "S_SA", "SA", "S_S", "S_RA", "S_FA", "S_PA"):
        t = Tcp(f"simultaneous_{sim}", "client").connect().inject(s("S", opts=PLAIN)).state("k")
        if "_" in sim:
            f2 = sim[2:]
            t.inject(
                s(
                    f2,
                    3000 if "S" in f2 else 3001,
                    1,
                    opts=PLAIN if "S" in f2 else b"",
                    data=b"xy" if "P" in f2 else b"",
                )
            )
        yield t.state("k").send(10, "k").recv_all("k").sleep(20).done()
    for k in ("established", "refused", "closed"):
        t = Tcp(f"reconnect_{k}", "client").connect()
        if k == "refused":
            t.inject(s("RA", 0, 1))
        else:
            t.inject(s("SA", opts=PLAIN))
        if k == "closed":
            t.inject(s("FA", 3001, 1)).step("shutdown", sock="k", how="wr").inject(s("A", 3002, 2))
        t.step("connect", sock="k", to=["10.0.0.1", 9000]).poll("k").step(
            "connect", sock="k", to=["10.0.0.1", 9000]
        ).step("disconnect", sock="k").step("connect", sock="k", to=["10.0.0.1", 9000])
        yield t.state("k").inject(s("SA", 9000, 1, opts=PLAIN)).state("k").sleep(20).done()


# --- GRO -------------------------------------------------------------------------------------------------------------


def gro(r: random.Random) -> Iterator[Scenario]:
    def env() -> dict[str, Any]:
        return {"rx_mode": "napi", "gro_flush_timeout": 60000000}

    def flow(n: int, size: int = 1000, **kw: Any) -> list[Any]:
        return [seg("A", ISN + 1 + i * size, 500, data=pat(size, i), absolute=True, **kw) for i in range(n)]

    def packet(name: str, frames: list[Any]) -> Scenario:
        t = Tcp(name, "gro", **env())
        t.sockets.append({"id": "pk", "type": "packet"})
        return t.listen().inject(*frames, burst=True).sleep(150).recv_all("pk").done()

    for n in (1, 2, 3, 17, 18, 19, 20, 36, 37, 44, 46, 64):
        for size in (100, 500, 1000, 1448, 1460):
            if n > 20 and size not in (1448, 1000):
                continue
            yield packet(f"n_{n}_{size}", flow(n, size))
    for field, values in {
        "tos": (0, 4),
        "ttl": (64, 63),
        "df": (0, 1),
        "win": (65535, 65534),
        "urg": (0, 5),
        "res": (0, 1),
        "opts": (ts(5, 9), ts(6, 9)),
        "vlan": (-1, 3),
    }.items():
        for at in (1, 2):
            fr = []
            for i in range(4):
                kw: dict[str, Any] = {field: values[1] if i == at else values[0]}
                fr.append(seg("A", ISN + 1 + i * 1000, 500, data=pat(1000, i), absolute=True, tsecr=False, **kw))
            yield packet(f"field_{field}_{at}", fr)
    for fl in ("A", "PA", "FA", "RA", "SA", "UA", "EA", "CA", "ECA", "FPA", "", "P", "S"):
        for at in (0, 1, 2):
            yield packet(
                f"flag_{fl}_{at}",
                [
                    seg(fl if i == at else "A", ISN + 1 + i * 1000, 500, data=pat(1000, i), absolute=True)
                    for i in range(4)
                ],
            )
    for ids in (
        (1, 2, 3, 4),
        (5, 5, 5, 5),
        (1, 3, 5, 7),
        (4, 3, 2, 1),
        (65535, 0, 1, 2),
        (1, 2, 2, 3),
        (0, 0, 0, 0),
        (1, 2, 4, 5),
    ):
        for df in (0, 1):
            yield packet(
                f"id_{'_'.join(map(str, ids))}_{df}",
                [
                    seg("A", ISN + 1 + i * 1000, 500, data=pat(1000, i), absolute=True, ident=ids[i], df=df)
                    for i in range(4)
                ],
            )
    for sizes in (
        (1000, 1000, 500, 500),
        (500, 1000),
        (1000, 999, 1000),
        (1000, 1001),
        (1000, 0, 1000),
        (0, 0, 0),
        (0, 1000, 1000),
        (1, 1, 1),
        (1000, 1000, 1),
        (1460, 1460, 1460, 60),
    ):
        sq = ISN + 1
        fr = []
        for i, n in enumerate(sizes):
            fr.append(seg("A", sq, 500, data=pat(n, i), absolute=True))
            sq += n
        yield packet(f"sizes_{'_'.join(map(str, sizes))}", fr)
    for offs in ((0, 2, 1), (0, 0, 1), (1, 0, 2), (0, 1, 1, 2), (2, 1, 0), (0, 1, 3, 2)):
        yield packet(
            f"order_{'_'.join(map(str, offs))}",
            [seg("A", ISN + 1 + i * 1000, 500, data=pat(1000, i), absolute=True) for i in offs],
        )
    for acks in ((500, 501, 502), (500, 500, 499), (0, 0, 0)):
        yield packet(
            f"acks_{acks[1]}_{acks[2]}",
            [seg("A", ISN + 1 + i * 1000, acks[i], data=pat(1000, i), absolute=True) for i in range(3)],
        )
    for badat in (0, 1, 2, 3):
        yield packet(
            f"bad_{badat}",
            [seg("A", ISN + 1 + i * 1000, 500, data=pat(1000, i), absolute=True, bad=i == badat) for i in range(4)],
        )
    for nf in (2, 5, 8, 9, 12):
        fr = [
            seg("A", ISN + 1 + i * 200, 500, data=pat(200, i), absolute=True, sport=40000 + f)
            for i in range(2)
            for f in range(nf)
        ]
        yield packet(f"flows_{nf}", fr)
    for o in (PLAIN, FULL, SACK_OPTS):
        for n in (2, 5, 20, 40, 60):
            x = ts(102) if o is FULL else b""
            for hole in (-1, 3):
                t = Tcp(f"stream_{len(o)}_{n}_{hole}", "gro", **env()).established(o)
                t.inject(
                    *[
                        seg("A" if i < n - 1 else "PA", ISN + 1 + i * 1448, data=pat(1448, i), opts=x)
                        for i in range(n)
                        if i != hole
                    ],
                    burst=True,
                ).sleep(150).state().recv_all()
                if hole >= 0 and hole < n:
                    t.inject(seg("A", ISN + 1 + hole * 1448, data=pat(1448, hole), opts=x), burst=True).sleep(
                        150
                    ).recv_all()
                yield t.state().sleep(60).done()
    for n in (2, 10):
        t = Tcp(f"noflush_{n}", "gro", rx_mode="napi").established(PLAIN)
        yield (
            t.inject(*[seg("A", ISN + 1 + i * 1448, data=pat(1448, i)) for i in range(n)], burst=True)
            .sleep(20)
            .state()
            .recv_all()
            .done()
        )
    for rb in (4096, 20000):
        t = Tcp(f"small_{rb}", "gro", **env()).established(PLAIN, [["SO_RCVBUF", rb]])
        yield (
            t.inject(*[seg("A", ISN + 1 + i * 1448, data=pat(1448, i)) for i in range(20)], burst=True)
            .sleep(150)
            .state()
            .recv_all()
            .state()
            .done()
        )
    for fl in ("FA", "FPA", "RA"):
        t = Tcp(f"end_{fl}", "gro", **env()).established(PLAIN)
        yield (
            t.inject(
                *[seg("A", ISN + 1 + i * 1448, data=pat(1448, i)) for i in range(4)],
                seg(fl, ISN + 1 + 4 * 1448, data=b"" if fl == "RA" else pat(100)),
                burst=True,
            )
            .sleep(150)
            .state()
            .recv_all()
            .state()
            .done()
        )


ALL: dict[str, Callable[[random.Random], Iterator[Scenario]]] = {
    f.__name__: f
    for f in (
        hs_options,
        hs_syn,
        hs_third,
        hs_listener,
        closed_port,
        state_segments,
        icmp_states,
        data_random,
        data_small,
        urgent,
        reading,
        windows,
        sending,
        timers,
        timewait,
        client,
        gro,
    )
}


def scenarios(names: list[str] | None = None, seed: int = 1) -> Iterator[Scenario]:
    """All scenarios of the named generators (default: of all)."""
    for n in names or list(ALL):
        yield from ALL[n](random.Random(f"{n} {seed}"))
