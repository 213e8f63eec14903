"""``fit(rows=...)``: training on some rows of arrays is training on arrays of these rows, without a copy."""

import tracemalloc

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx

ROWS = np.array([21, 3, 4, 5, 0, 7, 8, 9, 13, 12, 11, 15, 16, 2, 18])
WEIGHT = np.random.default_rng(3).uniform(0.5, 2.0, 22)
OPTIONS = {
    "plain": {},
    "weights": {"sample_weight": WEIGHT},
    "class weights": {"class_weight": "balanced"},
    "both": {"class_weight": {0: 2.0}, "sample_weight": WEIGHT},
    "in order": {"shuffle": False},
    "an order of its own": {"shuffle": lambda epoch: np.roll(np.arange(15), epoch)},
    "metrics": {"metrics": ["accuracy"]},
    "the whole set": {"batch_size": None},
    "several batches": {"accumulate": 2},
}


def train(net, rows, sample_weight=None, *, copied, **options):
    x, y = networks.classes()
    options = {"batch_size": 4, "optimizer": bpx.Adam(0.02), "epochs": 3, **options}
    if copied:
        return net.fit(
            x[rows], y[rows], sample_weight=None if sample_weight is None else sample_weight[rows], **options
        )
    return net.fit(x, y, rows=rows, sample_weight=sample_weight, **options)


@pytest.mark.parametrize("name", OPTIONS)
def test_rows_are_trained_on_as_arrays_of_them(name, backend):
    nets = [
        bpx.mlp([4, 6, 3], loss="cross_entropy", dropout=0.2, dtype=backend.dtype, backend=backend.spec)
        for _ in range(2)
    ]
    histories = [
        train(net, ROWS, copied=copied, **OPTIONS[name]) for net, copied in zip(nets, (False, True), strict=True)
    ]
    assert histories[0].loss == histories[1].loss
    assert histories[0].metrics == histories[1].metrics
    assert_same_bits(*map(networks.left_by_training, nets))


def test_the_rows_are_not_copied():
    x, y = np.ones((20_000, 100), np.float32), np.zeros((20_000, 1), np.float32)
    rows, peaks = np.arange(2000, 20_000), []
    for how in ({"rows": rows}, {"rows": rows, "metrics": ["r2"]}):
        net = bpx.mlp([100, 2, 1], loss="squared_error")
        tracemalloc.start()
        net.fit(x, y, epochs=1, batch_size=100, **how)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < x.nbytes / 3
    assert peaks[1] > x.nbytes / 2


def test_a_training_resumes_on_the_same_rows_alone(tmp_path):
    whole, broken = (bpx.mlp([4, 6, 3], loss="cross_entropy") for _ in range(2))
    train(whole, ROWS, copied=False, epochs=4)
    train(broken, ROWS, copied=False, epochs=2, checkpoint=tmp_path)
    other = np.r_[ROWS[1:], 1]
    with pytest.raises(bpx.InputError, match="rows"):
        train(bpx.mlp([4, 6, 3], loss="cross_entropy"), other, copied=False, epochs=4, resume=tmp_path)
    again = bpx.mlp([4, 6, 3], loss="cross_entropy")
    train(again, ROWS, copied=False, epochs=4, resume=tmp_path)
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([0, 22], r"rows must be from 0 to 21, got 0 to 22"),
        ([-1, 3], r"rows must be from 0 to 21, got -1 to 3"),
        ([], r"rows must be numbers of rows, shape \(n,\), got shape \(0,\)"),
        ([0.5], r"got shape \(1,\) of float64"),
        ([[0, 1]], r"got shape \(1, 2\)"),
        (np.ones(22, bool), r"got shape \(22,\) of bool"),
    ],
)
def test_what_are_no_rows_is_refused(rows, said):
    net = bpx.mlp([4, 6, 3], loss="cross_entropy")
    with pytest.raises(bpx.InputError, match=said):
        train(net, rows, copied=False)


def test_rows_are_of_arrays_in_memory(tmp_path):
    x, y = networks.classes()
    net = bpx.mlp([4, 6, 3], loss="cross_entropy")
    with pytest.raises(bpx.InputError, match="an iterable of batches has none; leave rows out"):
        net.fit([(x, y)], epochs=1, rows=[0])
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(bpx.InputError, match="read from its file in blocks; leave rows out"):
        net.fit(np.load(tmp_path / "x.npy", mmap_mode="r"), y, epochs=1, rows=[0], memory_limit=1)
