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
from bpx.layers import LAYERS

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
    net = bpx.Network([case.layer], dtype=dtype)
    net.params, net.state = [case.params(generator)], [case.state(generator)]
    for rows in (1, 5, 130):
        x = generator.normal(size=(rows, *case.shape[1:])) * 3.0
        assert_agrees(run(net, x, sample_shape=case.shape[1:]), net.predict(x))


def test_every_kind_of_layer_has_a_form():
    own = [cls for name, cls in LAYERS.items() if getattr(bpx, name, None) is cls]
    assert {cls for cls in own if not ("onnx_operator" in vars(cls) or "add_onnx_nodes" in vars(cls))} == set()


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


def test_a_layer_of_ones_own_can_be_added(run, monkeypatch):
    @unregistered
    @dataclass(frozen=True, repr=False)
    class Twice(bpx.Layer):
        def forward(self, xp, params, x, context=None):
            return 2.0 * x, None

    net = bpx.Network([bpx.Linear(2, 2), Twice()])
    with pytest.raises(bpx.InputError, match=r"layer 1 \(Twice\(\)\) has no ONNX form; its class says one by onnx_op"):
        run(net, np.ones((1, 2)))
    monkeypatch.setattr(
        Twice, "add_onnx_nodes", lambda layer, graph, x, place: graph.node("Add", [x, x], place), raising=False
    )
    assert_agrees(run(net, np.ones((3, 2))), net.predict(np.ones((3, 2))))


def test_a_subclass_that_computes_something_else_has_no_form_of_its_parent(run):
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

    with pytest.raises(bpx.InputError, match="has no ONNX form"):
        run(bpx.Network([bpx.Linear(2, 2), Shifted()]), np.ones((1, 2)))
    for layer in (Negative(2, 2), Renamed()):
        net = bpx.Network([bpx.Linear(2, 2), layer])
        assert_agrees(run(net, np.ones((3, 2))), net.predict(np.ones((3, 2))))


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


def test_a_loss_of_ones_own_has_logits_alone(run, tmp_path):
    class Odds(bpx.SquaredError):
        def probabilities(self, xp, z):
            return xp.exp(z)

    net = bpx.Network([bpx.Linear(2, 2)], loss=Odds())
    refused(net, tmp_path / "net.onnx", "no ONNX operator is known for the predictions of the loss .*use logits=True")
    assert run(net, np.ones((1, 2)), logits=True).shape == (1, 2)


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
