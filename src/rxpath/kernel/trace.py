"""Tracepoints: the only instrumentation.  Named and typed as Linux's; free when nobody listens.

A call site reads `tp.on` (a plain attribute) and only then calls `fire`.  Listeners get (cpu id, time ns,
values).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxpath.sim.engine import Engine

Listener = Callable[["Tracepoint", int, int, tuple[Any, ...]], None]


class Tracepoint:
    """One event: `name` is "group:event", `fields` the names of its values in order."""

    __slots__ = ("name", "fields", "on", "listeners", "engine")

    def __init__(self, engine: Engine, name: str, fields: tuple[str, ...]) -> None:
        self.name = name
        self.fields = fields
        self.on = False
        self.listeners: list[Listener] = []
        self.engine = engine

    def fire(self, *values: Any) -> None:
        cur = self.engine.current
        cpu = cur.id if cur is not None else 0
        for fn in self.listeners:
            fn(self, cpu, self.engine.now, values)

    def attach(self, fn: Listener) -> None:
        self.listeners.append(fn)
        self.on = True

    def detach(self, fn: Listener) -> None:
        self.listeners.remove(fn)
        self.on = bool(self.listeners)


class Tracepoints:
    """All tracepoints of one kernel: attributes for call sites, `by_name` for listeners."""

    __slots__ = (
        "by_name",
        "irq_handler_entry",
        "irq_handler_exit",
        "softirq_raise",
        "softirq_entry",
        "softirq_exit",
        "napi_poll",
        "netif_rx",
        "netif_receive_skb",
        "net_dev_queue",
        "napi_gro_receive_entry",
        "napi_gro_receive_exit",
        "netif_receive_skb_entry",
        "netif_receive_skb_exit",
        "netif_receive_skb_list_entry",
        "netif_receive_skb_list_exit",
        "netif_rx_entry",
        "kfree_skb",
        "consume_skb",
        "skb_copy_datagram_iovec",
        "sock_rcvqueue_full",
        "sock_exceed_buf_limit",
        "udp_fail_queue_rcv_skb",
        "inet_sock_set_state",
        "cpuhp_enter",
        "cpuhp_exit",
        "sched_switch",
        "sched_wakeup",
        "net_dev_xmit",
        "tcp_probe",
        "tcp_send_reset",
        "tcp_receive_reset",
        "tcp_retransmit_skb",
        "tcp_rcv_space_adjust",
        "tcp_destroy_sock",
        "tcp_bad_csum",
    )

    def __init__(self, engine: Engine) -> None:
        self.by_name: dict[str, Tracepoint] = {}

        def tp(name: str, *fields: str) -> Tracepoint:
            t = Tracepoint(engine, name, fields)
            self.by_name[name] = t
            return t

        self.irq_handler_entry = tp("irq:irq_handler_entry", "irq", "name")
        self.irq_handler_exit = tp("irq:irq_handler_exit", "irq", "ret")
        self.softirq_raise = tp("irq:softirq_raise", "vec")
        self.softirq_entry = tp("irq:softirq_entry", "vec")
        self.softirq_exit = tp("irq:softirq_exit", "vec")
        self.cpuhp_enter = tp("cpuhp:cpuhp_enter", "cpu", "target", "step", "fun")
        self.cpuhp_exit = tp("cpuhp:cpuhp_exit", "cpu", "state", "idx", "ret")
        self.napi_poll = tp("napi:napi_poll", "napi", "dev_name", "work", "budget")
        self.netif_rx = tp("net:netif_rx", "skb", "dev")
        self.netif_receive_skb = tp("net:netif_receive_skb", "skb", "dev")
        self.net_dev_queue = tp("net:net_dev_queue", "skb", "dev")
        self.net_dev_xmit = tp("net:net_dev_xmit", "skb", "rc", "dev", "len")
        self.napi_gro_receive_entry = tp("net:napi_gro_receive_entry", "skb")
        self.napi_gro_receive_exit = tp("net:napi_gro_receive_exit", "ret")
        self.netif_receive_skb_entry = tp("net:netif_receive_skb_entry", "skb")
        self.netif_receive_skb_exit = tp("net:netif_receive_skb_exit", "ret")
        self.netif_receive_skb_list_entry = tp("net:netif_receive_skb_list_entry", "skb")
        self.netif_receive_skb_list_exit = tp("net:netif_receive_skb_list_exit", "ret")
        self.netif_rx_entry = tp("net:netif_rx_entry", "skb")
        self.kfree_skb = tp("skb:kfree_skb", "skb", "location", "protocol", "reason")
        self.consume_skb = tp("skb:consume_skb", "skb", "location")
        self.skb_copy_datagram_iovec = tp("skb:skb_copy_datagram_iovec", "skb", "len")
        self.sock_rcvqueue_full = tp("sock:sock_rcvqueue_full", "rmem_alloc", "truesize", "sk_rcvbuf")
        self.sock_exceed_buf_limit = tp("sock:sock_exceed_buf_limit", "name", "allocated", "rmem_alloc")
        self.inet_sock_set_state = tp("sock:inet_sock_set_state", "sk", "oldstate", "newstate")
        self.udp_fail_queue_rcv_skb = tp("udp:udp_fail_queue_rcv_skb", "rc", "lport")
        self.sched_switch = tp("sched:sched_switch", "prev", "next")
        self.sched_wakeup = tp("sched:sched_wakeup", "task", "target_cpu")
        self.tcp_probe = tp("tcp:tcp_probe", "sk", "skb")
        self.tcp_send_reset = tp("tcp:tcp_send_reset", "sk", "skb")
        self.tcp_receive_reset = tp("tcp:tcp_receive_reset", "sk")
        self.tcp_retransmit_skb = tp("tcp:tcp_retransmit_skb", "sk", "skb")
        self.tcp_rcv_space_adjust = tp("tcp:tcp_rcv_space_adjust", "sk")
        self.tcp_destroy_sock = tp("tcp:tcp_destroy_sock", "sk")
        self.tcp_bad_csum = tp("tcp:tcp_bad_csum", "skb")
