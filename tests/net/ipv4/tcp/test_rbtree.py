"""The tree of the out-of-order queue: order and balance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxpath.net.ipv4.tcp.rbtree import RbNode, RbTree


class Key:
    """Stands for a segment."""

    def __init__(self, n: int) -> None:
        self.n = n


def add(tree: RbTree, n: int) -> RbNode:
    node = RbNode(Key(n))  # type: ignore[arg-type]
    at, parent, right = tree.root, None, False
    while at is not None:
        parent = at
        right = n >= at.skb.n  # type: ignore[attr-defined]
        at = at.right if right else at.left
    tree.insert(node, parent, right)
    return node


def check(node: RbNode | None, parent: RbNode | None, out: list[int]) -> int:
    """Black height; the keys in order."""
    if node is None:
        return 0
    assert node.parent is parent
    assert not (node.red and parent is not None and parent.red)
    a = check(node.left, node, out)
    out.append(node.skb.n)  # type: ignore[attr-defined]
    b = check(node.right, node, out)
    assert a == b
    return a + (not node.red)


@given(st.lists(st.integers(0, 99), max_size=60), st.lists(st.integers(0, 59), max_size=60), st.booleans())
def test_stays_a_red_black_tree(keys: list[int], gone: list[int], swap: bool) -> None:
    tree = RbTree()
    nodes = [add(tree, n) for n in keys]
    if swap and nodes:
        new = RbNode(nodes[0].skb)
        tree.replace(nodes[0], new)
        nodes[0] = new
    for i in gone:
        if nodes:
            tree.erase(nodes.pop(i % len(nodes)))
        out: list[int] = []
        check(tree.root, None, out)
        assert out == sorted(x.skb.n for x in nodes)  # type: ignore[attr-defined]
        assert tree.root is None or not tree.root.red


def test_three_in_reverse_have_the_middle_on_top() -> None:
    tree = RbTree()
    for n in (3, 2, 1):
        add(tree, n)
    assert tree.root is not None
    assert tree.root.skb.n == 2  # type: ignore[attr-defined]
