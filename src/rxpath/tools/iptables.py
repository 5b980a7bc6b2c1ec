"""iptables 1.8.9 (legacy) on the machine: the filter and raw tables, with the real program's texts.

What belongs here: the command line, the operations on a table, and the listings.  Options of matches and targets are in
iptables_ext.py; the tables themselves are the kernel's (net/netfilter/ip_tables.py).
"""

from __future__ import annotations

from copy import copy
from typing import Final

from rxpath.kernel.errno import EINVAL, ELOOP, ENOTSUP, ERANGE
from rxpath.net.netfilter.core import NF_ACCEPT, NF_DROP
from rxpath.net.netfilter.ip_tables import (
    FALLTHROUGH,
    IPT_F_FRAG,
    IPT_F_GOTO,
    IPT_INV_DSTIP,
    IPT_INV_FRAG,
    IPT_INV_PROTO,
    IPT_INV_SRCIP,
    IPT_INV_VIA_IN,
    IPT_INV_VIA_OUT,
    IptChain,
    IptEntry,
    IptTable,
)
from rxpath.net.netfilter.modules import request_module, xt_find_table
from rxpath.net.netfilter.x_tables import XT_RETURN
from rxpath.net.netfilter.xt_match import MultiportMatch
from rxpath.tools.iptables_ext import (
    CHAIN_PROTOS,
    MATCHES,
    MODULE_OF,
    NAME,
    OTHER_MATCHES,
    OTHER_TARGETS,
    PROTOCOLS,
    TARGETS,
    TRY,
    Extension,
    MatchExt,
    MultiportExt,
    TargetExt,
    problem,
    protocol_name,
    strtoui,
)
from rxpath.tools.process import Process, Usage, error_text
from rxpath.wire.addr import ip4_str

# long name -> (letter, argument: 0 none, 1 needed, 2 may be)
LONG: Final[dict[str, tuple[str, int]]] = {
    "append": ("A", 1),
    "delete": ("D", 1),
    "check": ("C", 1),
    "insert": ("I", 1),
    "replace": ("R", 1),
    "list": ("L", 2),
    "list-rules": ("S", 2),
    "flush": ("F", 2),
    "zero": ("Z", 2),
    "new-chain": ("N", 1),
    "delete-chain": ("X", 2),
    "rename-chain": ("E", 1),
    "policy": ("P", 1),
    "source": ("s", 1),
    "destination": ("d", 1),
    "src": ("s", 1),
    "dst": ("d", 1),
    "protocol": ("p", 1),
    "in-interface": ("i", 1),
    "jump": ("j", 1),
    "table": ("t", 1),
    "match": ("m", 1),
    "numeric": ("n", 0),
    "out-interface": ("o", 1),
    "verbose": ("v", 0),
    "wait": ("w", 2),
    "wait-interval": ("W", 2),
    "exact": ("x", 0),
    "fragments": ("f", 0),
    "version": ("V", 0),
    "help": ("h", 2),
    "line-numbers": ("0", 0),
    "modprobe": ("M", 1),
    "set-counters": ("c", 1),
    "goto": ("g", 1),
    "ipv4": ("4", 0),
    "ipv6": ("6", 0),
}
SHORT: Final[dict[str, int]] = {
    **dict.fromkeys("ACDRIMNEPopsdjitmcg", 1),
    **dict.fromkeys("LSFZXwW", 2),
    **dict.fromkeys("Vhfbvnx46", 0),
}
COMMANDS: Final = "ADCIRLSFZNXEP"
# which of -n -s -d -p -j -v -x -i -o --line-numbers -c -f a command takes
LEGAL: Final[dict[str, str]] = {
    "A": "sdpjviocf",
    "I": "sdpjviocf",
    "R": "sdpjviocf",
    "D": "sdpjviof",
    "Dn": "v",
    "C": "sdpjviof",
    "L": "nvx0",
    "S": "v",
    "F": "v",
    "Z": "v",
    "N": "v",
    "X": "v",
    "E": "v",
    "P": "vc",
}
VERDICTS: Final[dict[str, int]] = {"ACCEPT": NF_ACCEPT, "DROP": NF_DROP, "RETURN": XT_RETURN}
MODELLED_ELSEWHERE: Final = ("nat", "mangle", "security")


class Address:
    """An address with its mask."""

    __slots__ = ("addr", "mask")

    def __init__(self, addr: int, mask: int) -> None:
        self.addr = addr & mask
        self.mask = mask


def _quads(text: str) -> int:
    """An address of one to four parts, missing ones being 0; -1 when it is none (iptables' own reading)."""
    parts = text.split(".")
    if not 1 <= len(parts) <= 4:
        return -1
    value = 0
    for part in parts:
        v = strtoui(part, 255) if part else -1
        if v < 0:
            return -1
        value = value << 8 | v
    return value << 8 * (4 - len(parts))


def parse_addresses(text: str) -> list[Address]:
    """xtables_ipparse_multiple: addresses joined by commas, each with a mask perhaps."""
    out: list[Address] = []
    for word in text.split(","):
        host, slash, mask_text = word.partition("/")
        mask = 0xFFFFFFFF
        if slash:
            bits = strtoui(mask_text, 32) if mask_text else -1
            if bits >= 0:
                mask = 0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF
            else:
                mask = _quads(mask_text) if mask_text.count(".") == 3 else -1
                if mask < 0:
                    raise problem(f"invalid mask `{mask_text}' specified")
        addr = 0x7F000001 if host == "localhost" else _quads(host)
        if addr < 0:
            if mask == 0:
                addr = 0
            else:
                raise problem(f"host/network `{host}' not found")
        a = Address(addr, mask)
        if not any(x.addr == a.addr and x.mask == a.mask for x in out):
            out.append(a)
    return out


class Line:
    """A command line, read."""

    def __init__(self, p: Process) -> None:
        self.p = p
        self.command = ""
        self.zero = False
        self.chain: str | None = None
        self.number = 0
        self.second = ""  # new name, or policy
        self.table = "filter"
        self.options = ""
        self.verbose = 0
        self.wait = False
        self.counters: tuple[int, int] | None = None
        self.src: list[Address] | None = None
        self.dst: list[Address] | None = None
        self.jumpto = ""
        self.goto = False
        self.protocol = ""
        self.proto_used = False
        self.entry = IptEntry()
        self.matches: list[MatchExt] = []
        self.target: TargetExt | None = None
        self.done = False  # -h, -V


class Parser:
    """getopt_long as iptables uses it: options of extensions join as these are named."""

    def __init__(self, p: Process, args: list[str]) -> None:
        self.p = p
        self.args = args
        self.at = 0
        self.line = Line(p)
        self.invert = False

    # --- words ----------------------------------------------------------------------------------------------
    def _has_arg(self) -> bool:
        return self.at < len(self.args) and self.args[self.at][:1] not in ("-", "!")

    def _next(self) -> str:
        word = self.args[self.at]
        self.at += 1
        return word

    def _extensions(self) -> list[Extension]:
        t = self.line.target
        own: list[Extension] = [t] if t is not None else []
        return own + list(self.line.matches)

    def parse(self) -> Line:
        while self.at < len(self.args):
            word = self._next()
            if word == "--":
                break
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and len(word) > 1:
                self._short(word)
            elif word == "!":
                if self.invert:
                    raise problem("multiple consecutive ! not allowed")
                self.invert = True
                continue
            else:
                raise Usage(f"Bad argument `{word}'\n{TRY}", 2)
            if self.line.done:
                return self.line
            self.invert = False
        self._finish()
        return self.line

    def _short(self, word: str) -> None:
        at = 1
        while at < len(word):
            c = word[at]
            kind = SHORT.get(c)
            if kind is None:
                raise problem(f'unknown option "{word}"' if len(word) == 2 else f'unknown option "-{c}"')
            value: str | None = None
            if kind and word[at + 1 :]:
                value = word[at + 1 :]
                at = len(word)
            elif kind == 1:
                if self.at >= len(self.args):
                    raise problem(f'option "{word}" requires an argument')
                value = self._next()
            self._option(c, value)
            if self.line.done:
                return
            at += 1

    def _long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        found = self._lookup(name)
        if found is None and self._load_proto():
            found = self._lookup(name)
        if found is None:
            raise problem(f'unknown option "{word}"')
        letter, kind, ext, option = found
        argument: str | None = value if equals else None
        if kind == 1 and not equals:
            if self.at >= len(self.args):
                raise problem(f'option "{word}" requires an argument')
            argument = self._next()
        if ext is None:
            self._option(letter, argument)
            return
        text = argument or ""
        for _ in range(ext.more_words(option[2])):
            if self.at < len(self.args) and self.args[self.at][:1] not in ("-", "!"):
                text += "\0" + self._next()
        e = self.line.entry
        ext.take(option, text, self.invert, e.proto | (0x100 if e.invflags & IPT_INV_PROTO else 0))

    def _lookup(self, name: str) -> tuple[str, int, Extension | None, tuple[str, bool, str]] | None:
        """An option by its name, or by a beginning that fits one alone."""
        none = ("", False, "")
        if name in LONG:
            return (*LONG[name], None, none)
        # what was named last knows an option first
        for ext in reversed(self._extensions()):
            o = ext.option(name)
            if o is not None:
                return ("", 1 if o[1] else 0, ext, o)
        hits: dict[tuple[str, int], tuple[str, int, Extension | None, tuple[str, bool, str]]] = {}
        for full, (letter, kind) in LONG.items():
            if full.startswith(name):
                hits[(letter, kind)] = (letter, kind, None, none)
        for i, ext in enumerate(self._extensions()):
            for o in ext.options:
                if o[0].startswith(name):
                    hits[(f"{i}{o[2]}", int(o[1]))] = ("", 1 if o[1] else 0, ext, o)
        return next(iter(hits.values())) if len(hits) == 1 and name else None

    def _load_proto(self) -> bool:
        """The protocol's own match, when an option is not known yet."""
        line = self.line
        if not line.protocol or line.proto_used:
            return False
        name = line.protocol
        if name.isdigit():
            name = protocol_name(int(name))
        if name not in MATCHES:
            if name in OTHER_MATCHES:
                raise OSError(ENOTSUP, f"iptables -m {name}")
            return False
        line.proto_used = True
        line.matches.append(MATCHES[name]())
        return True

    # --- options --------------------------------------------------------------------------------------------
    def _command(self, letter: str, with_zero: bool = False) -> None:
        line = self.line
        if self.invert:
            raise problem(f"unexpected '!' flag before --{_long_of(letter)}")
        if letter == "Z" and line.command in ("L", "S"):
            line.zero = True
            return
        if letter in ("L", "S") and line.command == "Z":
            line.command = letter
            line.zero = True
            return
        if line.command:
            raise problem(f"Cannot use -{letter} with -{line.command[0]}")
        line.command = letter

    def _rulenum(self, text: str) -> int:
        v = strtoui(text, 0x7FFFFFFF) if text else -1
        if v < 1:
            raise problem(f"Invalid rule number `{text}'")
        return v

    def _set(self, letter: str) -> None:
        line = self.line
        if letter in line.options:
            raise problem(f"multiple -{letter} flags not allowed")
        line.options += letter
        if self.invert and letter not in "sdpiof":
            raise problem(f"cannot have ! before -{letter}")

    def _option(self, c: str, value: str | None) -> None:
        line = self.line
        e = line.entry
        if c in "ACDIRLSFZNXEP":
            self._command(c)
            if c in "LSFZX" and value is None and self._has_arg():
                value = self._next()
            if value is not None:
                line.chain = value
            if c == "D" and self.at < len(self.args) and self._has_arg():
                line.number = self._rulenum(self._next())
                line.command = "Dn"
            elif c == "R":
                if not self._has_arg():
                    raise problem("-R requires a rule number")
                line.number = self._rulenum(self._next())
            elif (c == "I" and self._has_arg()) or (c in "LSZ" and value is not None and self._has_arg()):
                line.number = self._rulenum(self._next())
            elif c == "E":
                if not self._has_arg():
                    raise problem("-E requires old-chain-name and new-chain-name")
                line.second = self._next()
                _chain_name(line.second)
            elif c == "P":
                if not self._has_arg():
                    raise problem("-P requires a chain and a policy")
                line.second = self._next()
            elif c == "N":
                _chain_name(value or "")
        elif c == "h":
            self.p.out(HELP)
            line.done = True
        elif c == "V":
            self.p.out(NAME + "\n")
            line.done = True
        elif c == "p":
            self._set("p")
            name = self.args[self.at - 1].lower()
            line.protocol = name
            number = strtoui(name, 255) if name else -1
            if number < 0:
                number = PROTOCOLS.get(name, CHAIN_PROTOS.get(name, -1))
            if number < 0:
                raise problem(f'unknown protocol "{name}" specified')
            if number == 0 and self.invert:
                raise problem("rule would never match protocol")
            e.proto = number
            e.invflags |= IPT_INV_PROTO if self.invert else 0
        elif c in "sd":
            self._set(c)
            e.invflags |= (IPT_INV_SRCIP if c == "s" else IPT_INV_DSTIP) if self.invert else 0
            # read at the end, as the real one does
            if c == "s":
                self.src_text = value or ""
            else:
                self.dst_text = value or ""
        elif c in "jg":
            self._set("j")
            line.jumpto = value or ""
            line.goto = c == "g"
            e.flags |= IPT_F_GOTO if c == "g" else 0
            self._jump(line.jumpto)
        elif c in "io":
            self._set(c)
            e.invflags |= (IPT_INV_VIA_IN if c == "i" else IPT_INV_VIA_OUT) if self.invert else 0
            name = self._interface(value or "")
            if c == "i":
                e.iniface = name
            else:
                e.outiface = name
        elif c == "f":
            self._set("f")
            e.flags |= IPT_F_FRAG
            e.invflags |= IPT_INV_FRAG if self.invert else 0
        elif c == "v":
            line.verbose += 1
            if "v" not in line.options:
                line.options += "v"
        elif c in "nx0":
            self._set(c)
        elif c == "m":
            if self.invert:
                raise problem("unexpected ! flag before --match")
            name = value or ""
            if name not in MATCHES:
                if name in OTHER_MATCHES:
                    raise OSError(ENOTSUP, f"iptables -m {name}")
                raise problem(f"Couldn't load match `{name}':No such file or directory\n")
            line.matches.append(MATCHES[name]())
        elif c == "t":
            if self.invert:
                raise problem("unexpected ! flag before --table")
            line.table = value or ""
        elif c == "c":
            self._set("c")
            packets = value or ""
            if not self._has_arg() and "," not in packets:
                raise problem("-c requires packet and byte counter")
            count = packets.partition(",")[2] if "," in packets else self._next()
            packets = packets.partition(",")[0]
            for text, what in ((packets, "packet counter"), (count, "byte counter")):
                if not text.isdigit():
                    raise problem(f"-c {what} not numeric")
            line.counters = (int(packets), int(count))
        elif c == "w":
            if value is None and self._has_arg():
                value = self._next()
            if value is not None and strtoui(value, 0x7FFFFFFF) < 0:
                raise problem("wait seconds not numeric")
            line.wait = True
        elif c == "W":
            if value is None and self._has_arg():
                self._next()
            self.p.err("Ignoring deprecated --wait-interval option.\n")
            line.options += "W"
        elif c == "6":
            raise Usage(TRY, 2)

    src_text: str | None = None
    dst_text: str | None = None

    def _interface(self, name: str) -> str:
        if len(name) > 15:
            raise problem(f"interface name `{name}' must be shorter than IFNAMSIZ (15)")
        if not name:
            raise problem("Empty interface is likely to be undesired")
        if any(c in "/ \t\n" for c in name):
            self.p.err(f"Warning: weird character in interface `{name}' ('/' and ' ' are not allowed by the kernel).\n")
        return name

    def _jump(self, name: str) -> None:
        """A target's extension, when the name is not that of a verdict or of a chain."""
        if len(name) > 28:
            raise problem(f"Invalid target name `{name}' (28 chars max)")
        if any(c.isspace() for c in name):
            raise problem(f"Invalid target name `{name}'")
        if name in VERDICTS or self.line.goto:
            return
        if name in TARGETS:
            self.line.target = TARGETS[name]()
        elif name in OTHER_TARGETS:
            raise OSError(ENOTSUP, f"iptables -j {name}")

    def _finish(self) -> None:
        line = self.line
        e = line.entry
        for m in line.matches:
            m.finish(e.proto, bool(e.invflags & IPT_INV_PROTO))
        if self.at < len(self.args):
            raise problem("unknown arguments found on commandline")
        if not line.command:
            raise problem("no command specified")
        if self.invert:
            raise problem("nothing appropriate following !")
        if "W" in line.options and not line.wait:
            raise problem("--wait-interval only makes sense with --wait\n")
        if line.command in ("A", "D", "I", "R", "C"):
            line.src = parse_addresses(self.src_text) if self.src_text is not None else [Address(0, 0)]
            line.dst = parse_addresses(self.dst_text) if self.dst_text is not None else [Address(0, 0)]
            inv = e.invflags
            if (len(line.src) > 1 and inv & IPT_INV_SRCIP) or (len(line.dst) > 1 and inv & IPT_INV_DSTIP):
                raise problem("! not allowed with multiple source or destination IP addresses")
            if line.command == "R" and (len(line.src) != 1 or len(line.dst) != 1):
                raise problem("Replacement rule does not specify a unique address")
        legal = LEGAL[line.command] + (LEGAL["Z"] if line.zero else "")
        for c in line.options:
            if c not in legal and c != "W":
                raise problem(f"Illegal option `-{c}' with this command")
        if line.chain is not None and len(line.chain) > 28:
            raise problem(f"chain name `{line.chain}' too long (must be under 29 chars)")
        if line.command in ("A", "D", "I", "R"):
            if line.chain in ("PREROUTING", "INPUT") and "o" in line.options:
                raise problem(f"Can't use -o with {line.chain}\n")
            if line.chain in ("POSTROUTING", "OUTPUT") and "i" in line.options:
                raise problem(f"Can't use -i with {line.chain}\n")


def _long_of(letter: str) -> str:
    return next(n for n, (c, _) in LONG.items() if c == letter)


def _chain_name(name: str) -> None:
    """parse_chain: what a new chain may be called."""
    if name[:1] in ("-", "!"):
        raise problem(f"chain name not allowed to start with `{name[0]}'")
    if len(name) > 28:
        raise problem(f"chain name `{name}' too long (must be under 29 chars)")
    if name in VERDICTS or name in TARGETS or name in OTHER_TARGETS or not name:
        raise problem("chain name may not clash with target name")
    if any(c.isspace() for c in name):
        raise problem(f"Invalid chain name `{name}'")


HELP: Final = f"""\
{NAME}, on the machine

Usage: iptables [-t filter|raw] COMMAND CHAIN [RULE] [OPTIONS]

commands: -A append, -C check, -D delete (a rule, or its number), -I insert, -R replace, -L list, -S list as commands,
          -F flush, -Z zero the counters, -N new chain, -X delete chain, -E rename chain, -P policy
a rule:   -p PROTOCOL, -s and -d ADDRESS[/MASK][,...], -i and -o INTERFACE[+], -f, -m MATCH, -j TARGET, -g CHAIN;
          ! before an option inverts it
matches:  tcp, udp, icmp (come with -p), multiport, limit, comment
targets:  ACCEPT, DROP, RETURN, REJECT, LOG, a chain
listing:  -v -n -x --line-numbers; counters of a rule: -c PACKETS BYTES
"""

NO_CHAIN: Final = "No chain/target/match by that name."
NO_RULE: Final = "Bad rule (does a matching rule exist in that chain?)."
INVALID: Final = "Invalid argument. Run `dmesg' for more information."


def failed(text: str) -> Usage:
    return Usage(f"iptables: {text}\n", 1)


def commit_error(err: int) -> Usage:
    """The kernel refused the table."""
    words = {
        EINVAL: INVALID,
        ELOOP: "Too many levels of symbolic links.",
        ERANGE: "Numerical result out of range.",
    }
    return failed(words.get(err, error_text(err) + "."))


def main(p: Process, args: list[str]) -> int:
    """The program.  Status 1: the kernel said no; 2: wrong use; 3: no such table."""
    line = Parser(p, args).parse()
    if line.done:
        return 0
    if line.table in MODELLED_ELSEWHERE:
        raise OSError(ENOTSUP, f"iptables -t {line.table}")
    modules = p.machine.modules
    table = xt_find_table(modules, p.kernel, p.net, line.table)
    if table is None:
        raise Usage(
            f"{NAME}: can't initialize iptables table `{line.table}': Table does not exist (do you need to insmod?)\n"
            "Perhaps iptables or your kernel needs to be upgraded.\n",
            3,
        )
    if line.command in ("A", "D", "I", "R", "C"):
        _rule_command(p, table, line)
    elif line.command == "Dn":
        _delete_number(table, line)
    elif line.command in ("L", "S"):
        _list(p, table, line)
        if line.zero:
            _zero(p, table, line)
    elif line.command == "Z":
        _zero(p, table, line)
    elif line.command == "F":
        _flush(p, table, line)
    elif line.command == "N":
        if table.chain(line.chain or "") is not None:
            raise failed("Chain already exists.")
        table.user[line.chain or ""] = IptChain(line.chain or "", -1)
        _commit(table)
    elif line.command == "X":
        _delete_chain(p, table, line)
    elif line.command == "E":
        _rename(table, line)
    else:
        _policy(table, line)
    return 0


def _commit(table: IptTable, changed: list[IptEntry] | None = None) -> None:
    err = table.check(changed or [])
    if err:
        raise commit_error(err)


def _entries(p: Process, table: IptTable, line: Line) -> list[IptEntry]:
    """The rules that the line describes, one for each pair of addresses."""
    base = line.entry
    if line.jumpto and line.target is None and line.jumpto not in VERDICTS:
        base.jump = table.chain(line.jumpto)
        if base.jump is None:
            if line.goto:
                raise problem(f"goto '{line.jumpto}' is not a chain")
            raise problem(f"Couldn't load target `{line.jumpto}':No such file or directory\n")
    elif line.target is None and line.jumpto:
        base.verdict = VERDICTS[line.jumpto]
    out: list[IptEntry] = []
    assert line.src is not None and line.dst is not None
    for s in line.src:
        for d in line.dst:
            r = IptEntry()
            r.src, r.smsk, r.dst, r.dmsk = s.addr, s.mask, d.addr, d.mask
            r.iniface, r.outiface, r.proto = base.iniface, base.outiface, base.proto
            r.flags, r.invflags = base.flags, base.invflags
            # state of a match (limit) belongs to one rule: every rule gets matches of its own
            r.matches = [m.xt() if not out else copy(m.xt()) for m in line.matches]
            r.target = line.target.xt() if line.target is not None else None
            r.jump, r.verdict = base.jump, base.verdict
            if line.counters is not None:
                r.pcnt, r.bcnt = line.counters
            out.append(r)
    return out


def _rule_command(p: Process, table: IptTable, line: Line) -> None:
    rules = _entries(p, table, line)
    for ext in [*line.matches, *([line.target] if line.target is not None else [])]:
        if ext.name in MODULE_OF:
            request_module(p.machine.modules, p.kernel, p.net, MODULE_OF[ext.name])
    name = line.chain or ""
    chain = table.chain(name)
    if chain is None:
        raise failed(NO_CHAIN)
    before = list(chain.rules)
    at = line.number - 1
    if line.command == "I":
        at = max(at, 0)
        if at > len(chain.rules):
            raise failed("Index of insertion too big.")
    elif line.command == "R" and at >= len(chain.rules):
        raise failed("Index of replacement too big.")
    for r in rules:
        if line.verbose:
            p.out(rule_text(r, table, "n" in line.options or True, table_form=False))
        if line.command == "A":
            chain.rules.append(r)
        elif line.command == "I":
            chain.rules.insert(at, r)
        elif line.command == "R":
            chain.rules[at] = r
        else:
            key = r.key()
            hit = next((i for i, x in enumerate(chain.rules) if x.key() == key), -1)
            if hit < 0:
                chain.rules = before
                raise failed(NO_RULE)
            if line.command == "D":
                del chain.rules[hit]
    if line.command == "C":
        return
    err = table.check([])
    if err:
        chain.rules = before
        table.check([])
        raise commit_error(err)


def _delete_number(table: IptTable, line: Line) -> None:
    chain = table.chain(line.chain or "")
    if chain is None:
        raise failed(NO_CHAIN)
    if line.number > len(chain.rules):
        raise failed("Index of deletion too big.")
    del chain.rules[line.number - 1]
    _commit(table)


def _chosen(table: IptTable, name: str | None) -> list[IptChain]:
    if name is None:
        return table.chains()
    chain = table.chain(name)
    if chain is None:
        raise failed(NO_CHAIN)
    return [chain]


def _zero(p: Process, table: IptTable, line: Line) -> None:
    chains = _chosen(table, line.chain)
    if line.number:
        if line.number > len(chains[0].rules):
            raise failed("Index of counter too big.")
        r = chains[0].rules[line.number - 1]
        r.pcnt = r.bcnt = 0
    else:
        for c in chains:
            if line.verbose and line.chain is None:
                p.out(f"Zeroing chain `{c.name}'\n")
            c.pcnt = c.bcnt = 0
            for r in c.rules:
                r.pcnt = r.bcnt = 0
    _commit(table)


def _flush(p: Process, table: IptTable, line: Line) -> None:
    for c in _chosen(table, line.chain):
        if line.verbose and line.chain is None:
            p.out(f"Flushing chain `{c.name}'\n")
        c.rules = []
    _commit(table)


def _delete_chain(p: Process, table: IptTable, line: Line) -> None:
    if line.chain is None:
        names = sorted(table.user)
    else:
        if any(c.name == line.chain for c in table.builtin):
            raise failed(INVALID)
        if line.chain not in table.user:
            raise failed(NO_CHAIN)
        names = [line.chain]
    for name in names:
        chain = table.user[name]
        if line.verbose and line.chain is None:
            p.out(f"Deleting chain `{name}'\n")
        if table.references(chain):
            raise failed("Too many links.")
        if chain.rules:
            raise failed("Directory not empty.")
        del table.user[name]
    _commit(table)


def _rename(table: IptTable, line: Line) -> None:
    if table.chain(line.second) is not None:
        raise failed("File exists.")
    chain = table.user.pop(line.chain or "", None)
    if chain is None:
        raise failed(NO_CHAIN)
    chain.name = line.second
    table.user[line.second] = chain
    _commit(table)


def _policy(table: IptTable, line: Line) -> None:
    chain = next((c for c in table.builtin if c.name == line.chain), None)
    if chain is None:
        raise failed("Bad built-in chain name.")
    if line.second not in ("ACCEPT", "DROP"):
        raise failed("Bad policy name. Run `dmesg' for more information.")
    chain.policy = VERDICTS[line.second]
    if line.counters is not None:
        chain.pcnt, chain.bcnt = line.counters
    _commit(table)


# --- listings -----------------------------------------------------------------------------------------------


def _count(n: int, exact: bool) -> str:
    """xtables_print_num: five columns, then K, M, G, T."""
    if exact:
        return f"{n:8d} "
    if n <= 99999:
        return f"{n:5d} "
    for unit in "KMG":
        n = (n + 500) // 1000
        if n <= 9999:
            return f"{n:4d}{unit} "
    return f"{(n + 500) // 1000:4d}T "


def _mask_text(mask: int) -> str:
    """ "" for a host, /bits, or /a.b.c.d for a mask with holes."""
    if mask == 0xFFFFFFFF:
        return ""
    bits = bin(mask).count("1")
    if mask == 0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF:
        return f"/{bits}"
    return "/" + ip4_str(mask)


def _address_text(addr: int, mask: int, numeric: bool) -> str:
    if mask == 0 and addr == 0:
        return "0.0.0.0/0" if numeric else "anywhere"
    host = "localhost" if addr == 0x7F000001 and not numeric and mask == 0xFFFFFFFF else ip4_str(addr)
    return host + _mask_text(mask)


def _target_name(r: IptEntry) -> str:
    if r.target is not None:
        return r.target.name
    if r.jump is not None:
        return r.jump.name
    return {NF_ACCEPT: "ACCEPT", NF_DROP: "DROP", XT_RETURN: "RETURN", FALLTHROUGH: ""}[r.verdict]


def rule_text(
    r: IptEntry,
    table: IptTable,
    numeric: bool,
    *,
    table_form: bool = True,
    number: int = 0,
    counts: bool = False,
    exact: bool = False,
) -> str:
    """print_firewall: a rule as a row of -L, or (`table_form` false) as -v -A shows it."""
    out = f"{number:<4d} " if number else ""
    if counts:
        out += _count(r.pcnt, exact) + _count(r.bcnt, exact)
    inv = r.invflags
    wide = table_form
    name = _target_name(r)
    out += f"{name:<9s} " if wide else f"{name} "
    named = not numeric or not table_form
    proto = protocol_name(r.proto) if r.proto and named else "all" if named else str(r.proto)
    out += "!" if inv & IPT_INV_PROTO else " "
    out += f"{proto:<4s} " if wide else f"{proto} opt "
    out += "--" if not r.flags & IPT_F_FRAG else "!f" if inv & IPT_INV_FRAG else "-f"
    out += " "
    if counts or not table_form:
        anyif = "*" if numeric or not table_form else "any"
        one = ("!" if inv & IPT_INV_VIA_IN else "") + (r.iniface or anyif)
        two = ("!" if inv & IPT_INV_VIA_OUT else "") + (r.outiface or anyif)
        out += f" {one:<6s} {two:<6s} " if wide else f"in {one} out {two} "
    src = _address_text(r.src, r.smsk, numeric or not table_form)
    dst = _address_text(r.dst, r.dmsk, numeric or not table_form)
    out += "!" if inv & IPT_INV_SRCIP else " "
    out += f"{src:<19s} " if wide else f"{src} "
    out += "!" if inv & IPT_INV_DSTIP else " "
    out += f"{dst:<19s} " if wide else f"-> {dst}  "
    if r.flags & IPT_F_GOTO:
        out += "[goto] "
    plain = numeric or not table_form
    for m in r.matches:
        if isinstance(m, MultiportMatch):
            out += MultiportExt.show_proto(m, plain, protocol_name(r.proto))
        else:
            out += MATCHES[m.name].show(m, plain)
    if r.target is not None:
        out += TARGETS[r.target.name].show(r.target, plain)
    return out + "\n"


def _list(p: Process, table: IptTable, line: Line) -> None:
    chains = _chosen(table, line.chain)
    if line.command == "S":
        _list_rules(p, chains, line)
        return
    numeric, exact, numbers = ("n" in line.options), ("x" in line.options), ("0" in line.options)
    verbose = line.verbose > 0
    for i, c in enumerate(chains):
        if i:
            p.out("\n")
        if not line.number:
            p.out(_header(table, c, verbose, exact, numbers))
        for n, r in enumerate(c.rules, 1):
            if line.number in (0, n):
                p.out(rule_text(r, table, numeric, number=n if numbers else 0, counts=verbose, exact=exact))


def _header(table: IptTable, c: IptChain, verbose: bool, exact: bool, numbers: bool) -> str:
    if c.hook >= 0:
        policy = "ACCEPT" if c.policy == NF_ACCEPT else "DROP"
        out = f"Chain {c.name} (policy {policy}"
        if verbose:
            out += f" {_count(c.pcnt, exact).strip()} packets, {_count(c.bcnt, exact).strip()} bytes"
        out += ")\n"
    else:
        out = f"Chain {c.name} ({table.references(c)} references)\n"
    if numbers:
        out += "num  "
    if verbose:
        out += "    pkts      bytes " if exact else " pkts bytes "
    out += "target     prot opt"
    if verbose:
        out += " in     out    "
    return out + f" {'source':<19s}  {'destination':<19s} \n"


def _list_rules(p: Process, chains: list[IptChain], line: Line) -> None:
    verbose = line.verbose > 0
    if not line.number:
        for c in chains:
            if c.hook >= 0:
                policy = "ACCEPT" if c.policy == NF_ACCEPT else "DROP"
                p.out(f"-P {c.name} {policy}" + (f" -c {c.pcnt} {c.bcnt}" if verbose else "") + "\n")
            else:
                p.out(f"-N {c.name}\n")
    for c in chains:
        for n, r in enumerate(c.rules, 1):
            if line.number in (0, n):
                p.out(save_text(r, c.name, verbose))


def save_text(r: IptEntry, chain: str, counters: bool = False) -> str:
    """A rule as -S shows it (and as a command line would make it again)."""
    inv = r.invflags
    out = f"-A {chain}"
    for addr, mask, bit, letter in (
        (r.src, r.smsk, IPT_INV_SRCIP, "s"),
        (r.dst, r.dmsk, IPT_INV_DSTIP, "d"),
    ):
        if mask or addr or inv & bit:
            out += f"{' !' if inv & bit else ''} -{letter} {ip4_str(addr)}{_mask_text(mask) or '/32'}"
    for name, bit, letter in ((r.iniface, IPT_INV_VIA_IN, "i"), (r.outiface, IPT_INV_VIA_OUT, "o")):
        if name not in ("", "+"):  # "+" compares nothing, and is not shown
            out += f"{' !' if inv & bit else ''} -{letter} {name}"
    if r.proto:
        out += f"{' !' if inv & IPT_INV_PROTO else ''} -p {protocol_name(r.proto)}"
    if r.flags & IPT_F_FRAG:
        out += f"{' !' if inv & IPT_INV_FRAG else ''} -f"
    for m in r.matches:
        out += f" -m {m.name}" + MATCHES[m.name].save(m)
    if counters:
        out += f" -c {r.pcnt} {r.bcnt}"
    name = _target_name(r)
    if name:
        out += f" -{'g' if r.flags & IPT_F_GOTO else 'j'} {name}"
    if r.target is not None:
        out += TARGETS[r.target.name].save(r.target)
    return out + "\n"
