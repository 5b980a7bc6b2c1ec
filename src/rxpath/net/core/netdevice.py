"""Net devices, NAPI contexts, softnet_data, and the `Net` that holds them: the structures of the core and
their registration.

What lives here: state, registration, open/close, flags, features, statistics.  What does not: the NAPI state machine
(napi.py), the way up (receive.py, gro.py, steering.py), the way out (xmit.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rxpath.kernel.core import CallSingle, Kernel
from rxpath.kernel.cpu import Cpu
from rxpath.kernel.errno import EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, linux_error
from rxpath.net.core.dql import Dql
from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.wire.ethernet import ETH_HLEN

if TYPE_CHECKING:
    from rxpath.kernel.sched import Task
    from rxpath.kernel.timer import HrTimer
    from rxpath.net.core.ethtool import EthtoolOps
    from rxpath.net.core.sock import Sock

ETH_P_ALL: Final = 0x0003

IFF_UP: Final = 0x1
IFF_BROADCAST: Final = 0x2
IFF_LOOPBACK: Final = 0x8
IFF_POINTOPOINT: Final = 0x10
IFF_RUNNING: Final = 0x40
IFF_NOARP: Final = 0x80
IFF_PROMISC: Final = 0x100
IFF_ALLMULTI: Final = 0x200
IFF_MULTICAST: Final = 0x1000

NETIF_F: Final[dict[str, int]] = {
    name: 1 << i
    for i, name in enumerate(
        (
            "rx",
            "tx-ip-generic",
            "sg",
            "tso",
            "tso6",
            "gso",
            "gro",
            "lro",
            "ntuple",
            "rxhash",
            "rxvlan",
            "txvlan",
            "rx-vlan-filter",
            "rx-fcs",
            "rx-all",
            "loopback",
            "highdma",
            "rx-gro-list",
            "rx-udp-gro-forwarding",
            "hw-tc-offload",
            "gro-hw",
            "tx-udp-segmentation",
        )
    )
}
NETIF_F_RXCSUM: Final = NETIF_F["rx"]
NETIF_F_HW_CSUM: Final = NETIF_F["tx-ip-generic"]
NETIF_F_SG: Final = NETIF_F["sg"]
NETIF_F_TSO: Final = NETIF_F["tso"]
NETIF_F_GSO: Final = NETIF_F["gso"]
NETIF_F_GRO: Final = NETIF_F["gro"]
NETIF_F_LRO: Final = NETIF_F["lro"]
NETIF_F_NTUPLE: Final = NETIF_F["ntuple"]
NETIF_F_RXHASH: Final = NETIF_F["rxhash"]
NETIF_F_HW_VLAN_CTAG_RX: Final = NETIF_F["rxvlan"]
NETIF_F_HW_VLAN_CTAG_TX: Final = NETIF_F["txvlan"]
NETIF_F_HW_VLAN_CTAG_FILTER: Final = NETIF_F["rx-vlan-filter"]
NETIF_F_RXFCS: Final = NETIF_F["rx-fcs"]
NETIF_F_RXALL: Final = NETIF_F["rx-all"]
NETIF_F_LOOPBACK: Final = NETIF_F["loopback"]
NETIF_F_GRO_FRAGLIST: Final = NETIF_F["rx-gro-list"]
NETIF_F_GRO_UDP_FWD: Final = NETIF_F["rx-udp-gro-forwarding"]

NAPI_STATE_SCHED: Final = 1 << 0
NAPI_STATE_MISSED: Final = 1 << 1
NAPI_STATE_DISABLE: Final = 1 << 2
NAPI_STATE_NPSVC: Final = 1 << 3
NAPI_STATE_LISTED: Final = 1 << 4
NAPI_STATE_NO_BUSY_POLL: Final = 1 << 5
NAPI_STATE_IN_BUSY_POLL: Final = 1 << 6
NAPI_STATE_PREFER_BUSY_POLL: Final = 1 << 7
NAPI_STATE_THREADED: Final = 1 << 8
NAPI_STATE_SCHED_THREADED: Final = 1 << 9

NAPI_POLL_WEIGHT: Final = 64
GRO_HASH_BUCKETS: Final = 8
MIN_NAPI_ID: Final = 0x2000  # above every possible CPU number (here: NR_CPUS 8192)

IFNAMSIZ: Final = 16
NETDEV_UP: Final = "NETDEV_UP"
NETDEV_DOWN: Final = "NETDEV_DOWN"
NETDEV_GOING_DOWN: Final = "NETDEV_GOING_DOWN"
NETDEV_REGISTER: Final = "NETDEV_REGISTER"
NETDEV_UNREGISTER: Final = "NETDEV_UNREGISTER"
NETDEV_CHANGE: Final = "NETDEV_CHANGE"
NETDEV_CHANGEMTU: Final = "NETDEV_CHANGEMTU"
NETDEV_CHANGEADDR: Final = "NETDEV_CHANGEADDR"
NETDEV_CHANGENAME: Final = "NETDEV_CHANGENAME"
NETDEV_CHANGEQUEUES: Final = "the real number of queues changed"  # Linux calls the kobject code directly

STAT_FIELDS: Final = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "multicast",
    "collisions",
    "rx_length_errors",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_fifo_errors",
    "rx_missed_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
    "tx_window_errors",
    "rx_compressed",
    "tx_compressed",
    "rx_nohandler",
    "rx_otherhost_dropped",
)


class RtnlLinkStats64:
    """`struct rtnl_link_stats64`."""

    __slots__ = STAT_FIELDS

    def __init__(self) -> None:
        self.rx_packets = 0
        self.tx_packets = 0
        self.rx_bytes = 0
        self.tx_bytes = 0
        self.rx_errors = 0
        self.tx_errors = 0
        self.rx_dropped = 0
        self.tx_dropped = 0
        self.multicast = 0
        self.collisions = 0
        self.rx_length_errors = 0
        self.rx_over_errors = 0
        self.rx_crc_errors = 0
        self.rx_frame_errors = 0
        self.rx_fifo_errors = 0
        self.rx_missed_errors = 0
        self.tx_aborted_errors = 0
        self.tx_carrier_errors = 0
        self.tx_fifo_errors = 0
        self.tx_heartbeat_errors = 0
        self.tx_window_errors = 0
        self.rx_compressed = 0
        self.tx_compressed = 0
        self.rx_nohandler = 0
        self.rx_otherhost_dropped = 0

    def as_dict(self) -> dict[str, int]:
        return {f: int(getattr(self, f)) for f in STAT_FIELDS}


class PacketType:
    """`struct packet_type`: subclass and implement `func` (and `list_func` when `has_list_func`).

    `type`: ethertype, or ETH_P_ALL for a tap.  `dev`: only this device, or None.  `name`: the symbol that
    /proc/net/ptype prints.
    """

    __slots__ = ("type", "dev", "name", "has_list_func", "ignore_outgoing", "observer", "af_packet_sk")

    def __init__(self, type_: int, name: str, dev: NetDevice | None = None) -> None:
        self.type = type_
        self.dev = dev
        self.name = name
        self.has_list_func = False
        self.ignore_outgoing = False
        self.observer = False  # only looks: its copies hold no token of the ledger
        self.af_packet_sk: Sock | None = None

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        raise NotImplementedError

    def list_func(self, skbs: list[SkBuff], dev: NetDevice, orig_dev: NetDevice) -> None:
        raise NotImplementedError


class PacketOffload:
    """`struct packet_offload`: GRO callbacks of an ethertype; see gro.py."""

    __slots__ = ("type",)

    def __init__(self, type_: int) -> None:
        self.type = type_

    def gro_receive(self, napi: NapiStruct, held: list[SkBuff], skb: SkBuff) -> SkBuff | None:
        """Look for a packet among `held` to merge with; the one to be completed now, or None."""
        raise NotImplementedError

    def gro_complete(self, skb: SkBuff, nhoff: int) -> None:
        raise NotImplementedError

    def gso_segment(self, skb: SkBuff) -> list[SkBuff]:
        """The frames that a packet of several segments is cut into; the packet itself is not freed."""
        raise NotImplementedError


class NapiStruct:
    """`struct napi_struct`: subclass in a driver and implement `poll(budget) -> work`."""

    __slots__ = (
        "dev",
        "net",
        "state",
        "weight",
        "napi_id",
        "gro_hash",
        "gro_bitmask",
        "rx_list",
        "rx_count",
        "gro_count",
        "timer",
        "defer_hard_irqs_count",
        "thread",
        "list_owner",
        "on_list",
        "poll_owner",
        "index",
    )

    def __init__(self, net: Net, dev: NetDevice | None, weight: int = NAPI_POLL_WEIGHT) -> None:
        self.dev = dev
        self.net = net
        self.state = 0
        self.weight = weight
        self.napi_id = 0
        self.gro_hash: list[list[SkBuff]] = [[] for _ in range(GRO_HASH_BUCKETS)]
        self.gro_bitmask = 0
        self.gro_count = 0
        self.rx_list: list[SkBuff] = []
        self.rx_count = 0
        self.timer: HrTimer | None = None
        self.defer_hard_irqs_count = 0
        self.thread: Task | None = None
        self.list_owner = -1
        self.on_list = False
        self.poll_owner = -1
        self.index = 0

    def poll(self, budget: int) -> int:
        """Harvest up to `budget` frames; returns how many.  Less than `budget` means: napi_complete_done was
        called.
        """
        raise NotImplementedError


class NetRxQueue:
    """`struct netdev_rx_queue`: the steering tables of one receive queue."""

    __slots__ = ("index", "rps_map", "rps_flow_table", "rps_mask", "rps_flow_cnt")

    def __init__(self, index: int) -> None:
        self.index = index
        self.rps_map: list[int] | None = None  # CPUs, ascending
        self.rps_mask = 0
        self.rps_flow_cnt = 0
        self.rps_flow_table: Any = None  # RpsDevFlow by index, below rps_flow_cnt, of the flows that came


class NetdevQueue:
    """`struct netdev_queue`: one transmit queue with its qdisc (a FIFO; see xmit.py)."""

    __slots__ = (
        "index",
        "dev",
        "stopped",
        "stack_xoff",
        "dql",
        "q",
        "limit",
        "xps_mask",
        "running",
        "sched_pending",
        "drops",
        "requeued",
        "bytes",
        "packets",
        "trans_start",
        "bql_hold_ms",
    )

    def __init__(self, dev: NetDevice, index: int) -> None:
        self.index = index
        self.dev = dev
        self.stopped = True
        self.stack_xoff = False  # byte queue limits say wait
        self.dql = Dql()
        self.q: deque[SkBuff] = deque()
        self.limit = 10240
        self.xps_mask = 0
        self.running = False
        self.sched_pending = False
        self.drops = 0
        self.requeued: SkBuff | None = None
        self.bytes = 0
        self.packets = 0
        self.trans_start = 0
        self.bql_hold_ms = 1000  # how long a slack is watched before the byte limit shrinks


class NetDevice:
    """`struct net_device` with its net_device_ops as virtual methods: subclass in a driver."""

    __slots__ = (
        "net",
        "name",
        "ifindex",
        "mtu",
        "min_mtu",
        "max_mtu",
        "flags",
        "dev_addr",
        "perm_addr",
        "broadcast",
        "type",
        "hard_header_len",
        "features",
        "hw_features",
        "vlan_features",
        "wanted_features",
        "napi_list",
        "rx_queues",
        "tx_queues",
        "real_num_rx_queues",
        "real_num_tx_queues",
        "core_rx_dropped",
        "core_tx_dropped",
        "core_rx_nohandler",
        "core_rx_otherhost",
        "carrier_ok",
        "carrier_up_count",
        "carrier_down_count",
        "present",
        "ptype_all",
        "ptype_specific",
        "rx_handler",
        "promiscuity",
        "allmulti",
        "mc",
        "uc",
        "gro_flush_timeout",
        "napi_defer_hard_irqs",
        "threaded",
        "watchdog_timeo",
        "ethtool_ops",
        "parent",
        "irq",
        "tx_queue_len",
        "fq",
        "addr_assign_type",
        "vlan_devs",
        "real_dev",
        "vlan_id",
        "registered",
        "ip_ptr",
        "gro_max_size",
        "takes_gso",
        "needs_free",
        "is_loopback",
        "noarp",
        "dormant",
        "link_mode",
        "qdisc_name",
        "fixed_features",
        "on_transmit",
        "attr",
    )

    def __init__(self, net: Net, name: str, *, rxqs: int = 1, txqs: int = 1) -> None:
        self.net = net
        self.name = name
        self.ifindex = 0
        self.mtu = 1500
        self.min_mtu = 68
        self.max_mtu = 1500
        self.flags = IFF_BROADCAST | IFF_MULTICAST
        self.dev_addr = b"\0" * 6
        self.perm_addr = b"\0" * 6
        self.broadcast = b"\xff" * 6
        self.type = 1  # ARPHRD_ETHER
        self.hard_header_len = ETH_HLEN
        self.features = NETIF_F_GRO | NETIF_F_GSO
        self.hw_features = NETIF_F_GRO | NETIF_F_GSO
        self.vlan_features = 0
        self.wanted_features = 0
        self.fixed_features = 0
        self.napi_list: list[NapiStruct] = []
        self.rx_queues = [NetRxQueue(i) for i in range(rxqs)]
        self.tx_queues = [NetdevQueue(self, i) for i in range(txqs)]
        self.real_num_rx_queues = rxqs
        self.real_num_tx_queues = txqs
        self.core_rx_dropped = 0
        self.core_tx_dropped = 0
        self.core_rx_nohandler = 0
        self.core_rx_otherhost = 0
        self.carrier_ok = True
        self.carrier_up_count = 0
        self.carrier_down_count = 0
        self.present = True
        self.ptype_all: list[PacketType] = []
        self.ptype_specific: list[PacketType] = []
        self.rx_handler: RxHandler | None = None
        self.promiscuity = 0
        self.allmulti = 0
        self.mc: dict[bytes, int] = {}
        self.uc: dict[bytes, int] = {}
        self.gro_flush_timeout = 0
        self.napi_defer_hard_irqs = 0
        self.threaded = False
        self.watchdog_timeo = 5
        self.ethtool_ops: EthtoolOps | None = None
        self.parent: Any = None  # the PCI device
        self.irq = 0
        self.tx_queue_len = 1000
        self.fq = False  # the queue discipline asks TCP for its pace
        self.addr_assign_type = 0
        self.vlan_devs: dict[int, NetDevice] = {}
        self.real_dev: NetDevice | None = None
        self.vlan_id = -1
        self.registered = False
        self.ip_ptr: Any = None  # struct in_device
        self.gro_max_size = 65536
        self.takes_gso = False  # the driver cuts TCP super-packets itself (TSO)
        self.needs_free = False
        self.is_loopback = False
        self.noarp = False
        self.dormant = False
        self.link_mode = 0
        self.qdisc_name = "noop"
        self.on_transmit: Callable[[SkBuff], None] | None = None
        self.attr: dict[str, Any] = {}

    # --- net_device_ops: what a driver overrides ------------------------------------------------------------
    def ndo_init(self) -> None:
        """Late part of registration."""

    def ndo_uninit(self) -> None:
        """First part of unregistration."""

    def ndo_open(self) -> None:
        """Bring the device up.  Raises OSError; then everything it did is undone."""

    def ndo_stop(self) -> None:
        """Bring the device down."""

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        """Send; 0 = NETDEV_TX_OK, 16 = NETDEV_TX_BUSY."""
        raise NotImplementedError

    def ndo_select_queue(self, skb: SkBuff) -> int:
        """-1: the core chooses."""
        return -1

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        """Fill the driver's statistics; the core adds its own drops."""

    def ndo_set_rx_mode(self) -> None:
        """Unicast, multicast lists or promiscuity changed."""

    def ndo_set_mac_address(self, addr: bytes) -> None:
        raise linux_error(EOPNOTSUPP, self.name)

    def ndo_change_mtu(self, new_mtu: int) -> None:
        """Range was checked by the core; store it and adapt."""
        self.mtu = new_mtu

    def ndo_do_ioctl(self, cmd: int, ifr: bytearray) -> None:
        raise linux_error(EOPNOTSUPP, self.name)

    def ndo_tx_timeout(self, txqueue: int) -> None:
        """The watchdog saw a stopped queue."""

    def ndo_vlan_rx_add_vid(self, proto: int, vid: int) -> None:
        """A VLAN device with this id was made."""

    def ndo_vlan_rx_kill_vid(self, proto: int, vid: int) -> None:
        """It is gone."""

    def ndo_fix_features(self, features: int) -> int:
        return features

    def ndo_set_features(self, features: int) -> None:
        """Change hardware for `features` (already checked)."""

    def ndo_set_vf_mac(self, vf: int, mac: bytes) -> None:
        raise linux_error(EOPNOTSUPP, self.name)

    # --- convenience ----------------------------------------------------------------------------------------
    def running(self) -> bool:
        return bool(self.flags & IFF_UP)

    def operstate(self) -> str:
        if not self.flags & IFF_UP:
            return "down"
        if self.is_loopback:
            return "unknown"
        return "up" if self.carrier_ok else "down"

    def rx_in_flight(self) -> int:
        """Wire frames in this device's rings: written by the device and not yet harvested."""
        return 0

    def __repr__(self) -> str:
        return f"<{self.name}>"


RX_HANDLER_CONSUMED: Final = 0
RX_HANDLER_ANOTHER: Final = 1
RX_HANDLER_EXACT: Final = 2
RX_HANDLER_PASS: Final = 3


class RxHandler:
    """A bridge, a bond, a macvlan: sees every frame of the device after taps."""

    __slots__ = ()

    def handle(self, skb: SkBuff) -> int:
        raise NotImplementedError


class RpsRemote(CallSingle):
    """softnet_data.csd: what an RPS IPI runs on the target CPU (rps_trigger_softirq)."""

    __slots__ = ("sd",)

    def __init__(self, sd: SoftnetData) -> None:
        super().__init__()
        self.sd = sd

    def func(self, cpu: Cpu) -> None:
        self.sd.rps_trigger_softirq()


class SoftnetData:
    """`struct softnet_data`: the receive state of one CPU."""

    __slots__ = (
        "net",
        "cpu",
        "poll_list",
        "process_queue",
        "input_pkt_queue",
        "backlog",
        "processed",
        "dropped",
        "time_squeeze",
        "received_rps",
        "cpu_collision",
        "flow_limit",
        "flow_limit_count",
        "rps_ipi_list",
        "csd",
        "output_queue",
        "completion_queue",
        "input_queue_head",
        "input_queue_tail",
        "in_net_rx_action",
        "in_napi_threaded_poll",
        "defer_list",
        "trigger",
        "xmit_recursion",
        "gro_held",
    )

    def __init__(self, net: Net, cpu: Cpu) -> None:
        self.net = net
        self.cpu = cpu
        self.poll_list: list[NapiStruct] = []
        self.process_queue: deque[SkBuff] = deque()
        self.input_pkt_queue: deque[SkBuff] = deque()
        self.backlog: NapiStruct | None = None
        self.processed = 0
        self.dropped = 0
        self.time_squeeze = 0
        self.received_rps = 0
        self.cpu_collision = 0
        self.flow_limit: Any = None
        self.flow_limit_count = 0
        self.rps_ipi_list: list[SoftnetData] = []
        self.csd = RpsRemote(self)
        self.output_queue: list[NetdevQueue] = []
        self.completion_queue: list[SkBuff] = []
        self.input_queue_head = 0
        self.input_queue_tail = 0
        self.in_net_rx_action = False
        self.in_napi_threaded_poll = False
        self.defer_list: list[SkBuff] = []
        self.trigger: Callable[[SoftnetData], None] | None = None
        self.xmit_recursion = 0

    def rps_trigger_softirq(self) -> None:
        if self.trigger is not None:
            self.trigger(self)


Notifier = Callable[[str, NetDevice], None]


class Net:
    """The network namespace (one a machine) and the core's global state."""

    __slots__ = (
        "kernel",
        "devices",
        "by_index",
        "by_name",
        "next_ifindex",
        "ptype_all",
        "ptype_base",
        "ptype_specific",
        "offloads",
        "softnet",
        "next_napi_id",
        "napi_hash",
        "notifiers",
        "tstamp_needed",
        "ipv4",
        "packet",
        "netfilter",
        "loopback",
        "rps_needed",
        "rps_sock_flow_table",
        "rps_cpu_mask",
        "rps_flow",
        "rfs_needed",
        "sockets",
        # sysctls of net.core
        "netdev_budget",
        "netdev_budget_usecs",
        "dev_weight",
        "dev_weight_rx_bias",
        "dev_weight_tx_bias",
        "dev_rx_weight",
        "dev_tx_weight",
        "netdev_max_backlog",
        "netdev_tstamp_prequeue",
        "gro_normal_batch",
        "gro_list8",
        "rmem_default",
        "rmem_max",
        "wmem_default",
        "wmem_max",
        "optmem_max",
        "somaxconn",
        "rps_sock_flow_entries",
        "flow_limit_cpu_bitmap",
        "flow_limit_table_len",
        "busy_read",
        "busy_poll",
        "rps_default_mask",
        "max_skb_frags",
        "default_qdisc",
        "rss_key",
        "message_cost",
        "message_burst",
        "tstamp_allow_data",
        "skb_defer_max",
        # hooks of whoever measures
        "on_socket",
        "on_delivered",
        "next_inode",
        "sock_owners",
        "capture_hooks",
        "rx_skb_hooks",
        "hash_secret",
        "next_cookie",
    )

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.devices: list[NetDevice] = []
        self.by_index: dict[int, NetDevice] = {}
        self.by_name: dict[str, NetDevice] = {}
        self.next_ifindex = 1
        self.ptype_all: list[PacketType] = []
        self.ptype_base: list[list[PacketType]] = [[] for _ in range(16)]
        self.ptype_specific: list[PacketType] = []
        self.offloads: dict[int, PacketOffload] = {}
        self.softnet: list[SoftnetData] = []
        self.next_napi_id = MIN_NAPI_ID
        self.napi_hash: dict[int, NapiStruct] = {}
        self.notifiers: list[Notifier] = []
        self.tstamp_needed = 0
        self.ipv4: Any = None
        self.packet: Any = None
        self.netfilter: Any = None
        self.loopback: NetDevice | None = None
        self.rps_needed = 0
        self.rfs_needed = 0
        self.rps_sock_flow_table: dict[int, int] | None = None  # by index, below rps_sock_flow_entries; absent: unset
        self.rps_cpu_mask = (1 << (len(kernel.cpus) - 1).bit_length()) - 1 if len(kernel.cpus) > 1 else 0
        self.rps_flow: Any = None  # the RFS entry that get_rps_cpu chose by, for enqueue_to_backlog
        self.sockets: list[Sock] = []
        r = kernel.release
        self.netdev_budget = r.netdev_budget
        self.netdev_budget_usecs = r.budget_usecs_per_hz // kernel.hz
        self.dev_weight = 64
        self.dev_weight_rx_bias = 1
        self.dev_weight_tx_bias = 1
        self.dev_rx_weight = 64
        self.dev_tx_weight = 64
        self.netdev_max_backlog = 1000
        self.netdev_tstamp_prequeue = 1
        self.gro_normal_batch = r.gro_normal_batch
        self.gro_list8 = r.gro_storage == "list8"
        self.rmem_default = 212992
        self.rmem_max = r.rmem_max
        self.wmem_default = 212992
        self.wmem_max = r.wmem_max
        self.optmem_max = r.optmem_max
        self.somaxconn = r.somaxconn
        self.rps_sock_flow_entries = 0
        self.flow_limit_cpu_bitmap = 0
        self.flow_limit_table_len = 4096
        self.busy_read = 0
        self.busy_poll = 0
        self.rps_default_mask = 0
        self.max_skb_frags = 17
        self.default_qdisc = r.default_qdisc
        self.rss_key = b""
        self.message_cost = 5
        self.message_burst = 10
        self.tstamp_allow_data = 1
        self.skb_defer_max = 64
        self.on_socket: Callable[[SkBuff], None] | None = None  # a frame entered a socket's queue
        self.on_delivered: Callable[[SkBuff], None] | None = None  # a program read it
        self.capture_hooks: list[Callable[[SkBuff, NetDevice], None]] = []
        self.rx_skb_hooks: list[Callable[[SkBuff], None]] = []
        self.next_inode = 10000
        self.sock_owners: dict[int, tuple[str, int, int]] = {}  # inode -> (program, pid, descriptor)
        self.next_cookie = 1
        self.hash_secret = kernel.rng("flow hash").getrandbits(128)

    # --- notifiers ------------------------------------------------------------------------------------------
    def call_netdevice_notifiers(self, event: str, dev: NetDevice) -> None:
        for fn in list(self.notifiers):
            fn(event, dev)

    def dev_get_by_name(self, name: str) -> NetDevice:
        """Raises OSError(ENODEV)."""
        d = self.by_name.get(name)
        if d is None:
            raise linux_error(ENODEV, name)
        return d


# --- registration -------------------------------------------------------------------------------------------


def dev_add_pack(net: Net, pt: PacketType) -> None:
    """Register a protocol handler or a tap (newest first in its list).

    Since 6.15 sockets' packet types without a device hang on their namespace and come after the protocols.
    """
    if pt.type == ETH_P_ALL:
        (net.ptype_all if pt.dev is None else pt.dev.ptype_all).insert(0, pt)
    elif pt.dev is None and pt.af_packet_sk is not None and net.kernel.release.packet_chains_per_net:
        net.ptype_specific.insert(0, pt)
    elif pt.dev is None:
        net.ptype_base[pt.type & 15].insert(0, pt)
    else:
        pt.dev.ptype_specific.insert(0, pt)


def dev_remove_pack(net: Net, pt: PacketType) -> None:
    for lst in (net.ptype_all, net.ptype_specific, *net.ptype_base):
        if pt in lst:
            lst.remove(pt)
            return
    if pt.dev is not None:
        for lst in (pt.dev.ptype_all, pt.dev.ptype_specific):
            if pt in lst:
                lst.remove(pt)
                return


def dev_add_offload(net: Net, po: PacketOffload) -> None:
    net.offloads[po.type] = po


def dev_alloc_name(net: Net, pattern: str) -> str:
    """`eth%d` -> the first free number."""
    if "%d" not in pattern:
        if pattern in net.by_name:
            raise linux_error(EEXIST, pattern)
        return pattern
    i = 0
    while pattern % i in net.by_name:
        i += 1
    return pattern % i


def dev_valid_name(name: str) -> bool:
    """(net/core/dev.c)"""
    if not name or len(name.encode()) >= IFNAMSIZ or name in (".", ".."):
        return False
    return not any(c in "/:" or c.isspace() for c in name)


def dev_change_name(dev: NetDevice, newname: str) -> None:
    """`ip link set DEV name NEW`.  Raises EBUSY (up, before 6.2), EINVAL (no name), EEXIST (somebody else's)."""
    net = dev.net
    if dev.flags & IFF_UP and not net.kernel.release.live_rename:
        raise linux_error(EBUSY, dev.name)
    if newname == dev.name:
        return
    if not dev_valid_name(newname):
        raise linux_error(EINVAL, newname)
    if "%" in newname:
        newname = dev_alloc_name(net, newname)
    elif newname in net.by_name:
        raise linux_error(EEXIST, newname)
    old = dev.name
    pdev = dev.parent
    where = f"{pdev.driver.name} {pdev.name} " if pdev is not None and pdev.driver is not None else ""
    dev.attr["old_name"] = old
    dev.attr["name_assign_type"] = 4
    del net.by_name[old]
    dev.name = newname
    net.by_name[newname] = dev
    net.kernel.log.info(f"{where}{newname}: renamed from {old}")
    net.call_netdevice_notifiers(NETDEV_CHANGENAME, dev)


def register_netdev(dev: NetDevice) -> None:
    """Give the device a name and an index and tell everybody.  Raises OSError(EEXIST)."""
    net = dev.net
    dev.name = dev_alloc_name(net, dev.name)
    dev.ifindex = net.next_ifindex
    net.next_ifindex += 1
    dev.ndo_init()
    dev.wanted_features = dev.features & dev.hw_features
    dev.registered = True
    net.devices.append(dev)
    net.by_index[dev.ifindex] = dev
    net.by_name[dev.name] = dev
    net.call_netdevice_notifiers(NETDEV_REGISTER, dev)


def unregister_netdev(dev: NetDevice) -> None:
    net = dev.net
    if not dev.registered:
        return
    if dev.flags & IFF_UP:
        dev_close(dev)
    net.call_netdevice_notifiers(NETDEV_UNREGISTER, dev)
    dev.ndo_uninit()
    dev.registered = False
    net.devices.remove(dev)
    net.by_index.pop(dev.ifindex, None)
    net.by_name.pop(dev.name, None)


def dev_open(dev: NetDevice) -> None:
    """`ip link set up`: __dev_open, then IFF_UP notifiers.  Raises what ndo_open raises, or ENODEV."""
    if dev.flags & IFF_UP:
        return
    if not dev.present:
        raise linux_error(ENODEV, dev.name)
    __dev_open(dev)
    dev.net.call_netdevice_notifiers(NETDEV_UP, dev)


def __dev_open(dev: NetDevice) -> None:
    dev.ndo_open()
    dev.flags |= IFF_UP
    for q in dev.tx_queues:
        q.limit = 10240
    if dev.qdisc_name == "noop":  # attached once, and kept while the device is down
        several = len(dev.tx_queues) > 1
        dev.qdisc_name = "noqueue" if dev.is_loopback else "mq" if several else dev.net.default_qdisc
    dev.ndo_set_rx_mode()


def dev_close(dev: NetDevice) -> None:
    """`ip link set down`."""
    if not dev.flags & IFF_UP:
        return
    dev.net.call_netdevice_notifiers(NETDEV_GOING_DOWN, dev)
    dev.flags &= ~IFF_UP
    for q in dev.tx_queues:
        while q.q:
            from rxpath.net.core.xmit import SITE_TX_DOWN

            kfree_skb_reason(q.q.popleft(), SITE_TX_DOWN)
    dev.ndo_stop()
    dev.net.call_netdevice_notifiers(NETDEV_DOWN, dev)


def dev_set_mtu(dev: NetDevice, mtu: int) -> None:
    """Raises OSError(EINVAL) outside of the device's range."""
    if mtu == dev.mtu:
        return
    if mtu < dev.min_mtu or mtu > dev.max_mtu:
        raise linux_error(
            EINVAL, "mtu less than device minimum" if mtu < dev.min_mtu else "mtu greater than device maximum"
        )
    dev.ndo_change_mtu(mtu)
    dev.net.call_netdevice_notifiers(NETDEV_CHANGEMTU, dev)


def dev_set_mac_address(dev: NetDevice, addr: bytes) -> None:
    if len(addr) != 6:
        raise linux_error(EINVAL, dev.name)
    if addr[0] & 1 or addr == b"\0" * 6:  # every driver's own is_valid_ether_addr
        raise linux_error(EADDRNOTAVAIL, dev.name)
    dev.ndo_set_mac_address(addr)
    dev.addr_assign_type = 3
    dev.net.call_netdevice_notifiers(NETDEV_CHANGEADDR, dev)


def dev_set_promiscuity(dev: NetDevice, inc: int) -> None:
    old = dev.promiscuity
    dev.promiscuity += inc
    if bool(old) != bool(dev.promiscuity):
        if dev.promiscuity:
            dev.flags |= IFF_PROMISC
            dev.net.kernel.log.info("device %s entered promiscuous mode" % dev.name)
        else:
            dev.flags &= ~IFF_PROMISC
            dev.net.kernel.log.info("device %s left promiscuous mode" % dev.name)
        if dev.flags & IFF_UP:
            dev.ndo_set_rx_mode()


def dev_set_allmulti(dev: NetDevice, inc: int) -> None:
    old = dev.allmulti
    dev.allmulti += inc
    if bool(old) != bool(dev.allmulti):
        dev.flags = dev.flags | IFF_ALLMULTI if dev.allmulti else dev.flags & ~IFF_ALLMULTI
        if dev.flags & IFF_UP:
            dev.ndo_set_rx_mode()


def dev_mc_add(dev: NetDevice, addr: bytes) -> None:
    n = dev.mc.get(addr, 0)
    dev.mc[addr] = n + 1
    if n == 0 and dev.flags & IFF_UP:
        dev.ndo_set_rx_mode()


def dev_mc_del(dev: NetDevice, addr: bytes) -> None:
    n = dev.mc.get(addr, 0)
    if n > 1:
        dev.mc[addr] = n - 1
    elif n == 1:
        del dev.mc[addr]
        if dev.flags & IFF_UP:
            dev.ndo_set_rx_mode()


def netif_carrier_on(dev: NetDevice) -> None:
    if not dev.carrier_ok:
        dev.carrier_ok = True
        dev.carrier_up_count += 1
        dev.net.call_netdevice_notifiers(NETDEV_CHANGE, dev)


def netif_carrier_off(dev: NetDevice) -> None:
    if dev.carrier_ok:
        dev.carrier_ok = False
        dev.carrier_down_count += 1
        dev.net.call_netdevice_notifiers(NETDEV_CHANGE, dev)


def dev_get_stats(dev: NetDevice) -> RtnlLinkStats64:
    """The driver's statistics plus what the core counted."""
    s = RtnlLinkStats64()
    dev.ndo_get_stats64(s)
    s.rx_dropped += dev.core_rx_dropped
    s.tx_dropped += dev.core_tx_dropped
    s.rx_nohandler += dev.core_rx_nohandler
    s.rx_otherhost_dropped += dev.core_rx_otherhost
    return s


def netif_set_real_num_rx_queues(dev: NetDevice, n: int) -> None:
    if n < 1 or n > len(dev.rx_queues):
        raise linux_error(EINVAL, dev.name)
    changed = dev.real_num_rx_queues != n
    dev.real_num_rx_queues = n
    if changed and dev.ifindex:
        dev.net.call_netdevice_notifiers(NETDEV_CHANGEQUEUES, dev)


def netif_set_real_num_tx_queues(dev: NetDevice, n: int) -> None:
    if n < 1 or n > len(dev.tx_queues):
        raise linux_error(EINVAL, dev.name)
    changed = dev.real_num_tx_queues != n
    dev.real_num_tx_queues = n
    if changed and dev.ifindex:
        dev.net.call_netdevice_notifiers(NETDEV_CHANGEQUEUES, dev)


def netdev_update_features(dev: NetDevice) -> bool:
    """Recompute features from what the user wants and the driver allows; True when they changed.  Raises what
    ndo_set_features raises.
    """
    features = (dev.features & ~dev.hw_features) | (dev.wanted_features & dev.hw_features)
    features = dev.ndo_fix_features(features)
    if features == dev.features:
        return False
    dev.ndo_set_features(features)
    dev.features = features
    return True


def netif_napi_add(dev: NetDevice, napi: NapiStruct, weight: int = NAPI_POLL_WEIGHT) -> None:
    """Link a NAPI to its device; it stays disabled (SCHED and NPSVC set) until napi_enable."""
    net = dev.net
    napi.weight = weight
    if weight > NAPI_POLL_WEIGHT:
        net.kernel.log.err("netif_napi_add_weight() called with weight %d" % weight)
    napi.state = NAPI_STATE_SCHED | NAPI_STATE_NPSVC
    net.next_napi_id += 1
    napi.napi_id = net.next_napi_id
    napi.state |= NAPI_STATE_LISTED
    net.napi_hash[napi.napi_id] = napi
    napi.index = len(dev.napi_list)
    dev.napi_list.append(napi)
    if dev.threaded:
        from rxpath.net.core.napi import napi_kthread_create

        napi_kthread_create(napi)


def netif_napi_del(napi: NapiStruct) -> None:
    dev = napi.dev
    if dev is not None and napi in dev.napi_list:
        dev.napi_list.remove(napi)
    napi.net.napi_hash.pop(napi.napi_id, None)
    napi.state &= ~NAPI_STATE_LISTED
    if napi.thread is not None:
        napi.net.kernel.sched.kthread_stop(napi.thread)
        napi.thread = None
