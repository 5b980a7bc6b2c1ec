"""/sys/class/net/DEV: attributes, statistics, and the steering files of its queues.

Facts: net/core/net-sysfs.c (3.13, 5.15, 6.1, 6.12); refusals of masks recorded on 6.1.
"""

from __future__ import annotations

from collections.abc import Callable

from rxpath.formats import cpumask
from rxpath.kernel.errno import EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, ERANGE, linux_error
from rxpath.kernel.sysctl import parse_ints
from rxpath.net.core.dql import DQL_MAX_LIMIT
from rxpath.net.core.napi import dev_set_threaded
from rxpath.net.core.netdevice import (
    NETDEV_CHANGENAME,
    NETDEV_CHANGEQUEUES,
    NETDEV_REGISTER,
    NETDEV_UNREGISTER,
    STAT_FIELDS,
    Net,
    NetDevice,
    NetdevQueue,
    dev_close,
    dev_get_stats,
    dev_open,
    dev_set_mtu,
)
from rxpath.net.core.steering import SdFlowLimit

IFALIASZ = 256
KMALLOC_MAX_SIZE = 4 << 20
SYSFS_STATS = tuple(sorted(f for f in STAT_FIELDS if f not in ("rx_otherhost_dropped",)))


def netdev_kobject_init(net: Net) -> None:
    """Watch devices come and go, and register the steering sysctls."""

    def event(what: str, dev: NetDevice) -> None:
        if what == NETDEV_REGISTER:
            netdev_register_kobject(dev)
        elif what == NETDEV_CHANGEQUEUES and dev.name in net.by_name:
            net_rx_queue_update_kobjects(dev)
        elif what == NETDEV_CHANGENAME:
            net.kernel.files.remove("/sys/class/net/" + str(dev.attr["old_name"]))
            netdev_register_kobject(dev)
        elif what == NETDEV_UNREGISTER:
            net.kernel.files.remove("/sys/class/net/" + dev.name)

    net.notifiers.append(event)
    for dev in net.devices:
        netdev_register_kobject(dev)
    k = net.kernel
    bits = len(k.cpus)

    def put_flow_entries(v: int) -> None:
        if v < 0 or v > 1 << 29:
            raise linux_error(EINVAL, "rps_sock_flow_entries")
        if v == 0:
            net.rps_sock_flow_entries = 0
            net.rps_sock_flow_table = None
        else:
            size = 1 << (v - 1).bit_length() if v > 1 else 1
            if size != net.rps_sock_flow_entries:
                net.rps_sock_flow_table = {}
            net.rps_sock_flow_entries = size
        _count_users(net)

    k.sysctl.int_value("net.core.rps_sock_flow_entries", lambda: net.rps_sock_flow_entries, put_flow_entries)

    def put_limit_map(text: str) -> None:
        mask = cpumask.parse_mask(text, bits)
        for sd in net.softnet:
            if mask >> sd.cpu.id & 1:
                if sd.flow_limit is None:
                    if net.flow_limit_table_len >= KMALLOC_MAX_SIZE:
                        raise linux_error(ENOMEM, "flow_limit_cpu_bitmap")
                    sd.flow_limit = SdFlowLimit(net.flow_limit_table_len)
            else:
                sd.flow_limit = None
                sd.flow_limit_count = 0
        net.flow_limit_cpu_bitmap = mask

    k.sysctl.register(
        "net.core.flow_limit_cpu_bitmap",
        lambda: cpumask.render_mask(net.flow_limit_cpu_bitmap, bits),
        put_limit_map,
    )


def _count_users(net: Net) -> None:
    """rps_needed: whether get_rps_cpu must be asked at all."""
    n = 0
    for d in net.devices:
        for q in d.rx_queues:
            if q.rps_map is not None or q.rps_flow_table is not None:
                n += 1
    net.rps_needed = n


def store_rps_map(net: Net, dev: NetDevice, index: int, mask: int) -> None:
    """rps_cpus: ascending CPUs of the mask that are online; none = off."""
    q = dev.rx_queues[index]
    cpus = [c.id for c in net.kernel.cpus if mask >> c.id & 1 and c.online]
    q.rps_map = cpus if cpus else None
    q.rps_mask = sum(1 << c for c in cpus)
    _count_users(net)


def store_rps_flow_cnt(net: Net, dev: NetDevice, index: int, n: int) -> None:
    """rps_flow_cnt: rounded up to a power of two, entries unset; 0 = off."""
    q = dev.rx_queues[index]
    if n > 1 << 29:
        raise linux_error(EINVAL, "rps_flow_cnt")
    if n == 0:
        q.rps_flow_cnt = 0
        q.rps_flow_table = None
    else:
        size = 1 << (n - 1).bit_length() if n > 1 else 1
        q.rps_flow_cnt = size
        q.rps_flow_table = {}
    _count_users(net)


def netdev_register_kobject(dev: NetDevice) -> None:
    """The directory of one device."""
    net = dev.net
    k = net.kernel
    f = k.files
    base = "/sys/class/net/" + dev.name
    absent = k.release.sysfs_net_absent

    def add(name: str, read: Callable[[], str], write: Callable[[str], None] | None = None) -> None:
        if name not in absent:
            f.add(base + "/" + name, read, write)

    def num(name: str, get: Callable[[], int], put: Callable[[int], None] | None = None, fmt: str = "%d\n") -> None:
        def write(text: str) -> None:
            assert put is not None
            put(_uint(text))

        add(name, lambda: fmt % get(), write if put is not None else None)

    def unsupported() -> str:
        raise linux_error(EOPNOTSUPP, dev.name)

    def put_carrier(v: int) -> None:
        if not dev.running():
            raise linux_error(EINVAL, dev.name)
        raise linux_error(EOPNOTSUPP, dev.name)  # no driver here has ndo_change_carrier

    def running(get: Callable[[], str]) -> Callable[[], str]:
        def read() -> str:
            if not dev.running():
                raise linux_error(EINVAL, dev.name)
            return get()

        return read

    def speed() -> str:
        ops = dev.ethtool_ops
        if ops is None:
            raise linux_error(EINVAL, dev.name)
        if not dev.carrier_ok:
            return "-1\n"
        return "%d\n" % ops.get_link_ksettings().speed

    def duplex() -> str:
        ops = dev.ethtool_ops
        if ops is None:
            raise linux_error(EINVAL, dev.name)
        return "full\n" if dev.carrier_ok else "unknown\n"

    f.add(base + "/address", lambda: ":".join("%02x" % b for b in dev.dev_addr) + "\n")
    f.add(base + "/broadcast", lambda: ":".join("%02x" % b for b in dev.broadcast) + "\n")
    num("addr_assign_type", lambda: dev.addr_assign_type)
    num("addr_len", lambda: 6)
    add("name_assign_type", _name_assign_type(dev))
    num("netdev_group", lambda: int(dev.attr.get("group", 0)), lambda v: dev.attr.__setitem__("group", v))
    for name in ("phys_port_id", "phys_port_name", "phys_switch_id"):
        add(name, unsupported)

    def put_proto_down(v: int) -> None:
        raise linux_error(EOPNOTSUPP, dev.name)  # IFF_CHANGE_PROTO_DOWN is tunnels' and macvlan's

    num("proto_down", lambda: 0, put_proto_down)
    f.add(base + "/uevent", lambda: "INTERFACE=%s\nIFINDEX=%d\n" % (dev.name, dev.ifindex), lambda text: None)
    f.add(base + "/carrier", running(lambda: "%d\n" % dev.carrier_ok), lambda text: put_carrier(_uint(text)))
    num("carrier_changes", lambda: dev.carrier_up_count + dev.carrier_down_count)
    num("carrier_up_count", lambda: dev.carrier_up_count)
    num("carrier_down_count", lambda: dev.carrier_down_count)
    f.add(base + "/speed", running(speed))
    f.add(base + "/duplex", running(duplex))

    def put_flags(v: int) -> None:
        if v & 1 and not dev.flags & 1:
            dev_open(dev)
        elif not v & 1 and dev.flags & 1:
            dev_close(dev)

    f.add(base + "/flags", lambda: "%#x\n" % dev.flags, lambda t: put_flags(_uint(t)))
    num("mtu", lambda: dev.mtu, lambda v: dev_set_mtu(dev, v))
    num("ifindex", lambda: dev.ifindex)
    num("iflink", lambda: dev.real_dev.ifindex if dev.real_dev is not None else dev.ifindex)
    num("type", lambda: dev.type)
    num("dev_id", lambda: 0, fmt="%#x\n")
    num("dev_port", lambda: 0)
    num("link_mode", lambda: dev.link_mode)
    f.add(base + "/dormant", running(lambda: "%d\n" % dev.dormant))
    add("testing", running(lambda: "0\n"))
    f.add(base + "/operstate", lambda: dev.operstate() + "\n")

    def ifalias() -> str:
        text = str(dev.attr.get("ifalias", ""))
        return text + "\n" if text else ""

    def put_ifalias(text: str) -> None:
        text = text.removesuffix("\n")
        if len(text) >= IFALIASZ:
            raise linux_error(EINVAL, dev.name)
        dev.attr["ifalias"] = text

    f.add(base + "/ifalias", ifalias, put_ifalias)

    def put_qlen(v: int) -> None:
        dev.tx_queue_len = v

    num("tx_queue_len", lambda: dev.tx_queue_len, put_qlen)
    if k.release.irq_defer:

        def put_gro(v: int) -> None:
            dev.gro_flush_timeout = v

        def put_defer(v: int) -> None:
            if v > (1 << 31) - 1:
                raise linux_error(ERANGE, "napi_defer_hard_irqs")
            dev.napi_defer_hard_irqs = v

        num("gro_flush_timeout", lambda: dev.gro_flush_timeout, put_gro)
        num("napi_defer_hard_irqs", lambda: dev.napi_defer_hard_irqs, put_defer)
    if k.release.threaded_napi:

        def put_threaded(v: int) -> None:
            if not dev.napi_list:
                raise linux_error(EOPNOTSUPP, dev.name)
            if v not in (0, 1):
                raise linux_error(EOPNOTSUPP, "threaded")
            dev_set_threaded(dev, bool(v))

        num("threaded", lambda: int(dev.threaded), put_threaded)
    for name in SYSFS_STATS:
        if name == "rx_nohandler" and not k.release.rx_nohandler:
            continue
        f.add(base + "/statistics/" + name, _stat_reader(dev, name))
    net_rx_queue_update_kobjects(dev)


def _name_assign_type(dev: NetDevice) -> Callable[[], str]:
    """1: the kernel enumerated it; loopback says EINVAL (NET_NAME_UNKNOWN) before 6.x, 2 (predictable) later."""

    def read() -> str:
        kind = int(dev.attr.get("name_assign_type", 2 if dev.is_loopback else 1))
        return "%d\n" % kind

    return read


def _stat_reader(dev: NetDevice, name: str) -> Callable[[], str]:
    return lambda: "%d\n" % getattr(dev_get_stats(dev), name)


def _uint(text: str) -> int:
    words = parse_ints(text.strip() or "x", 1, -(1 << 31), (1 << 64) - 1)
    if words[0] < 0:
        raise linux_error(EINVAL, text.strip())
    return words[0]


def net_rx_queue_update_kobjects(dev: NetDevice) -> None:
    """queues/rx-N and tx-N for the real number of queues; call again when that changes."""
    net = dev.net
    k = net.kernel
    f = k.files
    base = "/sys/class/net/" + dev.name + "/queues"
    had = [f.exists("%s/rx-%d" % (base, i)) for i in range(dev.real_num_rx_queues)]
    f.remove(base)
    f.mkdir(base)
    bits = len(k.cpus)
    for q in dev.rx_queues[dev.real_num_rx_queues :]:  # a queue that goes takes its steering along
        q.rps_mask, q.rps_map, q.rps_flow_cnt, q.rps_flow_table = 0, None, 0, None
    _count_users(net)
    if k.config_enabled("RPS"):
        for i in range(dev.real_num_rx_queues):
            if net.rps_default_mask and not had[i]:
                store_rps_map(net, dev, i, net.rps_default_mask)
            _rx_queue_files(net, dev, i, "%s/rx-%d" % (base, i), bits)
    for i in range(dev.real_num_tx_queues):
        _tx_queue_files(net, dev, i, "%s/tx-%d" % (base, i), bits)


def _rx_queue_files(net: Net, dev: NetDevice, i: int, path: str, bits: int) -> None:
    f = net.kernel.files
    q = dev.rx_queues[i]
    f.add(
        path + "/rps_cpus",
        lambda: cpumask.render_mask(q.rps_mask, bits) + "\n",
        lambda t: store_rps_map(net, dev, i, cpumask.parse_mask(t, bits)),
    )
    f.add(
        path + "/rps_flow_cnt",
        lambda: "%d\n" % q.rps_flow_cnt,
        lambda t: store_rps_flow_cnt(net, dev, i, _uint(t)),
    )


def _tx_queue_files(net: Net, dev: NetDevice, i: int, path: str, bits: int) -> None:
    f = net.kernel.files
    q = dev.tx_queues[i]
    r = net.kernel.release
    absent = r.sysfs_net_absent
    # where one queue leaves nothing to choose, later kernels refuse (netif_is_multiqueue)
    refuses = len(dev.tx_queues) == 1 and "queues/tx/traffic_class" not in absent

    def several() -> None:
        if refuses:
            raise linux_error(ENOENT, path)

    def get() -> str:
        several()
        return cpumask.render_mask(q.xps_mask, bits) + "\n"

    def put(t: str) -> None:
        several()
        q.xps_mask = cpumask.parse_mask(t, bits)

    f.add(path + "/xps_cpus", get, put)
    f.add(path + "/tx_timeout", lambda: "0\n")
    if "queues/tx/xps_rxqs" not in absent:

        def no_class() -> str:
            several()
            return "-1\n"

        def put_rxqs(t: str) -> None:
            several()
            cpumask.parse_mask(t, max(1, dev.real_num_rx_queues))

        def put_rate(t: str) -> None:
            _uint(t)
            raise linux_error(EOPNOTSUPP, path)  # ndo_set_tx_maxrate

        f.add(path + "/traffic_class", no_class)
        f.add(path + "/xps_rxqs", lambda: cpumask.render_mask(0, max(1, dev.real_num_rx_queues)) + "\n", put_rxqs)
        f.add(path + "/tx_maxrate", lambda: "0\n", put_rate)
    bql = path + "/byte_queue_limits"
    d = q.dql

    def put_hold(text: str) -> None:
        q.bql_hold_ms = _uint(text)

    f.add(bql + "/hold_time", lambda: "%d\n" % q.bql_hold_ms, put_hold)
    f.add(bql + "/inflight", lambda: "%d\n" % (d.num_queued - d.num_completed))
    for name in ("limit", "limit_max", "limit_min"):
        attr = {"limit": "limit", "limit_max": "max_limit", "limit_min": "min_limit"}[name]
        f.add(bql + "/" + name, _dql_reader(q, attr), _dql_writer(q, attr))


def _dql_reader(q: NetdevQueue, attr: str) -> Callable[[], str]:
    return lambda: "%d\n" % getattr(q.dql, attr)


def _dql_writer(q: NetdevQueue, attr: str) -> Callable[[str], None]:
    def write(text: str) -> None:
        v = DQL_MAX_LIMIT if text.strip() == "max" else _uint(text)
        if v > DQL_MAX_LIMIT:
            raise linux_error(EINVAL, attr)
        setattr(q.dql, attr, v)

    return write
