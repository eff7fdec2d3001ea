from __future__ import annotations

from collections.abc import Iterator

import pytest

import cad_sandbox.isolation
from cad_sandbox import ForkServerSandbox, Isolation
from cad_sandbox.conformance import LIMITS, Field, field


@pytest.fixture(scope="session")
def ground() -> Iterator[Field]:
    with field() as laid_out:
        yield laid_out


@pytest.fixture(scope="session")
def sandbox(ground: Field) -> Iterator[ForkServerSandbox]:
    """The sandbox as it comes: strict, with bubblewrap where that works."""
    with ForkServerSandbox(LIMITS) as made:
        yield made


@pytest.fixture(scope="session")
def bare_sandbox(ground: Field) -> Iterator[ForkServerSandbox]:
    """Strict without bubblewrap, as in most containers: the inner walls alone must hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cad_sandbox.isolation, "bubblewrap_works", lambda: "left out for this test")
        with ForkServerSandbox(LIMITS, Isolation.STRICT) as made:
            yield made
