"""ifconfig (net-tools): show devices; up, down, mtu, promisc, an address."""

from __future__ import annotations

from rxpath.kernel.errno import ENOTSUP
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
    dev_set_mac_address,
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


USAGE = "Usage:\n  ifconfig [-a] [-v] [-s] <interface> [[<AF>] <address>]\n"
HELP = "ifconfig: `--help' gives usage information.\n"


def _number(word: str) -> int:
    """As atoi reads it."""
    digits = ""
    for c in word:
        if not c.isdigit():
            break
        digits += c
    return int(digits or "0")


def _address(word: str, hint: bool = True) -> int:
    parts = word.split(".")
    if len(parts) != 4 or not all(x.isdigit() and x.isascii() and int(x) < 256 for x in parts):
        # what begins like a number or an option cannot be a name
        why = "Unknown host" if word[:1].isdigit() or word.startswith("-") else "Host name lookup failure"
        raise Usage(f"{word}: {why}\n{HELP if hint else ''}")
    return int.from_bytes(bytes(int(x) for x in parts), "big")


def main(p: Process, args: list[str]) -> int:
    """The program.  Status 1 for no such device and for what the kernel refuses."""
    everything = False
    while args and args[0].startswith("-"):
        if args[0] not in ("-a", "-v", "-s"):
            raise Usage(f"ifconfig: option `{args[0]}' not recognised.\n{HELP}")
        if args[0] == "-s":
            raise OSError(ENOTSUP, "ifconfig -s")
        everything = everything or args[0] == "-a"
        args = args[1:]
    if not args:
        for d in p.net.devices:
            if everything or d.flags & IFF_UP:
                p.out(show(d))
        return 0
    d0 = p.device(args[0])
    if d0 is None:
        text = f"{args[0]}: error fetching interface information: Device not found\n"
        if len(args) > 1:
            raise Usage(f"{args[0]}: ERROR while getting interface flags: No such device\n", 255)
        raise Usage(text)
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
                if at >= len(args):
                    raise Usage(USAGE, 3)
                value = args[at]
                at += 1
                if word == "mtu":
                    dev_set_mtu(d, _number(value))
                elif word == "txqueuelen":
                    d.tx_queue_len = _number(value)
                elif d.ip_ptr is not None and d.ip_ptr.ifa_list:
                    a = d.ip_ptr.ifa_list[0]
                    mask = a.mask if word == "broadcast" else _address(value, False)
                    length = bin(mask).count("1")
                    if mask != inet_make_mask(length):
                        raise Usage("SIOCSIFNETMASK: Invalid argument\n")
                    local = a.local
                    inet_del_ifa(d.ip_ptr, a)
                    brd = _address(value, False) if word == "broadcast" else -1
                    inet_insert_ifa(d, local, length, broadcast=brd)
            elif word == "hw":
                if at >= len(args):
                    raise Usage(USAGE, 3)
                kind = args[at]
                at += 1
                if kind != "ether":
                    raise Usage(f"hw address type `{kind}' has no handler to set address. failed.\n")
                if at >= len(args):
                    raise Usage(USAGE, 3)
                value = args[at]
                at += 1
                octets = value.split(":")
                good = all(0 < len(x) < 3 and not x.strip("0123456789abcdefABCDEF") for x in octets)
                if len(octets) != 6 or not good:
                    raise Usage(f"{value}: invalid ether address.\n")
                dev_set_mac_address(d, bytes(int(x, 16) for x in octets))
            else:
                ip, _, bits = word.partition("/")
                local = _address(ip)
                length = int(bits) if bits.isdigit() else 8 if local >> 31 == 0 else 16 if local >> 30 == 2 else 24
                if d.ip_ptr is not None and d.ip_ptr.ifa_list:
                    inet_del_ifa(d.ip_ptr, d.ip_ptr.ifa_list[0])
                dev_open(d)
                inet_insert_ifa(d, local, length, broadcast=-1)
    except OSError as e:
        calls = {"up": "SIOCSIFFLAGS", "down": "SIOCSIFFLAGS", "mtu": "SIOCSIFMTU", "hw": "SIOCSIFHWADDR"}
        p.err(f"{calls.get(word, 'SIOCSIFADDR')}: {error_text(e)}\n")
        return 1
    return 0
