"""`python -m rxpath.run --tap NAME --address A [...] PROGRAM ARGS`: a Python program on the machine's sockets.

What belongs here: starting a live machine, putting its modules under the names `socket`, `_socket` and `_ssl`
before PROGRAM is imported, running PROGRAM as Python itself would, and ending the machine after it.
Not here: the modules (live/module.py), machines (live/machine.py).
"""

from __future__ import annotations

import _socket as host_raw
import argparse
import os
import runpy
import socket as host
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Final

from rxpath.live.descriptors import more_descriptors
from rxpath.live.machine import LiveMachine
from rxpath.live.oscalls import OsCalls
from rxpath.live.tls import make_raw_ssl

USAGE: Final = """python -m rxpath.run [--tap NAME] --address IP/LEN [OPTIONS] (PROGRAM | -m MODULE) [ARGS...]"""
DESCRIPTION: Final = "Run a Python program on a machine's sockets, in real time."
EPILOG: Final = """\
The program's `import socket` gets the machine's sockets; select, selectors,
asyncio and the rest of the standard library work on them unchanged. Without
--tap the machine has no cable, only its loopback.

Examples:
  python -m rxpath.run --tap t0 --address 10.9.0.2/24 --host-address 10.9.0.1/24 -m http.server 80
  python -m rxpath.run --address 10.9.0.2/24 --account program.py

Exit status: the program's; 2 usage, or a machine that cannot be had."""
INTERRUPTED: Final = 130
REFUSED: Final = frozenset({"uvloop"})
SWITCH_S: Final = 0.0005  # the engine gives its turn away at each frame: a program that computes must give it back


def parser() -> argparse.ArgumentParser:
    """The options; what follows PROGRAM is PROGRAM's own."""
    p = argparse.ArgumentParser(
        prog="rxpath.run",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--tap", metavar="NAME", help="the TAP device; made when it is not there")
    p.add_argument("--address", metavar="IP/LEN", default="", help="the machine's address; else the machine file's")
    p.add_argument("--host-address", metavar="IP/LEN", help="an address for this host's side of the TAP")
    p.add_argument("--name", metavar="NAME", help="how rxpath list and rxpath -n call it; the TAP's name else")
    p.add_argument("--machine", metavar="FILE", default="", help="a machine file (TOML)")
    p.add_argument(
        "--nic", metavar="MODEL[:VARIANT]", default="", help="e1000e, igb, ixgbe, tg3, be2net, bnx2; igb:i350"
    )
    p.add_argument("--cpus", metavar="N", default="", help="how many CPUs")
    p.add_argument("--release", metavar="R", default="", help="3.13, 5.15, 6.1, 6.18, or what uname -r prints")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", help="a sysctl; may be repeated")
    p.add_argument("--do", metavar="COMMAND", action="append", help="a command to run on it before; may be repeated")
    p.add_argument(
        "--faults",
        metavar="FAULT=SHARE,...",
        default="",
        help="a bad cable: drop=1%%,duplicate=,corrupt=,reorder=,delay=5%%:50us",
    )
    p.add_argument("--account", action="store_true", help="at the end say what became of every frame")
    p.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module's name")
    p.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM ARGS")
    return p


def machine_of(o: argparse.Namespace) -> LiveMachine:
    """The machine that the options describe, not started.  ConfigError, UnitError."""
    from rxpath.cli import options as opt
    from rxpath.config import ConfigError
    from rxpath.live.machine import parse_interface

    config = opt.machine_from(o.machine, o.nic, o.cpus, o.release, sets=o.set, do=o.do, faults=o.faults)
    first = config.nics[0]
    if o.address:
        parse_interface(o.address, "--address")
        first.addresses = [o.address]
    if not first.addresses:
        raise ConfigError("--address is missing: the machine's own address, like 10.9.0.2/24")
    return LiveMachine(config, o.tap, host_address=o.host_address, name=o.name or o.tap)


class Refused:
    """An importer (sys.meta_path) for what cannot work here, so that who has a choice (uvicorn) takes the other."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """None for all others.  ImportError."""
        if name in REFUSED:
            raise ImportError(f"{name} drives descriptors by itself and cannot use a machine's sockets", name=name)


def _holds(module: ModuleType, wanted: set[int]) -> bool:
    return any(id(v) in wanted for v in list(vars(module).values()) if isinstance(v, ModuleType | type | FunctionType))


def install(raw: ModuleType, module: ModuleType) -> None:
    """Put the machine's modules under the standard names, and calls that know its descriptors into `os`.

    What was imported before with the host's sockets in it is forgotten, so that a program that imports it gets
    it anew; rxpath itself keeps the host's.
    """
    wanted = {id(host), id(host_raw)}
    wanted |= {
        id(v) for v in [*vars(host).values(), *vars(host_raw).values()]
        if isinstance(v, type | FunctionType) and v.__module__ in ("socket", "_socket")
    }  # fmt: skip
    keep = {"rxpath", "__main__", "socket", "_socket", "builtins", "sys", "threading"}
    while True:
        tops = {
            name.partition(".")[0]
            for name, m in list(sys.modules.items())
            if isinstance(m, ModuleType) and name.partition(".")[0] not in keep and _holds(m, wanted)
        }
        gone = [name for name in sys.modules if name.partition(".")[0] in tops]
        if not gone:
            break
        for name in gone:
            wanted.add(id(sys.modules.pop(name)))
    sys.modules["_socket"] = raw
    sys.modules["socket"] = module
    OsCalls(raw).install()
    sys.meta_path.insert(0, Refused())
    raw_ssl = make_raw_ssl("_ssl")
    if raw_ssl is not None:
        sys.modules["_ssl"] = raw_ssl


def execute(words: list[str], as_module: bool) -> int:
    """Run the program as `python` would, with its threads that are no daemons, and return its status."""
    sys.argv = words
    if not as_module and not os.path.exists(words[0]):
        print(f"rxpath.run: can't open file {words[0]!r}: No such file or directory", file=sys.stderr)
        return 2
    try:
        try:
            if as_module:
                sys.path.insert(0, os.getcwd())
                runpy.run_module(words[0], run_name="__main__", alter_sys=True)
            else:
                sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
                runpy.run_path(words[0], run_name="__main__")
        finally:
            for t in threading.enumerate():
                if t is not threading.main_thread() and not t.daemon:
                    t.join()
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return INTERRUPTED
    except BaseException as e:
        tb = e.__traceback__  # from the program's own first frame on
        while tb is not None and (
            tb.tb_frame.f_code.co_filename == __file__ or "runpy" in tb.tb_frame.f_code.co_filename
        ):
            tb = tb.tb_next
        traceback.print_exception(type(e), e, tb)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the program's exit status, or 2 for a machine that cannot be had."""
    from rxpath.cli.main import failed, say

    p = parser()
    o = p.parse_args(argv)
    words = [w for w in o.program[:1] if w != "--"] + o.program[1:]
    if not words:
        p.error("a program is missing")
    try:
        net = machine_of(o).start()
    except Exception as error:
        return failed(error)
    more_descriptors()
    sys.setswitchinterval(SWITCH_S)
    install(*net.modules)
    status = execute(words, o.module)
    sys.stdout.flush()
    assert net.bridge is not None
    net.bridge.abandon = True  # daemon threads that still call end with the process, as they do in Python
    try:
        net.close()
    except Exception as error:
        return failed(error) if not status else status
    if o.account:
        from rxpath.cli.live import account_lines

        for line in account_lines(net):
            say(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
