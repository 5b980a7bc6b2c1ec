"""The drivers' test machine with an X540 or an 82599 and ixgbe in it."""

from __future__ import annotations

from typing import Any

from tests.drivers import host
from tests.drivers.host import MAC, PEER, frame

from rxpath.drivers.ixgbe import IxgbeModule
from rxpath.drivers.ixgbe.ixgbe import IxgbeAdapter
from rxpath.drivers.ixgbe.main import IxgbeNetDevice
from rxpath.hw.nic.ixgbe import I82599, X540, Ixgbe
from rxpath.hw.nic.offload import fold, ones_sum
from rxpath.net.core.ethtool import ethtool_get_stats


class IxgbeHost(host.Host):
    """Arguments as Host's; `chip` is the model's class."""

    def __init__(
        self,
        *,
        chip: type[Ixgbe] = X540,
        params: dict[str, str] | None = None,
        load: bool = True,
        **kw: Any,
    ) -> None:
        kw.setdefault("model", lambda i: chip(MAC[:5] + bytes([MAC[5] + i])))  # type: ignore[call-arg]
        super().__init__(load=False, **kw)
        self.ixgbe = IxgbeModule(params)
        if load:
            self.task(lambda: self.ixgbe.init(self.kernel, self.net))

    def ixgbe_dev(self, name: str = "eth0") -> IxgbeNetDevice:
        d = self.net.dev_get_by_name(name)
        assert isinstance(d, IxgbeNetDevice)
        return d

    def dev(self, name: str = "eth0") -> Any:
        return self.ixgbe_dev(name)

    def port(self, name: str = "eth0") -> IxgbeAdapter:
        return self.ixgbe_dev(name).priv()

    def reg(self, off: int) -> int:
        return self.port().hw.read(off)

    def stats(self, name: str = "eth0") -> dict[str, int]:
        return dict(self.task(lambda: ethtool_get_stats(self.ixgbe_dev(name))))

    def irq_names(self) -> list[str]:
        return [a.name for d in self.kernel.irq.descs.values() for a in d.actions]

    def settle(self) -> None:
        """After a reset of a running port: wait for the carrier."""
        for _ in range(600):
            if self.ixgbe_dev().carrier_ok:
                return
            self.run(10_000_000)
        raise AssertionError("no carrier")


def ip4(payload: bytes, proto: int, src: bytes = b"\x0a\0\0\1", dst: bytes = b"\x0a\0\0\2") -> bytes:
    """An IPv4 header in front of `payload`, checksum right."""
    h = b"\x45\0" + (20 + len(payload)).to_bytes(2, "big") + b"\0\x07\x40\0\x40" + bytes([proto]) + b"\0\0" + src + dst
    return h[:10] + fold(ones_sum(h)).to_bytes(2, "big") + h[12:] + payload


def tcp(
    seq: int,
    data: bytes,
    *,
    flags: int = 0x10,
    sport: int = 4000,
    ack: int = 1,
    options: bytes = b"",
    bad: bool = False,
    src: bytes = b"\x0a\0\0\1",
) -> bytes:
    """A TCP segment to 10.0.0.2:80 as a frame."""
    head = sport.to_bytes(2, "big") + b"\0\x50" + (seq & 0xFFFFFFFF).to_bytes(4, "big") + ack.to_bytes(4, "big")
    head += bytes(((20 + len(options)) << 2, flags)) + b"\x10\0\0\0\0\0" + options
    seg = head + data
    pseudo = src + b"\x0a\0\0\2\0\x06" + len(seg).to_bytes(2, "big")
    c = fold(ones_sum(pseudo + seg)) ^ (0x1234 if bad else 0)
    seg = seg[:16] + c.to_bytes(2, "big") + seg[18:]
    f = MAC + PEER + b"\x08\0" + ip4(seg, 6, src)
    return f.ljust(60, b"\0")


def udp(sport: int = 1000, dport: int = 2000, n: int = 18, *, src: bytes = b"\x0a\0\0\1", spoil: int = 0) -> bytes:
    """A UDP datagram to 10.0.0.2 with a checksum."""
    d = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + (8 + n).to_bytes(2, "big") + b"\0\0" + bytes(n)
    c = fold(ones_sum(src + b"\x0a\0\0\2\0\x11" + (8 + n).to_bytes(2, "big") + d)) or 0xFFFF
    d = d[:6] + (c ^ spoil).to_bytes(2, "big") + d[8:]
    return (MAC + PEER + b"\x08\0" + ip4(d, 17, src)).ljust(60, b"\0")


__all__ = ["I82599", "IxgbeHost", "MAC", "PEER", "X540", "frame", "ip4", "tcp", "udp"]
