"""Early stopping and lower learning rates on a plateau."""

from __future__ import annotations

import math
from types import SimpleNamespace

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.callbacks.monitoring import Monitor
from bpx.metrics import list_metrics


def follow(callback, values, name="loss", metrics=()):
    """Show a callback the values of a run that trains nothing; return the reasons to stop and the run."""
    run = SimpleNamespace(
        log_names=(name,), validation=None, metrics=metrics, epoch=0, logs={}, reasons=[], learning_rate=1.0,
        net=SimpleNamespace(params=[], state=[], backend=bpx.get_backend("numpy")),
        training=SimpleNamespace(rate_scale=1.0),
    )  # fmt: skip
    run.stop = lambda reason: run.reasons.append((run.epoch, reason))
    callback.on_train_begin(run)
    for value in values:
        run.epoch += 1
        run.logs = {name: value}
        run.learning_rate = run.training.rate_scale
        callback.on_epoch_end(run)
    return run


def test_training_ends_after_as_many_epochs_without_improvement_as_patience_says():
    stop = bpx.EarlyStopping("loss", patience=3)
    run = follow(stop, [5.0, 4.0, 4.0, 4.5, 3.9, 4.0, 4.0])
    assert run.reasons == []
    run = follow(stop, [5.0, 4.0, 4.0, 4.5, 4.2])
    assert run.reasons == [(5, "loss has not improved for 3 epochs; best 4 in epoch 2")]
    assert (stop.best, stop.best_epoch) == (4.0, 2)


def test_a_small_change_is_no_improvement_but_may_be_the_best():
    stop = bpx.EarlyStopping("loss", patience=2, min_delta=0.5)
    run = follow(stop, [5.0, 4.8, 4.6])
    assert run.reasons == [(3, "loss has not improved by more than 0.5 for 2 epochs; best 4.6 in epoch 3")]
    assert (stop.best, stop.best_epoch) == (4.6, 3)


def test_what_is_better_is_known_of_losses_and_metrics_or_asked_for():
    accuracy = list_metrics("accuracy")
    stop = bpx.EarlyStopping("accuracy", patience=2)
    follow(stop, [0.5, 0.7, 0.6], "accuracy", accuracy)
    assert (stop.best, stop.best_epoch) == (0.7, 2)
    own = list_metrics([("own", lambda y, p: 0.0)])
    with pytest.raises(bpx.InputError, match="cannot know which way 'own' is better; give mode='min' or mode='max'"):
        follow(bpx.EarlyStopping("own"), [1.0], "own", own)
    stop = bpx.EarlyStopping("own", mode="max")
    follow(stop, [1.0, 2.0], "own", own)
    assert stop.best == 2.0


def test_a_number_that_is_not_recorded_is_refused_before_the_first_step(data, small):
    for callback in (bpx.EarlyStopping(), bpx.ReduceOnPlateau(), bpx.Checkpoint("x", monitor="validation_loss")):
        with pytest.raises(
            bpx.InputError, match="monitors 'validation_loss', but .* only 'loss'; give validation_data"
        ):
            small.fit(*data, epochs=1, callbacks=[callback])
    with pytest.raises(bpx.InputError, match="monitors 'auc', but this training records only 'loss'$"):
        small.fit(*data, epochs=1, callbacks=[bpx.EarlyStopping("auc")])
    assert small.training is None or small.training.step == 0


def test_nan_is_never_the_best():
    monitor = Monitor("loss", 0.0, "min")
    assert monitor.see(math.nan) == (False, False)
    assert monitor.see(3.0) == (True, True)
    assert monitor.see(math.nan) == (False, False)
    assert (monitor.best, monitor.waited) == (3.0, 1)


def test_an_infinite_loss_is_no_improvement():
    monitor = Monitor("loss", 0.0, "min")
    assert monitor.see(math.inf) == (False, False)
    for value in (3.0, math.inf, 2.0):
        monitor.see(value)
    assert (monitor.best, monitor.waited) == (2.0, 0)
    assert monitor.see(-math.inf) == (False, False)
    assert (monitor.best, monitor.waited) == (2.0, 1)


@pytest.mark.parametrize("patience", [2, 50])
def test_the_best_weights_and_statistics_are_restored(patience, backend, stateful_network):
    x, y = networks.classes(60)
    held_out = networks.classes(30, seed=9)
    stop, left = bpx.EarlyStopping(patience=patience), []
    net = stateful_network(backend.spec, backend.dtype)
    history = net.fit(
        x, y, epochs=9, batch_size=20, optimizer=bpx.SGD(0.5, momentum=0.9), validation_data=held_out,
        callbacks=[lambda run: left.append(networks.left_by_training(run.net)), stop],
    )  # fmt: skip
    assert len(history) == len(left)
    assert (len(history) < 9) == (patience == 2)
    best = int(np.argmin(history.validation_loss))
    assert best < len(history) - 1, "the case must have its best epoch before the last"
    assert_same_bits(networks.left_by_training(net), left[best])
    assert stop.best_epoch == best + 1


def test_the_last_weights_stay_where_that_is_asked_for():
    x, y = networks.classes(60)
    held_out = networks.classes(30, seed=9)
    options = {"epochs": 6, "batch_size": 20, "optimizer": bpx.SGD(0.5, momentum=0.9), "validation_data": held_out}
    plain, net = networks.everything(), networks.everything()
    plain.fit(x, y, **options)
    net.fit(x, y, callbacks=bpx.EarlyStopping(patience=50, restore_best=False), **options)
    assert_same_bits(networks.left_by_training(net), networks.left_by_training(plain))


def test_the_best_weights_are_restored_after_divergence():
    x, y = networks.numbers(40)
    net = bpx.mlp([4, 3, 2], loss="squared_error", dtype="float32", seed=0)
    with pytest.raises(bpx.DivergenceError):
        net.fit(x, y, epochs=500, optimizer=bpx.SGD(50.0), callbacks=bpx.EarlyStopping("loss", patience=500))
    assert all(np.isfinite(array).all() for part in net.params for array in part.values())


def test_each_training_starts_its_count_anew(data, small):
    stop = bpx.EarlyStopping("loss", patience=2, min_delta=100.0)
    assert len(small.fit(*data, epochs=9, callbacks=stop)) == 3
    assert len(small.fit(*data, epochs=9, callbacks=stop)) == 3


def test_a_plateau_lowers_the_rate_and_rests():
    plateau = bpx.ReduceOnPlateau(factor=0.5, patience=2, monitor="loss", cooldown=2)
    run = follow(plateau, [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0])
    assert plateau.reductions == [3, 7]
    assert run.training.rate_scale == 0.25


def test_the_rate_does_not_go_below_the_minimum():
    plateau = bpx.ReduceOnPlateau(factor=0.1, patience=1, monitor="loss", minimum=0.03)
    run = follow(plateau, [5.0] * 6)
    assert run.training.rate_scale == pytest.approx(0.03)
    assert plateau.reductions == [2, 3]


def test_reduce_on_plateau_is_that_of_pytorch(torch):
    values = np.round(np.random.default_rng(0).normal(size=60), 2).tolist()
    plateau = bpx.ReduceOnPlateau(factor=0.7, patience=3, monitor="loss", cooldown=2)
    follow(plateau, values)
    weight = torch.nn.Parameter(torch.zeros(1))
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        torch.optim.SGD([weight], lr=1.0), factor=0.7, patience=2, threshold=0.0, threshold_mode="abs", cooldown=2
    )
    reductions, rate = [], 1.0
    for epoch, value in enumerate(values, 1):
        theirs.step(value)
        if theirs.get_last_lr()[0] != rate:
            rate = theirs.get_last_lr()[0]
            reductions.append(epoch)
    assert plateau.reductions == reductions
    assert len(reductions) > 3


def test_the_scaled_rate_is_the_one_that_is_used(data):
    """With the rate cut to a tiny one after the first epoch, the weights stay where the first epoch left them."""
    nets = [bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64") for _ in range(2)]
    nets[0].fit(*data, epochs=1, optimizer=bpx.SGD(0.5))
    plateau = bpx.ReduceOnPlateau(factor=1e-9, patience=1, monitor="loss", min_delta=100.0)
    recorder = bpx.LearningRateRecorder()
    nets[1].fit(*data, epochs=4, optimizer=bpx.SGD(0.5), callbacks=[plateau, recorder])
    assert plateau.reductions == [2, 3, 4]
    np.testing.assert_allclose(recorder.rates, [0.5, 0.5, 0.5e-9, 0.5e-18])
    nets[0].fit(*data, epochs=1, optimizer=bpx.SGD(0.5))
    for mine, theirs in zip(nets[1].params, nets[0].params, strict=True):
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6)
    assert nets[1].training.rate_scale == pytest.approx(1e-27)
    nets[1].fit(*data, epochs=1, optimizer=bpx.SGD(0.4))
    assert nets[1].training.rate_scale == 1.0


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: bpx.EarlyStopping(3), "monitor must be the name of one of the run's numbers, got 3"),
        (lambda: bpx.EarlyStopping(patience=0), "patience must be at least 1, got 0"),
        (lambda: bpx.EarlyStopping(min_delta=-1), "min_delta must be at least 0.0, got -1"),
        (lambda: bpx.EarlyStopping(mode="less"), "unknown mode 'less'"),
        (lambda: bpx.ReduceOnPlateau(factor=1.0), "factor must be above 0.0 and below 1.0, got 1"),
        (lambda: bpx.ReduceOnPlateau(patience=0), "patience must be at least 1, got 0"),
        (lambda: bpx.ReduceOnPlateau(cooldown=-1), "cooldown must be at least 0, got -1"),
        (lambda: bpx.ReduceOnPlateau(minimum=-1), "minimum must be at least 0.0, got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(bpx.InputError) as caught:
        make()
    assert message in str(caught.value)
