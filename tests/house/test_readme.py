"""The README's output is real: each of its command blocks, run again, prints what stands there.

`RXPATH_UPDATE=1 pytest tests/house/test_readme.py` writes today's output into the README, as many lines as stand there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
# an indented command line, a fenced block without a language after it
SHOWN = re.compile(r"^    \.venv/bin/(rxpath [^\n]+)\n\n```\n(.*?)```$", re.M | re.S)
BLOCKS = SHOWN.findall(README.read_text())


def test_there_are_blocks_to_check() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[c for c, _ in BLOCKS])
def test_the_readme_shows_what_the_command_prints(command: str, shown: str) -> None:
    words = ["bash", "-c", f"rxpath() {{ '{sys.executable}' -m rxpath \"$@\"; }}; {command}"]
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    done = subprocess.run(words, cwd=ROOT, env=env, text=True, capture_output=True, check=True, timeout=300)
    lines = shown.splitlines()
    printed = done.stdout.splitlines()[: len(lines)]
    if os.environ.get("RXPATH_UPDATE"):
        README.write_text(README.read_text().replace(shown, "\n".join(printed) + "\n"))
    else:
        assert printed == lines
