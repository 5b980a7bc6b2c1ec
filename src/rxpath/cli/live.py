"""`rxpath live`, `rxpath list`, `rxpath stop`: a machine in real time, and those that run.

What belongs here: options, words for a person, signals. The work is in live/.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rxpath.cli import options as opt

if TYPE_CHECKING:
    from rxpath.live.machine import LiveMachine

LIVE_EXAMPLES = """\b
Examples:
  rxpath live --tap t0 --address 10.9.0.2/24 --host-address 10.9.0.1/24 --listen udp:7,echo
  ping -c 3 10.9.0.2
  rxpath -n t0 ethtool -S eth0
  rxpath stop t0

\b
Ends by Ctrl-C (status 130), by rxpath stop or SIGTERM (status 0)."""

LIST_EXAMPLES = """\b
Examples:
  rxpath list
  rxpath list -j"""

STOP_EXAMPLES = """\b
Examples:
  rxpath stop t0"""


def live(
    tap: Annotated[str, typer.Option(metavar="NAME", help="The TAP device; made when it is not there.")],
    address: Annotated[
        str, typer.Option(metavar="IP/LEN", help="The machine's address; else the machine file's.")
    ] = "",
    host_address: Annotated[
        str, typer.Option(metavar="IP/LEN", help="An address for this host's side of the TAP.")
    ] = "",
    name: Annotated[
        str, typer.Option("-n", "--name", metavar="NAME", help="How it is called; the TAP's name else.")
    ] = "",
    machine: opt.Machine = "",
    nic: opt.Nic = "",
    cpus: opt.Cpus = "",
    release: opt.Release = "",
    hz: opt.Hz = "",
    seed: opt.Seed = "",
    sets: opt.Set = None,
    do: opt.Do = None,
    listen: opt.Listen = None,
    faults: opt.Faults = "",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Run a machine in real time on a TAP device: ping it, send to it, look at its counters."""
    from rxpath.cli import main
    from rxpath.config import ConfigError
    from rxpath.live.control import check_name
    from rxpath.live.machine import LiveMachine, parse_interface

    config = opt.machine_from(machine, nic, cpus, release, hz, seed, "", sets, do, listen, faults=faults)
    first = config.nics[0]
    if address:
        parse_interface(address, "--address")
        first.addresses = [address]
    if not first.addresses:
        raise ConfigError("--address is missing: the machine's own address, like 10.9.0.2/24")
    if host_address:
        parse_interface(host_address, "--host-address")
    running = LiveMachine(config, tap, host_address=host_address or None, name=check_name(name or tap))
    signals: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if signals.count(signal.SIGINT) > 1:
            raise KeyboardInterrupt
        running.request_stop()

    before = [(n, signal.signal(n, on_signal)) for n in (signal.SIGINT, signal.SIGTERM)]
    try:
        running.start()
        if signals:  # it came while there was nothing to stop yet
            running.request_stop()
        elif not quiet:
            what = ", ".join(f"{p.spec.proto} port {p.spec.port}" for p in running.programs)
            main.say(
                f"ready: {', '.join(first.addresses)} on {tap} ({first.model}, Linux {config.release},"
                f" name {running.name}){'; ' + what if what else ''}; Ctrl-C ends it"
            )
        running.wait()
        running.close()
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    if not quiet:
        for line in account_lines(running):
            main.say(line)
    if signal.SIGINT in signals:
        raise typer.Exit(main.INTERRUPTED)


def account_lines(running: LiveMachine) -> list[str]:
    """What became of every frame, for a person."""
    a = running.account()
    consumed = sum(a["consumed"].values())
    dropped = sum(a["dropped"].values())
    lines = [
        f"{a['wire']:,} frames from the wire: {a['delivered']:,} delivered, {consumed:,} consumed,"
        f" {dropped:,} dropped; {a['sent']:,} sent"
    ]
    lines += [f"  dropped {n:,}: {what}" for what, n in a["dropped"].items()]
    if a["tap"].get("not written"):
        lines.append(f"  {a['tap']['not written']:,} frames sent found the TAP's queue full or its link down")
    return lines


def list_machines(json: opt.Json = False) -> None:
    """List the machines that run."""
    from rxpath.cli import terminal
    from rxpath.live.control import machines

    found = machines()
    if json:
        terminal.out_json(found)
        return
    if not found:
        from rxpath.cli import main

        main.say("no machine runs")
        return
    rows: list[list[str]] = [["NAME", "PID", "TAP", "RELEASE", "NIC", "ADDRESSES"]]
    rows += [_row(m) for m in found]
    width = [max(len(r[c]) for r in rows) for c in range(len(rows[0]))]
    for r in rows:
        terminal.out("  ".join(t.ljust(w) for t, w in zip(r, width, strict=True)).rstrip() + "\n")


def _row(m: dict[str, Any]) -> list[str]:
    if "error" in m:
        return [m["name"], "?", "?", "?", "?", m["error"]]
    nics = m["nics"]
    return [
        m["name"],
        str(m["pid"]),
        m["tap"] or "-",
        m["release"],
        ",".join(n["model"] for n in nics),
        ",".join(a for n in nics for a in n["addresses"]),
    ]


def stop(name: Annotated[str, typer.Argument(metavar="NAME", help="As rxpath list shows it.")]) -> None:
    """End a machine that runs."""
    from rxpath.cli import main
    from rxpath.live import control

    control.stop(name)
    main.say(f"stopped: {name}")


def register(app: typer.Typer) -> None:
    """Add the commands to the house's application."""
    app.command("live", epilog=LIVE_EXAMPLES)(live)
    app.command("list", epilog=LIST_EXAMPLES)(list_machines)
    app.command("stop", epilog=STOP_EXAMPLES)(stop)
