"""Machines to run commands on, and the records of real systems (shared with the tests of the formats)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine

GOLDEN = Path(__file__).resolve().parents[1] / "formats" / "golden"


def machine(release: str = "6.1", cpus: int = 4, nics: int = 1) -> Machine:
    config = MachineConfig(
        release=release,
        cpus=cpus,
        nics=[
            NicConfig(model="e1000e", mac=f"52:54:00:12:34:{0x56 + i:02x}", addresses=[f"10.0.{i}.2/24"])
            for i in range(nics)
        ],
    )
    return Machine(config).boot()


def session(name: str) -> list[tuple[str, str, int | None]]:
    """(command, what it printed, exit status or None where it was not kept) of a record."""
    out: list[tuple[str, list[str]]] = []
    for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            out.append((line[2:].replace("/oracle/", ""), []))
        elif out:
            out[-1][1].append(line)
    result: list[tuple[str, str, int | None]] = []
    for command, lines in out:
        status: int | None = None
        if lines and lines[-1].startswith("@ exit "):
            status = int(lines.pop().rpartition(" ")[2])
        result.append((command, "\n".join(lines).strip(), status))
    return result


@pytest.fixture
def m() -> Iterator[Machine]:
    """A 6.1 with one e1000e, fresh."""
    x = machine()
    yield x
    x.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Machine]:
    """A 6.1 that the tests of one file only look at."""
    x = machine()
    yield x
    x.close()


@pytest.fixture(scope="module")
def old() -> Iterator[Machine]:
    """A 3.13: ethtool asks by ioctl."""
    x = machine("3.13")
    yield x
    x.close()
