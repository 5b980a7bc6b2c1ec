"""ethtool (6.1): every command that concerns receiving, in its netlink and in its ioctl form.

What belongs here: options, which request is made, the exit status.  Requests by ioctl go through the kernel's
binary structures (ethtool_ioctl.py); where the program would use netlink, and the kernel has it, the core's
functions are called, whose refusals carry netlink's messages.  Texts are formats/ethtool.  Hashing and the receive
filters (-x, -X, -n, -N) are ethtool_rxnfc.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rxpath.formats.ethtool import (
    channels,
    coalesce,
    driver_info,
    features,
    messages,
    pause,
    register_dump,
    ring,
    self_test,
    settings,
    statistics,
)
from rxpath.kernel.errno import EINVAL, ENODEV, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.net.core import ethtool as et
from rxpath.net.core import ethtool_ioctl as k
from rxpath.net.core.netdevice import NetDevice
from rxpath.tools import e1000_dump
from rxpath.tools import ethtool_ioctl as io
from rxpath.tools.ethtool_run import Run, number, pairs
from rxpath.tools.ethtool_rxnfc import do_grxclass, do_grxfh, do_srxclass, do_srxfh
from rxpath.tools.process import Process, Usage

VERSION: Final = "ethtool version 6.1\n"

LONG: Final[dict[str, str]] = {
    "--driver": "-i",
    "--statistics": "-S",
    "--show-ring": "-g",
    "--set-ring": "-G",
    "--show-channels": "-l",
    "--set-channels": "-L",
    "--show-features": "-k",
    "--show-offload": "-k",
    "--features": "-K",
    "--offload": "-K",
    "--show-coalesce": "-c",
    "--coalesce": "-C",
    "--show-rxfh-indir": "-x",
    "--show-rxfh": "-x",
    "--set-rxfh-indir": "-X",
    "--rxfh": "-X",
    "--show-nfc": "-n",
    "--show-ntuple": "-n",
    "-u": "-n",
    "--config-nfc": "-N",
    "--config-ntuple": "-N",
    "-U": "-N",
    "--show-pause": "-a",
    "--pause": "-A",
    "--register-dump": "-d",
    "--test": "-t",
    "--eeprom-dump": "-e",
    "--show-permaddr": "-P",
    "--show-time-stamping": "-T",
    "--change": "-s",
    "--negotiate": "-r",
    "--identify": "-p",
    "--module-info": "-m",
}


def main(p: Process, args: list[str]) -> int:
    """The program.  Raises Usage."""
    json = False
    while args and args[0] in ("--debug", "-I", "--include-statistics", "--json"):
        json = json or args[0] == "--json"
        args = args[2 if args[0] == "--debug" else 1 :]
    if args and args[0] in ("-h", "--help", "--version"):
        p.out(VERSION)
        if args[0] != "--version":
            p.out("Usage:\n        ethtool [ FLAGS ] [OPTION] DEVNAME [PARAMETERS]\n        options: ")
            p.out(" ".join(sorted(COMMANDS)) + "\n")
        return 0
    if not args:
        raise Usage(messages.BAD_ARGUMENTS)
    option = ""
    if args[0].startswith("-"):
        option = LONG.get(args[0], args[0])
        args = args[1:]
        if option not in COMMANDS:
            raise Usage(messages.BAD_ARGUMENTS)
    if not args or args[0].startswith("-"):
        raise Usage(messages.BAD_ARGUMENTS)
    if len(args[0]) > 127:
        raise Usage(f"Device name longer than 127 characters\n{messages.BAD_ARGUMENTS}")
    run = Run(p, args[0], option)
    if json:
        if option not in JSON_COMMANDS or not run.netlink:
            raise Usage(messages.BAD_ARGUMENTS)
        run.json = True
    return COMMANDS[option](run, args[1:])


# --- identity, statistics, tests, dumps (ioctl in every version) ----------------------------------------------


def do_gdrv(r: Run, args: list[str]) -> int:
    if args:
        raise r.bad()
    try:
        t, n = io.drvinfo(r.p.net, r.dev)
    except OSError as e:
        r.p.err(messages.ioctl("-i", e.errno or EINVAL))
        return messages.IOCTL["-i"].status
    flags = (bool(n[1]), bool(n[2]), bool(n[3]), bool(n[4]), bool(n[0]))
    r.p.out(driver_info.render(driver_info.DriverInfo(t[0], t[1], t[2], t[4], t[3], *flags)))
    return 0


def do_gstats(r: Run, args: list[str]) -> int:
    if args:
        raise Usage(f"ethtool (-S): unknown parameter '{args[0]}'\n") if r.netlink else r.bad()
    try:
        names = io.strings(r.p.net, r.dev, et.ETH_SS_STATS)
        if not names:
            r.p.err(statistics.NONE)
            return messages.NO_STATISTICS_STATUS
        values = io.stats(r.p.net, r.dev, len(names))
    except OSError as e:
        r.p.err(messages.ioctl("-S", e.errno or EINVAL))
        return messages.IOCTL["-S"].status
    r.p.out(statistics.render(statistics.Statistics(tuple(zip(names, values, strict=True)))))
    return 0


def do_phy_stats(r: Run, args: list[str]) -> int:
    r.p.err(statistics.NONE)
    return messages.NO_STATISTICS_STATUS


def do_test(r: Run, args: list[str]) -> int:
    if len(args) > 1 or (args and args[0] not in ("online", "offline", "external_lb")):
        raise r.bad()
    offline = not args or args[0] != "online"
    try:
        names = io.strings(r.p.net, r.dev, et.ETH_SS_TEST)
    except OSError as e:
        r.p.err(messages.ioctl("-t strings", e.errno or EINVAL))
        return messages.IOCTL["-t strings"].status
    try:
        flags, values = io.test(r.p.net, r.dev, len(names), et.ETH_TEST_FL_OFFLINE if offline else 0)
    except OSError as e:
        r.p.err(messages.ioctl("-t", e.errno or EINVAL))
        return messages.IOCTL["-t"].status
    failed = bool(flags & et.ETH_TEST_FL_FAILED)
    r.p.out(self_test.render(self_test.SelfTest(not failed, tuple(zip(names, values, strict=True)))))
    return 2 if failed else 0


def do_gregs(r: Run, args: list[str]) -> int:
    words = dict(zip(args[::2], args[1::2], strict=False))
    if len(args) % 2 or any(w not in ("raw", "hex", "file") for w in words):
        raise r.bad()
    if words.get("raw") == "on" or "file" in words:
        raise OSError(ENOTSUP, "ethtool -d raw, file")
    try:
        t, n = io.drvinfo(r.p.net, r.dev)
    except OSError as e:
        r.p.err(messages.ioctl("-d info", e.errno or EINVAL))
        return messages.IOCTL["-d info"].status
    try:
        _, data = io.regs(r.p.net, r.dev, n[4])
    except OSError as e:
        r.p.err(messages.ioctl("-d", e.errno or EINVAL))
        return messages.IOCTL["-d"].status
    if t[0] in ("e1000", "e1000e") and words.get("hex") != "on":
        r.p.out(e1000_dump.render(data))
    else:
        r.p.out(register_dump.render(register_dump.HexDump(data)))
    return 0


def do_geeprom(r: Run, args: list[str]) -> int:
    words = dict(zip(args[::2], args[1::2], strict=False))
    if len(args) % 2 or any(w not in ("raw", "offset", "length") for w in words):
        raise r.bad()
    offset = number(words.get("offset", "0"))
    length = number(words.get("length", "-"))
    if offset is None or ("length" in words and length is None):
        raise r.bad()
    try:
        _, n = io.drvinfo(r.p.net, r.dev)
    except OSError as e:
        r.p.err(messages.ioctl("-i", e.errno or EINVAL))
        return 74
    total = n[3]
    if length is None:
        length = total
    length = min(length, max(0, total - offset))
    try:
        data = io.eeprom(r.p.net, r.dev, offset, length)
    except OSError as e:
        r.p.err(f"Cannot get EEPROM data: {linux_error(e.errno or EINVAL).strerror}\n")
        return 74
    r.p.out(register_dump.render(register_dump.HexDump(data, offset)))
    return 0


def do_permaddr(r: Run, args: list[str]) -> int:
    d = r.p.net.by_name.get(r.dev)
    if d is None:
        text = messages.netlink(ENODEV) if r.netlink else "Cannot read permanent address: No such device\n"
        r.p.err(text)
        return 1
    r.p.out("Permanent address: " + (d.perm_addr.hex(":") if any(d.perm_addr) else "not set") + "\n")
    return 0


def do_tsinfo(r: Run, args: list[str]) -> int:
    try:
        v = io.words(r.p.net, r.dev, k.ETHTOOL_GET_TS_INFO, 11)
    except OSError as e:
        if r.netlink:
            r.refused(et.ExtackError(ENODEV, messages.NO_DEVICE, 24) if e.errno == ENODEV else e)
        else:
            r.p.err(f"Cannot get device time stamping settings: {linux_error(e.errno or EINVAL).strerror}\n")
        return 1
    phc = v[1] - (1 << 32) if v[1] >> 31 else v[1]
    out = f"Time stamping parameters for {r.dev}:\nCapabilities:\n"
    out += "".join(f"\t{n}\n" for i, n in enumerate(k.SOF_TIMESTAMPING) if v[0] >> i & 1)
    out += f"PTP Hardware Clock: {phc if phc >= 0 else 'none'}\n"
    for title, bits, table in (
        ("Hardware Transmit Timestamp Modes:", v[2], k.HWTSTAMP_TX),
        ("Hardware Receive Filter Modes:", v[6], k.HWTSTAMP_FILTERS),
    ):
        out += title + ("\n" if bits else " none\n")
        out += "".join(f"\t{n}\n" for i, n in enumerate(table) if bits >> i & 1)
    r.p.out(out)
    return 0


def do_gprivflags(r: Run, args: list[str]) -> int:
    try:
        if r.netlink:
            r.device()
        names = io.strings(r.p.net, r.dev, et.ETH_SS_PRIV_FLAGS)
        if not names:
            raise linux_error(EOPNOTSUPP, r.dev)
        flags = io.value(r.p.net, r.dev, k.ETHTOOL_GPFLAGS)
    except OSError as e:
        if r.netlink:
            r.refused(e)
        else:
            r.p.err(f"Cannot get private flags: {linux_error(e.errno or EINVAL).strerror}\n")
        return 1
    width = max(len(n) for n in names)
    r.p.out(f"Private flags for {r.dev}:\n")
    for i, n in enumerate(names):
        r.p.out(f"{n:<{width}s}: {'on' if flags >> i & 1 else 'off'}\n")
    return 0


def do_sprivflags(r: Run, args: list[str]) -> int:
    if not args or len(args) % 2 or any(w not in ("on", "off") for w in args[1::2]):
        raise r.bad()
    try:
        if r.netlink:
            r.device()
        names = io.strings(r.p.net, r.dev, et.ETH_SS_PRIV_FLAGS)
        if not names:
            raise linux_error(EOPNOTSUPP, r.dev)
        flags = io.value(r.p.net, r.dev, k.ETHTOOL_GPFLAGS)
        for name, word in zip(args[::2], args[1::2], strict=True):
            if name not in names:
                raise et.ExtackError(EOPNOTSUPP, messages.BIT_NAME_NOT_FOUND) if r.netlink else r.bad()
            bit = 1 << names.index(name)
            flags = flags | bit if word == "on" else flags & ~bit
        io.value(r.p.net, r.dev, k.ETHTOOL_SPFLAGS, flags)
    except OSError as e:
        if r.netlink:
            r.refused(e)
        else:
            r.p.err(f"Cannot set private flags: {linux_error(e.errno or EINVAL).strerror}\n")
        return 1
    return 0


def do_unsupported(r: Run, args: list[str]) -> int:
    """Module EEPROM, EEE: the cards here have none."""
    try:
        r.device()
        raise linux_error(EOPNOTSUPP, r.dev)
    except OSError as e:
        if r.netlink:
            r.refused(e)
        else:
            what = "module EEPROM information" if r.option == "-m" else "EEE settings"
            r.p.err(f"Cannot get {what}: {linux_error(e.errno or EINVAL).strerror}\n")
    return 1


def do_nway(r: Run, args: list[str]) -> int:
    try:
        io.value(r.p.net, r.dev, k.ETHTOOL_NWAY_RST)
    except OSError as e:
        r.p.err(f"Cannot restart autonegotiation: {linux_error(e.errno or EINVAL).strerror}\n")
        return 255
    return 0


# --- rings, channels, coalescing, pause -----------------------------------------------------------------------


def _reading(r: Run, request: Callable[[], str], command: str) -> int:
    """A reading command: its text, or the refusal of the form in use."""
    try:
        if r.netlink:
            r.device()
        text = request()
    except OSError as e:
        if r.netlink:
            r.refused(e)
            return 1
        r.p.err(messages.ioctl(command, e.errno or EINVAL))
        title = messages.IOCTL_TITLES.get(command)
        if title is not None:
            r.p.out(title.format(device=r.dev))
        return messages.IOCTL[command].status
    r.p.out(text)
    return 0


def _setting(r: Run, request: Callable[[NetDevice], None]) -> int:
    """A changing command in the netlink form."""
    try:
        request(r.device())
    except OSError as e:
        r.refused(e)
        return messages.NETLINK_STATUS.get(r.option, 1)
    return 0


def _or_none(maximum: int, n: int) -> int | None:
    return n if maximum else None


def do_gring(r: Run, args: list[str]) -> int:
    def request() -> str:
        v = io.words(r.p.net, r.dev, k.ETHTOOL_GRINGPARAM, 9)
        top = [_or_none(m, m) for m in v[:4]]
        now = [_or_none(m, n) for m, n in zip(v[:4], v[4:], strict=True)]
        maximum, current = ring.RingSizes(*top), ring.RingSizes(*now)
        if not r.netlink:
            return ring.render_ioctl(ring.Ring(r.dev, maximum, current))
        extra = dict(ring.EXTRA_6_1)
        if r.p.kernel.release.name == "5.15":
            extra["TX Push"] = "n/a"  # the attribute came with 5.17
        return ring.render(ring.Ring(r.dev, maximum, current, extra))

    return _reading(r, request, "-g")


RINGS: Final = ("rx", "rx-mini", "rx-jumbo", "tx")


def do_sring(r: Run, args: list[str]) -> int:
    wanted = pairs(
        r, args, (*RINGS, "rx-buf-len", "cqe-size") if r.netlink else RINGS, ("tx-push",) if r.netlink else ()
    )
    if r.netlink:

        def request(dev: NetDevice) -> None:
            et.ethnl_get_rings(dev)
            et.ethnl_set_rings(dev, wanted)

        return _setting(r, request)
    return _set_words(r, k.ETHTOOL_GRINGPARAM, k.ETHTOOL_SRINGPARAM, RINGS, wanted, 4)


def _set_words(r: Run, get: int, put: int, names: tuple[str, ...], wanted: list[tuple[str, int]], at: int) -> int:
    """The ioctl form of a change: read, compare, write.  `at`: where the names begin after the command."""
    option = r.option
    n = 1 + at + len(names)
    try:
        v = io.words(r.p.net, r.dev, get, n)
    except OSError as e:
        r.p.err(messages.ioctl(option, e.errno or EINVAL))
        return messages.IOCTL[option].status
    same: list[str] = []
    changed = False
    for name, value in wanted:
        i = at + names.index(name)
        if v[i] == value:
            same.append(name)
        else:
            v[i] = value
            changed = True
    if not changed:
        current = ""
        if option == "-L":
            current = " ".join(f"{x} {v[at + i]}" for i, x in enumerate(names))
        r.p.err(messages.unmodified(same, option, current))
        return messages.NOT_CHANGED[option].status
    for name in same:
        r.p.err(f"{name} unmodified, ignoring\n")
    try:
        io.words(r.p.net, r.dev, put, n, v)
    except OSError as e:
        r.p.err(messages.ioctl(option + " set", e.errno or EINVAL))
        return messages.IOCTL[option + " set"].status
    return 0


CHANNELS: Final = ("rx", "tx", "other", "combined")


def do_gchannels(r: Run, args: list[str]) -> int:
    def request() -> str:
        v = io.words(r.p.net, r.dev, k.ETHTOOL_GCHANNELS, 9)
        if not r.netlink:
            return channels.render_ioctl(
                channels.Channels(r.dev, channels.ChannelCounts(*v[:4]), channels.ChannelCounts(*v[4:]))
            )
        top = channels.ChannelCounts(*(_or_none(m, m) for m in v[:4]))
        now = channels.ChannelCounts(*(_or_none(m, n) for m, n in zip(v[:4], v[4:], strict=True)))
        return channels.render(channels.Channels(r.dev, top, now))

    return _reading(r, request, "-l")


def do_schannels(r: Run, args: list[str]) -> int:
    wanted = pairs(r, args, CHANNELS, ())
    if r.netlink:
        return _setting(r, lambda dev: et.ethnl_set_channels(dev, wanted))
    return _set_words(r, k.ETHTOOL_GCHANNELS, k.ETHTOOL_SCHANNELS, CHANNELS, wanted, 4)


def _printed(name: str) -> str:
    """The core's name of a coalesce parameter -> the name that formats use."""
    return name.replace("-frame-", "-frames-")


def do_gcoalesce(r: Run, args: list[str]) -> int:
    def request() -> str:
        v = io.words(r.p.net, r.dev, k.ETHTOOL_GCOALESCE, 23)
        have = dict(zip(k.IOCTL_COALESCE, v, strict=True))
        supported: tuple[str, ...] = k.IOCTL_COALESCE
        if r.netlink:
            ops = r.device().ethtool_ops
            supported = ops.supported_coalesce if ops is not None else ()
        shown = {n: x for n, x in have.items() if n in supported or x}
        values = {_printed(n): x for n, x in shown.items() if not n.startswith("adaptive-")}
        c = coalesce.Coalesce(
            r.dev,
            bool(shown["adaptive-rx"]) if "adaptive-rx" in shown else None,
            bool(shown["adaptive-tx"]) if "adaptive-tx" in shown else None,
            values,
        )
        return coalesce.render(c) if r.netlink else coalesce.render_ioctl(c)

    return _reading(r, request, "-c")


def do_scoalesce(r: Run, args: list[str]) -> int:
    args = [a.replace("-frames-low", "-frame-low").replace("-frames-high", "-frame-high") for a in args]
    switches = ("adaptive-rx", "adaptive-tx", *(("cqe-mode-rx", "cqe-mode-tx") if r.netlink else ()))
    numbers = tuple(n for n in k.IOCTL_COALESCE if n not in switches)
    wanted = pairs(r, args, numbers, switches)
    if r.netlink:
        return _setting(r, lambda dev: et.ethnl_set_coalesce(dev, wanted))
    return _set_words(r, k.ETHTOOL_GCOALESCE, k.ETHTOOL_SCOALESCE, k.IOCTL_COALESCE, wanted, 0)


def do_gpause(r: Run, args: list[str]) -> int:
    def request() -> str:
        autoneg, rx, tx = io.words(r.p.net, r.dev, k.ETHTOOL_GPAUSEPARAM, 4)
        negotiated: tuple[bool | None, bool | None] = (None, None)
        if autoneg:
            try:
                _, ours, theirs = io.link_settings(r.p.net, r.dev).modes
            except OSError:
                ours, theirs = [], []
            if theirs:
                negotiated = _negotiated(ours, theirs)
        value = pause.Pause(r.dev, bool(autoneg), bool(rx), bool(tx), *negotiated)
        if r.json:
            return pause.render_json(value)
        return pause.render(value) if r.netlink else pause.render_ioctl(value)

    return _reading(r, request, "-a")


def _negotiated(ours: list[str], theirs: list[str]) -> tuple[bool, bool]:
    """IEEE 802.3 table 28B-3."""
    if "Pause" in ours and "Pause" in theirs:
        return True, True
    if "Asym_Pause" in ours and "Asym_Pause" in theirs:
        return ("Pause" in ours), ("Pause" in theirs)
    return False, False


def do_spause(r: Run, args: list[str]) -> int:
    wanted = pairs(r, args, (), ("autoneg", "rx", "tx"))
    if r.netlink:

        def request(dev: NetDevice) -> None:
            et.ethnl_get_pause(dev)
            d = {n: bool(v) for n, v in wanted}
            et.ethnl_set_pause(dev, d.get("autoneg"), d.get("rx"), d.get("tx"))

        return _setting(r, request)
    return _set_words(r, k.ETHTOOL_GPAUSEPARAM, k.ETHTOOL_SPAUSEPARAM, ("autoneg", "rx", "tx"), wanted, 0)


# --- features ---------------------------------------------------------------------------------------------------


def _states(r: Run) -> list[k.FeatureState]:
    """The features through GFEATURES and the strings of the set."""
    names = io.strings(r.p.net, r.dev, k.ETH_SS_FEATURES)
    blocks = (len(names) + 31) // 32
    v = io.words(r.p.net, r.dev, k.ETHTOOL_GFEATURES, 2 + 4 * blocks, [blocks] + [0] * (4 * blocks))[1:]
    out: list[k.FeatureState] = []
    for i, name in enumerate(names):
        word, bit = 4 * (i // 32), i % 32
        never = v[word + 3] >> bit & 1
        available = bool(v[word] >> bit & 1) and not never
        out.append(k.FeatureState(name, available, bool(v[word + 1] >> bit & 1), bool(v[word + 2] >> bit & 1)))
    return out


def do_gfeatures(r: Run, args: list[str]) -> int:
    try:
        if r.netlink:
            r.device()
        states = _states(r)
    except OSError as e:
        if r.netlink:
            r.refused(e)
        else:
            r.p.err(f"Cannot get device flags: {linux_error(e.errno or EINVAL).strerror}\n")
            r.p.out(f"Features for {r.dev}:\n")
            r.p.err("no feature info available\n")
        return 1
    kernel = [features.KernelFeature(s.name, s.active, not s.available, s.wanted) for s in states]
    value = features.from_kernel(r.dev, kernel)
    r.p.out(features.render_json(value) if r.json else features.render(value))
    return 0


def do_sfeatures(r: Run, args: list[str]) -> int:
    given: list[tuple[str, bool]] = []
    for i in range(0, len(args), 2):
        word = args[i + 1] if i + 1 < len(args) else "(null)"
        if word not in ("on", "off"):
            if not r.netlink:
                raise r.bad()
            text = f"flag '{word}' for parameter '(null)' is not followed by 'on' or 'off'"
            raise Usage(f"ethtool (-K): {text}\n")
        given.append((args[i], word == "on"))
    try:
        dev = r.device() if r.netlink else r.p.net.dev_get_by_name(r.dev)
        names = k.FEATURE_NAMES[r.p.kernel.release.name]
        wanted: dict[str, bool] = {}
        offset = len(r.dev) + 1
        offset = 16 + 4 + 4 + 4 + (offset + 3) // 4 * 4 + 20
        for word, on in given:
            for name in _feature_names(word, names):
                if name not in names:
                    if not r.netlink:
                        raise r.bad()
                    raise et.ExtackError(EOPNOTSUPP, messages.BIT_NAME_NOT_FOUND, offset)
                wanted[name] = on
                offset += 8 + (len(name) + 4) // 4 * 4 + (4 if on else 0)
        before = {s.name: s.active for s in k.feature_states(dev)}
        change = k.set_features(dev, wanted)
    except OSError as e:
        if r.netlink:
            r.refused(e)
            return messages.NETLINK_STATUS["-K"]
        r.p.err(f"Cannot set device feature settings: {linux_error(e.errno or EINVAL).strerror}\n")
        return 1
    lines = [
        features.Change(name, not change.refused[name], name in wanted, True)
        if name in change.refused
        else features.Change(name, change.changed[name], name in wanted)
        for name in before
        if name and (name in change.changed or name in change.refused)
    ]
    r.p.out(features.render_changes(lines))
    if not wanted or all(name in change.refused for name in wanted):
        r.p.err(messages.NO_FEATURES_CHANGED)
        return messages.NO_FEATURES_CHANGED_STATUS
    return 0


def _feature_names(word: str, names: tuple[str, ...]) -> list[str]:
    """A short or long older name -> the kernel's features under it; else the word itself."""
    for flag in features.OFF_FLAGS:
        if word in (flag.short_name, flag.long_name):
            return [n for n in names if n and flag.matches(n)]
    return [word]


# --- settings ---------------------------------------------------------------------------------------------------

PORTS: Final = ("TP", "AUI", "BNC", "MII", "FIBRE", "Backplane")
PORT_NAMES: Final = {
    0: "Twisted Pair",
    1: "AUI",
    2: "MII",
    3: "FIBRE",
    4: "BNC",
    5: "Direct Attach Copper",
    0xEF: "None",
    0xFF: "Other",
}
WAKE: Final = "pumbags"


def _side(modes: list[str]) -> settings.LinkModes:
    asym = "Asym_Pause" in modes
    if "Pause" in modes:
        use = "Symmetric Receive-only" if asym else "Symmetric"
    else:
        use = "Transmit-only" if asym else "No"
    return settings.LinkModes(
        tuple(m for m in modes if "base" in m),
        use,
        "Autoneg" in modes,
        tuple(m for m in modes if m in ("RS", "BASER")),
    )


def do_phys_id(r: Run, args: list[str]) -> int:
    """-p: blinking."""
    if r.p.net.by_name.get(r.dev) is None:
        r.p.err("Cannot identify NIC: No such device\n")
        return 255
    raise OSError(EOPNOTSUPP, "ethtool -p")


def do_gset(r: Run, args: list[str]) -> int:
    if args and not r.netlink:
        raise r.bad()
    net, dev, p = r.p.net, r.dev, r.p
    found: dict[str, object] = {}

    def ask(what: str, fn: Callable[[], object]) -> None:
        try:
            if r.netlink:
                r.device()
            found[what] = fn()
        except OSError as e:
            if e.errno == EOPNOTSUPP:
                return
            if r.netlink:
                r.refused(e)
            else:
                p.err(f"Cannot get {what}: {linux_error(e.errno or EINVAL).strerror}\n")

    ask("device settings", lambda: io.link_settings(net, dev))
    ask("wake-on-lan settings", lambda: io.words(net, dev, k.ETHTOOL_GWOL, 5))
    ask("message level", lambda: io.value(net, dev, k.ETHTOOL_GMSGLVL))
    ask("link status", lambda: io.value(net, dev, k.ETHTOOL_GLINK))
    if not found and r.netlink and net.by_name.get(dev) is None:
        r.refused(et.ExtackError(ENODEV, messages.NO_DEVICE, 24))  # netlink asks five times
    link = found.get("device settings")
    wol = found.get("wake-on-lan settings")
    level = found.get("message level")
    up = found.get("link status")
    if not found:
        if not r.netlink:
            p.out(f"Settings for {dev}:\n")
        p.out(messages.NO_DATA)
        return messages.NETLINK_STATUS[""]
    values: dict[str, object] = {}
    if isinstance(link, io.Link):
        supported, advertised, partner = link.modes
        mdix: str | None = None
        if link.port == et.PORT_TP:
            mdix = {et.ETH_TP_MDI: "off", et.ETH_TP_MDI_X: "on"}.get(link.mdix, "Unknown")
            if link.mdix_ctrl in (et.ETH_TP_MDI, et.ETH_TP_MDI_X):
                mdix = {et.ETH_TP_MDI: "off", et.ETH_TP_MDI_X: "on"}[link.mdix_ctrl] + " (forced)"
            elif link.mdix_ctrl == et.ETH_TP_MDI_AUTO:
                mdix += " (auto)"
        values = {
            "ports": tuple(x for x in PORTS if x in supported),
            "supported": _side(supported),
            "advertised": _side(advertised),
            "partner": _side(partner) if partner else None,
            "speed": 0 if link.speed in (0xFFFFFFFF, 0xFFFF, 0) else link.speed,
            "duplex": {0: "Half", 1: "Full"}.get(link.duplex, f"Unknown! ({link.duplex})"),
            "autoneg": bool(link.autoneg),
            "port": PORT_NAMES.get(link.port, f"Unknown! ({link.port})"),
            "phyad": link.phy,
            "transceiver": "internal" if link.transceiver == 0 else "external",
            "mdix": mdix,
        }
    if isinstance(wol, list):
        values["wol_supported"], values["wol"] = _wake(wol[0]), _wake(wol[1])
    if isinstance(level, int):
        values["msglvl"] = level
    if isinstance(up, int):
        values["link"] = bool(up)
    shown = settings.Settings(dev, **values)  # type: ignore[arg-type]
    p.out(settings.render(shown, settings.NETLINK if r.netlink else settings.IOCTL))
    return 0


def _wake(bits: int) -> str:
    return "".join(c for i, c in enumerate("pumbag") if bits >> i & 1) or "d"


def do_sset(r: Run, args: list[str]) -> int:
    """-s: speed, duplex, autoneg, advertise, wol, msglvl."""
    wanted: dict[str, str] = {}
    at = 0
    known = ("speed", "duplex", "autoneg", "advertise", "wol", "msglvl", "port", "phyad", "mdix")
    levels: dict[str, bool] = {}
    while at < len(args):
        name = args[at]
        if name not in known:
            raise Usage(f"ethtool (-s): unknown parameter '{name}'\n") if r.netlink else r.bad()
        if at + 1 >= len(args):
            raise Usage(f"ethtool (-s): no value for parameter '{name}'\n") if r.netlink else r.bad()
        wanted[name] = args[at + 1]
        at += 2
        if name == "msglvl" and number(wanted[name]) is None:
            # by names: `msglvl link on drv off`
            at -= 1
            while at < len(args) and args[at] not in known:
                word = args[at + 1] if at + 1 < len(args) else "(null)"
                if args[at] not in k.MSG_CLASSES or word not in ("on", "off"):
                    text = f"flag '{args[at]}' for parameter 'msglvl' is not followed by 'on' or 'off'"
                    raise Usage(f"ethtool (-s): {text}\n") if r.netlink else r.bad()
                levels[args[at]] = word == "on"
                at += 2
    status = 0
    try:
        dev = r.device() if r.netlink else r.p.net.dev_get_by_name(r.dev)
        ops = dev.ethtool_ops if dev.ethtool_ops is not None else et.EthtoolOps(dev)
        if any(n in wanted for n in ("speed", "duplex", "autoneg", "advertise", "mdix")):
            ops.set_link_ksettings(_link_wanted(r, ops.get_link_ksettings(), wanted))
        if "wol" in wanted:
            bits = 0
            for c in wanted["wol"]:
                if c == "d":
                    bits = 0
                elif c in WAKE:
                    bits |= 1 << WAKE.index(c)
                else:
                    raise Usage(messages.bad_value("-s", wanted["wol"], "wol")) if r.netlink else r.bad()
            if bits & ~ops.get_wol().supported:
                raise linux_error(EINVAL, r.dev)
            ops.set_wol(bits)
        if "msglvl" in wanted:
            value = number(wanted["msglvl"])
            if value is None:
                value = ops.get_msglevel()
                for n, on in levels.items():
                    bit = 1 << k.MSG_CLASSES.index(n)
                    value = value | bit if on else value & ~bit
            et.ethnl_set_msglvl(dev, value)
    except OSError as e:
        if r.netlink:
            r.refused(e)
        else:
            r.p.err(f"Cannot set new settings: {linux_error(e.errno or EINVAL).strerror}\n")
        status = messages.NETLINK_STATUS["-s"] if r.netlink else 75
    return status


def _link_wanted(r: Run, s: et.LinkSettings, wanted: dict[str, str]) -> et.LinkSettings:
    """The link settings with what was asked for.  Raises Usage."""

    def bad(name: str) -> Usage:
        return Usage(messages.bad_value("-s", wanted[name], name)) if r.netlink else r.bad()

    if "speed" in wanted:
        v = number(wanted["speed"])
        if v is None:
            raise bad("speed")
        s.speed = v
    if "duplex" in wanted:
        if wanted["duplex"] not in ("half", "full"):
            raise bad("duplex")
        s.duplex = int(wanted["duplex"] == "full")
    if "autoneg" in wanted:
        if wanted["autoneg"] not in ("on", "off"):
            raise bad("autoneg")
        s.autoneg = int(wanted["autoneg"] == "on")
    if "mdix" in wanted:
        if wanted["mdix"] not in ("auto", "on", "off"):
            raise bad("mdix")
        s.mdix_ctrl = {"auto": et.ETH_TP_MDI_AUTO, "on": et.ETH_TP_MDI_X, "off": et.ETH_TP_MDI}[wanted["mdix"]]
    real = [m for m in s.supported if "base" in m]
    if "advertise" in wanted:
        try:
            bits = int(wanted["advertise"], 16)
        except ValueError:
            raise bad("advertise") from None
        chosen = [m for m in k.modes_of(bits.to_bytes(16, "little")) if m in s.supported]
        s.advertising = [m for m in s.advertising if "base" not in m] + chosen
    elif s.autoneg and ("speed" in wanted or "duplex" in wanted):
        half = {"half": "Half", "full": "Full"}.get(wanted.get("duplex", ""), "")
        speed = wanted.get("speed", "")
        chosen = [m for m in real if (not speed or m.startswith(speed + "base")) and m.endswith(half)]
        s.advertising = [m for m in s.advertising if "base" not in m] + chosen
    elif s.autoneg and wanted.get("autoneg") == "on":
        s.advertising = list(s.supported)
    return s


# what ethtool 6.1 can say in JSON of what is modelled here
JSON_COMMANDS: Final = ("-k", "-a")
COMMANDS: Final[dict[str, Callable[[Run, list[str]], int]]] = {
    "": do_gset,
    "-s": do_sset,
    "-i": do_gdrv,
    "-S": do_gstats,
    "--phy-statistics": do_phy_stats,
    "-t": do_test,
    "-d": do_gregs,
    "-e": do_geeprom,
    "-P": do_permaddr,
    "-T": do_tsinfo,
    "--show-priv-flags": do_gprivflags,
    "--set-priv-flags": do_sprivflags,
    "-m": do_unsupported,
    "--show-eee": do_unsupported,
    "-r": do_nway,
    "-p": do_phys_id,
    "-g": do_gring,
    "-G": do_sring,
    "-l": do_gchannels,
    "-L": do_schannels,
    "-c": do_gcoalesce,
    "-C": do_scoalesce,
    "-a": do_gpause,
    "-A": do_spause,
    "-k": do_gfeatures,
    "-K": do_sfeatures,
    "-x": do_grxfh,
    "-X": do_srxfh,
    "-n": do_grxclass,
    "-N": do_srxclass,
}
