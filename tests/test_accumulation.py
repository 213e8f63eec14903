"""Gradients gathered over several batches: a step of k batches of b samples is one of k * b samples."""

from __future__ import annotations

from itertools import pairwise

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.backend import replayed
from bpx.training.checkpoints.folder import list_checkpoints, read_checkpoint

WEIGHT = np.random.default_rng(3).uniform(0.0, 2.0, 22)
OPTIONS = {
    "plain": {},
    "weights": {"sample_weight": WEIGHT},
    "a batch without weight": {"sample_weight": np.where(np.arange(22) < 12, 0.0, WEIGHT), "shuffle": False},
    "class weights": {"class_weight": "balanced"},
    "in order": {"shuffle": False},
    "penalties": {"penalties": [bpx.L1(0.01), bpx.L2(0.02, per_sample=True)]},
    "clip": {"clip": bpx.ClipNorm(0.3)},
    "averaged": {"optimizer": bpx.Averaged(bpx.Adam(0.02), 0.9)},
    "groups": {"optimizer": bpx.AdamW(0.02, groups=bpx.ParameterGroup("0.*", 2.0, 0.5))},
    "schedule": {"optimizer": bpx.SGD(bpx.StepDecay(0.1, every=2, factor=0.5))},
}
every_option = pytest.mark.parametrize("name", OPTIONS)


def make(backend="numpy", reduction="mean"):
    """Return a network without random masks and batch statistics, which would differ with the size of a batch."""
    spec, dtype = ("numpy", "float64") if isinstance(backend, str) else (backend.backend, backend.dtype)
    layers = [
        bpx.Linear(4, 6, frozen="bias", bias_init="uniform"), bpx.LayerNorm(6), bpx.Tanh(),
        bpx.Residual([bpx.Linear(6, 6), bpx.Tanh()]), bpx.Linear(6, 3),
    ]  # fmt: skip
    return bpx.Network(layers, loss=bpx.CrossEntropy(reduction=reduction), dtype=dtype, seed=3, backend=spec)


def train(net, epochs=4, **options):
    return net.fit(*networks.classes(), epochs=epochs, **{"optimizer": bpx.Adam(0.02), **options})


def left(net):
    slots = [{str(k): array for k, array in enumerate(arrays)} for arrays in net.training.slots]
    return networks.on_host(net, [*net.params, *net.state, *slots])


def assert_near(got, expected, rtol, atol=1e-12):
    for mine, theirs in zip(left(got), left(expected), strict=True):
        assert mine.keys() == theirs.keys()
        for name, array in theirs.items():
            np.testing.assert_allclose(mine[name], array, rtol=rtol, atol=atol)


# -- as one large batch -------------------------------------------------------------------------------------------


@every_option
@pytest.mark.parametrize("sizes", [(3, 2), (4, 3), (5, 10)], ids=str)  # 22 rows: 3 steps and a rest, 1 and a rest, one
def test_k_batches_are_one_of_k_times_the_size(sizes, name):
    for reduction in ("mean", "sum"):
        apart, together = make(reduction=reduction), make(reduction=reduction)
        history = train(apart, batch_size=sizes[0], accumulate=sizes[1], **OPTIONS[name])
        expected = train(together, batch_size=min(sizes[0] * sizes[1], 22), **OPTIONS[name])
        np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-11)
        assert_near(apart, together, 1e-8)
        assert apart.training.optimizer_step == together.training.optimizer_step


@pytest.mark.parametrize("name", ["plain", "weights", "averaged"])
def test_so_they_are_on_every_backend(name, backend):
    apart, together = make(backend), make(backend)
    history = train(apart, batch_size=4, accumulate=3, **OPTIONS[name])
    expected = train(together, batch_size=12, **OPTIONS[name])
    np.testing.assert_allclose(history.loss, expected.loss, rtol=backend.either(1e-10, 1e-4))
    assert_near(apart, together, backend.either(1e-7, 1e-3), backend.either(1e-12, 1e-4))


def test_the_gradient_is_the_mean_over_the_rows_by_hand():
    """One step of plain descent on batches of 2, 2 and 1 rows, whose means count 2/5, 2/5 and 1/5."""
    x, y = networks.numbers(5)
    net = bpx.Network([bpx.Linear(4, 2)], loss="squared_error", dtype="float64")
    start = networks.on_host(net, net.params)
    parts = [net.gradients(x[rows], y[rows]) for rows in (slice(0, 2), slice(2, 4), slice(4, 5))]
    loss = net.fit(x, y, epochs=1, batch_size=2, accumulate=3, shuffle=False, optimizer=bpx.SGD(0.5)).loss
    assert loss[0] == pytest.approx(sum(s * value for s, (value, _) in zip((0.4, 0.4, 0.2), parts, strict=True)))
    for name in ("weight", "bias"):
        mean = sum(s * grads[0][name] for s, (_, grads) in zip((0.4, 0.4, 0.2), parts, strict=True))
        np.testing.assert_allclose(net.params[0][name], start[0][name] - 0.5 * mean, rtol=1e-13)


def test_1_changes_no_bit(backend):
    plain, counted = networks.everything(backend), networks.everything(backend)
    assert train(plain, batch_size=8).loss == train(counted, batch_size=8, accumulate=1).loss
    assert_same_bits(left(plain), left(counted))


# -- layers that look at a batch ----------------------------------------------------------------------------------


def test_batch_statistics_are_those_of_each_batch():
    x, _ = networks.classes()
    net = bpx.Network([bpx.BatchNorm(4, momentum=0.5), bpx.Linear(4, 3)], loss="cross_entropy", dtype="float64")
    train(net, 1, batch_size=6, accumulate=2, shuffle=False)
    mean = np.zeros(4)
    for start in range(0, 22, 6):
        mean = 0.5 * mean + 0.5 * x[start : start + 6].mean(axis=0)
    np.testing.assert_allclose(net.state[0]["running_mean"], mean, rtol=1e-12)


def test_each_batch_has_masks_of_its_own():
    """A weight of 0 moves by how many of the 8 equal rows let its feature through, two rows in each of four batches."""
    layers = [bpx.Dropout(0.5), bpx.Linear(64, 1, bias=False, weight_init="zeros")]
    net = bpx.Network(layers, loss="squared_error", dtype="float64", seed=1)
    net.fit(np.ones((8, 64)), -np.ones(8), epochs=1, batch_size=2, accumulate=4, optimizer=bpx.SGD(8.0 / 2.0))
    kept = np.rint(-net.params[1]["weight"][:, 0])  # how many of the 8 rows let a feature through
    seen = np.unique(kept)
    assert set(seen) - {0.0, 4.0, 8.0}, "with one mask for all four batches these are multiples of 4"
    assert 3.0 < kept.mean() < 5.0


# -- going on -----------------------------------------------------------------------------------------------------


def test_training_that_is_continued_gives_the_same_bits(backend, tmp_path):
    options = {"batch_size": 3, "accumulate": 2}
    whole, parts, resumed = (networks.everything(backend) for _ in range(3))
    expected = train(whole, 4, **options).loss
    assert train(parts, 2, **options).loss + train(parts, 2, **options).loss == expected
    assert_same_bits(left(parts), left(whole))
    train(networks.everything(backend), 4, checkpoint=tmp_path, checkpoint_every="3 steps", keep=None, **options)
    middle = list_checkpoints(tmp_path)[1]
    counters = read_checkpoint(middle)[1]["counters"]
    assert (counters["step"], counters["epoch"], counters["position"]) == (6, 1, 2), "steps, of two batches each"
    assert train(resumed, 4, resume=middle, checkpoint=tmp_path / "further", **options).loss == expected
    assert_same_bits(left(resumed), left(whole))


def test_a_training_is_not_resumed_with_another_number(tmp_path):
    train(make(), 1, batch_size=4, accumulate=2, checkpoint=tmp_path / "two")
    train(make(), 1, batch_size=4, checkpoint=tmp_path / "one")
    for folder, accumulate in (("two", 1), ("two", 3), ("one", 2)):
        with pytest.raises(bpx.InputError, match="accumulate is"):
            train(make(), 2, batch_size=4, accumulate=accumulate, resume=tmp_path / folder)


@pytest.mark.parametrize("name", ["plain", "weights", "clip", "averaged"])
def test_from_a_tape_the_bits_are_the_same(name, monkeypatch):
    nets = [networks.everything() for _ in range(2)]
    losses = []
    for net, plain in zip(nets, (10**9, 5), strict=True):
        monkeypatch.setattr(replayed, "PLAIN_STEPS", plain)
        losses.append(train(net, 16, batch_size=3, accumulate=2, **OPTIONS[name]).loss)
    assert losses[0] == losses[1]
    assert_same_bits(left(nets[0]), left(nets[1]))


# -- other data ---------------------------------------------------------------------------------------------------


def test_batches_of_an_iterable(backend):
    x, y = networks.classes()
    sizes = [4, 4, 4, 4, 4, 2]
    ends = np.cumsum([0, *sizes])
    batches = [(x[a:b], y[a:b]) for a, b in pairwise(ends)]
    apart, together = make(backend), make(backend)
    history = apart.fit(batches, epochs=3, accumulate=4, shuffle=False, optimizer=bpx.Adam(0.02))
    expected = train(together, 3, batch_size=16, shuffle=False)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=backend.either(1e-10, 1e-4))
    assert_near(apart, together, backend.either(1e-7, 1e-3), backend.either(1e-12, 1e-4))
    assert apart.training.step == 6


def test_batches_of_any_sizes_and_blocks_of_any_number():
    """Blocks are cut between steps, of batches of 1 to 3 rows: with few bytes, and more batches than a block has."""
    x, y = networks.classes(200)
    generator = np.random.default_rng(0)
    ends = np.cumsum([0, *generator.integers(1, 4, 85)])
    batches = [(x[a:b], y[a:b]) for a, b in pairwise(ends)]
    for k, limit in ((7, 6 * 8 * 8 * 30), (7, None), (70, None)):
        net, by_hand = make(), make()
        net.fit(batches, epochs=1, accumulate=k, shuffle=False, memory_limit=limit, optimizer=bpx.SGD(0.1))
        for first in range(0, 85, k):
            rows = slice(ends[first], ends[min(first + k, 85)])
            by_hand.fit(x[rows], y[rows], epochs=1, batch_size=None, optimizer=bpx.SGD(0.1))
        assert_near(net, by_hand, 1e-9)
        assert net.training.step == -(-85 // k)


def test_an_iterable_is_resumed_between_two_steps(tmp_path):
    x, y = networks.classes(60)
    batches = [(x[i : i + 5], y[i : i + 5]) for i in range(0, 60, 5)]
    options = {"epochs": 3, "accumulate": 3}
    whole, resumed = networks.everything(), networks.everything()
    whole.fit(batches, **options)
    networks.everything().fit(batches, checkpoint=tmp_path, checkpoint_every="3 steps", keep=None, **options)
    resumed.fit(batches, resume=list_checkpoints(tmp_path)[0], checkpoint=tmp_path / "further", **options)
    assert_same_bits(left(resumed), left(whole))


def test_a_mapped_array(tmp_path):
    x, y = networks.classes(300)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    options = {"epochs": 2, "memory_limit": 6000, "optimizer": bpx.Adam(0.02)}
    apart, together = make(), make()
    history = apart.fit(mapped, y, batch_size=3, accumulate=4, **options)
    assert together.fit(mapped, y, batch_size=12, **options).loss == pytest.approx(history.loss, rel=1e-10)
    assert_near(apart, together, 1e-7)
    assert apart.training.step == 50
    with pytest.raises(bpx.InputError, match="4 batches of 30 samples take"):
        make().fit(mapped, y, batch_size=30, accumulate=4, **options)


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accumulate": 0, "batch_size": 2}, "accumulate must be at least 1, got 0"),
        ({"accumulate": 2.5, "batch_size": 2}, "accumulate must be"),
        ({"accumulate": 2}, "makes steps of 2 batches, and here all 22 samples are one; give a batch_size"),
        ({"accumulate": 2, "batch_size": None}, "all 22 samples are one; give a batch_size"),
        ({"accumulate": 2, "batch_size": 4, "optimizer": "lbfgs"}, "'lbfgs' takes the whole set at each step"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(bpx.InputError, match=said):
        train(make(), 1, **options)


def test_a_loss_that_is_not_finite_names_the_step():
    x, y = networks.numbers()
    net = bpx.Network([bpx.Linear(4, 2)], loss="squared_error", dtype="float64")
    with pytest.raises(bpx.DivergenceError, match="in epoch 1, step 2 of 3"):
        net.fit(x, y, epochs=1, batch_size=4, accumulate=2, optimizer=bpx.SGD(1e200), shuffle=False)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_batches_of_a_step_that_takes_all_rows_are_others_in_each_epoch(shuffle):
    """On sorted data each batch had one class otherwise, and batch statistics were those of a class."""
    x, _ = networks.classes()
    orders = []

    def order(epoch):
        orders.append(epoch)
        return np.random.default_rng(epoch).permutation(22) if shuffle else np.arange(22)

    layers = [bpx.BatchNorm(4, momentum=0.5), bpx.Linear(4, 3)]
    net = bpx.Network(layers, loss="cross_entropy", dtype="float64")
    train(net, 3, batch_size=6, accumulate=4, shuffle=order)
    assert orders == [0, 1, 2]
    mean = np.zeros(4)
    for epoch in range(3):
        rows = np.random.default_rng(epoch).permutation(22) if shuffle else np.arange(22)
        for start in range(0, 22, 6):
            mean = 0.5 * mean + 0.5 * x[rows[start : start + 6]].mean(axis=0)
    np.testing.assert_allclose(net.state[0]["running_mean"], mean, rtol=1e-12)
    seeds = [bpx.Network(layers, loss="cross_entropy", dtype="float64", seed=0) for _ in range(2)]
    for each, shuffled in zip(seeds, (True, False), strict=True):
        train(each, 3, batch_size=6, accumulate=4, shuffle=shuffled)
    assert np.abs(seeds[0].state[0]["running_mean"] - seeds[1].state[0]["running_mean"]).max() > 1e-6
