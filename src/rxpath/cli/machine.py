"""`rxpath machine SNAPSHOT`: write the machine file that models a host. Options and output only."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath machine web1.txt -o machine.toml
  rxpath snapshot | rxpath machine - > machine.toml
  rxpath replay capture.pcapng --machine machine.toml

\b
Exit status: 0 written, 2 usage or unreadable input."""


def machine(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="SNAPSHOT...", help="A snapshot, or other texts of one host; - is standard input."),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Write to FILE instead of standard output.", metavar="FILE")
    ] = "",
    release: Annotated[str, typer.Option(help="The host's uname -r, where the texts lack it.", metavar="RELEASE")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The notes only as comments in the file.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the texts that were used.")] = False,
) -> None:
    """Write the machine.toml that models a host, with the nearest of the modelled drivers where its own is not."""
    from ..config import ConfigError
    from ..tune import machinefile
    from ..tune.collect import write_atomically
    from ..tune.delta import make_pairs
    from ..tune.engine import adopt_unnamed
    from . import tune_io

    taken = tune_io.take(files, release)
    for p in taken.problems:
        tune_io.say(str(p))
    for s in taken.snapshots:
        adopt_unnamed(s)
    pairs = make_pairs(taken.snapshots)
    if not pairs:
        tune_io.usage("no snapshot in what was given")
    if len(pairs) > 1:
        tune_io.usage(f"texts of {len(pairs)} hosts: give those of one")
    last = pairs[0].after
    try:
        config, notes = machinefile.machine_of(last)
    except ConfigError as error:
        tune_io.usage(str(error))
    text = machinefile.text_of(config, notes, last.host() or last.label)
    if not quiet:
        for line in notes:
            tune_io.say(line)
    if verbose:
        tune_io.say(f"used: {', '.join(sorted(p.source for p in last.pieces.values()))}")
    if output:
        try:
            write_atomically(output, text)
        except OSError as error:
            tune_io.usage(f"{output}: {error.strerror}")
    else:
        tune_io.out(text)
    raise typer.Exit(0)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("machine", epilog=EXAMPLES)(machine)
