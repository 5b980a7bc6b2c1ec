"""A machine file out of a snapshot: the machine that models the host, and where it cannot.

Belongs here: choosing the nearest of our drivers, releases and settings, and saying plainly what was chosen.
Not: the form of a machine file (config.py) nor running one.
"""

from __future__ import annotations

from ..config import MAX_CPUS, ListenConfig, MachineConfig, NicConfig
from .counters import names_of, table
from .release import nearest_release
from .snapshot import UNNAMED, Snapshot, software_device

# settings of the receive path that a machine takes over as they are
SYSCTLS = (
    "net.core.rmem_default",
    "net.core.rmem_max",
    "net.core.netdev_max_backlog",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.dev_weight",
    "net.core.somaxconn",
    "net.ipv4.tcp_rmem",
)
RING = {"e1000e": (64, 4096), "igb": (64, 4096), "ixgbe": (64, 4096), "tg3": (1, 2047), "bnx2": (1, 2040)}
QUEUES = {"igb": 8, "ixgbe": 16, "tg3": 4, "be2net": 16, "bnx2": 8}
MAX_LISTENERS = 32


def machine_of(s: Snapshot) -> tuple[MachineConfig, list[str]]:
    """The machine and one line for every choice that is not the host's own.  Never guesses silently."""
    notes: list[str] = []
    config = MachineConfig()
    kernel = s.kernel()
    if kernel is None:
        notes.append(f"release: not in the snapshot, {config.release} taken (uname -r tells)")
    else:
        config.release = nearest_release(kernel.number)
        if kernel.release.split("-")[0].rsplit(".", 1)[0] != config.release or kernel.vendor:
            notes.append(f"modelled as {config.release}: the host runs {kernel.release}")
        notes.extend(f"known to differ: {line}" for line in kernel.differs)
    cpus = s.online_cpus()
    if not cpus:
        notes.append("cpus: not in the snapshot, 1 taken (/proc/stat tells)")
    config.cpus = max(1, min(MAX_CPUS, len(cpus)))
    if len(cpus) > MAX_CPUS:
        notes.append(f"cpus: {len(cpus)} on the host, a machine has at most {MAX_CPUS}")
    elif cpus and cpus != tuple(range(len(cpus))):
        notes.append("cpus: the host's numbers have gaps, the machine's run from 0 without")
    _hz(s, config, notes)
    _sysctls(s, config)
    for device in s.devices():
        if not software_device(device):
            _nic(s, device, config, notes)
    if not config.nics:
        notes.append("no card is in the snapshot (ethtool -i DEV tells): add a [[nic]]")
    _listeners(s, config, notes)
    config.check()
    return config, notes


def _hz(s: Snapshot, config: MachineConfig, notes: list[str]) -> None:
    """HZ shows in the default time limit of NAPI, two jiffies."""
    usecs = s.sysctl("net.core.netdev_budget_usecs")
    known = {2_000_000 // hz: hz for hz in (100, 250, 1000)}
    if usecs in known:
        config.hz = known[usecs or 0]
        if config.hz != 250:
            notes.append(f"hz: {config.hz}, from netdev_budget_usecs = {usecs} (two jiffies by default)")
    else:
        notes.append(f"hz: {config.hz} taken, the snapshot does not tell (CONFIG_HZ)")


def _sysctls(s: Snapshot, config: MachineConfig) -> None:
    for name in SYSCTLS:
        value = s.sysctls.get(name)
        if value is None or (name.endswith("budget_usecs") and config.release == "3.13"):
            continue
        config.sysctls[name] = " ".join(value.split())


def _model(s: Snapshot, device: str) -> tuple[str, str]:
    """Our driver for a device, and a line when it is not the host's own."""
    driver = s.driver(device)
    row = names_of(driver)
    if row.model:
        return row.model, ""
    speed = s.path_int(f"/sys/class/net/{device}/speed") or 0
    if row.model_as:
        model = row.model_as
    else:
        model = "ixgbe" if speed >= 10000 else "igb"
    why = "the nearest of the modelled cards" if row.known else "an unknown driver, chosen by speed"
    known = ", ".join(d for d, r in table().items() if r.model)
    return (
        model,
        f"{device}: modelled as {model}: {driver or 'its driver'} is not modelled ({why}; modelled are {known})",
    )


def _nic(s: Snapshot, device: str, config: MachineConfig, notes: list[str]) -> None:
    model, line = _model(s, device)
    if line:
        notes.append(line)
    name = device if device != UNNAMED else ""
    nic = NicConfig(model=model, name=name)
    mac = s.paths.get(f"/sys/class/net/{device}/address", "").strip()
    if len(mac) == 17 and not int(mac[:2], 16) & 1 and all(n.mac != mac for n in config.nics):
        nic.mac = mac
    speed = s.path_int(f"/sys/class/net/{device}/speed")
    if speed is not None and speed > 0 and speed * 1_000_000 != nic.link_rate():
        nic.link_bps = speed * 1_000_000
    mtu = s.path_int(f"/sys/class/net/{device}/mtu")
    if mtu is not None and mtu != 1500 and 68 <= mtu <= 9000:
        nic.mtu = mtu
    config.nics.append(nic)
    shown = name or f"eth{len(config.nics) - 1}"
    _settings(s, device, shown, model, config, notes)


def _settings(s: Snapshot, device: str, shown: str, model: str, config: MachineConfig, notes: list[str]) -> None:
    ring = s.ring(device)
    if ring is not None and ring.current.rx:
        low, high = RING.get(model, (0, 0))
        if low <= ring.current.rx <= high:
            config.do.append(f"ethtool -G {shown} rx {ring.current.rx}")
        else:
            limit = f"at most {high}" if high else "a fixed ring"
            notes.append(f"{device}: ring of {ring.current.rx}, {model} has {limit}: left at its default")
    channels = s.channels(device)
    if channels is not None and channels.current.combined:
        top = min(QUEUES.get(model, 1), config.cpus)
        wanted = min(channels.current.combined, top)
        if wanted != channels.current.combined:
            notes.append(f"{device}: {channels.current.combined} queues on the host, {wanted} in the machine")
        if model in ("igb", "ixgbe"):
            config.do.append(f"ethtool -L {shown} combined {wanted}")
    coalesce = s.coalesce(device)
    usecs = coalesce.values.get("rx-usecs") if coalesce is not None else None
    if usecs is not None and names_of(s.driver(device)).model == model and (usecs == 0 or usecs >= 10):
        config.do.append(f"ethtool -C {shown} rx-usecs {usecs}")
    elif usecs is not None and names_of(s.driver(device)).model != model:
        notes.append(f"{device}: interrupt moderation left at {model}'s default (the host: rx-usecs {usecs})")
    features = s.features(device)
    if features is not None and any(f.name == "generic-receive-offload" and not f.on for f in features.items):
        config.do.append(f"ethtool -K {shown} gro off")
    if any(s.rps_masks(device) or ()):
        notes.append(f"{device}: RPS is on at the host; set rps_cpus in the machine by hand")


def _listeners(s: Snapshot, config: MachineConfig, notes: list[str]) -> None:
    """Programs that hold a port.  What a read costs them is not in any file."""
    sizes: dict[str, int] = {}
    ss = s.ss()
    for row in ss.rows if ss is not None else ():
        if row.skmem is not None:
            sizes[row.local_port] = row.skmem.rb
    default = s.sysctl("net.core.rmem_default") or 212992
    for udp in s.udp():
        for sock in udp.rows:
            port = sock.head.lport
            if udp.family != 4 or not port or sock.head.rport or sock.head.local.startswith("127."):
                continue
            if any(x.proto == "udp" and x.port == port for x in config.listeners):
                continue
            rb = sizes.get(str(port), default)
            config.listeners.append(ListenConfig("udp", port, rcvbuf=0 if rb == default else rb // 2))
    tcp = s.tcp()
    for sock_tcp in tcp.rows if tcp is not None else ():
        port = sock_tcp.head.lport
        if sock_tcp.head.st == 10 and not sock_tcp.head.local.startswith("127."):
            if not any(x.proto == "tcp" and x.port == port for x in config.listeners):
                config.listeners.append(ListenConfig("tcp", port))
    if len(config.listeners) > MAX_LISTENERS:
        notes.append(f"listen: {len(config.listeners)} ports on the host, the first {MAX_LISTENERS} taken")
        del config.listeners[MAX_LISTENERS:]
    if config.listeners:
        notes.append('listen: what a read costs the programs is not in any file: set cost = "5us" or so')


def text_of(config: MachineConfig, notes: list[str], source: str) -> str:
    """The machine file, the notes as comments above."""
    head = [f"# machine that models {source}; written by rxpath machine"]
    return "".join(f"{line}\n" for line in [*head, *(f"# {n}" for n in notes)]) + config.to_toml()
