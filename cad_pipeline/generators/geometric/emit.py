"""Write a feature program as CadQuery text: named dimensions on top, then one statement a feature.

The text runs with plain CadQuery. All features share one datum point, so that sketches are centred where the part is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.balls import ball_of
from cad_pipeline.generators.geometric.features import (
    Blend,
    BlendedEdges,
    BlendKind,
    Body,
    Extrusion,
    Feature,
    FeatureProgram,
    Hole,
    Loft,
    Mode,
    Moves,
    Repeated,
    Revolution,
    Sweep,
    Turns,
    Twice,
)
from cad_pipeline.generators.geometric.frame import WORLD, Frame
from cad_pipeline.generators.geometric.layout import wrapped
from cad_pipeline.generators.geometric.numbers import exact_text, nice, text
from cad_pipeline.generators.geometric.parameters import Levels, ParameterBook, is_zero
from cad_pipeline.generators.geometric.patterns import Grid, Polar, recognise
from cad_pipeline.generators.geometric.placing import (
    clean,
    datum_of,
    face_selector,
    grouped,
    home,
    mirror_call,
    point_list,
    raised,
    relocated,
    role_of,
    shifted,
)
from cad_pipeline.generators.geometric.profile_text import profile_calls
from cad_pipeline.generators.geometric.routes import Helix
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline
from cad_pipeline.generators.geometric.sketch_text import half, hole_call, pair, sketch_calls
from cad_pipeline.generators.geometric.standard_sizes import hole_name
from cad_pipeline.generators.geometric.sweep_text import flat_calls, in_world, placed, plane_across, wire_of_edges
from cad_pipeline.values import Parameter

__all__ = ["Text", "emit"]


@dataclass(frozen=True, slots=True)
class Text:
    """A program's source and the parameters on its top."""

    source: str
    parameters: tuple[Parameter, ...]


def emit(program: FeatureProgram, title: str, tolerance: float) -> Text:
    """Write `program`; `title` becomes its docstring, `tolerance` (mm) is used to recognise patterns."""
    writer = _Writer(datum=datum_of(program.features, tolerance), tolerance=tolerance)
    writer.write_all(program.features)
    writer.statements = writer.book.inlined(writer.statements)
    lines = [f'"""{title}"""', "", "import cadquery as cq", ""]
    block = writer.book.lines()
    if block:
        lines += ["# Dimensions", *block, ""]
    rows = [row for statement in writer.statements for row in wrapped(statement)]
    lines += [*writer.planes.values(), "", *rows, "", "result = part", ""]
    return Text("\n".join(lines), tuple(writer.book.parameters))


@dataclass
class _Writer:
    datum: NDArray[np.float64]
    tolerance: float
    book: ParameterBook = field(default_factory=ParameterBook)
    planes: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    levels: dict[tuple[float, ...], Levels] = field(default_factory=dict)
    subject: str = "part"
    begun: bool = False
    bodies: int = 0
    inline: bool = False

    def write_all(self, features: Sequence[Feature]) -> None:
        """Write all features; of those whose order does not matter, first what stands on a height that is known."""
        groups = grouped(features)
        while groups:
            self.write(groups.pop(self._next(groups)))

    def _next(self, groups: list[list[Feature]]) -> int:
        if self.begun:
            mode = groups[0][0].mode
            for k, group in enumerate(groups):
                feature = group[0]
                if feature.mode is not mode or not isinstance(feature, Extrusion):
                    break
                dz = self._local(feature.frame)[2]
                levels = self._levels(feature.frame.axes[2])
                if any(levels.find(clean(z - dz)) is not None for z in (feature.low, feature.high)):
                    return k
        return 0

    def write(self, group: list[Feature]) -> None:
        """Write one statement for a group of equal features."""
        feature = group[0]
        if isinstance(feature, Hole):
            self._hole(feature)
            return
        if isinstance(feature, BlendedEdges):
            blend = self._blend(Blend(feature.kind, feature.size, feature.size), "edge")
            self.statements.append(f"{self.subject} = {self.subject}{feature.edges.calls}{blend}")
            return
        if isinstance(feature, Extrusion):
            solid = self._extrusion([f for f in group if isinstance(f, Extrusion)])
        else:
            solid = self._solid(feature)
        if not self.begun:
            # what stands at several places is one part all the same
            joined = ".combine()" if isinstance(feature, Repeated) else ""
            self.statements.append(f"{self.subject} = {solid}{joined}")
            self.begun = True
        else:
            verb = "union" if feature.mode is Mode.ADD else "cut"
            self.statements.append(f"{self.subject} = {self.subject}.{verb}({solid})")

    def _solid(self, feature: Extrusion | Revolution | Loft | Sweep | Body | Twice | Repeated) -> str:
        """Write what makes a feature's solid."""
        if isinstance(feature, Repeated):
            return self._repeated(feature)
        if isinstance(feature, Twice):
            assert not isinstance(feature.feature, Hole | BlendedEdges)
            return f"{self._solid(replace(feature.feature, mode=feature.mode))}{mirror_call(feature, self.tolerance)}"
        if isinstance(feature, Body):
            return self._body(feature)
        if isinstance(feature, Extrusion):
            return self._extrusion([feature])
        if isinstance(feature, Sweep):
            return self._sweep(feature)
        return self._revolution(feature) if isinstance(feature, Revolution) else self._loft(feature)

    def _repeated(self, repeated: Repeated) -> str:
        """Write the statement that draws the first of a repeated feature, and give the calls that place them all."""
        frame, places = repeated.frame, repeated.places
        if isinstance(places, Moves) and (known := ball_of(repeated.feature)):
            middle, radius = known
            steps = np.array([(*step, 0.0) for step in places.steps])
            return self._balls(frame, middle + steps @ frame.axes, radius, repeated.mode)
        one = replace(repeated.feature, mode=repeated.mode)
        role = role_of(one, base=False)
        dx, dy, dz = self._local(frame)
        x, y, z = home(repeated, dz)
        place = Frame(frame.to_world(np.array([[x, y, z]]))[0], frame.axes)
        drawn = _Writer(np.zeros(3), self.tolerance, self.book, subject=role, inline=True)
        drawn.levels[0.0, 0.0, 1.0] = self._levels(frame.axes[2])
        name = f"one_{role}"
        name += (
            f"_{1 + sum(s.startswith(name) for s in self.statements)}"
            if f"{name} = " in "".join(self.statements)
            else ""
        )
        self.statements.append(f"{name} = {drawn._solid(relocated(one, place))}")
        if isinstance(places, Turns):
            count = self.book.name(role, "count", places.count, unit="count")
            start = text(places.start) if places.start else "0"
            layout = f"{self._centre((x - dx, y - dy))}.polarArray(0, {start}, 360, {count})"
        else:
            layout = self._points([(clean(x - dx + a), clean(y - dy + b)) for a, b in places.steps], role, turned=False)
        return f"{self._plane(frame.axes)}{layout}.eachpoint({name}, True)"

    def _body(self, body: Body) -> str:
        """Write the statements that make a body of its own, and give its name."""
        outer, begun = self.subject, self.begun
        self.bodies += 1
        word = "cavity" if body.mode is Mode.CUT else "body"
        self.subject, self.begun = word if self.bodies == 1 else f"{word}_{self.bodies}", False
        self.write_all(body.features)
        name, self.subject, self.begun = self.subject, outer, begun
        return name

    # -- places ---------------------------------------------------------------------------------------------------

    def _plane(self, axes: NDArray[np.float64]) -> str:
        frame = Frame(self.datum, axes)
        origin = ", ".join(text(nice(c, self.tolerance / 100)) for c in self.datum)
        at_origin = all(is_zero(c) for c in self.datum)
        if frame.plane_name is not None:
            name = frame.plane_name.lower()
            where = "" if at_origin else f", origin=({origin})"
            plane = f'cq.Workplane("{frame.plane_name}"{where})'
            if self.inline:
                return plane
            line = f"{name} = {plane}"
        else:
            x, n = (", ".join(exact_text(nice(c, 1e-14)) for c in v) for v in (axes[0], axes[2]))
            line = f"cq.Workplane(cq.Plane(origin=({origin}), xDir=({x}), normal=({n})))"
            if self.inline:
                return line
            name = next(
                (k for k, v in self.planes.items() if v.endswith(line)),
                f"plane_{'abcdefghijklmnop'[len(self.planes) % 16]}",
            )
            line = f"{name} = {line}"
        self.planes.setdefault(name, line)
        return name

    def _levels(self, normal: NDArray[np.float64]) -> Levels:
        key = tuple(np.round(normal, 6) + 0.0)
        if key not in self.levels:
            self.levels[key] = Levels(self.book)
            self.levels[key].learn(0.0, "0.0")
        return self.levels[key]

    def _local(self, frame: Frame) -> tuple[float, float, float]:
        """The datum in the feature's frame: what to take off its local coordinates."""
        x, y, z = frame.to_local(self.datum[None])[0]
        return float(x), float(y), float(z)

    def _raised(self, plane: str, level: str) -> str:
        return plane if level == "0.0" else f"{plane}.workplane(offset={level})"

    # -- features -------------------------------------------------------------------------------------------------

    def _extrusion(self, group: list[Extrusion]) -> str:
        first = group[0]
        role = role_of(first, base=not self.statements and self.subject == "part")
        dx, dy, dz = self._local(first.frame)
        plane = self._plane(first.frame.axes)
        shapes = [shifted(f.shape, dx, dy, self.tolerance) for f in group]
        low, rise = self._levels(first.frame.axes[2]).span(role, *(clean(v - dz) for v in (first.low, first.high)))
        where = self._raised(plane, low)
        if first.twist_deg:
            x, y = (clean(-v) for v in (dx, dy))
            at_axis = is_zero(x) and is_zero(y)
            place = plane if at_axis and low == "0.0" else f"{plane}.transformed(offset=({text(x)}, {text(y)}, {low}))"
            turn = self.book.name(role, "twist", first.twist_deg, unit="deg")
            return f"{place}{sketch_calls(first.shape, role, self.book)}.twistExtrude({rise}, {turn})"
        if len(group) > 1:
            placed = [s for s in shapes if not isinstance(s, Outline)]
            at_origin = replace(placed[0], centre=(0.0, 0.0))
            places = self._points([s.centre for s in placed], role, turned=isinstance(at_origin, Circle))
            sketch = places + sketch_calls(at_origin, role, self.book)
        else:
            sketch = sketch_calls(shapes[0], role, self.book)
        solid = f"{where}{sketch}.extrude({rise})"
        return solid + self._blends(first, role)

    def _blends(self, feature: Extrusion, role: str) -> str:
        calls = ""
        axis = feature.frame.axes[2]
        for blend, sign in ((feature.bottom, -1), (feature.top, 1)):
            if blend is not None:
                calls += f".faces({face_selector(axis * sign)}).edges(){self._blend(blend, role)}"
        return calls

    def _blend(self, blend: Blend, role: str) -> str:
        if blend.kind is BlendKind.FILLET:
            return f".fillet({self.book.name(role, 'fillet_r', blend.size)})"
        if is_zero(blend.size - blend.depth):
            return f".chamfer({self.book.name(role, 'chamfer', blend.size)})"
        return f".chamfer({text(blend.depth)}, {text(blend.size)})"

    def _loft(self, feature: Loft) -> str:
        role = role_of(feature, base=not self.statements and self.subject == "part")
        dx, dy, dz = self._local(feature.frame)
        plane = self._plane(feature.frame.axes)
        heights = [clean(z - dz) for z, _ in feature.sections]
        shapes = [shifted(shape, dx, dy, self.tolerance) for _, shape in feature.sections]
        if len(shapes) > 2:
            # the sections of a free form are measured, not designed: nothing in them is worth a name
            calls = f"{self._raised(plane, text(heights[0]))}{sketch_calls(shapes[0], role, self.book, whole=True)}"
            for before, z, shape in zip(heights, heights[1:], shapes[1:], strict=False):
                calls += f".workplane(offset={text(z - before)}){sketch_calls(shape, role, self.book, whole=True)}"
            return f"{calls}.loft(ruled=True)"
        low, rise = self._levels(feature.frame.axes[2]).span(role, *heights)
        bottom = sketch_calls(shapes[0], role, self.book, whole=True)
        top = sketch_calls(shapes[1], f"{role}_top", self.book, whole=True)
        return f"{self._raised(plane, low)}{bottom}.workplane(offset={rise}){top}.loft(ruled=True)"

    def _sweep(self, feature: Sweep) -> str:
        """Write the statement that draws the way of a wire or tube, and give the calls that sweep it."""
        role = role_of(feature, base=False)
        sketch = f".circle({half(self.book.name(role, 'd', 2 * feature.radius))})"
        if feature.bore > 0.0:
            sketch += f".circle({half(self.book.name(role, 'bore_d', 2 * feature.bore))})"
        if isinstance(feature.path, Helix):
            return self._coil(feature, feature.path, sketch)
        route, frame = feature.path, feature.frame
        way = self._named(f"{role}_path")
        if route.flat:
            corners = Frame(self.datum, frame.axes).to_local(frame.to_world(np.array(route.corners)))
            local = [tuple(clean(float(c)) for c in p) for p in corners]
            level = self._levels(frame.axes[2]).find(local[0][2]) or text(local[0][2])
            self.statements.append(f"{way} = {self._raised(self._plane(frame.axes), level)}{flat_calls(route, local)}")
        else:
            self.statements.append(f"{way} = {wire_of_edges(route, in_world(frame, route.corners, self.tolerance))}")
        start = frame.to_world(np.array([route.start]))[0]
        return f"{plane_across(start, route.heading @ frame.axes, self.tolerance)}{sketch}.sweep({way})"

    def _coil(self, feature: Sweep, helix: Helix, sketch: str) -> str:
        """Write a coil about its own z axis, and the call that puts it where it is."""
        across = half(self.book.name("coil", "d", 2 * helix.radius, comment="of the wire's middle"))
        pitch, height = (self.book.name("coil", n, v) for n, v in (("pitch", helix.pitch), ("height", helix.height)))
        hand = ", lefthand=True" if helix.left else ""
        way = f"cq.Workplane(cq.Wire.makeHelix({pitch}, {height}, {across}{hand}))"
        coil = self._named("coil")
        turned = f'cq.Workplane("XZ").center({across}, 0){sketch}.sweep({way}, isFrenet=True)'
        self.statements.append(f"{coil} = {turned}")
        place = placed(feature.frame, self.tolerance)
        return coil if place is None else f"{place}.eachpoint({coil}, True)"

    def _named(self, name: str) -> str:
        """A name for an intermediate result that no statement has yet."""
        taken = sum(s.startswith(name) for s in self.statements)
        return name if not taken else f"{name}_{taken + 1}"

    def _balls(self, frame: Frame, middles: NDArray[np.float64], radius: float, mode: Mode) -> str:
        """Write equal balls about points (n, 3) of one plane across `frame`'s z."""
        role = "ball" if mode is Mode.ADD else "hollow"
        local = Frame(self.datum, frame.axes).to_local(middles)
        height = clean(float(local[0, 2]))
        level = self._levels(frame.axes[2]).find(height) or text(height)
        places = self._points([(clean(float(x)), clean(float(y))) for x, y in local[:, :2]], role, turned=False)
        size = half(self.book.name(role, "d", 2 * radius))
        return f"{self._raised(self._plane(frame.axes), level)}{places}.sphere({size})"

    def _revolution(self, feature: Revolution) -> str:
        if known := ball_of(feature):
            middle, radius = known
            return self._balls(WORLD, middle[None], radius, feature.mode)
        axes = feature.frame.axes
        dx, dy, dz = self._local(feature.frame)
        plane = self._plane(np.array([axes[0], axes[2], -axes[1]]))
        profile = raised(feature.profile, -dz)
        calls = profile_calls(profile, self.book, self._levels(axes[2]))
        x, y = -clean(dx), -clean(dy)
        turned = "360, (0, 0, 0), (0, 1, 0)"
        if not (is_zero(x) and is_zero(y)):
            base = f"{plane}.transformed(offset=({text(x)}, 0, {text(-y)}))"
            return f"{base}{calls}.revolve({turned})"
        return f"{plane}{calls}.revolve({turned})"

    def _hole(self, feature: Hole) -> None:
        dx, dy, dz = self._local(feature.frame)
        plane = self._plane(feature.frame.axes)
        levels = self._levels(feature.frame.axes[2])
        mouth = nice(-dz, self.tolerance)
        level = levels.find(mouth)
        if level is None:
            level = self.book.name("hole", "z", mouth, comment="height of the mouth")
            levels.learn(mouth, level)
        points = [(nice(x - dx, self.tolerance), nice(y - dy, self.tolerance)) for x, y in feature.points]
        where = f"{self.subject}.copyWorkplane({self._raised(plane, level)}){self._points(points, 'hole')}"
        comment = hole_name(feature.diameter, blind=feature.depth is not None)
        diameter = self.book.name("hole", "d", feature.diameter, comment=comment)
        depth = "" if feature.depth is None else f", depth={self.book.name('hole', 'depth', feature.depth)}"
        call = hole_call(feature, diameter, depth, self.book)
        self.statements.append(f"{self.subject} = {where}{call}")

    def _centre(self, centre: tuple[float, float]) -> str:
        x, y = (0.0 if abs(c) < 20 * self.tolerance else c for c in centre)
        return "" if is_zero(x) and is_zero(y) else f".center{pair(x, y)}"

    def _points(self, points: Sequence[tuple[float, float]], role: str, *, turned: bool = True) -> str:
        """Write the calls that go to `points`; on a circle what is placed there turns, which must be no harm."""
        if len(points) == 1:
            x, y = points[0]
            return "" if is_zero(x) and is_zero(y) else f".pushPoints([{pair(x, y)}])"
        layout = recognise(points, 2 * self.tolerance)
        if isinstance(layout, Polar):
            diameter = self.book.name(role, "circle_d", layout.diameter, comment="diameter of the circle of centres")
            count = self.book.name(role, "count", layout.count, unit="count")
            centre = self._centre(layout.centre)
            kept = "" if turned else ", rotate=False"
            return f"{centre}.polarArray({half(diameter)}, {text(layout.start)}, 360, {count}{kept})"
        if isinstance(layout, Grid):
            pitch = [
                self.book.name(role, f"pitch_{axis}", p) if c > 1 else "1.0"
                for axis, p, c in zip("xy", layout.pitch, layout.counts, strict=True)
            ]
            return (
                f"{self._centre(layout.centre)}.rarray({pitch[0]}, {pitch[1]}, {layout.counts[0]}, {layout.counts[1]})"
            )
        return f".pushPoints({point_list(layout.points, 2 * self.tolerance)})"
