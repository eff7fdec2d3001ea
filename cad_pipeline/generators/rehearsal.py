"""A program's rehearsal: the same statements, each boolean tried until its result is sound, with a word about each.

The rehearsal runs in the sandbox like any program and is believed no more than one: what it says only chooses arguments
of the program's own booleans, and the program that comes of it is run and judged afresh.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cad_pipeline.syntax import parse

__all__ = ["CHOICES", "LEFT_OUT", "NOTHING", "Step", "rehearsed", "steps_of"]

NOTHING = "as it is"
LEFT_OUT = "left out"
_BOOLEANS = frozenset({"union", "cut", "intersect"})
_DRILLS = frozenset({"hole", "cboreHole", "cskHole"})


@dataclass(frozen=True, slots=True)
class Step:
    """A top-level statement `name = name.…` that changes a solid: its number from 0, its lines from 1, its call.

    `call` is None where there is nothing to add: for a boolean that has arguments already.
    """

    number: int
    name: str
    line: int
    end_line: int
    call: ast.Call | None


def steps_of(source: str) -> list[Step]:
    """List the steps of a program in order; none of a text that does not parse or imports nothing."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError):
        return []
    return [Step(k, name, node.lineno, node.end_lineno or node.lineno, call) for k, (node, name, call) in _found(tree)]


def _found(tree: ast.Module) -> Iterator[tuple[int, tuple[ast.Assign, str, ast.Call | None]]]:
    number = 0
    for node in tree.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            continue
        name, value = node.targets[0].id, node.value
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            continue
        if not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)):
            continue
        verb = value.func.attr
        plain = verb in _DRILLS or (len(value.args) == 1 and not value.keywords)
        if verb in _BOOLEANS or verb in _DRILLS:
            yield number, (node, name, value if plain else None)
            number += 1


def rehearsed(
    source: str, settled: Mapping[int, str], preferred: Mapping[int, str], deadly: set[tuple[int, str]]
) -> str | None:
    """Write the rehearsal of a program; None if it has no steps.

    Steps that are `settled` do what was chosen without a look; of the others, what is `preferred` is tried first.
    Trials in `deadly` (step, choice) are not made.
    """
    if not steps_of(source):
        return None
    tree = parse(source)
    body: list[ast.stmt] = []
    found = {id(node): (number, name, call) for number, (node, name, call) in _found(tree)}
    for node in tree.body:
        if id(node) not in found or not isinstance(node, ast.Assign):
            body.append(node)
            continue
        number, name, call = found[id(node)]
        tries = [NOTHING, *_helps(call), LEFT_OUT]
        first = settled.get(number) or preferred.get(number)
        if first is not None:
            tries = [first, *(t for t in tries if t != first)]
        tries = [t for t in tries if (number, t) not in deadly]
        body += _trial(node, number, name, call, tries, settled=number in settled)
    tree.body = body
    return _LOOK + ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _trial(
    node: ast.Assign, number: int, name: str, call: ast.Call | None, tries: list[str], *, settled: bool
) -> list[ast.stmt]:
    expression, verb = ast.unparse(node.value), "drill"
    method = _boolean(call)
    if call is not None and method is not None:
        subject, verb = ast.unparse(method.value), method.attr
        expression = f"({subject}).{verb}(_moved({ast.unparse(call.args[0])}, _how), **_how)"
    elif call is not None:
        expression = f"{expression[:-1]}, **_how)"
    text = f"{name} = _step({number}, {name}, {verb!r}, lambda {name}, **_how: {expression}, {tries!r}, {settled})"
    return ast.parse(text).body


def _boolean(call: ast.Call | None) -> ast.Attribute | None:
    """The method of a call that joins or cuts; None of any other."""
    func = None if call is None else call.func
    return func if isinstance(func, ast.Attribute) and func.attr in _BOOLEANS else None


def _helps(call: ast.Call | None) -> tuple[str, ...]:
    """What may help a call: of a drilled hole, only whether faces are joined can be said."""
    return () if call is None else (_UNCLEAN,) if _boolean(call) is None else _HELPS


# what may help a boolean: fuzzy values in shares of the part's diagonal, and faces left unjoined
_SHARES = (1e-8, 1e-6, 1e-5, 1e-4)
_UNCLEAN = "clean=False"
_HELPS = (
    *(f"tol={share:g}" for share in _SHARES),
    _UNCLEAN,
    *(f"tol={share:g}, {_UNCLEAN}" for share in _SHARES[1:]),
    "move=1e-04",
    "move=-1e-04",
    "move=5e-04",
    "move=-5e-04",
)

CHOICES = (NOTHING, LEFT_OUT, *_HELPS)

_LOOK = '''\
import cadquery as _cq
import manifold3d as _m3
import numpy as _np
from cad_sandbox.stitch import Chord as _Chord, tessellate as _tessellate

_tool = [None]
_seen = [None, None]
_unclean = [False]


class _Look:
    """How sound a solid is: `state` (broken, open edges), its volume and diagonal, and its mesh as a manifold."""

    def __init__(self, part):
        # a copy, since meshing leaves its traces in what it meshes
        solids = [solid.copy() for solid in part.solids().vals()]
        self.diagonal = _cq.Compound.makeCompound(solids).BoundingBox().DiagonalLength
        self.volume = sum(s.Volume() for s in solids)
        flaws, broken = 0, not all(s.isValid() for s in solids)
        for chord in (_Chord.RELATIVE, _Chord.ABSOLUTE):
            mesh = _mesh(solids, self.diagonal, chord)
            flaws += mesh.open_edges + mesh.unmeshed_faces
            if flaws or broken:
                break
        # some solids are found broken only once they are meshed
        self.state = (broken or not all(s.isValid() for s in solids), flaws)
        self.mesh = _manifold(mesh)


def _mesh(solids, diagonal, chord):
    return _tessellate(solids, deflection_mm=3e-4 * diagonal, angle_rad=0.1, chord=chord)


def _manifold(mesh):
    return _m3.Manifold(_m3.Mesh64(mesh.vertices, mesh.faces.astype(_np.uint64)))


def _looked(part):
    """The look at a part; what a step left is what the next one starts from, and is looked at once."""
    if _seen[0] is not part:
        _seen[:] = part, _Look(part)
    return _seen[1]


def _wrong(before, verb, after):
    """Whether a boolean made another volume than it does to the meshes."""
    if after.volume <= 0:
        return True
    if _tool[0] is None:
        return after.volume > 1.001 * before.volume
    tool = _manifold(_mesh([s.copy() for s in _tool[0].solids().vals()], before.diagonal, _Chord.ABSOLUTE))
    if before.mesh.status() != _m3.Error.NoError or tool.status() != _m3.Error.NoError:
        return False
    meshes = {"union": _m3.Manifold.__add__, "cut": _m3.Manifold.__sub__, "intersect": _m3.Manifold.__xor__}
    expected = meshes[verb](before.mesh, tool).volume()
    return abs(after.volume - expected) > 2e-3 * max(before.volume, expected)


def _step(number, before, verb, change, tries, settled):
    _tool[0] = None
    diagonal = _cq.Compound.makeCompound(before.vals()).BoundingBox().DiagonalLength
    if settled:
        return before if tries[0] == "left out" else change(before, **_arguments(tries[0], diagonal))
    at_first, best, pristine = _looked(before), None, _copied(before)
    if _unclean[0] and "clean=False" in tries:
        # joining faces later would join those that were better left
        tries = ["clean=False", *(choice for choice in tries if choice != "clean=False")]
    for trial, choice in enumerate(tries):
        if choice == "left out":
            break
        print(f"try {number} {choice}", flush=True)
        try:
            # booleans widen the tolerances of what they are given: no later trial may see what an earlier one did
            after = change(before if trial == 0 else _copied(pristine), **_arguments(choice, diagonal))
            look = _Look(after)
            rank = (_wrong(at_first, verb, look), *look.state)
        except Exception:
            continue
        if best is None or rank < best[0]:
            best = (rank, choice, after, look)
        if rank <= (False, *at_first.state):
            break
    if best is None or best[0] > (False, *at_first.state):
        print(f"step {number} left out", flush=True)
        return pristine
    print(f"step {number} {best[1]} of {diagonal!r}", flush=True)
    _seen[:] = best[2:]
    _unclean[0] = _unclean[0] or "clean=False" in best[1]
    return best[2]


def _arguments(choice, diagonal):
    found = {}
    for kind, _, value in (part.partition("=") for part in choice.split(", ")):
        if kind == "clean":
            found[kind] = False
        elif kind in ("tol", "move"):
            found[kind] = float(f"{float(value) * diagonal:.0e}")
    return found


def _moved(tool, how):
    by = how.pop("move", 0.0)
    _tool[0] = tool = tool.translate((by, by, by)) if by else tool
    return tool


def _copied(part):
    return part.newObject([shape.copy() for shape in part.vals()])


'''
