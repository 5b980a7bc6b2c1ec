"""/proc/net/stat/*_cache: one row of hex counters a CPU under a line of names (arp_cache, ndisc_cache,
rt_cache).

The column widths follow from the names: each number starts where its name starts (net/core/neighbour.c
`neigh_stat_seq_show`, net/ipv4/route.c `rt_cpu_seq_show`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, shown, split_lines, words

FORMAT = "net/stat"

ARP_CACHE: tuple[str, ...] = words(
    """
    entries allocs destroys hash_grows lookups hits res_failed rcv_probes_mcast rcv_probes_ucast
    periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
    """
)
RT_CACHE: tuple[str, ...] = words(
    """
    entries in_hit in_slow_tot in_slow_mc in_no_route in_brd in_martian_dst in_martian_src out_hit
    out_slow_tot out_slow_mc gc_total gc_ignored gc_goal_miss gc_dst_overflow in_hlist_search
    out_hlist_search
    """
)


@dataclass(frozen=True, slots=True)
class CacheStat:
    """`rows`: one tuple a CPU in the order of `names`; `entries` is the same in every row."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    def total(self, name: str) -> int:
        """Sum over the CPUs (of `entries`: the number, not the sum); 0 for a column that is not there."""
        if name not in self.names:
            return 0
        at = self.names.index(name)
        column = [row[at] for row in self.rows]
        return column[0] if name == "entries" and column else sum(column)


def parse(text: str) -> CacheStat:
    """The file of any release.  FormatError otherwise."""
    lines = split_lines(text)
    names = tuple(lines[0].split()) if lines else ()
    if not names or names[0] != "entries":
        raise FormatError(FORMAT, 1, "expected a line of column names that begins with 'entries'")
    rows: list[tuple[int, ...]] = []
    for number, line in enumerate(lines[1:], 2):
        w = line.split()
        if len(w) != len(names):
            raise FormatError(FORMAT, number, f"expected {len(names)} columns, found {shown(line)}")
        rows.append(tuple(hexadecimal(x, FORMAT, number) for x in w))
    return CacheStat(names, tuple(rows))


def render(value: CacheStat) -> str:
    widths = [max(8, len(n)) for n in value.names[:-1]] + [0]
    out = [" ".join(f"{n:<{w}s}" for n, w in zip(value.names, widths, strict=True))]
    for row in value.rows:
        out.append(" ".join(f"{f'{v:08x}':<{w}s}" for v, w in zip(row, widths, strict=True)))
    return "".join(line + "\n" for line in out)
