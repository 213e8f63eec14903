"""Learning rates as functions of the step."""

from __future__ import annotations

import re

import numpy as np
import pytest

import bpx
from bpx.optimizers.schedules import KINDS, Schedule, as_schedule

SCHEDULES = [
    bpx.Constant(0.1),
    bpx.StepDecay(0.1, every=2, factor=0.5),
    bpx.ExponentialDecay(0.1, 0.9),
    bpx.ExponentialDecay(0.1, 0.9, staircase=True),
    bpx.CosineDecay(0.1, length=10, warmup=2, final=0.01),
    bpx.InverseScaling(0.1),
    bpx.InverseScaling(0.1, power=0.3, samples_per_epoch=150),
    bpx.OneCycle(0.1, length=10),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_rate_depends_on_the_step_alone(schedule):
    together = schedule.rates(np.arange(90), 7)
    assert together.dtype == np.float64
    assert (together > 0.0).all()
    one_by_one = [schedule.rates(np.array([step]), 7)[0] for step in range(90)]
    assert together.tolist() == one_by_one


def _torch_rates(torch, make, steps, learning_rate):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=learning_rate)
    schedule, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize(
    "schedule, make",
    [
        (bpx.StepDecay(0.3, 4, 0.5, unit="steps"), lambda s, o: s.StepLR(o, 4, 0.5)),
        (bpx.ExponentialDecay(0.3, 0.8, unit="steps"), lambda s, o: s.ExponentialLR(o, 0.8)),
        (bpx.CosineDecay(0.3, 20, final=0.02, unit="steps"), lambda s, o: s.CosineAnnealingLR(o, 20, 0.02)),
        (bpx.OneCycle(0.3, 20, unit="steps"), lambda s, o: s.OneCycleLR(o, 0.3, 20)),
        (bpx.OneCycle(0.3, 20, 0.5, 5.0, 50.0, unit="steps"), lambda s, o: s.OneCycleLR(o, 0.3, 20, None, None, 0.5,
                                                                                         div_factor=5.0,
                                                                                         final_div_factor=50.0)),
    ],
    ids=["step", "exponential", "cosine", "one-cycle", "one-cycle with settings"],
)  # fmt: skip
def test_the_curves_are_those_of_pytorch(schedule, make, torch):
    theirs = _torch_rates(torch, lambda optimizer: make(torch.optim.lr_scheduler, optimizer), 20, 0.3)
    np.testing.assert_allclose(schedule.rates(np.arange(20), 3), theirs, rtol=1e-12)


def test_inverse_scaling_is_that_of_scikit_learn():
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    theirs = optimizers.SGDOptimizer([np.zeros(1)], 0.2, "invscaling", power_t=0.4)
    rates = []
    for epoch in range(1, 6):
        rates += [theirs.learning_rate] * 3
        theirs.iteration_ends(epoch * 150)
    schedule = bpx.InverseScaling(0.2, power=0.4, samples_per_epoch=150)
    np.testing.assert_allclose(schedule.rates(np.arange(15), 3), rates, rtol=1e-14)


def test_lengths_in_epochs_are_lengths_in_steps_times_the_steps_of_an_epoch():
    steps = np.arange(100)
    for in_epochs, in_steps in [
        (bpx.StepDecay(1.0, 3), bpx.StepDecay(1.0, 21, unit="steps")),
        (bpx.CosineDecay(1.0, 10, 2), bpx.CosineDecay(1.0, 70, 14, unit="steps")),
        (bpx.OneCycle(1.0, 10), bpx.OneCycle(1.0, 70, unit="steps")),
    ]:
        np.testing.assert_array_equal(in_epochs.rates(steps, 7), in_steps.rates(steps, 99))
        assert in_epochs.counts_epochs
        assert not in_steps.counts_epochs


def test_a_warm_up_rises_along_a_line_to_the_highest_rate_and_the_end_stays():
    rates = bpx.CosineDecay(1.0, length=6, warmup=4, final=0.25).rates(np.arange(9), 1)
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 0.625, 0.25, 0.25, 0.25], rtol=1e-15)


def test_a_step_uses_the_rate_of_its_number(data, small):
    """Plain gradient descent by hand, with the rates of a schedule, comes to the same weights as ``fit``."""
    x, y = data
    schedule = bpx.ExponentialDecay(0.5, 0.5)
    params = [{name: array.copy() for name, array in part.items()} for part in small.params]
    by_hand = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    for step, rate in enumerate(schedule.rates(np.arange(6), 3)):
        by_hand.params = params
        start = step % 3 * 20
        _, gradients = by_hand.gradients(x[start : start + 20], y[start : start + 20])
        params = [
            {name: array - rate * g[name] for name, array in part.items()}
            for part, g in zip(params, gradients, strict=True)
        ]
    small.fit(x, y, epochs=2, batch_size=20, optimizer=bpx.SGD(schedule), shuffle=False)
    for mine, theirs in zip(small.params, params, strict=True):
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-12)


def test_schedules_train_on_every_backend(backend, data):
    x, y = data
    optimizer = bpx.Adam(bpx.OneCycle(0.05, length=3))
    losses = []
    for spec in (backend.spec, "numpy"):
        net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype=backend.dtype, backend=spec)
        losses.append(net.fit(x, y, epochs=3, batch_size=25, optimizer=optimizer).loss)
    np.testing.assert_allclose(losses[0], losses[1], rtol=backend.either(1e-12, 1e-5))


def test_a_schedule_of_ones_own_is_a_class_with_rates(data, small):
    class Halved(Schedule):
        def rates(self, steps, steps_per_epoch):
            return 0.5 ** (steps // steps_per_epoch)

    recorder = bpx.LearningRateRecorder()
    small.fit(*data, epochs=3, batch_size=20, optimizer=bpx.SGD(Halved()), callbacks=recorder)
    assert recorder.rates == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: bpx.Constant(0.0), "learning_rate must be above 0.0, got 0"),
        (lambda: bpx.Constant("fast"), "learning_rate must be a number, got 'fast'"),
        (lambda: bpx.StepDecay(0.1, 0), "every must be at least 1, got 0"),
        (lambda: bpx.StepDecay(0.1, 2, 1.5), "factor must be above 0.0 and at most 1.0, got 1.5"),
        (lambda: bpx.StepDecay(0.1, 2, unit="step"), "unknown unit 'step'; did you mean 'steps'?"),
        (lambda: bpx.ExponentialDecay(0.1, 0.0), "decay must be above 0.0 and at most 1.0, got 0"),
        (lambda: bpx.ExponentialDecay(0.1, 0.9, unit="days"), "unknown unit 'days'"),
        (lambda: bpx.CosineDecay(0.1, 0), "length must be above 0.0, got 0"),
        (lambda: bpx.CosineDecay(0.1, 5, 5), "warmup must be below the length of 5 epochs, got 5"),
        (lambda: bpx.CosineDecay(0.1, 5, -1), "warmup must be at least 0.0, got -1"),
        (lambda: bpx.CosineDecay(0.1, 5, final=-1), "final must be at least 0.0, got -1"),
        (lambda: bpx.InverseScaling(0.1, -1), "power must be at least 0.0, got -1"),
        (lambda: bpx.InverseScaling(0.1, samples_per_epoch=0), "samples_per_epoch must be at least 1, got 0"),
        (lambda: bpx.OneCycle(0.1, 5, rise=1.0), "rise must be above 0.0 and below 1.0, got 1"),
        (lambda: bpx.OneCycle(0.1, 5, start_divisor=0.5), "start_divisor must be at least 1.0, got 0.5"),
        (lambda: bpx.OneCycle(0.1, 5, final_divisor=0), "final_divisor must be at least 1.0, got 0"),
        (lambda: as_schedule(bpx.OneCycle), "a schedule is an instance, as in bpx.OneCycle(...)"),
        (lambda: bpx.SGD(bpx.Constant), "a schedule is an instance, as in bpx.Constant(...)"),
    ],
)
def test_settings_that_make_no_schedule_are_refused(make, message):
    with pytest.raises(bpx.InputError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("changed", ["batch size", "rows", "accumulate"])
def test_a_schedule_of_epochs_goes_on_where_the_epochs_are(changed, data):
    """However many steps each of them had."""
    x, y = data
    schedule = bpx.CosineDecay(0.1, length=6)
    net, recorder = bpx.mlp([4, 5, 3], "tanh", seed=1), bpx.LearningRateRecorder(every="epoch")
    net.fit(x, y, epochs=2, batch_size=5, optimizer=bpx.Adam(schedule), callbacks=[recorder])
    assert recorder.rates == pytest.approx(schedule.rates(np.array([11, 23]), 12))
    if changed == "rows":
        x, y = x[:10], y[:10]
    options = {
        "batch size": {"batch_size": 30},
        "rows": {"batch_size": 5},
        "accumulate": {"batch_size": 10, "accumulate": 3},
    }
    for epochs in (1, 3):  # in two calls
        net.fit(x, y, epochs=epochs, optimizer=bpx.Adam(schedule), callbacks=[recorder], **options[changed])
        first = 2 if epochs == 1 else 3
        last_steps = np.arange(2 * first, 2 * (first + epochs), 2) + 1
        assert recorder.rates == pytest.approx(schedule.rates(last_steps, 2))
    assert (net.training.epoch, net.training.optimizer_epoch) == (6, 6)
    steps = bpx.CosineDecay(0.1, length=100, unit="steps")
    net.fit(x, y, epochs=1, batch_size=5, optimizer=bpx.Adam(steps))
    assert (net.training.epoch, net.training.optimizer_epoch) == (7, 1), "another optimizer begins anew"
    done = net.training.optimizer_step
    net.fit(x, y, epochs=1, optimizer=bpx.Adam(steps), callbacks=[recorder], **options[changed])
    assert recorder.rates == pytest.approx([steps.rates(np.array([done + 1]), 2)[0]]), "one of steps counts steps"


def test_a_resumed_training_goes_on_with_the_schedule_in_the_middle_of_an_epoch(data, tmp_path):
    def fit(epochs, **options):
        net, recorder = bpx.mlp([4, 5, 3], "tanh", seed=1), bpx.LearningRateRecorder(every="step")
        optimizer = bpx.SGD(bpx.CosineDecay(0.1, length=8))
        net.fit(*data, epochs=2, batch_size=30, optimizer=optimizer)
        net.fit(*data, epochs=epochs, batch_size=7, optimizer=optimizer, callbacks=[recorder], **options)
        return net, recorder.rates

    whole, rates = fit(4)
    fit(2, checkpoint=tmp_path, checkpoint_every="4 steps")
    resumed, again = fit(4, resume=tmp_path)
    assert resumed.training.optimizer_epoch == whole.training.optimizer_epoch == 6
    assert again == rates[-len(again) :]
    np.testing.assert_array_equal(resumed.params[0]["weight"], whole.params[0]["weight"])


def test_counters_of_an_earlier_bpx_that_does_not_count_an_optimizers_epochs():
    from bpx.core.state import guess_optimizer_epoch

    assert guess_optimizer_epoch({"epoch": 0, "step": 0, "optimizer_step": 0}) == 0
    assert guess_optimizer_epoch({"epoch": 7, "step": 70, "optimizer_step": 70}) == 7
    assert guess_optimizer_epoch({"epoch": 10, "step": 100, "optimizer_step": 30}) == 3
    net = bpx.mlp([2, 1], loss="squared_error")
    net.fit(np.eye(2), np.ones((2, 1)), epochs=3)
    state = net.training.__getstate__()
    del state["optimizer_epoch"]
    older = object.__new__(type(net.training))
    older.__setstate__(state)
    assert older.optimizer_epoch == 3


@pytest.mark.parametrize(
    ("rates", "got"),
    [(lambda n: 0.1, "shape ()"), (lambda n: np.full(n + 1, 0.1), "shape"), (lambda n: np.full(n, np.nan), "NaN")],
)
def test_a_schedule_of_ones_own_that_makes_no_rate_of_each_step_is_refused(rates, got, small, data):
    class Odd(bpx.Schedule):
        def rates(self, steps, steps_per_epoch):
            return rates(len(steps))

    KINDS.pop(Odd.kind)
    for optimizer in (bpx.SGD(Odd()), bpx.Adam(Odd())):
        with pytest.raises(
            bpx.InputError, match=rf"rates of .* must return one finite learning rate.*{re.escape(got)}"
        ):
            small.fit(*data, epochs=2, optimizer=optimizer)
