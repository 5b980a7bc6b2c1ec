"""Named facts about a pair of snapshots, for the predicates and texts of rules.

What belongs here: computing one value from the texts, with its evidence (file, counter, movement) or
the command that would tell it.  What does not: thresholds and judgement, which are in the rules
(data/rules.toml).

Scopes: host, device, cpu, socket, one module each.  A narrower scope sees the host's facts too.  A fact
is unknown (value None) where the texts do not tell; it never raises.
"""

from __future__ import annotations

from . import cpu, device, host, socket
from .base import FACTS, Evidence, Fact, FactInfo, View, udp_sockets

__all__ = ["FACTS", "Evidence", "Fact", "FactInfo", "View", "cpu", "device", "host", "socket", "udp_sockets"]
