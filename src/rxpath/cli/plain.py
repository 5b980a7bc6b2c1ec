"""Options are texts: they need no conversion, and so no pydantic, whose import costs as much as a machine's boot.

What belongs here: telling typer so. Where a version of typer has another inside, nothing happens and it converts.
"""

from __future__ import annotations

from typing import Any, Final

# annotations whose values are what the command line has
TEXTS: Final[tuple[Any, ...]] = (str, list[str], bool)
NOT_THERE: Final = object()


class PlainParam:
    """Stands in for typer's runtime coercion of a parameter: the value stays as it is."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """None stays None (no values at all for a list); a tuple becomes a list."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        return list(value) if isinstance(value, tuple) else value


def without_conversion(command: Any, settings: dict[str, Any]) -> Any:
    """The command (or group with its commands), whose text parameters and flags are taken as they come.

    `settings`: the application's context settings; a command makes its help option from them, once.
    """
    for inner in getattr(command, "commands", {}).values():
        without_conversion(inner, settings)
    context = command.context_class(command, **settings)
    for param in command.get_params(context):
        kind = getattr(param, "type_descriptor", None)
        if kind is not None and kind.annotation in TEXTS and getattr(param, "_runtime_param", NOT_THERE) is None:
            param._runtime_param = PlainParam()
    return command
