"""The front door of the library: what `reconstruct` takes, where its files lie, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cad_pipeline import InputError, Isolation, Mesh, Options, default_pipeline, reconstruct
from cad_pipeline.doubles import ScriptedSandbox, ScriptedVerifier, built
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.mesh import write_stl
from cad_pipeline.values import Attempt, Target

CORNERS = np.array([[x, y, z] for x in (0, 30) for y in (0, 20) for z in (0, 10)], dtype=float)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
FACES = np.array([each for a, b, c, d in QUADS for each in ((a, b, c), (a, c, d))])
BLOCK = Mesh(name="block", vertices=CORNERS, faces=FACES)


@dataclass
class Triangles:
    """What trimesh's meshes look like from here."""

    vertices: Any
    faces: Any
    metadata: dict[str, str]


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> ScriptedSandbox:
    sandbox = ScriptedSandbox({"exact": built(volume_mm3=6000.0)})
    monkeypatch.setattr("cad_pipeline.warm.warm_sandbox", lambda *_: sandbox)
    judge = lambda tolerance: ScriptedVerifier(min_iou=tolerance.min_iou)  # noqa: E731
    monkeypatch.setattr("cad_pipeline.verify.MeshVerifier", judge)
    return sandbox


SCRIPT = ScriptedGenerator(("exact",))


def test_a_path_a_mesh_and_an_object_with_triangles_are_all_parts(tmp_path: Path) -> None:
    write_stl(BLOCK, tmp_path / "block.stl")
    like_trimesh = Triangles(CORNERS, FACES, {"file_name": "block.ply"})
    for part in (tmp_path / "block.stl", str(tmp_path / "block.stl"), BLOCK, like_trimesh):
        found = reconstruct(part, generator=SCRIPT)
        assert found.accepted and found.target.mesh.name == "block"
        assert found.target.mesh.volume == pytest.approx(6000.0)


def test_numbers_in_another_unit_come_out_in_mm(tmp_path: Path) -> None:
    inches = Triangles(CORNERS / 25.4, FACES, {})
    assert reconstruct(inches, unit="inch", generator=SCRIPT).target.mesh.volume == pytest.approx(6000.0)
    write_stl(Mesh(name="b", vertices=CORNERS / 10, faces=FACES), tmp_path / "b.stl")
    assert reconstruct(tmp_path / "b.stl", unit="cm", generator=SCRIPT).accepted


def test_without_out_the_files_live_as_long_as_the_process() -> None:
    best = reconstruct(BLOCK, generator=SCRIPT).best
    assert best is not None and best.execution.step is not None
    assert best.execution.step.read_text() == "STEP of exact"


def test_with_out_the_files_and_the_report_lie_there(tmp_path: Path) -> None:
    found = reconstruct(BLOCK, generator=SCRIPT, out=tmp_path, min_iou=0.9)
    assert found.best is not None and found.best.execution.step == tmp_path / "block" / "block.step"
    assert found.best.execution.step.exists()
    report = json.loads((tmp_path / "block" / "report.json").read_text())
    assert report["options"]["min_iou"] == 0.9 and report["options"]["generator"] == "scripted"
    with pytest.raises(InputError, match="--overwrite"):
        reconstruct(BLOCK, generator=SCRIPT, out=tmp_path)
    assert reconstruct(BLOCK, generator=SCRIPT, out=tmp_path, existing="overwrite").accepted


def test_the_threshold_decides_what_is_accepted(sandbox: ScriptedSandbox) -> None:
    sandbox.script = {"exact": built(volume_mm3=5700.0)}
    assert reconstruct(BLOCK, generator=SCRIPT, min_iou=0.9).accepted
    assert not reconstruct(BLOCK, generator=SCRIPT, min_iou=0.96).accepted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"min_iou": 0.0}, "above 0"),
        ({"timeout_s": float("nan")}, "seconds"),
        ({"isolation": "none"}, "max, strict, process"),
        ({"generator": "oracle"}, "geometric"),
        ({"unit": "inch"}, "in mm already"),
        ({"existing": "resume", "out": "x"}, "command line"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_any_work(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        reconstruct(BLOCK, **arguments)


def test_what_is_no_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vertices and faces"):
        reconstruct(42, generator=SCRIPT)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing"):
        reconstruct(tmp_path / "nothing.stl", generator=SCRIPT)


def test_a_reporter_of_ones_own_hears_of_the_work() -> None:
    heard: list[str] = []

    class Ear:
        def started(self, target: Target, /) -> None:
            heard.append(target.mesh.name)

        def proposing(self, target: Target, generator: str, round_: int, /) -> None:
            heard.append(generator)

        def tried(self, target: Target, attempt: Attempt, /) -> None:
            heard.append(str(attempt.execution.outcome))

    reconstruct(BLOCK, generator=SCRIPT, reporter=Ear())
    assert heard == ["block", "scripted", "built"]


def test_the_defaults_of_the_library_and_the_command_line_are_those_of_the_parts() -> None:
    from cad_pipeline.verify import Tolerance
    from cad_sandbox import Limits

    assert Options().min_iou == Tolerance().min_iou and Options().timeout_s == Limits().wall_s
    assert Options().isolation is Isolation.STRICT
    names = [stage.generator.name for stage in default_pipeline().plan]
    assert names == ["geometric", "sound booleans", "geometric", "crumbs", "sound booleans", "facets", "edit guard"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")
def test_the_real_sandbox_is_shared_by_calls_and_gone_at_exit(tmp_path: Path) -> None:
    code = f"""
import numpy as np
from pathlib import Path
from cad_pipeline import warm
first, second = warm.warm_sandbox(), warm.warm_sandbox()
assert first is second and warm.warm_sandbox(timeout_s=5.0) is not first
folder = Path({str(tmp_path)!r})
print(first.run("import cadquery as cq\\nresult = cq.Workplane().box(1, 2, 3)", folder).outcome)
"""
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), **paths}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert run.stdout.strip() == "built", run.stderr
    assert list(scratch.iterdir()) == []
