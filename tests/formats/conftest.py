"""Golden records: files of `# command` lines followed by what the command printed on a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent / "golden"


class Golden:
    """`golden.text(file, command)` -> what that command printed; `golden.commands(file)` -> all (command,
    text).
    """

    def commands(self, name: str) -> list[tuple[str, str]]:
        out: list[tuple[str, list[str]]] = []
        for line in (HERE / name).read_text().removesuffix("\n").split("\n"):
            if line.startswith("# "):
                out.append((line[2:], []))
            elif out:
                out[-1][1].append(line + "\n")
        return [(command, "".join(lines)) for command, lines in out]

    def text(self, name: str, command: str) -> str:
        for have, text in self.commands(name):
            if have == command:
                return text
        raise AssertionError(f"{name} has no command {command!r}")

    def raw(self, name: str) -> str:
        return (HERE / name).read_text()


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden()
