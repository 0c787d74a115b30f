"""Surfaces of objects as STL and GLB files, in patient coordinates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inference.box import Box
from inference.errors import UserError
from inference.writing import NOTICE, atomic

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from trimesh import Trimesh

    from inference.object_files import Objects
    from inference.series import Geometry
    from inference.writing import Segment

    Floats = NDArray[np.float64]

STL_HEADER = f"SPACE=LPS UNIT=mm {NOTICE}"  # 3D Slicer looks for the first word
PASSES, IN, OUT = 12, 0.5, -0.53  # Taubin, "A signal processing approach …", SIGGRAPH 1995


def write_stl(objects: Objects, stem: Path) -> list[Path]:
    """One binary STL for each object that has voxels, LPS mm, as its header says; UserError."""
    written = []
    for segment, mesh in _meshes(objects):
        name = re.sub(r"\W+", "_", segment.name).strip("_").lower()
        path = stem.with_name(f"{stem.name}_{segment.value}_{name}.stl")
        with atomic(path) as part:
            mesh.export(part, file_type="stl")
            with part.open("r+b") as file:
                file.write(STL_HEADER.ljust(80).encode("ascii"))
        written.append(path)
    return written


def write_glb(objects: Objects, stem: Path) -> list[Path]:
    """All objects that have voxels as named, coloured meshes of one scene, LPS mm; UserError."""
    from trimesh import Scene
    from trimesh.visual.material import PBRMaterial
    from trimesh.visual.texture import TextureVisuals

    scene = Scene(metadata={"space": "LPS", "unit": "mm", "notice": NOTICE})
    for segment, mesh in _meshes(objects):
        color = [*segment.rgb, 255]
        look = PBRMaterial(name=segment.name, baseColorFactor=color)  # type: ignore[no-untyped-call]
        mesh.visual = TextureVisuals(material=look)  # type: ignore[no-untyped-call]
        name = f"{segment.value} {segment.name}"
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    path = stem.with_name(f"{stem.name}_surfaces.glb")
    with atomic(path) as part:
        part.write_bytes(scene.export(file_type="glb"))  # type: ignore[no-untyped-call]
    return [path]


def _meshes(objects: Objects) -> list[tuple[Segment, Trimesh]]:
    geometry = objects.series.geometry
    found = [(s, surface(objects.labels == s.value, geometry)) for s in objects.segments]
    meshes = [(segment, mesh) for segment, mesh in found if mesh is not None]
    if not meshes:
        raise UserError("No object has voxels yet, so there is no surface to save: draw one first.")
    return meshes


def surface(mask: NDArray[np.bool_], geometry: Geometry) -> Trimesh | None:
    """The closed, smoothed surface of a mask (z, y, x), LPS mm; None if it is empty.

    Marching cubes, then smoothing that neither shrinks the whole nor loses thin parts (Taubin).
    """
    from skimage.measure import marching_cubes
    from trimesh import Trimesh

    box = Box.of(mask)
    if box is None:
        return None
    padded = np.pad(mask[box.slices], 1)
    vertices, faces, *_ = marching_cubes(  # type: ignore[no-untyped-call]
        padded.view(np.uint8), 0.5, allow_degenerate=False
    )
    placed = geometry.to_patient(vertices - 1 + np.asarray(box.start))
    mesh = Trimesh(_smooth(placed, faces), faces, process=False)
    if mesh.volume < 0:  # a grid that is a mirror image turns all faces inside out
        mesh.invert()
    return mesh


def _smooth(vertices: Floats, faces: NDArray[np.integer]) -> Floats:
    mean = _neighbours(len(vertices), faces)
    for step in (IN, OUT) * PASSES:
        vertices = vertices + step * (mean @ vertices - vertices)
    return vertices


def _neighbours(count: int, faces: NDArray[np.integer]) -> csr_matrix:
    """The matrix that gives each vertex the mean of those that share an edge with it."""
    from scipy.sparse import coo_matrix, csr_matrix, diags

    ends = np.concatenate((faces, np.roll(faces, 1, axis=1))).reshape(-1)
    others = np.concatenate((np.roll(faces, 1, axis=1), faces)).reshape(-1)
    edges = coo_matrix((np.ones(len(ends)), (ends, others)), shape=(count, count)).tocsr()
    edges.data[:] = 1  # each edge belongs to two faces
    return csr_matrix(diags(1 / np.asarray(edges.sum(axis=1)).reshape(-1)) @ edges)
