"""Every message about a missing piece is provoked here, says what was expected, and holds the cure.

A message that is written anywhere in the package and not provoked fails the test; `-rP` prints them all.
"""

from __future__ import annotations

import ast
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cad_pipeline
from cad_pipeline.errors import MissingPieceError
from cad_pipeline.generators.chat_server import ChatServer, Patience
from cad_pipeline.options import ModelOptions
from cad_pipeline.troubled_server import failing, troubled_server

PACKAGE = Path(cad_pipeline.__file__).parent
pytestmark = pytest.mark.skipif(
    any(find_spec(package) is None for package in ("torch", "transformers")),
    reason="needs torch and transformers (pip install 'cad-pipeline[qwen]')",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cad_pipeline.training.small_model import SmallShape, build_small_checkpoint

    folder = tmp_path_factory.mktemp("checkpoint")
    build_small_checkpoint(folder, ["import cadquery as cq\n"] * 9, SmallShape(view_px=64))
    return folder


class Provoked:
    """The ways to provoke each message, with the checkpoint that some of them need."""

    def __init__(self, folder: Path, empty: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.empty, self.patch = folder, empty, patch

    def _open(self, failure: Exception) -> None:
        from transformers import AutoModelForImageTextToText

        from cad_pipeline.generators.checkpoint import ModelChoice, open_checkpoint

        def fail(*_: Any, **__: Any) -> None:
            raise failure

        self.patch.setattr(AutoModelForImageTextToText, "from_pretrained", fail)
        open_checkpoint(ModelChoice(checkpoint=str(self.folder), device="cpu"))

    def no_packages(self) -> None:
        from cad_pipeline.generators import checkpoint

        self.patch.setattr(checkpoint, "find_spec", lambda name: None)
        checkpoint.find_checkpoint()

    def no_weights(self) -> None:
        from cad_pipeline.generators.checkpoint import find_checkpoint

        self.patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(self.empty))
        find_checkpoint("someone/something")

    def no_settings_in_the_folder(self) -> None:
        from cad_pipeline.generators.checkpoint import find_checkpoint

        find_checkpoint(str(self.empty))

    def no_weights_in_the_folder(self) -> None:
        from cad_pipeline.generators.checkpoint import find_checkpoint

        (self.empty / "config.json").write_text('{"model_type": "qwen3_vl"}')
        find_checkpoint(str(self.empty))

    def no_attention_kernel(self) -> None:
        self._open(ImportError("FlashAttention2 has been toggled on, but flash_attn is not installed"))

    def no_memory_for_the_model(self) -> None:
        import torch

        self._open(torch.OutOfMemoryError("CUDA out of memory"))

    def half_a_checkpoint(self) -> None:
        self._open(OSError("the file is cut off"))

    def no_device(self) -> None:
        import torch

        from cad_pipeline.generators.checkpoint import ModelChoice, usable_device

        self.patch.setattr(torch.backends.mps, "is_available", lambda: False)
        usable_device(ModelChoice(device="mps"))

    def no_memory_for_an_answer(self) -> None:
        import torch

        from cad_pipeline.generators.checkpoint import ModelChoice, open_checkpoint
        from cad_pipeline.generators.writing import write_answers

        loaded = open_checkpoint(ModelChoice(checkpoint=str(self.folder), device="cpu"))

        def full(*_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        self.patch.setattr(type(loaded.model), "generate", full)
        write_answers(loaded, [[np.zeros((64, 64, 3), np.uint8)] * 8], each=2)

    def no_training_packages(self) -> None:
        from cad_pipeline.generators.checkpoint import ModelChoice
        from cad_pipeline.training import fine_tuning

        self.patch.setattr(fine_tuning, "_here", lambda name: False)
        fine_tuning.train(ModelChoice(), [], self.empty)

    def no_pyarrow_for_rows(self) -> None:
        from cad_pipeline.training import rows

        self.patch.setitem(sys.modules, "pyarrow", None)
        rows._arrow()

    def no_pyarrow_for_pictures(self) -> None:
        from cad_pipeline import pictures

        self.patch.setitem(sys.modules, "pyarrow", None)
        pictures._parquet_rows(self.empty / "rows.parquet", 1)

    def nobody_home(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._ask(f"http://127.0.0.1:{free.getsockname()[1]}/v1")

    def key_refused(self) -> None:
        self._served(401)

    def no_such_model(self) -> None:
        self._served(404)

    def no_trusted_connection(self) -> None:
        with troubled_server() as server:
            self._ask(server.url.replace("http:", "https:"))

    def no_list_of_models(self) -> None:
        from cad_pipeline.plans import plan_for

        self.patch.setattr(ChatServer, "models", lambda self: [])
        plan_for("server", model=ModelOptions(server="http://localhost:9/v1"))

    def _served(self, code: int) -> None:
        with troubled_server() as server:
            server.script = [failing(code, "no entry")]
            self._ask(server.url)

    def _ask(self, url: str) -> None:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            self.patch.delenv(name, raising=False)
        ChatServer(base_url=url, patience=Patience(tries=2, timeout_s=5), sleep=lambda _: None).chat({"n": 1})

    def no_ray(self) -> None:
        from cad_pipeline.batch.cluster import ray_here

        self.patch.setitem(sys.modules, "ray", None)
        ray_here()

    def no_ray_serve(self) -> None:
        from cad_pipeline.serve.service import Service
        from cad_pipeline.serve.starting import serving

        self.patch.setitem(sys.modules, "fastapi", None)
        with serving(Service(token="t" * 40)):
            pass

    def no_cluster_at_the_address(self) -> None:
        import ray

        from cad_pipeline.batch.cluster import cluster

        def refuse(*_: Any, **__: Any) -> None:
            raise ConnectionError("nobody there")

        self.patch.setattr(ray, "init", refuse)
        with cluster("ray://127.0.0.1:1"):
            pass

    def no_gpu_for_a_batch(self) -> None:
        from cad_pipeline.batch.cluster import Resources, refuse_without_gpu

        refuse_without_gpu(1.0, Resources(cpus=2.0, gpus=0.0, memory_bytes=1 << 33), None)

    def no_pyarrow_for_a_batch(self) -> None:
        from cad_pipeline.batch.filesystems import pyarrow_here

        self.patch.setitem(sys.modules, "pyarrow", None)
        pyarrow_here()

    def no_pyarrow_for_pairs(self) -> None:
        from cad_pipeline.evaluation.pairs import _parquet

        self.patch.setitem(sys.modules, "pyarrow", None)
        _parquet(self.empty / "pairs.parquet")

    def no_pyarrow_for_scores(self) -> None:
        from cad_pipeline.evaluation.tables import write_parquet

        self.patch.setitem(sys.modules, "pyarrow", None)
        write_parquet([], self.empty / "scores.parquet")


# these pass on what a worker elsewhere was missing, in its own words
RELAYS = {"batch/running.py"}


def test_every_missing_piece_is_told_with_its_cure(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    made: set[tuple[str, int]] = set()
    original = MissingPieceError.__init__

    def remember(self: MissingPieceError, *words: Any) -> None:
        caller = sys._getframe(1)
        made.add((caller.f_code.co_filename, caller.f_lineno))
        original(self, *words)

    ways = [name for name in vars(Provoked) if not name.startswith("_")]
    for name in ways:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MissingPieceError, "__init__", remember)
            provoke: Callable[[], None] = getattr(Provoked(folder, tmp_path_factory.mktemp(name), patch), name)
            with pytest.raises(MissingPieceError) as told:
                provoke()
        words = str(told.value)
        sys.stdout.write(f"{name.replace('_', ' ')}: {words}\n")
        assert told.value.exit_code == 3
        assert words.startswith("expected "), words
        assert "; " in words, f"no cure in: {words}"
    written = {
        (str(path), node.lineno, node.end_lineno or node.lineno)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "MissingPieceError"
    }
    never = [
        f"{Path(path).relative_to(PACKAGE)}:{first}"
        for path, first, last in sorted(written)
        if str(Path(path).relative_to(PACKAGE)) not in RELAYS
        and not any(file == path and first <= line <= last for file, line in made)
    ]
    assert len(written) >= len(ways) and not never, f"these messages are provoked by no test: {never}"
