"""What is remembered about remote addresses: token buckets of ICMP errors and redirects.

Facts: net/ipv4/inetpeer.c.  The table is bounded: above its threshold the least recently used go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.timer import Work

if TYPE_CHECKING:
    from rxpath.net.ipv4.netns import Ipv4

XRLIM_BURST_FACTOR: Final = 6


class InetPeer:
    """`rate_tokens` in jiffies, `rate_last` the jiffy of the last look."""

    __slots__ = ("rate_tokens", "rate_last", "n_redirects", "dtime")

    def __init__(self, now: int, hz: int) -> None:
        self.rate_tokens = 0
        # a new peer starts with what a minute brings, mostly a full bucket
        self.rate_last = now - 60 * hz
        self.n_redirects = 0
        self.dtime = now


class InetPeerBase:
    __slots__ = ("ipv4", "once", "peers")

    def __init__(self, ipv4: Ipv4) -> None:
        self.ipv4 = ipv4
        self.peers: dict[int, InetPeer] = {}
        self.once = True


def queue_work_on(base: InetPeerBase) -> None:
    """The first use draws the table's secret (DO_ONCE), which leaves its clean-up to a kworker."""
    base.ipv4.kernel.workqueue.schedule_work(Work(lambda: None))


def lookup(base: InetPeerBase, daddr: int) -> InetPeer | None:
    return base.peers.get(daddr)


def inet_getpeer(base: InetPeerBase, daddr: int) -> InetPeer:
    """The entry of an address, made when it is not there."""
    if base.once:
        base.once = False
        queue_work_on(base)
    p = lookup(base, daddr)
    now = base.ipv4.kernel.jiffies()
    if p is None:
        p = lookup(base, daddr)  # again, under the lock
    if p is None:
        if len(base.peers) >= base.ipv4.inet_peer_threshold:
            base.peers.pop(next(iter(base.peers)))
        p = base.peers[daddr] = InetPeer(now, base.ipv4.kernel.hz)
    p.dtime = now
    return p


def inet_peer_xrlim_allow(base: InetPeerBase, peer: InetPeer, timeout: int) -> bool:
    """One message per `timeout` jiffies, six in a burst."""
    now = base.ipv4.kernel.jiffies()
    token = peer.rate_tokens + now - peer.rate_last
    same = now == peer.rate_last and base.ipv4.variant.xrlim_by_jiffy
    peer.rate_last = now
    if token > XRLIM_BURST_FACTOR * timeout and not same:
        token = XRLIM_BURST_FACTOR * timeout
    rc = False
    if token >= timeout:
        token -= timeout
        rc = True
    peer.rate_tokens = token
    return rc
