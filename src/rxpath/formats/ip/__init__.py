"""Texts of the program ip (iproute2 6.1): link and addr, route, neigh, and its JSON."""

from __future__ import annotations
