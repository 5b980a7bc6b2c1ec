"""`rxpath diff A B`: what moved between two snapshots.  Options and output only; tune/diff.py compares."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath diff before.txt after.txt
  rxpath snapshot --interval 5 | rxpath diff -
  rxpath diff before.txt after.txt --grep drop

\b
Exit status: 0 nothing moved, 1 something moved, 2 usage or unreadable
input, 3 cannot be compared."""


def diff(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="A [B]", help="Two snapshots, or one file that holds both.")
    ] = None,
    grep: Annotated[str, typer.Option(help="Only counters whose file or name has this text.", metavar="TEXT")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name both moments and the interval's source.")
    ] = False,
) -> None:
    """List every counter that moved between two snapshots, with its rate, in the manner of nstat."""
    from ..tune import delta
    from ..tune import diff as differ
    from ..tune.engine import adopt_unnamed
    from . import tune_io

    taken = tune_io.take(files)
    for p in taken.problems:
        tune_io.say(str(p))
    for s in taken.snapshots:
        adopt_unnamed(s)
    if not taken.snapshots:
        tune_io.usage("nothing to compare in what was given")
    if len(taken.snapshots) < 2:
        tune_io.usage("one moment only: give two files, or one that holds two moments (rxpath snapshot --interval 10)")
    pairs = delta.make_pairs(taken.snapshots)
    status = 0
    listing: list[dict[str, object]] = []
    for pair in pairs:
        for line in pair.lines:
            if not quiet:
                tune_io.say(line)
        if pair.single or pair.unusable:
            status = 3
            continue
        seconds = pair.seconds()
        if verbose:
            span = f"{seconds:.1f} s, by {pair.interval_from}" if seconds else "the time between is not known"
            tune_io.say(f"{pair.before.label} to {pair.after.label}: {span}")
        moved = [m for m in differ.differences(pair) if grep.lower() in f"{m.file} {m.counter}".lower()]
        status = max(status, 1 if moved else 0)
        if json:
            listing += [
                {
                    "file": m.file,
                    "counter": m.counter,
                    "delta": m.delta,
                    "per_second": m.per_second,
                    "why": m.why,
                    "seconds": seconds,
                }
                for m in moved
            ]
        else:
            tune_io.out(differ.text(moved))
    if json:
        tune_io.out_json(listing)
    raise typer.Exit(status)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("diff", epilog=EXAMPLES)(diff)
