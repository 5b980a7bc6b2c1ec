"""`rxpath lint`: settings that do nothing or do harm.  Options and output only; tune/lint.py knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath lint /etc/sysctl.d/*.conf
  rxpath lint /etc/sysctl.conf --release 5.15.0-91-generic
  rxpath lint web1-snapshot.txt

\b
Exit status: 0 nothing to remark, 1 remarks, 2 usage or unreadable input."""


def lint(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="sysctl files, snapshots, or - for standard input.")
    ],
    release: Annotated[
        str, typer.Option(help="uname -r of the host; a snapshot knows its own.", metavar="RELEASE")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line when there is nothing to remark.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the release that is judged by.")] = False,
) -> None:
    """Name knobs that are inert, gone or harmful on a release, with the reason."""
    import sys

    from ..tune import lint as linter
    from ..tune.intake import START, read_inputs
    from ..tune.release import kernel_of
    from . import tune_io

    kernel = kernel_of(release) if release else None
    if release and kernel is None:
        tune_io.usage(f"--release takes what uname -r prints, not {release!r}")
    remarks: list[linter.Remark] = []
    bad = False
    for name in files:
        where = "standard input" if name == "-" else name
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            tune_io.say(f"{name}: {error.strerror}")
            bad = True
            continue
        text = data.decode("utf-8", "replace")
        settings, odd = linter.read_settings(text)
        if data[:2] != b"\x1f\x8b" and START not in text and settings and len(odd) * 2 <= len(settings):
            for number, line in odd:
                tune_io.say(f"{where}:{number}: not a setting: {line[:60]!a}")
            if verbose:
                tune_io.say(f"{where}: {len(settings)} settings, release {release or 'not known'}")
            remarks += linter.check(settings, kernel, where)
            continue
        taken = read_inputs([name], lambda d=data: d)  # type: ignore[misc]
        found = [s for s in taken.snapshots if s.sysctls or s.paths]
        if not found:
            tune_io.say(f"{where}: neither a sysctl file nor a snapshot with settings")
            bad = True
            continue
        last = found[-1]
        if verbose:
            own = last.kernel()
            tune_io.say(f"{where}: a snapshot, release {own.release if own is not None else 'not known'}")
        remarks += linter.check_snapshot(last, where)
    if json:
        tune_io.out_json(
            [
                {
                    "file": r.where,
                    "line": r.line,
                    "name": r.name,
                    "value": r.value,
                    "class": r.kind,
                    "reason": r.reason,
                    "releases": r.releases,
                    "certain": r.certain,
                }
                for r in remarks
            ]
        )
    else:
        tune_io.out("".join(r.text() + "\n" for r in remarks))
        if not remarks and not bad and not quiet:
            tune_io.say("nothing to remark")
    raise typer.Exit(2 if bad else 1 if remarks else 0)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("lint", epilog=EXAMPLES)(lint)
