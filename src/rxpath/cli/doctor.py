"""`rxpath doctor`: from files of a host to findings.  Options and output only; the judgement is
tune/engine.py."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath doctor before.txt after.txt
  cat /proc/net/softnet_stat | rxpath doctor -
  ethtool -S eth0 | rxpath doctor -
  rxpath snapshot --interval 10 | rxpath doctor -
  rxpath doctor sosreport-web1.tar.xz --as-script > cure.sh

\b
Exit status: 0 nothing found, 1 something found, 2 usage or unreadable
input, 3 undecided, 130 interrupted."""


def doctor(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|DIR|ARCHIVE|-",
            help="Texts of a host in any order, also copied from a mail; - is standard input.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    as_script: Annotated[
        bool, typer.Option("--as-script", help="Print the cures as a shell script that does nothing unasked.")
    ] = False,
    release: Annotated[str, typer.Option(help="The host's uname -r, where the texts lack it.", metavar="RELEASE")] = "",
    goal: Annotated[str, typer.Option(help="What the host is for: latency or throughput.", metavar="GOAL")] = "",
    p50_us: Annotated[
        float | None, typer.Option(help="Median latency that you measured, in microseconds.", metavar="US")
    ] = None,
    p99_us: Annotated[
        float | None, typer.Option(help="99th percentile latency that you measured.", metavar="US")
    ] = None,
    cache_miss_pct: Annotated[
        float | None, typer.Option(help="Cache misses in per cent of references (perf stat).", metavar="PCT")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="One line a finding.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say also what was read and how the kernel differs.")
    ] = False,
) -> None:
    """Say from a host's files where packets are lost, why, and which knob helps (or that none does)."""
    from ..tune import engine, report
    from ..tune.release import kernel_of
    from . import tune_io

    if json and as_script:
        tune_io.usage("--json and --as-script exclude each other")
    if goal and goal not in ("latency", "throughput"):
        tune_io.usage(f"--goal takes latency or throughput, not {goal!r}")
    if release and kernel_of(release) is None:
        tune_io.usage(f"--release takes what uname -r prints, not {release!r}")
    notes = {"goal": goal} if goal else {}
    for key, value in (("p50_us", p50_us), ("p99_us", p99_us), ("cache_miss_pct", cache_miss_pct)):
        if value is not None:
            if value < 0:
                tune_io.usage(f"--{key.replace('_', '-')} cannot be negative")
            notes[key] = f"{value:g}" if value < 1e6 else str(int(value))
    taken = tune_io.take(files, release)
    result = engine.diagnose(taken, notes)
    for line in result.problems:
        tune_io.say(line)
    if json:
        tune_io.out_json(report.as_json(result))
    elif as_script:
        tune_io.out(report.script(result))
    else:
        tune_io.out(report.text(result, tune_io.colour(), verbose, quiet))
    status = result.status()
    if status == engine.USAGE:
        tune_io.say("nothing to judge in what was given; try: rxpath snapshot --interval 10 | rxpath doctor -")
    raise typer.Exit(status)


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("doctor", epilog=EXAMPLES)(doctor)
