"""A network: its layers and loss, its parameters and statistics, its gradients and its table."""

import numpy as np
import pytest
from closeness import assert_close, assert_same_bits
from networks import classes, everything, left_by_training, numbers, on_host

import bpx


def test_parameters_are_dicts_by_layer(backend):
    net = bpx.mlp([4, 3, 2], dtype=backend.dtype, backend=backend.backend)
    assert [sorted(part) for part in net.params] == [["bias", "weight"], [], ["bias", "weight"]]
    assert tuple(net.params[0]["weight"].shape) == (4, 3)
    assert tuple(net.params[2]["bias"].shape) == (2,)
    assert net.n_params == 4 * 3 + 3 + 3 * 2 + 2
    for part in net.params:
        for array in part.values():
            assert_close(backend, array, backend.numpy(array), 0.0)


def test_the_same_seed_is_the_same_network_and_another_seed_another():
    make = {"sizes": [4, 3, 2], "init": "uniform", "dtype": "float64"}
    assert_same_bits(bpx.mlp(**make, seed=1).params, bpx.mlp(**make, seed=1).params)
    assert (bpx.mlp(**make, seed=1).params[2]["bias"] != bpx.mlp(**make, seed=2).params[2]["bias"]).all()


def test_assigned_parameters_are_copied(backend):
    net = everything(backend)
    mine = [{name: np.ones(a.shape) for name, a in part.items()} for part in on_host(net, net.params)]
    net.params = mine
    for part in mine:
        for array in part.values():
            array += 5.0
    for part in on_host(net, net.params):
        for array in part.values():
            np.testing.assert_array_equal(array, np.ones(array.shape))
            assert array.dtype == backend.dtype


def test_parameters_of_one_backend_are_taken_by_another(backend):
    source, target = everything(backend, "float32"), everything("numpy", "float32", seed=9)
    target.params, target.state = source.params, source.state
    assert_same_bits(left_by_training(target), left_by_training(source))


@pytest.mark.parametrize("kind", ["params", "state"])
def test_assigned_arrays_must_fit(kind):
    net = bpx.Network([bpx.Linear(3, 2), bpx.BatchNorm(2)])
    right = on_host(net, getattr(net, kind))
    i, name, shape = (0, "weight", "(3, 2)") if kind == "params" else (1, "running_mean", "(2,)")
    wrong_shape, wrong_name = ([dict(part) for part in right] for _ in range(2))
    wrong_shape[i][name] = np.ones((7, 2))
    wrong_name[i]["other"] = wrong_name[i].pop(name)
    for wrong, parts in (
        (right[:1], [f"{kind} must be a list of 2 dicts, one for each layer, got 1"]),
        (wrong_shape, [f"{kind} of layer {i} (", shape, "(7, 2)"]),
        (wrong_name, [f"{kind} of layer {i} (", name, "other"]),
    ):
        with pytest.raises(bpx.InputError) as error:
            setattr(net, kind, wrong)
        assert all(part in str(error.value) for part in parts), error.value
        assert_same_bits(on_host(net, getattr(net, kind)), right)


def test_gradients_are_shaped_like_the_parameters_and_change_nothing(backend):
    x, y = (backend.array(part) for part in classes(5))
    net = everything(backend)
    before = left_by_training(net)
    for training in (False, True):
        loss, gradients = net.gradients(x, y, training=training)
        assert type(loss) is float
        for part, gradient in zip(net.params, gradients, strict=True):
            assert sorted(part) == sorted(gradient)  # what is frozen too
            for name in part:
                assert tuple(part[name].shape) == tuple(gradient[name].shape)
        if not training:  # in training, the statistics of the batch take every bias out again
            assert np.abs(backend.numpy(gradients[0]["bias"])).max() > 0.0
    assert_same_bits(left_by_training(net), before)
    assert net.gradients(x, y)[0] == net.gradients(x, y)[0]


def test_gradients_are_descended_in_a_step(backend):
    x, y = (backend.array(part) for part in numbers(6))
    net = bpx.mlp([4, 3, 2], activation="tanh", loss="huber", dtype=backend.dtype, backend=backend.backend)
    before = on_host(net, net.params)
    gradients = on_host(net, net.gradients(x, y)[1])
    net.fit(x, y, epochs=1, optimizer=bpx.SGD(0.5))
    for was, now, part in zip(before, on_host(net, net.params), gradients, strict=True):
        for name in was:
            np.testing.assert_allclose(
                now[name], was[name] - 0.5 * part[name], rtol=backend.either(1e-13, 1e-5), atol=1e-7
            )


def test_a_layer_before_the_first_that_is_trained_is_left_out_of_the_backward_pass(on_numpy):
    from networks import unregistered

    calls = []

    @unregistered
    class Watched(bpx.Linear):
        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            calls.append((self.n_out, input_gradient))
            return super().backward(xp, params, cache, dy, input_gradient=input_gradient)

    frozen = Watched(4, 5, frozen=("weight", "bias"))
    net = bpx.Network([frozen, bpx.Tanh(), Watched(5, 3), bpx.Tanh(), Watched(3, 2)], dtype="float64")
    net.fit(*numbers(6), epochs=1)
    assert calls == [(2, True), (3, False)]


def test_its_text_says_what_it_is(backend):
    net = bpx.Network([bpx.Linear(4, 3), bpx.ReLU()], loss="huber", seed=7, backend=backend.backend)
    assert repr(net) == (
        f"Network([Linear(4, 3), ReLU()], loss='huber', dtype='float32', seed=7, backend='{backend.spec}')"
    )


def test_the_table_adds_up(backend):
    net = bpx.Network(
        [bpx.Flatten(), bpx.Linear(1200, 10), bpx.ReLU(), bpx.Residual([bpx.Linear(10, 10)]), bpx.Linear(10, 3)],
        loss="cross_entropy", backend=backend.backend,
    )  # fmt: skip
    lines = net.summary().splitlines()
    assert lines[0].split() == ["layer", "output", "parameters"]
    assert len(lines) == 9
    assert "Flatten()" in lines[2]
    assert "?" in lines[2]
    assert lines[3].split()[-1] == "12,010"
    assert "(batch, 10)" in lines[3]
    assert lines[5].split()[-1] == "110"
    assert lines[-1] == f"12,153 parameters, float32, loss cross_entropy (mean), on {backend.spec}"
    assert net.n_params == 12153
    assert len({len(line) for line in lines[:-1]}) == 1


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "a network needs at least one layer"),
        (None, "layers must be a sequence of layers, got None"),
        (bpx.Tanh(), "layers must be a sequence of layers, got Tanh()"),
        ([bpx.Tanh], "layers must hold layers (an instance, with parentheses), got <class"),
        (["tanh"], "layers must hold layers, got 'tanh'"),
        (
            [bpx.Linear(2, 3), bpx.Linear(4, 1)],
            "layer 1: Linear(4, 1) expects 4 features, but the layer before it gives 3",
        ),
        ([bpx.Linear(2, 3), bpx.ReLU(), bpx.BatchNorm(4)], "layer 2: BatchNorm(4) expects 4 features"),
        ([bpx.Linear(2, 3), bpx.LayerNorm(2)], "layer 1: LayerNorm(2) expects 2 features"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(bpx.InputError) as error:
        bpx.Network(layers)
    assert message in str(error.value)


def test_layers_may_come_from_any_iterable():
    assert bpx.Network(layer for layer in (bpx.Linear(2, 3), bpx.Tanh())).layers == (bpx.Linear(2, 3), bpx.Tanh())


@pytest.mark.parametrize("layers", [
    [bpx.Linear(3, 2)],
    [bpx.Tanh(), bpx.Linear(3, 2)],
    [bpx.Dropout(0.5), bpx.BatchNorm(3)],
    [bpx.Residual([bpx.Linear(3, 3)]), bpx.Linear(3, 2)],
    [bpx.Residual([bpx.Linear(3, 3)])],
    [bpx.Residual([bpx.Tanh(), bpx.Residual([bpx.LayerNorm(3)])])],
    [bpx.Flatten(), bpx.Linear(3, 2)],
    [bpx.Flatten(), bpx.Residual([bpx.Linear(3, 3)])],
], ids=repr)  # fmt: skip
def test_samples_of_another_width_are_refused_whatever_comes_first(layers):
    net = bpx.Network(layers)
    assert net.predict(np.ones((2, 3))).shape[0] == 2
    for x in (np.ones((2, 4)), np.ones((2, 1))):
        with pytest.raises(bpx.InputError) as error:
            net.predict(x)
        assert "3" in str(error.value)
        assert str(x.shape[1]) in str(error.value)


@pytest.mark.parametrize("last", [bpx.Sigmoid(), bpx.Softmax()])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_outputs_that_would_be_squashed_twice_are_refused(last, loss, tmp_path, monkeypatch):
    layers = [bpx.Linear(3, 2), last]
    with pytest.raises(bpx.InputError, match=f"the loss {loss} takes logits, and applies .*leave that last layer out"):
        bpx.Network(layers, loss=loss)
    bpx.Network(layers, loss="squared_error")
    with monkeypatch.context() as earlier:  # a file that an earlier bpx wrote is read
        earlier.setattr(bpx.Network, "_check_last_layer", lambda net: None)
        bpx.Network(layers, loss=loss).save(tmp_path / "net")
    assert bpx.load(tmp_path / "net").copy().layers == tuple(layers)


@pytest.mark.parametrize("layers", [[bpx.Identity()], [bpx.Dropout(0.5), bpx.Flatten()]])
def test_predictions_are_not_the_callers_own_memory(layers, backend):
    net = bpx.Network(layers, loss="squared_error", backend=backend.spec, dtype=backend.dtype)
    x = np.ones((3, 2), backend.dtype)
    made = net.predict(x)
    assert not np.shares_memory(made, x)


def test_classes_given_as_floats_are_told_alike_on_every_backend(backend):
    net = bpx.mlp([3, 3], backend=backend.spec)
    with pytest.raises(bpx.InputError, match=r"class ids must be whole numbers of an integer dtype, got float64; use"):
        net.fit(np.zeros((6, 3)), np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]), epochs=1)
