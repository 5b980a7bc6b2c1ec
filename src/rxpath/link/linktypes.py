"""Link-layer types of capture files: their names, and how a record of each becomes an Ethernet frame.

A converter takes (data, original length) of a record and gives (frame, original length, direction). A frame
of b"" says that the record has no Ethernet form: an 802.11 beacon, PPP's own negotiation, a netlink
message.

MAC addresses that the record does not have are made from the IPv4 address (`synthetic_mac`), so one host
has one MAC in the whole capture. Numbers and layouts: the public LINKTYPE_ registry.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from rxpath.wire.addr import BROADCAST_MAC, ip_eth_mc_map
from rxpath.wire.ethernet import ETH_P_802_3_MIN, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6

Converted = tuple[bytes, int, int]
Converter = Callable[[bytes, int], Converted]

DIR_UNKNOWN: Final = 0
DIR_INBOUND: Final = 1
DIR_OUTBOUND: Final = 2

LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = 101
LINKTYPE_LOOP: Final = 108
LINKTYPE_LINUX_SLL: Final = 113
LINKTYPE_IPV4: Final = 228
LINKTYPE_IPV6: Final = 229
LINKTYPE_LINUX_SLL2: Final = 276

PACKET_HOST: Final = 0
PACKET_BROADCAST: Final = 1
PACKET_MULTICAST: Final = 2
PACKET_OTHERHOST: Final = 3
PACKET_OUTGOING: Final = 4

# Taken on a host: these exist only inside one, a cable never carries them.
HOST_ONLY: Final = frozenset((0, 12, 14, 101, 108, 109, 113, 117, 228, 229, 239, 276))

_U16: Final = Struct(">H")
_SNAP: Final = b"\xaa\xaa\x03\x00\x00\x00"
_NONE: Final[Converted] = (b"", 0, DIR_UNKNOWN)
_UNKNOWN_MAC: Final = b"\x02\x00\x00\x00\x00\x00"
_AF_IPV4: Final = 2
_AF_IPV6: Final = (10, 23, 24, 28, 30)


def synthetic_mac(ip: int) -> bytes:
    """A MAC for an IPv4 address: 02:00 and its four bytes; groups and 255.255.255.255 get their own
    mapping.
    """
    if ip & 0xF0000000 == 0xE0000000:
        return ip_eth_mc_map(ip)
    if ip == 0xFFFFFFFF:
        return BROADCAST_MAC
    return b"\x02\x00" + ip.to_bytes(4, "big")


def _ip_macs(packet: bytes, protocol: int) -> tuple[bytes, bytes]:
    """(destination, source) for a packet that has no link header."""
    size = len(packet)
    if protocol == ETH_P_IP and size >= 20:
        return (
            synthetic_mac(int.from_bytes(packet[16:20], "big")),
            synthetic_mac(int.from_bytes(packet[12:16], "big")),
        )
    if protocol == ETH_P_IPV6 and size >= 40:
        dst = b"\x33\x33" + packet[36:40] if packet[24] == 0xFF else b"\x02\x06" + packet[36:40]
        return dst, b"\x02\x06" + packet[20:24]
    if protocol == ETH_P_ARP and size >= 28:
        tip = int.from_bytes(packet[24:28], "big")
        return (BROADCAST_MAC if packet[7] == 1 else synthetic_mac(tip)), packet[8:14]
    return _UNKNOWN_MAC, _UNKNOWN_MAC


def _network(data: bytes, off: int, orig: int, protocol: int, direction: int = DIR_UNKNOWN) -> Converted:
    """A synthetic Ethernet header before the packet at `off`."""
    if off >= len(data):
        return _NONE
    packet = data[off:]
    dst, src = _ip_macs(packet, protocol)
    return b"".join((dst, src, _U16.pack(protocol), packet)), orig - off + 14, direction


def _ip(data: bytes, off: int, orig: int, direction: int = DIR_UNKNOWN) -> Converted:
    """The same for an IPv4 or IPv6 packet, by its version."""
    if len(data) <= off:
        return _NONE
    version = data[off] >> 4
    if version == 4:
        return _network(data, off, orig, ETH_P_IP, direction)
    if version == 6:
        return _network(data, off, orig, ETH_P_IPV6, direction)
    return _NONE


def _llc(data: bytes, off: int, orig: int, dst: bytes, src: bytes, direction: int = DIR_UNKNOWN) -> Converted:
    """An 802.2 payload at `off`: SNAP becomes an ethertype, all else an 802.3 frame with a length."""
    if data[off : off + 6] == _SNAP and len(data) >= off + 8:
        return b"".join((dst, src, data[off + 6 :])), orig - off - 8 + 14, direction
    length = orig - off
    if not 0 < length < ETH_P_802_3_MIN:
        return _NONE
    return b"".join((dst, src, _U16.pack(length), data[off:])), length + 14, direction


def _raw(data: bytes, orig: int) -> Converted:
    return _ip(data, 0, orig)


def _null(data: bytes, orig: int) -> Converted:
    # The family is in the byte order of the machine that wrote it: small either way round.
    if len(data) < 4:
        return _NONE
    family = int.from_bytes(data[:4], "little")
    if family > 0xFFFF:
        family = int.from_bytes(data[:4], "big")
    return _family(data, 4, orig, family)


def _family(data: bytes, off: int, orig: int, family: int, direction: int = DIR_UNKNOWN) -> Converted:
    if family == _AF_IPV4:
        return _network(data, off, orig, ETH_P_IP, direction)
    if family in _AF_IPV6:
        return _network(data, off, orig, ETH_P_IPV6, direction)
    return _NONE


def _enc(data: bytes, orig: int) -> Converted:
    if len(data) < 12:
        return _NONE
    family = int.from_bytes(data[:4], "little")
    return _family(data, 12, orig, family if family <= 0xFFFF else int.from_bytes(data[:4], "big"))


def _pflog(data: bytes, orig: int) -> Converted:
    if len(data) < 2:
        return _NONE
    return _family(data, (data[0] + 3) & ~3, orig, data[1])


def _cooked(data: bytes, off: int, orig: int, protocol: int, hatype: int, pkttype: int, address: bytes) -> Converted:
    direction = DIR_OUTBOUND if pkttype == PACKET_OUTGOING else DIR_INBOUND if pkttype < 4 else DIR_UNKNOWN
    if hatype in (770, 803, 824, 65534) and protocol not in (ETH_P_IP, ETH_P_IPV6):
        return _NONE
    packet = data[off:]
    dst, src = _ip_macs(packet, protocol)
    if len(address) == 6 and address != b"\0\0\0\0\0\0":
        src = address
    if pkttype == PACKET_BROADCAST:
        dst = BROADCAST_MAC
    if protocol >= ETH_P_802_3_MIN:
        return b"".join((dst, src, _U16.pack(protocol), packet)), orig - off + 14, direction
    if protocol in (1, 4):
        return _llc(data, off, orig, dst, src, direction)
    return _NONE


def _sll(data: bytes, orig: int) -> Converted:
    if len(data) < 16:
        return _NONE
    pkttype, hatype, halen = data[0] << 8 | data[1], data[2] << 8 | data[3], data[4] << 8 | data[5]
    return _cooked(data, 16, orig, data[14] << 8 | data[15], hatype, pkttype, data[6 : 6 + min(halen, 8)])


def _sll2(data: bytes, orig: int) -> Converted:
    if len(data) < 20:
        return _NONE
    return _cooked(
        data,
        20,
        orig,
        data[0] << 8 | data[1],
        data[8] << 8 | data[9],
        data[10],
        data[12 : 12 + min(data[11], 8)],
    )


def _ppp_at(data: bytes, off: int, orig: int, direction: int = DIR_UNKNOWN) -> Converted:
    if data[off : off + 2] == b"\xff\x03":
        off += 2
    if len(data) < off + 2:
        return _NONE
    if data[off] & 1:
        protocol = data[off]
        off += 1
    else:
        protocol = data[off] << 8 | data[off + 1]
        off += 2
    if protocol == 0x21:
        return _network(data, off, orig, ETH_P_IP, direction)
    if protocol == 0x57:
        return _network(data, off, orig, ETH_P_IPV6, direction)
    return _NONE


def _ppp(data: bytes, orig: int) -> Converted:
    # Cisco HDLC is seen under this type too: address 0x0f or 0x8f, and an ethertype.
    if data[:2] in (b"\x0f\x00", b"\x8f\x00"):
        return _chdlc(data, orig)
    return _ppp_at(data, 0, orig)


def _ppp_with_dir(data: bytes, orig: int) -> Converted:
    if not data:
        return _NONE
    return _ppp_at(data, 1, orig, DIR_OUTBOUND if data[0] else DIR_INBOUND)


def _chdlc(data: bytes, orig: int) -> Converted:
    if len(data) < 4:
        return _NONE
    protocol = data[2] << 8 | data[3]
    return _network(data, 4, orig, protocol) if protocol >= ETH_P_802_3_MIN else _NONE


def _ppp_ether(data: bytes, orig: int) -> Converted:
    if len(data) < 6:
        return _NONE
    return _network(data, 0, orig, 0x8863 if data[1] else 0x8864)


def _slip(data: bytes, orig: int) -> Converted:
    if len(data) < 16:
        return _NONE
    return _ip(data, 16, orig, DIR_OUTBOUND if data[0] else DIR_INBOUND)


def _fddi(data: bytes, orig: int) -> Converted:
    if len(data) < 13 or data[0] & 0xF0 != 0x50:
        return _NONE
    return _llc(data, 13, orig, data[1:7], data[7:13])


def _token_ring(data: bytes, orig: int) -> Converted:
    if len(data) < 16 or data[1] & 0xC0 != 0x40:
        return _NONE
    src = bytes((data[8] & 0x7F,)) + data[9:14]
    route = data[14] & 0x1F if data[8] & 0x80 else 0
    return _llc(data, 14 + route, orig, data[2:8], src)


def _rfc1483(data: bytes, orig: int) -> Converted:
    if len(data) < 8 or data[:6] != _SNAP:
        return _NONE
    return _network(data, 8, orig, data[6] << 8 | data[7])


def _frelay(data: bytes, orig: int) -> Converted:
    off = 0
    while off < len(data) and not data[off] & 1:
        off += 1
    off += 1
    if data[off : off + 2] == b"\x03\xcc":
        return _network(data, off + 2, orig, ETH_P_IP)
    if data[off : off + 2] == b"\x03\x8e":
        return _network(data, off + 2, orig, ETH_P_IPV6)
    if len(data) >= off + 2 and data[off] == 8:
        return _network(data, off + 2, orig, data[off] << 8 | data[off + 1])
    return _NONE


def _ip_over_fc(data: bytes, orig: int) -> Converted:
    if len(data) < 16:
        return _NONE
    return _llc(data, 16, orig, data[2:8], data[10:16])


def _ieee1394(data: bytes, orig: int) -> Converted:
    if len(data) < 18:
        return _NONE
    return _network(data, 18, orig, data[16] << 8 | data[17])


def _mpls(data: bytes, orig: int) -> Converted:
    return _network(data, 0, orig, 0x8847) if len(data) >= 4 else _NONE


def _nflog(data: bytes, orig: int) -> Converted:
    off = 4
    while off + 4 <= len(data):
        size = data[off] | data[off + 1] << 8
        kind = data[off + 2] | data[off + 3] << 8
        if size < 4:
            return _NONE
        if kind == 9:
            return _ip(data[: off + size] if off + size <= len(data) else data, off + 4, orig)
        off += (size + 3) & ~3
    return _NONE


def _ieee80211(data: bytes, orig: int) -> Converted:
    return _wifi(data, 0, orig, False)


def _wifi(data: bytes, off: int, orig: int, padded: bool) -> Converted:
    """A data frame in the clear with an 802.2 payload; all else (management, control, null, protected) has
    no form.
    """
    if len(data) < off + 24:
        return _NONE
    fc, flags = data[off], data[off + 1]
    if fc & 0x0C != 0x08 or fc & 0x40 or flags & 0x40:
        return _NONE
    a1, a2, a3 = data[off + 4 : off + 10], data[off + 10 : off + 16], data[off + 16 : off + 22]
    head = 24
    ds = flags & 3
    dst, src = (a1, a2) if ds == 0 else (a3, a2) if ds == 1 else (a1, a3) if ds == 2 else (a3, a2)
    if ds == 3:
        src = data[off + 24 : off + 30]
        head = 30
    if fc & 0x80:
        head += 6 if flags & 0x80 else 2
    if padded:
        head = (head + 3) & ~3
    if data[off + head : off + head + 6] != _SNAP or len(src) != 6:
        return _NONE
    return _llc(data, off + head, orig, dst, src)


def _radiotap(data: bytes, orig: int) -> Converted:
    if len(data) < 8:
        return _NONE
    length = data[2] | data[3] << 8
    present = int.from_bytes(data[4:8], "little")
    at = 8
    word = present
    while word & 0x80000000 and at + 4 <= len(data):
        word = int.from_bytes(data[at : at + 4], "little")
        at += 4
    flags = 0
    if present & 2:
        at = ((at + 7) & ~7) + 8 if present & 1 else at
        flags = data[at] if at < min(length, len(data)) else 0
    if flags & 0x40 or length < 8:
        return _NONE
    if flags & 0x10 and len(data) > 4:
        if len(data) == orig:
            data = data[:-4]
        orig -= 4
    return _wifi(data, length, orig, bool(flags & 0x20))


def _prism(data: bytes, orig: int) -> Converted:
    if len(data) < 8:
        return _NONE
    if data[:3] == b"\x80\x21\x10":
        return _avs(data, orig)
    length = int.from_bytes(data[4:8], "little")
    if length > 4096:
        length = int.from_bytes(data[4:8], "big")
    return _wifi(data, length, orig, False)


def _avs(data: bytes, orig: int) -> Converted:
    if len(data) < 8:
        return _NONE
    return _wifi(data, int.from_bytes(data[4:8], "big"), orig, False)


def _ppi(data: bytes, orig: int) -> Converted:
    if len(data) < 8:
        return _NONE
    length = data[2] | data[3] << 8
    inner = int.from_bytes(data[4:8], "little")
    if inner == 192 or not 8 <= length < len(data):
        return _NONE
    body = data[length:]
    if inner == LINKTYPE_ETHERNET:
        return body, orig - length, DIR_UNKNOWN
    convert = CONVERTERS.get(inner)
    return convert(body, orig - length) if convert is not None else _NONE


CONVERTERS: Final[dict[int, Converter]] = {
    0: _null, 6: _token_ring, 8: _slip, 9: _ppp, 10: _fddi, 12: _raw, 14: _raw, 50: _ppp, 51: _ppp_ether,
    100: _rfc1483, 101: _raw, 104: _chdlc, 105: _ieee80211, 107: _frelay, 108: _null, 109: _enc, 113: _sll,
    117: _pflog, 119: _prism, 122: _ip_over_fc, 127: _radiotap, 138: _ieee1394, 163: _avs, 166: _ppp_with_dir,
    192: _ppi, 204: _ppp_with_dir, 219: _mpls, 228: _raw, 229: _raw, 239: _nflog, 276: _sll2,
}  # fmt: skip

_NAMES: Final[dict[int, str]] = {
    0: "NULL (BSD loopback)", 1: "Ethernet", 3: "AX.25", 6: "Token Ring", 7: "ARCNET", 8: "SLIP", 9: "PPP",
    10: "FDDI", 12: "raw IP", 14: "raw IP", 50: "PPP in HDLC framing", 51: "PPPoE", 99: "Symantec firewall",
    100: "RFC 1483 ATM", 101: "raw IP", 104: "Cisco HDLC", 105: "802.11", 106: "ATM classical IP",
    107: "Frame Relay", 108: "OpenBSD loopback", 109: "OpenBSD enc", 113: "Linux cooked (SLL)",
    114: "LocalTalk",
    117: "OpenBSD pflog", 119: "802.11 with Prism header", 122: "IP over Fibre Channel", 123: "SunATM",
    127: "802.11 with radiotap", 129: "ARCNET (Linux)", 138: "IP over IEEE 1394", 139: "SS7 MTP2 with header",
    140: "SS7 MTP2", 141: "SS7 MTP3", 142: "SS7 SCCP", 143: "DOCSIS", 144: "Linux IrDA", 147: "user 0",
    148: "user 1", 149: "user 2", 162: "user 15", 163: "802.11 with AVS header", 165: "BACnet MS/TP",
    166: "PPP with direction", 169: "GPRS LLC", 177: "Linux LAPD", 186: "USB (FreeBSD)",
    187: "Bluetooth HCI H4",
    189: "USB (Linux)", 192: "PPI", 195: "802.15.4", 197: "ERF", 201: "Bluetooth HCI H4 with direction",
    203: "LAPD", 204: "PPP with direction", 209: "I2C (Linux)", 212: "LIN", 215: "802.15.4 non-ASK",
    219: "MPLS",
    220: "USB (Linux, padded)", 224: "Fibre Channel FC-2", 226: "Solaris ipnet", 227: "CAN (SocketCAN)",
    228: "raw IPv4", 229: "raw IPv6", 230: "802.15.4 without FCS", 231: "D-Bus", 239: "NFLOG",
    240: "netANALYZER", 241: "netANALYZER transparent", 242: "IP over InfiniBand", 243: "MPEG-2 TS",
    245: "NFC LLCP", 247: "InfiniBand", 248: "SCTP", 249: "USBPcap", 251: "Bluetooth LE", 253: "netlink",
    254: "Bluetooth monitor", 255: "Bluetooth BR/EDR baseband", 256: "Bluetooth LE with header",
    257: "PROFIBUS", 258: "Apple pktap", 259: "EPON", 260: "IPMI HPM.2", 266: "USB (Darwin)", 271: "vsock",
    272: "Nordic BLE sniffer", 274: "EtherNet/IP GSE", 276: "Linux cooked (SLL2)", 283: "802.15.4 TAP",
    288: "USB 2.0",
}  # fmt: skip


def linktype_name(linktype: int) -> str:
    """`"802.11 (link type 105)"`; the bare number when the name is not known here."""
    name = _NAMES.get(linktype)
    return f"{name} (link type {linktype})" if name else f"link type {linktype}"


def carries_ip(linktype: int) -> bool:
    """Whether records of this type can become Ethernet frames."""
    return linktype == LINKTYPE_ETHERNET or linktype in CONVERTERS
