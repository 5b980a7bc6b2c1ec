"""Probes of the path's MTU by the size of segments (RFC 4821): tcp_mtu_probing.

Facts: net/ipv4/tcp_output.c tcp_mtu_probe, tcp_input.c tcp_mtup_probe_success and _failed, tcp_timer.c tcp_mtu_probing
(6.1; 3.13 where a probe is twice the segment).  The state begins in output.py (tcp_mtup_init).
"""

from __future__ import annotations

from rxpath.net.ipv4.tcp.output import (
    jiffies,
    sk_wmem_charge,
    tcp_current_mss,
    tcp_event_new_data_sent,
    tcp_mss_to_mtu,
    tcp_mtu_to_mss,
    tcp_packets_in_flight,
    tcp_set_skb_tso_segs,
    tcp_stream_alloc_skb,
    tcp_sync_mss,
    tcp_transmit_skb,
    tcp_wnd_end,
    wfree,
)
from rxpath.net.ipv4.tcp.recovery import tcp_current_ssthresh
from rxpath.net.ipv4.tcp.seq import M32, after
from rxpath.net.ipv4.tcp.sock import TCP_CA_Open, TcpSock
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_FIN, TCPHDR_PSH


def tcp_mtu_check_reprobe(sk: TcpSock) -> None:
    """After tcp_probe_interval seconds the search begins anew, from the segment size of now."""
    now = jiffies(sk)
    if now - sk.mtup_timestamp >= sk.ts.tcp_probe_interval * sk.ts.ipv4.kernel.hz:
        mss = tcp_current_mss(sk)
        sk.mtup_probe_size = 0
        sk.mtup_high = sk.rx_opt.mss_clamp + 40
        sk.mtup_low = tcp_mss_to_mtu(sk, mss)
        sk.mtup_timestamp = now


def tcp_can_coalesce_send_queue_head(sk: TcpSock, n: int) -> bool:
    """Whether nothing in the first `n` bytes of the write queue must stay a segment's end."""
    for i, t in enumerate(sk.write_queue):
        if n <= len(t.data) or i + 1 == len(sk.write_queue):
            break
        if t.eor:
            return False
        n -= len(t.data)
    return True


def tcp_mtu_probe(sk: TcpSock) -> int:
    """1: a probe went; 0: wait with everything, until there is room for one; -1: no probe, go on."""
    ts = sk.ts
    if sk.mtup_probe_size or sk.ca_state != TCP_CA_Open or sk.snd_cwnd < 11 or sk.selective_acks or sk.rx_opt.dsack:
        return -1
    mss = tcp_current_mss(sk)
    if sk.v.mtup_search:
        size = tcp_mtu_to_mss(sk, (sk.mtup_high + sk.mtup_low) >> 1)
        few = sk.mtup_high - sk.mtup_low < ts.tcp_probe_threshold
    else:
        size = 2 * sk.mss_cache
        few = False
    needed = size + (sk.reordering + 1) * sk.mss_cache
    if size > tcp_mtu_to_mss(sk, sk.mtup_high) or few:
        if sk.v.mtup_search:
            tcp_mtu_check_reprobe(sk)
        return -1
    if (sk.write_seq - sk.snd_nxt) & M32 < needed or sk.snd_wnd < needed:
        return -1
    if after((sk.snd_nxt + needed) & M32, tcp_wnd_end(sk)):
        return 0
    flight = tcp_packets_in_flight(sk)
    if flight + 2 > sk.snd_cwnd:
        return 0 if flight else -1
    if not tcp_can_coalesce_send_queue_head(sk, size):
        return -1
    probe = tcp_stream_alloc_skb(sk, False)
    if probe is None:
        return -1
    wq = sk.write_queue
    probe.seq = wq[0].seq
    probe.truesize += size
    sk_wmem_charge(sk, probe.truesize)
    parts: list[bytes] = []
    left = size
    while left and wq:
        t = wq[0]
        if len(t.data) <= left:
            parts.append(t.data)
            left -= len(t.data)
            probe.flags |= t.flags
            probe.eor = t.eor
            wq.popleft()
            wfree(sk, t)
        else:
            parts.append(t.data[:left])
            probe.flags |= t.flags & ~(TCPHDR_FIN | TCPHDR_PSH)
            t.data = t.data[left:]
            t.seq = (t.seq + left) & M32
            t.truesize -= left
            sk_wmem_charge(sk, -left)
            tcp_set_skb_tso_segs(t, mss)
            left = 0
    probe.data = b"".join(parts)
    probe.flags |= TCPHDR_ACK
    probe.end_seq = (probe.seq + len(probe.data)) & M32
    tcp_set_skb_tso_segs(probe, len(probe.data))
    wq.appendleft(probe)
    if tcp_transmit_skb(sk, probe):
        return -1
    sk.snd_cwnd -= 1  # as good as two segments
    tcp_event_new_data_sent(sk, probe)
    sk.mtup_probe_size = tcp_mss_to_mtu(sk, len(probe.data))
    sk.mtup_seq_start = probe.seq
    sk.mtup_seq_end = probe.end_seq
    return 1


def tcp_mtup_probe_failed(sk: TcpSock) -> None:
    sk.mtup_high = sk.mtup_probe_size - 1
    sk.mtup_probe_size = 0
    sk.ts.ipv4.tcpext["TCPMTUPFail"] += 1


def tcp_mtup_probe_success(sk: TcpSock) -> None:
    """The peer has it: segments of that size from now on, and fewer of them in flight."""
    sk.prior_ssthresh = tcp_current_ssthresh(sk)
    sk.snd_cwnd = max(sk.snd_cwnd * tcp_mss_to_mtu(sk, sk.mss_cache) // sk.mtup_probe_size, 1)
    sk.snd_cwnd_cnt = 0
    sk.snd_cwnd_stamp = jiffies(sk)
    sk.snd_ssthresh = tcp_current_ssthresh(sk)
    sk.mtup_low = sk.mtup_probe_size
    sk.mtup_probe_size = 0
    tcp_sync_mss(sk, sk.pmtu_cookie)
    sk.ts.ipv4.tcpext["TCPMTUPSuccess"] += 1


def tcp_mtu_probing(sk: TcpSock) -> None:
    """Retransmissions find no way: perhaps a black hole for what is large, so make segments smaller."""
    ts = sk.ts
    if not sk.mtup_enabled:
        sk.mtup_enabled = True
        sk.mtup_timestamp = jiffies(sk)
    else:
        mss = min(tcp_mtu_to_mss(sk, sk.mtup_low) >> 1, ts.tcp_base_mss)
        if sk.v.mtup_search:
            mss = max(mss, ts.tcp_mtu_probe_floor, ts.tcp_min_snd_mss)
        else:
            mss = max(mss, 68 - sk.header_len)
        sk.mtup_low = tcp_mss_to_mtu(sk, mss)
    tcp_sync_mss(sk, sk.pmtu_cookie)
