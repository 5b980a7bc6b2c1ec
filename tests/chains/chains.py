"""Recorded and our own call chains as trees, and their normalisation.

Normalised: compiler suffixes stripped; below the first net_rx_action every `__common_interrupt` subtree and the
second poll that it causes dropped; names of not_modelled.txt removed, their children hoisted.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.kids: list[Node] = []


def parse(text: str) -> list[Node]:
    """Trees of an indented text, two blanks a level."""
    roots: list[Node] = []
    stack: list[Node] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        node = Node(re.sub(r"(\.(constprop|isra|part|cold)(\.\d+)?)+$", "", line.strip()))
        del stack[depth:]
        (stack[-1].kids if stack else roots).append(node)
        stack.append(node)
    return roots


def not_modelled() -> set[str]:
    text = (HERE / "not_modelled.txt").read_text()
    return {w for line in text.splitlines() if not line.startswith("#") for w in line.split()}


def _without(nodes: list[Node], names: set[str]) -> list[Node]:
    out: list[Node] = []
    for n in nodes:
        kids = _without(n.kids, names)
        if n.name in names:
            out.extend(kids)
        else:
            m = Node(n.name)
            m.kids = kids
            out.append(m)
    return out


def normalise(roots: list[Node], skip: set[str]) -> list[str]:
    """The lines that must match."""
    out: list[str] = []
    seen_rx = False
    dropped_irq = False

    def walk(nodes: list[Node], depth: int, below_rx: bool) -> None:
        nonlocal seen_rx, dropped_irq
        for n in nodes:
            if n.name == "__common_interrupt" and below_rx:
                dropped_irq = True
                continue
            if n.name == "__napi_schedule" and below_rx and depth > 4:
                continue  # napi_complete_done saw MISSED
            if n.name == "net_rx_action":
                if seen_rx:
                    continue  # the second poll
                seen_rx = True
                out.append("  " * depth + n.name)
                walk(n.kids, depth + 1, True)
                continue
            out.append("  " * depth + n.name)
            walk(n.kids, depth + 1, below_rx)

    walk(_without(roots, skip), 0, False)
    return _prune(out)


def _prune(lines: list[str]) -> list[str]:
    """Softirq entries that held nothing but the second poll go with it."""
    while True:
        for i, line in enumerate(lines):
            depth = len(line) - len(line.lstrip())
            nxt = lines[i + 1] if i + 1 < len(lines) else ""
            empty = len(nxt) - len(nxt.lstrip()) <= depth or not nxt
            if empty and line.strip() in ("run_ksoftirqd", "handle_softirqs", "irq_exit_rcu"):
                del lines[i]
                break
        else:
            return lines
