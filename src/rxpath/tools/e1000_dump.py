"""`ethtool -d` of e1000 and e1000e: the driver's register words, spelled out.

What belongs here: which bit means what in the words that the driver dumps, and how the lines look (recorded on
6.1 for what an 82574L shows; the other value of a bit is unchecked).
"""

from __future__ import annotations

from typing import Final

from rxpath.hw.regs import i82574 as r

# (mask, label, {value: text}); the text for any other value stands under -1
Field = tuple[int, str, dict[int, str]]

_ONOFF: Final = {0: "disabled", -1: "enabled"}
_YESNO: Final = {0: "no", -1: "yes"}

CTRL: Final[tuple[Field, ...]] = (
    (0x0000_0002, "Endian mode (buffers)", {0: "little", -1: "big"}),
    (0x0000_0008, "Link reset", {0: "normal", -1: "reset"}),
    (0x0000_0040, "Set link up", {0: "0", -1: "1"}),
    (0x0000_0080, "Invert Loss-Of-Signal", _YESNO),
    (0x0800_0000, "Receive flow control", _ONOFF),
    (0x1000_0000, "Transmit flow control", _ONOFF),
    (0x4000_0000, "VLAN mode", _ONOFF),
    (0x0000_0020, "Auto speed detect", _ONOFF),
    (0x0000_0300, "Speed select", {0: "10Mb/s", 0x100: "100Mb/s", 0x200: "1000Mb/s", -1: "not used"}),
    (0x0000_0800, "Force speed", _YESNO),
    (0x0000_1000, "Force duplex", _YESNO),
)
STATUS: Final[tuple[Field, ...]] = (
    (0x0000_0001, "Duplex", {0: "half", -1: "full"}),
    (0x0000_0002, "Link up", {0: "no link config", -1: "link config"}),
    (0x0000_0020, "TBI mode", _ONOFF),
    (0x0000_00C0, "Link speed", {0: "10Mb/s", 0x40: "100Mb/s", -1: "1000Mb/s"}),
    (0x0000_2000, "Bus type", {0: "PCI", -1: "PCI-X"}),
    (0x0000_0800, "Bus speed", {0: "33MHz", -1: "66MHz"}),
    (0x0000_1000, "Bus width", {0: "32-bit", -1: "64-bit"}),
)
RCTL: Final[tuple[Field, ...]] = (
    (0x0000_0002, "Receiver", _ONOFF),
    (0x0000_0004, "Store bad packets", _ONOFF),
    (0x0000_0008, "Unicast promiscuous", _ONOFF),
    (0x0000_0010, "Multicast promiscuous", _ONOFF),
    (0x0000_0020, "Long packet", _ONOFF),
    (
        0x0000_0300,
        "Descriptor minimum threshold size",
        {0: "1/2", 0x100: "1/4", 0x200: "1/8", -1: "reserved"},
    ),
    (0x0000_8000, "Broadcast accept mode", {0: "ignore", -1: "accept"}),
    (0x0004_0000, "VLAN filter", _ONOFF),
    (0x0008_0000, "Canonical form indicator", _ONOFF),
    (0x0040_0000, "Discard pause frames", {0: "filtered", -1: "ignored"}),
    (0x0080_0000, "Pass MAC control frames", {0: "don't pass", -1: "pass"}),
    (
        0x0203_0000,
        "Receive buffer size",
        {
            0: "2048",
            0x1_0000: "1024",
            0x2_0000: "512",
            0x3_0000: "256",
            0x201_0000: "16384",
            0x202_0000: "8192",
            0x203_0000: "4096",
            -1: "reserved",
        },
    ),
)
TCTL: Final[tuple[Field, ...]] = (
    (0x0000_0002, "Transmitter", _ONOFF),
    (0x0000_0008, "Pad short packets", _ONOFF),
    (0x0040_0000, "Software XOFF Transmission", _ONOFF),
    (0x0100_0000, "Re-transmit on late collision", _ONOFF),
)

# in the order of the driver's words: (offset, name with its explanation, fields)
WORDS: Final[tuple[tuple[int, str, tuple[Field, ...]], ...]] = (
    (r.CTRL, "CTRL (Device control register)", CTRL),
    (r.STATUS, "STATUS (Device status register)", STATUS),
    (r.RCTL, "RCTL (Receive control register)", RCTL),
    (r.RDLEN(0), "RDLEN (Receive desc length)", ()),
    (r.RDH(0), "RDH   (Receive desc head)", ()),
    (r.RDT(0), "RDT   (Receive desc tail)", ()),
    (r.RDTR, "RDTR  (Receive delay timer)", ()),
    (r.TCTL, "TCTL (Transmit ctrl register)", TCTL),
    (r.TDLEN(0), "TDLEN (Transmit desc length)", ()),
    (r.TDH(0), "TDH   (Transmit desc head)", ()),
    (r.TDT(0), "TDT   (Transmit desc tail)", ()),
    (r.TIDV, "TIDV  (Transmit delay timer)", ()),
)
PHY_WORD: Final = 12
PHYS: Final = {0: "M88", 1: "IGP", 2: "IGP2"}


def render(data: bytes) -> str:
    """The text for the words of ETHTOOL_GREGS."""
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data) - 3, 4)]
    out = "MAC Registers\n-------------\n"
    for (offset, name, fields), word in zip(WORDS, words, strict=False):
        out += f"0x{offset:05X}: {name:<31s} 0x{word:08X}\n"
        for mask, label, texts in fields:
            out += f"      {label + ':':<34s} {texts.get(word & mask, texts[-1])}\n"
    if len(words) > PHY_WORD:
        out += f"{'PHY type:':<40s} {PHYS.get(words[PHY_WORD], 'unknown')}\n"
    return out
