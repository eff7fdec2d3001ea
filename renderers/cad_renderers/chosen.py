"""Which cameras and which look are meant where nothing else is said: those that a calibration found, or the presets."""

from __future__ import annotations

import os
from pathlib import Path

from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.style import CAD_GREY, Style

__all__ = ["calibrated_rig_file", "calibrated_style_file", "chosen_rig", "chosen_style"]


def calibrated_rig_file() -> Path:
    """Name a calibration's file: `$CAD_PIPELINE_RIG`, or `cad-pipeline/rig.json` in the user's settings."""
    if told := os.environ.get("CAD_PIPELINE_RIG"):
        return Path(told)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "cad-pipeline" / "rig.json"


def calibrated_style_file(rig_file: Path | None = None) -> Path:
    """Name the file of the look that a calibration found, beside that of its rig."""
    rig_file = rig_file or calibrated_rig_file()
    return rig_file.with_name(f"{rig_file.stem}.style.json")


def chosen_rig(source: str | Path | None = None) -> Rig:
    """Find the rig by a preset's name or a file; without either take the calibrated one if there is one.

    Raises `ValueError` for a name that is none and a file that holds no rig.
    """
    if source is not None:
        return Rig.load(source)
    found = calibrated_rig_file()
    return Rig.load(found) if found.is_file() else CORNER_ISO


def chosen_style(source: str | Path | None = None) -> Style:
    """Find the style by a preset's name or a file; without either take the calibrated one if there is one.

    Raises `ValueError` for a name that is none and a file that holds no style.
    """
    if source is not None:
        return Style.load(source)
    found = calibrated_style_file()
    return Style.load(found) if found.is_file() else CAD_GREY
