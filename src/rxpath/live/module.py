"""The modules `_socket` and `socket` of a live machine, for programs that know only the standard library's.

`_socket` is made here: the class of sockets.py, the host's constants and number functions, names without a
resolver.  `socket` is the standard library's own source executed over it, so that makefile, create_server,
sendfile and the rest are the interpreter's own; so is `ssl`.

Not here: what a socket does (sockets.py), TLS (tls.py), putting modules into place for a
program (rxpath.run).
"""

from __future__ import annotations

import _socket as host_raw
import builtins
import importlib.util
import os
import socket as host
import stat
import sys
import time
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, Final

from rxpath.kernel.errno import ENODEV, EPERM, linux_error
from rxpath.live.bridge import Bridge
from rxpath.live.descriptors import Descriptors
from rxpath.live.sockets import PIECE, LiveSocket, ModuleState, SocketType, check_timeout
from rxpath.live.tls import make_raw_ssl
from rxpath.net.ipv4.devinet import InDevice
from rxpath.wire.addr import ip4_str

HOSTNAME: Final = "rxpath"
ENXIO: Final = 6
# functions of the host's module that touch no socket
_PURE: Final = (
    "CMSG_LEN",
    "CMSG_SPACE",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "htonl",
    "htons",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ntohl",
    "ntohs",
)


class Names:
    """Names and addresses without a resolver: numbers, localhost, and the machine's own name."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.name = HOSTNAME

    def own(self) -> list[str]:
        """The machine's addresses, those of real interfaces first."""

        def look() -> list[str]:
            m = self.bridge.machine
            assert m is not None
            found: list[str] = []
            for dev in m.net.devices:
                in_dev: InDevice | None = dev.ip_ptr
                if in_dev is None:
                    continue
                texts = [ip4_str(a.local) for a in in_dev.ifa_list]
                found = found + texts if dev is m.net.loopback else texts + found
            return found

        got: list[str] = self.bridge.call(look)
        return got

    def number(self, name: str) -> str:
        """The address of `name`.  gaierror for a name that is not the machine's own."""
        if name in ("", "0.0.0.0"):
            return "0.0.0.0"
        try:
            return host.inet_ntoa(host.inet_aton(name)) if name[0].isdigit() else self._known(name)
        except OSError as e:
            if isinstance(e, host.gaierror):
                raise
            return self._known(name)

    def _known(self, name: str) -> str:
        if name == "<broadcast>":
            return "255.255.255.255"
        if "\0" in name:
            raise ValueError("embedded null character")
        lower = name.lower().rstrip(".")
        if lower in ("localhost", "localhost.localdomain"):
            return "127.0.0.1"
        if lower == self.name.lower():
            return self.own()[0]
        name.encode("idna")  # UnicodeError for what can be no name
        raise host.gaierror(host.EAI_NONAME, f"Name or service not known: {name!r}: the machine has no resolver")

    def getaddrinfo(
        self, host_: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """For numbers and names of the machine, IPv4 only."""
        if family not in (0, host.AF_INET):
            raise host.gaierror(host.EAI_FAMILY, "ai_family not supported: the machine speaks IPv4 only")
        text = host_
        if isinstance(host_, bytes):
            text = host_.decode("ascii")
        if isinstance(text, str):
            if not text:
                raise host.gaierror(host.EAI_NONAME, "Name or service not known")
            if not flags & host.AI_NUMERICHOST:
                text = self.number(text)
        elif text is not None:
            raise TypeError("getaddrinfo() argument 1 must be string or None")
        got = host_raw.getaddrinfo(text, port, host.AF_INET, type, proto, flags | host.AI_NUMERICHOST)
        if flags & host.AI_CANONNAME and text is not None:
            name = os.fsdecode(host_)
            got = [(*a[:3], name if a[3] else "", a[4]) for a in got]
        return got

    def gethostbyname(self, name: str) -> str:
        """Dotted numbers."""
        return self.number(name)

    def gethostbyname_ex(self, name: str) -> tuple[str, list[str], list[str]]:
        """(name, no aliases, [address])."""
        return name, [], [self.number(name)]

    def gethostbyaddr(self, name: str) -> tuple[str, list[str], list[str]]:
        """(name, no aliases, [address]) for the machine's own addresses.  herror for others."""
        number = self.number(name)
        if number.startswith("127."):
            return "localhost", [], [number]
        if number in self.own():
            return self.name, [], [number]
        raise host.herror(1, "Unknown host")

    def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """(host, service); the host as a number unless it is the machine itself."""
        if not isinstance(sockaddr, tuple):
            raise TypeError("getnameinfo() argument 1 must be a tuple")
        number, service = host_raw.getnameinfo((self.number(sockaddr[0]), *sockaddr[1:]), flags | host.NI_NUMERICHOST)
        if not flags & host.NI_NUMERICHOST:
            try:
                return self.gethostbyaddr(number)[0], service
            except OSError:
                if flags & host.NI_NAMEREQD:
                    raise host.gaierror(host.EAI_NONAME, "Name or service not known") from None
        return number, service

    def gethostname(self) -> str:
        return self.name

    def sethostname(self, name: str | bytes) -> None:
        """For this module only.  OSError EPERM as for anybody who is not root."""
        if os.geteuid():
            raise linux_error(EPERM)
        self.name = os.fsdecode(name)

    # --- interfaces -----------------------------------------------------------------------------------------------
    def if_nameindex(self) -> list[tuple[int, str]]:
        """The machine's interfaces."""

        def look() -> list[tuple[int, str]]:
            m = self.bridge.machine
            assert m is not None
            return [(d.ifindex, d.name) for d in m.net.devices]

        got: list[tuple[int, str]] = self.bridge.call(look)
        return got

    def if_nametoindex(self, name: str | bytes) -> int:
        """OSError ENODEV for no interface."""
        text = os.fsdecode(name)
        for i, n in self.if_nameindex():
            if n == text:
                return i
        if sys.version_info < (3, 14):
            raise OSError("no interface with this name")
        raise linux_error(ENODEV)

    def if_indextoname(self, index: int) -> str:
        """OSError ENXIO for no interface."""
        if index < 0 or index > 0xFFFFFFFF:
            raise OverflowError("can't convert negative value to unsigned int" if index < 0 else "out of range")
        for i, n in self.if_nameindex():
            if i == index:
                return n
        raise OSError(ENXIO, "No such device or address")


def make_raw(bridge: Bridge, name: str) -> ModuleType:
    """The stand-in for `_socket`."""
    names = Names(bridge)
    state = ModuleState(names.number)
    files = Descriptors(bridge)
    raw = ModuleType(name, "Sockets of a live machine of rxpath, as the interpreter's own _socket.")
    own: dict[str, Any] = {
        k: v for k, v in vars(host_raw).items() if k[0].isupper() and isinstance(v, int | str) and not k.startswith("_")
    }
    for n in _PURE:
        if hasattr(host_raw, n):
            own[n] = getattr(host_raw, n)
    for n in dir(Names):
        if not n.startswith("_") and n not in ("own", "number"):
            own[n] = getattr(names, n)
    if hasattr(host_raw, "CAPI"):  # the real _ssl asks for it
        own["CAPI"] = host_raw.CAPI
    own |= {
        "error": OSError,
        "timeout": TimeoutError,
        "gaierror": host.gaierror,
        "herror": host.herror,
        "has_ipv6": False,
        "socketpair": host_raw.socketpair,
        "dup": lambda fd: files.dup(fd) if files.get(fd) is not None else host_raw.dup(fd),
        "close": lambda fd: files.close(fd) if files.get(fd) is not None else host_raw.close(fd),
    }

    def setdefaulttimeout(timeout: float | None) -> None:
        """For sockets made from now on."""
        state.timeout = check_timeout(timeout)

    def getdefaulttimeout() -> float | None:
        """What setdefaulttimeout has set."""
        return state.timeout

    own["setdefaulttimeout"] = setdefaulttimeout
    own["getdefaulttimeout"] = getdefaulttimeout
    cls = SocketType(
        "socket",
        (LiveSocket,),
        {
            "__slots__": (),
            "__module__": name,
            "bridge": bridge,
            "files": files,
            "state": state,
            "immutable": True,
            "hosts_too": True,
        },
    )
    own["socket"] = own["SocketType"] = cls
    vars(raw).update(own)
    return raw


def _code_of(name: str) -> CodeType:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module {name} in this Python")
    code: CodeType | None = spec.loader.get_code(name)  # type: ignore[attr-defined]
    if code is None:
        raise ImportError(f"the module {name} of this Python has no code")
    return code


def _sendfile(module: ModuleType) -> Callable[..., int]:
    """`_sendfile_use_sendfile` without sendfile(2), which knows nothing of the machine: the same refusals and
    the same end.
    """
    give_up: Any = vars(module)["_GiveupOnSendfile"]

    def _sendfile_use_sendfile(self: Any, file: Any, offset: int = 0, count: int | None = None) -> int:
        self._check_sendfile_params(file, offset, count)
        try:
            fileno = file.fileno()
            st = os.fstat(fileno)
        except (AttributeError, OSError) as err:  # no file, or one without a descriptor
            raise give_up(err) from None
        if not stat.S_ISREG(st.st_mode):
            raise give_up("not a regular file")
        if not st.st_size:
            return 0
        limit = self.gettimeout()
        if limit == 0:
            raise ValueError("non-blocking sockets are not supported")
        end = None if limit is None else time.monotonic() + limit
        total = 0
        try:
            while not count or total < count:
                data = os.pread(fileno, min(PIECE, count - total) if count else PIECE, offset)
                if not data:
                    break
                if end is not None and time.monotonic() >= end:
                    raise TimeoutError("timed out")
                at = 0
                while at < len(data):
                    n = self.send(data[at:] if at else data)
                    at += n
                    offset += n
                    total += n
            return total
        finally:
            if total > 0 and hasattr(file, "seek"):
                file.seek(offset)

    return _sendfile_use_sendfile


def _executed(what: str, name: str, stand_ins: dict[str, ModuleType]) -> ModuleType:
    """The standard library's module `what`, anew, with `stand_ins` where it imports those."""
    module = ModuleType(name)
    real_import = builtins.__import__

    def ours(wanted: str, *args: Any, **more: Any) -> Any:
        return stand_ins[wanted] if wanted in stand_ins else real_import(wanted, *args, **more)

    space = vars(module)
    space["__builtins__"] = {**vars(builtins), "__import__": ours}
    space["__file__"] = host.__file__ if what == "socket" else None
    sys.modules[name] = module  # enum looks its module up by name
    try:
        exec(_code_of(what), space)
    finally:
        del sys.modules[name]
    return module


def make_ssl(raw: ModuleType, module: ModuleType) -> ModuleType:
    """`ssl` over the modules that make_modules gave.  ImportError for a Python without it."""
    raw_ssl = make_raw_ssl("rxpath.live")
    if raw_ssl is None:
        raise ImportError("this Python has no _ssl")
    return _executed("ssl", f"rxpath.live.ssl_{id(raw):x}", {"_socket": raw, "socket": module, "_ssl": raw_ssl})


def make_modules(bridge: Bridge) -> tuple[ModuleType, ModuleType]:
    """(`_socket`, `socket`) for one machine."""
    raw = make_raw(bridge, "rxpath.live")
    module = _executed("socket", f"rxpath.live.socket_{id(bridge):x}", {"_socket": raw})
    space = vars(module)
    # the same classes of constants as everywhere else in the process
    for n in ("AddressFamily", "SocketKind", "MsgFlag", "AddressInfo"):
        space[n] = getattr(host, n)
    for n, v in vars(host).items():
        if n.isupper() and isinstance(v, int) and n in space:
            space[n] = v
    cls = space["socket"]
    cls.__module__ = "rxpath.live"
    cls.hosts_too = True
    cls._sendfile_use_sendfile = _sendfile(module)
    space["__name__"] = "socket"
    return raw, module
