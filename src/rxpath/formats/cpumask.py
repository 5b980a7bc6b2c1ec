"""CPU masks and CPU lists, both ways, with the errors that Linux gives to whoever writes them.

Used by smp_affinity, smp_affinity_list, rps_cpus, xps_cpus, flow_limit_cpu_bitmap.  In a mask (an int)
bit n is CPU n; `nbits` is the number of possible CPU ids (nr_cpu_ids).  Facts: lib/bitmap.c `bitmap_parse`,
`bitmap_parselist`, lib/vsprintf.c `bitmap_string`, `bitmap_list_string`.

What a file does with a good mask (EIO for a managed interrupt, EINVAL when no CPU of it is online) is the
kernel's part.
"""

from __future__ import annotations

import errno
import os

_HEX = "0123456789abcdefABCDEF"
_SPACE = " \t\n\r\x0b\x0c"
_U32 = 0xFFFFFFFF


def _fail(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def render_mask(mask: int, nbits: int) -> str:
    """`%*pb`: hex digits, width by `nbits`, a comma between groups of 32 bits; without newline.

    E.g. (1, 40) "00,00000001".
    """
    groups: list[str] = []
    groups_count = (nbits + 31) // 32
    for group in range(groups_count - 1, -1, -1):
        bits = nbits - 32 * group if group == groups_count - 1 else 32
        groups.append(f"{(mask >> (32 * group)) & ((1 << bits) - 1):0{(bits + 3) // 4}x}")
    return ",".join(groups)


def render_list(mask: int) -> str:
    """`%*pbl`: ranges such as "0-3,8"; empty for no CPU; without newline."""
    out: list[str] = []
    cpu = 0
    while mask >> cpu:
        if not (mask >> cpu) & 1:
            cpu += 1
            continue
        first = cpu
        while (mask >> (cpu + 1)) & 1:
            cpu += 1
        out.append(str(first) if first == cpu else f"{first}-{cpu}")
        cpu += 1
    return ",".join(out)


def parse_mask(text: str, nbits: int) -> int:
    """What a write to a mask file means in 5.8 and later (`bitmap_parse`).

    Blanks and commas separate groups of at most 8 digits, the last group is bits 0-31; an empty text is 0.
    OSError(EINVAL) for a character that is no hex digit; OSError(EOVERFLOW) for more groups than `nbits` has,
    a group of more than 8 digits, or a bit at or above `nbits`.
    """
    line = text.split("\n", 1)[0].split("\0", 1)[0]
    chunks = (nbits + 31) // 32
    mask = 0
    chunk = 0
    end = len(line) - 1
    while True:
        while end >= 0 and (line[end] in _SPACE or line[end] == ","):
            end -= 1
        if end < 0:
            break
        if chunk == chunks:
            raise _fail(errno.EOVERFLOW)
        value = 0
        digits = 0
        while True:
            if line[end] not in _HEX:
                raise _fail(errno.EINVAL)
            value |= int(line[end], 16) << (4 * digits)
            end -= 1
            digits += 1
            if end < 0 or line[end] in _SPACE or line[end] == ",":
                break
            if digits == 8:
                if line[end] in _HEX:
                    raise _fail(errno.EOVERFLOW)
                end -= 1  # the kernel steps over one odd character here before it looks for the next group
                break
        mask |= value << (32 * chunk)
        chunk += 1
    if mask >> nbits:
        raise _fail(errno.EOVERFLOW)
    return mask


def parse_mask_3_13(text: str, nbits: int) -> int:
    """What a write to a mask file meant until 5.7 (`__bitmap_parse` reading forwards).

    As `parse_mask`, but blanks inside are OSError(EINVAL), an empty group or text is OSError(EINVAL), and
    leading groups of zero may be as many as one likes.
    """
    mask = 0
    groups = 0
    bits = 0
    body = text.split("\0", 1)[0]
    for part in body.split(","):
        word = part.strip(_SPACE)
        if not word or any(c not in _HEX for c in word):
            raise _fail(errno.EINVAL)
        if int(word, 16) > _U32:
            raise _fail(errno.EOVERFLOW)
        value = int(word, 16)
        if groups == 0 and value == 0:
            continue
        groups += 1
        bits += value.bit_length() if groups == 1 else 32
        if bits > nbits:
            raise _fail(errno.EOVERFLOW)
        mask = (mask << 32) | value
    return mask


def parse_list(text: str, nbits: int) -> int:
    """What a write to a list file means (`bitmap_parselist`): "0-3,8", "0-7:1/2" (1 of each 2), "N" the last
    CPU, "all".

    OSError(EINVAL) for a wrong form or a range that goes backwards, OSError(ERANGE) for a CPU at or above
    `nbits`, OSError(EOVERFLOW) for a number above 32 bits.  Empty = no CPU.
    """
    line = text.split("\n", 1)[0].split("\0", 1)[0]
    mask = 0
    at = 0
    while True:
        while at < len(line) and (line[at] in _SPACE or line[at] == ","):
            at += 1
        if at >= len(line):
            return mask
        at, first, last, used, group = _region(line, at, nbits)
        if first > last or group == 0 or used > group:
            raise _fail(errno.EINVAL)
        if last >= nbits:
            raise _fail(errno.ERANGE)
        start = first
        while start <= last:
            count = min(last - start + 1, used)
            mask |= ((1 << count) - 1) << start
            start += group


def _region(line: str, at: int, nbits: int) -> tuple[int, int, int, int, int]:
    if line[at : at + 3].lower() == "all":
        at += 3
        first, last = 0, nbits - 1
    else:
        at, first = _number(line, at, nbits)
        last = first
        if at < len(line) and line[at] not in _SPACE and line[at] != ",":
            if line[at] != "-":
                raise _fail(errno.EINVAL)
            at, last = _number(line, at + 1, nbits)
        else:
            return at, first, last, last + 1, last + 1
    if at >= len(line) or line[at] in _SPACE or line[at] == ",":
        return at, first, last, last + 1, last + 1
    if line[at] != ":":
        raise _fail(errno.EINVAL)
    at, used = _number(line, at + 1, nbits)
    if at >= len(line) or line[at] != "/":
        raise _fail(errno.EINVAL)
    at, group = _number(line, at + 1, nbits)
    return at, first, last, used, group


def _number(line: str, at: int, nbits: int) -> tuple[int, int]:
    if at < len(line) and line[at] == "N":
        return at + 1, nbits - 1
    end = at
    while end < len(line) and line[end] in "0123456789":
        end += 1
    if end == at:
        raise _fail(errno.EINVAL)
    digits = line[at:end].lstrip("0")
    if len(digits) > 10 or int(digits or "0") > _U32:
        raise _fail(errno.EOVERFLOW)
    return end, int(digits or "0")


def mask_of_text(text: str) -> int:
    """The CPUs of a mask as somebody's machine printed it (any width).

    ValueError for a text that is none.
    """
    word = text.strip().replace(",", "")
    if not word or any(c not in _HEX for c in word) or len(word) > 2048:
        raise ValueError("not a CPU mask")
    return int(word, 16)


def cpus_of(mask: int) -> tuple[int, ...]:
    """The CPU numbers of a mask, ascending."""
    return tuple(cpu for cpu in range(mask.bit_length()) if (mask >> cpu) & 1)
