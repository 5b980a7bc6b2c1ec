"""sysctl (procps-ng 4.0): -a, -w, -p, -n, -e, -q, -N, name, name=value."""

from __future__ import annotations

from rxpath.formats import sysctl as fmt
from rxpath.kernel.errno import EACCES, EINVAL, ENOENT, ENOTSUP, EPERM
from rxpath.tools.process import Process, Usage, error_text

HELP = "For more details see sysctl(8).\n"


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
    }
    while at < len(args):
        a = args[at]
        at += 1
        if a.startswith("--"):
            name, equals, value = a.partition("=")
            if name == "--pattern":
                pattern = value if equals else (args[at] if at < len(args) else "")
                at += 0 if equals else 1
                continue
            if name not in long:
                raise Usage(f"sysctl: unrecognized option '{a}'\n" + HELP)
            flags[long[name]] = True
        elif a.startswith("-") and len(a) > 1:
            for i, c in enumerate(a[1:]):
                if c == "r":
                    pattern = a[2 + i :] or (args[at] if at < len(args) else "")
                    at += 0 if a[2 + i :] else 1
                    break
                if c == "p" and a[2 + i :]:
                    load.append(a[2 + i :])
                    flags["p"] = True
                    break
                if c not in "aAXbneNpqw":
                    raise Usage(f"sysctl: invalid option -- '{c}'\n" + HELP)
                flags["a" if c in "AX" else c] = True
        else:
            words.append(a)
    if flags.get("a"):
        return _all(p, flags, pattern)
    if flags.get("p"):
        return _load(p, load + words, flags)
    if flags.get("s"):
        raise OSError(ENOTSUP, "sysctl --system")
    if not words:
        raise Usage("sysctl: no variables specified\nTry `sysctl --help' for more information.\n")
    # `name = value` given as three words is one setting
    joined: list[str] = []
    for w in words:
        if joined and (w == "=" or (joined[-1].endswith("=") and "=" not in w)):
            joined[-1] += w
        else:
            joined.append(w)
    status = 0
    for word in joined:
        if "=" in word:
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
        p.out(text)
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
    except re.error as e:
        raise Usage(f'sysctl: regular expression "{pattern}": {e}\n') from None
    for path in _walk(p, "/proc/sys"):
        name = fmt.name_of_path(path)
        if wanted is not None and wanted.search(name) is None:
            continue
        if _mode(p, path) & 0o444 == 0:
            continue
        _show(p, name, flags)
    return 0


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
