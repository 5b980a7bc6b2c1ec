"""RPS, RFS, backlog and flow limit; limits as the record of a real 6.1 has them."""

from __future__ import annotations

import pytest

from rxpath.kernel.release import R_3_13, R_5_15, R_6_1, R_6_18, Release
from rxpath.net.core.netdevice import dev_close
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.steering import flow_hash, sock_rps_record_flow_hash
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import fragment_frame, udp_frame

from .fakenic import Catcher, Host

A, B = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
RELEASES = [R_3_13, R_5_15, R_6_1, R_6_18]


def frame(flow: int, n: int = 20, *, reverse: bool = False) -> bytes:
    s, d, sp, dp = ip4("10.0.0.1"), ip4("10.0.0.2"), 1000 + flow, 9
    if reverse:
        s, d, sp, dp = d, s, dp, sp
    return udp_frame(A, B, s, d, sp, dp, b"x" * n)


def skb_of(h: Host, f: bytes) -> SkBuff:
    skb = SkBuff(h.net, f, 768)
    skb.data = 14
    skb.len = len(f) - 14
    skb.protocol = 0x0800
    return skb


def with_rps(h: Host, mask: str) -> None:
    h.k.files.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", mask)


def backlog_full(maximum: int, burst: int, release: Release = R_6_1) -> tuple[int, dict[str, int]]:
    """One flow to CPU 1 which is stuck in a long interrupt: how many fit."""
    h = Host(release, ncpus=2)
    h.k.sysctl.set("net.core.netdev_max_backlog", str(maximum))
    with_rps(h, "2")
    # without CPU costs all polls of the burst run before the IPI is taken on the other CPU
    h.nic.deliver([frame(1)] * burst)
    h.run()
    h.check()
    sd = h.softnet(1)
    assert h.nic.core_rx_dropped == sd["dropped"]
    assert h.k.ledger.total_dropped() == sd["dropped"]
    h.k.close()
    return sd["processed"], sd


@pytest.mark.parametrize("maximum", [0, 10, 50, 100, 1000])
def test_backlog_holds_one_more_than_its_maximum(maximum: int) -> None:
    burst = maximum + 40 if maximum + 40 < 64 else maximum + 300
    accepted, sd = backlog_full(maximum, min(burst, 64) if maximum < 60 else 64)
    expect = min(64 if maximum >= 60 else min(burst, 64), maximum + 1)
    assert accepted == expect
    assert sd["received_rps"] == 1


@pytest.mark.parametrize("release", RELEASES)
def test_a_thousand_and_one(release: Release) -> None:
    h = Host(release, ncpus=2)
    with_rps(h, "2")
    stuck = h.k.cpus[1]
    stuck.irqs_off += 1  # the target takes no interrupt meanwhile
    h.nic.deliver([frame(1)] * 1100)
    h.run(1000)
    assert len(h.net.softnet[1].input_pkt_queue) == 1001
    assert h.softnet(1)["dropped"] == 99
    stuck.irqs_off -= 1
    stuck.need_attention()
    h.run()
    assert len(h.ip.got) == 1001 and {c for _, c, _ in h.ip.got} == {1}
    h.check()
    h.k.close()


@pytest.mark.parametrize("release", RELEASES)
def test_flows_spread_over_the_mask_and_each_keeps_to_one_cpu(release: Release) -> None:
    h = Host(release, ncpus=4)
    with_rps(h, "e")
    where: dict[int, set[int]] = {}

    class Who(Catcher):
        def func(self, skb, dev, orig_dev):  # type: ignore[no-untyped-def]
            port = int.from_bytes(skb.head[34:36], "big")
            where.setdefault(port, set()).add(h.k.cur().id)
            return super().func(skb, dev, orig_dev)

    h.net.ptype_base[0].clear()
    h.net.ptype_base[0].append(Who())
    for _ in range(3):
        h.nic.deliver([frame(i) for i in range(64)])
        h.run()
    assert all(len(cpus) == 1 for cpus in where.values()) and len(where) == 64
    assert set.union(*where.values()) == {1, 2, 3}
    assert h.softnet(0)["processed"] == 0
    assert sum(h.softnet(c)["received_rps"] for c in range(4)) > 0
    h.check()
    h.k.close()


@pytest.mark.parametrize("release", RELEASES)
def test_flow_hash(release: Release) -> None:
    h = Host(release)
    a = flow_hash(h.net, skb_of(h, frame(1)))
    assert a == flow_hash(h.net, skb_of(h, frame(1, 500)))  # payload does not count
    assert a != flow_hash(h.net, skb_of(h, frame(2)))
    assert a == flow_hash(h.net, skb_of(h, frame(1, reverse=True)))  # both directions alike
    frags = fragment_frame(frame(1, 3000), 1500)
    f1 = flow_hash(h.net, skb_of(h, frags[0]))
    assert f1 == flow_hash(h.net, skb_of(h, frags[1])) != a  # fragments: addresses only
    assert Host(release, seed=7).net.hash_secret != h.net.hash_secret


def test_rfs_follows_the_reader_and_keeps_order() -> None:
    h = Host(R_6_1, ncpus=4)
    h.k.sysctl.set("net.core.rps_sock_flow_entries", "1000")
    assert h.k.sysctl.get("net.core.rps_sock_flow_entries") == "1024"
    h.k.files.write("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "100")
    assert h.k.files.read("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt") == "128\n"
    fh = flow_hash(h.net, skb_of(h, frame(1)))

    def reader(cpu: int) -> None:
        t = h.k.sched.create("reader", h.k.cpus[cpu], lambda: sock_rps_record_flow_hash(h.net, fh))
        h.k.sched.wake_up_process(t)
        h.run()

    reader(2)
    h.nic.deliver([frame(1)] * 10)
    h.run()
    assert {c for _, c, _ in h.ip.got} == {2}
    h.ip.got.clear()
    reader(3)
    h.nic.deliver([frame(1)] * 10)
    h.run()
    assert {c for _, c, _ in h.ip.got} == {3}
    h.check()
    h.k.close()


def test_flow_limit_cuts_the_elephant_and_spares_the_mice() -> None:
    h = Host(R_6_1, ncpus=2)
    with_rps(h, "2")
    h.k.sysctl.set("net.core.flow_limit_cpu_bitmap", "1")
    h.k.cpus[1].irqs_off += 1
    burst: list[bytes] = []
    for i in range(1000):
        burst.append(frame(0))
        if i % 10 == 0:
            burst.append(frame(1 + i // 10 % 63))
    h.nic.deliver(burst)
    h.run(1000)
    h.k.cpus[1].irqs_off -= 1
    h.k.cpus[1].need_attention()
    h.run()
    limited = h.softnet(0)["flow_limit_count"]
    assert limited > 300
    assert h.softnet(1)["dropped"] == limited  # nobody else lost anything
    assert len(h.ip.got) == len(burst) - limited
    h.check()
    h.k.close()


def test_masks_are_refused_as_linux_refuses_them() -> None:
    h = Host(R_6_1, ncpus=4)
    with pytest.raises(OSError) as e:
        with_rps(h, "10")
    assert e.value.errno == 75
    with pytest.raises(OSError) as e:
        with_rps(h, "zz")
    assert e.value.errno == 22
    with_rps(h, "")
    assert h.k.files.read("/sys/class/net/eth0/queues/rx-0/rps_cpus") == "0\n"


def test_a_device_that_went_down_drops_in_the_backlog() -> None:
    h = Host(R_6_1, ncpus=2)
    with_rps(h, "2")
    h.nic.deliver([frame(1)] * 5)
    h.nic.flags &= ~1
    h.run()
    assert h.nic.core_rx_dropped == 5 and not h.ip.got
    h.check()
    h.nic.flags |= 1
    dev_close(h.nic)
    h.k.close()
