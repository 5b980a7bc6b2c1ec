"""What the lines of /proc/net/udp, tcp and raw have in common: slot, addresses, state, queues, owner.

Belongs here: the shared columns and socket state names.  Each file's own columns and header are in its own
module.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, unsigned
from .inet_addr import from_hex, to_hex

STATES: dict[int, str] = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}

HEADER_V4 = "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
HEADER_V6 = (
    "  sl  local_address                         remote_address                       "
    " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
)


@dataclass(frozen=True, slots=True)
class SockHead:
    """The columns before the inode.

    Addresses are strings, ports host order, queues bytes, `when` 1/100 s.
    """

    sl: int
    local: str
    lport: int
    remote: str
    rport: int
    st: int
    tx_queue: int = 0
    rx_queue: int = 0
    tr: int = 0
    when: int = 0
    retrnsmt: int = 0
    uid: int = 0
    timeout: int = 0


def is_header(line: str) -> bool:
    """Whether a line is the header of any of these files."""
    return line.lstrip().startswith("sl ") and "st tx_queue" in line


def parse_head(line: str, fmt: str, number: int) -> tuple[SockHead, list[str]]:
    """The shared columns of a line and the words after them (inode first)."""
    slot, colon, rest = line.partition(":")
    words = rest.split()
    if not colon or len(words) < 9:
        raise FormatError(fmt, number, f"expected a socket line, found {shown(line.strip())}")
    local, lport = _address(words[0], fmt, number)
    remote, rport = _address(words[1], fmt, number)
    tx, rx = _two(words[3], fmt, number, "tx_queue:rx_queue")
    tr, when = _two(words[4], fmt, number, "tr:tm->when")
    head = SockHead(
        sl=unsigned(slot.strip(), fmt, number, "a slot number"),
        local=local,
        lport=lport,
        remote=remote,
        rport=rport,
        st=hexadecimal(words[2], fmt, number, "a state of two hex digits"),
        tx_queue=tx,
        rx_queue=rx,
        tr=tr,
        when=when,
        retrnsmt=hexadecimal(words[5], fmt, number),
        uid=unsigned(words[6], fmt, number, "a user id"),
        timeout=unsigned(words[7], fmt, number),
    )
    return head, words[8:]


def _address(word: str, fmt: str, number: int) -> tuple[str, int]:
    address, colon, port = word.partition(":")
    if not colon:
        raise FormatError(fmt, number, f"expected ADDRESS:PORT in hex, found {shown(word)}")
    value = hexadecimal(port, fmt, number, "a port of 4 hex digits")
    if value > 0xFFFF:
        raise FormatError(fmt, number, f"expected a port of 4 hex digits, found {shown(port)}")
    return from_hex(address, fmt, number), value


def _two(word: str, fmt: str, number: int, what: str) -> tuple[int, int]:
    left, colon, right = word.partition(":")
    if not colon:
        raise FormatError(fmt, number, f"expected {what}, found {shown(word)}")
    return hexadecimal(left, fmt, number, what), hexadecimal(right, fmt, number, what)


def render_head(head: SockHead, slot_width: int) -> str:
    """The shared columns as printed."""
    return (
        f"{head.sl:>{slot_width}d}: {to_hex(head.local)}:{head.lport:04X}"
        f" {to_hex(head.remote)}:{head.rport:04X}"
        f" {head.st:02X} {head.tx_queue & 0xFFFFFFFF:08X}:{head.rx_queue & 0xFFFFFFFF:08X}"
        f" {head.tr:02X}:{head.when:08X} {head.retrnsmt:08X} {head.uid:5d} {head.timeout:8d}"
    )
