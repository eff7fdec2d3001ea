"""Takes the program out of a model's answer: fences, prose, thoughts and chat tokens stripped, dialects accepted."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from cad_pipeline.syntax import parse

__all__ = [
    "NOT_A_PROGRAM",
    "as_program",
    "ends_with_program",
    "extract_program",
    "without_broken_end",
    "without_last_line",
]

# what is told of an answer in which no program was found
NOT_A_PROGRAM = "# the answer held no program\n"
_KEPT_PROSE = 1000

_CHAT_TOKEN = re.compile(r"<\|[a-z_]{2,40}\|>|</?s>|</?tool_call>")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([A-Za-z0-9_+.-]*)[^\n]*$", re.MULTILINE)
_OTHER_LANGUAGES = frozenset({"json", "bash", "sh", "shell", "text", "console", "yaml", "toml", "diff", "xml", "html"})
# first lines that only code has: an import, an assignment, a definition, a call on something
_CODE_LINE = re.compile(
    r"""^[ \t]*(?:
        import\ [A-Za-z_] | from\ [A-Za-z_.]+\ import\  | @[A-Za-z_] | \#
        | (?:def|class|for|if|while|with|try|global)\b.*:?\s*(?:\#.*)?$
        | [A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_]\w*)*\s*(?::\s*[\w.\[\],\ ]+)?\s*[-+*/]?=[^=]
        | [A-Za-z_][\w.]*\( | \"\"\"
    )""",
    re.VERBOSE,
)
_TYPOGRAPHY = str.maketrans(
    {
        "\u00a0": " ",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2212": "-",
        "\u2013": "-",
        "\u2003": " ",
    }
)
_CADQUERY = re.compile(r"\bcadquery\b|\bcq\b")
_CALLS_CADQUERY = re.compile(r"\b(?:cq|cadquery)\.")
_RESULT = re.compile(r"^[ \t]*(?:result|r|solid|part|assembly)\s*=|show_object\(", re.MULTILINE)


def extract_program(answer: str) -> str | None:
    """Return the program in a model's answer, ending in a line break; None if there is none.

    Of several fenced pieces the best counts: one that parses, speaks of CadQuery and names a result; among equals the
    last, which is the one a model means after thinking aloud. Without fences, lines of prose before and after the code
    are dropped. A program that was cut off, or that is no Python, is given back as it stands, so that running it tells
    what is wrong. The dialects of the public data set are left alone (`SimpleNamespace as Measures`, classes, `math`
    in the middle, `show_object`); only a missing `import cadquery as cq` is added.
    """
    text = _plain(answer)
    pieces = list(_fenced(text)) or [_unfenced(text)]
    found = [(_score(piece), number, piece) for number, piece in enumerate(pieces) if piece.strip()]
    if not found:
        return None
    score, _, program = max(found)
    if score == 0:
        return None
    return _with_import(program.strip("\n") + "\n")


def as_program(answer: str) -> str:
    """Return the program in an answer, or a comment that says there was none and what was said instead."""
    program = extract_program(answer)
    if program is not None:
        return program
    said = _plain(answer).strip()[:_KEPT_PROSE]
    return NOT_A_PROGRAM + "".join(f"# {line}\n" for line in said.splitlines())


def ends_with_program(answer: str) -> bool:
    """Say whether a growing answer holds a whole program already, so that nothing more need be written.

    Only a closed fence around CadQuery code ends one for certain; bare code may always go on.
    """
    fences = list(_FENCE.finditer(answer))
    if len(fences) < 2:
        return False
    inside = answer[fences[-2].end() : fences[-1].start()]
    return len(fences) % 2 == 0 and fences[-1].end() < len(answer) and _score(_tidy(inside)) >= 4


def without_broken_end(source: str) -> str | None:
    """Drop lines from the end until the program parses: what a cut-off program was sure of; None if nothing is left.

    A dropped tail longer than half of the program is no tail.
    """
    lines = source.rstrip("\n").split("\n")
    for kept in range(len(lines), len(lines) // 2, -1):
        shorter = "\n".join(lines[:kept]).rstrip() + "\n"
        if _parses(shorter):
            return shorter if _CADQUERY.search(shorter) else None
    return None


def without_last_line(source: str) -> str | None:
    """Drop the last line, and what does not parse without it; None if nothing that models is left."""
    shorter = without_broken_end(source.rstrip("\n").rpartition("\n")[0])
    return shorter if shorter and _CALLS_CADQUERY.search(shorter) else None


def _plain(answer: str) -> str:
    text = answer.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").lstrip("\ufeff")
    if "</think>" in text:
        text = text.rsplit("</think>", 1)[1]
    elif text.lstrip().startswith("<think>"):
        # thoughts that were cut off hold no answer, but perhaps drafts in fences
        text = text.lstrip()[len("<think>") :]
    return _CHAT_TOKEN.sub("", text)


def _fenced(text: str) -> Iterator[str]:
    """List what stands between fences; an unclosed last fence holds the rest of the text."""
    fences = list(_FENCE.finditer(text))
    opened: re.Match[str] | None = None
    for fence in fences:
        if opened is None:
            opened = fence
        elif fence.group(1)[0] == opened.group(1)[0] and not fence.group(2):
            if opened.group(2).lower() not in _OTHER_LANGUAGES:
                yield _tidy(text[opened.end() : fence.start()])
            opened = None
    if opened is not None and opened.group(2).lower() not in _OTHER_LANGUAGES:
        rest = _tidy(text[opened.end() :])
        # a lone closing fence: the model went on from a fence that the prompt had opened
        yield rest if rest.strip() else _unfenced(text[: opened.start()])


def _unfenced(text: str) -> str:
    """Keep the lines from the first that looks like code to the last with which they parse."""
    whole = _tidy(text)
    if _parses(whole):
        return whole
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _CODE_LINE.match(line)]
    for start in starts[:40]:
        code = _tidy("\n".join(lines[start:]))
        shorter = without_broken_end(code)
        if shorter is not None and _score(shorter) >= 4:
            return shorter
    # nothing parses: from the first import on, as it stands
    first = next((n for n in starts if lines[n].lstrip().startswith(("import ", "from "))), None)
    return "" if first is None else _tidy("\n".join(lines[first:]))


def _tidy(code: str) -> str:
    code = textwrap.dedent(code.strip("\n").expandtabs(4))
    if not _parses(code):
        straight = code.translate(_TYPOGRAPHY)
        return straight if _parses(straight) or not code.isascii() else code
    return code


def _score(code: str) -> int:
    """Rate how much a text is a program: parsing and CadQuery count most, then a result."""
    if not code.strip():
        return 0
    speaks = bool(_CADQUERY.search(code))
    return 4 * (speaks and _parses(code)) + 2 * speaks + bool(_RESULT.search(code))


def _parses(code: str) -> bool:
    try:
        return bool(parse(code).body)
    # a deep nest of brackets overflows the parser, a lone surrogate the encoder
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _with_import(code: str) -> str:
    bound = re.search(r"^[ \t]*(?:import cadquery as cq|from cadquery import|import cadquery)\b", code, re.MULTILINE)
    needs = re.search(r"\bcq\.", code) and not re.search(r"^[ \t]*import cadquery as cq\b", code, re.MULTILINE)
    if bound is None or needs:
        return "import cadquery as cq\n" + code if re.search(r"\bcq\b", code) else code
    return code
