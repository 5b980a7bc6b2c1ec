"""/proc/net/fib_trie: the routing tables as the trie that Linux keeps them in.

What belongs here: building that trie from the tables (which are kept in fib.py in a form of their own) and its text.
Facts: net/ipv4/fib_trie.c from 4.0 on (level and path compressed; 3.13 inflates by the same shares).
"""

from __future__ import annotations

from typing import Final

from rxpath.net.ipv4.fib import (
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    FibAlias,
    fib_get_table,
)
from rxpath.net.ipv4.netns import Ipv4
from rxpath.wire.addr import ip4_str

KEYLENGTH: Final = 32
HALVE: Final = 25
INFLATE: Final = 50
HALVE_ROOT: Final = 15
INFLATE_ROOT: Final = 30
MAX_WORK: Final = 10

SCOPES: Final = {
    RT_SCOPE_UNIVERSE: "universe",
    200: "site",
    RT_SCOPE_LINK: "link",
    RT_SCOPE_HOST: "host",
    RT_SCOPE_NOWHERE: "nowhere",
}
TYPES: Final = (
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
)


class Node:
    """A leaf (`bits` 0: its key is an address with routes), or an inner node: `bits` of the key from `pos` on choose a
    child.
    """

    __slots__ = ("key", "pos", "bits", "child", "full", "empty", "aliases")

    def __init__(self, key: int, pos: int, bits: int) -> None:
        self.key = key >> (pos + bits) << (pos + bits) if bits else key
        self.pos = pos
        self.bits = bits
        self.child: list[Node | None] = [None] * (1 << bits) if bits else []
        self.full = 0
        self.empty = 1 << bits if bits else 0
        self.aliases: list[FibAlias] = []

    def index(self, key: int) -> int:
        return (key ^ self.key) >> self.pos

    def is_full(self, n: Node | None) -> bool:
        """An inner node that begins right where this one ends."""
        return n is not None and n.bits > 0 and n.pos + n.bits == self.pos

    def put(self, i: int, n: Node | None) -> None:
        old = self.child[i]
        if n is None and old is not None:
            self.empty += 1
        elif n is not None and old is None:
            self.empty -= 1
        self.full += int(self.is_full(n)) - int(self.is_full(old))
        self.child[i] = n


class Trie:
    """Insertion as Linux does it: the path is resized upwards from where a leaf came in."""

    def __init__(self) -> None:
        self.root: Node | None = None

    def insert(self, alias: FibAlias) -> None:
        key = alias.prefix
        path: list[Node] = []
        n = self.root
        while n is not None and n.bits:
            i = (key ^ n.key) >> n.pos
            if i >= 1 << n.bits:
                break
            path.append(n)
            n = n.child[i]
        if n is not None and not n.bits and n.key == key:
            n.aliases.append(alias)
            return
        leaf = Node(key, 0, 0)
        leaf.aliases.append(alias)
        if n is not None:
            at = (key ^ n.key).bit_length() - 1
            inner = Node(key, at, 1)
            inner.put(n.key >> at & 1, n)
            inner.put(key >> at & 1, leaf)
            self._hang(path, inner)
            path.append(inner)
        else:
            self._hang(path, leaf)
        self._rebalance(path)

    def _hang(self, path: list[Node], n: Node) -> None:
        if path:
            path[-1].put(path[-1].index(n.key), n)
        else:
            self.root = n

    def _rebalance(self, path: list[Node]) -> None:
        while path:
            tn = path.pop()
            new = self._resize(tn, not path)
            if path:
                path[-1].put(path[-1].index(tn.key), new)
            else:
                self.root = new

    def _resize(self, tn: Node, root: bool) -> Node | None:
        """`root`: whether the node has no parent; then the lower bounds count."""
        work = MAX_WORK
        inflated = False
        while work and self._should_inflate(tn, root):
            tn = self._inflate(tn)
            inflated = True
            work -= 1
        if inflated:
            return tn
        while work and self._should_halve(tn, root):
            tn = self._halve(tn)
            work -= 1
        return self._collapse(tn) if self._should_collapse(tn) else tn

    def _should_inflate(self, tn: Node, root: bool) -> bool:
        size = 1 << tn.bits
        used = size - tn.empty + tn.full
        threshold = (INFLATE_ROOT if root else INFLATE) * size
        return used > 1 and tn.pos > 0 and 50 * used >= threshold

    def _should_halve(self, tn: Node, root: bool) -> bool:
        size = 1 << tn.bits
        used = size - tn.empty
        threshold = (HALVE_ROOT if root else HALVE) * size
        return used > 1 and tn.bits > 1 and 100 * used < threshold

    def _should_collapse(self, tn: Node) -> bool:
        used = (1 << tn.bits) - tn.empty
        if tn.bits == KEYLENGTH:
            used -= 1
        return used < 2

    def _collapse(self, tn: Node) -> Node | None:
        return next((c for c in tn.child if c is not None), None)

    def _inflate(self, old: Node) -> Node:
        """Twice the children: full ones are cut in two."""
        tn = Node(old.key, old.pos - 1, old.bits + 1)
        for i, inode in enumerate(old.child):
            if inode is None:
                continue
            if not old.is_full(inode):
                tn.put(tn.index(inode.key), inode)
            elif inode.bits == 1:
                tn.put(2 * i, inode.child[0])
                tn.put(2 * i + 1, inode.child[1])
            else:
                half = len(inode.child) // 2
                zero = Node(inode.key, inode.pos, inode.bits - 1)
                one = Node(inode.key | 1 << tn.pos, inode.pos, inode.bits - 1)
                for j in range(half):
                    zero.put(j, inode.child[j])
                    one.put(j, inode.child[half + j])
                tn.put(2 * i, zero)
                tn.put(2 * i + 1, one)
        return self._resize_children(tn)

    def _halve(self, old: Node) -> Node:
        """Half the children: two that are there move under a node of their own."""
        tn = Node(old.key, old.pos + 1, old.bits - 1)
        for i in range(0, len(old.child), 2):
            a, b = old.child[i], old.child[i + 1]
            if a is None or b is None:
                tn.put(i // 2, a if a is not None else b)
                continue
            two = Node(a.key, old.pos, 1)
            two.put(0, a)
            two.put(1, b)
            tn.put(i // 2, two)
        return self._resize_children(tn)

    def _resize_children(self, tn: Node) -> Node:
        for i in range(len(tn.child) - 1, -1, -1):
            c = tn.child[i]
            if c is not None and tn.is_full(c):
                tn.put(i, self._resize(c, False))
        return tn


def _lines(n: Node, depth: int, out: list[str]) -> None:
    """fib_trie_seq_show: a level is three blanks."""
    if not n.bits:
        out.append("   " * depth + "  |-- " + ip4_str(n.key) + "\n")
        for a in sorted(n.aliases, key=lambda a: (32 - a.plen, a.tos, a.fi.priority)):
            tos = f" tos={a.tos}" if a.tos else ""
            scope = SCOPES.get(a.fi.scope, f"scope={a.fi.scope}")
            kind = TYPES[a.type] if a.type < len(TYPES) else f"type {a.type}"
            out.append("   " * (depth + 1) + f"  /{a.plen} {scope} {kind}{tos}\n")
        return
    out.append("   " * depth + f"  +-- {ip4_str(n.key)}/{KEYLENGTH - n.pos - n.bits} {n.bits} {n.full} {n.empty}\n")
    for c in n.child:
        if c is not None:
            _lines(c, depth + 1, out)


def fib_trie_text(ipv4: Ipv4) -> str:
    """Both tables.  While no rule separates them they are one trie, shown twice (3.13 has two tries)."""
    out: list[str] = []
    merged = ipv4.kernel.release.fib_merged
    local, main = fib_get_table(ipv4, RT_TABLE_LOCAL).aliases(), fib_get_table(ipv4, RT_TABLE_MAIN).aliases()
    for name, aliases in (("Main", local + main if merged else main), ("Local", local + main if merged else local)):
        trie = Trie()
        for a in sorted(aliases, key=lambda a: a.seq):
            trie.insert(a)
        out.append(name + ":\n")
        if trie.root is not None:
            _lines(trie.root, 0, out)
    return "".join(out)
