"""Real parts: no cracks, no dark views, the same from every camera pair; reads the shared bench where it lies."""

from pathlib import Path

import numpy as np
import pytest

from cad_renderers import SoftwareRenderer

PARTS = Path(__file__).resolve().parents[3] / "shared" / "bench" / "parts"
pytestmark = pytest.mark.bench


def _parts() -> list[Path]:
    return sorted(PARTS.glob("*.stl"))[::6]


@pytest.mark.skipif(not PARTS.is_dir(), reason="the bench of real parts does not lie beside this checkout")
@pytest.mark.parametrize("path", _parts(), ids=lambda path: path.stem)
def test_part_is_drawn_whole_and_bright(path: Path) -> None:
    import trimesh
    from scipy import ndimage

    views = SoftwareRenderer().render(trimesh.load_mesh(path), size_px=192)
    for view in views:
        assert view.mask.mean() > 0.02
        inside = ndimage.binary_erosion(view.mask, iterations=2)
        if inside.any():
            assert view.image[inside].mean() > 90, f"{view.name} is dark"
        # A cracked surface shows as single white pixels inside the part.
        white = (view.image.min(axis=2) > 250) & ~view.mask
        labels, count = ndimage.label(white)
        sizes = np.bincount(labels.ravel())[1:] if count else np.zeros(0)
        assert (sizes == 1).sum() <= 12, f"{view.name} has {(sizes == 1).sum()} pinholes"
