"""Formats: the same part through each of them, units, and files that are broken or are something else."""

from __future__ import annotations

import base64
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from manifold3d import Manifold

from cad_pipeline.errors import InputError
from cad_pipeline.mesh import bodies, read_mesh
from cad_pipeline.mesh.units import MM_PER_UNIT, UNIT_ALIASES, canonical_unit

SOLID = Manifold.cube((40, 25, 10)) - Manifold.cylinder(30, 6, 6, 32, True).translate((20, 12, 0))
VOLUME = SOLID.volume()


def part() -> trimesh.Trimesh:
    mesh = SOLID.to_mesh64()
    return trimesh.Trimesh(np.array(mesh.vert_properties), np.array(mesh.tri_verts), process=False)


def ascii_stl(mesh: trimesh.Trimesh, end: str = "endsolid part with facet and vertex in its name\n") -> str:
    facets = "".join(
        "facet normal 0 0 0\n  outer loop\n"
        + "".join(f"    vertex {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in corners)
        + "  endloop\nendfacet\n"
        for corners in mesh.triangles
    )
    return f"solid part 12 mm\n{facets}{end}"


def threemf(
    mesh: trimesh.Trimesh, unit: str = "millimeter", item: str = '<item objectid="1"/>', extra: str = ""
) -> bytes:
    vertices = "".join(f'<vertex x="{x:.9g}" y="{y:.9g}" z="{z:.9g}"/>' for x, y, z in mesh.vertices)
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh.faces)
    model = (
        f'<?xml version="1.0"?><model unit="{unit}" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
        f'<resources><object id="1" type="model"><mesh><vertices>{vertices}</vertices><triangles>{faces}</triangles>'
        f"</mesh></object>{extra}</resources><build>{item}</build></model>"
    )
    import io

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("3D/3dmodel.model", model)
    return file.getvalue()


def exported(kind: str) -> bytes:
    mesh = part()
    match kind:
        case "binary.stl":
            return bytes(mesh.export(file_type="stl"))
        case "ascii.stl":
            return ascii_stl(mesh).encode()
        case "windows.stl":
            return ascii_stl(mesh).upper().replace("\n", "\r\n").encode()
        case "part.obj":
            return str(mesh.export(file_type="obj")).encode()
        case "part.off":
            return str(mesh.export(file_type="off")).encode()
        case "binary.ply":
            return bytes(mesh.export(file_type="ply"))
        case "ascii.ply":
            return bytes(mesh.export(file_type="ply", encoding="ascii"))
        case "part.3mf":
            return threemf(mesh)
        case "part.glb":
            mesh.apply_scale(0.001)
            return bytes(mesh.export(file_type="glb"))
        case "part.gltf":
            mesh.apply_scale(0.001)
            return embedded_gltf(mesh)
    raise AssertionError(kind)


def embedded_gltf(mesh: trimesh.Trimesh, **node: object) -> bytes:
    points = mesh.vertices.astype("<f4").tobytes()
    corners = mesh.faces.astype("<u2").tobytes()
    data = base64.b64encode(points + corners).decode()
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, **node}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"byteLength": len(points) + len(corners), "uri": f"data:application/octet-stream;base64,{data}"}],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(points)},
            {"buffer": 0, "byteOffset": len(points), "byteLength": len(corners)},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": len(mesh.vertices)},
            {"bufferView": 1, "componentType": 5123, "type": "SCALAR", "count": 3 * len(mesh.faces)},
        ],
    }
    return json.dumps(document).encode()


KINDS = (
    "binary.stl",
    "ascii.stl",
    "windows.stl",
    "part.obj",
    "part.off",
    "binary.ply",
    "ascii.ply",
    "part.3mf",
    "part.glb",
    "part.gltf",
)


def saved(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_part_comes_out_of_every_format(kind: str, tmp_path: Path) -> None:
    mesh = read_mesh(saved(tmp_path, kind, exported(kind)))
    assert mesh.closed
    assert mesh.volume == pytest.approx(VOLUME, rel=1e-5)
    assert np.allclose(mesh.bounds, [[0, 0, 0], [40, 25, 10]], atol=1e-5)
    assert len(mesh.faces) == SOLID.num_tri()
    assert mesh.name == Path(kind).stem


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_name_does_not_matter_and_is_told(kind: str, tmp_path: Path) -> None:
    wrong = ".ply" if kind.endswith(".stl") else ".stl"
    if kind == "binary.stl":
        with pytest.raises(InputError, match="PLY"):
            read_mesh(saved(tmp_path, f"x{wrong}", exported(kind)))
        return
    mesh = read_mesh(saved(tmp_path, f"x{wrong}", exported(kind)))
    assert mesh.volume == pytest.approx(VOLUME, rel=1e-5)
    assert "the name says" in mesh.notes[0] or "the name says" in mesh.notes[1]


@pytest.mark.parametrize("kind", KINDS)
def test_cut_or_scrambled_files_give_an_input_error_or_a_sound_mesh(kind: str, tmp_path: Path) -> None:
    data = exported(kind)
    rng = np.random.default_rng(len(data))
    for turn in range(40):
        broken = bytearray(data)
        if turn % 2:
            broken = broken[: int(rng.integers(1, len(broken)))]
        else:
            for at in rng.integers(0, len(broken), 1 + turn // 4):
                broken[at] = int(rng.integers(0, 256))
        try:
            mesh = read_mesh(saved(tmp_path, kind, bytes(broken)))
        except InputError as error:
            assert "expected" in str(error)
            assert "\n" not in str(error)
        else:
            assert np.isfinite(mesh.vertices).all()
            assert mesh.volume > 0


@pytest.mark.parametrize("kind", ["binary.stl", "ascii.stl", "part.off", "binary.ply", "part.3mf", "part.glb"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_no_silent_half_part(kind: str, share: float, tmp_path: Path) -> None:
    data = exported(kind)
    with pytest.raises(InputError):
        read_mesh(saved(tmp_path, kind, data[: int(len(data) * share)]))


def test_an_ascii_stl_cut_between_triangles_is_refused(tmp_path: Path) -> None:
    whole = ascii_stl(part(), end="")
    assert read_mesh(saved(tmp_path, "whole.stl", whole)).volume == pytest.approx(VOLUME, rel=1e-5)
    half = whole[: whole.rindex("endfacet", 0, len(whole) // 2) + len("endfacet\n")]
    with pytest.raises(InputError, match="cut short"):
        read_mesh(saved(tmp_path, "half.stl", half))


def stl_with(count: int, data: bytes, header: bytes = b"") -> bytes:
    return header.ljust(80, b"\0") + struct.pack("<I", count) + data


def test_binary_stl_headers_are_checked_against_the_size(tmp_path: Path) -> None:
    body = exported("binary.stl")[84:]
    count = len(body) // 50
    for header in (b"", b"solid part", b"solid\nfacet normal"):
        assert read_mesh(saved(tmp_path, "a.stl", stl_with(count, body, header))).notes == ()
    assert "no triangle count" in read_mesh(saved(tmp_path, "a.stl", stl_with(0, body))).notes[0]
    assert "ignored 7 bytes" in read_mesh(saved(tmp_path, "a.stl", stl_with(count, body + b"\0" * 7))).notes[0]
    for lie in (0xFFFFFFF0, count + 1, count // 3, 0x20202020):
        with pytest.raises(InputError):
            read_mesh(saved(tmp_path, "a.stl", stl_with(lie, body)))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.stl", b"", "empty file"),
        ("empty.step", b"", "empty file"),
        ("letter.stl", b"This is a letter. It is about a part.\n" * 40, "plain text"),
        ("short.stl", b"\x01\x02\x03", "3 bytes"),
        ("none.stl", b"solid a\nendsolid a\n", "with none"),
        ("none.stl", bytes(84), "with none"),
        ("words.stl", b"solid a\nfacet normal 0 0 1\nouter loop\nvertex a b c\nvertex 0 0 0\nvertex 1 0 0\nendloop\n"
         b"endfacet\nendsolid a\n", "other words"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(200), "expected one of STL"),
        ("zip.3mf", b"PK\x03\x04" + bytes(300), "damaged"),
        ("text.glb", b"hello " * 30, "expected a GLB"),
        ("cloud.ply", b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
         b"end_header\n0 0 0\n", "point cloud"),
        ("giant.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\nproperty float x\n"
         b"end_header\n", "damaged"),
        ("giant.off", b"OFF\n900000000 900000000 0\n0 0 0\n", "cut short"),
        ("wide.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n2000000000 0 1 2\n", "fewer"),
        ("far.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999\n", "corner numbers"),
        ("far.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "corner numbers below 3"),
        ("none.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "0 faces"),
        ("bad.step", b"ISO-10303-21;\nHEADER;\n", "STEP with a solid"),
    ],
)  # fmt: skip
def test_what_is_no_mesh_is_refused_with_one_clear_line(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_mesh(saved(tmp_path, name, data))
    assert "expected" in str(caught.value)
    assert "got" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing at that path"):
        read_mesh(tmp_path / "none.stl")
    with pytest.raises(InputError, match="folder"):
        read_mesh(tmp_path)
    os.mkfifo(tmp_path / "pipe.stl")
    with pytest.raises(InputError, match="device"):  # reading it would wait for ever
        read_mesh(tmp_path / "pipe.stl")


def test_a_text_file_over_its_limit_is_refused_unread(tmp_path: Path) -> None:
    path = saved(tmp_path, "huge.obj", "v 0 0 0\n" * 1000)
    with path.open("r+b") as file:
        file.truncate(600 * 1024**2)
    with pytest.raises(InputError, match="MiB of text"):
        read_mesh(path)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.stl"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)  # a sparse file: takes no room
    with pytest.raises(InputError, match="at most 2 GiB"):
        read_mesh(path)


@pytest.mark.parametrize("shift", [0, 1, 5, 9])
def test_concave_polygons_are_cut_along_their_inside(shift: int, tmp_path: Path) -> None:
    outline = [(0, 0), (40, 0), (40, 10), (30, 10), (30, 4), (20, 4), (20, 25), (10, 25), (10, 15), (0, 15)]
    n = len(outline)
    lines = [f"v {x} {y} {z}" for z in (0, 15) for x, y in outline]
    ring = [(k + shift) % n for k in range(n)]
    lines.append("f " + " ".join(str(k + 1) for k in reversed(ring)))
    lines.append("f " + " ".join(f"{k - n}/1/1" for k in ring))  # counted back from the last vertex
    lines += [f"f {k + 1} {(k + 1) % n + 1} {(k + 1) % n + 1 + n} {k + 1 + n}" for k in range(n)]
    mesh = read_mesh(saved(tmp_path, "block.obj", "# comment\ng one\n" + "\n".join(lines)))
    x, y = np.array(outline, float).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert mesh.closed
    assert mesh.volume == pytest.approx(15 * area)
    assert mesh.area == pytest.approx(2 * area + 15 * np.hypot(np.diff(x, append=x[0]), np.diff(y, append=y[0])).sum())


def test_ply_with_mixed_polygons_and_other_properties(tmp_path: Path) -> None:
    corners = [(x, y, z) for x in (0, 10) for y in (0, 10) for z in (0, 10)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4)]
    faces = [*quads, (1, 5, 7), (1, 7, 3)]
    for order, mark in (("binary_little_endian", "<"), ("binary_big_endian", ">")):
        header = (
            f"ply\nformat {order} 1.0\ncomment made here\nelement vertex 8\nproperty uchar red\nproperty double x\n"
            "property double y\nproperty double z\nelement face 7\nproperty uchar flag\n"
            "property list uchar uint vertex_indices\nproperty float quality\nend_header\n"
        )
        body = b"".join(struct.pack(f"{mark}Bddd", 200, *c) for c in corners)
        body += b"".join(struct.pack(f"{mark}BB{len(f)}If", 1, len(f), *f, 0.5) for f in faces)
        mesh = read_mesh(saved(tmp_path, "cube.ply", header.encode() + body))
        assert mesh.closed
        assert mesh.volume == pytest.approx(1000)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("inch", 25.4), ("in", 25.4), ("M", 1000), (" Feet ", 304.8)])
def test_the_unit_says_what_the_numbers_are(unit: str, factor: float, tmp_path: Path) -> None:
    mesh = read_mesh(saved(tmp_path, "part.stl", exported("binary.stl")), unit=unit)
    assert mesh.mm_per_unit == factor
    assert mesh.volume == pytest.approx(VOLUME * factor**3, rel=1e-5)
    assert mesh.bounds[1, 0] == pytest.approx(40 * factor)


def test_unit_names() -> None:
    assert all(canonical_unit(alias) == unit for alias, unit in UNIT_ALIASES.items())
    assert all(canonical_unit(unit) == unit for unit in MM_PER_UNIT)
    with pytest.raises(InputError, match="cubit"):
        canonical_unit("cubit")


@pytest.mark.parametrize(
    ("said", "unit"), [("inch", "inch"), ("meter", "m"), ("micron", "um"), ("foot", "ft"), ("centimeter", "cm")]
)
def test_3mf_carries_its_unit(said: str, unit: str, tmp_path: Path) -> None:
    mesh = read_mesh(saved(tmp_path, "part.3mf", threemf(part(), said)))
    assert mesh.unit == unit
    assert mesh.volume == pytest.approx(VOLUME * MM_PER_UNIT[unit] ** 3, rel=1e-5)
    assert f"its unit is {unit}" in mesh.notes[0]


def test_the_users_word_on_the_unit_counts_more(tmp_path: Path) -> None:
    mesh = read_mesh(saved(tmp_path, "part.glb", exported("part.glb")), unit="inch")
    assert mesh.bounds[1, 0] == pytest.approx(0.040 * 25.4)
    assert "as asked" in mesh.notes[0]


def test_3mf_items_components_and_mirrors_are_placed(tmp_path: Path) -> None:
    extra = (
        '<object id="2"><components><component objectid="1" transform="1 0 0 0 1 0 0 0 1 0 0 100"/>'
        '<component objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 200"/></components></object>'
    )
    item = '<item objectid="2" transform="0 1 0 -1 0 0 0 0 1 5 0 0"/><item objectid="1"/>'
    mesh = read_mesh(saved(tmp_path, "parts.3mf", threemf(part(), item=item, extra=extra)))
    assert [p.volume for p in bodies(mesh)] == pytest.approx([VOLUME] * 3, rel=1e-5)
    assert np.allclose(mesh.bounds, [[-20, -40, 0], [40, 40, 210]], atol=1e-4)


def test_3mf_that_refers_to_itself_is_refused(tmp_path: Path) -> None:
    extra = '<object id="2"><components><component objectid="2"/><component objectid="2"/></components></object>'
    with pytest.raises(InputError, match="nested"):
        read_mesh(saved(tmp_path, "loop.3mf", threemf(part(), item='<item objectid="2"/>', extra=extra)))


def test_gltf_nodes_are_placed(tmp_path: Path) -> None:
    mesh = part()
    mesh.apply_scale(0.001)
    half = float(np.sqrt(0.5))
    node = {"rotation": [half, 0, 0, half], "scale": [2, 1, -1], "translation": [0, 0, 1]}  # y up, mirrored, moved
    read = read_mesh(saved(tmp_path, "part.gltf", embedded_gltf(mesh, **node)))
    assert read.volume == pytest.approx(2 * VOLUME, rel=1e-5)
    assert np.allclose(read.bounds, [[0, 0, 1000], [80, 10, 1025]], atol=1e-3)


def test_gltf_asks_for_what_it_cannot_read(tmp_path: Path) -> None:
    document = json.loads(embedded_gltf(part()))
    document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    with pytest.raises(InputError, match="without compression"):
        read_mesh(saved(tmp_path, "part.gltf", json.dumps(document)))
    document["extensionsRequired"] = []
    document["buffers"][0]["uri"] = "../../secret.bin"
    with pytest.raises(InputError, match="outside the folder"):
        read_mesh(saved(tmp_path, "part.gltf", json.dumps(document)))
    document["accessors"][0]["count"] = 10**12
    document["buffers"][0]["uri"] = json.loads(embedded_gltf(part()))["buffers"][0]["uri"]
    with pytest.raises(InputError, match="more than its buffer holds"):
        read_mesh(saved(tmp_path, "part.gltf", json.dumps(document)))


@pytest.mark.parametrize("kind", ["step", "step in inches", "brep"])
def test_exact_solids_are_tessellated(kind: str, tmp_path: Path) -> None:
    import cadquery as cq

    solid = cq.Workplane("XY").box(40, 25, 10, centered=False).faces(">Z").workplane().hole(12)
    path = tmp_path / f"part.{kind.split()[0]}"
    if kind == "brep":
        solid.val().exportBrep(str(path))
    else:
        cq.exporters.export(solid, str(path), opt={}, **({"outputUnit": "INCH"} if "inch" in kind else {}))
    mesh = read_mesh(path)
    assert mesh.closed
    assert mesh.volume == pytest.approx(solid.val().Volume(), rel=2e-3)
    assert np.allclose(mesh.bounds, [[0, 0, 0], [40, 25, 10]], atol=1e-6)
    assert any("exact" in note for note in mesh.notes)


def test_reading_needs_no_cad_kernel(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = saved(tmp_path, "part.stl", exported("binary.stl"))
    code = (
        "import sys; from cad_pipeline.mesh import read_mesh; read_mesh(sys.argv[1]); "
        "print([m for m in ('cadquery', 'OCP', 'trimesh', 'vtk', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
