"""What every command gets: the machine, its standard streams, and small helpers around files and errors.

What belongs here: nothing that knows any one command.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EACCES, EIO, EISDIR, ENOENT, MESSAGES
from rxpath.kernel.files import FileTree
from rxpath.machine import Machine
from rxpath.net.core.netdevice import Net, NetDevice


class Usage(Exception):
    """Wrong use of a command: `text` goes to standard error as it is, the process exits with `status`."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def error_text(error: OSError | int) -> str:
    """Linux's words for an errno, without what the exception adds."""
    code = error if isinstance(error, int) else error.errno or 0
    return MESSAGES.get(code) or os.strerror(code)


class Process:
    """One command that runs: arguments come apart, streams are lists of texts."""

    __slots__ = ("machine", "name", "stdin", "stdout", "stderr")

    def __init__(self, machine: Machine, name: str, stdin: str = "") -> None:
        self.machine = machine
        self.name = name
        self.stdin = stdin
        self.stdout: list[str] = []
        self.stderr: list[str] = []

    @property
    def kernel(self) -> Kernel:
        return self.machine.kernel

    @property
    def net(self) -> Net:
        return self.machine.net

    @property
    def files(self) -> FileTree:
        return self.machine.kernel.files

    def out(self, text: str) -> None:
        self.stdout.append(text)

    def err(self, text: str) -> None:
        self.stderr.append(text)

    def device(self, name: str) -> NetDevice | None:
        return self.net.by_name.get(name)

    # --- files ----------------------------------------------------------------------------------------------
    def path(self, text: str) -> str:
        """The path as the tree knows it: in /proc/irq an action's name stands for its number."""
        parts = text.split("/")
        if text.startswith("/proc/irq/") and len(parts) > 3 and not parts[3].isdigit():
            n = irq_of_action(self.kernel, parts[3])
            if n >= 0:
                parts[3] = str(n)
                return "/".join(parts)
        return text

    def glob(self, pattern: str) -> list[str]:
        """Paths that a shell would put for `pattern`, sorted; the pattern itself when nothing fits."""
        heads = [""]
        for part in [p for p in pattern.split("/") if p]:
            found: list[str] = []
            for head in heads:
                if not any(c in part for c in "*?["):
                    path = f"{head}/{part}"
                    if self.files.exists(self.path(path)):
                        found.append(path)
                    continue
                if self.files.is_dir(head or "/"):
                    names = self.files.listdir(head or "/")
                    found += [f"{head}/{n}" for n in names if fnmatchcase(n, part) and not n.startswith(".")]
            heads = found
        return sorted(heads) or [pattern]

    def write_file(self, path: str, text: str) -> str:
        """What a shell's redirection does; "" or the complaint (without the shell's name)."""
        if path == "/dev/null":
            return ""
        real = self.path(path)
        f = self.files
        if not path.startswith(("/proc/", "/sys/")):
            return f"{path}: Read-only file system"
        if not f.exists(real):
            # a redirection would create it: sysfs lets nobody, proc says that there is no such file
            made = path.startswith("/sys/") and f.is_dir(real.rsplit("/", 1)[0])
            return f"{path}: {error_text(EACCES if made else ENOENT)}"
        if f.is_dir(real):
            return f"{path}: {error_text(EISDIR)}"
        if f.files[f.resolve(real)].write is None:
            if path.startswith("/proc/net/") and self.kernel.release.proc_net_write_refused:
                return f"{path}: {error_text(EACCES)}"
            # root may open any file of /proc; sysfs and /proc/sys look at the mode
            if path.startswith("/proc/") and not path.startswith("/proc/sys/"):
                return f"write error: {error_text(EIO)}"
            return f"{path}: {error_text(EACCES)}"
        try:
            f.write(real, text)
        except OSError as e:
            return f"write error: {error_text(e)}"
        return ""


def irq_of_action(kernel: Kernel, name: str) -> int:
    """The number of the interrupt whose handler is called `name`; -1 when there is none."""
    for n in sorted(kernel.irq.descs):
        if any(a.name == name for a in kernel.irq.descs[n].actions):
            return n
    return -1


def in_process(machine: Machine, fn: Callable[[], Any], name: str) -> Any:
    """Run `fn` in process context: as a task of its own, or directly when a task of the machine calls."""
    if machine.kernel.engine.current is not None:
        return fn()
    return machine.in_task(fn, name)


Main = Callable[[Process, list[str]], int]
