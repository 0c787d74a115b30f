"""A model learns from corrected cases: what is kept, the run, versions, choice, the way back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch  # noqa: TID253  (no window loads it here)
from chests import SHAPE, SPACING, ball, chest
from conftest import ROOT, wait_until
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from gui.voxel_edit import VoxelEdit
from inference import own_models, registry, weights
from inference.adamw import AdamW
from inference.box import Box
from inference.corrections import Corrections, Lesson
from inference.errors import UserError
from inference.learning import missing
from inference.metrics import confusion
from inference.own_models import Card
from inference.resources import data_folder
from inference.series import Identity, Series
from inference.training import train
from plugins.lymph_nodes.model import CONFIGS, NodeNet

if TYPE_CHECKING:
    from gui.document import Document
    from gui.window import LimnWindow

LEFT = Qt.MouseButton.LeftButton
NAME = "Doe^Jane"


def series(number: int, patient: str = "") -> Series:
    voxels = np.full((4, 4), number, np.uint8)
    identity = Identity(patient_name=f"{NAME}{patient}", patient_id=patient)
    return Series(voxels, "image", "OP", (Path("Doe_Jane.png"),), identity=identity,
                  sha256=f"{number:064d}")  # fmt: skip


def keep(store: Corrections, number: int, patient: str) -> str:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4) + number
    return store.keep(series(number, patient), {"image": image}, {"spacing": [1.0, 2.0]})


def test_kept_cases_name_nobody_and_every_third_patient_is_set_aside() -> None:
    store = Corrections("lines")
    assert "3 patients" in missing(store.entries())
    keys = [keep(store, number, patient) for number, patient in enumerate("AABCC")]
    aside = {entry.key: entry.aside for entry in store.entries()}
    assert [aside[key] for key in keys] == [False, False, False, True, True]  # A A B C C
    assert missing(store.entries()) == ""
    lesson = store.read(keys[1])
    assert lesson.arrays["image"][0, 0] == 1
    assert lesson.figures == {"spacing": [1.0, 2.0]}
    keep(store, 1, "A")  # the same pixels again take the place of those before
    assert len(store.entries()) == 5
    for path in store.folder.iterdir():
        assert "Doe" not in path.name
        assert b"Doe" not in path.read_bytes()
        assert not list(store.folder.glob(".*"))  # nothing half written
    (store.folder / f"{keys[0]}.npz").write_bytes(b"PK damaged")
    assert len(store.entries()) == 4
    store.empty()
    assert store.entries() == []


CARD = Card("", "", "1.3", "", "2026-01-01T00:00:00+00:00", 2, "Dice", (0.4,), (0.6,))


@pytest.fixture
def bundled() -> weights.WeightsInfo:
    return next(info for info in weights.bundled() if info.plugin == "retinal_vessels")


def test_a_version_is_used_once_it_is_chosen_and_the_bundled_one_can_be_gone_back_to(
    bundled: weights.WeightsInfo,
) -> None:
    state = weights.read(bundled)
    made = [own_models.add(bundled, {**state, "heads.0.bias": torch.tensor([value])}, CARD)
            for value in (1.0, 2.0)]  # fmt: skip
    plugin, name, version = bundled.plugin, bundled.name, bundled.version
    assert [one.version for one in own_models.versions(bundled)] == [
        version, f"{version}+1", f"{version}+2",
    ]  # fmt: skip
    assert weights.find(plugin, name) == bundled  # nothing is in force unasked
    own_models.choose(bundled, made[1].version)
    assert weights.find(plugin, name).identity["sha256"] == made[1].sha256
    assert weights.load(plugin, name)[0]["heads.0.bias"].item() == 2
    assert "2 corrected cases" in weights.find(plugin, name).summary
    own_models.choose(bundled, version)
    assert weights.find(plugin, name) == bundled
    own_models.choose(bundled, made[0].version)
    own_models.remove(bundled, made[0].version)
    assert weights.find(plugin, name) == bundled
    with pytest.raises(UserError, match="choose another"):
        own_models.choose(bundled, made[0].version)


def test_a_damaged_version_or_card_is_a_sentence_or_left_out(bundled: weights.WeightsInfo) -> None:
    made = own_models.add(bundled, weights.read(bundled), CARD)
    own_models.choose(bundled, made.version)
    made.path.write_bytes(made.path.read_bytes()[:-9])
    with pytest.raises(UserError, match="choose another version"):
        weights.load(bundled.plugin, bundled.name)
    made.path.with_suffix(".json").write_text("{")
    assert weights.find(bundled.plugin, bundled.name) == bundled
    (own_models.folder(bundled) / own_models.CHOSEN).write_text("[]")
    assert weights.find(bundled.plugin, bundled.name) == bundled


def test_our_adamw_is_torchs() -> None:
    def trained(kind: type) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(5, 3)
        groups = [{"params": [layer.weight], "weight_decay": 0.1},
                  {"params": [layer.bias], "weight_decay": 0.0}]  # fmt: skip
        optimiser = kind(groups, lr=0.02)
        for step in range(8):
            if step == 4:
                saved = optimiser.state_dict()
                optimiser = kind(groups, lr=0.02)
                optimiser.load_state_dict(saved)
            optimiser.zero_grad()
            layer(torch.ones(2, 5)).square().sum().backward()
            optimiser.step()
        return layer.weight.detach()

    assert torch.allclose(trained(AdamW), trained(torch.optim.AdamW), atol=1e-7)


def test_learning_needs_no_compiler_which_the_packaged_program_has_not() -> None:
    code = """
import sys
for name in ("torch._inductor", "sympy", "triton"):
    sys.modules[name] = None
import tempfile, torch
from pathlib import Path
from inference.adamw import AdamW
from inference.training import Plan, train
with tempfile.TemporaryDirectory() as folder:
    x = torch.ones(1, 1, 4, 4)
    done = train(torch.nn.Conv2d(1, 1, 3), lambda step: {"x": x}, lambda m, b: m(b["x"]).sum(),
                 Plan(steps=2, warm_up=1), Path(folder), optimiser=AdamW)
print(done)
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.strip() == "True", answer.stderr


# --- each task's samples and score ---------------------------------------------------------------


def learned(task: str, lesson: Lesson, name: str, steps: int) -> tuple[float, float]:
    """Score on a case before and after a few steps on it; no more than that they fit."""
    learning = registry.learnings()[task]
    info = weights.find(task, name)
    network = registry.load(f"plugins.{task}.model:build")(info.details["network"])
    network.load_state_dict(weights.read(info))
    course = learning.course(network, [lesson], "cpu")
    before = learning.score(network.eval(), lesson, "cpu")
    plan = replace(course.plan, steps=steps, warm_up=1, ema=0.5)
    train(network, course.batch_at, course.loss_of, plan, data_folder() / "x", optimiser=AdamW)
    return before, learning.score(network.eval(), lesson, "cpu")


def test_decided_nodes_become_samples_and_the_undecided_stay_unknown() -> None:
    from plugins.lymph_nodes import learning

    volume, decided = chest(), np.zeros(SHAPE, np.uint8)
    for number, centre in enumerate(((46, 30, 66), (58, 33, 72)), start=1):
        node = ball(SHAPE, centre, 8.0)
        volume[node] = 60
        decided[node] = number
    arrays, figures = learning.arrays(volume, decided, [1], None, SPACING)
    assert 0.01 < arrays["sure"].mean() < 0.3
    assert (arrays["decided"] == 2).any()
    lesson = Lesson("a", arrays, figures)
    course = registry.learnings()["lymph_nodes"].course(NodeNet(CONFIGS["slab"]), [lesson], "cpu")
    batches = [course.batch_at(step) for step in range(4)]
    assert any(batch["nodes"].any() for batch in batches)
    assert not any(batch["known"].all() for batch in batches)
    scores = learned("lymph_nodes", lesson, "slab", 2)
    assert all(0 <= one <= 1 for one in scores)


def test_outlined_objects_become_slices_to_click_on() -> None:
    from plugins.click_segmentation import learning

    volume, labels = chest(), np.zeros(SHAPE, np.uint8)
    labels[ball(SHAPE, (46, 30, 66), 20.0)] = 7
    arrays, figures = learning.arrays(volume, labels, [7, 9], SPACING)
    assert len(figures["spacing"]) == learning.SLICES
    assert figures["spacing"][0] == list(SPACING[1:])
    assert arrays["mask_0"].any()
    assert arrays["image_0"].shape == arrays["mask_0"].shape == arrays["beside_0"].shape
    before, after = learned("click_segmentation", Lesson("a", arrays, figures), "fast", 3)
    assert before != after
    assert 0 <= after <= 1
    colour = np.zeros((40, 50, 3), np.uint8)
    drawn = np.zeros((40, 50), np.uint8)
    drawn[10:30, 10:30] = 1
    arrays, figures = learning.arrays(colour, drawn, [1], (1.0, 1.0))
    assert arrays["image_0"].shape[2] == 3
    assert learning.arrays(colour, 0 * drawn, [1], (1.0, 1.0)) == ({}, {"spacing": []})


# --- the whole way, in a domain that the vessel network was never shown ------------------------


@pytest.fixture(scope="module")
def angiograms(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, Path]]:
    """Photographs as in fluorescein angiography, bright vessels on dark, and their vessels."""
    from plugins.retinal_vessels.prepare import find_field_of_view

    folder, made = tmp_path_factory.mktemp("angiograms"), []
    for number in (21, 22, 23, 31):
        source = shared_data / "retina" / "drive_train" / f"{number}_image.png"
        image = np.asarray(Image.open(source))
        values = np.clip((135 - image[..., 1].astype(float)) * 1.3, 0, 255)
        picture = (values * find_field_of_view(image)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
        made.append((folder / f"{number}.png", source.with_name(f"{number}_vessels.png")))
    return made


def opened(window: LimnWindow, path: Path) -> Document:
    before = len(window.studies.open)
    window.opening.open([path])
    wait_until(lambda: len(window.studies.open) > before)
    if window.task_panel.currentIndex() == 0:
        QTest.mouseClick(window.task_panel.cards["retinal_vessels"].button, LEFT)
    document = window.studies.selected
    assert document is not None
    return document


def found(window: LimnWindow, document: Document, truth: Path) -> float:
    """Dice of what the model in force finds."""
    page = window.task_panel.pages["retinal_vessels"].widget
    QTest.mouseClick(page.model.run_button, LEFT)
    wait_until(lambda: document not in page.model.running and document.ai_labels is not None)
    drawn = np.asarray(Image.open(truth)) > 0
    return confusion(document.ai_labels > 0, drawn).dice


def corrected(document: Document, truth: Path) -> None:
    """As if somebody had drawn all vessels."""
    drawn = np.asarray(Image.open(truth)) > 0
    item = document.add_object("Vessels", "#ff0000")
    whole = Box.whole(document.shape)
    document.apply(VoxelEdit.painted(document.labels, whole, drawn, item.id, "Draw"))


def test_three_corrected_cases_make_a_weak_model_better_and_it_can_be_rolled_back(
    window: LimnWindow, angiograms: list[tuple[Path, Path]]
) -> None:
    window.session.jobs.restart()  # a worker takes the folders of its start: those of this test
    unseen = opened(window, angiograms[3][0])
    weak = found(window, unseen, angiograms[3][1])
    page = window.task_panel.pages["retinal_vessels"].widget
    for path, truth in angiograms[:3]:
        corrected(opened(window, path), truth)
        many = len(Corrections("retinal_vessels").entries())
        QTest.mouseClick(page.learning.keep_button, LEFT)
        wait_until(lambda n=many: len(page.learning._entries) == n + 1)
    assert "2 to learn from, 1 to check" in page.learning.count.text()

    QTest.mouseClick(page.learning.improve_button, LEFT)
    dialog, notices = page.learning.dialog, window.notices
    QTest.mouseClick(dialog.tune_button, LEFT)
    assert not dialog.tune_button.isEnabled()
    run = data_folder() / "learning" / "retinal_vessels" / "fast"
    wait_until((run / "checkpoint.safetensors").exists)

    # the worker is killed: cases and model are as they were, and the run goes on where it was
    window.session.jobs._client.process.kill()
    wait_until(lambda: notices.toasts and dialog.tune_button.isEnabled())
    assert dialog.table.rowCount() == 1
    assert len(Corrections("retinal_vessels").entries()) == 3
    assert json.loads((run / "run.json").read_text())["parent"] == dialog.bundled.sha256
    steps: list[int] = []
    window.session.jobs.job_progress.connect(
        lambda job, done, total, note: steps.append(done) if note.startswith("Learning") else None
    )
    wait_until(lambda: window.session.jobs.state == "ready")
    QTest.mouseClick(dialog.tune_button, LEFT)
    wait_until(lambda: dialog.table.rowCount() == 2, 600)  # it learns: minutes beside other work
    assert steps[0] > 0
    assert not run.exists()

    # compared on the case set aside, told, and not in use until it is chosen
    (card,) = own_models.cards(dialog.bundled)
    assert card.learned_from == 2
    assert card.after[0] > card.before[0] + 0.3
    assert "the new version is better" in dialog.outcome.text()
    assert weights.find("retinal_vessels", "fast") == dialog.bundled
    QTest.mouseClick(dialog.use_button, LEFT)
    assert weights.find("retinal_vessels", "fast").version == card.version
    assert card.version in page.model.model.currentText()
    dialog.close()
    window.studies.select(unseen)
    assert found(window, unseen, angiograms[3][1]) > weak + 0.3
    assert page.work.found["model"]["version"] == card.version

    # and back
    QTest.mouseClick(page.learning.improve_button, LEFT)
    dialog.table.selectRow(0)
    QTest.mouseClick(dialog.use_button, LEFT)
    assert weights.find("retinal_vessels", "fast") == dialog.bundled
    assert card.version not in page.model.model.currentText()
