"""The pack and its samples: what a step gives never changes, and outlines fit their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from plugins.click_segmentation import pack
from plugins.click_segmentation.data import KINDS, Samples
from plugins.click_segmentation.samples import (
    contrast,
    framing,
    making,
    names,
    seeds,
    shapes,
    tissue,
)
from plugins.click_segmentation.samples import volumes as stored
from plugins.click_segmentation.samples.pictures import Pictures, read_pictures, write_pictures
from plugins.click_segmentation.samples.projection import projections, trees

if TYPE_CHECKING:
    from pathlib import Path

SHAPE, SPACING = (26, 72, 84), (3.0, 1.5, 1.5)


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """A body with two lungs, a bright organ and a vessel in it; HU and labels (z, y, x)."""
    z, y, x = np.indices(SHAPE)
    image = np.full(SHAPE, -1000, np.int16)
    image[np.hypot((y - 36) / 28, (x - 42) / 36) < 1] = 40
    for middle in (24, 60):
        image[np.hypot((y - 34) / 14, (x - middle) / 12) < 1] = -850
    labels = np.zeros(SHAPE, np.uint8)
    labels[(np.hypot(y - 46, x - 42) < 9) & (z > 4)] = 1
    labels[np.hypot(y - 30, x - 42) < 3] = 2
    image[labels == 1], image[labels == 2] = 140, 260
    noise = np.random.default_rng(0).normal(0, 8, SHAPE)
    return (image + noise).astype(np.int16), labels


def scanned() -> stored.Volume:
    image, labels = phantom()
    inside = tissue.body(image, SPACING)
    filled = np.where(labels > 0, labels, tissue.tissues(image, inside, SPACING))
    codes = stored.encode(image)
    regions = tissue.watersheds(codes, inside, SPACING)
    targets = names.targets({"liver": 1, "aorta": 2}, np.unique(filled).tolist())
    return stored.Volume("phantom", codes, filled, regions, SPACING, targets)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pack."""
    path = tmp_path_factory.mktemp("pack")
    stored.write_volume(path / "volume_phantom.npz", scanned())
    write_pictures(path / "pictures_trees.npz", trees(np.random.default_rng(0), 3))
    return path


@pytest.fixture(scope="module")
def samples(folder: Path) -> Samples:
    return Samples(folder, 7, 96)


def test_a_batch_is_a_function_of_seed_and_step(folder: Path, samples: Samples) -> None:
    batch, again = samples(3, 5), Samples(folder, 7, 96)(3, 5)
    for name in ("image", "target", "neighbour", "spacing"):
        assert np.array_equal(getattr(batch, name), getattr(again, name))
    assert not np.array_equal(batch.image, samples(4, 5).image)
    assert not np.array_equal(batch.image, Samples(folder, 8, 96)(3, 5).image)


def test_a_batch_has_the_promised_form(samples: Samples) -> None:
    batch = samples(0, 12)
    assert batch.image.shape == (12, 2, 96, 96)
    assert batch.image.dtype == np.float32
    assert np.isfinite(batch.image).all()
    assert np.abs(batch.image).max() <= 1.5
    assert batch.target.shape == batch.neighbour.shape == (12, 96, 96)
    assert set(np.unique(batch.target)) == {0, 1}
    assert batch.spacing.shape == (12,)
    assert (batch.spacing > 0).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_sample_can_be_clicked(samples: Samples, kind: str) -> None:
    made = [samples.one(np.random.default_rng(seed), kind) for seed in range(12)]
    assert all(sample.is_fit for sample in made)
    assert all(np.isfinite(sample.image).all() for sample in made)
    shown = [s.neighbour if kind == "ended" else s.target for s in made]
    assert len({mask.sum() for mask in shown}) > 8


def test_crops_show_objects_at_every_scale(samples: Samples) -> None:
    made = [samples.one(np.random.default_rng(seed), "labelled") for seed in range(80)]
    sides = [max(np.ptp(np.argwhere(s.target), axis=0)) / 96 for s in made]
    assert min(sides) < 0.2
    assert max(sides) > 0.7
    touching = [s.target[[0, -1]].any() or s.target[:, [0, -1]].any() for s in made]
    assert 0 < sum(touching) < len(made)


def test_outlines_lie_where_the_picture_changes() -> None:
    """Picture and mask go through the same frame: the object stays the bright part."""
    plane = np.zeros((60, 90), np.float32)
    plane[20:40, 30:70] = 100
    for seed in range(10):
        rng = np.random.default_rng(seed)
        frame = framing.frame_round(plane > 0, (2.0, 1.0), 80, rng)
        picture, mask = frame.picture(plane, 0.0), frame.mask(plane > 0)
        assert np.mean((picture > 50) == mask) > 0.97


def test_pixels_of_a_crop_are_square_in_mm() -> None:
    """A disc in mm stays one, however the plane's pixels are stretched."""
    y, x = np.indices((40, 160))
    disc = np.hypot((y - 20) * 4.0, x - 80) < 40
    rng = np.random.default_rng(1)
    frame = framing.frame(np.array([80.0, 80.0]), 120.0, (4.0, 1.0), 120, rng)
    rows, columns = np.nonzero(frame.mask(disc))
    assert frame.spacing == 1.0
    assert 0.7 < np.ptp(rows) / np.ptp(columns) < 1.43  # it may be turned and a little stretched


def test_a_rendered_target_differs_from_its_surroundings() -> None:
    labels = np.zeros((96, 96), np.uint8)
    labels[30:60, 30:60] = 1
    for seed in range(20):
        image = contrast.render(labels, labels == 1, np.random.default_rng(seed))
        assert abs(np.median(image[35:55, 35:55]) - np.median(image[10:25])) > 0.02


def test_shapes_stay_in_their_picture_and_differ() -> None:
    made = [shapes.shape(96, np.random.default_rng(seed)) for seed in range(60)]
    assert all(mask.shape == (96, 96) for mask in made)
    assert np.mean([mask.any() for mask in made]) > 0.9
    assert len({int(mask.sum()) for mask in made}) > 50


def test_a_neighbouring_slice_shows_nearly_the_same() -> None:
    mask = np.hypot(*(np.indices((96, 96)) - 48)) < 25
    beside = shapes.changed(mask, 2.0, np.random.default_rng(0))
    overlap = 2 * (mask & beside).sum() / (mask.sum() + beside.sum())
    assert 0.7 < overlap < 1


def test_lungs_and_body_are_found_without_drawing() -> None:
    image, _ = phantom()
    inside = tissue.body(image, SPACING)
    assert inside[image > -200].mean() > 0.9
    assert not inside[:, :4].any()
    coarse = tuple(4 * step for step in SPACING)  # of a body as large as a person's
    found = tissue.lungs(image, inside, coarse)
    assert set(np.unique(found)) == {0, tissue.LUNG_LEFT, tissue.LUNG_RIGHT}
    assert found[13, 34, 60] == tissue.LUNG_LEFT  # high x is the patient's left
    assert found[13, 34, 24] == tissue.LUNG_RIGHT


def test_organs_grow_from_points_of_the_scan() -> None:
    volume, (_, labels) = scanned(), phantom()
    point = (13, 2 * 46, 42)  # in a scan of twice as many rows
    organ = seeds.Organ("liver", 0, (point,), top=20)
    mask = seeds.grown(organ, volume.codes, volume.regions, SPACING, (26, 144, 84))
    truth = (labels == 1) & (np.arange(26) <= 20)[:, None, None]
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.75
    assert not mask[21:].any()


def test_points_are_set_on_allowed_scans_alone() -> None:
    stems = {name.removesuffix("ct.nii.gz").replace("/", "_").rstrip("_") for name in pack.ALLOWED}
    assert set(seeds.ORGANS) <= stems


def test_regions_follow_organs() -> None:
    volume, (_, labels) = scanned(), phantom()
    organ = labels == 1
    best = 0.0
    for regions in volume.regions:
        value = np.bincount(regions[organ]).argmax()
        part = regions == value
        best = max(best, 2 * (part & organ).sum() / (part.sum() + organ.sum()))
    assert best > 0.75


def test_volumes_come_back_as_they_were_written(tmp_path: Path) -> None:
    volume = scanned()
    stored.write_volume(tmp_path / "volume_phantom.npz", volume)
    again = stored.read_volume(tmp_path / "volume_phantom.npz")
    assert np.array_equal(again.codes, volume.codes)
    assert np.array_equal(again.labels, volume.labels)
    assert again.targets == volume.targets
    assert again.spacing == volume.spacing
    assert again.counts[0][:, 1].sum() == (volume.labels == 1).sum()


def test_codes_are_finer_than_noise_in_soft_tissue() -> None:
    values = np.arange(-1200, 2000, 1, np.int16)
    error = np.abs(stored.LEVELS[stored.encode(values)] - np.clip(values, -1024, 1740))
    assert error[(values > -200) & (values < 300)].max() <= 2
    assert error.max() <= 21


def test_pictures_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = tuple(rng.random((n, 40, 50)) > 0.5 for n in (1, 3))
    pictures = Pictures(rng.integers(0, 255, (2, 40, 50), np.uint8), masks, 0.5)
    write_pictures(tmp_path / "pictures.npz", pictures)
    again = read_pictures(tmp_path / "pictures.npz")
    assert np.array_equal(again.images, pictures.images)
    assert all(np.array_equal(a, b) for a, b in zip(again.masks, masks, strict=True))


def test_projections_show_the_shadow_of_an_organ() -> None:
    volume = scanned()
    found = projections([volume], np.random.default_rng(0), 2)
    assert found.images.shape == (2, 256, 256)
    assert all(masks.any((1, 2)).all() for masks in found.masks)


def test_labels_are_joined_as_users_do() -> None:
    table = {"lung_upper_lobe_left": 1, "lung_lower_lobe_left": 2, "heart": 3, "rib_left_1": 4}
    found = {target.name: target for target in names.targets(table, [1, 2, 3])}
    assert found["lung_left"].values == (1, 2)
    assert "rib_left_1" not in found
    assert found["heart"].weight > found["lung_upper_lobe_left"].weight


def test_a_pack_holds_allowed_scans_alone() -> None:
    forbidden = ("lung1", "ircad", "xa/", "retina")
    assert not [name for name in pack.ALLOWED if name.startswith(forbidden)]


def test_coarse_label_maps_become_finer_with_smooth_outlines() -> None:
    labels = np.zeros((10, 20, 24), np.uint8)
    labels[2:8, 4:14, 5:20] = 3
    finer = pack.labels_at(labels, (20, 40, 48))
    assert set(np.unique(finer)) == {0, 3}
    assert (finer == 3).sum() == pytest.approx(8 * (labels == 3).sum(), rel=0.06)


def test_the_command_packs_the_scans_it_finds(tmp_path: Path) -> None:
    image, labels = phantom()
    folder = tmp_path / "cip_chest"
    folder.mkdir()
    for name, array in (("ct", image), ("labels", labels)):
        picture = sitk.GetImageFromArray(array)
        picture.SetSpacing(SPACING[::-1])
        sitk.WriteImage(picture, str(folder / f"{name}.nii.gz"))
    (folder / "labels.json").write_text('{"liver": 1, "aorta": 2}', "utf-8")
    pack.main(tmp_path, tmp_path / "pack")
    made = Samples(tmp_path / "pack", 0, 64)
    assert {"liver", "aorta", "body"} <= {target.name for target in made.volumes[0].targets}
    assert made(0, 2).image.shape == (2, 2, 64, 64)


def test_no_pack_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no pack"):
        Samples(tmp_path, 0, 64)


def test_one_part_or_all_of_an_object() -> None:
    mask = np.zeros((40, 40), bool)
    for down, right in ((5, 5), (5, 30), (30, 5)):
        cv2.circle(view := mask.astype(np.uint8), (right, down), 4, 1, -1)
        mask |= view > 0
    sizes = set()
    for seed in range(30):
        part, _ = making.one_or_all(mask, mask, np.random.default_rng(seed))
        sizes.add(ndimage.label(part)[1])
    assert sizes == {1, 3}
