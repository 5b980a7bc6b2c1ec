"""What the control socket lets other processes do: files with the rules of open(2), ioctl, rtnetlink, many requests
on one connection.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.live import access, control, operations
from rxpath.live.machine import LiveMachine, live
from rxpath.net.core import rtnetlink as rt
from rxpath.tools.file_calls import SYSCALLS as SYSCALLS_ON_FILES
from rxpath.tools.file_calls import pack_stat, pack_statx
from rxpath.tools.supervisor import SYSCALLS, changed_pieces, ethtool_size, program

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveMachine, control.Client]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        with live(None, "10.9.0.2/24", name="a", nic="igb", cpus=4) as net:
            client = control.Client("a")
            yield net, client
            client.close()


def ask(shared: tuple[LiveMachine, control.Client], op: str, **what: Any) -> dict[str, Any]:
    return shared[1].ask({"op": op, **what})


def test_every_operation_has_its_function() -> None:
    assert set(operations.OPERATIONS) == set(access.FUNCTIONS)


def test_many_requests_on_one_connection(shared: Any) -> None:
    for _ in range(50):
        assert ask(shared, "read", path="/proc/sys/net/core/rmem_max") == {"text": "212992\n"}
    assert ask(shared, "info")["name"] == "a"
    with pytest.raises(control.ControlError, match="no such request"):
        ask(shared, "dance")
    assert ask(shared, "info")["name"] == "a"  # a refusal ends no connection


def test_a_request_that_makes_no_sense_is_refused(shared: Any) -> None:
    for what in ({"op": "open"}, {"op": "ioctl", "cmd": 1, "ifr": "AA=="}, {"op": "rtnetlink", "data": 5, "portid": 1}):
        try:
            assert "errno" in shared[1].ask(what)
        except control.ControlError as e:
            assert "\n" not in str(e)


@pytest.mark.parametrize(
    ("path", "how", "number"),
    [
        ("/proc/interrupts", 1, 0),
        ("/proc/interrupts", 3, 0),  # opens; write(2) is what fails
        ("/proc/net/dev", 2, errno.EACCES),
        ("/proc/sys/net/core/rmem_max", 3, 0),
        ("/sys/class/net/eth0/address", 2, errno.EACCES),
        ("/sys/bus/pci/drivers/igb/unbind", 1, errno.EACCES),
        ("/sys/bus/pci/drivers/igb/unbind", 2, 0),
        ("/proc/irq", 1, errno.EISDIR),
        ("/proc/nope", 1, errno.ENOENT),
        ("/proc/stat/x", 1, errno.ENOTDIR),
    ],
)
def test_open(shared: Any, path: str, how: int, number: int) -> None:
    assert ask(shared, "open", path=path, how=how).get("errno", 0) == number


def test_lstat_and_names(shared: Any) -> None:
    link = ask(shared, "lstat", path="/sys/bus/pci/devices/0000:01:00.0")
    assert link["kind"] == "link" and link["target"] == "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0"
    inside = ask(shared, "lstat", path="/sys/bus/pci/devices/0000:01:00.0/vendor")
    assert inside == {"kind": "file", "mode": 0o444}
    assert ["0000:01:00.0", "link"] in ask(shared, "names", path="/sys/bus/pci/devices")["names"]
    assert ask(shared, "lstat", path="/nope") == {"errno": errno.ENOENT}
    assert ask(shared, "names", path="/proc/stat") == {"errno": errno.ENOTDIR}


def test_write_gives_the_files_own_errno(shared: Any) -> None:
    assert ask(shared, "write", path="/proc/sys/net/core/rmem_max", text="x") == {"errno": errno.EINVAL}
    assert ask(shared, "write", path="/proc/stat", text="x") == {"errno": errno.EIO}
    assert ask(shared, "write", path="/proc/sys/net/core/rmem_max", text="300000") == {}
    assert ask(shared, "read", path="/proc/sys/net/core/rmem_max") == {"text": "300000\n"}


# --- ioctl --------------------------------------------------------------------------------------------------------


def ioctl(shared: Any, cmd: int, name: str = "eth0", union: bytes = b"", data: bytes = b"") -> tuple[int, bytes, bytes]:
    ifr = struct.pack("16s24s", name.encode(), union)
    got = ask(shared, "ioctl", cmd=cmd, ifr=b64encode(ifr).decode(), data=b64encode(data).decode())
    if "errno" in got:
        return -got["errno"], b"", b""
    return got["result"], b64decode(got["ifr"])[16:], b64decode(got["data"])


def test_ethtool_by_ioctl(shared: Any) -> None:
    result, _, data = ioctl(shared, 0x8946, data=struct.pack("<I", 3).ljust(196, b"\0"))
    assert result == 0 and data[4:7] == b"igb"
    assert ioctl(shared, 0x8946, data=struct.pack("<I", 0x999))[0] == -errno.EOPNOTSUPP
    assert ioctl(shared, 0x8946, data=struct.pack("<I", 3))[0] == -errno.EFAULT
    assert ioctl(shared, 0x8946, "nosuch", data=struct.pack("<I", 3))[0] == -errno.ENODEV


def test_addresses_by_ioctl(shared: Any) -> None:
    def address(text: str) -> bytes:
        return struct.pack("<HH", 2, 0) + socket.inet_aton(text) + bytes(8)

    try:
        assert ioctl(shared, 0x8916, union=address("192.168.7.5"))[0] == 0  # SIOCSIFADDR: class C
        assert ioctl(shared, 0x8915)[1][4:8] == socket.inet_aton("192.168.7.5")
        assert ioctl(shared, 0x891B)[1][4:8] == socket.inet_aton("255.255.255.0")
        assert ioctl(shared, 0x8919)[1][4:8] == socket.inet_aton("192.168.7.255")
        assert ioctl(shared, 0x891C, union=address("255.255.0.0"))[0] == 0
        assert ioctl(shared, 0x8919)[1][4:8] == socket.inet_aton("192.168.255.255")
        assert ioctl(shared, 0x891C, union=address("255.0.255.0"))[0] == -errno.EINVAL
        assert ioctl(shared, 0x8916, union=address("240.0.0.1"))[0] == -errno.EINVAL
        text = ask(shared, "run", line="ip -o addr show eth0")["stdout"]
        assert "192.168.7.5/16 brd 192.168.255.255" in text
        assert ioctl(shared, 0x8916, union=address("0.0.0.0"))[0] == 0
        assert ioctl(shared, 0x8915)[0] == -errno.EADDRNOTAVAIL
    finally:
        ask(shared, "run", line="ip addr flush dev eth0; ip addr add 10.9.0.2/24 dev eth0")


def test_flags_and_mac_by_ioctl(shared: Any) -> None:
    flags = struct.unpack("<H", ioctl(shared, 0x8913)[1][:2])[0]
    assert flags & 0x41 == 0x41
    assert ioctl(shared, 0x8914, union=struct.pack("<H", flags | 0x100))[0] == 0
    assert struct.unpack("<H", ioctl(shared, 0x8913)[1][:2])[0] & 0x100
    assert ioctl(shared, 0x8914, union=struct.pack("<H", flags & ~1))[0] == 0
    assert ask(shared, "read", path="/sys/class/net/eth0/operstate") == {"text": "down\n"}
    assert ioctl(shared, 0x8914, union=struct.pack("<H", flags))[0] == 0
    assert ioctl(shared, 0x8924, union=struct.pack("<H6s", 1, b"\x02\0\0\0\0\x09"))[0] == 0
    assert ask(shared, "read", path="/sys/class/net/eth0/address") == {"text": "02:00:00:00:00:09\n"}
    assert ioctl(shared, 0x8924, union=struct.pack("<H6s", 772, bytes(6)))[0] == -errno.EINVAL
    assert ioctl(shared, 0x8923)[0] == -errno.ENOTSUP  # renaming
    assert ioctl(shared, 0x8910, "", struct.pack("<i", 77))[0] == -errno.ENODEV


# --- rtnetlink ----------------------------------------------------------------------------------------------------


def messages(shared: Any, kind: int, flags: int, body: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, flags, sequence number, body) of each answer."""
    request = rt.NLMSG_HDR.pack(16 + len(body), kind, flags, 7, 0) + body
    got = ask(shared, "rtnetlink", data=b64encode(request).decode(), portid=42)["datagrams"]
    out = []
    for data in map(b64decode, got):
        at = 0
        while at < len(data):
            n, k, f, seq, port = rt.NLMSG_HDR.unpack_from(data, at)
            assert seq == 7 and port == 42
            out.append((k, f, seq, data[at + 16 : at + n]))
            at += (n + 3) & ~3
    return out


def test_rtnetlink_dumps(shared: Any) -> None:
    links = messages(shared, rt.RTM_GETLINK, 0x301, rt.IFINFOMSG.pack(0, 0, 0, 0, 0))
    assert [k for k, _, _, _ in links] == [rt.RTM_NEWLINK, rt.RTM_NEWLINK, rt.NLMSG_DONE]
    attrs = rt.parse_attrs(links[1][3][16:])
    assert attrs[rt.IFLA_IFNAME] == b"eth0\0" and struct.unpack("<I", attrs[rt.IFLA_MTU])[0] == 1500
    assert len(attrs[rt.IFLA_STATS64]) == 200 and len(attrs[rt.IFLA_STATS]) == 96
    addresses = messages(shared, rt.RTM_GETADDR, 0x301, bytes(8))
    assert [rt.parse_attrs(b[8:])[2] for k, _, _, b in addresses if k == rt.RTM_NEWADDR] == [
        b"\x7f\0\0\1",
        b"\x0a\x09\0\2",
    ]
    assert messages(shared, rt.RTM_GETADDR, 0x301, b"\x0a" + bytes(7))[0][0] == rt.NLMSG_DONE  # IPv6: none
    routes = messages(shared, rt.RTM_GETROUTE, 0x301, bytes(12))
    assert any(b[1] == 24 and rt.parse_attrs(b[12:]).get(1) == b"\x0a\x09\0\0" for _, _, _, b in routes[:-1])


def test_rtnetlink_neighbours(shared: Any) -> None:
    assert ask(shared, "run", line="ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev eth0")["status"] == 0
    (n, end) = messages(shared, rt.RTM_GETNEIGH, 0x301, bytes(12))
    assert n[0] == rt.RTM_NEWNEIGH and end[0] == rt.NLMSG_DONE
    family, index, state = struct.unpack_from("<BxxxiH", n[3])
    attrs = rt.parse_attrs(n[3][12:])
    assert (family, index, state) == (2, 2, 0x80)  # permanent
    assert attrs[1] == bytes((10, 9, 0, 77)) and attrs[2] == b"\x02\0\0\0\0\x77"


def test_rtnetlink_one_and_errors(shared: Any) -> None:
    body = rt.IFINFOMSG.pack(0, 0, 0, 0, 0) + rt.nla_text(rt.IFLA_IFNAME, "eth0")
    (link, ack) = messages(shared, rt.RTM_GETLINK, 0x5, body)
    assert link[0] == rt.RTM_NEWLINK and rt.IFINFOMSG.unpack_from(link[3])[2] == 2
    assert ack[0] == rt.NLMSG_ERROR and ack[3][:4] == bytes(4)

    def refused(kind: int, body: bytes, flags: int = 1) -> int:
        (one,) = messages(shared, kind, flags, body)
        assert one[0] == rt.NLMSG_ERROR
        return -int(struct.unpack_from("<i", one[3])[0])

    assert refused(rt.RTM_GETLINK, rt.IFINFOMSG.pack(0, 0, 99, 0, 0)) == errno.ENODEV
    assert refused(rt.RTM_GETLINK, rt.IFINFOMSG.pack(0, 0, 0, 0, 0)) == errno.EINVAL
    assert refused(rt.RTM_GETLINK, b"\0") == errno.EINVAL
    assert refused(rt.RTM_NEWLINK, bytes(16)) == errno.ENODEV and refused(rt.RTM_SETLINK, bytes(16)) == errno.EINVAL
    assert refused(rt.RTM_NEWLINK, rt.IFINFOMSG.pack(0, 0, 2, 0, 0) + rt.nla_u32(10, 1)) == errno.ENOTSUP  # master
    assert refused(rt.RTM_SETLINK, rt.IFINFOMSG.pack(0, 0, 2, 0, 0) + rt.nla_text(3, "x")) == errno.ENOTSUP
    assert refused(40, bytes(16)) == errno.EOPNOTSUPP  # RTM_GETTFILTER and the like
    assert refused(rt.RTM_NEWADDR, struct.pack("<BBBBI", 2, 24, 0, 0, 2)) == errno.EINVAL
    assert refused(rt.RTM_NEWADDR, struct.pack("<BBBBI", 10, 24, 0, 0, 2)) == errno.EAFNOSUPPORT
    assert refused(rt.RTM_DELADDR, struct.pack("<BBBBI", 2, 24, 0, 0, 99)) == errno.ENODEV
    assert refused(rt.RTM_NEWROUTE, b"\2") == errno.EINVAL
    assert refused(rt.RTM_DELNEIGH, struct.pack("<BxxxiHBB", 2, 2, 0, 0, 0) + rt.nla(1, bytes(4))) == errno.ENOENT
    assert refused(rt.RTM_GETROUTE, bytes(12)) == errno.EOPNOTSUPP


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_rtnetlink_survives_any_bytes(shared: Any, data: bytes) -> None:
    got = ask(shared, "rtnetlink", data=b64encode(data).decode(), portid=1)
    assert "errno" not in got


# --- the supervisor's small parts -----------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 299), st.integers(0, 255)), max_size=20))
def test_changed_pieces_rebuild_what_changed(before: bytes, changes: list[tuple[int, int]]) -> None:
    after = bytearray(before)
    for at, value in changes:
        if at < len(after):
            after[at] = value
    rebuilt = bytearray(before)
    for at, piece in changed_pieces(before, bytes(after)):
        rebuilt[at : at + len(piece)] = piece
    assert rebuilt == after
    assert (changed_pieces(before, bytes(after)) == []) == (before == after)


def test_buffers_are_as_long_as_they_say() -> None:
    assert ethtool_size(struct.pack("<I", 3)) == 4096
    assert ethtool_size(struct.pack("<II", 0x1D, 1000)) == 8 + 8000
    assert ethtool_size(struct.pack("<III", 0x1B, 1, 500)) == 12 + 16000
    assert ethtool_size(struct.pack("<IIII", 0x46, 0, 2048, 40)) == 24 + 8192 + 40
    assert ethtool_size(struct.pack("<IIII", 0x47, 0, 0xFFFFFFFF, 40)) == 4096  # no table is meant


def run_filter(code: bytes, arch: int, nr: int, args: list[int]) -> int:
    """What a classic BPF machine makes of it."""
    data = struct.pack("<iIQ6Q", nr, arch, 0, *args)
    at = acc = 0
    while True:
        op, yes, no, k = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        if op == 0x20:
            acc = struct.unpack_from("<I", data, k)[0]
        elif op == 0x54:
            acc &= k
        elif op == 0x15:
            at += yes if acc == k else no
        elif op == 0x35:
            at += yes if acc >= k else no
        elif op == 0x06:
            return int(k)
        else:
            raise AssertionError(hex(op))


@pytest.mark.parametrize("machine", sorted(SYSCALLS))
def test_the_filter_holds_up_what_it_should_and_nothing_else(machine: str) -> None:
    n = SYSCALLS[machine]
    code = program(n, SYSCALLS_ON_FILES[machine])

    def held(name: str, *args: int, arch: int = n["arch"]) -> bool:
        return run_filter(code, arch, n[name], [*args, *[0] * (6 - len(args))]) == 0x7FC00000

    assert held("socket", 16) and held("socket", 17) and not held("socket", 2) and not held("socket", 1)
    assert held("ioctl", 3, 0x8946) and held("ioctl", 3, 0x8B01) and not held("ioctl", 3, 0x5401)
    assert not held("ioctl", 3, 0x541B) and held("uname", 0)
    for name, number in SYSCALLS_ON_FILES[machine].items():
        at = [run_filter(code, n["arch"], number, [fd, 0, 0, 0, 0, 0]) == 0x7FC00000 for fd in (1, 3, 800)]
        assert at == {"read": [False, False, True], "pread64": [False, False, True], "write": [True, False, True]}.get(
            name, [True, True, True]
        ), name
        assert run_filter(program(n), n["arch"], number, [0] * 6) == 0x7FFF0000
    for name in ("bind", "sendmsg", "recvmsg", "sendto", "recvfrom", "getsockname"):
        assert held(name, 800) and held(name, 1023) and not held(name, 3)
    assert not held("socket", 16, arch=0x40000003)  # another instruction set's numbers mean other things


def test_struct_stat_is_what_the_c_library_reads() -> None:
    import platform

    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("another struct stat")
    raw = pack_stat(0o100644, 4096, 77)
    assert len(raw) == (144 if platform.machine() == "x86_64" else 128)
    assert struct.unpack_from("<I", raw, 24 if platform.machine() == "x86_64" else 16)[0] == 0o100644
    assert struct.unpack_from("<Q", raw, 48)[0] == 4096 and struct.unpack_from("<Q", raw, 8)[0] == 77
    extended = pack_statx(0o100644, 4096, 77)
    assert len(extended) == 256 and struct.unpack_from("<H", extended, 28)[0] == 0o100644
    assert struct.unpack_from("<QQ", extended, 32) == (77, 4096)


def test_a_client_that_goes_away_leaves_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with live(None, "10.9.0.2/24", name="b"):
        for _ in range(control.MAX_CLIENTS + 10):
            with control.Client("b", 10) as c:
                c.conn.sendall(json.dumps({"op": "info"}).encode() + b"\n")
        assert control.request("b", {"op": "info"}, 10)["name"] == "b"
        waiting = [control.Client("b") for _ in range(3)]
        for c in waiting:
            c.ask({"op": "info"})
    for c in waiting:  # the machine has ended: so have they
        assert c.conn.recv(1) == b""
        c.close()
