"""igb's structures: flags, ids, rings, vectors, statistics, the adapter.

What lives here: data and the small inline helpers of igb.h.  What does not: register sequences (hw.py), everything a
packet meets (main.py), ethtool (ethtool.py).
Facts: drivers/net/ethernet/intel/igb/{igb.h,e1000_hw.h,e1000_82575.h} of 6.1; 3.13's from the reference sheet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.drivers.pci import MsixEntry, PciDev, PciDeviceId
from rxpath.hw.memory import Buffer
from rxpath.kernel.log import KERN_ERR, KERN_INFO, KERN_WARNING
from rxpath.kernel.timer import TimerList, Work
from rxpath.net.core.netdevice import RtnlLinkStats64
from rxpath.net.core.skbuff import SkBuff

if TYPE_CHECKING:
    from rxpath.drivers.igb.hw import IgbHw
    from rxpath.drivers.igb.main import IgbModuleLike, IgbNapi, IgbNetDevice

IGB_FLAG_HAS_MSI: Final = 1 << 0
IGB_FLAG_DCA_ENABLED: Final = 1 << 1
IGB_FLAG_QUAD_PORT_A: Final = 1 << 2
IGB_FLAG_QUEUE_PAIRS: Final = 1 << 3
IGB_FLAG_DMAC: Final = 1 << 4
IGB_FLAG_RSS_FIELD_IPV4_UDP: Final = 1 << 6
IGB_FLAG_RSS_FIELD_IPV6_UDP: Final = 1 << 7
IGB_FLAG_WOL_SUPPORTED: Final = 1 << 8
IGB_FLAG_MEDIA_RESET: Final = 1 << 10
IGB_FLAG_HAS_MSIX: Final = 1 << 13
IGB_FLAG_EEE: Final = 1 << 14
IGB_FLAG_VLAN_PROMISC: Final = 1 << 15
IGB_FLAG_RX_LEGACY: Final = 1 << 16

# adapter.state
STATE_TESTING: Final = 1 << 0
STATE_RESETTING: Final = 1 << 1
STATE_DOWN: Final = 1 << 2

MAC_82576: Final = "82576"
MAC_I350: Final = "i350"

IGB_START_ITR: Final = 648  # about 6000 a second
IGB_4K_ITR: Final = 980
IGB_20K_ITR: Final = 196
IGB_70K_ITR: Final = 56
IGB_DEFAULT_ITR: Final = 3
IGB_DEFAULT_TXD: Final = 256
IGB_DEFAULT_RXD: Final = 256
IGB_DEFAULT_TX_WORK: Final = 128
IGB_MIN_TXD: Final = 64
IGB_MIN_RXD: Final = 64
IGB_MIN_RXD_3_13: Final = 80
IGB_MAX_RXD: Final = 4096
IGB_MAX_TXD: Final = 4096
REQ_DESCRIPTOR_MULTIPLE: Final = 8
NON_Q_VECTORS: Final = 1
MAX_Q_VECTORS: Final = 8
IGB_MAX_RX_QUEUES: Final = 8
IGB_MAX_TX_QUEUES: Final = 8
IGB_RETA_SIZE: Final = 128
IGB_RX_BUFFER_WRITE: Final = 16
IGB_RX_HDR_LEN: Final = 256
IGB_RXBUFFER_2048: Final = 2048
IGB_RXBUFFER_3072: Final = 3072
IGB_SKB_PAD: Final = 192  # what is left of half a page beside 1536 bytes of frame and the shared info (x86)
IGB_MAX_FRAME_BUILD_SKB: Final = 1536
IGB_MAX_DATA_PER_TXD: Final = 1 << 15
IGB_MIN_ITR_USECS: Final = 10
IGB_MAX_ITR_USECS: Final = 10000
IGB_MAX_RXNFC_FILTERS: Final = 16
MAX_ETYPE_FILTER: Final = 3  # the fourth is for IEEE 1588
IGB_ETH_PKT_HDR_PAD: Final = 14 + 4 + 8
MAX_JUMBO_FRAME_SIZE: Final = 0x2600
MAX_STD_JUMBO_FRAME_SIZE: Final = 9216
DESC_NEEDED: Final = 21
TX_WAKE_THRESHOLD: Final = DESC_NEEDED * 2

ETH_FRAME_LEN: Final = 1514
ETH_FCS_LEN: Final = 4
ETH_ZLEN: Final = 60

SPEED_10: Final = 10
SPEED_100: Final = 100
SPEED_1000: Final = 1000
HALF_DUPLEX: Final = 1
FULL_DUPLEX: Final = 2

FC_NONE: Final = 0
FC_RX_PAUSE: Final = 1
FC_TX_PAUSE: Final = 2
FC_FULL: Final = 3
FC_DEFAULT: Final = 0xFF

LOWEST_LATENCY: Final = 0
LOW_LATENCY: Final = 1
BULK_LATENCY: Final = 2

# flags of an entry of the MAC table
MAC_STATE_DEFAULT: Final = 1
MAC_STATE_IN_USE: Final = 2

DCA_PROVIDER_ADD: Final = 1
DCA_PROVIDER_REMOVE: Final = 2

WUFC_LNKC: Final = 0x01
WUFC_MAG: Final = 0x02
WUFC_EX: Final = 0x04
WUFC_MC: Final = 0x08
WUFC_BC: Final = 0x10

_IDS: Final[tuple[tuple[int, str], ...]] = (
    (0x1F40, "i354"),
    (0x1F41, "i354"),
    (0x1F45, "i354"),
    (0x1539, "i211"),
    (0x1533, "i210"),
    (0x1536, "i210"),
    (0x1537, "i210"),
    (0x1538, "i210"),
    (0x157B, "i210"),
    (0x157C, "i210"),
    (0x1521, MAC_I350),
    (0x1522, MAC_I350),
    (0x1523, MAC_I350),
    (0x1524, MAC_I350),
    (0x150E, "82580"),
    (0x150F, "82580"),
    (0x1527, "82580"),
    (0x1510, "82580"),
    (0x1511, "82580"),
    (0x1516, "82580"),
    (0x0438, "82580"),
    (0x043A, "82580"),
    (0x043C, "82580"),
    (0x0440, "82580"),
    (0x10C9, MAC_82576),
    (0x150A, MAC_82576),
    (0x1518, MAC_82576),
    (0x10E6, MAC_82576),
    (0x10E7, MAC_82576),
    (0x150D, MAC_82576),
    (0x1526, MAC_82576),
    (0x10E8, MAC_82576),
    (0x10A7, "82575"),
    (0x10A9, "82575"),
    (0x10D6, "82575"),
)
"""The id table in Linux's order, with the MAC that each stands for."""

VF_IDS: Final = (0x10CA, 0x152D, 0x1520, 0x152F)


def igb_pci_tbl() -> list[PciDeviceId]:
    return [PciDeviceId(0x8086, dev) for dev, _mac in _IDS]


def mac_of(device: int) -> str:
    """The MAC type of a device id, "" for an unknown one."""
    for dev, mac in _IDS:
        if dev == device:
            return mac
    return ""


class TxBuffer:
    """`struct igb_tx_buffer`."""

    __slots__ = ("skb", "buf", "dma", "length", "time_stamp", "next_to_watch", "segs", "bytecount")

    def __init__(self) -> None:
        self.skb: SkBuff | None = None
        self.buf: Buffer | None = None
        self.dma = 0
        self.length = 0
        self.time_stamp = 0
        self.next_to_watch = -1  # index of the packet's last descriptor, -1 = none
        self.segs = 0
        self.bytecount = 0


class RxPage:
    """`struct igb_rx_buffer`: a page (or two) in two halves, each mapped; `half` is the one that the device gets.

    Linux gives the page back when the other half is still held; here a frame's bytes leave the page when they are
    harvested, so a page is always free again.
    """

    __slots__ = ("buf", "addr0", "addr1", "view0", "view1", "half")

    def __init__(self, buf: Buffer, offset: int, size: int, bufsz: int) -> None:
        self.buf = buf
        self.addr0 = buf.addr + offset
        self.addr1 = buf.addr + size + offset
        self.view0 = buf.view[offset : offset + bufsz]
        self.view1 = buf.view[size + offset : size + offset + bufsz]
        self.half = 0

    def addr(self) -> int:
        return self.addr1 if self.half else self.addr0


class IgbRing:
    """`struct igb_ring`: one queue's descriptors.  Receive and transmit use different fields."""

    __slots__ = (
        "q_vector",
        "netdev",
        "adapter",
        "count",
        "queue_index",
        "reg_idx",
        "desc",
        "view",
        "dma",
        "size",
        "tail",
        "next_to_use",
        "next_to_clean",
        "next_to_alloc",
        "detect_hang",
        # transmit
        "tx",
        "tx_packets",
        "tx_bytes",
        "restart_queue",
        # receive
        "pages",
        "skb",
        "skb_parts",
        "build_skb",
        "large_buffer",
        "bufsz",
        "half_size",
        "offset",
        "rx_packets",
        "rx_bytes",
        "drops",
        "csum_err",
        "alloc_failed",
    )

    def __init__(self, adapter: IgbAdapter, count: int, queue_index: int) -> None:
        self.q_vector: IgbQVector | None = None
        self.netdev = adapter.netdev
        self.adapter = adapter
        self.count = count
        self.queue_index = queue_index
        self.reg_idx = queue_index
        self.desc: Buffer | None = None
        self.view = memoryview(b"")
        self.dma = 0
        self.size = 0
        self.tail = 0
        self.next_to_use = 0
        self.next_to_clean = 0
        self.next_to_alloc = 0
        self.detect_hang = False
        self.tx: list[TxBuffer] = []
        self.tx_packets = 0
        self.tx_bytes = 0
        self.restart_queue = 0
        self.pages: list[RxPage | None] = []
        self.skb: SkBuff | None = None
        self.skb_parts: list[bytes] = []
        self.build_skb = False
        self.large_buffer = False
        self.bufsz = IGB_RXBUFFER_2048
        self.half_size = 2048
        self.offset = 0
        self.rx_packets = 0
        self.rx_bytes = 0
        self.drops = 0
        self.csum_err = 0
        self.alloc_failed = 0

    def unused(self) -> int:
        """igb_desc_unused: one slot always stays empty."""
        if self.next_to_clean > self.next_to_use:
            return self.next_to_clean - self.next_to_use - 1
        return self.count + self.next_to_clean - self.next_to_use - 1

    def take_over(self, o: IgbRing) -> None:
        """memcpy of another ring's resources."""
        self.count = o.count
        self.desc = o.desc
        self.view = o.view
        self.dma = o.dma
        self.size = o.size
        self.next_to_use = o.next_to_use
        self.next_to_clean = o.next_to_clean
        self.next_to_alloc = o.next_to_alloc
        self.tx = o.tx
        self.pages = o.pages


class RingContainer:
    """`struct igb_ring_container`: a vector's ring of one kind and what moderation counts of it."""

    __slots__ = ("ring", "count", "total_bytes", "total_packets", "work_limit", "itr")

    def __init__(self) -> None:
        self.ring: IgbRing | None = None
        self.count = 0
        self.total_bytes = 0
        self.total_packets = 0
        self.work_limit = 0
        self.itr = 0


class IgbQVector:
    """`struct igb_q_vector`: an interrupt vector, its NAPI, at most one ring of each kind."""

    __slots__ = ("adapter", "cpu", "eims_value", "itr_val", "set_itr", "itr_register", "rx", "tx", "napi", "name")

    def __init__(self, adapter: IgbAdapter, napi: IgbNapi) -> None:
        self.adapter = adapter
        self.napi = napi
        self.cpu = -1
        self.eims_value = 0
        self.itr_val = 0
        self.set_itr = False
        self.itr_register = 0
        self.rx = RingContainer()
        self.tx = RingContainer()
        self.name = ""


HW_STATS: Final = (
    "crcerrs",
    "gprc",
    "gorc",
    "bprc",
    "mprc",
    "roc",
    "symerrs",
    "sec",
    "mpc",
    "scc",
    "ecol",
    "mcc",
    "latecol",
    "dc",
    "rlec",
    "xonrxc",
    "xontxc",
    "xoffrxc",
    "xofftxc",
    "fcruc",
    "gptc",
    "gotc",
    "rnbc",
    "ruc",
    "rfc",
    "rjc",
    "tpr",
    "mptc",
    "bptc",
    "tpt",
    "colc",
    "algnerrc",
    "rxerrc",
    "tncrs",
    "cexterr",
    "tsctc",
    "tsctfc",
    "iac",
    "mgptc",
    "mgprc",
    "mgpdc",
    "doosync",
)


class HwStats:
    """`struct e1000_hw_stats`: what the clear-on-read registers added up to."""

    __slots__ = HW_STATS

    def __init__(self) -> None:
        self.crcerrs = 0
        self.gprc = 0
        self.gorc = 0
        self.bprc = 0
        self.mprc = 0
        self.roc = 0
        self.symerrs = 0
        self.sec = 0
        self.mpc = 0
        self.scc = 0
        self.ecol = 0
        self.mcc = 0
        self.latecol = 0
        self.dc = 0
        self.rlec = 0
        self.xonrxc = 0
        self.xontxc = 0
        self.xoffrxc = 0
        self.xofftxc = 0
        self.fcruc = 0
        self.gptc = 0
        self.gotc = 0
        self.rnbc = 0
        self.ruc = 0
        self.rfc = 0
        self.rjc = 0
        self.tpr = 0
        self.mptc = 0
        self.bptc = 0
        self.tpt = 0
        self.colc = 0
        self.algnerrc = 0
        self.rxerrc = 0
        self.tncrs = 0
        self.cexterr = 0
        self.tsctc = 0
        self.tsctfc = 0
        self.iac = 0
        self.mgptc = 0
        self.mgprc = 0
        self.mgpdc = 0
        self.doosync = 0


class MacEntry:
    """`struct igb_mac_addr`: an entry of the receive address table."""

    __slots__ = ("addr", "queue", "state")

    def __init__(self) -> None:
        self.addr = b"\0" * 6
        self.queue = 0
        self.state = 0


class NfcFilter:
    """`struct igb_nfc_filter`: an ethtool -N rule: EtherType and/or VLAN priority to a queue."""

    __slots__ = ("sw_idx", "action", "etype", "vlan_tci", "etype_reg_index")

    def __init__(self, sw_idx: int, action: int, etype: int, vlan_tci: int) -> None:
        self.sw_idx = sw_idx
        self.action = action
        self.etype = etype  # -1: not matched
        self.vlan_tci = vlan_tci  # -1: not matched
        self.etype_reg_index = -1


class IgbAdapter:
    """`struct igb_adapter`: everything about one port."""

    __slots__ = (
        "module",
        "pdev",
        "netdev",
        "net",
        "hw",
        "old_release",
        "flags",
        "state",
        "num_q_vectors",
        "msix_entries",
        "q_vector",
        "eims_enable_mask",
        "eims_other",
        "rx_itr_setting",
        "tx_itr_setting",
        "tx_work_limit",
        "tx_timeout_count",
        "num_tx_queues",
        "num_rx_queues",
        "tx_ring",
        "rx_ring",
        "tx_ring_count",
        "rx_ring_count",
        "rss_queues",
        "rss_indir_tbl",
        "rss_indir_tbl_init",
        "max_frame_size",
        "min_frame_size",
        "mac_table",
        "shadow_vfta",
        "active_vlans",
        "watchdog_timer",
        "phy_info_timer",
        "reset_task",
        "watchdog_task",
        "fc_autoneg",
        "tx_timeout_factor",
        "link_speed",
        "link_duplex",
        "stats",
        "stats64",
        "test_icr",
        "wol",
        "msg_enable",
        "fw_version",
        "truesize_small",
        "tx_hwtstamp_timeouts",
        "tx_hwtstamp_skipped",
        "rx_hwtstamp_cleared",
        "tstamp_flags",
        "tstamp_tx_type",
        "tstamp_rx_filter",
        "nfc_filters",
        "etype_bitmap",
        "hdr_pad",
    )

    def __init__(self, module: IgbModuleLike, pdev: PciDev, netdev: IgbNetDevice) -> None:
        kernel = pdev.kernel
        self.module = module
        self.pdev = pdev
        self.netdev = netdev
        self.net = netdev.net
        self.hw: IgbHw | None = None
        self.old_release = kernel.release.driver_banner_version
        self.flags = 0
        self.state = 0
        self.num_q_vectors = 0
        self.msix_entries: list[MsixEntry] = []
        self.q_vector: list[IgbQVector | None] = [None] * (MAX_Q_VECTORS + 1)
        self.eims_enable_mask = 0
        self.eims_other = 0
        self.rx_itr_setting = IGB_DEFAULT_ITR
        self.tx_itr_setting = IGB_DEFAULT_ITR
        self.tx_work_limit = IGB_DEFAULT_TX_WORK
        self.tx_timeout_count = 0
        self.num_tx_queues = 0
        self.num_rx_queues = 0
        self.tx_ring: list[IgbRing | None] = [None] * IGB_MAX_TX_QUEUES
        self.rx_ring: list[IgbRing | None] = [None] * IGB_MAX_RX_QUEUES
        self.tx_ring_count = IGB_DEFAULT_TXD
        self.rx_ring_count = IGB_DEFAULT_RXD
        self.rss_queues = 1
        self.rss_indir_tbl = [0] * IGB_RETA_SIZE
        self.rss_indir_tbl_init = 0
        self.max_frame_size = 0
        self.min_frame_size = 0
        self.mac_table: list[MacEntry] = []
        self.shadow_vfta = [0] * 128
        self.active_vlans = 0  # a bit a VLAN id
        self.watchdog_timer: TimerList | None = None
        self.phy_info_timer: TimerList | None = None
        self.reset_task: Work | None = None
        self.watchdog_task: Work | None = None
        self.fc_autoneg = True
        self.tx_timeout_factor = 1
        self.link_speed = 0
        self.link_duplex = 0
        self.stats = HwStats()
        self.stats64 = RtnlLinkStats64()
        self.test_icr = 0
        self.wol = 0
        self.msg_enable = 7  # drv, probe, link
        self.fw_version = ""
        self.truesize_small = 0
        self.tx_hwtstamp_timeouts = 0
        self.tx_hwtstamp_skipped = 0
        self.rx_hwtstamp_cleared = 0
        self.tstamp_flags = 0
        self.tstamp_tx_type = 0
        self.tstamp_rx_filter = 0
        self.nfc_filters: list[NfcFilter] = []
        self.etype_bitmap = [False] * MAX_ETYPE_FILTER
        # two VLAN tags' worth since 4.x, one before
        self.hdr_pad = IGB_ETH_PKT_HDR_PAD - (4 if self.old_release else 0)

    # --- log lines, as netdev_printk puts them together -----------------------------------------------------
    def netdev_printk(self, level: int, text: str) -> None:
        dev = self.netdev
        if self.old_release:
            name = dev.name if dev.registered else "(unregistered net_device)"
        else:
            name = dev.name if dev.registered else dev.name + " (uninitialized)"
        self.pdev.kernel.log.printk(level, "igb %s %s: %s" % (self.pdev.name, name, text))

    def netdev_info(self, text: str) -> None:
        self.netdev_printk(KERN_INFO, text)

    def netdev_warn(self, text: str) -> None:
        self.netdev_printk(KERN_WARNING, text)

    def netdev_err(self, text: str) -> None:
        self.netdev_printk(KERN_ERR, text)

    def link_line(self, text: str) -> None:
        """The link lines, which user tools parse: `igb: eth0 NIC Link is ...`."""
        line = "igb: %s %s" % (self.netdev.name, text)
        if self.old_release:
            self.pdev.kernel.log.info(line)
        else:
            self.netdev_printk(KERN_INFO, line)

    def the_hw(self) -> IgbHw:
        hw = self.hw
        assert hw is not None
        return hw

    def rings_rx(self) -> list[IgbRing]:
        """The receive rings that exist, by queue."""
        return [r for r in self.rx_ring[: self.num_rx_queues] if r is not None]

    def rings_tx(self) -> list[IgbRing]:
        return [r for r in self.tx_ring[: self.num_tx_queues] if r is not None]

    def vectors(self) -> list[IgbQVector]:
        return [q for q in self.q_vector[: self.num_q_vectors] if q is not None]
