"""Cameras are found again from pictures whose rig the finder is not told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.mesh import read_mesh
from cad_renderers import CAD_GREY, CORNER_ISO, Camera, EdgeSet, Rig, SoftwareRenderer
from cad_renderers.calibration import Row, calibrate
from cad_renderers.shapes import Solid, boxes, letter_f, moved

TANGENTS = replace(CAD_GREY, name="t", ink=replace(CAD_GREY.ink, edges=EdgeSet.TANGENTS))


def rows(rig: Rig) -> list[Row]:
    # a second part without symmetry: one alone may hide a mirrored rig
    stairs = moved(boxes({(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 0), (0, 0, 1)}), scale=7.0, by=(3.0, 1.0, -2.0))
    parts: list[Solid] = [letter_f(), stairs]
    draw = SoftwareRenderer().render
    return [Row(name=str(i), images=draw(part, rig=rig, size_px=128).images, mesh=part) for i, part in enumerate(parts)]


def worst_deg(found: Rig, truth: Rig) -> float:
    pairs = zip(found, truth, strict=True)
    return max(
        float(np.degrees(np.arccos(np.clip(a.axes[k] @ b.axes[k], -1.0, 1.0)))) for a, b in pairs for k in range(3)
    )


def test_a_permuted_preset_is_recognised_with_its_order() -> None:
    order = (3, 1, 7, 0, 5, 2, 6, 4)
    hidden = replace(CORNER_ISO, cameras=tuple(CORNER_ISO.cameras[k] for k in order))
    best = calibrate(rows(hidden), styles=(CAD_GREY,))[0]
    assert best.rig == replace(hidden, name="corner-iso")
    assert best.order == order
    assert best.silhouette_iou == 1.0 and best.pixel_difference == 0.0


def test_a_rolled_ring_at_another_elevation_is_found_to_a_degree() -> None:
    cameras = []
    for azimuth in (100, 10, 55, 145, 190, 235, 280, 325):
        right, up, toward = Camera.at("c", azimuth_deg=azimuth, elevation_deg=28.0).axes
        cameras.append(Camera(name=f"c{azimuth}", eye=tuple(toward), up=tuple(0.98 * right + 0.2 * up)))
    hidden = Rig(name="hidden", cameras=tuple(cameras), margin=0.05)
    scores = calibrate(rows(hidden))
    assert worst_deg(scores[0].rig, hidden) < 1.5
    assert abs(scores[0].rig.margin - 0.05) < 0.016
    assert scores[0].silhouette_iou > 0.97
    assert Rig.from_json(scores[0].rig.to_json()) == scores[0].rig
    preset = next(score for score in scores if score.rig.name == "corner-iso")
    assert preset.silhouette_iou < scores[0].silhouette_iou - 0.1


@pytest.mark.slow
def test_the_fit_is_told_apart_from_the_margin() -> None:
    samples = Path(__file__).resolve().parents[2] / "samples" / "meshes"
    cameras = []
    for azimuth in (100, 10, 55, 145, 190, 235, 280, 325):
        right, up, toward = Camera.at("c", azimuth_deg=azimuth, elevation_deg=28.0).axes
        cameras.append(Camera(name=f"c{azimuth}", eye=tuple(toward), up=tuple(0.98 * right + 0.2 * up)))
    hidden = Rig(name="hidden", cameras=tuple(cameras), margin=0.05)
    given = []
    for name in ("clevis", "counterbored_bracket"):
        mesh = read_mesh(samples / f"{name}.stl")
        given.append(Row(name=name, images=SoftwareRenderer().render(mesh, rig=hidden, size_px=128).images, mesh=mesh))
    best = calibrate(given)[0]
    assert best.rig.fit is hidden.fit and abs(best.rig.margin - 0.05) < 0.006
    assert worst_deg(best.rig, hidden) < 0.5 and best.silhouette_iou > 0.99


def test_rows_of_other_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="eight pictures"):
        calibrate([])
    with pytest.raises(ValueError, match="square"):
        Row(name="r", images=(np.zeros((4, 5, 3), np.uint8),), mesh=letter_f())
