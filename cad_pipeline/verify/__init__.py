"""Measures how close a result lies to its target, and decides whether that is close enough.

Everything here takes a `Mesh`, a pair (vertices, faces) or a prepared `Subject`, in mm and in one common frame; nothing
is aligned or scaled unless `register` is asked to. Heavy libraries load when the first figure is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cad_pipeline.verify.differences import regions
    from cad_pipeline.verify.iou import Iou, exact_iou, ray_iou
    from cad_pipeline.verify.registration import Placement, RotationIou, best_rotation_iou, register
    from cad_pipeline.verify.rotations import RotationSet
    from cad_pipeline.verify.subject import Frame, NotMeasurable, Subject, as_subject
    from cad_pipeline.verify.surface import deviation, surface_f1
    from cad_pipeline.verify.tolerance import Tolerance
    from cad_pipeline.verify.topology import EdgeCount, betti, count_edges
    from cad_pipeline.verify.verifier import MeshVerifier, load_result, warm_up
    from cad_pipeline.verify.voxels import Voxels, voxel_iou, voxelise
    from cad_pipeline.verify.words import region_words

__all__ = [
    "EdgeCount",
    "Frame",
    "Iou",
    "MeshVerifier",
    "NotMeasurable",
    "Placement",
    "RotationIou",
    "RotationSet",
    "Subject",
    "Tolerance",
    "Voxels",
    "as_subject",
    "best_rotation_iou",
    "betti",
    "count_edges",
    "deviation",
    "exact_iou",
    "load_result",
    "ray_iou",
    "region_words",
    "regions",
    "register",
    "surface_f1",
    "voxel_iou",
    "voxelise",
    "warm_up",
]

_HOMES = {
    "EdgeCount": "topology",
    "Frame": "subject",
    "Iou": "iou",
    "MeshVerifier": "verifier",
    "NotMeasurable": "subject",
    "Placement": "registration",
    "RotationIou": "registration",
    "RotationSet": "rotations",
    "Subject": "subject",
    "Tolerance": "tolerance",
    "Voxels": "voxels",
    "as_subject": "subject",
    "best_rotation_iou": "registration",
    "betti": "topology",
    "count_edges": "topology",
    "deviation": "surface",
    "exact_iou": "iou",
    "load_result": "verifier",
    "ray_iou": "iou",
    "region_words": "words",
    "regions": "differences",
    "register": "registration",
    "surface_f1": "surface",
    "voxel_iou": "voxels",
    "voxelise": "voxels",
    "warm_up": "verifier",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
