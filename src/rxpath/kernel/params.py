"""Module parameters: declared with a default, given at load (`IntMode=1`), shown in
/sys/module/NAME/parameters.
"""

from __future__ import annotations

from difflib import get_close_matches


class ParamError(ValueError):
    """An unknown parameter or a value that is not one; the message is one line."""


class ModuleParams:
    """Parameters of one module.  Values are ints or lists of ints (one a board, as e1000e's)."""

    __slots__ = ("module", "given", "declared")

    def __init__(self, module: str, given: dict[str, str] | None = None) -> None:
        self.module = module
        self.given = dict(given or {})
        self.declared: dict[str, str] = {}

    def declare(self, name: str, description: str) -> None:
        self.declared[name] = description

    def check(self) -> None:
        """Raise ParamError for a given parameter that the module does not declare."""
        for name in self.given:
            if name not in self.declared:
                near = get_close_matches(name, list(self.declared), 1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise ParamError(f"{self.module}: unknown parameter '{name}'{hint}")

    def ints(self, name: str) -> list[int]:
        """The given values (comma separated; hex allowed), an empty list when not given."""
        text = self.given.get(name)
        if text is None:
            return []
        try:
            return [int(w, 0) for w in str(text).split(",")]
        except ValueError:
            raise ParamError(f"{self.module}: '{text}' invalid for parameter '{name}'") from None

    def int_of(self, name: str, board: int, default: int) -> int:
        """The value for board number `board`, or `default`."""
        values = self.ints(name)
        return values[board] if board < len(values) else default
