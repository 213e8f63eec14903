"""What a backend does where it says nothing of its own."""

from types import SimpleNamespace

import numpy as np
import pytest

from bpx.backend.base import Backend, name_dtype

FAULTS = {"nan": [np.nan], "infinity": [np.inf], "both infinities": [np.inf, -np.inf]}


@pytest.mark.parametrize("place", [0, 7, -2])
@pytest.mark.parametrize("fault", FAULTS)
def test_nan_and_infinity_are_found_wherever_they_are(fault, place, backend):
    data = np.linspace(-1.0, 1.0, 24)
    assert backend.backend.all_finite(backend.array(data.reshape(6, 4)))
    data[place : place + len(FAULTS[fault]) or None] = FAULTS[fault]
    with backend.backend.computing():
        assert not backend.backend.all_finite(backend.array(data.reshape(6, 4)))


def test_finite_numbers_whose_sum_overflows_are_finite(backend):
    largest = np.finfo(backend.dtype).max
    with backend.backend.computing():
        assert backend.backend.all_finite(backend.array(np.full((3, 4), largest)))
        assert backend.backend.all_finite(backend.array(np.full((3, 4), -largest)))


def test_data_is_read_once_by_a_sum_of_the_whole_array():
    """Not by a product of two vectors: CuPy makes that in a single block of threads."""
    called = []

    def note(name):
        def function(*arguments):
            called.append(name)
            return getattr(np, name)(*arguments)

        return function

    functions = SimpleNamespace(**{name: note(name) for name in ("sum", "vecdot", "matmul", "isfinite", "all")})
    array = np.ones((4, 3))
    assert Backend.all_finite(SimpleNamespace(xp=functions), array)
    assert called == ["sum"]
    array[2, 1] = np.nan
    assert not Backend.all_finite(SimpleNamespace(xp=functions), array)
    assert called == ["sum", "sum", "isfinite", "all"]


def test_dtypes_of_two_libraries_that_hash_alike_are_not_compared():
    class Dtype:
        def __init__(self, name):
            self.name = name

        def __hash__(self):
            return 1

        def __eq__(self, other):
            assert type(other) is Dtype
            return self.name == other.name

        def __str__(self):
            return f"library.{self.name}"

    class Other(Dtype):
        def __eq__(self, other):
            raise AssertionError("compared with another library's")

        __hash__ = Dtype.__hash__

    for _ in range(2):
        assert name_dtype(SimpleNamespace(dtype=Dtype("float32"))) == "float32"
        assert name_dtype(SimpleNamespace(dtype=Dtype("float64"))) == "float64"
    assert name_dtype(SimpleNamespace(dtype=Other("int8"))) == "int8"


def test_a_dtype_that_does_not_hash_has_a_name_too():
    class Dtype:
        __hash__ = None

        def __str__(self):
            return "float32"

    assert name_dtype(SimpleNamespace(dtype=Dtype())) == "float32"
