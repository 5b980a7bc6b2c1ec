"""The house keeps its shape: layers, drivers and device models that do not know each other, nothing of
Linux's own outside the rooms that talk to a real Linux, and no machine paths in the repository's texts.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

REPO = Path(__file__).resolve().parents[2]
SRC = REPO / "src" / "rxpath"

# What drivers and device models may share: the PCI driver model, the DCA notifiers and small helpers; the base classes
# and engines that belong to no chip.
SHARED = {
    "rxpath.drivers": {"dca", "lib", "pci"},
    "rxpath.hw.nic": {"base", "flow_director", "intel", "mii", "offload"},
}
# Rooms that talk to a real Linux, and only run there.
LINUX_ROOMS = (
    "link/tap.py",
    "live/",
    "tools/exec",
    "tools/mount",
    "tools/ioctl_server",
    "conform/",
    "packetdrill/kernel_host",
    "tune/collect",
)
LINUX_ONLY = {"fcntl", "termios", "pty", "tty", "resource", "pwd", "grp"}


@cache
def graph():
    return grimp.build_graph("rxpath", cache_dir=None)


def test_layers():
    assert lint_imports(config_filename=str(REPO / "pyproject.toml"), no_cache=True) == 0


def test_a_wrong_import_is_found():
    """The contract can fail: one import upwards, put into the graph, breaks the layers."""
    found = grimp.build_graph("rxpath", cache_dir=None)
    layers = ["cli", "kernel", "sim"]
    assert not found.find_illegal_dependencies_for_layers(layers, containers={"rxpath"})
    found.add_import(importer="rxpath.sim.engine", imported="rxpath.kernel.core")
    assert found.find_illegal_dependencies_for_layers(layers, containers={"rxpath"})


def imports_between_siblings(parent: str, shared: set[str], found) -> list[str]:
    """Imports from below one child of `parent` to below another that is not in `shared`."""
    if parent not in found.modules:
        return []
    wrong = []
    for module in sorted(found.find_descendants(parent)):
        child = module[len(parent) + 1 :].split(".")[0]
        for imported in sorted(found.find_modules_directly_imported_by(module)):
            if not imported.startswith(parent + "."):
                continue
            other = imported[len(parent) + 1 :].split(".")[0]
            if other != child and other not in shared:
                wrong.append(f"{module} imports {imported}")
    return wrong


@pytest.mark.parametrize("parent", sorted(SHARED))
def test_siblings_do_not_know_each_other(parent):
    assert imports_between_siblings(parent, SHARED[parent], graph()) == []


def test_a_sibling_import_is_found():
    found = grimp.build_graph("rxpath", cache_dir=None)
    for module in ("rxpath.drivers", "rxpath.drivers.a1", "rxpath.drivers.a1.main", "rxpath.drivers.b2"):
        found.add_module(module)
    found.add_import(importer="rxpath.drivers.a1.main", imported="rxpath.drivers.b2")
    assert "rxpath.drivers.a1.main imports rxpath.drivers.b2" in imports_between_siblings(
        "rxpath.drivers", {"pci"}, found
    )


def test_drivers_meet_devices_only_through_the_bus():
    """Of the device side a driver knows the base class alone, the form of BAR and config accesses."""
    found = graph()
    wrong = [
        f"{module} imports {imported}"
        for module in sorted(found.modules)
        if module.startswith("rxpath.drivers.")
        for imported in sorted(found.find_modules_directly_imported_by(module))
        if imported.startswith("rxpath.hw.nic") and imported != "rxpath.hw.nic.base"
    ]
    assert wrong == []


def sources() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def test_only_few_rooms_import_what_only_linux_has():
    wrong = []
    for path in sources():
        name = path.relative_to(SRC).as_posix()
        if name.startswith(LINUX_ROOMS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            wrong += [f"{name}:{node.lineno} imports {m}" for m in modules if m.split(".")[0] in LINUX_ONLY]
    assert wrong == []


def test_the_command_line_starts_without_the_heavy_rooms():
    """`rxpath --version` must not load the kernel, rich or the parsers: what a command needs it imports
    itself.
    """
    code = (
        "import sys\n"
        "import rxpath.cli.main\n"
        "heavy = [m for m in sys.modules if m.startswith(('rich', 'pydantic', 'rxpath.kernel', 'rxpath.net',"
        " 'rxpath.hw', 'rxpath.machine', 'rxpath.tune', 'greenlet'))]\n"
        "sys.exit(' '.join(sorted(heavy)[:8]) if heavy else 0)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(REPO / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_every_file_opens_with_a_docstring():
    silent = [
        path.relative_to(SRC).as_posix()
        for path in sources()
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_no_module_holds_state():
    """Module-level names are constants, classes and functions: no `global` statement anywhere."""
    wrong = [
        f"{path.relative_to(SRC).as_posix()}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Global)
    ]
    assert wrong == []


def test_texts_speak_of_the_project_alone():
    """No path of a machine that somebody worked on stands in code, docs or configuration."""
    machine_path = re.compile(r"(?<![\w.])/(work|opt)/|\.\./shared/")
    listing = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("no git checkout")
    wrong = []
    for name in listing.stdout.splitlines():
        path = REPO / name
        if path.suffix not in (".py", ".md", ".toml", ".sh", ".c", "") or path == Path(__file__).resolve():
            continue
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        wrong += [f"{name}:{text[: m.start()].count(chr(10)) + 1}" for m in machine_path.finditer(text)]
    assert wrong == []
