"""A snapshot of a modelled machine, in the form in which a real host's is written.

Belongs here: getting at a machine's files and commands in the places where collect.py gets at the host's.
What is asked for, in which order and in which form is collect.py's, so that both are read by the same code.
"""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase

from rxpath.machine import Machine
from rxpath.tools.run import NOT_FOUND, run_command
from rxpath.tune.collect import LIMIT, Progress, Taker


class MachineTaker(Taker):
    """Takes moments of `machine`.  Files are only read; commands are run as its own, which takes its CPU 0
    a little virtual time (ethtool and uname are programs there too)."""

    def __init__(self, machine: Machine, say: Progress) -> None:
        super().__init__(say, "/", self._run, self._wall_ns)
        self.machine = machine

    def _wall_ns(self) -> int:
        return self.machine.kernel.wall_base_ns + self.machine.now

    def _run(self, command: list[str]) -> str | None:
        done = run_command(self.machine, shlex.join(command))
        return None if done.status == NOT_FOUND else done.stdout + done.stderr

    def _read(self, path: str) -> str | None:
        try:
            text: str = self.machine.files.read(path)
        except OSError:
            return None
        if len(text) > LIMIT:
            self.left_out.append(f"{path}: larger than {LIMIT >> 20} MiB")
            return None
        return text

    def _small(self, path: str) -> str | None:
        try:
            return str(self.machine.files.read(path)).strip()
        except OSError:
            return None

    def _glob(self, pattern: str) -> list[str]:
        files = self.machine.files
        heads = [""]
        for part in pattern.strip("/").split("/"):
            found: list[str] = []
            for head in heads:
                if any(c in part for c in "*?["):
                    if files.is_dir(head or "/"):
                        found += [f"{head}/{n}" for n in files.listdir(head or "/") if fnmatchcase(n, part)]
                elif files.exists(f"{head}/{part}"):
                    found.append(f"{head}/{part}")
            heads = found
        return heads

    def devices(self) -> list[str]:
        """Interfaces with a device behind them; without any, all but loopback."""
        names = sorted(p.rsplit("/", 1)[1] for p in self._glob("/sys/class/net/*"))
        own = [n for n in names if self.machine.files.exists(f"/sys/class/net/{n}/device")]
        return own or [n for n in names if n != "lo"]

    def _uname(self) -> str:
        return self._command(["uname", "-a"])

    def _threads(self) -> str:
        return ""  # a machine has no /proc/PID


def snapshot_text(machine: Machine) -> str:
    """One whole moment of a booted machine: the text that `rxpath snapshot` writes on a real host.

    Two of them, one after the other in a text or in two files, are what the doctor compares.  Nothing of
    the machine is changed but its clock and the CPU time that the commands take.
    """
    return MachineTaker(machine, lambda _: None).moment(True)


__all__ = ["MachineTaker", "snapshot_text"]
