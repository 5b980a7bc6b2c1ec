"""Sockets, the part that all protocols share: memory accounting, wait queues, wake-ups, SOL_SOCKET options, error
queue.

What lives here: `Sock`, `Proto`, `WaitQueueHead`, how a receive queue is charged, how a reader sleeps and is woken.
What does not: any protocol (net/ipv4, net/packet) and the system calls (net/ipv4/af_inet.py).
Facts: net/core/sock.c, net/core/datagram.c, kernel/sched/wait.c (3.13 to 6.12; golden/sockbuf of 6.1, conformance
records of 6.18).
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from rxpath.kernel.cpu import Cpu
from rxpath.kernel.errno import (
    EAGAIN,
    EBADF,
    EBUSY,
    EINVAL,
    ENOBUFS,
    ENODATA,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOPROTOOPT,
    ENOTCONN,
    ENOTSUP,
    EOPNOTSUPP,
    EPERM,
    linux_error,
)
from rxpath.kernel.mm import PAGE_SIZE
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.kernel.sysctl import INT_MAX
from rxpath.net.core.filter import BpfProgram, sk_run_filter
from rxpath.net.core.netdevice import MIN_NAPI_ID, Net
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason, pskb_trim
from rxpath.sim.ledger import Site
from rxpath.wire.ipv4 import IPPROTO_TCP, IPPROTO_UDP

if TYPE_CHECKING:
    from rxpath.net.core.dst import Dst

AF_UNSPEC: Final = 0
AF_INET: Final = 2
AF_INET6: Final = 10
AF_PACKET: Final = 17
SOCK_STREAM: Final = 1
SOCK_DGRAM: Final = 2
SOCK_RAW: Final = 3
SOCK_NONBLOCK: Final = 0o4000
SOCK_CLOEXEC: Final = 0o2000000

SOL_IP: Final = 0
SOL_SOCKET: Final = 1
SOL_TCP: Final = 6
SOL_UDP: Final = 17
SOL_RAW: Final = 255
SOL_PACKET: Final = 263

IPPROTO_IP: Final = 0
IPPROTO_RAW: Final = 255

SO_DEBUG: Final = 1
SO_REUSEADDR: Final = 2
SO_TYPE: Final = 3
SO_ERROR: Final = 4
SO_DONTROUTE: Final = 5
SO_BROADCAST: Final = 6
SO_SNDBUF: Final = 7
SO_RCVBUF: Final = 8
SO_KEEPALIVE: Final = 9
SO_OOBINLINE: Final = 10
SO_NO_CHECK: Final = 11
SO_PRIORITY: Final = 12
SO_LINGER: Final = 13
SO_REUSEPORT: Final = 15
SO_PASSCRED: Final = 16
SO_PEERCRED: Final = 17
SO_RCVLOWAT: Final = 18
SO_SNDLOWAT: Final = 19
SO_RCVTIMEO: Final = 20
SO_SNDTIMEO: Final = 21
SO_BINDTODEVICE: Final = 25
SO_ATTACH_FILTER: Final = 26
SO_GET_FILTER: Final = SO_ATTACH_FILTER
SO_DETACH_FILTER: Final = 27
SO_PEERNAME: Final = 28
SO_TIMESTAMP: Final = 29
SO_ACCEPTCONN: Final = 30
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33
SO_PASSSEC: Final = 34
SO_TIMESTAMPNS: Final = 35
SO_MARK: Final = 36
SO_TIMESTAMPING: Final = 37
SO_PROTOCOL: Final = 38
SO_DOMAIN: Final = 39
SO_RXQ_OVFL: Final = 40
SO_WIFI_STATUS: Final = 41
SO_PEEK_OFF: Final = 42
SO_NOFCS: Final = 43
SO_LOCK_FILTER: Final = 44
SO_SELECT_ERR_QUEUE: Final = 45
SO_BUSY_POLL: Final = 46
SO_MAX_PACING_RATE: Final = 47
SO_BPF_EXTENSIONS: Final = 48
SO_INCOMING_CPU: Final = 49
SO_ATTACH_BPF: Final = 50
SO_ATTACH_REUSEPORT_CBPF: Final = 51
SO_ATTACH_REUSEPORT_EBPF: Final = 52
SO_CNX_ADVICE: Final = 53
SO_ZEROCOPY: Final = 60
SCM_TIMESTAMPING_OPT_STATS: Final = 54
SO_MEMINFO: Final = 55
SO_INCOMING_NAPI_ID: Final = 56
SO_COOKIE: Final = 57
SO_PEERGROUPS: Final = 59
SO_TXTIME: Final = 61
SO_DETACH_REUSEPORT_BPF: Final = 68
SO_NETNS_COOKIE: Final = 71
SO_RESERVE_MEM: Final = 73
SO_TXREHASH: Final = 74
SO_PASSPIDFD: Final = 76
SO_PEERPIDFD: Final = 77
SO_DEVMEM_DONTNEED: Final = 80
SO_PASSRIGHTS: Final = 83
SO_BINDTOIFINDEX: Final = 62
SO_TIMESTAMP_NEW: Final = 63
SO_TIMESTAMPNS_NEW: Final = 64
SO_TIMESTAMPING_NEW: Final = 65
SO_RCVTIMEO_NEW: Final = 66
SO_SNDTIMEO_NEW: Final = 67
SO_PREFER_BUSY_POLL: Final = 69
SO_BUSY_POLL_BUDGET: Final = 70
SO_BUF_LOCK: Final = 72
SO_BSDCOMPAT: Final = 14
SO_RCVMARK: Final = 75
SCM_TS_OPT_ID: Final = 81
SO_RCVPRIORITY: Final = 82
SCM_RIGHTS: Final = 1
SCM_CREDENTIALS: Final = 2

MSG_OOB: Final = 0x1
MSG_PEEK: Final = 0x2
MSG_DONTROUTE: Final = 0x4
MSG_CTRUNC: Final = 0x8
MSG_TRUNC: Final = 0x20
MSG_DONTWAIT: Final = 0x40
MSG_EOR: Final = 0x80
MSG_WAITALL: Final = 0x100
MSG_CONFIRM: Final = 0x800
MSG_ERRQUEUE: Final = 0x2000
MSG_NOSIGNAL: Final = 0x4000
MSG_MORE: Final = 0x8000
MSG_WAITFORONE: Final = 0x10000
MSG_CMSG_CLOEXEC: Final = 0x40000000

SK_PACING_UNLIMITED: Final = (1 << 64) - 1

POLLIN: Final = 0x1
POLLPRI: Final = 0x2
POLLOUT: Final = 0x4
POLLERR: Final = 0x8
POLLHUP: Final = 0x10
POLLRDNORM: Final = 0x40
POLLRDBAND: Final = 0x80
POLLWRNORM: Final = 0x100
POLLWRBAND: Final = 0x200
POLLRDHUP: Final = 0x2000

RCV_SHUTDOWN: Final = 1
SEND_SHUTDOWN: Final = 2
SHUTDOWN_MASK: Final = 3

SOCK_SNDBUF_LOCK: Final = 1
SOCK_RCVBUF_LOCK: Final = 2
SOCK_BUF_LOCK_MASK: Final = SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK
SOF_TIMESTAMPING_TX_HARDWARE: Final = 1 << 0
SOF_TIMESTAMPING_TX_SOFTWARE: Final = 1 << 1
SOF_TIMESTAMPING_RX_SOFTWARE: Final = 1 << 3
SOF_TIMESTAMPING_SOFTWARE: Final = 1 << 4
SOF_TIMESTAMPING_RAW_HARDWARE: Final = 1 << 6
SOF_TIMESTAMPING_OPT_ID: Final = 1 << 7
SOF_TIMESTAMPING_TX_SCHED: Final = 1 << 8
SOF_TIMESTAMPING_TX_ACK: Final = 1 << 9
SOF_TIMESTAMPING_OPT_CMSG: Final = 1 << 10
SOF_TIMESTAMPING_OPT_TSONLY: Final = 1 << 11
SOF_TIMESTAMPING_OPT_STATS: Final = 1 << 12
SOF_TIMESTAMPING_BIND_PHC: Final = 1 << 15
SOF_TIMESTAMPING_OPT_ID_TCP: Final = 1 << 16
SOF_TIMESTAMPING_OPT_RX_FILTER: Final = 1 << 17
SOF_TIMESTAMPING_TX_COMPLETION: Final = 1 << 18
SOF_TIMESTAMPING_TX_RECORD_MASK: Final = (
    SOF_TIMESTAMPING_TX_HARDWARE
    | SOF_TIMESTAMPING_TX_SOFTWARE
    | SOF_TIMESTAMPING_TX_SCHED
    | SOF_TIMESTAMPING_TX_ACK
    | SOF_TIMESTAMPING_TX_COMPLETION
)
SOCK_TIMESTAMP: Final = 1  # why a socket wants what comes to be stamped: SO_TIMESTAMP or SIOCGSTAMP,
SOCK_TIMESTAMPING_RX_SOFTWARE: Final = 2  # SO_TIMESTAMPING
SK_DEFAULT_STAMP: Final = -1

SK_MEM_SEND: Final = 0
SK_MEM_RECV: Final = 1

EDOM: Final = 33
SKF_AD_MAX: Final = 64
PAGE_SHIFT: Final = 12
SOCK_MIN_RCVBUF: Final = 2304
SOCK_MIN_SNDBUF: Final = 4608

TCP_ESTABLISHED: Final = 1
TCP_SYN_SENT: Final = 2
TCP_SYN_RECV: Final = 3
TCP_FIN_WAIT1: Final = 4
TCP_FIN_WAIT2: Final = 5
TCP_TIME_WAIT: Final = 6
TCP_CLOSE: Final = 7
TCP_CLOSE_WAIT: Final = 8
TCP_LAST_ACK: Final = 9
TCP_LISTEN: Final = 10
TCP_CLOSING: Final = 11
TCP_NEW_SYN_RECV: Final = 12

SO_EE_ORIGIN_NONE: Final = 0
SO_EE_ORIGIN_LOCAL: Final = 1
SO_EE_ORIGIN_ICMP: Final = 2
SO_EE_ORIGIN_TIMESTAMPING: Final = 4

SITE_SOCK_CLOSED: Final = Site("socket", "socket closed unread", "none", "SOCKET_CLOSE")
SITE_ERRQ_CLOSED: Final = Site("socket", "error queue of a closed socket", "none", "SOCKET_CLOSE")

_INT: Final = Struct("=i")
_LINGER: Final = Struct("=ii")
_TIMEVAL: Final = Struct("=qq")
_SOCK_EXTENDED_ERR: Final = Struct("=IBBBBII")


# --- the CPU of a caller --------------------------------------------------------------------------


def this_cpu(net: Net) -> Cpu:
    """The CPU that runs; CPU 0 for a caller outside of the machine's run (tests, tools between two runs)."""
    c = net.kernel.engine.current
    if c is None:
        return net.kernel.cpus[0]
    assert isinstance(c, Cpu)
    return c


def current_task(net: Net) -> Task | None:
    """The task that may sleep here, or None (outside of a run, in interrupts, on the idle task)."""
    c = net.kernel.engine.current
    if c is None:
        return None
    assert isinstance(c, Cpu)
    if c.softirq_count or c.hardirq_count or c.irqs_off or c.curr is c.idle:
        return None
    return c.curr


# --- wait queues ----------------------------------------------------------------------------------


class WaitQueueEntry:
    """`struct wait_queue_entry`: who to wake.  Subclass and override `func` to be called instead of waking a task."""

    __slots__ = ("wq", "task", "exclusive")

    def __init__(self, task: Task | None, exclusive: bool = False) -> None:
        self.task = task
        self.exclusive = exclusive
        self.wq: WaitQueueHead | None = None

    def func(self, key: int) -> bool:
        """Called under wake-up with the poll bits; True = somebody was woken."""
        return default_wake_function(self)


class ReceiverWait(WaitQueueEntry):
    """A reader of a datagram socket: ignores wake-ups that bring no data and no error."""

    __slots__ = ()

    def func(self, key: int) -> bool:
        return receiver_wake_function(self, key)


class AutoremoveWait(WaitQueueEntry):
    """DEFINE_WAIT: leaves the queue when woken."""

    __slots__ = ()

    def func(self, key: int) -> bool:
        return autoremove_wake_function(self)


class WaitQueueHead:
    """`struct wait_queue_head`: non-exclusive entries at the front, exclusive ones at the tail."""

    __slots__ = ("net", "entries")

    def __init__(self, net: Net) -> None:
        self.net = net
        self.entries: list[WaitQueueEntry] = []

    def add(self, e: WaitQueueEntry) -> None:
        if e.wq is self:
            return
        e.wq = self
        if e.exclusive:
            self.entries.append(e)
        else:
            self.entries.insert(0, e)

    def remove(self, e: WaitQueueEntry) -> None:
        if e.wq is self:
            e.wq = None
            self.entries.remove(e)


def try_to_wake_up(wq: WaitQueueHead | None, task: Task) -> bool:
    k = task.cpu.kernel
    woken = k.sched.wake_up_process(task)
    if woken:
        cost = k.costs.wakeup
        if cost:
            cur = k.engine.current
            if isinstance(cur, Cpu):
                cur.accrued_or_charge(cost)
    return woken


def default_wake_function(e: WaitQueueEntry) -> bool:
    t = e.task
    return t is not None and try_to_wake_up(e.wq, t)


def autoremove_wake_function(e: WaitQueueEntry) -> bool:
    wq = e.wq
    ret = default_wake_function(e)
    if ret and wq is not None:
        wq.remove(e)
    return ret


def receiver_wake_function(e: WaitQueueEntry, key: int) -> bool:
    if key and not key & (POLLIN | POLLERR):
        return False
    return autoremove_wake_function(e)


def __wake_up_common(wq: WaitQueueHead, nr_exclusive: int, key: int) -> None:
    for e in list(wq.entries):
        exclusive = e.exclusive
        if e.func(key) and exclusive:
            nr_exclusive -= 1
            if nr_exclusive == 0:
                return


def __wake_up_common_lock(wq: WaitQueueHead, nr_exclusive: int, key: int) -> None:
    __wake_up_common(wq, nr_exclusive, key)


def __wake_up_sync_key(wq: WaitQueueHead, key: int) -> None:
    __wake_up_common_lock(wq, 1, key)


def __wake_up(wq: WaitQueueHead, nr_exclusive: int, key: int) -> None:
    """`nr_exclusive` 0 wakes all."""
    __wake_up_common_lock(wq, nr_exclusive, key)


# --- protocols and sockets ------------------------------------------------------------------------


class Proto:
    """`struct proto`: a name, its memory pool in pages and the pool's limits.

    `mem`: the three limits in pages.  `rmem_min`, `wmem_min`: bytes that every socket may have whatever the pool says.
    `has_pressure`: the protocol knows memory pressure (TCP does, UDP does not).
    """

    __slots__ = (
        "name",
        "memory_allocated",
        "mem",
        "rmem_min",
        "wmem_min",
        "has_pressure",
        "memory_pressure",
        "inuse",
        "sockets_allocated",
        "on_enter_pressure",
        "has_pool",
        "has_ts_opt_id",
    )

    def __init__(self, name: str, *, has_pool: bool = False, has_pressure: bool = False) -> None:
        self.name = name
        self.memory_allocated = 0
        self.mem = [INT_MAX >> 1, INT_MAX >> 1, INT_MAX >> 1]
        self.rmem_min = 4096
        self.wmem_min = 4096
        self.has_pool = has_pool
        self.has_ts_opt_id = not has_pressure  # TCP numbers its bytes
        self.has_pressure = has_pressure
        self.memory_pressure = False
        self.inuse = 0
        self.sockets_allocated = 0
        self.on_enter_pressure = 0


class Filter:
    """An attached socket filter."""

    __slots__ = ("prog",)

    def __init__(self, prog: BpfProgram) -> None:
        self.prog = prog


class SockErr:
    """`struct sock_extended_err` with the address that goes with it; `skb` carries the offending payload."""

    __slots__ = (
        "skb",
        "ee_errno",
        "origin",
        "type",
        "code",
        "info",
        "data",
        "offender",
        "addr_offset",
        "port",
        "opt",
        "iif",
        "opt_stats",
    )

    def __init__(self, skb: SkBuff, ee_errno: int, origin: int, type_: int, code: int, info: int, port: int) -> None:
        self.skb = skb
        self.ee_errno = ee_errno
        self.origin = origin
        self.type = type_
        self.code = code
        self.info = info
        self.data = 0
        self.port = port
        self.addr_offset = -1  # where the quoted destination address stands in skb.head
        self.offender = 0
        self.iif = 0
        self.opt: object = None
        self.opt_stats = False  # the bytes are not a packet's but TCP's statistics

    def pack(self) -> bytes:
        """The structure as a control message carries it (without the offender's address)."""
        return _SOCK_EXTENDED_ERR.pack(self.ee_errno, self.origin, self.type, self.code, 0, self.info, self.data)


class Sock:
    """`struct sock` and what of `struct socket` and its file matters (type, nonblock).

    Sizes in bytes of truesize; times in ns (-1 = without end); addresses belong to subclasses.
    """

    __slots__ = (
        "net",
        "family",
        "type",
        "protocol",
        "prot",
        "state",
        "rcvbuf",
        "sndbuf",
        "rmem_alloc",
        "wmem_alloc",
        "wmem_queued",
        "forward_alloc",
        "receive_queue",
        "error_queue",
        "backlog",
        "backlog_len",
        "wq",
        "err",
        "err_soft",
        "shutdown",
        "drops",
        "userlocks",
        "reuse",
        "reuseport",
        "bound_dev_if",
        "broadcast",
        "mark",
        "priority",
        "rcvtimeo",
        "sndtimeo",
        "rcvlowat",
        "no_check_tx",
        "peek_off",
        "rcvtstamp",
        "rcvtstampns",
        "tsflags",
        "tskey",
        "tstamp_new",
        "txtime",
        "plain_flags",
        "select_err_queue",
        "rxq_ovfl",
        "rcvmark",
        "rcvpriority",
        "inode",
        "cookie",
        "filter",
        "filter_locked",
        "incoming_cpu",
        "uid",
        "dead",
        "nonblock",
        "keepalive",
        "urginline",
        "linger",
        "lingertime",
        "dst",
        "napi_id",
        "rxhash",
        "owned",
        "bh_locked",
        "bh_spinning",
        "lock_wq",
        "write_pending",
        "zerocopy",
        "dontroute",
        "localroute",
        "busy_poll",
        "stamp",
        "tstamp_on",
        "prefer_busy_poll",
        "busy_poll_budget",
        "max_pacing_rate",
        "pacing_rate",
    )

    def __init__(self, net: Net, family: int, type_: int, protocol: int, prot: Proto) -> None:
        self.net = net
        self.family = family
        self.type = type_
        self.protocol = protocol
        self.prot = prot
        self.state = TCP_CLOSE
        self.rcvbuf = net.rmem_default
        self.sndbuf = net.wmem_default
        self.rmem_alloc = 0
        self.wmem_alloc = 0
        self.wmem_queued = 0
        self.forward_alloc = 0
        self.receive_queue: deque[SkBuff] = deque()
        self.error_queue: deque[SockErr] = deque()
        self.backlog: deque[SkBuff] = deque()
        self.backlog_len = 0
        self.wq = WaitQueueHead(net)
        self.err = 0
        self.err_soft = 0
        self.shutdown = 0
        self.drops = 0
        self.userlocks = 0
        self.reuse = 0
        self.reuseport = 0
        self.bound_dev_if = 0
        self.broadcast = False
        self.mark = 0
        self.priority = 0
        self.rcvtimeo = -1
        self.sndtimeo = -1
        self.rcvlowat = 1
        self.no_check_tx = False
        self.peek_off = -1
        self.rcvtstamp = False
        self.rcvtstampns = False
        self.tsflags = 0
        self.tskey = 0  # OPT_ID's next number; of TCP the sequence number that counts as 0
        self.tstamp_on = 0  # SOCK_TIMESTAMP, SOCK_TIMESTAMPING_RX_SOFTWARE
        self.tstamp_new = False  # SOCK_TSTAMP_NEW: messages bear the numbers of the options with 64 bit times
        self.select_err_queue = False
        self.plain_flags = 0  # options that are kept and have no effect, a bit by their number
        self.txtime: bytes | None = None  # SO_TXTIME's struct sock_txtime
        self.rxq_ovfl = False
        self.rcvmark = False
        self.rcvpriority = False
        self.inode = net.next_inode
        net.next_inode += 1
        self.cookie = 0
        self.filter: Filter | None = None
        self.filter_locked = False
        self.incoming_cpu = -1
        self.uid = 0
        self.dead = False
        self.nonblock = False
        self.keepalive = False
        self.urginline = False
        self.linger = False
        self.lingertime = 0
        self.dst: Dst | None = None
        self.napi_id = 0
        self.rxhash = 0
        self.owned = False
        # bh_lock_sock: a CPU is in there that may not sleep.  Where Linux spins, a packet waits in bh_spinning.
        self.bh_locked = False
        self.bh_spinning: deque[SkBuff] = deque()
        self.lock_wq: WaitQueueHead | None = None
        self.write_pending = 0
        self.zerocopy = False
        self.dontroute = False
        self.localroute = False
        self.busy_poll = net.busy_read
        self.prefer_busy_poll = False
        self.busy_poll_budget = 0
        self.stamp = SK_DEFAULT_STAMP
        self.max_pacing_rate = SK_PACING_UNLIMITED
        self.pacing_rate = SK_PACING_UNLIMITED
        prot.inuse += 1
        prot.sockets_allocated += 1
        net.sockets.append(self)

    def wmem_free(self, truesize: int) -> None:
        """sock_wfree: a sent packet was freed."""
        self.wmem_alloc -= truesize
        if self.wq.entries and self.wmem_alloc << 1 <= self.sndbuf:
            sock_def_write_space(self)

    # --- what protocols override -----------------------------------------------------------------------------------
    def has_queued(self) -> bool:
        """Whether a packet lies where a reader would find it."""
        return bool(self.receive_queue)

    def hash(self) -> None:
        """Enter the protocol's tables."""

    def unhash(self) -> None:
        """Leave them."""

    def rehash(self) -> None:
        """The bound address or device changed."""

    def poll(self) -> int:
        """The poll bits of this socket."""
        return datagram_poll(self)

    def rcvbuf_changed(self) -> None:
        """SO_RCVBUF was set."""

    def set_rcvlowat(self, val: int) -> None:
        self.rcvlowat = val or 1

    def first_tskey(self, tsflags: int) -> int:
        """OPT_ID is switched on: where its numbers begin."""
        return 0

    def peername(self) -> bytes:
        """The peer's address as the system calls show it; nothing without a peer."""
        return b""

    def opt_stats(self, ack: SkBuff | None) -> bytes:
        """SCM_TIMESTAMPING_OPT_STATS; `ack`: the segment that acknowledged.  Only TCP has them."""
        return b""

    def unfinished_checksum(self, skb: SkBuff) -> None:
        """A packet of this socket is shown before its checksum is made: the sum of the pseudo header stands there."""

    def tskey_base(self) -> int:
        """What OPT_ID's numbers are counted from."""
        return 0

    def set_peek_off(self, val: int) -> None:
        raise linux_error(EOPNOTSUPP)

    def get_peek_off(self) -> int:
        raise linux_error(EOPNOTSUPP)

    def in_flight(self, seen: dict[int, int]) -> int:
        """Wire frames that this socket holds (see `count_tokens`)."""
        n = 0
        for skb in self.receive_queue:
            n += count_tokens(skb, seen)
        for skb in (*self.backlog, *self.bh_spinning):
            n += count_tokens(skb, seen)
        for e in self.error_queue:
            n += count_tokens(e.skb, seen)
        return n


def count_tokens(skb: SkBuff, seen: dict[int, int]) -> int:
    """Frames that `skb` stands for; clones of one frame count once (`seen` remembers shared fates)."""
    n = skb.tokens
    fate = skb.fate
    if n and fate is not None:
        if id(fate) in seen:
            return 0
        seen[id(fate)] = 1
    return n


def sock_gen_cookie(sk: Sock) -> int:
    if not sk.cookie:
        sk.cookie = sk.net.next_cookie
        sk.net.next_cookie += 1
    return sk.cookie


def sk_release(sk: Sock, site: Site | None = None) -> None:
    """The end of a socket: queues are purged, what was unread is booked as dropped (as `site` when it is given)."""
    if sk.dead:
        return
    sk.dead = True
    while sk.receive_queue:
        skb = sk.receive_queue.popleft()
        sk.rmem_alloc -= skb.truesize
        kfree_skb_reason(skb, site or SITE_SOCK_CLOSED)
    while sk.error_queue:
        e = sk.error_queue.popleft()
        sk.rmem_alloc -= e.skb.truesize
        e.skb.own = False
        kfree_skb_reason(e.skb, SITE_ERRQ_CLOSED)
    sock_disable_timestamp(sk, sk.tstamp_on)
    if sk.forward_alloc:
        __sk_mem_reclaim(sk, sk.forward_alloc)
    sk.prot.inuse -= 1
    sk.prot.sockets_allocated -= 1
    if sk in sk.net.sockets:
        sk.net.sockets.remove(sk)
    if sk.wq.entries:
        sock_def_wakeup(sk)


# --- memory accounting ----------------------------------------------------------------------------


def sk_leave_memory_pressure(sk: Sock) -> None:
    if sk.prot.memory_pressure:
        sk.prot.memory_pressure = False


def sk_enter_memory_pressure(sk: Sock) -> None:
    p = sk.prot
    if p.has_pressure and not p.memory_pressure:
        p.memory_pressure = True
        p.on_enter_pressure += 1


def __sk_mem_raise_allocated(sk: Sock, size: int, amt: int, kind: int) -> bool:
    """Take `amt` pages from the protocol's pool; False when its limits refuse (the pages are given back)."""
    p = sk.prot
    p.memory_allocated += amt
    allocated = p.memory_allocated
    mem = p.mem
    if allocated <= mem[0]:
        sk_leave_memory_pressure(sk)
        return True
    if allocated > mem[1]:
        sk_enter_memory_pressure(sk)
    if allocated <= mem[2]:
        if kind == SK_MEM_RECV:
            if sk.rmem_alloc < p.rmem_min:
                return True
        elif sk.type == SOCK_STREAM:
            if sk.wmem_queued < p.wmem_min:
                return True
        elif sk.wmem_alloc < p.wmem_min:
            return True
        if p.has_pressure:
            if not p.memory_pressure:
                return True
            pages = (sk.wmem_queued + sk.rmem_alloc + sk.forward_alloc + PAGE_SIZE - 1) >> PAGE_SHIFT
            if mem[2] > p.sockets_allocated * pages:
                return True
    if kind == SK_MEM_SEND and sk.type == SOCK_STREAM:
        sk_stream_moderate_sndbuf(sk)
        if sk.wmem_queued + size >= sk.sndbuf:
            return True
    tp = sk.net.kernel.trace.sock_exceed_buf_limit
    if tp.on:
        tp.fire(p.name, allocated, sk.rmem_alloc)
    p.memory_allocated -= amt
    return False


def sk_stream_moderate_sndbuf(sk: Sock) -> None:
    if not sk.userlocks & SOCK_SNDBUF_LOCK:
        val = min(sk.sndbuf, sk.wmem_queued >> 1)
        sk.sndbuf = max(val, SOCK_MIN_SNDBUF)


def __sk_mem_schedule(sk: Sock, size: int, kind: int) -> bool:
    """Make sure that `size` bytes are reserved for the socket."""
    amt = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
    sk.forward_alloc += amt << PAGE_SHIFT
    if not __sk_mem_raise_allocated(sk, size, amt, kind):
        sk.forward_alloc -= amt << PAGE_SHIFT
        return False
    return True


def sk_rmem_schedule(sk: Sock, size: int) -> bool:
    """Inline in Linux: enough reserved already, or reserve."""
    if not sk.prot.has_pool:
        return True
    delta = size - sk.forward_alloc
    return delta <= 0 or __sk_mem_schedule(sk, delta, SK_MEM_RECV)


def sk_wmem_schedule(sk: Sock, size: int) -> bool:
    if not sk.prot.has_pool:
        return True
    delta = size - sk.forward_alloc
    return delta <= 0 or __sk_mem_schedule(sk, delta, SK_MEM_SEND)


def __sk_mem_reduce_allocated(sk: Sock, amount: int) -> None:
    p = sk.prot
    p.memory_allocated -= amount
    if p.memory_pressure and p.memory_allocated < p.mem[0]:
        sk_leave_memory_pressure(sk)


def __sk_mem_reclaim(sk: Sock, amount: int) -> None:
    amount >>= PAGE_SHIFT
    sk.forward_alloc -= amount << PAGE_SHIFT
    __sk_mem_reduce_allocated(sk, amount)


def sk_mem_reclaim(sk: Sock) -> None:
    if sk.prot.has_pool and sk.forward_alloc >= PAGE_SIZE:
        __sk_mem_reclaim(sk, sk.forward_alloc)


def sock_rfree(sk: Sock, truesize: int) -> None:
    """The destructor of an skb in a receive queue: its memory goes back to the socket."""
    sk.rmem_alloc -= truesize
    if sk.prot.has_pool:
        sk.forward_alloc += truesize
        if sk.forward_alloc >= PAGE_SIZE:
            __sk_mem_reclaim(sk, sk.forward_alloc)


def __sock_queue_rcv_skb(sk: Sock, skb: SkBuff) -> int:
    """The generic receive queue (raw, ping, packet, 3.13's UDP): 0, or -ENOMEM / -ENOBUFS; the caller frees."""
    rmem = sk.rmem_alloc
    if rmem >= sk.rcvbuf:
        sk.drops += 1
        tp = sk.net.kernel.trace.sock_rcvqueue_full
        if tp.on:
            tp.fire(rmem, skb.truesize, sk.rcvbuf)
        return -ENOMEM
    if not sk_rmem_schedule(sk, skb.truesize):
        sk.drops += 1
        return -ENOBUFS
    skb.dev = None
    skb_set_owner_r(skb, sk)
    skb.dropcount = sk.drops if sk.rxq_ovfl else 0
    sk.receive_queue.append(skb)
    hook = sk.net.on_socket
    if hook is not None:
        hook(skb)
    sock_def_readable(sk)
    return 0


def sock_queue_rcv_skb_reason(sk: Sock, skb: SkBuff) -> int:
    """The socket's filter, then its queue: 0, -EPERM (filter), -ENOMEM or -ENOBUFS; the caller frees."""
    if sk.filter is not None and sk_filter_trim_cap(sk, skb, 1):
        return -1
    return __sock_queue_rcv_skb(sk, skb)


def skb_set_owner_r(skb: SkBuff, sk: Sock) -> None:
    """Charge the receiver (inline in Linux)."""
    skb.sk = sk
    n = skb.truesize
    sk.rmem_alloc += n
    if sk.prot.has_pool:
        sk.forward_alloc -= n


def skb_set_owner_w(skb: SkBuff, sk: Sock) -> None:
    """Charge the sender until the packet is freed."""
    skb.destructor_w = sk
    skb.sk = sk
    sk.wmem_alloc += skb.truesize


def sk_filter_trim_cap(sk: Sock, skb: SkBuff, cap: int) -> int:
    """Run the attached filter: 0 = pass (perhaps trimmed to what it said, never below `cap`), -EPERM = drop."""
    f = sk.filter
    if f is None:
        return 0
    n = sk_run_filter(f.prog, skb)
    if n == 0:
        return -1
    if n < cap:
        n = cap
    pskb_trim(skb, n)
    return 0


# --- wake-ups -------------------------------------------------------------------------------------


def sock_def_readable(sk: Sock) -> None:
    """Data arrived: one exclusive waiter, everybody else."""
    if sk.wq.entries:
        __wake_up_sync_key(sk.wq, POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)


def sock_def_error_report(sk: Sock) -> None:
    if sk.wq.entries:
        __wake_up(sk.wq, 1, POLLERR)


def sk_error_report(sk: Sock) -> None:
    sock_def_error_report(sk)


def sock_def_write_space(sk: Sock) -> None:
    if sk.wq.entries:
        __wake_up_sync_key(sk.wq, POLLOUT | POLLWRNORM | POLLWRBAND)


def sock_def_wakeup(sk: Sock) -> None:
    if sk.wq.entries:
        __wake_up(sk.wq, 0, 0)


def sock_error(sk: Sock) -> int:
    """Take the pending error (positive errno), or 0."""
    e = sk.err
    if e:
        sk.err = 0
    return e


def sock_deadline(sk: Sock, flags: int, timeo: int) -> int:
    """The moment at which a wait ends: 0 = do not wait at all, -1 = never."""
    if flags & MSG_DONTWAIT or sk.nonblock or timeo == 0:
        return 0
    if timeo < 0:
        return -1
    return sk.net.kernel.engine.now + timeo


def __skb_wait_for_more_packets(sk: Sock, deadline: int) -> bool:
    """Sleep until something is in the queue.  True: look again; False: shut down, read returns 0.

    Raises OSError: the socket's pending error, EAGAIN when `deadline` passed or there is nobody to sleep.
    """
    net = sk.net
    task = current_task(net)
    if sk.err:
        raise linux_error(sock_error(sk))
    if sk.receive_queue:
        return True
    if sk.shutdown & RCV_SHUTDOWN:
        return False
    if sk.type == SOCK_STREAM and sk.state not in (TCP_ESTABLISHED, TCP_LISTEN):
        raise linux_error(ENOTCONN)
    if task is None:
        raise linux_error(EAGAIN, "a blocking call from outside of any task")
    k = net.kernel
    e = ReceiverWait(task, True)
    sk.wq.add(e)
    task.state = TASK_INTERRUPTIBLE
    try:
        if deadline < 0:
            k.sched.sleep()
        else:
            left = deadline - k.engine.now
            if left <= 0:
                raise linux_error(EAGAIN)
            k.sched.sleep(left)
    finally:
        task.state = TASK_RUNNING
        sk.wq.remove(e)
    if deadline >= 0 and k.engine.now >= deadline and not sk.receive_queue and not sk.err:
        raise linux_error(EAGAIN)
    return True


def __skb_wait_for_space(sk: Sock, deadline: int) -> None:
    """sock_wait_for_wmem: sleep until the send buffer has room.  Raises EAGAIN as above."""
    net = sk.net
    task = current_task(net)
    if task is None or deadline == 0:
        raise linux_error(EAGAIN)
    k = net.kernel
    e = AutoremoveWait(task, False)
    sk.wq.add(e)
    task.state = TASK_INTERRUPTIBLE
    try:
        if deadline < 0:
            k.sched.sleep()
        else:
            left = deadline - k.engine.now
            if left <= 0 or not k.sched.sleep(left):
                raise linux_error(EAGAIN)
    finally:
        task.state = TASK_RUNNING
        sk.wq.remove(e)


def datagram_poll(sk: Sock) -> int:
    """What poll reports for a datagram socket."""
    mask = 0
    if sk.err or sk.error_queue:
        mask |= POLLERR | (POLLPRI if sk.select_err_queue else 0)
    if sk.shutdown & RCV_SHUTDOWN:
        mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if sk.shutdown == SHUTDOWN_MASK:
        mask |= POLLHUP
    if sk.receive_queue:
        mask |= POLLIN | POLLRDNORM
    if sk.wmem_alloc << 1 <= sk.sndbuf:
        mask |= POLLOUT | POLLWRNORM | POLLWRBAND
    return mask


# --- error queue ----------------------------------------------------------------------------------


def sock_queue_err_skb(sk: Sock, e: SockErr) -> bool:
    """Append to the error queue; False when the receive buffer is full."""
    if sk.rmem_alloc + e.skb.truesize >= sk.rcvbuf:
        return False
    sk.rmem_alloc += e.skb.truesize
    sk.error_queue.append(e)
    if not sk.dead:
        sk_error_report(sk)
    return True


def sock_dequeue_err_skb(sk: Sock) -> SockErr | None:
    if not sk.error_queue:
        return None
    e = sk.error_queue.popleft()
    sk.rmem_alloc -= e.skb.truesize
    nxt = sk.error_queue[0] if sk.error_queue else None
    if nxt is not None and nxt.origin == SO_EE_ORIGIN_ICMP:
        sk.err = nxt.ee_errno
    elif e.origin == SO_EE_ORIGIN_ICMP:
        sk.err = 0
    if nxt is not None:
        sk_error_report(sk)
    return e


# --- SOL_SOCKET -----------------------------------------------------------------------------------


def opt_int(value: int | bytes) -> int:
    """The int of an option value.  Raises EINVAL when there are fewer than four bytes."""
    if isinstance(value, int):
        return value
    if len(value) < 4:
        raise linux_error(EINVAL, "option value too short")
    v: int = _INT.unpack_from(value)[0]
    return v


def __sock_set_rcvbuf(sk: Sock, val: int) -> None:
    if val > INT_MAX // 2:
        val = INT_MAX // 2
    sk.userlocks |= SOCK_RCVBUF_LOCK
    sk.rcvbuf = max(val * 2, SOCK_MIN_RCVBUF)
    sk.rcvbuf_changed()


def sock_enable_timestamp(sk: Sock, flag: int) -> None:
    if not sk.tstamp_on:
        sk.net.tstamp_needed += 1
    sk.tstamp_on |= flag


def sock_disable_timestamp(sk: Sock, flags: int) -> None:
    if sk.tstamp_on & flags:
        sk.tstamp_on &= ~flags
        if not sk.tstamp_on:
            sk.net.tstamp_needed -= 1


def sock_set_timestamp(sk: Sock, optname: int, on: bool) -> None:
    """SO_TIMESTAMP and its relatives; packets go on to be stamped when it is switched off."""
    sk.rcvtstamp = on
    sk.rcvtstampns = on and optname in (SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW)
    if on:
        sk.tstamp_new = optname in (SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW)
        sock_enable_timestamp(sk, SOCK_TIMESTAMP)


def sock_set_timestamping(sk: Sock, optname: int, val: int) -> None:
    """SO_TIMESTAMPING.  Raises EINVAL, EOPNOTSUPP (no device has a clock to bind to)."""
    known = sk.net.kernel.release.timestamping_flags
    if val & ~((1 << known) - 1):
        raise linux_error(EINVAL)
    if val & SOF_TIMESTAMPING_OPT_ID_TCP and not val & SOF_TIMESTAMPING_OPT_ID:
        raise linux_error(EINVAL)
    if val & SOF_TIMESTAMPING_OPT_ID and not sk.tsflags & SOF_TIMESTAMPING_OPT_ID:
        sk.tskey = sk.first_tskey(val)
    if val & SOF_TIMESTAMPING_OPT_STATS and not val & SOF_TIMESTAMPING_OPT_TSONLY:
        raise linux_error(EINVAL)
    if val & SOF_TIMESTAMPING_BIND_PHC:
        raise linux_error(EOPNOTSUPP)
    sk.tsflags = val
    sk.tstamp_new = optname == SO_TIMESTAMPING_NEW
    if val & SOF_TIMESTAMPING_RX_SOFTWARE:
        sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE)
    else:
        sock_disable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE)


def sock_gettstamp(sk: Sock) -> int:
    """SIOCGSTAMP, SIOCGSTAMPNS: when the packet that was read last came, in ns.  Raises ENOENT (none was read)."""
    sock_enable_timestamp(sk, SOCK_TIMESTAMP)
    if sk.stamp < 0:
        raise linux_error(ENOENT)
    if not sk.stamp:
        sk.stamp = sk.net.kernel.ktime_get_real()
    return sk.stamp


def _timeo(value: int | bytes, hz: int) -> int:
    """sock_set_timeout: ns, in whole ticks."""
    if isinstance(value, int) or len(value) < 16:
        raise linux_error(EINVAL, "struct timeval expected")
    s, us = _TIMEVAL.unpack_from(value)
    if us < 0 or us >= 1_000_000:
        raise linux_error(EDOM, "microseconds")
    if s < 0:
        return 0
    if s == 0 and us == 0:
        return -1
    tick = 1_000_000_000 // hz
    return int(s * 1_000_000_000 + -(-us * 1000 // tick) * tick)


def sock_bindtoindex(sk: Sock, ifindex: int) -> None:
    """SO_BINDTOIFINDEX.  Raises EINVAL for a negative index."""
    if ifindex < 0:
        raise linux_error(EINVAL, "interface index")
    sk.bound_dev_if = ifindex
    sk.rehash()
    sk.dst = None


def sk_setsockopt(sk: Sock, optname: int, value: int | bytes) -> None:
    """setsockopt at SOL_SOCKET.  Raises OSError with Linux's errno; what is not modelled raises ENOTSUP by name."""
    net = sk.net
    if optname == SO_BINDTODEVICE:
        raw = value if isinstance(value, bytes) else (value & 0xFFFFFFFF).to_bytes(4, "little")
        name = raw.split(b"\0", 1)[0].decode("latin-1")[:15]
        idx = 0
        if name:
            dev = net.by_name.get(name)
            if dev is None:
                raise linux_error(ENODEV, name)
            idx = dev.ifindex
        sock_bindtoindex(sk, idx)
        return
    if optname == SO_ATTACH_FILTER:
        if isinstance(value, int) or len(value) % 8:
            raise linux_error(EINVAL, "a classic BPF program is expected")
        if sk.filter_locked:
            raise linux_error(EPERM)
        sk.filter = Filter(BpfProgram(value))
        return
    if optname in (SO_RCVTIMEO, SO_RCVTIMEO_NEW):
        sk.rcvtimeo = _timeo(value, net.kernel.hz)
        return
    if optname in (SO_SNDTIMEO, SO_SNDTIMEO_NEW):
        sk.sndtimeo = _timeo(value, net.kernel.hz)
        return
    if optname == SO_LINGER:
        if isinstance(value, int) or len(value) < 8:
            raise linux_error(EINVAL, "struct linger expected")
        on, secs = _LINGER.unpack_from(value)
        sk.linger = bool(on)
        if on:
            sk.lingertime = secs
        return
    val = opt_int(value)
    if optname == SO_MAX_PACING_RATE:
        rate = val & 0xFFFFFFFF
        if isinstance(value, bytes) and len(value) == 8:
            rate = int.from_bytes(value, "little")
        elif rate == 0xFFFFFFFF:
            rate = SK_PACING_UNLIMITED
        sk.max_pacing_rate = rate
        sk.pacing_rate = min(sk.pacing_rate, rate)
        return
    on_ = val != 0
    if optname > net.kernel.release.so_options:
        raise linux_error(ENOPROTOOPT, f"SOL_SOCKET option {optname}")
    if sk_set_rare(sk, optname, val, value):
        return
    if optname == SO_REUSEADDR:
        sk.reuse = 1 if on_ else 0
    elif optname == SO_REUSEPORT:
        if on_ and sk.family != AF_INET:
            raise linux_error(EOPNOTSUPP)
        sk.reuseport = 1 if on_ else 0
    elif optname in (SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ERROR):
        raise linux_error(ENOPROTOOPT)
    elif optname == SO_DONTROUTE:
        sk.localroute = on_
        sk.dst = None
    elif optname == SO_BROADCAST:
        sk.broadcast = on_
    elif optname == SO_SNDBUF or optname == SO_SNDBUFFORCE:
        if optname == SO_SNDBUF:
            val = min(val & 0xFFFFFFFF, net.wmem_max)
        elif val < 0:
            val = 0
        val = min(val, INT_MAX // 2)
        sk.userlocks |= SOCK_SNDBUF_LOCK
        sk.sndbuf = max(val * 2, SOCK_MIN_SNDBUF)
        sock_def_write_space(sk)
    elif optname == SO_RCVBUF:
        __sock_set_rcvbuf(sk, min(val & 0xFFFFFFFF, net.rmem_max))
    elif optname == SO_RCVBUFFORCE:
        __sock_set_rcvbuf(sk, max(val, 0))
    elif optname == SO_KEEPALIVE:
        sk.keepalive = on_
    elif optname == SO_OOBINLINE:
        sk.urginline = on_
    elif optname == SO_NO_CHECK:
        sk.no_check_tx = on_
    elif optname == SO_PRIORITY:
        sk.priority = val
    elif optname in (SO_TIMESTAMP, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW):
        sock_set_timestamp(sk, optname, on_)
    elif optname == SO_ZEROCOPY:
        if sk.protocol not in (IPPROTO_TCP, IPPROTO_UDP) or sk.family != AF_INET or sk.type == SOCK_RAW:
            raise linux_error(EOPNOTSUPP)
        if val not in (0, 1):
            raise linux_error(EINVAL)
        sk.zerocopy = bool(val)
    elif optname in (SO_TIMESTAMPING, SO_TIMESTAMPING_NEW):
        sock_set_timestamping(sk, optname, val)
    elif optname == SO_SELECT_ERR_QUEUE:
        sk.select_err_queue = on_
    elif optname == SO_RCVLOWAT:
        sk.set_rcvlowat(INT_MAX if val < 0 else val)
    elif optname == SO_DETACH_FILTER:
        if sk.filter_locked:
            raise linux_error(EPERM)
        if sk.filter is None:
            raise linux_error(ENOENT)
        sk.filter = None
    elif optname == SO_LOCK_FILTER:
        if sk.filter_locked and not on_:
            raise linux_error(EPERM)
        sk.filter_locked = on_
    elif optname == SO_MARK:
        sk.mark = val & 0xFFFFFFFF
        sk.dst = None
    elif optname == SO_RCVMARK:
        sk.rcvmark = on_
    elif optname == SO_RCVPRIORITY:
        sk.rcvpriority = on_
    elif optname == SO_RXQ_OVFL:
        sk.rxq_ovfl = on_
    elif optname == SO_PEEK_OFF:
        sk.set_peek_off(val)
    elif optname == SO_BUSY_POLL:
        if val < 0:
            raise linux_error(EINVAL)
        sk.busy_poll = val
    elif optname == SO_PREFER_BUSY_POLL and sk.net.kernel.release.busy_poll:
        sk.prefer_busy_poll = on_
    elif optname == SO_BUSY_POLL_BUDGET and sk.net.kernel.release.busy_poll:
        if val < 0 or val > 0xFFFF:
            raise linux_error(EINVAL)
        sk.busy_poll_budget = val
    elif optname == SO_BUF_LOCK:
        if val & ~SOCK_BUF_LOCK_MASK:
            raise linux_error(EINVAL)
        sk.userlocks = sk.userlocks & ~SOCK_BUF_LOCK_MASK | val
    elif optname == SO_BSDCOMPAT:
        pass
    elif optname == SO_INCOMING_CPU:
        sk.incoming_cpu = val
    elif optname == SO_BINDTOIFINDEX:
        sock_bindtoindex(sk, val)
    else:
        raise linux_error(ENOPROTOOPT, f"SOL_SOCKET option {optname}")


def _keep_flag(sk: Sock, optname: int, on: bool) -> None:
    sk.plain_flags = sk.plain_flags & ~(1 << optname) | on << optname


def sk_set_rare(sk: Sock, optname: int, val: int, value: int | bytes) -> bool:
    """Options of other families, of BPF and of hardware: kept where Linux keeps them, refused with its errno.  True: it
    was one of them.
    """
    r = sk.net.kernel.release
    length = len(value) if isinstance(value, bytes) else 4
    if optname in (SO_DEBUG, SO_WIFI_STATUS, SO_NOFCS):
        _keep_flag(sk, optname, val != 0)
    elif optname in (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD, SO_PASSRIGHTS):
        if r.pass_unix_only:
            raise linux_error(EOPNOTSUPP, "of AF_UNIX")
        _keep_flag(sk, optname, val != 0)
    elif optname in (SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF):
        if length != 4:
            raise linux_error(EINVAL)
        raise linux_error(EBADF, "no BPF program has this descriptor")
    elif optname == SO_ATTACH_REUSEPORT_CBPF:
        if length < 8 or length % 8:
            raise linux_error(EINVAL)
        raise linux_error(ENOTSUP, "SO_ATTACH_REUSEPORT_CBPF")
    elif optname == SO_DETACH_REUSEPORT_BPF:
        raise linux_error(ENOENT if sk.reuseport else EINVAL)
    elif optname == SO_CNX_ADVICE:
        if val == 1:
            sk.dst = None  # dst_negative_advice
    elif optname == SO_TXTIME:
        if length != 8 or not isinstance(value, bytes) or value[4] & ~3 or any(value[5:8]):
            raise linux_error(EINVAL)
        sk.txtime = value
    elif optname == SO_RESERVE_MEM:
        raise linux_error(EINVAL if val < 0 else EOPNOTSUPP)  # without memory control groups
    elif optname == SO_TXREHASH:
        if not sk.prot.has_pressure:  # TCP alone
            raise linux_error(EOPNOTSUPP)
        if not -1 <= val <= 1:
            raise linux_error(EINVAL)
        _keep_flag(sk, optname, val == 0)  # on is the default
    elif optname == SO_DEVMEM_DONTNEED:
        if not sk.prot.has_pressure:
            raise linux_error(EBADF)
        if length % 8:
            raise linux_error(EINVAL)
    else:
        return False
    return True


def sk_get_rare(sk: Sock, optname: int) -> int | bytes | None:
    """The same for getsockopt; None: it is none of them."""
    if optname in (SO_DEBUG, SO_WIFI_STATUS, SO_NOFCS):
        return sk.plain_flags >> optname & 1
    if optname in (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD, SO_PASSRIGHTS):
        if sk.net.kernel.release.pass_unix_only:
            raise linux_error(EOPNOTSUPP, "of AF_UNIX")
        return sk.plain_flags >> optname & 1
    if optname == SO_PEERCRED:  # struct ucred of nobody
        return bytes(4) + b"\xff" * 8
    if optname in (SO_PEERGROUPS, SO_PEERPIDFD):
        raise linux_error(ENODATA)
    if optname == SO_GET_FILTER:
        if sk.filter is None:
            return b""
        raise linux_error(ENOTSUP, "SO_GET_FILTER")
    if optname == SO_PEERNAME:
        name = sk.peername()
        if not name:
            raise linux_error(ENOTCONN)
        return name
    if optname == SO_BPF_EXTENSIONS:
        return SKF_AD_MAX
    if optname == SO_TXTIME:
        return sk.txtime or bytes(8)
    if optname == SO_NETNS_COOKIE:
        return (1).to_bytes(8, "little")
    if optname == SO_RESERVE_MEM:
        return 0
    if optname == SO_TXREHASH:
        if not sk.prot.has_pressure:
            raise linux_error(EOPNOTSUPP)
        return ~sk.plain_flags >> optname & 1
    return None


def sk_meminfo(sk: Sock) -> list[int]:
    """SK_MEMINFO_*: rmem_alloc, rcvbuf, wmem_alloc, sndbuf, fwd_alloc, wmem_queued, optmem, backlog, drops."""
    return [
        sk.rmem_alloc,
        sk.rcvbuf,
        sk.wmem_alloc,
        sk.sndbuf,
        sk.forward_alloc,
        sk.wmem_queued,
        0,
        sk.backlog_len,
        sk.drops & 0xFFFFFFFF,
    ]


def sk_getsockopt(sk: Sock, optname: int) -> int | bytes:
    """getsockopt at SOL_SOCKET: an int, or bytes for structures.  Raises ENOPROTOOPT."""
    if optname == SO_TYPE:
        return sk.type
    if optname > sk.net.kernel.release.so_options:
        raise linux_error(ENOPROTOOPT, f"SOL_SOCKET option {optname}")
    if optname == SO_PROTOCOL:
        return sk.protocol
    if optname == SO_DOMAIN:
        return sk.family
    if optname == SO_ERROR:
        e = sock_error(sk)
        if not e:
            e = sk.err_soft
            sk.err_soft = 0
        return e
    if optname == SO_DONTROUTE:
        return int(sk.localroute)
    if optname == SO_BROADCAST:
        return int(sk.broadcast)
    if optname == SO_SNDBUF:
        return sk.sndbuf
    if optname == SO_RCVBUF:
        return sk.rcvbuf
    if optname == SO_REUSEADDR:
        return sk.reuse
    if optname == SO_REUSEPORT:
        return sk.reuseport
    if optname == SO_KEEPALIVE:
        return int(sk.keepalive)
    if optname == SO_OOBINLINE:
        return int(sk.urginline)
    if optname == SO_NO_CHECK:
        return int(sk.no_check_tx)
    if optname == SO_PRIORITY:
        return sk.priority
    if optname == SO_LINGER:
        secs = sk.lingertime if sk.lingertime >= 0 else ((1 << 63) - 1) // sk.net.kernel.hz  # MAX_SCHED_TIMEOUT
        return _LINGER.pack(int(sk.linger), (secs + (1 << 31)) % (1 << 32) - (1 << 31))
    if optname == SO_TIMESTAMP:
        return int(sk.rcvtstamp and not sk.tstamp_new and not sk.rcvtstampns)
    if optname == SO_TIMESTAMPNS:
        return int(sk.rcvtstampns and not sk.tstamp_new)
    if optname == SO_TIMESTAMP_NEW:
        return int(sk.rcvtstamp and sk.tstamp_new)
    if optname == SO_TIMESTAMPNS_NEW:
        return int(sk.rcvtstampns and sk.tstamp_new)
    if optname in (SO_TIMESTAMPING, SO_TIMESTAMPING_NEW):  # struct so_timestamping
        flags = sk.tsflags if optname == SO_TIMESTAMPING or sk.tstamp_new else 0
        return flags.to_bytes(4, "little") + bytes(4)
    if optname == SO_SELECT_ERR_QUEUE:
        return int(sk.select_err_queue)
    if optname == SO_ZEROCOPY:
        return int(sk.zerocopy)
    if optname in (SO_RCVTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO, SO_SNDTIMEO_NEW):
        t = sk.rcvtimeo if optname in (SO_RCVTIMEO, SO_RCVTIMEO_NEW) else sk.sndtimeo
        return _TIMEVAL.pack(*divmod(max(t, 0) // 1000, 1_000_000))
    if optname == SO_RCVLOWAT:
        return sk.rcvlowat
    if optname == SO_SNDLOWAT:
        return 1
    if optname == SO_ACCEPTCONN:
        return int(sk.state == TCP_LISTEN)
    if optname == SO_MARK:
        return sk.mark - (sk.mark >> 31 << 32)
    if optname == SO_RCVMARK:
        return int(sk.rcvmark)
    if optname == SO_RCVPRIORITY:
        return int(sk.rcvpriority)
    if optname == SO_RXQ_OVFL:
        return int(sk.rxq_ovfl)
    if optname == SO_PEEK_OFF:
        return sk.get_peek_off()
    if optname == SO_BINDTODEVICE:
        if not sk.bound_dev_if:
            return b""
        dev = sk.net.by_index.get(sk.bound_dev_if)
        if dev is None:
            raise linux_error(ENODEV)
        return dev.name.encode() + b"\0"
    if optname == SO_BINDTOIFINDEX:
        return sk.bound_dev_if
    if optname == SO_LOCK_FILTER:
        return int(sk.filter_locked)
    if optname == SO_BUSY_POLL:
        return sk.busy_poll
    if optname == SO_PREFER_BUSY_POLL and sk.net.kernel.release.busy_poll:
        return int(sk.prefer_busy_poll)
    if optname == SO_BUF_LOCK:
        return sk.userlocks & SOCK_BUF_LOCK_MASK
    if optname == SO_BSDCOMPAT:
        return 0
    if optname == SO_INCOMING_CPU:
        return sk.incoming_cpu
    if optname == SO_MAX_PACING_RATE:
        return sk.max_pacing_rate.to_bytes(8, "little")
    if optname == SO_MEMINFO:
        return b"".join(v.to_bytes(4, "little") for v in sk_meminfo(sk))
    if optname == SO_INCOMING_NAPI_ID and sk.net.kernel.release.busy_poll:
        return sk.napi_id if sk.napi_id >= MIN_NAPI_ID else 0
    if optname == SO_COOKIE:
        return sock_gen_cookie(sk).to_bytes(8, "little")
    rare = sk_get_rare(sk, optname)
    if rare is None:
        raise linux_error(ENOPROTOOPT, f"SOL_SOCKET option {optname}")
    return rare


# --- control messages of a send call --------------------------------------------------------------


class SockcmCookie:
    """`struct sockcm_cookie`: what a send call wants of the socket level; `ts_opt_id` -1 = none was brought."""

    __slots__ = ("mark", "priority", "tsflags", "ts_opt_id")

    def __init__(self, sk: Sock) -> None:
        self.mark = sk.mark
        self.priority = sk.priority
        self.tsflags = sk.tsflags
        self.ts_opt_id = -1


def __sock_cmsg_send(sk: Sock, type_: int, v: bytes, sockc: SockcmCookie) -> None:
    """One control message of SOL_SOCKET.  Raises EINVAL."""
    r = sk.net.kernel.release
    if type_ == SO_MARK and len(v) == 4:
        sockc.mark = int.from_bytes(v, "little")
    elif type_ == SO_PRIORITY and len(v) == 4 and r.priority_cmsg:
        sockc.priority = int.from_bytes(v, "little")
    elif type_ in (SO_TIMESTAMPING, SO_TIMESTAMPING_NEW) and len(v) == 4:
        flags = int.from_bytes(v, "little")
        mask = SOF_TIMESTAMPING_TX_RECORD_MASK & (1 << r.timestamping_flags) - 1
        if flags & ~mask:
            raise linux_error(EINVAL, "SCM_TIMESTAMPING")
        sockc.tsflags = sockc.tsflags & ~mask | flags
    elif type_ == SCM_TS_OPT_ID and len(v) == 4 and r.ts_opt_id_cmsg and sk.prot.has_ts_opt_id:
        if not sk.tsflags & SOF_TIMESTAMPING_OPT_ID:
            raise linux_error(EINVAL, "SCM_TS_OPT_ID")
        sockc.ts_opt_id = int.from_bytes(v, "little")
    elif type_ == SO_TXTIME and len(v) == 8 and sk.txtime is not None:
        pass  # no queueing discipline here sends at a time
    elif type_ not in (SCM_RIGHTS, SCM_CREDENTIALS):  # of AF_UNIX
        raise linux_error(EINVAL, "control message")


def sock_cmsg_send(sk: Sock, control: list[tuple[int, int, bytes]], sockc: SockcmCookie) -> None:
    """The control messages of SOL_SOCKET; others are passed over.  Raises EINVAL."""
    for level, type_, v in control:
        if level == SOL_SOCKET:
            __sock_cmsg_send(sk, type_, v, sockc)


# --- messages -------------------------------------------------------------------------------------


class Msg:
    """What a receive call gives: `data`, `n` (the return value), `flags` (MSG_*), `name` (an address tuple),
    control messages.
    """

    __slots__ = ("data", "n", "flags", "name", "control")

    def __init__(self) -> None:
        self.data = b""
        self.n = 0
        self.flags = 0
        self.name: tuple[Any, ...] | None = None
        self.control: list[tuple[int, int, bytes]] = []


def __sock_recv_timestamp(msg: Msg, sk: Sock, skb: SkBuff, err: SockErr | None = None) -> None:
    """SCM_TIMESTAMP, SCM_TIMESTAMPNS, SCM_TIMESTAMPING.  `err`: the packet's record, when it is of the error queue."""
    if sk.rcvtstamp:
        if not skb.tstamp:
            skb.tstamp = sk.net.kernel.ktime_get_real()
        s, ns = divmod(skb.tstamp, 1_000_000_000)
        if sk.rcvtstampns:
            type_ = SO_TIMESTAMPNS_NEW if sk.tstamp_new else SO_TIMESTAMPNS
        else:
            type_ = SO_TIMESTAMP_NEW if sk.tstamp_new else SO_TIMESTAMP
            ns //= 1000
        msg.control.append((SOL_SOCKET, type_, _TIMEVAL.pack(s, ns)))
    t = skb.tstamp
    flags = sk.tsflags
    if (
        flags & SOF_TIMESTAMPING_SOFTWARE
        and t
        and (err is not None or flags & SOF_TIMESTAMPING_RX_SOFTWARE or not flags & SOF_TIMESTAMPING_OPT_RX_FILTER)
    ):
        type_ = SO_TIMESTAMPING_NEW if sk.tstamp_new else SO_TIMESTAMPING
        msg.control.append((SOL_SOCKET, type_, _TIMEVAL.pack(*divmod(t, 1_000_000_000)) + bytes(32)))
        if err is not None and err.opt_stats and skb.len:
            msg.control.append((SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, skb.tobytes()))


def sock_recv_timestamp(msg: Msg, sk: Sock, skb: SkBuff, err: SockErr | None = None) -> None:
    """The time stamp if it is wanted, else it is remembered."""
    flags = sk.tsflags
    if sk.rcvtstamp or flags & SOF_TIMESTAMPING_RX_SOFTWARE or (skb.tstamp and flags & SOF_TIMESTAMPING_SOFTWARE):
        __sock_recv_timestamp(msg, sk, skb, err)
    else:
        sk.stamp = skb.tstamp


def sock_recv_cmsgs(msg: Msg, sk: Sock, skb: SkBuff) -> None:
    """Control messages of the socket level: time stamp, drop count, mark, priority (in Linux's order)."""
    if (
        sk.rxq_ovfl
        or sk.rcvtstamp
        or sk.rcvmark
        or sk.rcvpriority
        or sk.tsflags & (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE)
    ):
        sock_recv_timestamp(msg, sk, skb)
        if sk.rxq_ovfl and skb.dropcount:
            msg.control.append((SOL_SOCKET, SO_RXQ_OVFL, (skb.dropcount & 0xFFFFFFFF).to_bytes(4, "little")))
        if sk.rcvmark:
            msg.control.append((SOL_SOCKET, SO_MARK, skb.mark.to_bytes(4, "little")))
        if sk.rcvpriority:
            msg.control.append((SOL_SOCKET, SO_PRIORITY, (skb.priority & 0xFFFFFFFF).to_bytes(4, "little")))
    elif sk.tstamp_on & SOCK_TIMESTAMP:
        sk.stamp = skb.tstamp
    elif sk.stamp < 0:
        sk.stamp = 0


# --- the socket lock (TCP needs it; UDP of 5.x does not) ------------------------------------------


def lock_sock(sk: Sock) -> None:
    """Own the socket; sleeps while another task does.  Inside one charge-free section nobody can contend."""
    if sk.owned or sk.bh_locked:
        task = current_task(sk.net)
        if task is None:
            raise linux_error(EBUSY, "the socket is locked by a task")
        if sk.lock_wq is None:
            sk.lock_wq = WaitQueueHead(sk.net)
        while sk.owned or sk.bh_locked:
            e = AutoremoveWait(task, True)
            sk.lock_wq.add(e)
            task.state = TASK_INTERRUPTIBLE
            sk.net.kernel.sched.sleep()
            task.state = TASK_RUNNING
            sk.lock_wq.remove(e)
    sk.owned = True


def in_flight_sockets(net: Net, seen: dict[int, int]) -> int:
    n = 0
    for sk in net.sockets:
        n += sk.in_flight(seen)
    return n
