"""A judge in a process of its own: one JSON request a line on stdin, one score a line on stdout, until stdin ends.

    python -m cad_pipeline.evaluation.worker PROTOCOL VARIANT UNIT ISOLATION TIMEOUT_S

It is started, asked and killed by `runner`; a file that hangs or crashes a library costs this process and no other.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from cad_pipeline import warm
from cad_pipeline.evaluation.pairs import Pair
from cad_pipeline.evaluation.protocols import Variant, protocol
from cad_pipeline.evaluation.score import Fate, Score
from cad_pipeline.evaluation.scoring import score_pair
from cad_pipeline.roles import Sandbox
from cad_sandbox.execution import SandboxUnavailable
from cad_sandbox.limits import Isolation

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Answer requests `{"name", "result", "target", "kind"}` until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # C++ libraries write to stdout as they please; what they say belongs with the complaints
    os.dup2(2, 1)
    name, variant, unit, isolation, timeout_s = arguments
    measure = protocol(name, Variant(variant))

    def sandbox() -> Sandbox:
        return warm.warm_sandbox(Isolation(isolation), float(timeout_s))

    for line in sys.stdin:
        asked = json.loads(line)
        pair = Pair(
            name=asked["name"],
            result=Path(asked["result"]) if asked["result"] else None,
            target=Path(asked["target"]),
            kind=asked["kind"],
        )
        with tempfile.TemporaryDirectory(prefix="cad-pipeline-evaluate-") as folder:
            answer: dict[str, object]
            try:
                answer = score_pair(pair, measure, sandbox=sandbox, folder=Path(folder), unit=unit or None).as_dict()
            except SandboxUnavailable as error:
                # the machine's fault, not the result's: the parent stops
                answer = {"unavailable": str(error)}
            # a fault of the judge on one pair must not cost the others theirs, nor be lost
            except Exception as error:
                words = " ".join(f"the judge failed: {type(error).__name__}: {error}".split())
                answer = Score(name=pair.name, kind=pair.kind, fate=Fate.CRASHED, reason=words).as_dict()
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
