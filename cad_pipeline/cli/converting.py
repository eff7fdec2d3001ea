"""`cad-pipeline convert`: part after part through one warm pipeline."""

from __future__ import annotations

import enum
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cad_pipeline.cli.exits import Exit, exit_of, one_line, say, tell
from cad_pipeline.cli.output import JsonLines
from cad_pipeline.errors import InputError
from cad_pipeline.options import Options
from cad_pipeline.store import Existing, Keep, Store, distinct_names, part_name

if TYPE_CHECKING:
    from cad_pipeline.roles import Verifier
    from cad_pipeline.values import Target

__all__ = ["Choices", "Input", "convert_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line was told about files and talk."""

    existing: Existing = Existing.REFUSE
    keep: Keep = Keep.BEST
    json: bool = False
    quiet: bool = False
    debug: bool = False

    @classmethod
    def of(cls, *, overwrite: bool, resume: bool, keep: bool, json: bool, quiet: bool, debug: bool) -> Self:
        """Take the flags for choices. Raises `InputError` if two of them contradict each other."""
        if overwrite and resume:
            raise InputError("expected --overwrite or --resume, got both; --resume keeps what still stands")
        existing = Existing.OVERWRITE if overwrite else Existing.RESUME if resume else Existing.REFUSE
        return cls(
            existing=existing,
            keep=Keep.ATTEMPTS if keep else Keep.BEST,
            json=json,
            quiet=quiet,
            debug=debug,
        )


class Input(enum.Enum):
    """What the paths on the command line are: files of meshes, or folders of eight pictures."""

    MESHES = "meshes"
    PICTURES = "pictures"


def convert_parts(
    parts: Sequence[Path], *, out: Path, options: Options, choices: Choices, kind: Input = Input.MESHES
) -> Exit:
    """Convert each part and return the worst exit code; a broken machine ends the walk, a bad part does not."""
    from cad_pipeline.plans import auto_choice, plan_for
    from cad_pipeline.progress import ConsoleReporter

    plan_for(options.generator, model=options.model)
    if options.generator == "auto" and not choices.quiet:
        say(f"auto: {auto_choice(options.model)[1]}")
    lines = JsonLines() if choices.json else None
    names = distinct_names([part.stem for part in parts])
    worst = Exit.ACCEPTED
    with ExitStack() as stack:
        reporter = None if choices.quiet else stack.enter_context(ConsoleReporter(sys.stderr, parts=len(parts)))
        walk = _Walk(options=options, choices=choices, reporter=reporter, store=_store(out, choices), kind=kind)
        for part, name in zip(parts, names, strict=True):
            if reporter is not None and name != part_name(part.stem):
                reporter.line(f"note: another part has the name of {part}; this one becomes {name}")
            exit_, record = walk.convert(part, name)
            worst = max(worst, exit_)
            if lines is not None:
                lines.emit(record)
            if exit_ is Exit.MISSING_PIECE:
                break
    return worst


def _store(out: Path, choices: Choices) -> Store:
    return Store(root=out, existing=choices.existing, keep=choices.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    options: Options
    choices: Choices
    reporter: Any
    store: Store
    kind: Input

    def convert(self, part: Path, name: str) -> tuple[Exit, dict[str, Any]]:
        """Convert one part; whatever went wrong with it is told, and becomes its exit code and record."""
        try:
            return self._convert(part, name)
        # one part's trouble must not cost the others their results
        except Exception as error:
            from cad_pipeline.certificate import failure

            tell(error, about=str(part), debug=self.choices.debug)
            exit_ = exit_of(error)
            record = failure(name=name, path=str(part), reason=one_line(error), options=self.options)
            return exit_, {**record, "folder": None, "exit_code": int(exit_)}

    def _convert(self, part: Path, name: str) -> tuple[Exit, dict[str, Any]]:
        self.store.check(name)
        if self.reporter is not None:
            self.reporter.reading(name)
        report, words = self._earlier(part, name) or self._work(part, name)
        exit_ = Exit.ACCEPTED if report["accepted"] else Exit.BELOW_THRESHOLD
        if self.reporter is not None:
            self.reporter.line(f"{words} -> {self.store.place(name)}")
            if not report["accepted"]:
                self.reporter.line(f"  {report['reason']}")
        elif not report["accepted"]:
            say(f"{name}: {report['grade']}: {report['reason']}")
        return exit_, {**report, "folder": str(self.store.place(name)), "exit_code": int(exit_)}

    def _earlier(self, part: Path, name: str) -> tuple[Mapping[str, Any], str] | None:
        """Look for an earlier result to take over; that needs the input's bytes, and neither its mesh nor a sandbox."""
        from cad_pipeline.certificate import identity

        if self.choices.existing is not Existing.RESUME:
            return None
        try:
            like = identity(part, self.options)
        except OSError:
            # reading the part will say what is wrong with it
            return None
        report = self.store.finished(name, like)
        return None if report is None else (report, f"= {name}: {report['grade']}, taken over")

    def _work(self, part: Path, name: str) -> tuple[Mapping[str, Any], str]:
        from cad_pipeline.facade import convert, default_pipeline
        from cad_pipeline.pipeline import Clock
        from cad_pipeline.progress import summary

        clock = Clock()
        started = time.perf_counter()
        with clock.measure("read"):
            target = self._read(part, name)
        with clock.measure("prepare"):
            pipeline = default_pipeline(self.options, reporter=self.reporter, verifier=self._verifier())
        done = convert(
            target, name=name, options=self.options, store=self.store, pipeline=pipeline, before=clock.seconds
        )
        return done.report, summary(done.reconstruction, name=name, seconds=time.perf_counter() - started)

    def _read(self, part: Path, name: str) -> Target:
        from cad_pipeline.facade import rig_of
        from cad_pipeline.mesh import read_mesh
        from cad_pipeline.pictures import target_from_views
        from cad_pipeline.values import Target

        if self.kind is Input.PICTURES:
            target = target_from_views(part, size_mm=self.options.size_mm, rig=self.options.rig)
        else:
            target = Target(mesh=read_mesh(part, unit=self.options.unit), rig=rig_of(self.options))
        return target if target.mesh.name == name else replace(target, mesh=replace(target.mesh, name=name))

    def _verifier(self) -> Verifier | None:
        """Choose the judge that pictures need; None leaves the one that measures meshes."""
        from cad_pipeline.verify.likeness import ViewsVerifier

        return ViewsVerifier(min_iou=self.options.min_iou) if self.kind is Input.PICTURES else None
