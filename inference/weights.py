"""The models: bundled in resources/weights/weights.toml, one safetensors file each, or own ones.

[retinal_vessels.fast]
file = "retinal_vessels/fast.safetensors"
sha256 = "..."
version = "1"
licence = "Apache-2.0"
summary = "One sentence"
...                        # anything else, such as the sizes that build the network
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from inference import own_models
from inference.errors import UserError
from inference.resources import resource_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

TABLE = "weights.toml"


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """One bundled model; `details` holds its table as written."""

    plugin: str
    name: str
    path: Path
    sha256: str
    version: str
    licence: str
    summary: str
    details: dict[str, Any] = field(hash=False)

    @property
    def identity(self) -> dict[str, str]:
        """What a result says about the model that gave it."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    @property
    def log(self) -> Path:
        """What each run behind it was and how it went; for developers, not in the product."""
        return self.path.with_name(f"{self.name}_log.jsonl")

    @property
    def remedy(self) -> str:
        """What to do if its file is lost."""
        own = "parent" in self.details
        return "choose another version of the model" if own else "install Limn again"


def describe(folder: Path | None = None) -> list[WeightsInfo]:
    """Every model, without reading it, in the version in force; raises UserError if damaged.

    A `folder` is taken as it is: of the bundled ones only those in it.
    """
    return bundled(folder) if folder else [own_models.in_force(info) for info in bundled()]


def bundled(folder: Path | None = None) -> list[WeightsInfo]:
    """Every model as it is bundled; raises UserError if the table is damaged."""
    folder = folder or resource_path("weights")
    path = folder / TABLE
    if not path.is_file():
        return []
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        return [
            _info(folder, plugin, name, details)
            for plugin, models in tables.items()
            for name, details in models.items()
        ]
    except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise UserError(f"The list of models {path} is damaged: install Limn again.") from error


def find(plugin: str, name: str, folder: Path | None = None) -> WeightsInfo:
    """One bundled model; raises UserError if there is none of that name."""
    models = [info for info in describe(folder) if info.plugin == plugin]
    for info in models:
        if info.name == name:
            return info
    offered = ", ".join(info.name for info in models) or "none is installed"
    raise UserError(
        f"There is no model {name} for {plugin.replace('_', ' ')}: choose of {offered}."
    )


def load(
    plugin: str, name: str, folder: Path | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A model's float32 state and its table; raises UserError if it is missing or damaged."""
    info = find(plugin, name, folder)
    return read(info), info.details


def read(info: WeightsInfo) -> dict[str, torch.Tensor]:
    """The float32 state of a version; raises UserError if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not info.path.is_file():
        raise UserError(f"The model file {info.path} is missing: {info.remedy}.")
    if not is_whole(info):
        raise UserError(f"The model file {info.path} is damaged: {info.remedy}.")
    try:
        state = load_file(info.path)
    except SafetensorError as error:
        raise UserError(f"The model file {info.path} is not readable: {info.remedy}.") from error
    return {key: _widen(tensor) for key, tensor in state.items()}


def is_whole(info: WeightsInfo) -> bool:
    """Whether the file of a model is there and has the sha256 of the list."""
    if not info.path.is_file():
        return False
    status = info.path.stat()
    return _sha256(info.path, status.st_mtime_ns, status.st_size) == info.sha256


def save(
    plugin: str,
    name: str,
    state: Mapping[str, torch.Tensor],
    details: Mapping[str, Any],
    folder: Path | None = None,
) -> WeightsInfo:
    """Write a trained state as float16 and enter it in the table; for developers' training runs.

    `details` needs version, licence and summary.
    """
    import tomli_w
    from safetensors.torch import save_file

    folder = folder or resource_path("weights")
    file = f"{plugin}/{name}.safetensors"
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: narrow(tensor) for key, tensor in state.items()}, path)
    path.chmod(0o644)  # not for its owner alone
    tables: dict[str, dict[str, Any]] = {}
    for info in bundled(folder):
        tables.setdefault(info.plugin, {})[info.name] = info.details
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tables.setdefault(plugin, {})[name] = {"file": file, "sha256": digest, **details}
    (folder / TABLE).write_text(tomli_w.dumps(tables), "utf-8")
    return find(plugin, name, folder)


def _info(folder: Path, plugin: str, name: str, details: dict[str, Any]) -> WeightsInfo:
    sha256, version, licence, summary = (
        str(details[key]) for key in ("sha256", "version", "licence", "summary")
    )
    path = folder / details["file"]
    return WeightsInfo(plugin, name, path, sha256, version, licence, summary, details)


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    """Once for each file; `modified` and `size` make a changed file a different one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def narrow(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the CPU as it is stored: float16, or float32 where values are beyond its range."""
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if half.isfinite().all() else tensor.float()
