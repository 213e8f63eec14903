"""Training on iterables of batches."""

from __future__ import annotations

import contextvars
import gc
import itertools
import sqlite3
import threading

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.training import iterables, streams

pytestmark = pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")


@pytest.fixture(autouse=True)
def forget_connections():
    """Let go of connections of SQLite where an open one is no warning: another thread cannot close it."""
    yield
    gc.collect()


def new(**options):
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64", **options)


def cut(x, y, size, weight=None):
    """Return arrays as a list of batches."""
    arrays = [x, y] if weight is None else [x, y, weight]
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(x), size)]


def test_batches_train_as_the_array_does_that_they_were_cut_from(backend, data):
    """A list, a function of nothing, a function of the epoch, and an object with ``__iter__`` alone."""
    x, y = data
    batches = cut(x, y, 16)

    class Anew:
        def __iter__(self):
            return iter(batches)

    results = []
    for source in (None, batches, lambda: iter(batches), lambda epoch: batches, Anew()):
        net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype=backend.dtype, backend=backend.spec)
        if source is None:
            history = net.fit(x, y, epochs=3, batch_size=16, shuffle=False)
        else:
            history = net.fit(source, epochs=3, shuffle=False)
        results.append((history.loss, networks.on_host(net, net.params)))
    for losses, params in results[1:]:
        assert losses == results[0][0]
        assert_same_bits(params, results[0][1])


def test_a_data_loader_of_pytorch_is_an_iterable_of_batches(torch, data):
    from torch.utils.data import DataLoader, TensorDataset

    x, y = data
    loader = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=16)
    nets = [new(), new(), new(backend="torch")]
    expected = nets[0].fit(x, y, epochs=3, batch_size=16, shuffle=False)
    history = nets[1].fit(loader, epochs=3, shuffle=False, validation_data=loader, metrics="accuracy")
    assert history.loss == expected.loss
    assert_same_bits(nets[1].params, nets[0].params)
    assert history.validation_metrics["accuracy"][-1] == pytest.approx(nets[0].evaluate(x, y)["accuracy"])
    np.testing.assert_allclose(nets[2].fit(loader, epochs=3, shuffle=False).loss, expected.loss, rtol=1e-12)


def test_batches_may_have_weights_and_any_sizes(data):
    x, y = data
    weight = np.linspace(0.2, 2.0, 60)
    sizes = [1, 30, 7, 7, 15]
    edges = np.cumsum([0, *sizes])
    batches = [(x[a:b], y[a:b], weight[a:b]) for a, b in itertools.pairwise(edges)]
    net, by_hand = new(), new()
    history = net.fit(batches, epochs=1, shuffle=False, optimizer=bpx.SGD(0.1), class_weight={1: 3.0})
    weight = weight * np.where(y == 1, 3.0, 1.0)
    losses = [
        by_hand.fit(x[a:b], y[a:b], sample_weight=weight[a:b], epochs=1, optimizer=bpx.SGD(0.1)).loss[0]
        for a, b in itertools.pairwise(edges)
    ]
    assert_same_bits(net.params, by_hand.params)
    shares = [weight[a:b].sum() for a, b in itertools.pairwise(edges)]
    assert history.loss[0] == pytest.approx(np.average(losses, weights=shares), rel=1e-13)


def _seen(source, epochs, **options):
    """Train on numbered rows; return the rows of each batch of each epoch."""
    seen = []
    block_of = streams.Stream._make_block

    def spied(self, pieces, groups, batch):
        block = block_of(self, pieces, groups, batch)
        seen.extend(block.data[0][rows][:, 0].astype(int).tolist() for group in groups for rows in group)
        return block

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.Stream, "_make_block", spied)
        bpx.mlp([1, 1], loss="squared_error", dtype="float64").fit(source, epochs=epochs, **options)
    return seen


def test_rows_are_exchanged_within_blocks_of_batches(monkeypatch):
    monkeypatch.setattr(iterables, "BATCHES_PER_BLOCK", 5)
    x = np.arange(100.0)[:, None]
    sizes = [10, 10, 5, 15, 10] * 2
    edges = np.cumsum([0, *sizes])
    batches = [(x[a:b], x[a:b]) for a, b in itertools.pairwise(edges)]
    seen = _seen(batches, 2, optimizer=bpx.SGD(1e-9))
    assert [len(batch) for batch in seen] == sizes * 2
    for start in (0, 5, 10, 15):
        rows = list(itertools.chain(*seen[start : start + 5]))
        first = 0 if start % 10 == 0 else 50
        assert sorted(rows) == list(range(first, first + 50))
        assert rows != sorted(rows)
    assert seen[:10] != seen[10:]
    assert _seen(batches, 2, optimizer=bpx.SGD(1e-9), shuffle=False)[:10] == [
        list(range(a, b)) for a, b in itertools.pairwise(edges)
    ]


def test_a_function_is_given_the_number_of_the_epoch(data):
    asked = []

    def batches(epoch):
        asked.append(epoch)
        return cut(*data, 20)

    net = new()
    net.fit(batches, epochs=2)
    net.fit(batches, epochs=2)
    assert asked == [1, 2, 3, 4]


def test_a_generator_is_good_for_one_epoch(data):
    generate = (batch for batch in cut(*data, 20))
    with pytest.raises(bpx.InputError, match="a generator can be gone through once only, .* pass the function"):
        new().fit(generate, epochs=2)
    assert len(new().fit(generate, epochs=1)) == 1
    with pytest.raises(bpx.InputError, match="the iterable of batches gave none in epoch 1"):
        new().fit(generate, epochs=1)
    with pytest.raises(bpx.InputError, match="validation_data is a generator, good for one epoch"):
        new().fit(*data, epochs=2, validation_data=(batch for batch in cut(*data, 20)))
    history = new().fit(*data, epochs=1, validation_data=(batch for batch in cut(*data, 20)))
    assert history.validation_loss


def test_validation_on_batches_is_validation_on_the_array(data):
    x, y = data
    weight = np.linspace(0.2, 2.0, 60)
    histories = [
        new().fit(x, y, epochs=2, validation_data=given, metrics=["accuracy", "macro_f1"])
        for given in ((x, y, weight), lambda: iter(cut(x, y, 13, weight)))
    ]
    np.testing.assert_allclose(histories[0].validation_loss, histories[1].validation_loss, rtol=1e-13)
    for name in ("accuracy", "macro_f1"):
        np.testing.assert_allclose(
            histories[0].validation_metrics[name], histories[1].validation_metrics[name], rtol=1e-13
        )


def test_a_block_takes_a_sixth_of_the_limit(monkeypatch, data):
    taken = []
    block_of = streams.Stream._make_block

    def spied(self, pieces, groups, batch):
        taken.append(len(pieces))
        return block_of(self, pieces, groups, batch)

    monkeypatch.setattr(streams.Stream, "_make_block", spied)
    batches = cut(*data, 6)  # 6 rows of 56 bytes each
    new().fit(batches, epochs=1, memory_limit=6 * 3 * 6 * 56)
    assert taken == [3, 3, 3, 1]
    with pytest.raises(bpx.InputError, match="a batch of 6 samples takes 336 bytes, and a block may take 300, a sixth"):
        new().fit(batches, epochs=1, memory_limit=1800)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_training_on_batches_goes_on_to_the_same_bits(shuffle, data, tmp_path, monkeypatch):
    monkeypatch.setattr(iterables, "BATCHES_PER_BLOCK", 3)

    def crash(run):
        if run.epoch == 3:
            raise RuntimeError("crash")

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(60)
        return iter(cut(data[0][order], data[1][order], 7))

    options = {"epochs": 5, "shuffle": shuffle, "optimizer": bpx.Adam(bpx.CosineDecay(0.05, 45, 5, unit="steps"))}
    whole, broken, again = (networks.everything() for _ in range(3))
    expected = whole.fit(batches, callbacks=lambda run: None, **options)
    with pytest.raises(RuntimeError, match="crash"):
        broken.fit(batches, callbacks=crash, checkpoint=tmp_path, checkpoint_every="4 steps", **options)
    history = again.fit(batches, callbacks=lambda run: None, resume=tmp_path, **options)
    assert history.loss == expected.loss
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))
    with pytest.raises(bpx.InputError, match="data.memory_limit is 10000 here and 536870912 in the checkpoint"):
        again.fit(batches, callbacks=lambda run: None, resume=tmp_path, memory_limit=10000, **options)


def test_errors_of_the_iterable_come_out_where_fit_was_called_and_it_is_closed(data):
    closed = []

    def batches():
        try:
            yield from cut(*data, 20)
            raise OSError("the disk is on fire")
        finally:
            closed.append(threading.current_thread().name)

    with pytest.raises(OSError, match="the disk is on fire"):
        new().fit(batches, epochs=2)
    assert closed == ["bpx-prefetch"]
    assert not [thread for thread in threading.enumerate() if thread.name == "bpx-prefetch"]


def test_the_iterable_is_closed_where_training_ends_in_the_middle(data, monkeypatch):
    monkeypatch.setattr(iterables, "BATCHES_PER_BLOCK", 1)
    closed = []

    def batches():
        try:
            for _ in range(1000):
                yield data[0] * 1e200, data[1]
        finally:
            closed.append(1)

    with pytest.raises(bpx.DivergenceError, match=r"in epoch 1, batch \d+; try"):
        bpx.mlp([4, 3], dtype="float64").fit(batches, epochs=1, optimizer=bpx.SGD(1e200))
    assert closed == [1]
    assert not [thread for thread in threading.enumerate() if thread.name == "bpx-prefetch"]


class Shelf:
    """Batches in a database that only the thread may read that opened it."""

    def __init__(self, data, opened=True):
        self.rows = np.hstack([data[0], data[1][:, None]]).tolist()
        self.connection = None
        if opened:
            self.open()
        self.read_by = []

    def open(self):
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute("create table samples (a real, b real, c real, d real, y integer)")
        self.connection.executemany("insert into samples values (?, ?, ?, ?, ?)", self.rows)

    def read(self):
        if self.connection is None:
            self.open()
        try:
            cursor = self.connection.execute("select * from samples")
            while rows := cursor.fetchmany(20):
                self.read_by.append(threading.current_thread())
                samples = np.array(rows)
                yield samples[:, :4], samples[:, 4].astype(int)
        finally:
            self.closed_by = threading.current_thread()


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_without_prefetch_batches_are_read_in_the_thread_that_called_fit(in_a_thread, data):
    x, y = data
    expected = new().fit(x, y, epochs=3, batch_size=20, shuffle=False)
    found = []

    def train():
        shelf = Shelf(data)
        history = new().fit(shelf.read, epochs=3, shuffle=False, validation_data=shelf.read, prefetch=False)
        found.append((history, {*shelf.read_by, shelf.closed_by}, threading.current_thread()))

    if in_a_thread:
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
    else:
        train()
    ((history, threads, caller),) = found
    assert history.loss == expected.loss
    assert threads == {caller}


@pytest.mark.parametrize("prefetch", [True, False])
def test_a_generator_is_closed_where_it_was_read_though_training_ends_in_the_middle(prefetch, data):
    threads = []

    def batches():
        try:
            threads.append(threading.current_thread())
            yield from cut(*data, 20)
        finally:
            threads.append(threading.current_thread())

    with pytest.raises(bpx.InputError, match="a batch of 20 samples takes 1120 bytes"):
        new().fit(batches, epochs=1, memory_limit=600, prefetch=prefetch)
    assert threads[0] is threads[1]
    assert (threads[0] is threading.current_thread()) is not prefetch


def test_without_prefetch_a_mapped_file_is_read_to_the_same_bits(data, tmp_path):
    np.save(tmp_path / "x.npy", data[0])
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    nets = [new(), new()]
    for net, prefetch in zip(nets, (True, False), strict=True):
        net.fit(x, data[1], epochs=2, batch_size=4, memory_limit=1800, prefetch=prefetch)
    assert_same_bits(nets[1].params, nets[0].params)


@pytest.mark.parametrize("memory_limit", [None, 7000])
def test_batches_that_refuse_the_thread_are_read_where_fit_was_called(memory_limit, data):
    shelf = Shelf(data)
    with pytest.warns(UserWarning, match=r"x cannot be read in a thread .*SQLite objects.*prefetch=False") as caught:
        history = new().fit(shelf.read, epochs=3, shuffle=False, validation_data=shelf.read, memory_limit=memory_limit)
    assert len(caught) == 1
    assert history.loss == new().fit(*data, epochs=3, batch_size=20, shuffle=False).loss
    assert set(shelf.read_by) == {threading.current_thread()}


def _notes(call):
    with pytest.raises(sqlite3.ProgrammingError, match="can only be used in that same thread") as caught:
        call()
    return "".join(caught.value.__notes__)


def test_an_error_of_a_source_that_belongs_to_a_thread_names_prefetch(data):
    """A generator cannot start again, nor can what has given a batch; a connection opened on the way is elsewhere."""
    shelf, lazy = Shelf(data), Shelf(data, opened=False)
    assert "prefetch=False" in _notes(lambda: new().fit(shelf.read(), epochs=1))

    def late():
        yield from cut(*data, 20)
        yield from shelf.read()

    assert "prefetch=False" in _notes(lambda: new().fit(late, epochs=1))
    notes = _notes(lambda: new().fit(lazy.read, epochs=1, validation_data=lazy.read))
    assert notes.startswith("validation_data: ")
    lazy.connection = None
    assert len(new().fit(lazy.read, epochs=2, validation_data=lazy.read, prefetch=False)) == 2


def test_other_errors_have_no_such_note_and_no_second_try(data):
    tries = []

    def broken():
        tries.append(1)
        raise KeyError("column")
        yield

    with pytest.raises(KeyError) as caught:
        new().fit(broken, epochs=1)
    assert not hasattr(caught.value, "__notes__")
    assert len(tries) == 1


def test_the_thread_has_the_context_variables_of_the_caller(data):
    kind = contextvars.ContextVar("kind")
    kind.set("mine")

    def batches():
        assert kind.get() == "mine"
        seen.append(bpx.get_backend(None).spec)
        yield data

    seen = []
    with bpx.use_backend("array-api-strict:device1"):
        new(backend="numpy").fit(batches, epochs=1)
    assert seen == ["array-api-strict:device1"]


@pytest.mark.parametrize(
    "batches, message",
    [
        ([3], "batch 1 of x must be (x, y) or (x, y, sample_weight), got int"),
        ([(1, 2, 3, 4)], "batch 1 of x must be (x, y) or (x, y, sample_weight), got 4 entries"),
        (
            [(np.ones((2, 4)), [0, 1]), (np.ones((2, 5)), [0, 1])],
            "batch 2 of x: x must have shape (samples, 4), got (2, 5)",
        ),
        ([(np.full((2, 4), np.nan), [0, 1])], "batch 1 of x: x holds 8 values that are NaN or infinite"),
        ([(np.ones((2, 4)), [0, 3])], "batch 1 of x: class ids must be from 0 to 2"),
        ([(np.ones((2, 4)), [0, 1]), (np.ones((2, 4)), [0, 1], [1.0, 1.0])], "either all batches have weights or none"),
        ([], "the iterable of batches gave none in epoch 1"),
        (lambda: 3, "x must return an iterable of batches, got int"),
        ({"x": 1}, "x is a dict without targets"),
        ("file.csv", "x is a str without targets"),
    ],
)
def test_what_is_no_iterable_of_batches_is_refused(batches, message):
    with pytest.raises(bpx.InputError) as caught:
        new().fit(batches, epochs=1)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 10}, "batch_size is set by the iterable of batches; leave it out"),
        ({"sample_weight": np.ones(60)}, "the weights of an iterable of batches are in the batches"),
        ({"class_weight": "balanced"}, "needs to count the classes first, which an iterable of batches does not allow"),
        ({"prefetch": "no"}, "prefetch is True or False, got 'no'"),
        ({"metrics": "accuracy"}, "are measured on validation_data; give some, or leave metrics out"),
        ({"shuffle": lambda epoch: [0]}, "a function as shuffle needs data that is in memory as a whole"),
        ({"optimizer": "lbfgs"}, "'lbfgs' takes the whole set at each step"),
        ({"optimizer": bpx.SGD(bpx.StepDecay(0.1, 2))}, "the schedule of the learning rate counts epochs, but this"),
    ],
)
def test_what_batches_cannot_do_is_refused_before_any_work(options, message, data):
    asked = []

    def batches():
        asked.append(1)
        return cut(*data, 20)

    with pytest.raises(bpx.InputError) as caught:
        new().fit(batches, epochs=1, **options)
    assert message in str(caught.value)
    assert asked == []


def test_a_schedule_in_epochs_needs_an_iterable_with_a_length(data):
    rates = bpx.LearningRateRecorder()
    optimizer = bpx.SGD(bpx.StepDecay(0.4, every=1, factor=0.5))
    new().fit(cut(*data, 20), epochs=3, optimizer=optimizer, callbacks=rates)
    assert rates.rates == [0.4, 0.2, 0.1]
