"""Directions of a mesh: the world's axes where the mesh knows no better, its own where it does."""

from __future__ import annotations

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.solids import mesh_of


@pytest.mark.parametrize(("edge_mm", "straight"), [(2.0, False), (0.45, True)], ids=["coarse", "fine"])
def test_a_fine_mesh_is_straight_where_a_coarse_one_may_be_askew(edge_mm: float, straight: bool) -> None:
    plate = m3.Manifold.cube((40.0, 30.0, 5.0)).refine_to_length(edge_mm)
    vertices, faces = mesh_of(plate.rotate((np.degrees(5e-5), 0.0, 0.0)))
    assert (len(faces) > 30_000) is straight
    upright = candidate_frames(vertices, faces)[0].axes[2]
    assert np.abs(upright) == pytest.approx([0.0, 0.0, 1.0], abs=1e-4)
    assert bool(upright[1] == 0.0) is straight
