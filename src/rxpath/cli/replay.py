"""`rxpath replay` and `rxpath load`: options to a request, the run, its result on the terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from rxpath.cli import options as opt

if TYPE_CHECKING:
    from rxpath.tune.plan import LoadSpec, Plan, ReplayOptions

T = TypeVar("T")

REPLAY_EXAMPLES = """\b
Examples:
  rxpath replay capture.pcapng
  rxpath replay capture.pcapng --do 'ethtool -G eth0 rx 4096'
  rxpath replay capture.pcapng --release 5.15 --cpus 4 --nic igb --link 1G
  rxpath replay capture.pcapng --listen udp:9000,cpu=1,cost=5us,rcvbuf=4M
  rxpath replay capture.pcapng --set net.core.netdev_budget=600 --speed-up 2x
  zcat capture.pcap.gz | rxpath replay - --json

\b
Exit status: 0 done, 1 more lost than --max-loss, 2 usage or input,
130 interrupted (the result is of what was sent until then)."""

LOAD_EXAMPLES = """\b
Examples:
  rxpath load --rate 300k --size 64 --count 200k
  rxpath load --rate 1Mpps --flows 64 --nic igb --cpus 4 --listen udp:9,cost=2us
  rxpath load --rate 100k --burst 512 --do 'ethtool -G eth0 rx 4096'
  rxpath load --rate 50k --size imix --release 3.13 --max-loss 0

\b
Exit status: 0 done, 1 more lost than --max-loss, 2 usage or input,
130 interrupted (the result is of what was sent until then)."""

MaxLoss = Annotated[str, typer.Option(metavar="N|N%", help="An aim: exit status 1 when more frames are dropped.")]
Write = Annotated[str, typer.Option("-w", "--write", metavar="FILE", help="Record the wire to a capture file.")]
At = Annotated[str, typer.Option("--at", metavar="wire|tap", help="Where -w records: the wire, or a packet socket.")]
Trace = Annotated[
    str, typer.Option(metavar="FILE", help="Write every function that the kernel called, indented by depth.")
]


def _option(name: str, parse: Callable[[str], T], text: str) -> T:
    """`parse(text)`, its refusal with the option's name before it."""
    from rxpath.units import UnitError

    try:
        return parse(text)
    except UnitError as error:
        raise UnitError(f"{name}: {error}") from None


def replay(
    capture: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAPTURE [FILTER]", help="pcap or pcapng, also gzip; - is standard input."),
    ] = None,
    read: Annotated[str, typer.Option("-r", "--read", metavar="FILE", help="The capture, as with tcpdump.")] = "",
    machine: opt.Machine = "",
    nic: opt.Nic = "",
    cpus: opt.Cpus = "",
    release: opt.Release = "",
    sets: opt.Set = None,
    do: opt.Do = None,
    listen: opt.Listen = None,
    host: Annotated[
        str, typer.Option(metavar="IP", help="The host to be; without it, who receives most in the capture.")
    ] = "",
    captured_at: Annotated[
        str, typer.Option(metavar="wire|host|auto", help="Where it was taken; a host's own view is undone.")
    ] = "auto",
    link: opt.Link = "",
    speed_up: Annotated[str, typer.Option(metavar="2x", help="Play it faster (or slower: 0.5x).")] = "1",
    loop: Annotated[str, typer.Option(metavar="N", help="Play it N times.")] = "1",
    count: Annotated[str, typer.Option("-c", "--count", metavar="N", help="Stop after N frames.")] = "",
    faults: opt.Faults = "",
    write: Write = "",
    write_at: At = "wire",
    function_trace: Trace = "",
    costs: opt.Costs = "",
    hz: opt.Hz = "",
    seed: opt.Seed = "",
    max_loss: MaxLoss = "",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Send a capture through a modelled host and say where every frame ended."""
    from rxpath.config import ConfigError
    from rxpath.tune.plan import ReplayOptions
    from rxpath.units import parse_count, parse_factor

    words = list(capture or [])
    file = read or (words.pop(0) if words else "")
    if not file:
        raise ConfigError("replay: give a capture, or - for standard input (rxpath replay --help)")
    request = ReplayOptions(
        machine=opt.machine_from(machine, nic, cpus, release, hz, seed, costs, sets, do, listen, link, faults),
        capture=file,
        captured_at=_one_of("--captured-at", captured_at, ("wire", "host", "auto")),
        host=_ip("--host", host) if host else 0,
        speed_up=_option("--speed-up", parse_factor, speed_up),
        loop=opt.number(loop, "--loop", 1, 1_000_000_000),
        count=_option("--count", parse_count, count) if count else 0,
        filter=" ".join(words),
        write=write,
        write_at=_one_of("--at", write_at, ("wire", "tap")),
    )
    _run(request, function_trace, max_loss, json, quiet, verbose)


def load(
    rate: Annotated[str, typer.Option(metavar="PPS", help="Frames a second, like 300k or 1Mpps.")] = "100k",
    size: Annotated[
        str,
        typer.Option(metavar="BYTES", help="UDP payload: 64, 64-1472, imix, or 18:7,1472:1 with weights."),
    ] = "64",
    count: Annotated[str, typer.Option("-c", "--count", metavar="N", help="How many frames.")] = "100k",
    flows: Annotated[str, typer.Option(metavar="N", help="How many flows (source ports), in turn.")] = "1",
    burst: Annotated[str, typer.Option(metavar="N", help="Frames back to back before each pause.")] = "1",
    port: Annotated[str, typer.Option(metavar="PORT", help="Destination port.")] = "9",
    arrivals: Annotated[
        str, typer.Option(metavar="even|poisson", help="Even gaps between bursts, or random ones.")
    ] = "even",
    machine: opt.Machine = "",
    nic: opt.Nic = "",
    cpus: opt.Cpus = "",
    release: opt.Release = "",
    sets: opt.Set = None,
    do: opt.Do = None,
    listen: opt.Listen = None,
    link: opt.Link = "",
    faults: opt.Faults = "",
    write: Write = "",
    write_at: At = "wire",
    function_trace: Trace = "",
    costs: opt.Costs = "",
    hz: opt.Hz = "",
    seed: opt.Seed = "",
    max_loss: MaxLoss = "",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Send generated UDP datagrams through a modelled host and say where every frame ended."""
    from rxpath.tune.plan import LoadSpec, ReplayOptions
    from rxpath.units import parse_count, parse_rate

    config = opt.machine_from(machine, nic, cpus, release, hz, seed, costs, sets, do, listen, link, faults)
    spec: LoadSpec = LoadSpec(
        pps=_option("--rate", parse_rate, rate),
        size=size,
        count=_option("--count", parse_count, count),
        flows=opt.number(flows, "--flows", 1, 65535),
        burst=_option("--burst", parse_count, burst),
        port=opt.number(port, "--port", 1, 65535),
        arrivals=_one_of("--arrivals", arrivals, ("even", "poisson")),
    )
    request = ReplayOptions(machine=config, load=spec, write=write, write_at=_one_of("--at", write_at, ("wire", "tap")))
    _run(request, function_trace, max_loss, json, quiet, verbose)


def _one_of(option: str, text: str, known: tuple[str, ...]) -> str:
    from rxpath.config import ConfigError, nearest

    if text not in known:
        raise ConfigError(f"{option}: '{text}' is not one of {', '.join(known)}{nearest(text, known)}")
    return text


def _ip(option: str, text: str) -> int:
    import ipaddress

    from rxpath.config import ConfigError

    try:
        return int(ipaddress.IPv4Address(text))
    except ValueError:
        raise ConfigError(f"{option}: '{text}' is no IPv4 address (like 10.0.0.2)") from None


def _aim(text: str) -> Callable[[int, int], bool]:
    """`--max-loss` to a test of (dropped, wire): True when the aim is missed."""
    from rxpath.units import UnitError, parse_count, parse_ppm

    try:
        if text.endswith("%"):
            ppm = parse_ppm(text)
            return lambda dropped, wire: dropped * 1_000_000 > wire * ppm
        most = parse_count(text)
        return lambda dropped, wire: dropped > most
    except UnitError as error:
        raise UnitError(f"--max-loss: {error}") from None


def _run(wanted: ReplayOptions, function_trace: str, max_loss: str, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Prepare, run, print, and leave with the status."""
    from rxpath.cli import main, render_replay, terminal
    from rxpath.tune import plan as plans

    missed = _aim(max_loss) if max_loss else None
    plan = plans.prepare(wanted, _run_action())
    progress = terminal.Progress(plan.request.total, quiet=quiet)
    interrupted: list[int] = []

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if interrupted:
            raise KeyboardInterrupt
        interrupted.append(number)
        plan.stop()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        result = _traced(plan, progress, function_trace)
    finally:
        signal.signal(signal.SIGINT, before)
        progress.end()
        plan.close()
    if as_json:
        terminal.out_json(result)
    else:
        terminal.show(render_replay.lines(result, terminal.width(), quiet=quiet, verbose=verbose))
    dropped = sum(row["count"] for row in result["ledger"]["dropped"])
    if interrupted:
        main.say("interrupted; the result is of the frames sent until then")
        raise typer.Exit(main.INTERRUPTED)
    if missed is not None and missed(dropped, result["ledger"]["wire"]):
        main.say(f"aim missed: {dropped:,} of {result['ledger']['wire']:,} frames dropped, allowed {max_loss}")
        raise typer.Exit(main.FOUND)


def _traced(plan: Plan, progress: Callable[[int], None], function_trace: str) -> dict[str, Any]:
    """Run the plan, with a function trace of all that comes after boot when a file is named."""
    from rxpath.tune import replay as runs

    if not function_trace:
        result = runs.run(plan.request, progress)
    else:
        from rxpath.observe.function_trace import FunctionTrace

        # Opened first: a place that cannot be written is said before the work, not after it.
        with open(function_trace, "w", encoding="ascii") as file, FunctionTrace() as trace:
            then = plan.request.on_machine

            def begin(machine: Any) -> None:
                trace.lines.clear()
                if then is not None:
                    then(machine)

            plan.request.on_machine = begin
            result = runs.run(plan.request, progress)
            file.write(trace.text())
    plan.finish(result.messages)
    return plan.describe(result.to_json())


def _run_action() -> Any:
    """What runs a `--do` command on the machine; None when that part is not there."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec("rxpath.tools") is None or find_spec("rxpath.tools.commands") is None:
        return None
    return import_module("rxpath.tools.commands").run_action


def register(app: typer.Typer) -> None:
    """Add the commands to the house's application."""
    app.command("replay", epilog=REPLAY_EXAMPLES)(replay)
    app.command("load", epilog=LOAD_EXAMPLES)(load)
