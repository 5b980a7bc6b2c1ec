"""IPv4 and IPv6 addresses as /proc prints them: raw network-order words read as native (little-endian)
integers.
"""

from __future__ import annotations

import ipaddress
import re

from .errors import FormatError, shown

_V4 = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
_V6 = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)


def from_hex(word: str, fmt: str, line: int) -> str:
    """`0100007F` -> "127.0.0.1"; 32 digits -> an IPv6 address in its usual short form."""
    if _V4.fullmatch(word):
        return str(ipaddress.IPv4Address(int(word, 16).to_bytes(4, "little")))
    if _V6.fullmatch(word):
        raw = b"".join(int(word[i : i + 8], 16).to_bytes(4, "little") for i in range(0, 32, 8))
        return str(ipaddress.IPv6Address(raw))
    raise FormatError(fmt, line, f"expected an address of 8 or 32 hex digits, found {shown(word)}")


def to_hex(address: str) -> str:
    """The inverse, upper case; ValueError for a string that is no address."""
    packed = ipaddress.ip_address(address).packed
    return "".join(f"{int.from_bytes(packed[i : i + 4], 'little'):08X}" for i in range(0, len(packed), 4))


def word_of(address: str) -> int:
    """An IPv4 address as the integer that /proc/net/route prints in hexadecimal."""
    return int.from_bytes(ipaddress.IPv4Address(address).packed, "little")


def address_of(word: int) -> str:
    """The inverse of `word_of`."""
    return str(ipaddress.IPv4Address((word & 0xFFFFFFFF).to_bytes(4, "little")))
