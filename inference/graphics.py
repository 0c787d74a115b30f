"""NVIDIA graphics cards as their driver tells of them: torch need not be loaded for that."""

from __future__ import annotations

from dataclasses import dataclass

import pynvml


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card; its memory in bytes."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Driver:
    """The installed driver, the newest CUDA that it runs such as (13, 0), and its cards."""

    version: str
    cuda: tuple[int, int]
    cards: tuple[Card, ...]


def driver() -> Driver | None:
    """None where there is no NVIDIA driver, or none that answers."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        number = pynvml.nvmlSystemGetCudaDriverVersion_v2()  # 13020 for 13.2
        cards = tuple(_card(index) for index in range(pynvml.nvmlDeviceGetCount()))
        version = str(pynvml.nvmlSystemGetDriverVersion())
        return Driver(version, (number // 1000, number % 1000 // 10), cards)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _card(index: int) -> Card:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    return Card(str(pynvml.nvmlDeviceGetName(handle)), int(memory))
