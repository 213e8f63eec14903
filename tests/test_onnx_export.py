"""Networks as ONNX files give in onnxruntime what they predict in bpx, layer by layer and whole."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import LAYER_CASES, LOSS_CASES, LayerCase
from networks import classes, everything, unregistered

import bpx
from bpx.files import onnx as onnx_export
from bpx.layers import LAYERS, base

OUTPUTS = 1e-5
"""How far outputs may be from the network's own."""

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def onnx() -> Any:
    return _module("onnx")


@pytest.fixture
def runtime(onnx: Any) -> Any:
    """Return onnxruntime, silent."""
    module = _module("onnxruntime")
    module.set_default_logger_severity(4)
    return module


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def run(runtime: Any, onnx: Any, tmp_path: Any) -> Any:
    """Return a function that exports a network and returns what onnxruntime makes of samples."""

    def exported(net: bpx.Network, x: np.ndarray, **options: Any) -> np.ndarray:
        path = tmp_path / "net.onnx"
        net.export_onnx(path, **options)
        onnx.checker.check_model(str(path), full_check=True)
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (given,), (returned,) = session.get_inputs(), session.get_outputs()
        assert (given.name, given.shape) == ("x", ["batch", *x.shape[1:]])
        assert (returned.name, returned.shape[0]) == ("y", "batch")
        (y,) = session.run(None, {"x": x.astype(net.dtype)})
        assert y.dtype == net.dtype
        assert list(y.shape[1:]) == returned.shape[1:]
        return y

    return exported


def assert_agrees(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.shape == expected.shape
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, expected, rtol=OUTPUTS, atol=OUTPUTS)


@DTYPES
@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_every_layer(case: LayerCase, dtype, run, generator):
    net = bpx.Network([case.layer], loss=case.loss, dtype=dtype)
    net.params, net.state = [case.params(generator)], [case.state(generator)]
    for rows in (1, 5, 130):
        x = case.x(generator, rows) * 2.0 if case.has_slopes else case.x(generator, rows)
        assert_agrees(run(net, x, sample_shape=case.shape[1:]), net.predict(x))


def test_every_kind_of_layer_has_a_form():
    own = [cls for name, cls in LAYERS.items() if getattr(bpx, name, None) is cls]
    traced = {cls for cls in own if not ("onnx_operator" in vars(cls) or "add_onnx_nodes" in vars(cls))}
    many = {bpx.Embedding, bpx.PiecewiseLinear, bpx.Periodic, bpx.PBLD, bpx.Members, bpx.MemberLinear}
    assert traced == many, "these take so many operators that writing them down would be a second source"


@DTYPES
@pytest.mark.parametrize("case", LOSS_CASES, ids=lambda case: case.name)
def test_every_loss(case, dtype, run, generator):
    net = bpx.Network([bpx.Linear(6, case.width)], loss=case.loss, dtype=dtype)
    x = generator.normal(size=(9, 6))
    assert_agrees(run(net, x), net.predict(x))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "poisson", "squared_error"])
def test_logits_are_the_last_layers_outputs(loss, run, generator):
    net = bpx.Network([bpx.Linear(6, 3)], loss=loss)
    x = generator.normal(size=(9, 6)).astype(np.float32)
    assert_agrees(run(net, x, logits=True), x @ net.params[0]["weight"] + net.params[0]["bias"])
    if loss != "squared_error":
        assert np.abs(run(net, x) - run(net, x, logits=True)).max() > 0.1


@DTYPES
def test_a_network_that_was_trained(dtype, run):
    net = everything(dtype=dtype)
    x, y = classes()
    net.fit(x, y, epochs=20, batch_size=8)
    assert_agrees(run(net, x), net.predict(x))
    assert run(net, x[:1]).shape == (1, 3)


def test_extreme_inputs_give_finite_outputs(run):
    x = np.array([[-1e4, -50.0, 0.0, 50.0, 1e4]])
    for layer in (bpx.Softplus(), bpx.SiLU(), bpx.GELU(), bpx.GELU("tanh"), bpx.Softmax(), bpx.Sigmoid()):
        net = bpx.Network([layer], dtype="float32")
        assert_agrees(run(net, x, sample_shape=(5,)), net.predict(x))


@pytest.mark.parametrize("layers", [[bpx.Dropout(0.5)], [bpx.Identity()]], ids=["Dropout", "Identity"])
def test_a_network_that_computes_nothing(layers, run):
    x = np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(run(bpx.Network(layers), x, sample_shape=(2,)), x)


def test_from_another_backend(backend, run):
    net = everything(backend)
    x = classes()[0].astype(net.dtype)
    assert_agrees(run(net, x), net.predict(x))


def test_the_file_says_what_it_is(onnx, tmp_path):
    net = bpx.mlp([2, 3, 2])
    net.export_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert (model.producer_name, model.producer_version) == ("bpx", bpx.__version__)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert {p.key: p.value for p in model.metadata_props} == {"loss": "cross_entropy", "y": "predictions"}
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}
    assert list(stored) == list(net.state_dict())
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(stored[key], array)
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm", "Softmax"]
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


# -- what names no operator is traced -----------------------------------------------------------------------


@pytest.fixture
def traced(monkeypatch: Any) -> None:
    """Let no layer and no loss name an ONNX operator, so that each one's own code is traced."""
    _module("ndonnx")
    monkeypatch.setattr(base, "find_declared", lambda *_: None)
    monkeypatch.setattr(onnx_export, "find_declared", lambda *_: None)


def read_model(net: bpx.Network, tmp_path: Any, **options: Any) -> Any:
    """Return a network's file as onnx reads it, after looking at what every traced file promises."""
    net.export_onnx(tmp_path / "read.onnx", **options)
    model = _module("onnx").load(tmp_path / "read.onnx")
    arrays = [(a.data_type, tuple(a.dims), a.SerializeToString(), a.name) for a in model.graph.initializer]
    assert len({name for *_, name in arrays}) == len(arrays)
    names = [name for node in model.graph.node for name in node.output]
    assert len(set(names)) == len(names)
    used = {name for node in model.graph.node for name in node.input}
    inner = {name for node in model.graph.node for a in node.attribute for n in a.g.node for name in n.input}
    assert {name for *_, name in arrays} <= used | inner
    return model


@DTYPES
@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_every_layer_can_be_traced(case: LayerCase, dtype, run, traced, generator, tmp_path):
    net = bpx.Network([case.layer], loss=case.loss, dtype=dtype)
    net.params, net.state = [case.params(generator)], [case.state(generator)]
    for rows in (1, 5, 130):
        x = case.x(generator, rows) * 2.0 if case.has_slopes else case.x(generator, rows)
        assert_agrees(run(net, x, sample_shape=case.shape[1:]), net.predict(x))
    model = read_model(net, tmp_path, sample_shape=case.shape[1:])
    casts = bool(case.whole) or isinstance(
        case.layer, bpx.PiecewiseLinear
    )  # ids are whole numbers, and bins are counted
    needless = ("If", "Constant") if casts else ("If", "Constant", "Cast")
    assert [node.op_type for node in model.graph.node if node.op_type in needless] == []


@DTYPES
@pytest.mark.parametrize("case", LOSS_CASES, ids=lambda case: case.name)
def test_every_loss_can_be_traced(case, dtype, run, traced, generator):
    net = bpx.Network([bpx.Linear(6, case.width)], loss=case.loss, dtype=dtype)
    x = generator.normal(size=(9, 6)) * 10.0
    assert_agrees(run(net, x), net.predict(x))


@DTYPES
def test_a_trained_network_can_be_traced_whole(dtype, run, traced, tmp_path):
    net = everything(dtype=dtype)
    x, y = classes()
    net.fit(x, y, epochs=20, batch_size=8)
    assert_agrees(run(net, x), net.predict(x))
    assert_agrees(run(net, x[:1]), net.predict(x[:1]))
    keys = [key for key in net.state_dict() if not key.endswith("num_batches_tracked")]
    stored = [array.name for array in read_model(net, tmp_path).graph.initializer]
    assert [name for name in stored if name in keys] == keys


def test_extreme_inputs_of_traced_layers_give_finite_outputs(run, traced):
    x = np.array([[-1e4, -50.0, 0.0, 50.0, 1e4]])
    for layer in (bpx.Softplus(), bpx.SiLU(), bpx.GELU(), bpx.GELU("tanh"), bpx.Softmax(), bpx.Sigmoid()):
        net = bpx.Network([layer], dtype="float32")
        assert_agrees(run(net, x, sample_shape=(5,)), net.predict(x))


def test_a_file_that_is_traced_is_longer_than_one_of_named_operators(traced, monkeypatch, tmp_path):
    net = bpx.mlp([64, 32, 10])
    long = read_model(net, tmp_path)
    monkeypatch.undo()
    short = read_model(net, tmp_path)
    assert len(short.graph.node) == 4
    assert 4 < len(long.graph.node) < 30
    assert (short.ir_version, short.opset_import[0].version) == (8, 17)
    assert long.opset_import[0].version > 17


@unregistered
@dataclass(frozen=True, repr=False)
class Standardize(bpx.Layer):
    """What users write: methods and operators, numbers of NumPy, shapes, reductions, running statistics."""

    n: int = 4

    stateful = True

    @property
    def param_names(self):
        return ("shift",)

    def init(self, generator):
        return {"shift": generator.normal(size=(self.n,))}

    def init_state(self):
        return {"scale": np.arange(1.0, self.n + 1.0)}

    def context(self, training, keys, state):
        return state

    def forward(self, xp, params, x, context=None):
        centered = x - xp.mean(x, axis=1, keepdims=True)
        rows = xp.reshape(centered, (x.shape[0], -1))
        rows = rows + xp.zeros((x.shape[0], x.shape[1]), dtype=x.dtype) + xp.ones_like(x)
        rows = rows * np.float32(0.5) @ xp.broadcast_to(context["scale"], (self.n, self.n))
        picked = xp.take(rows, xp.asarray([3, 1, 0, 2]), axis=1)
        return xp.concat([xp.sin(picked), xp.reshape(xp.max(rows, axis=1), (-1, 1))], axis=-1) + params["shift"][0], x

    def output_shape(self, shape):
        return (self.n + 1,)


@unregistered
@dataclass(frozen=True, repr=False)
class Doubled(bpx.Linear):
    """A subclass whose stored weight is PyTorch's, the transpose of its own."""

    def forward(self, xp, params, x, context=None):
        y, cache = super().forward(xp, params, x, context)
        return y * 2.0, cache


@DTYPES
def test_layers_of_ones_own_beside_and_within_those_of_bpx(dtype, run, tmp_path):
    _module("ndonnx")
    block = bpx.Residual([Standardize(4), bpx.Linear(5, 6), Doubled(6, 4), bpx.ReLU()])
    net = bpx.Network([Doubled(3, 4), block, Standardize(4), bpx.Linear(5, 2)], loss="squared_error", dtype=dtype)
    for rows in (1, 7):
        x = np.random.default_rng(0).normal(size=(rows, 3)).astype(dtype)
        assert_agrees(run(net, x), net.predict(x))
    model = read_model(net, tmp_path)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Gemm") == 2
    stored = {array.name: _module("onnx").numpy_helper.to_array(array) for array in model.graph.initializer}
    assert set(net.state_dict()) <= set(stored)
    np.testing.assert_array_equal(stored["1.2.weight"], net.params[1]["2.weight"].T)


def test_a_layer_that_says_no_output_shape(run):
    _module("ndonnx")

    @unregistered
    class Halves(bpx.Layer):
        def forward(self, xp, params, x, context=None):
            return xp.maximum(x[:, :2], x[:, 2:]), None

    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    net = bpx.Network([bpx.Linear(4, 4), Halves()], loss="squared_error")
    assert_agrees(run(net, x), net.predict(x))


def test_operators_that_a_class_names_take_the_place_of_tracing(run, monkeypatch, tmp_path):
    _module("ndonnx")

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Twice(bpx.Layer):
        def forward(self, xp, params, x, context=None):
            return 2.0 * x, None

    net = bpx.Network([bpx.Linear(2, 2), Twice()], loss="squared_error")
    assert_agrees(run(net, np.ones((3, 2))), net.predict(np.ones((3, 2))))
    operators = [node.op_type for node in read_model(net, tmp_path).graph.node]
    assert operators[0] == "Gemm"
    assert "Mul" in operators
    monkeypatch.setattr(
        Twice, "add_onnx_nodes", lambda layer, graph, x, place: graph.node("Add", [x, x], place), raising=False
    )
    assert_agrees(run(net, np.ones((3, 2))), net.predict(np.ones((3, 2))))
    assert [node.op_type for node in read_model(net, tmp_path).graph.node] == ["Gemm", "Add"]


def test_a_subclass_that_computes_something_else_is_traced(run):
    _module("ndonnx")

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Shifted(bpx.ReLU):
        def forward(self, xp, params, x, context=None):
            y, cache = super().forward(xp, params, x, context)
            return y + 1.0, cache

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Negative(bpx.Linear):
        onnx_operator = "Neg"

        def forward(self, xp, params, x, context=None):
            return -x, x

    @unregistered
    class Renamed(bpx.Tanh):
        pass

    for layer in (Shifted(), Negative(2, 2), Renamed()):
        net = bpx.Network([bpx.Linear(2, 2), layer])
        assert_agrees(run(net, np.ones((3, 2))), net.predict(np.ones((3, 2))))


@DTYPES
def test_a_loss_of_ones_own_is_traced(dtype, run):
    _module("ndonnx")

    class Odds(bpx.SquaredError):
        def probabilities(self, xp, z):
            p = xp.exp(z)
            return xp.concat([p, 1.0 / (1.0 + p)], axis=1)

    net = bpx.Network([bpx.Linear(2, 2)], loss=Odds(), dtype=dtype)
    x = np.ones((3, 2))
    assert_agrees(run(net, x), net.predict(x))
    assert run(net, x).shape == (3, 4)
    assert run(net, x, logits=True).shape == (3, 2)


# -- what cannot be exported ------------------------------------------------------------------------------


def test_without_onnx_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(bpx.InputError, match=r'ONNX files need onnx.*: pip install "bpx-backprop\[onnx\]"$'):
        bpx.mlp([2, 1]).export_onnx(tmp_path / "net.onnx")


def refused(net: bpx.Network, path: Any, said: str, **options: Any) -> None:
    with pytest.raises(bpx.InputError, match=said):
        net.export_onnx(path, **options)
    assert not path.exists()


def test_the_shape_of_a_sample_must_be_known(onnx, tmp_path):
    net = bpx.Network([bpx.Flatten(), bpx.Linear(12, 3)])
    path = tmp_path / "net.onnx"
    refused(net, path, r"give sample_shape, as in sample_shape=\(8, 8\)")
    refused(net, path, r"samples of shape \(3, 3\) do not fit layer 1: .*expects 12 features", sample_shape=(3, 3))
    refused(net, path, "a size in sample_shape must be at least 1, got 0", sample_shape=(0,))
    refused(bpx.mlp([2, 1]), path, r"sample_shape must be \(2,\), .*got \(3,\)", sample_shape=(3,))


def make_odd_layer(forward: Any) -> bpx.Layer:
    @unregistered
    class Odd(bpx.Layer):
        pass

    Odd.forward = forward
    return Odd()


ODD = {
    "asks for a number": (
        lambda self, xp, params, x, context=None: (x * float(x[0, 0]), None),
        "ValueError: no",
    ),
    "decides by a number": (lambda self, xp, params, x, context=None: (x if x[0, 0] > 0 else -x, None), "ValueError"),
    "goes through rows": (lambda self, xp, params, x, context=None: (xp.stack(list(x)), None), "ValueError: iteration"),
    "counts rows": (lambda self, xp, params, x, context=None: (x / x.shape[0], None), "TypeError: unsupported operand"),
    "is not of the standard": (
        lambda self, xp, params, x, context=None: (xp.einsum("ij->ij", x), None),
        "AttributeError: ndonnx has no 'einsum'",
    ),
    "leaves the graph": (
        lambda self, xp, params, x, context=None: (np.ones((1, 2)), None),
        "TypeError: numpy.ndarray was returned, no array of the graph",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_layer_that_cannot_be_traced(kind, onnx, tmp_path):
    _module("ndonnx")
    forward, said = ODD[kind]
    net = bpx.Network([bpx.Linear(2, 2), make_odd_layer(forward)])
    refused(net, tmp_path / "net.onnx", rf"^layer 1 \(Odd\(\)\) cannot be traced into an ONNX graph: {said}")


def test_a_loss_that_cannot_be_traced(onnx, tmp_path):
    _module("ndonnx")

    class Rounded(bpx.SquaredError):
        def probabilities(self, xp, z):
            return xp.asarray(float(z[0, 0]))

    net = bpx.Network([bpx.Linear(2, 2)], loss=Rounded())
    refused(
        net, tmp_path / "net.onnx", r"^what the loss .*Rounded\(.*\) makes of the outputs cannot be traced .*ValueError"
    )
    net.export_onnx(tmp_path / "net.onnx", logits=True)


def test_without_ndonnx_the_error_says_how_to_install_it(monkeypatch, onnx, tmp_path):
    monkeypatch.setitem(sys.modules, "ndonnx", None)
    said = r'ONNX files of layers and losses that name no operator need ndonnx.*: pip install "bpx-backprop\[onnx\]"$'
    twice = make_odd_layer(lambda self, xp, params, x, context=None: (2.0 * x, None))
    refused(bpx.Network([bpx.Linear(2, 2), twice]), tmp_path / "net.onnx", said)
    bpx.mlp([2, 1]).export_onnx(tmp_path / "net.onnx")


def test_weights_that_do_not_fit_a_file(monkeypatch, onnx, tmp_path):
    monkeypatch.setattr(onnx_export, "LARGEST", 4 * (2 * 3 + 3) - 1)
    refused(bpx.mlp([2, 3]), tmp_path / "net.onnx", "an ONNX file holds less than 2 GiB")
    monkeypatch.setattr(onnx_export, "LARGEST", 4 * (2 * 3 + 3))
    bpx.mlp([2, 3]).export_onnx(tmp_path / "net.onnx")


def test_a_place_that_cannot_be_written(onnx, tmp_path):
    refused(bpx.mlp([2, 1]), tmp_path / "nowhere" / "net.onnx", "cannot write .*net.onnx: No such file")


def test_what_is_wrong_is_found_before_the_file_is_touched(monkeypatch, onnx, tmp_path):
    path = tmp_path / "net.onnx"
    bpx.mlp([2, 1]).export_onnx(path)
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("the checker says no")

    monkeypatch.setattr(onnx, "checker", SimpleNamespace(check_model=fail))
    with pytest.raises(ValueError, match="says no"):
        bpx.mlp([2, 5]).export_onnx(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_precision_is_not_in_the_file_and_that_is_said(precision, run, tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    net = bpx.mlp([4, 8, 3], precision=precision)
    with pytest.warns(bpx.FileWarning, match=rf"to {precision}, and an ONNX file does not say so: .*net\.to\("):
        net.export_onnx(tmp_path / "net.onnx")
    full = net.copy(precision="float32")
    got = run(full, x)
    np.testing.assert_allclose(got, full.predict(x), rtol=1e-5, atol=1e-6)
    assert np.abs(got - net.predict(x)).max() > 1e-5


def test_a_factor_of_float64_is_not_rounded_to_float32(run, generator):
    """An attribute of an operator, such as Gemm's alpha, is a number in float32 whatever the network's dtype."""
    net = bpx.Network([bpx.NTKLinear(7, 3)], loss="squared_error", dtype="float64")
    x = generator.normal(size=(9, 7))
    np.testing.assert_allclose(run(net, x), net.predict(x), rtol=1e-13, atol=1e-13)
