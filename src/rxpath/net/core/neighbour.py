"""Neighbours: link-layer addresses of next hops, their states, timers and the queue of packets that wait for one.

What lives here: NeighTable, Neighbour, the NUD state machine, garbage collection.  What a request looks like on the
wire is the protocol's (net/ipv4/arp.py subclasses NeighTable).  Facts: net/core/neighbour.c (5.15, 6.1).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EINVAL, ENOBUFS, linux_error
from rxpath.kernel.timer import DelayedWork, TimerList
from rxpath.net.core.netdevice import IFF_UP, Net, NetDevice
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason, skb_end
from rxpath.net.core.sock import count_tokens, this_cpu
from rxpath.net.core.xmit import __dev_queue_xmit
from rxpath.sim.ledger import CONSUMED, Site

if TYPE_CHECKING:
    pass

NUD_INCOMPLETE: Final = 0x01
NUD_REACHABLE: Final = 0x02
NUD_STALE: Final = 0x04
NUD_DELAY: Final = 0x08
NUD_PROBE: Final = 0x10
NUD_FAILED: Final = 0x20
NUD_NOARP: Final = 0x40
NUD_PERMANENT: Final = 0x80
NUD_NONE: Final = 0x00
NUD_IN_TIMER: Final = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE
NUD_VALID: Final = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY
NUD_CONNECTED: Final = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE

NUD_NAMES: Final[dict[int, str]] = {
    NUD_INCOMPLETE: "INCOMPLETE",
    NUD_REACHABLE: "REACHABLE",
    NUD_STALE: "STALE",
    NUD_DELAY: "DELAY",
    NUD_PROBE: "PROBE",
    NUD_FAILED: "FAILED",
    NUD_NOARP: "NOARP",
    NUD_PERMANENT: "PERMANENT",
    NUD_NONE: "NONE",
}

NEIGH_UPDATE_F_OVERRIDE: Final = 0x1
NEIGH_UPDATE_F_WEAK_OVERRIDE: Final = 0x2
NEIGH_UPDATE_F_ADMIN: Final = 0x80000000

SITE_QUEUEFULL: Final = Site("neighbour", "queue of an unresolved neighbour is full", "none", "NEIGH_QUEUEFULL")
SITE_FAILED: Final = Site("neighbour", "neighbour cannot be resolved", "none", "NEIGH_FAILED")
SITE_DEAD: Final = Site("neighbour", "neighbour entry is gone", "none", "NEIGH_DEAD")
SITE_PURGED: Final = Site("neighbour", "queue of an unresolved neighbour was emptied", "none", "NOT_SPECIFIED")
SITE_PROXY_FULL: Final = Site("neighbour", "too many requests wait for a proxy's answer", "none", "NOT_SPECIFIED")
SITE_PROXY_PURGED: Final = Site("neighbour", "queue of proxy answers was emptied", "none", "NOT_SPECIFIED")
SITE_FORWARDED: Final = Site("ip", "forwarded")


class NeighParms:
    """Settings of one device (or the defaults): times in jiffies, sizes in bytes."""

    __slots__ = (
        "dev",
        "base_reachable_time",
        "retrans_time",
        "gc_staletime",
        "delay_probe_time",
        "mcast_probes",
        "ucast_probes",
        "app_probes",
        "mcast_reprobes",
        "queue_len_bytes",
        "anycast_delay",
        "proxy_delay",
        "proxy_qlen",
        "qlen",
        "locktime",
        "reachable_time",
        "interval_probe_time",
    )

    def __init__(self, dev: NetDevice | None, hz: int) -> None:
        self.dev = dev
        self.base_reachable_time = 30 * hz
        self.retrans_time = hz
        self.gc_staletime = 60 * hz
        self.delay_probe_time = 5 * hz
        self.interval_probe_time = 5 * hz
        self.mcast_probes = 3
        self.ucast_probes = 3
        self.app_probes = 0
        self.mcast_reprobes = 0
        self.queue_len_bytes = 212992
        self.anycast_delay = hz
        self.proxy_delay = hz * 8 // 10
        self.proxy_qlen = 64
        self.qlen = 0  # requests of this device that wait for a proxy's answer
        self.locktime = hz
        self.reachable_time = self.base_reachable_time

    def copy_for(self, dev: NetDevice, hz: int) -> NeighParms:
        p = NeighParms(dev, hz)
        p.base_reachable_time = self.base_reachable_time
        p.retrans_time = self.retrans_time
        p.gc_staletime = self.gc_staletime
        p.delay_probe_time = self.delay_probe_time
        p.interval_probe_time = self.interval_probe_time
        p.mcast_probes = self.mcast_probes
        p.ucast_probes = self.ucast_probes
        p.app_probes = self.app_probes
        p.mcast_reprobes = self.mcast_reprobes
        p.queue_len_bytes = self.queue_len_bytes
        p.anycast_delay = self.anycast_delay
        p.proxy_delay = self.proxy_delay
        p.proxy_qlen = self.proxy_qlen
        p.locktime = self.locktime
        return p


class Neighbour:
    """`struct neighbour`: `key` is the protocol address (u32), `ha` the link address; times in jiffies."""

    __slots__ = (
        "tbl",
        "dev",
        "key",
        "ha",
        "nud_state",
        "timer",
        "confirmed",
        "updated",
        "used",
        "probes",
        "queue",
        "queue_bytes",
        "parms",
        "dead",
        "type",
        "connected",
        "flags",
    )

    def __init__(self, tbl: NeighTable, key: int, dev: NetDevice) -> None:
        now = tbl.kernel.jiffies()
        self.tbl = tbl
        self.dev = dev
        self.key = key
        self.ha = bytes(6)
        self.nud_state = NUD_NONE
        self.confirmed = now - (tbl.parms.base_reachable_time << 1)
        self.updated = now
        self.used = now
        self.probes = 0
        self.queue: deque[SkBuff] = deque()
        self.queue_bytes = 0
        self.parms = tbl.parms
        self.dead = False
        self.type = 0
        self.connected = False
        self.flags = 0
        self.timer = TimerList(tbl.kernel, lambda: neigh_timer_handler(self))


class NeighTable:
    """`struct neigh_table`: subclass for a protocol and implement `constructor`, `solicit` and `error_report`."""

    __slots__ = (
        "net",
        "kernel",
        "id",
        "entries",
        "parms",
        "parms_list",
        "gc_thresh1",
        "gc_thresh2",
        "gc_thresh3",
        "gc_interval",
        "gc_work",
        "last_flush",
        "last_rand",
        "stats",
        "random",
        "proxies",
        "proxy_queue",
        "proxy_timer",
    )

    def __init__(self, net: Net, table_id: str) -> None:
        k: Kernel = net.kernel
        self.net = net
        self.kernel = k
        self.id = table_id
        self.entries: dict[tuple[int, int], Neighbour] = {}
        self.parms = NeighParms(None, k.hz)
        self.parms.queue_len_bytes = k.release.unres_qlen_bytes
        self.parms_list: list[NeighParms] = [self.parms]
        self.gc_thresh1 = 128
        self.gc_thresh2 = 512
        self.gc_thresh3 = 1024
        self.gc_interval = 30 * k.hz
        self.last_flush = k.jiffies()
        self.last_rand = k.jiffies()
        self.random = k.rng("neighbour " + table_id)
        self.gc_work = DelayedWork(k, lambda: neigh_periodic_work(self))
        self.stats: dict[str, int] = dict.fromkeys(
            (
                "allocs",
                "destroys",
                "hash_grows",
                "lookups",
                "hits",
                "res_failed",
                "rcv_probes_mcast",
                "rcv_probes_ucast",
                "periodic_gc_runs",
                "forced_gc_runs",
                "unres_discards",
                "table_fulls",
            ),
            0,
        )
        self.proxies: dict[tuple[int, int], int] = {}
        self.proxy_queue: list[tuple[int, NeighParms, SkBuff]] = []  # due in jiffies, whose, the request
        self.proxy_timer = TimerList(k, lambda: neigh_proxy_process(self))
        self.parms.reachable_time = neigh_rand_reach_time(self, self.parms.base_reachable_time)

    def constructor(self, n: Neighbour) -> bool:
        """Fill what the protocol knows about a new entry; False refuses it."""
        raise NotImplementedError

    def solicit(self, n: Neighbour, skb: SkBuff | None) -> None:
        """Send a request; `skb` is the first packet that waits."""
        raise NotImplementedError

    def error_report(self, n: Neighbour, skb: SkBuff) -> None:
        """A packet's neighbour cannot be resolved: tell its sender and free it."""
        raise NotImplementedError

    def proxy_redo(self, skb: SkBuff) -> None:
        """A request that waited for its proxy's answer is looked at once more, and ended."""
        raise NotImplementedError

    def protocol(self) -> int:
        return 0x0800


def arm_gc(tbl: NeighTable) -> None:
    """The periodic work runs only while there are enough entries to look at (Linux: always, doing nothing)."""
    if len(tbl.entries) >= tbl.gc_thresh1 and not tbl.gc_work.timer.queued and not tbl.gc_work.work.queued:
        tbl.gc_work.schedule(tbl.parms.base_reachable_time >> 1)


def neigh_rand_reach_time(tbl: NeighTable, base: int) -> int:
    """Between half and one and a half of the base."""
    return tbl.random.randrange(base) + (base >> 1) if base else 0


def neigh_parms_alloc(dev: NetDevice, tbl: NeighTable) -> NeighParms:
    p = tbl.parms.copy_for(dev, tbl.kernel.hz)
    p.reachable_time = neigh_rand_reach_time(tbl, p.base_reachable_time)
    tbl.parms_list.append(p)
    return p


# --- lookup and creation --------------------------------------------------------------------------


def arp_hash(key: int, ifindex: int) -> tuple[int, int]:
    return (key, ifindex)


def arp_key_eq(n: Neighbour, key: int) -> bool:
    return n.key == key


def neigh_lookup(tbl: NeighTable, key: int, dev: NetDevice) -> Neighbour | None:
    """The entry of this address on this device."""
    tbl.stats["lookups"] += 1
    n = tbl.entries.get(arp_hash(key, dev.ifindex))
    if n is not None and arp_key_eq(n, key):
        tbl.stats["hits"] += 1
        return n
    return None


def neigh_lookup_create(tbl: NeighTable, key: int, dev: NetDevice) -> Neighbour | None:
    """`__neigh_lookup(..., creat=1)`: None when the table is full."""
    n = tbl.entries.get((key, dev.ifindex))
    return n if n is not None else neigh_create(tbl, key, dev)


def neigh_create(tbl: NeighTable, key: int, dev: NetDevice) -> Neighbour | None:
    return ___neigh_create(tbl, key, dev)


def ___neigh_create(tbl: NeighTable, key: int, dev: NetDevice) -> Neighbour | None:
    now = tbl.kernel.jiffies()
    entries = len(tbl.entries)
    if entries >= tbl.gc_thresh3 or (entries >= tbl.gc_thresh2 and now > tbl.last_flush + 5 * tbl.kernel.hz):
        if not neigh_forced_gc(tbl) and entries >= tbl.gc_thresh3:
            tbl.stats["table_fulls"] += 1
            if tbl.kernel.log.ratelimit("neighbour overflow"):
                tbl.kernel.log.info("%s: neighbor table overflow!" % tbl.id)
            return None
    n = Neighbour(tbl, key, dev)
    if not tbl.constructor(n):
        return None
    n.confirmed = now - (n.parms.base_reachable_time << 1)
    tbl.stats["allocs"] += 1
    k2 = (n.key, dev.ifindex)
    other = tbl.entries.get(k2)
    if other is not None:
        return other
    tbl.entries[k2] = n
    arm_gc(tbl)
    return n


def neigh_forced_gc(tbl: NeighTable) -> bool:
    """The table is full: entries that nobody needs go.  True: there is room."""
    max_clean = len(tbl.entries) - tbl.gc_thresh2
    now = tbl.kernel.jiffies()
    tbl.stats["forced_gc_runs"] += 1
    shrunk = 0
    for n in list(tbl.entries.values()):
        if n.nud_state & (NUD_PERMANENT | NUD_NOARP):
            continue
        if n.nud_state == NUD_FAILED or now > n.updated + 5 * tbl.kernel.hz:
            neigh_remove(tbl, n)
            shrunk += 1
            if shrunk >= max_clean:
                break
    tbl.last_flush = now
    return shrunk > 0


def neigh_remove(tbl: NeighTable, n: Neighbour) -> None:
    """Take an entry out of the table; what waits for it is dropped."""
    n.dead = True
    n.timer.del_timer()
    tbl.entries.pop((n.key, n.dev.ifindex), None)
    tbl.stats["destroys"] += 1
    _purge(n, SITE_PURGED)


def _purge(n: Neighbour, site: Site) -> None:
    while n.queue:
        skb = n.queue.popleft()
        skb.own = False
        kfree_skb_reason(skb, site)
    n.queue_bytes = 0


def neigh_periodic_work(tbl: NeighTable) -> None:
    """Stale entries that nobody used for gc_stale_time go; reachable times are drawn again every 300 s."""
    now = tbl.kernel.jiffies()
    tbl.stats["periodic_gc_runs"] += 1
    if now > tbl.last_rand + 300 * tbl.kernel.hz:
        tbl.last_rand = now
        for p in tbl.parms_list:
            p.reachable_time = neigh_rand_reach_time(tbl, p.base_reachable_time)
    if len(tbl.entries) >= tbl.gc_thresh1:
        for n in list(tbl.entries.values()):
            if n.nud_state & (NUD_PERMANENT | NUD_IN_TIMER):
                continue
            if n.used < n.confirmed <= now:
                n.used = n.confirmed
            if n.nud_state == NUD_FAILED or now >= n.used + n.parms.gc_staletime:
                neigh_remove(tbl, n)
    if tbl.entries and len(tbl.entries) >= tbl.gc_thresh1:
        arm_gc(tbl)


# --- the state machine ----------------------------------------------------------------------------


def neigh_timer_handler(n: Neighbour) -> None:
    k = n.tbl.kernel
    hz = k.hz
    now = k.jiffies()
    state = n.nud_state
    p = n.parms
    if not state & NUD_IN_TIMER:
        return
    nxt = now + hz
    if state & NUD_REACHABLE:
        if now <= n.confirmed + p.reachable_time:
            nxt = n.confirmed + p.reachable_time
        elif now <= n.used + p.delay_probe_time:
            n.nud_state = NUD_DELAY
            n.updated = now
            n.connected = False
            nxt = now + p.delay_probe_time
        else:
            n.nud_state = NUD_STALE
            n.updated = now
            n.connected = False
    elif state & NUD_DELAY:
        if now <= n.confirmed + p.delay_probe_time:
            n.nud_state = NUD_REACHABLE
            n.updated = now
            n.connected = True
            nxt = n.confirmed + p.reachable_time
        else:
            n.nud_state = NUD_PROBE
            n.updated = now
            n.probes = 0
            nxt = now + max(p.retrans_time, hz // 100)
    else:
        nxt = now + max(p.retrans_time, hz // 100)
    if n.nud_state & (NUD_INCOMPLETE | NUD_PROBE) and n.probes >= neigh_max_probes(n):
        n.nud_state = NUD_FAILED
        neigh_invalidate(n)
        return
    if n.nud_state & NUD_IN_TIMER:
        if nxt < now + hz // 100:
            nxt = now + hz // 100
        n.timer.mod_timer(nxt)
    if n.nud_state & (NUD_INCOMPLETE | NUD_PROBE):
        neigh_probe(n)


def neigh_max_probes(n: Neighbour) -> int:
    p = n.parms
    return p.ucast_probes + p.app_probes + (p.mcast_reprobes if n.nud_state & NUD_PROBE else p.mcast_probes)


def neigh_probe(n: Neighbour) -> None:
    skb = n.queue[-1] if n.queue else None
    n.tbl.solicit(n, skb)
    n.probes += 1


def neigh_invalidate(n: Neighbour) -> None:
    n.tbl.stats["res_failed"] += 1
    n.updated = n.tbl.kernel.jiffies()
    while n.nud_state == NUD_FAILED and n.queue:
        n.tbl.error_report(n, n.queue.popleft())
    _purge(n, SITE_FAILED)


def neigh_event_send(n: Neighbour, skb: SkBuff | None) -> bool:
    """A packet wants to go: True when it may not yet (it was queued or freed)."""
    now = n.tbl.kernel.jiffies()
    if n.used != now:
        n.used = now
    if not n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE):
        return __neigh_event_send(n, skb)
    return False


def __neigh_event_send(n: Neighbour, skb: SkBuff | None) -> bool:
    k = n.tbl.kernel
    now = k.jiffies()
    p = n.parms
    immediate = False
    if n.dead:
        if n.nud_state & NUD_STALE:
            return False
        if skb is not None:
            skb.own = False
            kfree_skb_reason(skb, SITE_DEAD)
        return True
    if not n.nud_state & (NUD_STALE | NUD_INCOMPLETE):
        if p.mcast_probes + p.app_probes:
            n.probes = p.ucast_probes
            n.nud_state = NUD_INCOMPLETE
            n.updated = now
            immediate = True
            n.timer.mod_timer(now + max(p.retrans_time, k.hz // 100))
        else:
            n.nud_state = NUD_FAILED
            n.updated = now
            if skb is not None:
                skb.own = False
                kfree_skb_reason(skb, SITE_FAILED)
            return True
    elif n.nud_state & NUD_STALE:
        n.nud_state = NUD_DELAY
        n.updated = now
        n.timer.mod_timer(now + p.delay_probe_time)
    rc = False
    if n.nud_state == NUD_INCOMPLETE:
        if skb is not None:
            while n.queue and n.queue_bytes + skb.truesize > p.queue_len_bytes:
                old = n.queue.popleft()
                n.queue_bytes -= old.truesize
                old.own = False
                kfree_skb_reason(old, SITE_QUEUEFULL)
                n.tbl.stats["unres_discards"] += 1
            n.queue.append(skb)
            n.queue_bytes += skb.truesize
        rc = True
    if immediate:
        neigh_probe(n)
    return rc


def neigh_update(n: Neighbour, lladdr: bytes | None, new: int, flags: int) -> int:
    return __neigh_update(n, lladdr, new, flags)


def __neigh_update(n: Neighbour, lladdr: bytes | None, new: int, flags: int) -> int:
    """New state and address: 0, -EPERM (permanent, dead), -EINVAL (no address known)."""
    now = n.tbl.kernel.jiffies()
    old = n.nud_state
    if n.dead:
        return -1
    if not flags & NEIGH_UPDATE_F_ADMIN and old & (NUD_NOARP | NUD_PERMANENT):
        return -1
    if not new & NUD_VALID:
        n.timer.del_timer()
        if old & NUD_CONNECTED:
            n.connected = False
        n.nud_state = new
        if old & (NUD_INCOMPLETE | NUD_PROBE) and new & NUD_FAILED:
            neigh_invalidate(n)
        return 0
    if lladdr is None:
        if not old & NUD_VALID:
            return -EINVAL
        lladdr = n.ha
    same = bool(old & NUD_VALID) and lladdr == n.ha
    if new & NUD_CONNECTED:
        n.confirmed = now
    if old & NUD_VALID:
        if not same and not flags & NEIGH_UPDATE_F_OVERRIDE:
            if flags & NEIGH_UPDATE_F_WEAK_OVERRIDE and old & NUD_CONNECTED:
                lladdr = n.ha
                same = True
                new = NUD_STALE
            else:
                return 0
        elif same and new == NUD_STALE and not flags & NEIGH_UPDATE_F_ADMIN:
            new = old
    if new != old or not same:
        n.updated = now
    if new != old:
        n.timer.del_timer()
        if new & NUD_PROBE:
            n.probes = 0
        if new & NUD_IN_TIMER:
            n.timer.mod_timer(now + (n.parms.reachable_time if new & NUD_REACHABLE else 0))
        n.nud_state = new
    if not same:
        n.ha = lladdr
        if not new & NUD_CONNECTED:
            n.confirmed = now - (n.parms.base_reachable_time << 1)
    if new == old:
        return 0
    n.connected = bool(new & NUD_CONNECTED)
    if not old & NUD_VALID:
        while n.nud_state & NUD_VALID and n.queue:
            skb = n.queue.popleft()
            n.queue_bytes -= skb.truesize
            neigh_output(n, skb)
        _purge(n, SITE_PURGED)
    return 0


def neigh_event_ns(tbl: NeighTable, lladdr: bytes, key: int, dev: NetDevice) -> Neighbour | None:
    """A request came from this address: know it, at least as STALE."""
    n = neigh_lookup(tbl, key, dev)
    if n is None and len(tbl.entries) < tbl.gc_thresh3:
        n = neigh_create(tbl, key, dev)
    if n is not None:
        __neigh_update(n, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE)
    return n


# --- output ---------------------------------------------------------------------------------------


def neigh_xmit(n: Neighbour, skb: SkBuff) -> int:
    """Put the link header in front and send; a forwarded packet becomes one of the machine's own here."""
    dev = n.dev
    skb.dev = dev
    if skb.tokens:
        skb_end(skb, CONSUMED, SITE_FORWARDED)
    skb.own = True
    p = n.tbl.protocol()
    skb.push_header(n.ha + dev.dev_addr + bytes((p >> 8, p & 255)))
    if dev.net.kernel.engine.current is None:
        return _xmit_from_outside(skb, dev.net)
    return __dev_queue_xmit(skb)


def _xmit_from_outside(skb: SkBuff, net: Net) -> int:
    """A caller between two runs sends on CPU 0; time that this costs is spent when the machine runs again."""
    cpu = this_cpu(net)
    cpu.enter_from_outside()
    try:
        return __dev_queue_xmit(skb)
    finally:
        cpu.leave_to_outside()


def neigh_output(n: Neighbour, skb: SkBuff) -> int:
    """neigh_output (inline in Linux): at once when connected, else through resolution."""
    if n.connected:
        n_ = n.tbl.kernel.jiffies()
        n.used = n_
        skb.protocol = n.tbl.protocol()
        skb.network_header = skb.data
        skb.push_header(n.ha + n.dev.dev_addr + b"\x08\0")
        skb.dev = n.dev
        if skb.tokens:
            skb_end(skb, CONSUMED, SITE_FORWARDED)
        skb.own = True
        if n.tbl.kernel.engine.current is None:
            return _xmit_from_outside(skb, n.dev.net)
        return __dev_queue_xmit(skb)
    return neigh_resolve_output(n, skb)


def neigh_resolve_output(n: Neighbour, skb: SkBuff) -> int:
    if not neigh_event_send(n, skb):
        return neigh_xmit(n, skb)
    return 0


# --- administration -------------------------------------------------------------------------------


def neigh_add(tbl: NeighTable, key: int, dev: NetDevice, lladdr: bytes | None, state: int) -> Neighbour:
    """`ip neigh replace`.  Raises OSError(ENOBUFS) when the table is full."""
    n = neigh_lookup_create(tbl, key, dev)
    if n is None:
        raise linux_error(ENOBUFS, "neighbour table is full")
    __neigh_update(n, lladdr, state, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN)
    return n


def neigh_changeaddr(tbl: NeighTable, dev: NetDevice) -> None:
    """The device's own address changed: what was learnt through it is forgotten."""
    for n in [n for n in tbl.entries.values() if n.dev is dev]:
        neigh_remove(tbl, n)


def neigh_ifdown(tbl: NeighTable, dev: NetDevice) -> None:
    for n in [n for n in tbl.entries.values() if n.dev is dev]:
        neigh_remove(tbl, n)
    pneigh_queue_purge(tbl)


# --- proxies --------------------------------------------------------------------------------------


def pneigh_enqueue(tbl: NeighTable, p: NeighParms, skb: SkBuff) -> None:
    """A request that a proxy answers waits for a part of `proxy_delay`, by chance; at most proxy_qlen + 1 a device."""
    if p.qlen > p.proxy_qlen:
        kfree_skb_reason(skb, SITE_PROXY_FULL)
        return
    due = tbl.kernel.jiffies() + tbl.random.randrange(max(p.proxy_delay, 1))
    skb.dst = None
    tbl.proxy_queue.append((due, p, skb))
    p.qlen += 1
    t = tbl.proxy_timer
    t.mod_timer(min(t.expires, due) if t.pending() else due)


def neigh_proxy_process(tbl: NeighTable) -> None:
    """The timer of the proxy queue: what is due goes through the protocol again."""
    now = tbl.kernel.jiffies()
    ready = [e for e in tbl.proxy_queue if e[0] <= now]
    later = [e for e in tbl.proxy_queue if e[0] > now]
    tbl.proxy_queue = later
    for _, p, skb in ready:
        p.qlen -= 1
        if skb.dev is not None and skb.dev.flags & IFF_UP:
            tbl.proxy_redo(skb)
        else:
            kfree_skb_reason(skb, SITE_PROXY_PURGED)
    if later:
        tbl.proxy_timer.mod_timer(min(due for due, _, _ in later))


def pneigh_queue_purge(tbl: NeighTable) -> None:
    """A device goes: nothing of the namespace waits for a proxy's answer any longer."""
    tbl.proxy_timer.del_timer()
    waiting = tbl.proxy_queue
    tbl.proxy_queue = []
    for _, p, skb in waiting:
        p.qlen -= 1
        kfree_skb_reason(skb, SITE_PROXY_PURGED)


def neigh_in_flight(tbl: NeighTable, seen: dict[int, int]) -> int:
    c = 0
    for n in tbl.entries.values():
        for skb in n.queue:
            c += count_tokens(skb, seen)
    for _, _, skb in tbl.proxy_queue:
        c += count_tokens(skb, seen)
    return c
