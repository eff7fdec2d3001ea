"""Compiled code works where no cache folder can be written, in memory only."""

import numba
import pytest

from cad_renderers.compiled import compiled


def test_a_missing_cache_folder_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = numba.njit
    asked = []

    def without_folder(*functions, **options):
        if "error_model" in options:  # numba's own modules come this way, too
            asked.append(options.get("cache", False))
            if options.get("cache"):
                raise RuntimeError("cannot cache function: no locator available")
        return honest(*functions, **options)

    monkeypatch.setattr(numba, "njit", without_folder)
    double = compiled(lambda x: 2 * x)
    assert double(21) == 42
    assert asked == [True, False]
