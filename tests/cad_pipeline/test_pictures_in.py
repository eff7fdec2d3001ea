"""Pictures as the input: folders and Parquet rows read, results judged by their looks, both commands end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cad_pipeline.cli.app import app
from cad_pipeline.doubles import ScriptedSandbox, built
from cad_pipeline.errors import InputError
from cad_pipeline.mesh import write_stl
from cad_pipeline.pictures import read_rows, target_from_views
from cad_pipeline.values import Mesh, Target
from cad_pipeline.verify.likeness import ViewsVerifier
from cad_renderers import CAD_GREY, CORNER_ISO, Material, Rig, SoftwareRenderer, chosen_rig
from cad_renderers.shapes import box, boxes, letter_f
from cad_sandbox.execution import Execution

PROGRAM = "length = 40.0  # mm, along x\nresult = box(length, 25, 10)\n"
BLOCK = box((0, 0, 0), (40, 25, 10))
ORDER = (3, 1, 7, 0, 5, 2, 6, 4)
HIDDEN = replace(CORNER_ISO, name="hidden", cameras=tuple(CORNER_ISO.cameras[k] for k in ORDER))


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own calibration out, and ours out of the user's settings."""
    monkeypatch.delenv("CAD_PIPELINE_RIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings"


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def row_folder(folder: Path, solid, rig: Rig = HIDDEN, size_px: int = 96) -> Path:
    for k, view in enumerate(SoftwareRenderer().render(solid, rig=rig, size_px=size_px)):
        view.save(folder / f"image_{k}.png")
    write_stl(Mesh(name="part", vertices=solid.vertices, faces=solid.faces), folder / "part.stl")
    return folder


def executed(folder: Path, solid) -> Execution:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "part.npz", vertices=solid.vertices, faces=solid.faces)
    return replace(built(volume_mm3=1.0), mesh=folder / "part.npz")


def target_of(solid, size_px: int = 128) -> Target:
    pictures = SoftwareRenderer().render(solid, size_px=size_px)
    return Target(mesh=Mesh(name="hull", vertices=np.zeros((0, 3)), faces=np.zeros((0, 3))), pictures=pictures)


def test_looks_decide_and_size_and_place_do_not(tmp_path: Path) -> None:
    judge, target = ViewsVerifier().judge, target_of(letter_f())
    assert target.views is target.pictures
    right = letter_f()
    moved = replace(right, vertices=right.vertices * 3.0 + 100.0)
    verdict = judge(target, executed(tmp_path, moved))
    assert verdict.accepted and verdict.iou == pytest.approx(1.0, abs=0.01)
    assert "no volume" in verdict.iou_method and {"deviation", "volume_error"} <= set(verdict.unknown)
    mirrored = judge(target, executed(tmp_path, letter_f().mirrored()))
    assert not mirrored.accepted and mirrored.iou < 0.9 and "silhouettes agree" in mirrored.reason


def test_a_missing_pocket_is_seen_by_its_lines(tmp_path: Path) -> None:
    cells = {(x, y, z) for x in range(3) for y in range(3) for z in range(2)}
    target = target_of(boxes(cells - {(1, 1, 1)}), 256)
    whole = ViewsVerifier().judge(target, executed(tmp_path, boxes(cells)))
    assert not whole.accepted and "lines" in whole.reason
    assert ViewsVerifier().judge(target, executed(tmp_path, boxes(cells - {(1, 1, 1)}))).accepted


def test_failures_are_judged_too(tmp_path: Path) -> None:
    from cad_sandbox.execution import Outcome

    target = target_of(letter_f(), 64)
    raised = ViewsVerifier().judge(target, Execution(outcome=Outcome.RAISED, message="boom"))
    assert not raised.accepted and raised.iou == 0.0 and "boom" in raised.reason
    (tmp_path / "bad.npz").write_bytes(b"no arrays")
    broken = ViewsVerifier().judge(target, replace(built(volume_mm3=1.0), mesh=tmp_path / "bad.npz"))
    assert not broken.accepted and broken.iou is None and "iou" in broken.unknown


def test_convert_takes_pictures_and_says_what_they_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SoftwareRenderer().render(BLOCK, size_px=128).save(tmp_path / "block")
    (tmp_path / "block.py").write_text(PROGRAM)
    sandbox = Drawer({PROGRAM: built(volume_mm3=1e4)})
    monkeypatch.setattr("cad_pipeline.warm.warm_sandbox", lambda *_: sandbox)
    program, views, out = str(tmp_path / "block.py"), str(tmp_path / "block"), str(tmp_path / "out")
    code, _, told = call("convert", "--views", views, "-o", out, "--generator", program)
    assert code == 0, told
    report = json.loads((tmp_path / "out" / "block" / "report.json").read_text())
    assert report["accepted"] and report["iou_method"].startswith("no volume, pictures only")
    assert any("no scale" in note and "--size" in note for note in report["notes"])
    assert max(report["input"]["size_mm"]) == pytest.approx(100.0)
    assert sorted(report["input"]["size_mm"]) == pytest.approx([25.0, 62.5, 100.0], abs=2.0)
    # the longest side is a number of the user's if there is one
    monkeypatch.setattr("cad_renderers.hull.visual_hull", lambda *_, **__: box((0, 0, 0), (1, 0.6, 0.2)))
    target = target_from_views(tmp_path / "block", size_mm=55.0)
    assert np.ptp(target.mesh.vertices, axis=0) == pytest.approx([55.0, 33.0, 11.0])
    assert any("given longest side of 55 mm" in note for note in target.mesh.notes)


class Drawer(ScriptedSandbox):
    """Builds a block whatever the program says, with the mesh that a judge of pictures needs."""

    def run(self, source, folder, /, *, limits=None):
        return replace(super().run(source, folder), mesh=executed(folder, BLOCK).mesh)


@pytest.fixture
def block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Draw a block into a folder, and let its hull cost nothing."""
    sandbox = Drawer({PROGRAM: built(volume_mm3=1e4)})
    monkeypatch.setattr("cad_pipeline.warm.warm_sandbox", lambda *_: sandbox)
    monkeypatch.setattr("cad_renderers.hull.visual_hull", lambda *_, **__: box((0, 0, 0), (1, 0.625, 0.25)))
    SoftwareRenderer().render(BLOCK, size_px=128).save(tmp_path / "block")
    (tmp_path / "block.py").write_text(PROGRAM)
    return tmp_path / "block"


def test_an_earlier_result_of_the_same_pictures_stands(block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, program = block.parent / "out", str(block.parent / "block.py")
    carved = []
    hull = lambda *_, **__: carved.append(1) or box((0, 0, 0), (1, 0.625, 0.25))  # noqa: E731
    monkeypatch.setattr("cad_renderers.hull.visual_hull", hull)

    def again(*more: str) -> tuple[int, str]:
        before = len(carved)
        code, _, told = call("convert", "--views", str(block), "-o", str(out), "--generator", program, *more)
        assert code == 0, told
        return len(carved) - before, told

    assert again("--resume")[0] == 1
    report = json.loads((out / "block" / "report.json").read_text())
    assert report["input"]["path"] == str(block) and report["input"]["digest"] != report["input"]["mesh_digest"]
    works, told = again("--resume")
    assert works == 0 and "taken over" in told
    assert again("--resume", "--size", "80")[0] == 1
    assert again("--resume", "--size", "80")[0] == 0
    assert again("--resume")[0] == 1
    # the folder's own cameras count, though no picture changed
    about = json.loads((block / "views.json").read_text())
    about["rig"]["margin"] = 0.02
    (block / "views.json").write_text(json.dumps(about))
    assert again("--resume")[0] == 1
    assert again("--resume")[0] == 0
    picture = sorted(block.glob("3_*.png"))[0]
    pixels = np.array(Image.open(picture))
    pixels[64, 64] ^= 1
    Image.fromarray(pixels).save(picture)
    assert again("--resume")[0] == 1


def test_a_broken_folder_is_told_with_resume_too(block: Path) -> None:
    sorted(block.glob("5_*.png"))[0].unlink()
    code, _, told = call("convert", "--views", str(block), "-o", str(block.parent / "out"), "--resume")
    assert code == 2 and "got 7" in told


def test_the_library_takes_pictures_too(block: Path) -> None:
    from cad_pipeline import reconstruct_views
    from cad_pipeline.generators.scripted import ScriptedGenerator

    script = ScriptedGenerator((PROGRAM,))
    found = reconstruct_views(block, size_mm=80.0, generator=script)
    assert found.accepted and found.target.pictures is not None
    assert np.ptp(found.target.mesh.vertices, axis=0).max() == pytest.approx(80.0)
    assert found.best is not None and found.best.verdict.iou_method.startswith("no volume, pictures only")
    kept = reconstruct_views(str(block), rig="ring-35", generator=script, out=block.parent / "out", min_iou=0.5)
    report = json.loads((block.parent / "out" / "block" / "report.json").read_text())
    assert report["options"]["rig"] == "ring-35" and report["input"]["path"] == str(block)
    assert kept.target.pictures is not None and kept.target.pictures.rig.name == "ring-35"
    assert any("--size" in note for note in kept.target.mesh.notes)
    with pytest.raises(InputError, match="found none"):
        reconstruct_views(block / "missing", generator=script)
    with pytest.raises(InputError, match="rig's name"):
        reconstruct_views(block, rig="no-such-rig", generator=script)


def test_a_calibrated_look_is_used_for_pictures_and_for_views(block: Path, settings: Path) -> None:
    gold = replace(CAD_GREY, name="gold", material=Material(color=(0.8, 0.6, 0.2)))
    (settings / "cad-pipeline").mkdir(parents=True)
    (settings / "cad-pipeline" / "rig.style.json").write_text(json.dumps(gold.to_json()))
    (block / "views.json").unlink()
    pictures = target_from_views(block).pictures
    assert pictures is not None and pictures.style == gold
    assert Target(mesh=Mesh(name="b", vertices=BLOCK.vertices, faces=BLOCK.faces)).views.style == gold


def test_pictures_and_meshes_do_not_mix(tmp_path: Path) -> None:
    assert call("convert")[0] == 2
    code, _, told = call("convert", "a.stl", "--views", str(tmp_path))
    assert code == 2 and "both" in told
    code, _, told = call("convert", "a.stl", "--size", "3")
    assert code == 2 and "--views only" in told
    code, _, told = call("convert", "--views", str(tmp_path), "-o", str(tmp_path / "out"))
    assert code == 2 and "eight pictures" in told and "got 0" in told
    (tmp_path / "0.png").write_bytes(b"no picture")
    for k in range(1, 8):
        Image.new("RGB", (64, 64), "white").save(tmp_path / f"{k}.png")
    with pytest.raises(InputError, match=r"0\.png: expected a PNG"):
        target_from_views(tmp_path)
    Image.new("RGB", (64, 64), "white").save(tmp_path / "0.png")
    with pytest.raises(InputError, match="picture 0"):
        target_from_views(tmp_path)


def test_calibrate_writes_the_rig_that_the_pipeline_then_uses(tmp_path: Path, settings: Path) -> None:
    assert chosen_rig() is CORNER_ISO
    folder = row_folder(tmp_path / "row", letter_f())
    code, out, told = call("calibrate", str(folder), "--quiet")
    assert code == 0, told
    assert "corner-iso" in out and "31705264" in out
    assert (settings / "cad-pipeline" / "rig.json").is_file()
    found = chosen_rig()
    assert found.cameras == HIDDEN.cameras
    target = Target(mesh=Mesh(name="f", vertices=letter_f().vertices, faces=letter_f().faces))
    assert [view.name for view in target.views] == [camera.name for camera in HIDDEN]
    code, _, _ = call("render", str(folder / "part.stl"), "-o", str(tmp_path / "views"), "--size", "32")
    assert code == 0 and (tmp_path / "views" / f"0_{HIDDEN.cameras[0].name}.png").is_file()


def test_pictures_of_something_else_calibrate_nothing(tmp_path: Path, settings: Path) -> None:
    folder = row_folder(tmp_path / "row", letter_f(), size_px=48)
    write_stl(Mesh(name="p", vertices=box((0, 0, 0), (9, 1, 1)).vertices, faces=box((0, 0, 0), (1, 1, 1)).faces),
              folder / "part.stl")  # fmt: skip
    code, _, told = call("calibrate", str(folder), "--quiet")
    assert code == 1 and "no rig was written" in told
    assert not settings.exists()


def test_rows_come_out_of_parquet_as_they_went_in(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the rows extra is not installed")
    import pyarrow.parquet as parquet

    folder = row_folder(tmp_path / "row", letter_f(), size_px=32)
    record = {f"image_{k}": (folder / f"image_{k}.png").read_bytes() for k in range(8)}
    record["stl_file"] = (folder / "part.stl").read_bytes()
    wrapped = {key: {"bytes": value} for key, value in record.items()}
    for name, rows in (("bare", [record] * 3), ("wrapped", [wrapped])):
        parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    plain = read_rows([folder], most=5)[0]
    rows = read_rows([tmp_path / "bare.parquet", tmp_path / "wrapped.parquet"], most=4)
    assert len(rows) == 4 and len(read_rows([tmp_path / "bare.parquet"], most=2)) == 2
    for row in rows:
        assert all((a == b).all() for a, b in zip(row.images, plain.images, strict=True))
        assert np.allclose(row.mesh.vertices, plain.mesh.vertices)
    parquet.write_table(arrow.table({"image_0": [b""]}), tmp_path / "poor.parquet")
    with pytest.raises(InputError, match="stl_file"):
        read_rows([tmp_path / "poor.parquet"], most=1)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="expected a Parquet file"):
        read_rows([tmp_path / "text.parquet"], most=1)


def test_without_pyarrow_the_cure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    code, _, told = call("calibrate", str(tmp_path / "rows.parquet"))
    assert code == 3 and "pip install pyarrow" in told
