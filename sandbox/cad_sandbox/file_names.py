"""What the exported files are called, on both sides of the wall."""

from cad_sandbox.execution import Export

__all__ = ["FILE_NAMES"]

FILE_NAMES = {Export.BREP: "part.brep", Export.STEP: "part.step", Export.STL: "part.stl", Export.MESH: "part.npz"}
