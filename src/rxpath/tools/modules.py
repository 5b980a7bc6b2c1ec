"""dmesg, uname, modprobe, rmmod, lsmod: the kernel's log, its name, its modules (kmod's wording)."""

from __future__ import annotations

from importlib import import_module

from rxpath.formats import dmesg as dmesg_format
from rxpath.kernel.log import LEVEL_NAMES
from rxpath.kernel.module import Module
from rxpath.kernel.params import ParamError
from rxpath.machine import DRIVERS
from rxpath.net.netfilter.modules import NETFILTER_MODULES, NetfilterModule, request_module
from rxpath.tools.process import Process, Usage, error_text

# modules of real systems that are parts of this kernel, so that loading them is no error
BUILT_IN = frozenset({"8021q", "tun", "ipv6"})


DMESG_TRY = "Try 'dmesg --help' for more information.\n"


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
                raise Usage("dmesg: option requires an argument -- 'l'\n" + DMESG_TRY)
            levels = args[at].split(",")
            at += 1
            for level in levels:
                if level not in LEVEL_NAMES:
                    raise Usage(f"dmesg: unknown level '{level}'\n")
        elif a in ("-t", "--notime"):
            bare = True
        elif a not in ("-T", "-k", "-H", "-P", "--nopager"):
            what = f"unrecognized option '{a}'" if a.startswith("--") else f"invalid option -- '{a[1:2]}'"
            raise Usage(f"dmesg: {what}\n" + DMESG_TRY)
    records = [r for r in p.kernel.log.records if LEVEL_NAMES[r.level] in levels]
    if bare:
        p.out("".join(r.text + "\n" for r in records))
    else:
        messages = tuple(dmesg_format.Message(r.time_ns // 1000, r.text) for r in records)
        p.out(dmesg_format.render(dmesg_format.Dmesg(messages)))
    return 0


def uname(p: Process, args: list[str]) -> int:
    """`uname [-asnrvmpio]`, in coreutils' order; -p and -i are unknown and left out of -a."""
    words = {
        "s": "Linux",
        "n": p.kernel.hostname,
        "r": p.kernel.release.uname,
        "v": "#1 SMP",
        "m": "x86_64",
        "p": "unknown",
        "i": "unknown",
        "o": "GNU/Linux",
    }
    long = {
        "--all": "a",
        "--kernel-name": "s",
        "--nodename": "n",
        "--kernel-release": "r",
        "--kernel-version": "v",
        "--machine": "m",
        "--processor": "p",
        "--hardware-platform": "i",
        "--operating-system": "o",
    }
    wanted = ""
    for a in args:
        if not a.startswith("-") or a == "-":
            raise Usage(f"uname: extra operand '{a}'\nTry 'uname --help' for more information.\n")
        if a.startswith("--"):
            if a not in long:
                raise Usage(f"uname: unrecognized option '{a}'\nTry 'uname --help' for more information.\n")
            wanted += long[a]
            continue
        for c in a[1:]:
            if c != "a" and c not in words:
                raise Usage(f"uname: invalid option -- '{c}'\nTry 'uname --help' for more information.\n")
            wanted += c
    if "a" in wanted:
        wanted = "snrvmo"
    p.out(" ".join(words[c] for c in words if c in (wanted or "s")) + "\n")
    return 0


def hostname(p: Process, args: list[str]) -> int:
    """`hostname [NAME]`"""
    if not args:
        p.out(p.kernel.hostname + "\n")
    elif len(args) > 1 or args[0].startswith("-"):
        raise Usage("Usage: hostname [NAME]\n", 255)
    else:
        p.kernel.hostname = args[0][:64]
    return 0


def _loaded(p: Process, name: str) -> Module | None:
    for m in p.machine.modules:
        if m.name == name:
            return m
    return None


def _release_dir(p: Process) -> str:
    return f"/lib/modules/{p.kernel.release.uname}"


def modprobe(p: Process, args: list[str]) -> int:
    """`modprobe [-a] [-q] [-n] [-v] NAME [PARAMETER=VALUE...]`, `modprobe -r NAME...`, `modprobe -V`.

    A module that is loaded stays as it is.  An unknown parameter is logged and ignored; a value that is none refuses
    the load (EINVAL).
    """
    long = {
        "--remove": "r",
        "--verbose": "v",
        "--quiet": "q",
        "--all": "a",
        "--dry-run": "n",
        "--show": "n",
        "--version": "V",
        "--use-blacklist": "b",
        "--syslog": "s",
        "--force": "f",
    }
    flags = ""
    words: list[str] = []
    for a in args:
        if a.startswith("--"):
            if a not in long:
                raise Usage(f"modprobe: unrecognized option '{a}'\n")
            flags += long[a]
        elif a.startswith("-") and len(a) > 1:
            for c in a[1:]:
                if c not in "arvqnbVsf":
                    raise Usage(f"modprobe: invalid option -- '{c}'\n")
                flags += c
        else:
            words.append(a)
    if "V" in flags:
        p.out("kmod version 30\n+ZSTD +XZ -ZLIB +LIBCRYPTO -EXPERIMENTAL\n")
        return 0
    if not words:
        raise Usage("modprobe: ERROR: missing parameters. See -h.\n")
    if "r" in flags:
        status = 0
        for word in words:
            status = _remove(p, word, flags) or status
            if status:
                break
        return status
    if "a" in flags:
        status = 0
        for word in words:
            if not _known(p, word):
                if "q" not in flags:
                    p.err(f"modprobe: WARNING: Module {word} not found in directory {_release_dir(p)}\n")
                status = 1
            elif "n" not in flags:
                status = _insert(p, word, []) or status
        return status
    if not _known(p, words[0]):
        text = f"modprobe: FATAL: Module {words[0]} not found in directory {_release_dir(p)}\n"
        raise Usage("" if "q" in flags else text)
    return 0 if "n" in flags else _insert(p, words[0], words[1:])


def _driver(name: str) -> type[Module] | None:
    where = DRIVERS.get(name)
    if where is None:
        return None
    try:
        cls: type[Module] = getattr(import_module(where[0]), where[1])
    except (ImportError, AttributeError):
        return None
    return cls


def _known(p: Process, word: str) -> bool:
    name = word.replace("-", "_")
    return name in BUILT_IN or name in NETFILTER_MODULES or _driver(name) is not None


def _insert(p: Process, word: str, settings: list[str]) -> int:
    name = word.replace("-", "_")
    if name in BUILT_IN or _loaded(p, name) is not None:
        return 0
    if name in NETFILTER_MODULES:
        for setting in settings:
            p.kernel.log.warn(f"{name}: unknown parameter '{setting.partition('=')[0]}' ignored")
        request_module(p.machine.modules, p.kernel, p.net, name)
        return 0
    cls = _driver(name)
    assert cls is not None
    given = {}
    for setting in settings:
        key, _, value = setting.partition("=")
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


def _users(p: Process, m: Module) -> list[str]:
    """Names of the loaded modules that need `m`."""
    return [x.name for x in p.machine.modules if isinstance(x, NetfilterModule) and m.name in x.needs]


def _held(m: Module) -> bool:
    return isinstance(m, NetfilterModule) and m.in_use()


def _remove(p: Process, word: str, flags: str) -> int:
    name = word.replace("-", "_")
    m = _loaded(p, name)
    if m is None:
        if _known(p, word):
            return 0
        if "q" not in flags:
            p.err(f"modprobe: FATAL: Module {word} not found.\n")
        return 1
    if _users(p, m) or _held(m):
        p.err(f"modprobe: FATAL: Module {name} is in use.\n")
        return 1
    needs = m.needs if isinstance(m, NetfilterModule) else ()
    _unload(p, name)
    for needed in needs:  # what was there for it alone goes with it
        x = _loaded(p, needed)
        if x is not None and not _users(p, x) and not _held(x):
            _remove(p, needed, flags)
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
    words = [a for a in args if not a.startswith("-")]
    for a in args:
        if a.startswith("-") and a.strip("-")[:1] not in ("f", "s", "v"):
            raise Usage(f"rmmod: invalid option -- '{a.lstrip('-')[:1]}'\n")
    if not words:
        raise Usage("rmmod: ERROR: missing module name.\n")
    for word in words:
        name = word.replace("-", "_")
        m = _loaded(p, name)
        if m is None:
            p.err(f"rmmod: ERROR: Module {word} is not currently loaded\n")
            status = 1
        elif _users(p, m):
            p.err(f"rmmod: ERROR: Module {name} is in use by: {' '.join(_users(p, m))}\n")
            status = 1
        elif _held(m):
            p.err(f"rmmod: ERROR: Module {name} is in use\n")
            status = 1
        else:
            _unload(p, name)
    return status


def lsmod(p: Process, args: list[str]) -> int:
    """`lsmod`: loaded modules, newest first; sizes are not known (0)."""
    if args:
        raise Usage("Usage: lsmod\n")
    p.out("Module                  Size  Used by\n")
    for m in reversed(p.machine.modules):
        users = list(reversed(_users(p, m)))
        count = len(users) + (1 if _held(m) else 0)
        p.out(f"{m.name:<19s} {0:>8d}  {count}" + (" " + ",".join(users) if users else "") + "\n")
    return 0
