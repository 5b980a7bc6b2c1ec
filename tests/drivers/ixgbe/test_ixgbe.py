"""ixgbe against what the unmodified driver does: vectors, rings, RSS, coalescing, ethtool, and what goes wrong."""

from __future__ import annotations

import re
import struct
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drivers.ixgbe.ixgbe_host import I82599, MAC, X540, IxgbeHost, frame, tcp, udp

from rxpath.drivers.ixgbe import main as im
from rxpath.drivers.ixgbe.ixgbe import STATE_TESTING, ixgbe_pci_tbl
from rxpath.drivers.pci import (
    PCI_ERS_RESULT_RECOVERED,
    pci_pm_resume,
    pci_pm_suspend,
    pci_unregister_driver,
    pcie_do_recovery,
)
from rxpath.hw.nic.ixgbe import Ixgbe
from rxpath.hw.nic.offload import Toeplitz
from rxpath.hw.regs import ixgbe as r
from rxpath.kernel.errno import EBUSY, EINVAL, ENOMEM, ENOTSUP, EOPNOTSUPP
from rxpath.kernel.irq import Handler, Irqs
from rxpath.net.core.ethtool import (
    TCP_V4_FLOW,
    UDP_V4_FLOW,
    Rxfh,
    ethnl_get_channels,
    ethnl_get_coalesce,
    ethnl_get_pause,
    ethnl_get_rings,
    ethnl_set_channels,
    ethnl_set_coalesce,
    ethnl_set_features,
    ethnl_set_pause,
    ethnl_set_rings,
    ethtool_get_drvinfo,
    ethtool_get_rx_hash,
    ethtool_get_rxfh,
    ethtool_self_test,
    ethtool_set_rx_hash,
    ethtool_set_rxfh,
)
from rxpath.net.core.netdevice import dev_get_stats, dev_mc_add, dev_set_mtu, dev_set_promiscuity
from rxpath.net.core.skbuff import CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SkBuff, skb_put
from rxpath.net.core.xmit import dev_queue_xmit
from rxpath.sim.costs import Costs

CHIPS = pytest.mark.parametrize("chip", [X540, I82599])
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


def up(**kw: Any) -> IxgbeHost:
    h = IxgbeHost(**kw)
    h.up()
    return h


def calls_of(fn: Any) -> list[str]:
    """Names of Python functions called while `fn` runs, in order, each with those above it."""
    seen: list[str] = []

    def hook(f: FrameType, event: str, arg: Any) -> None:
        own = "/drivers/ixgbe/" in f.f_code.co_filename and not f.f_code.co_name.startswith("<")
        if event == "call" and own:
            names = []
            g: FrameType | None = f
            while g is not None:
                if "/drivers/ixgbe/" in g.f_code.co_filename and not g.f_code.co_name.startswith("<"):
                    names.append(g.f_code.co_name)
                g = g.f_back
            seen.append(" > ".join(reversed(names)))

    import threading

    sys.setprofile(hook)
    threading.setprofile(hook)
    try:
        fn()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return seen


# --- probe and open ---------------------------------------------------------------------------------------------


@CHIPS
def test_probe_says_what_linux_says(chip: type[Ixgbe]) -> None:
    h = IxgbeHost(chip=chip, ncpus=2)
    text = "\n".join(h.log())
    mac, phy = (3, 3) if chip is X540 else (2, 1)
    assert "ixgbe: Intel(R) 10 Gigabit PCI Express Network Driver\nixgbe: Copyright (c) 1999-2016 Intel" in text
    assert "Multiqueue Enabled: Rx Queue count = 2, Tx Queue count = 2 XDP Queue count = 0" in text
    assert f"MAC: {mac}, PHY: {phy}, PBA No: G63481-003" in text
    assert text.endswith("Intel(R) 10 Gigabit Network Connection")
    assert h.dev().perm_addr == MAC
    info = ethtool_get_drvinfo(h.dev())
    assert (info.driver, info.fw_version, info.bus_info) == ("ixgbe", "0x80000314", "0000:01:00.0")


def test_probe_follows_the_registration_chain() -> None:
    h = IxgbeHost(load=False, ncpus=2)
    im_probe = [
        "ixgbe_probe",
        "ixgbe_probe > ixgbe_init_interrupt_scheme",
        "ixgbe_probe > ixgbe_init_interrupt_scheme > ixgbe_alloc_q_vectors",
        "ixgbe_probe > ixgbe_init_interrupt_scheme > ixgbe_alloc_q_vectors > ixgbe_alloc_q_vector",
    ]
    seen: list[str] = []

    def load() -> None:
        seen.extend(
            re.sub(r"^.*?(ixgbe_probe)", r"\1", c)
            for c in calls_of(lambda: h.ixgbe.init(h.kernel, h.net))
            if "ixgbe_probe" in c
        )

    h.task(load)
    at = -1
    for want in im_probe:
        at = seen.index(want, at + 1)
    assert seen.count(im_probe[-1]) == 2


def test_vectors_have_names_and_the_rest_is_last() -> None:
    h = up(ncpus=4)
    assert h.irq_names() == ["eth0-TxRx-0", "eth0-TxRx-1", "eth0-TxRx-2", "eth0-TxRx-3", "eth0"]
    misc = h.reg(r.IVAR_MISC)
    assert misc >> 8 & 0xFF == 0x84
    for q in range(4):
        assert h.reg(r.IVAR(q >> 1)) >> 16 * (q & 1) & 0xFFFF == 0x8080 | q << 8 | q


def test_queue_count_is_bounded_by_cpus_and_rss_by_16() -> None:
    h = IxgbeHost(ncpus=20)
    a = h.port()
    assert (a.num_rx_queues, a.rss.indices, a.fdir.indices, len(a.q_vector)) == (20, 16, 20, 20)
    c = ethnl_get_channels(h.dev())
    assert (c.max_combined, c.combined_count, c.max_other, c.other_count) == (20, 20, 1, 1)


def test_ids_that_are_not_modelled_are_refused_by_name() -> None:
    tbl = {i.device: i.driver_data for i in ixgbe_pci_tbl()}
    assert tbl[0x1528] == 3 and tbl[0x10F7] == 2 and tbl[0x10FB] == 0

    class Sfp(I82599):
        pass

    h = IxgbeHost(load=False, chip=I82599)
    pdev = h.pdev()
    ent = next(i for i in ixgbe_pci_tbl() if i.device == 0x10FB)
    with pytest.raises(OSError, match="ixgbe: 8086") as e:
        h.task(lambda: im.ixgbe_probe(pdev, ent, h.ixgbe))
    assert e.value.errno == ENOTSUP


@pytest.mark.parametrize(
    ("refuse", "names", "mode"),
    [
        ((), ["eth0-TxRx-0", "eth0-TxRx-1", "eth0"], "msix"),
        (("msix",), ["eth0"], "msi"),
        (("msix", "msi"), ["eth0"], "line"),
    ],
)
@CHIPS
def test_interrupt_kinds_fall_back(chip: type[Ixgbe], refuse: tuple[str, ...], names: list[str], mode: str) -> None:
    h = up(chip=chip, ncpus=2, refuse=refuse)
    assert h.irq_names() == names
    config = h.models[0].config
    assert (config.msix_on, config.msi_on) == (mode == "msix", mode == "msi")
    for i in range(50):
        h.rx(frame(80, fill=i))
        h.run(1_000_000)
    assert len(h.tap.frames) == 50
    if mode != "msix":
        text = "\n".join(h.log())
        assert "Failed to allocate MSI-X interrupts. Err: -28" in text and "Disabling RSS support" in text
        assert ("Failed to allocate MSI interrupt" in text) == (mode == "line")
        assert ethnl_get_channels(h.dev()).max_combined == 1
    h.models[0].link_change(False)
    h.run(3_000_000_000)
    assert not h.dev().carrier_ok and h.log()[-1].endswith("NIC Link is Down")
    h.down()
    h.check()


def test_open_undoes_everything_when_interrupts_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    h = IxgbeHost(ncpus=2)
    h.models[0].link_change(True)
    good = Irqs.request_irq
    calls: list[str] = []

    def fail(self: Irqs, irq: int, handler: Handler, flags: int, name: str, dev_id: object) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise OSError(ENOMEM, "no")
        good(self, irq, handler, flags, name, dev_id)

    monkeypatch.setattr(Irqs, "request_irq", fail)
    with pytest.raises(OSError):
        h.task(lambda: im.ixgbe_open(h.dev()))
    assert calls == ["eth0-TxRx-0", "eth0-TxRx-1"]
    assert h.irq_names() == [] and h.kernel.memory.coherent == {} and not h.kernel.memory.streaming
    assert h.log()[-1].endswith("request_irq failed, Error -12")


def test_open_while_testing_is_busy() -> None:
    h = IxgbeHost()
    h.port().state |= STATE_TESTING
    with pytest.raises(OSError) as e:
        h.task(lambda: im.ixgbe_open(h.dev()))
    assert e.value.errno == EBUSY


# --- receive ----------------------------------------------------------------------------------------------------


@CHIPS
@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1", "6.18"])
def test_frames_come_up_whole_and_in_order(chip: type[Ixgbe], release: str) -> None:
    h = up(chip=chip, release=release)
    sent = [frame(60 + i * 7 % 1455, fill=i) for i in range(300)]
    for i, f in enumerate(sent):
        h.rx(f)
        if i % 50 == 49:
            h.run(1_000_000)
    h.run()
    assert h.tap.frames == sent
    h.check()
    s = dev_get_stats(h.dev())
    assert s.rx_packets == 300 and s.rx_bytes == sum(map(len, sent))


@pytest.mark.parametrize(
    ("release", "mtu", "size", "truesize"),
    [
        ("6.1", 1500, 60, 2048 + 256),
        ("6.1", 1500, 1514, 2048 + 256),
        ("6.1", 9000, 1514, 4096 + 256),
        ("6.1", 9000, 4000, 2 * 4096 + 256),
        ("3.13", 1500, 200, 256 + 64 + 320 + 256),
        ("3.13", 1500, 1514, 256 + 64 + 320 + 256 + 2048),
    ],
)
def test_truesize(release: str, mtu: int, size: int, truesize: int) -> None:
    h = up(release=release)
    if mtu != 1500:
        h.task(lambda: dev_set_mtu(h.dev(), mtu))
        h.settle()
    h.rx(frame(size))
    h.run()
    assert h.tap.frames == [frame(size)] and h.tap.skbs[0].truesize == truesize


def test_jumbo_frames_take_several_descriptors() -> None:
    h = up()
    h.task(lambda: dev_set_mtu(h.dev(), 9000))
    h.settle()
    sizes = [60, 3072, 3073, 6144, 6145, 9014]
    for n in sizes:
        h.rx(frame(n))
    h.run()
    assert [len(f) for f in h.tap.frames] == sizes and h.tap.frames[-1] == frame(9014)
    assert h.stats()["non_eop_descs"] == 1 + 1 + 2 + 2
    h.rx(frame(9015))
    h.run()
    assert h.stats()["rx_long_length_errors"] == 1
    h.check()


def test_ring_of_a_stopped_cpu_fills_then_waits_then_loses() -> None:
    """One queue: no drop enable, so the packet buffer takes what the ring cannot, and what is lost is missed."""
    h = up()
    a = h.port()
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 64)]))
    h.settle()
    assert not h.reg(r.SRRCTL(0)) & r.SRRCTL_DROP_EN
    before = h.stats()
    took = h.rx(frame(1514), 600)
    fifo = 384 * 1024 // ((1518 + 31) & ~15)
    assert took == 63 + fifo and h.models[0].in_flight() == fifo
    h.check()
    h.run(100_000_000)
    after = h.stats()
    assert after["rx_missed_errors"] - before["rx_missed_errors"] == 600 - took
    assert after["rx_pkts_nic"] - before["rx_pkts_nic"] == took  # the driver takes what was missed off GPRC
    assert len(h.tap.frames) == took and a.rx_missed_errors == 600 - took
    assert h.in_flight() == 0
    h.check()


def test_several_queues_without_pause_drop_and_do_not_block() -> None:
    h = up(ncpus=2)
    h.task(lambda: ethnl_set_pause(h.dev(), False, False, False))
    h.settle()
    assert h.reg(r.SRRCTL(0)) & r.SRRCTL_DROP_EN and h.reg(r.SRRCTL(1)) & r.SRRCTL_DROP_EN
    took = h.rx(frame(100), 700)
    assert took == 511 and h.models[0].in_flight() == 0
    h.run(100_000_000)
    s = h.stats()
    assert s["rx_no_dma_resources"] == 700 - 511 and s["rx_missed_errors"] == 0
    assert dev_get_stats(h.dev()).rx_missed_errors == 0  # not in /proc/net/dev
    h.check()


def test_checksum_states() -> None:
    h = up(protocol=0x0800)
    h.rx(udp(n=100))
    h.rx(udp(n=100, spoil=0x55))
    bad_ip = bytearray(udp(n=100))
    bad_ip[24] ^= 0xFF
    h.rx(bytes(bad_ip))
    h.run()
    assert [s.ip_summed == CHECKSUM_UNNECESSARY for s in h.tap.skbs] == [True, False, False]
    assert h.stats()["rx_csum_offload_errors"] == 2
    h.task(lambda: ethnl_set_features(h.dev(), {"rx-checksum": False}))
    h.rx(udp(n=100))
    h.run()
    assert h.tap.skbs[-1].ip_summed != CHECKSUM_UNNECESSARY


def test_82599_udp_without_checksum_is_no_error() -> None:
    f = bytearray(udp(n=100))
    f[40:42] = b"\0\0"
    h = up(chip=I82599, protocol=0x0800)
    h.rx(bytes(f))
    h.run()
    assert h.tap.skbs[0].ip_summed != CHECKSUM_UNNECESSARY and h.stats()["rx_csum_offload_errors"] == 0


def test_vlan_strip_and_filter() -> None:
    h = up()
    tagged = MAC + b"\2" * 6 + b"\x81\0\0\5" + b"\x88\xb5" + bytes(44)
    h.rx(tagged)
    h.run()
    assert h.tap.frames == [] and h.kernel.ledger is not None
    h.task(lambda: h.dev().ndo_vlan_rx_add_vid(0x8100, 5))
    h.models[0].receive(tagged)
    h.run()
    assert h.reg(r.RXDCTL(0)) & r.RXDCTL_VME
    h.task(lambda: h.dev().ndo_vlan_rx_kill_vid(0x8100, 5))
    assert not h.models[0].receive(tagged)
    h.task(lambda: dev_set_promiscuity(h.dev(), 1))
    assert h.models[0].receive(tagged)


def test_multicast_filter() -> None:
    h = up()
    group = bytes.fromhex("01005e010203")
    assert not h.models[0].receive(frame(60, dst=group))
    h.task(lambda: dev_mc_add(h.dev(), group))
    assert h.models[0].receive(frame(60, dst=group))
    assert not h.models[0].receive(frame(60, dst=bytes.fromhex("01005e7f7f7f")))


# --- RSS --------------------------------------------------------------------------------------------------------


def flows(n: int) -> list[tuple[bytes, int]]:
    return [(bytes((10, i >> 8 & 0xFF, i & 0xFF, 1 + i % 200)), 1024 + i) for i in range(n)]


def test_flows_go_where_key_and_table_say() -> None:
    h = up(ncpus=4, protocol=0x0800)
    h.task(lambda: ethtool_set_rxfh(h.dev(), Rxfh(None, KEY)))
    t = Toeplitz(KEY)
    want = []
    for src, port in flows(200):
        h.rx(tcp(1, b"x" * 50, sport=port, src=src, flags=0x18))
        want.append(t.hash(src + b"\x0a\0\0\2" + port.to_bytes(2, "big") + b"\0\x50"))
    h.run(50_000_000)
    got = {s.head[s.mac_header + 26 : s.mac_header + 36]: (s.queue_mapping, s.hash, s.l4_hash) for s in h.tap.skbs}
    assert len(got) == 200
    for (src, port), w in zip(flows(200), want, strict=True):
        key = src + b"\x0a\0\0\2" + port.to_bytes(2, "big")
        assert got[key] == ((w & 127) % 4, w, True)
    s = h.stats()
    assert sum(s[f"rx_queue_{q}_packets"] for q in range(4)) == 200
    assert min(s[f"rx_queue_{q}_packets"] for q in range(4)) > 20
    h.check()


def test_published_toeplitz_vector_through_the_device() -> None:
    h = up(ncpus=8, protocol=0x0800)
    h.task(lambda: ethtool_set_rxfh(h.dev(), Rxfh(None, KEY)))
    f = bytearray(udp(2794, 1766, n=40, src=bytes((66, 9, 149, 187))))
    f[30:34] = bytes((161, 142, 100, 80))
    h.rx(bytes(f))
    h.run()
    assert h.tap.skbs[0].hash == 0x323E8FC2 and not h.tap.skbs[0].l4_hash  # UDP ports are not hashed
    h.task(lambda: ethtool_set_rx_hash(h.dev(), UDP_V4_FLOW, 0xF0))
    assert any("enabling UDP RSS" in x for x in h.log())
    h.rx(bytes(f))
    h.run()
    assert h.tap.skbs[1].hash == 0x51CCC178 and h.tap.skbs[1].l4_hash
    assert h.tap.skbs[1].queue_mapping == (0x51CCC178 & 127) % 8


def test_hash_fields_that_cannot_be() -> None:
    h = IxgbeHost(ncpus=2)
    assert ethtool_get_rx_hash(h.dev(), TCP_V4_FLOW) == 0xF0 and ethtool_get_rx_hash(h.dev(), UDP_V4_FLOW) == 0x30
    for flow, bits in ((TCP_V4_FLOW, 0x30), (UDP_V4_FLOW, 0x70), (UDP_V4_FLOW, 0x40), (99, 0x30)):
        with pytest.raises(OSError) as e:
            h.task(lambda flow=flow, bits=bits: ethtool_set_rx_hash(h.dev(), flow, bits))
        assert e.value.errno == EINVAL


def test_table_moves_flows_until_the_next_reset() -> None:
    h = up(ncpus=4, protocol=0x0800)
    for q in (3, 1):
        h.task(lambda q=q: ethtool_set_rxfh(h.dev(), Rxfh([q] * 128)))
        h.tap.skbs.clear()
        for src, port in flows(50):
            h.rx(tcp(1, b"", sport=port, src=src))
        h.run()
        assert {s.queue_mapping for s in h.tap.skbs} == {q}
    assert ethtool_get_rxfh(h.dev())[1].indir == [1] * 128 and h.reg(r.RETA(5)) == 0x01010101
    h.task(lambda: dev_set_mtu(h.dev(), 2000))
    h.settle()
    assert h.reg(r.RETA(5)) == 0x03020100  # as 6.1 does it: a user's table does not outlive a reset
    with pytest.raises(OSError):
        h.task(lambda: ethtool_set_rxfh(h.dev(), Rxfh([4] * 128)))


def test_water_marks_of_the_packet_buffer() -> None:
    """By hand from the bit times that the driver's macros give: X540, MTU 1500, no Flow Director."""
    h = up()
    bits = 36 * (8 * 1538 + 672 + 11112 + 2 * 37888 + 6144) // 25 + 1 + 16 * 1538
    assert h.reg(r.FCRTH(0)) == r.FCRTH_FCEN | (384 - -(-bits // 8192)) << 10
    assert h.reg(r.FCRTL(0)) == r.FCRTL_XONE | -(-(16 * 1518 + 14401) // 8192) << 10


def test_channels_change_while_up() -> None:
    h = up(ncpus=4, protocol=0x0800)
    for n in (2, 1, 3, 4):
        h.task(lambda n=n: ethnl_set_channels(h.dev(), [("combined", n)]))
        h.settle()
        c = ethnl_get_channels(h.dev())
        assert (c.combined_count, h.dev().real_num_rx_queues, len(h.dev().napi_list)) == (n, n, n)
        assert h.irq_names() == [f"eth0-TxRx-{i}" for i in range(n)] + ["eth0"]
        h.tap.skbs.clear()
        for src, port in flows(60):
            h.rx(tcp(1, b"", sport=port, src=src))
        h.run(20_000_000)
        assert len(h.tap.skbs) == 60 and {s.queue_mapping for s in h.tap.skbs} == set(range(n))
    for bad in ([("combined", 5)], [("rx", 1)], [("other", 0)], [("combined", 0)]):
        with pytest.raises(OSError) as e:
            h.task(lambda bad=bad: ethnl_set_channels(h.dev(), bad))
        assert e.value.errno == EINVAL
    h.check()


# --- receive side coalescing ------------------------------------------------------------------------------------


def lro(h: IxgbeHost) -> None:
    h.task(lambda: ethnl_set_features(h.dev(), {"rx-lro": True, "rx-gro": False}))
    h.settle()


@CHIPS
def test_lro_merges_a_train_and_keeps_every_byte(chip: type[Ixgbe]) -> None:
    h = up(chip=chip, protocol=0x0800)
    lro(h)
    assert h.reg(r.RSCCTL(0)) == r.RSCCTL_RSCEN | r.RSCCTL_MAXDESC_16
    data = bytes(i * 7 & 0xFF for i in range(20 * 1448))
    for i in range(20):
        h.rx(tcp(1 + i * 1448, data[i * 1448 : (i + 1) * 1448]))
    assert h.models[0].in_flight() == 20
    h.check()
    h.run()
    got = b"".join(f[54:] for f in h.tap.frames)
    assert got == data and len(h.tap.frames) == 1
    skb = h.tap.skbs[0]
    assert skb.tokens == 0 or skb.gso_size  # the tap has consumed it
    assert skb.gso_size == -(-len(data) // 19)
    total = struct.unpack_from(">H", h.tap.frames[0], 16)[0]
    assert total == 40 + len(data)
    s = h.stats()
    assert (s["hw_rsc_aggregated"], s["hw_rsc_flushed"], s["rx_packets"]) == (19, 1, 1)
    assert s["rx_pkts_nic"] == 20 and s["non_eop_descs"] == -(-(54 + len(data)) // 3072) - 1
    assert h.in_flight() == 0
    h.check()


def test_lro_flushes_on_push_gap_and_bad_checksum() -> None:
    h = up(protocol=0x0800)
    lro(h)
    h.rx(tcp(1, b"a" * 100))
    h.rx(tcp(101, b"b" * 100, flags=0x18))  # PSH: closes
    h.rx(tcp(201, b"c" * 100))
    h.rx(tcp(401, b"e" * 100))  # a hole: closes, starts anew
    h.rx(tcp(501, b"f" * 100, bad=True))  # by itself, behind what it follows
    h.rx(tcp(601, b"", flags=0x10))  # no data
    h.run()
    assert [(f[54:57], len(f)) for f in h.tap.frames] == [
        (b"aaa", 254),
        (b"ccc", 154),
        (b"eee", 154),
        (b"fff", 154),
        (b"\0\0\0", 60),
    ]
    h.check()


def test_lro_needs_time_between_interrupts() -> None:
    h = up()
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 3)]))
    lro(h)
    assert not h.reg(r.RSCCTL(0))
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 50)]))
    h.settle()
    assert h.reg(r.RSCCTL(0)) and any("high enough to re-enable RSC" in x for x in h.log())


def test_3_13_has_lro_on() -> None:
    h = up(release="3.13")
    assert h.reg(r.RSCCTL(0)) & r.RSCCTL_RSCEN


def test_lro_goes_off_when_the_interval_becomes_too_short() -> None:
    h = up()
    lro(h)
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 5)]))
    h.settle()
    assert not h.reg(r.RSCCTL(0)) and any("rx-usecs set too low, disabling RSC" in x for x in h.log())


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1448), st.sampled_from([0x10, 0x18, 0x10, 0x10, 0x11])),
        max_size=60,
    )
)
def test_lro_loses_and_reorders_nothing_within_a_flow(plan: list[tuple[int, int, int]]) -> None:
    h = up(protocol=0x0800)
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 64)]))
    h.settle()
    lro(h)
    seq = [1, 1, 1]
    want = [b"", b"", b""]
    for i, (flow, n, flags) in enumerate(plan):
        data = bytes((i + k) & 0xFF for k in range(n))
        h.rx(tcp(seq[flow], data, flags=flags, sport=5000 + flow))
        seq[flow] += n
        want[flow] += data
        h.check()
        if i % 7 == 6:
            h.run(30_000)
    h.run(20_000_000)
    got = [b"", b"", b""]
    for f in h.tap.frames:
        end = 14 + struct.unpack_from(">H", f, 16)[0]
        got[struct.unpack_from(">H", f, 34)[0] - 5000] += f[54:end]
    assert got == want
    h.down()
    h.check()


# --- moderation -------------------------------------------------------------------------------------------------


def test_coalesce_limits_and_what_is_shown() -> None:
    h = up()
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 100)]))
    assert ethnl_get_coalesce(h.dev()).values == {"rx-usecs": 100}
    assert h.reg(r.EITR(0)) == 400
    for name, v in (("rx-usecs", 1023), ("tx-usecs", 10), ("rx-frames", 5)):
        with pytest.raises(OSError):
            h.task(lambda name=name, v=v: ethnl_set_coalesce(h.dev(), [(name, v)]))
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 0)]))
    h.settle()
    assert h.reg(r.EITR(0)) == 0


def test_interrupt_rate_follows_the_interval() -> None:
    h = up()
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 100)]))
    h.run(20_000_000)
    irq = next(d for d in h.kernel.irq.descs.values() if d.actions and d.actions[0].name == "eth0-TxRx-0")
    for gap, lo, hi in ((2_000, 3, 12), (1_000_000, 200, 203)):
        before = sum(irq.kstat)
        for _ in range(200):
            h.rx(frame(60))
            h.run(gap)
        h.run(1_000_000)
        assert lo <= sum(irq.kstat) - before <= hi, gap


def test_adaptive_moderation_reacts() -> None:
    h = up()
    q = h.port().q_vector[0]
    seen = set()
    for burst in (1, 10, 60, 300):
        for _ in range(20):
            h.rx(frame(1514), burst)
            h.run(1_000_000)
            seen.add(q.itr)
    assert len(seen) > 3 and all(0 <= x <= 126 << 2 for x in seen)


# --- transmit ---------------------------------------------------------------------------------------------------


def send(h: IxgbeHost, data: bytes, *, partial: bool = False, gso: int = 0) -> None:
    skb = SkBuff(h.net, b"", 2304)
    skb.own = True
    skb_put(skb, data)
    skb.dev = h.dev()
    skb.protocol = struct.unpack_from(">H", data, 12)[0]
    skb.network_header = 14
    skb.transport_header = 34
    if partial:
        skb.ip_summed = CHECKSUM_PARTIAL
        skb.csum_start = 34
        skb.csum_offset = 16
    if gso:
        skb.gso_size = gso
        skb.gso_segs = -(-(len(data) - 54) // gso)
        skb.gso_type = 1
    h.task(lambda: dev_queue_xmit(skb))


def test_transmit_completes_and_is_counted() -> None:
    h = up(ncpus=2)
    for i in range(700):
        send(h, frame(60 + i % 1000, fill=i))
    h.run(50_000_000)
    assert h.sent[0][-700:] == [frame(60 + i % 1000, fill=i) for i in range(700)]
    assert h.dev().tx_in_flight() == 0
    s = h.stats()
    assert s["tx_packets"] == 700 and s["tx_pkts_nic"] == 700


def test_segmentation_of_a_large_send() -> None:
    h = up()
    body = bytes(i * 13 & 0xFF for i in range(30_000))
    send(h, tcp(7, body)[:54] + body, partial=True, gso=1448)
    h.run()
    out = h.sent[0][-21:]
    assert b"".join(f[54:] for f in out) == body
    from rxpath.hw.nic.offload import ones_sum

    for i, f in enumerate(out):
        seg = f[34:]
        assert struct.unpack_from(">I", f, 38)[0] == 7 + i * 1448
        assert ones_sum(f[14:34]) % 0xFFFF == 0
        assert ones_sum(f[26:34] + b"\0\x06" + len(seg).to_bytes(2, "big") + seg) % 0xFFFF == 0


# --- ethtool ----------------------------------------------------------------------------------------------------


def test_statistics_names_and_order() -> None:
    h = up(ncpus=2)
    names = list(h.stats())
    assert names[:12] == [
        "rx_packets",
        "tx_packets",
        "rx_bytes",
        "tx_bytes",
        "rx_pkts_nic",
        "tx_pkts_nic",
        "rx_bytes_nic",
        "tx_bytes_nic",
        "lsc_int",
        "tx_busy",
        "non_eop_descs",
        "rx_errors",
    ]
    assert names.index("rx_length_errors") == names.index("tx_restart_queue") + 1
    assert len(names) == 56 + 4 * 64 + 32 and names[-1] == "rx_pb_7_pxoff"
    assert "rx_length_errors" not in IxgbeHost(release="3.13").stats()


@pytest.mark.parametrize(("asked", "got"), [(1000, 1000), (65, 72), (1, 64), (4096, 4096)])
def test_ring_sizes(asked: int, got: int) -> None:
    h = up()
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", asked)]))
    h.settle()
    p = ethnl_get_rings(h.dev())
    assert (p.rx_pending, p.rx_max_pending, p.tx_pending) == (got, 4096, 512)
    assert h.reg(r.RDLEN(0)) == got * 16
    h.rx(frame(100), min(got, 300))
    h.run(50_000_000)
    assert len(h.tap.frames) == min(got, 300)


def test_ring_change_without_memory_keeps_the_old_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    from rxpath.drivers.ixgbe import ethtool as ie

    h = up(ncpus=2)
    real = ie.ixgbe_setup_rx_resources
    n = []

    def fail(a: Any, ring: Any) -> None:
        n.append(1)
        if len(n) == 2:
            raise OSError(ENOMEM, "no")
        real(a, ring)

    monkeypatch.setattr(ie, "ixgbe_setup_rx_resources", fail)
    with pytest.raises(OSError):
        h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 1024)]))
    h.settle()
    assert ethnl_get_rings(h.dev()).rx_pending == 512
    h.rx(frame(100), 20)
    h.run(50_000_000)
    assert len(h.tap.frames) == 20
    h.check()


@CHIPS
@pytest.mark.parametrize("refuse", [(), ("msix",), ("msix", "msi")])
def test_self_test_passes(chip: type[Ixgbe], refuse: tuple[str, ...]) -> None:
    h = up(chip=chip, refuse=refuse)
    result = h.task(lambda: ethtool_self_test(h.dev(), True))
    assert [v for _n, v in result] == [0] * 5, h.log()[-5:]
    h.settle()
    h.rx(frame(100), 20)
    h.run(50_000_000)
    assert len(h.tap.frames) == 20


def test_self_test_finds_a_broken_register() -> None:
    class Broken(X540):
        def mmio_read(self, bar: int, off: int, size: int) -> int:
            v = super().mmio_read(bar, off, size)
            return v & ~0x10 if off == r.MTA(7) else v

    h = up(model=lambda i: Broken(MAC))
    result = h.task(lambda: ethtool_self_test(h.dev(), True))
    assert [v for _n, v in result] == [r.MTA(7), 0, 0, 0, 0]


def test_pause_settings() -> None:
    h = up()
    p = ethnl_get_pause(h.dev())
    assert (p.autoneg, p.rx_pause, p.tx_pause) == (True, True, True)
    assert h.log()[-1].endswith("Flow Control: RX/TX")
    h.task(lambda: ethnl_set_pause(h.dev(), False, True, False))
    h.settle()
    assert h.log()[-1].endswith("Flow Control: RX")


def test_registers_and_eeprom_dumps() -> None:
    h = up()
    regs = h.task(h.dev().ethtool_ops.get_regs)
    words = struct.unpack("<1145I", regs.data)
    assert regs.version == 3 << 24 | 1 << 16 | 0x1528
    assert words[181] == 512 * 16 and words[516] & r.VLNCTRL_VFE and words[1047] == h.reg(r.HLREG0)
    magic, data = h.task(lambda: h.dev().ethtool_ops.get_eeprom(0x2A * 2 + 1, 5))
    assert magic == 0x15288086 and len(data) == 5
    with pytest.raises(OSError):
        h.task(lambda: h.dev().ethtool_ops.get_eeprom(0, 0))
    h.task(lambda: h.dev().ethtool_ops.set_eeprom(magic, 0x300, b"ab"))
    assert h.task(lambda: h.dev().ethtool_ops.get_eeprom(0x300, 2))[1] == b"ab"


# --- life of a port ---------------------------------------------------------------------------------------------


@CHIPS
def test_link_flap_and_up_down_leave_no_frame_unexplained(chip: type[Ixgbe]) -> None:
    h = up(chip=chip, ncpus=2)
    for i in range(3):
        h.rx(frame(80), 40)
        if i & 1:
            h.run(20_000)
        h.down()
        h.check()
        assert not h.kernel.memory.streaming and h.irq_names() == []
        h.rx(frame(80), 5)
        h.up()
        h.models[0].link_change(False)
        h.run(3_000_000_000)
        assert not h.dev().carrier_ok
        h.models[0].link_change(True)
        h.run(3_000_000_000)
        assert h.dev().carrier_ok
    n = len(h.tap.frames)
    h.rx(frame(80), 10)
    h.run()
    assert len(h.tap.frames) == n + 10
    h.check()


@CHIPS
def test_suspend_and_resume(chip: type[Ixgbe]) -> None:
    h = up(chip=chip, ncpus=2)
    h.task(lambda: pci_pm_suspend(h.pdev()))
    assert h.irq_names() == [] and h.models[0].config.d_state == 3
    h.rx(frame(80), 3)
    h.task(lambda: pci_pm_resume(h.pdev()))
    h.settle()
    h.rx(frame(80), 10)
    h.run()
    assert len(h.tap.frames) == 10
    h.check()


def test_pci_error_recovery() -> None:
    h = up(ncpus=2)
    assert h.task(lambda: pcie_do_recovery(h.pdev(), False)) == PCI_ERS_RESULT_RECOVERED
    h.settle()
    h.rx(frame(80), 10)
    h.run()
    assert len(h.tap.frames) == 10
    h.check()


def test_remove_gives_everything_back() -> None:
    h = up(ncpus=2)
    h.rx(frame(80), 30)
    h.task(lambda: pci_unregister_driver(h.bus, h.ixgbe.driver))
    assert [d.name for d in h.net.devices] == ["lo"]
    m = h.kernel.memory
    assert m.coherent == {} and m.streaming == {} and m.tags == {} and h.irq_names() == []
    assert h.log()[-1].endswith("complete")
    h.check()


def test_ioctls() -> None:
    h = up()
    ifr = bytearray(40)
    h.task(lambda: h.dev().ndo_do_ioctl(im.SIOCGMIIPHY, ifr))
    assert ifr[16:18] == b"\0\0"
    struct.pack_into("<HH", ifr, 16, 0x8000 | 1, 2)
    h.task(lambda: h.dev().ndo_do_ioctl(im.SIOCGMIIREG, ifr))
    assert struct.unpack_from("<H", ifr, 22)[0] == 0x0154
    for cmd, words, errno in (
        (0x1234, (0, 0, 0), EOPNOTSUPP),
        (im.SIOCSHWTSTAMP, (0, 1, 0), ENOTSUP),
        (im.SIOCGMIIREG, (1, 0, 0), EINVAL),
    ):
        struct.pack_into("<III", ifr, 16, *words)
        with pytest.raises(OSError) as e:
            h.task(lambda cmd=cmd: h.dev().ndo_do_ioctl(cmd, ifr))
        assert e.value.errno == errno


def test_dca_is_told_and_taken_back() -> None:
    h = up(ncpus=2)
    assert h.reg(r.DCA_CTRL) == 1
    h.task(lambda: h.ixgbe.dca_notify(im.DCA_PROVIDER_ADD))
    assert h.reg(r.DCA_CTRL) == 2 and h.reg(r.DCA_RXCTRL(1)) & 0xFFFFFF == 0x2A0
    h.rx(frame(80), 5)
    h.run()
    assert len(h.tap.frames) == 5
    h.task(lambda: h.ixgbe.dca_notify(im.DCA_PROVIDER_REMOVE))
    assert h.reg(r.DCA_CTRL) == 1


def test_virtual_functions_are_refused_by_name() -> None:
    with pytest.raises(OSError, match="virtual functions"):
        IxgbeHost(params={"max_vfs": "2"})


def test_bytes_and_rates_under_load_account_for_every_frame() -> None:
    """Costs charged: the ring overflows, the books close, two runs are the same."""
    seen = []
    for _ in range(2):
        from rxpath.sim.costs import load_profile

        costs: Costs = load_profile().costs()
        h = up(ncpus=4, costs=costs, protocol=0x0800)
        k = 0
        for src, port in flows(100) * 30:
            h.rx(tcp(1 + k, b"x" * 200, sport=port, src=src, flags=0x18))
            k += 1
            if k % 25 == 0:
                h.run(3_000)
        h.run(100_000_000)
        h.check()
        assert h.in_flight() == 0
        seen.append((len(h.tap.frames), [d.kstat for d in h.kernel.irq.descs.values()], h.stats()))
    assert seen[0] == seen[1]
