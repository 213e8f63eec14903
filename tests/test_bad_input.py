"""Bad input: each kind gives one clear error, of one class, before any work is done."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from closeness import assert_same_bits
from networks import left_by_training, noisy

import bpx
from bpx.core.samples import CHECKED_ON_HOST
from bpx.errors import UnknownArgumentError

X, Y = np.linspace(-1.0, 1.0, 24).reshape(6, 4), np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[Y]


def _but(array: np.ndarray, value: float, index: Any = 3) -> np.ndarray:
    """Return an array with one element replaced."""
    changed = array.astype(np.float64)
    changed[index if changed.ndim == 1 else (index, 1)] = value
    return changed


@dataclass
class Bad:
    """A call that must fail: what is wrong with the arguments of ``fit(x, y, epochs=2)``, and what the error says."""

    name: str
    says: str
    arguments: dict[str, Any]
    loss: str = "cross_entropy"
    of_fit: str = ""
    """What the error of ``fit`` says, where that differs: it takes iterables of batches too."""


DATA = [
    Bad("x of rank 1", r"x must have shape (samples, 4), got (4,); a single sample is x[None, :]", {"x": X[0]}),
    Bad("x of rank 3", "x must have shape (samples, 4), got (6, 2, 2)", {"x": X.reshape(6, 2, 2)}),
    Bad("x of rank 0", "x must have shape (samples, 4), got ()", {"x": 3.0}),
    Bad(
        "too few features", "x must have shape (samples, 4), got (6, 3): the network takes 4 features", {"x": X[:, :3]}
    ),
    Bad("too many features", "x must have shape (samples, 4), got (6, 8)", {"x": np.ones((6, 8))}),
    Bad("no samples", "x is empty: shape (0, 4)", {"x": X[:0], "y": Y[:0]}),
    Bad("no features", "x must have shape (samples, 4), got (6, 0)", {"x": X[:, :0]}),
    Bad("an empty list", "x must have shape (samples, 4), got (0,)", {"x": []}),
    Bad("NaN in x", "x holds 1 value that is NaN or infinite", {"x": _but(X, np.nan)}),
    Bad("infinity in x", "x holds 1 value that is NaN or infinite", {"x": _but(X, -np.inf)}),
    Bad("much NaN in x", "NaN or infinite (as float32); remove or replace these values first", {"x": X * np.nan}),
    Bad("x too large for float32", "x holds 1 value that is NaN or infinite (as", {"x": _but(X, 1e300)}),
    Bad("x missing", "x is missing: got None", {"x": None}),
    Bad("x of text", "x must hold real numbers, got dtype <U1", {"x": [["a", "b", "c", "d"]] * 6}),
    Bad("x of objects", "x must hold numbers, got objects", {"x": np.array([[object()] * 4] * 6)}),
    Bad("x complex", "x must hold real numbers, got dtype complex128", {"x": X + 1j}),
    Bad(
        "x of dates", "x must hold real numbers, got dtype datetime64[D]", {"x": np.full((6, 4), "2024-01-01", "M8[D]")}
    ),
    Bad("ragged x", "expected an array of numbers, got list", {"x": [[1.0, 2.0, 3.0, 4.0], [1.0]]}),
    Bad("y too short", "y must have one row for each of the 6 samples of x, got 5", {"y": Y[:5]}),
    Bad("y too long", "y must have one row for each of the 6 samples of x, got 12", {"y": np.tile(Y, 2)}),
    Bad("y a number", "y must have one row for each of the 6 samples of x, got a single number", {"y": 1}),
    Bad("y empty", "y must have one row for each of the 6 samples of x, got 0", {"y": []}),
    Bad("y missing", "y is missing: got None", {"y": None}, of_fit="x is a ndarray without targets: give (x, y)"),
    Bad("class too high", "class ids must be from 0 to 2, one for each output of the network; y holds 3", {"y": Y + 1}),
    Bad(
        "class negative", "class ids must be from 0 to 2, one for each output of the network; y holds -1", {"y": Y - 1}
    ),
    Bad("huge class", "class ids must be from 0 to 2", {"y": np.where(Y == 2, 2**40, Y)}),
    Bad(
        "float classes",
        "class ids must be whole numbers of an integer dtype, got float64; use y.astype(int)",
        {"y": Y * 1.0},
    ),
    Bad("text classes", "y must hold real numbers, got dtype <U3", {"y": ["cat", "dog", "cow"] * 2}),
    Bad("too few columns", "y must have shape (6, 3), as the network's outputs do, got (6, 2)", {"y": ONE_HOT[:, :2]}),
    Bad("no one-hot rows", "cross_entropy takes one-hot rows, or probabilities that sum to 1", {"y": ONE_HOT * 0.5}),
    Bad("negative probability", "cross_entropy takes targets of at least 0, y holds -1", {"y": -ONE_HOT}),
    Bad("NaN in one-hot rows", "y holds 1 value that is NaN or infinite", {"y": _but(ONE_HOT, np.nan)}),
    Bad(
        "y of rank 3",
        "y must have shape (6, 3), as the network's outputs do, got (6, 3, 1)",
        {"y": ONE_HOT[:, :, None]},
    ),
    Bad("a vector for three outputs", "y must have shape (6, 3)", {"y": Y * 1.0}, "squared_error"),
    Bad("NaN in y", "y holds 1 value that is NaN or infinite", {"y": _but(ONE_HOT, np.nan)}, "squared_error"),
    Bad("infinity in y", "y holds 1 value that is NaN or infinite", {"y": _but(ONE_HOT, np.inf)}, "huber"),
    Bad(
        "yes or no above 1",
        "binary_cross_entropy takes targets from 0 to 1, y holds 2",
        {"y": ONE_HOT * 2},
        "binary_cross_entropy",
    ),
    Bad(
        "yes or no below 0",
        "binary_cross_entropy takes targets of at least 0, y holds -1",
        {"y": -ONE_HOT},
        "binary_cross_entropy",
    ),
    Bad("negative counts", "poisson takes targets of at least 0, y holds -1", {"y": -ONE_HOT}, "poisson"),
    Bad(
        "weights too few",
        "sample_weight must have shape (6,), one for each sample, got (5,)",
        {"sample_weight": np.ones(5)},
    ),
    Bad(
        "weights of rank 2",
        "sample_weight must have shape (6,), one for each sample, got (6, 1)",
        {"sample_weight": np.ones((6, 1))},
    ),
    Bad("negative weights", "sample_weight must be at least 0 everywhere", {"sample_weight": _but(np.ones(6), -1.0)}),
    Bad(
        "NaN in weights",
        "sample_weight holds 1 value that is NaN or infinite",
        {"sample_weight": _but(np.ones(6), np.nan)},
    ),
    Bad(
        "weights all 0",
        "sample_weight is 0 for every sample: there is nothing to learn from",
        {"sample_weight": np.zeros(6)},
    ),
    Bad("weights of text", "sample_weight must hold real numbers", {"sample_weight": ["a"] * 6}),
]

SETTINGS = [
    Bad("no epochs", "epochs must be at least 1, got 0", {"epochs": 0}),
    Bad("negative epochs", "epochs must be at least 1, got -3", {"epochs": -3}),
    Bad("half an epoch", "epochs must be a whole number, got 2.5", {"epochs": 2.5}),
    Bad("epochs of text", "epochs must be a whole number, got '2'", {"epochs": "2"}),
    Bad("batches of nothing", "batch_size must be at least 1, got 0", {"batch_size": 0}),
    Bad("negative batches", "batch_size must be at least 1, got -8", {"batch_size": -8}),
    Bad("half a sample", "batch_size must be a whole number, got 0.5", {"batch_size": 0.5}),
    Bad(
        "unknown optimizer",
        "unknown optimizer 'adm'; did you mean 'adam'? Valid: 'adam', 'adamw'",
        {"optimizer": "adm"},
    ),
    Bad("a class for an optimizer", "an optimizer is a name or an Optimizer, got <class", {"optimizer": bpx.Adam}),
    Bad("no optimizer", "an optimizer is a name or an Optimizer, got None", {"optimizer": None}),
    Bad("unknown metric", "unknown metric 'acuracy'; did you mean 'accuracy'?", {"metrics": ["acuracy"]}),
    Bad("a number for a callback", "a callback is", {"callbacks": [3]}),
    Bad("a class for a callback", "a callback is", {"callbacks": [bpx.Callback]}),
    Bad("a number for a penalty", "penalties are bpx.L1 or bpx.L2, got", {"penalties": [0.1]}),
    Bad("a number for a limit", "clip is bpx.ClipValue, bpx.ClipNorm or None, got 1.0", {"clip": 1.0}),
    Bad("validation without y", "validation_data must be (x, y) or (x, y, sample_weight)", {"validation_data": (X,)}),
    Bad("validation as a name", "validation_data is a str without targets: give (x, y)", {"validation_data": "ab"}),
    Bad(
        "validation of another width", "x must have shape (samples, 4), got (6, 3)", {"validation_data": (X[:, :3], Y)}
    ),
    Bad("NaN in the validation data", "x holds 1 value that is NaN", {"validation_data": (_but(X, np.nan), Y)}),
    Bad("unknown classes to validate on", "class ids must be from 0 to 2", {"validation_data": (X, Y + 5)}),
]

by_name = {"ids": lambda bad: bad.name}


def _refused(net, call, bad: Bad, says: str = ""):
    """Make a call that must fail, and see that it failed clearly and left no trace."""
    before, training = left_by_training(net), net.training
    with pytest.raises(bpx.InputError) as error:
        call()
    assert type(error.value) is bpx.InputError
    assert (says or bad.says) in str(error.value)
    assert "\n" not in str(error.value)
    assert_same_bits(left_by_training(net), before)
    assert net.training is training
    assert net.fit(X, Y if bad.loss == "cross_entropy" else ONE_HOT, epochs=1).epoch == [1]  # as if nothing had been


def _net(loss="cross_entropy"):
    return bpx.mlp([4, 5, 3], loss=loss)


@pytest.mark.parametrize("bad", [*DATA, *SETTINGS], **by_name)
def test_fit_refuses(bad):
    net = _net(bad.loss)
    arguments = {"x": X, "y": Y if bad.loss == "cross_entropy" else ONE_HOT, "epochs": 2, **bad.arguments}
    _refused(net, lambda: net.fit(**arguments), bad, bad.of_fit)


@pytest.mark.parametrize("method", ["gradients", "evaluate"])
@pytest.mark.parametrize("bad", DATA, **by_name)
def test_gradients_and_evaluate_refuse_the_same_data(bad, method):
    net = _net(bad.loss)
    arguments = {"x": X, "y": Y if bad.loss == "cross_entropy" else ONE_HOT, **bad.arguments}
    _refused(net, lambda: getattr(net, method)(**arguments), bad)


@pytest.mark.parametrize("bad", [bad for bad in DATA if "x" in bad.arguments], **by_name)
def test_predict_refuses_the_same_samples(bad):
    net = _net(bad.loss)
    _refused(net, lambda: net.predict(bad.arguments["x"]), bad)


ON_DEVICES = [
    "x of rank 1", "too few features", "no samples", "NaN in x", "infinity in x", "y too short", "class too high",
    "class negative", "float classes", "too few columns", "no one-hot rows", "NaN in y", "negative weights",
    "NaN in weights", "weights all 0", "yes or no above 1",
]  # fmt: skip


@pytest.mark.parametrize("bad", [bad for bad in DATA if bad.name in ON_DEVICES], **by_name)
def test_arrays_on_a_device_are_refused_with_the_same_words(bad, backend):
    net = bpx.mlp([4, 5, 3], loss=bad.loss, dtype=backend.dtype, backend=backend.backend)
    arguments = {"x": X, "y": Y if bad.loss == "cross_entropy" else ONE_HOT, **bad.arguments}
    says = bad.says.replace("float64; use", f"{backend.array(np.ones(1)).dtype}; use")
    with pytest.raises(bpx.InputError) as error:
        net.fit(**{name: backend.array(value) for name, value in arguments.items()}, epochs=2)
    assert says in str(error.value)
    assert net.training is None


@pytest.mark.parametrize("rows", [6, CHECKED_ON_HOST // 4 + 1], ids=["checked on the host", "checked on the device"])
def test_data_of_the_host_is_refused_with_the_same_words(rows, backend):
    net = bpx.mlp([4, 5, 3], dtype=backend.dtype, backend=backend.backend)
    x, y = np.zeros((rows, 4), dtype=backend.dtype), np.zeros(rows, dtype=np.int64)
    x[-1, 2] = np.nan
    for call in (lambda: net.fit(x, y, epochs=1), lambda: net.predict(x)):
        with pytest.raises(bpx.InputError, match=r"x holds 1 value that is NaN or infinite \(as .*float"):
            call()
    assert net.training is None


# -- what is no array of real numbers, or an odd one ------------------------------------------------------


MASKED = np.ma.masked_greater(X, 0.9)

NO_NUMBERS = {
    "masked": (lambda: MASKED, "x has masked values"),
    "rows that are masked": (lambda: list(MASKED), "x has masked values"),
    "masked in lists": (lambda: [list(row) for row in MASKED], "x has masked values"),
    "text as objects": (lambda: X.astype(str).astype(object), "x must hold numbers, got objects: '-1.0' among them"),
    "complex objects": (lambda: X.astype(np.complex64).astype(object), "x must hold numbers, got objects: "),
    "dates as objects": (lambda: np.array([[np.datetime64("2024-01-01")] * 4] * 6, dtype=object), "datetime64"),
    "a whole number without end": (lambda: [[10**400] * 4] * 6, "x must hold numbers, got objects: int too large"),
    "records": (lambda: np.zeros((6, 4), dtype=[("a", "f4")]), "x must hold real numbers, got dtype [('a'"),
}


def _call_all(net, x, y=Y):
    """Return calls that are given samples: all that a person has."""
    return (
        lambda: net.predict(x),
        lambda: net.fit(x, y, epochs=1),
        lambda: net.fit([(x, y)], epochs=1),
        lambda: net.fit(X, Y, epochs=1, validation_data=(x, y)),
        lambda: net.evaluate(x, y),
        lambda: net.gradients(x, y),
        lambda: bpx.check_gradients(net, x, y),
        lambda: bpx.explain(net, x, y),
        lambda: bpx.diagnose(net, x, y),
    )


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_holds_no_real_numbers_is_refused_wherever_it_is_given(name, backend):
    make, says = NO_NUMBERS[name]
    net = bpx.mlp([4, 5, 3], dtype=backend.dtype, backend=backend.backend)
    for call in _call_all(net, make()):
        with pytest.raises(bpx.InputError, match=re.escape(says)):
            call()
    assert net.training is None or not net.training.step


@pytest.mark.parametrize("given", ["x", "y", "sample_weight"])
def test_masks_are_seen_in_targets_and_weights_too(given):
    arguments = {"x": X, "y": ONE_HOT, "sample_weight": np.ones(6)}
    arguments[given] = np.ma.array(arguments[given], mask=False)
    bpx.mlp([4, 5, 3]).fit(**arguments, epochs=1)  # nothing is masked: an array like any other
    arguments[given][2] = np.ma.masked
    calls = (
        lambda net: net.fit(**arguments, epochs=1),
        lambda net: net.fit([tuple(arguments.values())], epochs=1),
        lambda net: net.fit(X, ONE_HOT, epochs=1, validation_data=tuple(arguments.values())),
        lambda net: net.evaluate(**arguments),
        lambda net: bpx.check_gradients(net, **arguments),
    )
    for call in calls:
        with pytest.raises(bpx.InputError, match=f"{given} has masked values, which are no numbers"):
            call(_net())


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
@pytest.mark.parametrize("given", ["x", "y", "sample_weight"])
@pytest.mark.parametrize("spec", ["numpy", "torch"])
def test_masked_tensors_are_refused_like_masked_arrays(torch, spec, given):
    arguments = {"x": torch.tensor(X), "y": torch.tensor(ONE_HOT), "sample_weight": torch.ones(6)}
    arguments[given] = torch.masked.masked_tensor(arguments[given], arguments[given] > 0.1)
    net = bpx.mlp([4, 5, 3], backend=spec)
    calls = [
        lambda: net.fit(**arguments, epochs=1),
        lambda: net.fit([tuple(arguments.values())], epochs=1),
        lambda: net.evaluate(**arguments),
        lambda: bpx.check_gradients(net, **arguments),
    ]
    if given == "x":
        calls.append(lambda: net.predict(arguments["x"]))
    for call in calls:
        with pytest.raises(bpx.InputError, match=f"{given} has masked values, which are no numbers"):
            call()


@pytest.mark.parametrize("progress", ["x", 1, [True]])
def test_progress_is_yes_no_or_none(progress):
    with pytest.raises(bpx.InputError, match="progress is True, False or None, got"):
        _net().fit(X, ONE_HOT, epochs=1, progress=progress)
    _net().fit(X, ONE_HOT, epochs=1, progress=np.False_)


def test_a_precision_is_no_argument_of_fit():
    with pytest.raises(UnknownArgumentError, match=r"call net\.to\(precision='tf32'\) before"):
        _net().fit(X, ONE_HOT, epochs=1, precision="tf32")


def test_complex_arrays_of_every_library_are_refused(backend):
    array = backend.array(X.astype(backend.dtype))
    complex_array = array + 1j * array if backend.name != "array-api-strict" else _make_strict_complex(backend)
    for place in (backend.backend, "numpy"):
        if place == "numpy" and "device1" in backend.spec:
            continue
        net = bpx.mlp([4, 5, 3], dtype=backend.dtype, backend=place)
        for call in _call_all(net, complex_array, backend.array(Y))[:6]:
            with pytest.raises(bpx.InputError, match="x must hold real numbers, got dtype .*complex"):
                call()


def _make_strict_complex(backend):
    xp = backend.xp
    return xp.asarray(X.astype(np.complex64), device=backend.array(X).device)


@pytest.mark.parametrize("on", ["numpy", "torch", "jax", "mlx"])
def test_odd_tensors_are_taken_for_what_they_mean_or_refused(on, torch, request):
    if on != "numpy":
        request.getfixturevalue(on)
    tensor, net = torch.tensor(X, dtype=torch.float32), bpx.mlp([4, 5, 3], backend=on)
    taken = {
        "bfloat16": tensor.bfloat16(),
        "float16": tensor.half(),
        "float8": tensor.to(torch.float8_e4m3fn),
        "uint64": (tensor > 0).to(torch.uint64),
        "bool": tensor > 0,
        "a gradient is asked for": tensor.clone().requires_grad_(),
        "a minus that is noted": torch.complex(tensor, -tensor).conj().imag,
        "transposed": torch.tensor(np.ascontiguousarray(X.T)).T,
        "expanded": tensor[:, :1].expand(6, 4),
        "rows": list(tensor.bfloat16().requires_grad_()),
    }
    for name, x in taken.items():
        rows = [row.detach() for row in x] if isinstance(x, list) else x.detach()
        plain = (torch.stack(rows) if isinstance(rows, list) else rows).float().resolve_neg().contiguous().numpy()
        np.testing.assert_array_equal(bpx.to_numpy(net.predict(x)), net.predict(plain), err_msg=name)
    refused = {
        r"is sparse .* give x.to_dense\(\)": tensor.to_sparse_coo(),
        "is a nested tensor": torch.nested.nested_tensor([tensor[0], tensor[1, :2]], layout=torch.jagged),
        "is on PyTorch's device 'meta'": tensor.to("meta"),
    }
    for says, x in refused.items():
        for call in _call_all(net, x, torch.tensor(Y)):
            with pytest.raises(bpx.InputError, match=says):
                call()


def test_sparse_and_half_arrays_of_jax_and_scipy(jax):
    sparse, net = pytest.importorskip("jax.experimental.sparse"), _net()
    x = X.astype(np.float32)
    for call in _call_all(net, sparse.BCOO.fromdense(jax.numpy.asarray(x)), jax.numpy.asarray(Y)):
        with pytest.raises(bpx.InputError, match=r"x is sparse \(BCOO\), .* give x.todense\(\)"):
            call()
    for call in _call_all(net, pytest.importorskip("scipy.sparse").csr_array(x)):
        with pytest.raises(bpx.InputError, match=r"x is sparse \(csr_array\), .* give x.toarray\(\)"):
            call()
    for dtype in (jax.numpy.bfloat16, jax.numpy.float8_e5m2, jax.numpy.int4):
        half = jax.numpy.asarray(x, dtype)
        plain = np.asarray(half).astype(np.float32)
        np.testing.assert_array_equal(bpx.to_numpy(net.predict(half)), net.predict(plain))
        np.testing.assert_array_equal(net.predict(np.asarray(half)), net.predict(plain))
    with pytest.raises(bpx.InputError, match="x is traced by JAX, and has no values yet; call bpx outside of jax.jit"):
        jax.jit(net.predict)(x)


def test_class_ids_beyond_32_bits_are_no_small_ones(jax):
    net = bpx.mlp([4, 5, 3], backend="jax")
    with pytest.raises((bpx.InputError, bpx.BackendError), match=r"class ids must be from 0 to 2|holds larger ones"):
        net.fit(X, Y.astype(np.uint64) + np.uint64(2**32), epochs=1)


# -- what is mixed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "what"),
    [
        (("numpy", "torch:cpu"), "two libraries"),
        (("torch:cpu", "numpy"), "two libraries"),
        (("jax:cpu:0", "torch:cpu"), "two libraries"),
        (("mlx:cpu:0", "numpy"), "two libraries"),
        (("torch:cpu", "mlx:cpu:0"), "two libraries"),
        (("numpy", "array-api-strict:device1"), "two libraries"),
        (("array-api-strict:CPU_DEVICE", "array-api-strict:device1"), "two devices"),
        (("array-api-strict:device1", "array-api-strict:no_float64"), "two devices"),
    ],
)
def test_arrays_of_two_libraries_or_devices_are_not_mixed(places, what, request):
    for spec in places:
        request.getfixturevalue({"t": "torch", "j": "jax", "m": "mlx", "a": "strict", "n": "on_numpy"}[spec[0]])
    first, second = (bpx.get_backend(spec) for spec in places)
    weight = np.ones(6, dtype=np.float32)
    calls = (
        ("y", lambda net: net.fit(first.asarray(X, "float32"), second.asarray(Y), epochs=1)),
        ("y", lambda net: net.gradients(first.asarray(X, "float32"), second.asarray(Y))),
        (
            "sample_weight",
            lambda net: net.evaluate(first.asarray(X, "float32"), first.asarray(Y), second.asarray(weight)),
        ),
    )
    for other, call in calls:
        net = _net()
        with pytest.raises(bpx.InputError) as error:
            call(net)
        for part in (
            f"arrays of {what} are mixed",
            f"x is on {places[0]}",
            f"{other} is on {places[1]}",
            "bpx.to_numpy",
        ):
            assert part in str(error.value)


def test_lists_go_with_arrays_of_every_library(backend):
    net = noisy(backend)
    assert net.gradients(backend.array(X), Y.tolist())[0] == net.gradients(backend.array(X), backend.array(Y))[0]


# -- the message, whatever the call -----------------------------------------------------------------------


def test_every_name_that_is_unknown_gets_the_valid_ones_and_the_nearest():
    for call, kind, nearest in (
        (lambda: bpx.mlp([2, 3, 1], activation="sigmod"), "activation", "sigmoid"),
        (lambda: bpx.mlp([2, 1], loss="squared_eror"), "loss", "squared_error"),
        (lambda: bpx.mlp([2, 1], dtype="flaot32"), "dtype", "float32"),
        (lambda: bpx.mlp([2, 1], init="glorot_unifrom"), "initializer", "glorot_uniform"),
        (lambda: bpx.mlp([2, 1], backend="cuppy"), "backend", "cupy"),
        (lambda: _net().fit(X, Y, epochs=1, optimizer="rmsporp"), "optimizer", "rmsprop"),
    ):
        with pytest.raises(bpx.InputError) as error:
            call()
        message = str(error.value)
        assert re.match(rf"unknown {kind} '\w+'; did you mean '{nearest}'\? Valid: '", message), message
        assert message.count("'") >= 2 * 4


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf")])
def test_a_learning_rate_of_nothing_is_refused_before_a_network_is_touched(rate):
    net = _net()
    with pytest.raises(bpx.InputError, match="learning_rate must be"):
        net.fit(X, Y, epochs=1, optimizer=bpx.SGD(rate))
    assert net.training is None


def test_input_errors_are_value_errors_and_come_from_bpx():
    with pytest.raises(ValueError, match="x must have shape"):
        _net().predict(X[0])
    with pytest.raises(bpx.BpxError):
        _net().predict(X[0])
