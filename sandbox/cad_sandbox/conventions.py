"""Which of a program's objects is its result, and what shape that is.

In this order: what it gave to `show_object`, else a global named `result`, `r`, `solid`, `part` or `assembly`, else the
Workplane, Shape or Assembly that its top level bound last. Runs inside the wall, next to the program.
"""

from __future__ import annotations

import contextlib
import dis
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

__all__ = ["NAMES", "NoResultError", "NoSolidError", "choose", "to_shape"]

NAMES = ("result", "r", "solid", "part", "assembly")


class NoResultError(Exception):
    """The program ended without leaving anything that could be its result."""


class NoSolidError(Exception):
    """The program left a result, but no solid is in it."""


def choose(shown: Sequence[Any], names: Mapping[str, Any], code: CodeType) -> tuple[Any, str]:
    """Choose the program's result; return it and the rule that found it. Raises `NoResultError`."""
    if shown:
        return (shown[0] if len(shown) == 1 else list(shown)), "show_object"
    for name in NAMES:
        if _is_result(names.get(name)):
            return names[name], name
    bound_last = [i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_NAME", "STORE_GLOBAL")]
    for name in reversed(bound_last):
        if _is_result(names.get(name)):
            return names[name], f"last bound: {name}"
    raise NoResultError(
        "expected a result in `result` (or r, solid, part, assembly) or given to show_object(), "
        f"got {_describe(names)}; end the program with `result = ...`"
    )


def to_shape(result: Any, rule: str) -> tuple[Any, str]:
    """Turn a result into one TopoDS compound of its solids; return it with the rule, refined. Raises `NoSolidError`."""
    import cadquery as cq

    solids = _solids(result)
    if not solids and isinstance(result, cq.Workplane) and not _is_emptied(result):
        # A chain that ends on a selected face or a workplane still means the solid it was made on.
        with contextlib.suppress(ValueError):
            solids = _solids(result.findSolid())
            rule = f"{rule} (the solid of its chain)"
    if not solids:
        raise NoSolidError(f"expected at least one solid in {rule}, got {_kinds(result)}")
    return (solids[0] if len(solids) == 1 else cq.Compound.makeCompound(solids)).wrapped, rule


def _is_result(value: Any) -> bool:
    import cadquery as cq
    from OCP.TopoDS import TopoDS_Shape

    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_result(item) for item in value)
    return isinstance(value, (cq.Workplane, cq.Shape, cq.Assembly, cq.Sketch, TopoDS_Shape))


def _solids(value: Any) -> list[Any]:
    import cadquery as cq
    from OCP.TopoDS import TopoDS_Shape

    if isinstance(value, (list, tuple)):
        return [solid for item in value for solid in _solids(item)]
    if isinstance(value, cq.Workplane):
        return [solid for item in value.vals() for solid in _solids(item)]
    if isinstance(value, cq.Assembly):
        return _solids(value.toCompound())
    if isinstance(value, TopoDS_Shape):
        return [] if value.IsNull() else _solids(cq.Shape.cast(value))
    if isinstance(value, cq.Shape):
        return list(value.Solids())
    return []


def _is_emptied(chain: Any) -> bool:
    """Whether the chain ends on an operation's empty result: a cut that left nothing must not bring its part back."""
    import cadquery as cq

    return any(isinstance(item, cq.Compound) for item in chain.vals())


def _kinds(value: Any) -> str:
    import cadquery as cq

    if isinstance(value, (cq.Workplane, list, tuple)):
        items = value.vals() if isinstance(value, cq.Workplane) else value
        kinds = [item.ShapeType() if isinstance(item, cq.Shape) else type(item).__name__ for item in items]
        return ", ".join(sorted(set(kinds))) or "nothing"
    return value.ShapeType() if isinstance(value, cq.Shape) else type(value).__name__


def _describe(names: Mapping[str, Any]) -> str:
    bound = [name for name in names if not name.startswith("__") and not callable(names[name])]
    return "the names " + ", ".join(bound[-8:]) if bound else "no names at all"
