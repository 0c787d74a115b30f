"""Is all well here: what this computer offers to Limn, and whether the models are intact."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference import graphics, packs, registry, weights
from inference.resources import data_folder

if TYPE_CHECKING:
    from pathlib import Path

    from inference.weights import WeightsInfo

GIB = 2**30
LEAST_MEMORY, LEAST_DISK = 4 * GIB, 2 * GIB  # for a CT of the chest; for projects and results


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up; `advice` says what to do where something is missing."""

    title: str
    value: str
    good: bool = True
    advice: str = ""


def checkup() -> list[Finding]:
    """Findings on computer, graphics and models; reads the models once (some 20 MB)."""
    return [*computer(), *models()]


def computer() -> list[Finding]:
    """System, processor, memory, disk, graphics card with its driver, add-on pack."""
    import psutil

    memory, disk = psutil.virtual_memory().total, shutil.disk_usage(_existing(data_folder())).free
    return [
        Finding("System", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Finding("Processor", f"{os.cpu_count()} cores"),
        Finding("Memory", _gib(memory), memory >= LEAST_MEMORY,
                f"Large volumes need {_gib(LEAST_MEMORY)}: close other programs."),
        Finding("Free disk space", _gib(disk), disk >= LEAST_DISK,
                "Projects and results need room: delete or move what is not needed."),
        *_graphics(),
    ]  # fmt: skip


def models() -> list[Finding]:
    """Every model with its licence, and whether its file has the sha256 of the list."""
    return [_model(info) for info in weights.describe()]


def _model(info: WeightsInfo) -> Finding:
    whole = weights.is_whole(info)
    state = "sha256 verified" if whole else "missing or damaged"
    return Finding(
        f"{registry.tasks()[info.plugin].title}, {info.name} {info.version}",
        f"{info.licence}, {state}", whole, f"{info.remedy[0].upper()}{info.remedy[1:]}.",
    )  # fmt: skip


def _graphics() -> list[Finding]:
    driver, pack = graphics.driver(), packs.find()
    cards = driver.cards if driver else ()
    found = [Finding("Graphics", f"{card.name}, {_gib(card.memory_bytes)}") for card in cards]
    if driver is not None:
        found.append(
            Finding("Graphics driver", "{}, CUDA {}.{}".format(driver.version, *driver.cuda))
        )
    if pack is not None:
        state = f"{pack.title}, in use" if not pack.problem else f"{pack.title}, not used"
        found.append(Finding("Add-on", state, not pack.problem, pack.problem))
    return found or [Finding("Graphics", "no NVIDIA card: models run on the processor")]


def _gib(amount: float) -> str:
    return f"{amount / GIB:.0f} GB"


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
