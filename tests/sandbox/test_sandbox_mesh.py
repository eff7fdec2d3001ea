from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cad_sandbox import Export, ForkServerSandbox, Limits

LIMITS = Limits(wall_s=60, cpu_s=50, exports=frozenset({Export.MESH, Export.STL, Export.STEP}))

# expression, solids, genus of each solid added up (None: not checked)
SHAPES = {
    "box": ("cq.Workplane().box(1, 2, 3)", 1, 0),
    "hole": ("cq.Workplane().box(10, 20, 30).faces('>Z').workplane().hole(3)", 1, 1),
    "sphere": ("cq.Workplane().sphere(10)", 1, 0),
    "cone": ("cq.Solid.makeCone(10, 0, 20)", 1, 0),
    "torus": ("cq.Solid.makeTorus(10, 3)", 1, 1),
    "cylinder": ("cq.Workplane().cylinder(10, 2)", 1, 0),
    "rounded": ("cq.Workplane().box(10, 10, 10).edges().fillet(2)", 1, 0),
    "chamfered": ("cq.Workplane().box(10, 10, 10).edges('|Z').chamfer(1)", 1, 0),
    "shelled": ("cq.Workplane().box(10, 10, 10).faces('>Z').shell(-1)", 1, 0),
    "hollow": ("cq.Workplane().box(10, 10, 10).cut(cq.Workplane().sphere(3))", 1, None),
    "plates": ("cq.Workplane().rarray(3, 3, 2, 2).box(1, 1, 1, combine=False)", 4, 0),
    "touching": ("cq.Workplane().box(1, 1, 1).add(cq.Workplane().box(1, 1, 1).translate((1, 1, 0)))", 2, 0),
    "text": ("cq.Workplane().box(40, 20, 2).faces('>Z').workplane().text('aB8', 10, 1)", 1, None),
    "loft": ("cq.Workplane().rect(4, 4).workplane(offset=5).circle(1).loft()", 1, 0),
    "sweep": ("cq.Workplane().circle(1).sweep(cq.Workplane('XZ').spline([(0, 0), (3, 5), (0, 10)]))", 1, 0),
    "tiny": ("cq.Workplane().box(0.03, 0.02, 0.01).edges().fillet(0.001)", 1, 0),
    "large": ("cq.Workplane().cylinder(1e4, 2e3)", 1, 0),
    "far": ("cq.Workplane().cylinder(10, 2).translate((1e4, -1e4, 5e3))", 1, 0),
    "thin": ("cq.Workplane().rect(50, 50).extrude(0.01)", 1, 0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_meshes_are_closed_manifolds(name: str, sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    import manifold3d

    expression, solids, genus = SHAPES[name]
    execution = sandbox.run(f"import cadquery as cq\nresult = {expression}\n", tmp_path, limits=LIMITS)
    assert execution.built and execution.message == "", execution.message
    assert execution.solids == solids and execution.volume_mm3 and execution.box and execution.mesh and execution.stl
    with np.load(execution.mesh, allow_pickle=False) as arrays:
        vertices, faces = arrays["vertices"], arrays["faces"]
    assert vertices.dtype == np.float64 and faces.dtype == np.int64
    assert vertices.shape[1] == faces.shape[1] == 3
    assert len(np.unique(faces)) == len(vertices)
    solid = manifold3d.Manifold(manifold3d.Mesh64(vert_properties=vertices, tri_verts=faces.astype(np.uint64)))
    assert solid.status() == manifold3d.Error.NoError
    assert solid.volume() == pytest.approx(execution.volume_mm3, rel=3e-3)
    if genus is not None:
        assert sum(part.genus() for part in solid.decompose()) == genus
    slack = 1e-3 * float(np.linalg.norm(execution.box.size))
    assert vertices.min(axis=0) == pytest.approx(execution.box.low, abs=slack)
    assert vertices.max(axis=0) == pytest.approx(execution.box.high, abs=slack)
    stl = execution.stl.read_bytes()
    assert len(stl) == 84 + 50 * len(faces) and int.from_bytes(stl[80:84], "little") == len(faces)


def test_the_chord_error_keeps_its_bound(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    """Every triangle's centre on a sphere lies within the deflection that was asked for."""
    for deflection in (1e-2, 1e-3):
        limits = Limits(exports=frozenset({Export.MESH}), deflection=deflection, angle_rad=1.0)
        execution = sandbox.run("import cadquery as cq\nresult = cq.Workplane().sphere(10)\n", tmp_path, limits=limits)
        assert execution.mesh is not None and execution.box is not None
        with np.load(execution.mesh, allow_pickle=False) as arrays:
            corners = arrays["vertices"][arrays["faces"]]
        depth = 10 - np.linalg.norm(corners.mean(axis=1), axis=1)
        assert 0 < depth.max() <= 2 * deflection * np.linalg.norm(execution.box.size)


# Emits a box of volume 6 that brings along triangles of quite another part, by the sandbox's own frames.
_FORGED_TRIANGLES = """
import cadquery as cq, io, json, os, stat, struct
from OCP.BinTools import BinTools, BinTools_FormatVersion
from OCP.BRep import BRep_Tool
from OCP.BRepMesh import BRepMesh_IncrementalMesh
from OCP.gp import gp_Pnt
from OCP.TopLoc import TopLoc_Location
box = cq.Workplane().box(1, 2, 3).val()
BRepMesh_IncrementalMesh(box.wrapped, 0.1, False, 0.1, False)
for face in box.Faces():
    triangles = BRep_Tool.Triangulation_s(face.wrapped, TopLoc_Location())
    for number in range(1, triangles.NbNodes() + 1):
        p = triangles.Node(number)
        triangles.SetNode(number, gp_Pnt(p.X() * 7, p.Y() * 7, p.Z() * 7))
stream = io.BytesIO()
BinTools.Write_s(box.wrapped, stream, True, False, BinTools_FormatVersion.BinTools_FormatVersion_CURRENT)
for number in range(3, 64):
    try:
        if not stat.S_ISFIFO(os.fstat(number).st_mode): continue
        for kind, text in ((4, stream.getvalue()), (3, json.dumps({'outcome': 'built', 'rule': 'forged'}).encode())):
            os.write(number, struct.pack('!BQ', kind, len(text)) + text)
        break
    except OSError: pass
os._exit(0)
"""


def test_forged_triangles_are_thrown_away(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    execution = sandbox.run(_FORGED_TRIANGLES, tmp_path)
    assert execution.built and execution.rule == "forged", execution.message
    assert execution.volume_mm3 == pytest.approx(6)
    assert execution.box is not None and execution.box.size == pytest.approx((1, 2, 3))
    assert execution.mesh is not None
    with np.load(execution.mesh, allow_pickle=False) as arrays:
        assert np.ptp(arrays["vertices"], axis=0) == pytest.approx((1, 2, 3))


@pytest.mark.parametrize(
    ("name", "flat"), [("box", True), ("chamfered", True), ("plates", True), ("hole", False), ("loft", False)]
)
def test_solids_of_flat_faces_and_straight_edges_are_known(name: str, flat: bool) -> None:
    import cadquery as cq

    from cad_sandbox.validating_stage import _is_polyhedral

    made = eval(SHAPES[name][0], {"cq": cq})
    assert _is_polyhedral(cq.Compound.makeCompound(made.solids().vals())) is flat


_MUTATED = """
import cadquery as cq, io, json, os, random, stat, struct
from OCP.BinTools import BinTools
stream = io.BytesIO()
BinTools.Write_s(cq.Workplane().box(1, 2, 3).edges('|Z').fillet(0.2).val().wrapped, stream)
data = bytearray(stream.getvalue())
chance = random.Random({seed})
for _ in range(chance.choice((1, 2, 8, 40))):
    how, place = chance.randrange(3), chance.randrange(100, len(data))
    if how == 0: data[place] = chance.randrange(256)
    elif how == 1: data[place:place + 8] = struct.pack('<d', chance.choice((float('nan'), 1e300, -1.0, 0.0)))
    else: del data[place:place + chance.choice((1, 4, 64))]
for number in range(3, 64):
    try:
        if not stat.S_ISFIFO(os.fstat(number).st_mode): continue
        for kind, text in ((4, bytes(data)), (3, json.dumps({{'outcome': 'built', 'rule': 'forged'}}).encode())):
            os.write(number, struct.pack('!BQ', kind, len(text)) + text)
        break
    except OSError: pass
os._exit(0)
"""


def _survives(sandbox: ForkServerSandbox, folder: Path, seeds: range) -> None:
    pid = sandbox._state.zygote.pid if sandbox._state.zygote else None
    for seed in seeds:
        execution = sandbox.run(_MUTATED.format(seed=seed), folder)
        assert execution.outcome in ("built", "invalid", "no_solid", "crashed", "out_of_memory", "timed_out", "refused")
        if execution.built:
            assert execution.volume_mm3 is not None and execution.volume_mm3 > 0
    assert sandbox._state.zygote is not None and sandbox._state.zygote.pid == pid
    assert sandbox.run("import cadquery as cq\nresult = cq.Workplane().box(1, 2, 3)\n", folder).built


def test_mutated_shapes_hurt_nobody(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    _survives(sandbox, tmp_path, range(15))


@pytest.mark.slow
def test_many_mutated_shapes_hurt_nobody(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    _survives(sandbox, tmp_path, range(15, 250))
