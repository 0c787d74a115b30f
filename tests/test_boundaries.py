"""Who may import whom, read from the sources and proved in running processes."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
QT = {"qtpy", "PySide6", "napari", "vispy", "superqt", "qtawesome", "pyqtgraph"}
WORKER_SIDE = {"task", "model", "prepare", "data", "train", "evaluate", "read", "write"}
SOURCES = sorted(
    path for room in ("gui", "inference", "plugins") for path in (ROOT / room).rglob("*.py")
)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(path): path for path in SOURCES}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports when it runs, at its top or in a function."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            pending.extend(ast.iter_child_nodes(node))


def forbidden(path: Path) -> set[str]:
    """The packages, or first two parts of plugins, that a file must not import."""
    room, *rest = path.relative_to(ROOT).parts
    others = {f"plugins.{folder.name}" for folder in (ROOT / "plugins").iterdir()}
    if room == "inference":
        return QT | others | {"gui", "app", "tests"}
    if room == "gui":
        return others | {"torch", "app", "tests"}
    others -= {f"plugins.{rest[0]}"}
    if _of_window(path):
        return others | {"torch", "app", "tests"}
    return others | QT | {"gui", "app", "tests"}


def _of_window(path: Path) -> bool:
    """Whether a plugin's file serves its widget: it says so by importing gui or Qt."""
    roots = {name.partition(".")[0] for name in imports(path)}
    return path.stem not in WORKER_SIDE and bool(roots & (QT | {"gui"}))


def ours(path: Path) -> set[Path]:
    """The files of ours that a file imports, at its top or in a function."""
    names = {part for name in imports(path) for part in (name, name.rpartition(".")[0])}
    return {FILES[name] for name in names & FILES.keys()}


def reached(path: Path) -> set[Path]:
    """A file and all that it may bring into its process, by way of others too."""
    found, pending = {path}, [path]
    while pending:
        new = ours(pending.pop()) - found
        found |= new
        pending += new
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_go_one_way(path: Path) -> None:
    found = set(imports(path))
    parts = {name.partition(".")[0] for name in found}
    pairs = {".".join(name.split(".")[:2]) for name in found}
    assert not (parts | pairs) & forbidden(path)


def test_what_a_worker_runs_never_reaches_the_window() -> None:
    """A file that imports neither Qt nor gui does not come to it by way of another."""
    window = {path for path in SOURCES if path.is_relative_to(ROOT / "gui") or _of_window(path)}
    workers = [path for path in SOURCES if path not in window]
    assert not [module_of(path) for path in workers if reached(path) & window]


def test_plugins_are_a_namespace() -> None:
    assert not (ROOT / "plugins" / "__init__.py").exists()


def loaded(modules: list[str], unwanted: set[str]) -> str:
    """Import modules one after the other in a fresh process: the first that brings what where."""
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
    if found := {unwanted} & set(sys.modules):
        print(name, "loads", found)
        break
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def modules(*patterns: str) -> list[str]:
    return [module_of(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def test_the_window_never_loads_torch() -> None:
    assert loaded(modules("gui/*.py", "plugins/*/widget.py"), {"torch"}) == ""


def test_naming_the_tasks_and_readers_loads_neither_torch_nor_qt() -> None:
    names = [*modules("plugins/*/task.py", "plugins/*/read.py"), "inference.client"]
    assert loaded(names, QT | {"torch"}) == ""


def test_the_command_line_starts_light() -> None:
    """Spawned processes import it too."""
    assert loaded(modules("app.py"), QT | {"torch", "numpy"}) == ""


def test_inference_never_loads_qt() -> None:
    assert loaded(modules("inference/*.py"), QT) == ""
