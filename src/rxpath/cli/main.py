"""The entry: finds the command, runs it, and turns what it raises into one line and an exit status.

What belongs here: the list of commands, errors, statuses. Each command is a module with `register(app)`
that is imported only when it is called (or when help lists them all), so that starting stays fast.

Exit status: 0 done, 1 found something or missed an aim, 2 usage or input, 3 undecided, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Final

OK: Final = 0
FOUND: Final = 1
USAGE: Final = 2
UNDECIDED: Final = 3
INTERRUPTED: Final = 130

# Command -> the module of this package that registers it. A module that is not there is no command.
COMMANDS: Final[dict[str, str]] = {
    "replay": "replay",
    "load": "replay",
    "live": "live",
    "shell": "shell",
    "list": "live",
    "stop": "live",
    "mount": "mount",
    "exec": "exec",
    "snapshot": "snapshot",
    "doctor": "doctor",
    "diff": "diff",
    "machine": "machine",
    "lint": "lint",
    "conform": "conform",
    "packetdrill": "packetdrill",
}

EPILOG: Final = """\b
Examples:
  rxpath replay capture.pcapng
  rxpath replay capture.pcapng --do 'ethtool -G eth0 rx 4096'
  rxpath load --rate 300k --size 64 --count 200k --listen udp:9,cost=5us
  cat /proc/net/softnet_stat | rxpath doctor -

\b
Exit status: 0 done, 1 found something or missed an aim, 2 usage or input,
3 undecided, 130 interrupted."""


def say(line: str) -> None:
    """One line for a person, on standard error."""
    print(f"rxpath: {line}", file=sys.stderr)


def available() -> dict[str, str]:
    """The commands whose modules are there."""
    found = {module: find_spec(f"rxpath.cli.{module}") is not None for module in sorted(set(COMMANDS.values()))}
    return {name: module for name, module in COMMANDS.items() if found[module]}


def run(argv: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return its exit status. Prints, never raises."""
    args = list(argv)
    try:
        return _run(args)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads us has seen enough. Standard output must not be flushed once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        return failed(error)


def _run(args: list[str]) -> int:
    if args and args[0] in ("-n", "--name"):
        return _on_running_machine(args[1:])
    if args and args[0].startswith("--name="):
        return _on_running_machine([args[0][7:], *args[1:]])
    if args and args[0] in ("-V", "--version"):
        from rxpath import __version__

        print(f"rxpath {__version__}")
        return OK
    commands = available()
    wanted = next((a for a in args if not a.startswith("-")), "") if args and not args[0].startswith("-") else ""
    if wanted and wanted not in commands:
        from rxpath.config import nearest

        say(f"no command '{wanted}'{nearest(wanted, commands)}; rxpath --help lists them")
        return USAGE

    import typer

    from rxpath.cli.plain import without_conversion

    settings = {"help_option_names": ["-h", "--help"]}
    app = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=settings
    )

    @app.callback(epilog=EPILOG)
    def rxpath() -> None:
        """The Linux network receive path that you can run.

        `rxpath -n NAME COMMAND...` runs a command (ethtool, ip, sysctl, cat, ...) on the running machine
        NAME.
        """

    modules = [commands[wanted]] if wanted else list(dict.fromkeys(commands.values()))
    for module in modules:
        import_module(f"rxpath.cli.{module}").register(app)
    command = without_conversion(typer.main.get_command(app), settings)
    status = command(args or ["--help"], prog_name="rxpath", standalone_mode=False)
    return status if isinstance(status, int) else OK


def _on_running_machine(args: list[str]) -> int:
    """`-n NAME COMMAND...`: hand the command to the machine that runs under that name."""
    if len(args) < 2:
        say("-n takes the name of a running machine and a command: rxpath -n NAME ethtool -S eth0")
        return USAGE
    return int(import_module("rxpath.live.control").client(args[0], args[1:]))


def one_line(text: object) -> str:
    """A message as one line."""
    return " ".join(str(text).split())


def failed(error: Exception) -> int:
    """Say what went wrong, in one line, and choose the status."""
    name = type(error).__name__
    code = getattr(error, "exit_code", None)
    if code is not None and hasattr(error, "format_message"):  # typer's own: wrong usage
        context = getattr(error, "ctx", None)
        words = context.command_path.split()[1:] if context is not None else []
        say(": ".join([*words, one_line(error.format_message())]))
        return USAGE
    if code is not None:  # typer.Exit
        return int(code)
    if name == "Abort":
        say("interrupted")
        return INTERRUPTED
    if os.environ.get("RXPATH_TRACEBACK"):
        raise error
    if isinstance(error, OSError):
        from errno import ENOTSUP

        if error.errno == ENOTSUP:
            what = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
            say(f"not modelled: {one_line(what)} (docs/limits.md)")
        elif error.filename is not None:
            say(f"{one_line(error.filename)}: {error.strerror}")
        else:
            say(one_line(error.strerror or error))
        return USAGE
    if type(error).__module__.startswith("rxpath.") and not isinstance(error, AssertionError | RuntimeError):
        say(one_line(error))
        return USAGE
    say(f"no answer, rxpath itself failed: {name}: {one_line(error)} (RXPATH_TRACEBACK=1 shows where)")
    return UNDECIDED


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
