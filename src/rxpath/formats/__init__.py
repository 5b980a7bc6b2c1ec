"""Texts of /proc, /sys and the usual tools, both ways: `parse(text)` and `render(value, layout)`.

What belongs here: one module a file, named after the file (`softnet_stat`, `interrupts`, `net_dev`, ...), or
after the tool (`ethtool/`, `ip/`, `ss`, `nstat`).  A value class is plain frozen data in the units that Linux
prints.  A module knows one text and nothing else: no machine, no files, no state.

What does not belong here: where the numbers come from (kernel/, net/, drivers/), file trees and permissions
(kernel/files), option parsing of the commands (tools/), judgement of the numbers (tune/).

Releases differ by *layout*: a small frozen description (number of columns, names of counters, padding) that
the caller passes to `render`.  `layouts.LAYOUTS` holds the ones known by name; no function here tests a
release number.

Manners: `parse` raises only `FormatError`, one line that names the format and the line; it takes texts of any
release, with or without the last newline, with CRLF.  `render(parse(text), layout)` gives back a real
kernel's text byte for byte.
"""

from __future__ import annotations

from .errors import FormatError

__all__ = ["FormatError"]
