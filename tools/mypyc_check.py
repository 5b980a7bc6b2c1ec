"""Compile the hot rooms with mypyc in a scratch copy and run their tests against the compiled modules.

The code is written to run as it stands; that the same files also compile is a property worth keeping, so it
is tried on every change. Exit status: 0 compiled and passed, 1 a test failed, 2 it did not compile.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ["sim", "kernel"]
TESTS = ["sim", "kernel"]

SETUP = """\
from setuptools import setup
from mypyc.build import mypycify
setup(name="rxpath-compiled", ext_modules=mypycify({args!r}, opt_level={opt!r}, strip_asserts=False))
"""

# Asked of a fresh interpreter: were the compiled modules, and not the plain files beside them, imported?
PROBE = """\
import importlib, sys
names = sys.argv[1:]
plain = [n for n in names if not importlib.import_module(n).__file__.endswith(('.so', '.pyd'))]
sys.exit('mypyc: these were imported uncompiled: ' + ' '.join(plain) if plain else 0)
"""


def modules_of(packages: list[str], src: Path) -> list[Path]:
    """The modules to compile, sorted; package __init__ files and tables of registers stay plain: they hold
    a docstring and names, which some take from others by `import *`.
    """
    found: list[Path] = []
    for package in packages:
        folder = src / "rxpath" / package
        if not folder.exists():
            raise SystemExit(f"mypyc: no such package: {package}")
        found += [p for p in sorted(folder.rglob("*.py")) if p.name != "__init__.py" and p.parent.name != "regs"]
    return found


PLAIN_BASES = {"NamedTuple", "Protocol", "TypedDict", "Enum", "IntEnum", "IntFlag", "Flag"}
# What mypyc lets a compiled class inherit from among the built-in classes.
COMPILABLE_BUILTINS = {"object", "Exception", "BaseException", "dict"}


def open_to_plain_subclasses(path: Path) -> None:
    """In the scratch copy only: let rooms and tests that stay plain Python subclass this module's classes.

    The classes of the house are written to be subclassed from other rooms (a driver's NAPI, a test's probe).
    Compiled, they need to be told so; classes that mypyc cannot make native (errors that inherit from a
    built-in one) are told to stay plain.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    found = False
    for node in sorted(ast.walk(ast.parse(text)), key=lambda n: -getattr(n, "lineno", 0)):
        if not isinstance(node, ast.ClassDef) or node.decorator_list or node.col_offset:
            continue
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        if bases & PLAIN_BASES:
            continue
        plain = bases & set(dir(builtins)) - COMPILABLE_BUILTINS
        how = "native_class=False" if plain else "allow_interpreted_subclasses=True"
        lines.insert(node.lineno - 1, f"@mypyc_attr({how})")
        found = True
    if found:
        at = lines.index("from __future__ import annotations")
        lines.insert(at + 1, "from mypy_extensions import mypyc_attr")
        path.write_text("\n".join(lines), encoding="utf-8")


def main() -> int:
    """Returns the exit status: 0 all compiled and passed, 1 a test failed, 2 it did not compile."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--packages", default=",".join(PACKAGES), help="rooms to compile, with commas")
    parser.add_argument("--tests", default=",".join(TESTS), help="folders under tests/ to run")
    parser.add_argument("--keep", action="store_true", help="leave the scratch copy and print its place")
    parser.add_argument("-O", dest="opt", default="0", help="optimisation of the C compiler (default 0)")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="rxpath-mypyc-"))
    try:
        return check(scratch, options.packages.split(","), options.tests.split(","), options.opt)
    finally:
        if options.keep:
            print(f"mypyc: kept {scratch}", file=sys.stderr)
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def check(scratch: Path, packages: list[str], tests: list[str], opt: str) -> int:
    ignore = shutil.ignore_patterns("__pycache__", "*.so", ".hypothesis")
    shutil.copytree(REPO / "src", scratch / "src", ignore=ignore)
    shutil.copytree(REPO / "tests", scratch / "tests", ignore=ignore)
    if (REPO / "captures").exists():
        shutil.copytree(REPO / "captures", scratch / "captures")
    shutil.copy(REPO / "pyproject.toml", scratch / "pyproject.toml")
    src = scratch / "src"
    modules = modules_of(packages, src)
    for module in modules:
        open_to_plain_subclasses(module)
    args = ["--strict", "--follow-imports=silent", *(str(p.relative_to(src)) for p in modules)]
    (src / "setup.py").write_text(SETUP.format(args=args, opt=opt))

    env = dict(os.environ, PYTHONPATH=str(src), MYPYPATH=str(src))
    env.pop("RXPATH_PURE", None)
    began = time.monotonic()
    build = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=src,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if build.returncode != 0:
        print(build.stdout)
        print(f"mypyc: {', '.join(packages)} did not compile", file=sys.stderr)
        return 2
    took = time.monotonic() - began
    print(f"mypyc: {len(modules)} modules of {', '.join(packages)} compiled in {took:.0f} s", flush=True)

    names = [".".join(p.relative_to(src).with_suffix("").parts) for p in modules]
    probe = subprocess.run([sys.executable, "-c", PROBE, *names], env=env, cwd=scratch, check=False)
    if probe.returncode != 0:
        return 2
    folders = [f"tests/{t}" for t in tests if (scratch / "tests" / t).exists()]
    if not folders:
        print(f"mypyc: none of tests/{{{','.join(tests)}}} is there", file=sys.stderr)
        return 2
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", *folders], cwd=scratch, env=env, check=False)
    return 0 if run.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
