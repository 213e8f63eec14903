"""Functions of elements as one pass: with a stand-in for `cupy.fuse`, and with its own tracing, which needs no GPU."""

import numpy as np
import pytest
from cases import LAYER_CASES

import bpx
from bpx.backend.fused import Fused
from bpx.core.fusion import Activate, Differentiate
from bpx.formulas import find_declared
from bpx.layers.base import COMPUTING

ELEMENTWISE = [case for case in LAYER_CASES if find_declared(type(case.layer), "elementwise", *COMPUTING)]


class Fuse:
    """As `cupy.fuse`: arrays in, an array or a tuple of arrays out, none of them given and none twice."""

    def __init__(self):
        self.calls = []

    def __call__(self, kernel_name):
        def decorate(function):
            def kernel(*arrays):
                assert all(isinstance(array, np.ndarray) for array in arrays)
                symbols = [array.view() for array in arrays]
                results = function(*symbols)
                self.calls.append(kernel_name)
                for result in results if isinstance(results, tuple) else (results,):
                    assert isinstance(result, np.ndarray)
                    assert not any(result is symbol for symbol in symbols)
                return results

            return kernel

        return decorate


def _out_of_memory(error):
    return isinstance(error, MemoryError)


def test_nested_results_and_given_arrays_come_back_in_their_places():
    x, y = np.asarray([1.0, 2.0]), np.asarray([3.0, 4.0])

    def function(pair, c):
        a, b = pair
        total = a + b
        return total, (a, (total, {"product": a * b, "none": None}), c)

    fused = Fused(Fuse(), function, "name", _out_of_memory)
    for shift in range(3):
        total, (first, (again, rest), third) = fused((x + shift, y), y)
        assert again is total
        np.testing.assert_array_equal(total, x + shift + y)
        np.testing.assert_array_equal(first, x + shift)
        np.testing.assert_array_equal(rest["product"], (x + shift) * y)
        assert rest["none"] is None
        assert third is y


def test_it_keeps_no_array_of_a_call():
    fused = Fused(Fuse(), lambda x: x + 1.0, "name", _out_of_memory)
    fused(np.ones(3))
    assert not any(isinstance(part, np.ndarray) for part in (*fused._taken, fused._returned))


def test_what_cannot_be_followed_is_called_as_it_is_and_not_tried_again():
    tried = []

    def refuse(kernel_name):
        def kernel(*arrays):
            tried.append(kernel_name)
            raise TypeError("unsupported")

        return lambda function: kernel

    fused = Fused(refuse, lambda x: x + 1.0, "name", _out_of_memory)
    for _ in range(3):
        np.testing.assert_array_equal(fused(np.ones(2)), [2.0, 2.0])
    assert tried == ["name"]


def test_memory_that_runs_out_and_later_errors_are_not_hidden():
    errors = [MemoryError(), None, RuntimeError("illegal address")]

    def fuse(kernel_name):
        def kernel(x):
            error = errors.pop(0)
            if error:
                raise error
            return made(x)

        def decorate(function):
            nonlocal made
            made = function
            return kernel

        return decorate

    made = None
    fused = Fused(fuse, lambda x: x + 1.0, "name", _out_of_memory)
    with pytest.raises(MemoryError):
        fused(np.ones(2))
    np.testing.assert_array_equal(fused(np.ones(2)), [2.0, 2.0])
    with pytest.raises(RuntimeError, match="illegal address"):
        fused(np.ones(2))


def test_the_activations_are_those_that_take_each_element_by_itself():
    kinds = {type(case.layer).__name__ for case in ELEMENTWISE}
    assert kinds == {"Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Mish", "SELU"}


@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.name)
def test_an_elementwise_layer_does_the_same_to_a_part_of_its_input(case, generator):
    xp, layer = bpx.get_backend("numpy").xp, case.layer
    x = generator.standard_normal((6, 4))
    dy = generator.standard_normal((6, 4))
    y, cache = Activate(layer)(xp, x)
    part, its_cache = Activate(layer)(xp, x[2:3, 1:3])
    np.testing.assert_allclose(part, y[2:3, 1:3], rtol=1e-15)
    dx = Differentiate(layer)(xp, dy, cache)
    np.testing.assert_allclose(Differentiate(layer)(xp, dy[2:3, 1:3], its_cache), dx[2:3, 1:3], rtol=1e-14)


def test_a_layer_of_the_users_that_computes_something_else_is_not_taken_for_its_parent():
    class Centered(bpx.ReLU):
        def forward(self, xp, params, x, context=None):
            return super().forward(xp, params, x - xp.mean(x, axis=0), context)

    assert not find_declared(Centered, "elementwise", *COMPUTING)
    assert find_declared(type("Renamed", (bpx.ReLU,), {}), "elementwise", *COMPUTING)


FOLLOWED = [
    pytest.param(case, what, id=f"{case.name}-{what}")
    for case in ELEMENTWISE
    for what in ("forward", "with bias", "backward")
    if what == "backward" or not isinstance(case.layer, bpx.Softplus)  # its zeros_like is not: it stays as it is
]


@pytest.mark.parametrize(("case", "what"), FOLLOWED)
def test_cupy_can_follow_every_activation(case, what, cupy):
    """`cupy.fuse` traces a function before it asks the device for anything, so that this much is seen without one."""
    import array_api_compat.cupy as xp

    if int(cupy.__version__.partition(".")[0]) < 14:
        pytest.skip("CuPy before 14 asks the device for something before it traces")
    if cupy.cuda.is_available():
        pytest.skip("there is a GPU here, on which these arrays would be read")
    memory = cupy.cuda.UnownedMemory(4096, 1 << 20, None, 0)

    def array(shape, dtype="f"):
        return cupy.ndarray(shape, dtype, memptr=cupy.cuda.MemoryPointer(memory, 0))

    traced = []

    def note(function):
        def trace(*arrays):
            result = function(*arrays)
            traced.append(type(arrays[0]).__name__)
            return result

        return trace

    host = bpx.get_backend("numpy").xp
    x = np.ones((4, 3), "f")
    cache = case.layer.forward(host, {}, x)[1]
    if what == "backward":
        leaves = cache if isinstance(cache, tuple) else (cache,)
        given = [array((4, 3)), *(array((4, 3), leaf.dtype) for leaf in leaves)]

        def function(dy, *cached):
            return Differentiate(case.layer)(xp, dy, cached if isinstance(cache, tuple) else cached[0])

    else:
        given = [array((4, 3)), array((3,))][: 1 + (what == "with bias")]
        layer = case.layer

        def function(*terms):
            return Activate(layer)(xp, *terms)[0]

    fused = cupy.fuse(kernel_name="bpx_activation")(note(function))
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):  # where a GPU would run the kernel
        fused(*given)
    assert traced == ["_FusionVarArray"], "followed at the first try"
