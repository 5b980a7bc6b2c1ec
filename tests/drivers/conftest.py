"""Where the records of a real 6.1 with its e1000e are."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def golden() -> Path:
    return Path(__file__).parent / "golden"
