"""The page's own arithmetic against `bpx.explain`, in a real browser: every number of a step, to 1e-9."""

import numpy as np
import pytest

import bpx
from bpx.explanation import write_page
from bpx.notebook import notebook_network

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(driver, tmp_path):
    """Return ``shown(net, x, y, sample, ...)``: the page's state with that sample chosen, or all of them."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    def open_page(net, x, y, sample, **options):
        path = tmp_path / "page.html"
        write_page(path, net, x, y, **options)
        driver.get(path.as_uri())
        Select(driver.find_element(By.CSS_SELECTOR, "[data-role=sample]")).select_by_value(str(sample))
        return driver.execute_script("return window.bpx.state()")

    yield open_page
    assert driver.get_log("browser") == [], "the console must stay silent"


def assert_same(state, step):
    """Every number of the page's step is that of the trace."""

    def near(got, expected, what):
        np.testing.assert_allclose(np.array(got), expected, rtol=1e-9, atol=1e-12, err_msg=what)

    near(state["loss"], step.loss, "loss")
    near(state["loss_after"], step.loss_after, "loss after the update")
    near(state["loss_per_sample"], step["losses"].values, "loss of each sample")
    near(state["output"], step["outputs"].values, "outputs")
    assert len(state["layers"]) == len(step.layers)
    for told, layer in zip(state["layers"], step.layers, strict=True):
        linear = layer.kind == "Linear"
        near(told["input"], layer["inputs"].values, "inputs")
        near(told["output"], layer["z" if linear else "a"].values, "outputs of a layer")
        near(told["d_output"], layer["delta" if linear else "dL/da"].values, "the gradient that arrives")
        back = "dL/dinputs" if "dL/dinputs" in layer.quantities else "delta"
        near(told["d_input"], layer[back].values, "the gradient that goes on")
        if not linear and layer.kind not in ("Softmax", "LayerNorm"):  # whose slopes the page takes as it needs them
            near(told["slope"], layer["da/dz"].values, "da/dz")
        for name, key in (("weight", "w"), ("bias", "b")) if "w" in layer.quantities else ():
            near(told["params"][name], layer[key].values, name)
            near(told["gradients"][name], layer[f"dL/d{key}"].values, f"gradient of {name}")
            near(told["changes"][name], layer[f"update {key}"].values, f"update of {name}")
            near(told["new_params"][name], layer[f"new {key}"].values, f"new {name}")


@pytest.mark.parametrize("as_published", [False, True])
def test_xor(shown, as_published):
    x, y = bpx.datasets.xor()
    net = notebook_network(as_published=as_published)
    state = shown(net, x, y, "all", epochs=0, optimizer=bpx.SGD(0.5), weight="0.weight[1,0]")
    trace = bpx.explain(net, x, y, optimizer=bpx.SGD(0.5))
    assert_same(state, trace.steps[0])
    chain = trace.chain("0.weight[1,0]")
    assert state["weight"]["key"] == "0.weight[1,0]"
    assert state["weight"]["gradient"] == pytest.approx(chain.total, rel=1e-9)
    shares = [trace.chain("0.weight[1,0]", sample=n).total for n in range(4)]
    np.testing.assert_allclose(state["weight"]["contributions"], shares, rtol=1e-9, atol=1e-15)


def test_a_sample_of_a_trained_network(shown):
    x, y = bpx.datasets.xor()
    net = notebook_network()
    net.fit(x, y, epochs=2000, optimizer=bpx.SGD(0.5))
    state = shown(net, x, y, 2, weight="2.weight[1,0]")
    trace = bpx.explain(net, x[2:3], y[2:3])
    assert_same(state, trace.steps[0])
    (path,) = trace.chain("2.weight[1,0]").paths
    (told,) = state["weight"]["paths"]
    np.testing.assert_allclose([f["value"] for f in told["factors"]], [f.value for f in path.factors], rtol=1e-9)


def test_digits(shown):
    x, y = bpx.datasets.digits()
    x = x / 16
    net = bpx.mlp([64, 16, 10], dtype="float64")
    net.fit(x, y, epochs=2, batch_size=32)
    state = shown(net, x, y, "all", samples=range(12), learning_rate=0.3, weight="0.weight[20,4]")
    trace = bpx.explain(net, x[:12], y[:12], optimizer=bpx.SGD(0.3))
    assert_same(state, trace.steps[0])
    chain = trace.chain("0.weight[20,4]", sample=0)
    assert state["weight"]["count"] == chain.n_paths == 10
    assert state["weight"]["sum"] == pytest.approx(chain.total, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu", "gelu", "silu", "softplus", "sigmoid", "softmax"])
def test_every_activation(shown, activation, generator):
    x, y = generator.normal(size=(5, 3)), np.arange(5) % 3
    net = bpx.mlp([3, 4, 3], activation=activation, dtype="float64")
    assert_same(shown(net, x, y, "all", learning_rate=0.2), bpx.explain(net, x, y, optimizer=bpx.SGD(0.2)).steps[0])


@pytest.mark.parametrize(
    "loss",
    [
        bpx.SquaredError("sum"),
        bpx.AbsoluteError(),
        bpx.Huber(delta=0.5),
        bpx.CrossEntropy(label_smoothing=0.1),
        bpx.BinaryCrossEntropy(),
    ],
    ids=lambda loss: loss.name,
)
def test_every_loss(shown, loss, generator):
    x, y = generator.normal(size=(4, 3)), np.eye(2)[[0, 1, 1, 0]]
    net = bpx.Network([bpx.Linear(3, 4), bpx.Tanh(), bpx.Linear(4, 2)], loss=loss, dtype="float64")
    assert_same(shown(net, x, y, "all", learning_rate=0.2), bpx.explain(net, x, y, optimizer=bpx.SGD(0.2)).steps[0])


NORMALIZED = [
    [bpx.Linear(3, 4), bpx.LayerNorm(4), bpx.ReLU(), bpx.Linear(4, 3)],
    [bpx.LayerNorm(3), bpx.Linear(3, 4, frozen=("weight",)), bpx.BatchNorm(4), bpx.Tanh(), bpx.Linear(4, 3)],
    [bpx.Linear(3, 4), bpx.BatchNorm(4, frozen=("weight",)), bpx.Dropout(0.4), bpx.Linear(4, 3), bpx.LayerNorm(3)],
]


@pytest.mark.parametrize("layers", NORMALIZED, ids=str)
def test_normalizations(shown, layers, generator):
    x, y = generator.normal(size=(6, 3)), np.arange(6) % 3
    net = bpx.Network(layers, loss="cross_entropy", dtype="float64")
    net.fit(x, y, epochs=5, batch_size=3, optimizer=bpx.SGD(0.3))
    linear = next(k for k, layer in enumerate(layers) if isinstance(layer, bpx.Linear))
    state = shown(net, x, y, "all", learning_rate=0.2, weight=f"{linear}.weight[1,2]")
    trace = bpx.explain(net, x, y, optimizer=bpx.SGD(0.2))
    assert_same(state, trace.steps[0])
    assert_same_chain(state["weight"], trace, f"{linear}.weight[1,2]")


def assert_same_chain(told, trace, key):
    """The chain of a parameter, and for the sample that is shown, each path of it."""
    assert told["key"] == key
    assert told["gradient"] == pytest.approx(trace.chain(key).total, rel=1e-9, abs=1e-15)
    shares = [trace.chain(key, sample=n).total for n in range(trace.samples)]
    np.testing.assert_allclose(told["contributions"], shares, rtol=1e-9, atol=1e-15)
    assert sum(path["product"] for path in told["paths"]) == pytest.approx(told["sum"], rel=1e-12, abs=1e-15)
    assert min(abs(share - told["sum"]) for share in shares) < 1e-12


@pytest.mark.parametrize("sample", ["all", "1"])
def test_residual_blocks(shown, sample, generator):
    """The page opens a block; what goes in, comes out and comes back, and all gradients, are those of the whole."""
    x, y = generator.normal(size=(6, 3)), np.arange(6) % 3
    inner = bpx.Residual([bpx.Linear(4, 4), bpx.SiLU()])
    block = bpx.Residual([bpx.BatchNorm(4), inner, bpx.Linear(4, 4, bias=False), bpx.Tanh(), bpx.LayerNorm(4)])
    net = bpx.Network([bpx.Linear(3, 4), block, bpx.Linear(4, 3)], loss="cross_entropy", dtype="float64")
    net.fit(x, y, epochs=3, batch_size=3, optimizer=bpx.SGD(0.3))
    rows = slice(None) if sample == "all" else slice(1, 2)
    for key in ("0.weight[1,2]", "1.1.0.weight[3,2]", "1.1.0.bias[0]", "1.2.weight[0,1]", "2.weight[3,2]"):
        state = shown(net, x, y, sample, learning_rate=0.2, weight=key)
        trace = bpx.explain(net, x[rows], y[rows], optimizer=bpx.SGD(0.2))
        assert_same_chain(state["weight"], trace, key)
    step = trace.steps[0]
    assert state["loss_after"] == pytest.approx(step.loss_after, rel=1e-9)
    told, whole = state["layers"], step.layers[1]
    kinds = ["BatchNorm", "Linear", "SiLU", "Shortcut", "Linear", "Tanh", "LayerNorm", "Shortcut"]
    assert [layer["kind"] for layer in told[1:-1]] == kinds
    np.testing.assert_allclose(told[1]["input"], whole["inputs"].values, rtol=1e-9)
    np.testing.assert_allclose(told[8]["output"], whole["a"].values, rtol=1e-9)
    np.testing.assert_allclose(told[8]["d_output"], whole["dL/da"].values, rtol=1e-9)
    np.testing.assert_allclose(told[1]["d_input"], step.layers[0]["delta"].values, rtol=1e-9, atol=1e-15)
    for number, prefix in ((1, "0"), (2, "1.0"), (5, "2"), (7, "4")):
        for name, gradient in told[number]["gradients"].items():
            expected = whole[f"dL/d{prefix}.{name}"].values
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-15, err_msg=f"{prefix}.{name}")


def test_images(shown):
    x, y = bpx.datasets.digits()
    x = x[:3].reshape(3, 8, 8) / 16
    net = bpx.Network([bpx.Flatten(), bpx.Linear(64, 10)], loss="cross_entropy", dtype="float64")
    state = shown(net, x, y[:3], "all", learning_rate=0.1)
    step = bpx.explain(net, x, y[:3], optimizer=bpx.SGD(0.1)).steps[0]
    np.testing.assert_allclose(state["layers"][1]["output"], step.layers[1]["z"].values, rtol=1e-9, atol=1e-12)
    assert state["loss_after"] == pytest.approx(step.loss_after, rel=1e-9)
