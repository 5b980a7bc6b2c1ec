"""NAPI: the state machine, polling one context, `net_rx_action` in each release's form, the backlog, threads.

State bits (netdevice.py): SCHED is ownership: whoever set it polls or will; it is cleared by completion.  MISSED
(4.10+): somebody tried to schedule meanwhile, so completion schedules again.  DISABLE: being disabled.  NPSVC: not
enabled yet.
Facts: net/core/dev.c of 3.13, 5.15, 6.1, 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxpath.kernel.cpu import MODE_KTHREAD, Cpu
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.kernel.softirq import NET_RX_SOFTIRQ, SoftirqAction, __raise_softirq_irqoff, raise_softirq_irqoff
from rxpath.kernel.timer import HrTimer
from rxpath.net.core.gro import gro_normal_list, napi_gro_flush
from rxpath.net.core.netdevice import (
    NAPI_STATE_DISABLE,
    NAPI_STATE_IN_BUSY_POLL,
    NAPI_STATE_MISSED,
    NAPI_STATE_NPSVC,
    NAPI_STATE_PREFER_BUSY_POLL,
    NAPI_STATE_SCHED,
    NAPI_STATE_SCHED_THREADED,
    NAPI_STATE_THREADED,
    NapiStruct,
    Net,
    NetDevice,
    SoftnetData,
)
from rxpath.net.core.steering import net_rps_action_and_irq_enable

if TYPE_CHECKING:
    pass


# --- scheduling ---------------------------------------------------------------------------------------------


def napi_schedule_prep(n: NapiStruct) -> bool:
    """True when the caller must schedule; a second attempt marks MISSED (3.13: is lost)."""
    state = n.state
    if state & NAPI_STATE_DISABLE:
        return False
    if state & NAPI_STATE_SCHED:
        if n.net.kernel.release.napi_missed:
            n.state = state | NAPI_STATE_MISSED
        return False
    n.state = state | NAPI_STATE_SCHED
    return True


def __napi_schedule(n: NapiStruct) -> None:
    net = n.net
    cpu = net.kernel.cur()
    ____napi_schedule(net.softnet[cpu.id], n, cpu)


def ____napi_schedule(sd: SoftnetData, n: NapiStruct, cpu: Cpu) -> None:
    k = cpu.kernel
    if n.state & NAPI_STATE_THREADED and n.thread is not None:
        if n.thread.state != TASK_INTERRUPTIBLE:
            n.state |= NAPI_STATE_SCHED_THREADED
        k.sched.wake_up_process(n.thread)
        return
    sd.poll_list.append(n)
    n.on_list = True
    n.list_owner = cpu.id
    if sd.in_net_rx_action:
        return
    if k.release.napi_schedule_wakes_ksoftirqd:
        raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)
    else:
        __raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)


def napi_schedule(n: NapiStruct) -> None:
    if napi_schedule_prep(n):
        __napi_schedule(n)


# --- completion ---------------------------------------------------------------------------------------------


def napi_complete_done(n: NapiStruct, work_done: int) -> bool:
    """The driver is done with this round.  True: it may enable its interrupt again.

    (3.13 has napi_complete without a result; its drivers enable unconditionally: there this flushes and
    returns True.)
    """
    net = n.net
    if net.kernel.release.napi_complete == "plain":
        napi_complete(n)
        return True
    if n.state & (NAPI_STATE_NPSVC | NAPI_STATE_IN_BUSY_POLL):
        return False
    ret = True
    timeout = 0
    dev = n.dev
    if dev is not None:
        if work_done:
            if n.gro_bitmask:
                timeout = dev.gro_flush_timeout
            n.defer_hard_irqs_count = dev.napi_defer_hard_irqs
        if n.defer_hard_irqs_count > 0:
            n.defer_hard_irqs_count -= 1
            timeout = dev.gro_flush_timeout
            if timeout:
                ret = False
    if n.gro_bitmask:
        napi_gro_flush(n, timeout != 0)
    if n.rx_list:
        gro_normal_list(n)
    if n.on_list:
        net.softnet[n.list_owner].poll_list.remove(n)
        n.on_list = False
    state = n.state
    new = state & ~(NAPI_STATE_MISSED | NAPI_STATE_SCHED | NAPI_STATE_SCHED_THREADED | NAPI_STATE_PREFER_BUSY_POLL)
    if state & NAPI_STATE_MISSED:
        n.state = new | NAPI_STATE_SCHED
        __napi_schedule(n)
        return False
    n.state = new
    n.list_owner = -1
    if timeout:
        napi_watchdog_start(n, timeout)
    return ret


def napi_watchdog_start(n: NapiStruct, timeout: int) -> None:
    """Arm the NAPI's timer on this CPU, `timeout` ns from now (hrtimer_start, pinned)."""
    if n.timer is None:
        n.timer = HrTimer(n.net.kernel, lambda: napi_watchdog(n))
    n.timer.start(timeout)


def napi_complete(n: NapiStruct) -> None:
    """3.13: flush GRO, leave the list, clear SCHED."""
    net = n.net
    if net.kernel.release.napi_complete != "plain":
        napi_complete_done(n, 0)
        return
    if n.state & NAPI_STATE_NPSVC:
        return
    napi_gro_flush(n, False)
    if n.on_list:
        net.softnet[n.list_owner].poll_list.remove(n)
        n.on_list = False
    n.state &= ~NAPI_STATE_SCHED


def napi_watchdog(n: NapiStruct) -> None:
    """gro_flush_timeout expired: poll again unless somebody does."""
    if not n.state & NAPI_STATE_DISABLE and not n.state & NAPI_STATE_SCHED:
        n.state = (n.state | NAPI_STATE_SCHED) & ~NAPI_STATE_PREFER_BUSY_POLL
        __napi_schedule(n)


def napi_enable(n: NapiStruct) -> None:
    n.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_NPSVC)
    if n.dev is not None and n.dev.threaded and n.thread is not None:
        n.state |= NAPI_STATE_THREADED


def napi_disable(n: NapiStruct) -> None:
    """Wait until nobody polls, then own it.

    Outside of tasks (a machine between two runs) the poll list is emptied by hand: nobody can be polling
    there.
    """
    k = n.net.kernel
    n.state |= NAPI_STATE_DISABLE
    waited = 0
    while n.state & (NAPI_STATE_SCHED | NAPI_STATE_NPSVC):
        if n.state & NAPI_STATE_NPSVC:
            break
        if k.engine.current is None or k.cur().in_interrupt() or k.cur().curr is k.cur().idle:
            if n.on_list:
                n.net.softnet[n.list_owner].poll_list.remove(n)
                n.on_list = False
            napi_gro_flush(n, False)
            gro_normal_list(n)
            break
        t = k.sched.current()
        t.state = TASK_INTERRUPTIBLE
        k.sched.sleep(200_000 if k.release.napi_missed else 1_000_000)
        t.state = TASK_RUNNING
        waited += 1
        if waited > 100_000:
            raise AssertionError("napi_disable: somebody polls forever")
    n.state |= NAPI_STATE_SCHED | NAPI_STATE_NPSVC
    n.state &= ~(NAPI_STATE_THREADED | NAPI_STATE_PREFER_BUSY_POLL | NAPI_STATE_MISSED)
    if n.timer is not None:
        n.timer.cancel()
    n.state &= ~NAPI_STATE_DISABLE


# --- polling ------------------------------------------------------------------------------------------------


def __napi_poll(n: NapiStruct) -> tuple[int, bool]:
    """Poll one context: (work, whether it wants to be polled again)."""
    net = n.net
    k = net.kernel
    weight = n.weight
    work = 0
    if n.state & NAPI_STATE_SCHED:
        cost = k.costs.poll_fixed
        if cost:
            k.cur().charge(cost)
        work = n.poll(weight)
        tp = k.trace.napi_poll
        if tp.on:
            tp.fire(n.napi_id, n.dev.name if n.dev is not None else "(no_device)", work, weight)
    if work > weight:
        k.log.warn_once(
            "napi_poll_work",
            "NAPI poll function %s returned %d, exceeding its budget of %d." % (type(n).__name__, work, weight),
        )
    if k.real_time:
        k.pump()
    if work < weight:
        return work, False
    if n.state & NAPI_STATE_DISABLE:
        napi_complete(n)
        return work, False
    if n.state & NAPI_STATE_PREFER_BUSY_POLL:
        if napi_complete_done(n, work):
            napi_schedule(n)
        return work, False
    if n.gro_bitmask:
        napi_gro_flush(n, k.hz >= k.release.gro_flush_old_hz)
    if n.rx_list:
        gro_normal_list(n)
    if n.on_list:
        k.log.warn_once(
            "napi_repoll",
            "%s: Budget exhausted after napi rescheduled" % (n.dev.name if n.dev is not None else "backlog"),
        )
        return work, False
    return work, True


class NetRxAction(SoftirqAction):
    """NET_RX: bound at boot to the release's form."""

    __slots__ = ("net", "variant")

    def __init__(self, net: Net) -> None:
        self.net = net
        self.variant = {"v3_13": 0, "v5_15": 1, "v6_12": 2}[net.kernel.release.net_rx_action]

    def action(self, cpu: Cpu) -> None:
        sd = self.net.softnet[cpu.id]
        if self.variant == 1:
            net_rx_action(self.net, sd, cpu)
        elif self.variant == 0:
            net_rx_action_3_13(self.net, sd, cpu)
        else:
            net_rx_action_6_12(self.net, sd, cpu)


def net_rx_action(net: Net, sd: SoftnetData, cpu: Cpu) -> None:
    """5.15 and 6.1: a local list, a repoll list, the limits tested after each poll."""
    k = net.kernel
    time_limit = k.jiffies() + k.usecs_to_jiffies(net.netdev_budget_usecs)
    budget = net.netdev_budget
    todo = sd.poll_list
    sd.poll_list = []
    for n in todo:
        n.on_list = False
    repoll: list[NapiStruct] = []
    i = 0
    while True:
        if i == len(todo):
            if not sd.rps_ipi_list and not repoll:
                return
            break
        n = todo[i]
        i += 1
        work, again = __napi_poll(n)
        budget -= work
        if again:
            repoll.append(n)
        if budget <= 0 or k.jiffies() >= time_limit:
            sd.time_squeeze += 1
            break
    _requeue(net, sd, cpu, todo, i, repoll)
    if sd.rps_ipi_list:
        net_rps_action_and_irq_enable(sd)


def _requeue(net: Net, sd: SoftnetData, cpu: Cpu, todo: list[NapiStruct], i: int, repoll: list[NapiStruct]) -> None:
    """What stays scheduled: the unpolled rest, what arrived meanwhile, then what wants more."""
    left = [n for n in todo[i:] if n.state & NAPI_STATE_SCHED and not n.on_list]
    for n in left:
        n.on_list = True
        n.list_owner = cpu.id
    for n in repoll:
        n.on_list = True
        n.list_owner = cpu.id
    sd.poll_list = left + sd.poll_list + repoll
    if sd.poll_list:
        __raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)


def net_rx_action_6_12(net: Net, sd: SoftnetData, cpu: Cpu) -> None:
    """6.12: as before, and a schedule from inside does not raise the softirq again: the loop looks itself."""
    k = net.kernel
    time_limit = k.jiffies() + k.usecs_to_jiffies(net.netdev_budget_usecs)
    budget = net.netdev_budget
    repoll: list[NapiStruct] = []
    sd.in_net_rx_action = True
    todo = sd.poll_list
    sd.poll_list = []
    for n in todo:
        n.on_list = False
    i = 0
    while True:
        if i == len(todo):
            if not repoll:
                sd.in_net_rx_action = False
                if sd.poll_list:
                    sd.in_net_rx_action = True
                    todo = sd.poll_list
                    sd.poll_list = []
                    for n in todo:
                        n.on_list = False
                    i = 0
                    continue
                if not sd.rps_ipi_list:
                    return
            break
        n = todo[i]
        i += 1
        work, again = __napi_poll(n)
        budget -= work
        if again:
            repoll.append(n)
        if budget <= 0 or k.jiffies() >= time_limit:
            sd.time_squeeze += 1
            break
    _requeue(net, sd, cpu, todo, i, repoll)
    if not sd.poll_list:
        sd.in_net_rx_action = False
    sd.in_net_rx_action = False
    if sd.rps_ipi_list:
        net_rps_action_and_irq_enable(sd)


def net_rx_action_3_13(net: Net, sd: SoftnetData, cpu: Cpu) -> None:
    """3.13: works on the per-CPU list itself; limits tested before each poll; a full weight goes to the tail
    of the same list.
    """
    k = net.kernel
    time_limit = k.jiffies() + 2
    budget = net.netdev_budget
    lst = sd.poll_list
    while lst:
        if budget <= 0 or k.jiffies() >= time_limit:
            sd.time_squeeze += 1
            __raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)
            break
        n = lst[0]
        weight = n.weight
        work = 0
        if n.state & NAPI_STATE_SCHED:
            cost = k.costs.poll_fixed
            if cost:
                cpu.charge(cost)
            work = n.poll(weight)
            if k.trace.napi_poll.on:
                k.trace.napi_poll.fire(n.napi_id, n.dev.name if n.dev is not None else "(no_device)", work, weight)
        if work > weight:
            k.log.warn_once(
                "napi_poll_work",
                "NAPI poll function %s returned %d, exceeding its budget of %d." % (type(n).__name__, work, weight),
            )
        budget -= work
        if work == weight:
            if n.state & NAPI_STATE_DISABLE:
                napi_complete(n)
            else:
                if n.gro_count:
                    napi_gro_flush(n, k.hz >= k.release.gro_flush_old_hz)
                lst.remove(n)
                lst.append(n)
        if k.real_time:
            k.pump()
    if sd.rps_ipi_list:
        net_rps_action_and_irq_enable(sd)


# --- threaded NAPI (5.12) -----------------------------------------------------------------------------------


def dev_set_threaded(dev: NetDevice, threaded: bool) -> None:
    """/sys/class/net/DEV/threaded: a kthread a NAPI, named napi/DEV-ID, made when first wanted, kept until it goes.

    Effective when a NAPI is scheduled next.
    """
    if dev.threaded == threaded:
        return
    if threaded:
        for n in dev.napi_list:
            if n.thread is None:
                napi_kthread_create(n)
    dev.threaded = threaded
    for n in dev.napi_list:
        if threaded:
            n.state |= NAPI_STATE_THREADED
        else:
            n.state &= ~NAPI_STATE_THREADED


def napi_kthread_create(n: NapiStruct) -> None:
    """Bound to no CPU: it starts on that of the NAPI's number."""
    assert n.dev is not None
    k = n.net.kernel
    cpu = k.cpus[n.index % len(k.cpus)]
    n.thread = k.sched.create("napi/%s-%d" % (n.dev.name, n.napi_id), cpu, _ThreadFn(n), MODE_KTHREAD)
    k.sched.wake_up_process(n.thread)


class _ThreadFn:
    __slots__ = ("napi",)

    def __init__(self, napi: NapiStruct) -> None:
        self.napi = napi

    def __call__(self) -> None:
        napi_threaded_poll(self.napi)


def napi_thread_wait(n: NapiStruct, t: Task) -> bool:
    """Sleep until this thread owns its NAPI; False when it is told to end.

    The bit SCHED alone does not tell who owns it.  A thread that was woken does (only `____napi_schedule` wakes it);
    one that was not asleep yet finds SCHED_THREADED.
    """
    k = n.net.kernel
    woken = False
    while not t.should_stop:
        t.state = TASK_INTERRUPTIBLE
        if n.state & NAPI_STATE_SCHED_THREADED or woken:
            t.state = TASK_RUNNING
            return True
        k.sched.sleep()
        woken = not t.should_stop
    t.state = TASK_RUNNING
    return False


def napi_threaded_poll(n: NapiStruct) -> None:
    """The thread: whole polls with bottom halves off while the full weight was used; no budget, no squeeze.

    6.12 sends steering's interrupts itself; before, they go by the NET_RX that was raised.
    """
    k = n.net.kernel
    t = n.thread
    assert t is not None
    sends = k.release.net_rx_action == "v6_12"
    while napi_thread_wait(n, t):
        again = True
        while again:
            cpu = k.cur()
            sd = n.net.softnet[cpu.id]
            cpu.local_bh_disable()
            sd.in_napi_threaded_poll = sends
            _, again = __napi_poll(n)
            sd.in_napi_threaded_poll = False
            if sends and sd.rps_ipi_list:
                net_rps_action_and_irq_enable(sd)
            cpu.local_bh_enable()
            k.cur().charge(0)
            if again:
                k.sched.cond_resched(k.cur())
