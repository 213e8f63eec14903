"""Training, evaluation and prediction on lists of files: the numbers of one file with all rows, to the bit."""

from __future__ import annotations

import os
from itertools import pairwise

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.core.file_rows import FileRows, MappedArrays
from bpx.training import fingerprint, mapped
from bpx.training.mapped import MappedStream, describe_mapped, find_in_file
from bpx.training.settings import check_settings

ROWS = 302
LIMIT = 9600


@pytest.fixture
def one():
    """Return samples, targets and weights."""
    x, y = networks.classes(ROWS)
    return x, y, np.linspace(0.5, 2.0, ROWS)


@pytest.fixture
def files(one, tmp_path):
    """Return the same as lists of arrays that are mapped from files, one of them without rows, and in one file each."""
    lists, whole = [], []
    for name, array in zip(("x", "y", "w"), one, strict=True):
        parts = []
        for i, (start, stop) in enumerate(pairwise([0, 50, 50, 51, 200, ROWS])):
            np.save(tmp_path / f"{name}{i}.npy", array[start:stop])
            parts.append(np.load(tmp_path / f"{name}{i}.npy", mmap_mode="r"))
        np.save(tmp_path / f"{name}.npy", array)
        lists.append(parts)
        whole.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    return lists, whole


def train(net, x, y, w, **options):
    plain = {"epochs": 2, "batch_size": 6, "sample_weight": w, "validation_data": (x, y, w)}
    return net.fit(x, y, **plain | {"metrics": ["accuracy", "roc_auc"]} | options)


@pytest.mark.parametrize("limit", [None, LIMIT])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_training_is_that_on_one_file_to_the_bit(limit, class_weight, files, one):
    options = {"memory_limit": limit, "class_weight": class_weight}
    (x, y, w), (x_one, y_one, w_one) = files
    in_memory = [np.array(part) for part in x]
    cases = [(x, y, w), (x, one[1], w), (x, one[1].tolist(), one[2]), (in_memory, y, w_one), (tuple(x), tuple(y), w)]
    expected = bpx.mlp([4, 5, 3], "tanh", seed=1)
    history = train(expected, x_one, y_one, w_one, **options)
    for case in cases:
        net = bpx.mlp([4, 5, 3], "tanh", seed=1)
        assert train(net, *case, **options).curves() == history.curves()
        assert_same_bits(net.params, expected.params)


def test_each_library_takes_lists_of_files(files, backend):
    found, net = [], bpx.mlp([4, 3], seed=1, dtype=backend.dtype, backend=backend.spec)
    for x, y, w in files:
        net.reset().fit(x, y, epochs=1, batch_size=6, sample_weight=w, class_weight="balanced", memory_limit=LIMIT // 2)
        measured = net.evaluate(x, y, memory_limit=LIMIT // 2)
        found.append((networks.on_host(net, net.params), measured, net.predict(x, memory_limit=LIMIT // 2)))
    assert_same_bits(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    np.testing.assert_array_equal(found[0][2], found[1][2])


@pytest.mark.parametrize("limit", [None, LIMIT, 500])
def test_evaluation_and_prediction_are_those_of_one_file_to_the_bit(limit, files, one):
    net = bpx.mlp([4, 5, 3], "tanh", seed=1)
    (x, y, w), (x_one, y_one, w_one) = files
    for options in ({}, {"metrics": ["roc_auc"]}):
        found = net.evaluate(x, y, w, memory_limit=limit, **options)
        assert found == net.evaluate(x_one, y_one, w_one, memory_limit=limit, **options)
        assert found == pytest.approx(net.evaluate(*one, **options), rel=1e-5)
    found = net.predict(x, memory_limit=limit)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, net.predict(x_one, memory_limit=limit))
    np.testing.assert_allclose(found, net.predict(one[0]), rtol=1e-5)


def test_pieces_of_thousands_of_rows_change_no_bit():
    x = np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32)
    y = np.arange(len(x)) % 3
    net = bpx.mlp([4, 5, 3], seed=1)
    limit = 6 * 8192 * 40  # of 36 bytes a row
    assert net.evaluate([x[:5000], x[5000:]], y, memory_limit=limit) == net.evaluate(x, y)
    np.testing.assert_array_equal(net.predict([x[:5000], x[5000:]], memory_limit=limit // 3), net.predict(x))


def test_large_lists_are_never_joined(files, monkeypatch):
    (x, y, w), _ = files
    monkeypatch.setattr(FileRows, "join", lambda self: pytest.fail("joined"))
    monkeypatch.setattr(mapped, "SECTIONS", 20)
    read = FileRows._read

    def read_part(self, start, stop):
        assert stop - start < 60
        return read(self, start, stop)

    monkeypatch.setattr(FileRows, "_read", read_part)
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", 100)
    net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    train(net, x, y, w, memory_limit=LIMIT, class_weight="balanced")
    net.evaluate(x, y, w, memory_limit=LIMIT, metrics=["accuracy"])
    assert net.predict(x, memory_limit=LIMIT).shape == (ROWS, 3)


def test_a_training_on_one_file_goes_on_with_the_same_rows_in_several(files, tmp_path):
    def crash(run):
        if run.epoch == 3:
            raise RuntimeError("crash")

    lists, whole = files
    options = {"memory_limit": LIMIT, "epochs": 5, "metrics": ()}
    expected, broken, again = (networks.everything() for _ in range(3))
    history = train(expected, *whole, callbacks=lambda run: None, **options)
    with pytest.raises(RuntimeError, match="crash"):
        train(broken, *whole, callbacks=crash, checkpoint=tmp_path / "run", checkpoint_every="7 steps", **options)
    assert train(again, *lists, callbacks=lambda run: None, resume=tmp_path / "run", **options).loss == history.loss
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(expected))
    other = [np.array(part) for part in lists[0]]
    other[3][100, 2] += 1.0
    with pytest.raises(bpx.InputError, match="data.x holds other numbers"):
        train(networks.everything(), other, *lists[1:], resume=tmp_path / "run", **options)


def test_a_fingerprint_reads_some_rows_alone(one, monkeypatch):
    net = bpx.mlp([4, 5, 3], dtype="float64")
    arrays = MappedArrays(net, FileRows("x", [one[0]]), one[1], None, LIMIT)
    whole = describe_mapped(arrays)["x"]
    assert whole == fingerprint.fingerprint_on_host(one[0])
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", 100)
    monkeypatch.setattr(fingerprint, "SAMPLED_ROWS", 10)
    monkeypatch.setattr(FileRows, "_read", lambda *_: pytest.fail("read"))
    taken = []
    take = FileRows._take
    monkeypatch.setattr(FileRows, "_take", lambda self, rows: (taken.append(rows.size), take(self, rows))[1])
    assert describe_mapped(arrays)["x"] == fingerprint.fingerprint_on_host(one[0]) != whole
    assert taken == [10]


class _Ranks:
    """A communicator of one rank of several, whose work is written down, or put together with that of the others."""

    def __init__(self, rank, size, done):
        self.rank, self.size, self._done = rank, size, done

    def find_part(self, rows):
        return self.rank * rows // self.size, (self.rank + 1) * rows // self.size

    def together(self, work):
        self._done.append(work())
        return self._done


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("sections", [1024, 11])
def test_classes_are_counted_by_all_ranks_to_the_bits_of_one(size, sections, files, monkeypatch):
    monkeypatch.setattr(mapped, "SECTIONS", sections)
    (x, y, w), _ = files
    net = bpx.mlp([4, 5, 3], dtype="float64")
    settings = check_settings(
        epochs=1, batch_size=6, optimizer="adam", metrics=(), callbacks=(), shuffle=True, progress=None, penalties=(),
        clip=None, class_weight="balanced",
    )  # fmt: skip
    counted = []

    def open_stream():
        arrays = MappedArrays(net, FileRows("x", x), FileRows("y", y), FileRows("sample_weight", w), LIMIT)
        read = arrays.read_targets
        arrays.read_targets = lambda a, b, backend: (counted.append(b - a), read(a, b, backend))[1]
        arrays.x._read = lambda *_: pytest.fail("samples are read")
        return MappedStream(net, arrays, settings)

    alone = open_stream()
    alone.prepare()
    assert sum(counted) == ROWS
    done = []
    for rank in range(size):
        counted.clear()
        stream = open_stream()
        stream.prepare(_Ranks(rank, size, done))
        assert abs(sum(counted) - ROWS / size) <= ROWS / min(sections, ROWS) + 1
    assert stream._table.tobytes() == alone._table.tobytes()
    masses = np.bincount(np.concatenate(y), weights=np.concatenate(w))
    np.testing.assert_allclose(alone._table, masses.sum() / (3 * masses), rtol=1e-12)


def test_rows_of_a_block_are_found_in_the_file():
    spans = [(30, 40), (0, 10), (90, 95)]
    np.testing.assert_array_equal(find_in_file(spans, np.array([0, 9, 10, 19, 20, 24])), [30, 39, 0, 9, 90, 94])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": lambda y: y[:-1]}, "y is a list of 4 arrays, and x one of 5; give as many, or one array with all 302"),
        ({"y": lambda y: [*y[:-1], y[-1][1:]]}, "part 4 of y has 101 rows, and part 4 of x has 102"),
        ({"y": lambda y: np.zeros(5, int)}, "y must have one row for each of the 302 samples of x, got 5"),
        ({"x": lambda x: [*x[:-1], x[-1][:, :3]]}, r"the parts of x must have the same columns, but part 4 has"),
        ({"x": lambda x: [*x[:-1], x[-1].astype(int)]}, "the parts of x must hold numbers of one kind, but part 4"),
        ({"x": lambda x: [part[:, :3] for part in x]}, r"x must have shape \(samples, 4\), got \((1|302), 3\)"),
        ({"x": lambda x: []}, r"x must have shape \(samples, 4\), got \(0,\)"),
        ({"x": lambda x: [part[:0] for part in x], "y": lambda y: []}, "x is empty"),
    ],
)
@pytest.mark.parametrize("limit", [None, 1000])
def test_lists_that_do_not_fit_are_refused_before_any_work(change, message, limit, files):
    (x, y, _), _ = files
    net = bpx.mlp([4, 5, 3], dtype="float64")
    x, y = change.get("x", list)(x), change.get("y", list)(y)
    with pytest.raises(bpx.InputError, match=message):
        net.fit(x, y, epochs=1, batch_size=2, memory_limit=limit)
    assert net.training is None
    with pytest.raises(bpx.InputError, match=message):
        net.evaluate(x, y, memory_limit=limit)


def test_a_memory_limit_must_be_a_number(one):
    net = bpx.mlp([4, 5, 3], dtype="float64")
    with pytest.raises(bpx.InputError, match="memory_limit must be at least 1, got 0"):
        net.evaluate(*one[:2], memory_limit=0)
    with pytest.raises(bpx.InputError, match="memory_limit must be at least 1, got 0"):
        net.predict(one[0], memory_limit=0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="a thousand open files, as Linux allows")
def test_a_thousand_files(tmp_path):
    x, y = networks.classes(5000)
    parts = []
    for i in range(1000):
        np.save(tmp_path / f"{i}.npy", x[5 * i : 5 * i + 5])
        parts.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
    nets = [bpx.mlp([4, 5, 3], seed=1) for _ in range(2)]
    nets[0].fit(parts, y, epochs=1, batch_size=20, memory_limit=30_000)
    nets[1].fit([x], y, epochs=1, batch_size=20, memory_limit=30_000)
    assert_same_bits(nets[0].params, nets[1].params)
