"""`rxpath shell`: sit at a machine.  The prompt, history and completion; what a line does is tools/console.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rxpath.cli import options as opt

if TYPE_CHECKING:
    from rxpath.tools.console import Console

EXAMPLES = """\b
Examples:
  rxpath shell
  rxpath shell -m machine.toml --nic igb --cpus 4
  rxpath shell -c 'ethtool -G eth0 rx 4096' -c 'load rate=300k count=5k' -c 'ethtool -S eth0 | grep miss'
  rxpath shell < commands.txt

\b
Exit status: that of the last line; 2 usage."""


def shell(
    machine: opt.Machine = "",
    nic: opt.Nic = "",
    cpus: opt.Cpus = "",
    release: opt.Release = "",
    sets: opt.Set = None,
    do: opt.Do = None,
    costs: opt.Costs = "",
    hz: opt.Hz = "",
    seed: opt.Seed = "",
    lines: Annotated[
        list[str] | None, typer.Option("-c", "--command", metavar="LINE", help="Run LINE instead of asking.")
    ] = None,
) -> None:
    """Sit at a machine: Linux's commands, frames and time by hand."""
    from rxpath.machine import Machine
    from rxpath.tools.commands import run_action

    config = opt.machine_from(machine, nic, cpus, release, hz, seed, costs, sets, do)
    for n in config.nics:
        if not n.addresses and not machine:
            n.addresses.append(f"10.0.{config.nics.index(n)}.2/24")
    m = Machine(config)
    m.boot()
    status = 0
    clean = False
    try:
        for action in config.do:
            run_action(m, action)
        status = _sit(m, lines)
        clean = True
    finally:
        if clean:
            m.close()
        else:
            m.closed = True
            m.kernel.close()
    if status:
        raise typer.Exit(status)


def _sit(m: Any, lines: list[str] | None) -> int:
    from rxpath.tools.console import Console

    asking = lines is None and sys.stdin.isatty()
    waiting = list(lines) if lines is not None else []

    def ask(prompt: str) -> str | None:
        if lines is not None:
            return waiting.pop(0) if waiting else None
        if asking:
            try:
                return input(prompt)
            except EOFError:
                print()
                return None
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    console = Console(m, write, ask)

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if console.interrupted or not running:
            raise KeyboardInterrupt
        console.interrupted = True

    running: list[bool] = []
    saved = signal.signal(signal.SIGINT, on_interrupt)
    history = _readline(console) if asking else None
    if asking:
        write(f"Linux {m.kernel.release.uname}, {len(m.kernel.cpus)} CPU. help lists the commands, exit leaves.\n")
    status = 0
    try:
        while not console.done:
            try:
                line = ask(f"{m.now // 10**6 / 1000:.3f} # ")
                if line is None:
                    break
                console.interrupted = False
                running.append(True)
                done = console.execute(line)
            except KeyboardInterrupt:
                if not asking:
                    raise
                write("\n")
                continue
            finally:
                running.clear()
            write(done.stdout)
            if done.stderr:
                sys.stdout.flush()
                sys.stderr.write(done.stderr)
                sys.stderr.flush()
            status = done.status
    finally:
        signal.signal(signal.SIGINT, saved)
        if history is not None:
            _save(history)
    return status


def _history_file() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "rxpath" / "shell_history"


def _readline(console: Console) -> Path | None:
    """History and completion, where Python has readline."""
    try:
        import readline
    except ImportError:
        return None
    path = _history_file()
    try:
        readline.read_history_file(path)
    except OSError:
        pass
    readline.set_history_length(2000)
    readline.set_completer_delims(" \t\n=;|>")
    found: list[str] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            found[:] = completions(console, readline.get_line_buffer()[: readline.get_endidx()], text)
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    return path


def _save(path: Path) -> None:
    import readline

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        readline.write_history_file(path)
    except OSError:
        pass


def completions(console: Console, line: str, text: str) -> list[str]:
    """What `text`, the last word of `line`, may become."""
    from rxpath.tools.console import OWN
    from rxpath.tools.run import COMMANDS

    m = console.machine
    line = line[: len(line) - len(text)]
    for end in ("&&", "||", ";"):
        line = line.rpartition(end)[2]
    before = line.split()
    if before and before[0] == "replay" and (text or len(before) == 1) and "=" not in text:
        return _host_files(text) if len(before) == 1 else ["dev="]
    if text.startswith("/"):
        head = text.rpartition("/")[0] or "/"
        if not m.files.is_dir(head):
            return []
        base = "" if head == "/" else head
        names = [f"{base}/{n}" for n in sorted(m.files.listdir(head))]
        return [n + ("/" if m.files.is_dir(n) else "") for n in names if n.startswith(text)]
    choices = _words(console, before, text) if before else [*COMMANDS, *OWN]
    return sorted(c if c.endswith("=") else c + " " for c in choices if c.startswith(text))


def _words(console: Console, before: list[str], text: str) -> list[str]:
    """What may follow `before`."""
    from rxpath.tools import ethtool
    from rxpath.tools.console import INJECTED, OWN, SETTINGS
    from rxpath.tools.run import COMMANDS

    m = console.machine
    command = before[0]
    interfaces = list(m.net.by_name)
    if before[-1] == "dev":  # `=` ends a word here, so this is dev= too
        return interfaces
    if command == "ethtool":
        return [o for o in ethtool.COMMANDS if o] if text.startswith("-") else interfaces
    if command == "sysctl":
        return list(m.kernel.sysctl.entries)
    if command == "ip":
        if len(before) == 1:
            return ["addr", "link", "neigh", "route"]
        return ["show", "set", "add", "del", "dev", "up", "down", "mtu", *interfaces]
    if command == "modprobe":
        from rxpath.machine import DRIVERS

        return list(DRIVERS)
    if command == "rmmod":
        return [x.name for x in m.modules]
    if command == "stop-at":
        return [*console.functions(), "off"]
    if command == "trace":
        return ["on", "off", "list", *m.kernel.trace.by_name]
    if command == "inject" and len(before) == 1:
        return list(INJECTED)
    if command in SETTINGS:
        return [f"{k}=" for k in SETTINGS[command] if f"{k}=" not in " ".join(before)]
    if command == "listen":
        return ["udp:"]
    return [] if command in OWN else [*interfaces, *(COMMANDS if command == "sudo" else ())]


def _host_files(text: str) -> list[str]:
    """This host's files, for what reads captures."""
    head, _, last = text.rpartition("/")
    try:
        names = sorted(os.listdir(head or ("/" if text.startswith("/") else ".")))
    except OSError:
        return []
    base = text[: len(text) - len(last)]
    found = [base + n for n in names if n.startswith(last) and (last or not n.startswith("."))]
    return [n + ("/" if os.path.isdir(n) else " ") for n in found]


def register(app: typer.Typer) -> None:
    """Add the command to the house's application."""
    app.command("shell", epilog=EXAMPLES)(shell)
