"""The chips that the real drivers judge. One entry a chip; the scenarios of test_scenarios.py run for each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

from rxpath.hw.nic.base import NicModel


@dataclass(frozen=True)
class Chip:
    """How to make one, and what its driver is expected to say.

    `modes`: interrupt kinds to force, by name: (kernel arguments, words that must be in /proc/interrupts'
    lines). `stat`: ethtool -S names by role; a role that is absent is not tested. `ring`: (set, read back)
    for ethtool -G rx. `vlan_filter`: the driver leaves the VLAN filter on (e1000e writes its receive
    control over it). `csum_bad`: how many of ten bad checksums the driver counts (igb leaves frames of 60
    bytes out).
    """

    name: str
    module: str
    cls: str
    driver: str
    marketing: str
    speed: str
    mtu: int
    stat: dict[str, str]
    modes: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    ring: tuple[int, int] = (512, 512)
    small_ring: int = 64
    fifo_frames: int = 0
    csum_bad: int = 10
    self_test: bool = True
    vlan_filter: bool = True
    firmware: Callable[[str], None] | None = None
    cmdline: tuple[str, ...] = ()

    def make(self) -> NicModel:
        model = getattr(importlib.import_module(self.module), self.cls)()
        assert isinstance(model, NicModel)
        return model

    def present(self) -> bool:
        """Whether the model exists in this tree."""
        return importlib.util.find_spec(self.module) is not None


IGB_STATS = {
    "rx": "rx_packets",
    "tx": "tx_packets",
    "bytes": "rx_bytes",
    "csum_bad": "rx_queue_0_csum_err",
    "no_buffer": "rx_no_buffer_count",
    "missed": "rx_missed_errors",
    "crc": "rx_crc_errors",
    "long": "rx_long_length_errors",
    "short": "rx_short_length_errors",
    "multicast": "rx_multicast",
    "broadcast": "rx_broadcast",
}

CHIPS = {
    "82574L": Chip(
        name="82574L",
        module="rxpath.hw.nic.i82574",
        cls="I82574",
        driver="e1000e",
        marketing="Intel(R) PRO/1000 Network Connection",
        speed="1000Mb/s",
        mtu=9000,
        stat={
            "rx": "rx_packets",
            "tx": "tx_packets",
            "bytes": "rx_bytes",
            "csum_bad": "rx_csum_offload_errors",
            "csum_good": "rx_csum_offload_good",
            "no_buffer": "rx_no_buffer_count",
            "missed": "rx_missed_errors",
            "crc": "rx_crc_errors",
            "long": "rx_long_length_errors",
            "short": "rx_short_length_errors",
            "split": "rx_header_split",
            "multicast": "rx_multicast",
            "broadcast": "rx_broadcast",
        },
        modes={
            "INTx": (("e1000e.IntMode=0",), "eth0"),
            "MSI": (("e1000e.IntMode=1",), "eth0"),
            "MSI-X": (("e1000e.IntMode=2",), "eth0-rx-0"),
        },
        ring=(1000, 1000),
        small_ring=64,
        fifo_frames=22,
        vlan_filter=False,
    ),
    "82576": Chip(
        name="82576",
        module="rxpath.hw.nic.igb",
        cls="I82576",
        driver="igb",
        marketing="Intel(R) Gigabit Ethernet Network Connection",
        speed="1000Mb/s",
        mtu=9000,
        stat=dict(IGB_STATS),
        modes={"MSI-X": ((), "eth0-rx-0")},
        ring=(1000, 1000),
        small_ring=64,
        fifo_frames=44,
        csum_bad=6,
    ),
    "I350": Chip(
        name="I350",
        module="rxpath.hw.nic.igb",
        cls="I350",
        driver="igb",
        marketing="Intel(R) Gigabit Ethernet Network Connection",
        speed="1000Mb/s",
        mtu=9000,
        stat=dict(IGB_STATS),
        modes={"MSI-X": ((), "eth0-rx-0")},
        ring=(1000, 1000),
        small_ring=64,
        fifo_frames=25,
        csum_bad=6,
    ),
    "X540": Chip(
        name="X540",
        module="rxpath.hw.nic.ixgbe",
        cls="X540",
        driver="ixgbe",
        marketing="Intel(R) 10 Gigabit Network Connection",
        speed="10000Mb/s",
        mtu=9000,
        stat={
            "rx": "rx_packets",
            "tx": "tx_packets",
            "bytes": "rx_bytes",
            "csum_bad": "rx_csum_offload_errors",
            "missed": "rx_missed_errors",
            "crc": "rx_crc_errors",
            "long": "rx_long_length_errors",
            "short": "rx_short_length_errors",
            "multicast": "multicast",
            "broadcast": "broadcast",
        },
        modes={"INTx": (("pci=nomsi",), "eth0"), "MSI-X": ((), "eth0-TxRx-0")},
        ring=(1000, 1000),
        small_ring=64,
    ),
}
