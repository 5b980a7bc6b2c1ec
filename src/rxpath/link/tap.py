"""TAP: frames to and from the kernel of this machine. The one place that imports what only Linux has.

Sources: Linux's Documentation/networking/tuntap.rst; include/uapi/linux/if_tun.h, if.h, sockios.h,
virtio_net.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import Final

from rxpath.wire.addr import inet_make_mask, ip4_to_bytes

TUNSETIFF: Final = 0x400454CA
TUNSETPERSIST: Final = 0x400454CB
TUNSETVNETHDRSZ: Final = 0x400454D8
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
IFF_UP: Final = 0x1
IFNAMSIZ: Final = 16
SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
SIOCSIFADDR: Final = 0x8916
SIOCSIFNETMASK: Final = 0x891C
SIOCGIFMTU: Final = 0x8921
SIOCSIFMTU: Final = 0x8922
SIOCSIFHWADDR: Final = 0x8924
SIOCGIFHWADDR: Final = 0x8927
VNET_HDR_LEN: Final = 10

_MAX_FRAME: Final = 65536 + 64
_NO_OFFLOAD: Final = bytes(VNET_HDR_LEN)


class TapError(OSError):
    """A TAP that cannot be had: the kernel's errno and one clear line."""


def _name_bytes(name: str) -> bytes:
    raw = os.fsencode(name)
    if not raw or len(raw) >= IFNAMSIZ or b"/" in raw or b"%" in raw or raw in (b".", b"..") or raw.split() != [raw]:
        raise TapError(errno.EINVAL, f"not an interface name: {name!r} (1 to {IFNAMSIZ - 1} bytes, no / or blank)")
    return raw


class Tap:
    """A TAP device, opened by name and made when it is not there.

    `read` and `write` never block; `fileno` is for select. A device that this made vanishes with `close`
    unless `persist`. `address` is (u32, prefix length) for the host's side; giving one also sets the link
    up, as `up` does.

    TapError with the kernel's errno: EPERM without the right to make one, EBUSY when somebody else has it,
    EINVAL for a name that is none or an interface that is no TAP, ENOENT without /dev/net/tun.
    """

    __slots__ = ("_fd", "_vnet", "created", "name", "rx_bytes", "rx_frames", "tx_dropped", "tx_frames")

    def __init__(
        self,
        name: str,
        *,
        address: tuple[int, int] | None = None,
        up: bool = True,
        mtu: int | None = None,
        vnet_hdr: bool = False,
        persist: bool = False,
    ) -> None:
        raw = _name_bytes(name)
        self.name = name
        self._fd = -1
        self._vnet = vnet_hdr
        self.rx_frames = 0
        self.rx_bytes = 0
        self.tx_frames = 0
        self.tx_dropped = 0
        self.created = not os.path.exists(f"/sys/class/net/{name}")
        try:
            self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as err:
            raise TapError(err.errno, f"/dev/net/tun: {err.strerror}: no TAP device can be opened") from None
        try:
            flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if vnet_hdr else 0)
            try:
                fcntl.ioctl(self._fd, TUNSETIFF, struct.pack("16sH22x", raw, flags))
            except OSError as err:
                raise TapError(err.errno, f"TAP {name}: {self._why(err)}") from None
            if vnet_hdr:
                fcntl.ioctl(self._fd, TUNSETVNETHDRSZ, struct.pack("i", VNET_HDR_LEN))
                # whole checksums and no segments larger than the MTU, please
                fcntl.ioctl(self._fd, TUNSETOFFLOAD, 0)
            if persist:
                fcntl.ioctl(self._fd, TUNSETPERSIST, 1)
            try:
                self._configure(raw, address, up, mtu)
            except OSError as err:
                raise TapError(err.errno, f"TAP {name}: cannot be set up: {err.strerror}") from None
        except OSError:
            self.close()
            raise

    def _why(self, err: OSError) -> str:
        if err.errno == errno.EPERM:
            return "no right to open it (needs CAP_NET_ADMIN, or a TAP made for you: ip tuntap add ... user)"
        if err.errno == errno.EBUSY:
            return "in use by another program"
        if err.errno == errno.EINVAL:
            return "an interface of that name is there and is no TAP"
        return err.strerror or str(err)

    @staticmethod
    def _configure(raw: bytes, address: tuple[int, int] | None, up: bool, mtu: int | None) -> None:
        if address is None and mtu is None and not up:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ctl:
            if mtu is not None:
                fcntl.ioctl(ctl, SIOCSIFMTU, struct.pack("16si20x", raw, mtu))
            if address is not None:
                ip, prefix = address
                # sockaddr_in: family, port, address, padding
                for request, value in ((SIOCSIFADDR, ip), (SIOCSIFNETMASK, inet_make_mask(prefix))):
                    sockaddr = struct.pack("HH4s8x", socket.AF_INET, 0, ip4_to_bytes(value))
                    fcntl.ioctl(ctl, request, struct.pack("16s16s8x", raw, sockaddr))
            if up or address is not None:
                got = fcntl.ioctl(ctl, SIOCGIFFLAGS, struct.pack("16sH22x", raw, 0))
                flags = struct.unpack_from("H", got, 16)[0]
                if not flags & IFF_UP:
                    fcntl.ioctl(ctl, SIOCSIFFLAGS, struct.pack("16sH22x", raw, flags | IFF_UP))

    def fileno(self) -> int:
        """The descriptor, readable when a frame is there; -1 after close."""
        return self._fd

    @property
    def mac(self) -> bytes:
        """The MAC of the host's side."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ctl:
            got = fcntl.ioctl(ctl, SIOCGIFHWADDR, struct.pack("16s24x", _name_bytes(self.name)))
        return got[18:24]

    @property
    def mtu(self) -> int:
        """The MTU of the host's side."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ctl:
            got = fcntl.ioctl(ctl, SIOCGIFMTU, struct.pack("16s24x", _name_bytes(self.name)))
        return int(struct.unpack_from("i", got, 16)[0])

    def read(self) -> bytes | None:
        """A frame that the host sent (without FCS, padded to 60 bytes as a NIC would), or None: none there.

        OSError EIO when the device is down or gone.
        """
        try:
            frame = os.read(self._fd, _MAX_FRAME)
        except BlockingIOError:
            return None
        if self._vnet:
            frame = frame[VNET_HDR_LEN:]
        self.rx_frames += 1
        self.rx_bytes += len(frame)
        return frame if len(frame) >= 60 else frame.ljust(60, b"\0")

    def write(self, frame: bytes | bytearray | memoryview) -> bool:
        """Gives the host a frame. False, and counted in `tx_dropped`, when its queue is full or the link is
        down."""
        try:
            os.write(self._fd, _NO_OFFLOAD + bytes(frame) if self._vnet else frame)
        except (BlockingIOError, OSError) as err:
            if isinstance(err, BlockingIOError) or err.errno in (errno.EIO, errno.ENOBUFS, errno.ENOMEM):
                self.tx_dropped += 1
                return False
            raise
        self.tx_frames += 1
        return True

    def close(self) -> None:
        """Closes it; a device that was made for this vanishes."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
