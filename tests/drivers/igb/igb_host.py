"""The drivers' test machine with an 82576 or an I350 and igb in it."""

from __future__ import annotations

from typing import Any

from tests.drivers import host
from tests.drivers.host import MAC, PEER, frame

from rxpath.drivers.igb import IgbModule
from rxpath.drivers.igb.igb import IgbAdapter
from rxpath.drivers.igb.main import IgbNetDevice
from rxpath.hw.nic.igb import I350, I82576, Igb
from rxpath.net.core.ethtool import ethtool_get_stats


class IgbHost(host.Host):
    """Arguments as Host's; `chip` is the model's class."""

    def __init__(
        self, *, chip: type[Igb] = I82576, params: dict[str, str] | None = None, load: bool = True, **kw: Any
    ) -> None:
        kw.setdefault("model", lambda i: chip(MAC[:5] + bytes([MAC[5] + i])))
        super().__init__(load=False, **kw)
        self.igb = IgbModule(params)
        if load:
            self.task(lambda: self.igb.init(self.kernel, self.net))

    def igb_dev(self, name: str = "eth0") -> IgbNetDevice:
        d = self.net.dev_get_by_name(name)
        assert isinstance(d, IgbNetDevice)
        return d

    def dev(self, name: str = "eth0") -> Any:
        return self.igb_dev(name)

    def port(self, name: str = "eth0") -> IgbAdapter:
        return self.igb_dev(name).priv()

    def reg(self, off: int) -> int:
        return self.port().the_hw().rd32(off)

    def stats(self, name: str = "eth0") -> dict[str, int]:
        return dict(ethtool_get_stats(self.igb_dev(name)))

    def irq_names(self) -> list[str]:
        return [a.name for d in self.kernel.irq.descs.values() for a in d.actions]

    def settle(self) -> None:
        """After a reset of a running port: wait for the carrier."""
        for _ in range(600):
            if self.igb_dev().carrier_ok:
                return
            self.run(10_000_000)
        raise AssertionError("no carrier")


def udp(src: bytes, sport: int = 1000, dport: int = 2000, n: int = 18, ident: int = 0) -> bytes:
    """A UDP datagram to 10.0.0.2 without a UDP checksum, IPv4 checksum right."""
    head = bytearray(
        b"\x45\0" + (28 + n).to_bytes(2, "big") + ident.to_bytes(2, "big") + b"\0\0\x40\x11\0\0" + src + b"\x0a\0\0\x02"
    )
    total = sum(int.from_bytes(head[i : i + 2], "big") for i in range(0, 20, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    head[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
    body = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + (8 + n).to_bytes(2, "big") + b"\0\0" + bytes(n)
    out = MAC + PEER + b"\x08\0" + bytes(head) + body
    return out + bytes(max(0, 60 - len(out)))


__all__ = ["I350", "I82576", "IgbHost", "MAC", "PEER", "frame", "udp"]
