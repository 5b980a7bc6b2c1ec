"""Knobs that are inert, gone or harmful on a release: data/lint.toml applied to sysctl files and snapshots.

Belongs here: settings only; what counters say is the doctor's.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from .expr import Value, compile_expr, evaluate
from .release import Kernel
from .rules import release_range
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class LintRule:
    """One line of the table.  `when` None = whatever the value is."""

    name: str
    releases: str
    kind: str
    reason: str
    source: str
    when: ast.expr | None


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark on one setting.  `certain` False when the release is not known and the rule is bound to
    one."""

    where: str
    line: int
    name: str
    value: str
    kind: str
    reason: str
    releases: str
    certain: bool

    def text(self) -> str:
        at = f"{self.where}:{self.line}" if self.line else self.where
        bound = "" if self.certain else f" (on {self.releases}; the release is not known: --release)"
        return f"{at}: {self.name} = {self.value}: {self.kind}: {self.reason}{bound}"


@cache
def table() -> tuple[LintRule, ...]:
    """The rules in the order of the file."""
    raw = tomllib.loads(resources.files("rxpath.tune").joinpath("data/lint.toml").read_text("utf-8"))
    out: list[LintRule] = []
    for r in raw["lint"]:
        release_range(r["releases"])
        when = compile_expr(r["when"]) if "when" in r else None
        out.append(LintRule(r["name"], r["releases"], r["class"], r["reason"], r["source"], when))
    return tuple(out)


def check(settings: Mapping[str, tuple[str, int]], kernel: Kernel | None, where: str) -> list[Remark]:
    """Remarks on settings (name -> value and line, 0 where there is none) in their order, for one release."""
    out: list[Remark] = []
    for name, (value, line) in settings.items():
        for rule in table():
            if rule.name != name:
                continue
            low, high = release_range(rule.releases)
            if kernel is not None and not low <= kernel.number <= high:
                continue
            if rule.when is not None and evaluate(rule.when, _lookup(value)).value is not True:
                continue
            certain = kernel is not None or rule.releases == "all"
            out.append(Remark(where, line, name, value, rule.kind, rule.reason, rule.releases, certain))
    return out


@dataclass(frozen=True, slots=True)
class _Numbers:
    value: str

    def __call__(self, name: str) -> Value:
        words = self.value.split()
        if not words or not all(re.fullmatch(r"-?\d{1,18}", w, re.ASCII) for w in words):
            return None
        return {"v": int(words[0]), "n": int(words[-1])}.get(name)


def _lookup(value: str) -> _Numbers:
    return _Numbers(value)


_LINE = re.compile(r"\s*-?\s*([A-Za-z0-9_][A-Za-z0-9_./:*-]*)\s*=\s*(.*?)\s*$", re.ASCII)


def read_settings(text: str) -> tuple[dict[str, tuple[str, int]], list[tuple[int, str]]]:
    """Settings of a sysctl.conf or `sysctl -a` text (name -> value, line), and lines that are neither
    setting nor comment."""
    out: dict[str, tuple[str, int]] = {}
    bad: list[tuple[int, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;" or line.startswith("sysctl:"):
            continue
        m = _LINE.match(line)
        if m is None:
            bad.append((number, line))
            continue
        name = m[1]
        if name.startswith("/proc/sys/"):
            name = name[len("/proc/sys/") :]
        if "/" in name and "." not in name.split("/")[0]:
            name = name.replace("/", ".")
        out[name] = (m[2], number)
    return out, bad


def check_snapshot(s: Snapshot, where: str) -> list[Remark]:
    """Settings of a running host, most of which nobody set: the defaults of a release are not remarked on."""
    settings = {n: (v, 0) for n, v in s.sysctls.items() if not _is_default(n, v)}
    # a file that is there is not gone, whatever the number in uname says (vendors carry features over)
    remarks = [r for r in check(settings, s.kernel(), where) if r.kind != "gone"]
    return remarks + _device_remarks(s, where)


# what kernels set by themselves: a running host that never was touched gets no remark
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "net.ipv4.tcp_low_latency": ("0",),
    "net.ipv4.tcp_adv_win_scale": ("1",),
    "net.ipv4.tcp_fack": ("0", "1"),
    "net.ipv4.ipfrag_secret_interval": ("0", "600"),
    "net.core.warnings": ("0", "1"),
    "net.core.flow_limit_table_len": ("4096", "8192"),
    "net.ipv4.tcp_tw_recycle": ("0",),
}


def _is_default(name: str, value: str) -> bool:
    return value in _DEFAULTS.get(name, ())


def _device_remarks(s: Snapshot, where: str) -> list[Remark]:
    out: list[Remark] = []
    entries = s.sysctl("net.core.rps_sock_flow_entries")
    flow_cnt = [p for p, v in s.paths.items() if p.endswith("/rps_flow_cnt") and v.strip() not in ("", "0")]
    if flow_cnt and entries == 0:
        out.append(
            Remark(
                where,
                0,
                flow_cnt[0],
                s.paths[flow_cnt[0]],
                "inert",
                "rps_flow_cnt does nothing while net.core.rps_sock_flow_entries is 0",
                "all",
                True,
            )
        )
    if entries and not flow_cnt and any(p.endswith("/rps_flow_cnt") for p in s.paths):
        out.append(
            Remark(
                where,
                0,
                "net.core.rps_sock_flow_entries",
                str(entries),
                "inert",
                "no receive queue has an rps_flow_cnt, so RFS is off",
                "all",
                True,
            )
        )
    for d in s.devices():
        masks = s.rps_masks(d) or ()
        cpus = s.online_cpus()
        for i, mask in enumerate(masks):
            off = [c for c in range(mask.bit_length()) if mask >> c & 1 and c not in cpus]
            if cpus and off:
                out.append(
                    Remark(
                        where,
                        0,
                        f"/sys/class/net/{d}/queues/rx-{i}/rps_cpus",
                        f"{mask:x}",
                        "inert",
                        f"CPU {off[0]} is not online: it gets no packets",
                        "all",
                        True,
                    )
                )
        defer = s.path_int(f"/sys/class/net/{d}/napi_defer_hard_irqs")
        timeout = s.path_int(f"/sys/class/net/{d}/gro_flush_timeout")
        if defer and timeout == 0:
            out.append(
                Remark(
                    where,
                    0,
                    f"/sys/class/net/{d}/napi_defer_hard_irqs",
                    str(defer),
                    "inert",
                    "does nothing while gro_flush_timeout is 0",
                    "all",
                    True,
                )
            )
        ring = s.ring(d)
        if (
            ring is not None
            and ring.current.rx is not None
            and ring.maximum.rx
            and ring.current.rx == ring.maximum.rx >= 8192
        ):
            out.append(
                Remark(
                    where,
                    0,
                    f"ethtool -g {d}",
                    str(ring.current.rx),
                    "harmful",
                    "a ring of that length does not fit the caches and is milliseconds of delay when full",
                    "all",
                    True,
                )
            )
    return out
