"""Which processor computes: CUDA, then Apple's MPS, then the CPU, unless the user wishes one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from inference.errors import UserError

KNOWN = ("auto", "cuda", "mps", "cpu")


@dataclass(frozen=True, slots=True)
class Device:
    """`name` as torch calls it, a title to show, its total memory in bytes."""

    name: str
    title: str
    memory_bytes: int


def choose(wish: str = "auto") -> str:
    """The device to compute on; raises UserError for a wish that this computer cannot meet."""
    if wish not in KNOWN:
        raise UserError(f"The device {wish} is not known: choose one of {', '.join(KNOWN)}.")
    if wish == "cpu":
        return wish
    present = _present()
    if wish == "auto":
        return present[0]
    if wish not in present:
        raise UserError(
            f"The device {wish} was asked for, but this computer offers {' and '.join(present)}: "
            "choose auto."
        )
    return wish


def describe() -> tuple[Device, ...]:
    """The devices of this process, the best first; only the CPU where torch is not loaded."""
    names = _present() if "torch" in sys.modules else ("cpu",)
    return tuple(_describe(name) for name in names)


def mixed_precision(device: str) -> bool:
    """Tell whether bfloat16 is native here; emulated it is slower than float32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _present() -> tuple[str, ...]:
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    return ("cuda",) * cuda + ("mps",) * mps + ("cpu",)


def _describe(name: str) -> Device:
    import psutil

    if name == "cuda":
        import torch

        gpu = torch.cuda.get_device_properties(0)
        return Device(name, gpu.name, gpu.total_memory)
    title = "Apple GPU" if name == "mps" else f"CPU, {os.cpu_count()} cores"
    return Device(name, title, psutil.virtual_memory().total)
