"""`cad-pipeline calibrate`: which cameras made these pictures."""

from __future__ import annotations

import json as json_
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_pipeline.cli.exits import Exit, say
from cad_pipeline.cli.output import print_out
from cad_pipeline.errors import InputError

if TYPE_CHECKING:
    from cad_renderers.calibration import Score

__all__ = ["calibrate_rig"]

# below this the pictures were not made by any camera that was tried
CLEAR_IOU = 0.95
_SHOWN = 12


def calibrate_rig(sources: Sequence[Path], *, out: Path | None, most: int, json: bool, quiet: bool) -> Exit:
    """Print the table and write the winning rig, with its style beside it as `<name>.style.json`.

    A winner whose silhouettes do not fit is told, and not written. Raises `InputError` for rows that can't be used.
    """
    from cad_pipeline.pictures import read_rows
    from cad_renderers import calibrated_rig_file, calibrated_style_file
    from cad_renderers.calibration import calibrate

    rows = read_rows(list(sources), most=most)
    try:
        scores = calibrate(rows, progress=(lambda _: None) if quiet else say)
    except ValueError as error:
        raise InputError(str(error)) from None
    best = scores[0]
    clear = best.silhouette_iou >= CLEAR_IOU
    place = out or calibrated_rig_file()
    style = calibrated_style_file(place)
    if clear:
        _write(place, best.rig.to_json())
        _write(style, best.style.to_json())
    if json:
        table = [_record(score) for score in scores]
        print_out(json_.dumps({"rows": len(rows), "rig": str(place) if clear else None, "scores": table}))
    else:
        for line in _table(scores):
            print_out(line)
    if not clear:
        say(
            f"expected silhouettes that agree to {CLEAR_IOU:g}, got {best.silhouette_iou:.4f} at best; no rig was "
            "written: are these orthographic pictures of these meshes?"
        )
        return Exit.BELOW_THRESHOLD
    used = "which the pipeline uses from now on" if out is None else f"for --rig {place}"
    if not json:
        print_out(f"{best.rig.name} in {best.style.name} -> {place}, {used}; the look -> {style}")
    return Exit.ACCEPTED


def _record(score: Score) -> dict[str, Any]:
    return {
        "rig": score.rig.name,
        "fit": score.rig.fit.value,
        "margin": score.rig.margin,
        "style": score.style.name,
        "order": list(score.order),
        "silhouette_iou": score.silhouette_iou,
        "pixel_difference": score.pixel_difference,
    }


def _table(scores: Sequence[Score]) -> list[str]:
    lines = [f"{'rig':<34} {'fit':<6} {'margin':>6}  {'style':<18} {'order':<9} {'IoU':>7} {'pixels':>7}"]
    for score in scores[:_SHOWN]:
        order = "".join(map(str, score.order))
        lines.append(
            f"{score.rig.name:<34} {score.rig.fit.value:<6} {score.rig.margin:>6.3f}  {score.style.name:<18} "
            f"{order:<9} {score.silhouette_iou:>7.4f} {score.pixel_difference:>7.4f}"
        )
    return lines


def _write(path: Path, data: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json_.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"expected to write {path}, got: {error.strerror or error}; choose another -o") from None
