"""The samples: every program has its mesh, the meshes are sound and small, and the programs still make them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.mesh import bodies, read_mesh

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
NAMES = sorted(path.stem for path in (SAMPLES / "programs").glob("*.py"))


def test_there_are_enough_samples_and_none_is_left_over() -> None:
    assert len(NAMES) >= 8
    assert sorted(path.stem for path in (SAMPLES / "meshes").glob("*.stl")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_one_clean_small_solid(name: str) -> None:
    mesh = read_mesh(SAMPLES / "meshes" / f"{name}.stl", unit="inch" if name.startswith("inch_") else "mm")
    assert mesh.closed
    assert mesh.notes == ()
    assert len(bodies(mesh)) == 1
    assert len(mesh.faces) <= 5000
    assert 20 < mesh.diagonal < 300


@pytest.mark.parametrize("name", NAMES)
def test_a_program_says_what_it_is_and_has_named_dimensions(name: str) -> None:
    tree = ast.parse((SAMPLES / "programs" / f"{name}.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert len(ast.unparse(tree).splitlines()) < 60
    targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    assert any(isinstance(target, ast.Name) and target.id == "result" for target in targets)
    assert sum(isinstance(target, ast.Tuple) for target in targets) >= 2


def test_the_readme_names_every_sample_with_its_size() -> None:
    size = r"([\d.]+) × ([\d.]+) × ([\d.]+)"
    line = re.compile(rf"^\| \[(\w+)\]\(programs/\1\.py\) \| (.+?) \| {size} \| (\w+) \| (\d+) \|$", re.MULTILINE)
    rows = line.findall((SAMPLES / "README.md").read_text("utf-8"))
    assert [row[0] for row in rows] == NAMES
    for name, _, x, y, z, unit, triangles in rows:
        mesh = read_mesh(SAMPLES / "meshes" / f"{name}.stl", unit=unit)
        sides = (mesh.bounds[1] - mesh.bounds[0]) / mesh.mm_per_unit
        assert sides == pytest.approx([float(x), float(y), float(z)], rel=2e-3)
        assert len(mesh.faces) == int(triangles)


def test_the_skew_sample_has_no_face_along_an_axis_plane() -> None:
    mesh = read_mesh(SAMPLES / "meshes" / "skew_bracket.stl")
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1)
    large = area > 0.02 * area.sum()
    assert large.any()
    assert (np.abs(cross[large]) / area[large, None]).max() < 0.99


def test_a_program_makes_its_mesh_again(tmp_path: Path) -> None:
    target = tmp_path / "clevis.stl"
    command = [sys.executable, str(SAMPLES / "make_samples.py"), "--build"]
    command += [str(SAMPLES / "programs" / "clevis.py"), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    made, kept = read_mesh(target), read_mesh(SAMPLES / "meshes" / "clevis.stl")
    assert made.volume == pytest.approx(kept.volume, rel=1e-6)
