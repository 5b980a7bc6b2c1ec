"""From `uname -r` to what that kernel does: upstream number, vendor, nearest modelled release, known
differences.

Belongs here: kernel names only.  What a snapshot itself proves (a sysctl that exists, columns that are
printed) outranks this table everywhere; the rules ask `Kernel.at_least` only where nothing in the texts
decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MODELLED = ("3.13", "5.15", "6.1", "6.18")


@dataclass(frozen=True, slots=True)
class Kernel:
    """`number` is what the name says, (5, 14) of 5.14.0-427.el9; `vendor` "" for an upstream name.

    `backports`: the vendor moves features of later releases into this number, so a rule bound to a release
    range is less certain here.  `differs`: what is known to differ from the nearest modelled release, one
    line each.
    """

    release: str
    number: tuple[int, int]
    patch: int
    vendor: str
    nearest: str
    backports: bool
    differs: tuple[str, ...]

    def at_least(self, major: int, minor: int) -> bool:
        return self.number >= (major, minor)

    def line(self) -> str:
        """One line for a report."""
        who = f" ({self.vendor})" if self.vendor else ""
        return f"{self.release}{who}: nearest modelled release {self.nearest}"


# (pattern on the whole of uname -r, vendor, backports, differences)
_VENDORS: tuple[tuple[str, str, bool, tuple[str, ...]], ...] = (
    (
        r"\.el6",
        "Red Hat Enterprise Linux 6 family",
        True,
        (
            "2.6.32 with RPS and RFS of 2.6.35",
            "no netdev_budget_usecs: a squeeze is the budget or two jiffies",
        ),
    ),
    (
        r"\.el7",
        "Red Hat Enterprise Linux 7 family",
        True,
        ("3.10 with later drivers and ethtool", "softnet_stat and netstat may have more columns than 3.10"),
    ),
    (
        r"\.el8",
        "Red Hat Enterprise Linux 8 family",
        True,
        (
            "4.18 with the network stack refreshed from later releases at each minor release",
            "a running ksoftirqd owns softirqs unless the revert of 6.4 was taken back",
        ),
    ),
    (
        r"\.el9",
        "Red Hat Enterprise Linux 9 family",
        True,
        (
            "5.14 with the network stack refreshed from later releases at each minor release",
            "a running ksoftirqd owns softirqs unless the revert of 6.4 was taken back",
        ),
    ),
    (r"\.el10", "Red Hat Enterprise Linux 10 family", True, ("6.12 with later fixes",)),
    (r"\.amzn2023", "Amazon Linux 2023", False, ("ena driver newer than the release's",)),
    (r"\.amzn2", "Amazon Linux 2", False, ("ena driver newer than the release's",)),
    (r"el\d+uek|uek", "Oracle Unbreakable Enterprise Kernel", True, ("upstream stable with later drivers",)),
    (
        r"-(?:aws|azure|gcp|oracle|kvm|ibm)$",
        "Ubuntu (cloud kernel)",
        False,
        ("the cloud's drivers are newer than the release's",),
    ),
    (
        r"^\d+\.\d+\.\d+-\d+-(?:generic|lowlatency|nvidia|realtime|hwe)",
        "Ubuntu",
        False,
        ("the third number is not the stable number: see /proc/version_signature",),
    ),
    (
        r"^\d+\.\d+\.\d+-\d+(?:\.\d+)*-(?:default|preempt|azure)$",
        "SUSE",
        True,
        ("network drivers taken from later releases",),
    ),
    (r"-pve$", "Proxmox VE (Ubuntu based)", False, ()),
    (
        r"\+deb\d+|^\d+\.\d+\.\d+-\d+-(?:cloud-)?(?:amd64|arm64|686)",
        "Debian",
        False,
        ("stable updates behind one name",),
    ),
    (r"\.fc\d+", "Fedora", False, ()),
    (r"-cos|\+$", "Container-Optimized OS or local build", False, ()),
    (r"cm\d|azl\d", "Azure Linux", False, ()),
)

_NUMBER = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?", re.ASCII)


def kernel_of(release: str) -> Kernel | None:
    """The kernel that a release string names; None when it has no number at its front."""
    match = _NUMBER.match(release)
    if match is None:
        return None
    number = (int(match[1]), int(match[2]))
    vendor, backports = "", False
    differs: tuple[str, ...] = ()
    for pattern, name, moves, lines in _VENDORS:
        if re.search(pattern, release):
            vendor, backports, differs = name, moves, lines
            break
    return Kernel(release, number, int(match[3] or 0), vendor, nearest_release(number), backports, differs)


_EDGES: tuple[tuple[tuple[int, int], str], ...] = (
    # the release whose receive path is nearest, by what changed: 4.12 time limit and 5.4 GRO lists lead to
    # 5.15, 5.18 and later to 6.1, 6.5 (15 columns) and later to 6.18
    ((4, 12), "3.13"),
    ((5, 18), "5.15"),
    ((6, 5), "6.1"),
)


def nearest_release(number: tuple[int, int]) -> str:
    """The modelled release nearest in behaviour to an upstream number (major, minor)."""
    for edge, name in _EDGES:
        if number < edge:
            return name
    return MODELLED[-1]
