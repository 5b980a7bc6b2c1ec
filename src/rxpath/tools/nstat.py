"""nstat (iproute2): counters since it last ran, or -a since boot; its history is a file in the machine's /tmp."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from rxpath.formats import netstat, nstat, snmp
from rxpath.formats.line_pairs import LinePairs
from rxpath.kernel.errno import ENOTSUP
from rxpath.tools.process import Process, Usage

HISTORY = "/tmp/.nstat.u0"
USAGE = "Usage: nstat [OPTION] [ PATTERN [ PATTERN ] ]\n"


def main(p: Process, args: list[str]) -> int:
    """`nstat [-a] [-z] [-s] [-n] [-r] [-j] [PATTERN...]`"""
    flags = ""
    patterns: list[str] = []
    long = {
        "--ignore": "a",
        "--zeros": "z",
        "--noupdate": "s",
        "--nooutput": "n",
        "--reset": "r",
        "--json": "j",
    }
    for a in args:
        if a in long:
            flags += long[a]
        elif a == "--version":
            p.out("nstat utility, iproute2-6.1.0\n")
            return 0
        elif a.split("=")[0] in ("--scan", "--interval"):
            raise OSError(ENOTSUP, f"nstat {a.split('=')[0]}")
        elif a.startswith("--") and a != "--pretty":
            raise Usage(f"nstat: unrecognized option '{a}'\n{USAGE}", 255)
        elif a.startswith("-") and len(a) > 1:
            for c in a[1:]:
                if c == "V":
                    p.out("nstat utility, iproute2-6.1.0\n")
                    return 0
                if c in "td":
                    if a.endswith(c) and a == args[-1]:
                        raise Usage(f"nstat: option requires an argument -- '{c}'\n{USAGE}", 255)
                    raise OSError(ENOTSUP, f"nstat -{c}")
                if c not in "aznsrjp":
                    raise Usage(f"nstat: invalid option -- '{c}'\n{USAGE}", 255)
            flags += a[1:]
        else:
            patterns.append(a)
    pairs: list[LinePairs] = [
        snmp.parse(p.files.read("/proc/net/snmp")),
        netstat.parse(p.files.read("/proc/net/netstat")),
    ]
    now = nstat.from_files(pairs[0], {}, pairs[1], True).counters
    before: dict[str, int] = {}
    if "r" not in flags and "a" not in flags and p.files.exists(HISTORY):
        before = json.loads(p.files.read(HISTORY))
    if "n" not in flags:
        shown: dict[str, int] = {}
        for name, value in now.items():
            # a counter that is less than in the history was reset: shown as it is
            value -= before.get(name, 0) if value >= before.get(name, 0) else 0
            # nstat matches without regard to case; a pattern may stand anywhere
            if patterns and not any(fnmatchcase(name.lower(), x.lower()) for x in patterns):
                continue
            if value or "z" in flags:
                shown[name] = value
        result = nstat.Nstat(shown)
        p.out(nstat.render_json(result) if "j" in flags else nstat.render(result))
    if "s" not in flags:
        text = json.dumps(now)
        p.files.add(HISTORY, lambda: text)
    return 0
