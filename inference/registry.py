"""What the plugins offer, read from their manifests: tasks, readers, ways to learn."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import yaml

from inference.resources import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from inference.learning import Learning
    from inference.reading import Reader
    from inference.tasks import Task


def manifests() -> list[Path]:
    """Every plugin's napari.yaml."""
    return sorted(ROOT.glob("plugins/*/napari.yaml"))


@cache
def tasks() -> dict[str, Task]:
    """Every vertical's `Task` by name."""
    return {task.name: task for task in contributed(".task")}


@cache
def readers() -> tuple[Reader, ...]:
    """Every plugin's `Reader`, those that look into a file before those that trust its name."""
    return tuple(sorted(contributed(".read_series"), key=lambda reader: reader.rank))


@cache
def learnings() -> dict[str, Learning]:
    """How a task learns from corrections, by its name."""
    return {learning.task: learning for learning in contributed(".learning")}


def command(identifier: str) -> Any:
    """What the command with this id in a plugin's manifest names."""
    return load(next(name for command, name, _ in _commands() if command == identifier))


def titled(ending: str) -> dict[str, str]:
    """What each command whose id ends so names, by the command's title."""
    return {title: name for command, name, title in _commands() if command.endswith(ending)}


def load(name: str) -> Any:
    """What "package.module:attribute" names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def contributed(ending: str) -> list[Any]:
    """What each command whose id ends so names."""
    return [load(name) for command, name, _ in _commands() if command.endswith(ending)]


@cache
def _commands() -> tuple[tuple[str, str, str], ...]:
    """(id, python_name, title) of every command; plain YAML: npe2's check slows every start."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(
        (command["id"], command["python_name"], command["title"])
        for path in manifests()
        for command in yaml.load(path.read_bytes(), loader)["contributions"].get("commands", ())
    )
