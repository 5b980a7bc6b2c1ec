"""The system calls of a script: arguments in, what came back against what the script expects.

Every handler gives a pair: the call itself (runs on the host, may block, gives the result or raises OSError) and the
check of what it handed back beyond its result.  File descriptors are the script's numbers; what stands behind them is
a socket of the host, an epoll instance, or a small file or pipe of this module.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rxpath.packetdrill.host import Epoll, Host
from rxpath.packetdrill.script import (
    Array,
    Assign,
    Binary,
    Call,
    Ellipsis_,
    Expr,
    Int,
    Struct,
    SysCall,
    Text,
    Word,
    show,
)
from rxpath.packetdrill.symbols import ERRNO, SYMBOLS

EBADF, EINVAL, EAGAIN, EFAULT, ENOTSUP, EPIPE = 9, 22, 11, 14, 95, 32
O_NONBLOCK: Final = 0x800
MSG_PEEK: Final = 2
MAX_BUFFER: Final = 1 << 27


class CallError(ValueError):
    """A call that cannot be made as written."""


def is_null(e: Expr) -> bool:
    return isinstance(e, Word) and e.name == "NULL"


class BadFd(OSError):
    """EBADF."""

    def __init__(self) -> None:
        super().__init__(EBADF, "Bad file descriptor")


class Fault(OSError):
    """EFAULT: a NULL where bytes should be."""

    def __init__(self) -> None:
        super().__init__(EFAULT, "Bad address")


@dataclass(slots=True)
class Made:
    """A call ready to run.  `check(value)` gives what is wrong, or ""."""

    run: Callable[[], Any]
    check: Callable[[Any], str] | None = None
    result: Callable[[Any], int] | None = None  # the number that the call returns, when the value is not it
    after: Callable[[Any, int], None] | None = None  # with the script's result, when it succeeded


class FileFd:
    """A regular file: in memory, with the content of the host's file of that name if there is one."""

    def __init__(self, path: str, flags: int, files: dict[str, bytes]) -> None:
        self.pos = 0
        self.data = bytearray(files.get(path, b""))
        if path in files:
            return
        if flags & 0x200 == 0 and os.path.isfile(path) and os.path.getsize(path) <= 1 << 26:
            with open(path, "rb") as f:
                self.data = bytearray(f.read())

    def read(self, n: int) -> bytes:
        out = bytes(self.data[self.pos : self.pos + n])
        self.pos += len(out)
        return out

    def write(self, b: bytes) -> int:
        self.data[self.pos : self.pos + len(b)] = b
        self.pos += len(b)
        return len(b)


class PipeFd:
    """One end of a pipe; both ends share `buffer`."""

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer

    def read(self, n: int) -> bytes:
        if not self.buffer:
            raise OSError(EAGAIN, "Resource temporarily unavailable")
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def write(self, b: bytes) -> int:
        self.buffer += b
        return len(b)


class Fields(dict[str, Expr]):
    """The fields of a structure by name; what a call needs and the script does not give is a CallError."""

    def __init__(self, e: Struct) -> None:
        super().__init__(e.fields())

    def __missing__(self, name: str) -> Expr:
        raise CallError(f"a structure without {name}")


class Calls:
    """The table of file descriptors and the handlers `sys_NAME`."""

    def __init__(self, host: Host, local_ip: str, remote_ip: str, bind_port: int, connect_port: int) -> None:
        self.host = host
        self.bind_address = (local_ip, bind_port)
        self.connect_address = (remote_ip, connect_port)
        self.fds: dict[int, Any] = {}
        self.info: Any = None  # the socket that code looks at
        # told to the runner: ("listen" | "connect" | "udp", socket)
        self.on_event: Callable[[str, Any], None] = lambda what, sock: None
        self.slack_us = 4000
        self.files: dict[str, bytes] = {}  # what commands of the script have written
        self.zero_ns = 0  # the host's wall clock when the script began

    # --- values ------------------------------------------------------------------------------------------------------
    def number(self, e: Expr) -> int:
        """Raises CallError for what is no number."""
        if isinstance(e, Int):
            return e.value
        if isinstance(e, Word):
            if e.name in SYMBOLS:
                return SYMBOLS[e.name]
            if e.name in ERRNO:
                return ERRNO[e.name]
            raise CallError(f"unknown symbol {e.name}")
        if isinstance(e, Binary):
            a, b = self.number(e.left), self.number(e.right)
            if e.op == "|":
                return a | b
            if e.op == "&":
                return a & b
            if e.op == "^":
                return a ^ b
            if e.op == "<<":
                return a << min(max(b, 0), 64)
            if e.op == ">>":
                return a >> min(max(b, 0), 1 << 10)
            if e.op in "~-":
                return ~b if e.op == "~" else -b
        if isinstance(e, Call) and len(e.args) == 1:
            if e.name in ("htons", "htonl", "ntohs", "ntohl"):
                return self.number(e.args[0])
            if e.name == "inet_addr" and isinstance(e.args[0], Text):
                try:
                    return int.from_bytes(socket.inet_aton(e.args[0].value.decode("latin-1")), "little")
                except OSError:
                    raise CallError(f"{show(e)} is not an address") from None
        if isinstance(e, Array) and len(e.items) == 1:
            return self.number(e.items[0])
        raise CallError(f"{show(e)} is not a number")

    def count(self, call: SysCall, low: int, high: int = -1) -> list[Expr]:
        n = len(call.args)
        if not low <= n <= (high if high >= 0 else low):
            raise CallError(f"{call.name}() takes {low} arguments, the script gives {n}")
        return call.args

    def fd(self, e: Expr) -> Any:
        """What stands behind a descriptor, or None."""
        return self.fds.get(self.number(e))

    def sock(self, e: Expr) -> Any:
        o = self.fd(e)
        if isinstance(o, FileFd | PipeFd | Epoll):
            raise OSError(88, "Socket operation on non-socket")
        return o

    def address(self, e: Expr, default: tuple[str, int]) -> tuple[str, int] | None:
        """None = AF_UNSPEC."""
        if isinstance(e, Ellipsis_):
            return default
        if isinstance(e, Array) and len(e.items) == 1:
            return self.address(e.items[0], default)
        if isinstance(e, Word) and self.number(e) == 0:  # AF_UNSPEC
            return None
        if not isinstance(e, Struct):
            raise CallError(f"{show(e)} is not an address")
        f = Fields(e)
        family = f.get("sa_family") or f.get("sin_family")
        if family is not None and self.number(family) == 0:
            return None
        if family is not None and self.number(family) == 10:
            raise CallError("IPv6 is not modelled")
        port, ip = f.get("sin_port"), f.get("sin_addr")
        text = default[0]
        if isinstance(ip, Call) and ip.args and isinstance(ip.args[0], Text):
            text = ip.args[0].value.decode("latin-1")
        elif isinstance(ip, Int | Word):
            text = ".".join(str(b) for b in self.number(ip).to_bytes(4, "little"))
        return text, (self.number(port) if port is not None and not isinstance(port, Ellipsis_) else default[1])

    def data(self, e: Expr, n: int) -> bytes:
        """The bytes of a buffer argument, `n` of them."""
        if not 0 <= n <= MAX_BUFFER:
            raise CallError(f"a buffer of {n} bytes")
        if isinstance(e, Text):
            return e.value[:n].ljust(n, b"\0")
        if n and is_null(e):
            raise Fault
        return bytes(n)

    # --- making a call -----------------------------------------------------------------------------------------------
    def make(self, call: SysCall) -> Made:
        handler = getattr(self, "sys_" + call.name, None)
        if handler is None:
            raise CallError(f"the system call {call.name}() is not modelled")
        try:
            made: Made = handler(call)
        except CallError:
            raise
        except (struct.error, OverflowError, ValueError, TypeError) as e:
            raise CallError(f"{call.name}(): a value that it cannot have: {e}") from None
        except Fault as e:
            fault = e

            def run() -> int:
                raise fault

            return Made(run)
        return made

    def expect_data(self, e: Expr) -> Callable[[Any], str] | None:
        if not isinstance(e, Text):
            return None
        text = e

        def check(got: Any) -> str:
            want = text.value
            b = got if isinstance(got, bytes) else bytes(got)
            if b[: len(want)] != want or (not text.open and len(b) > len(want)):
                return f"expected data {want!r} but got {b[:64]!r}"
            return ""

        return check

    def guarded(self, o: Any, fn: Callable[[], Any]) -> Callable[[], Any]:
        """EBADF when nothing stands behind the descriptor."""

        def run() -> Any:
            if o is None:
                raise BadFd
            return fn()

        return run

    # --- sockets -----------------------------------------------------------------------------------------------------
    def sys_socket(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        family = 2 if isinstance(a[0], Ellipsis_) else self.number(a[0])
        type_, proto = self.number(a[1]), self.number(a[2])
        for number, name in ((262, "MPTCP"), (132, "SCTP"), (136, "UDP-Lite")):
            if proto == number:
                raise CallError(f"{name} is not modelled")

        def after(value: Any, fd: int) -> None:
            self.fds[fd] = value
            self.info = value
            if type_ & 15 != 1:
                self.on_event("udp", value)

        return Made(lambda: self.host.socket(family, type_, proto), result=lambda v: -2, after=after)

    def sys_bind(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        s = self.sock(a[0])
        address = self.address(a[1], self.bind_address)

        def run() -> int:
            s.bind(address)
            return 0

        return Made(self.guarded(s, run), after=lambda v, r: self.on_event("bind", s))

    def sys_listen(self, c: SysCall) -> Made:
        a = self.count(c, 2)
        s, n = self.sock(a[0]), self.number(a[1])

        def run() -> int:
            s.listen(n)
            return 0

        return Made(self.guarded(s, run), after=lambda v, r: self.on_event("listen", s))

    def sys_accept(self, c: SysCall) -> Made:
        a = self.count(c, 3, 4)
        s = self.sock(a[0])
        flags = self.number(a[3]) if len(a) > 3 else 0

        def run() -> Any:
            new, _ = s.accept()
            if flags & O_NONBLOCK:
                new.setblocking(False)
            elif hasattr(new, "getblocking") and not new.getblocking():
                new.setblocking(True)
            return new

        def after(value: Any, fd: int) -> None:
            self.fds[fd] = value
            self.info = value
            self.on_event("accept", value)

        return Made(self.guarded(s, run), result=lambda v: -2, after=after)

    sys_accept4 = sys_accept

    def sys_connect(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        s = self.sock(a[0])
        address = self.address(a[1], self.connect_address)
        if s is not None and address is not None:
            self.info = s
            self.on_event("connect", s)

        def run() -> int:
            if address is None:
                self.host.disconnect(s)
            else:
                s.connect(address)
            return 0

        return Made(self.guarded(s, run), after=lambda v, r: self.on_event("connected", s))

    def sys_shutdown(self, c: SysCall) -> Made:
        a = self.count(c, 2)
        s, how = self.sock(a[0]), self.number(a[1])

        def run() -> int:
            s.shutdown(how)
            return 0

        return Made(self.guarded(s, run))

    def sys_close(self, c: SysCall) -> Made:
        a = self.count(c, 1)
        n = self.number(a[0])
        o = self.fds.get(n)

        def run() -> int:
            self.fds.pop(n, None)
            close = getattr(o, "close", None)
            if close is not None:
                close()
            return 0

        return Made(self.guarded(o, run))

    # --- data in -----------------------------------------------------------------------------------------------------
    def receive(self, c: SysCall, e: Expr, n: int, flags: int) -> Made:
        o = self.fd(c.args[0])

        def run() -> bytes:
            if isinstance(o, FileFd | PipeFd):
                return o.read(n)
            if nowhere and o.recv(n, flags | MSG_PEEK):
                raise Fault
            out: bytes = o.recv(n, flags)
            return out

        nowhere = is_null(e) and n > 0
        return Made(self.guarded(o, run), self.expect_data(e), result=len)

    def sys_read(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        return self.receive(c, a[1], self.number(a[2]), 0)

    def sys_recv(self, c: SysCall) -> Made:
        a = self.count(c, 4)
        return self.receive(c, a[1], self.number(a[2]), self.number(a[3]))

    def sys_recvfrom(self, c: SysCall) -> Made:
        a = self.count(c, 6)
        s = self.sock(a[0])
        n, flags = self.number(a[2]), self.number(a[3])
        data = self.expect_data(a[1])
        want = self.address(a[4], self.connect_address) if isinstance(a[4], Struct) else None

        def check(v: Any) -> str:
            if want is not None and tuple(v[1]) != want:
                return f"expected a message from {want[0]}:{want[1]} but got one from {v[1][0]}:{v[1][1]}"
            return data(v[0]) if data is not None else ""

        def run() -> Any:
            if nowhere and s.recv(n, flags | MSG_PEEK):
                raise Fault
            return s.recvfrom(n, flags)

        nowhere = is_null(a[1]) and n > 0
        return Made(self.guarded(s, run), check, result=lambda v: len(v[0]))

    def iovec(self, e: Expr) -> list[tuple[Expr, int]]:
        if not isinstance(e, Array):
            raise CallError(f"{show(e)} is not a list of buffers")
        out: list[tuple[Expr, int]] = []
        for item in e.items:
            if not isinstance(item, Struct) or len(item.items) != 2:
                raise CallError(f"{show(item)} is not a buffer")
            base, size = item.items
            base = base.value if isinstance(base, Assign) else base
            size = size.value if isinstance(size, Assign) else size
            out.append((base, self.number(size)))
        return out

    def sys_readv(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        n = sum(size for _, size in self.iovec(a[1]))
        return self.receive(c, Ellipsis_(), n, 0)

    def sys_recvmsg(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        s = self.sock(a[0])
        f = self.msghdr(a[1])
        iov = self.iovec(f["msg_iov"]) if "msg_iov" in f else []
        n = sum(size for _, size in iov)
        flags = self.number(a[2])

        def check(v: Any) -> str:
            data, control, got, _ = v
            if "msg_flags" in f and not isinstance(f["msg_flags"], Ellipsis_):
                want = self.number(f["msg_flags"])
                if want != got:
                    return f"expected msg_flags {want:#x} but got {got:#x}"
            if "msg_control" in f and not isinstance(f["msg_control"], Ellipsis_):
                return self.check_control(f["msg_control"], control)
            for base, size in iov:
                text = self.expect_data(base)
                if text is not None:
                    bad = text(data[:size])
                    if bad:
                        return bad
                data = data[size:]
            return ""

        return Made(self.guarded(s, lambda: s.recvmsg(n, 4096, flags)), check, result=lambda v: len(v[0]))

    def msghdr(self, e: Expr) -> dict[str, Expr]:
        if not isinstance(e, Struct):
            raise CallError(f"{show(e)} is not a message header")
        return Fields(e)

    # --- data out ----------------------------------------------------------------------------------------------------
    def transmit(self, c: SysCall, data: bytes, flags: int) -> Made:
        o = self.fd(c.args[0])

        def run() -> int:
            if isinstance(o, FileFd | PipeFd):
                return o.write(data)
            n: int = o.send(data, flags)
            return n

        return Made(self.guarded(o, run))

    def sys_write(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        return self.transmit(c, self.data(a[1], self.number(a[2])), 0)

    def sys_writev(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        o = self.fd(a[0])
        parts = [self.data(b, n) for b, n in self.iovec(a[1])]

        def run() -> int:
            if isinstance(o, FileFd | PipeFd):
                return o.write(b"".join(parts))
            n: int = o.sendmsg(parts)
            return n

        return Made(self.guarded(o, run))

    def sys_send(self, c: SysCall) -> Made:
        a = self.count(c, 4)
        return self.transmit(c, self.data(a[1], self.number(a[2])), self.number(a[3]))

    def sys_sendto(self, c: SysCall) -> Made:
        a = self.count(c, 6)
        s = self.sock(a[0])
        data, flags = self.data(a[1], self.number(a[2])), self.number(a[3])
        if isinstance(a[4], Word) and a[4].name == "NULL":
            return self.transmit(c, data, flags)
        address = self.address(a[4], self.connect_address)
        if flags & 0x20000000 and s is not None:
            self.info = s
            self.on_event("connect", s)
        if address is None:
            address = ("", 0)
        return Made(
            self.guarded(s, lambda: s.sendto(data, flags, address)), after=lambda v, r: self.on_event("connected", s)
        )

    def sys_sendmsg(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        s = self.sock(a[0])
        f = self.msghdr(a[1])
        parts = [self.data(b, n) for b, n in self.iovec(f["msg_iov"])] if "msg_iov" in f else []
        control = self.control(f["msg_control"]) if "msg_control" in f else []
        flags = self.number(a[2])
        address: tuple[str, int] | None = None
        if flags & 0x20000000:
            address = self.connect_address
            if s is not None:
                self.info = s
                self.on_event("connect", s)
        elif "msg_name" in f and (isinstance(f["msg_name"], Struct) or getattr(s, "type", 1) & 15 != 1):
            address = self.address(f["msg_name"], self.connect_address)

        def run() -> int:
            n: int = (
                s.sendmsg(parts, control, flags, address) if address is not None else s.sendmsg(parts, control, flags)
            )
            return n

        return Made(self.guarded(s, run), after=lambda v, r: self.on_event("connected", s))

    # --- control messages --------------------------------------------------------------------------------------------
    def control(self, e: Expr) -> list[tuple[int, int, bytes]]:
        if not isinstance(e, Array):
            raise CallError(f"{show(e)} is not a list of control messages")
        out: list[tuple[int, int, bytes]] = []
        for item in e.items:
            f = item.fields() if isinstance(item, Struct) else {}
            if not {"cmsg_level", "cmsg_type", "cmsg_data"} <= set(f):
                raise CallError(f"{show(item)} is not a control message")
            level, type_ = self.number(f["cmsg_level"]), self.number(f["cmsg_type"])
            out.append((level, type_, struct.pack("<i", self.number(f["cmsg_data"]))))
        return out

    def check_control(self, e: Expr, got: list[tuple[int, int, bytes]]) -> str:
        if not isinstance(e, Array):
            raise CallError(f"{show(e)} is not a list of control messages")
        if len(e.items) != len(got):
            return f"expected {len(e.items)} control messages but got {len(got)}"
        for item, (level, type_, data) in zip(e.items, got, strict=True):
            if isinstance(item, Ellipsis_):
                continue
            f = item.fields() if isinstance(item, Struct) else {}
            if "cmsg_level" in f and self.number(f["cmsg_level"]) != level:
                return f"bad cmsg level: expected {show(f['cmsg_level'])} actual {level}"
            if "cmsg_type" in f and self.number(f["cmsg_type"]) != type_:
                return f"bad cmsg type: expected {show(f['cmsg_type'])} actual {type_}"
            d = f.get("cmsg_data")
            if d is None or isinstance(d, Ellipsis_):
                continue
            if isinstance(d, Struct):
                bad = self.check_struct(d, data)
            else:
                value = int.from_bytes(data[: min(len(data), 4)], "little", signed=True)
                bad = "" if value == self.number(d) else f"bad cmsg data: expected {show(d)} actual {value}"
            if bad:
                return bad
        return ""

    def check_struct(self, d: Struct, data: bytes) -> str:
        f = d.fields()
        if "ee_errno" in f:
            e, origin, type_, code, _, info, eedata = struct.unpack_from("<IBBBBII", data)
            got = {
                "ee_errno": e,
                "ee_origin": origin,
                "ee_type": type_,
                "ee_code": code,
                "ee_info": info,
                "ee_data": eedata,
            }
            for name, want in f.items():
                if name in got and not isinstance(want, Ellipsis_) and self.number(want) != got[name]:
                    return f"bad {name}: expected {show(want)} actual {got[name]}"
            return ""
        if "scm_sec" in f:
            sec, nsec = struct.unpack_from("<qq", data)
            want_ns = self.number(f["scm_sec"]) * 1_000_000_000 + self.number(f["scm_nsec"])
            got_ns = sec * 1_000_000_000 + nsec - self.zero_ns
            if abs(got_ns - want_ns) > self.slack_us * 1000:
                return f"bad time stamp: expected {want_ns} ns actual {got_ns} ns"
            return ""
        raise CallError(f"control data {show(d)} is not modelled")

    # --- options -----------------------------------------------------------------------------------------------------
    def option_bytes(self, e: Expr, size: int) -> bytes:
        if isinstance(e, Text):
            return e.value[:size] if size <= len(e.value) else e.value.ljust(size, b"\0")
        if isinstance(e, Struct):
            f = Fields(e)
            if "onoff" in f:
                return struct.pack("<ii", self.number(f["onoff"]), self.number(f["linger"]))
            if "tv_sec" in f:
                return struct.pack("<qq", self.number(f["tv_sec"]), self.number(f["tv_usec"]))
            raise CallError(f"the option value {show(e)} is not modelled")
        if isinstance(e, Array):
            if len(e.items) == 1 and isinstance(e.items[0], Text | Struct):
                return self.option_bytes(e.items[0], size)
            return b"".join(
                (self.number(i) & 0xFFFFFFFF).to_bytes(4, "little") if size >= 4 else bytes((self.number(i) & 255,))
                for i in e.items
            )[: max(size, 0)]
        return (self.number(e) & ((1 << 64) - 1)).to_bytes(8, "little")[: min(max(size, 0), 8)]

    def sys_setsockopt(self, c: SysCall) -> Made:
        a = self.count(c, 5)
        s = self.sock(a[0])
        level, name, size = self.number(a[1]), self.number(a[2]), self.number(a[4])
        value = self.option_bytes(a[3], size)

        def run() -> int:
            s.setsockopt(level, name, value)
            return 0

        return Made(self.guarded(s, run))

    def sys_getsockopt(self, c: SysCall) -> Made:
        a = self.count(c, 5)
        s = self.sock(a[0])
        level, name = self.number(a[1]), self.number(a[2])
        size = 4 if isinstance(a[4], Ellipsis_) else self.number(a[4])
        want = a[3]
        if isinstance(want, Text | Struct) or isinstance(a[4], Ellipsis_):
            size = max(size, 64)
        elif isinstance(want, Array) and len(want.items) == 1 and isinstance(want.items[0], Text | Struct):
            size = max(size, 64)

        def check(got: Any) -> str:
            e = want.items[0] if isinstance(want, Array) and len(want.items) == 1 else want
            if isinstance(e, Ellipsis_):
                return ""
            if isinstance(e, Text):
                text = got.split(b"\0")[0]
                return "" if text == e.value else f"Bad getsockopt optval: expected {e.value!r} but got {text!r}"
            if isinstance(e, Struct):
                b = self.option_bytes(e, len(got))
                return "" if got[: len(b)] == b else f"Bad getsockopt optval: expected {show(e)} but got {got.hex()}"
            n = self.number(e)
            value = int.from_bytes(got, "little", signed=len(got) == 4 and n < 0)
            return "" if value == n else f"Bad getsockopt optval: expected {n} but got {value}"

        return Made(self.guarded(s, lambda: s.getsockopt(level, name, size)), check, result=lambda v: 0)

    def sys_fcntl(self, c: SysCall) -> Made:
        a = self.count(c, 2, 3)
        o, cmd = self.fd(a[0]), self.number(a[1])
        arg = self.number(a[2]) if len(a) > 2 else 0

        def run() -> int:
            if cmd == 3:
                return 2 | (O_NONBLOCK if hasattr(o, "getblocking") and not o.getblocking() else 0)
            if cmd == 4:
                if hasattr(o, "setblocking"):
                    o.setblocking(not arg & O_NONBLOCK)
                return 0
            if cmd in (1, 2):
                return 0
            raise OSError(ENOTSUP, f"fcntl command {cmd} is not modelled")

        return Made(self.guarded(o, run))

    def sys_ioctl(self, c: SysCall) -> Made:
        a = self.count(c, 2, 3)
        s, request = self.sock(a[0]), self.number(a[1])
        want = a[2] if len(a) > 2 else None

        def check(v: Any) -> str:
            if want is None or isinstance(want, Ellipsis_):
                return ""
            n = self.number(want)
            return "" if n == v else f"Bad ioctl value: expected {n} but got {v}"

        def run() -> int:
            if request == 0x5421:
                s.setblocking(not (want is not None and self.number(want)))
                return self.number(want) if want is not None else 0
            return self.host.ioctl(s, request)

        return Made(self.guarded(s, run), check, result=lambda v: 0)

    # --- waiting -----------------------------------------------------------------------------------------------------
    def sys_poll(self, c: SysCall) -> Made:
        a = self.count(c, 3)
        if not isinstance(a[0], Array):
            raise CallError(f"{show(a[0])} is not a list of descriptors")
        rows: list[tuple[Any, int]] = []
        wants: list[Expr | None] = []
        for item in a[0].items:
            f = item.fields() if isinstance(item, Struct) else {}
            if "fd" not in f or "events" not in f:
                raise CallError(f"{show(item)} is not a pollfd")
            rows.append((self.fd(f["fd"]), self.number(f["events"])))
            wants.append(f.get("revents"))
        ms = self.number(a[2])

        def check(v: Any) -> str:
            for i, (want, got) in enumerate(zip(wants, v, strict=True)):
                n = 0 if want is None else got if isinstance(want, Ellipsis_) else self.number(want)
                if n != got:
                    return f"Expected revents of 0x{n:x} but got revents of 0x{got:x} for pollfd {i}"
            return ""

        return Made(
            lambda: self.host.poll(rows, -1 if ms < 0 else ms * 1000), check, result=lambda v: sum(1 for x in v if x)
        )

    def sys_epoll_create(self, c: SysCall) -> Made:
        self.count(c, 1)

        def after(value: Any, fd: int) -> None:
            self.fds[fd] = value

        return Made(self.host.epoll, result=lambda v: -2, after=after)

    sys_epoll_create1 = sys_epoll_create

    def epoll_event(self, e: Expr) -> tuple[int, int]:
        if not isinstance(e, Struct):
            raise CallError(f"{show(e)} is not an epoll event")
        f = Fields(e)
        data = 0
        for name in ("fd", "ptr", "u32", "u64"):
            if name in f and not isinstance(f[name], Ellipsis_):
                data = self.number(f[name])
        return self.number(f["events"]), data

    def sys_epoll_ctl(self, c: SysCall) -> Made:
        a = self.count(c, 4)
        ep, op, s = self.fd(a[0]), self.number(a[1]), self.fd(a[2])
        events, data = self.epoll_event(a[3]) if isinstance(a[3], Struct) else (0, 0)

        def run() -> int:
            if s is None:
                raise BadFd
            ep.ctl(op, s, events, data)
            return 0

        return Made(self.guarded(ep, run))

    def sys_epoll_wait(self, c: SysCall) -> Made:
        a = self.count(c, 4)
        ep, most, ms = self.fd(a[0]), self.number(a[2]), self.number(a[3])
        wants = a[1].items if isinstance(a[1], Array) else [a[1]]

        def check(v: Any) -> str:
            for want, (events, data) in zip(wants, v, strict=False):
                if isinstance(want, Ellipsis_):
                    continue
                e, d = self.epoll_event(want)
                if e != events:
                    return f"epoll_event->events does not match script: expected: {e:#x} actual: {events:#x}"
                if d != data:
                    return f"epoll_event->data does not match script: expected: {d:#x} actual: {data:#x}"
            return ""

        return Made(self.guarded(ep, lambda: ep.wait(most, -1 if ms < 0 else ms * 1000)), check, result=len)

    # --- files -------------------------------------------------------------------------------------------------------
    def sys_open(self, c: SysCall) -> Made:
        a = self.count(c, 2, 3)
        path = a[0].value.decode("latin-1") if isinstance(a[0], Text) else "/dev/null"
        flags = self.number(a[1])

        def after(value: Any, fd: int) -> None:
            self.fds[fd] = value

        return Made(lambda: FileFd(path, flags, self.files), result=lambda v: -2, after=after)

    def sys_pipe(self, c: SysCall) -> Made:
        a = self.count(c, 1, 2)
        ends = a[0].items if isinstance(a[0], Array) else []
        if len(ends) != 2:
            raise CallError("pipe() takes [reader, writer]")

        def after(value: Any, fd: int) -> None:
            self.fds[self.number(ends[0])] = value
            self.fds[self.number(ends[1])] = value

        return Made(lambda: PipeFd(bytearray()), result=lambda v: 0, after=after)

    sys_pipe2 = sys_pipe

    def sys_splice(self, c: SysCall) -> Made:
        a = self.count(c, 6)
        src, dst = self.fd(a[0]), self.fd(a[2])
        n, flags = self.number(a[4]), self.number(a[5])

        def run() -> int:
            if isinstance(src, FileFd | PipeFd):
                data = src.read(n)
            elif self.host.ioctl(src, 0x8905):  # at the urgent byte: nothing goes past it
                data = b""
            else:
                data = src.recv(n, 0x40 if flags & 2 else 0)
            if isinstance(dst, FileFd | PipeFd):
                return dst.write(data)
            out: int = dst.send(data, 0x8000 if flags & 4 else 0)
            return out

        return Made(self.guarded(src if dst is not None else None, run))

    def sys_sendfile(self, c: SysCall) -> Made:
        a = self.count(c, 4)
        out, src = self.fd(a[0]), self.fd(a[1])
        n = self.number(a[3])
        offset = None if isinstance(a[2], Ellipsis_) or show(a[2]) == "NULL" else self.number(a[2])

        def run() -> int:
            if not isinstance(src, FileFd):
                raise OSError(EINVAL, "Invalid argument")
            if offset is not None:
                data = bytes(src.data[offset : offset + n])
            else:
                data = src.read(n)
            sent: int = out.send(data, 0) if data else 0
            return sent

        return Made(self.guarded(out if src is not None else None, run))

    def sys_cap_set(self, c: SysCall) -> Made:
        """Capabilities: programs of a script have them all."""
        return Made(lambda: 0)

    def sys_usleep(self, c: SysCall) -> Made:
        a = self.count(c, 1)
        us = self.number(a[0])

        def run() -> int:
            self.host.sleep_until(self.host.now_us() + us)
            return 0

        return Made(run)

    def named(self, c: SysCall, method: str, default: tuple[str, int]) -> Made:
        a = self.count(c, 3)
        s = self.sock(a[0])
        want = self.address(a[1], default) if isinstance(a[1], Struct) else None

        def check(v: Any) -> str:
            return "" if want is None or tuple(v) == want else f"expected {want[0]}:{want[1]} but got {v[0]}:{v[1]}"

        return Made(self.guarded(s, lambda: getattr(s, method)()), check, result=lambda v: 0)

    def sys_getsockname(self, c: SysCall) -> Made:
        return self.named(c, "getsockname", self.bind_address)

    def sys_getpeername(self, c: SysCall) -> Made:
        return self.named(c, "getpeername", self.connect_address)


__all__ = ["CallError", "Calls", "FileFd", "Made", "PipeFd"]
