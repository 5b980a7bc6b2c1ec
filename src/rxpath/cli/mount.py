"""`rxpath mount NAME DIR`: the files of a running machine in a directory. Options and words only."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath live --tap t0 --address 10.9.0.2/24 &
  mkdir -p m && rxpath mount t0 m &
  cat m/proc/net/softnet_stat
  echo 600 > m/proc/sys/net/core/netdev_budget

\b
Ends by Ctrl-C, SIGTERM, umount, or with the machine; then nothing is mounted any more."""


def mount(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A running machine, as rxpath list shows it.")],
    directory: Annotated[str, typer.Argument(metavar="DIR", help="An empty directory.")],
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Show the files of a running machine, DIR/proc and DIR/sys, through FUSE."""
    import os

    from rxpath.cli import main
    from rxpath.kernel.errno import ENOTDIR
    from rxpath.live.control import Client
    from rxpath.tools import fuse_files

    fuse_files.load_fuse()
    if not os.path.isdir(directory):
        os.stat(directory)
        raise NotADirectoryError(ENOTDIR, "Not a directory", directory)

    def ready() -> None:
        if not quiet:
            main.say(f"ready: {name} at {directory}; Ctrl-C ends it")

    with Client(name) as client:
        fuse_files.end_with(name)
        fuse_files.serve(fuse_files.MachineFiles(client, ready=ready), directory)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("mount", epilog=EXAMPLES)(mount)
