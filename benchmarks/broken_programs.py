"""Programs that fail as models' programs fail, each with what it should have been; written for this measurement."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BROKEN", "BrokenProgram"]

_HEAD = "import cadquery as cq\n"
_PARAMETERS = "import cadquery as cq\nfrom types import SimpleNamespace as Measures\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenProgram:
    """A program, the kind of fault in it, and the program that was meant."""

    name: str
    fault: str
    source: str
    meant: str


def _pair(name: str, fault: str, text: str, wrong: str, right: str, head: str = _HEAD) -> BrokenProgram:
    """Write `text` twice, with `wrong` and with `right` where it says @."""
    if text.count("@") != 1:
        raise ValueError(f"expected one @ in {name}")
    return BrokenProgram(
        name=name, fault=fault, source=head + text.replace("@", wrong), meant=head + text.replace("@", right)
    )


_FILLET, _CHAMFER, _SHELL = "fillet too large", "chamfer too large", "shell too thick"
_SELECTOR, _CUT_OFF, _AIR, _SEVERAL = "selector finds nothing", "end cut off", "cut in the air", "several faults"

BROKEN: tuple[BrokenProgram, ...] = (
    _pair("plate", _FILLET, 'result = cq.Workplane("XY").box(60, 40, 8).edges("|Z").fillet(@)\n', "25", "5"),
    _pair(
        "bored block",
        _FILLET,
        'result = cq.Workplane("XY").box(40, 30, 20).edges("|Z").fillet(@).faces(">Z").workplane().hole(8)\n',
        "18",
        "4",
    ),
    _pair(
        "named radius",
        _FILLET,
        'radius = @\nbody = cq.Workplane("XY").box(50, 50, 12)\nresult = body.edges("|Z").fillet(radius)\n',
        "30.0",
        "6.0",
    ),
    _pair(
        "measures",
        _FILLET,
        'm = Measures(width=80.0, depth=40.0, height=15.0, fillet=@)\nresult = cq.Workplane("XY")'
        '.box(m.width, m.depth, m.height).edges("|Z").fillet(m.fillet)\n',
        "22.0",
        "5.0",
        _PARAMETERS,
    ),
    _pair(
        "top edges",
        _FILLET,
        'result = cq.Workplane("XY").box(30, 30, 10).faces(">Z").edges().fillet(@)\n',
        "16",
        "2",
    ),
    _pair(
        "stepped",
        _FILLET,
        'result = (\n    cq.Workplane("XY")\n    .rect(60, 40).extrude(10)\n    .faces(">Z").workplane()\n'
        '    .rect(30, 20).extrude(10)\n    .faces(">Z").edges().fillet(@)\n)\n',
        "11",
        "1.5",
    ),
    _pair(
        "rim",
        _FILLET,
        'result = cq.Workplane("XY").circle(20).extrude(6).faces(">Z").edges().fillet(@)\n',
        "21",
        "2",
    ),
    _pair(
        "class",
        _FILLET,
        "class Bracket:\n    def __init__(self, radius):\n        self.radius = radius\n\n    def build(self):\n"
        '        body = cq.Workplane("XY").box(50, 30, 6)\n        body = body.faces(">Z").workplane().hole(10)\n'
        '        return body.edges("|Z").fillet(self.radius)\n\n\nresult = Bracket(@).build()\n',
        "24",
        "4",
    ),
    _pair(
        "function",
        _FILLET,
        'def rounded(body, r):\n    return body.edges("|Z").fillet(r)\n\n\n'
        'result = rounded(cq.Workplane("XY").box(24, 18, 30), @)\n',
        "14",
        "3",
    ),
    _pair(
        "hole's edge",
        _FILLET,
        'result = cq.Workplane("XY").box(30, 30, 5).faces(">Z").workplane().hole(20).faces(">Z").edges("%CIRCLE")'
        ".fillet(@)\n",
        "7",
        "1",
    ),
    _pair("cube", _CHAMFER, 'result = cq.Workplane("XY").box(20, 20, 20).edges().chamfer(@)\n', "12", "2"),
    _pair(
        "lid",
        _CHAMFER,
        'result = cq.Workplane("XY").box(60, 40, 4).faces(">Z").edges().chamfer(@).faces(">Z").workplane()'
        ".rect(40, 20, forConstruction=True).vertices().hole(3)\n",
        "6",
        "1",
    ),
    _pair(
        "disc",
        _CHAMFER,
        'c = @\nresult = cq.Workplane("XY").circle(15).extrude(5).faces(">Z or <Z").edges().chamfer(c)\n',
        "4.0",
        "0.8",
    ),
    _pair(
        "two sizes",
        _CHAMFER,
        'result = cq.Workplane("XY").box(40, 20, 10).edges("|X").chamfer(@, 2)\n',
        "14",
        "2",
    ),
    _pair(
        "shaft",
        _CHAMFER,
        'result = cq.Workplane("XY").circle(8).extrude(40).faces(">Z").workplane().circle(5).extrude(12)'
        '.faces(">Z").edges().chamfer(@)\n',
        "6",
        "1",
    ),
    _pair("box", _SHELL, 'result = cq.Workplane("XY").box(40, 30, 20).faces(">Z").shell(@)\n', "-16", "-2"),
    _pair(
        "rounded box",
        _SHELL,
        'result = cq.Workplane("XY").box(40, 40, 20).edges("|Z").fillet(5).faces(">Z").shell(@)\n',
        "-22",
        "-2",
    ),
    _pair(
        "blended box",
        _SHELL,
        'result = (\n    cq.Workplane("XY").box(30, 30, 15)\n    .edges("|Z").fillet(4)\n'
        '    .faces("<Z").edges().fillet(2)\n'
        '    .faces(">Z").shell(@)\n)\n',
        "-9",
        "-1.5",
    ),
    _pair(
        "cup",
        _SHELL,
        'wall = @\nresult = cq.Workplane("XY").circle(20).extrude(30).faces(">Z").shell(-wall)\n',
        "24.0",
        "2.0",
    ),
    _pair(
        "sphere's edges",
        _SELECTOR,
        'result = cq.Workplane("XY").sphere(10)@\n',
        '.edges("|X").fillet(1)',
        "",
    ),
    _pair(
        "cylinder's edges",
        _SELECTOR,
        'result = cq.Workplane("XY").circle(10).extrude(20)@.faces(">Z").workplane().hole(5)\n',
        '.edges("|X").chamfer(1)',
        "",
    ),
    _pair(
        "no such edges",
        _SELECTOR,
        'body = cq.Workplane("XY").box(30, 20, 10)\nbody = body@\nresult = body.faces(">X").workplane().hole(4)\n',
        '.faces(">Z").edges("|Z").fillet(2)',
        "",
    ),
    BrokenProgram(
        name="half a hole",
        fault=_CUT_OFF,
        source=_HEAD + 'body = cq.Workplane("XY").box(40, 20, 10)\nresult = body.faces(">Z").workplane().hole(',
        meant=_HEAD + 'result = cq.Workplane("XY").box(40, 20, 10)\n',
    ),
    BrokenProgram(
        name="half a chain",
        fault=_CUT_OFF,
        source=_HEAD
        + 'plate = cq.Workplane("XY").box(50, 50, 5)\nplate = plate.faces(">Z").workplane().hole(12)\n'
        + 'boss = cq.Workplane("XY").circle(10).extrude(15)\nresult = plate.union(boss)\n'
        + 'result = (\n    result.faces("',
        meant=_HEAD
        + 'plate = cq.Workplane("XY").box(50, 50, 5).faces(">Z").workplane().hole(12)\n'
        + 'result = plate.union(cq.Workplane("XY").circle(10).extrude(15))\n',
    ),
    BrokenProgram(
        name="half a number",
        fault=_CUT_OFF,
        source=_HEAD + 'result = cq.Workplane("XY").circle(20).extrude(10)\nresult = result.translate((0, 0, 1',
        meant=_HEAD + 'result = cq.Workplane("XY").circle(20).extrude(10)\n',
    ),
    BrokenProgram(
        name="half a loop",
        fault=_CUT_OFF,
        source=_HEAD
        + 'result = cq.Workplane("XY").box(60, 20, 6)\nfor x in (-20, 0, 20):\n'
        + '    result = result.faces(">Z").workplane(origin=(x, 0, 0)).hole(5)\n'
        + "for x in (-10, 10):\n    result = result.fac",
        meant=_HEAD
        + 'result = cq.Workplane("XY").box(60, 20, 6)\nfor x in (-20, 0, 20):\n'
        + '    result = result.faces(">Z").workplane(origin=(x, 0, 0)).hole(5)\n',
    ),
    _pair(
        "pocket",
        _AIR,
        'result = cq.Workplane("XY").box(60, 40, 20).faces(">Z").workplane().rect(40, 20).cutBlind(@)\n',
        "10",
        "-10",
    ),
    _pair(
        "slot",
        _AIR,
        'depth = 6.0\nresult = cq.Workplane("XY").box(80, 30, 15).faces(">Z").workplane().slot2D(50, 10).cutBlind(@)\n',
        "depth",
        "-depth",
    ),
    _pair(
        "round pocket",
        _AIR,
        'result = (\n    cq.Workplane("XY")\n    .circle(25).extrude(20)\n    .faces(">Z").workplane()\n'
        "    .circle(15)\n"
        "    .cutBlind(@)\n)\n",
        "12",
        "-12",
    ),
    _pair(
        "two pockets",
        _AIR,
        'result = cq.Workplane("XY").box(60, 30, 20).faces(">X").workplane().rect(10, 10).cutBlind(8)\n'
        'result = result.faces(">Z").workplane().rect(20, 10).cutBlind(8)\n@',
        "",
        'result = cq.Workplane("XY").box(60, 30, 20).faces(">X").workplane().rect(10, 10).cutBlind(-8)\n'
        'result = result.faces(">Z").workplane().rect(20, 10).cutBlind(-8)\n',
    ),
    _pair(
        "fillet and chamfer",
        _SEVERAL,
        'body = cq.Workplane("XY").box(40, 20, 10)\n@result = body.faces(">Z").workplane().hole(6)\n',
        'body = body.edges("|Z").fillet(15)\nbody = body.faces(">Z").edges().chamfer(9)\n',
        "",
    ),
    _pair(
        "three blends",
        _SEVERAL,
        'result = cq.Workplane("XY").box(50, 30, 20)@.faces(">Z").workplane().hole(10)\n',
        '.edges("|Z").fillet(20).faces("<Z").edges().fillet(12).faces(">Z").edges().chamfer(11)',
        "",
    ),
    _pair(
        "fillet and shell",
        _SEVERAL,
        'result = cq.Workplane("XY").box(40, 30, 20)@\n',
        '.edges("|Z").fillet(18).faces(">Z").shell(-18)',
        "",
    ),
    _pair(
        "no such method",
        "hopeless",
        'result = cq.Workplane("XY").box(10, 20, 30)@\n',
        ".roundAllTheEdges(2)",
        "",
    ),
    _pair(
        "wrong name",
        "hopeless",
        'width = 10\nresult = cq.Workplane("XY").box(@, 20, 30)\n',
        "widht",
        "width",
    ),
)
