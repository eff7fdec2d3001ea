"""The programs are editable: every named dimension can be changed a little, and the program still builds one solid.

Each sample is converted once; each of its parameters is then changed by ±5 % (counts by ±1) and the program run again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cad_pipeline.facade import default_pipeline
from cad_pipeline.mesh import read_mesh
from cad_pipeline.parameters import read_parameters, with_parameter
from cad_pipeline.pipeline import Pipeline
from cad_pipeline.values import Grade, Parameter, Reconstruction, Target
from cad_sandbox import ForkServerSandbox, Limits

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")

MESHES = Path(__file__).resolve().parents[2] / "samples" / "meshes"
SAMPLES = sorted(path.stem for path in MESHES.glob("*.stl"))
QUICK = ("bolt_plate", "flange")
# nothing but the validated solid is wanted of an edited program
BARE = Limits(exports=frozenset())

EVERY_SAMPLE = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in SAMPLES]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[ForkServerSandbox]:
    with ForkServerSandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def pipeline(sandbox: ForkServerSandbox) -> Pipeline:
    return default_pipeline(sandbox=sandbox)


@pytest.fixture(scope="session")
def converted(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reconstruction]:
    """Give each sample's reconstruction, made when it is first asked for."""

    class Made(dict[str, Reconstruction]):
        def __missing__(self, name: str) -> Reconstruction:
            target = Target(mesh=read_mesh(MESHES / f"{name}.stl", unit=unit_of(name)))
            self[name] = pipeline.reconstruct(target, tmp_path_factory.mktemp(name))
            return self[name]

    return Made()


def unit_of(name: str) -> str:
    return "inch" if name.startswith("inch") else "mm"


def edits(parameter: Parameter) -> tuple[float, ...]:
    """Give the values to try: a count one more and one less, anything else 5 % more and less."""
    if parameter.unit == "count":
        return tuple(value for value in (parameter.value - 1, parameter.value + 1) if value >= 1)
    return (parameter.value * 0.95, parameter.value * 1.05)


def test_there_are_samples() -> None:
    assert set(QUICK) <= set(SAMPLES) and len(SAMPLES) >= 8


@pytest.mark.parametrize("name", EVERY_SAMPLE)
def test_every_dimension_of_a_sample_can_be_changed_a_little(
    name: str, converted: dict[str, Reconstruction], sandbox: ForkServerSandbox, tmp_path: Path
) -> None:
    best = converted[name].best
    assert best is not None and converted[name].grade in (Grade.PARAMETRIC, Grade.APPROXIMATE)
    source = best.program.source
    parameters = read_parameters(source)
    assert len(parameters) >= 3, source

    def broken(number: int, parameter: Parameter, value: float) -> str | None:
        folder = tmp_path / str(number)
        folder.mkdir()
        execution = sandbox.run(with_parameter(source, parameter.name, value), folder, limits=BARE)
        if execution.built and execution.solids == best.execution.solids:
            return None
        found = f"{execution.solids} solids" if execution.built else f"{execution.outcome} {execution.message}"
        return f"{parameter.name} = {value:g} (was {parameter.value:g}): {found}"

    work = [(parameter, value) for parameter in parameters for value in edits(parameter)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda each: broken(each[0], *each[1]), enumerate(work)))
    failures = [words for words in found if words]
    assert failures == [], f"{len(failures)} of {len(work)} edits break the program:\n{source}"


@pytest.mark.parametrize("name", QUICK)
def test_the_parameters_of_the_report_are_those_of_the_text(name: str, converted: dict[str, Reconstruction]) -> None:
    best = converted[name].best
    assert best is not None
    told = {each.name: each.value for each in best.program.parameters}
    assert told == {each.name: each.value for each in read_parameters(best.program.source)}


def test_a_changed_dimension_changes_the_part(
    converted: dict[str, Reconstruction], sandbox: ForkServerSandbox, tmp_path: Path
) -> None:
    best = converted["bolt_plate"].best
    assert best is not None and best.execution.box is not None
    lengths = [each for each in read_parameters(best.program.source) if each.unit == "mm"]
    longest = max(lengths, key=lambda each: each.value)
    wider = sandbox.run(with_parameter(best.program.source, longest.name, longest.value * 1.1), tmp_path)
    assert wider.box is not None
    grown = max(new - old for new, old in zip(wider.box.size, best.execution.box.size, strict=True))
    assert grown == pytest.approx(0.1 * longest.value, rel=1e-3)


def test_parameters_are_read_with_unit_and_words_and_changed_in_place() -> None:
    source = (
        "width = 40.0  # mm, along x\nholes = 6\nangle = -30.0  # deg: of the chamfer\n"
        "depth: float = 2.5  # a word\nx = 1.0\nx = 2.0\nsize = width * 2\nname = 'plate'\nflag = True\n"
    )
    found = {each.name: (each.value, each.unit, each.comment) for each in read_parameters(source)}
    assert found == {
        "width": (40.0, "mm", "along x"),
        "holes": (6.0, "count", ""),
        "angle": (-30.0, "deg", "of the chamfer"),
        "depth": (2.5, "mm", "a word"),
    }
    assert with_parameter(source, "width", 41.5) == source.replace("40.0", "41.5")
    assert "holes = 7\n" in with_parameter(source, "holes", 7.0)
    assert "angle = -31.5  # deg" in with_parameter(source, "angle", -31.5)
    with pytest.raises(KeyError, match="size"):
        with_parameter(source, "size", 1.0)
    assert read_parameters("this is no python") == ()
