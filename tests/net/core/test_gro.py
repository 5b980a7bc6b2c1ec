"""GRO: the merged sizes and results of the segment trains that a real 6.1 was given."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from rxpath.kernel.release import R_3_13, R_6_1, Release
from rxpath.net.core.netdevice import NETIF_F_GRO
from rxpath.net.core.skbuff import CHECKSUM_NONE
from rxpath.net.ipv4.offload import ipv4_offload_init
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import icmp_echo_frame, tcp_frame, udp_frame
from rxpath.wire.tcp import TCPHDR_ACK as ACK
from rxpath.wire.tcp import TCPHDR_PSH as PSH

from .fakenic import Host

GOLDEN = Path(__file__).parent / "golden"
A, B = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
S, D = ip4("10.0.0.1"), ip4("10.0.0.2")


def golden() -> dict[str, tuple[dict[int, int], list[int]]]:
    """Name of the train -> (count of each GRO result, lengths handed up)."""
    out = {}
    for line in (GOLDEN / "gro.txt").read_text().splitlines():
        m = re.match(r"(.*): frames=.*gro_ret=(\{.*?\}) netif_receive_skb=(\d+) lens=(\[[^\]]*\])", line)
        if m:
            rets = {int(a): b for a, b in ast.literal_eval(m.group(2)).items()}
            out[m.group(1)] = (rets, ast.literal_eval(m.group(4)))
    return out


def seg(seq: int, n: int, *, flags: int = ACK, ident: int = 0, ttl: int = 64, df: bool = True, sport: int = 4000,
        bad: bool = False) -> bytes:
    f = tcp_frame(
        A, B, S, D, sport, 5000, seq, 1, flags, b"p" * n, ident=ident, ttl=ttl, frag_off=0x4000 if df else 0, pad=False
    )  # fmt: skip
    if bad:
        f = f[:-1] + bytes((f[-1] ^ 0xFF,))
    return f


def train(n: int, size: int, **kw: int) -> list[bytes]:
    return [seg(1 + i * size, size, ident=i + 1, **kw) for i in range(n)]  # type: ignore[arg-type]


def play(frames: list[bytes], *, release: Release = R_6_1, gro: bool = True, csum_none: bool = False
         ) -> tuple[dict[int, int], list[int]]:
    h = Host(release)
    ipv4_offload_init(h.net)
    if not gro:
        h.nic.features &= ~NETIF_F_GRO
    if csum_none:
        h.nic.ip_summed = CHECKSUM_NONE
    rets: Counter[int] = Counter()
    h.k.trace.napi_gro_receive_exit.attach(lambda tp, cpu, now, v: rets.update([v[0]]))
    h.nic.deliver(frames)
    h.run()
    h.check()
    assert sum(s.tokens for s in h.ip.skbs) == 0
    assert h.k.ledger.delivered == len(frames)  # every segment's token travelled with its packet
    h.k.close()
    return dict(rets), [n for _, _, n in h.ip.got]


CASES: dict[str, list[bytes]] = {f"TCP {n}x{s} in order": train(n, s) for n, s in (
    (2, 1460), (10, 1460), (44, 1460), (45, 1460), (64, 1460), (65, 1460), (128, 1460))}
CASES.update({f"TCP {n}x{s} in order": train(n, s) for n, s in ((20, 100), (64, 100), (17, 1448))})
CASES["TCP 10x1460, PSH on 5th and last"] = [
    seg(1 + i * 1460, 1460, ident=i, flags=ACK | (PSH if i in (4, 9) else 0)) for i in range(10)]
CASES["TCP 9x1460 + 500 tail"] = [*train(9, 1460), seg(1 + 9 * 1460, 500, ident=10)]
_ooo = train(10, 1000)
_ooo[3], _ooo[4] = _ooo[4], _ooo[3]
CASES["TCP 10x1000, 4th/5th swapped (out of order)"] = _ooo
CASES["TCP pure ACKs x10 one flow"] = [seg(1, 0, ident=i) for i in range(10)]
CASES["TCP 10x1000 differing IP TTL alternately"] = [
    seg(1 + i * 1000, 1000, ident=i, ttl=64 - i % 2) for i in range(10)]
CASES["TCP 10x1000 DF=1 same IP id"] = [seg(1 + i * 1000, 1000, ident=7) for i in range(10)]
CASES["TCP 10x1000 DF=0 same IP id"] = [seg(1 + i * 1000, 1000, ident=7, df=False) for i in range(10)]
CASES["TCP 4x1000, 5th bad checksum, 5 more"] = [
    seg(1 + i * 1000, 1000, ident=i, bad=i == 4) for i in range(10)]
CASES["UDP 20x500 one flow"] = [udp_frame(A, B, S, D, 1, 2, b"u" * 500, ident=i) for i in range(20)]
CASES["ICMP echo x10"] = [icmp_echo_frame(A, B, S, D, 1, i, b"e" * 56, ip_ident=i) for i in range(10)]


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded_trains(name: str) -> None:
    rets, lens = golden()[name]
    frames = CASES[name]
    pad = [f + b"\0" * (60 - len(f)) for f in frames]  # as a link pads them
    got_rets, got = play(pad, csum_none="bad checksum" in name)
    assert sorted(got) == sorted(lens) if "bad checksum" in name else got == lens
    # whether Linux took pages over (1) or chained the skb (0) depends on the ring's buffers; the sum does not
    for group in ((0, 1), (2,), (3,)):
        assert sum(got_rets.get(r, 0) for r in group) == sum(rets.get(r, 0) for r in group), group


def test_flows_with_ids_of_their_own_merge_up_to_eight_a_bucket() -> None:
    def flows(n: int) -> list[bytes]:
        return [seg(1 + r * 1000, 1000, ident=r, sport=4000 + f) for r in range(6) for f in range(n)]
    assert play(flows(8))[1] == [6040] * 8
    assert play(flows(9))[1] == [1040] * 54


def test_gro_off_hands_up_each() -> None:
    rets, lens = golden()["GRO OFF: TCP 10x1460 in order"]
    assert play(train(10, 1460), gro=False) == (rets, lens)


def test_3_13_increments_ids_only() -> None:
    same_id = [seg(1 + i * 1000, 1000, ident=7) for i in range(10)]
    assert play(same_id, release=R_3_13)[1] == [1040] * 10
    assert play(train(10, 1000), release=R_3_13)[1] == [10040]


def test_normal_packets_are_delivered_in_batches_of_eight() -> None:
    h = Host(R_6_1)
    order: list[str] = []
    h.k.trace.napi_gro_receive_exit.attach(lambda tp, cpu, now, v: order.append("g"))
    h.k.trace.netif_receive_skb.attach(lambda tp, cpu, now, v: order.append("d"))
    h.nic.deliver([udp_frame(A, B, S, D, 1, 2, b"u" * 50)] * 20)
    h.run()
    text = "".join(order)
    assert text.replace("gggggggd", "gggggggd") .count("d") == 20
    # the eighth packet triggers the delivery of eight: inside its own gro_receive, so its exit follows
    assert text == "ggggggg" + "d" * 8 + "g" + "ggggggg" + "d" * 8 + "g" + "gggg" + "dddd"
    h.k.close()
