"""Incoming data: in order, out of order, again; what is reported (SACK, D-SACK) and when it is acknowledged.

Facts: net/ipv4/tcp_input.c tcp_data_queue, tcp_data_queue_ofo, tcp_ofo_queue, tcp_event_data_recv,
__tcp_ack_snd_check (5.15, 6.1; 6.18 as recorded); net/core/skbuff.c skb_try_coalesce.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.mm import NET_SKB_PAD
from rxpath.net.core.skbuff import (
    MAX_SKB_FRAGS,
    SkBuff,
    consume_skb,
    kfree_skb_reason,
    skb_cloned,
    skb_condense,
    skb_move_tokens,
)
from rxpath.net.core.sock import (
    RCV_SHUTDOWN,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_SYN_RECV,
    TCP_TIME_WAIT,
    skb_set_owner_r,
    sock_def_readable,
    sock_def_wakeup,
)
from rxpath.net.ipv4.route import dst_metric
from rxpath.net.ipv4.tcp.accecn import TCP_ACCECN_CEP_INIT_OFFSET
from rxpath.net.ipv4.tcp.output import ato_min, in_pingpong, jiffies, tcp_send_ack
from rxpath.net.ipv4.tcp.prequeue import Ucopy
from rxpath.net.ipv4.tcp.rbtree import RbNode
from rxpath.net.ipv4.tcp.rcvbuf import (
    __tcp_select_window,
    drop_charged,
    ofo_erase,
    sk_forced_mem_schedule,
    tcp_grow_window,
    tcp_measure_rcv_mss,
    tcp_rcv_rtt_measure,
    tcp_rcvbuf_grow,
    tcp_receive_window,
    tcp_try_rmem_schedule,
)
from rxpath.net.ipv4.tcp.seq import M32, after, before
from rxpath.net.ipv4.tcp.sites import (
    SITE_ACK,
    SITE_FIN_PURGE,
    SITE_OFO_DROP,
    SITE_OFO_DUP,
    SITE_OFO_MERGE,
    SITE_OLD_DATA,
    SITE_OVERWINDOW,
    SITE_PROTO_MEM,
    SITE_ZEROWINDOW,
)
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_NOMEM,
    ICSK_ACK_NOW,
    ICSK_ACK_PUSHED,
    ICSK_ACK_SCHED,
    ICSK_ACK_TIMER,
    TCP_ECN_DEMAND_CWR,
    TCP_ECN_MODE_ACCECN,
    TCP_ECN_MODE_ANY,
    TCP_ECN_MODE_RFC3168,
    TCP_ECN_SEEN,
    TCP_MAX_QUICKACKS,
    TCP_NUM_SACKS,
    TcpSock,
    tcb,
)
from rxpath.sim.ledger import Site
from rxpath.wire.tcp import TCPHDR_FIN

TCP_FASTRETRANS_THRESH: Final = 3
TCP_SACK_BLOCKS_EXPECTED: Final = 2


def tcp_drop_reason(sk: TcpSock, skb: SkBuff, site: Site) -> None:
    """A segment with data ends unused: counted at the socket (4.7)."""
    if sk.v.drops_counted:
        sk.drops += max(1, skb.gso_segs)
    kfree_skb_reason(skb, site)


# --- acknowledgement policy -----------------------------------------------------------------------


def inet_csk_schedule_ack(sk: TcpSock) -> None:
    sk.ack_pending |= ICSK_ACK_SCHED


def tcp_incr_quickack(sk: TcpSock, max_quickacks: int) -> None:
    n = sk.rcv_wnd // (2 * sk.rcv_mss) if sk.rcv_mss else 0
    n = min(n or 2, max_quickacks)
    if n > sk.ack_quick:
        sk.ack_quick = n


def tcp_enter_quickack_mode(sk: TcpSock, max_quickacks: int) -> None:
    tcp_incr_quickack(sk, max_quickacks)
    sk.pingpong = 0
    sk.ato = ato_min(sk)


def tcp_in_quickack_mode(sk: TcpSock) -> bool:
    return (bool(sk.ack_quick) and not in_pingpong(sk)) or bool(dst_metric(sk.dst, "quickack"))


def inet_csk_enter_pingpong_mode(sk: TcpSock) -> None:
    sk.pingpong = sk.ts.tcp_pingpong_thresh


def tcp_send_delayed_ack(sk: TcpSock) -> None:
    k = sk.ts.ipv4.kernel
    ato = sk.ato
    amin = ato_min(sk)
    if ato > amin:
        max_ato = k.hz // 2
        if in_pingpong(sk) or sk.ack_pending & ICSK_ACK_PUSHED:
            max_ato = max(k.hz // 5, 1)
        if sk.srtt_us:
            rtt = max(k.usecs_to_jiffies(sk.srtt_us >> 3), amin)
            max_ato = min(rtt, max_ato)
        ato = min(ato, max_ato)
    ato = min(ato, sk.delack_max)
    if sk.v.delack_rto_min:  # tcp_delack_max
        ato = min(ato, max(sk.rto_min, 2) - 1)
    now = k.jiffies()
    timeout = now + ato
    if sk.ack_pending & ICSK_ACK_TIMER:
        if sk.ack_blocked or sk.ack_timeout <= now + (ato >> 2):
            tcp_send_ack(sk)
            return
        if timeout >= sk.ack_timeout:
            timeout = sk.ack_timeout
    sk.ack_pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER
    sk.ack_timeout = timeout
    sk.delack_timer.mod_timer(timeout)


def __tcp_ack_snd_check(sk: TcpSock, ofo_possible: bool) -> None:
    """Now, compressed, or later."""
    if (
        (
            (sk.rcv_nxt - sk.rcv_wup) & M32 > sk.rcv_mss
            and (
                (sk.v.data_ready_checks and (sk.rcv_nxt - sk.copied_seq) & M32 < sk.rcvlowat)
                or __tcp_select_window(sk) >= sk.rcv_wnd
            )
        )
        or tcp_in_quickack_mode(sk)
        or sk.ack_pending & ICSK_ACK_NOW
    ):
        tcp_send_ack(sk)
        return
    if not ofo_possible or not sk.ofo:
        tcp_send_delayed_ack(sk)
        return
    if not sk.v.ack_compress or not sk.rx_opt.sack_ok or sk.compressed_ack >= sk.ts.tcp_comp_sack_nr:
        tcp_send_ack(sk)
        return
    if sk.compressed_ack_rcv_nxt != sk.rcv_nxt:
        sk.compressed_ack_rcv_nxt = sk.rcv_nxt
        sk.dup_ack_counter = 0
    if sk.dup_ack_counter < TCP_FASTRETRANS_THRESH:
        sk.dup_ack_counter += 1
        tcp_send_ack(sk)
        return
    rtt = sk.rcv_rtt_us
    if sk.srtt_us and sk.srtt_us < rtt:
        rtt = sk.srtt_us
    delay = min(sk.ts.tcp_comp_sack_delay_ns, rtt * 125 // 20)
    sk.compressed_ack += 1
    if sk.compressed_timer.queued:
        return
    sk.compressed_timer.start(delay + sk.ts.tcp_comp_sack_slack_ns)


def tcp_ack_snd_check(sk: TcpSock) -> None:
    if not sk.ack_pending & ICSK_ACK_SCHED:
        return
    __tcp_ack_snd_check(sk, True)


def tcp_data_ecn_check(sk: TcpSock, skb: SkBuff) -> None:
    if sk.ecn_flags & TCP_ECN_MODE_ANY != TCP_ECN_MODE_RFC3168:
        return
    ect = tcb(skb).dsfield & 3
    if ect == 0:
        if sk.ecn_flags & TCP_ECN_SEEN:
            tcp_enter_quickack_mode(sk, sk.v.ecn_quickacks)
    elif ect == 3:
        if not sk.ecn_flags & TCP_ECN_DEMAND_CWR:
            tcp_enter_quickack_mode(sk, sk.v.ecn_quickacks)
            sk.ecn_flags |= TCP_ECN_DEMAND_CWR
        sk.ecn_flags |= TCP_ECN_SEEN
    else:
        sk.ecn_flags |= TCP_ECN_SEEN


def tcp_event_data_recv(sk: TcpSock, skb: SkBuff) -> None:
    """Data was queued: segment size, receiver's RTT, delayed-ACK time, window growth."""
    inet_csk_schedule_ack(sk)
    tcp_measure_rcv_mss(sk, skb)
    tcp_rcv_rtt_measure(sk)
    now = jiffies(sk)
    amin = ato_min(sk)
    if not sk.ato:
        tcp_incr_quickack(sk, TCP_MAX_QUICKACKS)
        sk.ato = amin
    else:
        m = now - sk.lrcvtime
        if m <= amin // 2:
            sk.ato = (sk.ato >> 1) + amin // 2
        elif m < sk.ato:
            sk.ato = min((sk.ato >> 1) + m, sk.rto)
        elif m > sk.rto:
            tcp_incr_quickack(sk, TCP_MAX_QUICKACKS)
    sk.lrcvtime = now
    tcp_data_ecn_check(sk, skb)
    if skb.len >= 128:
        tcp_grow_window(sk, skb, True)


# --- SACK -----------------------------------------------------------------------------------------


def tcp_dsack_set(sk: TcpSock, seq: int, end_seq: int) -> None:
    if sk.rx_opt.sack_ok and sk.ts.tcp_dsack:
        sk.ts.ipv4.tcpext["TCPDSACKOldSent" if before(seq, sk.rcv_nxt) else "TCPDSACKOfoSent"] += 1
        sk.rx_opt.dsack = True
        sk.duplicate_sack = [(seq, end_seq)]


def _extend(b: tuple[int, int], seq: int, end_seq: int) -> tuple[int, int] | None:
    """tcp_sack_extend: the block with [seq, end_seq) joined, or None when they do not touch."""
    s, e = b
    if after(seq, e) or after(s, end_seq):
        return None
    return (seq if before(seq, s) else s, end_seq if after(end_seq, e) else e)


def tcp_dsack_extend(sk: TcpSock, seq: int, end_seq: int) -> None:
    if not sk.rx_opt.dsack:
        tcp_dsack_set(sk, seq, end_seq)
    else:
        b = _extend(sk.duplicate_sack[0], seq, end_seq)
        if b is not None:
            sk.duplicate_sack = [b]


def tcp_send_dupack(sk: TcpSock, skb: SkBuff) -> None:
    c = tcb(skb)
    if c.end_seq != c.seq and before(c.seq, sk.rcv_nxt):
        sk.ts.ipv4.tcpext["DelayedACKLost"] += 1
        tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS)
        if sk.rx_opt.sack_ok and sk.ts.tcp_dsack:
            end = sk.rcv_nxt if after(c.end_seq, sk.rcv_nxt) else c.end_seq
            tcp_dsack_set(sk, c.seq, end)
    tcp_send_ack(sk)


def tcp_sack_compress_send_ack(sk: TcpSock) -> None:
    if not sk.compressed_ack:
        return
    sk.compressed_timer.cancel()
    sk.ts.ipv4.tcpext["TCPAckCompressed"] += sk.compressed_ack - 1
    sk.compressed_ack = 0
    tcp_send_ack(sk)


def tcp_sack_new_ofo_skb(sk: TcpSock, seq: int, end_seq: int) -> None:
    """A block for new out-of-order data: newest first, joined where they touch."""
    sacks = sk.selective_acks
    for i, b in enumerate(sacks):
        joined = _extend(b, seq, end_seq)
        if joined is not None:
            if i >= TCP_SACK_BLOCKS_EXPECTED:
                tcp_sack_compress_send_ack(sk)
            del sacks[i]
            sacks.insert(0, joined)
            j = 1
            while j < len(sacks):
                more = _extend(sacks[0], *sacks[j])
                if more is not None:
                    sacks[0] = more
                    del sacks[j]
                else:
                    j += 1
            return
    if len(sacks) >= TCP_SACK_BLOCKS_EXPECTED:
        tcp_sack_compress_send_ack(sk)
    if len(sacks) >= TCP_NUM_SACKS:
        sacks.pop()
    sacks.insert(0, (seq, end_seq))


def tcp_sack_remove(sk: TcpSock) -> None:
    if not sk.ofo:
        sk.selective_acks.clear()
        return
    sk.selective_acks = [b for b in sk.selective_acks if before(sk.rcv_nxt, b[0])]


# --- queues ---------------------------------------------------------------------------------------


def skb_try_coalesce(to: SkBuff, frm: SkBuff) -> int:
    """Join the data of `frm` to `to`: the bytes that `to` is charged more, or -1 when it cannot be done."""
    if skb_cloned(to) or to.fate is not None or frm.fate is not None:
        return -1
    n = frm.len
    headroom = 0 if tcb(to).collapsed else NET_SKB_PAD
    if to.listed is None and to.frag_list is None and not to.data_len and n <= to.head_size - headroom - to.tail:
        if n:
            to.head = to.head[: to.tail] + frm.tobytes()
            to.tail += n
            to.len += n
        return 0
    if to.listed is not None or frm.listed is not None:
        return -1
    if frm.linear_len():
        if to.nr_frags + frm.nr_frags >= MAX_SKB_FRAGS or not frm.head_frag or skb_cloned(frm):
            return -1
        delta = frm.truesize - 256
        frags = frm.nr_frags + 1
    else:
        if to.nr_frags + frm.nr_frags > MAX_SKB_FRAGS:
            return -1
        delta = frm.truesize - (frm.head_size + 576)
        frags = frm.nr_frags
    part = SkBuff(frm.net, frm.head, 0)
    part.data, part.tail, part.len, part.data_len, part.frag_list = (
        frm.data,
        frm.tail,
        frm.len,
        frm.data_len,
        frm.frag_list,
    )
    if to.frag_list is None:
        to.frag_list = [part]
    else:
        to.frag_list.append(part)
    to.nr_frags += frags
    to.len += n
    to.data_len += n
    to.truesize += delta
    return delta


def tcp_try_coalesce(sk: TcpSock, to: SkBuff, frm: SkBuff) -> bool:
    """Join a segment to the one before it: its frames share the other's fate."""
    ct = tcb(to)
    cf = tcb(frm)
    if cf.seq != ct.end_seq or (cf.flags & TCPHDR_FIN and not sk.v.fin_coalesces):
        return False
    delta = skb_try_coalesce(to, frm)
    if delta < 0:
        return False
    skb_move_tokens(to, frm)
    sk.rmem_alloc += delta
    sk.forward_alloc -= delta
    sk.ts.ipv4.tcpext["TCPRcvCoalesce"] += 1
    ct.end_seq = cf.end_seq
    ct.ack_seq = cf.ack_seq
    ct.flags |= cf.flags
    return True


def tcp_rcv_nxt_update(sk: TcpSock, seq: int) -> None:
    sk.bytes_received += (seq - sk.rcv_nxt) & M32
    sk.rcv_nxt = seq


def tcp_queue_rcv(sk: TcpSock, skb: SkBuff) -> bool:
    """Append to the receive queue; True: eaten by the last one."""
    q = sk.receive_queue
    eaten = bool(q) and tcp_try_coalesce(sk, q[-1], skb)
    tcp_rcv_nxt_update(sk, tcb(skb).end_seq)
    if not eaten:
        q.append(skb)
        skb_set_owner_r(skb, sk)
        hook = sk.net.on_socket
        if hook is not None:
            hook(skb)
    return eaten


def tcp_data_ready(sk: TcpSock) -> None:
    """Wake the reader when there is enough for it."""
    if (
        not sk.v.data_ready_checks
        or tcp_epollin_ready(sk, sk.rcvlowat)
        or sk.shutdown & RCV_SHUTDOWN
        or sk.state == TCP_CLOSE
    ):
        sock_def_readable(sk)


def tcp_epollin_ready(sk: TcpSock, target: int) -> bool:
    avail = (sk.rcv_nxt - sk.copied_seq) & M32
    if not sk.v.data_ready_checks:
        return target <= avail < 0x80000000
    if avail & 0x80000000 or avail <= 0:
        return False
    return avail >= target or tcp_rmem_pressure(sk) or tcp_receive_window(sk) <= sk.rcv_mss


def tcp_rmem_pressure(sk: TcpSock) -> bool:
    if sk.prot.memory_pressure:
        return True
    return sk.rmem_alloc > sk.rcvbuf - (sk.rcvbuf >> 3)


def tcp_fast_path_check(sk: TcpSock) -> None:
    if not sk.ofo and sk.rcv_wnd and sk.rmem_alloc < sk.rcvbuf and not sk.urg_data:
        tcp_fast_path_on(sk)


def tcp_fast_path_on(sk: TcpSock) -> None:
    """pred_flags: header length, ACK, the window as the peer writes it; with AccECN the ACE that says nothing new."""
    pred = sk.header_len << 26 | 0x100000 | ((sk.snd_wnd >> sk.rx_opt.snd_wscale) & 0xFFFF)
    if sk.ecn_flags & TCP_ECN_MODE_ANY == TCP_ECN_MODE_ACCECN:
        pred |= ((sk.delivered_ce + TCP_ACCECN_CEP_INIT_OFFSET) & 7) << 22
    sk.pred_flags = pred


def tcp_data_queue(sk: TcpSock, skb: SkBuff) -> None:
    """Data (or a FIN) that passed the checks; skb.data at the payload.  Ends the skb or queues it."""
    c = tcb(skb)
    ext = sk.ts.ipv4.tcpext
    if c.seq == c.end_seq:
        consume_skb(skb, SITE_ACK)
        return
    sk.rx_opt.dsack = False
    if c.seq == sk.rcv_nxt:
        if tcp_receive_window(sk) == 0 and not (sk.v.zero_window_fin and not skb.len and c.flags & TCPHDR_FIN):
            if sk.v.zero_window_drop:
                ext["TCPZeroWindowDrop"] += 1
            _out_of_window(sk, skb, SITE_ZEROWINDOW)
            return
        _queue_and_out(sk, skb, Ucopy.data_queue(sk, skb) if sk.ucopy_len else -1)
        return
    if not after(c.end_seq, sk.rcv_nxt):
        ext["DelayedACKLost"] += 1
        tcp_dsack_set(sk, c.seq, c.end_seq)
        _out_of_window(sk, skb, SITE_OLD_DATA)
        return
    if not before(c.seq, (sk.rcv_nxt + tcp_receive_window(sk)) & M32):
        _out_of_window(sk, skb, SITE_OVERWINDOW)
        return
    if sk.v.hole_quickacks:
        tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS)
    if before(c.seq, sk.rcv_nxt):
        tcp_dsack_set(sk, c.seq, sk.rcv_nxt)
        if not tcp_receive_window(sk):
            if sk.v.zero_window_drop:
                ext["TCPZeroWindowDrop"] += 1
            _out_of_window(sk, skb, SITE_ZEROWINDOW)
            return
        _queue_and_out(sk, skb, -1)
        return
    tcp_data_queue_ofo(sk, skb)


def _out_of_window(sk: TcpSock, skb: SkBuff, site: Site) -> None:
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS)
    inet_csk_schedule_ack(sk)
    tcp_drop_reason(sk, skb, site)


def _queue_and_out(sk: TcpSock, skb: SkBuff, copied: int) -> None:
    """`copied`: 1 the reader has it already, 0 a part of it (it is queued without asking), -1 nothing."""
    c = tcb(skb)
    v = sk.v
    if copied >= 0:
        pass
    elif v.forced_first:
        if not sk.receive_queue:
            sk_forced_mem_schedule(sk, skb.truesize)
        elif not tcp_try_rmem_schedule(sk, skb, skb.truesize):
            sk.ts.ipv4.tcpext["TCPRcvQDrop"] += 1
            sock_def_readable(sk)
            tcp_drop_reason(sk, skb, SITE_PROTO_MEM)
            return
    elif not tcp_try_rmem_schedule(sk, skb, skb.truesize):
        if not v.nomem_acks:
            tcp_drop_reason(sk, skb, SITE_PROTO_MEM)
            return
        sk.ack_pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW
        inet_csk_schedule_ack(sk)
        sock_def_readable(sk)
        if sk.receive_queue and skb.len:
            if v.zero_window_drop:
                sk.ts.ipv4.tcpext["TCPRcvQDrop"] += 1
            tcp_drop_reason(sk, skb, SITE_PROTO_MEM)
            return
        sk_forced_mem_schedule(sk, skb.truesize)
    if copied > 0:
        tcp_rcv_nxt_update(sk, c.end_seq)
    else:
        tcp_queue_rcv(sk, skb)
    if skb.len:
        tcp_event_data_recv(sk, skb)
    if c.flags & TCPHDR_FIN:
        tcp_fin(sk)
    if copied > 0:
        Ucopy.consume(sk, skb)
    if c.flags & TCPHDR_FIN and sk.state == TCP_CLOSE:
        return
    if sk.ofo:
        tcp_ofo_queue(sk)
        if not sk.ofo:
            if v.hole_quickacks:
                sk.pingpong = 0
            else:
                sk.ack_pending |= ICSK_ACK_NOW
    if sk.selective_acks:
        tcp_sack_remove(sk)
    tcp_fast_path_check(sk)
    if not sk.orphan:
        tcp_data_ready(sk)


def tcp_data_queue_ofo(sk: TcpSock, skb: SkBuff) -> None:
    """Data behind a hole."""
    ext = sk.ts.ipv4.tcpext
    tcp_data_ecn_check(sk, skb)
    if not tcp_try_rmem_schedule(sk, skb, skb.truesize):
        ext["TCPOFODrop"] += 1
        if sk.v.drops_counted:
            sock_def_readable(sk)
        tcp_drop_reason(sk, skb, SITE_OFO_DROP)
        return
    sk.pred_flags = 0
    inet_csk_schedule_ack(sk)
    if sk.v.ofo_measure:
        tcp_measure_rcv_mss(sk, skb)
    sk.rcv_ooopack += max(1, skb.gso_segs)
    ext["TCPOFOQueue"] += 1
    c = tcb(skb)
    seq, end = c.seq, c.end_seq
    q = sk.ofo
    sack = sk.rx_opt.sack_ok
    if not q:
        if sack:
            sk.selective_acks = [(seq, end)]
        q.append(skb)
        sk.ofo_root.root = None
        c.rbnode = RbNode(skb)
        sk.ofo_root.insert(c.rbnode, None, False)
        _ofo_end(sk, skb)
        return
    last = q[-1]
    parent: RbNode | None = tcb(last).rbnode
    right = True
    replaced = False
    if _ofo_coalesce(sk, last, skb):
        return
    if sk.v.ofo_tree and before(seq, tcb(last).end_seq):
        node = sk.ofo_root.root
        while node is not None:  # what is looked at is what lies on the way down
            parent = node
            s1 = node.skb
            c1 = tcb(s1)
            right = not before(seq, c1.seq)
            if not right:
                node = node.left
                continue
            if before(seq, c1.end_seq):
                if not after(end, c1.end_seq):
                    ext["TCPOFOMerge"] += 1
                    tcp_drop_reason(sk, skb, SITE_OFO_MERGE)
                    tcp_dsack_set(sk, seq, end)
                    if sack:
                        tcp_sack_new_ofo_skb(sk, seq, end)
                    _ofo_end(sk, None)
                    return
                if after(seq, c1.seq):
                    tcp_dsack_set(sk, seq, c1.end_seq)
                else:
                    new = c.rbnode = RbNode(skb)
                    sk.ofo_root.replace(node, new)
                    q[q.index(s1)] = skb
                    tcp_dsack_extend(sk, c1.seq, c1.end_seq)
                    ext["TCPOFOMerge"] += 1
                    drop_charged(sk, s1)
                    tcp_drop_reason(sk, s1, SITE_OFO_MERGE)
                    replaced = True
                    break
            elif _ofo_coalesce(sk, s1, skb):
                return
            node = node.right
    elif not sk.v.ofo_tree:
        i = len(q)
        while i > 0 and before(seq, tcb(q[i - 1]).seq):
            i -= 1
        if i > 0:
            s1 = q[i - 1]
            c1 = tcb(s1)
            if before(seq, c1.end_seq):
                if not after(end, c1.end_seq):
                    ext["TCPOFOMerge"] += 1
                    tcp_drop_reason(sk, skb, SITE_OFO_MERGE)
                    tcp_dsack_set(sk, seq, end)
                    if sack:
                        tcp_sack_new_ofo_skb(sk, seq, end)
                    _ofo_end(sk, None)
                    return
                if after(seq, c1.seq):
                    tcp_dsack_set(sk, seq, c1.end_seq)
                else:
                    q[i - 1] = skb
                    tcp_dsack_extend(sk, c1.seq, c1.end_seq)
                    ext["TCPOFOMerge"] += 1
                    drop_charged(sk, s1)
                    tcp_drop_reason(sk, s1, SITE_OFO_MERGE)
                    replaced = True
    if not replaced:
        i = len(q)
        while i > 0 and before(seq, tcb(q[i - 1]).seq):
            i -= 1
        q.insert(i, skb)
        if sk.v.ofo_tree:
            c.rbnode = RbNode(skb)
            sk.ofo_root.insert(c.rbnode, parent, right)
    i = q.index(skb) + 1
    while i < len(q):
        s1 = q[i]
        c1 = tcb(s1)
        if not after(end, c1.seq):
            break
        if before(end, c1.end_seq):
            tcp_dsack_extend(sk, c1.seq, end)
            break
        del q[i]
        ofo_erase(sk, s1)
        tcp_dsack_extend(sk, c1.seq, c1.end_seq)
        ext["TCPOFOMerge"] += 1
        drop_charged(sk, s1)
        tcp_drop_reason(sk, s1, SITE_OFO_MERGE)
    if sack:
        tcp_sack_new_ofo_skb(sk, seq, end)
    _ofo_end(sk, skb)


def _ofo_coalesce(sk: TcpSock, s1: SkBuff, skb: SkBuff) -> bool:
    """tcp_ooo_try_coalesce, and what follows when the segment was joined to `s1`."""
    seq, end = tcb(skb).seq, tcb(skb).end_seq
    if not tcp_try_coalesce(sk, s1, skb):
        return False
    s1.gso_segs = min(max(1, s1.gso_segs) + max(1, skb.gso_segs), 0xFFFF)
    sack = sk.rx_opt.sack_ok
    if sack or not sk.v.ofo_tree:
        tcp_grow_window(sk, skb, True)
    if sack:
        tcp_sack_new_ofo_skb(sk, seq, end)
    _ofo_end(sk, None)
    return True


def _ofo_end(sk: TcpSock, skb: SkBuff | None) -> None:
    if skb is not None:
        if sk.rx_opt.sack_ok or not sk.v.ofo_tree:
            tcp_grow_window(sk, skb, False)
        if sk.v.ofo_tree:
            skb_condense_ofo(skb)
        skb_set_owner_r(skb, sk)
    if sk.v.rcvbuf_grow == "v6_18" and not sk.orphan and sk.listener is None:
        tcp_rcvbuf_grow(sk, sk.rcvq_space)


def skb_condense_ofo(skb: SkBuff) -> None:
    if not skb_cloned(skb) and skb.fate is None:
        skb_condense(skb)


def tcp_ofo_queue(sk: TcpSock) -> None:
    """The hole is closed: move what is in order now."""
    dsack_high = sk.rcv_nxt
    q = sk.ofo
    while q:
        skb = q[0]
        c = tcb(skb)
        if after(c.seq, sk.rcv_nxt):
            break
        if before(c.seq, dsack_high):
            d = dsack_high
            if before(c.end_seq, dsack_high):
                if sk.v.ofo_dsack_exact:
                    d = c.end_seq
                else:
                    dsack_high = c.end_seq
            tcp_dsack_extend(sk, c.seq, d)
        del q[0]
        ofo_erase(sk, skb)
        if not after(c.end_seq, sk.rcv_nxt):
            drop_charged(sk, skb)
            tcp_drop_reason(sk, skb, SITE_OFO_DUP)
            continue
        rq = sk.receive_queue
        eaten = sk.v.ofo_tree and bool(rq) and tcp_try_coalesce(sk, rq[-1], skb)
        tcp_rcv_nxt_update(sk, c.end_seq)
        fin = c.flags & TCPHDR_FIN
        if eaten:
            drop_charged(sk, skb)
        else:
            rq.append(skb)
        if fin:
            tcp_fin(sk)
            break


def tcp_fin(sk: TcpSock) -> None:
    """The peer has nothing more to say."""
    inet_csk_schedule_ack(sk)
    sk.shutdown |= RCV_SHUTDOWN
    sk.sock_done = True
    h = sk.ts.handlers
    st = sk.state
    if st in (TCP_SYN_RECV, TCP_ESTABLISHED):
        h.set_state(sk, TCP_CLOSE_WAIT)
        inet_csk_enter_pingpong_mode(sk)
    elif st == TCP_FIN_WAIT1:
        tcp_send_ack(sk)
        h.set_state(sk, TCP_CLOSING)
    elif st == TCP_FIN_WAIT2:
        tcp_send_ack(sk)
        h.time_wait(sk, TCP_TIME_WAIT, 0)
    while sk.ofo:
        skb = sk.ofo.pop(0)
        drop_charged(sk, skb)
        consume_fin(skb)
    sk.selective_acks.clear()
    sk.rx_opt.dsack = False
    if not sk.orphan:
        sock_def_wakeup(sk)


def consume_fin(skb: SkBuff) -> None:
    kfree_skb_reason(skb, SITE_FIN_PURGE)
