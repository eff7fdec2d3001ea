"""The commands and their options; what they do lives in the modules beside, loaded when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cad_pipeline.cli.arguments import (
    CamerasOption,
    Checkpoint,
    Debug,
    Device,
    Json,
    MinIou,
    Out,
    Overwrite,
    Quiet,
    Timeout,
    Unit,
    Walls,
)
from cad_pipeline.cli.evaluate_command import evaluate
from cad_pipeline.cli.many import batch, serve
from cad_pipeline.generators.checkpoint import DEFAULT_CHECKPOINT
from cad_pipeline.options import DEFAULT_GENERATOR, DEFAULT_MIN_IOU, DEFAULT_TIMEOUT_S
from cad_sandbox.limits import Isolation

__all__ = ["app"]

app = typer.Typer(
    name="cad-pipeline",
    help=(
        "Turn a triangle mesh of a mechanical part into an editable CadQuery program, a STEP file and a certificate "
        "of how close they are.\n\n"
        "[bold]Examples[/bold]\n\n"
        "  cad-pipeline convert plate.stl -o out\n\n"
        "  cad-pipeline convert parts/*.stl -o out --resume --json > reports.jsonl\n\n"
        "  cad-pipeline doctor"
    ),
    epilog="Exit codes: 0 accepted, 1 below the threshold, 2 wrong input, 3 something is missing, 130 interrupted.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from cad_pipeline.version import VERSION

        typer.echo(f"cad-pipeline {VERSION}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def convert(
    parts: Annotated[
        list[Path] | None, typer.Argument(metavar="PART", help="STL, OBJ, PLY, OFF, 3MF, GLB or STEP files.")
    ] = None,
    out: Out = Path("out"),
    unit: Unit = None,
    min_iou: MinIou = DEFAULT_MIN_IOU,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    isolation: Walls = Isolation.STRICT,
    generator: Annotated[
        str,
        typer.Option(help="Who writes programs: auto, geometric, qwen, server, facets, or a program file to judge."),
    ] = DEFAULT_GENERATOR,
    views: Annotated[
        list[Path] | None, typer.Option("--views", help="Instead of meshes: a folder of eight pictures of one part.")
    ] = None,
    size: Annotated[
        float | None,
        typer.Option("--size", help="Longest side in mm of a part known by pictures, which carry no scale."),
    ] = None,
    rig: CamerasOption = None,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    device: Device = "auto",
    samples: Annotated[int, typer.Option(help="Programs that a model writes in each of its rounds.")] = 8,
    seed: Annotated[int, typer.Option(help="What a model's draws begin with; the same seed draws the same.")] = 0,
    server: Annotated[
        str, typer.Option(help="Address of an OpenAI-compatible server; its key is read from OPENAI_API_KEY.")
    ] = "",
    model: Annotated[str, typer.Option(help="Name of the model on the server.", show_default="its first")] = "",
    json: Json = False,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip parts whose result was made of the same input in the same way.")
    ] = False,
    keep_attempts: Annotated[
        bool, typer.Option("--keep-attempts", help="Keep every program that was tried, with its files.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn meshes into CadQuery programs, STEP files and certificates.

    Each part gets OUT/NAME/ with NAME.py, NAME.step, NAME.stl and report.json.

    One bad part does not stop the others; the exit code is the worst of them.

    [bold]Examples[/bold]

      cad-pipeline convert plate.stl -o out

      cad-pipeline convert bracket.stl --unit inch --iou 0.99

      cad-pipeline convert parts/*.stl -o out --resume --json > reports.jsonl

      cad-pipeline convert --views views/plate --size 80
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.converting import Choices, Input, convert_parts
        from cad_pipeline.errors import InputError
        from cad_pipeline.options import ModelOptions, Options

        if bool(parts) == bool(views):
            raise InputError("expected meshes or --views FOLDER, got " + ("both" if parts else "neither"))
        if size is not None and not views:
            raise InputError(
                "expected --size with --views only: a mesh has its own size; --unit says what its numbers are"
            )

        choices = Choices.of(
            json=json, overwrite=overwrite, resume=resume, keep=keep_attempts, quiet=quiet, debug=debug
        )
        writer = ModelOptions(
            checkpoint=checkpoint, device=device, samples=samples, seed=seed, server=server, model=model
        )
        options = Options(
            generator=generator,
            min_iou=min_iou,
            timeout_s=timeout,
            isolation=isolation,
            unit=unit,
            rig=rig,
            size_mm=size,
            model=writer,
        )
        kind = Input.PICTURES if views else Input.MESHES
        raise typer.Exit(convert_parts(parts or views or [], out=out, options=options, choices=choices, kind=kind))


@app.command()
def run(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM.py", help="A CadQuery program, trusted or not.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the result; without it nothing is kept.")
    ] = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    isolation: Walls = Isolation.STRICT,
    json: Json = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Run one CadQuery program behind the sandbox's walls and say what it built.

    [bold]Example[/bold]

      cad-pipeline run model.py -o out
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.running import run_program
        from cad_pipeline.options import Options

        options = Options(timeout_s=timeout, isolation=isolation)
        raise typer.Exit(run_program(program, out=out, options=options, json=json, overwrite=overwrite))


@app.command()
def verify(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A STEP file or a CadQuery program.")],
    mesh: Annotated[Path, typer.Argument(metavar="MESH", help="The mesh it should be.")],
    unit: Unit = None,
    min_iou: MinIou = DEFAULT_MIN_IOU,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    isolation: Walls = Isolation.STRICT,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how close a STEP file or a program comes to a mesh.

    [bold]Example[/bold]

      cad-pipeline verify out/plate/plate.step plate.stl
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.verifying import verify_result
        from cad_pipeline.options import Options

        options = Options(min_iou=min_iou, timeout_s=timeout, isolation=isolation, unit=unit)
        raise typer.Exit(verify_result(result, mesh, options=options, json=json))


app.command()(evaluate)


@app.command()
def render(
    part: Annotated[Path, typer.Argument(metavar="PART", help="A mesh or STEP file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path("views"),
    rig: CamerasOption = None,
    style: Annotated[
        str | None,
        typer.Option(help="Look: a preset's name or a JSON file.", show_default="the calibrated, else cad-grey"),
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels along each picture's edge.", min=16, max=8192)] = 256,
    renderer: Annotated[str, typer.Option(help="auto, software, pyrender or vtk.")] = "auto",
    turntable: Annotated[
        int, typer.Option(help="Also make a GIF of this many frames around the part.", min=0, max=360)
    ] = 0,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also write depth and normals of each view as pictures.")
    ] = False,
    unit: Unit = None,
    debug: Debug = False,
) -> None:
    """Draw a part from eight sides: one PNG a view and a contact sheet.

    [bold]Example[/bold]

      cad-pipeline render plate.stl -o views --size 512
    """
    from cad_pipeline.cli.exits import boundary

    with boundary(debug=debug):
        from cad_pipeline.cli.rendering import Maps, Picture, render_part

        picture = Picture(
            rig=rig,
            style=style,
            size_px=size,
            renderer=renderer,
            turntable_frames=turntable,
            maps=Maps.WRITTEN if maps else Maps.NONE,
        )
        raise typer.Exit(render_part(part, out=out, unit=unit, picture=picture))


@app.command()
def calibrate(
    rows: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROWS", help="Parquet with image_0..7 and stl_file, or folders of eight PNGs and an STL."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File for the rig.", show_default="the file that the pipeline reads"),
    ] = None,
    most: Annotated[int, typer.Option("--rows", help="How many rows to use at most.", min=1, max=100)] = 4,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find the cameras and the look behind given pictures, and let the pipeline use them.

    The table ranks rigs and styles by the IoU of silhouettes less the difference of pixels, each under its best order.

    [bold]Example[/bold]

      cad-pipeline calibrate train-00000.parquet --rows 4
    """
    from cad_pipeline.cli.exits import boundary

    with boundary(debug=debug):
        from cad_pipeline.cli.calibrating import calibrate_rig

        raise typer.Exit(calibrate_rig(rows, out=out, most=most, json=json, quiet=quiet))


@app.command()
def doctor(json: Json = False, debug: Debug = False) -> None:
    """Say what this machine has, what it lacks, and the one line that cures each lack."""
    from cad_pipeline.cli.exits import boundary

    with boundary(debug=debug):
        from cad_pipeline.cli.examining import examine_machine

        raise typer.Exit(examine_machine(json=json))


@app.command()
def dataset(
    programs: Annotated[
        list[Path] | None, typer.Argument(metavar="[PROGRAM.py]", help="CadQuery programs, or folders of them.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.")] = Path("rows.parquet"),
    family: Annotated[
        int, typer.Option(help="Also draw so many programs of the built-in family of simple parts.", min=0)
    ] = 0,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Draw the family's members that are kept for tests.")
    ] = False,
    seed: Annotated[int, typer.Option(help="What the draws begin with.")] = 0,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    isolation: Walls = Isolation.STRICT,
    debug: Debug = False,
) -> None:
    """Run programs, draw what they build, and write rows in the schema of the Zero-To-CAD data set.

    [bold]Examples[/bold]

      cad-pipeline dataset programs/ -o rows.parquet

      cad-pipeline dataset --family 1000 -o rows.parquet
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.teaching import make_dataset
        from cad_pipeline.options import Options

        options = Options(timeout_s=timeout, isolation=isolation)
        raise typer.Exit(
            make_dataset(programs or [], out=out, family=family, held_out=held_out, seed=seed, options=options)
        )


@app.command()
def train(
    rows: Annotated[list[Path], typer.Argument(metavar="ROWS", help="Parquet files of rows, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the trained checkpoint.")],
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    small: Annotated[bool, typer.Option("--small", help="Start from a small untrained model instead.")] = False,
    device: Device = "auto",
    method: Annotated[str, typer.Option(help="full or lora.")] = "full",
    epochs: Annotated[float, typer.Option(help="How often each row is seen.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Steps in all, in the place of epochs.", show_default="by epochs")] = 0,
    batch: Annotated[int, typer.Option(help="Rows at a time.")] = 16,
    accumulate: Annotated[int, typer.Option(help="Batches that make one step.")] = 1,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-4,
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.", show_default="never")] = float("inf"),
    seed: Annotated[int, typer.Option(help="What chance begins with.")] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a Qwen3-VL checkpoint on rows of views and programs.

    [bold]Examples[/bold]

      cad-pipeline train data/ -o tuned --method lora

      cad-pipeline train rows.parquet -o small --small --rate 1.5e-3 --steps 900
    """
    from cad_pipeline.cli.exits import boundary

    with boundary(debug=debug):
        from cad_pipeline.cli.teaching import Lesson, teach

        lesson = Lesson(
            checkpoint=checkpoint,
            small=small,
            device=device,
            method=method,
            epochs=epochs,
            steps=steps,
            batch=batch,
            accumulate=accumulate,
            rate=rate,
            seconds=seconds,
            seed=seed,
            overwrite=overwrite,
        )
        raise typer.Exit(teach(rows, out=out, lesson=lesson))


app.command()(batch)
app.command()(serve)
