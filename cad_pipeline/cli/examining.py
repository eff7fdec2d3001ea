"""`cad-pipeline doctor`: a page about this machine."""

from __future__ import annotations

from dataclasses import asdict

from cad_pipeline.certificate import versions
from cad_pipeline.cli.exits import Exit
from cad_pipeline.cli.output import JsonLines, print_out
from cad_pipeline.doctor import Finding, Health, examine, healthy

__all__ = ["examine_machine"]

_MARKS = {Health.WORKS: "ok     ", Health.OPTIONAL: "absent ", Health.BROKEN: "BROKEN "}


def examine_machine(*, json: bool) -> Exit:
    """Show every finding as it comes; the exit code says whether the core works here."""
    lines = JsonLines() if json else None
    findings: list[Finding] = []
    for finding in examine():
        findings.append(finding)
        if lines is None:
            print_out(f"{_MARKS[finding.health]} {finding.subject:18} {finding.found}")
            if finding.cure:
                print_out(f"{'':27}cure: {finding.cure}")
    works = healthy(findings)
    if lines is not None:
        record = {"healthy": works, "findings": [asdict(each) for each in findings], "versions": versions()}
        lines.emit(record)
    else:
        print_out("the core works here" if works else "the core can't work here; the cures stand above")
    return Exit.ACCEPTED if works else Exit.MISSING_PIECE
