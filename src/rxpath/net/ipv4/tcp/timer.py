"""TCP's timers: retransmission, window probes, loss probes, delayed ACKs, keepalive and FIN_WAIT2, requests.

Facts: net/ipv4/tcp_timer.c, inet_connection_sock.c reqsk_timer_handler (6.1).
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import ETIMEDOUT
from rxpath.net.core.sock import (
    TCP_CLOSE,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT2,
    TCP_LISTEN,
    TCP_SYN_RECV,
    TCP_SYN_SENT,
    sk_error_report,
)
from rxpath.net.ipv4.tcp.fastopen import tcp_fastopen_synack_timer
from rxpath.net.ipv4.tcp.hashtables import reuseport_migrate_sock
from rxpath.net.ipv4.tcp.minisocks import inet_csk_reqsk_queue_drop, reqsk_timeout, tcp_time_wait, timewait_len
from rxpath.net.ipv4.tcp.mtup import tcp_mtu_probing
from rxpath.net.ipv4.tcp.output import (
    ato_min,
    in_pingpong,
    inet_csk_reset_xmit_timer,
    jiffies,
    rto_max,
    tcp_current_mss,
    tcp_in_initial_slowstart,
    tcp_mstamp_refresh,
    tcp_packets_in_flight,
    tcp_send_ack,
    tcp_send_active_reset,
    tcp_send_probe0,
    tcp_write_wakeup,
    tcp_write_xmit,
)
from rxpath.net.ipv4.tcp.recovery import (
    tcp_cwnd_reduction,
    tcp_enter_loss,
    tcp_enter_recovery,
    tcp_rack_detect_loss,
    tcp_rearm_rto_,
)
from rxpath.net.ipv4.tcp.retransmit import tcp_retransmit_skb, tcp_send_loss_probe, tcp_xmit_retransmit_queue
from rxpath.net.ipv4.tcp.sock import (
    ICSK_ACK_SCHED,
    ICSK_ACK_TIMER,
    ICSK_TIME_LOSS_PROBE,
    ICSK_TIME_PROBE0,
    ICSK_TIME_REO_TIMEOUT,
    ICSK_TIME_RETRANS,
    TCPF_ACK_DEFERRED,
    TCPF_DELACK_TIMER_DEFERRED,
    TCPF_TSQ_DEFERRED,
    TCPF_WRITE_TIMER_DEFERRED,
    RequestSock,
    TCP_CA_Disorder,
    TCP_CA_Loss,
    TCP_CA_Recovery,
    TcpSock,
    TxSkb,
)
from rxpath.net.ipv4.tcp.state import tcp_done, tcp_write_queue_purge

TCP_THIN_LINEAR_RETRIES: Final = 6
# ESTABLISHED, FIN_WAIT1, CLOSING, CLOSE_WAIT, LAST_ACK
TSQ_STATES: Final = 1 << 1 | 1 << 4 | 1 << 11 | 1 << 8 | 1 << 9


def tcp_write_err(sk: TcpSock) -> None:
    sk.err = sk.err_soft or ETIMEDOUT
    sk_error_report(sk)
    tcp_write_queue_purge(sk)
    tcp_done(sk)
    sk.ts.ipv4.tcpext["TCPAbortOnTimeout"] += 1


def tcp_orphan_retries(sk: TcpSock, alive: bool) -> int:
    n = sk.ts.tcp_orphan_retries
    if sk.err_soft and not alive:
        n = 0
    if n == 0 and alive:
        n = 8
    return n


def tcp_model_timeout(sk: TcpSock, boundary: int, base: int) -> int:
    """Jiffies that `boundary` doublings of `base` take, capped at the largest RTO."""
    top = rto_max(sk)
    linear = max((top // base).bit_length() - 1, 0)
    if boundary <= linear:
        return ((2 << boundary) - 1) * base
    return ((2 << linear) - 1) * base + (boundary - linear) * top


def tcp_update_rto_stats(sk: TcpSock) -> None:
    """A retransmission timed out.  (Inline in Linux.)"""
    stats = sk.rto_stats
    if not sk.retransmits:
        stats[1] += 1
        stats[3] = sk.mstamp_us // 1000 or 1
    sk.retransmits += 1
    stats[0] += 1


def retransmits_timed_out(sk: TcpSock, boundary: int, timeout: int) -> bool:
    """Whether `boundary` retransmissions, or `timeout` ms where that is not 0, are over."""
    if not sk.retransmits:
        return False
    start = sk.retrans_stamp or (sk.rtx_queue[0].tx_us if sk.rtx_queue else sk.mstamp_us)
    k = sk.ts.ipv4.kernel
    if not timeout:
        base = sk.rto_min
        if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
            base = k.hz
        timeout = tcp_model_timeout(sk, boundary, base) * 1000 // k.hz
    return sk.mstamp_us // 1000 - start // 1000 >= timeout  # in the units of time stamps


def tcp_clamp_rto_to_user_timeout(sk: TcpSock) -> int:
    """Jiffies to the next retransmission: not beyond TCP_USER_TIMEOUT (4.19)."""
    if not sk.user_timeout or not sk.v.user_timeout_clamps:
        return sk.rto
    left = sk.user_timeout - (sk.mstamp_us // 1000 - sk.retrans_stamp // 1000)
    if left <= 0:
        return 1
    return min(sk.rto, -(-left * sk.ts.ipv4.kernel.hz // 1000))


def tcp_write_timeout(sk: TcpSock) -> bool:
    """True: given up."""
    ts = sk.ts
    if sk.state in (TCP_SYN_SENT, TCP_SYN_RECV):
        retry = sk.syn_retries or ts.tcp_syn_retries
        if sk.v.can_ingest and sk.state == TCP_SYN_SENT:
            retry += ts.tcp_syn_linear_timeouts
        expired = sk.retransmits >= retry or retransmits_timed_out(
            sk, sk.syn_retries or ts.tcp_syn_retries, sk.user_timeout
        )
    else:
        if retransmits_timed_out(sk, ts.tcp_retries1, 0):
            if ts.tcp_mtu_probing:
                tcp_mtu_probing(sk)
            sk.dst = sk.dst  # the path is in doubt; the route is looked up again when its generation moved
        retry = ts.tcp_retries2
        if sk.orphan:
            retry = tcp_orphan_retries(sk, sk.rto < rto_max(sk))
        expired = retransmits_timed_out(sk, retry, sk.user_timeout)
    if expired:
        tcp_write_err(sk)
        return True
    if sk.v.timeout_rehash and sk.state not in (TCP_SYN_SENT,):
        sk.timeout_rehash += 1
        if "TcpTimeoutRehash" in ts.ipv4.tcpext:
            ts.ipv4.tcpext["TcpTimeoutRehash"] += 1
    elif sk.v.timeout_rehash and sk.state == TCP_SYN_SENT:
        sk.timeout_rehash += 1
        ts.ipv4.tcpext["TcpTimeoutRehash"] += 1
    return False


def since_retransmission_ms(sk: TcpSock) -> int:
    """Milliseconds since the first retransmission that nothing has answered, of the first segment without one."""
    start = sk.retrans_stamp or (sk.rtx_queue[0].tx_us if sk.rtx_queue else sk.mstamp_us)
    return sk.mstamp_us // 1000 - start // 1000


def tcp_rtx_probe0_timed_out(sk: TcpSock, t: TxSkb) -> bool:
    """The peer's window has been shut over what it was sent for too long: nothing came from it, or the program's limit
    is over.
    """
    k = sk.ts.ipv4.kernel
    spent = since_retransmission_ms(sk)
    timeout = 2 * rto_max(sk)
    if sk.user_timeout:
        if spent > sk.user_timeout:
            return True
        timeout = min(timeout, k.msecs_to_jiffies(sk.user_timeout))
    if sk.icsk_timeout - sk.rcv_tstamp <= timeout:
        return False
    return k.msecs_to_jiffies(spent) > timeout


def tcp_thin_linear(sk: TcpSock) -> bool:
    return sk.thin_lto or bool(sk.ts.tcp_thin_linear_timeouts)


def tcp_retransmit_timer(sk: TcpSock) -> None:
    """The retransmission timeout."""
    ts = sk.ts
    ext = ts.ipv4.tcpext
    if sk.fastopen_rsk is not None:
        if tcp_fastopen_synack_timer(sk, sk.fastopen_rsk):
            tcp_write_err(sk)
        return
    if not sk.packets_out or not sk.rtx_queue:
        return
    t = sk.rtx_queue[0]
    if not sk.snd_wnd and not sk.orphan and sk.state not in (TCP_SYN_SENT, TCP_SYN_RECV):
        if tcp_rtx_probe0_timed_out(sk, t):
            tcp_write_err(sk)
            return
        tcp_enter_loss(sk)
        tcp_retransmit_skb(sk, t, 1)
        sk.dst = None
    else:
        if not sk.v.timeouts_apart:
            ext["TCPTimeouts"] += 1
        if tcp_write_timeout(sk):
            return
        if sk.retransmits == 0:
            mib = ""
            sack = sk.rx_opt.sack_ok
            if sk.ca_state == TCP_CA_Recovery:
                mib = "TCPSackRecoveryFail" if sack else "TCPRenoRecoveryFail"
            elif sk.ca_state == TCP_CA_Loss:
                mib = "TCPLossFailures"
            elif sk.ca_state == TCP_CA_Disorder or sk.sacked_out:
                mib = "TCPSackFailures" if sack else "TCPRenoFailures"
            elif sk.v.timeouts_apart:
                mib = "TCPTimeouts"
            if mib:
                ext[mib] += 1
        tcp_enter_loss(sk)
        tcp_update_rto_stats(sk)
        if tcp_retransmit_skb(sk, t, 1) > 0:
            inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, max(ts.ipv4.kernel.hz // 2, 1))
            return
    sk.backoff += 1
    thin = sk.packets_out < 4 and not tcp_in_initial_slowstart(sk)
    if sk.state == TCP_ESTABLISHED and thin and sk.retransmits <= TCP_THIN_LINEAR_RETRIES and tcp_thin_linear(sk):
        sk.backoff = 0
        k = ts.ipv4.kernel
        sk.rto = min(max(k.usecs_to_jiffies((sk.srtt_us >> 3) + sk.rttvar_us), sk.rto_min), rto_max(sk))
    elif sk.state != TCP_SYN_SENT or not sk.v.can_ingest or sk.backoff > ts.tcp_syn_linear_timeouts:
        sk.rto = min(sk.rto << 1, rto_max(sk))
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, min(tcp_clamp_rto_to_user_timeout(sk), rto_max(sk)))
    if retransmits_timed_out(sk, ts.tcp_retries1 + 1, 0):
        sk.dst = None


def tcp_probe_timer(sk: TcpSock) -> None:
    if sk.packets_out or not sk.write_queue:
        sk.probes_out = 0
        sk.probes_tstamp = 0
        return
    ts = sk.ts
    now = jiffies(sk)
    if not sk.probes_tstamp:
        sk.probes_tstamp = now
    elif sk.user_timeout and (now - sk.probes_tstamp) * 1000 // ts.ipv4.kernel.hz >= sk.user_timeout:
        tcp_write_err(sk)
        return
    limit = ts.tcp_retries2
    if sk.orphan:
        alive = sk.rto << sk.backoff < rto_max(sk)
        limit = tcp_orphan_retries(sk, alive)
        if not alive and sk.backoff >= limit:
            tcp_write_err(sk)
            return
    if sk.probes_out >= limit:
        tcp_write_err(sk)
    else:
        tcp_send_probe0(sk)


def tcp_rack_reo_timeout(sk: TcpSock) -> None:
    prior = tcp_packets_in_flight(sk)
    lost = sk.lost
    tcp_rack_detect_loss(sk)
    if prior != tcp_packets_in_flight(sk):
        if sk.ca_state != TCP_CA_Recovery:
            tcp_enter_recovery(sk, False)
            tcp_cwnd_reduction(sk, 1, sk.lost - lost, False)
        tcp_xmit_retransmit_queue(sk)
    if sk.icsk_pending != ICSK_TIME_RETRANS:
        tcp_rearm_rto_(sk)


def tcp_write_timer_handler(sk: TcpSock) -> None:
    if sk.state in (TCP_CLOSE, TCP_LISTEN) or not sk.icsk_pending:
        return
    tcp_mstamp_refresh(sk)
    event = sk.icsk_pending
    if event == ICSK_TIME_REO_TIMEOUT:
        tcp_rack_reo_timeout(sk)
    elif event == ICSK_TIME_LOSS_PROBE:
        tcp_send_loss_probe(sk)
    elif event == ICSK_TIME_RETRANS:
        sk.icsk_pending = 0
        tcp_retransmit_timer(sk)
    elif event == ICSK_TIME_PROBE0:
        sk.icsk_pending = 0
        tcp_probe_timer(sk)


def tcp_write_timer(sk: TcpSock) -> None:
    if not sk.owned and not sk.bh_locked:
        sk.bh_locked = True
        tcp_write_timer_handler(sk)
        sk.bh_unlock()
    else:
        sk.tsq_flags |= TCPF_WRITE_TIMER_DEFERRED


def tcp_delack_timer_handler(sk: TcpSock) -> None:
    if sk.state in (TCP_CLOSE, TCP_LISTEN):
        return
    if sk.compressed_ack:
        tcp_mstamp_refresh(sk)
        sk.ts.ipv4.tcpext["TCPAckCompressed"] += sk.compressed_ack - 1
        sk.compressed_ack = 0
        sk.compressed_timer.cancel()
        tcp_send_ack(sk)
        return
    if not sk.ack_pending & ICSK_ACK_TIMER:
        return
    if sk.ack_timeout > jiffies(sk):
        sk.delack_timer.mod_timer(sk.ack_timeout)
        return
    sk.ack_pending &= ~ICSK_ACK_TIMER
    if sk.prequeue:  # the reader was woken and did not come
        sk.ts.ipv4.tcpext["TCPSchedulerFailed"] += 1
        while sk.prequeue:
            sk.backlog_rcv(sk.prequeue.popleft())
        sk.prequeue_mem = 0
    if sk.ack_pending & ICSK_ACK_SCHED:
        if not in_pingpong(sk):
            sk.ato = min(sk.ato << 1, sk.rto)
        else:
            sk.pingpong = 0
            sk.ato = ato_min(sk)
        tcp_mstamp_refresh(sk)
        tcp_send_ack(sk)
        sk.ts.ipv4.tcpext["DelayedACKs"] += 1


def tcp_delack_timer(sk: TcpSock) -> None:
    if not sk.owned and not sk.bh_locked:
        sk.bh_locked = True
        tcp_delack_timer_handler(sk)
        sk.bh_unlock()
    else:
        sk.ts.ipv4.tcpext["DelayedACKLocked"] += 1
        sk.ack_blocked = sk.v.ack_blocked
        sk.tsq_flags |= TCPF_DELACK_TIMER_DEFERRED


def tcp_compressed_ack_kick(sk: TcpSock) -> None:
    """Hard interrupt in Linux's soft hrtimer sense: the ACK leaves from here."""
    if sk.owned or sk.bh_locked:
        sk.tsq_flags |= TCPF_ACK_DEFERRED if sk.compressed_ack else 0
        return
    if sk.compressed_ack:
        sk.compressed_ack -= 1
        tcp_send_ack(sk)


def tcp_tsq_write(sk: TcpSock) -> None:
    """It is time for what the pace kept back."""
    if not 1 << sk.state & TSQ_STATES:
        return
    if sk.lost_out > sk.retrans_out and sk.snd_cwnd > tcp_packets_in_flight(sk):
        tcp_mstamp_refresh(sk)
        tcp_xmit_retransmit_queue(sk)
    tcp_write_xmit(sk, tcp_current_mss(sk), sk.nonagle, 0)


def tcp_pace_kick(sk: TcpSock) -> None:
    """The timer of a paced sender (a soft hrtimer in Linux): tcp_tsq_handler."""
    if sk.owned or sk.bh_locked:
        sk.tsq_flags |= TCPF_TSQ_DEFERRED
        return
    sk.bh_locked = True
    tcp_tsq_write(sk)
    sk.bh_unlock()


def reset_keepalive(sk: TcpSock, when: int) -> None:
    sk.keepalive_timer.mod_timer(jiffies(sk) + max(when, 1))


def tcp_keepalive_timer(sk: TcpSock) -> None:
    ts = sk.ts
    hz = ts.ipv4.kernel.hz
    if sk.owned or sk.bh_locked:
        reset_keepalive(sk, max(hz // 20, 1))
        return
    if sk.state == TCP_LISTEN:
        return
    tcp_mstamp_refresh(sk)
    if sk.state == TCP_FIN_WAIT2 and sk.orphan:
        if sk.linger2 >= 0:
            tmo = (sk.linger2 or ts.tcp_fin_timeout) - timewait_len(ts)
            if tmo > 0:
                tcp_time_wait(sk, TCP_FIN_WAIT2, tmo)
                return
        tcp_send_active_reset(sk)
        tcp_done(sk)
        return
    if not sk.keepalive or sk.state in (TCP_CLOSE, TCP_SYN_SENT):
        return
    idle = sk.keepalive_time or ts.tcp_keepalive_time
    elapsed = idle
    if not sk.packets_out and not sk.write_queue:
        now = jiffies(sk)
        elapsed = min(now - sk.lrcvtime, now - sk.rcv_tstamp)
        if elapsed >= idle:
            probes = sk.keepalive_probes or ts.tcp_keepalive_probes
            ut = ts.ipv4.kernel.msecs_to_jiffies(sk.user_timeout)
            if (ut and elapsed >= ut and sk.probes_out > 0) or (not ut and sk.probes_out >= probes):
                tcp_send_active_reset(sk)
                tcp_write_err(sk)
                return
            if tcp_write_wakeup(sk, "TCPKeepAlive") <= 0:
                sk.probes_out += 1
                elapsed = sk.keepalive_intvl or ts.tcp_keepalive_intvl
            else:
                elapsed = max(hz // 2, 1)
        else:
            elapsed = idle - elapsed
    reset_keepalive(sk, elapsed)


def reqsk_timer_handler(req: RequestSock) -> None:
    """The SYN-ACK was not answered: send it again, or forget the request; the older half of a full queue
    goes early.
    """
    lsk = req.listener
    ts = lsk.ts
    moved = False
    if lsk.state != TCP_LISTEN:
        heir = reuseport_migrate_sock(lsk, req.num, req.rmt_port)
        if heir is None:
            inet_csk_reqsk_queue_drop(req)
            return
        lsk.req_count -= 1
        heir.req_count += 1
        if req.young:
            lsk.req_young -= 1
            heir.req_young += 1
        moved = True
        req.listener = lsk = heir
    ts.ipv4.tcpext["TCPTimeouts"] += 1
    max_retries = lsk.syn_retries or ts.tcp_synack_retries
    thresh = max_retries
    qlen = lsk.req_count
    if qlen << 1 > max(8, lsk.max_ack_backlog):
        young = lsk.req_young << 1
        while thresh > 2:
            if qlen < young:
                break
            thresh -= 1
            young <<= 1
    rskq = lsk.defer_accept
    if not rskq:
        expire = req.num_timeout >= thresh
        resend = True
    else:
        expire = req.num_timeout >= thresh and (not req.acked or req.num_timeout >= rskq)
        resend = not req.acked or req.num_timeout >= rskq - 1
    if not expire and (not resend or ts.handlers.rtx_syn_ack(lsk, req) or req.acked):
        if req.num_timeout == 0 and req.young:
            req.young = False
            lsk.req_young -= 1
        req.num_timeout += 1
        assert req.timer is not None
        req.timer.mod_timer(ts.ipv4.kernel.jiffies() + reqsk_timeout(req))
        if moved:
            ts.ipv4.tcpext["TCPMigrateReqSuccess"] += 1
        return
    if moved:
        ts.ipv4.tcpext["TCPMigrateReqFailure"] += 1
    inet_csk_reqsk_queue_drop(req)
