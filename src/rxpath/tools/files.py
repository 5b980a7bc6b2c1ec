"""cat, echo, tee, ls: files of the machine (coreutils' wording)."""

from __future__ import annotations

from rxpath.kernel.errno import ENOTSUP
from rxpath.tools.process import Process, Usage, error_text


def cat(p: Process, args: list[str]) -> int:
    """`cat [FILE...]`; - and nothing: standard input.  Status 1 when any file cannot be read."""
    status = 0
    for a in args:
        if a.startswith("--") and a not in ("--", "--show-all", "--number", "--show-ends", "--show-tabs"):
            raise Usage(f"cat: unrecognized option '{a}'\nTry 'cat --help' for more information.\n")
        if a.startswith("-") and not a.startswith("--"):
            for c in a[1:]:
                if c not in "AbeEnstTuv":
                    raise Usage(f"cat: invalid option -- '{c}'\nTry 'cat --help' for more information.\n")
    for name in [a for a in args if a == "-" or not a.startswith("-")] or ["-"]:
        if name == "-":
            p.out(p.stdin)
            continue
        try:
            p.out(p.files.read(p.path(name)))
        except OSError as e:
            p.err(f"cat: {name}: {error_text(e)}\n")
            status = 1
    return status


def echo(p: Process, args: list[str]) -> int:
    """`echo [-n] WORD...`"""
    end = "\n"
    if args and args[0] == "-n":
        args = args[1:]
        end = ""
    p.out(" ".join(args) + end)
    return 0


def tee(p: Process, args: list[str]) -> int:
    """`tee [-a] FILE...`: standard input into files and out again."""
    status = 0
    for name in [a for a in args if not a.startswith("-")]:
        complaint = p.write_file(name, p.stdin)
        if complaint:
            what = complaint.removeprefix("write error: ")
            p.err(f"tee: {complaint}\n" if what == complaint else f"tee: {name}: {what}\n")
            status = 1
    p.out(p.stdin)
    return status


def ls(p: Process, args: list[str]) -> int:
    """`ls [-d] [PATH...]`: names, one a line, sorted."""
    status = 0
    for a in args:
        for c in a[1:] if a.startswith("-") and not a.startswith("--") else "":
            if c not in "aAdlhrRtF1":
                raise OSError(ENOTSUP, f"ls -{c}")
    whole = any(a.startswith("-") and "d" in a for a in args)
    paths = [a for a in args if not a.startswith("-")] or ["/"]
    for name in paths:
        real = p.path(name)
        if not p.files.exists(real):
            p.err(f"ls: cannot access '{name}': No such file or directory\n")
            status = 2
        elif whole or not p.files.is_dir(real):
            p.out(name + "\n")
        else:
            if len(paths) > 1:
                p.out(f"{name}:\n")
            p.out("".join(n + "\n" for n in sorted(p.files.listdir(real))))
    return status


def true(p: Process, args: list[str]) -> int:
    return 0


def false(p: Process, args: list[str]) -> int:
    return 1
