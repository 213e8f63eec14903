"""Going on from a checkpoint: to the same bits, or not at all."""

from __future__ import annotations

import io
import json

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.training.checkpoints.folder import list_checkpoints, read_checkpoint, read_step

OPTIONS = {"batch_size": 16, "optimizer": bpx.Adam(bpx.CosineDecay(0.05, length=6, warmup=1))}


class Stop(Exception):
    """Ends a training at a place of the test's choice."""


def stop_after(epoch):
    """Return a callback that breaks a training off after an epoch, as a crash would."""

    def crash(run):
        if run.epoch == epoch:
            raise Stop

    return crash


def everything_of(net):
    """Return parameters, running statistics and the optimizer's arrays as copies on the host."""
    slots = [{str(j): array for j, array in enumerate(arrays)} for arrays in net.training.slots]
    return networks.on_host(net, [*net.params, *net.state, *slots])


def without_time(history):
    return {name: value for name, value in history.to_dict().items() if name != "seconds"}


@pytest.mark.parametrize("every", [1, "3 steps"])
def test_a_training_that_broke_off_ends_as_if_nothing_had_happened(every, backend, data, tmp_path, stateful_network):
    """The crash comes after epoch 3 was recorded and before its checkpoint: the last one is inside or before it."""
    options = {"validation_data": networks.classes(20, seed=8), "metrics": ["accuracy"], **OPTIONS}
    whole = stateful_network(backend.spec, backend.dtype)
    expected = whole.fit(*data, epochs=6, callbacks=[stop_after(99), bpx.EarlyStopping(patience=9)], **options)
    broken = stateful_network(backend.spec, backend.dtype)
    with pytest.raises(Stop):
        broken.fit(
            *data, epochs=6, checkpoint=tmp_path / "run", checkpoint_every=every,
            callbacks=[stop_after(3), bpx.EarlyStopping(patience=9)], **options,
        )  # fmt: skip
    counters = read_checkpoint(list_checkpoints(tmp_path / "run")[-1])[1]["counters"]
    assert (counters["epoch"], counters["position"]) == ((2, 0) if every == 1 else (2, 4))
    again = stateful_network(backend.spec, backend.dtype)
    history = again.fit(
        *data, epochs=6, resume=tmp_path / "run", callbacks=[stop_after(99), bpx.EarlyStopping(patience=9)], **options
    )
    assert without_time(history) == without_time(expected)
    assert_same_bits(everything_of(again), everything_of(whole))
    assert again.training.step == whole.training.step == 24


def test_the_middle_of_an_epoch_is_gone_on_from(data, tmp_path):
    whole = networks.everything()
    expected = whole.fit(*data, epochs=4, **OPTIONS)
    networks.everything().fit(
        *data, epochs=4, checkpoint=tmp_path / "all", checkpoint_every="3 steps", keep=None, **OPTIONS
    )
    assert [read_step(path) for path in list_checkpoints(tmp_path / "all")] == [3, 6, 9, 12, 15, 16]
    for path in list_checkpoints(tmp_path / "all"):
        again = networks.everything()
        history = again.fit(*data, epochs=4, resume=path, checkpoint=tmp_path / path.stem, **OPTIONS)
        assert without_time(history) == without_time(expected)
        assert_same_bits(everything_of(again), everything_of(whole))


def test_epochs_of_the_whole_set_are_cut_where_a_checkpoint_is_due(data, tmp_path):
    whole, kept, again = (networks.everything() for _ in range(3))
    expected = whole.fit(*data, epochs=50)
    kept.fit(*data, epochs=50, checkpoint=tmp_path, checkpoint_every=20, keep=None)
    assert [read_step(path) for path in list_checkpoints(tmp_path)] == [20, 40, 50]
    list_checkpoints(tmp_path)[-1].unlink()
    assert without_time(again.fit(*data, epochs=50, resume=tmp_path)) == without_time(expected)
    assert_same_bits(everything_of(again), everything_of(whole))


def test_a_second_fit_is_resumed_within_itself(data, tmp_path):
    """Checkpoints of the second of two calls hold what the first one left: its shuffles, masks and moments go on."""
    whole, kept, again = (networks.everything() for _ in range(3))
    for net in (whole, kept):
        net.fit(*data, epochs=2, **OPTIONS)
    expected = whole.fit(*data, epochs=3, **OPTIONS)
    with pytest.raises(Stop):
        kept.fit(*data, epochs=3, checkpoint=tmp_path, callbacks=stop_after(4), **OPTIONS)
    history = again.fit(*data, epochs=3, resume=tmp_path, callbacks=stop_after(99), **OPTIONS)
    assert history.epoch == expected.epoch == [3, 4, 5]
    assert_same_bits(everything_of(again), everything_of(whole))


def test_more_epochs_may_be_asked_for_than_at_first(data, tmp_path):
    whole, net, again = (networks.everything() for _ in range(3))
    stop = {"callbacks": bpx.EarlyStopping("loss", patience=50, min_delta=10.0)}
    expected = whole.fit(*data, epochs=5, **stop, **OPTIONS)
    net.fit(*data, epochs=2, checkpoint=tmp_path, **stop, **OPTIONS)
    history = again.fit(*data, epochs=5, resume=tmp_path, **stop, **OPTIONS)
    assert without_time(history) == without_time(expected)
    assert_same_bits(everything_of(again), everything_of(whole))


@pytest.mark.parametrize(
    ("every", "done"),
    [
        (1, "3 epochs, more than the 2 asked for; ask for at least 3 epochs"),
        ("5 steps", "2 epochs and 2 batches of the next, more than the 2 asked for; ask for at least 3 epochs"),
    ],
)
def test_fewer_epochs_than_are_done_are_refused(every, done, data, tmp_path):
    networks.everything().fit(*data, epochs=3, checkpoint=tmp_path, checkpoint_every=every, **OPTIONS)
    if every != 1:
        list_checkpoints(tmp_path)[-1].unlink()  # 4 steps are an epoch, and the last checkpoint is within the third now
    again = networks.everything()
    start = networks.on_host(again, again.params)
    with pytest.raises(bpx.InputError) as caught:
        again.fit(*data, epochs=2, resume=tmp_path, **OPTIONS)
    assert done in str(caught.value)
    assert_same_bits(networks.on_host(again, again.params), start)
    assert again.training is None
    assert again.fit(*data, epochs=3, resume=tmp_path, **OPTIONS).epoch == [1, 2, 3]


def test_a_training_that_has_ended_is_returned_as_it_is(data, tmp_path, small):
    def stop(run):
        if run.epoch == 2:
            run.stop("enough")

    history = small.fit(*data, epochs=9, checkpoint=tmp_path, callbacks=stop)
    files = [(path.name, path.stat().st_mtime_ns) for path in list_checkpoints(tmp_path)]
    again = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    resumed = again.fit(*data, epochs=9, resume=tmp_path, callbacks=stop)
    assert without_time(resumed) == without_time(history)
    assert resumed.stop_reason == "enough"
    assert resumed.seconds > read_checkpoint(list_checkpoints(tmp_path)[-1])[1]["seconds"] > 0.0
    assert_same_bits(again.params, small.params)
    assert [(path.name, path.stat().st_mtime_ns) for path in list_checkpoints(tmp_path)] == files


def test_the_best_weights_of_early_stopping_are_restored_after_a_resume(tmp_path, stateful_network):
    x, y = networks.classes(60)
    held_out = {"validation_data": networks.classes(30, seed=9)}
    options = {"batch_size": 20, "optimizer": bpx.SGD(0.5, momentum=0.9), **held_out}
    whole, broken, again = (stateful_network() for _ in range(3))
    expected = whole.fit(x, y, epochs=9, callbacks=[bpx.EarlyStopping(patience=3), stop_after(99)], **options)
    best = int(np.argmin(expected.validation_loss)) + 1
    assert best < len(expected) - 1
    with pytest.raises(Stop):
        broken.fit(
            x, y, epochs=9, callbacks=[bpx.EarlyStopping(patience=3), stop_after(best + 2)], checkpoint=tmp_path,
            **options,
        )  # fmt: skip
    assert len(read_checkpoint(list_checkpoints(tmp_path)[-1])[1]["history"]["loss"]) > best, (
        "the best is behind the break"
    )
    stop = bpx.EarlyStopping(patience=3)
    again.fit(x, y, epochs=9, callbacks=[stop, stop_after(99)], resume=tmp_path, **options)
    assert stop.best_epoch == best
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


def test_callbacks_go_on_with_what_they_knew(data, tmp_path):
    def callbacks(folder, last):
        folder.mkdir(exist_ok=True)
        return [
            bpx.ReduceOnPlateau(0.5, patience=2, monitor="loss", min_delta=0.1),
            bpx.LearningRateRecorder("step"),
            bpx.CSVLog(folder / "log.csv"),
            bpx.JSONLinesLog(folder / "log.jsonl"),
            bpx.Checkpoint(folder / "best.safetensors", monitor="loss"),
            bpx.ProgressPrinter(file=io.StringIO()),
            stop_after(last),
        ]

    whole, broken, again = (networks.everything() for _ in range(3))
    at_once = callbacks(tmp_path / "whole", 99)
    whole.fit(*data, epochs=8, callbacks=at_once, batch_size=16)
    with pytest.raises(Stop):
        broken.fit(
            *data, epochs=8, callbacks=callbacks(tmp_path / "broken", 5), batch_size=16, checkpoint=tmp_path / "run",
            checkpoint_every=2,
        )  # fmt: skip
    resumed = callbacks(tmp_path / "broken", 99)
    again.fit(*data, epochs=8, callbacks=resumed, batch_size=16, resume=tmp_path / "run")
    assert resumed[0].reductions == at_once[0].reductions != []
    assert resumed[1].rates == at_once[1].rates
    assert len(resumed[1].rates) == 32
    for name in ("log.csv", "log.jsonl"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert resumed[4].monitor.best == at_once[4].monitor.best
    assert resumed[5].file.getvalue().startswith("epoch 5/8: ")
    assert_same_bits(everything_of(again), everything_of(whole))


def test_a_log_that_was_removed_before_the_resume_starts_anew(data, tmp_path, small):
    path = tmp_path / "log.csv"
    small.fit(*data, epochs=2, callbacks=bpx.CSVLog(path), checkpoint=tmp_path / "run")
    path.unlink()
    small.fit(*data, epochs=3, callbacks=bpx.CSVLog(path), resume=tmp_path / "run")
    assert [line.split(",")[0] for line in path.read_text().split()] == ["epoch", "3"]


def test_tensorboard_is_told_where_the_resume_begins(data, tmp_path, small):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    small.fit(*data, epochs=2, callbacks=bpx.TensorBoard(tmp_path / "events"), checkpoint=tmp_path / "run")
    before = set((tmp_path / "events").iterdir())
    small.fit(*data, epochs=3, callbacks=bpx.TensorBoard(tmp_path / "events"), resume=tmp_path / "run")
    (path,) = set((tmp_path / "events").iterdir()) - before or before
    content, at, starts = path.read_bytes(), 0, []
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + length])
        at += 16 + length
        if event.session_log.status == SessionLog.START:
            starts.append(event.step)
    assert starts == [3]


def test_the_state_of_a_callback_of_ones_own_comes_back(data, tmp_path, small):
    class Counter(bpx.Callback):
        def on_train_begin(self, run):
            self.count, self.seen, self.array = 0, {"epochs": []}, np.zeros((2, 0, 3), dtype=np.int16)

        def on_epoch_end(self, run):
            self.count += 1
            self.seen["epochs"].append(run.epoch)

        def state_dict(self):
            return {"count": self.count, "seen": self.seen, "array": self.array, "scalar": np.float32(0.1)}

        def load_state_dict(self, state):
            self.loaded = state
            self.count, self.seen = state["count"], state["seen"]

    first, second = Counter(), Counter()
    small.fit(*data, epochs=2, callbacks=first, checkpoint=tmp_path)
    small.fit(*data, epochs=5, callbacks=second, resume=tmp_path)
    assert (second.count, second.seen) == (5, {"epochs": [1, 2, 3, 4, 5]})
    assert second.loaded["array"].dtype == np.int16
    assert second.loaded["array"].shape == (2, 0, 3)
    assert second.loaded["scalar"] == np.float32(0.1)


@pytest.mark.parametrize(
    "state, message",
    [
        ({"when": object()}, "callbacks.0.when: a state may hold numbers, text, lists, dicts and arrays, got object"),
        ({1: 2}, "the keys of a state must be text"),
    ],
)
def test_a_state_that_no_file_can_hold_is_an_error_that_says_where(state, message, data, tmp_path, small):
    class Odd(bpx.Callback):
        def state_dict(self):
            return state

    with pytest.raises(bpx.InputError) as caught:
        small.fit(*data, epochs=1, callbacks=Odd(), checkpoint=tmp_path, on_checkpoint_error="raise")
    assert message in str(caught.value)


CHANGES = [
    ({"layers": [4, 6, 3]}, "network.layers[0].n_out is 6 here and 5 in the checkpoint"),
    ({"loss": bpx.CrossEntropy(label_smoothing=0.1)}, "network.loss.label_smoothing is 0.1 here and 0.0 in the"),
    ({"seed": 2}, "network.seed is 2 here and 1 in the checkpoint"),
    ({"dtype": "float32"}, "network.dtype is 'float32' here and 'float64' in the checkpoint"),
    ({"rows": 50}, "data.x.shape[0] is 50 here and 60 in the checkpoint"),
    ({"x": lambda x: x + (np.arange(60) == 41)[:, None]}, "data.x holds other numbers"),
    ({"y": lambda y: (y + 1) % 3}, "data.y holds other numbers"),
    ({"sample_weight": np.ones(60)}, "data.sample_weight is {'shape': [60], 'hash': "),
    ({"validation_data": None}, "validation is None here and {'x': {'shape': [20, 4], "),
    ({"validation_data": networks.classes(20, seed=1)}, "validation.x holds other numbers"),
    ({"optimizer": "adam"}, "optimizer is Adam("),
    ({"optimizer": bpx.SGD(bpx.Constant(0.2))}, "optimizer.learning_rate.learning_rate is 0.2 here and 0.1 in the"),
    ({"batch_size": 10}, "batch_size is 10 here and 20 in the checkpoint"),
    ({"shuffle": False}, "shuffle is False here and True in the checkpoint"),
    ({"penalties": bpx.L2(0.1)}, "penalties is [L2(strength=0.1, per_sample=False)] here and []"),
    ({"clip": bpx.ClipNorm(1.0)}, "clip is ClipNorm(limit=1.0) here and None in the checkpoint"),
    ({"class_weight": {0: 2.0}}, "class_weight is {'0': 2.0} here and None in the checkpoint"),
    ({"metrics": ["accuracy"]}, "metrics is ['accuracy'] here and [] in the checkpoint"),
    ({"callbacks": bpx.EarlyStopping()}, "callbacks is [EarlyStopping(monitor='validation_loss', min_delta=0.0, "),
]


@pytest.mark.parametrize("change, message", CHANGES, ids=[next(iter(change)) for change, _ in CHANGES])
def test_another_training_is_refused_and_the_difference_named(change, message, tmp_path):
    def fit(*, layers=(4, 5, 3), seed=1, dtype="float64", loss="cross_entropy", rows=60, x=None, y=None, **options):
        xs, ys = networks.classes(60)
        xs, ys = (x or np.asarray)(xs)[:rows], (y or np.asarray)(ys)[:rows]
        net = bpx.mlp(list(layers), "tanh", seed=seed, dtype=dtype, loss=loss)
        start = networks.on_host(net, net.params)
        settings = {"optimizer": bpx.SGD(bpx.Constant(0.1)), "batch_size": 20, **options}
        settings.setdefault("validation_data", networks.classes(20))
        try:
            net.fit(xs, ys, epochs=2, **settings)
        except bpx.InputError:
            assert_same_bits(networks.on_host(net, net.params), start)
            assert net.training is None
            raise

    fit(checkpoint=tmp_path)
    fit(resume=tmp_path)
    with pytest.raises(bpx.InputError) as caught:
        fit(resume=tmp_path, **change)
    assert "is of another training, which cannot be resumed here: " in str(caught.value)
    assert message in str(caught.value)


def test_another_backend_goes_on_with_a_warning(torch, data, tmp_path):
    net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    expected = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64").fit(*data, epochs=4, **OPTIONS)
    net.fit(*data, epochs=2, checkpoint=tmp_path, **OPTIONS)
    moved = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64", backend="torch")
    with pytest.warns(bpx.CheckpointWarning, match="written on numpy, and training continues on torch:cpu"):
        history = moved.fit(*data, epochs=4, resume=tmp_path, **OPTIONS)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-12)


def test_large_arrays_are_compared_by_some_rows(monkeypatch, data):
    from bpx.training import fingerprint as fingerprints

    backend = bpx.get_backend("numpy")
    x = np.arange(3000.0).reshape(1000, 3)
    whole = fingerprints.fingerprint(backend, x)
    assert whole == fingerprints.fingerprint_on_host(x)
    monkeypatch.setattr(fingerprints, "WHOLE_BYTES", 1000)
    sampled = fingerprints.fingerprint(backend, x)
    assert sampled == fingerprints.fingerprint_on_host(x)
    assert sampled["shape"] == [1000, 3]
    assert sampled["hash"] != whole["hash"]
    x[-1] += 1
    assert fingerprints.fingerprint(backend, x) != sampled
    ids = np.array([2, 0, 1])
    assert fingerprints.fingerprint(backend, ids) == fingerprints.fingerprint(backend, ids.astype(np.int32))
    assert fingerprints.fingerprint(backend, None) is None
    assert fingerprints.fingerprint_on_host(None) is None


def test_a_checkpoint_is_also_a_network(data, tmp_path):
    net = networks.everything()
    net.fit(*data, epochs=2, checkpoint=tmp_path, **OPTIONS)
    loaded = bpx.load(list_checkpoints(tmp_path)[-1])
    assert_same_bits([*loaded.params, *loaded.state], [*net.params, *net.state])
    np.testing.assert_array_equal(loaded.predict(data[0]), net.predict(data[0]))


def test_a_checkpoint_holds_no_code(data, tmp_path, small):
    small.fit(*data, epochs=1, checkpoint=tmp_path)
    content = list_checkpoints(tmp_path)[-1].read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["__metadata__"]["format"] == "bpx"
    assert json.loads(header["__metadata__"]["training"])["settings"]["optimizer"]["kind"] == "Adam"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (bpx.EarlyStopping("loss"), bpx.EarlyStopping("accuracy"), "callbacks[0].monitor is 'accuracy' here and 'los"),
        (bpx.EarlyStopping("loss", 5), bpx.EarlyStopping("loss", 50), "callbacks[0].patience is 50 here and 5 in"),
        (
            bpx.ReduceOnPlateau(0.5, monitor="loss"), bpx.ReduceOnPlateau(0.1, monitor="loss"),
            "callbacks[0].factor is 0.1 here and 0.5",
        ),
    ],
)  # fmt: skip
def test_the_state_of_a_callback_is_not_taken_over_by_one_with_other_settings(before, after, message, data, tmp_path):
    def fit(callback, **options):
        net = bpx.mlp([4, 5, 3], "tanh", seed=1)
        return net.fit(*data, epochs=3, callbacks=[callback], metrics=["accuracy"], **options)

    fit(before, checkpoint=tmp_path)
    with pytest.raises(bpx.InputError) as caught:
        fit(after, resume=tmp_path)
    assert message in str(caught.value)
    fit(before, resume=tmp_path)


def test_a_checkpoint_that_says_a_callbacks_name_alone_is_resumed(data, tmp_path, monkeypatch):
    """An earlier bpx wrote such ones."""
    net = bpx.mlp([4, 5, 3], "tanh", seed=1)
    with monkeypatch.context() as earlier:
        earlier.delattr(bpx.EarlyStopping, "settings")
        net.fit(*data, epochs=2, callbacks=[bpx.EarlyStopping("loss")], checkpoint=tmp_path)
    again = bpx.mlp([4, 5, 3], "tanh", seed=1)
    history = again.fit(*data, epochs=4, callbacks=[bpx.EarlyStopping("loss")], resume=tmp_path)
    assert len(history) == 4
