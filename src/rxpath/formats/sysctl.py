"""Texts of /proc/sys: numbers and vectors as Linux prints them, and what a write means, with its errors.

Facts: kernel/sysctl.c of 6.1, `proc_dointvec`, `proc_dointvec_minmax`, `proc_douintvec_minmax`,
`proc_doulongvec_minmax`, `proc_do_static_key`.  Range, default and side effects of each name are the kernel's
part; here is only how a text becomes numbers.

Also the text of `sysctl -a`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines

FORMAT = "sysctl"
_SPACE = " \t\n\r\x0b\x0c"
_AFTER = " \t\n\0"
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+", re.ASCII)
_LONGEST = 21  # the kernel copies at most that much of one number before it converts


@dataclass(frozen=True, slots=True)
class Rule:
    """How one name takes a write.

    `kind`: "int", "uint" or "ulong"; `lo`, `hi`: bounds, None = none. `skip_out_of_range`: an unsigned long outside
    its bounds is left as it was and the write succeeds (3.13 and until 4.20), else the write fails with EINVAL.
    """

    kind: str = "int"
    lo: int | None = None
    hi: int | None = None
    skip_out_of_range: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the values afterwards, and 0 or EINVAL.

    Numbers before the bad one of a vector ARE stored.
    """

    values: tuple[int, ...]
    errno: int = 0


def render(values: int | Sequence[int]) -> str:
    """One number, or a vector separated by tabs; ends with a newline."""
    if isinstance(values, int):
        return f"{values}\n"
    return "\t".join(str(v) for v in values) + "\n"


def write(text: str, current: Sequence[int], rule: Rule) -> Written:
    """What writing `text` to a name that holds `current` does.

    Decimal, 0x and 0 (octal) numbers, separated by blanks; fewer numbers than places leave the rest, more are
    ignored. Nothing but blanks, a letter after a number, or a number outside the rule: EINVAL.
    """
    if not text:
        return Written(tuple(current))  # a write of no bytes does nothing
    values = list(current)
    at = 0
    done = 0
    while done < len(values):
        while at < len(text) and text[at] in _SPACE:
            at += 1
        if at >= len(text):
            break
        got = _take(text, at)
        if got is None:
            return Written(tuple(values), errno.EINVAL)
        number, at = got
        stored = _convert(number, rule)
        if stored is None:
            return Written(tuple(values), errno.EINVAL)
        if rule.kind == "ulong" and rule.skip_out_of_range and not _inside(stored, rule):
            done += 1
            continue
        if not _inside(stored, rule):
            return Written(tuple(values), errno.EINVAL)
        values[done] = stored
        done += 1
    return Written(tuple(values), 0 if done else errno.EINVAL)


def _take(text: str, at: int) -> tuple[int, int] | None:
    negative = text[at] == "-" and at + 1 < len(text)
    start = at + 1 if negative else at
    match = _NUMBER.match(text, start)
    if match is None or match.end() - at >= _LONGEST:
        return None
    word = match.group()
    end = match.end()
    if word[:2].lower() == "0x":
        number = int(word, 16)
    elif word[0] == "0" and len(word) > 1:
        octal = re.match(r"[0-7]*", word[1:])
        used = octal.group() if octal is not None else ""
        number = int(used or "0", 8)
        end = start + 1 + len(used)
    else:
        number = int(word)
    if number >= 1 << 64:
        return None
    if end < len(text) and text[end] not in _AFTER:
        return None
    return (-number if negative else number), end


def _convert(number: int, rule: Rule) -> int | None:
    if rule.kind == "int":
        return number if -(1 << 31) <= number < 1 << 31 else None
    if rule.kind == "uint":
        return number if 0 <= number < 1 << 32 else None
    if number < 0 and not rule.skip_out_of_range:
        return None
    return number


def _inside(number: int, rule: Rule) -> bool:
    if rule.kind != "int" and number < 0:
        return False
    return (rule.lo is None or number >= rule.lo) and (rule.hi is None or number <= rule.hi)


@dataclass(frozen=True, slots=True)
class SysctlAll:
    """`sysctl -a`, or files of /proc/sys: name with dots -> text of the value, without newline."""

    values: dict[str, str]

    def number(self, name: str) -> int | None:
        """The value as one number; None where it is absent or not one number."""
        words = self.values.get(name, "").split()
        if len(words) != 1 or re.fullmatch(r"-?[0-9]{1,20}", words[0], re.ASCII) is None:
            return None
        return int(words[0])

    def vector(self, name: str) -> tuple[int, ...] | None:
        """The value as numbers, e.g. tcp_rmem; None where it is absent or holds anything else."""
        words = self.values.get(name, "").split()
        if not words or any(re.fullmatch(r"-?[0-9]{1,20}", w, re.ASCII) is None for w in words):
            return None
        return tuple(int(w) for w in words)


_GREPPED = re.compile(r"(/proc/sys/[^\s:=]+):(.*)", re.ASCII)  # as `grep .` prints them
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@*/-]*", re.ASCII)


def parse(text: str) -> SysctlAll:
    """`name = value` lines of sysctl -a, a sysctl.conf, or `/proc/sys/... = value`.  FormatError otherwise.

    Lines `sysctl: ...` (permission messages), empty lines and comments are passed over.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(split_lines(text), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;" or stripped.startswith("sysctl:"):
            continue
        cut = _GREPPED.fullmatch(stripped)
        name, equals, value = ("", "", "") if cut is None else (cut[1], "=", cut[2])
        if cut is None:
            name, equals, value = stripped.partition("=")
            name = name.strip()
        if name.startswith("/proc/sys/"):
            name = name[len("/proc/sys/") :].replace("/", ".")
        name = name.removeprefix("-")  # in sysctl.conf: errors of this line are forgiven
        if not equals or _NAME.fullmatch(name) is None:
            raise FormatError(FORMAT, number, f"expected 'name = value', found {shown(stripped)}")
        values[name] = value.strip()
    if not values:
        raise FormatError(FORMAT, 0, "no settings")
    return SysctlAll(values)


def render_all(values: Mapping[str, str]) -> str:
    """`sysctl -a`: sorted by the path, `name = value`."""
    return "".join(f"{name} = {values[name]}\n" for name in sorted(values))


def name_of_path(path: str) -> str:
    """net.core.rmem_max of /proc/sys/net/core/rmem_max (a dot inside a device name becomes a slash, as sysctl
    does).
    """
    relative = path.removeprefix("/proc/sys/")
    return relative.replace(".", "\0").replace("/", ".").replace("\0", "/")


def path_of_name(name: str) -> str:
    """The inverse of `name_of_path`; a name with slashes first is taken as a path, as sysctl does."""
    slash, dot = name.find("/"), name.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return "/proc/sys/" + name
    return "/proc/sys/" + name.replace("/", "\0").replace(".", "/").replace("\0", ".")


# what the command prints (procps-ng 4.0), each with its exit status


def shown_line(name: str, value: str) -> str:
    """`name = value`; of `-w` the value as it was given, of reading the file's text."""
    return f"{name} = {value.rstrip(chr(10))}\n"


def no_such_key(name: str) -> str:
    """A name without file; exit status 1, with -e nothing is printed and it is 0."""
    return f"sysctl: cannot stat {path_of_name(name)}: No such file or directory\n"


def cannot_set(name: str, code: int) -> str:
    """The kernel refused the value; exit status 1.  A read-only file shows EINVAL too, with exit status 0."""
    return f'sysctl: setting key "{name}": {os.strerror(code)}\n'


def permission_denied(name: str, writing: bool = True) -> str:
    """No right to write or to read it; exit status 1.  The two quote the name differently."""
    quote = '"' if writing else "'"
    return f"sysctl: permission denied on key {quote}{name}{quote}\n"


INVALID_SYNTAX = "sysctl: command line(0): invalid syntax, continuing...\n"
