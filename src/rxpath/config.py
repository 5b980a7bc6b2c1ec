"""The description of a machine: MachineConfig, from a TOML file and back.

What belongs here: what a machine file may say, its defaults, and the refusal of everything else in one line
that names the key. What does not: running a machine (`machine.py`), and what depends on the command
(`tune/request.py`).

A file holds keys of the machine (`release`, `hz`, `cpus`, `seed`, `costs`, `cost_level`, `do`), tables
`[sysctl]` and `[config]`, and lists of tables `[[nic]]`, `[[listen]]`, `[[route]]`, `[[neighbour]]`.
Quantities may be written with units ("10G", "50us", "4M") or as plain integers (bit/s, ns, bytes).
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from rxpath.kernel.release import ReleaseError, find_release
from rxpath.link.faults import apply_faults
from rxpath.link.source import Source
from rxpath.sim.costs import ProfileError, load_profile
from rxpath.units import (
    UnitError,
    exact_bits,
    exact_size,
    exact_time,
    parse_bits,
    parse_cpu_list,
    parse_int,
    parse_size,
    parse_time,
)

MAX_CPUS: Final = 64
HZ: Final = (100, 250, 1000)
COST_LEVELS: Final = ("low", "central", "high")
PROTOCOLS: Final = ("udp", "tcp")
REFUSALS: Final = ("msix", "msi")

# CONFIG_ switches that change something (docs/kernel.md)
SWITCHES: Final = ("RPS", "PM", "IGB_DCA", "IXGBE_DCA", "IP_NF_IPTABLES")

# Driver -> its variants; the first is the default. The names are those of the chips.
MODELS: Final[dict[str, tuple[str, ...]]] = {
    "e1000e": ("82574L", "i217"),
    "igb": ("82576", "i350"),
    "ixgbe": ("x540", "82599"),
    "tg3": ("bcm5719", "bcm5720"),
    "be2net": ("be3", "be2"),
    "bnx2": ("bcm5709", "bcm5716"),
    "tun": ("tap",),
}
GBIT: Final = 1_000_000_000
LINK_BPS: Final = {"ixgbe": 10 * GBIT, "be2net": 10 * GBIT}


class ConfigError(ValueError):
    """A machine description that cannot be: one clear line that names the key."""

    def __init__(self, text: str) -> None:
        """A line feed in what was given does not make two lines of `text`."""
        super().__init__(" ".join(text.splitlines()))


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of the known words, else the empty text."""
    choices = {k.lower(): k for k in known}
    near = get_close_matches(word.lower(), list(choices), 1, 0.6)
    return f" (did you mean '{choices[near[0]]}'?)" if near else ""


# --- readers of one value: take what TOML gives, return the field's value or raise UnitError ----------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnitError(f"a text is expected, not {value!r}")
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise UnitError(f"{value!r} holds a control character")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnitError(f"true or false is expected, not {value!r}")
    return value


def _int(value: object, what: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnitError(f"a whole number is expected, not {value!r}")
    return parse_int(str(value), what, low, high)


def _quantity(parse: Callable[[str], int]) -> Callable[[object], int]:
    """A reader for a text with a unit, or a whole number of the smallest unit."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise UnitError(f"a number with a unit is expected, not {value!r}")
        if isinstance(value, str):
            return parse(value)
        if not 0 <= value < 1 << 63:
            raise UnitError(f"{value} is out of range")
        return value

    return read


def _range(what: str, low: int, high: int) -> Callable[[object], int]:
    return lambda value: _int(value, what, low, high)


def _one_of(known: Iterable[str]) -> Callable[[object], str]:
    choices = tuple(known)

    def read(value: object) -> str:
        text = _text(value)
        if text not in choices:
            raise UnitError(f"'{text}' is not one of {', '.join(choices)}{nearest(text, choices)}")
        return text

    return read


def _list(read: Callable[[object], Any]) -> Callable[[object], list[Any]]:
    def read_all(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise UnitError(f"a list is expected, not {value!r}")
        return [read(item) for item in value]

    return read_all


def _mac(value: object) -> str:
    text = _text(value).lower().replace("-", ":")
    if text == "":
        return ""
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise UnitError(f"'{value}' is no Ethernet address (like 02:00:00:00:00:02)")
    if int(text[:2], 16) & 1:
        raise UnitError(f"'{value}' is a multicast address; an interface needs one of its own")
    return text


def _ip(value: object) -> str:
    text = _text(value)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise UnitError(f"'{text}' is no IPv4 address (like 10.0.0.2)") from None


def _ip_or_none(value: object) -> str:
    return "" if value == "" else _ip(value)


def _cidr(value: object) -> str:
    text = _text(value)
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError:
        raise UnitError(f"'{text}' is no IPv4 address with prefix (like 10.0.0.2/24)") from None
    return str(interface)


def _network(value: object) -> str:
    text = _text(value)
    if text == "default":
        return text
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        why = " (host bits set)" if "host bits" in str(error) else ""
        raise UnitError(f"'{text}' is no destination: default, or a network like 10.1.0.0/16{why}") from None


def _params(value: object) -> dict[str, int | str]:
    if not isinstance(value, dict):
        raise UnitError("a table of module parameters is expected, like { IntMode = 1 }")
    result: dict[str, int | str] = {}
    for name, setting in value.items():
        if isinstance(setting, list) and all(type(item) is int for item in setting) and setting:
            setting = ",".join(str(item) for item in setting)
        if isinstance(setting, bool) or not isinstance(setting, int | str):
            raise UnitError(f"{name}: a number or a text is expected, not {setting!r}")
        result[str(name)] = _text(setting) if isinstance(setting, str) else setting
    return result


def _faults(value: object) -> str:
    text = _text(value)
    if text:
        try:
            apply_faults(Source("nothing", 0, None), text)
        except ValueError as error:
            raise UnitError(str(error)) from None
    return text


def _sysctls(value: object, prefix: str = "") -> dict[str, str]:
    """Nested tables (from dotted keys) flattened: `net.core.rmem_max = 1` and `"net.core.rmem_max" = 1`
    agree."""
    if not isinstance(value, dict):
        raise UnitError("a table of sysctls is expected")
    result: dict[str, str] = {}
    for key, setting in value.items():
        name = sysctl_name(prefix + str(key))
        if isinstance(setting, dict):
            result.update(_sysctls(setting, name + "."))
        elif isinstance(setting, bool):
            result[name] = str(int(setting))
        elif isinstance(setting, int):
            result[name] = str(setting)
        elif isinstance(setting, str):
            result[name] = _text(setting)
        elif isinstance(setting, list) and all(type(item) is int for item in setting):
            result[name] = " ".join(str(item) for item in setting)
        else:
            raise UnitError(f"{name}: a number or a text is expected, not {setting!r}")
    return result


def sysctl_name(text: str) -> str:
    """A sysctl's name with dots, as `sysctl` takes either: `net/core/rmem_max` is `net.core.rmem_max`.

    Who writes slashes first writes dots inside a part, as in `net/ipv4/conf/eth0.5/rp_filter`. Raises
    UnitError.
    """
    slash, dot = text.find("/"), text.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        text = text.strip("/").translate(str.maketrans("./", "/."))
    if not re.fullmatch(r"[A-Za-z0-9_/\-]+(\.[A-Za-z0-9_/\-]+)*\.?", text, re.ASCII):
        raise UnitError(f"{text!r} is no sysctl's name (like net.core.rmem_max)")
    return text


def _switches(value: object) -> dict[str, bool]:
    """CONFIG_ switches; the prefix may be left out and is not part of the stored name."""
    if not isinstance(value, dict):
        raise UnitError("a table of CONFIG_ switches is expected, like { CONFIG_RPS = false }")
    result: dict[str, bool] = {}
    for key, setting in value.items():
        name = str(key).removeprefix("CONFIG_")
        if not re.fullmatch(r"[A-Z0-9_]+", name):
            raise UnitError(f"'{key}' is no name of a CONFIG_ switch")
        if name not in SWITCHES:
            known = ", ".join("CONFIG_" + s for s in SWITCHES)
            raise UnitError(f"CONFIG_{name} is not modelled (modelled: {known})")
        if setting in ("y", "n"):
            setting = setting == "y"
        if not isinstance(setting, bool):
            raise UnitError(f"{key}: true or false is expected, not {setting!r}")
        result[name] = setting
    return result


def _release(value: object) -> str:
    text = _text(str(value) if isinstance(value, float) else value)
    try:
        find_release(text)
    except ReleaseError as error:
        raise UnitError(str(error)) from None
    return text


def _costs(value: object) -> str:
    text = _text(value) or "none"
    if text != "none":
        try:
            load_profile(text)
        except ProfileError as error:
            raise UnitError(str(error)) from None
    return text


def _hz(value: object) -> int:
    hz = _int(value, "HZ", 1, 10_000)
    if hz not in HZ:
        raise UnitError(f"HZ is one of {', '.join(map(str, HZ))}, not {hz}")
    return hz


def _command(value: object) -> str:
    text = _text(value).strip()
    if not text:
        raise UnitError("an empty command")
    return text


# --- fields -------------------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def key(
    default: Any,
    read: Callable[[object], Any],
    write: Callable[[Any], object] = _same,
    *,
    name: str = "",
    required: bool = False,
) -> Any:
    """A field that a machine file may hold: how it is read, how it is written, and its name there."""
    metadata = {"read": read, "write": write, "key": name, "required": required}
    if isinstance(default, list | dict):
        return field(default_factory=type(default), metadata=metadata)
    return field(default=default, metadata=metadata)


T = TypeVar("T")


def _key_of(f: Field[Any]) -> str:
    return str(f.metadata["key"] or f.name)


def _load(cls: type[T], table: object, where: str) -> T:
    """Make a `cls` out of a table. ConfigError names `where` and the key."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: a table is expected, not {table!r}")
    known = {_key_of(f): f for f in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in table.items():
        f = known.get(name)
        if f is None:
            raise ConfigError(f"{where}: unknown key '{name}'{nearest(name, known)}")
        try:
            values[f.name] = f.metadata["read"](value)
        except UnitError as error:
            raise ConfigError(f"{where}: {name}: {error}") from None
    for name, f in known.items():
        if f.metadata["required"] and f.name not in values:
            raise ConfigError(f"{where}: '{name}' is missing")
    return cls(**values)


def _dump(item: object, everything: bool = False) -> dict[str, object]:
    """The table of an item: keys that differ from their default, or all."""
    result: dict[str, object] = {}
    for f in fields(item):  # type: ignore[arg-type]
        value = getattr(item, f.name)
        differs = bool(value) if isinstance(value, list | dict) else value != f.default
        if everything or f.metadata["required"] or differs:
            result[_key_of(f)] = f.metadata["write"](value)
    return result


def _default_unless(write: Callable[[int], str]) -> Callable[[int], object]:
    """Writes 0, which stands for "the default", as it is, and all else with a unit."""
    return lambda value: write(value) if value else 0


@dataclass(slots=True)
class NicConfig:
    """One NIC and the cable in it.

    `mac` "" lets the run choose (a replay takes that of the capture's host). `link_bps` 0 is the rate that
    the card has; `mtu` 0 the driver's default. `refuse` names what the device does not offer ("msix",
    "msi"). `faults` is the language of `link.faults.apply_faults` for frames on their way in.
    """

    model: str = key("e1000e", _one_of(MODELS), required=True)
    variant: str = key("", _text)
    name: str = key("", _text)
    mac: str = key("", _mac)
    addresses: list[str] = key([], _list(_cidr))
    mtu: int = key(0, _range("MTU", 0, 65535))
    up: bool = key(True, _bool)
    link_bps: int = key(0, _quantity(parse_bits), _default_unless(exact_bits), name="link")
    cable_queue: int = key(1000, _range("cable_queue", 0, 1 << 31))
    faults: str = key("", _faults)
    params: dict[str, int | str] = key({}, _params)
    refuse: list[str] = key([], _list(_one_of(REFUSALS)))

    def mac_bytes(self, index: int) -> bytes:
        """The permanent address, 6 bytes; without one of its own, 02:00:00:00:00:02 for the first NIC and
        so on."""
        if self.mac:
            return bytes.fromhex(self.mac.replace(":", ""))
        return b"\x02\x00\x00\x00" + (index + 2).to_bytes(2, "big")

    def link_rate(self) -> int:
        """Bits a second of the link: as given, else what the card has."""
        return self.link_bps or LINK_BPS.get(self.model, GBIT)

    def check(self, where: str) -> None:
        """Raises ConfigError for an unknown variant; writes the variant in its own spelling."""
        variants = MODELS.get(self.model, ())
        if not variants:
            raise ConfigError(f"{where}: unknown model '{self.model}'{nearest(self.model, MODELS)}")
        if self.variant:
            spelled = {v.lower(): v for v in variants}
            if self.variant.lower() not in spelled:
                raise ConfigError(
                    f"{where}: {self.model} has no variant '{self.variant}' (known: {', '.join(variants)})"
                )
            self.variant = spelled[self.variant.lower()]
        if self.name and not re.fullmatch(r"[^\s/:]{1,15}", self.name):
            raise ConfigError(f"{where}: '{self.name}' is no name for an interface (1 to 15 characters)")


@dataclass(slots=True)
class ListenConfig:
    """Programs that read a port: `readers` of them, the first on `cpu`, the next on the following CPUs.

    `cost_ns`: what each spends on a message between two reads. `rcvbuf`: the value given to SO_RCVBUF, 0
    leaves it. `reuseport`: each reader has a socket of its own in one SO_REUSEPORT group; otherwise they
    share one socket.  `echo`: what was read goes back; `sink`: it does not, and nothing else is sent (TCP, where a
    replay's program says what the captured host said).
    """

    proto: str = key("udp", _one_of(PROTOCOLS))
    port: int = key(0, _range("port", 1, 65535), required=True)
    address: str = key("", _ip_or_none)
    cpu: int = key(-1, _range("CPU", -1, MAX_CPUS - 1))
    cost_ns: int = key(0, _quantity(parse_time), exact_time, name="cost")
    rcvbuf: int = key(0, _quantity(parse_size), _default_unless(exact_size))
    readers: int = key(1, _range("readers", 1, 4096))
    echo: bool = key(False, _bool)
    sink: bool = key(False, _bool)
    reuseport: bool = key(False, _bool)


@dataclass(slots=True)
class RouteConfig:
    """A route: to `default` or a network, by way of `via` or straight out of `dev`."""

    to: str = key("", _network, required=True)
    via: str = key("", _ip_or_none)
    dev: str = key("", _text)


@dataclass(slots=True)
class NeighbourConfig:
    """A permanent neighbour entry."""

    ip: str = key("", _ip, required=True)
    mac: str = key("", _mac, required=True)
    dev: str = key("", _text)


def _tables(cls: type[Any], what: str) -> Callable[[object], list[Any]]:
    def read(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise UnitError(f"a list of tables is expected: write [[{what}]]")
        return [_load(cls, item, f"{what} {number}") for number, item in enumerate(value)]

    return read


def _tables_out(items: list[Any]) -> list[dict[str, object]]:
    return [_dump(item) for item in items]


@dataclass(slots=True)
class MachineConfig:
    """A host: which kernel, how many CPUs, which cards, which programs, and what is done after boot.

    `release`: "3.13", "5.15", "6.1", "6.18", or a `uname -r` text, which stands for the nearest. `costs`: a
    profile's name or the path of one, "none" charges no CPU time; `cost_level` is low, central or high.
    `config`: CONFIG_ switches without their prefix. `do`: commands, run in order when the machine is up.
    """

    release: str = key("6.1", _release)
    hz: int = key(250, _hz)
    cpus: int = key(1, _range("cpus", 1, MAX_CPUS))
    seed: int = key(0, _range("seed", 0, (1 << 63) - 1))
    costs: str = key("default", _costs)
    cost_level: str = key("central", _one_of(COST_LEVELS))
    do: list[str] = key([], _list(_command))
    sysctls: dict[str, str] = key({}, _sysctls, name="sysctl")
    config: dict[str, bool] = key({}, _switches, lambda d: {"CONFIG_" + k: v for k, v in d.items()})
    nics: list[NicConfig] = key([], _tables(NicConfig, "nic"), _tables_out, name="nic")
    listeners: list[ListenConfig] = key([], _tables(ListenConfig, "listen"), _tables_out, name="listen")
    routes: list[RouteConfig] = key([], _tables(RouteConfig, "route"), _tables_out, name="route")
    neighbours: list[NeighbourConfig] = key([], _tables(NeighbourConfig, "neighbour"), _tables_out, name="neighbour")

    # --- reading
    @classmethod
    def from_toml(cls, text: str, where: str = "machine file") -> MachineConfig:
        """Read a machine file's text. Raises ConfigError; `where` begins its line."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not TOML: {error}") from None
        except RecursionError:
            raise ConfigError(f"{where}: not TOML that makes sense: nested too deeply") from None
        return cls.from_dict(table, where)

    @classmethod
    def from_dict(cls, table: dict[str, Any], where: str = "machine file") -> MachineConfig:
        """Read a machine from a table as TOML or JSON give it. Raises ConfigError."""
        try:
            config = _load(cls, table, where)
            config.check()
        except ConfigError as error:
            text = str(error)
            raise ConfigError(text if text.startswith(where) else f"{where}: {text}") from None
        return config

    @classmethod
    def load(cls, path: str | Path) -> MachineConfig:
        """Read a machine file. Raises ConfigError, for a file that cannot be read as well."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: not a machine file (no UTF-8 text)") from None
        return cls.from_toml(text, str(path))

    # --- writing
    def to_toml(self) -> str:
        """The machine file that reads back as this machine; what is as by default is left out."""
        return _toml(_dump(self))

    def to_dict(self) -> dict[str, object]:
        """All keys as a machine file has them, defaults too: for JSON, and read back by `from_dict`."""
        return _dump(self, everything=True)

    # --- sense
    def check(self) -> None:
        """Raises ConfigError for what no single key shows: a CPU that is not there, a name used twice."""
        names: dict[str, int] = {}
        macs: dict[str, int] = {}
        for number, nic in enumerate(self.nics):
            nic.check(f"nic {number}")
            for seen, value, what in ((names, nic.name, "name"), (macs, nic.mac, "mac")):
                if value and value in seen:
                    raise ConfigError(f"nic {number}: {what} {value} is that of nic {seen[value]}")
                seen[value] = number
        taken: dict[tuple[str, str, int], int] = {}
        for number, listen in enumerate(self.listeners):
            if listen.cpu >= self.cpus:
                raise ConfigError(
                    f"listen {number}: there is no CPU {listen.cpu} ({self.cpus} CPUs, 0 to {self.cpus - 1})"
                )
            place = (listen.proto, listen.address, listen.port)
            if place in taken and not (listen.reuseport and self.listeners[taken[place]].reuseport):
                port = f"{listen.proto} port {listen.port}"
                raise ConfigError(f"listen {number}: {port} is taken by listen {taken[place]}")
            taken[place] = number
        for number, route in enumerate(self.routes):
            if not route.via and not route.dev:
                raise ConfigError(f"route {number}: needs 'via' or 'dev'")


# --- the command line's forms -------------------------------------------------------------------------------

LISTEN_FORM: Final = "udp|tcp:PORT[,cpu=N][,cost=5us][,rcvbuf=4M][,readers=4][,address=IP][,echo|sink][,reuseport]"


def parse_listen(text: str) -> ListenConfig:
    """A `--listen` text: `udp:7,cpu=1,cost=5us,rcvbuf=4M,readers=4,echo`. Raises ConfigError."""
    where = f"--listen {text}"
    head, *rest = text.split(",")
    proto, colon, port = head.partition(":")
    if not colon:
        raise ConfigError(f"{where}: write it like {LISTEN_FORM}")
    table: dict[str, object] = {"proto": proto, "port": port}
    for item in rest:
        name, equals, value = item.partition("=")
        if name in table:
            raise ConfigError(f"{where}: '{name}' is given twice")
        table[name] = value if equals else True
    return _load(ListenConfig, table, where)


def parse_nic(text: str) -> tuple[str, str]:
    """A `--nic` text, MODEL or MODEL:VARIANT, to (model, variant or ""). Raises ConfigError."""
    model, _, variant = text.partition(":")
    nic = NicConfig(model=model, variant=variant)
    nic.check("--nic")
    return nic.model, nic.variant


def parse_set(text: str) -> tuple[str, str]:
    """A `--set` text, KEY=VALUE with a sysctl's name as the key. Raises ConfigError."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {text}: write it like net.core.rmem_max=4194304")
    try:
        return sysctl_name(name.strip()), _text(value.strip())
    except UnitError as error:
        raise ConfigError(f"--set {text}: {error}") from None


def parse_cpus(text: str) -> int:
    """A `--cpus` text: how many, or the list 0-3, which must begin at 0 and have no gap. Raises
    ConfigError."""
    try:
        if "-" in text or "," in text:
            cpus = parse_cpu_list(text)
            if cpus != list(range(len(cpus))):
                raise UnitError(f"'{text}' leaves out a CPU: a machine has CPUs from 0 on without a gap")
            text = str(len(cpus))
        return parse_int(text, "number of CPUs", 1, MAX_CPUS)
    except UnitError as error:
        raise ConfigError(f"--cpus: {error}") from None


# --- TOML out -----------------------------------------------------------------------------------------------

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\"}


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(c, c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    assert isinstance(value, dict)
    inner = ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items())
    return "{ " + inner + " }" if inner else "{}"


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name, re.ASCII) else _toml_value(name)


def _toml_rows(table: dict[str, object]) -> list[str]:
    return [f"{_toml_key(name)} = {_toml_value(value)}" for name, value in table.items()]


def _toml(table: dict[str, object]) -> str:
    """Text of a table of scalars, lists, tables and lists of tables; tables inside those go inline."""
    lines: list[str] = []
    later: list[str] = []
    for name, value in table.items():
        if isinstance(value, dict):
            later += ["", f"[{_toml_key(name)}]", *_toml_rows(value)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                later += ["", f"[[{_toml_key(name)}]]", *_toml_rows(item)]
        elif isinstance(value, list) and len(value) > 1:
            lines += [f"{_toml_key(name)} = [", *(f"    {_toml_value(item)}," for item in value), "]"]
        else:
            lines.append(f"{_toml_key(name)} = {_toml_value(value)}")
    text = "\n".join(lines + later).strip("\n")
    return text + "\n" if text else ""
