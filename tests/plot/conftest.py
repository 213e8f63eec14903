"""Every test of the plots draws without a display and leaves no figure open."""

import importlib
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _without_a_display() -> Iterator[None]:
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError:
        pytest.skip("matplotlib is not installed")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    yield
    pyplot.close("all")
