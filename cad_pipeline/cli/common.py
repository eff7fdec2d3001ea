"""Options that several commands have in common, each told in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cad_sandbox.limits import Isolation

__all__ = [
    "CamerasOption",
    "Checkpoint",
    "Debug",
    "Device",
    "Json",
    "MinIou",
    "Out",
    "Overwrite",
    "Quiet",
    "Timeout",
    "Unit",
    "Walls",
]

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for results; each part gets a folder of its name in it.")
]
Unit = Annotated[
    str | None,
    typer.Option(help="What the file's numbers are: mm, cm, m, um, inch, ft.", show_default="the file's own, else mm"),
]
MinIou = Annotated[float, typer.Option("--iou", help="Share of common volume (IoU) from which a program is accepted.")]
Timeout = Annotated[float, typer.Option(help="Seconds that one program may run.")]
Walls = Annotated[Isolation, typer.Option("--isolation", help="How strong the walls around programs must be.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a part on stdout; text for people on stderr.")]
Checkpoint = Annotated[str, typer.Option(help="A Qwen3-VL checkpoint: hub id or folder.")]
Device = Annotated[str, typer.Option(help="Where the model runs: auto, cuda, mps or cpu.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]
CamerasOption = Annotated[
    str | None,
    typer.Option(
        "--rig", help="Cameras: a preset's name or a JSON file.", show_default="the calibrated, else corner-iso"
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
