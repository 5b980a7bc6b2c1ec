"""SIOCETHTOOL: the binary structures, sizes, handshakes, errnos; whatever bytes come, an errno goes back."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.kernel.errno import EFAULT, EINVAL, ENODEV, EOPNOTSUPP
from rxpath.net.core import ethtool_ioctl as k
from rxpath.net.core.ethtool import RxFlowSpec


def test_sizes_of_the_structures(shared: Any) -> None:
    """One byte less than the C structure is EFAULT, the structure itself is not."""
    sizes = {
        k.ETHTOOL_GSET: 44,
        k.ETHTOOL_GDRVINFO: 196,
        k.ETHTOOL_GWOL: 20,
        k.ETHTOOL_GMSGLVL: 8,
        k.ETHTOOL_GLINK: 8,
        k.ETHTOOL_GCOALESCE: 92,
        k.ETHTOOL_GRINGPARAM: 36,
        k.ETHTOOL_GPAUSEPARAM: 16,
        k.ETHTOOL_GLINKSETTINGS: 48,
        k.ETHTOOL_GET_TS_INFO: 44,
    }
    for cmd, size in sizes.items():
        for n, want in ((size, 0), (size - 1, -EFAULT)):
            b = bytearray(struct.pack("<I", cmd).ljust(n, b"\0"))
            assert k.dev_ethtool(shared.net, "eth0", b) == want, (cmd, n)
    assert k.dev_ethtool(shared.net, "eth0", bytearray(3)) == -EFAULT


def test_refusals(shared: Any) -> None:
    assert k.dev_ethtool(shared.net, "eth9", bytearray(struct.pack("<I196x", 3))) == -ENODEV
    assert k.dev_ethtool(shared.net, "eth0", bytearray(struct.pack("<I196x", 0xFFFF))) == -EOPNOTSUPP
    assert (
        k.dev_ethtool(shared.net, "eth0", bytearray(struct.pack("<9I", k.ETHTOOL_GCHANNELS, *[0] * 8)))
        == -EOPNOTSUPP
    )
    assert k.dev_ethtool(shared.net, "lo", bytearray(struct.pack("<I196x", 3))) == -EOPNOTSUPP


def test_rings_in_binary(m: Any) -> None:
    b = bytearray(struct.pack("<9I", k.ETHTOOL_GRINGPARAM, *[0] * 8))
    assert k.dev_ethtool(m.net, "eth0", b) == 0
    assert struct.unpack("<9I", bytes(b)) == (k.ETHTOOL_GRINGPARAM, 4096, 0, 0, 4096, 256, 0, 0, 256)
    put = bytearray(struct.pack("<9I", k.ETHTOOL_SRINGPARAM, 0, 0, 0, 0, 5000, 0, 0, 256))
    assert k.dev_ethtool(m.net, "eth0", put) == -EINVAL
    put = bytearray(struct.pack("<9I", k.ETHTOOL_SRINGPARAM, 0, 0, 0, 0, 512, 0, 0, 256))
    assert m.in_task(lambda: k.dev_ethtool(m.net, "eth0", put)) == 0
    assert k.dev_ethtool(m.net, "eth0", b) == 0 and struct.unpack_from("<I", b, 20)[0] == 512


def test_strings_and_statistics(shared: Any) -> None:
    b = bytearray(struct.pack("<IIQI", k.ETHTOOL_GSSET_INFO, 0, 0b111, 0).ljust(28, b"\0"))
    assert k.dev_ethtool(shared.net, "eth0", b) == 0
    assert struct.unpack_from("<Q3I", b, 8) == (0b111, 5, 53, 1)
    names = bytearray(struct.pack("<III", k.ETHTOOL_GSTRINGS, 1, 53) + bytes(53 * 32))
    assert k.dev_ethtool(shared.net, "eth0", names) == 0
    assert bytes(names[12:44]).rstrip(b"\0") == b"rx_packets"
    stats = bytearray(struct.pack("<II", k.ETHTOOL_GSTATS, 53) + bytes(53 * 8))
    assert k.dev_ethtool(shared.net, "eth0", stats) == 0
    # a wrong count gets none, as Linux answers
    stats = bytearray(struct.pack("<II", k.ETHTOOL_GSTATS, 7) + bytes(53 * 8))
    assert k.dev_ethtool(shared.net, "eth0", stats) == 0 and struct.unpack_from("<I", stats, 4)[0] == 0


def test_link_settings_handshake(shared: Any) -> None:
    b = bytearray(struct.pack("<I", k.ETHTOOL_GLINKSETTINGS).ljust(48, b"\0"))
    assert k.dev_ethtool(shared.net, "eth0", b) == 0
    n = -struct.unpack_from("<b", b, 15)[0]
    assert n > 0
    b = bytearray(struct.pack("<I11xb", k.ETHTOOL_GLINKSETTINGS, n).ljust(48 + 12 * n, b"\0"))
    assert k.dev_ethtool(shared.net, "eth0", b) == 0
    assert struct.unpack_from("<I", b, 4)[0] == 1000 and struct.unpack_from("<b", b, 15)[0] == n
    assert k.modes_of(bytes(b[48 : 48 + 4 * n]))[:5] == [
        "10baseT/Half",
        "10baseT/Full",
        "100baseT/Half",
        "100baseT/Full",
        "1000baseT/Full",
    ]


def test_features_blocks(m: Any) -> None:
    b = bytearray(struct.pack("<II", k.ETHTOOL_GFEATURES, 2) + bytes(32))
    assert k.dev_ethtool(m.net, "eth0", b) == 0
    gro = k.FEATURE_NAMES["6.1"].index("rx-gro")
    available, _, active, never = struct.unpack_from("<4I", b, 8 + 16 * (gro // 32))
    assert available >> gro % 32 & 1 and active >> gro % 32 & 1 and not never >> gro % 32 & 1
    valid = [0, 0]
    valid[gro // 32] = 1 << gro % 32
    put = bytearray(struct.pack("<II4I", k.ETHTOOL_SFEATURES, 2, valid[0], 0, valid[1], 0))
    assert k.dev_ethtool(m.net, "eth0", put) == 0
    from rxpath.net.core.netdevice import NETIF_F_GRO

    assert not m.dev("eth0").features & NETIF_F_GRO
    lro = k.FEATURE_NAMES["6.1"].index("rx-lro")
    valid = [0, 0]
    valid[lro // 32] = 1 << lro % 32
    put = bytearray(struct.pack("<II4I", k.ETHTOOL_SFEATURES, 2, valid[0], valid[0], valid[1], valid[1]))
    assert k.dev_ethtool(m.net, "eth0", put) == k.ETHTOOL_F_UNSUPPORTED


READING = sorted(
    c for c in k.HANDLERS if k.HANDLERS[c].__name__.startswith("get_") and c != k.ETHTOOL_GEEPROM
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*READING, 0, 0x99]), st.binary(max_size=260), st.sampled_from(["eth0", "lo", "x"]))
def test_any_bytes_give_an_errno(cmd: int, rest: bytes, dev: str) -> None:
    m = _machine()
    b = bytearray(struct.pack("<I", cmd) + rest)
    n = len(b)
    r = k.dev_ethtool(m.net, dev, b)
    assert -600 < r <= 0 and len(b) == n


_KEPT: list[Any] = []


def _machine() -> Any:
    from .conftest import machine

    if not _KEPT:
        _KEPT.append(machine(cpus=1))
    return _KEPT[0]


u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@given(st.sampled_from([1, 2, 3]), u32, u32, u16, u16, st.integers(-1, 1 << 40), st.integers(-1, 1000))
def test_flow_spec_comes_back(
    kind: int, src: int, dst: int, sport: int, dport: int, cookie: int, loc: int
) -> None:
    values = {"src-ip": src, "dst-ip": dst, "src-port": sport, "dst-port": dport, "tos": 3}
    masks = {"src-ip": 0xFFFFFF00, "dst-ip": 0, "src-port": 0xFFFF, "dst-port": 0, "tos": 0xFF}
    b = k.pack_flow_spec(RxFlowSpec(kind, values, masks, cookie, loc))
    assert len(b) == 168
    back = k.unpack_flow_spec(b)
    assert (back.flow_type, back.values, back.masks) == (kind, values, masks)
    assert (back.ring_cookie, back.location) == (cookie, loc)
    assert b[4:8] == src.to_bytes(4, "big")  # network order, as ethtool puts it
