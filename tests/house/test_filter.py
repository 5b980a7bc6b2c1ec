"""Capture filters choose the frames that tcpdump chooses, on real captures, and refuse the rest in one
line.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.link.capture import CaptureReader
from rxpath.link.capture_writer import open_writer
from rxpath.link.filter import FilterError, compile_filter
from rxpath.wire.ethernet import vlan_insert_tag

REPO = Path(__file__).resolve().parents[2]


@cache
def frames() -> list[bytes]:
    """The demo's frames (one a kind would do: the first 40 of each length), some with tags, some cut."""
    seen: dict[int, int] = {}
    chosen = []
    with CaptureReader(str(REPO / "captures" / "demo.pcapng")) as reader:
        for _, frame in reader:
            seen[len(frame)] = seen.get(len(frame), 0) + 1
            if seen[len(frame)] <= 40:
                chosen.append(frame)
    extra = [vlan_insert_tag(frame, 100 + i % 3) for i, frame in enumerate(chosen[::5])]
    twice = [vlan_insert_tag(frame, 7, 0x88A8) for frame in extra[::3]]
    cut = [frame[: 14 + i % 40] for i, frame in enumerate(chosen[::4])]
    ip6 = [
        frame[:12] + b"\x86\xdd" + b"\x60\0\0\0\0\x20" + bytes([nxt]) + b"\x40" + bytes(range(32)) + tail
        for frame, nxt in zip(chosen[:8], (6, 17, 44, 58, 132, 17, 6, 0), strict=True)
        for tail in (b"\x11\0\0\x01\x00\x35\x03\xe8" + bytes(20),)
    ]
    fragment = [frame[:20] + b"\x00\x10" + frame[22:] for frame in chosen[:50:7]]
    arp = (
        b"\xff" * 6
        + b"\x02\0\0\0\0\x01\x08\x06\0\x01\x08\0\x06\x04\0\x01"
        + b"\x02\0\0\0\0\x01\x0a\0\0\x02"
        + bytes(10)
    )
    return chosen + extra + twice + cut + ip6 + fragment + [arp]


FILTERS = """
ip
arp
ip6
tcp
udp
icmp
igmp
host 10.0.0.1
src host 10.0.0.2
dst 10.0.0.1
src or dst host 10.0.0.2
src and dst host 10.0.0.2
arp host 10.0.0.2
net 10.0.0.0/24
net 10
src net 10.0 mask 255.255.0.0
port 9
udp port 9 or 5001
tcp portrange 1-1023
dst portrange 9-53
udp and not port 9
not udp
not (udp or tcp)
udp or tcp and greater 200
tcp or udp and less 100
ip and (port 9 or port 53) and not src host 10.0.0.1
ether host 02:00:00:00:00:01
ether src 2:0:0:0:0:2
ether dst ff:ff:ff:ff:ff:ff
ether broadcast
multicast
ip multicast
ether proto 0x0806
ether proto \\ip
ip proto 17
proto 6
ip proto \\icmp
less 64
greater 1000
vlan
vlan 101
vlan and udp
vlan 100 and host 10.0.0.1
vlan and vlan
vlan and vlan 100 and udp
not vlan
udp or vlan
!udp
udp && port 9 || icmp
src 10.0.0.1 or 10.0.0.2
not port 9 and not port 53
""".strip().splitlines()


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("filter") / "all.pcap"
    with open_writer(path) as writer:
        for number, frame in enumerate(frames()):
            writer.write(number * 1000, frame)
    return path


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump")
@pytest.mark.parametrize("text", FILTERS)
def test_the_same_frames_as_tcpdump(capture, tmp_path, text):
    chosen = tmp_path / "chosen.pcap"
    subprocess.run(["tcpdump", "-r", str(capture), "-w", str(chosen), *text.split()], check=True, capture_output=True)
    with CaptureReader(str(chosen)) as reader:
        theirs = [time // 1000 for time, _ in reader]
    matches = compile_filter(text)
    assert [number for number, frame in enumerate(frames()) if matches(frame)] == theirs


def test_the_filters_tell_frames_apart():
    """None of the filters above is answered by all or nothing on these frames, but for the few that must
    be.
    """
    counts = {text: sum(map(compile_filter(text), frames())) for text in FILTERS}
    assert sum(1 for n in counts.values() if 0 < n < len(frames())) > 0.8 * len(FILTERS), counts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("udp port", "ends too early"),
        ("(udp", "ends too early"),
        ("udp)", "not expected"),
        ("udp port http", "no number"),
        ("host example.org", "no IPv4 address"),
        ("tcp[13] & 2 != 0", "arithmetic"),
        ("frob", "not known"),
        ("10.0.0.1", "not known"),
        ("port 70000", "out of range"),
        ("portrange 5", "no portrange"),
        ("net 10.0.0.1/8", "outside the mask"),
        ("icmp port 5", "makes no sense"),
        ("and udp", "not expected"),
        ("(" * 500 + "udp" + ")" * 500, "nested too deeply"),
    ],
)
def test_refusals(text, says):
    with pytest.raises(FilterError, match=says) as caught:
        compile_filter(text)
    assert "\n" not in str(caught.value)


words = st.sampled_from(
    "udp tcp ip arp host net port portrange src dst and or not ( ) ! vlan ether proto 10.0.0.1 10 53 1-9 less".split()
)


@given(st.one_of(st.text(max_size=30), st.lists(words, max_size=12).map(" ".join)), st.binary(max_size=80))
def test_any_text_is_a_filter_or_one_line_and_any_bytes_are_judged(text, frame):
    try:
        matches = compile_filter(text)
    except FilterError as error:
        assert "\n" not in str(error) or "\n" in text
        return
    assert matches(frame) in (True, False)
