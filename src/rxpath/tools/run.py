"""One line of shell on a machine: `run_command(machine, line)`.

What belongs here: cutting a line into commands, redirection, and finding the command.  Understood: quotes, `;`
`&&` `||`, `>` and `>>` into files of the machine, `|` into tee and cat (in a shell into the host's programs),
`*` in paths, `sudo`, `sh -c`.  No variables, no loops.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final

from rxpath.kernel.errno import ENOTSUP
from rxpath.machine import Machine
from rxpath.tools.process import Main, Process, Usage, error_text, in_process

# command -> (module of this package, function)
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "ethtool": ("ethtool", "main"),
    "ip": ("ip", "main"),
    "ifconfig": ("ifconfig", "main"),
    "sysctl": ("sysctl", "main"),
    "ss": ("ss", "main"),
    "nstat": ("nstat", "main"),
    "iptables": ("iptables", "main"),
    "cat": ("files", "cat"),
    "echo": ("files", "echo"),
    "tee": ("files", "tee"),
    "ls": ("files", "ls"),
    "true": ("files", "true"),
    "false": ("files", "false"),
    "dmesg": ("modules", "dmesg"),
    "uname": ("modules", "uname"),
    "hostname": ("modules", "hostname"),
    "modprobe": ("modules", "modprobe"),
    "rmmod": ("modules", "rmmod"),
    "lsmod": ("modules", "lsmod"),
}
# commands that only look: they need no task of their own, so that looking disturbs nothing
LOOKING: Final = frozenset({"cat", "ss", "nstat", "dmesg", "ls", "uname", "lsmod", "true", "false"})
NOT_FOUND: Final = 127


@dataclass(frozen=True, slots=True)
class Completed:
    """How a line ended: the exit status of its last command, and both streams."""

    status: int
    stdout: str
    stderr: str

    def line(self) -> str:
        """One line that says what went wrong: the last of standard error, else of standard output."""
        for text in (self.stderr, self.stdout):
            lines = [x.strip() for x in text.splitlines() if x.strip()]
            if lines:
                return "; ".join(lines)
        return f"exit status {self.status}"


class CommandFailed(ValueError):
    """A command on the machine failed: one line, with the command and what it said."""

    def __init__(self, line: str, completed: Completed) -> None:
        super().__init__(f"{line}: {completed.line()}")
        self.completed = completed


class SyntaxFault(ValueError):
    """A line that the shell cannot cut."""


@dataclass(slots=True)
class Word:
    """A word; `bare` false where quotes kept its `*` from meaning anything."""

    text: str
    bare: bool = True


@dataclass(slots=True)
class Simple:
    """One command of a pipeline: words, and where its streams go ("" = on)."""

    words: list[Word] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    err_to_out: bool = False
    text: str = ""


@dataclass(slots=True)
class Pipeline:
    """`joined` by what came before: "", ";", "&&" or "||"."""

    commands: list[Simple]
    joined: str = ""


def _tokens(line: str) -> list[tuple[str, Word, int, int]]:
    """(kind, word, start, end): kind "w" for a word, else the operator itself."""
    out: list[tuple[str, Word, int, int]] = []
    at = 0
    while at < len(line):
        c = line[at]
        if c in " \t\n":
            if c == "\n":
                out.append((";", Word(c), at, at + 1))
            at += 1
            continue
        if c == "#":
            end = line.find("\n", at)
            at = len(line) if end < 0 else end
            continue
        start = at
        for op in ("2>&1", "2>", "&&", "||", ">>", "|", ";", ">"):
            if line.startswith(op, at):
                out.append((op, Word(op), at, at + len(op)))
                at += len(op)
                break
        else:
            if c in "<&()`":
                raise SyntaxFault(f"{c!r} is not understood here")
            word = Word("")
            at = _word(line, at, word)
            out.append(("w", word, start, at))
    return out


def _word(line: str, at: int, word: Word) -> int:
    while at < len(line) and line[at] not in " \t\n;|&>":
        c = line[at]
        if c in "'\"":
            end = at + 1
            while end < len(line) and line[end] != c:
                if c == '"' and line[end] == "\\" and line[end + 1 : end + 2] in ('"', "\\", "$", "`"):
                    end += 1
                if end < len(line):
                    word.text += line[end]
                end += 1
            if end >= len(line):
                raise SyntaxFault(f"unterminated quote {c}")
            word.bare = False
            at = end + 1
        elif c == "\\" and at + 1 < len(line):
            word.text += line[at + 1]
            word.bare = False
            at += 2
        elif c == "$":
            raise SyntaxFault("'$' is not understood here: there are no variables")
        else:
            word.text += c
            at += 1
    return at


def parse(line: str) -> list[Pipeline]:
    """Cut a line into pipelines.  SyntaxFault for what a shell would refuse or what is not understood."""
    pipelines: list[Pipeline] = []
    current = Simple()
    pipe: list[Simple] = []
    joined = ""
    first = -1
    tokens = _tokens(line)
    i = 0

    def end_command(end: int) -> None:
        nonlocal current, first
        if not current.words:
            raise SyntaxFault("a command is missing")
        current.text = line[first:end].strip()
        pipe.append(current)
        current = Simple()
        first = -1

    while i < len(tokens):
        kind, word, start, _ = tokens[i]
        i += 1
        if kind == "w":
            if first < 0:
                first = start
            current.words.append(word)
        elif kind == "2>&1":
            current.err_to_out = True
        elif kind in (">", ">>", "2>"):
            if i >= len(tokens) or tokens[i][0] != "w":
                raise SyntaxFault(f"nothing to redirect to after '{kind}'")
            if kind == "2>":
                current.stderr = tokens[i][1].text
            else:
                current.stdout = tokens[i][1].text
            i += 1
        elif kind == "|":
            end_command(start)
        else:
            if not current.words and not pipe and kind == ";":
                continue
            end_command(start)
            pipelines.append(Pipeline(pipe, joined))
            pipe = []
            joined = kind
    if current.words or pipe:
        end_command(len(line))
        pipelines.append(Pipeline(pipe, joined))
    elif joined in ("&&", "||"):
        raise SyntaxFault(f"a command is missing after '{joined}'")
    return pipelines


def _unwrap(words: list[str]) -> list[str]:
    """Without sudo: everybody is root here."""
    while words and words[0] == "sudo":
        words = words[1:]
        while words and words[0] in ("-E", "-n", "--"):
            words = words[1:]
    if words and "/" in words[0] and words[0].startswith(("/sbin/", "/usr/", "/bin/")):
        words = [words[0].rpartition("/")[2], *words[1:]]
    return words


def known(name: str) -> bool:
    """Whether the machine has this command (a module that is not there is no command)."""
    return name in COMMANDS or name in ("sh", "bash")


def _main(name: str) -> Main:
    module, function = COMMANDS[name]
    try:
        found = import_module(f"rxpath.tools.{module}")
    except ModuleNotFoundError as e:
        if e.name != f"rxpath.tools.{module}":
            raise
        raise OSError(ENOTSUP, name) from None
    main: Main = getattr(found, function)
    return main


def run_simple(machine: Machine, argv: list[str], stdin: str = "") -> Completed:
    """One command with its arguments, as execve would start it."""
    argv = _unwrap(argv)
    if not argv:
        return Completed(0, "", "")
    name = argv[0]
    if name in ("sh", "bash"):
        if len(argv) >= 3 and argv[1] == "-c":
            return run_command(machine, argv[2])
        return Completed(2, "", f"{name}: only -c 'LINE' is understood\n")
    if name not in COMMANDS:
        return Completed(NOT_FOUND, "", f"sh: {name}: command not found\n")
    p = Process(machine, name, stdin)
    try:
        main = _main(name)
        if name in LOOKING:
            status = main(p, argv[1:])
        else:
            status = int(in_process(machine, lambda: main(p, argv[1:]), name))
    except Usage as e:
        p.err(e.text)
        status = e.status
    except OSError as e:
        if e.errno == ENOTSUP and e.__traceback__ is not None:
            p.err(f"{name}: not modelled: {e.strerror}\n")
        else:
            p.err(f"{name}: {error_text(e)}\n")
        status = 1
    return Completed(status, "".join(p.stdout), "".join(p.stderr))


def _host(command: Simple, stdin: str) -> Completed:
    done = subprocess.run(["sh", "-c", command.text], input=stdin, capture_output=True, text=True, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def _expand(machine: Machine, words: list[Word]) -> list[str]:
    p = Process(machine, "sh")
    out: list[str] = []
    for w in words:
        if w.bare and w.text.startswith("/") and any(c in w.text for c in "*?["):
            out += p.glob(w.text)
        else:
            out.append(w.text)
    return out


def run_rest(machine: Machine, pipeline: Pipeline, text: str) -> Completed:
    """The commands of a pipeline after its first, whose output is `text`; the host's programs may follow."""
    return _pipeline(machine, pipeline, True, text, 1)


def _pipeline(machine: Machine, pipeline: Pipeline, host: bool, text: str = "", first: int = 0) -> Completed:
    errors: list[str] = []
    status = 0
    for number, command in enumerate(pipeline.commands, first):
        words = _unwrap(_expand(machine, command.words))
        if host and number and words and words[0] not in COMMANDS:
            done = _host(command, text)
        elif number and words and words[0] not in COMMANDS:
            done = Completed(
                NOT_FOUND, "", f"sh: {words[0]}: command not found (a pipe to the host needs rxpath shell)\n"
            )
        else:
            done = run_simple(machine, words, text)
        status, text, said = done.status, done.stdout, done.stderr
        if command.err_to_out:
            text, said = said + text, ""
        if command.stderr:
            said = "" if command.stderr == "/dev/null" else said
        if command.stdout:
            where = command.stdout
            if text or words[:1] == ["echo"]:
                complaint = Process(machine, "sh").write_file(where, text)
                if complaint:
                    said += f"sh: {complaint}\n"
                    status = 1
            text = ""
        errors.append(said)
    return Completed(status, text, "".join(errors))


def run_command(machine: Machine, line: str, *, host: bool = False) -> Completed:
    """Run a line.  `host`: a pipe may lead to the host's programs.  Never raises for what a user can do wrong.

    Status 127: no such command; 2: a line that cannot be cut.
    """
    try:
        pipelines = parse(line)
    except SyntaxFault as e:
        return Completed(2, "", f"sh: {e}\n")
    out: list[str] = []
    err: list[str] = []
    status = 0
    for p in pipelines:
        if (p.joined == "&&" and status) or (p.joined == "||" and not status):
            continue
        done = _pipeline(machine, p, host)
        status = done.status
        out.append(done.stdout)
        err.append(done.stderr)
    return Completed(status, "".join(out), "".join(err))


def run_checked(machine: Machine, line: str) -> Completed:
    """As `run_command`; raises CommandFailed, one line, when the exit status is not 0."""
    done = run_command(machine, line)
    if done.status:
        raise CommandFailed(line, done)
    return done
