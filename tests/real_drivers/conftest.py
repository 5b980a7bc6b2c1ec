"""Makes the adapter (bench.py) and the table of chips (chips.py) importable by the tests beside them."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
