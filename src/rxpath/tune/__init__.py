"""Snapshots of hosts and what they mean: intake, doctor, lint, diff.

What belongs here: reading what an engineer has (a few texts from a production host), comparing two
moments, judging the movement by rules that are data, and writing machine files that resemble the host.
What does not: the formats of single files (formats/), printing to a terminal (cli/), and any model of a
card: a host is judged from its texts alone.
"""

from __future__ import annotations
