"""Code in `%{ }%`: assertions over tcp_info, in a small part of Python that is interpreted here.

Understood: assert, assignment of a name, print, if; comparisons, arithmetic, and/or/not, names, numbers, texts,
tuples, and the functions abs, min, max, int, len, print.  Anything else raises NotUnderstood, and the step is skipped
with a word.
"""

from __future__ import annotations

import ast
import operator
import re
import struct
import textwrap
from collections.abc import Callable
from typing import Any, Final

from rxpath.packetdrill.symbols import SYMBOLS

# struct tcp_info (include/uapi/linux/tcp.h, 6.18), in order
_HEAD: Final = ("state", "ca_state", "retransmits", "probes", "backoff", "options")
_WORDS: Final = (
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv "
    "last_ack_recv pmtu "
    "rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans"
).split()
_TAIL: Final = (
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash"),
    ("H", "total_rto total_rto_recoveries"),
    ("I", "total_rto_time"),
    (
        "I",
        "received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes received_e1_bytes "
        "received_e0_bytes received_ce_bytes",
    ),
    ("H", "accecn_fail_mode accecn_opt_seen"),
)
MEMINFO: Final = (
    "RMEM_ALLOC",
    "RCVBUF",
    "WMEM_ALLOC",
    "SNDBUF",
    "FWD_ALLOC",
    "WMEM_QUEUED",
    "OPTMEM",
    "BACKLOG",
    "DROPS",
)


class NotUnderstood(ValueError):
    """Code beyond what is interpreted here."""


def bounded(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator that does not make what fills the memory.  Raises OverflowError."""

    def run(a: Any, b: Any) -> Any:
        if op is operator.lshift and not 0 <= b <= 1024:
            raise OverflowError("shift out of range")
        if op is operator.mul and not (isinstance(a, int | float) and isinstance(b, int | float)):
            raise NotUnderstood("repetition")
        if isinstance(a, int) and a.bit_length() > 4096:
            raise OverflowError("number out of range")
        return op(a, b)

    return run


_BIN: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: bounded(operator.mul),
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: bounded(operator.lshift),
    ast.RShift: operator.rshift,
}
_CMP: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CALLS: Final[dict[str, Callable[..., Any]]] = {"abs": abs, "min": min, "max": max, "int": int, "len": len}


class Failed(AssertionError):
    """An assertion that does not hold."""


def tcp_info(data: bytes) -> dict[str, int]:
    """The fields of struct tcp_info that `data` holds, named tcpi_*."""
    out: dict[str, int] = {}
    if len(data) < 104:
        return out
    for i, name in enumerate(_HEAD):
        out["tcpi_" + name] = data[i]
    out["tcpi_snd_wscale"], out["tcpi_rcv_wscale"] = data[6] & 15, data[6] >> 4
    out["tcpi_delivery_rate_app_limited"] = data[7] & 1
    out["tcpi_fastopen_client_fail"] = data[7] >> 1 & 3
    for i, name in enumerate(_WORDS):
        out["tcpi_" + name] = struct.unpack_from("<I", data, 8 + 4 * i)[0]
    at = 104
    for fmt, names in _TAIL:
        for name in names.split():
            size = struct.calcsize("<" + fmt)
            if at + size > len(data):
                return out
            out["tcpi_" + name] = struct.unpack_from("<" + fmt, data, at)[0]
            at += size
    return out


class Code:
    """Runs steps; names that a step assigned stay for the next."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.printed: list[str] = []

    def run(self, text: str, names: dict[str, Any]) -> None:
        """Raises Failed, NotUnderstood."""
        text = textwrap.dedent(text.strip("\n")).strip().removesuffix("\\").rstrip()
        text = re.sub(r";[ \t]*\\\n\s*", "\n", text)  # statements of one line, in several
        try:
            tree = ast.parse(text)
        except SyntaxError:
            try:
                tree = ast.parse("\n".join(line.strip() for line in text.splitlines()))
            except SyntaxError as e:
                raise NotUnderstood(f"not Python 3: {e.msg}") from None
        except (ValueError, RecursionError, MemoryError) as e:
            raise NotUnderstood(f"not Python 3: {e}") from None
        try:
            self.body(tree.body, names)
        except RecursionError:
            raise NotUnderstood("code too deep") from None

    def body(self, statements: list[ast.stmt], names: dict[str, Any]) -> None:
        for s in statements:
            if isinstance(s, ast.Assert):
                if not self.value(s.test, names):
                    what = "" if s.msg is None else f": {self.value(s.msg, names)}"
                    raise Failed(f"assert {ast.unparse(s.test)}{what}")
            elif isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], ast.Name):
                self.names[s.targets[0].id] = self.value(s.value, names)
            elif isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name):
                op = _BIN.get(type(s.op))
                if op is None:
                    raise NotUnderstood(ast.unparse(s))
                self.names[s.target.id] = op(self.name(s.target.id, names), self.value(s.value, names))
            elif isinstance(s, ast.Expr):
                self.value(s.value, names)
            elif isinstance(s, ast.If):
                self.body(s.body if self.value(s.test, names) else s.orelse, names)
            elif not isinstance(s, ast.Pass):
                raise NotUnderstood(ast.unparse(s).split("\n")[0])

    def name(self, name: str, names: dict[str, Any]) -> Any:
        for table in (self.names, names, SYMBOLS):
            if name in table:
                return table[name]
        raise NotUnderstood(f"the name {name}")

    def value(self, e: ast.expr, names: dict[str, Any]) -> Any:
        if isinstance(e, ast.Constant):
            return e.value
        if isinstance(e, ast.Name):
            return self.name(e.id, names)
        if isinstance(e, ast.Compare):
            left = self.value(e.left, names)
            for op, right_e in zip(e.ops, e.comparators, strict=True):
                right = self.value(right_e, names)
                if isinstance(op, ast.In | ast.NotIn):
                    ok = (left in right) == isinstance(op, ast.In)
                else:
                    fn = _CMP.get(type(op))
                    if fn is None:
                        raise NotUnderstood(ast.unparse(e))
                    ok = bool(fn(left, right))
                if not ok:
                    return False
                left = right
            return True
        if isinstance(e, ast.BoolOp):
            result: Any = None
            for v in e.values:
                result = self.value(v, names)
                if bool(result) != isinstance(e.op, ast.And):
                    return result
            return result
        if isinstance(e, ast.BinOp):
            if isinstance(e.op, ast.Mod) and isinstance(e.left, ast.Constant) and isinstance(e.left.value, str):
                return e.left.value % self.value(e.right, names)
            fn2 = _BIN.get(type(e.op))
            if fn2 is None:
                raise NotUnderstood(ast.unparse(e))
            return fn2(self.value(e.left, names), self.value(e.right, names))
        if isinstance(e, ast.UnaryOp):
            v = self.value(e.operand, names)
            return (
                not v
                if isinstance(e.op, ast.Not)
                else -v
                if isinstance(e.op, ast.USub)
                else ~v
                if isinstance(e.op, ast.Invert)
                else +v
            )
        if isinstance(e, ast.Tuple | ast.List):
            return tuple(self.value(x, names) for x in e.elts)
        if isinstance(e, ast.IfExp):
            return self.value(e.body if self.value(e.test, names) else e.orelse, names)
        if isinstance(e, ast.JoinedStr):
            return ast.unparse(e)
        if isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and not e.keywords:
            args = [self.value(a, names) for a in e.args]
            if e.func.id in ("print", "str", "repr", "hex"):
                text = " ".join(str(a) for a in args)
                if e.func.id == "print":
                    self.printed.append(text)
                return text
            if e.func.id in _CALLS:
                return _CALLS[e.func.id](*args)
        raise NotUnderstood(ast.unparse(e))


__all__ = ["Code", "Failed", "NotUnderstood", "tcp_info"]
