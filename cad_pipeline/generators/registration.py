"""Lays a program's part on the target: its size and place found on the meshes and written into the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.parameters import read_parameters, with_parameter
from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Target

if TYPE_CHECKING:
    from cad_pipeline.verify import Placement

__all__ = ["RegisterGenerator", "placed", "scaled"]

# what a placement must win to be worth writing down
_GAIN = 0.005
_SHOWN = re.compile(r"^show_object\((\w+)[ \t]*(?:,[^\n]*)?\)[ \t]*$", re.MULTILINE)
_NAMES = ("result", "r", "solid", "part", "assembly")


@dataclass(frozen=True, slots=True)
class RegisterGenerator:
    """Propose programs that built something of another size or in another place again, laid on the target.

    A scale goes into the named dimensions where the program has no other lengths, else into one last operation.
    """

    name: str = "register"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` programs, of those whose parts are most alike to the target whatever their pose."""
        from cad_pipeline.verify import NotMeasurable, as_subject, register

        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        known = {attempt.program.source for attempt in history}
        goal = as_subject(target.mesh)
        found: list[tuple[float, int, Attempt, Placement]] = []
        for number, (attempt, mesh) in enumerate(_most_alike(_candidates(history, self.name), target.mesh, samples)):
            try:
                placement = register(mesh, goal)
            except NotMeasurable:
                continue
            if placement.iou > (attempt.verdict.iou or 0.0) + _GAIN:
                found.append((-placement.iou, number, attempt, placement))
        programs: list[Program] = []
        for _, _, attempt, placement in sorted(found, key=lambda each: each[:2])[:samples]:
            for source, words in _texts(attempt, placement, target.mesh.diagonal):
                if source in known:
                    continue
                known.add(source)
                origin = Origin(
                    generator=self.name,
                    round=round_,
                    sample=len(programs),
                    note=f"of {attempt.program.origin}: {words}",
                )
                programs.append(Program(source=source, origin=origin, parameters=read_parameters(source)))
        return programs


def _most_alike(attempts: Iterator[Attempt], target: Mesh, most: int) -> list[tuple[Attempt, Mesh]]:
    """Choose what is worth the seconds that a registration takes, by figures that neither size nor pose changes."""
    from cad_pipeline.verify import NotMeasurable, load_result

    wanted = _figures(target)
    ranked: list[tuple[float, int, Attempt, Mesh]] = []
    for number, attempt in enumerate(attempts):
        assert attempt.execution.mesh is not None
        try:
            mesh = load_result(attempt.execution.mesh)
        except NotMeasurable:
            continue
        ranked.append((float(np.abs(_figures(mesh) - wanted).sum()), number, attempt, mesh))
    ranked.sort(key=lambda each: each[:2])
    return [(attempt, mesh) for _, _, attempt, mesh in ranked[:most]]


def _figures(mesh: Mesh) -> NDArray[np.float64]:
    """Give logarithms of volume over area and of the three spreads of the surface over the area, scaled away."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
    total = max(float(areas.sum()), 1e-300)
    centre = ((a + b + c) / 3.0 * areas[:, None]).sum(axis=0) / total
    # a triangle's second moment is a twelfth of its area times those of its corners and nine times its middle's
    points = [a - centre, b - centre, c - centre, *[(a + b + c) / 3.0 - centre] * 9]
    moments = sum(np.einsum("n,ni,nj->ij", areas, p, p) for p in points) / (12.0 * total)
    spreads = np.maximum(np.linalg.eigvalsh(moments), 1e-12 * total)
    volume = max(abs(mesh.volume), 1e-12 * total**1.5)
    return np.asarray(np.log([volume / total**1.5, *(spreads / total)]), np.float64)


def _candidates(history: Sequence[Attempt], name: str) -> Iterator[Attempt]:
    """List what built features, each shape once, without what was laid on the target already."""
    seen: set[tuple[object, ...]] = set()
    done = {a.program.origin.note.split(": ")[0] for a in history if a.program.origin.generator == name}
    for attempt in history:
        execution, program = attempt.execution, attempt.program
        if not execution.built or program.kind is not ProgramKind.FEATURES or execution.mesh is None:
            continue
        if program.origin.generator == name or f"of {program.origin}" in done or attempt.verdict.accepted:
            continue
        size = execution.box.size if execution.box else ()
        shape = (*(round(x, 4) for x in size), round(execution.volume_mm3 or 0.0, 3), execution.solids)
        if shape not in seen:
            seen.add(shape)
            yield attempt


def _texts(attempt: Attempt, placement: Placement, diagonal_mm: float) -> Iterator[tuple[str, str]]:
    source, rule = attempt.program.source, attempt.execution.rule or "result"
    words = f"laid on the target, scaled by {placement.scale:.4g}"
    if (larger := scaled(source, placement.scale)) is not None:
        text = placed(larger, rule, placement, diagonal_mm, written_scale=placement.scale)
        if text is not None:
            yield text, f"{words} in its dimensions"
            return
    text = placed(source, rule, placement, diagonal_mm)
    if text is not None:
        yield text, words


def scaled(source: str, factor: float) -> str | None:
    """Multiply every named length by `factor`; None if the program has lengths besides them.

    Numbers that only halve, double or count (whole numbers up to 12 and halves) are taken for no lengths.
    """
    lengths = [each for each in read_parameters(source) if each.unit == "mm"]
    if not lengths:
        return None
    named = {each.value for each in read_parameters(source)}
    loose = [
        node.value
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    for value in named:
        if value in loose:
            loose.remove(value)
        elif -value in loose:
            loose.remove(-value)
    if any(not (value in (0.0, 0.5, 1.0, 2.0) or value in (90, 180, 360)) for value in loose):
        return None
    for each in lengths:
        source = with_parameter(source, each.name, _rounded(each.value * factor, abs(each.value * factor)))
    return source


def placed(
    source: str, rule: str, placement: Placement, diagonal_mm: float, *, written_scale: float = 1.0
) -> str | None:
    """Append the placement to a program, as far as it is none already; `written_scale` is what it holds of the scale.

    None if there is no name for the program's result to be had.
    """
    found = _named_result(source, rule)
    if found is None:
        return None
    source, name = found
    lines: list[str] = []
    scale = placement.scale / written_scale
    if abs(scale - 1.0) > 1e-6:
        lines.append(f"{name} = {name}.newObject([each.scale({scale:.9g}) for each in {name}.vals()])")
    axis, angle = _axis_angle(placement.rotation)
    if abs(angle) > 1e-4:
        where = ", ".join(f"{x:.9g}" for x in axis)
        lines.append(f"{name} = {name}.rotate((0, 0, 0), ({where}), {angle:.9g})")
    shift = [_rounded(float(x), diagonal_mm) for x in placement.translation_mm]
    if any(abs(x) > 1e-6 * diagonal_mm for x in shift):
        lines.append(f"{name} = {name}.translate(({', '.join(f'{x:.9g}' for x in shift)}))")
    if not lines:
        return source
    return source.rstrip("\n") + "\n\n# laid on the mesh\n" + "\n".join(lines) + "\n"


def _named_result(source: str, rule: str) -> tuple[str, str] | None:
    """Find the name of the result; a value that is only shown gets one."""
    if rule.startswith("last bound: "):
        return source, rule.removeprefix("last bound: ").split(" ")[0]
    if rule.split(" ")[0] in _NAMES:
        name = rule.split(" ")[0]
        # a chain that ended on faces stands for the solid behind them
        return (f"{source}\n{name} = {name}.findSolid()\n" if "chain" in rule else source), name
    shown = re.findall(_SHOWN, source)
    if len(shown) == 1:
        return re.sub(_SHOWN, r"result = \1", source), "result"
    return None


def _axis_angle(rotation: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Turn a rotation matrix into an axis and degrees; angles within a thousandth of a multiple of 15 are that."""
    from scipy.spatial.transform import Rotation

    turn = np.asarray(Rotation.from_matrix(rotation).as_rotvec(), np.float64)
    angle = float(np.degrees(np.linalg.norm(turn)))
    if angle < 1e-4:
        return np.array([0.0, 0.0, 1.0]), 0.0
    axis = turn / np.linalg.norm(turn)
    whole = 15.0 * round(angle / 15.0)
    return np.asarray(np.round(axis, 9) + 0.0, np.float64), whole if abs(angle - whole) < 1e-3 else angle


def _rounded(value: float, size: float) -> float:
    """Keep six digits below the size of the part."""
    if size <= 0.0:
        return value
    return round(value, max(0, 6 - int(np.floor(np.log10(size))))) + 0.0
