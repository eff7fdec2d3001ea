"""A mesh file in, a closed mesh in millimetres out, with a note for every repair."""

from cad_pipeline.mesh.bodies import bodies
from cad_pipeline.mesh.raw import SolidFacts
from cad_pipeline.mesh.read import mesh_from_arrays, read_exact, read_mesh
from cad_pipeline.mesh.stl import write_stl

__all__ = ["SolidFacts", "bodies", "mesh_from_arrays", "read_exact", "read_mesh", "write_stl"]
