"""A mesh file in, a closed mesh in millimetres out, with a note for every repair."""

from cad_pipeline.mesh.bodies import bodies
from cad_pipeline.mesh.read import mesh_from_arrays, read_mesh
from cad_pipeline.mesh.stl import write_stl

__all__ = ["bodies", "mesh_from_arrays", "read_mesh", "write_stl"]
