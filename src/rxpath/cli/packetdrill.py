"""`rxpath packetdrill`: scripts of packets and system calls against a machine in virtual time."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  rxpath packetdrill handshake.pkt
  rxpath packetdrill --release 6.1 --tolerance_usecs=10000 tests/*.pkt
  rxpath packetdrill --on kernel handshake.pkt          # this host's own kernel, as root

\b
Exit status: 0 all passed or were skipped, 1 a script failed, 2 usage, or a
script that cannot be read."""


def packetdrill(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Scripts, or folders of .pkt files; - reads standard input.")
    ],
    release: Annotated[
        str,
        typer.Option("--release", metavar="R", help="The machine's: 3.13, 5.15, 6.1, 6.18, or what uname -r prints."),
    ] = "6.18",
    on: Annotated[
        str, typer.Option(metavar="machine|kernel", help="kernel: this host's own, in a network namespace.")
    ] = "machine",
    ip_version: Annotated[
        str, typer.Option("--ip_version", metavar="V", help="Scripts of other versions than ipv4 are skipped.")
    ] = "ipv4",
    tolerance_usecs: Annotated[
        str, typer.Option("--tolerance_usecs", metavar="US", help="How far from its time an event may be.")
    ] = "4000",
    tolerance_percent: Annotated[
        str, typer.Option("--tolerance_percent", metavar="PCT", help="The same, of the time since the event before.")
    ] = "1",
    tcp_ts_tick_usecs: Annotated[
        str, typer.Option("--tcp_ts_tick_usecs", metavar="US", help="Check time stamps against this tick; 0: not.")
    ] = "0",
    local_ip: Annotated[str, typer.Option("--local_ip", metavar="IP", help="The machine's address.")] = "192.168.0.1",
    remote_ip: Annotated[
        str, typer.Option("--remote_ip", metavar="IP", help="The address that the packets come from.")
    ] = "192.0.2.1",
    gateway_ip: Annotated[
        str, typer.Option("--gateway_ip", metavar="IP", help="The next hop of the default route.")
    ] = "192.168.0.2",
    netmask_ip: Annotated[
        str, typer.Option("--netmask_ip", metavar="MASK", help="Of the machine's address.")
    ] = "255.255.0.0",
    mtu: Annotated[str, typer.Option("--mtu", metavar="BYTES", help="Of the machine's interface.")] = "1500",
    bind_port: Annotated[
        str, typer.Option("--bind_port", metavar="PORT", help="The port that a bind without one takes.")
    ] = "8080",
    connect_port: Annotated[
        str, typer.Option("--connect_port", metavar="PORT", help="The port that a connect without one goes to.")
    ] = "8080",
    define: Annotated[
        list[str] | None, typer.Option("-D", "--define", metavar="NAME=VALUE", help="Replace a word.")
    ] = None,
    init_scripts: Annotated[
        str, typer.Option("--init_scripts", metavar="FILE,...", help="Shell scripts read before each script.")
    ] = "",
    non_fatal: Annotated[
        str, typer.Option("--non_fatal", metavar="packet,syscall", help="Say what differs there, and go on.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry_run", help="Only read the scripts.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say what was skipped, and every result.")] = False,
    json: Annotated[bool, typer.Option("-j", "--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run packetdrill scripts on a machine, in virtual time, or on this host's kernel."""
    from rxpath.cli.main import say
    from rxpath.packetdrill.runner import BAD, FAIL, PASS, SKIP, Options, run_file, run_text

    o = Options()
    o.setup.release = release
    for name, value in (
        ("ip_version", ip_version),
        ("tolerance_usecs", tolerance_usecs),
        ("tolerance_percent", tolerance_percent),
        ("tcp_ts_tick_usecs", tcp_ts_tick_usecs),
        ("local_ip", local_ip),
        ("remote_ip", remote_ip),
        ("gateway_ip", gateway_ip),
        ("netmask_ip", netmask_ip),
        ("mtu", mtu),
        ("bind_port", bind_port),
        ("connect_port", connect_port),
        ("init_scripts", init_scripts),
        ("non_fatal", non_fatal),
        *(("define", d) for d in define or ()),
    ):
        try:
            o.set(name, value)
        except ValueError as e:
            say(f"packetdrill: --{name}: {e}")
            raise typer.Exit(2) from None
    o.dry_run = dry_run
    o.verbose = verbose
    if on not in ("machine", "kernel"):
        say(f"packetdrill: --on takes machine or kernel, not '{on}'")
        raise typer.Exit(2)

    paths: list[Path] = []
    for f in files:
        p = Path(f)
        paths += sorted(p.rglob("*.pkt")) if p.is_dir() else [p]
    if not paths:
        say(f"packetdrill: no .pkt file below {', '.join(files)}")
        raise typer.Exit(2)
    results = []
    for i, p in enumerate(paths):
        if str(p) == "-":
            results.append(run_text(sys.stdin.read(), "-", o, on))
        else:
            results.append(run_file(p, o, on))
        r = results[-1]
        if json:
            continue
        if r.outcome in (FAIL, BAD):
            print(f"{r.path}:{r.line}: {r.message}")
        elif r.outcome == SKIP:
            print(f"{r.path}: skipped: {r.message}")
        elif verbose:
            print(f"{r.path}: passed, {r.events} events, {r.virtual_us / 1e6:.3f} s")
        if verbose:
            for line in r.remarks:
                print(f"    {line}")
        if sys.stderr.isatty() and len(paths) > 1:
            sys.stderr.write(f"\r{i + 1} of {len(paths)} scripts\r")
    if sys.stderr.isatty() and len(paths) > 1:
        sys.stderr.write("\033[K")
    count = {k: sum(1 for r in results if r.outcome == k) for k in (PASS, FAIL, SKIP, BAD)}
    if json:
        print(
            jsonlib.dumps(
                {"release": release, "on": on, "count": count, "scripts": [asdict(r) for r in results]}, indent=1
            )
        )
    elif len(paths) > 1:
        print(f"{count[PASS]} passed, {count[FAIL]} failed, {count[SKIP]} skipped, {count[BAD]} cannot be read")
    if count[BAD] and not count[FAIL]:
        raise typer.Exit(2)
    if count[FAIL]:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command("packetdrill", epilog=EXAMPLES)(packetdrill)
