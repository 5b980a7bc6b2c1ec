"""What the commands about snapshots share: reading their arguments and writing their results.

Belongs here: what was given as arguments, exit on wrong usage.  Not: any judgement; writing is terminal.py.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from ..tune.intake import Intake, read_inputs
from ..tune.snapshot import Piece
from .terminal import colour, out, out_json

__all__ = ["colour", "out", "out_json", "say", "take", "usage"]


def say(line: str) -> None:
    """A line for a person: standard error."""
    print(f"rxpath: {line}", file=sys.stderr)


def usage(line: str) -> NoReturn:
    """Wrong usage or input: one line, status 2."""
    say(line)
    raise typer.Exit(2)


def take(files: list[str] | None, release: str = "") -> Intake:
    """Read what the command line named; without a name, standard input when it is no terminal."""
    names = list(files or ())
    if not names:
        if sys.stdin is None or sys.stdin.isatty():
            usage("give files, directories, an archive, or - for standard input (see --help)")
        names = ["-"]
    if names.count("-") > 1:
        usage("standard input (-) can be read once only")
    taken = read_inputs(names, lambda: sys.stdin.buffer.read())
    if release:
        from ..formats.uname import Uname

        for s in taken.snapshots:
            if s.uname() is None:
                s.pieces[("uname", "")] = Piece("uname", "", Uname(release), "--release")
    return taken
