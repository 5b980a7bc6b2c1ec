"""Coverage-guided fuzzing of the parsers with atheris (the extra `fuzz`): `make fuzz`.

    python -m tools.fuzz_parsers [--seconds N] [TARGET...]

Each target runs in a process of its own for N seconds; an input that breaks it is kept by libFuzzer as crash-*.
Exit status: 0 nothing found, 1 a target failed, 2 atheris is not installed or a name is unknown.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path


def fuzz_one(name: str, seconds: int) -> None:
    """In the process of one target; ends by libFuzzer."""
    import atheris

    with atheris.instrument_imports(include=["rxpath"]):
        from tests.fuzz import targets

    with tempfile.TemporaryDirectory() as folder:
        for i, data in enumerate(targets.seeds(name)):
            (Path(folder) / f"seed{i}").write_bytes(data)
        limit = targets.options(name)["max_len"]
        args = [f"-max_total_time={seconds}", f"-max_len={limit}", "-timeout=20", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], folder, *args], targets.TARGETS[name])
        atheris.Fuzz()


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("targets", nargs="*")
    p.add_argument("--seconds", type=int, default=60, help="for each target (default %(default)s)")
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args(argv)
    if importlib.util.find_spec("atheris") is None:
        print("fuzz_parsers: atheris is not installed (pip install 'rxpath[fuzz]')", file=sys.stderr)
        return 2
    if a.one:
        fuzz_one(a.one, a.seconds)
        return 0
    from tests.fuzz.targets import TARGETS

    for name in a.targets:
        if name not in TARGETS:
            print(f"fuzz_parsers: no target {name}; there are {', '.join(sorted(TARGETS))}", file=sys.stderr)
            return 2
    bad = []
    for name in a.targets or sorted(TARGETS):
        done = subprocess.run(
            [sys.executable, "-m", "tools.fuzz_parsers", "--one", name, "--seconds", str(a.seconds)],
            capture_output=True,
            text=True,
        )
        runs = [line for line in done.stderr.splitlines() if "DONE" in line or "runs in" in line]
        print(f"{name:<18}{'ok' if done.returncode == 0 else 'FAILED':<8}{runs[-1] if runs else ''}", flush=True)
        if done.returncode:
            bad.append(name)
            print("\n".join([*done.stdout.splitlines()[-40:], *done.stderr.splitlines()[-8:]]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
