"""Optimizers: PyTorch's numbers step by step, minima found, frozen parameters left alone."""

import numpy as np
import pytest
from closeness import assert_close, relative_difference
from networks import numbers, on_host

import bpx
from bpx.optimizers import OPTIMIZERS, Optimizer, get_optimizer

OF_TORCH = {
    "sgd": (bpx.SGD(0.1), "SGD", {"lr": 0.1}),
    "momentum": (bpx.SGD(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (bpx.SGD(0.05, 0.9, nesterov=True), "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "adam": (bpx.Adam(0.02), "Adam", {"lr": 0.02}),
    "adam-settings": (bpx.Adam(0.02, 0.7, 0.95, 1e-3), "Adam", {"lr": 0.02, "betas": (0.7, 0.95), "eps": 1e-3}),
    "adamw": (bpx.AdamW(0.02), "AdamW", {"lr": 0.02}),
    "adamw-decay": (bpx.AdamW(0.02, weight_decay=0.3), "AdamW", {"lr": 0.02, "weight_decay": 0.3}),
    "rmsprop": (bpx.RMSprop(0.01), "RMSprop", {"lr": 0.01, "alpha": 0.9}),
    "rmsprop-settings": (bpx.RMSprop(0.01, 0.99, 1e-4), "RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": 1e-4}),
}
EVERY_KIND = ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"]


def minimize(optimizer: Optimizer, backend, gradient, start, steps: int):
    """Step an optimizer down a gradient; return the point after each step."""
    numbers = optimizer.coefficients(np.arange(steps), np.full(steps, optimizer.learning_rate)).tolist()
    w = backend.array(np.array(start))
    w = backend.backend.copy(w)
    slots = tuple(backend.xp.zeros_like(w) for _ in range(optimizer.n_slots))
    path = []
    for t in range(steps):
        dw = backend.backend.asarray(gradient(t, backend.numpy(w)).astype(backend.dtype))
        w, *slots = optimizer.update(backend.xp, w, backend.backend.copy(dw), *slots, *numbers[t])
        path.append(np.array(backend.numpy(w)))
    return np.array(path)


@pytest.mark.parametrize("name", OF_TORCH)
def test_fifty_steps_are_pytorchs(name, backend, torch):
    ours, cls, settings = OF_TORCH[name]
    noise = np.random.default_rng(1).normal(size=(50, 3, 4))
    start = np.random.default_rng(2).normal(size=(3, 4)) * 3.0

    def gradient(t, w):
        return w * 0.7 + np.tanh(w) + noise[t]

    path = minimize(ours, backend, gradient, start, 50)
    w = torch.tensor(start, requires_grad=True)
    theirs = getattr(torch.optim, cls)([w], **settings)
    for t in range(50):
        w.grad = torch.tensor(gradient(t, w.detach().numpy()))
        theirs.step()
        assert relative_difference(path[t], w.detach().numpy()) < backend.either(1e-10, 1e-4), f"step {t}"


@pytest.mark.parametrize("name", OF_TORCH)
def test_fifty_epochs_of_fit_are_pytorchs_training(name, torch):
    ours, cls, settings = OF_TORCH[name]
    x, y = numbers()
    net = bpx.mlp([4, 5, 2], activation="tanh", loss="squared_error", dtype="float64")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    with torch.no_grad():
        for i in (0, 2):
            theirs[i].weight.copy_(torch.tensor(net.params[i]["weight"].T))
            theirs[i].bias.copy_(torch.tensor(net.params[i]["bias"]))
    optimizer = getattr(torch.optim, cls)(theirs.parameters(), **settings)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).sum() / 2 / len(x)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert relative_difference(net.fit(x, y, epochs=50, optimizer=ours).loss, losses) < 1e-10
    for i in (0, 2):
        assert relative_difference(net.params[i]["weight"], theirs[i].weight.detach().numpy().T) < 1e-10
        assert relative_difference(net.params[i]["bias"], theirs[i].bias.detach().numpy()) < 1e-10


def _quadratic(t, w):
    return np.array([1.0, 10.0]) * (w - np.array([3.0, -2.0]))


def _rosenbrock(t, w):
    x, y = w
    return np.array([2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)])


CONVERGE = {
    "sgd": (bpx.SGD(0.1), 200, bpx.SGD(1e-3), 20000),
    "momentum": (bpx.SGD(0.02, momentum=0.9), 400, bpx.SGD(5e-4, momentum=0.95), 4000),
    "nesterov": (bpx.SGD(0.02, 0.9, nesterov=True), 400, bpx.SGD(5e-4, 0.95, nesterov=True), 4000),
    "adam": (bpx.Adam(0.1), 1000, bpx.Adam(0.02), 4000),
    "adamw": (bpx.AdamW(0.1, weight_decay=1e-6), 1000, bpx.AdamW(0.02, weight_decay=1e-6), 4000),
    "rmsprop": (bpx.RMSprop(0.01), 2000, bpx.RMSprop(0.002), 6000),
}


@pytest.mark.parametrize("name", CONVERGE)
def test_finds_the_minimum_of_a_quadratic(name, on_numpy):
    optimizer, steps, _, _ = CONVERGE[name]
    path = minimize(optimizer, on_numpy, _quadratic, [0.0, 0.0], steps)
    np.testing.assert_allclose(path[-1], [3.0, -2.0], atol=1e-2)
    assert np.abs(path[0] - [3.0, -2.0]).max() > 1.0


@pytest.mark.parametrize("name", CONVERGE)
def test_finds_the_minimum_of_rosenbrocks_valley(name, on_numpy):
    _, _, optimizer, steps = CONVERGE[name]
    np.testing.assert_allclose(
        minimize(optimizer, on_numpy, _rosenbrock, [-1.2, 1.0], steps)[-1], [1.0, 1.0], atol=0.05
    )


def test_every_optimizer_is_tested():
    assert {type(optimizer) for optimizer, _, _ in OF_TORCH.values()} == set(OPTIMIZERS.values())
    assert {type(optimizer) for optimizer, *_ in CONVERGE.values()} == set(OPTIMIZERS.values())


@pytest.mark.parametrize("name", EVERY_KIND)
def test_frozen_parameters_stay_as_they_are_to_the_bit(name, backend):
    layers = [
        bpx.Linear(4, 3, frozen=("weight", "bias"), bias_init="uniform"),
        bpx.Residual([bpx.LayerNorm(3, frozen="weight"), bpx.Linear(3, 3, frozen="bias", bias_init="uniform")]),
        bpx.BatchNorm(3, frozen=("bias",)),
        bpx.Linear(3, 2, frozen=("weight",)),
    ]
    net = bpx.Network(layers, dtype=backend.dtype, backend=backend.spec)
    before = on_host(net, net.params)
    x, y = numbers(12)
    net.fit(backend.array(x), backend.array(y), epochs=4, batch_size=4, optimizer=OF_TORCH[name][0])
    after = on_host(net, net.params)
    for layer, was, now in zip(layers, before, after, strict=True):
        assert sorted(was) == sorted(now)
        for part in was:
            assert (was[part] == now[part]).all() == (part in layer.frozen), (layer, part)


def test_adam_of_the_papers_short_form_scales_epsilon():
    steps, rates = np.arange(3), np.full(3, 0.1)
    plain, scaled = (bpx.Adam(0.1, eps=1e-2, scaled_eps=scaled).coefficients(steps, rates) for scaled in (False, True))
    m, v = np.array([0.3, -2.0, 1e-3]), np.array([0.2, 5.0, 1e-7])  # the paper's moments at each step
    t = steps + 1
    first, second = 1 - 0.9**t, 1 - 0.999**t
    for rows, expected in (
        (plain, 0.1 * (m / first) / (np.sqrt(v / second) + 1e-2)),
        (scaled, 0.1 * np.sqrt(second) / first * m / (np.sqrt(v) + 1e-2)),
    ):
        rate, epsilon = rows[:, 0], rows[:, 1]
        np.testing.assert_allclose(rate * (m / 0.1) / (np.sqrt(v / 0.001) + epsilon), expected, rtol=1e-12)


def test_the_rate_is_handed_over_so_that_it_can_change():
    rates = np.array([0.1, 0.01])
    for optimizer in (bpx.SGD(0.5), bpx.SGD(0.5, momentum=0.9), bpx.RMSprop(0.5), bpx.Adam(0.5), bpx.AdamW(0.5)):
        rows = optimizer.coefficients(np.array([5, 5]), rates)
        np.testing.assert_allclose(rows[0, 0] / rows[1, 0], 10.0, rtol=1e-14)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_name_gives_its_optimizer_and_an_optimizer_itself(name):
    optimizer = get_optimizer(name)
    assert type(optimizer) is OPTIMIZERS[name]
    assert get_optimizer(optimizer) is optimizer


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf"), "fast", None, True])
@pytest.mark.parametrize("cls", [bpx.SGD, bpx.Adam, bpx.AdamW, bpx.RMSprop])
def test_a_learning_rate_is_a_number_above_zero(cls, rate):
    with pytest.raises(bpx.InputError, match="learning_rate must be"):
        cls(rate)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bpx.SGD(momentum=1.0), "momentum must be at least 0.0 and below 1.0, got 1"),
        (lambda: bpx.SGD(momentum=-0.5), "momentum must be at least 0.0"),
        (lambda: bpx.SGD(nesterov=True), "nesterov=True needs a momentum above 0"),
        (lambda: bpx.Adam(b1=1.0), "b1 must be at least 0.0 and below 1.0"),
        (lambda: bpx.Adam(b2=-0.1), "b2 must be at least 0.0"),
        (lambda: bpx.Adam(eps=0.0), "eps must be above 0.0"),
        (lambda: bpx.AdamW(weight_decay=-1.0), "weight_decay must be at least 0.0, got -1"),
        (lambda: bpx.RMSprop(decay=1.0), "decay must be at least 0.0 and below 1.0"),
        (lambda: bpx.RMSprop(eps=-1.0), "eps must be above 0.0"),
        (
            lambda: get_optimizer("adamm"),
            "unknown optimizer 'adamm'; did you mean 'adam'? Valid: 'adam', 'adamw', 'lbfgs', 'rms",
        ),
        (lambda: get_optimizer(bpx.Adam), "an optimizer is a name or an Optimizer, got <class"),
        (lambda: get_optimizer(None), "an optimizer is a name or an Optimizer, got None"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(bpx.InputError) as error:
        make()
    assert message in str(error.value)


def test_an_update_uses_what_it_is_given_and_returns_everything(backend):
    for optimizer, _, _ in OF_TORCH.values():
        w = backend.backend.copy(backend.array(np.ones((2, 2))))
        slots = [backend.xp.zeros_like(w) for _ in range(optimizer.n_slots)]
        row = optimizer.coefficients(np.arange(1), np.array([0.1])).tolist()[0]
        results = optimizer.update(backend.xp, w, backend.backend.copy(backend.array(np.ones((2, 2)))), *slots, *row)
        assert len(results) == 1 + optimizer.n_slots
        for result in results:
            assert_close(backend, result, backend.numpy(result), 0.0)
