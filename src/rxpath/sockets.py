"""`Socket`: the machine's sockets with the manners of the standard library's `socket.socket`.

Constants are Linux's numbers (net/core/sock.py, net/ipv4/ip_sockglue.py), whatever the host system is.  A call from a
program that runs as a task of the machine blocks in plain Python; from outside of any task only what need not block
works, the rest raises BlockingIOError.  Errors are the standard library's classes with Linux's errno:
ConnectionRefusedError, BlockingIOError, TimeoutError...
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

from rxpath.kernel.errno import EAGAIN, EINPROGRESS, EINVAL, linux_error
from rxpath.kernel.errno import EBADF as EBADF  # for who stands in for socket
from rxpath.net.core.netdevice import Net
from rxpath.net.core.sock import (
    MSG_DONTWAIT,
    SO_MAX_PACING_RATE,
    SO_NETNS_COOKIE,
    SO_PEERNAME,
    SO_TYPE,
    SOCK_STREAM,
    SOL_IP,
    SOL_SOCKET,
    Msg,
    Sock,
    sock_gettstamp,
)
from rxpath.net.ipv4 import af_inet
from rxpath.net.ipv4.datagram import parse_addr
from rxpath.net.ipv4.inet_sock import InetSock
from rxpath.net.ipv4.ip_sockglue import IP_MSFILTER, MCAST_MSFILTER, ip_get_mcast_filter
from rxpath.wire.addr import ip4_str

_CLASSES: Final[dict[int, type[OSError]]] = {
    1: PermissionError,
    2: FileNotFoundError,
    4: InterruptedError,
    11: BlockingIOError,
    13: PermissionError,
    32: BrokenPipeError,
    103: ConnectionAbortedError,
    104: ConnectionResetError,
    110: TimeoutError,
    111: ConnectionRefusedError,
    114: BlockingIOError,
    115: BlockingIOError,
}


def stdlib_error(e: OSError) -> OSError:
    """The standard library's class for a Linux errno, on whatever host."""
    cls = _CLASSES.get(e.errno or 0)
    if cls is None or isinstance(e, cls):
        return e
    return cls(e.errno, e.strerror)


class Socket:
    """`Socket(net, AF_INET, SOCK_DGRAM)`; `sk` is the kernel's structure for whoever wants to look inside."""

    __slots__ = ("net", "sk", "_timeout", "_closed", "family", "type", "proto")

    def __init__(self, net: Net, family: int = 2, type: int = 2, proto: int = 0, sk: Sock | None = None) -> None:
        self.net = net
        try:
            self.sk: Any = sk if sk is not None else af_inet.sys_socket(net, family, type, proto)
        except OSError as e:
            raise stdlib_error(e) from None
        self._owned()
        self.family = family
        self.type = type & 0xF
        self.proto = proto
        self._timeout: float | None = 0.0 if self.sk.nonblock else None
        self._closed = False

    def _owned(self) -> None:
        """Who made it, as ss -p shows: the task that runs, and its lowest free descriptor from 3 on."""
        k = self.net.kernel
        if k.engine.current is None:  # made from outside, by nobody's hand
            return
        t = k.sched.current()
        owners = self.net.sock_owners
        taken = {fd for _, pid, fd in owners.values() if pid == t.pid}
        fd = 3
        while fd in taken:
            fd += 1
        owners[self.sk.inode] = (t.name, t.pid, fd)

    def __repr__(self) -> str:
        closed = " [closed]" if self._closed else ""
        return f"<rxpath.Socket family={self.family} type={self.type} proto={self.proto}{closed}>"

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, t: type[BaseException] | None, v: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _check(self) -> Any:
        if self._closed:
            raise OSError(EBADF, "Bad file descriptor")
        return self.sk

    def _fail(self, e: OSError) -> OSError:
        if e.errno == EAGAIN and self._timeout:
            return TimeoutError("timed out")
        return stdlib_error(e)

    # --- blocking ----------------------------------------------------------------------------------------------------
    def settimeout(self, value: float | None) -> None:
        """Seconds; 0 = do not block, None = block for ever."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        sk = self._check()
        self._timeout = value
        sk.nonblock = value == 0
        ns = -1 if not value else int(value * 1_000_000_000)
        sk.rcvtimeo = ns
        sk.sndtimeo = ns

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        return self._timeout != 0

    # --- addresses ---------------------------------------------------------------------------------------------------
    def bind(self, address: tuple[str, int]) -> None:
        sk = self._check()
        try:
            if isinstance(sk, InetSock):
                af_inet.sys_bind(sk, *parse_addr(address))
            else:
                sk.bind_address(address)
        except OSError as e:
            raise self._fail(e) from None

    def connect(self, address: tuple[str, int]) -> None:
        sk = self._check()
        try:
            af_inet.sys_connect(sk, *parse_addr(address))
        except OSError as e:
            if e.errno == EINPROGRESS and self._timeout:
                raise TimeoutError("timed out") from None
            raise self._fail(e) from None

    def connect_ex(self, address: tuple[str, int]) -> int:
        """As connect, but gives the errno."""
        try:
            self.connect(address)
        except OSError as e:
            return e.errno or EAGAIN
        return 0

    def disconnect(self) -> None:
        """connect to AF_UNSPEC (the standard library has no way to say so)."""
        try:
            af_inet.sys_disconnect(self._check())
        except OSError as e:
            raise self._fail(e) from None

    def getsockname(self) -> tuple[str, int]:
        sk = self._check()
        if not isinstance(sk, InetSock):
            return sk.getsockname()  # type: ignore[no-any-return]
        a, p = af_inet.sys_getsockname(sk)
        return ip4_str(a), p

    def getpeername(self) -> tuple[str, int]:
        try:
            a, p = af_inet.sys_getpeername(self._check())
        except OSError as e:
            raise self._fail(e) from None
        return ip4_str(a), p

    # --- data --------------------------------------------------------------------------------------------------------
    def _recv(self, size: int, flags: int) -> Msg:
        sk = self._check()
        if size < 0:
            raise ValueError("negative buffersize in recvfrom")
        try:
            return af_inet.sys_recvfrom(sk, size, flags)
        except OSError as e:
            raise self._fail(e) from None

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self._recv(bufsize, flags).data

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        if self._closed or bufsize < 0:
            m = self._recv(bufsize, flags)  # says what is wrong
        else:
            try:
                m = af_inet.sys_recvfrom(self.sk, bufsize, flags)
            except OSError as e:
                raise self._fail(e) from None
        return m.data, m.name

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self._recv(nbytes or len(view), flags).data
        view[: len(data)] = data
        return len(data)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        m = self._recv(nbytes or len(view), flags)
        view[: len(m.data)] = m.data
        return len(m.data), m.name

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """(data, control messages, flags, address); control messages that do not fit `ancbufsize` set MSG_CTRUNC."""
        sk = self._check()
        try:
            m = af_inet.sys_recvmsg(sk, bufsize, flags)
        except OSError as e:
            raise self._fail(e) from None
        anc: list[tuple[int, int, bytes]] = []
        room = ancbufsize
        out = m.flags
        for level, type_, data in m.control:
            need = 16 + len(data)
            if room < need:
                if room > 16:
                    anc.append((level, type_, data[: room - 16]))
                out |= 0x8
                break
            anc.append((level, type_, data))
            room -= (need + 7) & ~7
        return m.data, anc, out, m.name

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        sk = self._check()
        try:
            return af_inet.sys_sendto(sk, bytes(data), None, flags)
        except OSError as e:
            raise self._fail(e) from None

    def sendall(self, data: bytes | bytearray | memoryview, flags: int = 0) -> None:
        left = bytes(data)
        while left:
            left = left[self.send(left, flags) :]

    def sendto(self, data: bytes | bytearray | memoryview, *args: Any) -> int:
        """sendto(data, address) or sendto(data, flags, address)."""
        flags, address = (0, args[0]) if len(args) == 1 else (args[0], args[1])
        sk = self._check()
        try:
            return af_inet.sys_sendto(sk, bytes(data), address, flags)
        except OSError as e:
            raise self._fail(e) from None

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        sk = self._check()
        control = [(int(a), int(b), bytes(c)) for a, b, c in ancdata]
        try:
            return af_inet.sys_sendmsg(sk, b"".join(bytes(b) for b in buffers), address, control, flags)
        except OSError as e:
            raise self._fail(e) from None

    # --- options -----------------------------------------------------------------------------------------------------
    def setsockopt(self, level: int, optname: int, value: int | bytes | bytearray) -> None:
        sk = self._check()
        try:
            af_inet.sys_setsockopt(sk, level, optname, value if isinstance(value, int) else bytes(value))
        except OSError as e:
            raise self._fail(e) from None

    def getsockopt(self, level: int, optname: int, buflen: int | bytes = 0) -> int | bytes:
        """An int, or with `buflen` the bytes (cut to it).  Bytes instead of a length are what the buffer holds before:
        IP_MSFILTER and MCAST_MSFILTER read there what they are asked for.
        """
        sk = self._check()
        if level == SOL_IP and optname in (IP_MSFILTER, MCAST_MSFILTER) and isinstance(sk, InetSock):
            try:
                return ip_get_mcast_filter(sk, optname, buflen if isinstance(buflen, bytes) else bytes(buflen))
            except OSError as e:
                raise self._fail(e) from None
        if isinstance(buflen, bytes):
            buflen = len(buflen)
        if level == SOL_SOCKET and optname == SO_NETNS_COOKIE and buflen != 8:
            raise linux_error(EINVAL, "eight bytes expected")
        if level == SOL_SOCKET and optname == SO_TYPE:
            return self.type.to_bytes(4, "little")[:buflen] if buflen else self.type
        try:
            v = af_inet.sys_getsockopt(sk, level, optname)
        except OSError as e:
            raise self._fail(e) from None
        if level == SOL_SOCKET and optname == SO_MAX_PACING_RATE and buflen < 8:
            v = min(sk.max_pacing_rate, 0xFFFFFFFF)
            v -= v >> 31 << 32
        if level == SOL_SOCKET and optname == SO_PEERNAME and isinstance(v, bytes) and buflen > len(v):
            raise linux_error(EINVAL)
        if level == SOL_IP and isinstance(v, int) and 0 < buflen < 4 and 0 <= v <= 255:
            return bytes((v,))  # do_ip_getsockopt: one byte for who has no room for an int
        if buflen:
            return (v.to_bytes(4, "little", signed=v < 0) if isinstance(v, int) else v)[:buflen]
        return v if isinstance(v, int) else int.from_bytes(v[:4], "little")

    def poll(self) -> int:
        """The poll bits now (POLLIN 1, POLLPRI 2, POLLOUT 4, POLLERR 8, POLLHUP 16, POLLRDHUP 0x2000...)."""
        return int(self._check().poll())

    def inq(self) -> int:
        """ioctl FIONREAD."""
        return int(self._check().siocinq())

    def stamp(self) -> int:
        """ioctl SIOCGSTAMP, SIOCGSTAMPNS: when the packet that was read last came, in ns.  Raises ENOENT."""
        try:
            return sock_gettstamp(self._check())
        except OSError as e:
            raise self._fail(e) from None

    def outq(self) -> int:
        """ioctl SIOCOUTQ: what was sent and is not acknowledged yet; of datagrams the memory that they hold."""
        sk = self._check()
        if self.type == SOCK_STREAM:
            return int(sk.write_seq - sk.snd_una) & 0xFFFFFFFF
        return int(sk.wmem_alloc)

    def at_mark(self) -> int:
        """ioctl SIOCATMARK: 1 when the next octet is the one behind urgent data."""
        sk = self._check()
        return int(self.type == SOCK_STREAM and bool(sk.urg_data) and sk.urg_seq == sk.copied_seq)

    # --- end ---------------------------------------------------------------------------------------------------------
    def listen(self, backlog: int = 128) -> None:
        sk = self._check()
        fn = getattr(sk, "listen", None)
        if fn is None:
            raise linux_error(95)
        try:
            fn(backlog)
        except OSError as e:
            raise self._fail(e) from None

    def accept(self) -> tuple[Socket, Any]:
        sk = self._check()
        fn = getattr(sk, "accept", None)
        if fn is None:
            raise linux_error(95)
        try:
            new, name = fn(MSG_DONTWAIT if sk.nonblock else 0)
        except OSError as e:
            raise self._fail(e) from None
        return Socket(self.net, self.family, self.type, self.proto, sk=new), name

    def shutdown(self, how: int) -> None:
        try:
            af_inet.sys_shutdown(self._check(), how)
        except OSError as e:
            raise self._fail(e) from None

    def detach(self) -> Any:
        """Give up the kernel's socket without closing it."""
        self._closed = True
        return self.sk

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.net.sock_owners.pop(self.sk.inode, None)
            af_inet.sys_close(self.sk)
