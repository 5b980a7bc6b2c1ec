"""A live machine without a cable, for tests of everything but the TAP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxpath.live.machine import LiveMachine, live


@pytest.fixture
def net() -> Iterator[LiveMachine]:
    with live(None, "10.9.0.2/24", listen=["udp:7,echo"]) as machine:
        yield machine
