"""The result of a replay or a load for people: funnel, losses, latency, CPUs, counters.

What belongs here: layout. Every number comes from the result as `--json` prints it; nothing is computed but
shares.
"""

from __future__ import annotations

from typing import Any, Final

from rxpath.cli.terminal import Cell, Run, flow, table
from rxpath.units import human_bits, human_count, human_share, human_time

BOLD: Final = "bold"
DIM: Final = "dim"
BAD: Final = "red"
GOOD: Final = "green"
WARN: Final = "yellow"

FUNNEL_BAR: Final = 24
CPU_BAR: Final = 40
# key of the result, its letter in a plain bar, its style, its heading
CPU_PARTS: Final = (
    ("hardirq_ns", "H", "magenta", "hard IRQ"),
    ("softirq_ns", "S", "cyan", "softirq"),
    ("ksoftirqd_ns", "K", "blue", "ksoftirqd"),
    ("program_ns", "P", "green", "programs"),
    ("idle_ns", ".", "dim", "idle"),
)
LATENCIES: Final = (("wire_to_socket", "wire to socket"), ("wire_to_program", "wire to program"))
TCP_ROWS: Final = (
    ("read", "bytes read"),
    ("bytes", "bytes sent"),
    ("segments", "segments sent"),
    ("acks", "of them ACKs without data"),
    ("again", "of them with data sent before"),
    ("fins", "of them FINs"),
    ("resets", "resets sent"),
    ("resets_elsewhere", "resets to no conversation"),
)
TCP_COUNTS: Final = (
    ("acks_of_unsent_data", "acknowledgments of data that was not sent here"),
    ("congestion_windows_raised", "times the congestion window was raised to what the captured host sent"),
    ("unseen_bytes_sent_as_zeros", "bytes that the capture lacks sent as zeros"),
)
TCP_LISTED: Final = 8
# Groups that a reader who asked for no detail can do without.
DETAIL_GROUPS: Final = ("interrupts", "softirqs")


def lines(result: dict[str, Any], columns: int = 100, *, quiet: bool = False, verbose: bool = False) -> list[list[Run]]:
    """The whole page as lines of styled runs. `quiet`: funnel and losses only; `verbose`: everything."""
    page: list[list[Run]] = []
    if not quiet:
        page += headline(result)
    page += funnel(result["ledger"])
    page += losses(result["ledger"])
    if not quiet:
        page += sockets(result.get("sockets", []))
        page += conversations(result.get("tcp", {}), verbose)
        page += latency(result["latency_ns"])
        page += cpus(result["cpus"])
        page += counters(result["counters"], columns, verbose)
        page += notes(result.get("messages", []))
    return page


def _head(text: str, tail: str = "") -> list[Run]:
    return [(text, BOLD), (tail, "")]


def headline(result: dict[str, Any]) -> list[list[Run]]:
    """Which machine, how long."""
    config = result["config"]
    nics = config.get("nic") or [{}]
    nic = nics[0]
    model = nic.get("model", "?") + (f" {nic['variant']}" if nic.get("variant") else "")
    count = config.get("cpus", 1)
    parts = [f"Linux {config.get('release', '?')}", f"{count} CPU{'' if count == 1 else 's'}", model]
    addresses = nic.get("addresses")
    if addresses:
        parts.append(str(addresses[0]))
    link = config.get("run", {}).get("link_bps")
    if link:
        parts.append(f"{human_bits(link)} link")
    parts.append(f"{human_time(result['virtual_time_ns'])} of its time")
    return [[(", ".join(parts), "")], []]


def _bar(part: int, whole: int, length: int) -> str:
    if whole <= 0 or part <= 0:
        return ""
    return "#" * max(1, part * length // whole)


def funnel(ledger: dict[str, Any]) -> list[list[Run]]:
    """A row a stage: what came in, was dropped, was consumed, and went on."""
    wire = ledger["wire"]
    rows: list[list[Cell]] = [
        [[(text, DIM)] for text in ("", "in", "dropped", "consumed", "on", "")],
    ]
    for stage in ledger["stages"]:
        dropped, consumed = stage.get("dropped", 0), stage.get("consumed", 0)
        rows.append(
            [
                stage["stage"],
                human_count(stage["in"]),
                [(human_count(dropped), BAD)] if dropped else [("-", DIM)],
                human_count(consumed) if consumed else [("-", DIM)],
                human_count(stage["out"]),
                [(_bar(stage["out"], wire, FUNNEL_BAR), GOOD)],
            ]
        )
    page = [_head("Frames")]
    page += table(rows, "<>>>><")
    total = sum(row["count"] for row in ledger["dropped"])
    sums = (
        f"{human_count(wire)} on the wire = {human_count(ledger['delivered'])} delivered"
        f" + {human_count(ledger['consumed'])} consumed + {human_count(total)} dropped"
        f" + {human_count(ledger['in_flight'])} in flight"
    )
    page += [[("  " + sums, "")], []]
    return page


def losses(ledger: dict[str, Any]) -> list[list[Run]]:
    """What was dropped and why, what the kernel itself used, and what never was on the wire."""
    page: list[list[Run]] = []
    wire = ledger["wire"]
    total = sum(row["count"] for row in ledger["dropped"])
    if total:
        page.append(_head("Dropped", f"  {human_count(total)}, {human_share(total, wire)} of the wire"))
        rows: list[list[Cell]] = [[[(text, DIM)] for text in ("stage", "reason", "counter", "frames")]]
        rows += [
            [row["stage"], row["reason"], row["counter"], [(human_count(row["count"]), BAD)]]
            for row in ledger["dropped"]
        ]
        page += [*table(rows, "<<<>"), []]
    else:
        page += [_head("Dropped", "  nothing"), []]
    detail = ledger.get("consumed_by", [])
    if detail:
        page.append(_head("Consumed", "  used by the kernel itself"))
        page += table([[row["stage"], row["reason"], human_count(row["count"])] for row in detail], "<<>")
        page.append([])
    if ledger["in_flight"]:
        waiting = f"  {human_count(ledger['in_flight'])} frames waited for a reader or a queue when the run ended"
        page += [_head("In flight", waiting), []]
    missing = ledger.get("not_sent", [])
    if missing:
        kept = sum(row["count"] for row in missing)
        page.append(_head("Not sent", f"  {human_count(kept)} frames never were on this wire"))
        page += table([[row["reason"], human_count(row["count"])] for row in missing], "<>")
        page.append([])
    return page


def sockets(found: list[dict[str, Any]]) -> list[list[Run]]:
    """The readers, when there are few enough to name."""
    if not found or len(found) > 8:
        return []
    rows: list[list[Cell]] = [
        [
            f"{s['proto']}:{s['port']}",
            f"CPU {s['cpu']}" if s["readers"] == 1 else f"{s['readers']} readers, CPU {s['cpu']} on",
            f"read {human_count(s['read'])}" + (f" {s['unit']}" if "unit" in s else ""),
        ]
        for s in found
    ]
    return [_head("Programs"), *table(rows, "<<<"), []]


def conversations(found: dict[str, Any], verbose: bool) -> list[list[Run]]:
    """How far the host's TCP conversations went as they did in the capture."""
    if not found:
        return []
    restored = f", {human_count(found['restored'])} begun before it" if found["restored"] else ""
    head = f"  {human_count(found['whole'])} of {human_count(found['conversations'])} as in the capture{restored}"
    rows: list[list[Cell]] = [[[(text, DIM)] for text in ("", "here", "captured")]]
    for key, words in TCP_ROWS:
        here, captured = found["here_and_captured"][key]
        if here or captured:
            rows.append([words, human_count(here), human_count(captured)])
    page = [_head("TCP conversations", head), *table(rows, "<>>")]
    for key, words in TCP_COUNTS:
        if found[key]:
            page.append([(f"  {human_count(found[key])} {words}", "")])
    listed = found["differences"] if verbose else found["differences"][:TCP_LISTED]
    for row in listed:
        parts = [f"{what} {here} (captured {captured})" for what, (here, captured) in row["differs"].items()]
        page.append([(f"  {row['conversation']}  ", ""), (", ".join(parts), WARN)])
        page.append([("      " + row["reason"], DIM)])
    more = len(found["differences"]) - len(listed) + found["differences_left_out"]
    if more:
        page.append([(f"  and {human_count(more)} more conversations that differ", "")])
    page.append([])
    return page


def latency(found: dict[str, dict[str, int]]) -> list[list[Run]]:
    """Quantiles of the way from the wire."""
    rows: list[list[Cell]] = [[[(text, DIM)] for text in ("", "p50", "p99", "p99.9", "max", "frames")]]
    for name, words in LATENCIES:
        values = found.get(name)
        if values:
            times = [human_time(values[quantile]) for quantile in ("p50", "p99", "p99.9", "max")]
            rows.append([words, *times, human_count(values["count"])])
    if len(rows) == 1:
        return []
    return [_head("Latency"), *table(rows, "<>>>>>"), []]


def shares(values: list[int], length: int) -> list[int]:
    """`length` cells divided among the values; what is there gets the nearest count, and the sum is
    `length`.
    """
    whole = sum(values)
    if whole <= 0:
        return [0] * len(values)
    cells = [value * length // whole for value in values]
    rest = sorted(range(len(values)), key=lambda i: (-(values[i] * length % whole), i))
    for i in rest[: length - sum(cells)]:
        cells[i] += 1
    return cells


def cpus(found: list[dict[str, int]]) -> list[list[Run]]:
    """A bar a CPU."""
    if not found:
        return []
    rows: list[list[Cell]] = [
        [[("CPU", DIM)], *([(head, DIM)] for _, _, _, head in CPU_PARTS), [("", "")]],
    ]
    for row in found:
        values = [row[key] for key, _, _, _ in CPU_PARTS]
        whole = sum(values)
        cells = shares(values, CPU_BAR)
        bar: list[Run] = [("|", DIM)]
        bar += [(letter * n, style) for n, (_, letter, style, _) in zip(cells, CPU_PARTS, strict=True) if n]
        bar.append(("|", DIM))
        rows.append([str(row["cpu"]), *(human_share(value, whole) for value in values), bar])
    legend = "  ".join(f"{letter} {head}" for _, letter, _, head in CPU_PARTS)
    return [_head("CPUs", f"  {legend}"), *table(rows, ">>>>>><"), []]


def counters(found: dict[str, Any], columns: int, verbose: bool) -> list[list[Run]]:
    """The Linux counters that moved, by the file or command that shows them."""
    groups = {name: rows for name, rows in found.items() if verbose or name not in DETAIL_GROUPS}
    if not any(groups.values()):
        return []
    page = [_head("Counters that moved")]
    for group, rows in groups.items():
        items = [f"{name} +{human_count(n)}" if n >= 0 else f"{name} {human_count(n)}" for name, n in rows.items()]
        if items:
            page.append([("  " + source_of(group), DIM)])
            page += [[(line, "")] for line in flow(items, columns)]
    hidden = [name for name in found if name not in groups and found[name]]
    if hidden:
        page.append([(f"  (-v shows {' and '.join(hidden)} too)", DIM)])
    page.append([])
    return page


def source_of(group: str) -> str:
    """Where one would read a group's counters on Linux."""
    kind, _, device = group.partition(":")
    return {
        "snmp": "/proc/net/snmp",
        "netstat": "/proc/net/netstat",
        "softnet_stat": "/proc/net/softnet_stat",
        "softirqs": "/proc/softirqs",
        "interrupts": "/proc/interrupts",
        "net_dev": f"/proc/net/dev {device}",
        "ethtool": f"ethtool -S {device}",
    }.get(kind, group)


def notes(messages: list[str]) -> list[list[Run]]:
    """What was decided or reconstructed on the way."""
    return [_head("Notes"), *([("  " + message, "")] for message in messages)] if messages else []
