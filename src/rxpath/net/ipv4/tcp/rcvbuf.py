"""The receive side's memory and window: how much to offer, growth, autotuning, pruning and collapsing.

Facts: net/ipv4/tcp_input.c tcp_grow_window, tcp_rcv_space_adjust, tcp_prune_queue, tcp_collapse; tcp_output.c
__tcp_select_window (3.13, 5.15, 6.1; the rules marked 6.18 as recorded on 6.18).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from rxpath.kernel.mm import SKB_OVERHEAD
from rxpath.net.core.skbuff import SkBuff, consume_skb, kfree_skb_reason, skb_move_tokens, slab_truesize
from rxpath.net.core.sock import SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK, sk_rmem_schedule, skb_set_owner_r, sock_rfree
from rxpath.net.ipv4.tcp.rbtree import RbNode
from rxpath.net.ipv4.tcp.seq import M32, after, before
from rxpath.net.ipv4.tcp.sites import SITE_COLLAPSED, SITE_OFO_PRUNE
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_NOMEM,
    ICSK_ACK_PUSHED,
    ICSK_ACK_PUSHED2,
    MAX_TCP_WINDOW,
    TCP_INIT_CWND,
    TCP_MAX_WSCALE,
    TCP_MIN_MSS,
    TCP_MSS_DEFAULT,
    TcpCb,
    TcpSock,
    TcpState,
    tcb,
)
from rxpath.wire.tcp import TCPHDR_FIN, TCPHDR_PSH, TCPHDR_SYN

SKB_MAX_ORDER0: Final = 4096 - 320


def drop_charged(sk: TcpSock, skb: SkBuff) -> None:
    """skb_orphan of a queued segment: its memory goes back."""
    if skb.sk is sk:
        skb.sk = None
        sock_rfree(sk, skb.truesize)


def tcp_under_memory_pressure(sk: TcpSock) -> bool:
    return sk.prot.memory_pressure


def tcp_win_from_space(sk: TcpSock, space: int) -> int:
    if sk.v.scaling_ratio:
        return space * sk.scaling_ratio >> 8
    scale = sk.ts.tcp_adv_win_scale
    return space >> -scale if scale <= 0 else space - (space >> scale)


def tcp_space_from_win(sk: TcpSock, win: int) -> int:
    if sk.v.scaling_ratio:
        return (win << 8) // sk.scaling_ratio
    return win << 1


def tcp_space(sk: TcpSock) -> int:
    return tcp_win_from_space(sk, sk.rcvbuf - sk.backlog_len - sk.rmem_alloc)


def tcp_full_space(sk: TcpSock) -> int:
    return tcp_win_from_space(sk, sk.rcvbuf)


def tcp_receive_window(sk: TcpSock) -> int:
    """What is left of the window that was offered last."""
    w = (sk.rcv_wup + sk.rcv_wnd - sk.rcv_nxt) & M32
    return 0 if w & 0x80000000 else w


def tcp_select_initial_window(
    ts: TcpState, space: int, mss: int, window_clamp: int, wscale_ok: bool, init_rcv_wnd: int
) -> tuple[int, int, int]:
    """(first window, clamp, window scale)."""
    if window_clamp == 0:
        window_clamp = 65535 << TCP_MAX_WSCALE
    space = min(window_clamp, max(space, 0))
    if space > mss:
        space -= space % mss
    if ts.tcp_workaround_signed_windows:
        wnd = min(space, MAX_TCP_WINDOW)
    else:
        wnd = space if ts.v.initial_window_whole else min(space, 65535)
    scale = 0
    if wscale_ok:
        space = max(0 if ts.v.init_rcv_wnd_segments else space, ts.tcp_rmem[2], ts.ipv4.net.rmem_max)
        space = min(space, window_clamp)
        scale = min(max(space.bit_length() - 16, 0), TCP_MAX_WSCALE)
    if init_rcv_wnd and not ts.v.init_rcv_wnd_segments:
        wnd = min(wnd, init_rcv_wnd * mss)
    elif init_rcv_wnd and mss > 1 << scale:
        wnd = min(wnd, (init_rcv_wnd if mss <= 1460 else max(1460 * init_rcv_wnd // mss, 2)) * mss)
    return wnd, min(65535 << scale, window_clamp), scale


def tcp_adjust_rcv_ssthresh(sk: TcpSock) -> None:
    sk.rcv_ssthresh = min(sk.rcv_ssthresh, 4 * sk.advmss)


def __tcp_select_window(sk: TcpSock) -> int:
    """The window that could be offered now."""
    mss = sk.rcv_mss
    free = tcp_space(sk)
    allowed = tcp_full_space(sk)
    full = min(sk.window_clamp, allowed)
    scale = sk.rx_opt.rcv_wscale
    if mss > full:
        mss = full
        if mss <= 0:
            return 0
    unit = 1 << scale
    if sk.ts.tcp_shrink_window and scale:
        free = free & -unit
        if free < full >> 1:
            sk.ack_quick = 0
            if tcp_under_memory_pressure(sk):
                tcp_adjust_rcv_ssthresh(sk)
            if free < allowed >> 4 or free < mss or free < unit:
                return 0
        if free > sk.rcv_ssthresh:
            free = (sk.rcv_ssthresh + unit - 1) & -unit
        return free
    if free < full >> 1:
        sk.ack_quick = 0
        if tcp_under_memory_pressure(sk):
            tcp_adjust_rcv_ssthresh(sk)
        if not sk.v.window_sixteenth:
            if free < mss:
                return 0
        else:
            free &= -unit
            if free < allowed >> 4 or free < mss:
                return 0
    if free > sk.rcv_ssthresh:
        free = sk.rcv_ssthresh
    if scale:
        return (free + unit - 1) & -unit
    window = sk.rcv_wnd
    if window <= free - mss or window > free:
        window = free - free % mss if mss else free
    elif mss == full and free > window + (full >> 1):
        window = free
    return window


def tcp_select_window(sk: TcpSock) -> int:
    """The window field of the next segment: never takes back what was offered.  (Inline in Linux.)"""
    ext = sk.ts.ipv4.tcpext
    old = sk.rcv_wnd
    if sk.ack_pending & ICSK_ACK_NOMEM:
        sk.pred_flags = 0
        sk.rcv_wnd = 0
        sk.rcv_wup = sk.rcv_nxt
        return 0
    cur = tcp_receive_window(sk)
    new = __tcp_select_window(sk)
    scale = sk.rx_opt.rcv_wscale
    if new < cur and not (sk.ts.tcp_shrink_window and scale):
        if new == 0:
            ext["TCPWantZeroWindowAdv"] += 1
        unit = 1 << scale
        new = (cur + unit - 1) & -unit
    sk.rcv_wnd = new
    sk.rcv_wup = sk.rcv_nxt
    if not scale and sk.ts.tcp_workaround_signed_windows:
        new = min(new, MAX_TCP_WINDOW)
    else:
        new = min(new, 65535 << scale)
    new >>= scale
    if new == 0:
        sk.pred_flags = 0
        if old:
            ext["TCPToZeroWindowAdv"] += 1
    elif old == 0:
        ext["TCPFromZeroWindowAdv"] += 1
    return new


# --- growth ---------------------------------------------------------------------------------------


def tcp_measure_rcv_mss(sk: TcpSock, skb: SkBuff) -> None:
    """Guess the peer's segment size; small segments mark the end of a push.  6.6: and measure what a byte costs."""
    lss = sk.last_seg_size
    sk.last_seg_size = 0
    n = skb.gso_size or skb.len
    c = tcb(skb)
    if n >= sk.rcv_mss:
        if n != sk.rcv_mss and sk.v.scaling_ratio:
            old = sk.scaling_ratio
            sk.scaling_ratio = max(min((skb.len << 8) // skb.truesize, 255), 1)
            if old != sk.scaling_ratio:
                tcp_set_window_clamp(sk, tcp_win_from_space(sk, sk.rcvbuf))
                if sk.window_clamp < sk.rcvq_space:
                    sk.rcvq_space = sk.window_clamp
        if not sk.v.rcv_mss_capped:
            sk.rcv_mss = n
            return
        sk.rcv_mss = min(n, sk.advmss)
        if c.flags & TCPHDR_PSH:
            sk.ack_pending |= ICSK_ACK_PUSHED
        return
    n += c.doff
    if n >= TCP_MSS_DEFAULT + 20 or (n >= TCP_MIN_MSS + 20 and not c.flags & 0x2F):
        n -= sk.header_len
        sk.last_seg_size = n
        if n == lss:
            sk.rcv_mss = n
            return
    if sk.ack_pending & ICSK_ACK_PUSHED:
        sk.ack_pending |= ICSK_ACK_PUSHED2
    sk.ack_pending |= ICSK_ACK_PUSHED


def tcp_set_window_clamp(sk: TcpSock, val: int) -> None:
    """Raises nothing here; TCP_WINDOW_CLAMP checks first."""
    old = sk.window_clamp
    new = max(SOCK_MIN_WIN, val)
    if new == old:
        return
    sk.window_clamp = new
    if new < old:
        sk.rcv_ssthresh = min(sk.rcv_ssthresh, new)
    else:
        sk.rcv_ssthresh = max(min(sk.rcv_wnd, new), sk.rcv_ssthresh)


SOCK_MIN_WIN: Final = 1152  # half of SOCK_MIN_RCVBUF


def __tcp_grow_window(sk: TcpSock, skb: SkBuff, skbtruesize: int) -> int:
    truesize = tcp_win_from_space(sk, skbtruesize) >> 1
    window = tcp_win_from_space(sk, sk.ts.tcp_rmem[2]) >> 1
    while sk.rcv_ssthresh <= window:
        if truesize <= skb.len:
            return 2 * sk.rcv_mss
        truesize >>= 1
        window >>= 1
    return 0


def tcp_grow_window(sk: TcpSock, skb: SkBuff, adjust: bool) -> None:
    """A good segment raises what we dare to offer.  `adjust`: a segment whose payload is in pages alone may be
    joined to another one, and its head does not count (not in 3.13).
    """
    space = tcp_space(sk)
    room = min(sk.window_clamp, space) - sk.rcv_ssthresh
    if room <= 0:
        return
    if tcp_under_memory_pressure(sk):
        if sk.v.pressure_shrinks:
            tcp_adjust_rcv_ssthresh(sk)
        return
    truesize = skb.truesize
    if adjust and sk.v.grow_adjusts and not skb.linear_len():
        truesize -= skb.head_size + SKB_OVERHEAD
        if truesize < skb.len:
            truesize = skb.truesize
    if tcp_win_from_space(sk, truesize) <= skb.len:
        incr = 2 * sk.advmss
    else:
        incr = __tcp_grow_window(sk, skb, truesize)
    if incr:
        incr = max(incr, 2 * skb.len)
        if not sk.v.grow_obeys_space:
            room = sk.window_clamp - sk.rcv_ssthresh
        sk.rcv_ssthresh += min(room, incr)
        sk.ack_quick |= 1


def tcp_sndbuf_expand(sk: TcpSock) -> None:
    """Room for twice the congestion window."""
    nr = max(TCP_INIT_CWND, sk.snd_cwnd, sk.reordering + 1)
    per = max(sk.rx_opt.mss_clamp, sk.mss_cache) + sk.v.max_tcp_header + 320
    per = 1 << (per - 1).bit_length()
    per += 256
    sndmem = 2 * nr * per
    if sk.sndbuf < sndmem:
        sk.sndbuf = min(sndmem, sk.ts.tcp_wmem[2])


def tcp_fixup_rcvbuf(sk: TcpSock) -> None:
    """Until 4.19: a buffer for twice the first window, in slow start."""
    mss = sk.advmss
    segments = 2 * TCP_INIT_CWND
    if mss > 1460:
        segments = max(1460 * segments // mss, 2)
    rcvmem = 2 * (mss + sk.v.max_tcp_header + SKB_OVERHEAD) * segments
    if sk.ts.tcp_moderate_rcvbuf:
        rcvmem <<= 2
    if sk.rcvbuf < rcvmem:
        sk.rcvbuf = min(rcvmem, sk.ts.tcp_rmem[2])


def tcp_init_buffer_space(sk: TcpSock) -> None:
    """When a connection is made: clamp, ssthresh, autotuning's start."""
    if sk.v.fixup_rcvbuf and not sk.userlocks & SOCK_RCVBUF_LOCK:
        tcp_fixup_rcvbuf(sk)
    if not sk.userlocks & SOCK_SNDBUF_LOCK:
        tcp_sndbuf_expand(sk)
    sk.mstamp_us = sk.ts.ipv4.kernel.engine.now // 1000
    sk.rcvq_time = sk.rcv_clock()
    sk.rcvq_seq = sk.copied_seq
    maxwin = tcp_full_space(sk)
    app = sk.ts.tcp_app_win
    if sk.window_clamp >= maxwin:
        sk.window_clamp = maxwin
        if app and maxwin > 4 * sk.advmss:
            sk.window_clamp = max(maxwin - (maxwin >> app), 4 * sk.advmss)
    if app and sk.window_clamp > 2 * sk.advmss and sk.window_clamp + sk.advmss > maxwin:
        sk.window_clamp = max(2 * sk.advmss, maxwin - sk.advmss)
    sk.rcv_ssthresh = min(sk.rcv_ssthresh, sk.window_clamp)
    sk.snd_cwnd_stamp = sk.ts.ipv4.kernel.jiffies()
    if sk.v.fixup_rcvbuf:
        sk.rcvq_space = sk.rcv_wnd
    else:
        sk.rcvq_space = min(sk.rcv_ssthresh, sk.rcv_wnd, TCP_INIT_CWND * sk.advmss)


def tcp_initialize_rcv_mss(sk: TcpSock) -> None:
    hint = min(sk.advmss, sk.mss_cache)
    hint = min(hint, sk.rcv_wnd // 2, TCP_MSS_DEFAULT)
    sk.rcv_mss = max(hint, TCP_MIN_MSS)


# --- receiver's round trip and autotuning ---------------------------------------------------------


def tcp_rcv_rtt_update(sk: TcpSock, sample: int, win_dep: bool) -> None:
    """`sample` in us; kept times 8.  The least one counts; 6.16: larger ones only while all is read."""
    new = sk.rcv_rtt_us
    if sk.v.rtt_by_least:
        m = sample << 3
        if not new or m < new:
            sk.rcv_rtt_us = m
        elif not win_dep and (sk.rcv_nxt == sk.copied_seq or sk.v.rcvbuf_grow != "v6_18"):
            sk.rcv_rtt_us = new - (new >> 3) + sample
        return
    m = sample or (sk.ts.stamp_us if sk.v.stamps_in_jiffies else 1)
    if new:
        if not win_dep:
            new += m - (new >> 3)
        else:
            m <<= 3
            if m < new:
                new = m
    else:
        new = m << 3
    sk.rcv_rtt_us = new


def tcp_rcv_rtt_measure(sk: TcpSock) -> None:
    """Without time stamps: how long a window takes."""
    if sk.rcv_rtt_time:
        if before(sk.rcv_nxt, sk.rcv_rtt_seq):
            return
        delta = sk.rcv_clock() - sk.rcv_rtt_time or 1
        tcp_rcv_rtt_update(sk, delta, True)
    sk.rcv_rtt_seq = (sk.rcv_nxt + sk.rcv_wnd) & M32
    sk.rcv_rtt_time = sk.rcv_clock()


def tcp_rcv_rtt_measure_ts(sk: TcpSock, skb: SkBuff) -> None:
    """With time stamps: from the echo in full segments."""
    opt = sk.rx_opt
    if sk.v.stamps_in_jiffies:
        if not opt.rcv_tsecr:
            return
    elif opt.rcv_tsecr == sk.rcv_rtt_last_tsecr:
        return
    sk.rcv_rtt_last_tsecr = opt.rcv_tsecr
    c = tcb(skb)
    if (c.end_seq - c.seq) & M32 >= sk.rcv_mss:
        delta = (sk.ts.clock(sk.mstamp_us) - opt.rcv_tsecr) & M32
        if delta < 0x7FFFFFFF // 1000 and (delta or sk.v.rcvbuf_grow != "v6_18"):
            tcp_rcv_rtt_update(sk, max(delta, 1) * sk.ts.stamp_us, False)


def tcp_rcvbuf_grow(sk: TcpSock, newval: int) -> None:
    """6.18: the buffer follows the measured window."""
    old = sk.rcvq_space
    sk.rcvq_space = newval
    if not sk.ts.tcp_moderate_rcvbuf or sk.userlocks & SOCK_RCVBUF_LOCK:
        return
    rcvwin = newval << 1
    grow = rcvwin * (newval - old) // max(old, 1)
    rcvwin += grow << 1
    if sk.ofo:
        rcvwin += (tcb(sk.ofo[-1]).end_seq - sk.rcv_nxt) & M32
    rcvbuf = min(tcp_space_from_win(sk, rcvwin), sk.ts.tcp_rmem[2])
    if rcvbuf > sk.rcvbuf:
        sk.rcvbuf = rcvbuf
        sk.window_clamp = tcp_win_from_space(sk, rcvbuf)


def tcp_rcv_space_adjust(sk: TcpSock) -> None:
    """Dynamic right-sizing, at every copy to the reader."""
    tp = sk.net.kernel.trace.tcp_rcv_space_adjust
    if tp.on:
        tp.fire(sk)
    sk.mstamp_us = sk.ts.ipv4.kernel.engine.now // 1000
    now = sk.rcv_clock()
    # both times have a floor of 1 us (reading takes some), used up by one measurement
    floor = 0 if sk.v.stamps_in_jiffies else 1
    if (now - sk.rcvq_time or floor) < sk.rcv_rtt_us >> 3 or sk.rcv_rtt_us == 0:
        return
    copied = (sk.copied_seq - sk.rcvq_seq) & M32
    if sk.v.rcvbuf_grow == "v6_18":
        # what still waits in the queue does not count as read at the sender's pace
        copied -= (sk.rcv_nxt - sk.copied_seq) & M32
    space = sk.rcvq_space
    if copied > space:
        kind = sk.v.rcvbuf_grow
        if kind == "v6_18":
            tcp_rcvbuf_grow(sk, copied)
        else:
            if sk.ts.tcp_moderate_rcvbuf and not sk.userlocks & SOCK_RCVBUF_LOCK:
                rcvwin = (copied << 1) + 16 * sk.advmss
                if kind == "v5_15":
                    rcvwin += (rcvwin * (copied - space) // max(space, 1)) << 1
                elif copied >= space + (space >> 2):
                    if copied >= space + (space >> 1):
                        rcvwin <<= 1
                    else:
                        rcvwin += rcvwin >> 1
                rcvmem = sk.advmss + sk.v.max_tcp_header + SKB_OVERHEAD
                while tcp_win_from_space(sk, rcvmem) < sk.advmss:
                    rcvmem += 128
                rcvbuf = min(rcvwin // sk.advmss * rcvmem, sk.ts.tcp_rmem[2])
                if rcvbuf > sk.rcvbuf:
                    sk.rcvbuf = rcvbuf
                    sk.window_clamp = tcp_win_from_space(sk, rcvbuf) if kind == "v5_15" else rcvwin
            sk.rcvq_space = copied
    sk.rcvq_seq = sk.copied_seq
    sk.rcvq_time = now + floor


# --- pruning --------------------------------------------------------------------------------------


def tcp_clamp_window(sk: TcpSock) -> None:
    sk.ack_quick = 0
    rmem2 = sk.ts.tcp_rmem[2]
    if (
        sk.rcvbuf < rmem2
        and not sk.userlocks & SOCK_RCVBUF_LOCK
        and not tcp_under_memory_pressure(sk)
        and sk.prot.memory_allocated < sk.prot.mem[0]
    ):
        sk.rcvbuf = min(sk.rmem_alloc, rmem2)
    if sk.rmem_alloc > sk.rcvbuf:
        sk.rcv_ssthresh = min(sk.window_clamp, 2 * sk.advmss)


def tcp_can_ingest(sk: TcpSock, skb: SkBuff) -> bool:
    """Whether the buffer's limit lets this segment in.  (Inline in Linux.)"""
    return sk.rmem_alloc <= sk.rcvbuf


def tcp_try_rmem_schedule(sk: TcpSock, skb: SkBuff, size: int) -> bool:
    """Memory for a segment; False after pruning did not help."""
    if not tcp_can_ingest(sk, skb) or not sk_rmem_schedule(sk, size):
        if not tcp_prune_queue(sk, skb):
            return False
        while not sk_rmem_schedule(sk, size):
            if not tcp_prune_ofo_queue(sk, skb):
                return False
    return True


def sk_forced_mem_schedule(sk: TcpSock, size: int) -> None:
    """Take the memory whatever the pool says."""
    delta = size - sk.forward_alloc
    if delta <= 0:
        return
    amt = (delta + 4095) >> 12
    sk.forward_alloc += amt << 12
    sk.prot.memory_allocated += amt


def tcp_prune_queue(sk: TcpSock, in_skb: SkBuff) -> bool:
    """The buffer is over its limit: clamp, collapse, at last drop out-of-order data.  False: drop the segment."""
    ext = sk.ts.ipv4.tcpext
    new = sk.v.can_ingest
    if new and not sk.rmem_alloc:
        return False
    ext["PruneCalled"] += 1
    if (not tcp_can_ingest(sk, in_skb)) if new else sk.rmem_alloc >= sk.rcvbuf:
        tcp_clamp_window(sk)
    elif tcp_under_memory_pressure(sk):
        tcp_adjust_rcv_ssthresh(sk)
    if not sk.v.collapse_always and tcp_can_ingest(sk, in_skb):
        return True
    tcp_collapse_ofo_queue(sk)
    if sk.receive_queue:
        sk.receive_queue = deque(tcp_collapse(sk, list(sk.receive_queue), sk.copied_seq, sk.rcv_nxt))
    if tcp_can_ingest(sk, in_skb):
        return True
    tcp_prune_ofo_queue(sk, in_skb)
    if tcp_can_ingest(sk, in_skb):
        return True
    ext["RcvPruned"] += 1
    sk.pred_flags = 0
    return False


def tcp_prune_ofo_queue(sk: TcpSock, in_skb: SkBuff) -> bool:
    """Drop out-of-order data from the highest sequence on, an eighth of the buffer at a time (until 4.8: all)."""
    if not sk.ofo:
        return False
    if not sk.v.ofo_tree:
        while sk.ofo:
            skb = sk.ofo.pop(0)
            drop_charged(sk, skb)
            kfree_skb_reason(skb, SITE_OFO_PRUNE)
        sk.ts.ipv4.tcpext["OfoPruned"] += 1
        if sk.rx_opt.sack_ok:
            sk.selective_acks.clear()
            sk.rx_opt.dsack = False
        return True
    goal = sk.rcvbuf >> 3
    seq = tcb(in_skb).seq
    pruned = False
    while sk.ofo:
        skb = sk.ofo[-1]
        if sk.v.prune_keeps_older and after(seq, tcb(skb).seq):
            break
        pruned = True
        sk.ofo.pop()
        ofo_erase(sk, skb)
        goal -= skb.truesize
        drop_charged(sk, skb)
        sk.drops += max(1, skb.gso_segs)
        kfree_skb_reason(skb, SITE_OFO_PRUNE)
        if not sk.ofo or goal <= 0:
            if tcp_can_ingest(sk, in_skb) and not tcp_under_memory_pressure(sk):
                break
            goal = sk.rcvbuf >> 3
    if pruned:
        sk.ts.ipv4.tcpext["OfoPruned"] += 1
        if sk.rx_opt.sack_ok:
            sk.selective_acks.clear()
            sk.rx_opt.dsack = False
    return pruned


def ofo_erase(sk: TcpSock, skb: SkBuff) -> None:
    """rb_erase of an out-of-order segment."""
    c = tcb(skb)
    if c.rbnode is not None:
        sk.ofo_root.erase(c.rbnode)
        c.rbnode = None


def tcp_rbtree_insert(sk: TcpSock, skb: SkBuff) -> None:
    c = tcb(skb)
    node = sk.ofo_root.root
    parent: RbNode | None = None
    right = False
    while node is not None:
        parent = node
        right = not before(c.seq, tcb(node.skb).seq)
        node = node.right if right else node.left
    c.rbnode = RbNode(skb)
    sk.ofo_root.insert(c.rbnode, parent, right)


def tcp_collapse_one(sk: TcpSock, skb: SkBuff) -> None:
    drop_charged(sk, skb)
    consume_skb(skb, SITE_COLLAPSED)
    sk.ts.ipv4.tcpext["TCPRcvCollapsed"] += 1


def tcp_collapse(sk: TcpSock, items: list[SkBuff], start: int, end: int) -> list[SkBuff]:
    """Copy wasteful segments of a run into full pages; returns the run as it is then."""
    i = 0
    n = len(items)
    out: list[SkBuff] = []
    found = False
    while i < n:
        skb = items[i]
        c = tcb(skb)
        if not before(start, c.end_seq):
            if i + 1 < n:
                skb_move_tokens(items[i + 1], skb)
            tcp_collapse_one(sk, skb)
            i += 1
            continue
        if not c.flags & (TCPHDR_SYN | TCPHDR_FIN) and (
            tcp_win_from_space(sk, skb.truesize) > skb.len or before(c.seq, start)
        ):
            found = True
            break
        if i + 1 < n and c.end_seq != tcb(items[i + 1]).seq:
            found = True
            break
        start = c.end_seq
        out.append(skb)
        i += 1
    if not found or tcb(items[i]).flags & (TCPHDR_SYN | TCPHDR_FIN):
        return out + items[i:]
    while before(start, end) and i < n:
        copy = min(SKB_MAX_ORDER0, (end - start) & M32)
        c = tcb(items[i])
        nskb = SkBuff(sk.net, b"", slab_truesize(sk.net, copy))
        nc = TcpCb()
        nc.seq = nc.end_seq = start
        nc.collapsed = True
        nc.flags = c.flags
        nskb.cb = nc
        nskb.protocol = items[i].protocol
        nskb.arrived_ns = items[i].arrived_ns
        nskb.tstamp = items[i].tstamp
        skb_set_owner_r(nskb, sk)
        parts: list[bytes] = []
        stop = False
        while copy > 0:
            skb = items[i]
            c = tcb(skb)
            off = (start - c.seq) & M32
            size = (c.end_seq - start) & M32
            if size & 0x80000000:
                size = 0
            if size > 0:
                size = min(copy, size)
                parts.append(skb.tobytes()[off : off + size])
                copy -= size
                start = (start + size) & M32
            if not before(start, c.end_seq):
                skb_move_tokens(nskb, skb)
                tcp_collapse_one(sk, skb)
                i += 1
                if i >= n or tcb(items[i]).flags & (TCPHDR_SYN | TCPHDR_FIN):
                    stop = True
                    break
        data = b"".join(parts)
        nskb.head = data
        nskb.tail = nskb.len = len(data)
        nc.end_seq = (nc.seq + len(data)) & M32
        out.append(nskb)
        if stop:
            break
    return out + items[i:]


def tcp_collapse_ofo_queue(sk: TcpSock) -> None:
    """Collapse the out-of-order queue range by range."""
    q = sk.ofo
    out: list[SkBuff] = []
    i = 0
    tiny = 0
    while i < len(q):
        c = tcb(q[i])
        start, end = c.seq, c.end_seq
        size = q[i].truesize
        j = i + 1
        while j < len(q):
            cj = tcb(q[j])
            if after(cj.seq, end) or before(cj.end_seq, start):
                break
            size += q[j].truesize
            if before(cj.seq, start):
                start = cj.seq
            if after(cj.end_seq, end):
                end = cj.end_seq
            j += 1
        if sk.v.collapse_always or size != q[i].truesize or (end - start) & M32 >= SKB_MAX_ORDER0:
            was = q[i:j]
            now = tcp_collapse(sk, was, start, end)
            if sk.v.ofo_tree:
                for skb in was:
                    if skb not in now:
                        ofo_erase(sk, skb)
                for skb in now:
                    if tcb(skb).rbnode is None:
                        tcp_rbtree_insert(sk, skb)
            out += now
        else:
            out += q[i:j]
            tiny += size
            if tiny > sk.rcvbuf >> 3:
                out += q[j:]
                break
        i = j
    sk.ofo = out
