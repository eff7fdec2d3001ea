"""What the pictures show: fit, lines, lights, channels, difference, turntable and the large picture."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cad_renderers import (
    CAD_GREY,
    CORNER_ISO,
    Camera,
    Channel,
    EdgeSet,
    Fit,
    Ink,
    Rig,
    SoftwareRenderer,
    difference_views,
    hero_image,
    save_gif,
    turntable,
)
from cad_renderers.shapes import ball, box, letter_f, moved

RENDERER = SoftwareRenderer()


def _extent(mask) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_box_fit_gives_the_corner_views_one_scale() -> None:
    """The box of a long part has the same projection from every corner, so its views have one scale."""
    views = RENDERER.render(box((0, 0, 0), (30, 10, 5)), size_px=128)
    sizes = {_extent(view.mask) for view in views}
    assert all(max(size) in (126, 127, 128) for size in sizes)
    heights = [size[0] for size in sizes]
    assert max(heights) - min(heights) <= 2


def test_tight_fit_fills_every_frame_and_shared_fit_keeps_one_scale() -> None:
    solid = ball(1.0, rings=16)
    stretched = replace(solid, vertices=solid.vertices * (3.0, 1.0, 1.0))
    sides = (Camera(name="front", eye=(0, -1, 0)), Camera(name="right", eye=(1, 0, 0)))
    tight = RENDERER.render(stretched, rig=Rig(name="t", cameras=sides, fit=Fit.TIGHT, margin=0.0), size_px=90)
    assert [max(_extent(view.mask)) for view in tight] == [90, 90]
    shared = RENDERER.render(stretched, rig=Rig(name="s", cameras=sides, fit=Fit.SHARED, margin=0.0), size_px=90)
    assert [max(_extent(view.mask)) for view in shared] == [90, 30]


def test_lines_are_dark_where_edges_are_and_nowhere_else() -> None:
    top = Rig(name="top", cameras=(Camera(name="top", eye=(0, 0, 1)),), margin=0.2)
    step = box((0, 0, 0), (4, 4, 1)), box((0, 0, 1), (2, 4, 2))
    both = replace(
        step[0],
        vertices=np.vstack([s.vertices for s in step]),
        faces=np.vstack([step[0].faces, step[1].faces + 8]),
    )
    image = RENDERER.render(both, rig=top, size_px=100)[0].image.astype(int).min(axis=2)
    row = image[50]
    dark = np.flatnonzero(row < 120)
    assert dark.min() in (9, 10) and dark.max() in (89, 90)
    inner = dark[(dark > 15) & (dark < 85)]
    assert set(inner) <= {49, 50} and len(inner) >= 1
    plain = RENDERER.render(both, rig=top, size_px=100, style=replace(CAD_GREY, ink=Ink(edges=EdgeSet.NONE)))[0]
    assert plain.image.min() > 120


def test_hidden_lines_stay_hidden() -> None:
    """Pillars behind a thin wall, three thousandths of the diagonal away, must not shine through it."""
    wall = box((0, 0, 0), (10, 0.02, 10))
    pillars = [box((x, 0.05, 1), (x + 0.6, 1.0, 9)) for x in np.arange(1.0, 9.0, 1.0)]
    solids = [wall, *pillars]
    starts = np.cumsum([0, *(len(s.vertices) for s in solids[:-1])])
    both = replace(
        wall,
        vertices=np.vstack([s.vertices for s in solids]),
        faces=np.vstack([s.faces + start for s, start in zip(solids, starts, strict=True)]),
    )
    rig = Rig(name="front", cameras=(Camera(name="front", eye=(0.1, -1, 0.2)),))
    inside = RENDERER.render(both, rig=rig, size_px=160)[0].image[40:120, 40:120]
    assert np.ptp(inside.astype(int), axis=(0, 1)).max() <= 2


@pytest.mark.parametrize("rig_view", range(8))
def test_no_view_is_dark_and_neighbouring_faces_differ(rig_view: int) -> None:
    rig = replace(CORNER_ISO, cameras=(CORNER_ISO.cameras[rig_view],))
    style = replace(CAD_GREY, ink=Ink(edges=EdgeSet.NONE))
    view = RENDERER.render(box((0, 0, 0), (1, 1, 1)), rig=rig, size_px=64, style=style)[0]
    shades = np.unique(view.image[view.mask].astype(int)[:, 0] // 3 * 3)
    middle = [int(view.image[y, x, 0]) for y, x in ((16, 32), (40, 20), (40, 44), (48, 32), (24, 20), (24, 44))]
    assert min(middle) > 95 and max(middle) < 245
    assert len(shades) >= 3


def test_channels_come_when_asked_for() -> None:
    views = RENDERER.render(letter_f(), size_px=48)
    assert all(view.depth is None and view.normals is None for view in views)
    views = RENDERER.render(letter_f(), size_px=48, channels=[Channel.DEPTH])
    assert all(view.depth is not None and view.normals is None for view in views)
    assert all(np.isfinite(view.depth[view.mask]).all() for view in views)


def test_depths_carry_the_unit_of_the_mesh() -> None:
    top = Rig(name="top", cameras=(Camera(name="top", eye=(0, 0, 1)),))
    view = RENDERER.render(
        moved(box((0, 0, 0), (4, 4, 10)), scale=25.4, by=(7, 8, 9)), rig=top, channels=list(Channel), size_px=32
    )[0]
    assert view.depth[16, 16] == pytest.approx(-5 * 25.4, rel=1e-6)
    assert np.allclose(view.normals[16, 16], (0, 0, 1), atol=1e-6)


def test_arrays_are_read_only() -> None:
    view = RENDERER.render(letter_f(), size_px=16)[0]
    with pytest.raises(ValueError, match="read-only"):
        view.image[0, 0] = 0


def test_views_travel_between_processes() -> None:
    """Distributed jobs send views over a wire: copies must be whole."""
    import copy

    views = RENDERER.render(letter_f(), size_px=16, channels=[Channel.DEPTH])
    twin = copy.deepcopy(views)
    assert twin.rig == views.rig and twin.style == views.style
    assert all((a.image == b.image).all() and (a.depth == b.depth).all() for a, b in zip(views, twin, strict=True))


def test_views_are_saved_with_their_recipe(tmp_path) -> None:
    from PIL import Image

    views = RENDERER.render(letter_f(), size_px=32)
    paths = views.save(tmp_path / "views")
    assert [path.name for path in paths][:2] == ["0_front-right-top.png", "1_front-left-top.png"]
    assert all((np.array(Image.open(path)) == view.image).all() for path, view in zip(paths, views, strict=True))
    about = json.loads((tmp_path / "views" / "views.json").read_text())
    assert Rig.from_json(about["rig"]) == CORNER_ISO and about["renderer"] == "software"
    sheet = views.contact_sheet(gap_px=2)
    assert sheet.shape == (66, 4 * 32 + 6, 3)
    assert (sheet[34:66, 34:66] == views[5].image).all()
    assert views["rear-left-top"] is views[5]
    with pytest.raises(KeyError, match="front-right-top"):
        views["nowhere"]


@pytest.mark.parametrize("size_px", [0, 7, 100_000])
def test_absurd_sizes_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match="size_px"):
        RENDERER.render(letter_f(), size_px=size_px)


def test_difference_shows_what_is_missing_and_what_is_extra() -> None:
    block = box((0, 0, 0), (10, 10, 10))
    tower = replace(
        block,
        vertices=np.vstack([block.vertices, box((2, 2, 10), (8, 8, 14)).vertices]),
        faces=np.vstack([block.faces, block.faces + 8]),
    )
    same = difference_views(block, moved(block, by=(0.005, 0, 0)), size_px=96)
    assert sum(int(view.mask.sum()) for view in same) == 0
    missing, extra = difference_views(tower, block, size_px=96)[0], difference_views(block, tower, size_px=96)[0]
    assert (missing.mask == extra.mask).mean() > 0.995
    assert 0.03 < missing.mask.mean() < 0.3
    red, _, blue = missing.image[missing.mask].astype(int).mean(axis=0)
    assert red > blue + 60
    red, _, blue = extra.image[extra.mask].astype(int).mean(axis=0)
    assert blue > red + 60
    plain = missing.image[~missing.mask].astype(int)
    assert (np.abs(plain[:, 0] - plain[:, 2]) < 40).mean() > 0.97


def test_difference_finds_a_missing_hole() -> None:
    """A pocket that the result lacks is extra material; seen from the far side nothing differs."""
    cells = {(x, y, z) for x in range(3) for y in range(3) for z in range(2)}
    from cad_renderers.shapes import boxes

    views = difference_views(boxes(cells - {(1, 1, 1)}), boxes(cells), size_px=64)
    assert [bool(view.mask.any()) for view in views] == [True, True, False, False] * 2


def test_turntable_turns_once_at_one_scale(tmp_path) -> None:
    views = turntable(letter_f(), frames=8, size_px=48)
    assert len(views) == 8
    assert len({view.image.tobytes() for view in views}) == 8
    from PIL import Image

    with Image.open(save_gif(views.images, tmp_path / "turn.gif", frame_ms=50)) as gif:
        assert gif.n_frames == 8 and gif.size == (48, 48) and gif.info["duration"] == 50


def test_hero_image_has_a_shadow_under_the_part_and_white_corners() -> None:
    image = hero_image(box((0, 0, 0), (4, 4, 2)), size_px=160)
    assert image.shape == (160, 160, 3) and (image[0] > 250).all()
    plain = RENDERER.render(
        box((0, 0, 0), (4, 4, 2)),
        rig=Rig(
            name="h",
            cameras=(Camera.at("h", azimuth_deg=-52, elevation_deg=28),),
            fit=Fit.SHARED,
            margin=0.12,
        ),
        size_px=160,
    )[0]
    ground = ~plain.mask & (plain.image.min(axis=2) == 255)
    shadow = ground & (image.max(axis=2) < 240)
    assert shadow.sum() > 200
    assert np.nonzero(shadow)[0].mean() > 80  # below the middle
    top = image[60:80, 60:100].astype(int)
    assert np.ptp(top, axis=(0, 1)).max() <= 8  # a convex part has no hollows to darken


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, cad_renderers; heavy = {'numba', 'scipy', 'vtk', 'vtkmodules', "
        "'pyrender', 'OpenGL', 'PIL', 'trimesh'}; "
        "from cad_renderers import Renderer, Rig, Views; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_path())
    assert done.stdout.strip() == "[]"


def _path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def test_public_names_are_listed_once_and_all_exist() -> None:
    import cad_renderers

    assert sorted(cad_renderers.__all__) == sorted(cad_renderers._HOMES)
    assert all(hasattr(cad_renderers, name) for name in cad_renderers.__all__)
    with pytest.raises(AttributeError, match="offers"):
        cad_renderers.no_such_name  # noqa: B018
