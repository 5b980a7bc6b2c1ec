"""ifconfig (net-tools): show devices; up, down, mtu, promisc, an address."""

from __future__ import annotations

from rxpath.net.core.dev_ioctl import user_switch
from rxpath.net.core.netdevice import (
    IFF_ALLMULTI,
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_NOARP,
    IFF_PROMISC,
    IFF_RUNNING,
    IFF_UP,
    NetDevice,
    dev_close,
    dev_get_stats,
    dev_open,
    dev_set_mtu,
)
from rxpath.net.ipv4.devinet import inet_del_ifa, inet_insert_ifa
from rxpath.tools.process import Process, Usage, error_text
from rxpath.wire.addr import inet_make_mask, ip4_str


def _size(n: int) -> str:
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if n >= unit:
            return f"{n * 10 // unit // 10}.{n * 10 // unit % 10} {name}"
    return f"{n}.0 B"


def show(d: NetDevice) -> str:
    """One device, as net-tools 2 prints it."""
    flags = d.flags | (IFF_RUNNING if d.flags & IFF_UP and d.carrier_ok else 0)
    names = [
        n
        for bit, n in (
            (IFF_UP, "UP"),
            (IFF_BROADCAST, "BROADCAST"),
            (IFF_LOOPBACK, "LOOPBACK"),
            (IFF_RUNNING, "RUNNING"),
            (IFF_NOARP, "NOARP"),
            (IFF_PROMISC, "PROMISC"),
            (IFF_ALLMULTI, "ALLMULTI"),
            (IFF_MULTICAST, "MULTICAST"),
        )
        if flags & bit
    ]
    out = f"{d.name}: flags={flags}<{','.join(names)}>  mtu {d.mtu}\n"
    if d.ip_ptr is not None and d.ip_ptr.ifa_list:
        a = d.ip_ptr.ifa_list[0]
        out += f"        inet {ip4_str(a.local)}  netmask {ip4_str(a.mask)}"
        if d.flags & IFF_BROADCAST:
            out += f"  broadcast {ip4_str(a.broadcast)}"
        out += "\n"
    if d.is_loopback:
        out += f"        loop  txqueuelen {d.tx_queue_len}  (Local Loopback)\n"
    else:
        out += f"        ether {d.dev_addr.hex(':')}  txqueuelen {d.tx_queue_len}  (Ethernet)\n"
    s = dev_get_stats(d)
    out += f"        RX packets {s.rx_packets}  bytes {s.rx_bytes} ({_size(s.rx_bytes)})\n"
    overruns = s.rx_fifo_errors
    # net-tools reads /proc/net/dev, whose drop column includes what the device missed
    dropped = s.rx_dropped + s.rx_missed_errors
    frame = s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors
    out += f"        RX errors {s.rx_errors}  dropped {dropped}  overruns {overruns}  frame {frame}\n"
    out += f"        TX packets {s.tx_packets}  bytes {s.tx_bytes} ({_size(s.tx_bytes)})\n"
    carrier = s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors + s.tx_heartbeat_errors
    out += f"        TX errors {s.tx_errors}  dropped {s.tx_dropped} overruns {s.tx_fifo_errors}"
    return out + f"  carrier {carrier}  collisions {s.collisions}\n\n"


def _address(word: str) -> int:
    parts = word.split(".")
    if len(parts) != 4 or not all(x.isdigit() and x.isascii() and int(x) < 256 for x in parts):
        raise Usage(f"{word}: Host name lookup failure\n")
    return int.from_bytes(bytes(int(x) for x in parts), "big")


def main(p: Process, args: list[str]) -> int:
    """The program.  Status 1 for no such device and for what the kernel refuses."""
    everything = bool(args) and args[0] == "-a"
    if everything:
        args = args[1:]
    if not args:
        for d in p.net.devices:
            if everything or d.flags & IFF_UP:
                p.out(show(d))
        return 0
    d0 = p.device(args[0])
    if d0 is None:
        text = f"{args[0]}: error fetching interface information: Device not found\n"
        raise Usage(
            text if len(args) == 1 else f"{args[0]}: ERROR while getting interface flags: No such device\n"
        )
    d = d0
    if len(args) == 1:
        p.out(show(d))
        return 0
    at = 1
    try:
        while at < len(args):
            word = args[at]
            at += 1
            if word == "up":
                dev_open(d)
            elif word == "down":
                dev_close(d)
            elif word in ("promisc", "-promisc"):
                user_switch(d, word == "promisc", IFF_PROMISC)
            elif word in ("allmulti", "-allmulti"):
                user_switch(d, word == "allmulti", IFF_ALLMULTI)
            elif word in ("mtu", "txqueuelen", "netmask", "broadcast"):
                if at >= len(args) or (word in ("mtu", "txqueuelen") and not args[at].isdigit()):
                    raise Usage(f"ifconfig: option `{word}' needs a value\n")
                value = args[at]
                at += 1
                if word == "mtu":
                    dev_set_mtu(d, int(value))
                elif word == "txqueuelen":
                    d.tx_queue_len = int(value)
                elif d.ip_ptr is not None and d.ip_ptr.ifa_list:
                    a = d.ip_ptr.ifa_list[0]
                    mask = a.mask if word == "broadcast" else _address(value)
                    length = bin(mask).count("1")
                    if mask != inet_make_mask(length):
                        raise Usage(f"{value}: Invalid argument\n")
                    local = a.local
                    inet_del_ifa(d.ip_ptr, a)
                    brd = _address(value) if word == "broadcast" else -1
                    inet_insert_ifa(d, local, length, broadcast=brd)
            else:
                ip, _, bits = word.partition("/")
                local = _address(ip)
                length = (
                    int(bits) if bits.isdigit() else 8 if local >> 31 == 0 else 16 if local >> 30 == 2 else 24
                )
                if d.ip_ptr is not None and d.ip_ptr.ifa_list:
                    inet_del_ifa(d.ip_ptr, d.ip_ptr.ifa_list[0])
                dev_open(d)
                inet_insert_ifa(d, local, length, broadcast=-1)
    except OSError as e:
        calls = {"up": "SIOCSIFFLAGS", "down": "SIOCSIFFLAGS", "mtu": "SIOCSIFMTU"}
        p.err(f"{calls.get(word, 'SIOCSIFADDR')}: {error_text(e)}\n")
        return 1
    return 0
