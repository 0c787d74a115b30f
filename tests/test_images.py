"""Pictures, frames and volumes in every depth and colour, and what is refused."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from inference.errors import UserError
from inference.reading import read
from inference.writing import to_itk
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array

GREY = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY + 60, 200 - GREY], axis=-1)
DEEP = GREY.astype(np.uint16) * 1000


def png(path: Path, width: int, height: int, kind: int, depth: int, pixels: bytes) -> Path:
    """A PNG from its parts: colour type and depth that Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
        for tag, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def deep_png(path: Path, pixels: Array, kind: int) -> Path:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(path, pixels.shape[1], pixels.shape[0], kind, 16, rows)


@pytest.mark.parametrize("pixels", [GREY, COLOUR, DEEP], ids=["grey", "colour", "16 bit"])
def test_png_keeps_its_values(tmp_path: Path, pixels: Array) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (series,) = read(tmp_path / "a.png")
    np.testing.assert_array_equal(series.voxels, pixels)
    assert series.voxels.dtype == pixels.dtype
    assert (series.kind, series.rgb, series.warnings) == ("image", pixels.ndim == 3, ())
    assert not series.geometry.known


def test_16_bit_colour_is_not_cut_to_8(tmp_path: Path) -> None:
    deep = COLOUR.astype(np.uint16) * 257 + 1
    (series,) = read(deep_png(tmp_path / "a.png", deep, 2))
    np.testing.assert_array_equal(series.voxels, deep)


def test_16_bit_grey_with_transparency_loses_both_and_says_so(tmp_path: Path) -> None:
    grey_alpha = np.stack([DEEP, DEEP // 2], axis=-1)
    (series,) = read(deep_png(tmp_path / "a.png", grey_alpha, 4))
    np.testing.assert_array_equal(series.voxels[..., 0], DEEP // 256)
    assert "reduced to 8" in " ".join(series.warnings)
    assert "transparency" in " ".join(series.warnings)


def test_transparency_is_dropped_and_told_unless_opaque(tmp_path: Path) -> None:
    for name, alpha, told in (("clear", GREY, True), ("opaque", np.full_like(GREY, 255), False)):
        Image.fromarray(np.dstack([COLOUR, alpha])).save(tmp_path / f"{name}.png")
        (series,) = read(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(series.voxels, COLOUR)
        assert bool(series.warnings) == told


def test_palette_becomes_colour_and_its_hash_is_of_the_indices(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "a.png")
    (series,) = read(tmp_path / "a.png")
    assert series.rgb
    np.testing.assert_array_equal(series.voxels, np.asarray(image.convert("RGB")))
    image.convert("RGB").save(tmp_path / "b.png")
    assert read(tmp_path / "b.png")[0].sha256 != series.sha256


def test_black_and_white_is_0_and_255(tmp_path: Path) -> None:
    Image.fromarray(GREY > 20).save(tmp_path / "a.png")
    (series,) = read(tmp_path / "a.png")
    np.testing.assert_array_equal(series.voxels, np.where(GREY > 20, 255, 0))


def test_a_camera_rotation_is_followed_and_told(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # turn right
    Image.fromarray(np.zeros((16, 32, 3), np.uint8)).save(tmp_path / "a.jpg", exif=tags)
    (series,) = read(tmp_path / "a.jpg")
    assert series.voxels.shape == (32, 16, 3)
    assert "turned upright" in series.warnings[0]


@pytest.mark.parametrize(
    ("pixels", "options", "kind", "rgb"),
    [
        (GREY, {}, "image", False),
        (COLOUR, {}, "image", True),
        (np.moveaxis(COLOUR, -1, 0), {"planarconfig": "separate"}, "image", True),
        (DEEP, {"compression": "zlib"}, "image", False),
        (DEEP.astype(np.float32), {}, "image", False),
        (np.stack([DEEP] * 4), {"metadata": {"axes": "ZYX"}}, "volume", False),
        (np.stack([DEEP] * 4), {"metadata": {"axes": "TYX"}}, "run", False),
    ],
)
def test_tiff(tmp_path: Path, pixels: Array, options: dict[str, Any], kind: str, rgb: bool) -> None:
    colour = {"photometric": "rgb"} if rgb else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **colour, **options)
    (series,) = read(tmp_path / "a.tif")
    expected = COLOUR if rgb else pixels
    np.testing.assert_array_equal(series.voxels, expected)
    assert (series.kind, series.rgb, series.voxels.dtype) == (kind, rgb, pixels.dtype)


def test_tiff_palette_and_white_is_zero(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "palette.tif")
    assert read(tmp_path / "palette.tif")[0].rgb
    tifffile.imwrite(tmp_path / "white.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "white.tif")[0].voxels, 255 - GREY)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_nifti_types(tmp_path: Path, dtype: type) -> None:
    voxels = (phantoms.volume() - phantoms.volume().min()).astype(dtype)
    sitk.WriteImage(to_itk(voxels, phantoms.geometry()), str(tmp_path / "a.nii.gz"))
    (series,) = read(tmp_path / "a.nii.gz")
    assert series.voxels.dtype == dtype
    np.testing.assert_array_equal(series.canonical(), voxels)


def test_a_volume_with_air_and_tissue_is_a_ct(tmp_path: Path) -> None:
    for name, voxels in (("ct", np.clip(phantoms.volume() * 4, -1000, 900)), ("mr", None)):
        values = phantoms.volume() + 300 if voxels is None else voxels
        sitk.WriteImage(
            to_itk(values.astype(np.int16), phantoms.geometry()), f"{tmp_path}/{name}.nrrd"
        )
    (ct,), (other,) = read(tmp_path / "ct.nrrd"), read(tmp_path / "mr.nrrd")
    assert (ct.modality, ct.unit, ct.window) == ("CT", "HU", (40.0, 400.0))
    assert (other.modality, other.unit, other.window) == ("OT", "", None)


def test_several_volumes_in_one_file_are_split(tmp_path: Path) -> None:
    four = np.stack([phantoms.volume(), phantoms.volume() + 5])
    image = sitk.JoinSeries([to_itk(voxels, phantoms.geometry()) for voxels in four])
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    found = read(tmp_path / "a.nii.gz")
    for series, voxels in zip(found, four, strict=True):
        np.testing.assert_array_equal(series.canonical(), voxels)
        assert "holds 2 volumes" in series.warnings[0]


def test_components_are_colour_or_split(tmp_path: Path) -> None:
    grid = np.repeat(GREY[None], 4, axis=0)
    colour = sitk.GetImageFromArray(np.stack([grid, grid + 1, grid + 2], axis=-1), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "colour.mha"))
    (series,) = read(tmp_path / "colour.mha")
    assert (series.rgb, series.kind, series.voxels.shape) == (True, "volume", (4, 6, 8, 3))
    vector = sitk.GetImageFromArray(
        np.stack([grid, grid + 1], axis=-1).astype(float), isVector=True
    )
    sitk.WriteImage(vector, str(tmp_path / "vector.mha"))
    first, second = read(tmp_path / "vector.mha")
    np.testing.assert_array_equal(second.voxels - first.voxels, 1)


def test_sheared_axes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    sitk.WriteImage(to_itk(phantoms.volume(), phantoms.geometry()), str(path))
    header = bytearray(path.read_bytes())
    header[252:256] = struct.pack("<hh", 0, 1)  # the sform alone counts
    rows = ((0.8, 0.5, 0, 0), (0, 1.3, 0.9, 0), (0.2, 0, 3, 0))
    for index, row in enumerate(rows):
        header[280 + 16 * index : 296 + 16 * index] = struct.pack("<4f", *row)
    path.write_bytes(header)
    with pytest.raises(UserError, match=r"a\.nii are not at right angles"):
        read(path)


def frames(folder: Path, names: list[str], description: str | None = None) -> Path:
    folder.mkdir()
    for index, name in enumerate(names):
        Image.fromarray(GREY + np.uint8(index)).save(folder / name)
    if description is not None:
        (folder / "run.json").write_text(description, "utf-8")
    return folder


def test_numbered_frames_are_a_run_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["f_8.png", "f_9.png", "f_10.png", "f_11.png"]
    folder = frames(tmp_path / "run", names, json.dumps({"frame_time_ms": 40}))
    (series,) = read(folder)
    assert (series.kind, series.modality) == ("run", "XA")
    assert series.frame_times == (0, 40, 80, 120)
    assert [path.name for path in series.paths] == names
    np.testing.assert_array_equal(series.voxels[:, 0, 0], [0, 1, 2, 3])


@pytest.mark.parametrize("description", [None, "{", "{}", '{"frame_time_ms": -3}'])
def test_a_run_without_a_sound_time_says_so(tmp_path: Path, description: str | None) -> None:
    (series,) = read(frames(tmp_path / "run", ["1.png", "2.png"], description))
    assert series.frame_times is None
    assert len(series.warnings) == 1


def test_frames_of_different_size_open_for_themselves(tmp_path: Path) -> None:
    folder = frames(tmp_path / "run", ["1.png", "2.png"])
    Image.fromarray(GREY[:4]).save(folder / "3.png")
    run, image = read(folder)
    assert (run.kind, run.voxels.shape) == ("run", (2, 6, 8))
    assert (image.kind, image.path.name) == ("image", "3.png")
    assert all("2 sizes or depths" in " ".join(series.warnings) for series in (run, image))


def test_a_folder_of_pictures_gives_each_and_tells_of_the_damaged(tmp_path: Path) -> None:
    folder = frames(tmp_path / "mixed", ["left.png", "right.png"])
    (folder / "broken.png").write_text("no picture", "utf-8")
    found = read(folder)
    assert [series.path.name for series in found] == ["left.png", "right.png"]
    assert "broken.png is not a picture" in found[0].warnings[0]


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    Image.effect_noise((200, 200), 60).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    files = {
        "truncated JPEG": ("cut.jpg", whole[: len(whole) // 2], "damaged or cut off"),
        "empty file": ("empty.png", b"", "is empty"),
        "text named PNG": ("text.png", b"Dear colleague", "is not a picture"),
        "text named TIFF": ("text.tif", b"Dear colleague", "not a readable TIFF"),
        "text named NIfTI": ("text.nii.gz", b"Dear colleague", "damaged, cut off"),
        "text named NRRD": ("text.nrrd", b"Dear colleague", "damaged, cut off"),
        "unknown kind": ("letter.docx", b"Dear colleague", "of no kind that Limn opens"),
    }
    for name, content, _ in files.values():
        (folder / name).write_bytes(content)
    png(folder / "huge.png", 30_000, 30_000, 2, 8, b"")
    made = {case: (folder / name, words) for case, (name, _, words) in files.items()}
    return made | {
        "huge header": (folder / "huge.png", "claims 30000 x 30000 pixels"),
        "absent file": (folder / "absent.png", "does not exist"),
    }


CASES = [
    "truncated JPEG", "empty file", "text named PNG", "text named TIFF", "text named NIfTI",
    "text named NRRD", "unknown kind", "huge header", "absent file",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    path, words = bad_files(tmp_path)[case]
    with pytest.raises(UserError) as refusal:
        read(path)
    sentence = str(refusal.value)
    assert words in sentence
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_volume_header_beyond_memory_is_refused_before_allocating(tmp_path: Path) -> None:
    (tmp_path / "huge.mha").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\nElementType = MET_SHORT\n"
        "ElementDataFile = LOCAL\n",
        "ascii",
    )
    with pytest.raises(UserError, match=r"huge\.mha claims .* GiB of pixels"):
        read(tmp_path / "huge.mha")


def test_samples_open(capsys: pytest.CaptureFixture[str]) -> None:
    from inference.resources import resource_path

    found = {path.name: read(path)[0] for path in resource_path("samples").iterdir()}
    facts = {name: (s.kind, s.modality, s.warnings) for name, s in found.items()}
    assert facts == {
        "fundus.jpg": ("image", "OT", ()),
        "ct_phantom.nii.gz": ("volume", "CT", ()),
        "dsa_run.dcm": ("run", "XA", ()),
    }
    assert capsys.readouterr() == ("", "")
