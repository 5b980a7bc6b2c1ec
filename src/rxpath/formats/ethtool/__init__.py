"""Texts of the program ethtool, one module an output; renderers print as ethtool 6.1, parsers accept other
versions.
"""

from __future__ import annotations
