"""What every command of ethtool gets: the call, and how its words are read as numbers and pairs."""

from __future__ import annotations

from rxpath.formats.ethtool import messages
from rxpath.kernel.errno import EINVAL, ENODEV, linux_error
from rxpath.net.core import ethtool as et
from rxpath.net.core.netdevice import NetDevice
from rxpath.tools.process import Process, Usage


class Run:
    """One call of the program: the process, the device's name, whether the kernel has the netlink form."""

    __slots__ = ("p", "dev", "netlink", "option", "json")

    def __init__(self, p: Process, dev: str, option: str) -> None:
        self.p = p
        self.dev = dev
        self.netlink = p.kernel.release.ethtool_netlink
        self.option = option
        self.json = False

    def device(self) -> NetDevice:
        """The device as netlink finds it.  Raises ExtackError(ENODEV)."""
        d = self.p.net.by_name.get(self.dev)
        if d is None:
            raise et.ExtackError(ENODEV, messages.NO_DEVICE, 24)
        if not d.present:
            raise linux_error(ENODEV, self.dev)
        return d

    def refused(self, e: OSError) -> None:
        """Say what netlink refused."""
        text, offset = (e.extack, e.offset) if isinstance(e, et.ExtackError) else ("", -1)
        self.p.err(messages.netlink(e.errno or EINVAL, text, offset if offset >= 0 else None))

    def bad(self) -> Usage:
        return Usage(messages.BAD_ARGUMENTS)


def number(word: str) -> int | None:
    """A u32 as C reads it (hex, octal)."""
    try:
        v = int(word, 0) if not (len(word) > 1 and word[0] == "0" and word[1].isdigit()) else int(word, 8)
    except ValueError:
        return None
    return v if 0 <= v <= 0xFFFFFFFF else None


def pairs(r: Run, args: list[str], numbers: tuple[str, ...], switches: tuple[str, ...]) -> list[tuple[str, int]]:
    """`name value ...` in the order given, on = 1.  Raises Usage in the words of the form in use."""
    out: list[tuple[str, int]] = []
    at = 0
    while at < len(args):
        name = args[at]
        if name not in numbers and name not in switches:
            raise Usage(f"ethtool ({r.option}): unknown parameter '{name}'\n") if r.netlink else r.bad()
        if r.netlink and any(n == name for n, _ in out):
            raise Usage(f"ethtool ({r.option}): duplicate parameter '{name}'\n")
        if at + 1 >= len(args):
            raise Usage(f"ethtool ({r.option}): no value for parameter '{name}'\n") if r.netlink else r.bad()
        word = args[at + 1]
        value = number(word) if name in numbers else {"on": 1, "off": 0}.get(word)
        if value is None:
            raise Usage(messages.bad_value(r.option, word, name)) if r.netlink else r.bad()
        out.append((name, value))
        at += 2
    return out
