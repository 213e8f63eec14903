"""The precision of a network's products: trained, moved, kept, checked and explained with it."""

import copy
import json
import pickle

import numpy as np
import pytest
from networks import classes, numbers

import bpx
from bpx.backend.replayed import ReplayedLoop
from bpx.errors import FixedAttributeError
from bpx.files.array_file import ArrayFile

REDUCED = ["tf32", "bfloat16"]


def make(backend="numpy", precision="bfloat16", seed=3, **more):
    """Return a network with a shortcut, statistics and a random mask."""
    layers = [
        bpx.Linear(4, 8), bpx.BatchNorm(8), bpx.ReLU(), bpx.Residual([bpx.LayerNorm(8), bpx.Linear(8, 8), bpx.GELU()]),
        bpx.Dropout(0.1), bpx.Linear(8, 3),
    ]  # fmt: skip
    return bpx.Network(layers, loss="cross_entropy", seed=seed, backend=backend, precision=precision, **more)


def weights(net):
    """Return all weights and statistics in one vector."""
    arrays = [a for part in (*net.params, *net.state) for _, a in sorted(part.items())]
    return np.concatenate([bpx.to_numpy(array).ravel() for array in arrays])


# -- training ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", *REDUCED])
def test_every_backend_trains_as_numpy_does(precision, backend):
    x, y = (a.astype(kind) for a, kind in zip(classes(60), ("float32", "int64"), strict=True))
    how = {"epochs": 4, "batch_size": 20, "optimizer": bpx.SGD(0.05, momentum=0.9), "progress": False}
    net, other = make(backend.backend, precision), make("numpy", precision)
    losses, expected = net.fit(x, y, **how).loss, other.fit(x, y, **how).loss
    # Where sums of other order differ in the last bit, an operand may be rounded to the other side.
    unit = {"float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-8}[precision]
    np.testing.assert_allclose(losses, expected, rtol=max(20.0 * unit * 2.0**-4, 1e-5))
    np.testing.assert_allclose(weights(net), weights(other), rtol=0, atol=max(unit, 1e-5))
    assert net.precision == precision


@pytest.mark.parametrize("precision", REDUCED)
def test_it_is_another_training_than_that_in_float32(precision):
    x, y = classes(60)
    nets = [make("numpy", p) for p in ("float32", precision)]
    for net in nets:
        net.fit(x, y, epochs=3, batch_size=20, progress=False)
    gap = np.abs(weights(nets[0]) - weights(nets[1])).max()
    assert 1e-6 < gap < 0.1


@pytest.mark.parametrize("precision", REDUCED)
def test_gradients_and_predictions_are_those_of_rounded_products_by_hand(precision):
    net = bpx.Network([bpx.Linear(4, 2)], loss="squared_error", seed=1, precision=precision)
    x, y = (a.astype(np.float32) for a in numbers(10))
    product = net.backend.namespace(precision).matmul
    w, b = net.params[0]["weight"], net.params[0]["bias"]
    z = product(x, w) + b
    np.testing.assert_array_equal(net.predict(x), z)
    _, grads = net.gradients(x, y)
    dz = (z - y) * np.float32(1 / 10)
    np.testing.assert_array_equal(grads[0]["weight"], product(x.T, dz))
    np.testing.assert_allclose(grads[0]["bias"], dz.sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("precision", REDUCED)
def test_penalties_and_losses_are_summed_up_in_float32(precision):
    x, y = (a.astype(np.float32) for a in numbers(10))
    zeros = np.zeros_like(x)  # products of zeros are exact: what is left is the sum of squares
    net = bpx.Network([bpx.Linear(4, 2)], loss="squared_error", precision=precision)
    loss, _ = net.gradients(zeros, y)
    assert loss == pytest.approx(0.5 * float((y.astype(np.float64) ** 2).sum()) / 10, rel=1e-6)
    start = net.params[0]["weight"].astype(np.float64)
    penalty = net.fit(zeros, np.zeros_like(y), epochs=1, penalties=bpx.L2(1.0), progress=False).loss[0]
    assert penalty == pytest.approx(0.5 * float((start**2).sum()), rel=1e-6)


def test_small_steps_are_played_from_a_tape_to_the_same_bits(monkeypatch):
    x, y = classes(40)
    how = {"epochs": 300, "batch_size": None, "optimizer": bpx.SGD(0.01), "progress": False}
    played, plain = (bpx.mlp([4, 6, 3], precision="bfloat16") for _ in range(2))
    seen = []
    play = ReplayedLoop._play

    def note(self, kind, *rest):
        seen.append(kind)
        result = play(self, kind, *rest)
        assert kind not in self._refused
        return result

    monkeypatch.setattr(ReplayedLoop, "_play", note)
    played.fit(x, y, **how)
    assert seen
    monkeypatch.setattr("bpx.training.loop.is_own", lambda *given: False)
    plain.fit(x, y, **how)
    np.testing.assert_array_equal(weights(played), weights(plain))


@pytest.mark.parametrize("precision", REDUCED)
def test_lbfgs_has_it_too(precision):
    x, y = classes(60)
    losses = [
        bpx.mlp([4, 6, 3], precision=p).fit(x, y, epochs=15, optimizer=bpx.LBFGS(), progress=False).loss
        for p in ("float32", precision)
    ]
    assert losses[0] != losses[1]
    assert losses[1][-1] < 0.5 * losses[1][0]


def test_two_fits_are_one():
    x, y = classes(60)
    one, two = make(), make()
    one.fit(x, y, epochs=6, batch_size=20, progress=False)
    for _ in range(2):
        two.fit(x, y, epochs=3, batch_size=20, progress=False)
    np.testing.assert_array_equal(weights(one), weights(two))


# -- what is asked for ------------------------------------------------------------------------------------


def test_the_default_rounds_nothing():
    net = bpx.mlp([4, 3])
    assert net.precision == "float32"
    assert net.xp is net.backend.xp
    assert "precision" not in repr(net)
    assert bpx.mlp([4, 3], dtype="float64").precision == "float32"


@pytest.mark.parametrize("precision", REDUCED)
def test_it_is_for_float32_alone(precision):
    for call in (
        lambda: bpx.mlp([4, 3], dtype="float64", precision=precision),
        lambda: bpx.mlp([4, 3], dtype="float64").to(precision=precision),
        lambda: bpx.mlp([4, 3], precision=precision).copy(dtype="float64"),
    ):
        with pytest.raises(bpx.InputError, match=f"precision='{precision}' rounds .* dtype float64 has none"):
            call()
    for call in (bpx.mlp([4, 3]).copy, bpx.mlp([4, 3]).to):
        with pytest.raises(bpx.InputError, match="unknown precision ''"):
            call(precision="")
    assert bpx.mlp([4, 3], precision=precision).copy(dtype="float64", precision="float32").dtype == "float64"


@pytest.mark.parametrize("wrong", ["float16", "TF32", "bf16", "", None, 32, np.float32])
def test_another_name_is_an_error_that_lists_them(wrong):
    with pytest.raises(bpx.InputError, match="unknown precision .*bfloat16.*float32.*tf32"):
        bpx.Network([bpx.Linear(4, 3)], precision=wrong)


def test_it_is_changed_by_to_alone():
    net = make(precision="float32")
    with pytest.raises(FixedAttributeError, match=r"net\.to\(precision='tf32'\) changes it"):
        net.precision = "tf32"
    assert net.precision == "float32"


def test_to_changes_it_and_nothing_else(backend):
    x, y = classes(60)
    net = make(backend.backend, "float32")
    net.fit(x, y, epochs=1, batch_size=20, progress=False)
    before, steps, spec = weights(net), net.training.step, net.backend.spec
    unrounded = net.predict(x)
    assert net.to(precision="bfloat16") is net
    assert (net.precision, net.backend.spec, net.training.step) == ("bfloat16", spec, steps)
    np.testing.assert_array_equal(weights(net), before)
    rounded = net.predict(x)
    assert not np.array_equal(unrounded, rounded)
    net.fit(x, y, epochs=1, batch_size=20, progress=False)
    net.params, net.state = (
        [{n: bpx.to_numpy(a) for n, a in part.items()} for part in old] for old in (net.params, net.state)
    )
    full = copy.deepcopy(net).to(precision="float32")
    assert not np.array_equal(full.predict(x), net.predict(x))
    assert not np.array_equal(full.predict(x), rounded)
    moved = net.to("numpy", precision="tf32")
    assert (moved.precision, moved.backend.spec) == ("tf32", "numpy")
    assert moved.to("numpy").precision == "tf32"


def test_a_refused_change_changes_nothing():
    net = bpx.mlp([4, 3], dtype="float64")
    with pytest.raises(bpx.InputError):
        net.to("array-api-strict", precision="bfloat16")
    assert (net.backend.spec, net.precision) == ("numpy", "float32")


# -- kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", *REDUCED])
def test_copies_pickles_and_files_keep_it(precision, tmp_path):
    x, _ = classes(10)
    net = make(precision=precision)
    path = tmp_path / "net.safetensors"
    net.save(path)
    for other in (net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net)), bpx.load(path)):
        assert other.precision == precision
        np.testing.assert_array_equal(other.predict(x), net.predict(x))


def test_a_file_of_a_network_that_rounds_nothing_is_what_it_was(tmp_path):
    path = tmp_path / "net.safetensors"
    make(precision="float32").save(path)
    with ArrayFile(path) as file:
        assert "precision" not in json.loads(file.metadata["network"])


@pytest.mark.parametrize("wrong", ["float16", 3, None, ["tf32"]])
def test_a_file_with_another_name_is_refused(wrong, tmp_path):
    import hostile_files

    path = tmp_path / "net.safetensors"
    make(precision="tf32").save(path)
    metadata, arrays = hostile_files.read_parts(path)
    described = json.loads(metadata["network"])
    for changed in ({**described, "precision": wrong}, {**described, "dtype": "float64"}):
        hostile_files.write_parts(path, {**metadata, "network": json.dumps(changed)}, arrays)
        with pytest.raises(bpx.FileFormatError, match="precision"):
            bpx.load(path)


def test_a_checkpoint_resumes_with_its_precision_alone(tmp_path):
    x, y = classes(60)
    how = {"batch_size": 20, "progress": False}
    whole, parts = make(), make()
    whole.fit(x, y, epochs=4, **how)
    parts.fit(x, y, epochs=2, checkpoint=tmp_path / "run", **how)
    with pytest.raises(bpx.InputError, match="network.precision is 'float32' here and 'bfloat16' in the checkpoint"):
        make(precision="float32").fit(x, y, epochs=4, resume=tmp_path / "run", **how)
    resumed = make()
    resumed.fit(x, y, epochs=4, resume=tmp_path / "run", **how)
    np.testing.assert_array_equal(weights(resumed), weights(whole))


def test_it_is_shown():
    net = make(precision="tf32")
    assert repr(net).endswith(", precision='tf32')")
    assert "float32 with products in tf32" in net.summary()
    assert "float32 with products in tf32" in net._repr_html_()
    assert "products in" not in make(precision="float32").summary()


# -- checked and explained --------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("precision", REDUCED)
def test_the_check_of_gradients_is_of_its_formulas(precision, training, backend):
    x, y = classes(30)
    net = make(backend.backend, precision)
    net.fit(x, y, epochs=20, batch_size=10, progress=False)
    check = bpx.check_gradients(net, x, y, training=training)
    assert check, check
    assert check == bpx.check_gradients(net.copy(precision="float32"), x, y, training=training)


@pytest.mark.parametrize("precision", REDUCED)
def test_a_wrong_formula_fails_the_check(precision, monkeypatch):
    x, y = classes(30)
    backward = bpx.GELU.backward

    def wrong(self, *given, **options):
        dx, grads = backward(self, *given, **options)
        return dx * 1.0001, grads

    monkeypatch.setattr(bpx.GELU, "backward", wrong)
    assert not bpx.check_gradients(make("numpy", precision), x, y)


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("precision", REDUCED)
def test_a_diagnosis_does_not_take_rounding_for_an_illness(precision, seed):
    x, y = classes(60)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    net = bpx.mlp([4, 16, 3], seed=seed, precision=precision)
    for epochs in (0, 200):
        if epochs:
            net.fit(x, y, epochs=epochs, optimizer=bpx.Adam(0.01), progress=False)
        for rate in (1e-2, 1e-4, 1e-6):  # the last moves weights by less than rounding hides
            found, full = (
                bpx.diagnose(n, x, y, optimizer=bpx.Adam(rate)).names for n in (net, net.copy(precision="float32"))
            )
            assert found == full


@pytest.mark.parametrize("precision", REDUCED)
def test_an_explanation_shows_the_numbers_of_the_training_and_says_that_they_are_rounded(precision):
    x, y = (a.astype(np.float32) for a in numbers(6))
    net = bpx.mlp([4, 5, 2], activation="tanh", loss="squared_error", precision=precision)
    trace = bpx.explain(net, x, y, optimizer=bpx.SGD(0.1))
    loss, grads = net.gradients(x, y)
    assert trace.steps[0].loss == pytest.approx(loss, rel=1e-6)
    np.testing.assert_array_equal(trace.steps[0].layers[0]["dL/dw"], grads[0]["weight"])
    net.fit(x, y, epochs=1, batch_size=None, optimizer=bpx.SGD(0.1), progress=False)
    assert trace.steps[0].loss_after == pytest.approx(net.evaluate(x, y)["loss"], rel=1e-6)
    assert any(f"rounded to {precision}" in note for note in trace.notes)
    assert not any("rounded" in note for note in bpx.explain(net.to(precision="float32"), x, y).notes)
