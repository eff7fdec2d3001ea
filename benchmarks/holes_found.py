"""Counts the round holes of the exact solids that the programs make as hole features, and the features without a hole.

    python benchmarks/holes_found.py out/bench                  # ../shared/bench holds truth/<id>.step
    python benchmarks/holes_found.py out/bench --set FOLDER --missed

A hole of the truth is a concave cylindrical wall that goes full round somewhere along its axis, with nothing on the
axis there: one for each axis and diameter, as one drill would make it, however many stretches it has; a counterbore is
a second one. A feature is what the program says: `hole`, `cboreHole`, `cskHole`, or a cut by a plain cylinder. It
finds the hole on whose axis it lies (0.1°, and 0.02 mm + 0.5 % of the diameter) if the diameters agree within 0.01 mm
or 0.1 %; within 5 % the hole is found, with its diameter off, and counts as missed. A feature is false if no hole on
its axis has its diameter within 5 %; one that lies in a wall of that diameter which is open to a side, or stands
round a core, is counted apart as `open`: the wall is there, but no hole. Missed holes are told apart: `diameter`,
`otherwise` (the result has the hole, but not by a feature: a turned profile, a sketch), `absent`, and `faceted` (there
is no program, or it did not run). Programs are run in a process of their own without walls, so these must be the
project's own programs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from round_walls import Round, Wall, same_axis

ROOT = Path(__file__).resolve().parent.parent
SET = ROOT.parent / "shared" / "bench"
GOAL_FOUND, GOAL_FALSE = 0.95, 0.01
LOOSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One part: how many holes its truth has, the features without one, and the missed holes.

    With a missed hole stand the reason and, if a feature lies on its axis, the nearest diameter of one, in mm.
    """

    part: str
    holes: int = 0
    features: int = 0
    missed: Sequence[tuple[str, Round, float | None]] = ()
    false: Sequence[Round] = ()
    open: Sequence[Round] = ()
    words: str = ""
    reasons: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Compare every result that has an exact solid, and print a row for each and the totals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with <id>/<id>.py")
    parser.add_argument("--set", type=Path, default=SET, help="folder with truth/<id>.step")
    parser.add_argument("--only", default="", help="names of parts, separated by commas")
    parser.add_argument("--missed", action="store_true", help="a line for each missed hole and false feature")
    parser.add_argument("--workers", type=int, default=2, help="programs at once")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds that one program may take")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    truths = [p for p in sorted((options.set / "truth").glob("*.step")) if not only or p.stem in only]
    truths = [path for path in truths if (options.results / path.stem).is_dir()]
    if not truths:
        sys.stderr.write(f"expected results for {options.set / 'truth'}/*.step in {options.results}, found none\n")
        return 2
    print(f"{'part':44} {'holes':>5} {'found':>5} {'missed':>6} {'features':>8} {'false':>5} {'open':>4}")
    rows = []
    with ThreadPoolExecutor(options.workers) as pool:
        for row in pool.map(lambda path: compared(path, options.results / path.stem, options.timeout), truths):
            rows.append(row)
            print_row(row, options.missed)
    print_totals(rows)
    return 0


def print_row(row: Row, missed: bool) -> None:
    """Print one part, and its missed holes and false features if they are wanted."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(row.reasons.items()))
    print(
        f"{row.part:44} {row.holes:5} {row.holes - len(row.missed):5} {len(row.missed):6} {row.features:8} "
        f"{len(row.false):5} {len(row.open):4}  {reasons}{row.words}",
        flush=True,
    )
    if missed:
        strays = [("false", f, None) for f in row.false] + [("open", f, None) for f in row.open]
        for reason, each, found in [*row.missed, *strays]:
            place, axis = (", ".join(f"{c:.4g}" for c in v) for v in (each.point, each.axis))
            words = "" if found is None else f", found with {found:g}"
            print(f"    {reason:10} {each.kind:10} d {each.diameter:.6g} at ({place}) along ({axis}){words}")


def print_totals(rows: Sequence[Row]) -> None:
    """Print recall and precision over all parts, beside their goals."""
    holes, features = sum(row.holes for row in rows), sum(row.features for row in rows)
    missed, false = sum(len(row.missed) for row in rows), sum(len(row.false) for row in rows)
    open_ = sum(len(row.open) for row in rows)
    reasons = sum((row.reasons for row in rows), Counter[str]())
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    print(
        f"{holes - missed} of {holes} holes found ({share(holes - missed, holes):.1%}, goal {GOAL_FOUND:.0%}; missed: "
        f"{told or 'none'}); {false} of {features} features false ({share(false, features):.1%}, goal at most "
        f"{GOAL_FALSE:.0%}), {open_} more lie in open walls"
    )


def share(count: int, whole: int) -> float:
    """Divide; nothing of nothing is nothing."""
    return count / whole if whole else 0.0


def compared(truth: Path, result: Path, timeout_s: float) -> Row:
    """Hold one result's features against the walls of its truth."""
    figures = listed(truth, timeout_s)
    if figures is None:
        return Row(part=truth.stem, words="the truth could not be read")
    program, report = result / f"{truth.stem}.py", result / "report.json"
    graded = json.loads(report.read_text(encoding="utf-8")).get("grade") if report.is_file() else None
    built = None if graded in ("faceted", "failed") or not program.is_file() else listed(program, timeout_s)
    return matched(truth.stem, figures["walls"], built)


def matched(part: str, truth: Sequence[Round], built: dict[str, list[Round]] | None) -> Row:
    """Match features and holes; `built` is None where no program stands behind the result."""
    holes = [wall for wall in truth if wall.kind == Wall.HOLE]
    features = single(built["features"]) if built else []
    missed: list[tuple[str, Round, float | None]] = []
    for hole in holes:
        near = [f.diameter for f in features if on_axis(hole, f)]
        if any(agrees(hole.diameter, d) for d in near):
            continue
        if built is None:
            reason = "faceted"
        elif any(agrees(hole.diameter, d, LOOSE) for d in near):
            reason = "diameter"
        else:
            walls = [w for w in built["walls"] if w.kind == Wall.HOLE and on_axis(hole, w)]
            reason = "otherwise" if any(agrees(hole.diameter, w.diameter) for w in walls) else "absent"
        missed.append((reason, hole, min(near, key=lambda d: abs(d - hole.diameter), default=None)))
    strays = [f for f in features if not any(agrees(h.diameter, f.diameter, LOOSE) and on_axis(h, f) for h in holes)]
    open_ = [f for f in strays if any(agrees(w.diameter, f.diameter, LOOSE) and on_axis(w, f) for w in truth)]
    return Row(
        part=part,
        holes=len(holes),
        features=len(features),
        missed=missed,
        false=[f for f in strays if f not in open_],
        open=open_,
        reasons=Counter(reason for reason, *_ in missed),
    )


def single(features: Sequence[Round]) -> list[Round]:
    """Keep one of the features that share an axis and a diameter: a hole drilled from both ends is one."""
    kept: list[Round] = []
    for each in features:
        if not any(agrees(each.diameter, k.diameter) and on_axis(each, k) for k in kept):
            kept.append(each)
    return kept


def on_axis(hole: Round, other: Round) -> bool:
    """Whether another lies on a hole's axis, within 0.02 mm and 0.5 % of the hole's diameter."""
    return same_axis(hole, other, 0.02 + 0.005 * hole.diameter)


def agrees(diameter: float, other: float, loose: float = 0.001) -> bool:
    """Whether two diameters in mm agree within 0.01 mm or the share `loose`, whichever is more."""
    return abs(diameter - other) <= max(0.01, loose * diameter) + 1e-9


def listed(path: Path, timeout_s: float) -> dict[str, list[Round]] | None:
    """List features and walls of a program or a STEP file in a process of its own; None if it does not end well."""
    command = [sys.executable, str(Path(__file__).with_name("hole_features.py")), str(path)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        figures = json.loads(run.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return None
    return {
        key: [Round(**{**each, "point": tuple(each["point"]), "axis": tuple(each["axis"])}) for each in rounds]
        for key, rounds in figures.items()
    }


if __name__ == "__main__":
    sys.exit(main())
