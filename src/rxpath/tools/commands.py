"""What `--do` of replay and load runs: a line on the machine, whose failure ends the run with one clear line.

Some programs fail with exit status 0 (`ethtool -N` in its ioctl form): what they say on standard error counts.
"""

from __future__ import annotations

from rxpath.machine import Machine
from rxpath.tools.run import CommandFailed, run_command


def run_action(machine: Machine, line: str) -> None:
    """Run `line`.  Raises CommandFailed when it fails."""
    done = run_command(machine, line)
    if done.status or "Cannot " in done.stderr:
        raise CommandFailed(line, done)
    machine.wait_for_link()  # a new ring size or MTU takes the link down for a while
