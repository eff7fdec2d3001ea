"""Dimensions that can't be edited by a few per cent are written out, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.generators.edit_guard import EditGuard
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Mesh, Origin, Program, Target, Verdict
from cad_sandbox import Execution, ForkServerSandbox

MESH = Mesh(
    name="tetrahedron",
    vertices=np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100]]),
    faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
)
# planes that statements share, a name bound again and again, and a hole that comes out of the wall if it grows
PLATE = """\
import cadquery as cq

width = 40.0   # mm
height = 6.0   # mm
count = 3      # count: holes
hole_d = 3.0   # mm
slot = 5.9     # mm: as deep as the plate is thick, nearly

xy = cq.Workplane("XY")
part = xy.rect(width, 20.0).extrude(height)
tool = xy.workplane(offset=height - slot).rect(10.0, 30.0).extrude(20.0)
part = part.cut(tool)
spots = [(12.0 + 2.5 * k, 0.0) for k in range(count)]
part = part.copyWorkplane(xy.workplane(offset=height)).pushPoints(spots).hole(hole_d)
result = part
"""
# a number that raises between a sketch and its extrusion, one that kills, and one that does nothing
DEADLY = """\
import cadquery as cq
import os

depth = 1.0  # mm
life = 1.0   # mm
size = 4.0   # mm

xy = cq.Workplane()
base = xy.rect(8.0, 8.0).extrude(size)
top = xy.workplane(offset=size).rect(4.0, 4.0).extrude(1.0 / (depth >= 1.0))
if life > 1.0:
    os._exit(3)
result = base.union(top)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ForkServerSandbox]:
    with ForkServerSandbox() as sandbox:
        yield sandbox


def attempt(source: str, execution: Execution) -> Attempt:
    program = Program(source=source, origin=Origin(generator="test"), parameters=read_parameters(source))
    return Attempt(program=program, execution=execution, verdict=Verdict(accepted=True, reason="", iou=1.0))


def test_what_cannot_be_edited_is_written_out_and_the_rest_stays(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    done = attempt(PLATE, sandbox.run(PLATE, tmp_path))
    (proposed,) = EditGuard(sandbox).propose(Target(mesh=MESH), [done])
    # six millimetres less five per cent are less than the slot is deep, and the slot five per cent deeper cuts through
    assert [p.name for p in proposed.parameters] == ["width", "count", "hole_d"]
    assert "extrude(6.0)" in proposed.source and "slot" not in proposed.source
    assert proposed.origin.note.endswith("2 unsafe dimensions written out")
    again = attempt(proposed.source, sandbox.run(proposed.source, tmp_path))
    assert EditGuard(sandbox).propose(Target(mesh=MESH), [again]) == []


def test_an_edit_that_raises_or_kills_is_written_out(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    done = attempt(DEADLY, sandbox.run(DEADLY, tmp_path))
    assert done.execution.solids == 1
    (proposed,) = EditGuard(sandbox).propose(Target(mesh=MESH), [done])
    assert [p.name for p in proposed.parameters] == ["size"]


def test_a_solid_of_many_faces_is_left_as_it_is(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    done = attempt(PLATE, sandbox.run(PLATE, tmp_path))
    assert EditGuard(sandbox, most_faces=5).propose(Target(mesh=MESH), [done]) == []
