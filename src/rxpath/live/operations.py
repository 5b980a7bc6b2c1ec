"""The names of what another process may ask of a machine.  Data only: a client imports them without the machine."""

from __future__ import annotations

from typing import Final

# operation -> whether it may sleep, and so needs a task of its own; what each does is access.py
OPERATIONS: Final[dict[str, bool]] = {
    "lstat": False,
    "stat": False,
    "names": False,
    "open": False,
    "read": False,
    "write": True,
    "ioctl": True,
    "ifconf": False,
    "rtnetlink": True,
    "uname": False,
}
