"""dmesg, uname, modprobe, rmmod, lsmod: the kernel's log, its name, its modules (kmod's wording)."""

from __future__ import annotations

from importlib import import_module

from rxpath.formats import dmesg as dmesg_format
from rxpath.kernel.log import LEVEL_NAMES
from rxpath.kernel.module import Module
from rxpath.kernel.params import ParamError
from rxpath.machine import DRIVERS
from rxpath.tools.process import Process, Usage, error_text

# modules of real systems that are parts of this kernel, so that loading them is no error
BUILT_IN = frozenset({"ip_tables", "iptable_filter", "iptable_raw", "nf_conntrack", "8021q", "tun", "ipv6"})


def dmesg(p: Process, args: list[str]) -> int:
    """`dmesg [-l LEVEL[,LEVEL]] [-t] [-T]`; times are since boot."""
    levels: list[str] = list(LEVEL_NAMES)
    bare = False
    at = 0
    while at < len(args):
        a = args[at]
        at += 1
        if a in ("-l", "--level"):
            if at >= len(args):
                raise Usage("dmesg: option requires an argument -- 'l'\n")
            levels = args[at].split(",")
            at += 1
            for level in levels:
                if level not in LEVEL_NAMES:
                    raise Usage(f"dmesg: unknown level '{level}'\n")
        elif a in ("-t", "--notime"):
            bare = True
        elif a not in ("-T", "-k", "-H", "-P", "--nopager"):
            raise Usage(f"dmesg: invalid option -- '{a.lstrip('-')}'\n")
    records = [r for r in p.kernel.log.records if LEVEL_NAMES[r.level] in levels]
    if bare:
        p.out("".join(r.text + "\n" for r in records))
    else:
        messages = tuple(dmesg_format.Message(r.time_ns // 1000, r.text) for r in records)
        p.out(dmesg_format.render(dmesg_format.Dmesg(messages)))
    return 0


def uname(p: Process, args: list[str]) -> int:
    """`uname [-r] [-s] [-a]`"""
    release = p.kernel.release.uname
    if any("a" in a for a in args):
        p.out(f"Linux rxpath {release} #1 SMP x86_64 GNU/Linux\n")
    else:
        p.out((release if any("r" in a for a in args) else "Linux") + "\n")
    return 0


def _loaded(p: Process, name: str) -> Module | None:
    for m in p.machine.modules:
        if m.name == name:
            return m
    return None


def modprobe(p: Process, args: list[str]) -> int:
    """`modprobe NAME [PARAMETER=VALUE...]`, `modprobe -r NAME`.  A module that is loaded stays as it is.

    An unknown parameter is logged and ignored; a value that is none refuses the load (EINVAL).
    """
    flags = [a for a in args if a.startswith("-")]
    words = [a for a in args if not a.startswith("-")]
    for f in flags:
        if f not in ("-r", "--remove", "-v", "-q", "-a"):
            raise Usage(f"modprobe: invalid option -- '{f.lstrip('-')}'\n")
    if not words:
        raise Usage("modprobe: ERROR: missing parameters. See -h.\n")
    name = words[0].replace("-", "_")
    release = p.kernel.release.uname
    if "-r" in flags or "--remove" in flags:
        if _loaded(p, name) is None:
            if name in DRIVERS or name in BUILT_IN:
                return 0
            raise Usage(f"modprobe: FATAL: Module {words[0]} not found in directory /lib/modules/{release}\n")
        return _unload(p, name)
    if name in BUILT_IN or _loaded(p, name) is not None:
        return 0
    where = DRIVERS.get(name)
    cls: type[Module] | None = None
    if where is not None:
        try:
            cls = getattr(import_module(where[0]), where[1])
        except (ImportError, AttributeError):
            cls = None
    if cls is None:
        raise Usage(f"modprobe: FATAL: Module {words[0]} not found in directory /lib/modules/{release}\n")
    given = {}
    for word in words[1:]:
        key, _, value = word.partition("=")
        given[key] = value
    declared = cls.__call__().params.declared
    for key in [k for k in given if k not in declared and k not in ("copybreak", "debug")]:
        p.kernel.log.warn(f"{name}: unknown parameter '{key}' ignored")
        del given[key]
    try:
        module = cls.__call__(given)
        for key in given:
            module.params.ints(key)  # Linux reads every value before it runs the module
    except ParamError as e:
        p.kernel.log.err(str(e))
        p.err(f"modprobe: ERROR: could not insert '{name}': Invalid argument\n")
        return 1
    try:
        module.init(p.kernel, p.net)
    except OSError as e:
        module.exit(p.kernel)
        p.err(f"modprobe: ERROR: could not insert '{name}': {error_text(e)}\n")
        return 1
    p.machine.modules.append(module)
    return 0


def _unload(p: Process, name: str) -> int:
    m = _loaded(p, name)
    assert m is not None
    m.exit(p.kernel)
    p.machine.modules.remove(m)
    return 0


def rmmod(p: Process, args: list[str]) -> int:
    """`rmmod NAME...`"""
    status = 0
    for word in [a for a in args if not a.startswith("-")]:
        name = word.replace("-", "_")
        if _loaded(p, name) is None:
            p.err(f"rmmod: ERROR: Module {word} is not currently loaded\n")
            status = 1
        else:
            _unload(p, name)
    return status


def lsmod(p: Process, args: list[str]) -> int:
    """`lsmod`: loaded drivers; sizes are not known (0)."""
    p.out("Module                  Size  Used by\n")
    for m in p.machine.modules:
        p.out(f"{m.name:<24s}{0:>4d}  0\n")
    return 0
