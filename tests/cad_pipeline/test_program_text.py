"""A model's answer becomes a program: whatever stands around the code, the code comes out as it was."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.generators.program_text import (
    NOT_A_PROGRAM,
    as_program,
    ends_with_program,
    extract_program,
    without_broken_end,
)

PLATE = 'import cadquery as cq\n\nlength = 40.0\nresult = cq.Workplane("XY").box(length, 20, 5)\n'
CLASS = """import cadquery as cq
from types import SimpleNamespace as Measures

measures = Measures(width=20.0, hole=Measures(diameter=4.0))


class Bracket:
    def __init__(self, workplane, m):
        self.model = workplane.box(m.width, 10, 5).faces(">Z").workplane().hole(m.hole.diameter)


import math

result = Bracket(cq.Workplane("XY"), measures).model
"""
PROGRAMS = [
    PLATE,
    CLASS,
    'import cadquery as cq\nr = (\n    cq.Workplane("XY")\n    .box(1, 2, 3)\n)\nshow_object(r)\n',
]

# a line of prose: neither a fence nor something that is Python by chance
prose = st.text(alphabet=st.characters(codec="ascii", categories=("L", "Zs")), min_size=4, max_size=60).map(
    lambda words: f"Here {words.strip()} it is."
)
noise = st.lists(prose, max_size=4).map("\n".join)


@pytest.mark.parametrize("program", PROGRAMS)
@given(before=noise, after=noise, tag=st.sampled_from(["python", "py", "", "Python", "cadquery"]))
def test_fenced_code_comes_out_as_it_was(program: str, before: str, after: str, tag: str) -> None:
    assert extract_program(f"{before}\n```{tag}\n{program}```\n{after}") == program


@pytest.mark.parametrize("program", PROGRAMS)
@given(before=noise, after=noise)
def test_bare_code_between_prose_comes_out_as_it_was(program: str, before: str, after: str) -> None:
    found = extract_program(f"{before}\n{program}\n{after}<|im_end|>")
    assert found is not None and ast.dump(ast.parse(found)) == ast.dump(ast.parse(program))


@given(st.text(max_size=300))
def test_any_text_is_survived_and_what_comes_out_is_stable(answer: str) -> None:
    found = extract_program(answer)
    assert found is None or extract_program(found) is not None
    told = as_program(answer)
    assert told == found or (found is None and told.startswith(NOT_A_PROGRAM) and not ast.parse(told).body)


@given(st.integers(0, len(CLASS)))
def test_a_program_cut_off_anywhere_is_shortened_to_one_that_parses(length: int) -> None:
    shorter = without_broken_end(CLASS[:length])
    if shorter is not None:
        ast.parse(shorter)
        assert CLASS.startswith(shorter.rstrip("\n"))


def test_thoughts_are_no_answer_and_the_last_good_draft_counts() -> None:
    draft = PLATE.replace("40.0", "99.0")
    assert extract_program(f"<think>```python\n{draft}```</think>\n{PLATE}") == PLATE
    assert extract_program(f"first\n```python\n{draft}```\nno, better\n```python\n{PLATE}```\ndone") == PLATE
    assert extract_program(f"```python\n{PLATE}```\nand call it\n```bash\npython plate.py\n```") == PLATE


def test_an_unclosed_fence_and_a_lone_closing_one_hold_code() -> None:
    assert extract_program(f"```python\n{PLATE}") == PLATE
    assert extract_program(f"{PLATE}```") == PLATE


def test_a_missing_import_is_added_and_a_present_one_is_not() -> None:
    bare = 'result = cq.Workplane("XY").box(1, 2, 3)\n'
    assert extract_program(bare) == "import cadquery as cq\n" + bare
    for head in ("import cadquery as cq\n", "import math\nimport cadquery as cq\n"):
        assert extract_program(head + bare) == head + bare
    named = "from cadquery import Workplane\nresult = Workplane().box(1, 2, 3)\n"
    assert extract_program(named) == named
    whole = "import cadquery\nresult = cadquery.Workplane().box(1, 2, 3)\n"
    assert extract_program(whole) == whole


def test_typography_windows_line_ends_and_indentation_are_undone() -> None:
    assert extract_program("\ufeff" + PLATE.replace('"', "\u201d").replace("\n", "\r\n")) == PLATE
    indented = "".join(f"    {line}" if line.strip() else line for line in PLATE.splitlines(keepends=True))
    assert extract_program(f"Sure:\n```python\n{indented}```") == PLATE


def test_code_that_is_broken_comes_out_as_it_stands_and_prose_does_not() -> None:
    broken = 'import cadquery as cq\nresult = cq.Workplane("XY").box(1, 2,\n'
    assert extract_program(broken) == broken
    assert extract_program("I cannot see any images, sorry.") is None
    assert extract_program("```json\n{}\n```") is None
    assert extract_program("") is None


def test_an_answer_ends_with_its_closed_fence() -> None:
    assert not ends_with_program(f"Here:\n```python\n{PLATE}")
    assert ends_with_program(f"Here:\n```python\n{PLATE}```\n")
    assert not ends_with_program(f"```text\nhello\n```\n{PLATE}")
    assert not ends_with_program(PLATE)
