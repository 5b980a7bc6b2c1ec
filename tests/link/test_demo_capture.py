"""The sample capture: it is what its script makes, and holds what the demo needs."""

from __future__ import annotations

import gzip
import importlib.util
from collections import Counter
from itertools import pairwise
from pathlib import Path

from rxpath.link.compose import capture_chain
from rxpath.link.survey import survey
from rxpath.wire.addr import ip4
from rxpath.wire.ethernet import network_offset

CAPTURES = Path(__file__).parents[2] / "captures"
DEMO = CAPTURES / "demo.pcapng"


def test_demo_is_what_its_script_makes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_demo", CAPTURES / "make_demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(str(tmp_path / "demo.pcapng"))
    # unpacked: compressors differ between releases of zlib
    assert gzip.decompress((tmp_path / "demo.pcapng").read_bytes()) == gzip.decompress(DEMO.read_bytes())


def test_demo_holds_what_the_demo_needs() -> None:
    assert DEMO.stat().st_size < 300_000
    chain = capture_chain(DEMO, link_bps=10**9, start_ns=0)
    seen = survey(chain.source)
    host = seen.host()
    assert host is not None
    assert host.ip == ip4("10.0.0.1")
    assert host.mac == b"\x02\0\0\0\0\x01"
    assert host.udp.keys() == {5000, 5001, 9999, *range(5100, 5132)}
    assert host.refused.keys() == {9999}
    assert host.vlans == {100: 10}
    frames = list(chain.source)
    assert Counter(network_offset(f)[1] for _, f in frames).keys() == {0x0800, 0x0806, 0x88CC}
    burst = [t for t, f in frames if len(f) == 60 and f[6:12] == b"\x02\0\0\0\0\x05"]
    assert len(burst) == 3200
    assert {b - a for a, b in pairwise(burst)} == {672}
    tally = chain.tally()
    assert tally.balance() == 0
    assert tally.not_sent["link"] == 0
    assert tally.not_sent["own transmissions"] > 0
    report = chain.reconstruction()
    assert report is not None
    assert (report.captured_at, report.merged, report.segments) == ("host", 1, 5)
    chain.close()
