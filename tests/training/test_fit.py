"""What ``fit`` does with its arguments, and what it leaves."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.rng import permutation
from bpx.training.loop import SEGMENT_SECONDS, Loop, find_growth


def test_many_epochs_of_the_whole_set_run_in_one_call_when_nobody_listens(monkeypatch, data, small):
    backend = small.backend
    lengths = []
    loop = backend.loop

    def counted(body, pure):
        run = loop(body, pure)

        def counting(carry, arrays, inputs, length):
            lengths.append(length)
            return run(carry, arrays, inputs, length)

        return counting

    monkeypatch.setattr(type(backend), "loop", lambda self, body, pure: counted(body, pure))
    small.fit(*data, epochs=1000)
    assert sum(lengths) == 1000
    assert max(lengths) >= 64
    lengths.clear()
    small.reset()
    small._programs.clear()
    small.fit(*data, epochs=10, callbacks=lambda run: None)
    assert lengths == [1] * 10


@pytest.mark.parametrize(("seconds", "factor"), [(0.001, 8), (0.012, 8), (0.013, 2), (0.049, 2), (0.051, 1), (3.0, 1)])
def test_segments_grow_while_they_stay_short(seconds, factor):
    assert find_growth(seconds) == factor
    assert factor == 1 or factor * seconds < SEGMENT_SECONDS


def test_names_of_parameters_keep_their_order(backend, data, stateful_network):
    net = stateful_network(backend.spec, backend.dtype)
    names = [list(part) for part in net.params + net.state]
    net.fit(*data, epochs=12)
    assert [list(part) for part in net.params + net.state] == names
    assert names[0] == ["weight", "bias"]


def test_ten_epochs_and_ten_are_twenty(backend, data, stateful_network):
    def trained(*epochs):
        net = stateful_network(backend.spec, backend.dtype)
        losses = [loss for n in epochs for loss in net.fit(*data, epochs=n, batch_size=16).loss]
        return net, losses

    once, losses = trained(20)
    twice, both = trained(10, 10)
    assert losses == both
    assert_same_bits(networks.left_by_training(once), networks.left_by_training(twice))


def test_another_optimizer_starts_its_state_anew_and_the_shuffles_go_on(data):
    net = networks.everything()
    net.fit(*data, epochs=2, batch_size=20)
    assert (net.training.epoch, net.training.step, net.training.optimizer_step) == (2, 6, 6)
    net.fit(*data, epochs=1, batch_size=20, optimizer=bpx.SGD(0.1))
    assert (net.training.epoch, net.training.step, net.training.optimizer_step) == (3, 9, 3)
    net.reset()
    assert net.training is None


def test_epochs_of_several_calls_are_counted_on(data, small):
    assert small.fit(*data, epochs=2).epoch == [1, 2]
    assert small.fit(*data, epochs=2, batch_size=30).epoch == [3, 4]


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_sample_is_visited_once_an_epoch_in_the_order_of_the_seed(shuffle, small):
    """With a learning rate of almost nothing the batch losses tell which samples were in the batch."""
    rows = 10
    x, y = networks.classes(rows)
    losses = [small.evaluate(x[i : i + 1], y[i : i + 1])["loss"] for i in range(rows)]
    seen = []
    original = type(small.backend).loop

    class Spy(type(small.backend)):
        def loop(self, body, pure=False):
            run = original(self, body, pure)

            def spied(*arguments):
                carry, out = run(*arguments)
                seen.extend(out.tolist())
                return carry, out

            return spied

    vars(small)["backend"] = Spy()
    small.fit(x, y, epochs=2, batch_size=1, shuffle=shuffle, optimizer=bpx.SGD(1e-12))
    orders = [permutation(1, epoch, rows) if shuffle else np.arange(rows) for epoch in range(2)]
    np.testing.assert_allclose(seen, [losses[i] for order in orders for i in order], rtol=1e-8)


def test_a_function_as_shuffle_gives_the_order_itself(data, small):
    other = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    asked = []

    def order(epoch):
        asked.append(epoch)
        return permutation(1, epoch, 60)

    a = small.fit(*data, epochs=3, batch_size=16, shuffle=order)
    b = other.fit(*data, epochs=3, batch_size=16)
    assert asked == [0, 1, 2]
    assert a.loss == b.loss


@pytest.mark.parametrize("layout", ["C", "F"])
def test_rows_in_order_train_as_the_same_rows_gathered(layout, backend, data, stateful_network):
    """Rows that follow each other may be read where they lie: the bits are those of a copy, and the data stays."""
    x, y = data
    x, weight, mixed = np.asarray(x, order=layout), np.linspace(0.5, 2.0, 60), np.random.default_rng(0).permutation(60)
    given = [backend.array(x), backend.array(y, "int32"), backend.array(weight)]
    in_order, gathered = (stateful_network(backend.spec, backend.dtype) for _ in range(2))
    a = in_order.fit(*given[:2], epochs=9, batch_size=8, sample_weight=given[2], shuffle=False)
    order = np.argsort(mixed)
    b = gathered.fit(
        x[mixed], y[mixed], epochs=9, batch_size=8, sample_weight=weight[mixed], shuffle=lambda epoch: order
    )
    assert a.loss == b.loss
    assert_same_bits(networks.left_by_training(in_order), networks.left_by_training(gathered))
    for array, before in zip(given, (x, y, weight), strict=True):
        np.testing.assert_array_equal(bpx.to_numpy(array), before.astype(bpx.to_numpy(array).dtype))


def test_the_loss_of_an_epoch_is_the_mean_over_samples_not_over_batches(data, small):
    x, y = data
    weight = np.linspace(0.5, 2.0, 60)
    whole = small.evaluate(x, y, weight)["loss"]
    history = small.fit(x, y, epochs=1, batch_size=25, sample_weight=weight, optimizer=bpx.SGD(1e-12))
    np.testing.assert_allclose(history.loss, [whole], rtol=1e-9)


def test_the_loss_of_an_epoch_is_a_sum_where_the_loss_is_one(data):
    net = bpx.Network([bpx.Linear(4, 3)], loss=bpx.CrossEntropy("sum"), dtype="float64")
    whole = net.evaluate(*data)["loss"]
    history = net.fit(*data, epochs=1, batch_size=25, optimizer=bpx.SGD(1e-12))
    np.testing.assert_allclose(history.loss, [whole], rtol=1e-9)


@pytest.mark.parametrize("batch_size, place", [(None, "epoch 1, batch 1 of 1"), (25, "epoch 1, batch 2 of 3")])
def test_a_loss_that_diverges_ends_the_training_and_says_where(batch_size, place):
    x, y = networks.numbers(60)
    net = bpx.mlp([4, 8, 2], loss="squared_error", dtype="float32")
    y = y.copy()
    y[30:] = 1e30
    with pytest.raises(bpx.DivergenceError, match=f"in {place}; try a lower learning rate"):
        net.fit(x, y, epochs=3, batch_size=batch_size, optimizer=bpx.SGD(0.1), shuffle=False)


@pytest.mark.parametrize("batch_size", [None, 20])
def test_a_device_that_runs_out_of_memory_is_an_error_that_names_the_batch(batch_size, data, small, monkeypatch):
    def full(self, order, length):
        if self.run.epoch == 1:
            raise MemoryError("Unable to allocate 9 GiB")
        return steps(self, order, length)

    steps = Loop._run_steps
    monkeypatch.setattr(Loop, "_run_steps", full)
    with pytest.raises(bpx.BackendError) as caught:
        small.fit(*data, epochs=3, batch_size=batch_size, callbacks=lambda run: None)
    assert str(caught.value) == (
        f"out of memory on numpy in epoch 2 with batches of {batch_size or 60} samples; lower batch_size, or the "
        "widths of the layers (Unable to allocate 9 GiB)"
    )


def test_lbfgs_records_its_iterations_as_epochs():
    x, y = networks.classes(60)
    net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    seen = []
    history = net.fit(
        x, y, epochs=15, optimizer="lbfgs", callbacks=lambda run: seen.append(run.epoch), metrics="accuracy"
    )
    assert history.loss == sorted(history.loss, reverse=True)
    assert seen == history.epoch == list(range(1, len(history) + 1))
    assert len(history.metrics["accuracy"]) == len(history)
    stopped = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    assert len(stopped.fit(x, y, epochs=15, optimizer="lbfgs", callbacks=lambda run: run.stop("enough"))) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"epochs": -1}, "epochs must be at least 1, got -1"),
        ({"epochs": 1.5}, "epochs must be a whole number, got 1.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'; did you mean 'adam'?"),
        ({"optimizer": bpx.Adam}, "an optimizer is a name or an Optimizer"),
        ({"optimizer": "lbfgs", "batch_size": 10}, "'lbfgs' takes the whole set at each step"),
        ({"optimizer": "lbfgs", "checkpoint": "run"}, "'lbfgs' cannot be resumed to the bit"),
        ({"penalties": 0.1}, "penalties must be a sequence, got 0.1"),
        ({"penalties": [0.1]}, "penalties are bpx.L1 or bpx.L2, got (0.1,)"),
        ({"clip": 1.0}, "clip is bpx.ClipValue, bpx.ClipNorm or None, got 1.0"),
        ({"shuffle": "yes"}, "shuffle is True, False or a function of the epoch's number, got 'yes'"),
        ({"shuffle": lambda epoch: np.arange(3), "batch_size": 7}, "must return 60 row numbers, got shape (3,)"),
        ({"shuffle": lambda epoch: np.zeros(60), "batch_size": 7}, "got shape (60,) of float64"),
        ({"shuffle": lambda epoch: np.arange(60) + 1, "batch_size": 7}, "must return rows from 0 to 59"),
        ({"metrics": 3}, "metrics must be a sequence, got 3"),
        ({"metrics": ["f1"]}, "unknown metric 'f1'; valid: 'accuracy', 'average_precision', "),
        ({"callbacks": 3}, "callbacks must be a sequence, got 3"),
        ({"callbacks": [3]}, "a callback is a bpx.Callback or a function of the run, got 3"),
        ({"callbacks": bpx.EarlyStopping}, "a callback is a bpx.Callback or a function of the run, an instance"),
        ({"validation_data": (np.zeros((3, 4)),)}, "validation_data must be (x, y) or (x, y, sample_weight)"),
        ({"validation_data": [(np.zeros((3, 4)), np.zeros(3, int))]}, "could be either: pass a function that returns"),
        (
            {"validation_data": [(np.zeros((3, 4)), np.zeros(3, int))] * 2},
            "could be either: pass a function that returns",
        ),
        ({"validation_data": np.zeros((3, 4))}, "validation_data is a ndarray without targets"),
        ({"validation_data": (np.zeros((3, 5)), np.zeros(3, int))}, "x must have shape (samples, 4), got (3, 5)"),
        ({"sample_weight": np.ones(3)}, "sample_weight must have shape (60,)"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_any_work(options, message, data, small):
    before = networks.on_host(small, small.params)
    with pytest.raises(bpx.InputError) as caught:
        small.fit(*data, **{"epochs": 2, **options})
    assert message in str(caught.value)
    assert_same_bits(networks.on_host(small, small.params), before)
    assert small.training is None or small.training.step == 0


def test_targets_that_are_forgotten_are_asked_for(data, small):
    with pytest.raises(bpx.InputError, match="x is a ndarray without targets: give"):
        small.fit(data[0], epochs=1)
    with pytest.raises(bpx.InputError, match="x is missing: got None"):
        small.fit(None, epochs=1)
    with pytest.raises(bpx.InputError, match="x must be arrays, or an iterable of batches"):
        small.fit(3, epochs=1)


def test_a_history_is_plain_data_and_says_how_it_went(data, small):
    import json

    history = small.fit(*data, epochs=2, validation_data=data, metrics=["accuracy"])
    plain = json.loads(json.dumps(history.to_dict()))
    assert plain == history.to_dict()
    assert plain["epoch"] == [1, 2]
    assert plain["validation_metrics"] == {"accuracy": history.validation_metrics["accuracy"]}
    assert len(history) == 2
    text = repr(history)
    assert text.startswith(f"History(epochs=2, loss={history.loss[-1]:.4g}, accuracy=")
    assert f"validation_loss={history.validation_loss[-1]:.4g}" in text
    assert "stop_reason" not in text
    assert list(history.last()) == ["loss", "accuracy", "validation_loss", "validation_accuracy"]
    assert "stop_reason='enough'" in repr(small.fit(*data, epochs=5, callbacks=lambda run: run.stop("enough")))


def count_steps(rows, **arguments):
    net = bpx.mlp([2, 3, 1], loss="squared_error", seed=0)
    draw = np.random.default_rng(0)
    net.fit(draw.normal(size=(rows, 2)), draw.normal(size=rows), epochs=2, **arguments)
    assert net.training.epoch == 2
    return net.training.step / 2


@pytest.mark.parametrize(
    ("rows", "arguments", "steps"),
    [
        (200, {}, 1),
        (201, {}, 7),
        (201, {"batch_size": "auto"}, 7),
        (1000, {"batch_size": None}, 1),
        (20, {"batch_size": 8}, 3),
        (1000, {"optimizer": bpx.SGD(0.01)}, 32),
    ],
)
def test_the_whole_set_up_to_200_rows_and_batches_of_32_above(rows, arguments, steps):
    assert count_steps(rows, **arguments) == steps


def test_lbfgs_takes_the_whole_set_of_any_size():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(300, 2)), draw.normal(size=300)
    histories = [
        bpx.mlp([2, 3, 1], loss="squared_error", seed=0).fit(x, y, epochs=3, optimizer="lbfgs", **arguments)
        for arguments in ({}, {"batch_size": None})
    ]
    assert histories[0].loss == histories[1].loss


def test_auto_is_the_batch_size_that_it_chooses():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(300, 2)), draw.normal(size=300)
    nets = [bpx.mlp([2, 3, 1], loss="squared_error", seed=0) for _ in range(3)]
    for net, batch_size in zip(nets, ("auto", 32, None), strict=True):
        net.fit(x, y, epochs=2, batch_size=batch_size)
    assert_same_bits(nets[0].params, nets[1].params)
    with pytest.raises(AssertionError):
        assert_same_bits(nets[0].params, nets[2].params)


def test_a_training_of_a_chosen_batch_size_resumes_with_that_number_given(tmp_path):
    draw = np.random.default_rng(0)
    for rows, equal, other in ((300, 32, None), (30, None, 32)):
        x, y = draw.normal(size=(rows, 2)), draw.normal(size=rows)
        folder = tmp_path / str(rows)
        bpx.mlp([2, 3, 1], loss="squared_error", seed=0).fit(x, y, epochs=1, checkpoint=folder)
        with pytest.raises(bpx.InputError, match="batch_size"):
            bpx.mlp([2, 3, 1], loss="squared_error", seed=0).fit(x, y, epochs=2, batch_size=other, resume=folder)
        bpx.mlp([2, 3, 1], loss="squared_error", seed=0).fit(x, y, epochs=2, batch_size=equal, resume=folder)


def test_batch_size_is_a_number_none_or_auto():
    with pytest.raises(bpx.InputError, match="None .the whole set. or 'auto', got 'all'"):
        count_steps(4, batch_size="all")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"learning_rate": 0.01}, "write optimizer=bpx.Adam(0.01) instead of learning_rate=0.01"),
        ({"lr": 0.5, "optimizer": "sgd"}, "write optimizer=bpx.SGD(0.5) instead of lr=0.5"),
        ({"lr": 0.5, "optimizer": "lbfgs"}, "write optimizer=bpx.Adam(0.5) instead of lr=0.5"),
        ({"batchsize": 8}, "unknown argument of fit 'batchsize'; did you mean 'batch_size'?"),
    ],
)
def test_an_argument_that_fit_does_not_have_is_an_error_with_advice(arguments, advice):
    with pytest.raises(bpx.InputError) as caught:
        count_steps(4, **arguments)
    assert advice in str(caught.value)
    assert isinstance(caught.value, TypeError)
