"""Two million generated frames over eight queues and four CPUs, twice, with identical results; a fixed sample in `make test`."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

from rxpath.link.generator import LoadGenerator
from rxpath.observe import counters

from .fleet import HOST, Fleet, neighbour

SOAK = bool(os.environ.get("RXPATH_SOAK"))
SOURCE = HOST + 5


def run(model: str, variant: str, cpus: int, count: int) -> tuple[dict[str, Any], str]:
    """The load through a machine with a reader on each CPU and RPS on two queues; what is left of it in numbers, and a digest
    of every hand-up in its order.
    """
    f = Fleet(model, variant, cpus=cpus, queues=8, costs="default", watch=False)
    neighbour(f, SOURCE)
    f.do("ethtool -N eth0 rx-flow-hash udp4 sdfn")
    f.m.wait_for_link()
    f.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", "c")
    f.write("/sys/class/net/eth0/queues/rx-1/rps_cpus", "3")
    f.m.keep_times = False
    f.m.net.on_socket = f.m.net.on_delivered = None
    digest = hashlib.blake2b(digest_size=16)
    fed = [0]

    def watch(tp: Any, cpu: int, now: int, values: tuple[Any, ...]) -> None:
        skb = values[0]
        digest.update(b"%d %d %d " % (now, cpu, skb.queue_mapping) + skb.head[skb.data + 4 : skb.data + 24])
        fed[0] += 1

    f.k.trace.netif_receive_skb.attach(watch)
    for cpu in range(4):
        s = f.m.socket()
        s.setsockopt(1, 15, 1)
        s.bind(("", 9000))

        def read(s: Any = s) -> None:
            while True:
                s.recv(2048)
                f.k.cur().charge(4_000)

        f.m.spawn(read, cpu=cpu, name=f"reader/{cpu}")
    load = LoadGenerator(
        count=count, pps=1_200_000, burst=16, arrivals="poisson", sizes=18, flows=1000, spread="random", src=SOURCE, dst=HOST,
        dst_mac=f.mac, dport=9000, seed=11,
    )  # fmt: skip
    f.feed(iter(load))
    f.finish()
    led = f.m.ledger
    assert led.wire == count
    assert led.wire == led.delivered + led.total_consumed() + led.total_dropped() + f.m.in_flight()
    out = {
        "wire": led.wire,
        "delivered": led.delivered,
        "consumed": sorted((*k, v) for k, v in led.consumed.items()),
        "dropped": sorted((*k, v) for k, v in led.dropped.items()),
        "in flight": f.m.in_flight(),
        "queues": f.queue_packets()[:8],
        "cpus": [f.cpu_of(q) for q in range(8)],
        "counters": counters.take(f.m),
        "softnet": f.read("/proc/net/softnet_stat"),
        "interrupts": f.read("/proc/interrupts"),
        "stat": f.read("/proc/stat"),
        "now": f.m.now,
        "handed up": fed[0],
    }
    f.close()
    assert f.m.in_flight() == 0
    assert led.wire == led.delivered + led.total_consumed() + led.total_dropped()
    return out, digest.hexdigest()


# ixgbe refuses more queues than there are CPUs: eight of each, and a smaller full count
@pytest.mark.parametrize(
    ("model", "variant", "cpus", "count"),
    [("igb", "82576", 4, 2_000_000 if SOAK else 8_000), ("ixgbe", "x540", 8, 200_000 if SOAK else 4_000)],
)
def test_every_frame_of_a_large_run_is_accounted_for_and_twice_is_the_same(
    model: str, variant: str, cpus: int, count: int
) -> None:
    first, order = run(model, variant, cpus, count)
    assert sum(first["queues"]) > 0 and all(n > 0 for n in first["queues"])
    assert set(first["cpus"]) == set(range(cpus))
    second, again = run(model, variant, cpus, count)
    assert json.dumps(first, default=str, sort_keys=True) == json.dumps(second, default=str, sort_keys=True)
    assert order == again
    print(
        f"{first['wire']} = {first['delivered']} delivered + {first['consumed']} + {first['dropped']}; {first['queues']};"
        f" digest {order}"
    )
