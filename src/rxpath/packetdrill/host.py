"""What a script is run on: the interface that the machine and the host's own kernel both have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Setup:
    """The options of packetdrill that reach the host."""

    local_ip: str = "192.168.0.1"
    remote_ip: str = "192.0.2.1"
    gateway_ip: str = "192.168.0.2"
    prefix: int = 16
    remote_prefix: int = 32
    mtu: int = 1500
    release: str = "6.18"
    dev: str = "tun0"
    mss: int = 0  # --mss: larger packets arrive as GRO would have merged them


class Pending:
    """A call under way.  `value` or `error` when done; `end_us` is when."""

    __slots__ = ("done", "end_us", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: OSError | None = None
        self.end_us = 0


class Epoll(ABC):
    """An epoll instance; `data` is what epoll_wait hands back (64 bits)."""

    @abstractmethod
    def ctl(self, op: int, sock: Any, events: int, data: int) -> None: ...

    @abstractmethod
    def wait(self, maxevents: int, timeout_us: int) -> list[tuple[int, int]]:
        """[(events, data)]; -1 us = for ever."""

    @abstractmethod
    def close(self) -> None: ...


class Host(ABC):
    """Time in microseconds of the host's clock; sockets have the manners of the standard library's."""

    name = ""

    @abstractmethod
    def now_us(self) -> int: ...

    @abstractmethod
    def wall_ns(self) -> int:
        """What the host's sockets put into time stamps now."""

    @abstractmethod
    def sleep_until(self, t_us: int) -> None: ...

    @abstractmethod
    def event_done(self) -> None:
        """After a packet or a call: in real time it has taken a moment."""

    @abstractmethod
    def inject(self, packet: bytes, gso_size: int = 0) -> None:
        """A packet, from the IP header on, arrives; as one of segments of `gso_size` bytes that were merged (GRO) when
        it carries more.
        """

    @abstractmethod
    def packet_before(self, t_us: int) -> tuple[int, bytes] | None:
        """The next packet that the host sends (when, from the IP header on); None when none is sent until `t_us`."""

    @abstractmethod
    def start(self, fn: Callable[[], Any]) -> Pending:
        """Begin a call that may block."""

    def call(self, fn: Callable[[], Any]) -> Pending:
        """A call that the script does not expect to block: it may be made at once."""
        return self.start(fn)

    @abstractmethod
    def join(self, p: Pending, t_us: int) -> bool:
        """Wait for a call, not beyond `t_us`; whether it is done."""

    @abstractmethod
    def socket(self, family: int, type_: int, proto: int) -> Any: ...

    @abstractmethod
    def disconnect(self, sock: Any) -> None:
        """connect() to AF_UNSPEC."""

    @abstractmethod
    def poll(self, socks: list[tuple[Any, int]], timeout_us: int) -> list[int]: ...

    @abstractmethod
    def epoll(self) -> Epoll: ...

    @abstractmethod
    def ioctl(self, sock: Any, request: int) -> int: ...

    @abstractmethod
    def sysctl(self, name: str, value: str | None = None) -> str:
        """Read (and write) a sysctl by its dotted name or path; the value before.  Raises OSError."""

    @abstractmethod
    def flush_metrics(self) -> None:
        """ip tcp_metrics flush: forget what is known of peers."""

    @abstractmethod
    def shell(self, line: str) -> str | None:
        """Run a command that is neither sysctl nor known script; None = not understood, "" = done, else what
        went wrong."""

    @abstractmethod
    def close(self) -> None: ...


__all__ = ["Epoll", "Host", "Pending", "Setup"]
