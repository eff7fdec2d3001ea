"""The local generator on a tiny model of the real architecture: prompt, batches, endings, seeds, missing pieces."""

from __future__ import annotations

import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.generators.checkpoint import (
    DEFAULT_CHECKPOINT,
    LoadedCheckpoint,
    ModelChoice,
    find_checkpoint,
    load_checkpoint,
)
from cad_pipeline.generators.pace import Pace, PaceMemory, paced
from cad_pipeline.generators.prompt import ZERO_TO_CAD
from cad_pipeline.generators.qwen3_vl import Qwen3VLGenerator
from cad_pipeline.generators.writing import Answer, Decoding, Ending, First, _Stop, write_answers
from cad_pipeline.training.small_model import SmallShape, build_small_checkpoint
from cad_pipeline.values import Attempt, Mesh, Target, Verdict
from cad_sandbox.execution import Execution, Outcome

pytestmark = pytest.mark.skipif(
    any(find_spec(package) is None for package in ("torch", "transformers")),
    reason="needs torch and transformers (pip install 'cad-pipeline[qwen]')",
)

CORPUS = ["import cadquery as cq\nresult = cq.Workplane('XY').box(10, 20, 5).faces('>Z').workplane().hole(3.0)\n"] * 20
SHORT = Decoding(max_new_tokens=24, temperature=1.0)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    build_small_checkpoint(folder, CORPUS, SmallShape(view_px=64))
    return folder


@pytest.fixture(scope="session")
def checkpoint(folder: Path) -> LoadedCheckpoint:
    return load_checkpoint(ModelChoice(checkpoint=str(folder), device="cpu"))


def pictures(seed: int, count: int = 8) -> list[Any]:
    noise = np.random.default_rng(seed)
    return [noise.integers(0, 255, (256, 256, 3), dtype=np.uint8) for _ in range(count)]


def target(seed: int) -> Target:
    mesh = Mesh(name=f"part {seed}", vertices=np.eye(3) * (seed + 1), faces=np.array([[0, 1, 2]]))
    made = Target(mesh=mesh)
    made.__dict__["views"] = SimpleNamespace(images=pictures(seed))
    return made


def texts(answers: list[list[Answer]]) -> list[list[str]]:
    return [[answer.text for answer in each] for each in answers]


def test_the_prompt_is_the_one_of_the_published_checkpoint(checkpoint: LoadedCheckpoint) -> None:
    text = checkpoint.encoder.text(ZERO_TO_CAD, 8)
    assert text == (
        f"<|im_start|>system\n{ZERO_TO_CAD.system}<|im_end|>\n<|im_start|>user\n"
        + "<|vision_start|><|image_pad|><|vision_end|>" * 8
        + "Generate CadQuery code for this shape.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_view_of_256_pixels_is_64_tokens_and_the_types_mark_them(tmp_path: Path) -> None:
    build_small_checkpoint(tmp_path, CORPUS)
    encoder = load_checkpoint(ModelChoice(checkpoint=str(tmp_path), device="cpu")).encoder
    inputs = encoder.encode([encoder.text(ZERO_TO_CAD, 8)], [pictures(0)])
    assert int(inputs["mm_token_type_ids"].sum()) == 512
    assert tuple(inputs["pixel_values"].shape) == (2048, 1536)
    assert inputs["image_grid_thw"].tolist() == [[1, 16, 16]] * 8


def test_the_encoder_agrees_with_the_librarys_own_processor(folder: Path, checkpoint: LoadedCheckpoint) -> None:
    import torch
    from transformers import Qwen3VLProcessor

    class ForImages(Qwen3VLProcessor):  # the whole one needs torchvision for films
        def __init__(self, image_processor: Any, tokenizer: Any) -> None:
            super().__init__(image_processor, tokenizer, None)

    encoder = checkpoint.encoder
    encoder.tokenizer.padding_side = "left"
    processor = ForImages(encoder.image_processor, encoder.tokenizer)
    parts = [pictures(0), pictures(1, 3)]
    written = [encoder.text(ZERO_TO_CAD, len(part)) for part in parts]
    theirs = processor(text=list(written), images=parts, padding=True, return_tensors="pt")
    ours = encoder.encode(written, parts)
    assert set(ours) == set(theirs)
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


def test_the_first_answer_is_greedy_and_the_others_are_drawn_with_one_look(checkpoint: LoadedCheckpoint) -> None:
    patches: list[int] = []
    hook = checkpoint.model.model.visual.register_forward_hook(lambda _, args, __: patches.append(len(args[0])))
    try:
        four = write_answers(checkpoint, [pictures(0)], each=4, decoding=SHORT, seed=3)
    finally:
        hook.remove()
    assert patches == [8 * 16]
    alone = write_answers(checkpoint, [pictures(0)], each=1, decoding=SHORT, seed=99)
    assert four[0][0].text == alone[0][0].text
    assert len({answer.text for answer in four[0]}) == 4


def test_seeds_repeat_and_differ(checkpoint: LoadedCheckpoint) -> None:
    draws = [write_answers(checkpoint, [pictures(0)], each=3, decoding=SHORT, seed=s) for s in (1, 1, 2)]
    assert texts(draws[0]) == texts(draws[1]) != texts(draws[2])


def test_drawing_leaves_the_global_generator_alone(checkpoint: LoadedCheckpoint) -> None:
    import torch

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    write_answers(checkpoint, [pictures(0)], each=2, decoding=SHORT, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_batch_of_parts_writes_what_single_runs_write(checkpoint: LoadedCheckpoint) -> None:
    parts = [pictures(0), pictures(1, 3), pictures(2)]
    together = write_answers(checkpoint, parts, decoding=SHORT)
    alone = [write_answers(checkpoint, [part], decoding=SHORT)[0] for part in parts]
    assert texts(together) == texts(alone)
    few_rows = Decoding(max_new_tokens=24, temperature=1.0, rows=2)
    split = write_answers(checkpoint, parts, each=3, decoding=few_rows)
    assert [len(each) for each in split] == [3, 3, 3] and [e[0].text for e in split] == [e[0].text for e in together]


def test_too_little_memory_halves_the_batch_and_loses_nothing(
    checkpoint: LoadedCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    whole, sizes = type(checkpoint.model).generate, []

    def small(self: Any, *args: Any, **kwargs: Any) -> Any:
        rows = len(kwargs["input_ids"]) * kwargs["num_return_sequences"]
        sizes.append(rows)
        if rows > 2:
            raise torch.OutOfMemoryError("too much")
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(type(checkpoint.model), "generate", small)
    found = write_answers(checkpoint, [pictures(0), pictures(1)], each=4, decoding=SHORT)
    assert [len(each) for each in found] == [4, 4] and max(sizes) == 8 and sizes.count(2) == 4


def test_limits_of_tokens_and_time_end_answers_and_say_so(checkpoint: LoadedCheckpoint) -> None:
    cut = write_answers(checkpoint, [pictures(0)], decoding=Decoding(max_new_tokens=5))
    assert cut[0][0].ending is Ending.TOKENS and cut[0][0].tokens == 5
    started = time.monotonic()
    late = write_answers(checkpoint, [pictures(0)], decoding=Decoding(max_new_tokens=4000, max_seconds=0.0))
    assert late[0][0].ending is Ending.TIME and late[0][0].tokens == 1 and time.monotonic() - started < 10


def test_a_closed_fence_and_a_loop_end_an_answer(checkpoint: LoadedCheckpoint) -> None:
    import torch

    tokenizer = checkpoint.encoder.tokenizer

    def ending(text: str) -> Ending | None:
        ids = tokenizer(text)["input_ids"]
        ids = tokenizer("\n")["input_ids"] * (-len(ids) % 16) + ids
        stop = _Stop(tokenizer, 0, time.monotonic() + 60, None)
        stop(torch.tensor([ids]), None)
        return stop.endings.get(0)

    fenced = f"```python\n{CORPUS[0]}```\n"
    assert ending(fenced) is Ending.FINISHED
    assert ending(fenced[:-4]) is None
    assert ending(CORPUS[0] + ".edges()" * 400 + ".") is Ending.LOOP


def test_progress_is_heard(checkpoint: LoadedCheckpoint) -> None:
    heard: list[tuple[int, int]] = []
    write_answers(
        checkpoint, [pictures(0)], each=2, decoding=SHORT, progress=lambda tokens, rows: heard.append((tokens, rows))
    )
    assert heard[0] == (1, 2) and [tokens for tokens, _ in heard] == list(range(1, len(heard) + 1))


def test_rounds_are_read_from_the_history_and_nothing_is_proposed_twice(folder: Path) -> None:
    generator = Qwen3VLGenerator(choice=ModelChoice(checkpoint=str(folder), device="cpu"), decoding=SHORT)
    first = generator.propose(target(0), (), samples=3)
    assert [program.origin.sample for program in first] == [0, 1, 2]
    assert first[0].origin.note.startswith("greedy") and "t=1" in first[1].origin.note
    execution = Execution(outcome=Outcome.SYNTAX_ERROR)
    tried = [
        Attempt(program=program, execution=execution, verdict=Verdict(accepted=False, reason="no")) for program in first
    ]
    second = generator.propose(target(0), tried, samples=3)
    assert {program.origin.round for program in second} == {1}
    assert not {program.source for program in second} & {program.source for program in first}
    assert [p.source for p in generator.propose(target(0), tried, samples=3)] == [p.source for p in second]


def test_several_parts_in_one_batch(folder: Path) -> None:
    generator = Qwen3VLGenerator(choice=ModelChoice(checkpoint=str(folder), device="cpu"), decoding=SHORT)
    both = generator.propose_for([target(0), target(1)], [(), ()], samples=2)
    alone = generator.propose(target(0), ())
    assert len(both) == 2 and both[0][0].source == alone[0].source


# What is missing, and the cure that is told.


def test_missing_weights_name_the_line_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingPieceError, match=f"hf download {DEFAULT_CHECKPOINT}") as told:
        find_checkpoint("ADSKAILab/Zero-To-CAD-Qwen3-VL-2B")
    assert told.value.exit_code == 3


def test_weights_in_the_hubs_cache_are_found_without_the_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "models--someone--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc").symlink_to(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find_checkpoint("someone/tiny") == home / "snapshots" / "abc"


def test_a_folder_without_weights_a_foreign_model_and_a_wrong_path_are_told_apart(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(MissingPieceError, match="weights"):
        find_checkpoint(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(InputError, match="llama"):
        find_checkpoint(str(tmp_path))
    (tmp_path / "config.json").unlink()
    with pytest.raises(MissingPieceError, match=r"config\.json"):
        find_checkpoint(str(tmp_path))
    with pytest.raises(InputError, match="no folder"):
        find_checkpoint("./nowhere")


def test_a_truncated_weights_file_is_a_missing_piece(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MissingPieceError, match="whole checkpoint"):
        load_checkpoint(ModelChoice(checkpoint=str(tmp_path), device="cpu"))


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad_pipeline.generators.checkpoint.find_spec", lambda name: None)
    with pytest.raises(MissingPieceError, match=r"pip install 'cad-pipeline\[qwen\]'"):
        find_checkpoint()


def test_a_device_that_is_not_here_is_a_missing_piece(folder: Path) -> None:
    import torch

    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(MissingPieceError, match="--device auto"):
        load_checkpoint(ModelChoice(checkpoint=str(folder), device=absent))
    with pytest.raises(InputError, match="quantum"):
        ModelChoice(device="quantum")


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash-attn is installed")
def test_a_missing_attention_kernel_names_the_one_that_works(folder: Path) -> None:
    with pytest.raises(MissingPieceError, match="use attention sdpa"):
        load_checkpoint(ModelChoice(checkpoint=str(folder), device="cpu", attention="flash_attention_2"))


def test_torchvision_is_not_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cad_pipeline.generators.encoding import Encoder

    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert Encoder.load(folder).encode(["<|image_pad|>"], [pictures(0, 1)])["input_ids"].shape == (1, 4)


def test_greedy_and_sampled_first_rows_are_told_apart(checkpoint: LoadedCheckpoint) -> None:
    hot = Decoding(max_new_tokens=24, temperature=3.0, top_p=1.0)
    greedy = write_answers(checkpoint, [pictures(0)], each=2, decoding=hot)[0][0].text
    drawn = write_answers(checkpoint, [pictures(0)], each=2, first=First.SAMPLED, decoding=hot)[0][0].text
    assert greedy != drawn


# How the steps are run.


def test_a_fixed_cache_writes_the_same(checkpoint: LoadedCheckpoint) -> None:
    plain, fixed = (
        write_answers(
            checkpoint,
            [pictures(0), pictures(1, 3)],
            each=2,
            decoding=Decoding(max_new_tokens=24, temperature=1.0, pace=pace),
            seed=4,
        )
        for pace in (Pace.PLAIN, Pace.STATIC)
    )
    assert texts(plain) == texts(fixed)


def test_compiling_is_chosen_only_on_cuda_and_from_the_second_batch_on() -> None:
    def options(device: str, pace: Pace = Pace.AUTO) -> list[bool]:
        memory = PaceMemory()
        return [bool(paced(pace, device, memory, lambda told: told)) for _ in range(3)]

    assert options("cuda") == options("cuda:1") == [False, True, True]
    assert options("cpu") == options("mps") == options("cuda", Pace.PLAIN) == [False] * 3
    assert options("cuda", Pace.COMPILED) == [True] * 3


def test_where_compiling_fails_the_batch_is_written_all_the_same() -> None:
    asked: list[dict[str, Any]] = []

    def write(told: dict[str, Any]) -> str:
        asked.append(told)
        if told:
            raise RuntimeError("Failed to find C compiler\nand a long story")
        return "written"

    memory = PaceMemory(batches=1)
    with pytest.warns(RuntimeWarning, match="Failed to find C compiler; .*apt-get install gcc"):
        assert paced(Pace.AUTO, "cuda", memory, write) == "written"
    assert paced(Pace.AUTO, "cuda", memory, write) == "written"
    assert [bool(told) for told in asked] == [True, False, False] and memory.batches == 3


def test_too_little_memory_is_passed_on_and_not_taken_for_a_compilers_fault() -> None:
    import torch

    def write(told: dict[str, Any]) -> str:
        raise torch.OutOfMemoryError("too much")

    memory = PaceMemory(batches=1)
    with pytest.raises(torch.OutOfMemoryError):
        paced(Pace.AUTO, "cuda", memory, write)
    assert not memory.failed
