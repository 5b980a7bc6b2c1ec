"""Options that several commands share, and the way from their texts to a MachineConfig.

What belongs here: option declarations and their reading. Every value is a text here and is read by `units`
and `config`, so that all refusals look alike.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rxpath.config import MachineConfig, NicConfig, parse_cpus, parse_listen, parse_nic, parse_set
from rxpath.kernel.release import taken_for
from rxpath.units import UnitError, parse_bits, parse_int

MACHINE_PANEL: Final = "Machine"

Machine = Annotated[str, typer.Option("-m", "--machine", metavar="FILE", help="A machine file (TOML).")]
Nic = Annotated[str, typer.Option(metavar="MODEL[:VARIANT]", help="e1000e, igb, ixgbe, tg3, be2net, bnx2; igb:i350.")]
Cpus = Annotated[str, typer.Option(metavar="N", help="How many CPUs, 1 to 64.")]
Release = Annotated[
    str,
    typer.Option("--release", "--kernel", metavar="R", help="3.13, 5.15, 6.1, 6.18, or what uname -r prints."),
]
Hz = Annotated[str, typer.Option("--hz", metavar="N", help="Timer frequency: 100, 250 or 1000.")]
Seed = Annotated[str, typer.Option(metavar="N", help="Seed of everything that is drawn at random.")]
Costs = Annotated[
    str,
    typer.Option(metavar="PROFILE[:LEVEL]", help="What CPU time costs: default, a file, none; LEVEL low or high."),
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A sysctl; may be repeated.")]
Do = Annotated[
    list[str] | None,
    typer.Option("--do", metavar="COMMAND", help="A command to run on the machine before; may be repeated."),
]
Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        metavar="udp|tcp:PORT[,...]",
        help="A program: cpu=N cost=5us rcvbuf=4M readers=N address=IP echo sink reuseport; may be repeated.",
    ),
]
Link = Annotated[str, typer.Option(metavar="RATE", help="The link's rate, like 10G; without it the card's own.")]
Faults = Annotated[
    str,
    typer.Option(metavar="FAULT=SHARE,...", help="drop=1%,duplicate=,corrupt=,reorder=,delay=5%:50us."),
]
Json = Annotated[bool, typer.Option("-j", "--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Less: funnel and losses, no progress.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="More: every counter that moved.")]


def machine_from(
    file: str = "",
    nic: str = "",
    cpus: str = "",
    release: str = "",
    hz: str = "",
    seed: str = "",
    costs: str = "",
    sets: list[str] | None = None,
    do: list[str] | None = None,
    listen: list[str] | None = None,
    link: str = "",
    faults: str = "",
) -> MachineConfig:
    """The machine file, if any, with what the options change. Listeners given here replace those of the file.

    Raises ConfigError or UnitError.
    """
    machine = MachineConfig.load(file) if file else MachineConfig()
    table = machine.to_dict()
    for name, value in (("release", release), ("hz", hz), ("seed", seed)):
        if value:
            table[name] = value
    if cpus:
        table["cpus"] = parse_cpus(cpus)
    if costs:
        profile, colon, level = costs.rpartition(":")
        if colon and level in ("low", "central", "high"):
            table["costs"], table["cost_level"] = profile, level
        else:
            table["costs"] = costs
    machine = MachineConfig.from_dict(table, file or "options")
    if not machine.nics:
        machine.nics.append(NicConfig())
    first = machine.nics[0]
    if nic:
        first.model, first.variant = parse_nic(nic)
    if link:
        try:
            first.link_bps = parse_bits(link)
        except UnitError as error:
            raise UnitError(f"--link: {error}") from None
    if faults:
        first.faults = faults
    machine.sysctls.update(parse_set(text) for text in sets or [])
    machine.do += do or []
    if listen:
        machine.listeners = [parse_listen(text) for text in listen]
    remark = taken_for(machine.release)
    if remark:
        typer.echo(remark, err=True)
    # Once more through the reader, so that what options changed is checked like what a file says.
    return MachineConfig.from_dict(machine.to_dict(), file or "options")


def number(text: str, option: str, low: int, high: int) -> int:
    """A whole number of an option. Raises UnitError that names the option."""
    try:
        return parse_int(text, "number", low, high)
    except UnitError as error:
        raise UnitError(f"{option}: {error}") from None
