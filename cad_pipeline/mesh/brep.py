"""STEP and BREP files: exact solids, tessellated by the CAD kernel in a process that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.raw import RawMesh, SolidFacts

__all__ = ["read_brep", "read_step"]

TIMEOUT_S = 180.0


def read_step(path: Path) -> RawMesh:
    """Tessellate a STEP file; its lengths come in mm, whatever unit the file uses."""
    return _read(path, "step")


def read_brep(path: Path) -> RawMesh:
    """Tessellate an OpenCASCADE BREP file."""
    return _read(path, "brep")


def _read(path: Path, kind: str) -> RawMesh:
    word = kind.upper()
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-") as folder:
        result = Path(folder) / "mesh.npz"
        command = [sys.executable, "-m", "cad_pipeline.mesh.read_brep", str(path.resolve()), str(result), kind]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{path.name}: expected a {word} that can be meshed within {TIMEOUT_S:.0f} s, got one that can't; "
                "export it as STL"
            ) from None
        if done.returncode != 0 or not result.exists():
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit {done.returncode}"]
            raise InputError(f"{path.name}: expected a {word} with a solid, got none ({last[0][:200]}); export again")
        with np.load(result) as arrays:
            vertices, faces = arrays["vertices"], arrays["faces"]
            deflection, told = float(arrays["deflection"]), json.loads(str(arrays["facts"]))
    facts = SolidFacts(**told)
    if not len(faces):
        raise InputError(f"{path.name}: expected a {word} with a solid, got a shape without faces; export it again")
    note = f"exact {word} with {facts.solids} solid{'s' * (facts.solids != 1)}, tessellated to {deflection:.3g} mm"
    return RawMesh(
        vertices=vertices,
        faces=faces,
        unit="mm" if kind == "step" else None,
        converted=kind == "step",
        spacing=2.0**-40,
        notes=(note,),
        facts=facts,
    )
