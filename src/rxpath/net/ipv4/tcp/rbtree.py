"""The red-black tree of the out-of-order queue: only its shape.

What lives here: insertion below a given node, removal, replacement, as lib/rbtree.c balances them (the shape is that of
any textbook tree).  What does not: the order of segments and their merging (rcvq.py).  The shape shows on the wire:
tcp_data_queue_ofo looks for neighbours on its way down from the root only.
"""

from __future__ import annotations

from rxpath.net.core.skbuff import SkBuff


class RbNode:
    """One segment's place."""

    __slots__ = ("skb", "parent", "left", "right", "red")

    def __init__(self, skb: SkBuff) -> None:
        self.skb = skb
        self.parent: RbNode | None = None
        self.left: RbNode | None = None
        self.right: RbNode | None = None
        self.red = True


class RbTree:
    """`struct rb_root`."""

    __slots__ = ("root",)

    def __init__(self) -> None:
        self.root: RbNode | None = None

    def _swing(self, old: RbNode, new: RbNode | None) -> None:
        """`new` takes the place of `old` below its parent."""
        p = old.parent
        if p is None:
            self.root = new
        elif p.left is old:
            p.left = new
        else:
            p.right = new
        if new is not None:
            new.parent = p

    def _rotate(self, x: RbNode, left: bool) -> None:
        y = x.right if left else x.left
        assert y is not None
        inner = y.left if left else y.right
        if left:
            x.right = inner
        else:
            x.left = inner
        if inner is not None:
            inner.parent = x
        self._swing(x, y)
        if left:
            y.left = x
        else:
            y.right = x
        x.parent = y

    def insert(self, node: RbNode, parent: RbNode | None, right: bool) -> None:
        """rb_link_node and rb_insert_color."""
        node.parent = parent
        node.left = node.right = None
        node.red = True
        if parent is None:
            self.root = node
        elif right:
            parent.right = node
        else:
            parent.left = node
        while True:
            p = node.parent
            if p is None:
                node.red = False
                return
            if not p.red:
                return
            g = p.parent
            assert g is not None  # a red node is never the root
            p_left = g.left is p
            uncle = g.right if p_left else g.left
            if uncle is not None and uncle.red:
                p.red = uncle.red = False
                g.red = True
                node = g
                continue
            if (p.right if p_left else p.left) is node:
                self._rotate(p, p_left)
                p = node
            p.red = False
            g.red = True
            self._rotate(g, not p_left)
            return

    def replace(self, old: RbNode, new: RbNode) -> None:
        """rb_replace_node."""
        self._swing(old, new)
        new.left, new.right, new.red = old.left, old.right, old.red
        if new.left is not None:
            new.left.parent = new
        if new.right is not None:
            new.right.parent = new

    def erase(self, node: RbNode) -> None:
        """rb_erase."""
        if node.left is None or node.right is None:
            child = node.left if node.right is None else node.right
            parent = node.parent
            lost_black = not node.red
            self._swing(node, child)
        else:
            s = node.right
            while s.left is not None:
                s = s.left
            child = s.right
            lost_black = not s.red
            if s.parent is node:
                parent = s
            else:
                parent = s.parent
                self._swing(s, child)
                s.right = node.right
                s.right.parent = s
            self._swing(node, s)
            s.left = node.left
            s.left.parent = s
            s.red = node.red
        if lost_black:
            self._mend(child, parent)

    def _mend(self, x: RbNode | None, parent: RbNode | None) -> None:
        """The path through `x` below `parent` lacks a black node."""
        while parent is not None and (x is None or not x.red):
            left = parent.left is x
            w = parent.right if left else parent.left
            assert w is not None
            if w.red:
                w.red = False
                parent.red = True
                self._rotate(parent, left)
                w = parent.right if left else parent.left
                assert w is not None
            near = w.left if left else w.right
            far = w.right if left else w.left
            if (near is None or not near.red) and (far is None or not far.red):
                w.red = True
                x, parent = parent, parent.parent
                continue
            if far is None or not far.red:
                assert near is not None
                near.red = False
                w.red = True
                self._rotate(w, not left)
                w = parent.right if left else parent.left
                assert w is not None
                far = w.right if left else w.left
            assert far is not None
            w.red = parent.red
            parent.red = False
            far.red = False
            self._rotate(parent, left)
            return
        if x is not None:
            x.red = False
