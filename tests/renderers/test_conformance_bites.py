"""The conformance suite finds renderers that are wrong: each deliberate mistake fails the check meant for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import pytest

from cad_renderers import SoftwareRenderer, View, Views, conformance
from cad_renderers.conformance import ConformanceError, disagreement
from cad_renderers.drawing import Drawing
from cad_renderers.framing import project
from cad_renderers.raster_kernels import nearest_triangles
from cad_renderers.shapes import Solid, letter_f


@dataclass(frozen=True)
class Spoiled:
    """The reference with its views, or its mesh, spoiled on the way."""

    views: Callable[[Views], Views] = lambda views: views
    mesh: Callable[[Solid], Solid] = lambda mesh: mesh
    name: str = "spoiled"

    def render(self, mesh, /, **options) -> Views:
        return self.views(SoftwareRenderer().render(self.mesh(mesh), **options))


def _each(change: Callable[[View], View]) -> Callable[[Views], Views]:
    return lambda views: replace(views, each=tuple(change(view) for view in views))


def _flipped(view: View) -> View:
    return replace(view, image=view.image[:, ::-1].copy(), mask=view.mask[:, ::-1].copy())


def _upside_down(view: View) -> View:
    return replace(view, image=view.image[::-1].copy(), mask=view.mask[::-1].copy())


def _mirrored_always_the_same(mesh: Solid) -> Solid:
    return mesh if mesh.vertices[:, 0].mean() > 0.0 else mesh.mirrored()


def _scratched(view: View) -> View:
    image = view.image.copy()
    image[40, 30:60] = 140
    return replace(view, image=image)


def _negative_normals(view: View) -> View:
    return replace(view, normals=None if view.normals is None else -view.normals)


def _without_rows(view: View) -> View:
    mask = view.mask.copy()
    mask[::9] = False
    return replace(view, mask=mask)


def _in_its_own_frame(mesh: Solid) -> Solid:
    anchor = np.array([(0.0, 0.0, 0.0), (1e-4, 0, 0), (0, 1e-4, 0)])
    faces = np.vstack([mesh.faces, len(mesh.vertices) + np.arange(3)])
    return Solid(vertices=np.vstack([mesh.vertices, anchor]), faces=faces)


_NOISE = count()


def _never_the_same(view: View) -> View:
    image = view.image.copy()
    image[next(_NOISE) % len(image), 0] = 7
    return replace(view, image=image)


@pytest.mark.parametrize(
    ("check", "spoiled"),
    [
        ("shape", Spoiled(views=lambda v: replace(v, each=v.each[::-1]))),
        ("handedness", Spoiled(mesh=_mirrored_always_the_same)),
        ("orientation", Spoiled(views=_each(_flipped))),
        ("orientation", Spoiled(views=_each(_upside_down))),
        ("order", Spoiled(views=lambda v: replace(v, each=v.each[4:] + v.each[:4]))),
        ("scale_and_translation", Spoiled(mesh=_in_its_own_frame)),
        ("determinism", Spoiled(views=_each(_never_the_same))),
        ("cube_silhouette", Spoiled(mesh=lambda m: replace(m, vertices=m.vertices * (1.0, 1.0, 1.2)))),
        ("sphere", Spoiled(views=_each(_negative_normals))),
        ("sphere", Spoiled(mesh=lambda m: replace(m, vertices=m.vertices * (1.0, 1.0, 0.9)))),
        ("through_hole", Spoiled(views=_each(_flipped))),
        ("through_hole", Spoiled(views=_each(lambda v: replace(v, mask=np.ones_like(v.mask))))),
        ("hidden_lines", Spoiled(views=_each(_scratched))),
        ("thin_parts", Spoiled(views=_each(lambda v: replace(v, image=np.full_like(v.image, 255))))),
        ("many_triangles", Spoiled(views=_each(_without_rows))),
        ("flat_and_open", Spoiled(views=_each(lambda v: replace(v, mask=v.mask & (v.name != "bottom"))))),
        ("threads", Spoiled(views=_each(_never_the_same))),
        ("agreement", Spoiled(views=_each(_flipped))),
    ],
)
def test_a_mistake_is_found(check: str, spoiled: Spoiled) -> None:
    with pytest.raises(ConformanceError):
        getattr(conformance, f"check_{check}")(spoiled)


def test_swallowing_bad_meshes_is_found() -> None:
    @dataclass(frozen=True)
    class Forgiving:
        name: str = "forgiving"

        def render(self, mesh, /, **options) -> Views:
            try:
                return SoftwareRenderer().render(mesh, **options)
            except ValueError:
                return SoftwareRenderer().render(letter_f(), **options)

    with pytest.raises(ConformanceError):
        conformance.check_refusals(Forgiving())


def test_disagreement_is_measured() -> None:
    views = SoftwareRenderer().render(letter_f(), size_px=40)
    assert disagreement(views, views) == (0.0, 0.0)
    image = views[2].image.copy()
    image[:4] = 0
    changed = replace(views, each=(*views.each[:2], replace(views[2], image=image), *views.each[3:]))
    pixels, masks = disagreement(views, changed)
    assert pixels == pytest.approx(0.1, abs=0.01)
    assert masks == 0.0


def test_a_chosen_set_of_checks_is_run() -> None:
    asked = []
    conformance.verify(SoftwareRenderer(), checks=(asked.append,))
    assert [renderer.name for renderer in asked] == ["software"]
    with pytest.raises(ConformanceError):
        conformance.verify(Spoiled(views=_each(_flipped)))


def test_a_renderer_of_ones_own_needs_only_eyes() -> None:
    class Mine(Drawing):
        name = "mine"

        @staticmethod
        def seeing(part, windows, samples_px, /):
            for frame in windows:
                screen = project(part.vertices, frame.pixel_matrix(samples_px))
                yield nearest_triangles(screen, part.faces, samples_px, part.outward)

    checks = (conformance.check_shape, conformance.check_orientation, conformance.check_agreement)
    conformance.verify(Mine(), checks=checks)
