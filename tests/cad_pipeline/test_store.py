"""The store: a result is complete or not there, nobody's result is replaced silently, names are safe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.certificate import identity
from cad_pipeline.doubles import ScriptedSandbox, ScriptedVerifier, built
from cad_pipeline.errors import InputError
from cad_pipeline.facade import Conversion, convert
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.options import Options
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.portable import portable
from cad_pipeline.store import Existing, Keep, Store, distinct_names, part_name
from cad_pipeline.values import Mesh

TETRAHEDRON = np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]], dtype=float)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
RESULT = {"wedge/wedge.py", "wedge/wedge.step", "wedge/wedge.stl", "wedge/report.json"}
FIELDS = """
    schema_version name input unit grade accepted reason iou iou_voxel64 deviation_mm volume_error bbox_error_mm betti
    solids valid face_kinds parameters generator attempts seconds sandbox_layers versions notes unknown options
""".split()  # noqa: SIM905


def mesh(name: str = "wedge", scale: float = 1.0, source: str | None = None) -> Mesh:
    return Mesh(name=name, vertices=TETRAHEDRON * scale, faces=FACES, source=Path(source) if source else None)


def work(store: Store, part: Mesh | None = None, *sources: str) -> Conversion:
    part = part or mesh()
    program = "width = 30.0  # mm, along x\nresult = make(width)\n"
    script = {program: built(volume_mm3=part.volume), "poor": built(volume_mm3=part.volume / 3)}
    sources = sources or ("poor", program)
    pipeline = Pipeline(
        plan=(Stage(ScriptedGenerator(sources), rounds=len(sources)),),
        sandbox=ScriptedSandbox(script),
        verifier=ScriptedVerifier(),
    )
    return convert(part, name=part.name, options=Options(), store=store, pipeline=pipeline, before={"read": 0.5})


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_result_is_four_files_and_nothing_else_is_left(tmp_path: Path) -> None:
    done = work(Store(root=tmp_path / "out"))
    assert done.folder == tmp_path / "out" / "wedge"
    assert files(tmp_path / "out") == {
        f"wedge/{each}" for each in ("wedge.py", "wedge.step", "wedge.stl", "report.json")
    }
    assert done.reconstruction is not None and done.reconstruction.best is not None
    step = done.reconstruction.best.execution.step
    assert step is not None and step.read_text().startswith("STEP of width")


def test_the_report_has_every_field_and_says_why_a_figure_is_null(tmp_path: Path) -> None:
    report = json.loads((work(Store(root=tmp_path)).folder or tmp_path).joinpath("report.json").read_text())
    assert [field for field in FIELDS if field not in report] == []
    assert report["schema_version"] == 1 and report["grade"] == "parametric" and report["accepted"] is True
    assert report["parameters"] == [{"name": "width", "value": 30.0, "unit": "mm", "comment": "along x"}]
    assert [each["outcome"] for each in report["attempts"]] == ["built", "built"]
    assert report["seconds"]["stages"]["read"] == 0.5 < report["seconds"]["total"]
    nulls = {key for key in ("iou_voxel64", "deviation_mm", "volume_error", "bbox_error_mm") if report[key] is None}
    assert nulls == {"iou_voxel64", "deviation_mm", "volume_error", "bbox_error_mm"}
    assert all(report["unknown"][key] for key in nulls) and report["unknown"]["betti"]
    assert "iou" not in report["unknown"]


def test_a_failed_part_leaves_a_report_and_no_program(tmp_path: Path) -> None:
    done = work(Store(root=tmp_path), None, "raises")
    assert files(tmp_path) == {"wedge/report.json"}
    assert done.report["grade"] == "failed" and done.report["iou"] is None
    assert "not in the script" in done.report["reason"] and done.report["unknown"]["iou"]


def test_attempts_stay_only_when_asked_for(tmp_path: Path) -> None:
    done = work(Store(root=tmp_path, keep=Keep.ATTEMPTS))
    assert "wedge/attempts/attempt-00/part.step" in files(tmp_path)
    assert done.reconstruction is not None
    first = done.reconstruction.attempts[0].execution.step
    assert first is not None and first.read_text() == "STEP of poor"


def test_an_existing_result_is_refused_before_any_work(tmp_path: Path) -> None:
    work(Store(root=tmp_path))
    before = (tmp_path / "wedge" / "report.json").read_text()
    with pytest.raises(InputError, match="--overwrite, --resume"):
        work(Store(root=tmp_path), mesh(scale=2.0))
    assert (tmp_path / "wedge" / "report.json").read_text() == before


def test_overwrite_replaces_all_of_it(tmp_path: Path) -> None:
    work(Store(root=tmp_path, keep=Keep.ATTEMPTS))
    work(Store(root=tmp_path, existing=Existing.OVERWRITE), mesh(scale=2.0))
    assert files(tmp_path) == RESULT


def test_overwrite_never_removes_what_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "wedge").mkdir()
    (tmp_path / "wedge" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="found something else"):
        work(Store(root=tmp_path, existing=Existing.OVERWRITE))
    assert (tmp_path / "wedge" / "thesis.tex").read_text() == "years of work"


def test_resume_takes_over_only_the_same_input_options_and_versions(tmp_path: Path) -> None:
    file = tmp_path / "wedge.stl"
    file.write_bytes(b"the bytes of a mesh")
    store = Store(root=tmp_path / "out", existing=Existing.RESUME)
    assert store.finished("wedge", identity(file, Options())) is None
    work(store, mesh(source=str(file)))
    like = identity(file, Options())
    report = store.finished("wedge", like)
    assert report is not None and report["grade"] == "parametric"
    assert store.finished("wedge", {**like, "versions": {**like["versions"], "cadquery": "1.0"}}) is None
    assert store.finished("wedge", identity(file, Options(min_iou=0.5))) is None
    file.write_bytes(b"the bytes of a better mesh")
    assert store.finished("wedge", identity(file, Options())) is None
    assert Store(root=tmp_path / "out").finished("wedge", like) is None


def test_resume_does_not_replace_another_input_of_the_same_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "wedge.stl", tmp_path / "b" / "wedge.stl"
    for file in (first, second):
        file.parent.mkdir()
        file.write_text(str(file))
    store = Store(root=tmp_path / "out", existing=Existing.RESUME)
    work(store, mesh(source=str(first)))
    with pytest.raises(InputError, match=r"found that of .*a/wedge\.stl"):
        store.finished("wedge", identity(second, Options()))


def test_resume_tries_a_failed_part_again(tmp_path: Path) -> None:
    store = Store(root=tmp_path, existing=Existing.RESUME)
    file = tmp_path / "wedge.stl"
    file.write_text("mesh")
    work(store, mesh(source=str(file)), "raises")
    assert store.finished("wedge", identity(file, Options())) is None


def test_an_exception_leaves_the_earlier_result_as_it_was(tmp_path: Path) -> None:
    work(Store(root=tmp_path))
    before = files(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        Store(root=tmp_path, existing=Existing.OVERWRITE).draft("wedge") as draft,
    ):
        (draft.folder / "wedge.py").write_text("half of")
        raise KeyboardInterrupt
    assert files(tmp_path) == before and not list(tmp_path.glob(".*"))


def test_a_killed_run_leaves_no_result_and_the_next_one_clears_up(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from cad_pipeline.store import Store
        with Store(root=Path({str(tmp_path)!r})).draft("wedge") as draft:
            (draft.folder / "wedge.py").write_text("half of")
            print("there", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, env=environment())
    assert process.stdout is not None and process.stdout.readline() == b"there\n"
    with pytest.raises(InputError, match="another run"):
        # the folder is held by a process that lives, whatever its number
        (tmp_path / f".wedge.partial-{process.pid}").rename(tmp_path / f".wedge.partial-{os.getpid()}")
        work(Store(root=tmp_path))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.01)
    assert not (tmp_path / "wedge").exists() and list(tmp_path.glob(".wedge.partial-*"))
    work(Store(root=tmp_path))
    assert not list(tmp_path.glob(".*")) and (tmp_path / "wedge" / "report.json").exists()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_a_result_put_aside_by_a_killed_run_comes_back(tmp_path: Path) -> None:
    work(Store(root=tmp_path))
    (tmp_path / "wedge").rename(tmp_path / ".wedge.replaced-999999")
    with pytest.raises(InputError, match="--overwrite"):
        work(Store(root=tmp_path))
    assert (tmp_path / "wedge" / "report.json").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("plate", "plate"),
        ("plate v2 (final)", "plate_v2_final"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("", "part"),
        ("Gehäuse", "Gehäuse"),
        ("math", "math_part"),
        ("cadquery", "cadquery_part"),
        ("tab\tand\nnewline", "tab_and_newline"),
    ],
)
def test_names_are_safe(stem: str, name: str) -> None:
    assert part_name(stem) == name


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_that_stays_itself(stem: str) -> None:
    name = part_name(stem)
    assert name and name[0] not in ".-" and "/" not in name and "\0" not in name and name.isprintable()
    assert len(name.encode()) <= 130 and part_name(name) == name


@given(st.lists(st.sampled_from(["plate", "Plate", "plate-2", "plate 2", "math", "a", "A-2"]), max_size=8))
def test_names_of_one_run_never_collide(stems: list[str]) -> None:
    names = distinct_names(stems)
    assert len({name.casefold() for name in names}) == len(stems)
    for stem, name in zip(stems, names, strict=True):
        assert name.startswith(part_name(stem))


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        work(Store(root=tmp_path / "out"))


def test_a_program_with_show_object_runs_without_cq_editor() -> None:
    source = '"""A part."""\nfrom __future__ import annotations\nshow_object(41 + 1)'
    names: dict[str, object] = {}
    exec(compile(portable(source), "part.py", "exec"), names)
    assert names["result"] == 42
    shown: list[object] = []
    exec(compile(portable(source), "part.py", "exec"), {"show_object": shown.append})
    assert shown == [42]


@pytest.mark.parametrize(
    "source", ["result = 1\n", "def show_object(x):\n    pass\n\nshow_object(1)\n", "not python\n"]
)
def test_other_programs_stay_as_they_are(source: str) -> None:
    assert portable(source) == source
