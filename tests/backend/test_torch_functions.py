"""PyTorch's own functions in place of the compatibility layer's: the same results, and no number is moved twice."""

from types import SimpleNamespace

import numpy as np
import pytest
from cases import LAYER_CASES, LOSS_CASES

import bpx
from bpx.backend.torch_functions import MOST_ONES, RowSums, shorter_functions

torch = pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_numbers_beside_tensors_give_what_numpy_gives(dtype):
    functions = shorter_functions(torch)
    x = torch.tensor([-2, 0, 3], dtype=dtype)
    for name, numpy_function in (("maximum", np.maximum), ("minimum", np.minimum)):
        for first, second in ((x, 1), (1, x), (x, x.flip(0))):
            result = functions[name](first, second)
            assert result.dtype == dtype
            np.testing.assert_array_equal(result, numpy_function(np.asarray(first), np.asarray(second)))
    condition = torch.tensor([True, False, True])
    for first, second in ((x, 1), (1, x), (x, x.flip(0))):
        result = functions["where"](condition, first, second)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, np.where(condition, np.asarray(first), np.asarray(second)))


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_passes_through(name):
    result = shorter_functions(torch)[name](torch.tensor([float("nan"), 1.0]), 0.0)
    assert torch.isnan(result).tolist() == [True, False]


def test_rows_are_taken():
    take, x = shorter_functions(torch)["take"], torch.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(take(x, torch.tensor([3, 0, 3]), axis=0), np.asarray(x)[[3, 0, 3]])
    np.testing.assert_array_equal(take(x[0, :], torch.tensor([2])), [2.0])
    with pytest.raises(ValueError, match="axis must be given"):
        take(x, torch.tensor([0]))


class _NoTransfers(torch.overrides.TorchFunctionMode):
    """Fails where a Python number or a NumPy array becomes a tensor: on a GPU that waits, and cannot be recorded."""

    FORBIDDEN = ("asarray", "tensor", "as_tensor", "scalar_tensor", "from_numpy")

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", str(function))
        if name in self.FORBIDDEN and not isinstance(args[0], torch.Tensor):
            raise AssertionError(f"torch.{name}({args[0]!r}) in a training step")
        if name == "where" and not all(isinstance(argument, torch.Tensor) for argument in args):
            raise AssertionError("torch.where with a number in a training step")
        return function(*args, **(kwargs or {}))


def _step(layers, loss, targets, **options):
    """Make three steps of training, the last two of them watched."""
    net = bpx.Network(layers, loss=loss, backend="torch")
    x = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    body = {}
    original = type(net.backend).loop

    def watched(backend, function, pure):
        def step(carry, data, inputs):
            if body.setdefault("calls", 0) == 0:
                body["calls"] = 1
                return function(carry, data, inputs)
            with _NoTransfers():
                body["calls"] += 1
                return function(carry, data, inputs)

        return original(backend, step, pure)

    patch = pytest.MonkeyPatch()
    with patch.context() as within:
        within.setattr(type(net.backend), "loop", watched)
        net.fit(x, targets, epochs=3, **options)
    assert body["calls"] == 3


WEIGHTS = {"sample_weight": np.linspace(0.5, 1.5, 12)}
LIMITS = {"clip": bpx.ClipValue(0.1), "penalties": [bpx.L1(0.01), bpx.L2(0.01)]}


@pytest.mark.parametrize("options", [{}, WEIGHTS, LIMITS, {"clip": bpx.ClipNorm(1.0)}], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_step_moves_nothing_to_the_device(optimizer, options):
    layers = [
        bpx.Linear(3, 4), bpx.LayerNorm(4), bpx.ReLU(), bpx.Linear(4, 4), bpx.BatchNorm(4), bpx.Tanh(),
        bpx.Dropout(0.5), bpx.Linear(4, 2),
    ]  # fmt: skip
    _step(layers, "cross_entropy", np.arange(12) % 2, optimizer=optimizer, **options)


def _twice(work):
    """Do something once, in which constants are moved, and once more, watched."""
    work()
    with torch.no_grad(), _NoTransfers():
        work()


@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_no_layer_moves_anything_to_the_device(case, generator):
    place = bpx.get_backend("torch")
    x = place.asarray(case.x(generator))
    params, state = (
        {name: place.asarray(array) for name, array in part.items()}
        for part in (case.params(generator), case.state(generator))
    )

    def work():
        context = case.context(state)
        y, cache = case.layer.forward(place.xp, params, x, context)
        case.layer.backward(place.xp, params, cache, y)
        if case.layer.stateful and case.mode == "training":
            case.layer.next_state(place.xp, context, cache)

    _twice(work)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", LOSS_CASES, ids=lambda case: case.name)
def test_no_loss_moves_anything_to_the_device(case, weighted, generator):
    place = bpx.get_backend("torch")
    z = case.z(generator)
    y, z = place.asarray(case.targets(generator, z)), place.asarray(z)
    weight = place.asarray(np.linspace(0.5, 1.5, len(z))) if weighted else None

    def work():
        _, cache = case.loss.forward(place.xp, z, y, weight)
        case.loss.backward(place.xp, cache)

    _twice(work)


class _Watched(RowSums):
    """Sums by PyTorch on the CPU; notes which way each was made."""

    def __init__(self, recording=False):
        cuda = SimpleNamespace(is_current_stream_capturing=lambda: recording)
        names = ("float32", "float64", "ones", "get_float32_matmul_precision")
        library = SimpleNamespace(cuda=cuda, matmul=self._multiply, **{name: getattr(torch, name) for name in names})
        super().__init__(library, self._sum)
        self.log = []

    def _multiply(self, a, b):
        self.log.append("product")
        return torch.matmul(a, b)

    def _sum(self, x, **options):
        self.log.append("sum")
        return torch.asarray(np.sum(np.asarray(x), **options))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 31, 32, 33])
def test_on_cuda_a_sum_over_the_rows_is_a_product_with_ones(rows, dtype, keepdims, generator):
    x, sums = torch.asarray(generator.integers(-9, 9, (rows, 5)).astype(dtype)), _Watched()
    for _ in range(2):
        total = sums(x, axis=0, keepdims=keepdims)
        np.testing.assert_array_equal(total, np.sum(np.asarray(x), axis=0, keepdims=keepdims))
        assert total.dtype == x.dtype
    assert sums.log == ["product"] * 2
    assert len(sums._ones) == 1, "ones are kept"


OTHER_SUMS = {
    "over the columns": (torch.ones((3, 4)), {"axis": 1}),
    "over all": (torch.ones((3, 4)), {}),
    "of a vector": (torch.ones(3), {"axis": 0}),
    "of whole numbers": (torch.ones((3, 4), dtype=torch.int64), {"axis": 0}),
    "of nothing": (torch.ones((3, 0)), {"axis": 0}),
    "of too many rows": (torch.ones((MOST_ONES + 1, 1)), {"axis": 0}),
}


@pytest.mark.parametrize("kind", OTHER_SUMS)
def test_other_sums_are_pytorchs(kind):
    x, options = OTHER_SUMS[kind]
    sums = _Watched()
    np.testing.assert_array_equal(sums(x, **options), np.sum(np.asarray(x), **options))
    assert sums.log == ["sum"]


def test_where_products_are_rounded_or_a_step_is_recorded_a_sum_is_none():
    sums = _Watched(recording=True)
    sums(torch.ones((3, 4)), axis=0)
    assert sums.log == ["sum"], "ones made now would be filled by the recording alone"
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        sums = _Watched()
        sums(torch.ones((3, 4)), axis=0)
    finally:
        torch.set_float32_matmul_precision(before)
    assert sums.log == ["sum"]
