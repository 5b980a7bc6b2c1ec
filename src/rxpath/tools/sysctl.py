"""sysctl (procps-ng 4.0): -a, -w, -p, -n, -e, -q, -N, name, name=value."""

from __future__ import annotations

from rxpath.formats import sysctl as fmt
from rxpath.kernel.errno import EACCES, EINVAL, ENOENT, EPERM
from rxpath.tools.process import Process, error_text

USAGE = "\nUsage:\n sysctl [options] [variable[=value] ...]\n\nFor more details see sysctl(8).\n"


def main(p: Process, args: list[str]) -> int:
    """Read and write /proc/sys.  Status 1 when anything failed."""
    flags: dict[str, bool] = {}
    words: list[str] = []
    pattern = ""
    load: list[str] = []
    at = 0
    long = {
        "--all": "a",
        "--write": "w",
        "--values": "n",
        "--names": "N",
        "--ignore": "e",
        "--quiet": "q",
        "--load": "p",
        "--binary": "b",
        "--system": "s",
        "--version": "V",
        "--help": "h",
        "--dry-run": "y",
        "--deprecated": "D",
    }

    def bad(text: str) -> int:
        """What getopt complains of: procps then shows its usage and is content."""
        p.err(f"sysctl: {text}\n")
        p.out(USAGE)
        return 0

    while at < len(args):
        a = args[at]
        at += 1
        if a.startswith("--"):
            name, equals, value = a.partition("=")
            if name == "--pattern":
                if not equals and at >= len(args):
                    return bad("option '--pattern' requires an argument")
                pattern = value if equals else args[at]
                at += 0 if equals else 1
                continue
            if name not in long:
                return bad(f"unrecognized option '{a}'")
            flags[long[name]] = True
        elif a.startswith("-") and len(a) > 1:
            for i, c in enumerate(a[1:]):
                if c == "r" and not a[2 + i :] and at >= len(args):
                    return bad("option requires an argument -- 'r'")
                if c == "r":
                    pattern = a[2 + i :] or (args[at] if at < len(args) else "")
                    at += 0 if a[2 + i :] else 1
                    break
                if c == "p" and a[2 + i :]:
                    load.append(a[2 + i :])
                    flags["p"] = True
                    break
                if c not in "aAXbneNpqwVhd":
                    return bad(f"invalid option -- '{c}'")
                flags["a" if c in "AX" else c] = True
        else:
            words.append(a)
    if flags.get("V"):
        p.out("sysctl from procps-ng 4.0.2\n")
        return 0
    if flags.get("h") or flags.get("d"):
        p.out(USAGE)
        return 0
    if flags.get("a"):
        return _all(p, flags, pattern)
    if flags.get("p"):
        return _load(p, load + words, flags)
    if flags.get("s"):
        return _system(p, flags)
    if not words:
        text = "sysctl: no variables specified\nTry `sysctl --help' for more information.\n"
        p.err(text if flags else USAGE)
        return 1
    status = 0
    for word in words:
        if word == "=":
            continue
        if word.startswith("="):
            p.err("sysctl: Path is not under /proc/sys/: /proc/sys/\n")
            one = 1
        elif "=" in word:
            name, _, value = word.partition("=")
            one = _set(p, name.strip(), value.strip(), flags)
        elif flags.get("w"):
            p.err(fmt.INVALID_SYNTAX)
            one = 1
        else:
            one = _show(p, word, flags)
        status = status or one
    return status


def _file(p: Process, name: str) -> str:
    """The path of a name; a device's name may hold a dot, written as a slash."""
    return fmt.path_of_name(name)


def _show(p: Process, name: str, flags: dict[str, bool]) -> int:
    path = _file(p, name)
    if p.files.is_dir(path):
        for file in _walk(p, path):
            _show(p, fmt.name_of_path(file), flags)
        return 0
    try:
        text = p.files.read(path)
    except OSError as e:
        if e.errno == ENOENT:
            if flags.get("e"):
                return 0
            p.err(fmt.no_such_key(name))
        elif e.errno in (EACCES, EPERM):
            if _mode(p, path) & 0o444 == 0:
                return 0  # write-only, such as net.ipv4.route.flush: nothing is said
            p.err(fmt.permission_denied(name, False))
        else:
            p.err(f'sysctl: reading key "{name}": {error_text(e)}\n')
        return 1
    if flags.get("N"):
        p.out(name + "\n")
    elif flags.get("n"):
        p.out(text if text.endswith("\n") else text + "\n")
    elif flags.get("b"):
        p.out(text.removesuffix("\n"))
    else:
        shown = fmt.name_of_path(path)
        for line in text.rstrip("\n").split("\n"):
            p.out(fmt.shown_line(shown, line))
    return 0


def _mode(p: Process, path: str) -> int:
    try:
        return p.files.mode(path)
    except OSError:
        return 0


def _set(p: Process, name: str, value: str, flags: dict[str, bool]) -> int:
    forgiving = name.startswith("-")
    name = name.removeprefix("-")
    path = _file(p, name)
    if not name:
        p.err(fmt.INVALID_SYNTAX)
        return 1
    if not p.files.exists(path):
        if flags.get("e") or forgiving:
            return 0
        p.err(fmt.no_such_key(name))
        return 1
    if p.files.is_dir(path):
        p.err(fmt.cannot_set(name, EINVAL))
        return 1
    if _mode(p, path) & 0o222 == 0:
        p.err(fmt.cannot_set(name, EINVAL))
        return 0
    try:
        if not value:
            raise OSError(EINVAL, "empty")
        p.files.write(path, value + "\n")
    except OSError as e:
        if e.errno in (EACCES, EPERM):
            p.err(fmt.permission_denied(name))
        elif not (flags.get("e") and e.errno == ENOENT):
            p.err(fmt.cannot_set(name, e.errno or EINVAL))
        return 0 if forgiving else 1
    if not flags.get("q"):
        if flags.get("n"):
            p.out(value + "\n")
        elif flags.get("N"):
            p.out(name + "\n")
        else:
            p.out(fmt.shown_line(fmt.name_of_path(path), value))
    return 0


def _walk(p: Process, top: str) -> list[str]:
    prefix = top.rstrip("/") + "/"
    return sorted(f for f in p.files.files if f.startswith(prefix))


def _all(p: Process, flags: dict[str, bool], pattern: str) -> int:
    import re

    try:
        wanted = re.compile(pattern) if pattern else None
    except re.error:
        return 0
    for path in _walk(p, "/proc/sys"):
        name = fmt.name_of_path(path)
        if wanted is not None and wanted.search(name) is None:
            continue
        if _mode(p, path) & 0o444 == 0:
            continue
        _show(p, name, flags)
    return 0


SYSTEM_DIRS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")


def _system(p: Process, flags: dict[str, bool]) -> int:
    """--system: every *.conf of the system's directories in the order of names, the first of equal names counting, then
    /etc/sysctl.conf.  The files are the machine's; a machine that has none has nothing to do.
    """
    found: dict[str, str] = {}
    for top in SYSTEM_DIRS:
        if p.files.is_dir(top):
            for name in p.files.listdir(top):
                if name.endswith(".conf"):
                    found.setdefault(name, f"{top}/{name}")
    paths = [found[n] for n in sorted(found)]
    if p.files.exists("/etc/sysctl.conf"):
        paths.append("/etc/sysctl.conf")
    status = 0
    for path in paths:
        p.out(f"* Applying {path} ...\n")
        status = _apply(p, path, p.files.read(path), flags) or status
    return status


def _load(p: Process, names: list[str], flags: dict[str, bool]) -> int:
    """-p: settings from standard input (-) or from a file of the host, comments and empty lines passed over."""
    status = 0
    for name in names or ["/etc/sysctl.conf"]:
        if name in ("-", "/dev/stdin"):
            text = p.stdin
        else:
            try:
                with open(name, encoding="utf-8", errors="replace") as f:
                    text = f.read()
            except OSError as e:
                p.err(f'sysctl: cannot open "{name}": {e.strerror}\n')
                status = 1
                continue
        status = _apply(p, name, text, flags) or status
    return status


def _apply(p: Process, name: str, text: str, flags: dict[str, bool]) -> int:
    """The settings of one file; comments and empty lines are passed over."""
    status = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if not equals:
            p.err(f"sysctl: {name}({number}): invalid syntax, continuing...\n")
            continue
        status = _set(p, key.strip(), value.strip(), flags) or status
    return status
