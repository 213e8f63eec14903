"""Every layer of the table: its backward pass is the derivative of its forward pass, on every backend.

Twice over: by central differences, and by PyTorch's autograd of the same function written in PyTorch.
"""

import dataclasses

import numpy as np
import pytest
from cases import LAYER_CASES, LayerCase
from closeness import assert_close, relative_difference
from differences import central_differences
from networks import unregistered

import bpx
from bpx.layers import ACTIVATIONS, LAYERS, Layer

every_layer = pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)


def _inputs(case: LayerCase, generator):
    """Return x, params, state and dy, in float64."""
    x, params, state = case.x(generator), case.params(generator), case.state(generator)
    y, _ = _numpy_forward(case, x, params, state)
    return x, params, state, generator.normal(size=y.shape)


def _numpy_forward(case, x, params, state):
    xp = bpx.get_backend("numpy").xp
    return case.layer.forward(xp, params, x, case.context(state))


def assert_backward_is_the_derivative(case: LayerCase, layer: Layer, backend, generator):
    """Compare a layer's backward pass with central differences of its forward pass.

    Both on the backend in float64; where that has float32 only, with NumPy's differences in float64.
    """
    x, params, state, dy = _inputs(case, generator)

    def total(moved):
        moved = dict(moved)
        if not backend.has_float64:
            return float(np.sum(_numpy_forward(case, moved.pop("x"), moved, state)[0] * dy))
        on_device = backend.array(moved.pop("x"))
        y, _ = layer.forward(backend.xp, backend.arrays(moved), on_device, case.context(backend.arrays(state), layer))
        return float(np.sum(backend.numpy(y) * dy))

    with backend.backend.computing():
        expected = central_differences(total, {"x": x, **params})
        context = case.context(backend.arrays(state), layer)
        y, cache = layer.forward(backend.xp, backend.arrays(params), backend.array(x), context)
        dx, grads = layer.backward(backend.xp, backend.arrays(params), cache, backend.array(dy))
    assert_close(backend, y, _numpy_forward(case, x, params, state)[0], backend.either(1e-12, 1e-5))
    assert_close(backend, {"x": dx, **grads}, expected, backend.either(1e-6, 1e-5))


@every_layer
def test_backward_agrees_with_central_differences(case, backend, generator):
    assert_backward_is_the_derivative(case, case.layer, backend, generator)


@every_layer
def test_forward_and_backward_agree_with_pytorch(case, backend, generator, torch):
    x, params, state, dy = _inputs(case, generator)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in params.items()}
    leaf = torch.tensor(x, requires_grad=True)
    theirs = case.reference(torch, tensors, leaf, {name: torch.tensor(array) for name, array in state.items()})
    theirs.backward(torch.tensor(dy))

    with backend.backend.computing():
        context = case.context(backend.arrays(state))
        y, cache = case.layer.forward(backend.xp, backend.arrays(params), backend.array(x), context)
        dx, grads = case.layer.backward(backend.xp, backend.arrays(params), cache, backend.array(dy))
    rtol = backend.either(1e-10, 1e-5)
    assert_close(backend, y, theirs.detach().numpy(), rtol)
    assert_close(backend, dx, leaf.grad.numpy(), rtol)
    assert_close(backend, grads, {name: tensor.grad.numpy() for name, tensor in tensors.items()}, rtol)


@every_layer
def test_without_the_gradient_of_the_input_those_of_the_parameters_are_the_same(case, backend, generator):
    x, params, state, dy = _inputs(case, generator)
    with backend.backend.computing():
        context = case.context(backend.arrays(state))
        _, cache = case.layer.forward(backend.xp, backend.arrays(params), backend.array(x), context)
        _, grads = case.layer.backward(backend.xp, backend.arrays(params), cache, backend.array(dy))
        _, cache = case.layer.forward(backend.xp, backend.arrays(params), backend.array(x), context)
        _, alone = case.layer.backward(
            backend.xp, backend.arrays(params), cache, backend.array(dy), input_gradient=False
        )
    assert_close(backend, alone, {name: backend.numpy(g) for name, g in grads.items()}, 0.0)


@every_layer
def test_both_passes_keep_the_precision_and_write_into_no_input(case, backend, generator):
    x, params, state, dy = _inputs(case, generator)
    with backend.backend.computing():
        arrays = [backend.arrays(part, "float32") for part in (params, state, {"x": x, "dy": dy})]
        mine, running, io = arrays
        before = [{name: backend.numpy(array).copy() for name, array in part.items()} for part in arrays]
        context = case.context(running)
        y, cache = case.layer.forward(backend.xp, mine, io["x"], context)
        dx, grads = case.layer.backward(backend.xp, mine, cache, io["dy"])
        after = [{name: backend.numpy(array) for name, array in part.items()} for part in arrays]
    for was, now in zip(before, after, strict=True):
        for name in was:
            np.testing.assert_array_equal(now[name], was[name], err_msg=name)
    for got in (y, dx, *grads.values()):
        assert str(got.dtype).endswith("float32")
    assert relative_difference(backend.numpy(y), _numpy_forward(case, x, params, state)[0]) < 1e-5


@pytest.mark.parametrize("part", ["input", "parameters"])
@every_layer
def test_a_slightly_wrong_backward_pass_is_caught(case, part, on_numpy, generator):
    if (part == "parameters" and not case.layer.param_names) or (part == "input" and not case.has_slopes):
        wrong = _Wrong(case.layer, "input", factor=1.0, offset=1e-4)
    else:
        wrong = _Wrong(case.layer, part, factor=1.00001, offset=0.0)
    with pytest.raises(AssertionError):
        assert_backward_is_the_derivative(case, wrong, on_numpy, generator)


@pytest.mark.parametrize("mistake", ["forgotten factor", "gradient everywhere", "bias of one sample"])
def test_the_classic_mistakes_are_caught(mistake, backend, generator):
    name, wrong = {
        "forgotten factor": ("Sigmoid", _ForgottenFactor()),
        "gradient everywhere": ("ReLU", _GradientEverywhere()),
        "bias of one sample": ("Linear", _BiasOfOneSample(4, 3)),
    }[mistake]
    (case,) = (case for case in LAYER_CASES if case.name == name)
    with pytest.raises(AssertionError):
        assert_backward_is_the_derivative(case, wrong, backend, generator)


def test_every_layer_of_bpx_is_in_the_table():
    ours = {cls for cls in LAYERS.values() if cls.__module__.startswith("bpx.")}
    assert {type(case.layer) for case in LAYER_CASES} == ours
    assert set(ACTIVATIONS.values()) <= ours
    assert len({case.name for case in LAYER_CASES}) == len(LAYER_CASES)


def test_the_inputs_of_the_table_are_off_the_kinks(generator):
    for case in LAYER_CASES:
        if isinstance(case.layer, (bpx.ReLU, bpx.LeakyReLU)):
            assert np.abs(case.x(generator)).min() >= 0.1


@dataclasses.dataclass(frozen=True)
class _Wrong:
    """A layer whose backward pass is a little off in one part."""

    layer: Layer
    part: str
    factor: float
    offset: float

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def backward(self, xp, params, cache, dy):
        dx, grads = self.layer.backward(xp, params, cache, dy)
        if self.part == "input":
            return dx * self.factor + self.offset, grads
        return dx, {name: g * self.factor for name, g in grads.items()}


@unregistered
class _ForgottenFactor(bpx.Sigmoid):
    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return dy * cache, {}


@unregistered
class _GradientEverywhere(bpx.ReLU):
    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return dy, {}


@unregistered
class _BiasOfOneSample(bpx.Linear):
    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        dx, grads = super().backward(xp, params, cache, dy)
        return dx, {**grads, "bias": dy[0, :]}
