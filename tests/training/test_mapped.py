"""Training on arrays that are mapped from files and larger than the memory limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.core.file_rows import MappedArrays, find_file_map, release_pages
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.training.mapped import MappedStream
from bpx.training.settings import check_settings

ROWS = 302
LIMIT = 9600
"""Below the 9664 bytes of x in double precision; a block has 1600, 25 rows of 64 bytes: four chunks of 6."""


@pytest.fixture
def samples():
    return networks.classes(ROWS)


@pytest.fixture
def mapped(samples, tmp_path):
    """Return x as a file mapped into memory, and y."""
    np.save(tmp_path / "x.npy", samples[0])
    return np.load(tmp_path / "x.npy", mmap_mode="r"), samples[1]


def new(**options):
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64", **options)


def source_of(net, x, y, weight=None, limit=LIMIT, **options):
    plain = {"epochs": 1, "batch_size": 6, "optimizer": "adam", "metrics": (), "callbacks": (), "shuffle": True}
    plain |= {"progress": None, "penalties": (), "clip": None, "class_weight": None}
    settings = check_settings(**plain | options)
    return MappedStream(net, MappedArrays(net, x, y, weight, limit), settings)


def rows_of(source, x, epoch=0, first=0):
    """Return the rows of an epoch in the order of the steps, and the sizes of the batches."""
    place = {row.tobytes(): i for i, row in enumerate(np.asarray(x))}
    rows, sizes = [], []
    with source.open_blocks(epoch, first, lambda: None) as blocks:
        for block in blocks:
            for group in block.groups:
                for batch in group:
                    rows += [place[row.tobytes()] for row in block.data[0][batch]]
                    sizes.append(len(batch))
    return rows, sizes


def test_a_file_map_is_known_through_views(mapped, tmp_path):
    x, _ = mapped
    for view in (x, x[3:], np.asarray(x), np.asarray(x)[::2].T, x.view(np.ndarray)):
        assert find_file_map(view) is not None
    for other in (np.array(x), x + 1, [1.0], None):
        assert find_file_map(other) is None
    np.zeros(5).tofile(tmp_path / "raw")
    assert find_file_map(np.memmap(tmp_path / "raw", dtype=np.float64, mode="r")) is not None


def test_every_row_is_visited_once_an_epoch_in_an_order_of_its_own(mapped):
    x, y = mapped
    source = source_of(new(), x, y)
    assert (source.chunk_rows, source.chunks_per_block, source.steps_per_epoch) == (6, 4, 51)
    orders = []
    for epoch in range(2):
        rows, sizes = rows_of(source, x, epoch)
        assert sorted(rows) == list(range(ROWS))
        assert sorted(sizes) == [2] + [6] * 50
        orders.append(rows)
    assert orders[0] != orders[1]
    assert rows_of(source_of(new(), x, y), x, 1)[0] == orders[1], "the order is the seed's and the epoch's"
    assert rows_of(source_of(bpx.mlp([4, 3], seed=2, dtype="float64"), x, y), x, 1)[0] != orders[1]


def test_neighbors_in_the_file_do_not_stay_neighbors(mapped):
    rows = np.array(rows_of(source_of(new(), *mapped), mapped[0])[0])
    assert (np.abs(np.diff(rows)) == 1).mean() < 0.2
    blocks = [set(rows[i : i + 24] // 6) for i in range(0, 240, 24)]
    assert all(max(chunks) - min(chunks) > 2 for chunks in blocks), "a block is made of chunks from all over the file"


def test_without_shuffle_the_rows_come_as_they_are(mapped):
    rows, sizes = rows_of(source_of(new(), *mapped, shuffle=False), mapped[0])
    assert rows == list(range(ROWS))
    assert sizes == [6] * 50 + [2]


@pytest.mark.parametrize("first", [1, 4, 9, 50, 51])
def test_steps_that_were_made_are_left_out_and_not_read(first, mapped, monkeypatch):
    source = source_of(new(), *mapped)
    rows, sizes = rows_of(source, mapped[0])
    read = []
    piece = MappedArrays.read
    monkeypatch.setattr(MappedArrays, "read", lambda self, a, b: (read.append(a), piece(self, a, b))[1])
    left, left_sizes = rows_of(source, mapped[0], first=first)
    assert left == rows[sum(sizes[:first]) :]
    assert left_sizes == sizes[first:]
    assert len(read) <= 51 - first // 4 * 4


def test_without_shuffle_it_trains_as_the_array_does(mapped, samples, backend):
    results = []
    for x in (mapped[0], samples[0]):
        net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype=backend.dtype, backend=backend.spec)
        net.fit(x, samples[1], epochs=2, batch_size=6, shuffle=False, memory_limit=LIMIT // 2)
        results.append(networks.on_host(net, net.params))
    for a, b in zip(*results, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=backend.either(1e-10, 1e-4))


def test_a_file_within_the_limit_trains_as_the_array_does_to_the_bit(mapped, samples):
    nets = [new(), new()]
    for net, x in zip(nets, (mapped[0], samples[0]), strict=True):
        net.fit(x, samples[1], epochs=3, batch_size=6, metrics=["accuracy"])
    assert_same_bits(nets[0].params, nets[1].params)


def test_it_learns_what_the_array_teaches(mapped):
    x, y = mapped
    net = new()
    weight = np.ones(ROWS)
    history = net.fit(
        x, y, epochs=30, batch_size=6, memory_limit=LIMIT, validation_data=(x, y, weight),
        metrics=["accuracy", "roc_auc"], optimizer=bpx.Adam(bpx.CosineDecay(0.02, length=30)),
    )  # fmt: skip
    assert history.validation_metrics["accuracy"][-1] > 0.9
    assert history.metrics == {}
    again = net.evaluate(np.array(x), y)
    assert history.validation_loss[-1] == pytest.approx(again["loss"], rel=1e-12)
    assert history.validation_metrics["accuracy"][-1] == pytest.approx(again["accuracy"])


def test_weights_of_samples_and_classes_go_with_their_rows(mapped, samples):
    x, y = mapped
    weight = np.linspace(0.5, 2.0, ROWS)
    options = {"epochs": 2, "batch_size": 6, "shuffle": False, "class_weight": "balanced", "sample_weight": weight}
    nets = [new(), new()]
    a = nets[0].fit(x, y, memory_limit=LIMIT, **options)
    b = nets[1].fit(samples[0], y, **options)
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-12)


@pytest.mark.parametrize("every", [1, "7 steps"])
def test_a_training_on_a_file_goes_on_to_the_same_bits(every, mapped, tmp_path):
    def crash(run):
        if run.epoch == 3:
            raise RuntimeError("crash")

    options = {"batch_size": 6, "memory_limit": LIMIT, "epochs": 5}
    whole, broken, again = (networks.everything() for _ in range(3))
    expected = whole.fit(*mapped, callbacks=lambda run: None, **options)
    with pytest.raises(RuntimeError, match="crash"):
        broken.fit(*mapped, callbacks=crash, checkpoint=tmp_path / "run", checkpoint_every=every, **options)
    history = again.fit(*mapped, callbacks=lambda run: None, resume=tmp_path / "run", **options)
    assert history.loss == expected.loss
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


def test_other_data_or_another_limit_cannot_be_resumed(mapped, tmp_path):
    x, y = mapped
    options = {"batch_size": 6, "epochs": 2}
    new().fit(x, y, checkpoint=tmp_path / "run", memory_limit=LIMIT, **options)
    assert list_checkpoints(tmp_path / "run")
    with pytest.raises(bpx.InputError, match="data.memory_limit is 9599 here and 9600 in the checkpoint"):
        new().fit(x, y, resume=tmp_path / "run", memory_limit=LIMIT - 1, **options)
    other = np.array(x)
    other[150, 2] += 1.0
    np.save(tmp_path / "other.npy", other)
    with pytest.raises(bpx.InputError, match="data.x holds other numbers"):
        new().fit(
            np.load(tmp_path / "other.npy", mmap_mode="r"), y, resume=tmp_path / "run", memory_limit=LIMIT, **options
        )
    with pytest.raises(bpx.InputError, match="data.sample_weight is {'shape'"):
        new().fit(x, y, sample_weight=np.ones(ROWS), resume=tmp_path / "run", memory_limit=LIMIT, **options)
    with pytest.raises(bpx.InputError, match="data.y holds other numbers"):
        new().fit(x, (y + 1) % 3, resume=tmp_path / "run", memory_limit=LIMIT, **options)


def test_letting_go_loses_nothing(tmp_path):
    """Changes of a shared map are in the file, those of a private one are kept."""
    for mode in ("r+", "c"):
        np.save(tmp_path / "x.npy", np.zeros(5000))
        x = np.load(tmp_path / "x.npy", mmap_mode=mode)
        x[:] = 7.0
        release_pages(x)
        release_pages(x[5:])
        assert (x == 7.0).all()
    release_pages(np.ones(3))
    release_pages(None)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_stays_below_the_limit(dtype, tmp_path):
    """The file takes 64 or 32 MiB, the limit is 16; what is measured includes the network's own arrays."""
    rows, limit = 65536, 16 * 2**20
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, 256))
    x[:] = np.random.default_rng(0).random((1, 256), dtype=np.float32)
    x.flush()
    del x
    script = Path(__file__).with_name("memory_of_fit.py")
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(rows), str(limit)], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert limit // 8 < taken["allocated"] < limit
    assert taken["resident"] < 1.25 * limit  # some of what was freed stays with the process for the next block
    assert taken["looks"] > 10


def bad(x, y, place, value):
    x, y = np.array(x), np.array(y)
    if place == "x":
        x[57, 1] = value
    else:
        y[57] = value
    return x, y


@pytest.mark.parametrize(
    "place, value, message",
    [
        ("x", np.nan, r"rows 54 to 59: x holds 1 value that is NaN or infinite"),
        ("y", 3, r"rows 54 to 59: class ids must be from 0 to 2"),
    ],
)
def test_a_bad_row_is_found_when_it_is_read(place, value, message, mapped, tmp_path):
    x, y = bad(*mapped, place, value)
    np.save(tmp_path / "bad.npy", x)
    with pytest.raises(bpx.InputError, match=message):
        new().fit(np.load(tmp_path / "bad.npy", mmap_mode="r"), y, epochs=1, batch_size=6, memory_limit=LIMIT)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": None}, "a step that takes all 302 samples takes 19328 bytes, which is above the memory_limit"),
        ({"batch_size": 30}, "a batch of 30 samples takes 1920 bytes, and a block may take 1600, a sixth of memory"),
        ({"shuffle": lambda epoch: np.arange(ROWS)}, "a function as shuffle needs data that is in memory as a whole"),
        ({"metrics": ["accuracy"]}, "metrics of data that is read in blocks .* are measured on validation_data"),
        ({"memory_limit": 0}, "memory_limit must be at least 1, got 0"),
        ({"y": np.zeros(5, int)}, "y must have one row for each of the 302 samples of x, got 5"),
        ({"y": 3}, "y must have one row for each of the 302 samples of x, got a single number"),
        ({"y": np.zeros(ROWS)}, "class ids must be whole numbers of an integer dtype, got float64"),
        ({"sample_weight": np.ones(5)}, "sample_weight must have one row for each of the 302 samples of x, got 5"),
        ({"optimizer": "lbfgs"}, "batch_size|whole set"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(options, message, mapped):
    net = new()
    x, y = mapped
    with pytest.raises(bpx.InputError, match=message):
        net.fit(x, options.pop("y", y), **{"epochs": 1, "batch_size": 6, "memory_limit": LIMIT, **options})
    assert net.training is None


def test_the_wrong_number_of_features_is_refused_before_any_work(mapped):
    net = bpx.mlp([5, 3], dtype="float64")
    with pytest.raises(bpx.InputError, match=r"x must have shape \(samples, 5\), got \(1, 4\)"):
        net.fit(*mapped, epochs=1, batch_size=6, memory_limit=LIMIT)
    assert net.training is None
