"""What every renderer must satisfy; run `verify(renderer)` on your own, with or without a test framework.

Each check raises `ConformanceError` with what was expected and what was found. None needs a display.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import CORNER_ISO, RING_35, Camera, Fit, Rig
from cad_renderers.roles import Channel, Renderer, Triangles
from cad_renderers.shapes import Solid, ball, box, boxes, letter_f, moved
from cad_renderers.software import SoftwareRenderer
from cad_renderers.views import Views

__all__ = ["AGREEMENT", "CHECKS", "SAME_LEVELS", "SLOW_CHECKS", "ConformanceError", "disagreement", "verify"]

SAME_LEVELS = 16
"""Pixels that differ by no more than this (of 255) count as the same when two renderers are compared."""

AGREEMENT = 2e-3
"""The largest share of pixels, and of silhouette pixels, in which two renderers may differ."""

_SIDES = Rig(
    name="sides",
    cameras=(
        Camera(name="front", eye=(0, -1, 0)),
        Camera(name="rear", eye=(0, 1, 0)),
        Camera(name="right", eye=(1, 0, 0)),
        Camera(name="left", eye=(-1, 0, 0)),
        Camera(name="top", eye=(0, 0, 1)),
        Camera(name="bottom", eye=(0, 0, -1)),
    ),
    fit=Fit.TIGHT,
    margin=0.0,
)


class ConformanceError(AssertionError):
    """A renderer does not do what it must; the message says what was expected and what was found."""


def _require(truth: bool | np.bool_, message: str) -> None:
    if not truth:
        raise ConformanceError(message)


def _stack(views: Views) -> NDArray[np.int16]:
    return np.array(views.images, dtype=np.int16)


def disagreement(one: Views, other: Views) -> tuple[float, float]:
    """Measure the largest share, over the views, of pixels that differ visibly, and of masks that differ."""
    apart = np.abs(_stack(one) - _stack(other)).max(axis=3) > SAME_LEVELS
    masks = np.array([a.mask != b.mask for a, b in zip(one, other, strict=True)])
    return float(apart.mean(axis=(1, 2)).max()), float(masks.mean(axis=(1, 2)).max())


def check_shape(renderer: Renderer) -> None:
    """One RGB image for each camera, in order, with white ground in the corners and the part in the middle."""
    for rig in (CORNER_ISO, RING_35):
        views = renderer.render(box((0, 0, 0), (1, 1, 1)), rig=rig, size_px=64)
        _require([v.name for v in views] == [c.name for c in rig], f"expected the cameras of {rig.name} in order")
        for view in views:
            _require(
                view.image.shape == (64, 64, 3) and view.image.dtype == np.uint8 and view.mask.shape == (64, 64),
                f"{view.name}: expected (64, 64, 3) uint8 with a mask, got {view.image.shape} {view.image.dtype}",
            )
            _require(
                bool((view.image[0, 0] == 255).all()), f"{view.name}: expected white ground, got {view.image[0, 0]}"
            )
            _require(bool(view.mask[32, 32]), f"{view.name}: expected the part in the middle of the image")


def check_handedness(renderer: Renderer) -> None:
    """A mirrored part gives other pictures: nothing is flipped twice."""
    solid = letter_f()
    one = _stack(renderer.render(solid, size_px=64))
    other = _stack(renderer.render(solid.mirrored(), size_px=64))
    for view in range(len(one)):
        _require(bool((np.abs(one[view] - other[view]) > 64).any()), f"view {view}: a mirrored part looks the same")


def check_orientation(renderer: Renderer) -> None:
    """An F reads right from the front, mirrored from the rear; its foot lies where it must from side and top."""
    views = renderer.render(letter_f(), rig=_SIDES, size_px=60)
    expected = {
        "front": ("XXX", "X..", "XX.", "X..", "X.."),
        "rear": ("XXX", "..X", ".XX", "..X", "..X"),
        "right": ("X..", "X..", "X..", "X..", "XXX"),
        "left": ("..X", "..X", "..X", "..X", "XXX"),
        "top": ("X..", "X..", "XXX"),
        "bottom": ("..X", "..X", "XXX"),
    }
    for name, rows in expected.items():
        mask = views[name].mask
        cell = 60 // max(len(rows), len(rows[0]))
        top, left = (60 - cell * len(rows)) // 2, (60 - cell * len(rows[0])) // 2
        for i, row in enumerate(rows):
            for j, sign in enumerate(row):
                seen = bool(mask[top + i * cell + cell // 2, left + j * cell + cell // 2])
                _require(
                    seen == (sign == "X"), f"{name}: expected {rows} read from the top, row {i} column {j} differs"
                )


def check_order(renderer: Renderer) -> None:
    """Of the eight corner views the first four see the front, and view k looks at corner k: a cube without it is deep
    there.
    """
    cells = {(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)}
    hollow = []
    for camera in CORNER_ISO:
        corner = tuple(int(c > 0) for c in camera.eye)
        views = renderer.render(boxes({c for c in cells if c != corner}), size_px=48, channels=(Channel.DEPTH,))
        hollow.append(int(np.argmax([view.depth[22:26, 22:26].mean() for view in views if view.depth is not None])))
    _require(hollow == list(range(8)), f"expected the missing corner k in the middle of view k, got {hollow}")
    _require(all(c.eye[1] < 0 for c in CORNER_ISO.cameras[:4]), "expected the first four views from the front (-Y)")


def check_scale_and_translation(renderer: Renderer) -> None:
    """A part's size, unit and place do not show."""
    solid = letter_f()
    base = renderer.render(solid, size_px=96)
    for scale, by in (
        (1e-3, (0.0, 0.0, 0.0)),
        (1e6, (0.0, 0.0, 0.0)),
        (25.4, (1e3, -2e3, 500.0)),
        (1.0, (2e6, 0.0, 0.0)),
    ):
        pixels, masks = disagreement(base, renderer.render(moved(solid, scale=scale, by=by), size_px=96))
        _require(
            max(pixels, masks) <= 5e-3,
            f"scaled by {scale:g}, moved by {by}: {pixels:.2%} of the pixels changed, expected none",
        )


def check_determinism(renderer: Renderer) -> None:
    """The same part gives the same bytes."""
    one, other = (renderer.render(ball(1.0, rings=12), size_px=64) for _ in range(2))
    _require(bool((_stack(one) == _stack(other)).all()), "two runs gave different pixels")


def check_cube_silhouette(renderer: Renderer) -> None:
    """A cube from a corner is a regular hexagon, tight in its frame."""
    rig = Rig(name="corner", cameras=(Camera(name="corner", eye=(1, -1, 1)),), fit=Fit.TIGHT, margin=0.0)
    size = 200
    mask = renderer.render(box((0, 0, 0), (2, 2, 2)), rig=rig, size_px=size)[0].mask
    # Two corners of the hexagon lie above and below its middle, as far from it as the sides are long.
    side = size / 2.0
    expected = 1.5 * math.sqrt(3.0) * side * side
    _require(
        abs(mask.sum() - expected) <= 6 * side * 0.5,
        f"expected a hexagon of {expected:.0f} px, found {int(mask.sum())}",
    )
    rows, columns = np.nonzero(mask)
    width = math.sqrt(3.0) * side
    _require(abs(np.ptp(rows) + 1 - size) <= 2, f"expected a hexagon {size} px high, got {np.ptp(rows) + 1}")
    _require(
        abs(np.ptp(columns) + 1 - width) <= 2, f"expected a hexagon {width:.0f} px wide, got {np.ptp(columns) + 1}"
    )


def check_sphere(renderer: Renderer) -> None:
    """A ball is a disc in every view; its depths and normals are a sphere's."""
    size, radius = 128, 7.0
    rig = Rig(name="tight", cameras=CORNER_ISO.cameras, fit=Fit.TIGHT, margin=0.0)
    views = renderer.render(ball(radius), rig=rig, size_px=size, channels=(Channel.DEPTH, Channel.NORMALS))
    ticks = ((np.arange(size) + 0.5) / size - 0.5) * 2.0 * radius
    u, v = np.meshgrid(ticks, -ticks)
    for view in views:
        assert view.depth is not None and view.normals is not None
        _require(
            abs(view.mask.sum() / (math.pi * size * size / 4.0) - 1.0) < 0.02,
            f"{view.name}: expected a disc of {math.pi * size * size / 4:.0f} px, got {int(view.mask.sum())}",
        )
        inner = u**2 + v**2 < (0.8 * radius) ** 2
        error = np.abs(view.depth[inner] + np.sqrt(radius**2 - u**2 - v**2, where=inner, out=np.zeros_like(u))[inner])
        _require(float(error.max()) < 0.03 * radius, f"{view.name}: depths of the sphere are off by {error.max():.3f}")
        right, up, toward = view.camera.axes
        w = np.sqrt(np.maximum(radius**2 - u**2 - v**2, 0.0))
        truth = (u[..., None] * right + v[..., None] * up + w[..., None] * toward) / radius
        agree = (truth * view.normals).sum(axis=2)[inner]
        _require(
            float(agree.min()) > 0.995, f"{view.name}: a normal is {math.degrees(math.acos(agree.min())):.1f}° off"
        )
        _require(bool(np.isinf(view.depth[0, 0])), f"{view.name}: expected +inf depth beside the part")


def check_through_hole(renderer: Renderer) -> None:
    """Ground is seen through a square hole, of the size that geometry says, from above and from below alike."""
    cells = {(x, y, 0) for x in range(5) for y in range(5)} - {(1, 3, 0), (2, 3, 0)}
    views = renderer.render(boxes(cells), rig=_SIDES, size_px=100)
    for name, left in (("top", 20), ("bottom", 40)):
        mask = views[name].mask
        hole = np.zeros((100, 100), dtype=bool)
        hole[20:40, left : left + 40] = True
        _require(
            bool((mask == ~hole).all()),
            f"{name}: expected ground in columns {left} to {left + 40} of a hole alone, {(mask == hole).sum()} px off",
        )


def check_hidden_lines(renderer: Renderer) -> None:
    """What lies behind a wall, however thin it is, does not show through it: no line, no shade."""
    for thickness in (1.0, 1e-2):
        wall = box((0.0, 0.0, 0.0), (10.0, thickness, 10.0))
        behind = box((3.0, 2.0 * thickness, 3.0), (7.0, 4.0, 6.0))
        both = Solid(
            vertices=np.vstack([wall.vertices, behind.vertices]),
            faces=np.vstack([wall.faces, behind.faces + len(wall.vertices)]),
        )
        image = renderer.render(both, rig=_SIDES, size_px=96)["front"].image[4:-4, 4:-4]
        _require(
            bool((image == image[0, 0]).all()),
            f"a wall {thickness:g} thick: expected one shade all over, got levels {image.min()} to {image.max()}",
        )


def check_thin_parts(renderer: Renderer) -> None:
    """A sheet and a wire thinner than a pixel are seen in every view, by their lines at least."""
    for solid in (box((0, 0, 0), (100, 80, 0.01)), box((0, 0, 0), (100, 0.05, 0.05))):
        for rig in (CORNER_ISO, _SIDES):
            for view in renderer.render(solid, rig=rig, size_px=96):
                _require(bool((view.image < 200).any()), f"{view.name}: a thin part left no trace")


def check_many_triangles(renderer: Renderer) -> None:
    """A hundred thousand small triangles leave no holes."""
    solid = ball(1.0, rings=224)
    view = renderer.render(solid, rig=Rig(name="one", cameras=CORNER_ISO.cameras[:1]), size_px=128)[0]
    inner = view.mask.copy()
    ticks = (np.arange(128) + 0.5) / 128 - 0.5
    u, v = np.meshgrid(ticks, ticks)
    # In a box fit the ball's radius is 1/2√3 of the cube's diagonal, and the frame is 2·√2/√3 of its edge.
    disc = u**2 + v**2 < (0.9 * 0.5 * 0.99 / math.sqrt(8.0 / 3.0)) ** 2
    _require(
        len(solid.faces) > 100_000 and bool(inner[disc].all()), f"{int((~inner[disc]).sum())} holes in a fine sphere"
    )


def check_two_million_triangles(renderer: Renderer) -> None:
    """Two million triangles are drawn, all numbers told apart, and look as a thousandth of them do."""
    solid, coarse = ball(1.0, rings=710), ball(1.0, rings=120)
    _require(len(solid.faces) > 2_000_000, f"expected two million triangles to test with, got {len(solid.faces)}")
    rig = Rig(name="two", cameras=CORNER_ISO.cameras[:2])
    _, masks = disagreement(*(renderer.render(each, rig=rig, size_px=128) for each in (solid, coarse)))
    _require(masks <= 5e-3, f"expected the silhouette of a ball, {masks:.2%} of the pixels differ")


def check_no_display(renderer: Renderer) -> None:
    """A process without a display draws the same pictures."""
    code = (
        "import hashlib; from cad_renderers import renderer_named; from cad_renderers.shapes import letter_f; "
        f"views = renderer_named({renderer.name!r}).render(letter_f(), size_px=32); "
        "print(hashlib.sha256(b''.join(image.tobytes() for image in views.images)).hexdigest())"
    )
    bare = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    bare["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False)
    views = renderer.render(letter_f(), size_px=32)
    expected = hashlib.sha256(b"".join(image.tobytes() for image in views.images)).hexdigest()
    _require(
        done.stdout.split()[-1:] == [expected],
        f"expected the same bytes without a display, got status {done.returncode}: {done.stderr.strip()[-200:]}",
    )


def check_refusals(renderer: Renderer) -> None:
    """Meshes that show nothing are refused with `ValueError`; broken triangles among good ones are not."""
    good = box((0, 0, 0), (1, 2, 3))
    nothing = np.zeros((0, 3), dtype=np.int64)
    bad: dict[str, Triangles] = {
        "no triangles": Solid(vertices=good.vertices, faces=nothing),
        "no vertices": Solid(vertices=np.zeros((0, 3)), faces=nothing),
        "a single point": Solid(vertices=np.ones((8, 3)), faces=good.faces),
        "a line": Solid(vertices=good.vertices * (0.0, 0.0, 1.0), faces=good.faces),
        "NaN": Solid(vertices=np.full((8, 3), np.nan), faces=good.faces),
        "infinity": Solid(vertices=np.where(good.vertices > 2.0, np.inf, good.vertices), faces=good.faces),
        "an index too high": Solid(vertices=good.vertices[:7], faces=good.faces),
        "a negative index": Solid(vertices=good.vertices, faces=good.faces - 1),
    }
    for what, mesh in bad.items():
        try:
            renderer.render(mesh, size_px=32)
        except ValueError as error:
            _require("expected" in str(error), f"{what}: expected a message that says what was expected, got {error}")
        else:
            raise ConformanceError(f"{what}: expected a ValueError, got pictures")
    mixed = np.vstack([good.faces, [(0, 0, 1), (2, 2, 2), (0, 1, 1)]])
    spoiled = Solid(vertices=np.vstack([good.vertices, [(np.nan, 0, 0)]]), faces=mixed)
    pixels, masks = disagreement(renderer.render(good, size_px=32), renderer.render(spoiled, size_px=32))
    _require(max(pixels, masks) == 0.0, "degenerate triangles and unused points changed the picture")


def check_flat_and_open(renderer: Renderer) -> None:
    """A single triangle is seen from both sides, lit on both."""
    sheet = Solid(vertices=np.array([(0.0, 0, 0), (1, 0, 0), (0, 1, 0)]), faces=np.array([(0, 1, 2)]))
    views = renderer.render(sheet, rig=_SIDES, size_px=64)
    for name in ("top", "bottom"):
        view = views[name]
        _require(
            0.4 < view.mask.mean() < 0.6, f"{name}: expected half of the frame covered, got {view.mask.mean():.2f}"
        )
        _require(float(view.image[view.mask].mean()) > 100, f"{name}: an open sheet is black from this side")


def check_threads(renderer: Renderer) -> None:
    """Several threads at once get what each would get alone."""
    solids = [letter_f(), ball(1.0, rings=10), box((0, 0, 0), (1, 2, 3)), letter_f().mirrored()] * 3
    alone = [_stack(renderer.render(solid, size_px=48)) for solid in solids[:4]]
    with ThreadPoolExecutor(max_workers=4) as pool:
        together = list(pool.map(lambda solid: _stack(renderer.render(solid, size_px=48)), solids))
    for i, images in enumerate(together):
        _require(bool((images == alone[i % 4]).all()), f"call {i} of 12 from 4 threads gave other pixels than alone")


def check_agreement(renderer: Renderer) -> None:
    """The pictures are the reference's, but for the few samples where triangles tie."""
    reference = SoftwareRenderer()
    for name, solid in {"F": letter_f(), "ball": ball(3.0, rings=40), "box": box((0, 0, 0), (5, 1, 2))}.items():
        pixels, masks = disagreement(renderer.render(solid, size_px=128), reference.render(solid, size_px=128))
        _require(
            max(pixels, masks) <= AGREEMENT,
            f"{name}: at most {AGREEMENT:.2%} may differ from the reference, got {pixels:.2%} (mask {masks:.2%})",
        )


CHECKS: tuple[Callable[[Renderer], None], ...] = (
    check_shape,
    check_handedness,
    check_orientation,
    check_order,
    check_scale_and_translation,
    check_determinism,
    check_cube_silhouette,
    check_sphere,
    check_through_hole,
    check_hidden_lines,
    check_thin_parts,
    check_many_triangles,
    check_refusals,
    check_flat_and_open,
    check_threads,
    check_agreement,
)
"""Every check that takes less than a second or two, simplest first."""

SLOW_CHECKS: tuple[Callable[[Renderer], None], ...] = (check_two_million_triangles, check_no_display)
"""Checks that take seconds; the one without a display needs a renderer that `renderer_named` knows."""


def verify(renderer: Renderer, *, checks: Iterable[Callable[[Renderer], None]] = CHECKS) -> None:
    """Run the checks, `SLOW_CHECKS` where they are given too; raise `ConformanceError` at the first that fails."""
    for check in checks:
        check(renderer)
