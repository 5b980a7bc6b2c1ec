"""What docs/kernel.md says of the softirq vectors and CONFIG_ switches."""

from __future__ import annotations

import re

from rxpath.config import MachineConfig, NicConfig
from rxpath.kernel import softirq
from rxpath.kernel.cpu import Cpu
from rxpath.kernel.softirq import SoftirqAction
from rxpath.machine import Machine

from .box import ROOT, Box

DOC = (ROOT / "docs" / "kernel.md").read_text()
ROWS = dict(re.findall(r"^\| ([A-Z_]+) \| (works|counts) \|", DOC, re.M))


def test_every_vector_has_a_row() -> None:
    names = [n.removesuffix("_SOFTIRQ") for n in vars(softirq) if n.endswith("_SOFTIRQ") and not n.startswith("MODE")]
    assert list(ROWS) == names and len(names) == 10


def test_the_vectors_that_work_are_those_that_somebody_opened() -> None:
    b = Box()
    opened = [n for n, v in zip(ROWS, b.m.kernel.softirq.vec, strict=True) if type(v) is not SoftirqAction]
    assert opened == [n for n, word in ROWS.items() if word == "works"]
    s = b.bound(5000)
    b.rx(b.udp(5000, 64), 3)
    b.rx(b.udp(9, 64), 3)  # an answer goes out, and its buffer comes back
    b.run(3_000_000_000)
    moved = [n for n, count in zip(ROWS, b.m.kernel.cpus[0].softirq_stat, strict=True) if count]
    assert set(moved) <= set(opened) and {"TIMER", "NET_RX"} <= set(moved)
    s.close()
    b.close()


class Counting(SoftirqAction):
    __slots__ = ("ran",)

    def __init__(self) -> None:
        self.ran: list[int] = []

    def action(self, cpu: Cpu) -> None:
        self.ran.append(cpu.id)


def test_a_vector_can_be_opened_by_whoever_needs_it() -> None:
    b = Box()
    mine = Counting()
    k = b.m.kernel
    k.softirq.open_softirq(softirq.TASKLET_SOFTIRQ, mine)
    b.m.in_task(lambda: softirq.raise_softirq_irqoff(k.cur(), softirq.TASKLET_SOFTIRQ))
    b.run()
    assert mine.ran == [0] and k.cpus[0].softirq_stat[softirq.TASKLET_SOFTIRQ] == 1
    b.close()


def test_a_kernel_without_rps_has_no_files_for_it() -> None:
    for on in (True, False):
        c = MachineConfig(costs="none", nics=[NicConfig(model="e1000e")], config={"RPS": on})
        m = Machine(c)
        m.boot()
        assert m.files.exists("/sys/class/net/eth0/queues/rx-0/rps_cpus") is on
        m.close()
    assert "`CONFIG_RPS`" in DOC
