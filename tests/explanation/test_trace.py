"""What a trace holds: every quantity by its textbook name, right, and as table, data and JSON."""

import json
import pickle

import numpy as np
import pytest
from backend_cases import make

import bpx
from bpx.explanation.quantity import summarize
from bpx.markup import format_number
from bpx.notebook import notebook_network

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def textbook(net, rate):
    """Every quantity of one step on XOR, written out in NumPy as a textbook has it."""
    (p1, _, p2, _) = net.params
    w1, b1, w2, b2 = p1["weight"], p1["bias"], p2["weight"], p2["bias"]
    z1 = X @ w1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ w2 + b2
    a2 = sigmoid(z2)
    error = a2 - Y
    slope2 = a2 * (1 - a2)
    delta2 = error * slope2
    back = delta2 @ w2.T
    slope1 = a1 * (1 - a1)
    delta1 = back * slope1
    dw1, db1, dw2, db2 = X.T @ delta1, delta1.sum(axis=0), a1.T @ delta2, delta2.sum(axis=0)
    return [
        {
            "inputs": X, "w": w1, "b": b1, "z": z1, "delta": delta1, "dL/dw": dw1, "dL/db": db1,
            "dL/dinputs": delta1 @ w1.T, "update w": -rate * dw1, "new w": w1 - rate * dw1, "update b": -rate * db1,
            "new b": b1 - rate * db1,
        },
        {"inputs": z1, "a": a1, "dL/da": back, "da/dz": slope1, "delta": delta1},
        {
            "inputs": a1, "w": w2, "b": b2, "z": z2, "delta": delta2, "dL/dw": dw2, "dL/db": db2, "dL/dinputs": back,
            "update w": -rate * dw2, "new w": w2 - rate * dw2, "update b": -rate * db2, "new b": b2 - rate * db2,
        },
        {"inputs": z2, "a": a2, "dL/da": error, "da/dz": slope2, "delta": delta2},
    ]  # fmt: skip


def test_every_quantity_is_the_textbooks(backend):
    start, tolerance = notebook_network(), backend.either(1e-12, 1e-5)
    expected = textbook(start, 0.5)
    net = bpx.Network(start.layers, loss=start.loss, dtype=backend.dtype, backend=backend.backend)
    net.params = start.params
    step = bpx.explain(net, X, Y, optimizer=bpx.SGD(0.5)).steps[0]
    for layer, quantities in zip(step.layers, expected, strict=True):
        assert sorted(layer.quantities) == sorted(quantities)
        for key, values in quantities.items():
            assert layer[key].shape == values.shape, key
            np.testing.assert_allclose(layer[key], values, rtol=tolerance, atol=tolerance / 100, err_msg=key)
    np.testing.assert_allclose(step["error"], expected[3]["a"] - Y, rtol=tolerance)
    np.testing.assert_allclose(step["losses"], ((expected[3]["a"] - Y) ** 2 / 2)[:, 0], rtol=tolerance)
    assert step.loss == pytest.approx(float(((expected[3]["a"] - Y) ** 2).sum() / 2), rel=tolerance)
    net.fit(X, Y, epochs=1, optimizer=bpx.SGD(0.5))
    assert step.loss_after == pytest.approx(net.evaluate(X, Y)["loss"], rel=tolerance)


def test_formulas_shapes_and_names():
    step = bpx.explain(notebook_network(as_published=True), X, Y, optimizer=bpx.SGD(0.5)).steps[0]
    told = {(layer.index, q.key): (q.name, q.formula.text, q.shape) for layer in step.layers for q in layer}
    assert told[0, "z"] == ("weighted input", "z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾", (4, 2))
    assert told[1, "a"] == ("activation", "a⁽¹⁾ = σ(z⁽¹⁾) = 1 / (1 + exp(−z⁽¹⁾))", (4, 2))
    assert told[1, "da/dz"] == ("da/dz", "∂a⁽¹⁾/∂z⁽¹⁾ = a⁽¹⁾ · (1 − a⁽¹⁾)", (4, 2))
    assert told[1, "delta"] == ("delta", "δ⁽¹⁾ = ∂L/∂a⁽¹⁾ · ∂a⁽¹⁾/∂z⁽¹⁾", (4, 2))
    assert told[2, "dL/dw"] == ("dL/dw", "∂L/∂W⁽²⁾ = a⁽¹⁾ᵀ δ⁽²⁾", (2, 1))
    assert told[2, "dL/db"] == ("dL/db", "∂L/∂b⁽²⁾ = Σₙ δ⁽²⁾", (1,))
    assert told[2, "dL/dinputs"] == ("dL/da", "∂L/∂a⁽¹⁾ = δ⁽²⁾ W⁽²⁾ᵀ", (4, 2))
    assert told[2, "update w"] == ("update", "ΔW⁽²⁾ = −0.5 · ∂L/∂W⁽²⁾", (2, 1))
    assert told[2, "update b"] == ("update", "Δb⁽²⁾ = 0 (frozen)", (1,))
    assert told[2, "new w"] == ("new weights", "W⁽²⁾ ← W⁽²⁾ + ΔW⁽²⁾", (2, 1))
    assert step["error"].formula.text == "∂L/∂a⁽²⁾ = a⁽²⁾ − y"
    assert step["losses"].formula.text == "Lₙ = ½ Σₖ (a⁽²⁾ₖ − yₖ)²"
    assert step.layers[0]["z"].formula.latex == r"z^{(1)} = x\, W^{(1)} + b^{(1)}"
    assert not step.layers[2]["update b"].values.any()
    assert step.layers[0]["weighted input"] is step.layers[0]["z"]
    with pytest.raises(bpx.InputError, match="unknown quantity 'q'.*valid: .*'dL/dw'"):
        step.layers[0]["q"]


def test_the_update_of_plain_descent_is_exact():
    layer = bpx.explain(notebook_network(), X, Y, optimizer=bpx.SGD(0.5)).steps[0].layers[0]
    np.testing.assert_array_equal(layer["update w"], -0.5 * layer["dL/dw"].values)
    np.testing.assert_array_equal(layer["new w"], layer["w"].values + layer["update w"].values)


def test_with_adam_the_update_is_what_adam_makes():
    x, y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])
    net = bpx.mlp([3, 4, 3], dtype="float64")
    trace = bpx.explain(net, x, y, 2, optimizer=bpx.Adam(0.1))
    first = trace.steps[0].layers[0]
    np.testing.assert_allclose(first["update w"], -0.1 * np.sign(first["dL/dw"].values), rtol=1e-5, atol=1e-12)
    for step in trace.steps:
        for key in ("w", "b"):
            layer = step.layers[0]
            np.testing.assert_array_equal(layer[key].values + layer[f"update {key}"].values, layer[f"new {key}"].values)
    assert "−0.1 · m̂ / (√v̂ + 1e-08)" in first["update w"].formula.text
    assert "v̂ = v / (1 − 0.999^2)" in trace.steps[1].layers[0]["update w"].formula.text
    np.testing.assert_array_equal(trace.steps[1].layers[0]["w"], first["new w"])


def test_weight_decay_is_in_the_update():
    x, y = np.ones((2, 1)), np.ones((2, 1))
    net = bpx.Network([bpx.Linear(1, 1, bias=False)], dtype="float64")
    net.params = [{"weight": [[2.0]]}]
    layer = bpx.explain(net, x, y, optimizer=bpx.AdamW(0.1, weight_decay=0.5)).steps[0].layers[0]
    assert layer["new w"].values.item() == pytest.approx(2.0 * (1 - 0.05) - 0.1, rel=1e-7)
    assert layer["update w"].values.item() == pytest.approx(-0.2, rel=1e-6)
    assert "0.5 · W⁽¹⁾" in layer["update w"].formula.text


def test_the_meaning_of_logits_is_told():
    step = bpx.explain(bpx.mlp([2, 3], dtype="float64"), X, [0, 1, 2, 0]).steps[0]
    np.testing.assert_allclose(step["probabilities"].values.sum(axis=1), 1.0)
    assert step["predictions"].formula.text == "p = softmax(z⁽¹⁾)"
    assert step["error"].formula.text == "δ⁽¹⁾ = (softmax(z⁽¹⁾) − y) / 4"
    np.testing.assert_allclose(step["error"], (step["probabilities"].values - step["targets"].values) / 4, atol=1e-15)
    counts = bpx.explain(bpx.Network([bpx.Linear(2, 1)], loss="poisson", dtype="float64"), X, Y).steps[0]
    np.testing.assert_allclose(counts["rates"], np.exp(counts["outputs"].values))


def test_softmax_has_a_jacobian():
    net = bpx.Network([bpx.Linear(2, 3), bpx.Softmax()], loss="squared_error", dtype="float64", seed=1)
    layer = bpx.explain(net, X, np.eye(3)[[0, 1, 2, 0]]).steps[0].layers[1]
    a = layer["a"].values
    expected = np.einsum("ni,ij->nij", a, np.eye(3)) - np.einsum("ni,nj->nij", a, a)
    np.testing.assert_allclose(layer["da/dz"], expected, atol=1e-15)
    assert layer["da/dz"].formula.text == "∂a⁽¹⁾ᵢ/∂z⁽¹⁾ⱼ = a⁽¹⁾ᵢ · ([i = j] − a⁽¹⁾ⱼ)"
    assert layer["delta"].formula.text == "δ⁽¹⁾ⱼ = Σᵢ ∂L/∂a⁽¹⁾ᵢ · ∂a⁽¹⁾ᵢ/∂z⁽¹⁾ⱼ"
    np.testing.assert_allclose(layer["delta"], np.einsum("ni,nij->nj", layer["dL/da"].values, layer["da/dz"].values))


def test_several_layers_after_one_linear_layer_are_numbered():
    layers = [bpx.Linear(2, 3), bpx.LayerNorm(3), bpx.ReLU(), bpx.Residual([bpx.Linear(3, 3)]), bpx.Linear(3, 1)]
    step = bpx.explain(bpx.Network(layers, dtype="float64"), X, Y).steps[0]
    outputs = [layer.quantities.get("a", layer.quantities.get("z")).symbol.text for layer in step.layers]
    assert outputs == ["z⁽¹⁾", "a⁽¹˒¹⁾", "a⁽¹⁾", "a⁽²⁾", "z⁽³⁾"]
    assert step.layers[1]["dL/dw"].symbol.text == "∂L/∂γ⁽¹˒¹⁾"
    assert "delta" in step.layers[1].quantities
    assert step.layers[2]["dL/dinputs"].symbol.text == "∂L/∂a⁽¹˒¹⁾"
    assert sorted(step.layers[3].quantities)[:4] == ["0.bias", "0.weight", "a", "dL/d0.bias"]


@pytest.mark.parametrize("training", [False, True])
def test_a_residual_block_is_opened(training):
    """Its layers' quantities are those of the layers in a row, and with the shortcut they are those of the block."""
    inner = bpx.Residual([bpx.Linear(3, 3, frozen=("bias",)), bpx.Dropout(0.3)])
    block = bpx.Residual([bpx.BatchNorm(3), inner, bpx.Tanh(), bpx.Linear(3, 3, bias=False)])
    net = bpx.Network([bpx.Linear(2, 3), block, bpx.Linear(3, 1)], loss="squared_error", dtype="float64", seed=3)
    net.fit(X, Y, epochs=3, optimizer="adam")
    trace = bpx.explain(net, X, Y, training=training)
    step = trace.steps[0]
    whole = step.layers[1]
    norm, nested, _, last = whole.layers
    linear, dropout = nested.layers
    places = [layer.place for layer in (whole, *whole.layers, *nested.layers)]
    assert places == ["1", "1.0", "1.1", "1.2", "1.3", "1.1.0", "1.1.1"]
    np.testing.assert_array_equal(norm["inputs"].values, step.layers[0]["z"].values)
    np.testing.assert_array_equal(nested["a"].values, dropout["a"].values + norm["a"].values)
    np.testing.assert_array_equal(whole["a"].values, last["z"].values + norm["inputs"].values)
    np.testing.assert_array_equal(last["delta"].values, whole["dL/da"].values)
    np.testing.assert_array_equal(nested["dL/dinputs"].values, linear["dL/dinputs"].values + nested["dL/da"].values)
    np.testing.assert_array_equal(whole["delta"].values, norm["delta"].values + whole["dL/da"].values)
    for layer, prefix in ((norm, "0"), (linear, "1.0"), (last, "3")):
        for short, long in (("w", "weight"), ("b", "bias")):
            for mark in ("", "dL/d", "update ", "new "):
                if f"{mark}{short}" in layer.quantities:
                    other = whole[f"{mark}{prefix}.{long}"]
                    np.testing.assert_array_equal(layer[f"{mark}{short}"].values, other.values)
    assert not linear["update b"].values.any(), "frozen"
    assert linear["dL/db"].values.any()
    assert linear["z"].formula.text == "z⁽²⁾ = a⁽¹⁾ W⁽²⁾ + b⁽²⁾"
    assert nested["a"].formula.text == "a⁽²˒²⁾ = a⁽²˒¹⁾ + a⁽¹⁾"
    assert whole["a"].formula.text == "a⁽³⁾ = z⁽³⁾ + z⁽¹⁾"
    assert whole["delta"].formula.text == "δ⁽¹⁾ = [δ⁽¹⁾] + ∂L/∂a⁽³⁾"
    assert norm["delta"].formula.text.startswith("[δ⁽¹⁾")
    assert linear["dL/dinputs"].formula.text == "[∂L/∂a⁽¹⁾] = δ⁽²⁾ W⁽²⁾ᵀ"
    text = str(trace)
    assert "block(" not in text
    for place in places:
        assert f"\n{place} " in text
    told = json.loads(trace.to_json())["steps"][0]["layers"][1]
    assert told["layers"][1]["layers"][0]["quantities"]["z"]["values"] == linear["z"].values.tolist()
    assert pickle.loads(pickle.dumps(trace)).steps[0].records[1].inner[0].y is not None


def test_json_holds_every_number_exactly():
    net = notebook_network()
    trace = bpx.explain(net, X, Y, 2, optimizer=bpx.SGD(0.5))
    data = json.loads(trace.to_json())
    assert data["format"] == "bpx-trace/1"
    assert (data["samples"], data["detail"], data["backend"], len(data["steps"])) == (4, "full", "numpy", 2)
    for step, told in zip(trace.steps, data["steps"], strict=True):
        assert told["loss"] == step.loss
        for layer, layer_told in zip(step.layers, told["layers"], strict=True):
            for key, quantity in layer.quantities.items():
                got = layer_told["quantities"][key]
                np.testing.assert_array_equal(got["values"], quantity.values)
                assert got["shape"] == list(quantity.shape)
                assert got["formula"] == quantity.formula.text
                assert got["formula_latex"] == quantity.formula.latex


def test_what_is_not_finite_is_null_in_json():
    net = bpx.Network([bpx.Linear(1, 1)], loss="squared_error", dtype="float64")
    net.params = [{"weight": [[1e200]], "bias": [0.0]}]
    trace = bpx.explain(net, [[1e200]], [[0.0]])
    data = json.loads(trace.to_json(), parse_constant=pytest.fail)
    assert data["steps"][0]["loss"] is None
    assert "not finite" in str(bpx.explain(net, [[1e200]], [[0.0]], detail="summary"))


def test_summaries_hold_at_any_size():
    summary = summarize(np.array([3e200, -4e200, 0.0, np.inf]))
    assert (summary["count"], summary["not_finite"], summary["zeros"]) == (4, 1, pytest.approx(1 / 3))
    assert summary["norm"] == pytest.approx(5e200, rel=1e-12)
    assert summary["std"] == pytest.approx(np.std([3.0, -4.0, 0.0]) * 1e200, rel=1e-12)
    assert (summary["min"], summary["max"]) == (-4e200, 3e200)
    assert summarize(np.full(5, 1e200))["histogram"] == {"counts": [5], "edges": [1e200, 1e200]}
    assert summarize(np.full(2, np.nan)) == {"count": 2, "not_finite": 2}


def test_large_networks_are_summarized_and_say_so():
    x, y = np.random.default_rng(0).normal(size=(20, 300)), np.arange(20) % 10
    net = bpx.mlp([300, 200, 10])
    trace = bpx.explain(net, x, y, 2)
    assert trace.detail == "summary"
    assert any("This network is large" in note for note in trace.notes)
    text = str(trace)
    assert "This network is large" in text
    assert "norm" in text
    quantity = trace.steps[0].layers[0]["dL/dw"]
    assert (quantity.values, quantity.shape) == (None, (300, 200))
    gradient = net.gradients(x, y)[1][0]["weight"].astype(np.float64)
    summary = quantity.to_dict()["summary"]
    assert summary["norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
    assert sum(summary["histogram"]["counts"]) == summary["count"] == 60_000
    assert len(trace.to_json()) < 100_000
    with pytest.raises(ValueError, match="only a summary of 'dL/dw' was kept"):
        np.asarray(quantity)
    chain = trace.chain("0.weight[3,7]")  # a single weight's chain is there all the same
    assert chain.total == pytest.approx(gradient[3, 7], rel=1e-3)
    with pytest.raises(bpx.InputError, match="the arrays of step 1 are gone"):
        trace.chain("0.weight[3,7]", step=1)
    assert bpx.explain(net, x, y, detail="full").steps[0].layers[0]["dL/dw"].values.shape == (300, 200)


def test_a_layer_whose_jacobian_would_be_huge_goes_without():
    net = bpx.Network([bpx.Linear(2, 400), bpx.LayerNorm(400), bpx.Linear(400, 1)], dtype="float64")
    layer = bpx.explain(net, X, Y, detail="full").steps[0].layers[1]
    assert "da/dz" not in layer.quantities
    assert "delta" in layer.quantities


def test_printing_shows_the_four_parts_and_the_numbers():
    text = str(bpx.explain(notebook_network(), X, Y, optimizer=bpx.SGD(0.5)))
    positions = [text.index(f"\n{part}\n") for part in ("Forward", "Error", "Backward", "Update")]
    assert positions == sorted(positions)
    assert "loss 0.752904 before the update" in text
    lines = text.splitlines()
    (line,) = [line for line in lines if "z⁽¹⁾ = x W⁽¹⁾" in line]
    assert line.split() == [
        "0",
        "weighted",
        "input",
        "4×2",
        "z⁽¹⁾",
        "=",
        "x",
        "W⁽¹⁾",
        "+",
        "b⁽¹⁾",
        "0.437587",
        "0.891773",
    ]
    assert max(map(len, lines)) <= 130


def test_what_stands_for_a_trace_is_short():
    trace = bpx.explain(notebook_network(), X, Y, optimizer=bpx.SGD(0.5))
    step = trace.steps[0]
    things = (trace, step, step.layers[0], step.layers[0]["z"], trace.chain("0.weight[1,0]"))
    texts = [repr(thing) for thing in things]
    assert max(map(len, texts)) < 250
    assert texts[1] == "StepTrace(0, loss=0.752904, loss_after=0.718543)"
    assert texts[3] == "Quantity('z', (4, 2): z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾)"
    assert texts[4].startswith("Chain(0.weight[1,0]: 4 paths, total=0.00447818")


def test_numbers_are_printed_alike():
    assert [format_number(value) for value in (0.0, -0.0, -1.5, 1 / 3, 1e-7)] == ["0", "0", "−1.5", "0.333333", "1e−07"]


def test_printing_of_several_steps_lists_their_losses():
    trace = bpx.explain(notebook_network(), X, Y, 12, optimizer=bpx.SGD(0.5))
    text = str(trace)
    assert len(trace) == 12
    assert "12 steps, losses 0.752904" in text
    assert "Step 0:" in text
    assert "Step 11:" in text
    assert "Step 5:" not in text


def test_a_random_or_stateful_layer_is_a_note():
    net = bpx.Network([bpx.Linear(2, 3), bpx.Dropout(0.5), bpx.Linear(3, 1)], dtype="float64")
    assert any("as in prediction" in note for note in bpx.explain(net, X, Y).notes)
    trace = bpx.explain(net, X, Y, training=True)
    assert any("as in training" in note for note in trace.notes)
    assert (trace.steps[0].layers[1]["da/dz"].values == 0.0).any()
    assert bpx.explain(notebook_network(), X, Y).notes == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"detail": "all"}, "unknown detail 'all'"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'?"),
        ({"penalties": 0.1}, "penalties are bpx.L1 or bpx.L2"),
        ({"clip": 1.0}, "clip is bpx.ClipValue, bpx.ClipNorm or None"),
        ({"x": np.ones((4, 3))}, "x must have shape (samples, 2)"),
        ({"y": np.ones(3)}, "one row for each of the 4 samples"),
    ],
)
def test_mistakes_come_before_any_work(arguments, message):
    net = notebook_network()
    before = net.params[0]["weight"].copy()
    with pytest.raises((bpx.InputError, TypeError)) as caught:
        bpx.explain(net, **({"x": X, "y": Y} | arguments))
    assert message in str(caught.value)
    np.testing.assert_array_equal(net.params[0]["weight"], before)


def test_an_optimizer_that_searches_along_a_line_is_refused():
    with pytest.raises(bpx.InputError, match="searches along a line"):
        bpx.explain(notebook_network(), X, Y, optimizer=bpx.LBFGS())


def test_arrays_of_the_device_are_taken_as_they_are():
    case = make("array-api-strict:device1")
    net = notebook_network(backend=case.backend)
    trace = bpx.explain(net, case.array(X), case.array(Y))
    np.testing.assert_allclose(trace.steps[0].layers[0]["z"], textbook(notebook_network(), 0.5)[0]["z"], rtol=1e-12)
    assert trace.backend == "array-api-strict:device1"


def test_a_trace_keeps_the_samples_as_they_were(tmp_path):
    """The caller's arrays may change afterwards, as buffers that are filled again do."""
    net = bpx.mlp([2, 2, 1], "sigmoid", loss="squared_error", dtype="float32")
    x, y, weight = X.astype(np.float32), Y.astype(np.float32), np.ones(4, np.float32)
    trace = bpx.explain(net, x, y, sample_weight=weight)
    trace.to_html(tmp_path / "before.html")
    for array in (x, y, weight):
        array[...] = 0.25
    trace.to_html(tmp_path / "after.html")
    assert (tmp_path / "before.html").read_bytes() == (tmp_path / "after.html").read_bytes()
