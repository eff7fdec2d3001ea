"""A renderer's trial in a process of its own: `python -m cad_renderers.selftest pyrender` prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Draw a solid with the named renderer, compare it with the reference, and print what was found; 0 if it can be
    used.
    """
    from cad_renderers.choice import RENDERERS
    from cad_renderers.roles import RendererUnavailable
    from cad_renderers.shapes import letter_f
    from cad_renderers.software import SoftwareRenderer

    renderer = RENDERERS[arguments[0]]()
    solid = letter_f()
    start = time.perf_counter()
    try:
        views = renderer.render(solid, size_px=128)
    except RendererUnavailable as error:
        print(json.dumps({"works": False, "reason": str(error), "device": ""}))  # noqa: T201
        return 3
    seconds = time.perf_counter() - start
    expected = SoftwareRenderer().render(solid, size_px=128)
    apart = [np.abs(a.image.astype(int) - b.image).max(axis=2) for a, b in zip(views, expected, strict=True)]
    wrong = float(np.mean(np.array(apart) > 16))
    works = wrong < 0.01
    reason = "" if works else f"{wrong:.1%} of its pixels differ from the reference's: its driver can't be trusted"
    device = str(getattr(renderer, "device", "this processor"))
    print(json.dumps({"works": works, "reason": reason, "device": device, "first_s": round(seconds, 3)}))  # noqa: T201
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
