"""The block of named dimensions on top of a program, and levels that are written as sums of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cad_pipeline.generators.geometric.numbers import text
from cad_pipeline.values import Parameter

__all__ = ["Levels", "ParameterBook", "is_zero"]

MOST_PARAMETERS = 12


def is_zero(value: float) -> bool:
    """Whether a length is nothing, at the precision with which programs are written."""
    return abs(value) < 5e-8


@dataclass
class ParameterBook:
    """Names values once; equal values of one role share a name. When the block is full, values are written out."""

    most: int = MOST_PARAMETERS
    _by_key: dict[tuple[str, str], str] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)
    derived: list[tuple[str, str]] = field(default_factory=list)

    def derive(self, name: str, expression: str) -> str:
        """Name a sum of parameters, so that what stands on it reads easily; a number or a single name stays."""
        if " " not in expression or not any(p.name in expression for p in self.parameters):
            return expression
        taken = {p.name for p in self.parameters} | {n for n, _ in self.derived}
        count, base = 2, name
        while name in taken:
            name = f"{base}_{count}"
            count += 1
        self.derived.append((name, expression))
        return name

    def name(self, role: str, what: str, value: float, unit: str = "mm", comment: str = "") -> str:
        """Return an expression for `value`: the name of a parameter `role_what`, or the number itself."""
        written = text(value) if unit != "count" else str(int(value))
        if (role, what + written) in self._by_key:
            return self._by_key[role, what + written]
        if len(self.parameters) >= self.most or is_zero(value):
            return written
        base = name = f"{role}_{what}"
        taken = {p.name for p in self.parameters} | {n for n, _ in self.derived}
        count = 2
        while name in taken:
            name = f"{base}_{count}"
            count += 1
        self._by_key[role, what + written] = name
        self.parameters.append(Parameter(name=name, value=float(written), unit=unit, comment=comment))
        return name

    def inlined(self, statements: list[str]) -> list[str]:
        """Forget sums that no statement needs, put those used only once where they are used; returns the statements."""
        used_by = "\n".join(statements)
        kept: list[tuple[str, str]] = []
        for name, expression in reversed(self.derived):
            if re.search(rf"\b{name}\b", used_by):
                kept.insert(0, (name, expression))
                used_by += "\n" + expression
        self.derived = kept
        for name, expression in list(self.derived):
            word = re.compile(rf"\b{name}\b")
            places = [k for k, text_ in enumerate(statements) for _ in word.findall(text_)]
            others = [k for k, (n, e) in enumerate(self.derived) if n != name and word.search(e)]
            if len(places) + len(others) != 1:
                continue
            self.derived.remove((name, expression))
            if places:
                statements = [*statements]
                statements[places[0]] = _substituted(statements[places[0]], word, expression)
            else:
                self.derived = [(n, _substituted(e, word, expression)) for n, e in self.derived]
        return statements

    def lines(self) -> list[str]:
        """Write the block of assignments, aligned, with units, and the sums below it."""
        if not self.parameters:
            return []
        width = max(len(p.name) for p in self.parameters)
        numbers = [str(int(p.value)) if p.unit == "count" else text(p.value) for p in self.parameters]
        digits = max(len(n) for n in numbers)
        lines = [
            f"{p.name:<{width}} = {n:<{digits}}  # {p.unit}{': ' + p.comment if p.comment else ''}".rstrip()
            for p, n in zip(self.parameters, numbers, strict=True)
        ]
        return [*lines, *(f"{name} = {expression}" for name, expression in self.derived)]


def _substituted(within: str, word: re.Pattern[str], expression: str) -> str:
    """Put an expression in the place of a name, in brackets where its neighbours would tear it apart."""
    found = word.search(within)
    assert found is not None
    before, after = within[: found.start()].rstrip(), within[found.end() :].lstrip()
    alone = (not before or before[-1] in "(,=") and (not after or after[0] in "),")
    # a sum may follow a plus as it is
    open_ = (not before or before[-1] in "(,=+") and (not after or after[0] in "),+-")
    inner = expression if alone or open_ else f"({expression})"
    return within[: found.start()] + inner + within[found.end() :]


@dataclass
class Levels:
    """Expressions for heights along one axis, so that a changed height moves all that stands on it."""

    book: ParameterBook
    _known: list[tuple[float, str]] = field(default_factory=list)
    _rises: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, value: float, expression: str) -> None:
        """Take an expression for a height."""
        self._known.append((value, expression))

    def find(self, value: float) -> str | None:
        """Expression of a known height."""
        return next((e for v, e in self._known if abs(v - value) < 1e-6 * max(1.0, abs(v))), None)

    def span(self, role: str, low: float, high: float) -> tuple[str, str]:
        """Return expressions for `low` and for `high - low`, naming one new height or depth if needed."""
        at_low, at_high = self.find(low), self.find(high)
        if at_low is None and at_high is None:
            at_low = self.book.name(role, "z", low, comment="height above the datum")
            self.learn(low, at_low)
        if at_low is not None and at_high is not None:
            return at_low, self._rises.get((at_low, at_high)) or difference(at_high, at_low)
        if at_low is not None:
            rise = self.book.name(role, "height", high - low)
            at_high = self.book.derive(f"{role}_top", total(at_low, rise))
            self.learn(high, at_high)
            self._rises[at_low, at_high] = rise
            return at_low, rise
        assert at_high is not None
        depth = self.book.name(role, "depth", high - low)
        at_low = difference(at_high, depth)
        self.learn(low, at_low)
        return at_low, depth


def total(a: str, b: str) -> str:
    """Write a sum, without zeros."""
    if _is_zero_text(a):
        return b
    if _is_zero_text(b):
        return a
    return f"{a} - {b[1:]}" if b.startswith("-") and " " not in b else f"{a} + {b}"


def difference(a: str, b: str) -> str:
    """Write a difference; terms of sums that stand on both sides cancel."""
    if _is_zero_text(b):
        return a
    if b.startswith("-") and " " not in b:
        return total(a, b[1:])
    if _is_zero_text(a) and " " not in b:
        return f"-{b}"
    left, right = a.split(" + "), b.split(" + ")
    if " - " not in a + b:
        for term in list(right):
            if term in left:
                left.remove(term)
                right.remove(term)
        if not right:
            return " + ".join(left) if left else "0.0"
        if not left:
            return f"-({' + '.join(right)})" if len(right) > 1 else f"-{right[0]}"
        a, b = " + ".join(left), " + ".join(right)
        return f"{a} - {b}" if len(right) == 1 else f"{a} - ({b})"
    return f"{a} - {b}" if " " not in b else f"{a} - ({b})"


def _is_zero_text(expression: str) -> bool:
    try:
        return is_zero(float(expression))
    except ValueError:
        return False
