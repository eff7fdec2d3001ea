"""The command `evaluate`: its options and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cad_pipeline.cli.arguments import Debug, Json, Overwrite, Quiet, Timeout, Unit, Walls
from cad_pipeline.options import DEFAULT_TIMEOUT_S
from cad_sandbox.limits import Isolation

__all__ = ["evaluate"]


def evaluate(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="A folder of results, or a CSV or Parquet table of pairs by itself."),
    ],
    targets: Annotated[
        Path | None, typer.Argument(metavar="[TARGETS]", help="The folder of what they should be; names must agree.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, pictures and the page.")] = Path(
        "evaluation"
    ),
    protocol: Annotated[
        str, typer.Option(help="own-frame, zero-to-cad, cadrille or cadbench; see above.")
    ] = "own-frame",
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Repeat the published program's defects (cadrille only).")
    ] = False,
    kinds: Annotated[
        Path | None, typer.Option(help="CSV with the columns name (or id) and kind, for a table by kind.")
    ] = None,
    prediction: Annotated[
        str | None,
        typer.Option(
            help="Column of a data set's Parquet that holds the results.", show_default="prediction, else cadquery_file"
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Pairs at once.", show_default="one a core", min=0)] = 0,
    pair_timeout: Annotated[float, typer.Option(help="Seconds that one pair may take before it is ended.")] = 300.0,
    unit: Unit = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    isolation: Walls = Isolation.STRICT,
    json: Json = False,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Judge only pairs whose files or options changed since the last run.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Judge many results against their targets and sum up, with failures counted as 0 beside the usual averages.

    Results are STEP, BREP, mesh files or CadQuery programs (run behind the walls), as RESULTS/NAME.step or
    RESULTS/NAME/NAME.step. A table has the columns name, result, target and perhaps kind; a Parquet may also be in the
    schema of the Zero-To-CAD data set, with a column of predicted programs.

    [bold]Protocols[/bold]

      own-frame    exact IoU where both lie, nothing moved or scaled; also deviation in mm, F1, volume, validity

      zero-to-cad  64³ voxel IoU, centred, longest side 1, best of all 208 turns by 45°

      cadrille     exact IoU, centred, longest side 1, not turned; chamfer distance

      cadbench     exact IoU, aligned by centroid, inertia and principal axes

    OUT gets report.html, pairs.csv, pairs.parquet, summary.json and two pictures. Exit codes: 0 every pair was scored,
    1 some result failed (missing, not built, not measurable), 2 a target can't be read or the usage is wrong.

    [bold]Examples[/bold]

      cad-pipeline evaluate out parts -o evaluation

      cad-pipeline evaluate pairs.csv --protocol cadbench -o evaluation --resume

      cad-pipeline evaluate predictions.parquet --protocol zero-to-cad --prediction prediction -o evaluation
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.evaluating import Places, evaluate_results
        from cad_pipeline.errors import InputError
        from cad_pipeline.evaluation import RunOptions, Variant
        from cad_pipeline.store import Existing

        if overwrite and resume:
            raise InputError("expected --overwrite or --resume, got both; --resume keeps what still stands")
        options = RunOptions(
            protocol=protocol,
            variant=Variant.AS_PUBLISHED if as_published else Variant.CORRECTED,
            jobs=jobs,
            timeout_s=timeout,
            pair_timeout_s=pair_timeout,
            unit=unit,
            isolation=isolation,
        )
        places = Places(
            results=results,
            targets=targets,
            out=out,
            kinds=kinds,
            prediction=prediction,
            existing=Existing.OVERWRITE if overwrite else Existing.RESUME if resume else Existing.REFUSE,
        )
        raise typer.Exit(evaluate_results(places, options, json=json, quiet=quiet))
