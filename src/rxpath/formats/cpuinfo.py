"""/proc/cpuinfo: number, name and packages of the CPUs.

`parse` reads any architecture, `render` prints x86's form.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, shown, split_lines

FORMAT = "cpuinfo"


@dataclass(frozen=True, slots=True)
class Cpuinfo:
    """One dictionary a processor block; a block without `processor` (ARM's trailer) is in `other`."""

    processors: tuple[dict[str, str], ...]
    other: dict[str, str]

    @property
    def model_name(self) -> str:
        return self.processors[0].get("model name", "") if self.processors else ""

    @property
    def sockets(self) -> int:
        """Number of different physical ids (1 where they are not printed)."""
        return len({p.get("physical id", "0") for p in self.processors})


def parse(text: str) -> Cpuinfo:
    """The file of any architecture.  FormatError otherwise."""
    processors: list[dict[str, str]] = []
    other: dict[str, str] = {}
    block: dict[str, str] = {}
    for number, line in enumerate([*split_lines(text), ""], 1):
        if not line.strip():
            if "processor" in block:
                processors.append(block)
            else:
                other.update(block)
            block = {}
            continue
        key, colon, value = line.partition(":")
        if not colon or not key.strip():
            raise FormatError(FORMAT, number, f"expected 'key : value', found {shown(line)}")
        block[key.strip()] = value.strip()
    if not processors:
        raise FormatError(FORMAT, 0, "no processor")
    return Cpuinfo(tuple(processors), other)


def render(value: Cpuinfo) -> str:
    """Blocks of `key<tabs>: value` with the tabs of x86 (the colon stands at column 16), each closed by an
    empty line.
    """
    out: list[str] = []
    for processor in value.processors:
        for key, text in processor.items():
            if key == "power management":  # the one key that x86 prints without a tab
                out.append(f"{key}:{' ' + text if text else ''}\n")
                continue
            tabs = "\t" * max(1, 2 - len(key) // 8)
            out.append(f"{key}{tabs}: {text}\n")
        out.append("\n")
    return "".join(out)
