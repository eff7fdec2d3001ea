"""A program that tries to get out, as the body of a function that must not reach its end.

A body that runs through has breached a wall, unless it returns "held"; it may use `FIELD`, a dictionary with the
addresses of what it is not supposed to reach (see `conformance.Field`). After the body the program builds an honest
box, so that a contained attack ends as a part like any other.
"""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from cad_sandbox.execution import Outcome

__all__ = ["BREACH", "CONTROL", "CONTROL_VOLUME_MM3", "ENDED", "HARMLESS", "STOPPED", "Attack", "Length", "program_of"]

BREACH = "BREACH-OF-THE-WALL"
CONTROL = "import cadquery as cq\nresult = cq.Workplane().box(10, 20, 30).faces('>Z').workplane().hole(4)\n"
CONTROL_VOLUME_MM3 = 6000 - 30 * 3.141592653589793 * 4

STOPPED = frozenset({Outcome.TIMED_OUT})
ENDED = frozenset({Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.RAISED, Outcome.NO_RESULT, Outcome.REFUSED})
HARMLESS = frozenset({Outcome.BUILT}) | ENDED


class Length(enum.Enum):
    """Whether an attack ends by itself, or must be waited for until a deadline."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way out: its name, the body of the attacking function, the outcomes that are fine, and how long it takes."""

    name: str
    body: str
    expected: frozenset[Outcome] = HARMLESS
    length: Length = Length.SHORT


def program_of(attack: Attack, field: Mapping[str, str | int]) -> str:
    """Write the attack as a program against `field`."""
    return (
        f"import cadquery as cq\nimport os, sys\nFIELD = {dict(field)!r}\n\n"
        f"def attack():\n{textwrap.indent(textwrap.dedent(attack.body).strip(), '    ')}\n\n"
        f"try:\n    if attack() != 'held':\n        print('{BREACH[:6]}' + '{BREACH[6:]}')\n"
        "except Exception as error:\n    print('held by', type(error).__name__, error)\n"
        "result = cq.Workplane().box(10, 20, 30)\n"
    )
