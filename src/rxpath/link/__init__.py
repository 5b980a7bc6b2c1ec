"""The cable and what hangs at its far end: captures, load generator, faults, pacing, TAP.

What belongs here: everything that makes frames arrive, as sources that can be wrapped in one another, and
the files they come from. What does not: what a host does with a frame. Imports `wire` only; `tap` alone
touches the system.
"""

from __future__ import annotations
