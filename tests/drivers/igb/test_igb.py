"""igb against what the unmodified driver does: vectors, rings, buffers, RSS, ethtool, and what goes wrong."""

from __future__ import annotations

import itertools
import os
import re
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drivers import host
from tests.drivers.igb.igb_host import I350, I82576, MAC, PEER, IgbHost, frame, udp

from rxpath.drivers.igb import main as im
from rxpath.drivers.igb.igb import (
    DCA_PROVIDER_ADD,
    DCA_PROVIDER_REMOVE,
    IGB_FLAG_QUEUE_PAIRS,
    STATE_TESTING,
    igb_pci_tbl,
)
from rxpath.drivers.igb.main import (
    SIOCGHWTSTAMP,
    SIOCGMIIPHY,
    SIOCGMIIREG,
    SIOCSHWTSTAMP,
    SIOCSMIIREG,
    igb_update_itr,
    igb_update_ring_itr,
)
from rxpath.drivers.pci import (
    PCI_ERS_RESULT_RECOVERED,
    device_shutdown,
    pci_pm_resume,
    pci_pm_suspend,
    pci_register_driver,
    pci_unregister_driver,
    pcie_do_recovery,
)
from rxpath.hw.nic.igb import Igb
from rxpath.hw.nic.offload import Toeplitz
from rxpath.hw.regs import igb as r
from rxpath.kernel.errno import EBUSY, EEXIST, EINVAL, ENOMEM, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import Handler, Irqs
from rxpath.net.core import skbuff
from rxpath.net.core.ethtool import (
    IPV4_FLOW,
    TCP_V4_FLOW,
    UDP_V4_FLOW,
    ExtackError,
    Rxfh,
    RxFlowSpec,
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
    feature_fixed,
)
from rxpath.net.core.netdevice import (
    ETH_P_ALL,
    IFF_UP,
    NETIF_F_HW_VLAN_CTAG_RX,
    PacketType,
    dev_add_pack,
    dev_get_stats,
    dev_mc_add,
    dev_open,
    dev_set_mac_address,
    dev_set_mtu,
    dev_set_promiscuity,
)
from rxpath.net.core.skbuff import CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SkBuff, skb_put
from rxpath.net.core.xmit import dev_queue_xmit
from rxpath.observe.function_trace import FunctionTrace
from rxpath.sim.costs import load_profile

CHIPS = pytest.mark.parametrize("chip", [I82576, I350])
plain = pytest.mark.skipif(
    not str(im.__file__).endswith(".py"), reason="compiled functions can be neither replaced nor traced"
)


def make_skb(h: IgbHost, data: bytes, proto: int = 0x0800) -> SkBuff:
    s = getattr(skbuff, "__alloc_skb")(h.net, len(data))
    assert isinstance(s, SkBuff)
    skb_put(s, data)
    s.dev = h.igb_dev()
    s.protocol = proto
    s.network_header = 14
    return s


def csum(data: bytes) -> int:
    if len(data) & 1:
        data += b"\0"
    total: int = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def sniff_tags(h: IgbHost) -> list[int | None]:
    """The tag of every frame as the driver hands it up (the core takes an unclaimed one off again)."""
    tags: list[int | None] = []

    class Sniffer(PacketType):
        def func(self, skb: SkBuff, dev: object, orig: object) -> int:
            tags.append(skb.vlan_tci if skb.vlan_present else None)
            skbuff.consume_skb(skb, host.SITE_TAP)
            return 0

    dev_add_pack(h.net, Sniffer(ETH_P_ALL, "sniffer"))
    return tags


def key_of(m: Igb) -> Toeplitz:
    return Toeplitz(b"".join(m.regs[r.RSSRK + 4 * i].to_bytes(4, "little") for i in range(10)))


def empty(h: IgbHost) -> bool:
    mem = h.kernel.memory
    return mem.allocated == 0 and not mem.streaming and not mem.coherent and not mem.tags


# --- probe, vectors, interrupts -----------------------------------------------------------------------------


@CHIPS
def test_probe_says_what_igb_says(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip, ncpus=2)
    log = h.log()
    at = log.index("igb: Intel(R) Gigabit Ethernet Network Driver")
    p = "igb 0000:01:00.0: "
    i350 = chip is I350
    assert log[at + 1] == "igb: Copyright (c) 2007-2014 Intel Corporation."
    assert log[-5:] == [
        p + "added PHC on eth0",
        p + "Intel(R) Gigabit Ethernet Network Connection",
        p + "eth0: (PCIe:%s:Width x4) 52:54:00:12:34:56" % ("5.0Gb/s" if i350 else "2.5Gb/s"),
        p + "eth0: PBA No: " + ("Unknown" if i350 else "E43709-003"),
        p + "Using MSI-X interrupts. 2 rx queue(s), 2 tx queue(s)",
    ]
    h.up()
    line = "eth0: igb: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX"
    assert h.log()[-1] == "igb 0000:01:00.0 " + line


@CHIPS
@pytest.mark.parametrize(
    ("ncpus", "names"),
    [
        (1, ["eth0", "eth0-rx-0", "eth0-tx-0"]),
        (4, ["eth0", *("eth0-rx-%d" % i for i in range(4)), *("eth0-tx-%d" % i for i in range(4))]),
        (5, ["eth0", *("eth0-TxRx-%d" % i for i in range(5))]),
        (8, ["eth0", *("eth0-TxRx-%d" % i for i in range(8))]),
        (12, ["eth0", *("eth0-TxRx-%d" % i for i in range(8))]),
    ],
)
def test_queues_follow_the_cpus_and_pair_above_half(chip: type[Igb], ncpus: int, names: list[str]) -> None:
    h = IgbHost(chip=chip, ncpus=ncpus)
    h.up()
    assert h.irq_names() == names
    a = h.port()
    assert bool(a.flags & IGB_FLAG_QUEUE_PAIRS) == (ncpus > 4)
    m = h.models[0]
    # every queue that is in use leads to the vector that its name stands for
    for q in range(a.num_rx_queues):
        assert m.rx[q].vec == 1 + q and m.tx[q].vec == (1 + q if ncpus > 4 else 1 + a.num_rx_queues + q)
    h.run()  # the watchdog has just kicked, and auto-masked, every vector
    assert m.other_vec == 0 and h.reg(r.EIMS) == (1 << len(names)) - 1


@CHIPS
@pytest.mark.parametrize(("refuse", "kind"), [(("msix",), "MSI"), (("msix", "msi"), "legacy")])
def test_a_platform_without_vectors(chip: type[Igb], refuse: tuple[str, ...], kind: str) -> None:
    h = IgbHost(chip=chip, ncpus=4, refuse=refuse)
    assert "Using %s interrupts. 1 rx queue(s), 1 tx queue(s)" % kind in h.log()[-1]
    h.up()
    assert h.irq_names() == ["eth0"]
    for _ in range(5):
        h.rx(frame(60), 20)
        h.run()
    assert len(h.tap.frames) == 100
    h.check()
    h.down()
    h.check()
    assert h.irq_names() == []


@plain
@CHIPS
@pytest.mark.parametrize(
    ("broken", "names", "model"),
    [
        (("igb_msix_ring",), ["eth0"], "msi"),
        (("igb_msix_other",), ["eth0"], "msi"),
        (("igb_msix_ring", "igb_intr_msi"), ["eth0"], "line"),
        (("igb_msix_ring", "igb_intr_msi", "igb_intr"), [], "error"),
    ],
)
def test_a_refused_request_falls_back_step_by_step(
    chip: type[Igb], broken: tuple[str, ...], names: list[str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = IgbHost(chip=chip, ncpus=4)
    h.models[0].link_change(True)
    real = Irqs.request_irq

    def request(self: Irqs, irq: int, handler: Handler, flags: int, name: str, dev_id: object) -> None:
        if getattr(handler, "__name__", "") in broken and name != "eth0-rx-0":
            raise linux_error(EBUSY, name)
        real(self, irq, handler, flags, name, dev_id)

    with monkeypatch.context() as m:
        m.setattr(Irqs, "request_irq", request)
        if model == "error":
            with pytest.raises(OSError, match="resource busy"):
                h.task(lambda: dev_open(h.dev()))
            assert h.log()[-1] == "igb 0000:01:00.0: Error -16 getting interrupt"
            assert empty(h) and h.irq_names() == []
            return
        h.up()
    assert h.irq_names() == names
    c = h.models[0].config
    assert (c.msix_on, c.msi_on) == (False, model == "msi")
    assert h.dev().real_num_rx_queues == 1 and len(h.dev().napi_list) == 1
    h.rx(udp(b"\x0a\0\0\x01"), 30)
    h.rx(frame(60), 30)
    h.run()
    assert len(h.tap.frames) == 30
    h.kernel.ledger.check(h.in_flight())
    h.down()
    assert empty(h)


def test_two_ports_on_one_line_the_idle_one_says_none() -> None:
    h = IgbHost(nics=9, refuse=("msix", "msi"))  # slots 0 and 8 share a line
    for m in (h.models[0], h.models[8]):
        m.link_change(True)
    h.up("eth0")
    h.up("eth8")
    h.rx(frame(60, dst=h.models[8].mac), 5, nic=8)
    h.run()
    assert len(h.tap.frames) == 5
    assert h.dev("eth0").priv().rings_rx()[0].rx_packets == 0
    desc = next(d for d in h.kernel.irq.descs.values() if len(d.actions) == 2)
    assert [a.name for a in desc.actions] == ["eth0", "eth8"]


PROBE_STEPS = [
    "dma_set_mask_and_coherent",
    "pci_request_selected_regions",
    "pci_save_state",
    "igb_get_invariants_82575",
    "igb_sw_init",
    "igb_init_interrupt_scheme",
    "igb_alloc_q_vectors",
    "netif_napi_add",
    "igb_reset_hw",
    "igb_validate_nvm_checksum",
    "igb_read_mac_addr",
    "igb_get_fw_version",
    "igb_reset",
    "register_netdev",
]


@plain
@pytest.mark.parametrize("step", PROBE_STEPS)
def test_a_failure_at_any_step_of_probe_undoes_what_was_done(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*a: object, **k: object) -> None:
        raise linux_error(ENOMEM, step)

    with monkeypatch.context() as m:
        m.setattr(im, step, boom)
        h = IgbHost(ncpus=4)
    p = h.pdev()
    assert h.log()[-1] == "igb: probe of 0000:01:00.0 failed with error -12"
    assert p.driver is None and p.driver_data is None and p.enable_cnt == 0
    assert not any(x.owner for x in p.resources) and not p.msix_enabled and not p.msi_enabled
    assert not p.config_read(4, 2) & 4
    assert empty(h) and h.net.napi_hash == {} and "eth0" not in h.net.by_name
    assert [i for i in h.kernel.irq.descs if i >= 24] == []
    # and the same device works when the cause is gone
    h.task(lambda: pci_unregister_driver(h.bus, h.igb.driver))
    h.task(lambda: pci_register_driver(h.bus, h.igb.driver))
    h.up()
    h.rx(frame(60))
    h.run()
    assert len(h.tap.frames) == 1


@plain
@pytest.mark.parametrize(
    "step",
    [
        "igb_setup_tx_resources",
        "igb_setup_rx_resources",
        "igb_power_up_link",
        "igb_configure",
        "igb_request_irq",
        "netif_set_real_num_rx_queues",
    ],
)
def test_a_failure_at_any_step_of_open_undoes_what_was_done(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    h = IgbHost(ncpus=4)
    h.models[0].link_change(True)

    def boom(*a: object, **k: object) -> None:
        raise linux_error(ENOMEM, step)

    with monkeypatch.context() as m:
        m.setattr(im, step, boom)
        with pytest.raises(OSError) as e:
            h.task(lambda: dev_open(h.dev()))
    assert e.value.errno == ENOMEM and not h.dev().flags & IFF_UP
    assert empty(h) and h.irq_names() == []
    h.up()
    h.rx(frame(60))
    h.run()
    assert len(h.tap.frames) == 1


def test_what_is_not_modelled_is_refused_by_name() -> None:
    h = IgbHost(load=False)
    p = h.pdev()
    ids = {i.device: i for i in igb_pci_tbl()}
    assert len(ids) == 35 and 0x10C9 in ids and 0x1521 in ids
    for device, name in ((0x1533, "i210"), (0x10A7, "82575"), (0x150E, "82580")):
        p.device = device
        with pytest.raises(OSError, match="igb: %s" % name) as e:
            h.igb.driver.probe(p, ids[device])
        assert e.value.errno == ENOTSUP
    p.device = 0x10CA  # an 82576's virtual function
    with pytest.raises(OSError) as e:
        h.igb.driver.probe(p, ids[0x10C9])
    assert e.value.errno == EINVAL and h.log()[-1].endswith("should not be a VF!")
    p.device = 0x10C9
    assert h.igb.driver.sriov_configure(p, 0) == 0
    with pytest.raises(OSError, match="SR-IOV") as e:
        h.igb.driver.sriov_configure(p, 2)
    assert e.value.errno == ENOTSUP
    h = IgbHost(params={"max_vfs": "2"})
    assert "eth0" not in h.net.by_name and "failed with error" in h.log()[-1]


def test_a_bad_checksum_of_any_region_is_refused() -> None:
    for chip, word in ((I82576, 10), (I350, 10), (I350, 0x90), (I350, 0x105)):

        def bad(i: int, chip: type[Igb] = chip, word: int = word) -> Igb:
            m = chip(MAC)
            m.nvm.words[word] ^= 1
            return m

        h = IgbHost(model=bad)
        assert "igb 0000:01:00.0: The NVM Checksum Is Not Valid" in h.log() and h.pdev().driver is None


@plain
@CHIPS
def test_the_registration_chain(chip: type[Igb]) -> None:
    """igb_probe > igb_init_interrupt_scheme > igb_alloc_q_vectors > igb_alloc_q_vector, then NAPI."""
    h = IgbHost(chip=chip, ncpus=2, load=False)

    class Trace(FunctionTrace):
        def is_root(self, name: str) -> bool:
            return name == "igb_probe"

    with Trace() as t:
        h.task(lambda: h.igb.init(h.kernel, h.net))
    stack: list[str] = []
    seen: list[list[str]] = []
    for depth, name in t.lines:
        del stack[depth:]
        while len(stack) < depth:
            stack.append("?")
        stack.append(name)
        if name == "netif_napi_add":
            seen.append([n for n in stack if n.startswith("igb_")])
    assert (
        seen
        == [["igb_probe", "igb_sw_init", "igb_init_interrupt_scheme", "igb_alloc_q_vectors", "igb_alloc_q_vector"]] * 4
    )


# --- receive ------------------------------------------------------------------------------------------------


@CHIPS
@pytest.mark.parametrize(
    ("release", "legacy", "small", "large"),
    [
        ("6.1", False, 2304, 2304),
        ("5.15", False, 2304, 2304),
        ("6.18", False, 2304, 2304),
        ("6.1", True, 1280, 3328),
        ("5.15", True, 1280, 3328),
        ("3.13", False, 896, 2944),
    ],
)
def test_truesize(chip: type[Igb], release: str, legacy: bool, small: int, large: int) -> None:
    h = IgbHost(chip=chip, release=release)
    h.up()
    ops = h.dev().ethtool_ops
    if legacy:
        h.task(lambda: ops.set_priv_flags(1))
        h.settle()
    for n, size in ((60, small), (256, small), (257, large), (1514, large)):
        h.rx(frame(n, fill=n & 0xFF))
        h.run()
        assert (n, h.tap.skbs[-1].truesize) == (n, size) and h.tap.frames[-1] == frame(n, fill=n & 0xFF)
    h.check()


@CHIPS
def test_jumbo_frames_take_larger_or_more_buffers(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip)
    h.up()
    assert h.reg(r.SRRCTL(0)) & 0x7F == 2 and h.reg(r.RLPML) == 1536
    h.task(lambda: dev_set_mtu(h.dev(), 9000))
    h.settle()
    assert h.reg(r.SRRCTL(0)) & 0x7F == 3 and h.reg(r.RLPML) == 0x2600
    for n, parts in ((1514, 1), (3072, 1), (3073, 2), (9014, 3)):
        h.rx(frame(n, fill=n & 255))
        h.run()
        assert h.tap.frames[-1] == frame(n, fill=n & 255)
        assert h.tap.skbs[-1].truesize == 4096 + 256 + 4096 * (parts - 1)
    h.task(lambda: dev_set_mtu(h.dev(), 1500))
    h.settle()
    assert h.rx(frame(1532)) == 1 and h.rx(frame(1533)) == 0  # what fits half a page is taken, MTU or not
    h.run()
    assert h.stats()["rx_long_length_errors"] == 1
    h.check()
    for bad in (67, 9217):
        with pytest.raises(OSError):
            h.task(lambda bad=bad: dev_set_mtu(h.dev(), bad))  # type: ignore[misc]
    h.down()
    assert empty(h)


def test_refill_in_batches_of_16_with_one_tail_write() -> None:
    tails: list[int] = []

    class Seen(I82576):
        def _write32(self, off: int, value: int) -> None:
            if off == r.RDT(0):
                tails.append(value)
            super()._write32(off, value)

    h = IgbHost(chip=Seen)
    h.up()
    assert tails == [0, 255]
    h.rx(frame(60), 40)
    h.run()
    # 40 frames in one poll: two full batches and the rest
    assert tails[2:] == [15, 31, 39]
    h.rx(frame(60), 250)
    h.run()
    assert tails[-1] == (255 + 290) % 256 and len(h.tap.frames) == 290


@CHIPS
def test_rss_spreads_over_queues_and_cpus(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip, ncpus=8, protocol=0x0800)
    h.up()
    m = h.models[0]
    cpus: dict[int, set[int]] = {}

    def seen(skb: SkBuff) -> None:
        cpus.setdefault(skb.queue_mapping, set()).add(h.kernel.cur().id)

    h.tap.on_frame = seen
    t = key_of(m)
    flows = [bytes((10, 1, i >> 8, i & 255)) for i in range(1000)]
    want = [0] * 8
    for a in flows:
        want[t.hash(a + b"\x0a\0\0\x02") % 128 * 8 // 128] += 1
        h.rx(udp(a))
        if sum(want) % 100 == 0:
            h.run(1_000_000)
    h.run()
    s = h.stats()
    assert [s["rx_queue_%d_packets" % q] for q in range(8)] == want and min(want) > 60
    # each queue's vector on a CPU of its own
    assert sorted(next(iter(c)) for c in cpus.values()) == list(range(8)) and all(len(c) == 1 for c in cpus.values())
    by_flow = {bytes(f[26:30]): (sk.hash, sk.queue_mapping) for f, sk in zip(h.tap.frames, h.tap.skbs, strict=True)}
    for a in flows:
        hash_, queue = by_flow[a]
        assert hash_ == t.hash(a + b"\x0a\0\0\x02") and queue == hash_ % 128 * 8 // 128
    assert all(sk.rx_queue_recorded and not sk.l4_hash for sk in h.tap.skbs)
    h.check()
    # another table moves exactly the flows that it says
    h.task(lambda: ethtool_set_rxfh(h.dev(), Rxfh([3] * 64 + [5] * 64)))
    h.tap.skbs.clear()
    h.tap.frames.clear()
    for a in flows[:200]:
        h.rx(udp(a))
    h.run()
    for f, sk in zip(h.tap.frames, h.tap.skbs, strict=True):
        assert sk.queue_mapping == (3 if t.hash(bytes(f[26:34])) % 128 < 64 else 5)


def test_channels_change_while_up() -> None:
    h = IgbHost(ncpus=8, protocol=0x0800)
    h.up()
    d = h.dev()
    for n in (3, 8, 1, 5):
        h.task(lambda n=n: ethnl_set_channels(d, [("combined", n)]))  # type: ignore[misc]
        h.settle()
        assert ethnl_get_channels(d).combined_count == n and d.real_num_rx_queues == n
        assert len(h.irq_names()) == 1 + (n if n > 4 else 2 * n) == 1 + len(d.napi_list)
        before = len(h.tap.frames)
        for i in range(64):
            h.rx(udp(bytes((10, 1, 1, i))))
        h.run()
        assert len(h.tap.frames) == before + 64
        used = {sk.queue_mapping for sk in h.tap.skbs[before:]}
        assert used == set(range(n))
        h.check()
    for wanted, text in (([("combined", 9)], "exceeds maximum"), ([("combined", 0)], "no RX or TX channel")):
        with pytest.raises(ExtackError) as e:
            h.task(lambda w=wanted: ethnl_set_channels(d, w))  # type: ignore[misc]
        assert text in e.value.extack
    h.task(lambda: ethtool_set_rxfh(d, Rxfh([4] * 128)))
    with pytest.raises(ExtackError) as e:
        h.task(lambda: ethnl_set_channels(d, [("combined", 2)]))
    assert "too low for existing indirection table" in e.value.extack
    h.down()
    h.check()
    assert empty(h)


@CHIPS
def test_checksums_vlan_and_padding(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip, protocol=0x0800)
    h.up()
    tags = sniff_tags(h)
    good = udp(b"\x0a\0\0\x01")
    h.rx(good)
    bad = bytearray(udp(b"\x0a\0\0\x01", n=30))
    bad[24] ^= 1
    h.rx(bytes(bad))
    short = bytearray(good)
    short[24] ^= 1
    h.rx(bytes(short))
    tagged = good[:12] + b"\x81\x00\x20\x05" + good[12:]
    h.task(lambda: h.dev().ndo_vlan_rx_add_vid(0x8100, 5))
    h.rx(tagged)
    h.run()
    assert tags == [None, None, None, 0x2005]
    sk = h.tap.skbs
    assert sk[0].ip_summed == 0 and sk[1].ip_summed == 0  # no UDP checksum in it: nothing was verified
    s = h.stats()
    assert s["rx_queue_0_csum_err"] == 1  # frames of 60 bytes are left out
    # a datagram with its checksum is reported as verified, unless receive checksums are off
    data = bytearray(udp(b"\x0a\0\0\x01", n=40))
    c = csum(bytes(data[26:34]) + struct.pack(">HH", 17, 48) + bytes(data[34:82]))
    data[40:42] = c.to_bytes(2, "big")
    h.rx(bytes(data))
    h.run()
    assert h.tap.skbs[-1].ip_summed == CHECKSUM_UNNECESSARY
    h.task(lambda: ethnl_set_features(h.dev(), {"rx-checksum": False, "rx-hashing": False}))
    h.rx(bytes(data))
    h.run()
    assert h.tap.skbs[-1].ip_summed == 0 and h.tap.skbs[-1].hash == 0


def test_vlan_filter_and_stripping() -> None:
    h = IgbHost(chip=I350)
    h.up()
    d = h.dev()
    tags = sniff_tags(h)
    tagged = frame(100)[:12] + b"\x81\x00\x00\x07" + frame(100)[12:]
    assert h.rx(tagged) == 0  # not asked for
    h.task(lambda: d.ndo_vlan_rx_add_vid(0x8100, 7))
    assert h.rx(tagged) == 1
    h.run()
    assert h.tap.frames[-1] == frame(100) and tags == [7]
    h.task(lambda: ethnl_set_features(d, {"rx-vlan-hw-parse": False}))
    assert not d.features & NETIF_F_HW_VLAN_CTAG_RX and not h.reg(r.CTRL) & r.CTRL_VME
    assert not h.reg(r.DVMOLR(0)) & r.DVMOLR_STRVLAN
    h.down()
    h.up()
    assert h.rx(tagged) == 1  # the table survives down and up
    h.task(lambda: d.ndo_vlan_rx_kill_vid(0x8100, 7))
    assert h.rx(tagged) == 0
    h.task(lambda: dev_set_promiscuity(d, 1))
    assert h.rx(tagged) == 1
    h.run()
    h.check()


def test_promiscuity_multicast_and_addresses() -> None:
    h = IgbHost()
    h.up()
    d = h.dev()
    group = bytes.fromhex("01005e010203")
    assert h.rx(frame(60, dst=PEER)) == 0 and h.rx(frame(60, dst=group)) == 0
    assert h.rx(frame(60, dst=b"\xff" * 6)) == 1
    h.task(lambda: dev_mc_add(d, group))
    assert h.rx(frame(60, dst=group)) == 1 and h.rx(frame(60, dst=group[:5] + b"\x99")) == 0
    h.task(lambda: dev_set_promiscuity(d, 1))
    assert h.rx(frame(60, dst=PEER)) == 1
    h.task(lambda: dev_set_promiscuity(d, -1))
    assert h.rx(frame(60, dst=PEER)) == 0
    new = bytes.fromhex("020000000042")
    h.task(lambda: dev_set_mac_address(d, new))
    assert h.rx(frame(60, dst=new)) == 1 and h.rx(frame(60)) == 0
    d.uc = {bytes([2, 0, 0, 0, 1, i]): 1 for i in range(20)}
    h.task(d.ndo_set_rx_mode)
    assert h.rx(frame(60, dst=bytes([2, 0, 0, 0, 1, 19]))) == 1 and not h.reg(r.RCTL) & r.RCTL_UPE
    d.uc = {bytes([2, 0, 0, 0, 1, i]): 1 for i in range(30)}  # more than the table has room for
    h.task(d.ndo_set_rx_mode)
    assert h.reg(r.RCTL) & r.RCTL_UPE
    d.uc = {}
    h.task(d.ndo_set_rx_mode)
    assert h.rx(frame(60, dst=bytes([2, 0, 0, 0, 1, 3]))) == 0 and h.rx(frame(60, dst=new)) == 1
    h.run()
    h.check()


def test_bad_frames_reach_the_stack_only_with_rx_all() -> None:
    h = IgbHost()
    h.up()
    assert h.rx(frame(100), fcs_ok=False) == 0
    h.run()
    assert h.stats()["rx_crc_errors"] == 1 and not h.tap.frames
    h.task(lambda: ethnl_set_features(h.dev(), {"rx-all": True}))
    h.settle()
    assert h.rx(frame(100), fcs_ok=False) == 1
    h.run()
    assert len(h.tap.frames) == 1
    h.check()


def test_a_full_budget_keeps_the_interrupt_off_and_polls_again() -> None:
    h = IgbHost()
    h.up()
    polls: list[int] = []
    h.kernel.trace.napi_poll.attach(lambda tp, cpu, t, v: polls.append(v[2]) if v[2] else None)
    h.rx(frame(60), 150)
    h.run()
    assert polls == [64, 64, 22] and len(h.tap.frames) == 150
    h = IgbHost(release="3.13")
    h.up()
    polls = []
    h.kernel.trace.napi_poll.attach(lambda tp, cpu, t, v: polls.append(v[2]))
    h.rx(frame(60), 150)
    h.run()
    assert len(h.tap.frames) == 150


def test_down_discards_what_waits_in_the_ring_and_books_it() -> None:
    h = IgbHost()
    h.up()
    h.run()
    h.port().the_hw().wr32(r.EIMC, 0x3FF)
    h.rx(frame(60), 300)  # 255 in the ring, the others in the packet buffer
    h.run()
    assert h.dev().rx_in_flight() == 255 and h.models[0].in_flight() == 45
    h.check()
    h.down()
    dropped = h.kernel.ledger.dropped
    assert sum(n for k, n in dropped.items() if "ring discarded on down" in str(k)) == 255
    assert sum(n for k, n in dropped.items() if "device reset" in str(k)) == 45
    h.check()
    assert empty(h)


@plain
def test_without_the_booking_on_down_the_law_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    h = IgbHost()
    h.up()
    h.run()
    h.port().the_hw().wr32(r.EIMC, 0x3FF)
    h.rx(frame(60), 3)
    monkeypatch.setattr(type(h.kernel.memory), "take_tag", lambda self, addr: self.tags.pop(addr, None) and None)
    h.down()
    with pytest.raises(AssertionError):
        h.check()


def test_overflow_without_and_with_drop_enable() -> None:
    """Pause frames obeyed: one full queue holds everything up, RNBC then MPC.  Not obeyed: RQDPC of that queue."""
    h = IgbHost(ncpus=2, protocol=0x0800)
    h.up()
    m = h.models[0]
    t = key_of(m)
    flows: list[bytes] = []
    for q in (0, 1):
        flows.append(
            next(
                udp(bytes((10, 2, 0, i)), n=1000)
                for i in range(1, 255)
                if t.hash(bytes((10, 2, 0, i)) + b"\x0a\0\0\x02") % 128 // 64 == q
            )
        )
    h.port().the_hw().wr32(r.EIMC, 0x3FF)
    took = h.rx(flows[0], 400)
    assert took == 255 + 61 and h.rx(flows[1], 10) == 0  # 61 frames of this size fit the packet buffer
    s = h.stats()
    assert s["rx_no_buffer_count"] == 61 and s["rx_missed_errors"] == 84 + 10 and s["rx_fifo_errors"] == 94
    assert dev_get_stats(h.dev()).rx_missed_errors == 94
    h.check()
    h.port().the_hw().wr32(r.EIMS, 0x1F)
    h.port().the_hw().wr32(r.EICS, 0x1F)
    h.run(100_000_000)
    h.check()
    h.task(lambda: ethnl_set_pause(h.dev(), autoneg=False, rx=False, tx=False))
    assert len(h.tap.frames) == took and ethnl_get_pause(h.dev()).rx_pause is False
    assert all(h.reg(r.SRRCTL(q)) & r.SRRCTL_DROP_EN for q in (0, 1))
    h.port().the_hw().wr32(r.EIMC, 0x3FF)
    h.rx(flows[0], 300)
    assert h.rx(flows[1], 10) == 10
    s = h.stats()
    assert s["rx_queue_0_drops"] == 45 and s["rx_queue_1_drops"] == 0 and s["rx_missed_errors"] == 94
    assert s["rx_fifo_errors"] == 94 + 45
    assert h.kernel.ledger.dropped[("nic", "no rx descriptor", "rx_queue_0_drops")] == 45
    h.check()


@plain
def test_calls_below_the_poll() -> None:
    h = IgbHost(protocol=0x9999, ncpus=8)
    h.up()
    h.run(100_000_000)
    with FunctionTrace() as t:
        h.rx(frame(60))
        h.run(1_000_000)
    names = [n for _d, n in t.lines]
    at = names.index("igb_msix_ring")
    assert "__napi_schedule" in names[at:]
    lines = t.lines[names.index("igb_poll") :]
    base = lines[0][0]
    below = [n for d, n in lines[1 : lines.index((base + 1, "napi_complete_done"))] if d == base + 1]
    assert below == ["igb_clean_tx_irq", "igb_clean_rx_irq"]
    rx = [n for d, n in lines if d == base + 2][:5]
    assert rx == [
        "dma_sync_single_for_cpu",
        "igb_rx_checksum",
        "eth_type_trans",
        "napi_gro_receive",
        "igb_alloc_rx_buffers",
    ]
    assert [n for d, n in lines if d == base + 1][-1] == "igb_ring_irq_enable"


def test_cpu_time_is_charged_a_frame() -> None:
    costs = load_profile("default").costs()
    h = IgbHost(costs=costs)
    h.up()
    h.run(1_000_000_000)
    cpu = h.kernel.cpus[0]
    cpu.set_mode(cpu.mode)
    before = list(cpu.acct)
    h.rx(frame(60), 30)
    h.run(20_000_000)
    cpu.set_mode(cpu.mode)
    spent = cpu.acct[3] - before[3]
    least = 30 * (costs.driver_frame + costs.skb_alloc)
    assert least <= spent < least + 30 * 20_000


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("rx"), st.integers(1, 120), st.sampled_from([60, 255, 1514])),
        st.tuples(st.just("run"), st.integers(1, 400_000), st.just(0)),
        st.tuples(st.just("mask"), st.just(0), st.just(0)),
        st.tuples(st.just("updown"), st.just(0), st.just(0)),
        st.tuples(st.just("ring"), st.sampled_from([64, 72, 80, 256]), st.just(0)),
        st.tuples(st.just("mtu"), st.sampled_from([1500, 4000, 9000]), st.just(0)),
        st.tuples(st.just("usecs"), st.sampled_from([0, 1, 3, 100]), st.just(0)),
        st.tuples(st.just("channels"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("legacy"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("cable"), st.just(0), st.just(0)),
    ),
    max_size=10,
)


@settings(
    max_examples=1000 if os.environ.get("RXPATH_SOAK") else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(OPS, st.sampled_from([(), ("msix",), ("msix", "msi")]), st.sampled_from([I82576, I350]))
def test_whatever_is_done_no_frame_is_lost_from_the_books(
    ops: list[tuple[str, int, int]], refuse: tuple[str, ...], chip: type[Igb]
) -> None:
    h = IgbHost(chip=chip, refuse=refuse, ncpus=2, protocol=0x0800)
    h.up()
    d = h.dev()
    n = 0
    for op, a, b in ops:
        if op == "rx":
            for _ in range(a):
                n += 1
                h.rx(udp(bytes((10, 3, n >> 8 & 255, n & 255)), n=b - 42))
        elif op == "run":
            h.run(a * 1000)
        elif op == "mask":
            h.port().the_hw().wr32(r.EIMC, 0x3FF)
            h.port().the_hw().wr32(r.IMC, 0xFFFFFFFF)
        elif op == "updown":
            h.down()
            h.up()
        elif op == "ring":
            h.task(lambda a=a: ethnl_set_rings(d, [("rx", a), ("tx", a)]))  # type: ignore[misc]
        elif op == "mtu":
            h.task(lambda a=a: dev_set_mtu(d, a))  # type: ignore[misc]
        elif op == "usecs":
            h.task(lambda a=a: ethnl_set_coalesce(d, [("rx-usecs", a), ("tx-usecs", 0)]))  # type: ignore[misc]
        elif op == "channels":
            if not refuse:
                h.task(lambda a=a: ethnl_set_channels(d, [("combined", a)]))  # type: ignore[misc]
        elif op == "legacy":
            h.task(lambda a=a: d.ethtool_ops.set_priv_flags(a))  # type: ignore[misc]
        else:
            h.models[0].link_change(False)
            h.run(1_000_000)
            h.models[0].link_change(True)
        h.check()
    h.down()
    h.check()
    assert h.in_flight() == 0 and empty(h)


# --- transmit -----------------------------------------------------------------------------------------------


@CHIPS
@pytest.mark.parametrize("refuse", [(), ("msix",), ("msix", "msi")])
def test_transmit_completes_and_balances(chip: type[Igb], refuse: tuple[str, ...]) -> None:
    h = IgbHost(chip=chip, refuse=refuse, ncpus=2)
    h.up()
    ledger = h.kernel.ledger
    frames = [frame(60 + i, fill=i) for i in range(400)]
    for i, f in enumerate(frames):
        h.task(lambda f=f: dev_queue_xmit(make_skb(h, f)), cpu=i % 2)  # type: ignore[misc]
    h.run()
    assert [f for f in h.sent[0] if f[14] % 2 == 0] == frames[::2]  # in order on each CPU's queue
    assert (
        [f for f in h.sent[0] if f[14] % 2] == frames[1::2] and ledger.own_sent == 400 and h.dev().tx_in_flight() == 0
    )
    s = h.stats()
    assert s["tx_packets"] == 400 and s["tx_bytes"] == sum(len(f) + 4 for f in frames)
    n = h.port().num_tx_queues
    assert sum(s["tx_queue_%d_packets" % q] for q in range(n)) == 400
    assert all(s["tx_queue_%d_packets" % q] == 400 // n for q in range(n))
    ledger.check_own(0)
    h.down()
    ledger.check_own(0)
    assert empty(h)


def test_a_ring_full_of_unsent_frames_is_dropped_on_down() -> None:
    h = IgbHost()
    h.up()
    hw = h.port().the_hw()
    hw.wr32(r.TCTL, h.reg(r.TCTL) & ~r.TCTL_EN)
    q = h.dev().tx_queues[0]
    q.dql.adj_limit = 1 << 20
    for i in range(300):
        h.task(lambda i=i: dev_queue_xmit(make_skb(h, frame(60, fill=i))))  # type: ignore[misc]
    assert q.stopped and h.sent[0] == []
    n = h.dev().tx_in_flight()
    assert 200 < n < 256
    h.down()
    ledger = h.kernel.ledger
    assert ledger.own_dropped[("xmit", "transmit ring discarded on down", "none")] == n
    ledger.check_own(0)


@CHIPS
def test_transmit_hang_is_noticed_and_reported(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip)
    h.up()
    h.run(2_100_000_000)
    hw = h.port().the_hw()
    hw.wr32(r.TCTL, h.reg(r.TCTL) & ~r.TCTL_EN)
    h.task(lambda: dev_queue_xmit(make_skb(h, frame(60))))
    for _ in range(8):
        h.run(1_000_000_000)
        if any("Detected Tx Unit Hang" in t for t in h.log()):
            break
    assert any("Detected Tx Unit Hang" in t for t in h.log()) and h.dev().tx_queues[0].stopped
    h.task(lambda: h.dev().ndo_tx_timeout(0))
    h.run(100_000_000)
    assert any(t.endswith("eth0: Reset adapter") for t in h.log())
    h.settle()
    h.task(lambda: dev_queue_xmit(make_skb(h, frame(61))))
    h.run()
    assert h.sent[0][-1] == frame(61) and h.stats()["tx_timeout_count"] == 1
    h.kernel.ledger.check_own(0)


@CHIPS
def test_checksum_offload_segmentation_and_tag(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip)
    h.up()

    def send(s: SkBuff) -> list[bytes]:
        h.sent[0].clear()
        h.task(lambda: dev_queue_xmit(s))
        h.run()
        return list(h.sent[0])

    src, dst = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    eth = PEER + MAC + b"\x08\x00"
    body = struct.pack(">HHHH", 1000, 2000, 18, 0) + b"0123456789"
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 38, 1, 0, 64, 17, 0, src, dst)
    pseudo = ~csum(src + dst + struct.pack(">HH", 17, 18)) & 0xFFFF
    s = make_skb(h, eth + ip + body[:6] + struct.pack(">H", pseudo) + body[8:])
    s.ip_summed, s.csum_start, s.csum_offset = CHECKSUM_PARTIAL, 34, 6
    (out,) = send(s)
    assert csum(src + dst + struct.pack(">HH", 17, 18) + out[34:52]) == 0

    payload = bytes(range(256)) * 160  # 40,960 bytes: two descriptors
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 100, 200, 0x50, 0x18, 1000, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 1, 0x4000, 64, 6, 0, src, dst)
    s = make_skb(h, eth + ip + tcp + payload)
    s.transport_header, s.gso_size, s.gso_segs = 34, 1460, 29
    s.ip_summed, s.csum_start, s.csum_offset = CHECKSUM_PARTIAL, 34, 16
    parts = send(s)
    assert len(parts) == 29 and b"".join(p[54:] for p in parts) == payload
    for p in parts:
        assert csum(p[14:34]) == 0
        assert csum(src + dst + struct.pack(">HH", 6, len(p) - 34) + p[34:]) == 0
    assert h.stats()["tx_tcp_seg_good"] == 1

    s = make_skb(h, frame(100))
    s.vlan_present, s.vlan_tci = True, 5
    (out,) = send(s)
    assert out[12:16] == b"\x81\x00\x00\x05" and len(out) == 104
    h.kernel.ledger.check_own(0)
    h.down()
    assert empty(h)


# --- moderation, watchdog -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("itr", "packets", "size", "new"),
    [
        (0, 10, 90_000, 2),
        (0, 4, 600, 1),
        (0, 10, 1000, 0),
        (1, 5, 20_000, 2),
        (1, 40, 20_000, 0),
        (1, 20, 11_000, 1),
        (1, 2, 400, 0),
        (1, 2, 5000, 2),
        (2, 40, 30_000, 1),
        (2, 10, 1000, 1),
        (2, 10, 5000, 2),
        (1, 0, 0, 1),
    ],
)
def test_latency_classes(itr: int, packets: int, size: int, new: int) -> None:
    assert igb_update_itr(itr, packets, size) == new


@pytest.mark.parametrize(
    ("setting", "speed", "rx", "tx", "itr"),
    [
        (3, 1000, (10, 600), (0, 0), 196),
        (1, 1000, (10, 600), (0, 0), 42),
        (3, 1000, (10, 15_140), (0, 0), 769),
        (3, 1000, (10, 6000), (0, 0), 208),
        (3, 1000, (1, 60), (1, 64_000), 1500),
        (3, 1000, (0, 0), (0, 0), 648),
        (3, 100, (10, 600), (0, 0), 980),
    ],
)
def test_the_interval_of_several_vectors(
    setting: int, speed: int, rx: tuple[int, int], tx: tuple[int, int], itr: int
) -> None:
    h = IgbHost(ncpus=8)
    a = h.port()
    a.rx_itr_setting = setting
    a.link_speed = speed
    q = a.vectors()[0]
    q.itr_val = 648
    q.set_itr = False
    q.rx.total_packets, q.rx.total_bytes = rx
    q.tx.total_packets, q.tx.total_bytes = tx
    igb_update_ring_itr(q)
    assert (q.itr_val, q.set_itr) == (itr, itr != 648)
    assert q.rx.total_packets == q.tx.total_bytes == 0


@CHIPS
def test_moderation_spaces_interrupts(chip: type[Igb]) -> None:
    h = IgbHost(chip=chip)
    h.up()
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 100)]))
    h.rx(frame(60))
    h.run(3_000_000)  # the new interval is written by an interrupt
    assert h.reg(r.EITR(1)) == 400
    times: list[int] = []
    h.kernel.trace.irq_handler_entry.attach(lambda tp, cpu, t, v: times.append(t) if "rx-0" in str(v) else None)
    for _ in range(500):
        h.rx(frame(60))
        h.run(3_000)
    h.run(1_000_000)
    assert len(h.tap.frames) == 501
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert len(times) >= 14 and min(gaps) >= 99_000
    c = ethnl_get_coalesce(h.dev())
    assert c.get("rx-usecs") == 100 and c.get("tx-usecs") == 3


def test_watchdog_kicks_every_vector_and_follows_the_cable() -> None:
    h = IgbHost(ncpus=2)
    h.up()
    polls: list[tuple[int, str]] = []
    h.kernel.trace.irq_handler_entry.attach(lambda tp, cpu, t, v: polls.append((t, str(v))))
    h.run(8_500_000_000)
    for name in ("eth0-rx-0", "eth0-rx-1", "eth0-tx-0", "eth0-tx-1"):
        assert 3 <= sum(name in v for _t, v in polls) <= 6
    h.models[0].link_change(False)
    h.run(100_000_000)
    assert h.log()[-1] == "igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down" and not h.dev().carrier_ok
    h.models[0].link_change(True)
    h.run(3_000_000_000)
    assert "NIC Link is Up 1000 Mbps" in h.log()[-1] and h.dev().carrier_ok


def test_dca_is_told_to_the_chip() -> None:
    h = IgbHost(ncpus=2)
    h.up()
    assert h.reg(r.DCA_CTRL) == 0
    h.task(lambda: h.igb.dca_notify(DCA_PROVIDER_ADD))
    assert h.log()[-1] == "igb 0000:01:00.0: DCA enabled" and h.reg(r.DCA_CTRL) == r.DCA_CTRL_DCA_MODE_CB2
    h.rx(frame(60), 4)
    h.run()
    q = h.port().vectors()[0]
    assert h.reg(r.DCA_RXCTRL(0)) == q.cpu << 24 | r.DCA_RXCTRL_DESC_RRO_EN | r.DCA_RXCTRL_DESC_DCA_EN
    h.task(lambda: h.igb.dca_notify(DCA_PROVIDER_REMOVE))
    assert h.reg(r.DCA_CTRL) == r.DCA_CTRL_DCA_MODE_DISABLE and h.log()[-1].endswith("DCA disabled")
    assert len(h.tap.frames) == 4


# --- ethtool ------------------------------------------------------------------------------------------------


def test_identity_and_features() -> None:
    for chip, fw in ((I82576, "2.1.0"), (I350, "1.63, 0x8000090a")):
        h = IgbHost(chip=chip)
        h.up()
        info = ethtool_get_drvinfo(h.dev())
        assert (info.driver, info.fw_version, info.bus_info) == ("igb", fw, "0000:01:00.0")
        assert (info.n_priv_flags, info.regdump_len, info.eedump_len) == (1, 740 * 4, 16384)
        assert feature_fixed(h.dev(), "rx-ntuple-filter") == (chip is I82576)
        assert feature_fixed(h.dev(), "rx-vlan-filter") and not feature_fixed(h.dev(), "rx-all")
        ops = h.dev().ethtool_ops
        s = ops.get_link_ksettings()
        assert (s.speed, s.duplex, s.autoneg, s.phy_address) == (1000, 1, 1, 1)
        assert s.supported[-1] == "Pause" and "Pause" in s.advertising and ops.get_link()
        assert (ops.get_wol().supported, ops.get_wol().wolopts) == (0x2F, 0x20)
        dump = ops.get_regs()
        assert dump.version == 1 << 24 | 1 << 16 | h.pdev().device
        words = struct.unpack("<740I", dump.data)
        assert words[0] == h.reg(r.CTRL) and words[32] == h.reg(r.RCTL) and words[129] == h.reg(r.RDBAL(0))
        magic, data = ops.get_eeprom(0, 6)
        assert data == MAC and magic == 0x8086 | h.pdev().device << 16
        with pytest.raises(OSError, match="NVM") as e:
            ops.set_eeprom(magic, 0, b"x")
        assert e.value.errno == ENOTSUP


def test_statistics_have_the_drivers_names_in_order() -> None:
    h = IgbHost(ncpus=2)
    names = list(h.stats())
    assert len(names) == 42 + 9 + 2 * 3 + 2 * 5
    assert names[:4] == ["rx_packets", "tx_packets", "rx_bytes", "tx_bytes"]
    assert names[38:51] == [
        "os2bmc_rx_by_host",
        "tx_hwtstamp_timeouts",
        "tx_hwtstamp_skipped",
        "rx_hwtstamp_cleared",
        "rx_errors",
        "tx_errors",
        "tx_dropped",
        "rx_length_errors",
        "rx_over_errors",
        "rx_frame_errors",
        "rx_fifo_errors",
        "tx_fifo_errors",
        "tx_heartbeat_errors",
    ]
    assert names[51:] == [
        "tx_queue_0_packets",
        "tx_queue_0_bytes",
        "tx_queue_0_restart",
        "tx_queue_1_packets",
        "tx_queue_1_bytes",
        "tx_queue_1_restart",
        "rx_queue_0_packets",
        "rx_queue_0_bytes",
        "rx_queue_0_drops",
        "rx_queue_0_csum_err",
        "rx_queue_0_alloc_failed",
        "rx_queue_1_packets",
        "rx_queue_1_bytes",
        "rx_queue_1_drops",
        "rx_queue_1_csum_err",
        "rx_queue_1_alloc_failed",
    ]
    old = list(IgbHost(release="3.13").stats())
    assert "tx_hwtstamp_skipped" not in old and len(old) == 41 + 9 + 8


def test_statistics_count_what_the_wire_brought() -> None:
    h = IgbHost()
    h.up()
    h.rx(frame(100), 3)
    h.rx(frame(60, dst=b"\xff" * 6), 2)
    h.rx(frame(40))
    h.rx(frame(2000))
    h.rx(frame(100), fcs_ok=False)
    h.run()
    s = h.stats()
    assert s["rx_packets"] == 5 and s["rx_bytes"] == 3 * 104 + 2 * 64 == s["rx_long_byte_count"]
    assert (s["rx_broadcast"], s["rx_crc_errors"], s["rx_short_length_errors"], s["rx_long_length_errors"]) == (
        2,
        1,
        1,
        1,
    )
    assert s["rx_errors"] == 3 and s["rx_length_errors"] == 2
    assert s["rx_queue_0_packets"] == 5 and s["rx_queue_0_bytes"] == 420
    n = dev_get_stats(h.dev())
    assert (n.rx_packets, n.rx_bytes, n.rx_errors) == (5, 420, 3)


@pytest.mark.parametrize(("ask", "get"), [(64, 64), (100, 104), (1, 64), (4096, 4096), (4089, 4096)])
def test_ring_sizes(ask: int, get: int) -> None:
    h = IgbHost(ncpus=2)
    h.up()
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", ask), ("tx", ask)]))
    p = ethnl_get_rings(h.dev())
    assert (p.rx_pending, p.tx_pending) == (get, get)
    h.settle()
    assert h.reg(r.RDLEN(1)) == get * 16
    h.rx(frame(60), 50)
    h.run()
    assert len(h.tap.frames) == 50
    h.check()
    h.down()
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 256)]))
    h.up()
    assert h.reg(r.RDLEN(0)) == 4096
    with pytest.raises(ExtackError):
        h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 4097)]))


def test_3_13_has_a_larger_least_ring() -> None:
    h = IgbHost(release="3.13")
    h.task(lambda: ethnl_set_rings(h.dev(), [("rx", 64)]))
    assert ethnl_get_rings(h.dev()).rx_pending == 80


def test_coalesce_refusals() -> None:
    h = IgbHost(ncpus=8)  # paired queues: no transmit setting
    h.up()
    for bad in ([("rx-usecs", 2)], [("rx-usecs", 4)], [("rx-usecs", 10_001)], [("tx-usecs", 50)]):
        with pytest.raises(OSError) as e:
            h.task(lambda b=bad: ethnl_set_coalesce(h.dev(), b))  # type: ignore[misc]
        assert e.value.errno == EINVAL
    with pytest.raises(OSError):
        h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-frames", 5)]))
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 0)]))
    assert [q.itr_val for q in h.port().vectors()] == [0] * 8
    h = IgbHost(ncpus=2)
    h.task(lambda: ethnl_set_coalesce(h.dev(), [("rx-usecs", 50), ("tx-usecs", 80)]))
    assert [q.itr_val for q in h.port().vectors()] == [200, 200, 320, 320]


def test_rx_flow_hash() -> None:
    h = IgbHost(ncpus=4, protocol=0x0800)
    h.up()
    d = h.dev()
    assert ethtool_get_rx_hash(d, TCP_V4_FLOW) == 0xF0 and ethtool_get_rx_hash(d, UDP_V4_FLOW) == 0x30
    for flow, bits in ((TCP_V4_FLOW, 0x30), (UDP_V4_FLOW, 0x70), (UDP_V4_FLOW, 0x10), (IPV4_FLOW, 0x30), (99, 0x30)):
        with pytest.raises(OSError) as e:
            ethtool_set_rx_hash(d, flow, bits)
        assert e.value.errno == EINVAL

    def queues() -> set[int]:
        h.tap.skbs.clear()
        for i in range(64):
            h.rx(udp(b"\x0a\0\0\x09", sport=1000 + i))
        h.run()
        return {sk.queue_mapping for sk in h.tap.skbs}

    assert len(queues()) == 1
    ethtool_set_rx_hash(d, UDP_V4_FLOW, 0xF0)
    assert "enabling UDP RSS" in h.log()[-1] and ethtool_get_rx_hash(d, UDP_V4_FLOW) == 0xF0
    assert queues() == {0, 1, 2, 3}
    h.down()
    h.up()
    assert queues() == {0, 1, 2, 3}  # kept over down and up
    ethtool_set_rx_hash(d, UDP_V4_FLOW, 0x30)
    assert len(queues()) == 1
    rings, x = ethtool_get_rxfh(d)
    assert rings == 4 and x.key is None and x.indir == [j * 4 // 128 for j in range(128)]
    for bad in (Rxfh(None, b"k" * 40), Rxfh([4] * 128), Rxfh([0] * 64)):
        with pytest.raises(OSError) as e:
            ethtool_set_rxfh(d, bad)
        assert e.value.errno in (EINVAL, EOPNOTSUPP)


def test_rules_by_ethertype_and_priority() -> None:
    h = IgbHost(chip=I350, ncpus=4)
    h.up()
    ops = h.dev().ethtool_ops

    def ether(queue: int, proto: int = -1, vlan: int = -1, loc: int = -1) -> RxFlowSpec:
        v: dict[str, int] = {}
        m: dict[str, int] = {}
        if proto >= 0:
            v["proto"], m["proto"] = proto, 0xFFFF
        if vlan >= 0:
            v["vlan"], m["vlan"] = vlan, 0xE000
        return RxFlowSpec(0x12, v, m, queue, loc)

    assert ops.get_rx_rule_count() == (0, 16)
    assert ops.insert_rx_rule(ether(3, proto=0x88B5)) == 15
    assert ops.insert_rx_rule(ether(2, vlan=0x6000, loc=1)) == 1
    h.rx(frame(60), 4)
    h.task(lambda: h.dev().ndo_vlan_rx_add_vid(0x8100, 9))
    h.rx(frame(60, proto=0x88B6)[:12] + b"\x81\x00\x60\x09" + frame(60, proto=0x88B6)[12:])
    h.run()
    s = h.stats()
    assert (s["rx_queue_3_packets"], s["rx_queue_2_packets"]) == (4, 1)
    assert [(x.location, x.ring_cookie) for x in ops.get_rx_rules()] == [(1, 2), (15, 3)]
    for bad, errno in (
        (ether(4, proto=1), EINVAL),
        (ether(0, proto=0x88B5), EEXIST),
        (ether(1, vlan=0x6000), EEXIST),
        (ether(0, proto=7, loc=16), EINVAL),
        (RxFlowSpec(2, {}, {}, 0), EINVAL),
    ):
        with pytest.raises(OSError) as e:
            ops.insert_rx_rule(bad)
        assert e.value.errno == errno
    h.task(lambda: dev_set_mtu(h.dev(), 2000))  # a reset writes the rules again
    h.settle()
    h.rx(frame(60), 2)
    h.run()
    assert h.stats()["rx_queue_3_packets"] == 6
    ops.delete_rx_rule(15)
    h.rx(frame(60), 2)
    h.run()
    assert h.stats()["rx_queue_3_packets"] == 6 and h.stats()["rx_queue_0_packets"] == 2
    with pytest.raises(OSError) as e:
        ops.delete_rx_rule(15)
    assert e.value.errno == EINVAL
    with pytest.raises(OSError) as e:
        IgbHost().dev().ethtool_ops.insert_rx_rule(ether(0, proto=1))
    assert e.value.errno == EOPNOTSUPP


@CHIPS
@pytest.mark.parametrize("refuse", [(), ("msix",), ("msix", "msi")])
def test_self_test_passes_and_traffic_goes_on(chip: type[Igb], refuse: tuple[str, ...]) -> None:
    h = IgbHost(chip=chip, refuse=refuse)
    h.up()
    rows = h.task(lambda: ethtool_self_test(h.dev(), True))
    assert [v for _, v in rows] == [0] * 5 and rows[3][0] == "Loopback test  (offline)"
    assert any("offline testing starting" in t for t in h.log()) == (chip is I82576)
    h.settle()
    h.rx(frame(60), 5)
    h.run()
    assert len(h.tap.frames) == 5
    h.check()
    h.models[0].link_change(False)
    h.run(100_000_000)
    assert h.task(lambda: ethtool_self_test(h.dev(), False))[4] == ("Link test   (on/offline)", 1)
    h.down()
    assert empty(h)


def test_self_test_finds_a_broken_register() -> None:
    class Broken(I82576):
        def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
            super().mmio_write(bar, off, size, value & ~8 if bar == 0 and off == r.FCAL else value)

    h = IgbHost(chip=Broken)
    h.up()
    assert h.task(lambda: ethtool_self_test(h.dev(), True))[0] == ("Register test  (offline)", r.FCAL)
    assert any("pattern test reg 0028 failed" in t for t in h.log())


def test_open_is_refused_during_a_test() -> None:
    h = IgbHost()
    h.port().state |= STATE_TESTING
    with pytest.raises(OSError) as e:
        h.task(lambda: dev_open(h.dev()))
    assert e.value.errno == EBUSY


def test_link_by_hand_and_renegotiation() -> None:
    h = IgbHost()
    h.up()
    ops = h.dev().ethtool_ops
    s = ops.get_link_ksettings()
    s.autoneg, s.speed, s.duplex = 0, 100, 1
    h.task(lambda: ops.set_link_ksettings(s))
    h.settle()
    assert "NIC Link is Up 100 Mbps Full Duplex, Flow Control: None" in h.log()[-1]
    s.speed = 1234
    with pytest.raises(OSError) as e:
        h.task(lambda: ops.set_link_ksettings(s))
    assert e.value.errno == EINVAL
    s.autoneg = 1
    h.task(lambda: ops.set_link_ksettings(s))
    h.settle()
    assert "1000 Mbps" in h.log()[-1]
    h.task(ops.nway_reset)
    h.settle()
    h.rx(frame(60))
    h.run()
    assert len(h.tap.frames) == 1


# --- ioctl --------------------------------------------------------------------------------------------------


def test_ioctl_reads_mii_registers_and_sets_time_stamping() -> None:
    for chip, ident in ((I82576, 0x02A80391), (I350, 0x015403B0)):
        h = IgbHost(chip=chip)
        h.up()
        d = h.dev()
        ifr = bytearray(40)
        h.task(lambda ifr=ifr, d=d: d.ndo_do_ioctl(SIOCGMIIPHY, ifr))  # type: ignore[misc]
        assert struct.unpack_from("<H", ifr, 16)[0] == 1
        got = 0
        for reg in (2, 3):
            struct.pack_into("<H", ifr, 18, reg)
            h.task(lambda ifr=ifr, d=d: d.ndo_do_ioctl(SIOCGMIIREG, ifr))  # type: ignore[misc]
            got = got << 16 | struct.unpack_from("<H", ifr, 22)[0]
        assert got == ident
        for cmd in (SIOCSMIIREG, 0x89F0):
            with pytest.raises(OSError) as e:
                d.ndo_do_ioctl(cmd, ifr)
            assert e.value.errno == EOPNOTSUPP
        struct.pack_into("<iii", ifr, 16, 0, 1, 12)
        h.task(lambda ifr=ifr, d=d: d.ndo_do_ioctl(SIOCSHWTSTAMP, ifr))  # type: ignore[misc]
        back = bytearray(40)
        d.ndo_do_ioctl(SIOCGHWTSTAMP, back)
        assert struct.unpack_from("<iii", back, 16) == (0, 1, 1 if chip is I350 else 12)
        assert h.reg(r.TSYNCRXCTL) & r.TSYNCRXCTL_ENABLED and h.reg(r.TSYNCTXCTL) & r.TSYNCTXCTL_ENABLED
        # the I350 now puts a stamp in front of every frame, and the driver takes it off again
        h.rx(frame(1514))
        h.run()
        assert h.tap.frames == [frame(1514)]
        struct.pack_into("<iii", ifr, 16, 0, 7, 0)
        with pytest.raises(OSError) as e:
            d.ndo_do_ioctl(SIOCSHWTSTAMP, ifr)
        assert e.value.errno == 34


# --- power, recovery, the end -------------------------------------------------------------------------------


@CHIPS
@pytest.mark.parametrize("refuse", [(), ("msix",), ("msix", "msi")])
def test_suspend_resume_and_shutdown(chip: type[Igb], refuse: tuple[str, ...]) -> None:
    h = IgbHost(chip=chip, refuse=refuse, ncpus=2)
    h.up()
    p = h.pdev()
    for _ in range(2):
        h.rx(frame(60), 2)
        h.task(lambda: pci_pm_suspend(p))
        assert p.current_state == 3 and h.irq_names() == [] and not h.dev().present
        assert h.rx(frame(60)) == 0
        h.check()
        h.task(lambda: pci_pm_resume(p))
        h.settle()
        n = len(h.tap.frames)
        h.rx(frame(60), 4)
        h.run()
        assert len(h.tap.frames) == n + 4
        h.check()
    h.task(lambda: device_shutdown(h.bus))
    h.check()
    assert h.irq_names() == [] and not p.config_read(4, 2) & 4


@CHIPS
@pytest.mark.parametrize("refuse", [(), ("msix",), ("msix", "msi")])
def test_error_recovery_brings_traffic_back(chip: type[Igb], refuse: tuple[str, ...]) -> None:
    h = IgbHost(chip=chip, refuse=refuse, ncpus=2)
    h.up()
    p = h.pdev()
    for fatal in (True, False, True):
        h.rx(frame(60), 3)
        assert h.task(lambda fatal=fatal: pcie_do_recovery(p, fatal)) == PCI_ERS_RESULT_RECOVERED  # type: ignore[misc]
        h.settle()
        h.run()
        n = len(h.tap.frames)
        h.rx(frame(60), 4)
        h.run()
        assert len(h.tap.frames) == n + 4
        h.check()
    # a resume saves the state before it sets bus mastering, and the restore of a later recovery undoes it (Linux's order)
    h.task(lambda: pci_pm_suspend(p))
    h.task(lambda: pci_pm_resume(p))
    h.settle()
    h.task(lambda: pcie_do_recovery(p, True))
    assert not p.config_read(4, 2) & 4
    h.check()


def test_a_device_that_vanishes_is_noticed() -> None:
    h = IgbHost()
    h.up()
    h.models[0].config_write(4, 2, 0)  # nothing decodes any more: all ones
    h.run(5_000_000_000)
    assert sum("PCIe link lost" in t for t in h.log()) == 1 and "igb 0000:01:00.0 eth0: PCIe link lost" in h.log()
    h.task(lambda: h.igb.exit(h.kernel))
    h.check()
    assert empty(h) and "eth0" not in h.net.by_name and h.irq_names() == []


def test_unload_gives_everything_back_and_a_reload_works() -> None:
    h = IgbHost(ncpus=2)
    h.up()
    h.rx(frame(60), 5)
    h.task(lambda: h.igb.exit(h.kernel))
    h.check()
    assert empty(h) and "eth0" not in h.net.by_name and h.net.napi_hash == {} and h.pdev().enable_cnt == 0
    assert not h.kernel.files.exists("/sys/module/igb")
    h.task(lambda: h.igb.init(h.kernel, h.net))
    h.up()
    h.rx(frame(60))
    h.run()
    assert h.tap.frames and h.log()[-1].endswith("Flow Control: RX")


@CHIPS
@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1", "6.18"])
def test_each_release_receives(chip: type[Igb], release: str) -> None:
    h = IgbHost(chip=chip, release=release, ncpus=2)
    h.up()
    for _ in range(10):
        h.rx(frame(60), 10)
        h.run(2_000_000)
    assert len(h.tap.frames) == 100
    banner = [t for t in h.log() if re.match("igb: (Intel|Copyright)", t)]
    if release == "3.13":
        assert banner == [
            "igb: Intel(R) Gigabit Ethernet Network Driver - version 5.0.5-k",
            "igb: Copyright (c) 2007-2013 Intel Corporation.",
        ]
        assert h.log()[-1] == "igb: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX"
    h.down()
    h.check()
