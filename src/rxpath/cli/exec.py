"""`rxpath exec NAME -- PROGRAM ARGS`: a program of this host on a running machine. Options and words only."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath exec t0 -- sysctl -w net.core.netdev_budget=600
  rxpath exec t0 -- irqbalance --oneshot
  rxpath exec t0 -- ethtool -S eth0
  rxpath exec t0 -- sh -c 'cat /proc/interrupts; grep . /sys/class/net/eth0/queues/rx-*/rps_cpus'

\b
Exit status: the program's; 127 no such program, 126 it cannot be started,
2 usage, or the machine does not run."""


def exec_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A running machine, as rxpath list shows it.")],
    program: Annotated[list[str], typer.Argument(metavar="-- PROGRAM...", help="The program and its arguments.")],
    files: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="How it gets /proc and /sys: fuse, calls (each call by itself, without FUSE), none; auto takes"
            " FUSE where it can.",
        ),
    ] = "auto",
) -> None:
    """Run a program of this host on a running machine: it sees the machine's /proc, /sys and interfaces."""
    from rxpath.tools.namespace import run_program

    status = run_program(name, program, files=files)
    if status:
        raise typer.Exit(status)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("exec", epilog=EXAMPLES, context_settings={"ignore_unknown_options": False})(exec_)
