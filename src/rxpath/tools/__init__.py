"""User space on a machine: the commands that people operate Linux with, and the line that a shell would read.

What belongs here: option parsing and the wording of ethtool, ip, sysctl, ss, ...; the texts themselves are
formats/, what is done is the kernel's (net/core/ethtool.py, the file tree, ...).
"""

from __future__ import annotations
