"""Addresses as text and as numbers. IPv4: u32 in host order; MAC: six bytes. Nothing about whole headers."""

from __future__ import annotations

from typing import Final

BROADCAST_MAC: Final = b"\xff\xff\xff\xff\xff\xff"
ZERO_MAC: Final = b"\x00\x00\x00\x00\x00\x00"
INADDR_ANY: Final = 0
INADDR_BROADCAST: Final = 0xFFFFFFFF
INADDR_LOOPBACK: Final = 0x7F000001


def ip4(text: str) -> int:
    """`"10.0.0.1"` -> 0x0a000001. Exactly four decimal parts of 0..255; else ValueError with one clear
    line.
    """
    parts = text.split(".")
    value = 0
    if len(parts) == 4:
        for part in parts:
            if not (part.isascii() and part.isdigit() and len(part) <= 3) or int(part) > 255:
                break
            value = value << 8 | int(part)
        else:
            return value
    raise ValueError(f"not an IPv4 address: {text!r}")


def ip4_str(n: int) -> str:
    """0x0a000001 -> `"10.0.0.1"`."""
    return f"{n >> 24 & 255}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def ip4_net(text: str) -> tuple[int, int]:
    """`"10.0.0.1/24"` -> (address, prefix length); without a slash the prefix is 32. ValueError when
    neither.
    """
    address, slash, prefix = text.partition("/")
    if not slash:
        return ip4(address), 32
    if not (prefix.isascii() and prefix.isdigit()) or int(prefix) > 32:
        raise ValueError(f"not an IPv4 prefix length: {text!r}")
    return ip4(address), int(prefix)


def inet_make_mask(prefix: int) -> int:
    """24 -> 0xffffff00. `prefix` is 0..32."""
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF


def ip4_to_bytes(n: int) -> bytes:
    """u32 -> four bytes, network order."""
    return n.to_bytes(4, "big")


def mac(text: str) -> bytes:
    """`"02:00:00:00:00:01"` (or with dashes) -> six bytes; else ValueError with one clear line."""
    parts = text.replace("-", ":").split(":")
    if len(parts) == 6 and all(1 <= len(p) <= 2 and p.isascii() and p.isalnum() for p in parts):
        try:
            return bytes(int(p, 16) for p in parts)
        except ValueError:
            pass
    raise ValueError(f"not a MAC address: {text!r}")


def mac_str(b: bytes | bytearray | memoryview) -> str:
    """Six bytes -> `"02:00:00:00:00:01"`."""
    return bytes(b[:6]).hex(":")


def ipv4_is_multicast(n: int) -> bool:
    """224.0.0.0/4."""
    return n & 0xF0000000 == 0xE0000000


def ipv4_is_lbcast(n: int) -> bool:
    """255.255.255.255."""
    return n == 0xFFFFFFFF


def ipv4_is_loopback(n: int) -> bool:
    """127.0.0.0/8."""
    return n & 0xFF000000 == 0x7F000000


def ipv4_is_zeronet(n: int) -> bool:
    """0.0.0.0/8."""
    return n & 0xFF000000 == 0


def is_multicast_ether_addr(b: bytes | bytearray | memoryview) -> bool:
    """Group bit of the first byte; broadcast is a group address too."""
    return b[0] & 1 == 1


def is_broadcast_ether_addr(b: bytes | bytearray | memoryview) -> bool:
    """ff:ff:ff:ff:ff:ff."""
    return bytes(b[:6]) == BROADCAST_MAC


def ip_eth_mc_map(n: int) -> bytes:
    """The group MAC of an IPv4 group address: 01:00:5e and its low 23 bits (RFC 1112)."""
    return b"\x01\x00\x5e" + (n & 0x7FFFFF).to_bytes(3, "big")
