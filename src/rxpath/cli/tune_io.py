"""What the commands about snapshots share: reading their arguments and writing their results.

Belongs here: standard streams, colour, exit on wrong usage.  Not: any judgement.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from ..tune.intake import Intake, read_inputs
from ..tune.snapshot import Piece


def say(line: str) -> None:
    """A line for a person: standard error."""
    print(f"rxpath: {line}", file=sys.stderr)


def usage(line: str) -> NoReturn:
    """Wrong usage or input: one line, status 2."""
    say(line)
    raise typer.Exit(2)


def colour() -> bool:
    """Colour only on a terminal and when nobody set NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def out(text: str) -> None:
    """Data: standard output.  A reader that left early is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def out_json(value: object) -> None:
    """JSON, indented, keys in the order given."""
    import json

    out(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


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
