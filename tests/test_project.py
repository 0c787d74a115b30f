"""Project files: what goes in comes out, elsewhere too; what is wrong is said in one sentence."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import wait_until
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from gui import keeping, project_file, project_saving
from gui.autosave import Autosave
from gui.display import Display
from gui.document import Document
from gui.planes import SAGITTAL
from gui.project import Kept, Project, from_json, to_json
from gui.project_dialogs import MissingDialog
from gui.project_file import Closed, ProjectFile
from gui.project_saving import Draft
from gui.project_values import full, plain
from gui.voxel_edit import VoxelEdit
from inference import locate
from inference.box import Box
from inference.errors import UserError
from inference.reading import read
from inference.series import Series
from plugins.click_segmentation.prompts import Prompt
from plugins.retinal_vessels.zones import Disc
from tests import phantoms

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.window import LimnWindow

CONTROL = Qt.KeyboardModifier.ControlModifier
Button = QMessageBox.StandardButton


def document(shape: tuple[int, ...] = (5, 6, 7), root: str = "/data/Doe/ct.nii.gz") -> Document:
    voxels = np.zeros(shape, np.int16)
    made = Document(Series(voxels, "volume", "CT", (Path(root),), sha256="0"))
    made.root = Path(root)
    return made


def paint(drawn: Document, value: int, *corner: int, size: int = 2) -> None:
    box = Box(corner, tuple(a + size for a in corner))
    values = np.full(box.shape, value, np.uint8)
    assert drawn.apply(VoxelEdit.of(drawn.labels, box, values, "Paint"))


def written(path: Path, drawn: Document, **tasks: Kept) -> None:
    saved, arrays = keeping.saved("1", drawn, Display.of(drawn), tasks)
    layers = {name: getattr(drawn, name) for name in keeping.LABELS}
    arrays |= {name: layer for name, layer in layers.items() if layer is not None}
    members = [("1", name, array) for name, array in arrays.items()]
    project_file.write(path, Project((saved,), revision="r"), members)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A project of one volume with two objects and an AI's version."""
    drawn = document()
    first, second = drawn.add_object("Liver", "#112233"), drawn.add_object("Läsion ①")
    drawn.set_locked(first.id, True)
    drawn.set_visible(first.id, False)
    labels = np.zeros(drawn.shape, np.uint8)
    labels[1:4, 1:4, 1:4] = second.id
    drawn.set_ai_result(labels, [second], "Model", np.linspace(0, 1, 210).reshape(drawn.shape))
    paint(drawn, 2, 0, 0, 0)
    written(tmp_path / "a.limn", drawn)
    return tmp_path / "a.limn"


def opened(path: Path) -> Document:
    with ProjectFile(path) as file:
        (saved,) = file.project.documents
        return keeping.filled(saved, document().series, file)


# --- the file -------------------------------------------------------------------------------------


def test_what_goes_in_comes_out(path: Path) -> None:
    again = opened(path)
    assert [(o.name, o.color, o.locked, o.visible) for o in again.objects.values()] == [
        ("Liver", "#112233", True, False), ("Läsion ①", "#56b4e9", False, True)
    ]  # fmt: skip
    assert again.root == Path("/data/Doe/ct.nii.gz")
    assert np.count_nonzero(again.labels == 2) == 27 + 7
    assert np.count_nonzero(again.ai_labels) == 27
    np.testing.assert_array_equal(again.probability.ravel(), np.linspace(0, 1, 210))
    fresh = keeping.counted(again)
    assert again.compare(2).dice == pytest.approx(2 * 27 / (34 + 27))
    paint(again, 2, 3, 4, 5)
    np.testing.assert_array_equal(again.counts.now[1:], keeping.counted(again).now[1:])
    assert fresh.now[2] < again.counts.now[2]


def test_numpy_alone_can_read_the_arrays(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        text = json.loads(archive.read("project.json"))
        labels = np.load(io.BytesIO(archive.read("documents/1/labels.npy")), allow_pickle=False)
    assert (text["format"], text["version"]) == ("limn-project", 1)
    assert labels.shape == (5, 6, 7)


def test_who_the_patient_is_stays_out(tmp_path: Path) -> None:
    folder = phantoms.save(
        tmp_path / "ct", phantoms.ct_slices(phantoms.stored((0, 1, 2), (False,) * 3, tmp_path))
    )
    (series,) = read(folder)
    assert series.identity.patient_name
    drawn = Document(series)
    drawn.root = folder
    written(tmp_path / "a.limn", drawn)
    drawn.root = None
    written(tmp_path / "made.limn", drawn)
    for name in ("a.limn", "made.limn"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            text = archive.read("project.json").decode()
        assert "Doe" not in text
        assert "SECRET-7" not in text
        assert series.identity.series_uid in text


def test_values_of_tasks_come_back() -> None:
    arrays: dict[str, Any] = {}
    labels, found = np.zeros(3), np.arange(3, dtype=np.float16)
    value = {"names": {1: "Vessels"}, "rows": [1, (2.5, None)], "map": found, "labels": labels,
             "n": np.int64(3), "gone": object(), "flag": True}  # fmt: skip
    made = json.loads(json.dumps(plain(value, "r", arrays, {id(labels): "labels"})))
    again = full(made, lambda name: {"labels": labels, **arrays}[name])
    assert again.pop("map") is found
    assert again.pop("labels") is labels
    assert again == {"names": {1: "Vessels"}, "rows": [1, [2.5, None]], "n": 3, "flag": True}


def test_names_of_files_may_be_anything() -> None:
    odd = document(root="/data/\udcff\udcfe name\n.nii")
    saved, _ = keeping.saved("1", odd, Display.of(odd), {})
    assert from_json(to_json(Project((saved,))), "x").documents[0].source.root == str(odd.root)


# --- what is wrong with a file --------------------------------------------------------------------


def changed(path: Path, **texts: Any) -> Path:
    """The project with other fields of its JSON; a key `documents` changes that of the first."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = json.loads(members["project.json"])
    text["documents"][0] |= texts.pop("document", {})
    members["project.json"] = json.dumps(text | texts).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04 and no more", "damaged"),
        (pickle.dumps({"labels": 1}), "damaged"),
    ],
)
def test_what_is_no_project_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.limn").write_bytes(content)
    with pytest.raises(UserError, match=words):
        ProjectFile(tmp_path / "x.limn")


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not there any more"):
        ProjectFile(tmp_path / "x.limn")


def test_a_zip_of_something_else_is_no_project(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.limn", "w") as archive:
        archive.writestr("letter.txt", "Dear colleague")
    with pytest.raises(UserError, match="no project of Limn"):
        ProjectFile(tmp_path / "x.limn")


def test_every_cut_and_flipped_byte_is_a_sentence_or_the_same(path: Path) -> None:
    """Nothing but UserError, whatever of the file is damaged."""
    whole, here = path.read_bytes(), opened(path)
    random = np.random.default_rng(0)
    for _ in range(150):
        content = bytearray(
            whole[: random.integers(1, len(whole))] if random.random() < 0.3 else whole
        )
        content[random.integers(len(content))] ^= int(random.integers(1, 256))
        path.write_bytes(content)
        try:
            found = opened(path)
        except UserError:
            continue
        assert found.labels.shape == here.labels.shape


NO_VIEW: dict[str, Any] = {"position": [], "windows": {}}


def framing(down: float, magnification: float) -> dict[str, Any]:
    return {"centre": [down, 0.0], "magnification": magnification}


@pytest.mark.parametrize(
    "texts",
    [
        {"document": {"key": "../../etc/passwd"}},
        {"document": {"objects": [{"id": 999, "name": "x", "color": "#000000"}]}},
        {"document": {"objects": [{"id": 1, "name": "x", "color": "url(x)"}]}},
        {"document": {"active": 77}},
        {"document": {"arrays": {"labels": {"dtype": "|O", "shape": [5, 6, 7]}}}},
        {"document": {"arrays": {"labels": {"dtype": "|u1", "shape": [5, -6, 7]}}}},
        {"document": {"view": {"position": [float("nan")], "windows": {}}}},
        {"document": {"view": {**NO_VIEW, "framings": {"Axial": framing(float("inf"), 1.0)}}}},
        {"document": {"view": {**NO_VIEW, "framings": {"Axial": framing(0.0, -1.0)}}}},
        {"documents": [3]},
        {"documents": "x"},
        {"layout": None},
    ],
)
def test_a_text_that_makes_no_sense_is_refused(path: Path, texts: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="damaged"):
        ProjectFile(changed(path, **texts))


@pytest.mark.parametrize("shape", [[5, 6, 8], [10**6, 10**6, 10**6], [210]])
def test_arrays_of_another_size_than_the_image_are_never_read(path: Path, shape: list[int]) -> None:
    arrays = {"labels": {"dtype": "|u1", "shape": shape}}
    with pytest.raises(UserError, match="does not fit"):
        opened(changed(path, document={"arrays": arrays}))


def test_arrays_of_tasks_cannot_fill_the_memory(path: Path) -> None:
    arrays = {f"tasks/x/{n}": {"dtype": "<f8", "shape": [1 << 30]} for n in range(9)}
    with pytest.raises(UserError, match="does not fit"):
        opened(changed(path, document={"arrays": arrays}))


def test_a_pickle_in_an_array_is_not_loaded(path: Path) -> None:
    sink = io.BytesIO()
    np.save(sink, np.array([{"a": 1}], object), allow_pickle=True)
    with zipfile.ZipFile(path) as archive:
        text = archive.read("project.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("project.json", text)
        archive.writestr("documents/1/labels.npy", sink.getvalue())
    with pytest.raises(UserError, match="damaged"):
        opened(path)


def test_labels_without_an_object_get_one(path: Path) -> None:
    again = opened(changed(path, document={"objects": [], "active": 0}))
    assert [item.name for item in again.objects.values()] == ["Object 2"]


def test_a_newer_project_is_said_and_never_overwritten(path: Path) -> None:
    changed(path, version=2)
    before = path.read_bytes()
    with pytest.raises(UserError, match="newer version"):
        ProjectFile(path)
    with pytest.raises(UserError, match="newer version"):
        written(path, document())
    assert path.read_bytes() == before


# --- faults while it is written -------------------------------------------------------------------


FAULTS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EROFS, errno.EBUSY]
SAID = {
    errno.ENOSPC: "no room left", errno.EDQUOT: "no room left", errno.EIO: "the disk refused",
    errno.EACCES: "nothing may be written", errno.EROFS: "nothing may be written",
    errno.EBUSY: "another program is using it",
}  # fmt: skip


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let a step of saving fail as the system does: write, fsync, rename."""

    def let_fail(step: str, number: int) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        if step == "write":
            monkeypatch.setattr("numpy.lib.format.write_array", fail)
        else:
            monkeypatch.setattr(os, {"fsync": "fsync", "rename": "replace"}[step], fail)

    return let_fail


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_is_said_and_the_last_saving_is_intact(
    path: Path, failing: Callable[[str, int], None], step: str, number: int
) -> None:
    before = path.read_bytes()
    failing(step, number)
    with pytest.raises(UserError, match=SAID[number]) as caught:
        written(path, document())
    assert "saved before is intact" in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_went_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there any more"):
        written(tmp_path / "gone" / "a.limn", document())


def test_the_folder_is_flushed_after_the_rename(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else a power failure could bring the old name back without either content."""
    seen: list[str] = []
    real, rename = os.fsync, os.replace

    def fsync(handle: int) -> None:
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append("rename"), rename(a, b)))
    written(path, document())
    assert seen == ["file", "rename", "folder"]


# --- images that were moved -----------------------------------------------------------------------


class Context:
    """What a job is given."""

    def progress(self, done: int, total: int, note: str) -> None:
        assert "Doe" not in note


def test_images_are_found_by_their_pixels_not_by_their_names(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False, False, False), tmp_path)
    phantoms.save(tmp_path / "in" / "deep", phantoms.ct_slices(series))
    (sha,) = {one.sha256 for one in read(tmp_path / "in" / "deep")}
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "in" / "eye.png")
    (png,) = {one.sha256 for one in read(tmp_path / "in" / "eye.png")}
    (tmp_path / "in" / "bad.png").write_bytes(b"x")
    found = locate.find_job(Context(), str(tmp_path / "in"), [sha, png, "absent"])
    assert found == {sha: str(tmp_path / "in" / "deep"), png: str(tmp_path / "in" / "eye.png")}
    assert locate.find_job(Context(), str(tmp_path / "in"), [png], ["other.png"]) == {}
    assert locate.find_job(Context(), str(tmp_path / "in"), [png], ["eye.png"])
    other = locate.read_job(Context(), [str(tmp_path / "in" / "eye.png")], ["absent"])
    assert other == locate.Located((), True)
    assert locate.read_job(Context(), [str(tmp_path / "no")], ["absent"]) == locate.Located(
        (), False
    )


def test_two_images_of_one_key_are_both_written(path: Path) -> None:
    """One that is open, and one that was not found and had the same number."""
    drawn = document()
    saved, arrays = keeping.saved("1", drawn, Display.of(drawn), {})
    members = tuple(("1", name, array) for name, array in arrays.items())
    with ProjectFile(path) as file:
        (lost,) = file.project.documents
    draft = Draft(
        Project((saved,)), (("1", drawn, drawn.version),), members, ((lost, Closed(path)),)
    )
    project, carried = project_saving._written(path, draft, None)
    assert [one.key for one in project.documents] == ["1", "2"]
    assert carried == project.documents[1:]
    with ProjectFile(path) as file:
        again = keeping.filled(file.project.documents[1], document().series, file)
    assert [item.name for item in again.objects.values()] == ["Liver", "Läsion ①"]
    assert np.count_nonzero(again.labels == 2) == 27 + 7


# --- the window -----------------------------------------------------------------------------------


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A photograph and a CT in a folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    rows, columns = np.indices((40, 60))
    pixels = np.stack((rows * 6, columns * 4, rows + columns), axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "eye.png")
    series = phantoms.stored((0, 1, 2), (False, True, False), tmp_path)
    phantoms.save(folder / "ct", phantoms.ct_slices(series))
    return folder


def told(window: LimnWindow, words: str) -> bool:
    return any(words in toast.sentence for toast in window.notices.toasts)


def save_as(window: LimnWindow, path: Path) -> None:
    window.projects.write(path)
    wait_until(lambda: window.projects.path == path and not window.projects.saving.busy)


def open_project(window: LimnWindow, path: Path) -> None:
    window.opening.open([path])
    wait_until(lambda: window.projects.path == path and window.studies.open)


@pytest.fixture
def worked(window: LimnWindow, studies: Path) -> Path:
    """A project of two images, drawn on, clicked on, marked and looked at; closed again."""
    window.opening.open([studies / "eye.png", studies / "ct"])
    wait_until(lambda: len(window.studies.open) == 2 and not window.job_bar.rows)
    eye, ct = sorted(window.studies.open, key=lambda one: one.series.kind)
    window.studies.select(eye)
    window.task_panel.open_task("retinal_vessels")
    marks = window.task_panel.pages["retinal_vessels"].widget.work
    marks.set_disc(Disc(20.0, 30.0, 5.0))
    window.studies.select(ct)
    liver = ct.add_object("Liver", "#aa5500")
    paint(ct, liver.id, 1, 1, 1)
    ct.set_locked(liver.id, True)
    window.task_panel.open_task("click_segmentation")
    ct.add_object("Spleen")
    clicks = window.task_panel.pages["click_segmentation"].widget.clicks
    clicks.add(Prompt("click", ((2.0, 3.0, 4.0),), axis=0))
    clicks.add(Prompt("scribble", ((2.0, 1.0, 1.0), (2.0, 2.0, 5.0)), positive=False, axis=0))
    wait_until(lambda: clicks.waiting is None)  # the model has answered
    window.views.look_at((2.0, 5.0, 6.0))
    window.views.set_window((300.0, 900.0))
    window.views.show_alone("Sagittal")
    sagittal = next(view for view in window.views.slices if view.plane is SAGITTAL)
    sagittal.look((4.0, 5.0), 3 * sagittal.camera.zoom)
    save_as(window, studies / "work.limn")
    for one in list(window.studies.open):
        window.studies.close(one)
    return studies / "work.limn"


def check_worked(window: LimnWindow) -> None:
    """Everything is as `worked` has left it."""
    eye, ct = sorted(window.studies.open, key=lambda one: one.series.kind)
    assert window.studies.selected is ct
    assert [(o.name, o.color, o.locked) for o in ct.objects.values()] == [
        ("Liver", "#aa5500", True), ("Spleen", "#56b4e9", False)
    ]  # fmt: skip
    assert np.count_nonzero(ct.labels == 1) == 8
    display = window.views.display_for(ct)
    assert display.position == (2.0, 5.0, 6.0)
    assert display.window == (300.0, 900.0)
    assert window.views.alone == "Sagittal"
    [sagittal] = window.views.slices_shown
    assert sagittal.camera.centre == (4.0, 5.0)
    framed = sagittal.camera.zoom
    sagittal.fit()
    assert framed == pytest.approx(3 * sagittal.camera.zoom)
    assert window.task_panel.task == "click_segmentation"
    clicks = window.task_panel.pages["click_segmentation"].widget.clicks
    said = [prompt for _, _, prompt in clicks.prompts(2)]
    assert [prompt.kind for prompt in said] == ["click", "scribble"]
    assert [prompt.positive for prompt in said] == [True, False]
    marks = window.task_panel.pages["retinal_vessels"].widget._works[eye]
    assert marks.choices.disc.radius == 5.0
    assert not any(map(window.projects.unsaved, window.studies.open))


def test_a_project_brings_everything_back(window: LimnWindow, worked: Path) -> None:
    open_project(window, worked)
    check_worked(window)
    assert window.windowTitle() == "work[*] \N{EN DASH} Limn"
    assert not window.isWindowModified()
    assert window.settings.now.recent[0] == worked
    window.studies.selected.rename(2, "Kidney")
    assert window.isWindowModified()


def test_a_project_opens_where_it_was_taken_to(window: LimnWindow, worked: Path) -> None:
    """Copied to another machine together with its images: the originals are gone."""
    there = worked.parents[1] / "there"
    shutil.move(worked.parent, there)
    open_project(window, there / "work.limn")
    check_worked(window)
    assert {one.root.parent for one in window.studies.open} == {there}


def test_images_are_searched_for_and_what_is_missing_stays(
    window: LimnWindow, worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = worked.parents[1] / "elsewhere"
    elsewhere.mkdir()
    shutil.move(worked.parent / "eye.png", elsewhere / "renamed.png")
    shutil.move(worked.parent / "ct", worked.parent / "deeper" / "ct")
    window.opening.open([worked])
    wait_until(lambda: window.findChildren(MissingDialog))
    (dialog,) = window.findChildren(MissingDialog)
    assert len(dialog._request.found) == 1  # the CT lies beside the project
    dialog.go_on.click()
    wait_until(lambda: window.studies.open)
    assert [one.series.kind for one in window.studies.open] == ["volume"]
    save_as(window, worked.parent / "again.limn")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(elsewhere))
    window.opening.open([worked.parent / "again.limn"])
    wait_until(lambda: [d for d in window.findChildren(MissingDialog) if d is not dialog])
    window.findChildren(MissingDialog)[-1].look.click()
    wait_until(lambda: len(window.studies.open) == 2)
    check_worked(window)


def test_an_image_that_has_changed_is_said_and_not_used(window: LimnWindow, worked: Path) -> None:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(worked.parent / "eye.png")
    window.opening.open([worked])
    wait_until(lambda: window.findChildren(MissingDialog))
    (dialog,) = window.findChildren(MissingDialog)
    texts = [part.text() for part in dialog.findChildren(type(dialog.children()[1]))]
    assert any("eye.png" in text and "has changed" in text for text in texts)
    dialog.reject()
    wait_until(lambda: not window.projects.opening.busy)
    assert window.studies.open == []


def test_a_run_that_was_made_here_travels_with_its_pixels(
    window: LimnWindow, tmp_path: Path
) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run(), FrameTime="125")
    window.opening.open([path])
    wait_until(lambda: window.studies.open and not window.job_bar.rows)
    (source,) = window.studies.open
    frames = np.repeat(source.series.voxels, 2, axis=0)
    synthetic = tuple(bool(i % 2) for i in range(len(frames)))
    times = tuple(62.5 * i for i in range(len(frames)))
    made = window.studies.add(
        replace(source.series, voxels=frames, synthetic=synthetic, frame_times=times, sha256="made")
    )
    made.results["dsa_interpolation"] = {"frames": made.series.voxels, "warning": None}
    save_as(window, tmp_path / "run.limn")
    for one in list(window.studies.open):
        window.studies.close(one)
    open_project(window, tmp_path / "run.limn")
    again = next(one for one in window.studies.open if one.series.synthetic)
    np.testing.assert_array_equal(again.series.voxels, frames)
    assert again.series.frame_times == times
    assert again.series.identity.patient_name == source.series.identity.patient_name
    assert again.results["dsa_interpolation"]["frames"] is again.series.voxels


def test_subtraction_and_regions_come_back(window: LimnWindow, tmp_path: Path) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run(), FrameTime="125")
    window.opening.open([path])
    wait_until(lambda: window.studies.open and not window.job_bar.rows)
    window.task_panel.open_task("dsa_interpolation")
    widget = window.task_panel.pages["dsa_interpolation"].widget
    wait_until(lambda: widget.work.subtractor)
    shifts = np.ones((5, 2), np.float32)
    widget.work.set(on=True, mask=(1, 2), shift=(0.5, -1.5), shifts=shifts, landmark=0.25)
    widget.work.add_region(((2.0, 2.0), (2.0, 9.0), (9.0, 9.0)))
    save_as(window, tmp_path / "run.limn")
    window.studies.close(window.studies.open[0])
    open_project(window, tmp_path / "run.limn")
    wait_until(lambda: widget.work and widget.work.subtractor)
    settings = widget.work.settings
    assert (settings.on, settings.mask, settings.shift) == (True, (1, 2), (0.5, -1.5))
    assert settings.landmark == 0.25
    np.testing.assert_array_equal(settings.shifts, shifts)
    assert [region.name for region in widget.work.regions] == ["Region 1"]


def test_a_dock_that_refuses_its_work_says_so_and_it_stays(
    window: LimnWindow, worked: Path
) -> None:
    refused = {"values": {"choices": 3}, "arrays": []}
    unknown = {"values": [1], "arrays": []}
    changed(worked, document={"tasks": {"retinal_vessels": refused, "of_the_future": unknown}})
    open_project(window, worked)
    wait_until(lambda: told(window, "could not be taken up"))
    save_as(window, worked.parent / "again.limn")
    with ProjectFile(worked.parent / "again.limn") as file:
        tasks = file.project.documents[0].tasks
    assert tasks["of_the_future"]["values"] == [1]
    assert tasks["retinal_vessels"]["values"] == {"choices": 3}


def test_unsaved_work_is_saved_discarded_or_kept_open(
    window: LimnWindow, worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_project(window, worked)
    window.studies.selected.rename(2, "Kidney")
    answers = [Button.Cancel, Button.Save]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    assert not window.projects.leave("now", lambda: None)
    left: list[bool] = []
    assert not window.projects.leave("now", lambda: left.append(True))
    wait_until(lambda: left)
    assert not window.projects.unsaved_documents
    with ProjectFile(worked) as file:
        assert "Kidney" in to_json(file.project).decode()
    wait_until(lambda: window.projects.autosave.path is None)
    window.studies.selected.rename(2, "Lung")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: Button.Discard)
    assert window.projects.leave("now", lambda: None)


def test_what_somebody_else_saved_is_not_silently_replaced(
    window: LimnWindow, worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_project(window, worked)
    changed(worked, revision="of somebody else")
    asked: list[str] = []
    monkeypatch.setattr(
        QMessageBox, "question", lambda _, title, text, *__: asked.append(text) or Button.Cancel
    )
    QTest.keyClick(window, Qt.Key.Key_S, CONTROL)
    assert "saved by somebody else" in asked[0]
    assert project_file.revision(worked) == "of somebody else"


def test_a_project_that_cannot_be_saved_is_told_and_stays_unsaved(
    window: LimnWindow, worked: Path, failing: Callable[[str, int], None]
) -> None:
    open_project(window, worked)
    before = worked.read_bytes()
    window.studies.selected.rename(2, "Kidney")
    failing("fsync", errno.ENOSPC)
    window.projects.save()
    wait_until(lambda: told(window, "no room left"))
    assert worked.read_bytes() == before
    assert window.projects.unsaved_documents


def test_what_cannot_be_opened_leaves_what_is_open(
    window: LimnWindow, studies: Path, tmp_path: Path
) -> None:
    window.opening.open([studies / "eye.png"])
    wait_until(lambda: window.studies.open)
    (tmp_path / "x.limn").write_bytes(b"no zip")
    window.opening.open([tmp_path / "x.limn"])
    wait_until(lambda: told(window, "damaged"))
    assert len(window.studies.open) == 1


# --- without stutter ------------------------------------------------------------------------------


@pytest.fixture
def large(qapp: Any) -> Document:
    """A CT of 512 x 512 x 400 voxels with 20 objects."""
    drawn = Document(
        Series(np.zeros((400, 512, 512), np.int16), "volume", "CT", (Path("/ct.nii"),), sha256="0")
    )
    drawn.root = Path("/ct.nii")
    for number in range(20):
        drawn.add_object(f"Organ {number}")
        z, y = divmod(number, 5)
        drawn.labels[90 * z : 90 * z + 60, 100 * y : 100 * y + 80, 100:400] = number + 1
    drawn.counts = keeping.counted(drawn)
    return drawn


def test_keeping_a_large_volume_never_holds_up_the_window(large: Document, tmp_path: Path) -> None:
    """Processor time of the Qt thread; and how far behind, in a thread of its own."""
    display = Display.of(large)
    keeper = Autosave(
        lambda key, one: keeping.saved(key, one, display, {}), lambda all_: Project(all_), tmp_path
    )
    keeper.follow("1", large)
    longest = 0.0
    for number in range(12):
        start = time.thread_time()
        paint(large, number + 1, 20 * number, 200, 10, size=15)
        keeper.write()
        longest = max(longest, time.thread_time() - start)
        assert keeper.wait(60)
    assert longest < 0.1
    keeper.close(remove=True)


def test_saving_a_large_volume_never_holds_up_the_window(large: Document) -> None:
    """The labels are copied beside the Qt thread, and again if they changed meanwhile."""
    start = time.thread_time()
    saved, arrays = keeping.saved("1", large, Display.of(large), {})
    draft = Draft(Project((saved,)), (("1", large, large.version),), tuple(arrays))
    assert time.thread_time() - start < 0.05
    assert draft.labels() is not None
    paint(large, 3, 200, 5, 5)
    assert draft.labels() is None
