"""A family of simple parts with round dimensions, small enough for a small model to learn: plates, discs, blocks.

The longest side of every part is 100 mm, because views that fit the part into the frame do not show its size.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

__all__ = ["HELD_OUT_SHARE", "family_programs", "is_held_out"]

HELD_OUT_SHARE = 0.15


def family_programs(count: int, *, seed: int = 0, held_out: bool = False) -> list[str]:
    """Draw `count` different programs of the family, all from the held-out members or all from the others.

    Which member is held out depends on its text alone, so the two sets never meet, whatever the seeds.
    """
    drawn = _drawn(random.Random(seed))
    found: dict[str, None] = {}
    tries = 0
    while len(found) < count and tries < 200 * count:
        tries += 1
        program = next(drawn)
        if is_held_out(program) is held_out:
            found.setdefault(program)
    return list(found)


def is_held_out(program: str) -> bool:
    """Say whether a member is kept for tests."""
    return hashlib.sha256(program.encode()).digest()[0] < 256 * HELD_OUT_SHARE


def _drawn(chance: random.Random) -> Iterator[str]:
    while True:
        yield chance.choice((_plate, _disc, _bossed, _slotted))(chance)


def _plate(chance: random.Random) -> str:
    width, height = chance.randrange(40, 101, 5), chance.randrange(10, 51, 5)
    bore = chance.randrange(10, width - 15, 5)
    radius = chance.choice((0, 0, 5, 10, 15))
    sizes = {"length": 100, "width": width, "height": height, "bore": bore}
    chain = 'box(length, width, height).faces(">Z").workplane().hole(bore)'
    if radius:
        sizes["radius"] = radius
        chain = 'box(length, width, height).edges("|Z").fillet(radius).faces(">Z").workplane().hole(bore)'
    return _program(sizes, chain)


def _disc(chance: random.Random) -> str:
    height = chance.randrange(10, 101, 5)
    bore = chance.randrange(10, 81, 5)
    return _program(
        {"diameter": 100, "height": height, "bore": bore}, "circle(diameter / 2).circle(bore / 2).extrude(height)"
    )


def _bossed(chance: random.Random) -> str:
    width, height = chance.randrange(40, 101, 5), chance.randrange(10, 51, 5)
    boss, rise = chance.randrange(15, width - 5, 5), chance.randrange(10, 51, 5)
    chain = 'box(length, width, height).faces(">Z").workplane().circle(boss / 2).extrude(rise)'
    return _program({"length": 100, "width": width, "height": height, "boss": boss, "rise": rise}, chain)


def _slotted(chance: random.Random) -> str:
    width, height = chance.randrange(40, 101, 5), chance.randrange(20, 61, 5)
    slot, depth = chance.randrange(10, 71, 5), chance.randrange(5, height - 5, 5)
    chain = 'box(length, width, height).faces(">Z").workplane().rect(slot, width).cutBlind(-depth)'
    return _program({"length": 100, "width": width, "height": height, "slot": slot, "depth": depth}, chain)


def _program(sizes: dict[str, int], chain: str) -> str:
    block = "".join(f"{name} = {value}.0\n" for name, value in sizes.items())
    return f'import cadquery as cq\n\n{block}result = cq.Workplane("XY").{chain}\n'
