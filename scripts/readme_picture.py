"""Draws `samples/pictures/readme.png`: samples as meshes on top, what the pipeline makes of them below.

Run it after `samples/make_results.py`; another folder of results may be named on the command line.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from cad_pipeline.mesh import read_mesh
from cad_renderers import CAD_GREY, hero_image

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("flange", "clevis", "counterbored_bracket", "turned_shaft")
SIZE_PX = 420


def main() -> int:
    """Draw the picture from the folder of results named on the command line."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "samples" / "results")
    facets = replace(CAD_GREY, ink=replace(CAD_GREY.ink, crease_deg=0.5))
    rows = []
    for style, folder in ((facets, ROOT / "samples" / "meshes"), (CAD_GREY, results)):
        row = []
        for name in SHOWN:
            path = folder / f"{name}.stl" if folder.name == "meshes" else folder / name / f"{name}.step"
            row.append(hero_image(read_mesh(path), style=style, size_px=SIZE_PX))
        rows.append(np.hstack(row))
    place = ROOT / "samples" / "pictures" / "readme.png"
    place.parent.mkdir(exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(place, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
