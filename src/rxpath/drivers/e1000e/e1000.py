"""e1000e's structures: flags, boards, ids, rings, statistics, the adapter, its net device and NAPI.

What lives here: data and the small inline helpers of e1000.h.  What does not: register sequences (hw.py),
parameters (param.py), everything a packet meets (netdev.py), ethtool (ethtool.py). Facts:
drivers/net/ethernet/intel/e1000e/{e1000.h,hw.h,netdev.c,82571.c,ich8lan.c,80003es2lan.c} of 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.drivers.pci import MsixEntry, PciDev, PciDeviceId
from rxpath.hw.memory import Buffer
from rxpath.kernel.log import KERN_ERR, KERN_INFO, KERN_WARNING
from rxpath.kernel.timer import TimerList, Work
from rxpath.net.core.skbuff import SkBuff

if TYPE_CHECKING:
    from rxpath.drivers.e1000e.hw import E1000Hw
    from rxpath.drivers.e1000e.netdev import E1000NetDevice, ModuleLike

FLAG_HAS_AMT: Final = 1 << 0
FLAG_HAS_FLASH: Final = 1 << 1
FLAG_HAS_HW_VLAN_FILTER: Final = 1 << 2
FLAG_HAS_WOL: Final = 1 << 3
FLAG_HAS_CTRLEXT_ON_LOAD: Final = 1 << 5
FLAG_HAS_SWSM_ON_LOAD: Final = 1 << 6
FLAG_HAS_JUMBO_FRAMES: Final = 1 << 7
FLAG_READ_ONLY_NVM: Final = 1 << 8
FLAG_IS_ICH: Final = 1 << 9
FLAG_HAS_MSIX: Final = 1 << 10
FLAG_HAS_SMART_POWER_DOWN: Final = 1 << 11
FLAG_HAS_HW_TIMESTAMP: Final = 1 << 14
FLAG_APME_IN_WUC: Final = 1 << 15
FLAG_APME_IN_CTRL3: Final = 1 << 16
FLAG_APME_CHECK_PORT_B: Final = 1 << 17
FLAG_DISABLE_FC_PAUSE_TIME: Final = 1 << 18
FLAG_RESET_OVERWRITES_LAA: Final = 1 << 21
FLAG_TARC_SPEED_MODE_BIT: Final = 1 << 22
FLAG_TARC_SET_BIT_ZERO: Final = 1 << 23
FLAG_RX_NEEDS_RESTART: Final = 1 << 24
FLAG_SMART_POWER_DOWN: Final = 1 << 26
FLAG_MSI_ENABLED: Final = 1 << 27
FLAG_RESTART_NOW: Final = 1 << 30
FLAG_MSI_TEST_FAILED: Final = 1 << 31

FLAG2_CRC_STRIPPING: Final = 1 << 0
FLAG2_IS_DISCARDING: Final = 1 << 2
FLAG2_DISABLE_ASPM_L1: Final = 1 << 3
FLAG2_HAS_PHY_STATS: Final = 1 << 4
FLAG2_HAS_EEE: Final = 1 << 5
FLAG2_DMA_BURST: Final = 1 << 6
FLAG2_DISABLE_ASPM_L0S: Final = 1 << 7
FLAG2_DISABLE_AIM: Final = 1 << 8
FLAG2_CHECK_PHY_HANG: Final = 1 << 9
FLAG2_NO_DISABLE_RX: Final = 1 << 10
FLAG2_DFLT_CRC_STRIPPING: Final = 1 << 12
FLAG2_CHECK_SYSTIM_OVERFLOW: Final = 1 << 14

# adapter.state
STATE_TESTING: Final = 1 << 0
STATE_RESETTING: Final = 1 << 1
STATE_DOWN: Final = 1 << 3

INT_MODE_LEGACY: Final = 0
INT_MODE_MSI: Final = 1
INT_MODE_MSIX: Final = 2

LOWEST_LATENCY: Final = 0
LOW_LATENCY: Final = 1
BULK_LATENCY: Final = 2

E1000_DEFAULT_TXD: Final = 256
E1000_DEFAULT_RXD: Final = 256
E1000_MAX_TXD: Final = 4096
E1000_MIN_TXD: Final = 64
E1000_MAX_RXD: Final = 4096
E1000_MIN_RXD: Final = 64
REQ_DESCRIPTOR_MULTIPLE: Final = 8
E1000_RX_BUFFER_WRITE: Final = 16
PS_PAGE_BUFFERS: Final = 3
RX_BUFFER_BYTES: Final = 2048  # what one receive buffer of the plain path occupies

VLAN_ETH_HLEN: Final = 18
VLAN_ETH_FRAME_LEN: Final = 1518
ETH_FRAME_LEN: Final = 1514
ETH_DATA_LEN: Final = 1500
ETH_FCS_LEN: Final = 4
ETH_ZLEN: Final = 60
DEFAULT_JUMBO: Final = 9234

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

# enum e1000_mac_type, in order: what the probe line prints as MAC
MAC_TYPES: Final = (
    "82571",
    "82572",
    "82573",
    "82574",
    "82583",
    "80003es2lan",
    "ich8lan",
    "ich9lan",
    "ich10lan",
    "pchlan",
    "pch2lan",
    "pch_lpt",
    "pch_spt",
    "pch_cnp",
    "pch_tgp",
    "pch_adp",
)
E1000_82574: Final = 3
E1000_82583: Final = 4

# enum e1000_phy_type
PHY_M88: Final = 2
PHY_BM: Final = 8

# which receive path (adapter.clean_rx)
CLEAN_RX_NORMAL: Final = 0
CLEAN_RX_PS: Final = 1
CLEAN_RX_JUMBO: Final = 2


class Board:
    """`struct e1000_info`: what one family of chips is like."""

    __slots__ = ("name", "mac", "flags", "flags2", "pba", "max_hw_frame_size")

    def __init__(self, name: str, mac: int, flags: int, flags2: int, pba: int, max_hw_frame_size: int) -> None:
        self.name = name
        self.mac = mac
        self.flags = flags
        self.flags2 = flags2
        self.pba = pba  # KiB of packet buffer for receiving
        self.max_hw_frame_size = max_hw_frame_size


_ICH = FLAG_IS_ICH | FLAG_HAS_WOL | FLAG_HAS_CTRLEXT_ON_LOAD | FLAG_HAS_AMT | FLAG_HAS_FLASH | FLAG_APME_IN_WUC
_PCH_EEE = FLAG2_HAS_PHY_STATS | FLAG2_HAS_EEE
_NO_VLAN_TAG = VLAN_ETH_FRAME_LEN + ETH_FCS_LEN

BOARDS: Final[tuple[Board, ...]] = (
    Board(
        "board_82571",
        0,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_JUMBO_FRAMES
        | FLAG_HAS_WOL
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_CTRLEXT_ON_LOAD
        | FLAG_HAS_SMART_POWER_DOWN
        | FLAG_RESET_OVERWRITES_LAA
        | FLAG_TARC_SPEED_MODE_BIT
        | FLAG_APME_CHECK_PORT_B,
        FLAG2_DISABLE_ASPM_L1 | FLAG2_DMA_BURST,
        38,
        DEFAULT_JUMBO,
    ),
    Board(
        "board_82572",
        1,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_JUMBO_FRAMES
        | FLAG_HAS_WOL
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_CTRLEXT_ON_LOAD
        | FLAG_TARC_SPEED_MODE_BIT,
        FLAG2_DISABLE_ASPM_L1 | FLAG2_DMA_BURST,
        38,
        DEFAULT_JUMBO,
    ),
    Board(
        "board_82573",
        2,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_WOL
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_SMART_POWER_DOWN
        | FLAG_HAS_AMT
        | FLAG_HAS_SWSM_ON_LOAD,
        FLAG2_DISABLE_ASPM_L1 | FLAG2_DISABLE_ASPM_L0S,
        20,
        _NO_VLAN_TAG,
    ),
    Board(
        "board_82574",
        E1000_82574,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_MSIX
        | FLAG_HAS_JUMBO_FRAMES
        | FLAG_HAS_WOL
        | FLAG_HAS_HW_TIMESTAMP
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_SMART_POWER_DOWN
        | FLAG_HAS_AMT
        | FLAG_HAS_CTRLEXT_ON_LOAD,
        FLAG2_CHECK_PHY_HANG
        | FLAG2_DISABLE_ASPM_L0S
        | FLAG2_DISABLE_ASPM_L1
        | FLAG2_NO_DISABLE_RX
        | FLAG2_DMA_BURST
        | FLAG2_CHECK_SYSTIM_OVERFLOW,
        32,
        DEFAULT_JUMBO,
    ),
    Board(
        "board_82583",
        E1000_82583,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_WOL
        | FLAG_HAS_HW_TIMESTAMP
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_SMART_POWER_DOWN
        | FLAG_HAS_AMT
        | FLAG_HAS_JUMBO_FRAMES
        | FLAG_HAS_CTRLEXT_ON_LOAD,
        FLAG2_DISABLE_ASPM_L0S | FLAG2_DISABLE_ASPM_L1 | FLAG2_NO_DISABLE_RX | FLAG2_CHECK_SYSTIM_OVERFLOW,
        32,
        DEFAULT_JUMBO,
    ),
    Board(
        "board_80003es2lan",
        5,
        FLAG_HAS_HW_VLAN_FILTER
        | FLAG_HAS_JUMBO_FRAMES
        | FLAG_HAS_WOL
        | FLAG_APME_IN_CTRL3
        | FLAG_HAS_CTRLEXT_ON_LOAD
        | FLAG_RX_NEEDS_RESTART
        | FLAG_TARC_SET_BIT_ZERO
        | FLAG_APME_CHECK_PORT_B
        | FLAG_DISABLE_FC_PAUSE_TIME,
        FLAG2_DMA_BURST,
        38,
        DEFAULT_JUMBO,
    ),
    Board("board_ich8lan", 6, _ICH, 0, 8, _NO_VLAN_TAG),
    Board("board_ich9lan", 7, _ICH | FLAG_HAS_JUMBO_FRAMES, 0, 18, DEFAULT_JUMBO),
    Board("board_ich10lan", 8, _ICH | FLAG_HAS_JUMBO_FRAMES, 0, 18, DEFAULT_JUMBO),
    Board(
        "board_pchlan",
        9,
        _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_DISABLE_FC_PAUSE_TIME,
        FLAG2_HAS_PHY_STATS,
        26,
        4096,
    ),
    Board(
        "board_pch2lan",
        10,
        _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP,
        _PCH_EEE | FLAG2_CHECK_SYSTIM_OVERFLOW,
        26,
        9022,
    ),
    Board(
        "board_pch_lpt",
        11,
        _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP,
        _PCH_EEE | FLAG2_CHECK_SYSTIM_OVERFLOW,
        26,
        9022,
    ),
    Board("board_pch_spt", 12, _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP, _PCH_EEE, 26, 9022),
    Board("board_pch_cnp", 13, _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP, _PCH_EEE, 26, 9022),
    Board("board_pch_tgp", 14, _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP, _PCH_EEE, 26, 9022),
    Board("board_pch_adp", 15, _ICH | FLAG_HAS_JUMBO_FRAMES | FLAG_HAS_HW_TIMESTAMP, _PCH_EEE, 26, 9022),
)
"""In the order of Linux's board enumeration; the index is an id's driver_data."""

_IDS: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (0, (0x105E, 0x105F, 0x10A4, 0x10BC, 0x10A5, 0x1060, 0x10D9, 0x10DA, 0x10D5)),
    (1, (0x10B9, 0x107D, 0x107E, 0x107F)),
    (2, (0x108B, 0x108C, 0x109A)),
    (3, (0x10D3, 0x10F6)),
    (4, (0x150C,)),
    (5, (0x1096, 0x10BA, 0x1098, 0x10BB)),
    (6, (0x104C, 0x10C5, 0x10C4, 0x104A, 0x104B, 0x104D, 0x1049, 0x1501)),
    (7, (0x10C0, 0x10C2, 0x10C3, 0x10BD, 0x294C, 0x10E5, 0x10BF, 0x10F5, 0x10CB, 0x10CC, 0x10CD, 0x10CE)),
    (8, (0x10DE, 0x10DF, 0x1525)),
    (9, (0x10EA, 0x10EB, 0x10EF, 0x10F0)),
    (10, (0x1502, 0x1503)),
    (11, (0x153A, 0x153B, 0x155A, 0x1559, 0x15A0, 0x15A1, 0x15A2, 0x15A3)),
    (12, (0x156F, 0x1570, 0x15B7, 0x15B8, 0x15B9, 0x15D7, 0x15D8, 0x15E3, 0x15D6)),
    (13, (0x15BD, 0x15BE, 0x15BB, 0x15BC, 0x15DF, 0x15E0, 0x15E1, 0x15E2, 0x0D4E, 0x0D4F, 0x0D4C, 0x0D4D)),
    (12, (0x0D53, 0x0D55)),
    (14, (0x15FB, 0x15FC, 0x15F9, 0x15FA, 0x15F4, 0x15F5)),
    (
        15,
        (
            0x0DC5,
            0x0DC6,
            0x1A1E,
            0x1A1F,
            0x1A1C,
            0x1A1D,
            0x0DC7,
            0x0DC8,
            0x550A,
            0x550B,
            0x550C,
            0x550D,
            0x550E,
            0x550F,
            0x5510,
            0x5511,
        ),
    ),
)


def e1000_pci_tbl() -> list[PciDeviceId]:
    """The id table, in Linux's order."""
    return [PciDeviceId(0x8086, dev, board) for board, devs in _IDS for dev in devs]


class TxBuffer:
    """`struct e1000_buffer` of the transmit ring."""

    __slots__ = ("skb", "buf", "dma", "length", "time_stamp", "next_to_watch", "segs", "bytecount")

    def __init__(self) -> None:
        self.skb: SkBuff | None = None
        self.buf: Buffer | None = None
        self.dma = 0
        self.length = 0
        self.time_stamp = 0  # jiffies, 0 = empty
        self.next_to_watch = 0
        self.segs = 0
        self.bytecount = 0


class E1000Ring:
    """`struct e1000_ring`.  The receive side keeps its buffers in parallel lists, the transmit side in `tx`.

    A receive buffer's memory stays with its slot: `truesize[i]` stands for the skb that Linux keeps there (0
    = none).
    """

    __slots__ = (
        "adapter",
        "desc",
        "view",
        "dma_base",
        "size",
        "count",
        "next_to_use",
        "next_to_clean",
        "tail",
        "ims_val",
        "itr_val",
        "itr_register",
        "set_itr",
        "name",
        "tx",
        "bufs",
        "dma",
        "truesize",
        "pages",
        "page_dma",
        "rx_skb_top",
        "top_parts",
    )

    def __init__(self, adapter: E1000Adapter, count: int) -> None:
        self.adapter = adapter
        self.count = count
        self.desc: Buffer | None = None
        self.view = memoryview(b"")
        self.dma_base = 0
        self.size = 0
        self.next_to_use = 0
        self.next_to_clean = 0
        self.tail = 0
        self.ims_val = 0
        self.itr_val = 0
        self.itr_register = 0
        self.set_itr = False
        self.name = ""
        self.tx: list[TxBuffer] = []
        self.bufs: list[Buffer | None] = []
        self.dma: list[int] = []
        self.truesize: list[int] = []
        self.pages: list[list[Buffer]] = []
        self.page_dma: list[list[int]] = []
        self.rx_skb_top: SkBuff | None = None
        self.top_parts: list[bytes] = []

    def unused(self) -> int:
        """e1000_desc_unused: one slot always stays empty."""
        if self.next_to_clean > self.next_to_use:
            return self.next_to_clean - self.next_to_use - 1
        return self.count + self.next_to_clean - self.next_to_use - 1

    def take_over(self, o: E1000Ring) -> None:
        """memcpy of another ring's resources (its buffers, not its registers)."""
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
        self.truesize = o.truesize
        self.pages = o.pages
        self.page_dma = o.page_dma
        self.rx_skb_top = o.rx_skb_top


class HwStats:
    """`struct e1000_hw_stats`: what the clear-on-read registers added up to."""

    __slots__ = (
        "crcerrs",
        "algnerrc",
        "rxerrc",
        "mpc",
        "scc",
        "ecol",
        "mcc",
        "latecol",
        "colc",
        "dc",
        "tncrs",
        "cexterr",
        "xonrxc",
        "xontxc",
        "xoffrxc",
        "xofftxc",
        "gprc",
        "bprc",
        "mprc",
        "gptc",
        "gorc",
        "gotc",
        "rnbc",
        "ruc",
        "roc",
        "mgptc",
        "mgprc",
        "mgpdc",
        "tpt",
        "mptc",
        "bptc",
        "tsctc",
        "tsctfc",
    )

    def __init__(self) -> None:
        self.crcerrs = 0
        self.algnerrc = 0
        self.rxerrc = 0
        self.mpc = 0
        self.scc = 0
        self.ecol = 0
        self.mcc = 0
        self.latecol = 0
        self.colc = 0
        self.dc = 0
        self.tncrs = 0
        self.cexterr = 0
        self.xonrxc = 0
        self.xontxc = 0
        self.xoffrxc = 0
        self.xofftxc = 0
        self.gprc = 0
        self.bprc = 0
        self.mprc = 0
        self.gptc = 0
        self.gorc = 0
        self.gotc = 0
        self.rnbc = 0
        self.ruc = 0
        self.roc = 0
        self.mgptc = 0
        self.mgprc = 0
        self.mgpdc = 0
        self.tpt = 0
        self.mptc = 0
        self.bptc = 0
        self.tsctc = 0
        self.tsctfc = 0


class E1000Adapter:
    """`struct e1000_adapter`: everything about one port."""

    __slots__ = (
        "module",
        "pdev",
        "netdev",
        "net",
        "hw",
        "board",
        "flags",
        "flags2",
        "state",
        "max_hw_frame_size",
        "pba",
        "bd_number",
        "old_release",
        # parameters
        "tx_int_delay",
        "tx_abs_int_delay",
        "rx_int_delay",
        "rx_abs_int_delay",
        "itr",
        "itr_setting",
        "int_mode",
        # interrupts
        "num_vectors",
        "msix_entries",
        "eiac_mask",
        "test_icr",
        "regular_irq",
        # rings
        "tx_ring",
        "rx_ring",
        "tx_ring_count",
        "rx_ring_count",
        "napi",
        "rx_buffer_len",
        "rx_ps_bsize0",
        "rx_ps_pages",
        "clean_rx",
        "ps_allowed",
        "truesize_kernel",
        "truesize_atomic",
        "max_frame_size",
        "min_frame_size",
        "tx_fifo_limit",
        "txd_cmd",
        "test_tx_ring",
        "test_rx_ring",
        # moderation
        "rx_itr",
        "tx_itr",
        "total_rx_bytes",
        "total_rx_packets",
        "total_tx_bytes",
        "total_tx_packets",
        # statistics
        "stats",
        "hw_csum_good",
        "hw_csum_err",
        "rx_hdr_split",
        "alloc_rx_buff_failed",
        "rx_dma_failed",
        "tx_dma_failed",
        "tx_timeout_count",
        "restart_queue",
        "rx_hwtstamp_cleared",
        "tx_hwtstamp_timeouts",
        "tx_hwtstamp_skipped",
        "uncorr_errors",
        "corr_errors",
        "gorc",
        "gorc_old",
        "gotc",
        "gotc_old",
        "tpt_old",
        "colc_old",
        # link and management
        "link_speed",
        "link_duplex",
        "fc_autoneg",
        "wol",
        "eeprom_wol",
        "eeprom_vers",
        "msg_enable",
        "active_vlans",
        "watchdog_timer",
        "phy_info_timer",
        "reset_task",
        "watchdog_task",
        "update_phy_task",
        "print_hang_task",
        "detect_tx_hung",
        "tx_hang_recheck",
        "tx_timeout_factor",
        "phy_hang_count",
        "opening",
    )

    def __init__(self, module: ModuleLike, pdev: PciDev, netdev: E1000NetDevice, board: Board) -> None:
        kernel = pdev.kernel
        self.module = module
        self.pdev = pdev
        self.netdev = netdev
        self.net = netdev.net
        self.hw: E1000Hw | None = None
        self.board = board
        self.flags = board.flags
        self.flags2 = board.flags2
        self.state = 0
        self.max_hw_frame_size = board.max_hw_frame_size
        self.pba = board.pba
        self.bd_number = 0
        self.old_release = kernel.release.driver_banner_version
        self.tx_int_delay = 8
        self.tx_abs_int_delay = 32
        self.rx_int_delay = 0
        self.rx_abs_int_delay = 8
        self.itr = 20000
        self.itr_setting = 3
        self.int_mode = INT_MODE_LEGACY
        self.num_vectors = 1
        self.msix_entries: list[MsixEntry] = []
        self.eiac_mask = 0
        self.test_icr = 0
        self.regular_irq = False
        self.tx_ring = E1000Ring(self, 0)
        self.rx_ring = E1000Ring(self, 0)
        self.tx_ring_count = E1000_DEFAULT_TXD
        self.rx_ring_count = E1000_DEFAULT_RXD
        self.napi = netdev.e1000_napi
        self.rx_buffer_len = 0
        self.rx_ps_bsize0 = 128
        self.rx_ps_pages = 0
        self.clean_rx = CLEAN_RX_NORMAL
        self.ps_allowed = True  # PAGE_SIZE <= 16384
        self.truesize_kernel = 0
        self.truesize_atomic = 0
        self.max_frame_size = 0
        self.min_frame_size = 0
        self.tx_fifo_limit = 8096
        self.txd_cmd = 0
        self.test_tx_ring: E1000Ring | None = None
        self.test_rx_ring: E1000Ring | None = None
        self.rx_itr = LOW_LATENCY - 1
        self.tx_itr = LOW_LATENCY - 1
        self.total_rx_bytes = 0
        self.total_rx_packets = 0
        self.total_tx_bytes = 0
        self.total_tx_packets = 0
        self.stats = HwStats()
        self.hw_csum_good = 0
        self.hw_csum_err = 0
        self.rx_hdr_split = 0
        self.alloc_rx_buff_failed = 0
        self.rx_dma_failed = 0
        self.tx_dma_failed = 0
        self.tx_timeout_count = 0
        self.restart_queue = 0
        self.rx_hwtstamp_cleared = 0
        self.tx_hwtstamp_timeouts = 0
        self.tx_hwtstamp_skipped = 0
        self.uncorr_errors = 0
        self.corr_errors = 0
        self.gorc = 0
        self.gorc_old = 0
        self.gotc = 0
        self.gotc_old = 0
        self.tpt_old = 0
        self.colc_old = 0
        self.link_speed = 0
        self.link_duplex = 0
        self.fc_autoneg = True
        self.wol = 0
        self.eeprom_wol = 0
        self.eeprom_vers = 0
        self.msg_enable = 7  # drv, probe, link
        self.active_vlans = 0  # a bit a VLAN id
        self.watchdog_timer: TimerList | None = None
        self.phy_info_timer: TimerList | None = None
        self.reset_task: Work | None = None
        self.watchdog_task: Work | None = None
        self.update_phy_task: Work | None = None
        self.print_hang_task: Work | None = None
        self.detect_tx_hung = False
        self.tx_hang_recheck = False
        self.tx_timeout_factor = 0
        self.phy_hang_count = 0
        self.opening = False

    # --- log lines, as netdev_printk puts them together -----------------------------------------------------
    def netdev_printk(self, level: int, text: str) -> None:
        dev = self.netdev
        if self.old_release:
            name = dev.name if dev.registered else "(unregistered net_device)"
        else:
            name = dev.name if dev.registered else dev.name + " (uninitialized)"
        self.pdev.kernel.log.printk(level, "e1000e %s %s: %s" % (self.pdev.name, name, text))

    def e_info(self, text: str) -> None:
        self.netdev_printk(KERN_INFO, text)

    def e_warn(self, text: str) -> None:
        self.netdev_printk(KERN_WARNING, text)

    def e_err(self, text: str) -> None:
        self.netdev_printk(KERN_ERR, text)

    def link_line(self, text: str) -> None:
        """The link lines, which user tools parse: `NIC Link is ...`."""
        if self.old_release:
            self.pdev.kernel.log.info("e1000e: %s %s" % (self.netdev.name, text))
        else:
            self.netdev_printk(KERN_INFO, text)

    def running(self) -> bool:
        """netif_running: from the beginning of ndo_open to the beginning of ndo_stop."""
        return self.opening or self.netdev.running()

    def the_hw(self) -> E1000Hw:
        hw = self.hw
        assert hw is not None
        return hw
