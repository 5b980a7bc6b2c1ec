"""`rxpath snapshot`: take from this host everything that tells of receiving.  Options only;
tune/collect.py takes."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath snapshot -o web1.txt
  rxpath snapshot --interval 10 -o web1.txt.gz
  rxpath snapshot --interval 10 | rxpath doctor -

\b
The file is plain text that you may read, cut and paste; addresses of
sockets and names of threads stand in it."""


def snapshot(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Write to FILE (gzip when it ends in .gz), else standard output.",
            metavar="FILE",
        ),
    ] = "",
    interval: Annotated[float, typer.Option(help="Take two moments, so many seconds apart.", metavar="SECONDS")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was left out.")] = False,
) -> None:
    """Write this host's receive counters, queues, interrupts and settings to one readable text.  Changes
    nothing."""
    from ..tune import collect
    from . import tune_io

    if not 0 <= interval <= 86400:
        tune_io.usage("--interval takes 0 to 86400 seconds")
    if sys.platform != "linux":
        tune_io.usage("a snapshot can be taken on Linux only")

    def tell(line: str) -> None:
        if not quiet:
            tune_io.say(line)

    taker = collect.Taker(tell)
    interrupted = False
    parts = [taker.moment(whole=interval == 0)]
    if interval:
        tell(f"first moment taken; the second follows in {interval:g} s (Ctrl-C keeps what was taken)")
        try:
            time.sleep(interval)
            parts.append(taker.moment(whole=True))
        except KeyboardInterrupt:
            interrupted = True
            tell("interrupted: the settings are missing, and there is one moment only")
    text = "".join(parts)
    if output:
        try:
            collect.write_atomically(output, text)
        except OSError as error:
            tune_io.usage(f"{output}: {error.strerror}")
    else:
        tune_io.out(text)
    left = list(dict.fromkeys(taker.left_out))
    if verbose:
        for line in left:
            tune_io.say(f"left out: {line}")
    elif left:
        tell(f"{len(left)} texts were left out (-v names them)")
    raise typer.Exit(130 if interrupted else 0)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("snapshot", epilog=EXAMPLES)(snapshot)
