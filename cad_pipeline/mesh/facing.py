"""Which way each shell faces: bodies outwards, cavities inwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.mesh.raw import Ints
from cad_pipeline.mesh.shells import Shells

__all__ = ["shells_to_flip"]


def shells_to_flip(shells: Shells, parent: Ints, *, winding_known: bool) -> NDArray[np.bool_]:
    """Tell which shells must be turned inside out, (s,).

    Outermost shells face outwards. An inner shell keeps its sense relative to the outermost one around it: facing the
    other way it is a cavity, facing the same way it is overlapping material. Where the file's own winding was mixed
    (`winding_known` is False) the sense says nothing, and shells alternate from outside to inside. A shell in a cavity
    faces outwards.
    """
    flip = np.zeros(shells.count, bool)
    material = np.zeros(shells.count, bool)  # whether there is material just inside the shell
    inverted = np.zeros(shells.count, bool)  # whether the outermost shell around it was inside out
    depth = np.zeros(shells.count, np.int64)
    for shell in range(shells.count):
        at = shell
        while parent[at] >= 0:
            at = int(parent[at])
            depth[shell] += 1
    for shell in np.argsort(depth, kind="stable"):
        outward = bool(shells.volume[shell] > 0)
        above = int(parent[shell])
        if above < 0:
            inverted[shell] = not outward
            wanted = True
        else:
            inverted[shell] = inverted[above]
            sense = outward != bool(inverted[shell])
            if not material[above]:
                wanted = True
            else:
                wanted = sense and winding_known
        flip[shell] = wanted != outward
        material[shell] = wanted
    return flip
