"""What any sandbox must hold, one property a function, without a test framework.

    with field() as ground, make_sandbox(LIMITS) as sandbox:
        for check in PROPERTIES: check(sandbox, folder)
        for attack in ATTACKS: withstand(sandbox, folder, attack, ground)

A property that does not hold raises `NotConforming`. Make the sandbox with `LIMITS`, inside `field()`, so that the
field's canary lies in its environment.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cad_sandbox.attack import BREACH, CONTROL, CONTROL_VOLUME_MM3, Attack, Length, program_of
from cad_sandbox.attacked_field import Field, field
from cad_sandbox.attacks_on_server import ON_SERVER
from cad_sandbox.attacks_outward import OUTWARD
from cad_sandbox.execution import Execution, Outcome, Sandbox
from cad_sandbox.limits import Limits

__all__ = ["ATTACKS", "LIMITS", "PROPERTIES", "Attack", "Field", "Length", "NotConforming", "field", "withstand"]

ATTACKS = OUTWARD + ON_SERVER
# For a machine that has other things to do.
_SLACK_S = 10.0
LIMITS = Limits(wall_s=4.0, cpu_s=20.0, memory_mb=2500, log_kb=16)


class NotConforming(AssertionError):
    """A sandbox does not hold a property that it must hold."""


def _expect(holds: bool, words: str, execution: Execution | None = None) -> None:
    if not holds:
        seen = (
            "" if execution is None else f"; got {execution.outcome}: {execution.message} [log: {execution.log[-300:]}]"
        )
        raise NotConforming(words + seen)


def _healthy(sandbox: Sandbox, folder: Path) -> None:
    execution = sandbox.run(CONTROL, folder)
    _expect(execution.built, "expected the control program to build afterwards", execution)
    _expect(
        execution.volume_mm3 is not None and abs(execution.volume_mm3 - CONTROL_VOLUME_MM3) < 1e-6 * CONTROL_VOLUME_MM3,
        f"expected the control program's volume to be {CONTROL_VOLUME_MM3:.3f} mm³, got {execution.volume_mm3}",
    )


def withstand(sandbox: Sandbox, folder: Path, attack: Attack, ground: Field) -> None:
    """Run one attack, look for traces of it outside, and run a healthy program afterwards."""
    execution = sandbox.run(program_of(attack, ground.addresses()), folder)
    told = execution.log + execution.message
    _expect(BREACH not in told, f"{attack.name} got through", execution)
    _expect(ground.token not in told, f"{attack.name} read the secret", execution)
    _expect(execution.outcome in attack.expected, f"{attack.name} ended unexpectedly", execution)
    found = ground.breaches()
    _expect(not found, f"{attack.name}: {'; '.join(found)}", execution)
    _expect(len(execution.log) <= (LIMITS.log_kb << 10) + 100, f"{attack.name}: the log has {len(execution.log)} bytes")
    _expect(len(execution.message) <= 4000, f"{attack.name}: the message has {len(execution.message)} characters")
    late = execution.seconds - LIMITS.wall_s
    _expect(late < _SLACK_S, f"{attack.name} outlived its deadline by {late:.1f} s", execution)
    if execution.built:
        _expect(
            execution.volume_mm3 is not None and execution.volume_mm3 < 1e4,
            f"{attack.name} forged a volume of {execution.volume_mm3}",
        )
    _healthy(sandbox, folder)


_BOX = "import cadquery as cq\nresult = cq.Workplane().box(1, 2, 3)\n"
_OUTCOMES: tuple[tuple[str, Outcome], ...] = (
    (_BOX, Outcome.BUILT),
    ("def f(:\n", Outcome.SYNTAX_ERROR),
    ("x = 1\0", Outcome.SYNTAX_ERROR),
    ("x = 1 / 0\n", Outcome.RAISED),
    ("def f(): return f()\nf()\n", Outcome.RAISED),
    ("import sys\nsys.exit('no')\n", Outcome.RAISED),
    ("import cadquery as cq\ncq.Workplane().box(1, 1, 0)\n", Outcome.RAISED),
    ("x = 1\n", Outcome.NO_RESULT),
    ("", Outcome.NO_RESULT),
    ("import cadquery as cq\nresult = cq.Workplane().rect(1, 2)\n", Outcome.NO_SOLID),
    ("import cadquery as cq\nresult = cq.Workplane()\n", Outcome.NO_SOLID),
    (
        "import cadquery as cq\nresult = cq.Workplane().box(1, 1, 1).cut(cq.Workplane().box(2, 2, 2))\n",
        Outcome.NO_SOLID,
    ),
    ("import cadquery as cq\nresult = cq.Workplane().box(1, 1, float('nan'))\n", Outcome.INVALID),
    (
        "import cadquery as cq\n"
        "result = cq.Workplane().polyline([(0, 0), (2, 2), (2, 0), (0, 2)]).close().extrude(1)\n",
        Outcome.INVALID,
    ),
    ("x = bytearray(1 << 40)\n", Outcome.OUT_OF_MEMORY),
    ("import ctypes\nctypes.string_at(1)\n", Outcome.CRASHED),
    ("import os\nos.fork()\n", Outcome.REFUSED),
)


def tells_outcomes_apart(sandbox: Sandbox, folder: Path) -> None:
    """Each way to end has its own outcome."""
    for source, expected in _OUTCOMES:
        execution = sandbox.run(source, folder)
        _expect(execution.outcome is expected, f"expected {expected} from {source!r}", execution)
        _expect(execution.built or bool(execution.message), f"expected a message about {source!r}")


def names_the_line(sandbox: Sandbox, folder: Path) -> None:
    """An exception names its type, its text and the innermost line of the program."""
    execution = sandbox.run("import math\n\ndef f(x):\n    return math.sqrt(x)\n\nf(-1)\n", folder)
    _expect(execution.outcome is Outcome.RAISED and execution.line == 4, "expected line 4", execution)
    _expect("ValueError" in execution.message, "expected the exception's type", execution)


_RULES: tuple[tuple[str, str], ...] = (
    ("show_object(cq.Workplane().box(1, 2, 3), name='x')\ndebug(1)", "show_object"),
    ("r = cq.Workplane().box(9, 9, 9)\nresult = cq.Workplane().box(1, 2, 3)", "result"),
    ("r = cq.Workplane().box(1, 2, 3)", "r"),
    ("solid = cq.Solid.makeBox(1, 2, 3)", "solid"),
    ("part = [cq.Solid.makeBox(1, 2, 3)]", "part"),
    ("assembly = cq.Assembly().add(cq.Workplane().box(1, 2, 3))", "assembly"),
    ("a = cq.Workplane().box(9, 9, 9)\nb = a.translate((1, 1, 1))\na = cq.Workplane().box(1, 2, 3)", "last bound: a"),
    ("if __name__ == '__main__':\n    result = cq.Workplane().box(1, 2, 3)", "result"),
    ("result = cq.Workplane().box(1, 2, 3).faces('>Z').workplane()", "result (the solid of its chain)"),
    ("import sys\nresult = cq.Workplane().box(1, 2, 3)\nsys.exit(0)", "result"),
    ("result = cq.Workplane().box(1, 2, 3)\ncq.exporters.export(result, 'x.step')", "result"),
)


def finds_the_result(sandbox: Sandbox, folder: Path) -> None:
    """The usual ways to name a result are understood, in their order of rank."""
    for source, rule in _RULES:
        execution = sandbox.run("import cadquery as cq\n" + source, folder)
        _expect(execution.built and execution.rule == rule, f"expected rule {rule!r} for {source!r}", execution)
        _expect(abs((execution.volume_mm3 or 0) - 6) < 1e-9, f"expected 6 mm³ from {source!r}", execution)


_USUAL: tuple[str, ...] = (
    "import math\nfrom types import SimpleNamespace\np = SimpleNamespace(w=math.sqrt(1))\n"
    "result = cq.Workplane().box(p.w, 2, 3)",
    "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Size:\n"
    "    w: float = 1.0\n\nresult = cq.Workplane().box(Size().w, 2, 3)",
    "class Base:\n    w = 1\n\nclass Part(Base):\n"
    "    def build(self):\n        return cq.Workplane().box(self.w, 2, 3)\n\n"
    "result = Part().build()",
    "def depth(n):\n    return 1 if n == 0 else depth(n - 1)\n\nresult = cq.Workplane().box(depth(900), 2, 3)",
    "import numpy as np\nfrom scipy.optimize import brentq\n"
    "result = cq.Workplane().box(float(np.round(brentq(lambda x: x - 1, 0, 3), 9)), 2, 3)",
    "from OCP.BRepPrimAPI import BRepPrimAPI_MakeBox\nresult = BRepPrimAPI_MakeBox(1.0, 2.0, 3.0).Shape()",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n"
    "    (w,) = pool.map(abs, [-1])\nresult = cq.Workplane().box(w, 2, 3)",
    "import logging, warnings\nwarnings.warn('odd')\nlogging.warning('odd')\nresult = cq.Workplane().box(1, 2, 3)",
    "from cadquery.vis import show\nresult = cq.Workplane().box(1, 2, 3)\nshow(result)",
    "result = cq.Workplane().sketch().rect(1, 2).finalize().extrude(3)",
    "import math\nfrom types import SimpleNamespace\nP = SimpleNamespace(w=1, h=lambda k: math.floor(k))\n"
    "def main():\n    global result\n    result = cq.Workplane().box(P.w, 2, P.h(3.2))\nmain()",
    "def half(x):\n    return cq.Workplane().box(0.5, 2, 3).translate((x, 0, 0)).val()\n"
    "result = cq.Compound.makeCompound([half(k) for k in (0, 9)])",
    "sizes = {'w': 1, 'd': 2}\n(lambda: globals().update(result=cq.Workplane().box(sizes['w'], sizes['d'], 3)))()",
    "a = cq.Assembly().add(cq.Workplane().box(1, 1, 3), name='a').add(cq.Workplane().box(1, 1, 3), name='b')\n"
    "a.constrain('a@faces@>X', 'b@faces@<X', 'Plane')\na.solve()\nresult = a",
)


def runs_usual_programs(sandbox: Sandbox, folder: Path) -> None:
    """What honest programs do works behind the wall: imports, classes, recursion, threads, logging, assemblies."""
    for source in _USUAL:
        head = "" if source.startswith("from __future__") else "import cadquery as cq\n"
        text = head + source.replace("annotations\n", "annotations\nimport cadquery as cq\n", 1)
        execution = sandbox.run(text, folder)
        _expect(execution.built, f"expected {source!r} to build", execution)
        _expect(abs((execution.volume_mm3 or 0) - 6) < 1e-6, f"expected 6 mm³ from {source!r}", execution)


def measures_several_solids(sandbox: Sandbox, folder: Path) -> None:
    """All solids count, not only the first; a solid turned inside out is turned back."""
    execution = sandbox.run(
        "import cadquery as cq\n"
        "result = cq.Workplane().rarray(9, 9, 2, 2).box(1, 2, 3, combine=False)\n"
        "result = result.add(cq.Shape.cast(cq.Solid.makeBox(1, 1, 1, cq.Vector(50, 0, 0)).wrapped.Reversed()))\n",
        folder,
    )
    _expect(
        execution.solids == 5 and abs((execution.volume_mm3 or 0) - 25) < 1e-9, "expected 5 solids, 25 mm³", execution
    )
    _expect(dict(execution.face_kinds) == {"PLANE": 30}, "expected thirty planes", execution)


def writes_the_same_bytes(sandbox: Sandbox, folder: Path) -> None:
    """The same program gives the same STEP, STL and B-rep, byte for byte."""
    written = []
    for name in ("first", "second"):
        execution = sandbox.run(CONTROL, folder / name)
        _expect(execution.built, "expected the control program to build", execution)
        paths = [path for path in (execution.brep, execution.step, execution.stl) if path is not None]
        _expect(len(paths) == 3, "expected B-rep, STEP and STL", execution)
        written.append([path.read_bytes() for path in paths])
    _expect(written[0] == written[1], "expected the same bytes twice")
    _expect(b"SI_UNIT(.MILLI.,.METRE.)" in written[0][1], "expected millimetres in the STEP file")


def survives_booleans(sandbox: Sandbox, folder: Path) -> None:
    """Booleans run in every child: no thread of a parent is waited for."""
    for _ in range(3):
        execution = sandbox.run(
            CONTROL + "result = result.union(cq.Workplane().box(30, 5, 5)).cut(cq.Workplane().box(99, 1, 1))", folder
        )
        _expect(execution.built, "expected three booleans to finish", execution)


def runs_side_by_side(sandbox: Sandbox, folder: Path) -> None:
    """Programs from several threads don't get each other's results."""

    def volume_of(edge: int) -> float | None:
        source = f"import cadquery as cq\nresult = cq.Workplane().box({edge}, 1, 1)\n"
        return sandbox.run(source, folder / str(edge)).volume_mm3

    edges = range(1, 9)
    with ThreadPoolExecutor(4) as pool:
        volumes = list(pool.map(volume_of, edges))
    _expect([round(v or 0, 6) for v in volumes] == list(edges), f"expected volumes 1 to 8, got {volumes}")


def forgets_between_runs(sandbox: Sandbox, folder: Path) -> None:
    """What one program changes is not there for the next."""
    sandbox.run("import builtins, math, random\nbuiltins.left = 1\nmath.left = 1\nrandom.seed(1)\n", folder)
    execution = sandbox.run(
        "import builtins, math\nassert not hasattr(builtins, 'left') and not hasattr(math, 'left')\n" + _BOX, folder
    )
    _expect(execution.built, "expected a fresh interpreter", execution)


def tells_it_in_plain_text(sandbox: Sandbox, folder: Path) -> None:
    """What a program says can be printed and stored: no terminal codes, no turned text, no halves of characters."""
    words = "chr(27) + '[2J' + chr(0x9b) + '31m' + chr(7) + chr(0x202e) + chr(0xd800) + chr(0)"
    for source in (
        f"print({words})\nraise ValueError({words})",
        f"raise type({words}.replace(chr(0), ''), (Exception,), {{}})",
    ):
        execution = sandbox.run(source + "\n", folder)
        told = execution.log + execution.message + (execution.rule or "")
        strange = sorted({hex(ord(c)) for c in told if not c.isprintable() and c not in "\n\t\ufffd"})
        _expect(not strange, f"expected printable text, got the characters {strange}", execution)
        told.encode()


def has_fresh_bounds_for_each(sandbox: Sandbox, folder: Path) -> None:
    """A deadline is of the one program; those before and after it have their own."""
    for _ in range(2):
        execution = sandbox.run("import time\ntime.sleep(3600)\n", folder, limits=replace(LIMITS, wall_s=0.5))
        _expect(execution.outcome is Outcome.TIMED_OUT, "expected an end at the deadline", execution)
        _healthy(sandbox, folder)


def reports_its_layers(sandbox: Sandbox, folder: Path) -> None:
    """Every execution says which walls stood."""
    execution = sandbox.run(_BOX, folder)
    _expect(bool(execution.layers), "expected a report of the layers", execution)


PROPERTIES: tuple[Callable[[Sandbox, Path], None], ...] = (
    tells_outcomes_apart,
    names_the_line,
    finds_the_result,
    runs_usual_programs,
    measures_several_solids,
    writes_the_same_bytes,
    survives_booleans,
    runs_side_by_side,
    forgets_between_runs,
    tells_it_in_plain_text,
    has_fresh_bounds_for_each,
    reports_its_layers,
)
