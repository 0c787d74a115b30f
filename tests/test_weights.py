from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference import weights
from inference.errors import UserError
from inference.resources import resource_path

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parents[1]
DETAILS = {"version": "1", "licence": "Apache-2.0", "summary": "A network.", "width": [8, 16]}


@pytest.fixture
def state() -> dict[str, Tensor]:
    import torch

    return {"weight": torch.linspace(-1, 1, 1000).reshape(10, 100), "steps": torch.tensor(7)}


@pytest.fixture
def folder(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    weights.save("retinal_vessels", "fast", state, DETAILS, tmp_path)
    return tmp_path


def test_what_was_saved_is_loaded_as_float32(folder: Path, state: dict[str, Tensor]) -> None:
    import torch

    loaded, details = weights.load("retinal_vessels", "fast", folder)
    assert loaded["weight"].dtype == torch.float32
    assert torch.equal(loaded["weight"], state["weight"].half().float())
    assert torch.equal(loaded["steps"], state["steps"])
    assert details["width"] == [8, 16]
    assert (folder / "retinal_vessels" / "fast.safetensors").stat().st_size < 2500  # float16


def test_models_are_described_with_what_a_user_may_ask(
    folder: Path, state: dict[str, Tensor]
) -> None:
    weights.save("retinal_vessels", "large", state, DETAILS | {"version": "2"}, folder)
    weights.save("lymph_nodes", "fast", state, DETAILS, folder)
    found = [(info.plugin, info.name, info.version) for info in weights.describe(folder)]
    assert found == [
        ("retinal_vessels", "fast", "1"),
        ("retinal_vessels", "large", "2"),
        ("lymph_nodes", "fast", "1"),
    ]
    info = weights.find("lymph_nodes", "fast", folder)
    assert (info.licence, info.summary, len(info.sha256)) == ("Apache-2.0", "A network.", 64)


def test_a_model_of_no_such_name_tells_which_there_are(folder: Path) -> None:
    with pytest.raises(UserError, match="no model slow for retinal vessels: choose of fast"):
        weights.load("retinal_vessels", "slow", folder)


def test_without_a_table_nothing_is_installed(tmp_path: Path) -> None:
    assert weights.describe(tmp_path) == []
    with pytest.raises(UserError, match="none is installed"):
        weights.load("retinal_vessels", "fast", tmp_path)


def test_a_missing_file_is_a_sentence(folder: Path) -> None:
    (folder / "retinal_vessels" / "fast.safetensors").unlink()
    with pytest.raises(UserError, match=r"fast\.safetensors is missing: install Limn again"):
        weights.load("retinal_vessels", "fast", folder)


@pytest.mark.parametrize("first_load_it", [False, True])
def test_a_damaged_file_is_a_sentence(folder: Path, first_load_it: bool) -> None:
    if first_load_it:
        weights.load("retinal_vessels", "fast", folder)
    path = folder / "retinal_vessels" / "fast.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="is damaged: install Limn again"):
        weights.load("retinal_vessels", "fast", folder)


@pytest.mark.parametrize("text", ["[retinal_vessels", "[a.b]\nfile = 1", "a = 1"])
def test_a_damaged_table_is_a_sentence(folder: Path, text: str) -> None:
    (folder / weights.TABLE).write_text(text)
    with pytest.raises(UserError, match="is damaged: install Limn again"):
        weights.describe(folder)


def test_nothing_is_unpickled(folder: Path, state: dict[str, Tensor]) -> None:
    """A file of torch.save in place of the weights is refused even with the right sum."""
    import hashlib

    import torch

    path = folder / "retinal_vessels" / "fast.safetensors"
    old = weights.find("retinal_vessels", "fast", folder).sha256
    torch.save(state, path)
    table = folder / weights.TABLE
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(UserError, match="is not readable"):
        weights.load("retinal_vessels", "fast", folder)


def test_the_shipped_table_is_true() -> None:
    for info in weights.describe():
        state, _ = weights.load(info.plugin, info.name)
        assert state
        assert all(value.isfinite().all() for value in state.values())
        assert info.licence
    listed = {info.path for info in weights.describe()}
    found = set(resource_path("weights").rglob("*.safetensors"))
    # below folds/ lie networks that only measure: no task offers them
    assert listed == {path for path in found if "folds" not in path.parts}


def test_describing_needs_no_torch() -> None:
    code = (
        "import sys; from inference import weights; weights.describe(); "
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"


def test_resources_are_found_in_a_frozen_program(tmp_path: Path) -> None:
    code = (
        f"import sys; sys._MEIPASS = {str(tmp_path)!r}\n"
        "from inference.resources import resource_path; print(resource_path('weights', 'a'))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert Path(answer.stdout.strip()) == tmp_path / "resources" / "weights" / "a"
