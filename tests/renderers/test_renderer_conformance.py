"""Every renderer that works on this machine satisfies the whole suite; the reference always does."""

from functools import cache

import pytest

from cad_renderers import probe_renderers, renderer_named
from cad_renderers.conformance import CHECKS, SLOW_CHECKS


@cache
def _probes() -> dict[str, str]:
    """Reasons why a renderer can't be used, by name; empty if it can. Tried once, in child processes."""
    return {probe.name: "" if probe.works else str(probe) for probe in probe_renderers()}


@pytest.fixture(autouse=True, scope="module")
def _own_memory(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", ["software", "pyrender", "vtk"])
def test_renderer_conforms(name: str, check) -> None:
    if name != "software" and (reason := _probes()[name]):
        pytest.skip(reason)
    check(renderer_named(name))


@pytest.mark.slow
@pytest.mark.parametrize("check", SLOW_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", ["software", "pyrender", "vtk"])
def test_renderer_conforms_at_length(name: str, check) -> None:
    test_renderer_conforms(name, check)
