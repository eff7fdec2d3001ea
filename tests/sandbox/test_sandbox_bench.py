from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cad_sandbox import Export
from cad_sandbox.frames import Kind, frames

TRUTH = Path(__file__).parents[3] / "shared" / "bench" / "truth"
PARTS = sorted(TRUTH.glob("*.step")) if TRUTH.is_dir() else []


@pytest.mark.slow
@pytest.mark.bench
@pytest.mark.skipif(not PARTS, reason=f"the bench of real parts does not lie at {TRUTH}")
@pytest.mark.parametrize("part", PARTS, ids=lambda path: path.stem)
def test_real_parts_become_closed_meshes(part: Path, tmp_path: Path) -> None:
    """The validating stage writes every real solid, reads it back and meshes it without a gap."""
    import cadquery as cq
    import manifold3d

    from cad_sandbox.program_stage import _to_bytes
    from cad_sandbox.validating_stage import validate_and_write

    solids = [solid for shape in cq.importers.importStep(str(part)).vals() for solid in shape.Solids()]
    reader, writer = os.pipe()
    with open(reader, "rb") as pipe:
        validate_and_write(
            _to_bytes(cq.Compound.makeCompound(solids).wrapped),
            pipe=writer,
            folder=tmp_path,
            exports=frozenset({Export.STEP, Export.MESH}),
            deflection=3e-4,
            angle_rad=0.1,
            product="part",
        )
        os.close(writer)
        report = next(json.loads(bytes(text)) for kind, text in frames(bytearray(pipe.read())) if kind is Kind.REPORT)
    assert report["outcome"] == "built" and report["message"] == "", report
    with np.load(tmp_path / "part.npz", allow_pickle=False) as arrays:
        mesh = manifold3d.Mesh64(vert_properties=arrays["vertices"], tri_verts=arrays["faces"].astype(np.uint64))
    solid = manifold3d.Manifold(mesh)
    assert solid.status() == manifold3d.Error.NoError
    assert solid.volume() == pytest.approx(report["volume_mm3"], rel=2e-3)
