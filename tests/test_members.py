"""Networks of many members: each learns for itself, and their mean predicts."""

import networks
import numpy as np
import pytest
from closeness import assert_close, assert_same_bits
from differences import central_differences

import bpx

CROSS_ENTROPY = bpx.MeanOverMembers(loss=bpx.CrossEntropy())
K = 5


def make(backend, loss=CROSS_ENTROPY, n_out=3, mini=False, **options):
    hidden = [bpx.MemberLinear(4, 8, K, () if mini else ("scale_in", "scale_out", "bias")), bpx.ReLU()]
    heads = bpx.MemberLinear(8, n_out, K, own=("weight", "bias"))
    spec = {"dtype": backend.dtype, "backend": backend.spec}
    return bpx.Network([bpx.Members(4, K), *hidden, bpx.Dropout(0.1), heads], loss=loss, seed=3, **{**spec, **options})


LOSSES = [
    pytest.param(bpx.CrossEntropy(), lambda g: g.integers(0, 3, size=4), id="classes"),
    pytest.param(bpx.CrossEntropy(label_smoothing=0.1), lambda g: np.eye(3)[g.integers(0, 3, size=4)], id="one-hot"),
    pytest.param(bpx.BinaryCrossEntropy(), lambda g: g.random((4, 3)), id="yes and no"),
    pytest.param(bpx.SquaredError(), lambda g: g.normal(size=(4, 3)), id="numbers"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("inner", "targets"), LOSSES)
def test_the_loss_is_the_mean_of_the_members_losses(inner, targets, reduction, weighted, backend, generator):
    z, y = generator.normal(size=(4, K, 3)), targets(generator)
    weight = generator.random(4) if weighted else None
    loss, xp = bpx.MeanOverMembers(reduction, inner), backend.xp
    placed = [None if a is None else backend.array(a) if a.dtype.kind == "f" else backend.backend.asarray(a)
              for a in (z, y, weight)]  # fmt: skip
    with backend.backend.computing():
        value, cache = loss.forward(xp, *placed)
        dz = loss.backward(xp, cache)
        each = [loss.loss.forward(xp, placed[0][:, m, :], *placed[1:])[0] for m in range(K)]
        shares = [bpx.to_numpy(loss.loss.probabilities(xp, placed[0][:, m, :])) for m in range(K)]
        predicted = loss.probabilities(xp, placed[0])
    np.testing.assert_allclose(float(value), np.mean([float(v) for v in each]), rtol=backend.either(1e-12, 1e-5))
    assert_close(backend, predicted, np.mean(shares, axis=0), backend.either(1e-12, 1e-5))
    host = bpx.get_backend("numpy").xp
    expected = central_differences(lambda moved: float(loss.forward(host, moved["z"], y, weight)[0]), {"z": z})
    assert_close(backend, dz, expected["z"], backend.either(1e-6, 1e-5))


@pytest.mark.parametrize("mini", [False, True])
def test_members_are_trained_saved_and_continued(mini, backend, tmp_path):
    x, y = networks.classes()
    whole, parts = make(backend, mini=mini), make(backend, mini=mini)
    weight = np.linspace(0.2, 1.0, len(x))
    options = {"batch_size": 8, "optimizer": bpx.Adam(0.02), "sample_weight": weight}
    history = whole.fit(x, y, epochs=20, validation_data=(x, y), **options)
    assert history.validation_loss[-1] < 0.5 * history.validation_loss[0]
    for _ in range(2):
        parts.fit(x, y, epochs=10, **options)
    assert_same_bits(networks.left_by_training(parts), networks.left_by_training(whole))
    whole.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors", backend=backend.spec)
    assert (again.layers, again.loss) == (whole.layers, whole.loss)
    predicted = bpx.to_numpy(whole.predict(x))
    np.testing.assert_array_equal(bpx.to_numpy(again.predict(x)), predicted)
    assert predicted.shape == (len(x), 3)
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, rtol=1e-5)
    assert whole.evaluate(x, y)["accuracy"] == np.mean(predicted.argmax(axis=1) == y)


def test_members_train_as_they_would_alone():
    """Of k networks that share nothing, each takes the steps that it would take by itself, at k times the rate."""
    x, y = networks.classes()
    loss = bpx.MeanOverMembers(loss=bpx.CrossEntropy())
    first = bpx.Members(4, 2, start="ones", frozen="weight")
    net = bpx.Network([first, bpx.MemberLinear(4, 3, 2, own=("weight", "bias"))], loss=loss, dtype="float64")
    alone = []
    for m in range(2):
        one = bpx.Network([bpx.Linear(4, 3)], loss="cross_entropy", dtype="float64")
        one.params = [{name: net.params[1][name][m] for name in ("weight", "bias")}]
        one.fit(x, y, epochs=3, batch_size=None, optimizer=bpx.SGD(0.1))
        alone.append(one)
    net.fit(x, y, epochs=3, batch_size=None, optimizer=bpx.SGD(0.2))
    for m, one in enumerate(alone):
        np.testing.assert_allclose(net.params[1]["weight"][m], one.params[0]["weight"], rtol=1e-12)
    np.testing.assert_allclose(net.predict(x), np.mean([one.predict(x) for one in alone], axis=0), rtol=1e-12)


def test_gradients_and_explanations_are_right():
    x, y = networks.classes(6)
    net = make(type("", (), {"dtype": "float64", "spec": "numpy"}))
    assert bpx.check_gradients(net, x, y, sample_weight=np.linspace(0.1, 1.0, 6)).passed
    trace = bpx.explain(net, x, y)
    assert "Lₙ = (1/K) Σₖ loss(" in trace.steps[0]["losses"].formula.text
    assert trace.chain("1.scale_in[0,1]").difference < 1e-10


@pytest.mark.parametrize("loss", [bpx.BinaryCrossEntropy(), bpx.SquaredError()], ids=lambda loss: loss.name)
def test_other_targets(loss):
    x, y = networks.numbers()
    y = np.clip(np.abs(y), 0.0, 1.0)
    net = make(type("", (), {"dtype": "float32", "spec": "numpy"}), bpx.MeanOverMembers(loss=loss), 2)
    history = net.fit(x, y, epochs=5, metrics=["r2"] if loss.targets == "values" else [])
    assert np.isfinite(history.loss).all()
    found = net.evaluate(x, y)
    if loss.targets == "probabilities":
        assert found["accuracy"] == np.mean(((net.predict(x) > 0.5) == (y > 0.5)).all(axis=1))
    assert net.predict(x).shape == (22, 2)


def test_class_weights_and_one_hot_targets():
    x, y = networks.classes()
    one, other = (make(type("", (), {"dtype": "float64", "spec": "numpy"})) for _ in range(2))
    one.fit(x, y, epochs=2, class_weight="balanced")
    other.fit(x, np.eye(3)[y], epochs=2, class_weight="balanced")
    assert_same_bits(networks.left_by_training(one), networks.left_by_training(other))


def test_they_start_apart_and_each_has_its_own_matrix():
    weight = bpx.Members(100, 50).init(np.random.default_rng(0))["weight"]
    assert set(np.unique(weight)) == {-1.0, 1.0}
    assert abs(weight.mean()) < 0.05
    assert bpx.Members(100, 50, "normal").init(np.random.default_rng(0))["weight"].std() == pytest.approx(1.0, rel=0.05)
    heads = bpx.MemberLinear(30, 20, 2, own=("weight",)).init(np.random.default_rng(0))["weight"]
    assert heads.shape == (2, 30, 20)
    assert np.abs(heads).max() <= 0.1**0.5
    assert np.abs(heads[0] - heads[1]).max() > 0.1


@pytest.mark.parametrize("name", ["weight", "bias", "scale_in", "scale_out"])
def test_frozen_parameters_stay(name):
    layers = [bpx.Members(4, 3), bpx.MemberLinear(4, 2, 3, frozen=name)]
    net = bpx.Network(layers, loss=bpx.MeanOverMembers(loss=bpx.SquaredError()))
    before = {key: array.copy() for key, array in net.params[1].items()}
    net.fit(*networks.numbers(), epochs=2)
    assert {key for key, array in net.params[1].items() if np.array_equal(array, before[key])} == {name}


MEAN = bpx.MeanOverMembers(loss=bpx.SquaredError())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bpx.Members(0, 2), "n_features must be at least 1"),
        (lambda: bpx.Members(2, 0), "k must be at least 1"),
        (lambda: bpx.Members(2, 2, "zeros"), "zeros"),
        (lambda: bpx.Members(2, 2, frozen="bias"), "Members has no parameter 'bias' to freeze"),
        (lambda: bpx.MemberColumns([2], [True], 0), "k must be at least 1"),
        (lambda: bpx.MemberColumns([2, 0], [True, False], 2), "a width of MemberColumns must be at least 1"),
        (lambda: bpx.MemberColumns([], [], 2), "one width or more"),
        (lambda: bpx.MemberColumns([2, 3], [True], 2), "as many of own, got 2 and 1"),
        (lambda: bpx.MemberColumns(2, [True], 2), "a sequence of widths, got 2"),
        (lambda: bpx.MemberColumns([2], "own", 2), "a sequence of own, got 'own'"),
        (lambda: bpx.Network([bpx.Linear(2, 6), bpx.MemberColumns([5], [0], 2)], loss=MEAN), "expects 5 features"),
        (lambda: bpx.Network([bpx.MemberColumns([1], [1], 2)], loss="huber"), "members; their loss is"),
        (lambda: bpx.MemberLinear(2, 2, 0), "k must be at least 1"),
        (lambda: bpx.MemberLinear(2, 2, 2, own="bias"), "own must be a tuple"),
        (lambda: bpx.MemberLinear(2, 2, 2, own=("scale",)), "scale"),
        (lambda: bpx.MemberLinear(2, 2, 2, own=(), frozen="scale_in"), "no parameter 'scale_in' to freeze"),
        (lambda: bpx.MemberLinear(2, 2, 2, weight_init="he"), "he"),
        (lambda: bpx.Network([bpx.Linear(2, 2), bpx.MemberLinear(2, 2, 3)], loss=MEAN), r"Members\(2, k=3\) makes"),
        (lambda: bpx.Network([bpx.Members(2, 3)], loss="huber"), "members; their loss is bpx.MeanOverMembers"),
        (lambda: bpx.Network([bpx.Linear(2, 3)], loss=MEAN), "needs outputs of members, which bpx.MemberLinear makes"),
        (lambda: bpx.MeanOverMembers(loss="huber"), r"takes the loss of one member, .* got 'huber'"),
        (lambda: bpx.MeanOverMembers(loss=MEAN), "takes the loss of one member"),
        (lambda: bpx.MeanOverMembers("median"), "reduction"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(bpx.InputError, match=said):
        make()
