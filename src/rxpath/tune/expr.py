"""The small language of predicates in rules: numbers, names of facts, comparison, arithmetic, and/or/not.

Logic has three values: a fact that the texts do not tell is unknown (None), and unknown spreads unless the
rest decides (False and unknown = False).  `plausible(x)` takes unknown for true and remembers that it did.
 No attribute, index or call of anything else: a rule file cannot run code.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

Value = bool | int | float | str | None
Lookup = Callable[[str], Value]


class ExprError(ValueError):
    """A predicate that is not of the language; one line."""


@dataclass(slots=True)
class Result:
    """`value` True, False or None (unknown); `assumed` names taken for true though unknown; `unknown`
    names that were needed and are not known; `used` all names looked up, in order."""

    value: Value
    used: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


def compile_expr(text: str) -> ast.expr:
    """The checked tree of a predicate.  ExprError when it leaves the language."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExprError(f"not a predicate: {text.strip()[:60]!r} ({error.msg})") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in ("plausible", "known") or len(node.args) != 1:
                raise ExprError(f"only plausible(x) and known(x) may be called: {text.strip()[:60]!r}")
        elif not isinstance(
            node,
            (
                ast.BoolOp,
                ast.And,
                ast.Or,
                ast.UnaryOp,
                ast.Not,
                ast.USub,
                ast.Compare,
                ast.BinOp,
                ast.Add,
                ast.Sub,
                ast.Mult,
                ast.Div,
                ast.Name,
                ast.Load,
                ast.Constant,
                ast.Lt,
                ast.LtE,
                ast.Gt,
                ast.GtE,
                ast.Eq,
                ast.NotEq,
            ),
        ):
            raise ExprError(f"{type(node).__name__} is not of the language: {text.strip()[:60]!r}")
    return tree


def names_in(tree: ast.expr) -> tuple[str, ...]:
    """The facts that a predicate speaks of, in order, once each."""
    calls = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return tuple(dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in calls))


def evaluate(tree: ast.expr, lookup: Lookup) -> Result:
    """The value under a lookup of facts."""
    result = Result(None)
    result.value = _value(tree, lookup, result)
    return result


def _value(node: ast.expr, lookup: Lookup, r: Result) -> Value:
    if isinstance(node, ast.Constant):
        v = node.value
        return v if isinstance(v, (bool, int, float, str)) else None
    if isinstance(node, ast.Name):
        if node.id in ("true", "false"):
            return node.id == "true"
        got = lookup(node.id)
        if node.id not in r.used:
            r.used.append(node.id)
        if got is None and node.id not in r.unknown:
            r.unknown.append(node.id)
        return got
    if isinstance(node, ast.BoolOp):
        return _bool(node, lookup, r)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, lookup, r)
        if inner is None or isinstance(inner, str):
            return None
        return (not inner) if isinstance(node.op, ast.Not) else -inner
    if isinstance(node, ast.Compare):
        return _compare(node, lookup, r)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, lookup, r), _value(node.right, lookup, r)
        if left is None or right is None or isinstance(left, str) or isinstance(right, str):
            return None
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        return left / right if right else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        inner_result = Result(None)
        inner = _value(node.args[0], lookup, inner_result)
        r.used.extend(n for n in inner_result.used if n not in r.used)
        if node.func.id == "known":
            return inner is not None
        if inner is None:
            r.assumed.extend(n for n in inner_result.unknown if n not in r.assumed)
            return True
        return inner
    return None


def _bool(node: ast.BoolOp, lookup: Lookup, r: Result) -> Value:
    conjunction = isinstance(node.op, ast.And)
    seen_unknown = False
    kept = Result(None)
    for part in node.values:
        v = _value(part, lookup, kept)
        if v is None:
            seen_unknown = True
        elif bool(v) != conjunction:
            # decided whatever the rest says: nothing is missing for it
            r.used.extend(n for n in kept.used if n not in r.used)
            return not conjunction
    r.used.extend(n for n in kept.used if n not in r.used)
    r.unknown.extend(n for n in kept.unknown if n not in r.unknown)
    r.assumed.extend(n for n in kept.assumed if n not in r.assumed)
    return None if seen_unknown else conjunction


def _compare(node: ast.Compare, lookup: Lookup, r: Result) -> Value:
    left = _value(node.left, lookup, r)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, lookup, r)
        if left is None or right is None:
            return None
        if isinstance(op, ast.Eq):
            ok = left == right
        elif isinstance(op, ast.NotEq):
            ok = left != right
        elif isinstance(left, str) or isinstance(right, str):
            return None
        elif isinstance(op, ast.Lt):
            ok = left < right
        elif isinstance(op, ast.LtE):
            ok = left <= right
        elif isinstance(op, ast.Gt):
            ok = left > right
        else:
            ok = left >= right
        if not ok:
            return False
        left = right
    return True
