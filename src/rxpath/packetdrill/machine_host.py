"""A machine of rxpath as the host of a script: virtual time, a TUN device, one task a call."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rxpath.config import MachineConfig
from rxpath.drivers.tun.tun import TunDevice, tun_do_read, tun_get_user, tun_net_xmit
from rxpath.kernel.errno import EEXIST, ENOENT, linux_error
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.machine import Machine
from rxpath.net.core.netdevice import NETIF_F_TSO, Net, NetdevQueue, dev_open, dev_set_mtu, register_netdev
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.core.sock import WaitQueueEntry
from rxpath.net.ipv4.devinet import inet_insert_ifa
from rxpath.net.ipv4.fib import fib_add_route
from rxpath.net.ipv4.tcp.sock import TcpSock, tcp_state_of
from rxpath.packetdrill.host import Epoll, Host, Pending, Setup
from rxpath.sockets import Socket
from rxpath.tools.run import COMMANDS, NOT_FOUND, run_command
from rxpath.wire.addr import ip4, ip4_net

HZ: Final = 1000
EVENT_US: Final = 5  # what an event takes: nothing happens at the very moment of what it answers
POLL_ALWAYS: Final = 8 | 16  # POLLERR | POLLHUP
EPOLLET: Final = 1 << 31
EPOLLONESHOT: Final = 1 << 30
SIOCINQ: Final = 0x541B
SIOCOUTQ: Final = 0x5411
SIOCOUTQNSD: Final = 0x894B
SIOCATMARK: Final = 0x8905


class ScriptTun(TunDevice):
    """A TUN device that notes when each packet was sent and wakes who waits for one."""

    __slots__ = ("times", "waiter")

    def __init__(self, net: Net, name: str) -> None:
        super().__init__(net, name, nonblock=False)
        self.ip_only = True
        self.noarp = True
        self.times: deque[int] = deque()
        self.waiter: Task | None = None
        self.features |= NETIF_F_TSO
        self.hw_features |= NETIF_F_TSO

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        n = len(self.to_reader)
        out = tun_net_xmit(self, skb)
        if len(self.to_reader) > n:
            self.times.append(self.net.kernel.engine.now)
            if self.waiter is not None:
                self.net.kernel.sched.wake_up_process(self.waiter)
        return out


class WakeTask(WaitQueueEntry):
    """A task that waits for several sockets at once."""

    __slots__ = ()


class EpollItem(WaitQueueEntry):
    """`struct epitem`: ready when woken for something it listens to."""

    __slots__ = ("data", "ep", "events", "off", "ready", "sock")

    def __init__(self, ep: MachineEpoll, sock: Socket, events: int, data: int) -> None:
        super().__init__(None, False)
        self.ep = ep
        self.sock = sock
        self.events = events
        self.data = data
        self.ready = True
        self.off = False

    def func(self, key: int) -> bool:
        if self.off or (key and not key & (self.events | POLL_ALWAYS)):
            return False
        self.ready = True
        if self.ep.waiter is not None:
            self.ep.host.machine.kernel.sched.wake_up_process(self.ep.waiter)
        return False


class MachineEpoll(Epoll):
    def __init__(self, host: MachineHost) -> None:
        self.host = host
        self.items: list[EpollItem] = []
        self.waiter: Task | None = None

    def ctl(self, op: int, sock: Any, events: int, data: int) -> None:
        item = next((i for i in self.items if i.sock is sock), None)
        if op == 1:
            if item is not None:
                raise linux_error(EEXIST)
            item = EpollItem(self, sock, events, data)
            self.items.append(item)
            sock.sk.wq.add(item)
            return
        if item is None:
            raise linux_error(ENOENT)
        if op == 2:
            sock.sk.wq.remove(item)
            self.items.remove(item)
        else:
            item.events, item.data, item.ready, item.off = events, data, True, False

    def collect(self, most: int) -> list[tuple[int, int]]:
        out: list[tuple[int, int]] = []
        for i in self.items:
            if i.off or not i.ready or len(out) >= most or i.sock._closed:
                continue
            mask = i.sock.poll() & (i.events | POLL_ALWAYS) & 0xFFFF
            if not mask:
                i.ready = False
                continue
            out.append((mask, i.data))
            if i.events & EPOLLET:
                i.ready = False
            if i.events & EPOLLONESHOT:
                i.off = True
        return out

    def wait(self, maxevents: int, timeout_us: int) -> list[tuple[int, int]]:
        k = self.host.machine.kernel
        end = -1 if timeout_us < 0 else k.engine.now + timeout_us * 1000
        while True:
            out = self.collect(maxevents)
            left = end - k.engine.now if end >= 0 else -1
            if out or left == 0 or (end >= 0 and left < 0):
                return out
            self.waiter = task = k.sched.current()
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(left)
            self.waiter = None

    def close(self) -> None:
        for i in self.items:
            i.sock.sk.wq.remove(i)
        self.items.clear()


class MachineHost(Host):
    """Made outside of the machine; everything else runs inside `run`, as a task."""

    name = "machine"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.machine = Machine(MachineConfig(release=setup.release, costs="none", hz=HZ, seed=0))
        # scripts name the times that timers are armed for; that the wheel comes to a timer of a second up to 64 ms late
        # depends on when the machine was booted
        self.machine.kernel.timers.coarse = False
        self.task: Task | None = None
        self.tun: ScriptTun

    def run(self, program: Callable[[], Any]) -> Any:
        """Boot, and run `program` as the machine's first task."""

        def first() -> Any:
            self.task = self.machine.kernel.sched.current()
            self.bring_up()
            return program()

        self.machine.boot()
        return self.machine.in_task(first, "packetdrill")

    def bring_up(self) -> None:
        net = self.machine.net
        s = self.setup
        self.tun = tun = ScriptTun(net, s.dev)
        tun.dev_addr = tun.perm_addr = b"\x02\0\0\0\0\x02"
        register_netdev(tun)
        dev_set_mtu(tun, s.mtu)
        inet_insert_ifa(tun, ip4(s.local_ip), s.prefix)
        dev_open(tun)
        prefix, plen = ip4_net(f"{s.remote_ip}/{s.remote_prefix}")
        mask = (0xFFFFFFFF << (32 - plen)) & 0xFFFFFFFF
        fib_add_route(net.ipv4, prefix & mask, plen, dev=tun)

    # --- time --------------------------------------------------------------------------------------------------------
    def now_us(self) -> int:
        return self.machine.kernel.engine.now // 1000

    def wall_ns(self) -> int:
        return self.machine.kernel.ktime_get_real()

    def sleep_until(self, t_us: int) -> None:
        k = self.machine.kernel
        end = t_us * 1000
        task = k.sched.current()
        while k.engine.now < end:
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(end - k.engine.now)

    def event_done(self) -> None:
        self.sleep_until(self.now_us() + EVENT_US)

    # --- packets -----------------------------------------------------------------------------------------------------
    def inject(self, packet: bytes, gso_size: int = 0) -> None:
        tun_get_user(self.tun, packet, gso_size=gso_size)

    def packet_before(self, t_us: int) -> tuple[int, bytes] | None:
        k = self.machine.kernel
        tun = self.tun
        task = k.sched.current()
        while not tun.to_reader:
            left = t_us * 1000 - k.engine.now
            if left <= 0:
                return None
            tun.waiter = task
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(left)
            tun.waiter = None
        packet = tun_do_read(tun)
        assert packet is not None
        return tun.times.popleft() // 1000, packet

    # --- calls -------------------------------------------------------------------------------------------------------
    def start(self, fn: Callable[[], Any]) -> Pending:
        p = Pending()
        k = self.machine.kernel

        def run() -> None:
            try:
                p.value = fn()
            except OSError as e:
                p.error = e
            p.end_us = self.now_us()
            p.done = True
            if self.task is not None:
                k.sched.wake_up_process(self.task)

        self.machine.spawn(run, name="call")
        self.machine.kernel.cur().charge(0)
        return p

    def join(self, p: Pending, t_us: int) -> bool:
        k = self.machine.kernel
        task = k.sched.current()
        first = True
        while not p.done:
            left = t_us * 1000 - k.engine.now
            if left <= 0 and not first:
                return False
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(max(left, 1))
            first = False
        task.state = TASK_RUNNING
        return True

    def socket(self, family: int, type_: int, proto: int) -> Any:
        return Socket(self.machine.net, family, type_, proto)

    def disconnect(self, sock: Any) -> None:
        sock.disconnect()

    def poll(self, socks: list[tuple[Any, int]], timeout_us: int) -> list[int]:
        k = self.machine.kernel
        end = -1 if timeout_us < 0 else k.engine.now + timeout_us * 1000
        task = k.sched.current()
        while True:
            out = [0x20 if s is None else s.poll() & (events | POLL_ALWAYS) & 0xFFFF for s, events in socks]
            left = end - k.engine.now if end >= 0 else -1
            if any(out) or (end >= 0 and left <= 0):
                return out
            waits = [(s.sk.wq, WakeTask(task)) for s, _ in socks if s is not None]
            for wq, e in waits:
                wq.add(e)
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(left)
            for wq, e in waits:
                wq.remove(e)

    def epoll(self) -> Epoll:
        return MachineEpoll(self)

    def ioctl(self, sock: Any, request: int) -> int:
        sk = sock.sk
        if request == SIOCINQ:
            return int(sock.inq())
        if isinstance(sk, TcpSock):
            if request == SIOCOUTQ:
                return (sk.write_seq - sk.snd_una) & 0xFFFFFFFF
            if request == SIOCOUTQNSD:
                return (sk.write_seq - sk.snd_nxt) & 0xFFFFFFFF
            if request == SIOCATMARK:
                return int(bool(sk.urg_data) and sk.urg_seq == sk.copied_seq)
        elif request == SIOCOUTQ:
            return int(sk.wmem_alloc)
        raise OSError(95, f"ioctl {request:#x} is not modelled")

    def sysctl(self, name: str, value: str | None = None) -> str:
        if name.startswith("/"):
            files = self.machine.files
            before = str(files.read(name)).strip()
            if value is not None:
                files.write(name, value + "\n")
            return before
        table = self.machine.kernel.sysctl
        before = table.get(name)
        if value is not None:
            table.set(name, value)
        return before

    def flush_metrics(self) -> None:
        tcp_state_of(self.machine.net.ipv4).fastopen_cache.clear()

    def shell(self, line: str) -> str | None:
        m = re.match(r"tc\s+qdisc\s+(add|replace|change|del|delete)\s+dev\s+(\S+)\s+root(.*)", line)
        if m is not None:  # of queue disciplines the length of the queue and fq's pace are modelled
            if m.group(2) != self.tun.name:
                return f"no device {m.group(2)}"
            limit = re.search(r"limit\s+(\d+)", m.group(3))
            if m.group(3).split()[:1] in ([], ["pfifo"], ["pfifo_fast"]):
                self.tun.tx_queues[0].limit = int(limit.group(1)) if limit else self.tun.tx_queue_len
                self.tun.fq = False
                return ""
            if m.group(3).split()[0] == "fq":  # its pace is kept by TCP itself
                self.tun.fq = m.group(1) != "del" and "nopacing" not in m.group(3)
                return ""
            return None

        if line.split()[0] not in COMMANDS:
            return None
        done = run_command(self.machine, line)
        if done.status == NOT_FOUND:
            return None
        return "" if done.status == 0 else done.line()

    def close(self) -> None:
        self.machine.closed = True
        self.machine.kernel.close()


__all__ = ["MachineHost", "ScriptTun"]
