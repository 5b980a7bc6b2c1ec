"""A load generator: frames of chosen rate, shape, sizes and flows, the same for the same seed.

What belongs here: making load. What does not: pacing by a link (`cable.py`) and faults. Frames are made
from one template a flow and size; only the IP id and, where asked for, TCP's sequence or a stamp are
patched, and checksums with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle
from struct import Struct
from typing import Final

from rxpath.link.source import Frame, Source, purpose_rng
from rxpath.wire.addr import ip4_str
from rxpath.wire.build import tcp_frame, udp_frame
from rxpath.wire.ethernet import ETH_FCS_LEN, ETH_HLEN, VLAN_HLEN, wire_bytes
from rxpath.wire.tcp import TCPHDR_ACK, TCPHDR_PSH

UDP: Final = "udp"
TCP: Final = "tcp"

DEFAULT_SRC_MAC: Final = b"\x02\x00\x00\x00\x00\xfe"
DEFAULT_DST_MAC: Final = b"\x02\x00\x00\x00\x00\x01"
MAX_PAYLOAD: Final = 65507
# IMIX of the simple kind: 64, 594 and 1518 byte frames at 7 : 4 : 1, here as UDP payloads (46 bytes of
# headers and FCS)
IMIX: Final = ((18, 7), (548, 4), (1472, 1))

_ID_FRAG_TTL_CHECK: Final = Struct(">HHHH")
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")
_BATCH: Final = 4096


class Sizes:
    """How large payloads are, in bytes behind the UDP or TCP header. Make one with `fixed`, `uniform`,
    `mix`, `imix`."""

    __slots__ = ("_choices", "_uniform", "_weights", "text")

    def __init__(
        self, text: str, choices: list[int], weights: list[int], uniform: tuple[int, int] | None = None
    ) -> None:
        for size in (*choices, *(uniform or ())):
            if not 0 <= size <= MAX_PAYLOAD:
                raise ValueError(f"a payload must be from 0 to {MAX_PAYLOAD} bytes, not {size}")
        if uniform is not None and uniform[0] > uniform[1]:
            raise ValueError(f"a range of sizes must rise: {uniform[0]}-{uniform[1]}")
        self.text = text
        self._choices = choices
        self._weights = weights
        self._uniform = uniform

    @classmethod
    def fixed(cls, size: int) -> Sizes:
        return cls(str(size), [size], [1])

    @classmethod
    def uniform(cls, low: int, high: int) -> Sizes:
        """Every size from `low` to `high`, both included, equally often."""
        return cls(f"{low}-{high}", [], [], (low, high))

    @classmethod
    def mix(cls, parts: list[tuple[int, int]]) -> Sizes:
        """(size, weight) pairs."""
        return cls(",".join(f"{s}:{w}" for s, w in parts), [s for s, _ in parts], [w for _, w in parts])

    @classmethod
    def imix(cls) -> Sizes:
        return cls("imix", [s for s, _ in IMIX], [w for _, w in IMIX])

    @classmethod
    def parse(cls, text: str) -> Sizes:
        """`"64"`, `"64-1472"`, `"imix"` or `"18:7,548:4,1472:1"`; else ValueError."""
        try:
            if text == "imix":
                return cls.imix()
            if ":" in text:
                parts = [part.split(":") for part in text.split(",")]
                return cls.mix([(int(size), int(weight)) for size, weight in parts])
            if "-" in text:
                low, high = text.split("-")
                return cls.uniform(int(low), int(high))
            return cls.fixed(int(text))
        except ValueError as err:
            if str(err).startswith("a "):
                raise
            raise ValueError(f"not a size: {text!r} (64, 64-1472, imix or SIZE:WEIGHT,...)") from None

    @property
    def single(self) -> int | None:
        """The size when there is but one."""
        return self._choices[0] if len(self._choices) == 1 else None

    def draw(self, seed: int) -> Iterator[int]:
        """Sizes without end, from the seed."""
        rng = purpose_rng(seed, "sizes")
        while True:
            if self._uniform is not None:
                low, high = self._uniform
                yield from rng.choices(range(low, high + 1), k=_BATCH)
            elif len(self._choices) == 1:
                yield from self._choices * _BATCH
            else:
                yield from rng.choices(self._choices, self._weights, k=_BATCH)


class _Template:
    """A frame in pieces around its IP id and header checksum, with the sums that its checksums start from."""

    __slots__ = ("base", "check", "frag", "front", "seq_at", "size", "sum", "tail", "ttl")

    def __init__(self, frame: bytes, network: int, transport_check: int, seq_at: int) -> None:
        at = network + 4
        self.front = frame[:at]
        self.frag = frame[at + 2] << 8 | frame[at + 3]
        self.ttl = frame[at + 4] << 8 | frame[at + 5]
        self.tail = frame[at + 8 :]
        # sum of the header without its checksum, for an id of 0
        self.sum = _U16.unpack_from(frame, at + 6)[0] ^ 0xFFFF
        # offset of what is patched in the tail, and of the transport checksum
        self.seq_at = seq_at - at - 8
        self.check = transport_check - at - 8
        # sum of the transport without its checksum, for a sequence of 0
        self.base = _U16.unpack_from(frame, transport_check)[0] ^ 0xFFFF
        self.size = len(frame)


class LoadGenerator(Source):
    """A load as a source.

    Rate: `pps` (frames a second) or `bps` (bit/s on the cable: FCS, preamble and gap included), exactly
    one. `count` frames in all. `burst` frames come back to back, `link_bps` apart (at one time when it is
    0), and then a pause keeps the rate; `arrivals` "even" or "poisson" (random gaps between bursts, same
    mean). `sizes` are payload bytes.

    Flows: `flows` source ports from `sport` on, each with `src`, used in turn (`spread` "turn") or at
    random ("random"). Every frame's IP id counts up in its flow. `dport`, `dst`, `dst_mac`, `src_mac`,
    `vlan` (TCI), `ttl`, `tos`, `df` as named.

    protocol "tcp" makes trains for GRO: `train` segments of one flow in a row, sequence numbers going on,
    PSH on the last. `stamp` writes the frame's number, u32 from 0, into the first 4 payload bytes of UDP.
    `start_ns` is the first frame's time.

    ValueError, one line, for what cannot be.
    """

    __slots__ = (
        "_pps", "_templates", "arrivals", "bps", "burst", "count", "df", "dport", "dst", "dst_mac", "flows",
        "link_bps", "protocol", "seed", "sizes", "sport", "spread", "src", "src_mac", "stamp", "start_ns",
        "tos", "train", "ttl", "vlan",
    )  # fmt: skip

    def __init__(
        self,
        *,
        count: int,
        pps: int | Fraction | None = None,
        bps: int | None = None,
        burst: int = 1,
        link_bps: int = 0,
        arrivals: str = "even",
        sizes: Sizes | int = 64,
        protocol: str = UDP,
        flows: int = 1,
        spread: str = "turn",
        train: int = 1,
        src: int = 0x0A000002,
        dst: int = 0x0A000001,
        sport: int = 10000,
        dport: int = 9,
        src_mac: bytes = DEFAULT_SRC_MAC,
        dst_mac: bytes = DEFAULT_DST_MAC,
        vlan: int | None = None,
        ttl: int = 64,
        tos: int = 0,
        df: bool = True,
        stamp: bool = False,
        seed: int = 0,
        start_ns: int = 0,
    ) -> None:
        if (pps is None) == (bps is None):
            raise ValueError("a load needs a rate in frames or in bits a second, one of the two")
        rate = pps if pps is not None else bps
        if rate is None or rate <= 0:
            raise ValueError(f"a rate must be above 0, not {rate}")
        if count < 0:
            raise ValueError(f"a count must not be negative: {count}")
        for what, value in (("burst", burst), ("number of flows", flows), ("train", train)):
            if value < 1:
                raise ValueError(f"a {what} must be at least 1, not {value}")
        if not 0 < sport <= 65535 or sport + flows - 1 > 65535:
            raise ValueError(f"{flows} flows from port {sport} on leave the range 1-65535")
        if not 0 <= dport <= 65535:
            raise ValueError(f"a port must be from 0 to 65535, not {dport}")
        if protocol not in (UDP, TCP):
            raise ValueError(f"a load is udp or tcp, not {protocol!r}")
        if arrivals not in ("even", "poisson"):
            raise ValueError(f"arrivals are even or poisson, not {arrivals!r}")
        if spread not in ("turn", "random"):
            raise ValueError(f"flows come in turn or at random, not {spread!r}")
        self.sizes = sizes if isinstance(sizes, Sizes) else Sizes.fixed(sizes)
        if stamp and (protocol != UDP or (self.sizes.single or 0) < 4):
            raise ValueError("a stamp needs UDP and one payload size of at least 4 bytes")
        super().__init__(f"load of {count} {protocol} frames to {ip4_str(dst)}:{dport}", count)
        self._pps = Fraction(pps) if pps is not None else None
        self.bps = bps
        self.count = count
        self.burst = burst
        self.link_bps = link_bps
        self.arrivals = arrivals
        self.protocol = protocol
        self.flows = flows
        self.spread = spread
        self.train = train
        self.src = src
        self.dst = dst
        self.sport = sport
        self.dport = dport
        self.src_mac = src_mac
        self.dst_mac = dst_mac
        self.vlan = vlan
        self.ttl = ttl
        self.tos = tos
        self.df = df
        self.stamp = stamp
        self.seed = seed
        self.start_ns = start_ns
        self._templates: dict[int, _Template] = {}

    def in_order(self) -> bool:
        """Bursts may run into each other, single frames do not."""
        return self.burst == 1

    def _template(self, flow: int, size: int, last: bool) -> _Template:
        key = (size * self.flows + flow) * 2 + last
        found = self._templates.get(key)
        if found is not None:
            return found
        if len(self._templates) > 16384:
            self._templates.clear()
        network = ETH_HLEN + (VLAN_HLEN if self.vlan is not None else 0)
        transport = network + 20
        frag_off = 0x4000 if self.df else 0
        if self.protocol == UDP:
            frame = udp_frame(
                self.src_mac, self.dst_mac, self.src, self.dst, self.sport + flow, self.dport, bytes(size),
                ttl=self.ttl, tos=self.tos, frag_off=frag_off, vlan=self.vlan,
            )  # fmt: skip
            made = _Template(frame, network, transport + 6, transport + 8)
        else:
            frame = tcp_frame(
                self.src_mac, self.dst_mac, self.src, self.dst, self.sport + flow, self.dport, 0, 1,
                TCPHDR_ACK | (TCPHDR_PSH if last else 0), bytes(size),
                ttl=self.ttl, tos=self.tos, frag_off=frag_off, vlan=self.vlan,
            )  # fmt: skip
            made = _Template(frame, network, transport + 16, transport + 4)
        self._templates[key] = made
        return made

    def _flow_order(self) -> Iterator[int]:
        if self.spread == "turn":
            return cycle(range(self.flows))
        return self._random_flows()

    def _random_flows(self) -> Iterator[int]:
        rng = purpose_rng(self.seed, "flows")
        while True:
            yield from rng.choices(range(self.flows), k=_BATCH)

    def _times(self) -> Iterator[int]:
        """Starts of bursts of `burst` frames when the rate is in frames a second."""
        assert self._pps is not None
        gap = Fraction(self.burst * 1_000_000_000) / self._pps
        num, den = gap.numerator, gap.denominator
        start = self.start_ns
        if self.arrivals == "even":
            n = 0
            while True:
                yield start + n * num // den
                n += 1
        rng = purpose_rng(self.seed, "arrivals")
        mean = num / den
        t = start
        while True:
            yield t
            t += int(rng.expovariate(1.0) * mean)

    def __iter__(self) -> Iterator[Frame]:
        pack = _ID_FRAG_TTL_CHECK.pack
        u16, u32 = _U16.pack, _U32.pack
        tcp, stamp = self.protocol == TCP, self.stamp
        train, burst, count = self.train, self.burst, self.count
        sizes = self.sizes.draw(self.seed)
        order = self._flow_order()
        single = self.sizes.single
        byte_ps = 8 * 10**12 // self.link_bps if self.link_bps else 0
        times = self._times() if self._pps is not None else None
        bps = self.bps or 0
        # id, and for TCP the sequence number, of each flow
        idents = [0] * self.flows
        seqs = [1] * self.flows
        fixed: list[_Template] | None = None
        if single is not None and not tcp:
            fixed = [self._template(flow, single, False) for flow in range(self.flows)]
        poisson = purpose_rng(self.seed, "arrivals") if self.arrivals == "poisson" else None
        in_train = 0
        in_burst = 0
        flow = 0
        t = self.start_ns
        due = 0  # bits sent so far, for a rate in bits
        debt = 0
        line_ps = 0
        for number in range(count):
            if in_train == 0:
                flow = next(order)
                in_train = train
            in_train -= 1
            if fixed is not None:
                made = fixed[flow]
                size = single or 0
            else:
                size = next(sizes)
                made = self._template(flow, size, tcp and in_train == 0)
            ident = idents[flow]
            idents[flow] = ident + 1 & 0xFFFF
            # 0xffff minus the sum is its complement; the sum is never 0, the header begins with 0x45
            head = pack(ident, made.frag, made.ttl, 0xFFFF - ((made.sum + ident) % 0xFFFF or 0xFFFF))
            if tcp:
                seq = seqs[flow]
                seqs[flow] = seq + size & 0xFFFFFFFF
                tail, at, check = made.tail, made.seq_at, made.check
                csum = 0xFFFF - ((made.base + seq) % 0xFFFF or 0xFFFF)
                frame = b"".join(
                    (
                        made.front,
                        head,
                        tail[:at],
                        u32(seq),
                        tail[at + 4 : check],
                        u16(csum),
                        tail[check + 2 :],
                    )
                )
            elif stamp:
                tail, at, check = made.tail, made.seq_at, made.check
                csum = 0xFFFF - ((made.base + number) % 0xFFFF or 0xFFFF) or 0xFFFF
                frame = b"".join((made.front, head, tail[:check], u16(csum), u32(number), tail[at + 4 :]))
            else:
                frame = made.front + head + made.tail
            if in_burst == 0:
                in_burst = burst
                line_ps = 0
                if times is not None:
                    t = next(times)
                else:
                    if poisson is not None:
                        debt += int(poisson.expovariate(1.0) * due * 1_000_000_000) // bps
                        due = 0
                        t = self.start_ns + debt
                    else:
                        t = self.start_ns + due * 1_000_000_000 // bps
            in_burst -= 1
            self.frames += 1
            yield t + line_ps // 1000, frame
            if byte_ps:
                line_ps += wire_bytes(made.size) * byte_ps
            if bps:
                due += wire_bytes(made.size) * 8


def payload_of_frame(frame_size: int, protocol: str = UDP, vlan: bool = False) -> int:
    """Payload bytes of a frame of `frame_size` with its FCS (64 to 1518 and beyond), as benchmarks count.
    ValueError when too small."""
    overhead = ETH_HLEN + (VLAN_HLEN if vlan else 0) + 20 + (8 if protocol == UDP else 20) + ETH_FCS_LEN
    if frame_size < overhead:
        raise ValueError(f"a {protocol} frame has at least {overhead} bytes, not {frame_size}")
    return frame_size - overhead
