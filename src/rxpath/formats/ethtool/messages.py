"""What ethtool says when something is refused: the netlink form, the ioctl form, and its exit statuses.

The real program asks by netlink first and falls back to ioctl when that socket is refused or the command has
no netlink form.  The kernel decides the errno and (netlink only) the extended message; here is how they
become text.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines

FORMAT = "ethtool message"


@dataclass(frozen=True, slots=True)
class Refused:
    """`lines`: what was printed; `errno`: the error of the last line, 0 where the text names none."""

    lines: tuple[str, ...]
    errno: int

    @property
    def unsupported(self) -> bool:
        return self.errno == errno.EOPNOTSUPP


@dataclass(frozen=True, slots=True)
class IoctlPhrase:
    """The words before the colon, and the exit status, of one command in its ioctl form."""

    words: str
    status: int


# command -> phrase; "set" is the change itself, which follows a successful reading
IOCTL: dict[str, IoctlPhrase] = {
    "-i": IoctlPhrase("Cannot get driver information", 71),
    "-a": IoctlPhrase("Cannot get device pause settings", 76),
    "-A": IoctlPhrase("Cannot get device pause settings", 77),
    "-A set": IoctlPhrase("Cannot set device pause parameters", 79),
    "-c": IoctlPhrase("Cannot get device coalesce settings", 82),
    "-C": IoctlPhrase("Cannot get device coalesce settings", 76),
    "-C set": IoctlPhrase("Cannot set device coalesce parameters", 81),
    "-g": IoctlPhrase("Cannot get device ring settings", 76),
    "-G": IoctlPhrase("Cannot get device ring settings", 76),
    "-G set": IoctlPhrase("Cannot set device ring parameters", 81),
    "-l": IoctlPhrase("Cannot get device channel parameters", 1),
    "-L": IoctlPhrase("Cannot get device channel parameters", 1),
    "-L set": IoctlPhrase("Cannot set device channel parameters", 1),
    "-d info": IoctlPhrase("Cannot get driver information", 72),
    "-d": IoctlPhrase("Cannot get register dump", 74),
    "-t strings": IoctlPhrase("Cannot get strings", 74),
    "-t": IoctlPhrase("Cannot test", 74),
    "-S": IoctlPhrase("Cannot get stats strings information", 96),
    "-x": IoctlPhrase("Cannot get RX ring count", 1),
    "-X": IoctlPhrase("Cannot get RX ring count", 1),
    "-X set": IoctlPhrase("Cannot set RX flow hash configuration", 1),
    "-n": IoctlPhrase("Cannot get RX rings", 1),
    "-n rules": IoctlPhrase("rxclass: Cannot get RX class rule count", 1),
    "-n rx-flow-hash": IoctlPhrase("Cannot get RX network flow hashing options", 1),
    "-N rx-flow-hash": IoctlPhrase("Cannot change RX network flow hashing options", 0),
    "-N": IoctlPhrase("rxclass: Cannot get RX class rule count", 1),
    "-N set": IoctlPhrase("rmgr: Cannot insert RX class rule", 0),
    "-N delete": IoctlPhrase("rmgr: Cannot delete RX class rule", 1),
}

# on standard output when reading by ioctl is refused; the phrase goes to standard error
IOCTL_TITLES: dict[str, str] = {
    "-g": "Ring parameters for {device}:\n",
    "-l": "Channel parameters for {device}:\n",
    "-c": "Coalesce parameters for {device}:\n",
    "-a": "Pause parameters for {device}:\n",
}

# a last line after the phrase
IOCTL_LAST: dict[str, str] = {
    "-n rules": "RX classification rule retrieval failed\n",
    "-N": "Cannot insert classification rule\n",
    "-N delete": "Cannot delete classification rule\n",
}

# exit status when netlink refused; reading commands give 1
NETLINK_STATUS: dict[str, int] = {"-G": 81, "-L": 1, "-C": 1, "-A": 76, "-K": 92, "-s": 75, "": 75}
NO_STATISTICS_STATUS = 94
NO_FEATURES_CHANGED_STATUS = 1
NO_DATA = "No data available\n"

# what ethtool says when nothing would change (ioctl form only), with the exit status
NOT_CHANGED: dict[str, IoctlPhrase] = {
    "-G": IoctlPhrase("no ring parameters changed, aborting", 80),
    "-C": IoctlPhrase("no coalesce parameters changed, aborting", 80),
    "-A": IoctlPhrase("no pause parameters changed, aborting", 78),
    "-L": IoctlPhrase("no channel parameters changed.", 0),
    "-K": IoctlPhrase("no features changed", 0),
}

BAD_ARGUMENTS = "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n"
NO_FEATURES_CHANGED = "Could not change any device features\n"

# extended messages of the kernel's netlink interface (net/ethtool/*.c of 6.1), as data for those who refuse
NO_DEVICE = "no device matches name"
BIT_NAME_NOT_FOUND = "bit name not found"
RING_EXCEEDS_MAXIMUM = "requested ring size exceeds maximum"
CHANNELS_EXCEED_MAXIMUM = "requested channel count exceeds maximum"
CHANNELS_TOO_FEW_COMBINED = "requested channel counts would result in no RX or TX channel being configured"
CHANNELS_BELOW_INDIRECTION = "requested channel counts are too low for existing indirection table settings"
CHANNELS_BELOW_NTUPLE = "requested channel counts are too low for existing ntuple filter settings"
COALESCE_UNSUPPORTED = "cannot modify an unsupported parameter"


def netlink(code: int, message: str = "", offset: int | None = None) -> str:
    """The netlink form: the kernel's extended message first (with the offset of the bad attribute), then the
    errno.
    """
    out = ""
    if message:
        out = f"netlink error: {message}"
        if offset is not None:
            out += f" (offset {offset})"
        out += "\n"
    return out + f"netlink error: {os.strerror(code)}\n"


def ioctl(command: str, code: int) -> str:
    """The ioctl form, e.g. ioctl("-i", ENODEV) "Cannot get driver information: No such device"."""
    return f"{IOCTL[command].words}: {os.strerror(code)}\n"


def bad_value(option: str, word: str, parameter: str) -> str:
    """The netlink form's complaint about an argument, e.g.

    ("-G", "x", "rx"); the ioctl form says BAD_ARGUMENTS.
    """
    return f"ethtool ({option}): invalid value '{word}' for parameter '{parameter}'\n"


def unmodified(names: Sequence[str], option: str, current: str = "") -> str:
    """The ioctl form when nothing would change; `current` is what -L shows after "current values: "."""
    out = "".join(f"{name} unmodified, ignoring\n" for name in names) + NOT_CHANGED[option].words + "\n"
    return out + (f"current values: {current}\n" if current else "")


def ip_error(code: int, message: str = "") -> str:
    """How `ip` says that the kernel refused: `Error: MESSAGE.` where there is one, else RTNETLINK answers."""
    return f"Error: {message}.\n" if message else f"RTNETLINK answers: {os.strerror(code)}\n"


_TEXTS: dict[str, int] = {os.strerror(code): code for code in sorted(errno.errorcode)}
_KNOWN = re.compile(
    r"netlink error: |Cannot |rxclass: Cannot |RTNETLINK answers: |Error: |no stats available$"
    r"|RX classification rule retrieval failed$|No data available$|ethtool: |(?:\S*/)?(?:ba)?sh: |cat: |ls: "
    r"|Could not change any device features$|no \w+ (?:parameters changed|info available)|rmgr: Cannot "
    r"|(?:Ring|Channel|Coalesce|Pause) parameters for \S+:$|(?:Settings|Features) for \S+:$"
    r"|\S+ unmodified, ignoring$|current values: |Device \"\S+\" does not exist\.$"
    r"|For more information run ethtool -h$"
)


def is_message(line: str) -> bool:
    """Whether a line is one that ethtool, ip or the shell prints instead of an answer."""
    return _KNOWN.match(line.strip()) is not None


def parse(text: str) -> Refused:
    """A text that is nothing but messages.  FormatError when any line is something else."""
    lines = [line.strip() for line in split_lines(text) if line.strip()]
    if not lines:
        raise FormatError(FORMAT, 0, "empty")
    code = 0
    for number, line in enumerate(lines, 1):
        if not is_message(line):
            raise FormatError(FORMAT, number, f"expected an error message, found {shown(line)}")
        code = _TEXTS.get(line.rpartition(": ")[2], code)
        if line == "no stats available":
            code = errno.EOPNOTSUPP
    return Refused(tuple(lines), code)


def render(value: Refused) -> str:
    return "".join(line + "\n" for line in value.lines)
