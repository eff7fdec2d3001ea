"""Lists the round holes that a CadQuery program makes as features of their own, and the round walls of what it builds.

    python benchmarks/hole_features.py PROGRAM       # JSON: features and walls
    python benchmarks/hole_features.py SOLID.step    # JSON: the walls of a solid, and no features

A feature is a call of `hole`, `cboreHole` or `cskHole`, or a `cut` by a solid that is a plain cylinder, also one of a
pattern, or one that was joined with others to a body before that was cut. The program is run in this very process, with
its calls watched: this is for programs that the project wrote, not for strangers'.
"""

from __future__ import annotations

import dataclasses
import json
import runpy
import sys
from pathlib import Path
from typing import Any

from round_walls import Round, plain_cylinders, read_step, walls

__all__ = ["trace"]


def trace(program: Path) -> tuple[list[Round], Any]:
    """Run a program of our own; give the hole features of what it builds, and that solid.

    Each object has its plain cylinders and its holes. Where it is cut from another, the cylinders are holes of that,
    and its own holes are posts.
    """
    import cadquery as cq

    known: dict[int, tuple[Any, list[Round], list[Round]]] = {}
    plain = {name: getattr(cq.Workplane, name) for name in ("union", "cut", "hole", "cboreHole", "cskHole")}

    def parts(work: Any) -> tuple[list[Round], list[Round]]:
        """Give an object's plain cylinders and holes."""
        at = work
        while isinstance(at, cq.Workplane):
            if id(at) in known:
                return known[id(at)][1:]
            at = at.parent
        shapes = work.vals() if isinstance(work, cq.Workplane) else [work]
        return plain_cylinders(each for each in shapes if isinstance(each, cq.Shape)), []

    def noted(work: Any, cylinders: list[Round], holes: list[Round]) -> Any:
        # the object is kept as well, lest its number be given to another
        known[id(work)] = (work, cylinders, holes)
        return work

    def union(self: Any, other: Any, *more: Any, **options: Any) -> Any:
        (cylinders, holes), (others, theirs) = parts(self), parts(other)
        return noted(plain["union"](self, other, *more, **options), cylinders + others, holes + theirs)

    def cut(self: Any, other: Any, *more: Any, **options: Any) -> Any:
        (cylinders, holes), (others, theirs) = parts(self), parts(other)
        return noted(plain["cut"](self, other, *more, **options), cylinders + theirs, holes + others)

    def drill(name: str) -> Any:
        def call(self: Any, diameter: float, *more: Any, **options: Any) -> Any:
            cylinders, holes = parts(self)
            wide = [options.get("cboreDiameter", *more[:1])] if name == "cboreHole" else []
            places = self.eachpoint(lambda place: cq.Vertex.makeVertex(0, 0, 0).moved(place), True).vals()
            axis = self.plane.zDir.toTuple()
            drilled = [
                Round(point=place.Center().toTuple(), axis=axis, diameter=float(d), kind=name)
                for place in places
                for d in (diameter, *wide)
            ]
            return noted(plain[name](self, diameter, *more, **options), cylinders, holes + drilled)

        return call

    watched = {"union": union, "cut": cut, **{name: drill(name) for name in plain if name.lower().endswith("hole")}}
    for name, method in watched.items():
        setattr(cq.Workplane, name, method)
    try:
        result = runpy.run_path(str(program))["result"]
    finally:
        for name, method in plain.items():
            setattr(cq.Workplane, name, method)
    return parts(result)[1], cq.Compound.makeCompound([s for v in result.vals() for s in v.Solids()])


def main(path: Path) -> int:
    """Print the figures of a program or a STEP file as one JSON object."""
    features, shape = trace(path) if path.suffix == ".py" else ([], read_step(path))
    figures = {"features": features, "walls": walls(shape)}
    print(json.dumps({key: [dataclasses.asdict(each) for each in rounds] for key, rounds in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
