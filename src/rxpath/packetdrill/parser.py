"""Reads a packetdrill script: text in, `Script` out, or ScriptError with file and line.

The language is that of packetdrill's README and of the scripts in public test suites: options, commands, code, system
calls, TCP, UDP and ICMP packets with outer headers.  What can be read and not run (MPTCP and SCTP, encapsulation) is
read, and the packet says why it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rxpath.packetdrill.script import (
    ABSOLUTE,
    ABSOLUTE_RANGE,
    ANY,
    RELATIVE,
    RELATIVE_RANGE,
    Array,
    Assign,
    Binary,
    Call,
    Code,
    Command,
    Ellipsis_,
    Event,
    Expr,
    Int,
    Outer,
    Packet,
    Raw,
    Script,
    ScriptError,
    Struct,
    SysCall,
    TcpOption,
    Text,
    Word,
)

_SKIP: Final = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)+", re.S)
_TOKEN: Final = re.compile(
    r"""(?P<tick>`[^`]*`)
      | (?P<code>%\{.*?\}%)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<ellipsis>\.\.\.)
      | (?P<float>\d*\.\d+(?![\w.])|\d+\.\d+)
      | (?P<hex>0[xX][0-9a-fA-F]+\b)
      | (?P<int>-?\d+(?![A-Za-z_0-9]))
      | (?P<word>[A-Za-z0-9_]+(?:-[A-Za-z][A-Za-z0-9_]*)*)
      | (?P<op><<|>>|[-+*~<>=|(){}\[\],:;.!&/^])
    """,
    re.X | re.S,
)
_OPTION: Final = re.compile(r"--([A-Za-z_][\w-]*)(?:=(\w+=\"[^\"]*\"|\w+=`[^`]*`|\"[^\"]*\"|[^\s]+))?")
_IPV4: Final = re.compile(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")
_FLAGS: Final = re.compile(r"(?P<w>[A-Za-z]*)(?P<ace>\.?[0-9]?|\.)")
MAX_DIGITS: Final = 40
MAX_SECONDS: Final = 10_000_000
_NUMBER_TIME: Final = re.compile(r"\d+\.\d*(?!\.)|\.\d+|\d+")

_TCP_NAMES: Final = {
    "mss": "mss", "wscale": "wscale", "sackOK": "sackOK", "sackok": "sackOK", "sack": "sack", "TS": "TS", "nop": "nop",
    "eol": "eol", "EOL": "eol", "NOP": "nop", "FO": "FO", "FOEXP": "FOEXP", "md5": "md5", "MD5": "md5", "ECN": "ECN",
}  # fmt: skip
_TCP_FLAGS: Final = "FSRPEWUCA"


class Parser:
    """One script.  `defines` are replaced where words are read (-D NAME=VALUE and --define)."""

    def __init__(self, text: str, path: str, defines: Mapping[str, str] | None = None) -> None:
        self.text = text
        self.path = path
        self.at = 0
        self.defines = dict(defines or {})
        self.kind = ""
        self.value = ""
        self.start = 0
        self.end = 0
        self.depth = 0
        # a replaced word lengthens the text: lines are counted in the original
        self.shift: list[tuple[int, int]] = []

    # --- reading tokens ----------------------------------------------------------------------------------------------
    def line(self, at: int | None = None) -> int:
        return self.text.count("\n", 0, self.start if at is None else at) + 1

    def fail(self, what: str, at: int | None = None) -> ScriptError:
        return ScriptError(self.path, self.line(at), what)

    def skip(self) -> None:
        m = _SKIP.match(self.text, self.at)
        if m:
            self.at = m.end()

    def next(self) -> None:
        """Read one token into kind and value."""
        for _ in range(16):
            self.skip()
            self.start = self.at
            if self.at >= len(self.text):
                self.kind, self.value, self.end = "eof", "", self.at
                return
            m = _TOKEN.match(self.text, self.at)
            if m is None:
                bad = self.text[self.at : self.at + 12].split("\n")[0]
                raise self.fail(f"cannot read {bad!r}")
            self.kind = m.lastgroup or ""
            self.value = m.group()
            self.end = self.at = m.end()
            if self.end - self.start > MAX_DIGITS and self.kind in ("int", "hex", "float"):
                raise self.fail(f"number out of range: {self.value[:12]}...")
            if self.kind == "word" and self.value in self.defines:
                new = self.defines[self.value]
                if new == self.value:
                    return
                self.text = self.text[: self.start] + new + self.text[self.end :]
                self.at = self.start
                continue
            return
        raise self.fail(f"definition of {self.value} never ends")

    def back(self) -> None:
        """Read the present token again."""
        self.at = self.start

    def is_op(self, op: str) -> bool:
        return self.kind == "op" and self.value == op

    def peek(self) -> tuple[str, str]:
        kind, value, start, end, at = self.kind, self.value, self.start, self.end, self.at
        self.next()
        out = (self.kind, self.value)
        self.kind, self.value, self.start, self.end, self.at = kind, value, start, end, at
        return out

    def want(self, op: str) -> None:
        """The present token must be `op`; go on to the next."""
        if not self.is_op(op):
            raise self.fail(f"expected '{op}', found {self.value!r}")
        self.next()

    # --- the script --------------------------------------------------------------------------------------------------
    def parse(self) -> Script:
        s = Script(self.path)
        self.options(s)
        self.next()
        if self.kind == "tick":
            s.init = Command(self.value[1:-1])
            s.init_line = self.line()
            self.next()
        while self.kind != "eof":
            if self.kind == "tick":
                cmd, line = Command(self.value[1:-1]), self.line()
                self.next()
                if self.kind == "eof":
                    s.cleanup, s.cleanup_line = cmd, line
                    break
                s.events.append(Event(line, RELATIVE, 0, cmd))
                continue
            s.events.append(self.event())
        return s

    def options(self, s: Script) -> None:
        while True:
            self.skip()
            m = _OPTION.match(self.text, self.at)
            if m is None:
                return
            name, value = m.group(1), m.group(2) or ""
            if len(value) >= 2 and value[0] == '"' == value[-1]:
                value = value[1:-1]
            self.at = m.end()
            if name in ("define", "D"):
                key, _, v = value.partition("=")
                self.defines.setdefault(key, v)
            s.options.append((name, value))

    def time(self) -> int:
        """Seconds at the present token, in us; the token after it is read."""
        m = _NUMBER_TIME.match(self.text, self.start)
        if m is None:
            raise self.fail(f"expected a time, found {self.value!r}")
        self.at = m.end()
        whole, _, frac = m.group().partition(".")
        if len(whole) > MAX_DIGITS or int(whole or "0") > MAX_SECONDS:
            raise self.fail("time out of range", self.start)
        us = int(whole or "0") * 1_000_000 + int((frac + "000000")[:6])
        self.next()
        return us

    def event(self) -> Event:
        line = self.line()
        start = self.start
        end_us = 0
        if self.is_op("*"):
            kind, t = ANY, 0
            self.next()
        elif self.is_op("+"):
            self.next()
            t = self.time()
            kind = RELATIVE
            if self.is_op("~"):
                self.next()
                if self.is_op("+"):
                    self.next()
                end_us = self.time()
                kind = RELATIVE_RANGE
        elif self.kind in ("int", "float"):
            if self.value.startswith("-"):
                raise self.fail("negative time")
            t = self.time()
            kind = ABSOLUTE
            if self.is_op("~"):
                self.next()
                if self.is_op("+"):
                    raise self.fail("a range is either absolute or relative")
                end_us = self.time()
                kind = ABSOLUTE_RANGE
        else:
            raise self.fail(f"expected the time of an event, found {self.value!r}")
        if kind in (ABSOLUTE_RANGE, RELATIVE_RANGE) and end_us < t:
            raise self.fail("time range is backwards", start)
        action = self.action()
        outbound = isinstance(action, Packet) and not action.inbound
        if kind == ANY and not outbound:
            raise ScriptError(self.path, line, "event time <star> can only be used with outbound packets")
        if kind in (ABSOLUTE_RANGE, RELATIVE_RANGE) and not outbound:
            raise ScriptError(self.path, line, "event time range can only be used with outbound packets")
        if isinstance(action, SysCall) and action.end_us is not None and action.end_us < t and kind == ABSOLUTE:
            raise ScriptError(self.path, line, "time range is backwards")
        return Event(line, kind, t, action, end_us)

    def action(self) -> Packet | SysCall | Command | Code:
        if self.kind == "tick":
            c = Command(self.value[1:-1])
            self.next()
            return c
        if self.kind == "code":
            d = Code(self.value[2:-2])
            self.next()
            return d
        if self.is_op("<") or self.is_op(">"):
            return self.packet()
        end_us: int | None = None
        if self.kind == "ellipsis":
            self.next()
            end_us = self.time()
        if self.kind != "word":
            raise self.fail(f"expected a packet, system call, command or code, found {self.value!r}")
        return self.syscall(end_us)

    # --- system calls ------------------------------------------------------------------------------------------------
    def syscall(self, end_us: int | None) -> SysCall:
        name = self.value
        self.next()
        self.want("(")
        args = self.expressions(")")
        self.want(")")
        if not self.is_op("="):
            raise self.fail(f"expected '=' and the result of {name}(), found {self.value!r}")
        self.next()
        result = self.expression()
        errno: str | None = None
        note = ""
        if self.kind == "word" and re.fullmatch(r"E[A-Z0-9]+", self.value):
            errno = self.value
            self.next()
        if self.is_op("("):
            close = self.text.find(")", self.start)
            if close < 0:
                raise self.fail("a note without end")
            note = self.text[self.start + 1 : close]
            self.at = close + 1
            self.next()
        return SysCall(name, args, result, errno, note, end_us)

    def expressions(self, close: str) -> list[Expr]:
        out: list[Expr] = []
        if self.is_op(close):
            return out
        while True:
            out.append(self.expression())
            if not self.is_op(","):
                return out
            self.next()
            if self.is_op(close):  # a comma too many
                return out

    def expression(self) -> Expr:
        self.depth += 1
        if self.depth > 100:
            raise self.fail("expression too deep")
        left = self.primary()
        while self.kind == "op" and self.value in ("|", "&", "<<", ">>", "^"):
            op = self.value
            self.next()
            left = Binary(op, left, self.primary())
        self.depth -= 1
        return left

    def primary(self) -> Expr:
        self.depth += 1
        if self.depth > 100:
            raise self.fail("expression too deep")
        e = self.operand()
        self.depth -= 1
        return e

    def operand(self) -> Expr:
        if self.kind == "ellipsis":
            self.next()
            return Ellipsis_()
        if self.kind == "int":
            n = int(self.value)
            self.next()
            return Int(n)
        if self.kind == "hex":
            n = int(self.value, 16)
            self.next()
            return Int(n)
        if self.is_op("~") or self.is_op("-"):
            op = self.value
            self.next()
            e = self.primary()
            if isinstance(e, Int):
                return Int(~e.value if op == "~" else -e.value)
            return Binary(op, Int(0), e)
        if self.kind == "string":
            parts = b""
            while self.kind == "string":
                parts += unescape(self.value[1:-1])
                self.next()
            if self.kind == "ellipsis":
                self.next()
                return Text(parts, True)
            return Text(parts)
        if self.is_op("["):
            self.next()
            items = self.expressions("]")
            self.want("]")
            return Array(items)
        if self.is_op("{"):
            return self.struct()
        if self.is_op("("):
            self.next()
            e = self.expression()
            self.want(")")
            return e
        if self.kind == "word":
            name = self.value
            self.next()
            if self.is_op("("):
                self.next()
                args = self.expressions(")")
                self.want(")")
                if self.is_op("="):
                    self.next()
                    return Assign(name, self.expression(), args)
                return Call(name, args)
            if self.is_op("="):
                self.next()
                return Assign(name, self.expression())
            return Word(name)
        raise self.fail(f"expected an expression, found {self.value!r}")

    def struct(self) -> Expr:
        start = self.start
        kind, value = self.peek()
        if (kind == "op" and value == "(") or (kind == "word" and value == "flags"):
            # MPLS stacks and GRE headers
            level = 0
            while True:
                if self.is_op("{"):
                    level += 1
                elif self.is_op("}"):
                    level -= 1
                    if not level:
                        break
                elif self.kind == "eof":
                    raise self.fail("a structure without end", start)
                self.next()
            text = self.text[start + 1 : self.start]
            self.next()
            return Raw(text)
        self.next()
        items = self.expressions("}")
        self.want("}")
        return Struct(items)

    # --- packets -----------------------------------------------------------------------------------------------------
    def packet(self) -> Packet:
        begin = self.start
        p = Packet(self.is_op("<"), "tcp", self.line())
        self.next()
        self.addresses(p)
        while self.kind == "word" and self.value in ("ipv4", "ipv6", "gre", "mpls", "udp", "psp", "sctp"):
            kind = self.value
            if kind == "sctp":
                return self.sctp(p, begin)
            if kind == "udp" and not self.udp_is_outer():
                break
            p.outer.append(self.outer(kind))
        if self.is_op("[") and self.peek()[0] == "int":  # the old form: what is quoted stands before `icmp`
            self.next()
            quoted = Packet(p.inbound, "tcp", p.line)
            self.sequence(quoted)
            self.want("]")
            self.icmp(p)
            p.echoed, p.seq, p.end, p.length = "tcp", quoted.seq, quoted.end, quoted.length
            p.text = " ".join(self.text[begin : self.start].split("//")[0].split())
            return p
        if self.is_op("(") or self.is_op("["):
            self.ip_info(p)
        if self.kind == "word" and self.value == "sctp":
            return self.sctp(p, begin)
        if self.kind == "word" and self.value in ("udp", "udplite"):
            p.protocol = "udp"
            if self.value == "udplite":
                p.refused = "UDP-Lite"
            self.next()
            self.ports(p)
            self.want("(")
            p.length = self.number()
            if self.is_op(","):  # UDP-Lite's coverage
                self.next()
                self.number()
            self.want(")")
            if p.length > 65535:
                raise self.fail("UDP payload size out of range", begin)
        elif self.kind == "word" and self.value == "icmp":
            self.icmp(p)
        else:
            self.tcp(p)
        if self.is_op("{"):
            while not self.is_op("}"):
                if self.kind == "eof":
                    raise self.fail("a { without }")
                self.next()
            self.next()
            p.refused = "a packet with mutations in braces"
        p.text = " ".join(self.text[begin : self.start].split("//")[0].split())
        return p

    def addresses(self, p: Packet) -> None:
        """`addr[a] > addr[b]` of MPTCP's scripts, and `encap psp spi N`: read and refused."""
        m = re.compile(r"(?:addr\[\w+\]\s*)?>\s*addr\[\w+\]|addr\[\w+\]\s*>").match(self.text, self.start)
        if m is not None:
            p.refused = "MPTCP's addresses"
            self.at = m.end()
            self.next()
        m = re.compile(r"encap\s+psp\s+spi\s+\w+(?:\s*,\s*vc\s+\w+)?").match(self.text, self.start)
        if m is not None:
            p.refused = "PSP"
            self.at = m.end()
            self.next()

    def udp_is_outer(self) -> bool:
        """`udp 5 > 6:` is a header in front, `udp (5)` and `udp 5 > 6 (7)` are packets."""
        return re.match(r"udp\s*\(?\s*\d+\s*>\s*\d+\s*\)?\s*:", self.text[self.start :]) is not None

    def outer(self, kind: str) -> Outer:
        start = self.start
        o = Outer(kind, "")
        self.next()
        if kind in ("ipv4", "ipv6"):
            q = Packet(True, "ip", 0)
            if self.is_op("(") or self.is_op("["):
                self.ip_info(q)
            o.tos = tos_of(q)
            o.ttl = q.ttl or 0
            o.src = self.address(kind)
            self.want(">")
            o.dst = self.address(kind)
            self.want(":")
        else:
            level = 0
            while not (self.is_op(":") and not level):
                if self.kind == "eof":
                    raise self.fail(f"a {kind} header without ':'", start)
                if self.kind == "op" and self.value in "([{":
                    level += 1
                elif self.kind == "op" and self.value in ")]}":
                    level -= 1
                if self.kind in ("int", "hex"):
                    o.numbers.append(int(self.value, 16 if self.kind == "hex" else 10))
                self.next()
            self.want(":")
        o.text = " ".join(self.text[start : self.start].split())
        return o

    def address(self, kind: str) -> str:
        m = (_IPV4 if kind == "ipv4" else _IPV6).match(self.text, self.start)
        if m is None:
            raise self.fail(f"expected an {kind} address, found {self.value!r}")
        text = m.group()
        self.at = m.end()
        if kind == "ipv6" and text.endswith(":") and not text.endswith("::"):
            text = text[:-1]
            self.at -= 1
        self.next()
        return text

    def number(self) -> int:
        if self.kind not in ("int", "hex"):
            raise self.fail(f"expected a number, found {self.value!r}")
        n = int(self.value, 0) if self.kind == "hex" else int(self.value)
        self.next()
        return n

    def ip_info(self, p: Packet) -> None:
        close = ")" if self.is_op("(") else "]"
        self.next()
        while not self.is_op(close):
            w = self.value
            if w in ("noecn", "ect0", "ect1", "ect01", "ce"):
                p.ecn = w
                if w == "ect01" and p.inbound:
                    raise self.fail("[ect01] can only be used with outbound packets")
                self.next()
            elif w in ("tos", "ttl", "flowlabel", "hlim", "id"):
                self.next()
                n = self.number()
                if w == "tos":
                    if n > 255:
                        raise self.fail("tos out of range for 8 bits")
                    p.tos = n
                elif w in ("ttl", "hlim"):
                    p.ttl = n
                elif w == "flowlabel":
                    if n >> 20:
                        raise self.fail("flowlabel out of range for 20 bits")
                    p.flowlabel = n
            else:
                raise self.fail(f"unknown field of the IP header: {w!r}")
            if self.is_op(","):
                self.next()
        self.next()

    def ports(self, p: Packet) -> None:
        if self.kind == "int" and self.peek() == ("op", ">"):
            p.src_port = self.number()
            self.want(">")
            p.dst_port = self.number()
            if max(p.src_port, p.dst_port) > 65535:
                raise self.fail("port out of range")

    def tcp(self, p: Packet) -> None:
        self.ports(p)
        self.flags(p)
        self.sequence(p)
        if self.kind == "word" and self.value == "ack":
            self.next()
            p.ack = self.number()
            p.has_ack = True
            if not 0 <= p.ack < 1 << 32:
                raise self.fail("TCP ack sequence number out of range")
        if self.kind == "word" and self.value == "win":
            self.next()
            if self.kind == "ellipsis" or self.is_op("*"):
                self.next()
            else:
                p.window = self.number()
                if not 0 <= p.window < 1 << 16:
                    raise self.fail("TCP window value out of range")
        if self.kind == "word" and self.value in ("urg", "up"):
            self.next()
            p.urg = self.number()
        if self.is_op("<"):
            self.tcp_options(p)

    def flags(self, p: Packet) -> None:
        if self.is_op("-"):
            self.next()
            return
        m = re.compile(r"([A-Za-z]*)(?:\.([0-9])?)?|\.").match(self.text, self.start)
        if m is None or not m.group():
            raise self.fail(f"expected the flags of a TCP segment, found {self.value!r}")
        word = m.group()
        self.at = m.end()
        for c in word:
            if c not in _TCP_FLAGS and c != "." and not c.isdigit():
                raise self.fail(f"unknown TCP flag {c!r}")
        if word[-1].isdigit():
            p.ace = int(word[-1])
            word = word[:-1]
        p.flags = word
        self.next()

    def sequence(self, p: Packet) -> None:
        start = self.start
        p.seq = self.number()
        self.want(":")
        p.end = self.number()
        self.want("(")
        p.length = self.number()
        self.want(")")
        if not 0 <= p.seq < 1 << 32 or not 0 <= p.end < 1 << 32:
            raise self.fail("TCP sequence number out of range", start)
        if not 0 <= p.length < 1 << 16:
            raise self.fail("TCP payload size out of range", start)
        if (p.seq + p.length) & 0xFFFFFFFF != p.end:
            raise self.fail("inconsistent TCP sequence numbers and payload size", start)

    def tcp_options(self, p: Packet) -> None:
        self.next()
        if self.kind == "ellipsis" or (self.value == "nocheck" and not p.inbound):
            self.next()
            self.want(">")
            if p.inbound:
                raise self.fail("<...> for TCP options can only be used with outbound packets")
            p.options = None
            return
        assert p.options is not None
        while not self.is_op(">"):
            p.options.append(self.tcp_option(p))
            if self.is_op(","):
                self.next()
            elif not self.is_op(">"):
                raise self.fail(f"expected ',' or '>' after a TCP option, found {self.value!r}")
        self.next()

    def hex_blob(self) -> bytes:
        """Hex digits, perhaps none."""
        if self.kind not in ("word", "int") or not re.fullmatch(r"[0-9A-Fa-f]+", self.value):
            return b""
        t = self.value
        self.next()
        if len(t) & 1:
            raise self.fail(f"an odd number of hex digits: {t}")
        return bytes.fromhex(t)

    def tcp_option(self, p: Packet) -> TcpOption:
        start = self.start
        name = _TCP_NAMES.get(self.value, "")
        word = self.value
        if self.kind != "word":
            raise self.fail(f"expected a TCP option, found {self.value!r}")
        self.next()
        if name == "mss":
            if self.kind == "word":
                p.refused = f"a value that is not defined ({self.value})"
                self.next()
                return TcpOption("unknown", text=f"mss {word}")
            n = self.number()
            if not 0 <= n < 65536:
                raise self.fail("mss value out of range", start)
            return TcpOption("mss", [n])
        if name == "wscale":
            n = self.number()
            if not 0 <= n < 256:
                raise self.fail("window scale shift count out of range", start)
            return TcpOption("wscale", [n])
        if name in ("nop", "eol", "sackOK"):
            return TcpOption(name)
        if name == "TS":
            if self.kind == "word" and self.value == "val":
                self.next()
                val = self.number()
                if not (self.kind == "word" and self.value == "ecr"):
                    raise self.fail("expected 'ecr'")
                self.next()
                ecr = self.number()
                if not 0 <= val < 1 << 32 or not 0 <= ecr < 1 << 32:
                    raise self.fail("time stamp out of range", start)
                return TcpOption("TS", [val, ecr])
            raise self.fail("expected 'val' after TS")
        if name == "sack":
            values: list[int] = []
            while self.kind == "int":
                values.append(self.number())
                self.want(":")
                values.append(self.number())
                if self.is_op(",") and self.peek()[0] == "int":
                    self.next()
            if not values:
                raise self.fail("expected a SACK block")
            return TcpOption("sack", values)
        if name in ("FO", "FOEXP", "md5"):
            return TcpOption(name, blob=self.hex_blob())
        if name == "ECN":
            values = []
            text = ""
            while self.kind == "word" and self.value in ("e0b", "e1b", "ceb"):
                text += self.value + " "
                self.next()
                values.append(self.number())
            return TcpOption("ECN", values, text=text.strip())
        m = re.fullmatch(r"(?:exp|kind|opt)[-_]?(.*)", word)
        # anything else: kept as it stands
        level = 0
        while not (level == 0 and (self.is_op(",") or self.is_op(">"))):
            if self.kind == "eof":
                raise self.fail(f"the TCP option {word} never ends", start)
            if self.kind == "op" and self.value in "([{":
                level += 1
            elif self.kind == "op" and self.value in ")]}":
                level -= 1
            self.next()
        text = " ".join(self.text[start : self.start].split())
        raw = re.fullmatch(r"(?:generic|exp|kind|opt)\s+(?:kind\s+)?(\d+|0x[0-9a-fA-F]+)\s+(0x)?([0-9a-fA-F]*)", text)
        if m and raw and len(raw.group(3)) % 2 == 0 and len(raw.group(1)) <= 5:
            return TcpOption(
                "raw", [int(raw.group(1), 16 if "x" in raw.group(1) else 10)], bytes.fromhex(raw.group(3)), text
            )
        if not p.refused:
            p.refused = f"the TCP option {word}"
        return TcpOption("unknown", text=text)

    def icmp(self, p: Packet) -> None:
        p.protocol = "icmp"
        self.next()
        if self.kind != "word":
            raise self.fail("expected the type of an ICMP message")
        p.icmp_type = self.value
        self.next()
        if self.kind == "word" and self.value not in ("mtu", "id"):
            p.icmp_code = self.value
            self.next()
        if self.kind == "word" and self.value == "mtu":
            self.next()
            p.icmp_mtu = self.number()
        if self.kind == "word" and self.value == "id":
            self.next()
            p.icmp_id = self.number()
        if self.is_op("["):
            self.next()
            if self.kind == "word" and self.value in ("udp", "raw", "udplite"):
                p.echoed = self.value
                self.next()
                self.want("(")
                p.length = self.number()
                self.want(")")
            elif self.kind == "word" and self.value == "sctp":
                p.echoed = "sctp"
                p.refused = "SCTP"
                while not self.is_op("]") and self.kind != "eof":
                    self.next()
            else:
                p.echoed = "tcp"
                self.sequence(p)
            self.want("]")

    def sctp(self, p: Packet, begin: int) -> Packet:
        """SCTP is read over: everything up to the time of the next event."""
        p.protocol = "sctp"
        p.refused = "SCTP"
        level = 0
        while self.kind != "eof":
            if self.kind == "op" and self.value in "([{":
                level += 1
            elif self.kind == "op" and self.value in ")]}":
                level -= 1
            self.next()
            if level <= 0 and self.kind != "op" and self.text[: self.start].rstrip(" \t").endswith("\n"):
                if self.kind in ("int", "float", "tick"):
                    break
            elif level <= 0 and self.kind == "op" and self.value in "+*":
                break
        p.text = " ".join(self.text[begin : self.start].split())
        return p


def tos_of(p: Packet) -> int:
    """The TOS byte that a packet names."""
    if p.tos is not None:
        return p.tos
    return {"ect0": 2, "ect1": 1, "ce": 3}.get(p.ecn or "", 0)


def unescape(text: str) -> bytes:
    """A C string."""
    out = bytearray()
    i = 0
    while i < len(text):
        c = text[i]
        if c != "\\" or i + 1 >= len(text):
            out += c.encode()
            i += 1
            continue
        c = text[i + 1]
        i += 2
        m = re.compile(r"x([0-9a-fA-F]{1,2})|([0-7]{1,3})").match(text, i - 1)
        if m:
            out.append(int(m.group(1), 16) if m.group(1) else int(m.group(2), 8) & 255)
            i = m.end()
        else:
            out += {"n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}.get(
                c, c.encode()
            )
    return bytes(out)


def parse(text: str, path: str = "script", defines: Mapping[str, str] | None = None) -> Script:
    """A script's text as a Script.  Raises ScriptError."""
    return Parser(text, path, defines).parse()


__all__ = ["Parser", "parse", "tos_of"]
