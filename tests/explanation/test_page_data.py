"""The data of the explaining page: snapshots of a copy's training, in the page's format."""

import json

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data, write_page
from bpx.explanation.page import render_page
from bpx.explanation.pagedata import PAGE_LAYERS
from bpx.explanation.snapshots import choose_moments
from bpx.notebook import notebook_network, notebook_xor

X, Y = bpx.datasets.xor()
RATE = bpx.SGD(0.5)


def snapshot_params(data, k):
    return [{name: np.array(values) for name, values in part.items()} for part in data["snapshots"][k]["params"]]


def test_snapshots_are_the_network_at_that_epoch():
    net = notebook_network()
    data = page_data(net, X, Y, epochs=50, optimizer=RATE, snapshots=[0, 7, 50])
    assert data["format"] == "bpx-explain/1"
    assert data["title"] == "A 2-2-1 network"
    assert data["layers"][0] == {"kind": "Linear", "n_in": 2, "n_out": 2, "frozen": []}
    assert data["layers"][1] == {"kind": "Sigmoid"}
    assert data["loss"] == {"kind": "squared_error", "reduction": "sum"}
    assert data["learning_rate"] == 0.5
    assert data["samples"] == {"x": X.tolist(), "y": Y.tolist()}
    trained = notebook_network()
    done = 0
    for k, epoch in enumerate((0, 7, 50)):
        if epoch > done:
            trained.fit(X, Y, epochs=epoch - done, optimizer=RATE)
        done = epoch
        assert data["snapshots"][k]["step"] == epoch
        assert data["snapshots"][k]["loss"] == trained.evaluate(X, Y)["loss"]
        for mine, theirs in zip(snapshot_params(data, k), trained.params, strict=True):
            for name, array in theirs.items():
                np.testing.assert_array_equal(mine[name], array)
    np.testing.assert_array_equal(net.params[0]["weight"], notebook_network().params[0]["weight"])
    json.dumps(data, allow_nan=False)


def test_the_loss_curve_has_the_loss_at_each_step():
    data = page_data(notebook_network(), X, Y, epochs=20, optimizer=RATE, snapshots=3)
    history = notebook_network().fit(X, Y, epochs=20, optimizer=RATE)
    curve = dict(zip(data["losses"]["step"], data["losses"]["loss"], strict=True))
    assert list(curve) == list(range(21))
    assert [curve[step] for step in range(20)] == pytest.approx(history.loss, rel=1e-12)
    assert curve[20] == data["snapshots"][-1]["loss"]


def test_a_long_curve_is_thinned_but_keeps_its_snapshots():
    data = page_data(notebook_network(as_published=True), X, Y, epochs=2000, optimizer=RATE)
    assert len(data["losses"]["step"]) < 330
    steps = [snapshot["step"] for snapshot in data["snapshots"]]
    assert set(steps) <= set(data["losses"]["step"])
    assert (steps[0], steps[-1]) == (0, 2000)
    assert steps == sorted(set(steps))
    assert len(steps) <= 16
    assert data["layers"][0]["frozen"] == ["bias"]


def test_the_published_run_is_on_the_page():
    data = page_data(notebook_network(as_published=True), X, Y, epochs=9999, optimizer=RATE, snapshots=2)
    params = snapshot_params(data, 1)
    net = notebook_network(as_published=True)
    net.params = params
    np.testing.assert_array_equal(net.predict(X)[:, 0], notebook_xor(as_published=True).predictions)


def test_training_goes_on_from_where_the_network_stands():
    net = notebook_network()
    net.fit(X, Y, epochs=5, optimizer=bpx.Adam(0.01))
    data = page_data(net, X, Y, epochs=3, snapshots=[3])
    net.fit(X, Y, epochs=3, optimizer=bpx.Adam(0.01))
    np.testing.assert_array_equal(snapshot_params(data, 0)[0]["weight"], net.params[0]["weight"])
    assert data["learning_rate"] == 0.01
    assert any("Adam" in note and "plain gradient descent" in note for note in data["notes"])


def test_a_network_that_does_not_train_on_says_that_the_updates_are_not_its_own():
    net = notebook_network()
    net.fit(X, Y, epochs=1, optimizer=bpx.Adam(0.01))
    (note,) = page_data(net, X, Y)["notes"]
    assert note.startswith("This network trains with Adam(")
    assert note.endswith("; the update in the walk through a step is plain gradient descent.")
    (note,) = page_data(net, X, Y, optimizer=bpx.AdamW(0.1))["notes"]
    assert note.endswith("is plain gradient descent, and so are the steps that the page takes itself.")
    assert "notes" not in page_data(net, X, Y, optimizer=bpx.SGD(0.5))


def test_on_every_backend(backend):
    net = bpx.mlp([2, 2, 1], "tanh", loss="squared_error", dtype=backend.dtype, backend=backend.backend)
    data = page_data(net, backend.array(X), backend.array(Y), epochs=2, optimizer=bpx.SGD(0.1), snapshots=[0, 2])
    assert data["samples"] == {"x": X.tolist(), "y": Y.tolist()}
    for name, array in net.params[0].items():
        np.testing.assert_array_equal(snapshot_params(data, 0)[0][name], backend.numpy(array))
    net.fit(X, Y, epochs=2, optimizer=bpx.SGD(0.1))
    for name, array in net.params[0].items():
        tolerance = backend.either(1e-12, 1e-5)
        np.testing.assert_allclose(snapshot_params(data, 1)[0][name], backend.numpy(array), rtol=tolerance)
    json.dumps(data, allow_nan=False)


def test_batches_count_as_steps_and_classes_are_shown_in_turn():
    x, y = bpx.datasets.digits()
    order = np.argsort(y[:200], kind="stable")  # one class after the other
    x, y = x[order] / 16, y[order]
    net = bpx.mlp([64, 5, 10], dtype="float32")
    data = page_data(
        net, x, y, epochs=2, optimizer="adam", batch_size=64, class_names="0123456789", snapshots=[0, 1, 2]
    )
    assert [snapshot["step"] for snapshot in data["snapshots"]] == [0, 4, 8]
    assert data["losses"]["step"] == [0, 4, 8]
    shown = np.argmax(data["samples"]["y"], axis=1)
    assert len(shown) == 24
    assert set(np.bincount(shown, minlength=10)) <= {2, 3}
    assert np.array(data["samples"]["y"]).sum(axis=1).tolist() == [1.0] * 24
    assert data["class_names"] == list("0123456789")
    assert data["notes"][0] == "The page shows 24 of 200 samples; losses of the training are over all of them."
    weight = np.array(data["snapshots"][0]["params"][0]["weight"])
    np.testing.assert_array_equal(weight, bpx.to_numpy(net.params[0]["weight"]))  # float32, exactly


def test_the_row_to_begin_with_is_shown():
    x, y = bpx.datasets.digits()
    net = bpx.mlp([64, 4, 10])
    data = page_data(net, x, y, sample=1500, weight="0.weight[3, 1]", samples=5)
    assert data["start"] == {"sample": 0, "weight": "0.weight[3,1]"}
    assert data["samples"]["x"][0] == x[1500].tolist()
    assert len(data["samples"]["x"]) == 5
    assert page_data(net, x, y, sample=1, samples=[4, 1])["start"] == {"sample": 1}


def test_images_are_flattened_and_keep_their_shape():
    x, y = bpx.datasets.digits()
    net = bpx.Network([bpx.Flatten(), bpx.Linear(64, 10)], loss="cross_entropy")
    data = page_data(net, x[:3].reshape(3, 8, 8), y[:3])
    assert data["input_shape"] == [8, 8]
    assert data["layers"][0] == {"kind": "Identity"}
    np.testing.assert_array_equal(data["samples"]["x"], x[:3])


def test_a_large_network_gets_as_many_snapshots_as_there_is_room_for(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(8, 100)), np.arange(8)
    net = bpx.mlp([100, 200, 8])
    data = page_data(net, x, y, epochs=30, optimizer="adam")
    assert 2 <= len(data["snapshots"]) < 4
    write_page(tmp_path / "page.html", net, x, y, epochs=30, optimizer="adam")
    assert (tmp_path / "page.html").stat().st_size < 1_000_000
    with pytest.raises(bpx.InputError, match="the page would take"):
        write_page(tmp_path / "too_large.html", bpx.mlp([100, 20, 8]), x, y, max_bytes=400_000)
    assert not (tmp_path / "too_large.html").exists()


def test_the_page_is_written_whole(tmp_path):
    path = tmp_path / "xor.html"
    write_page(path, notebook_network(), X, Y, epochs=10, optimizer=RATE, title="<XOR>")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<XOR>" not in text
    with pytest.raises(bpx.InputError, match="cannot write"):
        write_page(tmp_path / "no" / "xor.html", notebook_network(), X, Y)


def test_moments_are_denser_at_the_start():
    assert choose_moments(16, 0) == [0]
    assert choose_moments(16, 5) == [0, 1, 2, 3, 4, 5]
    assert choose_moments(1, 9) == [9]
    assert choose_moments(2, 9) == [0, 9]
    assert choose_moments(3, 9) == [0, 1, 9]
    assert choose_moments([5, 0, 5], 9) == [0, 5]
    long = choose_moments(10, 10_000)
    assert (long[0], long[1], long[-1]) == (0, 1, 10_000)
    assert all(a < b for a, b in zip(np.diff(long)[1:], np.diff(long)[2:], strict=False))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0"),
        ({"snapshots": 0}, "snapshots must be at least 1"),
        ({"snapshots": [3], "epochs": 2}, "snapshots are taken after epochs 0 to 2, got [3]"),
        ({"snapshots": []}, "snapshots are taken after epochs 0 to 0"),
        ({"samples": []}, "samples are rows 0 to 3 of x"),
        ({"samples": [4]}, "samples are rows 0 to 3 of x, got [4]"),
        ({"sample": 4}, "sample must be a row of x, 0 to 3, got 4"),
        ({"weight": "1.weight[0,0]"}, "names no parameter"),
        ({"weight": "0.weight"}, "a weight is named LAYER.NAME[INDEX]"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"optimizer": "adma"}, "did you mean 'adam'?"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(bpx.InputError) as caught:
        page_data(notebook_network(), X, Y, **arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "loss"),
    [
        (bpx.Mish(), "squared_error"),
        (bpx.GELU(approximate="tanh"), "squared_error"),
        (bpx.Residual([bpx.Tanh(), bpx.Mish()]), "squared_error"),
        (bpx.Tanh(), "poisson"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, bpx.Layer) else value,
)
def test_what_the_page_cannot_show_is_refused_before_any_work(layer, loss):
    net = bpx.Network([bpx.Linear(2, 2), layer, bpx.Linear(2, 1)], loss=loss)
    with pytest.raises(bpx.InputError, match=r"the page cannot show .*; bpx.explain takes any|the page cannot show"):
        page_data(net, X, Y)


class Doubled(bpx.Linear):
    """A user's own layer, with a pass of its own."""

    def forward(self, xp, params, x, context=None):
        y, cache = super().forward(xp, params, x, context)
        return 2 * y, cache


@pytest.mark.parametrize("layers", [[Doubled(2, 2)], [bpx.Residual([Doubled(2, 2)])]], ids=["alone", "in a block"])
def test_a_layer_of_the_users_own_is_refused_and_named(layers, tmp_path):
    net = bpx.Network([bpx.Linear(2, 2), *layers, bpx.Linear(2, 1)], loss="squared_error")
    with pytest.raises(bpx.InputError, match=r"the page cannot show layer 1(\.0)?, Doubled.*print its trace instead"):
        write_page(tmp_path / "page.html", net, X, Y)
    with pytest.raises(bpx.InputError, match="the page cannot show layer 1"):
        bpx.lab(net, X, Y, tmp_path / "page.html", browser=False)
    assert not (tmp_path / "page.html").exists()


def test_residual_blocks_are_opened():
    block = bpx.Residual([bpx.BatchNorm(2), bpx.Residual([bpx.Linear(2, 2)]), bpx.Dropout(0.1)])
    net = bpx.Network([bpx.Linear(2, 2), block, bpx.LayerNorm(2), bpx.Linear(2, 1)], loss="squared_error")
    data = page_data(net, X, Y, epochs=2, snapshots=[0, 2], weight="1.1.0.weight[0,1]")
    told = [(layer["kind"], layer.get("name"), layer.get("from")) for layer in data["layers"]]
    assert told == [
        ("Linear", None, None), ("BatchNorm", "1.0", None), ("Linear", "1.1.0", None), ("Shortcut", "1.1", 2),
        ("Dropout", "1.2", None), ("Shortcut", "1", 1), ("LayerNorm", "2", None), ("Linear", "3", None),
    ]  # fmt: skip
    assert data["start"]["weight"] == "2.weight[0,1]"
    assert data["title"] == "A 2-2-2-1 network"
    for snapshot in data["snapshots"]:
        names = [list(params) for params in snapshot["params"]]
        whole = ["weight", "bias"]
        assert names == [whole, [*whole, "running_mean", "running_var"], whole, [], [], [], whole, whole]
    first, last = (np.array(snapshot["params"][1]["running_mean"]) for snapshot in data["snapshots"])
    assert not first.any()
    assert last.any(), "the statistics of their moment"
    with pytest.raises(bpx.InputError, match="'2.bias\\[0\\]' is one of another layer"):
        page_data(net, X, Y, weight="2.bias[0]")


def test_a_trace_keeps_the_statistics_of_its_steps():
    net = bpx.Network([bpx.Linear(2, 2), bpx.BatchNorm(2), bpx.Linear(2, 1)], loss="squared_error", dtype="float64")
    trace = bpx.explain(net, X, Y, 2, optimizer=bpx.SGD(0.1), training=True)
    states = [step.records[1].state["running_mean"] for step in trace.steps]
    assert not states[0].any()
    net.fit(X, Y, epochs=1, optimizer=bpx.SGD(0.1), batch_size=None)
    np.testing.assert_array_equal(states[1], net.state[1]["running_mean"])


def test_the_documentation_of_page_data_lists_the_layers_that_a_page_shows():
    assert all(f"`{kind}`" in page_data.__doc__ for kind in PAGE_LAYERS)


def test_a_page_takes_the_batch_size_that_fit_chooses():
    x, y = bpx.datasets.moons(250, seed=0)
    net = bpx.mlp([2, 3, 1], loss="binary_cross_entropy", seed=0)
    chosen, given = (page_data(net, x, y, epochs=2, batch_size=size) for size in ("auto", 32))
    assert render_page(chosen) == render_page(given)
