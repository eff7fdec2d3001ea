"""Writes a feature program straight from a mesh.

normalise → find directions → section into slabs or turn → fit sketch curves → score in manifold arithmetic → text.
CAD kernels are asked only to verify.
"""

from cad_pipeline.generators.geometric.generator import GeometricGenerator

__all__ = ["GeometricGenerator"]
