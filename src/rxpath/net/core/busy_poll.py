"""Busy polling: a task that waits on a socket polls the socket's NAPI itself for a while before it sleeps.

What lives here: the loop, how it takes a NAPI and gives it back.  What does not: who calls it (the receive functions of
datagram sockets and TCP).  Facts: net/core/dev.c napi_busy_loop, include/net/busy_poll.h (5.15, 6.1).  3.13 needs a
driver with ndo_busy_poll; none here has one, so there the option has no effect.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.core import Kernel
from rxpath.net.core.gro import gro_normal_list, napi_gro_flush
from rxpath.net.core.napi import __napi_schedule, napi_watchdog_start
from rxpath.net.core.netdevice import (
    MIN_NAPI_ID,
    NAPI_STATE_DISABLE,
    NAPI_STATE_IN_BUSY_POLL,
    NAPI_STATE_MISSED,
    NAPI_STATE_PREFER_BUSY_POLL,
    NAPI_STATE_SCHED,
    NapiStruct,
    Net,
)
from rxpath.net.core.sock import Sock

BUSY_POLL_BUDGET: Final = 8
# A turn of the loop that finds nothing, where no cost profile says what a poll takes: the unit of the loop's own clock.
IDLE_TURN_NS: Final = 1024


def busy_loop_current_time(k: Kernel) -> int:
    """Nearly microseconds: units of 1024 ns."""
    return k.engine.now >> 10


def sk_busy_loop(sk: Sock, nonblock: bool) -> None:
    """Poll the NAPI that brought this socket's packets: once when `nonblock`, else until something is there or
    SO_BUSY_POLL microseconds have passed.  Callers see first that `sk.busy_poll` is set; inline in Linux.
    """
    net = sk.net
    if sk.napi_id < MIN_NAPI_ID or not net.kernel.release.busy_poll or net.kernel.engine.current is None:
        return
    cpu = net.kernel.cur()
    if cpu.in_interrupt() or cpu.irqs_off or cpu.curr is cpu.idle:
        return
    budget = sk.busy_poll_budget or BUSY_POLL_BUDGET
    napi_busy_loop(net, sk.napi_id, None if nonblock else sk, sk.prefer_busy_poll, budget)


def sk_busy_loop_end(sk: Sock, start: int) -> bool:
    if sk.has_queued():
        return True
    return busy_loop_current_time(sk.net.kernel) > start + sk.busy_poll if sk.busy_poll else True


def napi_busy_loop(net: Net, napi_id: int, sk: Sock | None, prefer: bool, budget: int) -> None:
    """The loop.  Whoever owns the NAPI (interrupt, thread, another busy poller) keeps it; this task then only waits,
    and a preferring one says so, upon which the owner lets go after a full poll.
    """
    start = busy_loop_current_time(net.kernel) if sk is not None else 0
    while True:
        napi = net.napi_hash.get(napi_id)
        if napi is None or not _turn(net, napi, sk, start, prefer, budget):
            return


def _turn(net: Net, napi: NapiStruct, sk: Sock | None, start: int, prefer: bool, budget: int) -> bool:
    """Loop until the end, or until somebody else deserves the CPU: True when to go on after that."""
    k = net.kernel
    cpu = k.cur()
    cpu.preempt_off += 1
    owned = False
    again = False
    while True:
        cpu.local_bh_disable()
        if not owned:
            if napi.state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL):
                if prefer:
                    napi.state |= NAPI_STATE_PREFER_BUSY_POLL
            else:
                napi.state |= NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_SCHED
                owned = True
        if owned:
            work = poll_once(napi, budget)
            gro_normal_list(napi)
            if work > 0 and net.ipv4 is not None:
                net.ipv4.tcpext["BusyPollRxPackets"] += work
        cpu.local_bh_enable()
        if sk is None or sk_busy_loop_end(sk, start):
            break
        if cpu.need_resched:
            again = True
            break
        cpu.charge(k.costs.poll_fixed or IDLE_TURN_NS)
    if owned:
        busy_poll_stop(napi, prefer, budget)
    cpu.preempt_off -= 1
    if again and sk is not None:
        k.sched.cond_resched(cpu)
        return not sk_busy_loop_end(sk, start)
    return False


def poll_once(napi: NapiStruct, budget: int) -> int:
    """The driver's poll, with its tracepoint."""
    work = napi.poll(budget)
    tp = napi.net.kernel.trace.napi_poll
    if tp.on:
        tp.fire(napi.napi_id, napi.dev.name if napi.dev is not None else "(no_device)", work, budget)
    return work


def busy_poll_stop(napi: NapiStruct, prefer: bool, budget: int) -> None:
    """Give the NAPI back by polling once more: a poll that finds less than its budget enables the interrupt.

    One who prefers busy polling leaves the interrupt masked and starts the timer of gro_flush_timeout instead, where
    napi_defer_hard_irqs allows it.
    """
    cpu = napi.net.kernel.cur()
    napi.state &= ~(NAPI_STATE_MISSED | NAPI_STATE_IN_BUSY_POLL)
    cpu.local_bh_disable()
    skip_schedule = False
    dev = napi.dev
    if prefer and dev is not None:
        napi.defer_hard_irqs_count = dev.napi_defer_hard_irqs
        if napi.defer_hard_irqs_count and dev.gro_flush_timeout:
            napi_watchdog_start(napi, dev.gro_flush_timeout)
            skip_schedule = True
    if poll_once(napi, budget) == budget:
        __busy_poll_stop(napi, skip_schedule)
    cpu.local_bh_enable()


def __busy_poll_stop(napi: NapiStruct, skip_schedule: bool) -> None:
    if not skip_schedule:
        gro_normal_list(napi)
        __napi_schedule(napi)
        return
    k = napi.net.kernel
    if napi.gro_bitmask:
        napi_gro_flush(napi, k.hz >= k.release.gro_flush_old_hz)
    gro_normal_list(napi)
    napi.state &= ~NAPI_STATE_SCHED
