"""Rows in the public data set's schema, and a small model that is trained on them, loaded and asked, in seconds."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.generators.checkpoint import ModelChoice, load_checkpoint
from cad_pipeline.generators.qwen3_vl import Qwen3VLGenerator
from cad_pipeline.generators.writing import Decoding, write_answers
from cad_pipeline.training.fine_tuning import Method, Training, train
from cad_pipeline.training.part_family import family_programs, is_held_out
from cad_pipeline.training.rows import RowFiles, list_operations, make_row, write_rows
from cad_pipeline.training.small_model import SmallShape, build_small_checkpoint
from cad_pipeline.values import Mesh, Target
from cad_sandbox import ForkServerSandbox
from cad_sandbox.execution import Execution

NEEDED = ("torch", "transformers", "accelerate", "pyarrow")
pytestmark = pytest.mark.skipif(
    any(find_spec(package) is None for package in NEEDED),
    reason=f"needs {', '.join(NEEDED)} (pip install 'cad-pipeline[qwen]')",
)

PROGRAM = 'import cadquery as cq\nresult = cq.Workplane("XY").box(40, 20, 10)\n'
ROUND = 'import cadquery as cq\nresult = cq.Workplane("XY").circle(9).extrude(30)\n'
STEPS = 60
SHAPE = SmallShape(hidden=64, layers=1, vision_hidden=32, vision_depth=1, vision_heads=2, view_px=32)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not sys.platform.startswith("linux"):
        pytest.skip("the sandbox needs Linux")
    from cad_renderers import auto_renderer

    path = tmp_path_factory.mktemp("rows") / "data" / "train.parquet"

    def made() -> Iterator[dict[str, Any]]:
        with ForkServerSandbox(workers=1) as sandbox:
            renderer = auto_renderer()
            broken = make_row("result = 1 / 0", sandbox, renderer)
            assert isinstance(broken, Execution) and "ZeroDivisionError" in broken.message
            for program in (PROGRAM, ROUND):
                row = make_row(program, sandbox, renderer)
                assert isinstance(row, dict)
                yield row

    assert write_rows(made(), path) == 2
    return path


@pytest.fixture(scope="module")
def small(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("small")
    build_small_checkpoint(folder, [PROGRAM, ROUND] * 50, SHAPE)
    return folder


def test_the_rows_have_the_public_data_sets_columns(rows: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(rows)
    kinds = {field.name: str(field.type) for field in table.schema}
    pictures = {f"image_{k}": "binary" for k in range(8)}
    assert kinds == {
        "uuid": "string",
        "cadquery_file": "binary",
        "num_faces": "int64",
        "face_latency_ms": "double",
        "cadquery_ops_json": "string",
        "cadquery_ops_count": "int64",
        "ops_latency_ms": "double",
        "num_renders": "int64",
        **pictures,
        "stl_file": "binary",
        "step_file": "binary",
    }
    first = table.to_pylist()[0]
    assert first["cadquery_file"].decode() == PROGRAM and first["num_faces"] == 6 and first["num_renders"] == 8
    assert Image.open(io.BytesIO(first["image_3"])).size == (256, 256)
    assert first["step_file"].startswith(b"ISO-10303-21") and len(first["uuid"]) == 36
    assert [each["op_name"] for each in json.loads(first["cadquery_ops_json"])] == ["Workplane", "box"]


def test_operations_are_listed_as_they_run() -> None:
    source = 'import cadquery as cq\nr = (\n    cq.Workplane("XY")\n    .circle(2.5)\n    .extrude(4, taper=3)\n)\n'
    last = list_operations(source)[-1]
    assert (last["function"], last["args"], last["keywords"]) == ("cq.Workplane.circle.extrude", ["4"], {"taper": "3"})


def test_rows_are_read_by_number_and_over_files(rows: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(rows)
    wrapped = [{**row, "image_0": {"bytes": row["image_0"], "path": None}} for row in table.to_pylist()]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(wrapped), tmp_path / "b.parquet", row_group_size=1)
    (tmp_path / "a.parquet").write_bytes(rows.read_bytes())
    both = RowFiles([tmp_path])
    assert [each.program for each in both] == [PROGRAM, ROUND] * 2
    assert both[3].views == both[1].views and len(both[0].views) == 8
    with pytest.raises(IndexError):
        both[4]


def test_what_is_no_data_set_is_refused_with_words(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with pytest.raises(InputError, match="found none"):
        RowFiles([tmp_path])
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="Parquet file"):
        RowFiles([tmp_path])
    pyarrow.parquet.write_table(pyarrow.table({"cadquery_file": [b"x"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="image_0"):
        RowFiles([tmp_path])


@pytest.fixture(scope="module")
def tuned(rows: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """Train on the first row alone: to tell parts apart takes minutes, to learn one by heart seconds."""
    import pyarrow.parquet

    heard: list[float] = []
    out = tmp_path_factory.mktemp("tuned")
    one = tmp_path_factory.mktemp("one") / "one.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(rows).slice(0, 1), one)
    report = train(
        ModelChoice(checkpoint=str(small), device="cpu"),
        [one],
        out,
        Training(batch=1, max_steps=STEPS, learning_rate=5e-3),
        heard=lambda _, loss: heard.append(loss),
    )
    assert report.steps == STEPS and report.examples == 1 and report.trained_parameters == report.parameters
    return out, heard


def test_a_small_model_learns_a_row_by_heart_and_writes_it(
    rows: Path, small: Path, tuned: tuple[Path, list[float]]
) -> None:
    import torch

    folder, losses = tuned
    assert losses[-1] < 0.1 < losses[0] / 10
    learned = load_checkpoint(ModelChoice(checkpoint=str(folder), device="cpu"))
    views = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in RowFiles([rows])[0].views]
    assert write_answers(learned, [views], decoding=Decoding(max_new_tokens=80))[0][0].text == PROGRAM
    # the pictures' way into the model has learned as well
    before = load_checkpoint(ModelChoice(checkpoint=str(small), device="cpu")).model.model.visual.patch_embed.proj
    assert not torch.equal(before.weight, learned.model.model.visual.patch_embed.proj.weight)


def test_adapters_train_few_weights_and_are_merged(rows: Path, small: Path, tmp_path: Path) -> None:
    if find_spec("peft") is None:
        pytest.skip("needs peft (pip install 'cad-pipeline[qwen]')")
    report = train(
        ModelChoice(checkpoint=str(small), device="cpu"),
        [rows],
        tmp_path / "out",
        Training(method=Method.LORA, batch=2, max_steps=2, lora_rank=2),
    )
    assert 0 < report.trained_parameters < report.parameters / 4
    load_checkpoint(ModelChoice(checkpoint=str(tmp_path / "out"), device="cpu"))


def test_training_ends_at_its_deadline_and_leaves_out_long_rows(rows: Path, small: Path, tmp_path: Path) -> None:
    choice = ModelChoice(checkpoint=str(small), device="cpu")
    report = train(choice, [rows], tmp_path / "out", Training(batch=1, max_steps=50, max_seconds=0.0))
    assert report.steps == 1
    with pytest.raises(InputError, match="at most 10 tokens"):
        train(choice, [rows], tmp_path / "none", Training(max_tokens=10))


def test_missing_packages_are_told(rows: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = ModelChoice(checkpoint=str(small), device="cpu")
    monkeypatch.setattr("cad_pipeline.training.fine_tuning.find_spec", lambda name: None)
    with pytest.raises(MissingPieceError, match=r"accelerate and peft.*cad-pipeline\[qwen\]"):
        train(choice, [rows], tmp_path / "out", Training(method=Method.LORA))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPieceError, match="pyarrow"):
        RowFiles([rows])


def test_the_family_never_mixes_what_is_held_out_with_the_rest() -> None:
    seen, kept = set(family_programs(200, seed=1)), set(family_programs(60, seed=2, held_out=True))
    assert len(seen) == 200 and len(kept) == 60 and not seen & kept
    assert all(map(is_held_out, kept)) and not any(map(is_held_out, seen))
    assert family_programs(5, seed=3) == family_programs(5, seed=3) != family_programs(5, seed=4)


def test_the_model_that_learned_converts_a_mesh(rows: Path, tuned: tuple[Path, list[float]], tmp_path: Path) -> None:
    import pyarrow.parquet

    from cad_pipeline.facade import default_pipeline
    from cad_pipeline.mesh import read_mesh
    from cad_pipeline.values import Grade

    stl = tmp_path / "box.stl"
    stl.write_bytes(pyarrow.parquet.read_table(rows).to_pylist()[0]["stl_file"])
    writer = Qwen3VLGenerator(
        choice=ModelChoice(checkpoint=str(tuned[0]), device="cpu"), decoding=Decoding(max_new_tokens=80)
    )
    with ForkServerSandbox(workers=1) as sandbox:
        done = default_pipeline(generator=writer, sandbox=sandbox).reconstruct(Target(mesh=read_mesh(stl)), tmp_path)
    assert done.grade is Grade.PARAMETRIC and done.best is not None
    assert done.best.program.source == PROGRAM and str(done.best.program.origin) == "qwen#0.0 (greedy)"
    assert isinstance(done.target.mesh, Mesh) and done.best.execution.step is not None
