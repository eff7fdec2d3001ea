"""Changes every named dimension of every result by a share and counts what still builds the same number of solids.

.venv/bin/python benchmarks/editing.py samples/results             # ±5 %
.venv/bin/python benchmarks/editing.py out/bench --change 0.2      # ±20 %
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cad_pipeline.parameters import read_parameters, with_parameter
from cad_pipeline.values import Parameter
from cad_sandbox import Export, ForkServerSandbox, Limits


def main() -> int:
    """Print a line a program and the share of edits that survive; exit 1 if one did not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with <name>/<name>.py")
    parser.add_argument(
        "--change", type=float, default=0.05, help="share by which a dimension changes; counts change by 1"
    )
    options = parser.parse_args()
    tried = failed = 0
    with (
        ForkServerSandbox(Limits(exports=frozenset({Export.BREP}))) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):

        def solids(source: str) -> int:
            place = Path(tempfile.mkdtemp(dir=folder))
            return sandbox.run(source, place).solids

        for path in sorted(options.results.glob("*/*.py")):
            source = path.read_text(encoding="utf-8")
            expected, parameters = solids(source), read_parameters(source)
            edits = [(p.name, v) for p in parameters for v in edited(p, options.change)]
            broken = [
                f"{name} = {value:g}"
                for name, value in edits
                if solids(with_parameter(source, name, value)) != expected
            ]
            tried, failed = tried + len(edits), failed + len(broken)
            print(
                f"{path.stem:40} {len(parameters):3} dimensions  {'; '.join(broken) or 'all edits build'}", flush=True
            )
    print(f"{tried - failed} of {tried} edits by ±{options.change:.0%} build the same number of solids")
    return int(failed > 0)


def edited(parameter: Parameter, change: float) -> Iterator[float]:
    """The two values to try."""
    if parameter.unit == "count":
        yield from (v for v in (parameter.value - 1, parameter.value + 1) if v >= 1)
    else:
        yield from (parameter.value * (1 - change), parameter.value * (1 + change))


if __name__ == "__main__":
    sys.exit(main())
