"""Surfaces lie where the object lies, closed, as large as it, and smooth."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trimesh

from inference.errors import UserError
from inference.object_files import Objects, header
from inference.writing import Segment
from plugins.images.surfaces import surface, write_glb, write_stl
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array

SHAPE = (20, 44, 36)
AXES = (9.0, 11.0, 14.0)  # of an ellipsoid, half, x y z, mm


def ellipsoid() -> tuple[Array, Array]:
    """A canonical mask (z, y, x) off the middle of its grid, and its centre, LPS mm."""
    grid = phantoms.geometry()
    places = grid.to_patient(np.stack(np.indices(SHAPE), axis=-1))
    centre = grid.to_patient(np.array([9.0, 20.0, 14.0]))
    return (((places - centre) / AXES) ** 2).sum(axis=-1) < 1, centre


@pytest.mark.parametrize(("order", "flips"), phantoms.ORDERS)
def test_it_lies_in_the_same_place_in_every_axis_order(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    mask, centre = ellipsoid()
    stored = mask.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    mesh = surface(stored, phantoms.geometry().reordered(order, flips, SHAPE))
    assert mesh is not None
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * np.prod(AXES), rel=0.04)
    np.testing.assert_allclose(mesh.center_mass, centre, atol=0.05)
    np.testing.assert_allclose(mesh.bounds, [centre - AXES, centre + AXES], atol=1.6)


def test_smoothing_takes_the_steps_and_leaves_the_size_and_the_thin_parts() -> None:
    mask, _ = ellipsoid()
    mesh = surface(mask, phantoms.geometry())
    assert mesh is not None
    angles = np.degrees(mesh.face_adjacency_angles)
    assert np.percentile(angles, 95) < 35  # of the steps of voxels: 45 and 90
    thread = np.zeros(SHAPE, bool)
    thread[2:18, 20, 14] = True
    thin = surface(thread, phantoms.geometry())
    assert thin is not None
    assert thin.is_watertight
    assert thin.extents[2] == pytest.approx(16 * phantoms.SPACING[0], rel=0.1)


def test_an_object_at_the_edge_of_the_image_is_closed_too() -> None:
    whole = surface(np.ones((3, 4, 5), bool), phantoms.geometry())
    assert whole is not None
    assert whole.is_watertight
    assert surface(np.zeros((3, 4, 5), bool), phantoms.geometry()) is None


def test_a_file_for_each_object_that_has_voxels(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "ct.nii")
    labels = np.zeros(series.voxels.shape, np.uint8)
    labels[2:5, 3:7, 2:8] = 2
    segments = (Segment(1, "Nothing", "#ff0000"), Segment(2, "Left/lung: upper", "#00ff00"))
    objects = Objects(header(series), labels, None, segments, ())
    (path,) = write_stl(objects, tmp_path / "case")
    assert path.name == "case_2_left_lung_upper.stl"
    mesh = trimesh.load(path)
    middle = series.geometry.to_patient(np.array([3.0, 4.5, 4.5]))
    np.testing.assert_allclose(mesh.center_mass, middle, atol=0.05)
    assert mesh.volume > 0
    np.testing.assert_allclose(bounds(triangles(path)), mesh.bounds, atol=1e-3)
    (scene,) = write_glb(objects, tmp_path / "case")
    np.testing.assert_allclose(bounds(corners(scene)), mesh.bounds, atol=1e-3)
    with pytest.raises(UserError, match="no surface"):
        write_stl(Objects(header(series), labels * 0, None, segments, ()), tmp_path / "case")


def bounds(vertices: Array) -> Array:
    return np.stack([vertices.min(axis=0), vertices.max(axis=0)])


def triangles(path: Path) -> Array:
    """The vertices in a binary STL file, by its layout: 80 bytes, a number, 50 bytes a triangle."""
    content = path.read_bytes()
    kind = np.dtype([("normal", "<3f4"), ("vertices", "<9f4"), ("more", "<u2")])
    found = np.frombuffer(content, kind, offset=84)
    assert len(found) == struct.unpack("<I", content[80:84])[0]
    return found["vertices"].reshape(-1, 3)


def corners(path: Path) -> Array:
    """The vertices of the only mesh in a GLB file, by the letter of the glTF 2.0 standard."""
    content = path.read_bytes()
    magic, version, length, described, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    scene = json.loads(content[20 : 20 + described])
    binary = content[28 + described :]
    (mesh,) = scene["meshes"]
    (node,) = [node for node in scene["nodes"] if "mesh" in node]
    assert "matrix" not in node
    accessor = scene["accessors"][mesh["primitives"][0]["attributes"]["POSITION"]]
    view = scene["bufferViews"][accessor["bufferView"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    assert (accessor["componentType"], accessor["type"]) == (5126, "VEC3")  # float32
    return np.frombuffer(binary, "<f4", 3 * accessor["count"], start).reshape(-1, 3)
