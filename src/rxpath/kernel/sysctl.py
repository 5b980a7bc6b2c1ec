"""Sysctls: named integers (or vectors, or text) with Linux's checks, shown under /proc/sys.

A variable is read by the hot path as a plain attribute of whoever owns it; the table holds accessors.  Facts:
kernel/sysctl.c proc_dointvec, proc_dointvec_minmax, proc_doulongvec_minmax (3.13 to 6.12).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rxpath.kernel.errno import EINVAL, ENOENT, linux_error
from rxpath.kernel.files import FileTree

INT_MIN: Final = -(1 << 31)
INT_MAX: Final = (1 << 31) - 1
_C_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")


def parse_ints(text: str, count: int, lo: int, hi: int) -> list[int]:
    """Up to `count` integers of a write to an integer sysctl; hex and octal as C.  Raises OSError(EINVAL)."""
    out: list[int] = []
    for word in text.replace("\0", " ").split():
        if len(out) == count:
            break
        w = word
        neg = w.startswith("-")
        if neg:
            w = w[1:]
        try:
            if w[:2].lower() == "0x":
                v = int(w, 16)
            elif len(w) > 1 and w[0] == "0":
                v = int(w, 8)
            else:
                if not w.isdigit():
                    raise ValueError
                v = int(w)
        except ValueError:
            raise linux_error(EINVAL, word) from None
        if neg:
            v = -v
        if abs(v) > (1 << 64) - 1:
            raise linux_error(EINVAL, word)
        if v < lo or v > hi:
            raise linux_error(EINVAL, word)
        out.append(v)
    if not out:
        raise linux_error(EINVAL, "no number")
    return out


def parse_bitmap(text: str, bits: int) -> int:
    """A write of "1,5-9" to a bitmap sysctl (proc_do_large_bitmap): a mask of `bits` bits.  Numbers as C has them,
    no blanks; an empty text is an empty mask.  Raises OSError(EINVAL).
    """
    mask = 0
    rest = text.lstrip("\n")
    while rest:
        low, sep, rest = _bitmap_number(rest, "-,\n", bits)
        high = low
        if sep == "-":
            high, _, rest = _bitmap_number(rest, ",\n\0", bits)
            if high < low:
                raise linux_error(EINVAL, text.strip())
        mask |= ((1 << high - low + 1) - 1) << low
        rest = rest.lstrip("\n")
    return mask


def _bitmap_number(text: str, separators: str, bits: int) -> tuple[int, str, str]:
    """(number, the separator behind it or nothing, what follows)."""
    m = _C_NUMBER.match(text)
    if m is None or len(m[0]) > 20 or (m.end() < len(text) and text[m.end()] not in separators):
        raise linux_error(EINVAL, text.strip())
    word = m[0].lower()
    if word.startswith("0x"):
        v = int(word, 16)
    else:
        v = int(word, 8) if word[0] == "0" else int(word)
    if v >= bits:
        raise linux_error(EINVAL, text.strip())
    return v, text[m.end() : m.end() + 1], text[m.end() + 1 :]


def bitmap_text(mask: int) -> str:
    """The mask as a bitmap sysctl shows it: ranges, ascending."""
    out: list[str] = []
    at = 0
    while mask >> at:
        low = at + ((mask >> at) & -(mask >> at)).bit_length() - 1
        rest = ~(mask >> low)
        at = low + (rest & -rest).bit_length() - 1
        out.append(f"{low}-{at - 1}" if at - 1 > low else f"{low}")
    return ",".join(out)


class Sysctl:
    """One entry: `read()` gives the text without newline, `write(text)` checks and stores."""

    __slots__ = ("name", "read", "write", "mode")

    def __init__(self, name: str, read: Callable[[], str], write: Callable[[str], None] | None, mode: int) -> None:
        self.name = name
        self.read = read
        self.write = write
        self.mode = mode


class SysctlTable:
    """All entries of one kernel by dotted name; each also a file under /proc/sys.

    `absent`: names that this release does not have (Release.sysctls_absent); registering one does nothing.
    """

    __slots__ = ("entries", "files", "absent")

    def __init__(self, files: FileTree, absent: frozenset[str] = frozenset()) -> None:
        self.entries: dict[str, Sysctl] = {}
        self.files = files
        self.absent = absent

    def exists_here(self, name: str) -> bool:
        """Whether this release has the entry: net.ipv4.conf.DEV.x is looked for as conf.x."""
        words = name.split(".")
        if words[0] != "net" or len(words) < 3:
            return True
        if len(words) == 5 and words[1] == "ipv4" and words[2] in ("conf", "neigh"):
            return f"{words[2]}.{words[4]}" not in self.absent
        return ".".join(words[1:]) not in self.absent

    def path(self, name: str) -> str:
        """Dots to slashes as sysctl(8) does: a slash inside a component stands for a dot (eth0/5)."""
        return "/proc/sys/" + name.replace("/", "\0").replace(".", "/").replace("\0", ".")

    def register(self, name: str, read: Callable[[], str], write: Callable[[str], None] | None, mode: int = 0) -> None:
        """`name`: dotted; a component with a dot in it is written with a slash
        (net.ipv4.conf.eth0/5.rp_filter).
        """
        if not self.exists_here(name):
            return
        if mode == 0:
            mode = 0o644 if write is not None else 0o444
        self.entries[name] = Sysctl(name, read, write, mode)
        self.files.add(self.path(name), (lambda: read() + "\n") if mode & 0o444 else None, write, mode)

    def int_value(
        self,
        name: str,
        get: Callable[[], int],
        put: Callable[[int], None] | None,
        lo: int = INT_MIN,
        hi: int = INT_MAX,
    ) -> None:
        """An int (proc_dointvec with or without minmax); `put` may raise OSError itself."""

        def write(text: str) -> None:
            assert put is not None
            put(parse_ints(text, 1, lo, hi)[0])

        self.register(name, lambda: "%d" % get(), write if put is not None else None)

    def vector(
        self,
        name: str,
        get: Callable[[], list[int]],
        put: Callable[[list[int]], None],
        lo: int = INT_MIN,
        hi: int = INT_MAX,
    ) -> None:
        """Several ints, tab separated; a shorter write changes the first ones only."""

        def write(text: str) -> None:
            cur = list(get())
            new = parse_ints(text, len(cur), lo, hi)
            cur[: len(new)] = new
            put(cur)

        self.register(name, lambda: "\t".join("%d" % v for v in get()), write)

    def unregister(self, prefix: str) -> None:
        """Remove an entry, or a directory of them (a device that went away)."""
        for n in [n for n in self.entries if n == prefix or n.startswith(prefix + ".")]:
            del self.entries[n]
        self.files.remove(self.path(prefix))

    def get(self, name: str) -> str:
        """The text of an entry.  Raises OSError(ENOENT)."""
        e = self.entries.get(name)
        if e is None:
            raise linux_error(ENOENT, name)
        return e.read()

    def set(self, name: str, text: str) -> None:
        """Write an entry.  Raises OSError: ENOENT, EACCES by mode, EINVAL by its check."""
        if name not in self.entries:
            raise linux_error(ENOENT, name)
        if not text:  # writing nothing changes nothing
            return
        self.files.write(self.path(name), text)
