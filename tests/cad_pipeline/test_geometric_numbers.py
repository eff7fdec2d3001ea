"""Round numbers: as short as the tolerance allows, never outside it, and agreed between features."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.generators.geometric.numbers import Lexicon, nice, text
from cad_pipeline.generators.geometric.standard_sizes import hole_name

lengths = st.floats(-1e6, 1e6, allow_nan=False)
tolerances = st.floats(1e-9, 10.0, allow_nan=False)


@given(lengths, tolerances)
def test_a_rounded_number_stays_within_its_tolerance(value, tolerance):
    assert abs(nice(value, tolerance) - value) <= tolerance * (1 + 1e-12)


@given(lengths, tolerances)
def test_rounding_twice_changes_nothing(value, tolerance):
    once = nice(value, tolerance)
    assert nice(once, tolerance / 100) == pytest.approx(once, abs=tolerance / 100)


@given(st.integers(-100_000, 100_000), st.floats(-0.9, 0.9))
def test_a_designed_number_comes_back_exactly_out_of_the_noise(hundredths, noise):
    designed = hundredths / 100
    assert nice(designed + noise * 1e-4, 1e-4) == designed


@pytest.mark.parametrize(
    ("value", "tolerance", "expected"),
    [
        (19.99996, 1e-4, 20.0),
        (6.35, 1e-4, 6.35),
        (3.17501, 1e-4, 3.175),
        (-0.00003, 1e-4, 0.0),
        (0.125, 1e-6, 0.125),
    ],
)
def test_rounding_takes_the_fewest_decimals(value, tolerance, expected):
    assert nice(value, tolerance) == expected


def test_nothing_is_written_without_a_minus():
    assert text(nice(-1e-9, 1e-6)) == "0.0"
    assert text(-0.0) == "0.0"


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_a_written_number_is_a_float_literal_of_eight_digits(value):
    written = text(value)
    literal = ast.literal_eval(written)
    assert isinstance(literal, float)
    assert literal == pytest.approx(value, rel=1e-6, abs=1e-7)
    assert len(written.lstrip("-0.").replace(".", "")) <= 14


@pytest.mark.parametrize(
    ("value", "expected"), [(5.0, "5.0"), (0.5, "0.5"), (-12.25, "-12.25"), (1234.5, "1234.5"), (0.1 + 0.2, "0.3")]
)
def test_numbers_are_written_without_trailing_zeros(value, expected):
    assert text(value) == expected


def test_a_lexicon_makes_close_values_one():
    lexicon = Lexicon.from_samples([10.00001, 9.99999, 10.0, 25.0, 25.00002], tolerance=1e-3, rounding=1e-4)
    assert lexicon.snap(10.0004) == 10.0
    assert lexicon.snap(9.9996) == 10.0
    assert lexicon.snap(25.0003) == 25.0
    assert lexicon.snap(17.3) == 17.3, "a value that is far from all known ones stays itself"
    assert lexicon.snap(17.3004) == 17.3, "and is known from then on"


def test_a_lexicon_leaves_rare_samples_alone():
    lexicon = Lexicon.from_samples([1.0, 1.0, 2.0], tolerance=0.01, rounding=1e-6, least=2)
    assert lexicon.snap(1.004) == 1.0
    assert lexicon.snap(2.004) == 2.004, "one sample is no agreement"


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_what_a_lexicon_agrees_does_not_depend_on_the_order_of_samples(tenths, random):
    samples = [t / 10 + random.uniform(-1e-5, 1e-5) for t in tenths]
    shuffled = random.sample(samples, len(samples))
    one, two = (Lexicon.from_samples(s, tolerance=1e-3, rounding=1e-4) for s in (samples, shuffled))
    assert [one.snap(t / 10) for t in tenths] == [two.snap(t / 10) for t in tenths] == [t / 10 for t in tenths]


@pytest.mark.parametrize(
    ("diameter", "blind", "name"),
    [
        (5.5, False, "clearance of M5, medium"),
        (3.2, False, "clearance of M3, fine"),
        (9.0, False, "clearance of M8, medium"),
        (4.2, True, "tap drill of M5"),
        (6.8, False, "tap drill of M8"),
        (5.0, True, "tap drill of M6"),
        (17.5, True, "tap drill of M20"),
        (17.5, False, "clearance of M16, medium"),
        (5.0, False, ""),
        (10.0, False, ""),
        (5.51, False, ""),
    ],
)
def test_only_what_is_a_screws_own_is_called_so(diameter: float, blind: bool, name: str) -> None:
    assert hole_name(diameter, blind=blind) == name
