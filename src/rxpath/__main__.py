"""`python -m rxpath` is the command `rxpath`."""

from __future__ import annotations

from rxpath.cli.main import main

main()
