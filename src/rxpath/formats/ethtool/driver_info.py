"""`ethtool -i DEV`: driver, versions, where it sits (ETHTOOL_GDRVINFO)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines

FORMAT = "ethtool -i"


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """A field is None where this version of ethtool does not print the line."""

    driver: str
    version: str | None = ""
    firmware_version: str | None = ""
    expansion_rom_version: str | None = ""
    bus_info: str | None = ""
    supports_statistics: bool | None = False
    supports_test: bool | None = False
    supports_eeprom_access: bool | None = False
    supports_register_dump: bool | None = False
    supports_priv_flags: bool | None = False


_TEXTS = ("driver", "version", "firmware-version", "expansion-rom-version", "bus-info")
_FLAGS = ("statistics", "test", "eeprom-access", "register-dump", "priv-flags")


def parse(text: str) -> DriverInfo:
    """The output of any version.  FormatError otherwise."""
    seen: dict[str, str] = {}
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        key = key.strip()
        if not colon or (key not in _TEXTS and not key.startswith("supports-")):
            raise FormatError(FORMAT, number, f"expected 'key: value' of -i, found {shown(line)}")
        if key in seen:
            raise FormatError(FORMAT, number, f"{key} appears twice")
        seen[key] = value.strip()
        if key.startswith("supports-") and seen[key] not in ("yes", "no"):
            raise FormatError(FORMAT, number, f"expected yes or no, found {shown(seen[key])}")
    if "driver" not in seen:
        raise FormatError(FORMAT, 0, "no driver line")
    v = [seen.get(key) for key in _TEXTS]
    f = [seen[f"supports-{flag}"] == "yes" if f"supports-{flag}" in seen else None for flag in _FLAGS]
    return DriverInfo(seen["driver"], v[1], v[2], v[3], v[4], f[0], f[1], f[2], f[3], f[4])


def render(value: DriverInfo) -> str:
    texts = (value.driver, value.version, value.firmware_version, value.expansion_rom_version, value.bus_info)
    flags = (
        value.supports_statistics,
        value.supports_test,
        value.supports_eeprom_access,
        value.supports_register_dump,
        value.supports_priv_flags,
    )
    out = [f"{key}: {text}\n" for key, text in zip(_TEXTS, texts, strict=True) if text is not None]
    for key, flag in zip(_FLAGS, flags, strict=True):
        if flag is not None:
            out.append(f"supports-{key}: {'yes' if flag else 'no'}\n")
    return "".join(out)
