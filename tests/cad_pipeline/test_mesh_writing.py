"""Writing a mesh, and sizes that make no sense for a part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from manifold3d import Manifold

from cad_pipeline.mesh import mesh_from_arrays, read_mesh, write_stl


def part() -> trimesh.Trimesh:
    mesh = (Manifold.cube((40, 25, 10)) - Manifold.cylinder(30, 6, 6, 32, True).translate((20, 12, 0))).to_mesh64()
    return trimesh.Trimesh(np.array(mesh.vert_properties), np.array(mesh.tri_verts), process=False)


def test_written_stl_is_read_back(tmp_path: Path) -> None:
    mesh = mesh_from_arrays(part().vertices, part().faces, "part")
    write_stl(mesh, tmp_path / "out.stl")
    again = read_mesh(tmp_path / "out.stl")
    assert (tmp_path / "out.stl").stat().st_size == 84 + 50 * len(mesh.faces)
    assert again.volume == pytest.approx(mesh.volume, rel=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["out.stl"]


@pytest.mark.parametrize(("scale", "word"), [(1e-6, "tiny"), (1e7, "huge"), (1.0, None)])
def test_implausible_sizes_are_told(scale: float, word: str | None) -> None:
    mesh = mesh_from_arrays(part().vertices * scale, part().faces, "part")
    assert mesh.closed
    assert [word in note for note in mesh.notes] == ([True] if word else [])
