"""`ethtool -n DEV rx-flow-hash FLOW`: which header fields enter the hash (ETHTOOL_GRXFH)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines

FORMAT = "ethtool -n rx-flow-hash"

# flow type of the command -> how the output names it
FLOWS: dict[str, str] = {
    "tcp4": "TCP over IPV4 flows",
    "udp4": "UDP over IPV4 flows",
    "sctp4": "SCTP over IPV4 flows",
    "ah4": "IPSEC AH/ESP over IPV4 flows",
    "esp4": "IPSEC AH/ESP over IPV4 flows",
    "tcp6": "TCP over IPV6 flows",
    "udp6": "UDP over IPV6 flows",
    "sctp6": "SCTP over IPV6 flows",
    "ah6": "IPSEC AH/ESP over IPV6 flows",
    "esp6": "IPSEC AH/ESP over IPV6 flows",
}

# letter of `-N rx-flow-hash` -> (bit RXH_*, text), in the order of the output
LETTERS: dict[str, tuple[int, str]] = {
    "m": (1 << 1, "L2DA"),
    "v": (1 << 2, "VLAN tag"),
    "t": (1 << 3, "L3 proto"),
    "s": (1 << 4, "IP SA"),
    "d": (1 << 5, "IP DA"),
    "f": (1 << 6, "L4 bytes 0 & 1 [TCP/UDP src port]"),
    "n": (1 << 7, "L4 bytes 2 & 3 [TCP/UDP dst port]"),
}
DISCARD = 1 << 31  # letter r


@dataclass(frozen=True, slots=True)
class FlowHash:
    """`flow`: text of FLOWS; `bits`: RXH_* bits."""

    flow: str
    bits: int

    @property
    def letters(self) -> str:
        return "".join(letter for letter, (bit, _) in LETTERS.items() if self.bits & bit)

    @property
    def ports(self) -> bool:
        """Whether the ports are hashed (both L4 fields)."""
        return self.bits & 0xC0 == 0xC0


def bits_of_letters(letters: str) -> int:
    """RXH_* bits of the argument of -N; ValueError for a letter that is none."""
    bits = 0
    for letter in letters:
        if letter == "r":
            bits |= DISCARD
        elif letter in LETTERS:
            bits |= LETTERS[letter][0]
        else:
            raise ValueError(f"{letter!r} is not one of m v t s d f n r")
    return bits


def parse(text: str) -> FlowHash:
    """The output of any version.  FormatError otherwise."""
    lines = [line.strip() for line in split_lines(text) if line.strip()]
    if not lines:
        raise FormatError(FORMAT, 0, "empty")
    discarded = lines[0].removesuffix(" - All matching flows discarded on RX")
    if discarded != lines[0]:
        return FlowHash(discarded, DISCARD)
    flow = lines[0].removesuffix(" use these fields for computing Hash flow key:")
    if flow == lines[0]:
        raise FormatError(
            FORMAT, 1, f"expected '... use these fields for computing Hash flow key:', found {shown(flow)}"
        )
    bits = 0
    for number, line in enumerate(lines[1:], 2):
        if line == "None":
            continue
        found = [bit for bit, name in LETTERS.values() if name == line]
        if not found:
            raise FormatError(FORMAT, number, f"unknown hash field {shown(line)}")
        bits |= found[0]
    return FlowHash(flow, bits)


def render(value: FlowHash) -> str:
    if value.bits & DISCARD:
        return f"{value.flow} - All matching flows discarded on RX\n"
    out = f"{value.flow} use these fields for computing Hash flow key:\n"
    names = [name for bit, name in LETTERS.values() if value.bits & bit]
    return out + ("".join(n + "\n" for n in names) + "\n" if names else "None\n")
