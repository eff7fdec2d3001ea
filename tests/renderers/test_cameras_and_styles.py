"""Cameras, rigs and styles are data: they say no to nonsense and survive JSON."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_renderers import (
    CAD_GREY,
    CORNER_ISO,
    RING_35,
    Camera,
    EdgeSet,
    Fit,
    Ink,
    Light,
    LightFrame,
    Material,
    Rig,
    Style,
)

_component = st.floats(-10, 10, allow_nan=False)
_direction = st.tuples(_component, _component, _component).filter(lambda v: math.hypot(*v) > 1e-3)


@given(eye=_direction, up=_direction)
def test_axes_are_a_right_handed_frame_with_up_upwards(eye, up) -> None:
    right, upward, toward = axes = Camera(name="any", eye=eye, up=up).axes
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.allclose(np.cross(right, upward), toward, atol=1e-9)
    assert np.allclose(toward, np.array(eye) / math.hypot(*eye))
    along = abs(np.dot(np.array(up) / math.hypot(*up), toward))
    if along < 0.999:
        assert np.dot(upward, up) > 0.0


def test_angles_place_the_eye() -> None:
    assert np.allclose(Camera.at("front", azimuth_deg=-90, elevation_deg=0).eye, (0, -1, 0))
    assert np.allclose(Camera.at("iso", azimuth_deg=-45, elevation_deg=math.degrees(math.atan(1 / math.sqrt(2)))).eye,
                       np.array((1, -1, 1)) / math.sqrt(3))  # fmt: skip


def test_corner_rig_has_the_eight_corners_front_first() -> None:
    eyes = [camera.eye for camera in CORNER_ISO]
    assert len(set(eyes)) == 8 and all(set(map(abs, eye)) == {1.0} for eye in eyes)
    assert [eye[1] for eye in eyes] == [-1.0] * 4 + [1.0] * 4
    assert eyes[0] == (1.0, -1.0, 1.0)


def test_ring_goes_round_at_one_height() -> None:
    eyes = np.array([camera.eye for camera in RING_35])
    assert len(eyes) == 8 and np.allclose(eyes[:, 2], eyes[0, 2]) and np.allclose(eyes.sum(axis=0)[:2], 0)


@pytest.mark.parametrize("rig", [CORNER_ISO, RING_35, replace(CORNER_ISO, fit=Fit.SHARED, margin=0.2)])
def test_rigs_survive_json(rig: Rig, tmp_path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(rig.to_json()))
    assert Rig.load(path) == rig


def test_rig_file_may_give_angles(tmp_path) -> None:
    path = tmp_path / "rig.json"
    path.write_text('{"cameras": [{"name": "front", "azimuth_deg": -90, "elevation_deg": 0}]}')
    assert np.allclose(Rig.load(path).cameras[0].eye, (0, -1, 0))
    assert Rig.load("ring-35") is RING_35


def test_styles_survive_json(tmp_path) -> None:
    style = replace(
        CAD_GREY,
        name="odd",
        material=Material(color=(0.1, 0.2, 0.3), shininess=3),
        lights=(Light(toward=(0, 0.5, -1), frame=LightFrame.PART, intensity=0.3),),
        ink=Ink(edges=EdgeSet.SILHOUETTES, width_px=2.0),
        background=(0.9, 0.9, 0.9),
        samples_per_axis=3,
    )
    path = tmp_path / "style.json"
    path.write_text(json.dumps(style.to_json()))
    assert Style.load(path) == style
    assert Style.load("cad-grey") is CAD_GREY
    path.write_text('{"material": {"color": [1, 0, 0]}}')
    assert Style.load(path) == replace(CAD_GREY, material=Material(color=(1.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Camera(name="none", eye=(0, 0, 0)),
        lambda: Camera(name="nan", eye=(math.nan, 0, 1)),
        lambda: Rig(name="empty", cameras=()),
        lambda: Rig(name="twice", cameras=(CORNER_ISO.cameras[0],) * 2),
        lambda: replace(CORNER_ISO, margin=1.0),
        lambda: Rig.load("no-such-rig"),
        lambda: Rig.from_json({"cameras": [{"name": "x", "azimuth": 3}]}),
        lambda: Rig.from_json({"cameras": [], "zoom": 2}),
        lambda: Style.load("no-such-style"),
        lambda: Style.from_json({"materials": {}}),
        lambda: Style.from_json({"ink": {"colour": [0, 0, 0]}}),
        lambda: Material(color=(255, 0, 0)),
        lambda: Light(toward=(0, 0, 0)),
        lambda: Ink(crease_deg=0.0),
        lambda: replace(CAD_GREY, samples_per_axis=0),
    ],
)
def test_nonsense_is_refused_in_words(make) -> None:
    with pytest.raises(ValueError, match=r"expected|must"):
        make()


@pytest.mark.parametrize("text", ["[1]", "3", "{", '{"cameras": [3]}', '{"lights": 3}', '{"material": [1]}', "\x00"])
@pytest.mark.parametrize("kind", [Rig, Style])
def test_broken_files_are_named(kind, text: str, tmp_path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json"):
        kind.load(path)
