"""What a script says: events, packets, system calls, expressions.  Plain data; no behaviour beyond printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

ABSOLUTE: Final = "absolute"
RELATIVE: Final = "relative"
ANY: Final = "any"
ABSOLUTE_RANGE: Final = "absolute range"
RELATIVE_RANGE: Final = "relative range"


class ScriptError(ValueError):
    """A script that cannot be read or run: `FILE:LINE: what`."""

    def __init__(self, path: str, line: int, what: str) -> None:
        super().__init__(f"{path}:{line}: {what}")
        self.path = path
        self.line = line
        self.what = what


# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Ellipsis_:
    """`...`: whatever it is."""


@dataclass(slots=True)
class Int:
    value: int


@dataclass(slots=True)
class Word:
    name: str


@dataclass(slots=True)
class Text:
    """A string; `open` = followed by `...`."""

    value: bytes
    open: bool = False


@dataclass(slots=True)
class Binary:
    op: str
    left: Expr
    right: Expr


@dataclass(slots=True)
class Call:
    """`name(arguments)`: htons(8080), inet_addr("1.2.3.4"), msg_iov(1)."""

    name: str
    args: list[Expr]


@dataclass(slots=True)
class Assign:
    """`name = value` inside a structure; `size` is what stood in parentheses behind the name."""

    name: str
    value: Expr
    size: list[Expr] | None = None


@dataclass(slots=True)
class Array:
    """`[a, b]`."""

    items: list[Expr]


@dataclass(slots=True)
class Struct:
    """`{a, b}` or `{name = a, ...}`."""

    items: list[Expr]

    def fields(self) -> dict[str, Expr]:
        return {i.name: i.value for i in self.items if isinstance(i, Assign)}


@dataclass(slots=True)
class Raw:
    """A structure that is kept as text (MPLS stacks, GRE headers)."""

    text: str


Expr = Ellipsis_ | Int | Word | Text | Binary | Call | Assign | Array | Struct | Raw


def show(e: Expr) -> str:
    """An expression as a script writes it."""
    if isinstance(e, Ellipsis_):
        return "..."
    if isinstance(e, Int):
        return str(e.value)
    if isinstance(e, Word):
        return e.name
    if isinstance(e, Text):
        return '"' + e.value.decode("latin-1").encode("unicode_escape").decode() + '"' + ("..." if e.open else "")
    if isinstance(e, Binary):
        return f"{show(e.left)}{e.op}{show(e.right)}"
    if isinstance(e, Call):
        return f"{e.name}({', '.join(show(a) for a in e.args)})"
    if isinstance(e, Assign):
        size = "" if e.size is None else "(" + ", ".join(show(a) for a in e.size) + ")"
        return f"{e.name}{size}={show(e.value)}"
    if isinstance(e, Array):
        return "[" + ", ".join(show(a) for a in e.items) + "]"
    if isinstance(e, Struct):
        return "{" + ", ".join(show(a) for a in e.items) + "}"
    return "{" + e.text + "}"


# --- packets ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class TcpOption:
    """One option.  `name`: mss, wscale, sackOK, sack, TS, nop, eol, FO, FOEXP, md5, exp, ECN, or an unknown word."""

    name: str
    values: list[int] = field(default_factory=list)
    blob: bytes = b""
    text: str = ""


@dataclass(slots=True)
class Outer:
    """A header in front of the packet's own: ipv4, ipv6, gre, mpls, udp; `text` as written."""

    kind: str
    text: str
    src: str = ""
    dst: str = ""
    tos: int = 0
    ttl: int = 0
    numbers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Packet:
    """A packet of a script.  None = not said.  `options` None = `<...>`."""

    inbound: bool
    protocol: str  # tcp, udp, icmp
    line: int
    text: str = ""
    outer: list[Outer] = field(default_factory=list)
    tos: int | None = None
    ecn: str | None = None  # noecn, ect0, ect1, ect01, ce
    ttl: int | None = None
    flowlabel: int | None = None
    src_port: int = 0
    dst_port: int = 0
    flags: str = ""
    ace: int | None = None
    seq: int = 0
    end: int = 0
    length: int = 0
    ack: int = 0
    has_ack: bool = False
    window: int | None = None
    urg: int = 0
    options: list[TcpOption] | None = field(default_factory=list)
    icmp_type: str = ""
    icmp_code: str = ""
    icmp_mtu: int | None = None
    icmp_id: int = 0
    echoed: str = ""  # tcp, udp, raw
    refused: str = ""  # why this packet can be neither built nor compared


@dataclass(slots=True)
class SysCall:
    name: str
    args: list[Expr]
    result: Expr
    errno: str | None = None
    note: str = ""
    end_us: int | None = None  # a blocking call: when it returns


@dataclass(slots=True)
class Command:
    text: str


@dataclass(slots=True)
class Code:
    text: str


@dataclass(slots=True)
class Event:
    line: int
    kind: str  # of time: see above
    time_us: int
    action: Packet | SysCall | Command | Code
    end_us: int = 0  # of a range


@dataclass(slots=True)
class Script:
    path: str
    options: list[tuple[str, str]] = field(default_factory=list)
    init: Command | None = None
    init_line: int = 0
    events: list[Event] = field(default_factory=list)
    cleanup: Command | None = None
    cleanup_line: int = 0
