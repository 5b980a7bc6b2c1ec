"""Congestion control of what we send: Reno and CUBIC behind one interface.

Facts: net/ipv4/tcp_cong.c, tcp_cubic.c (6.1).  Windows in packets, times in microseconds where named so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.net.ipv4.tcp.seq import M32, before, s32

if TYPE_CHECKING:
    from rxpath.net.ipv4.tcp.sock import TcpSock

BICTCP_HZ: Final = 10
BETA: Final = 717
BETA_SCALE: Final = 1024
CUBE_FACTOR: Final = (1 << (10 + 3 * BICTCP_HZ)) // 410  # 410 = bic_scale 41 * 10
CUBE_RTT_SCALE: Final = 410
BETA_FACTOR: Final = 8 * (BETA_SCALE + BETA) // 3 // (BETA_SCALE - BETA)
HYSTART_ACK_TRAIN: Final = 1
HYSTART_DELAY: Final = 2
HYSTART_MIN_SAMPLES: Final = 8
HYSTART_DELAY_MIN: Final = 4000
HYSTART_DELAY_MAX: Final = 16000
HYSTART_LOW_WINDOW: Final = 16
HYSTART_GSO_US: Final = (65536 - 320 - 1) * 4 * 1_000_000


def tcp_slow_start(sk: TcpSock, acked: int) -> int:
    """Grow towards ssthresh; what is left of `acked` goes to congestion avoidance."""
    cwnd = min(sk.snd_cwnd + acked, sk.snd_ssthresh)
    acked -= cwnd - sk.snd_cwnd
    sk.snd_cwnd = min(cwnd, sk.snd_cwnd_clamp)
    return acked


def tcp_cong_avoid_ai(sk: TcpSock, w: int, acked: int) -> None:
    """One packet more for every `w` acknowledged."""
    if sk.snd_cwnd_cnt >= w:
        sk.snd_cwnd_cnt = 0
        sk.snd_cwnd += 1
    sk.snd_cwnd_cnt += acked
    if sk.snd_cwnd_cnt >= w:
        delta = sk.snd_cwnd_cnt // w
        sk.snd_cwnd_cnt -= delta * w
        sk.snd_cwnd += delta
    sk.snd_cwnd = min(sk.snd_cwnd, sk.snd_cwnd_clamp)


def tcp_is_cwnd_limited(sk: TcpSock) -> bool:
    if sk.is_cwnd_limited:
        return True
    if sk.snd_cwnd < sk.snd_ssthresh:
        return sk.snd_cwnd < 2 * sk.max_packets_out
    return False


class CongOps:
    """`struct tcp_congestion_ops`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def init(self, sk: TcpSock) -> None:
        sk.ca = None

    def ssthresh(self, sk: TcpSock) -> int:
        return max(sk.snd_cwnd >> 1, 2)

    def undo_cwnd(self, sk: TcpSock) -> int:
        return max(sk.snd_cwnd, sk.prior_cwnd)

    def cong_avoid(self, sk: TcpSock, acked: int) -> None:
        tcp_reno_cong_avoid(sk, acked)

    def pkts_acked(self, sk: TcpSock, rtt_us: int) -> None:
        """A round-trip sample; -1 = none."""

    def set_state(self, sk: TcpSock, new: int) -> None:
        """The sender's state changes."""

    def tx_start(self, sk: TcpSock) -> None:
        """The first packet after an idle time."""


def tcp_reno_cong_avoid(sk: TcpSock, acked: int) -> None:
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


class RenoOps(CongOps):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("reno")


class BicTcp:
    """`struct bictcp`: CUBIC's memory of one connection (times in microseconds, BICTCP_HZ units where shifted)."""

    __slots__ = (
        "cnt",
        "last_max_cwnd",
        "last_cwnd",
        "last_time",
        "origin_point",
        "k",
        "delay_min",
        "epoch_start",
        "ack_cnt",
        "tcp_cwnd",
        "sample_cnt",
        "found",
        "round_start",
        "end_seq",
        "last_ack",
        "curr_rtt",
    )

    def __init__(self) -> None:
        self.reset()
        self.round_start = 0
        self.end_seq = 0
        self.last_ack = 0
        self.curr_rtt = M32
        self.sample_cnt = 0

    def reset(self) -> None:
        self.cnt = 0
        self.last_max_cwnd = 0
        self.last_cwnd = 0
        self.last_time = 0
        self.origin_point = 0
        self.k = 0
        self.delay_min = 0
        self.epoch_start = 0
        self.ack_cnt = 0
        self.tcp_cwnd = 0
        self.found = 0


def cubic_root(a: int) -> int:
    """Integer cube root."""
    if a <= 0:
        return 0
    x = 1 << (a.bit_length() + 2) // 3
    while True:
        y = (2 * x + a // (x * x)) // 3
        if y >= x:
            return x
        x = y


def bictcp_update(sk: TcpSock, ca: BicTcp, cwnd: int, acked: int) -> None:
    """How many acknowledgements make one packet (ca.cnt)."""
    now = sk.ts.ipv4.kernel.engine.now // 1000
    ca.ack_cnt += acked
    if ca.last_cwnd == cwnd and now - ca.last_time <= 31250:
        return
    if not (ca.epoch_start and now == ca.last_time):
        ca.last_cwnd = cwnd
        ca.last_time = now
        if ca.epoch_start == 0:
            ca.epoch_start = now or 1
            ca.ack_cnt = acked
            ca.tcp_cwnd = cwnd
            if ca.last_max_cwnd <= cwnd:
                ca.k = 0
                ca.origin_point = cwnd
            else:
                ca.k = cubic_root(CUBE_FACTOR * (ca.last_max_cwnd - cwnd))
                ca.origin_point = ca.last_max_cwnd
        t = ((now - ca.epoch_start + ca.delay_min) << BICTCP_HZ) // 1_000_000
        offs = ca.k - t if t < ca.k else t - ca.k
        delta = (CUBE_RTT_SCALE * offs * offs * offs) >> (10 + 3 * BICTCP_HZ)
        target = ca.origin_point - delta if t < ca.k else ca.origin_point + delta
        ca.cnt = cwnd // (target - cwnd) if target > cwnd else 100 * cwnd
        if ca.last_max_cwnd == 0 and ca.cnt > 20:
            ca.cnt = 20
    delta2 = (cwnd * BETA_FACTOR) >> 3
    while delta2 and ca.ack_cnt > delta2:
        ca.ack_cnt -= delta2
        ca.tcp_cwnd += 1
    if ca.tcp_cwnd > cwnd:
        max_cnt = cwnd // (ca.tcp_cwnd - cwnd)
        if ca.cnt > max_cnt:
            ca.cnt = max_cnt
    ca.cnt = max(ca.cnt, 2)


class CubicOps(CongOps):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("cubic")

    def _ca(self, sk: TcpSock) -> BicTcp:
        ca = sk.ca
        if not isinstance(ca, BicTcp):
            ca = sk.ca = BicTcp()
        return ca

    def init(self, sk: TcpSock) -> None:
        sk.ca = BicTcp()
        self._hystart_reset(sk, self._ca(sk))

    def _hystart_reset(self, sk: TcpSock, ca: BicTcp) -> None:
        ca.round_start = ca.last_ack = sk.ts.ipv4.kernel.engine.now // 1000
        ca.end_seq = sk.snd_nxt
        ca.curr_rtt = M32
        ca.sample_cnt = 0

    def ssthresh(self, sk: TcpSock) -> int:
        ca = self._ca(sk)
        ca.epoch_start = 0
        cwnd = sk.snd_cwnd
        if cwnd < ca.last_max_cwnd:
            ca.last_max_cwnd = cwnd * (BETA_SCALE + BETA) // (2 * BETA_SCALE)
        else:
            ca.last_max_cwnd = cwnd
        return max(cwnd * BETA // BETA_SCALE, 2)

    def cong_avoid(self, sk: TcpSock, acked: int) -> None:
        if not tcp_is_cwnd_limited(sk):
            return
        if sk.snd_cwnd < sk.snd_ssthresh:
            acked = tcp_slow_start(sk, acked)
            if not acked:
                return
        ca = self._ca(sk)
        bictcp_update(sk, ca, sk.snd_cwnd, acked)
        tcp_cong_avoid_ai(sk, ca.cnt, acked)

    def set_state(self, sk: TcpSock, new: int) -> None:
        if new == 4:
            ca = self._ca(sk)
            ca.reset()
            self._hystart_reset(sk, ca)

    def tx_start(self, sk: TcpSock) -> None:
        ca = self._ca(sk)
        now = sk.ts.ipv4.kernel.engine.now // 1000
        hz = sk.ts.ipv4.kernel.hz
        delta = (sk.ts.ipv4.kernel.jiffies() - sk.lsndtime) * (1_000_000 // hz)
        if ca.epoch_start and delta > 0:
            ca.epoch_start = min(ca.epoch_start + delta, now)

    def pkts_acked(self, sk: TcpSock, rtt_us: int) -> None:
        if rtt_us < 0:
            return
        ca = self._ca(sk)
        now = sk.ts.ipv4.kernel.engine.now // 1000
        if ca.epoch_start and now - ca.epoch_start < 1_000_000:
            return
        delay = rtt_us or 1
        if ca.delay_min == 0 or ca.delay_min > delay:
            ca.delay_min = delay
        if not ca.found and sk.snd_cwnd < sk.snd_ssthresh:
            self._hystart_update(sk, ca, delay, now)

    def _hystart_update(self, sk: TcpSock, ca: BicTcp, delay: int, now: int) -> None:
        if s32(sk.snd_una - ca.end_seq) > 0 or before(ca.end_seq, sk.snd_una):
            self._hystart_reset(sk, ca)
        if sk.snd_cwnd < HYSTART_LOW_WINDOW:
            return
        ext = sk.ts.ipv4.tcpext
        if now - ca.last_ack <= 2000:
            ca.last_ack = now
            threshold = ca.delay_min
            if sk.v.internal_pacing:  # hystart_ack_delay (5.6): the super-packets of a near peer's acknowledgements
                if sk.pacing_rate:
                    threshold += min(1000, HYSTART_GSO_US // sk.pacing_rate)
            if not sk.pacing_status or not sk.v.internal_pacing:
                threshold >>= 1
            if now - ca.round_start > threshold:
                ca.found |= HYSTART_ACK_TRAIN
                ext["TCPHystartTrainDetect"] += 1
                ext["TCPHystartTrainCwnd"] += sk.snd_cwnd
                sk.snd_ssthresh = sk.snd_cwnd
        if delay < ca.curr_rtt:
            ca.curr_rtt = delay
        if ca.sample_cnt < HYSTART_MIN_SAMPLES:
            ca.sample_cnt += 1
        else:
            thresh = max(HYSTART_DELAY_MIN, min(ca.delay_min >> 3, HYSTART_DELAY_MAX))
            if ca.curr_rtt > ca.delay_min + thresh:
                ca.found |= HYSTART_DELAY
                ext["TCPHystartDelayDetect"] += 1
                ext["TCPHystartDelayCwnd"] += sk.snd_cwnd
                sk.snd_ssthresh = sk.snd_cwnd
