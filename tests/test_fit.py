"""Training: what a call of fit does and records, on every backend."""

import subprocess
import sys

import numpy as np
import pytest
from closeness import assert_same_bits, relative_difference
from networks import classes, left_by_training, noisy, numbers, on_host, unregistered

import bpx
from bpx.rng import permutation


def _arrays(backend, *data):
    return tuple(backend.array(part) for part in data)


def _small(backend, **settings):
    return bpx.mlp(
        [4, 3, 2], activation="tanh", loss="squared_error", dtype=backend.dtype, backend=backend.spec, **settings
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_is_the_loop_that_anyone_would_write(shuffle, weighted, on_numpy):
    x, y = numbers()
    weight = np.linspace(0.0, 2.0, len(x)) if weighted else None
    net, by_hand = _small(on_numpy), _small(on_numpy)
    history = net.fit(x, y, epochs=3, batch_size=8, optimizer=bpx.SGD(0.1), shuffle=shuffle, sample_weight=weight)
    losses = []
    for epoch in range(3):
        order = permutation(0, epoch, len(x)) if shuffle else np.arange(len(x))
        total = mass = 0.0
        for start in range(0, len(x), 8):
            rows = order[start : start + 8]
            w = None if weight is None else weight[rows]
            loss, gradients = by_hand.gradients(x[rows], y[rows], w)
            for params, part in zip(by_hand.params, gradients, strict=True):
                for name in params:
                    params[name] -= 0.1 * part[name]
            share = len(rows) if weight is None else w.sum()
            total, mass = total + loss * share, mass + share
        losses.append(total / mass)
    assert relative_difference(history.loss, losses) < 1e-13
    for mine, theirs in zip(net.params, by_hand.params, strict=True):
        for name in mine:
            assert relative_difference(mine[name], theirs[name]) < 1e-13


def test_learns_on_every_backend(backend):
    x, y = classes(60)
    net = bpx.mlp([4, 16, 3], dtype=backend.dtype, backend=backend.spec)
    history = net.fit(*_arrays(backend, x, y), epochs=60, batch_size=20, optimizer=bpx.Adam(0.02))
    assert history.loss[-1] < 0.2 * history.loss[0]
    assert net.evaluate(*_arrays(backend, x, y))["accuracy"] > 0.95


def test_the_same_data_from_the_host_and_from_the_device_give_the_same_bits(backend):
    x, y = classes()
    net = noisy(backend)
    losses = [net.reset().fit(*data, epochs=2, batch_size=11).loss for data in ((x, y), _arrays(backend, x, y))]
    lists = net.reset().fit(x.tolist(), y.tolist(), epochs=2, batch_size=11).loss
    assert losses[0] == losses[1] == lists


def test_writes_into_no_array_of_the_callers(backend):
    x, y = classes()
    weight = np.linspace(0.5, 1.5, len(x))
    data = _arrays(backend, x, y, weight)
    before = [backend.numpy(part).copy() for part in data]
    net = noisy(backend)
    net.fit(*data[:2], epochs=2, batch_size=11, sample_weight=data[2], validation_data=data, clip=bpx.ClipNorm(0.1))
    net.gradients(*data, training=True)
    net.evaluate(*data)
    net.predict(data[0])
    for part, was in zip(data, before, strict=True):
        np.testing.assert_array_equal(backend.numpy(part), was)


@pytest.mark.parametrize("spec", ["numpy", "torch", "jax", "mlx", "array-api-strict:no_float64"])
def test_host_arrays_that_a_library_could_take_over_stay_as_they_are(spec, request):
    request.getfixturevalue({"torch": "torch", "jax": "jax", "mlx": "mlx"}.get(spec, "strict"))
    x, y = (part.astype(np.float32) for part in numbers())
    before = x.copy(), y.copy()
    net = bpx.mlp([4, 3, 2], loss="squared_error", backend=spec)
    net.fit(x, y, epochs=3, batch_size=11)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    x[:] = 1e6  # and the network keeps nothing of them
    assert np.isfinite(net.fit(before[0], y, epochs=1).loss[0])


def test_a_batch_larger_than_the_data_is_the_whole_set(on_numpy):
    x, y = numbers()
    net = _small(on_numpy)
    whole = net.fit(x, y, epochs=3).loss
    for size in (22, 23, 10**6):
        assert net.reset().fit(x, y, epochs=3, batch_size=size).loss == whole


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_whole_weights_are_repeated_samples(reduction, backend):
    x, y = numbers(8)
    times = np.array([1, 2, 0, 3, 1, 1, 0, 2])
    loss = bpx.SquaredError(reduction=reduction)
    nets = [bpx.mlp([4, 3, 2], loss=loss, dtype=backend.dtype, backend=backend.spec) for _ in range(2)]
    weighted = nets[0].fit(x, y, epochs=5, sample_weight=times, optimizer=bpx.SGD(0.01))
    repeated = nets[1].fit(np.repeat(x, times, axis=0), np.repeat(y, times, axis=0), epochs=5, optimizer=bpx.SGD(0.01))
    rtol = backend.either(1e-13, 1e-5)
    assert relative_difference(weighted.loss, repeated.loss) < rtol
    for mine, theirs in zip(left_by_training(nets[0]), left_by_training(nets[1]), strict=True):
        for name in mine:
            assert relative_difference(mine[name], theirs[name]) < rtol


def test_samples_of_weight_0_may_fill_a_batch(backend):
    x, y = numbers(6)
    weight = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 1.0])
    kept = weight > 0
    net = _small(backend)
    settings = {"batch_size": 1, "shuffle": False, "optimizer": bpx.SGD(0.01)}
    loss = net.fit(x, y, epochs=2, sample_weight=weight, **settings).loss
    without = net.reset().fit(x[kept], y[kept], epochs=2, sample_weight=weight[kept], **settings).loss
    assert loss == pytest.approx(without, rel=backend.either(1e-13, 1e-5))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_class_ids_of_every_integer_dtype_are_taken(dtype, backend):
    x, _ = classes(6)
    ids = (np.arange(6) % 2).astype(dtype)
    for n_classes in (2, 30):  # a few as one-hot rows, many as they are
        net = bpx.mlp([4, n_classes], dtype=backend.dtype, backend=backend.spec)
        expected = net.gradients(x, ids.astype(np.int64))[0]
        assert net.gradients(x, ids)[0] == expected
        assert net.gradients(backend.array(x), backend.array(ids))[0] == expected


def test_targets_of_one_column_may_be_a_vector(backend):
    x, _ = numbers(6)
    y = np.arange(6.0)
    for loss, target in (("squared_error", y), ("binary_cross_entropy", y > 2), ("poisson", y)):
        net = bpx.mlp([4, 1], loss=loss, dtype=backend.dtype, backend=backend.spec)
        assert net.gradients(x, target)[0] == net.gradients(x, target[:, None])[0] > 0.0
    net = bpx.mlp([4, 3], dtype=backend.dtype, backend=backend.spec)
    ids = np.arange(6) % 3
    assert net.gradients(x, ids)[0] == net.gradients(x, ids[:, None])[0] > 0.0


# -- what is recorded -------------------------------------------------------------------------------------


def test_history_has_one_entry_an_epoch(on_numpy):
    x, y = classes()
    net = noisy(on_numpy)
    history = net.fit(x, y, epochs=4, batch_size=8, validation_data=(x[:5], y[:5]), metrics=["accuracy"])
    assert len(history) == len(history.loss) == len(history.validation_loss) == 4
    assert history.epoch == [1, 2, 3, 4]
    assert history.seconds > 0.0
    assert all(type(loss) is float for loss in (*history.loss, *history.validation_loss))
    assert history.validation_loss[-1] == net.evaluate(x[:5], y[:5])["loss"]
    assert net.fit(x, y, epochs=2, batch_size=8).epoch == [5, 6]
    assert net.reset().fit(x, y, epochs=1).epoch == [1]


def test_the_loss_of_the_whole_set_is_taken_before_its_step(on_numpy):
    x, y = numbers()
    net = _small(on_numpy)
    before = net.evaluate(x, y)["loss"]
    history = net.fit(x, y, epochs=2, optimizer=bpx.SGD(0.1))
    assert history.loss[0] == pytest.approx(before, rel=on_numpy.either(1e-13, 1e-5))
    assert history.loss[1] < history.loss[0]


def test_a_sum_adds_up_over_the_batches(on_numpy):
    x, y = numbers()
    net = bpx.mlp([4, 2], loss=bpx.SquaredError("sum"), dtype=on_numpy.dtype, backend=on_numpy.spec)
    total = net.evaluate(x, y)["loss"]
    loss = net.fit(x, y, epochs=1, batch_size=8, optimizer=bpx.SGD(1e-12)).loss[0]
    assert loss == pytest.approx(total, rel=on_numpy.either(1e-8, 1e-5))


def test_validation_and_listeners_change_nothing(backend):
    x, y = classes()
    net = noisy(backend)
    plain = net.fit(x, y, epochs=4, batch_size=11).loss
    left = left_by_training(net)
    watched = net.reset().fit(
        x, y, epochs=4, batch_size=11, validation_data=(x, y), metrics=["accuracy"], callbacks=[lambda run: None]
    )
    assert watched.loss == plain
    assert_same_bits(left_by_training(net), left)


def test_validation_data_may_be_weighted(on_numpy):
    x, y = numbers()
    weight = np.linspace(0.0, 1.0, len(x))
    net = _small(on_numpy)
    history = net.fit(x, y, epochs=1, validation_data=(x, y, weight))
    assert history.validation_loss == [net.evaluate(x, y, weight)["loss"]]


# -- who listens ------------------------------------------------------------------------------------------


class _Recorder(bpx.Callback):
    def __init__(self):
        self.seen = []

    def on_train_begin(self, run):
        self.seen.append("begin")

    def on_epoch_end(self, run):
        self.seen.append((run.epoch, run.logs["loss"], run.net))

    def on_train_end(self, run):
        self.seen.append("end")


def test_callbacks_hear_of_every_epoch(on_numpy):
    x, y = numbers()
    net, recorder, epochs = _small(on_numpy), _Recorder(), []
    history = net.fit(x, y, epochs=3, batch_size=8, callbacks=[recorder, lambda run: epochs.append(run.epoch)])
    assert recorder.seen == ["begin", *((i + 1, history.loss[i], net) for i in range(3)), "end"]
    assert epochs == [1, 2, 3]


def test_a_callback_can_stop_a_training(on_numpy):
    x, y = numbers()
    net = _small(on_numpy)
    for settings in ({}, {"batch_size": 8}):
        history = net.reset().fit(
            x, y, epochs=50, callbacks=lambda run: run.epoch == 3 and run.stop("enough"), **settings
        )
        assert len(history) == 3


def test_callbacks_hear_of_the_end_when_an_error_ends_it(on_numpy):
    recorder = _Recorder()

    def fail(run):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _small(on_numpy).fit(*numbers(), epochs=3, callbacks=[recorder, fail])
    assert [entry if isinstance(entry, str) else entry[0] for entry in recorder.seen] == ["begin", 1, "end"]


# -- what ends it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [True, False])
def test_a_loss_that_is_no_number_stops_the_training_and_says_where(batched, backend):
    x, y = numbers(20)
    net = bpx.mlp([4, 2], loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    far = bpx.SGD(backend.either(1e300, 3e38))
    with pytest.raises(bpx.DivergenceError) as error:
        net.fit(x, y, epochs=5, optimizer=far, shuffle=False, batch_size=8 if batched else None)
    assert ("in epoch 1, batch 2 of 3" if batched else "in epoch 2, batch 1 of 1") in str(error.value)
    assert str(error.value).startswith(("the loss became inf in", "the loss became nan in"))
    assert "try a lower learning rate" in str(error.value)


def test_divergence_late_in_a_long_run_is_found_at_its_own_epoch(on_numpy):
    x = np.array([[1.0]])
    net = bpx.Network([bpx.Linear(1, 1, bias=False)], dtype="float64")
    net.params = [{"weight": np.array([[1.0]])}]
    with pytest.raises(bpx.DivergenceError, match=r"in epoch (\d+), batch 1 of 1") as error:
        net.fit(x, [0.0], epochs=5000, optimizer=bpx.SGD(3.0))  # w doubles at each step, the loss is w**2 / 2
    assert "in epoch 513," in str(error.value)


def test_memory_that_runs_out_is_an_error_that_names_the_batch():
    @unregistered
    class Hungry(bpx.ReLU):
        def forward(self, xp, params, x, context=None):
            raise MemoryError("Unable to allocate 10 TiB")

    net = bpx.Network([bpx.Linear(4, 2), Hungry()], dtype="float64")
    with pytest.raises(bpx.BackendError) as error:
        net.fit(*numbers(), epochs=1, batch_size=7)
    for part in ("out of memory on numpy", "batches of 7 samples", "lower batch_size", "Unable to allocate 10 TiB"):
        assert part in str(error.value)


def test_a_bar_is_shown_only_to_a_person(capsys, monkeypatch, on_numpy):
    x, y = numbers()
    _small(on_numpy).fit(x, y, epochs=3)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(bpx.training.progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(bpx.training.progress, "REFRESH_SECONDS", 0.0)
    _small(on_numpy).fit(x, y, epochs=3)
    assert capsys.readouterr() == ("", "")  # standard error is no terminal here
    _small(on_numpy).fit(x, y, epochs=3, batch_size=8, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3 epochs" in err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _small(on_numpy).fit(x, y, epochs=3)
    assert "3/3 epochs" in capsys.readouterr().err
    _small(on_numpy).fit(x, y, epochs=3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_short_training_shows_a_terminal_nothing(capsys, monkeypatch, on_numpy):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _small(on_numpy).fit(*numbers(), epochs=3)
    assert capsys.readouterr() == ("", "")


def test_a_network_without_parameters_trains_to_what_it_is(on_numpy):
    net = bpx.Network([bpx.Tanh()], dtype="float64")
    history = net.fit([[0.5]], [[0.0]], epochs=2)
    assert history.loss == pytest.approx([np.tanh(0.5) ** 2 / 2] * 2)


def test_parameters_given_by_hand_are_where_training_starts(backend):
    net = _small(backend)
    net.params = [{name: np.full(a.shape, 0.5) for name, a in part.items()} for part in on_host(net, net.params)]
    x, y = numbers(4)
    hidden = np.tanh(x @ np.full((4, 3), 0.5) + 0.5)
    expected = ((hidden @ np.full((3, 2), 0.5) + 0.5 - y) ** 2).sum() / 2 / 4
    assert net.fit(x, y, epochs=1).loss[0] == pytest.approx(expected, rel=backend.either(1e-13, 1e-5))


# -- weights as a whole, and large numbers -----------------------------------------------------------------


def _classifier(backend):
    return bpx.mlp([3, 4, 2], dtype="float32", backend=backend.spec)


SUMS = {
    "above": (np.full(6, 3e37), "the sum of sample_weight is above 4.3e+37, and no loss in float32 can be divided by"),
    "where the inverse is subnormal": (np.full(6, 2e37), "the sum of sample_weight is above 4.3e+37"),
    "below": (
        np.full(6, 1e-42),
        r"the sum of sample_weight .*is 6.0e-42, .* below 1.2e-38; multiply all|is 0 for every",
    ),
}


@pytest.mark.parametrize("name", SUMS)
def test_weights_whose_sum_no_loss_can_be_divided_by_are_refused(name, backend, generator):
    weight, says = SUMS[name]
    x, y = generator.normal(size=(6, 3)).astype("float32"), np.array([0, 1] * 3)
    weight = weight.astype("float32")
    says = says.replace("+", r"\+")
    net = _classifier(backend)
    calls = (
        lambda: net.fit(x, y, epochs=1, sample_weight=weight),
        lambda: net.fit(x, y, epochs=1, batch_size=2, sample_weight=weight),
        lambda: net.fit([(x, y, weight)], epochs=1),
        lambda: net.fit(x, y, epochs=1, validation_data=(x, y, weight)),
        lambda: net.evaluate(x, y, weight),
        lambda: net.gradients(x, y, weight),
    )
    for call in calls:
        with pytest.raises(bpx.InputError, match=says):
            call()


def test_weights_of_classes_are_looked_at_together_with_those_of_samples(backend, generator):
    x, y = generator.normal(size=(6, 3)).astype("float32"), np.array([0, 1] * 3)
    for weight, of_class in ((None, 1e39), (1e30, 1e10), (1e20, 1e37)):
        ws = None if weight is None else np.full(6, weight, dtype="float32")
        for call in (
            lambda net, ws=ws, w=of_class: net.fit(x, y, epochs=1, sample_weight=ws, class_weight={0: w}),
            lambda net, ws=ws, w=of_class: net.fit(
                [(x, y) if ws is None else (x, y, ws)], epochs=1, class_weight={0: w}
            ),
        ):
            with pytest.raises(bpx.InputError, match="the samples' weights times those of their classes .*is above"):
                call(_classifier(backend))


def test_rows_of_several_batches_may_weigh_too_much_together(on_numpy, generator):
    x, y = generator.normal(size=(8, 3)), np.array([0, 1] * 4)
    heavy = [(x[:2], y[:2], np.full(2, 1.5e37)), (x[2:], y[2:], np.full(6, 7e36))]  # shuffled, six rows may be above
    with pytest.raises(bpx.InputError, match="the sum of sample_weight in a batch is above"):
        _classifier(on_numpy).fit(heavy, epochs=20)


@pytest.mark.parametrize("where", ["class", "batches", "classes of batches", "validation"])
def test_where_no_sample_counts_there_is_nothing_to_learn_from(where, backend, generator):
    x, y, nothing = generator.normal(size=(4, 3)), np.zeros(4, dtype=np.int64), np.zeros(4)
    net, ones = _classifier(backend), {"class_weight": {0: 0.0}}
    call, says = {
        "class": (lambda: net.fit(x, y, epochs=1, **ones), "is 0 for every sample: there is nothing to learn from"),
        "batches": (lambda: net.fit([(x, y, nothing)], epochs=1), "all samples were 0 in epoch 1: there is nothing"),
        "classes of batches": (lambda: net.fit([(x, y)], epochs=1, **ones), "all samples were 0 in epoch 1"),
        "validation": (
            lambda: net.fit(x, y, epochs=1, validation_data=lambda: [(x, y, nothing)]),
            "the weights of all samples are 0: there is nothing to evaluate on",
        ),
    }[where]
    with pytest.raises(bpx.InputError, match=says):
        call()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_gradients_whose_squares_overflow_end_a_training(optimizer, backend, generator):
    x = (generator.normal(size=(6, 3)) * 1e10).astype("float32")
    net = bpx.mlp([3, 4, 1], loss="squared_error", dtype="float32", backend=backend.spec)
    with pytest.raises(bpx.DivergenceError, match="float32 does not hold their squares, and no weight would move"):
        net.fit(x, x[:, :1], epochs=2, optimizer=optimizer)


# -- nothing to train ---------------------------------------------------------------------------------------


FROZEN = ("weight", "bias")


def _frozen_network(kind, backend):
    layers = {
        "frozen": [bpx.Linear(3, 4, frozen=FROZEN), bpx.ReLU(), bpx.Linear(4, 2, frozen=FROZEN)],
        "a frozen block": [bpx.Residual([bpx.Linear(3, 3, frozen=FROZEN)]), bpx.Linear(3, 2, frozen=FROZEN)],
    }[kind]
    return bpx.Network(layers, loss="squared_error", dtype=backend.dtype, backend=backend.spec)


@pytest.mark.parametrize("kind", ["frozen", "a frozen block"])
def test_a_network_of_frozen_layers_says_so_and_does_the_rest(kind, backend, generator, tmp_path):
    net = _frozen_network(kind, backend)
    x, y = generator.normal(size=(6, 3)), generator.normal(size=(6, 2))
    for options in (
        {},
        {"clip": bpx.ClipNorm(1.0)},
        {"clip": bpx.ClipValue(1.0), "batch_size": 2},
        {"penalties": bpx.L2(0.1)},
        {"optimizer": "lbfgs"},
        {"checkpoint": tmp_path / "run"},
    ):
        with pytest.raises(
            bpx.InputError, match="there is nothing to train in the network: all its parameters are frozen"
        ):
            net.fit(x, y, epochs=2, **options)
    assert np.isfinite(net.evaluate(x, y)["loss"])
    assert [sorted(part) for part in net.gradients(x, y)[1]] == [sorted(part) for part in net.params]
    assert bpx.check_gradients(net, x, y, samples=3).passed
    assert "frozen" in str(bpx.diagnose(net, x, y))
    assert str(bpx.explain(net, x, y))


def test_a_network_without_parameters_goes_through_a_training_on_every_backend(backend, generator):
    net = bpx.Network([bpx.Tanh()], loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    x, y = generator.normal(size=(6, 3)), generator.normal(size=(6, 3))
    expected = net.evaluate(x, y)["loss"]
    for options in ({}, {"clip": bpx.ClipNorm(1.0)}, {"batch_size": 2, "penalties": bpx.L2(0.1)}):
        losses = net.fit(x, y, epochs=130, **options).loss
        np.testing.assert_allclose(losses, expected, rtol=backend.either(1e-12, 1e-5))
    with pytest.raises(bpx.InputError, match="optimizer 'lbfgs' needs parameters to train"):
        net.fit(x, y, epochs=1, optimizer="lbfgs")


def test_running_statistics_are_something_to_train(backend, generator):
    layers = [bpx.BatchNorm(3, frozen=FROZEN), bpx.Linear(3, 2, frozen=FROZEN)]
    net = bpx.Network(layers, loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    x, y = generator.normal(5.0, 2.0, size=(8, 3)), generator.normal(size=(8, 2))
    before = backend.numpy(net.params[1]["weight"]).copy()
    net.fit(x, y, epochs=150, clip=bpx.ClipNorm(1.0), penalties=bpx.L2(0.1))
    np.testing.assert_array_equal(backend.numpy(net.params[1]["weight"]), before)
    np.testing.assert_allclose(backend.numpy(net.state[0]["running_mean"]), x.mean(axis=0), rtol=1e-4)


def test_a_bar_leaves_the_program_as_it_was():
    """tqdm's own lock would fix how multiprocessing starts processes, and a thread would look after its bars."""
    code = """
import multiprocessing, threading
import bpx
x, y = bpx.datasets.xor()
bpx.mlp([2, 2, 1], loss="squared_error").fit(x, y, epochs=3, progress=True)
assert multiprocessing.get_start_method(allow_none=True) is None
multiprocessing.set_start_method("spawn")
assert [thread.name for thread in threading.enumerate() if "tqdm" in type(thread).__module__] == []
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3/3 epochs" in done.stderr


def test_a_bar_that_nobody_can_see_ends_no_training(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    x, y = bpx.datasets.xor()
    assert len(bpx.mlp([2, 2, 1], loss="squared_error").fit(x, y, epochs=3, progress=True)) == 3
