"""The function trace: what ftrace's function_graph shows, from Python's own profiling hook.

Functions of the model carry Linux's names, so the calls are the trace.  Shown are module-level functions of kernel/,
net/ and drivers/; methods, functions with one leading underscore and those in INLINE (static inline in Linux, or
inlined by its compiler) are invisible.  One stack a green thread.  Compiled (mypyc) code makes no call events: the
trace needs the plain Python files (RXPATH_PURE=1).

The written form is that of the golden records: two blanks a level, one name a line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from greenlet import getcurrent

ROOMS = ("/rxpath/kernel/", "/rxpath/net/", "/rxpath/drivers/")

INLINE = frozenset(
    """
____napi_schedule __dev_xmit_skb __mkroute_output __raise_softirq_irqoff alloc_skb_truesize
alloc_skb_truesize_small_head backlog_in_flight build_skb_truesize common_interrupt core_in_flight
current_cpu current_task deliver_skb dev_queue_xmit enter fib_lookup fib_validate_source find_exception
find_release gro_cb gro_flush_oldest gro_in_flight gro_list_prepare gro_normal_list inet_iif inet_lookup_ifaddr_rcu
ip_cb ip_cb_peek ip_dont_fragment ip_hdr ip_output_skb ip_select_ident ip_select_ttl ip_sk_ignore_df
ip_sk_use_pmtu ip_skb_dst_mtu ipv4_of kmalloc_size ksoftirqd_running ksoftirqd_should_run linux_error
msi_message napi_complete napi_gro_complete napi_gro_flush napi_schedule neigh_output neigh_xmit
net_rps_action_and_irq_enable netdev_tx_completed_queue netdev_tx_reset_queue netdev_tx_sent_queue
netif_receive_skb_internal netif_schedule_queue_inline note_interrupt own_in_flight page_frag_truesize
pskb_may_pull raise_softirq_irqoff register_netdev rt_set_nexthop skb_allocator skb_clone_observer slab_truesize
skb_condense skb_data_align skb_end skb_move_tokens skb_truesize skb_with_overhead smpboot_thread_fn
sock_deadline sock_wfree_inline this_cpu udp_lib_checksum_complete wakeup_softirqd
""".split()
)


ROOTS = frozenset(
    """
__common_interrupt sysvec_apic_timer_interrupt sysvec_call_function_single irq_exit_rcu run_ksoftirqd do_softirq
napi_threaded_poll
""".split()
)


class TraceFilter:
    """Which code objects are shown; remembers its verdicts."""

    __slots__ = ("known", "inline")

    def __init__(self, inline: Iterable[str] = ()) -> None:
        self.known: dict[CodeType, str] = {}
        self.inline = INLINE.union(inline)

    def name(self, code: CodeType) -> str:
        """The name to show, or "" for what stays invisible."""
        n = self.known.get(code)
        if n is None:
            n = self._judge(code)
            self.known[code] = n
        return n

    def _judge(self, code: CodeType) -> str:
        name = code.co_name
        if "." in code.co_qualname or name.startswith("<") or name in self.inline:
            return ""
        if name.startswith("_") and not name.startswith("__"):
            return ""
        path = code.co_filename.replace("\\", "/")
        return name if any(room in path for room in ROOMS) else ""


class FunctionTrace:
    """`with FunctionTrace() as trace: machine.run()`; then `trace.lines` are (depth, name)."""

    def __init__(self, inline: Iterable[str] = ()) -> None:
        self.filter = TraceFilter(inline)
        self.lines: list[tuple[int, str]] = []
        self.stacks: dict[Any, list[FrameType]] = {}
        self._saved: Any = None

    def _hook(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            name = self.filter.name(frame.f_code)
            if name:
                g = getcurrent()
                stack = self.stacks.get(g)
                if stack is None:
                    stack = self.stacks[g] = []
                if stack or self.is_root(name):
                    self.lines.append((len(stack), name))
                    stack.append(frame)
        elif event == "return":
            stack = self.stacks.get(getcurrent())
            if stack and stack[-1] is frame:
                stack.pop()

    def is_root(self, name: str) -> bool:
        """Where a tree may begin: interrupts, softirqs in threads, system calls.

        What was entered before the trace was switched on has no beginning and stays out.
        """
        return name in ROOTS or name.startswith("__x64_sys_")

    def __enter__(self) -> FunctionTrace:
        self._saved = sys.getprofile()
        sys.setprofile(self._hook)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(self._saved)

    def text(self) -> str:
        """The form of the golden records."""
        return "".join("  " * d + n + "\n" for d, n in self.lines)
