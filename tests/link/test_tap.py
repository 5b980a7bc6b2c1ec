"""TAP: refusals as one line everywhere; the device itself in a network namespace of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rxpath.link

SRC = Path(rxpath.link.__file__).parents[2]

SCRIPT = """
import errno, os, select, socket, sys
from rxpath.link.tap import Tap, TapError
from rxpath.wire.addr import ip4, ip4_net
from rxpath.wire.arp import ARPOP_REPLY, ARPOP_REQUEST, ArpRepr
from rxpath.wire.build import arp_frame, udp_frame
from rxpath.wire.ethernet import network_offset

MAC = bytes.fromhex("020000000009")
for vnet in (False, True):
    with Tap("t0", address=ip4_net("10.9.0.1/24"), vnet_hdr=vnet, mtu=1400) as tap:
        assert tap.created and tap.mtu == 1400 and len(tap.mac) == 6
        try:
            Tap("t0")
            sys.exit("opened twice")
        except TapError as err:
            assert err.errno == errno.EBUSY and "in use" in str(err), err
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("10.9.0.1", 7))
        sock.settimeout(5)
        sock.sendto(b"from the host", ("10.9.0.2", 7))

        def frame_of(kind):
            for _ in range(100):
                select.select([tap], [], [], 5)
                frame = tap.read()
                if frame is not None and network_offset(frame)[1] == kind:
                    assert len(frame) >= 60
                    return frame
            sys.exit("nothing came")

        ask = ArpRepr.parse(frame_of(0x0806), 14)
        assert (ask.op, ask.tip) == (ARPOP_REQUEST, ip4("10.9.0.2")), ask
        assert tap.write(arp_frame(ARPOP_REPLY, MAC, ask.tip, ask.sha, ask.sip))
        assert b"from the host" in frame_of(0x0800)
        assert tap.write(udp_frame(MAC, tap.mac, ip4("10.9.0.2"), ip4("10.9.0.1"), 7, 7, b"to the host"))
        assert sock.recv(100) == b"to the host"
        while tap.read() is not None:
            pass
        assert tap.tx_frames == 2 and tap.rx_frames >= 2 and tap.tx_dropped == 0
        sock.close()
    assert tap.fileno() == -1 and not os.path.exists("/sys/class/net/t0")
try:
    Tap("lo")
    sys.exit("lo is no TAP")
except TapError as err:
    assert err.errno == errno.EINVAL and "no TAP" in str(err), err
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    Tap("t1")
    sys.exit("no right, and yet")
except TapError as err:
    assert err.errno in (errno.EPERM, errno.EACCES), err
    assert "\\n" not in str(err)
print("fine")
"""


@pytest.mark.netns
def test_tap_in_a_namespace() -> None:
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun here")
    # the namespace's own /sys would need a mount; presence is asked of the mounted one
    done = subprocess.run(
        [
            "unshare",
            "-n",
            "-m",
            "sh",
            "-c",
            'mount -t sysfs none /sys && exec "$0" -c "$1"',
            sys.executable,
            SCRIPT,
        ],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


@pytest.mark.parametrize("name", ["", "a" * 16, "a/b", "a b", ".", "t%d"])
def test_names_that_are_none(name: str) -> None:
    tap = pytest.importorskip("rxpath.link.tap")
    with pytest.raises(tap.TapError, match="not an interface name"):
        tap.Tap(name)


def test_only_tap_imports_what_only_linux_has() -> None:
    """Of this room; the house tests look at all rooms."""
    for file in sorted((SRC / "rxpath" / "link").glob("*.py")):
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        }
        assert ("fcntl" in names) == (file.name == "tap.py"), file
