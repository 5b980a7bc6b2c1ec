"""ixgbe: the structures of one port and the constants that more than one file needs.

What belongs here: `struct ixgbe_adapter`, rings, vectors, statistics, the id table.  What does not: anything that acts
(main.py, lib.py, hw.py, ethtool.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.drivers.ixgbe.hw import MAC_82599EB, MAC_X540, AtrInput, IxgbeHw
from rxpath.drivers.pci import MsixEntry, PciDev, PciDeviceId
from rxpath.hw.memory import Buffer
from rxpath.kernel.log import KERN_ERR, KERN_INFO, KERN_WARNING
from rxpath.kernel.timer import TimerList, Work
from rxpath.net.core.netdevice import NapiStruct
from rxpath.net.core.skbuff import SkBuff

if TYPE_CHECKING:
    from rxpath.drivers.ixgbe.main import IxgbeModuleBase, IxgbeNetDevice

DRIVER_NAME: Final = "ixgbe"

FLAG_MSI_ENABLED: Final = 1 << 0
FLAG_MSIX_ENABLED: Final = 1 << 1
FLAG_DCA_ENABLED: Final = 1 << 2
FLAG_DCA_CAPABLE: Final = 1 << 3
FLAG_NEED_LINK_UPDATE: Final = 1 << 4
FLAG_FDIR_HASH_CAPABLE: Final = 1 << 5
FLAG_FDIR_PERFECT_CAPABLE: Final = 1 << 6

FLAG2_RSC_CAPABLE: Final = 1 << 0
FLAG2_RSC_ENABLED: Final = 1 << 1
FLAG2_RSS_FIELD_IPV4_UDP: Final = 1 << 2
FLAG2_RSS_FIELD_IPV6_UDP: Final = 1 << 3
FLAG2_RX_LEGACY: Final = 1 << 4
FLAG2_FDIR_REQUIRES_REINIT: Final = 1 << 5

STATE_TESTING: Final = 1 << 0
STATE_RESETTING: Final = 1 << 1
STATE_DOWN: Final = 1 << 2
STATE_DISABLED: Final = 1 << 3
STATE_REMOVING: Final = 1 << 4
STATE_SERVICE_SCHED: Final = 1 << 5
STATE_SERVICE_INITED: Final = 1 << 6
STATE_RESET_REQUESTED: Final = 1 << 7

IXGBE_DEFAULT_TXD: Final = 512
IXGBE_DEFAULT_RXD: Final = 512
IXGBE_MAX_DESC: Final = 4096
IXGBE_MIN_DESC: Final = 64
IXGBE_DEFAULT_TX_WORK: Final = 256
IXGBE_RX_BUFFER_WRITE: Final = 16
IXGBE_RX_HDR_SIZE: Final = 256
IXGBE_RXBUFFER_2K: Final = 2048
IXGBE_RXBUFFER_3K: Final = 3072
IXGBE_MAX_2K_FRAME_BUILD_SKB: Final = 1536
IXGBE_MAX_DATA_PER_TXD: Final = 1 << 14
IXGBE_MAX_RSS_INDICES: Final = 16
IXGBE_MAX_FDIR_INDICES: Final = 63
MAX_TX_QUEUES: Final = 64
NON_Q_VECTORS: Final = 1
MIN_MSIX_COUNT: Final = 2
MAX_Q_VECTORS: Final = 64
IXGBE_MAX_JUMBO_FRAME_SIZE: Final = 9728
DESC_NEEDED: Final = 21
TX_WAKE_THRESHOLD: Final = DESC_NEEDED * 2
IXGBE_TRY_LINK_TIMEOUT: Final = 4  # seconds

IXGBE_MIN_RSC_ITR: Final = 24
IXGBE_100K_ITR: Final = 40
IXGBE_20K_ITR: Final = 200
IXGBE_12K_ITR: Final = 336
IXGBE_8K_ITR_3_13: Final = 500
ITR_ADAPTIVE_MIN_INC: Final = 2
ITR_ADAPTIVE_MIN_USECS: Final = 10
ITR_ADAPTIVE_MAX_USECS: Final = 126
ITR_ADAPTIVE_LATENCY: Final = 0x80

ETH_FRAME_LEN: Final = 1514
ETH_HLEN: Final = 14
ETH_FCS_LEN: Final = 4
ETH_ZLEN: Final = 60

_IDS: Final[tuple[tuple[int, int], ...]] = (
    (0x10F7, MAC_82599EB),
    (0x1528, MAC_X540),
    (0x1560, MAC_X540),
    *(
        (d, 0)
        for d in (
            0x10B6,
            0x10C6,
            0x10C7,
            0x10C8,
            0x150B,
            0x10DD,
            0x10EC,
            0x10F1,
            0x10E1,
            0x10F4,
            0x10DB,
            0x1508,
            0x1517,
            0x10FC,
            0x10F9,
            0x10F8,
            0x10FB,
            0x152A,
            0x1529,
            0x1507,
            0x154D,
            0x1514,
            0x154A,
            0x154F,
            0x1557,
            0x1558,
            0x151C,
            0x1563,
            0x15D1,
            0x15AA,
            0x15AB,
            0x15AC,
            0x15AD,
            0x15AE,
            0x15B0,
            0x15C2,
            0x15C3,
            0x15C4,
            0x15C6,
            0x15C7,
            0x15C8,
            0x15CE,
            0x15E4,
            0x15E5,
        )
    ),
)


def ixgbe_pci_tbl() -> list[PciDeviceId]:
    """The ids of the family; `driver_data` is the MAC type, 0 for those that are not modelled."""
    return [PciDeviceId(0x8086, device, driver_data=mac) for device, mac in _IDS]


class TxBuffer:
    """`struct ixgbe_tx_buffer`.  `next_to_watch` -1: nothing pending that begins here."""

    __slots__ = ("next_to_watch", "time_stamp", "skb", "bytecount", "gso_segs", "dma", "length", "buf")

    def __init__(self) -> None:
        self.next_to_watch = -1
        self.time_stamp = 0
        self.skb: SkBuff | None = None
        self.bytecount = 0
        self.gso_segs = 0
        self.dma = 0
        self.length = 0
        self.buf: Buffer | None = None


class Chain:
    """A frame of which not all descriptors were seen yet."""

    __slots__ = ("skb", "parts", "append_cnt")

    def __init__(self, skb: SkBuff, part: bytes) -> None:
        self.skb = skb
        self.parts = [part]
        self.append_cnt = 0


class FdirFilter:
    """`struct ixgbe_fdir_filter`: an ethtool -N rule.  `action`: the queue, or FDIR_DROP_QUEUE."""

    __slots__ = ("filter", "sw_idx", "action")

    def __init__(self, flow: AtrInput, sw_idx: int, action: int) -> None:
        self.filter = flow
        self.sw_idx = sw_idx
        self.action = action


class IxgbeRing:
    """`struct ixgbe_ring`: one queue's descriptors.  Receive and transmit use different fields.

    A receive buffer stays with its slot and stays mapped; what is harvested is copied out of it, where Linux hands the
    half page on and takes another.
    """

    __slots__ = (
        "q_vector",
        "netdev",
        "adapter",
        "count",
        "queue_index",
        "reg_idx",
        "desc",
        "view",
        "dma_base",
        "size",
        "tail",
        "next_to_use",
        "next_to_clean",
        "packets",
        "bytes",
        # transmit
        "tx",
        "restart_queue",
        "tx_busy",
        "tx_done_old",
        "atr_sample_rate",
        "atr_count",
        "fdir_init_done",
        "check_hang",
        "hang_armed",
        # receive
        "bufs",
        "dma",
        "pending",
        "build_skb",
        "rsc",
        "bufsz",
        "frag_truesize",
        "csum_udp_zero_err",
        "csum_err",
        "alloc_rx_page",
        "alloc_rx_page_failed",
        "alloc_rx_buff_failed",
        "non_eop_descs",
        "rsc_count",
        "rsc_flush",
    )

    def __init__(self, adapter: IxgbeAdapter, count: int, queue_index: int) -> None:
        self.q_vector: IxgbeQVector | None = None
        self.netdev = adapter.netdev
        self.adapter = adapter
        self.count = count
        self.queue_index = queue_index
        self.reg_idx = queue_index
        self.desc: Buffer | None = None
        self.view = memoryview(b"")
        self.dma_base = 0
        self.size = 0
        self.tail = 0
        self.next_to_use = 0
        self.next_to_clean = 0
        self.packets = 0
        self.bytes = 0
        self.tx: list[TxBuffer] = []
        self.restart_queue = 0
        self.tx_busy = 0
        self.tx_done_old = 0
        self.atr_sample_rate = 0
        self.atr_count = 0
        self.fdir_init_done = False
        self.check_hang = False
        self.hang_armed = False
        self.bufs: list[Buffer | None] = []
        self.dma: list[int] = []
        self.pending: dict[int, Chain] = {}
        self.build_skb = False
        self.rsc = False
        self.bufsz = IXGBE_RXBUFFER_2K
        self.frag_truesize = 2048
        self.csum_udp_zero_err = False
        self.csum_err = 0
        self.alloc_rx_page = 0
        self.alloc_rx_page_failed = 0
        self.alloc_rx_buff_failed = 0
        self.non_eop_descs = 0
        self.rsc_count = 0
        self.rsc_flush = 0

    def unused(self) -> int:
        """ixgbe_desc_unused: one slot always stays empty."""
        if self.next_to_clean > self.next_to_use:
            return self.next_to_clean - self.next_to_use - 1
        return self.count + self.next_to_clean - self.next_to_use - 1

    def take_over(self, o: IxgbeRing) -> None:
        """memcpy of another ring's resources."""
        self.count = o.count
        self.desc = o.desc
        self.view = o.view
        self.dma_base = o.dma_base
        self.size = o.size
        self.next_to_use = o.next_to_use
        self.next_to_clean = o.next_to_clean
        self.tx = o.tx
        self.bufs = o.bufs
        self.dma = o.dma


class RingContainer:
    """`struct ixgbe_ring_container`: the rings of one kind on a vector, and what moderation counts of them."""

    __slots__ = ("rings", "total_bytes", "total_packets", "next_update", "work_limit", "itr")

    def __init__(self) -> None:
        self.rings: list[IxgbeRing] = []
        self.total_bytes = 0
        self.total_packets = 0
        self.next_update = 0
        self.work_limit = 0
        self.itr = 0


class IxgbeQVector:
    """`struct ixgbe_q_vector`: an interrupt vector, its NAPI and its rings.  `itr` in quarters of a microsecond."""

    __slots__ = ("adapter", "cpu", "v_idx", "itr", "rx", "tx", "napi", "affinity_mask", "name")

    def __init__(self, adapter: IxgbeAdapter, napi: NapiStruct, v_idx: int) -> None:
        self.adapter = adapter
        self.napi = napi
        self.cpu = -1
        self.v_idx = v_idx
        self.itr = 0
        self.rx = RingContainer()
        self.tx = RingContainer()
        self.affinity_mask = 0
        self.name = ""


class RingFeature:
    """`struct ixgbe_ring_feature`."""

    __slots__ = ("limit", "indices", "mask")

    def __init__(self) -> None:
        self.limit = 0
        self.indices = 0
        self.mask = 0


class IxgbeHwStats:
    """`struct ixgbe_hw_stats`, by Linux's names; added up at each service."""

    __slots__ = (
        "crcerrs",
        "rlec",
        "lxontxc",
        "lxofftxc",
        "lxonrxc",
        "lxoffrxc",
        "prc64",
        "prc127",
        "prc255",
        "prc511",
        "prc1023",
        "prc1522",
        "gprc",
        "bprc",
        "mprc",
        "gptc",
        "gorc",
        "gotc",
        "ruc",
        "rfc",
        "roc",
        "rjc",
        "tor",
        "tpr",
        "ptc64",
        "ptc127",
        "ptc255",
        "ptc511",
        "ptc1023",
        "ptc1522",
        "mptc",
        "bptc",
        "mpc",
        "pxontxc",
        "pxofftxc",
        "pxonrxc",
        "pxoffrxc",
        "qprc",
        "qptc",
        "qbrc",
        "qbtc",
        "fdirmatch",
        "fdirmiss",
        "o2bgptc",
        "o2bspc",
        "b2ospc",
        "b2ogprc",
    )

    def __init__(self) -> None:
        self.crcerrs = self.rlec = self.lxontxc = self.lxofftxc = self.lxonrxc = self.lxoffrxc = 0
        self.prc64 = self.prc127 = self.prc255 = self.prc511 = self.prc1023 = self.prc1522 = 0
        self.gprc = self.bprc = self.mprc = self.gptc = self.gorc = self.gotc = 0
        self.ruc = self.rfc = self.roc = self.rjc = self.tor = self.tpr = 0
        self.ptc64 = self.ptc127 = self.ptc255 = self.ptc511 = self.ptc1023 = self.ptc1522 = 0
        self.mptc = self.bptc = self.fdirmatch = self.fdirmiss = 0
        self.o2bgptc = self.o2bspc = self.b2ospc = self.b2ogprc = 0
        self.mpc = [0] * 8
        self.pxontxc = [0] * 8
        self.pxofftxc = [0] * 8
        self.pxonrxc = [0] * 8
        self.pxoffrxc = [0] * 8
        self.qprc = [0] * 16
        self.qptc = [0] * 16
        self.qbrc = [0] * 16
        self.qbtc = [0] * 16


class IxgbeAdapter:
    """`struct ixgbe_adapter`: everything about one port."""

    __slots__ = (
        "module",
        "pdev",
        "netdev",
        "net",
        "hw",
        "old_release",
        "flags",
        "flags2",
        "state",
        "max_q_vectors",
        "num_q_vectors",
        "num_rx_queues",
        "num_tx_queues",
        "rss",
        "fdir",
        "atr_sample_rate",
        "fdir_pballoc",
        "fdir_filters",
        "fdir_mask",
        "msix_entries",
        "q_vector",
        "rx_ring",
        "tx_ring",
        "rx_ring_count",
        "tx_ring_count",
        "tx_work_limit",
        "rx_itr_setting",
        "tx_itr_setting",
        "rss_indir_tbl",
        "rss_key",
        "stats",
        "rx_packets",
        "rx_bytes",
        "tx_packets",
        "tx_bytes",
        "multicast",
        "rx_errors",
        "rx_length_errors",
        "rx_crc_errors",
        "rx_missed_errors",
        "lsc_int",
        "tx_busy",
        "restart_queue",
        "non_eop_descs",
        "hw_csum_rx_error",
        "alloc_rx_page",
        "alloc_rx_page_failed",
        "alloc_rx_buff_failed",
        "hw_rx_no_dma_resources",
        "rsc_total_count",
        "rsc_total_flush",
        "fdir_overflow",
        "tx_timeout_count",
        "link_up",
        "link_speed",
        "link_check_timeout",
        "wol",
        "eeprom_cap",
        "eeprom_id",
        "msg_enable",
        "active_vlans",
        "uc_rars",
        "service_timer",
        "service_task",
        "test_icr",
        "test_tx_ring",
        "test_rx_ring",
        "opening",
    )

    def __init__(self, module: IxgbeModuleBase, pdev: PciDev, netdev: IxgbeNetDevice, hw: IxgbeHw) -> None:
        self.module = module
        self.pdev = pdev
        self.netdev = netdev
        self.net = netdev.net
        self.hw = hw
        self.old_release = pdev.kernel.release.driver_banner_version
        self.flags = 0
        self.flags2 = 0
        self.state = 0
        self.max_q_vectors = MAX_Q_VECTORS
        self.num_q_vectors = 0
        self.num_rx_queues = 0
        self.num_tx_queues = 0
        self.rss = RingFeature()
        self.fdir = RingFeature()
        self.atr_sample_rate = 20
        self.fdir_pballoc = 1
        self.fdir_filters: list[FdirFilter] = []  # by sw_idx
        self.fdir_mask = AtrInput()
        self.msix_entries: list[MsixEntry] = []
        self.q_vector: list[IxgbeQVector] = []
        self.rx_ring: list[IxgbeRing] = []
        self.tx_ring: list[IxgbeRing] = []
        self.rx_ring_count = IXGBE_DEFAULT_RXD
        self.tx_ring_count = IXGBE_DEFAULT_TXD
        self.tx_work_limit = IXGBE_DEFAULT_TX_WORK
        self.rx_itr_setting = 1
        self.tx_itr_setting = 1
        self.rss_indir_tbl: list[int] = []
        self.rss_key = b""
        self.stats = IxgbeHwStats()
        self.rx_packets = self.rx_bytes = self.tx_packets = self.tx_bytes = 0
        self.multicast = self.rx_errors = self.rx_length_errors = self.rx_crc_errors = self.rx_missed_errors = 0
        self.lsc_int = self.tx_busy = self.restart_queue = self.non_eop_descs = self.hw_csum_rx_error = 0
        self.alloc_rx_page = self.alloc_rx_page_failed = self.alloc_rx_buff_failed = 0
        self.hw_rx_no_dma_resources = self.rsc_total_count = self.rsc_total_flush = self.fdir_overflow = 0
        self.tx_timeout_count = 0
        self.link_up = False
        self.link_speed = 0
        self.link_check_timeout = 0
        self.wol = 0
        self.eeprom_cap = 0
        self.eeprom_id = ""
        self.msg_enable = 7  # drv, probe, link
        self.active_vlans = 0  # a bit a VLAN id
        self.uc_rars = 0
        self.service_timer: TimerList | None = None
        self.service_task: Work | None = None
        self.test_icr = 0
        self.test_tx_ring: IxgbeRing | None = None
        self.test_rx_ring: IxgbeRing | None = None
        self.opening = False

    def netdev_printk(self, level: int, text: str) -> None:
        dev = self.netdev
        if self.old_release:
            name = dev.name if dev.registered else "(unregistered net_device)"
        else:
            name = dev.name if dev.registered else dev.name + " (uninitialized)"
        self.pdev.kernel.log.printk(level, "ixgbe %s %s: %s" % (self.pdev.name, name, text))

    def e_info(self, text: str) -> None:
        self.netdev_printk(KERN_INFO, text)

    def e_warn(self, text: str) -> None:
        self.netdev_printk(KERN_WARNING, text)

    def e_err(self, text: str) -> None:
        self.netdev_printk(KERN_ERR, text)

    def running(self) -> bool:
        """netif_running: from the beginning of ndo_open to the beginning of ndo_stop."""
        return self.opening or self.netdev.running()

    def online_cpus(self) -> int:
        return sum(1 for c in self.pdev.kernel.cpus if c.online)
