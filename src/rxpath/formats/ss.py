"""`ss -uamn` and relatives: sockets with their queues and, with -m, their memory (iproute2 6.1, output not on
a terminal).

skmem counts as the kernel does: `r` truesize bytes in the receive queue, `rb` its limit (sk_rcvbuf), `d`
datagrams dropped by the socket since it was made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned, words

FORMAT = "ss"

STATES = words(
    """
    ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT UNCONN CLOSE-WAIT LAST-ACK LISTEN CLOSING
    """
)
NETIDS = words("tcp udp raw icmp icmp6 p_raw p_dgr u_str u_dgr u_seq nl mptcp v_str")

_LOCAL = (
    "u_str ",
    "u_dgr ",
    "u_seq ",
    "v_str ",
    "v_dgr ",
)  # no IP: these rows have other columns and are skipped
_SKMEM = re.compile(r"skmem:\(([a-z0-9,]*)\)", re.ASCII)
_ITEM = re.compile(r"([a-z]{1,2})([0-9]{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Skmem:
    """SK_MEMINFO_*: bytes, `d` a count; None where the kernel or ss does not tell (d before 4.9)."""

    r: int = 0
    rb: int = 0
    t: int = 0
    tb: int = 0
    f: int = 0
    w: int = 0
    o: int = 0
    bl: int = 0
    d: int | None = 0


@dataclass(frozen=True, slots=True)
class SsSock:
    """One socket.  Ports are text ("*", a number, a name without -n).  `netid`, `state` None = no such
    column.

    `recv_q`: UDP truesize bytes queued, TCP unread bytes, LISTEN waiting connections.  `process`: text of -p
    or -e.
    """

    recv_q: int
    send_q: int
    local: str
    local_port: str
    peer: str
    peer_port: str
    state: str | None = "UNCONN"
    netid: str | None = None
    skmem: Skmem | None = None
    process: str = ""


@dataclass(frozen=True, slots=True)
class Ss:
    rows: tuple[SsSock, ...]


def parse_skmem(text: str) -> Skmem | None:
    """The skmem:(...) inside a text; None when there is none."""
    match = _SKMEM.search(text)
    if match is None:
        return None
    found: dict[str, int] = {}
    for item in match[1].split(","):
        one = _ITEM.fullmatch(item)
        if one is not None:
            found[one[1]] = int(one[2])
    get = found.get
    return Skmem(
        get("r", 0),
        get("rb", 0),
        get("t", 0),
        get("tb", 0),
        get("f", 0),
        get("w", 0),
        get("o", 0),
        get("bl", 0),
        get("d"),
    )


def parse(text: str) -> Ss:
    """The output of any version and choice of columns for IP sockets.  FormatError otherwise."""
    rows: list[SsSock] = []
    header = False
    skipping = False
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        if "Recv-Q" in line and "Address:Port" in line:
            header = True
            continue
        if line[0] in " \t" and skipping:
            continue
        skipping = line.startswith(_LOCAL)
        if skipping:
            header = True
            continue
        if line[0] in " \t" and rows:
            last = rows[-1]
            memory = parse_skmem(line)
            rows[-1] = _with(last, memory or last.skmem, _join(last.process, _SKMEM.sub("", line).strip()))
            continue
        rows.append(_row(line, number))
    if not rows and not header:
        raise FormatError(FORMAT, 0, "no header and no sockets")
    return Ss(tuple(rows))


def _with(s: SsSock, memory: Skmem | None, process: str) -> SsSock:
    return SsSock(s.recv_q, s.send_q, s.local, s.local_port, s.peer, s.peer_port, s.state, s.netid, memory, process)


def _join(left: str, right: str) -> str:
    return f"{left} {right}".strip()


def _row(line: str, number: int) -> SsSock:
    word = line.split()
    netid = word.pop(0) if word and word[0] in NETIDS else None
    state = word.pop(0) if word and word[0] in STATES else None
    if len(word) < 4:
        raise FormatError(FORMAT, number, f"expected a socket, found {shown(line)}")
    recv = unsigned(word[0], FORMAT, number, "Recv-Q")
    send = unsigned(word[1], FORMAT, number, "Send-Q")
    local, colon, lport = word[2].rpartition(":")
    peer, colon2, pport = word[3].rpartition(":")
    if not colon or (not colon2 and word[3] != "*"):
        raise FormatError(FORMAT, number, f"expected ADDRESS:PORT, found {shown(' '.join(word[2:4]))}")
    rest = " ".join(word[4:])
    return SsSock(recv, send, local, lport, peer, pport, state, netid, parse_skmem(rest), _SKMEM.sub("", rest).strip())


def show_skmem(m: Skmem) -> str:
    """`skmem:(r0,rb212992,...)`."""
    tail = "" if m.d is None else f",d{m.d}"
    return f"skmem:(r{m.r},rb{m.rb},t{m.t},tb{m.tb},f{m.f},w{m.w},o{m.o},bl{m.bl}{tail})"


def render(
    rows: Sequence[SsSock],
    header: bool = True,
    netid: bool = False,
    state: bool = True,
    oneline: bool = False,
) -> str:
    """The output of ss 6.1 into a pipe.

    `netid`: the first column, there when more than one protocol is shown; `state`: there unless only one
    state is asked for (ss -u without -a); `oneline`: -O.  Columns are as wide as their widest text; as in ss
    the very last text of the output does not count for that.
    """
    table: list[list[str]] = []
    if header:
        table.append(
            [
                "Netid",
                "State",
                "Recv-Q",
                "Send-Q",
                "Local Address:",
                "Port",
                "Peer Address:",
                "Port",
                "Process",
            ]
        )
    for s in rows:
        tail = f" {s.process}" if s.process else ""
        if s.skmem is not None:
            tail += (" " if oneline else "\n\t ") + show_skmem(s.skmem)
        row = [s.netid or "", s.state or "", f"{s.recv_q:<6d}", f"{s.send_q:<6d}"]
        table.append([*row, s.local + ":", s.local_port, s.peer + ":", s.peer_port, tail])
    delimiters = ["", " ", " ", " ", " ", "", " ", "", ""]
    right = [False, False, False, False, True, False, True, False, False]
    use = [netid, state, *([True] * 7)]
    last = len(table) - 1
    widths = [
        max([len(row[c]) for n, row in enumerate(table) if not (n == last and c == 8)], default=0) for c in range(9)
    ]
    out: list[str] = []
    for row in table:
        line = ""
        started = False
        for c in range(9):
            if not use[c]:
                continue
            cell = f"{row[c]:>{widths[c]}s}" if right[c] else f"{row[c]:<{widths[c]}s}"
            line += (delimiters[c] if started else "") + cell
            started = True
        out.append(line + "\n")
    return "".join(out)
