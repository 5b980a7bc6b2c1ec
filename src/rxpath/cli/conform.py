"""`rxpath conform`: recorded answers of a real kernel against ours, with a score by group."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath conform                                  # every case under tests/conform/cases
  rxpath conform tests/conform/cases/udp --show
  rxpath conform --known docs/differences.md      # misses that are explained there are no failure
  rxpath conform --observe < scenario.json        # one scenario in, one observed document out

\b
Exit status: 0 all agree (or are known to differ), 1 some differ, 2 usage or input."""

DEFAULT = Path("tests/conform/cases")


def conform(
    cases: Annotated[list[str] | None, typer.Argument(metavar="[CASE...]", help="Case files or folders.")] = None,
    observe: Annotated[bool, typer.Option("--observe", help="Be an adapter: a scenario on standard input.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the differences.")] = False,
    known: Annotated[
        Path | None,
        typer.Option("--known", metavar="FILE", help="Markdown whose table of cases names the differences to expect."),
    ] = None,
    json: Annotated[bool, typer.Option("-j", "--json", help="Print the score as JSON.")] = False,
) -> None:
    """Run recorded cases of a real kernel and print the score by group."""
    from rxpath.conform import adapter, corpus
    from rxpath.conform.compare import SECTIONS, lines

    if observe:
        raise typer.Exit(adapter.main())
    paths = [Path(c) for c in cases or ()] or [DEFAULT]
    expected = corpus.known_differences(known) if known is not None else {}
    outcomes: list[corpus.Outcome] = []
    for o in corpus.run(paths):
        outcomes.append(o)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{len(outcomes)} cases")
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if not outcomes:
        print(f"rxpath: {', '.join(str(p) for p in paths)}: no case there", file=sys.stderr)
        raise typer.Exit(2)
    table = corpus.score(outcomes)
    failed = [o for o in outcomes if not o.ok and o.name not in expected]
    missed = [o for o in outcomes if not o.ok and o.name in expected]
    mended = [o for o in outcomes if o.ok and o.name in expected]
    if json:
        by_kind = {"failed": failed, "known": missed, "mended": mended}
        print(jsonlib.dumps({"groups": table} | {k: [str(o.path) for o in v] for k, v in by_kind.items()}, indent=1))
    else:
        columns = ("cases", "all", *SECTIONS)
        print(f"{'group':<10}" + "".join(f"{c:>10}" for c in columns))
        for name, g in table.items():
            print(f"{name:<10}" + "".join(f"{g[c]:>10}" for c in columns))
        total = {c: sum(g[c] for g in table.values()) for c in columns}
        print(f"{'all':<10}" + "".join(f"{total[c]:>10}" for c in columns))
        for o in failed:
            bad = o.error or "differs in " + ", ".join(s for s in SECTIONS if o.result[s].bad)
            print(f"FAIL {o.path}: {bad}")
            if show and not o.error:
                print("\n".join("    " + x for x in lines(o.result)))
        for o in missed:
            print(f"known {o.path}: {expected[o.name]}")
        for o in mended:
            print(f"FAIL {o.path}: agrees, though {known} says that it differs")
    if failed or mended:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command("conform", epilog=EXAMPLES)(conform)
