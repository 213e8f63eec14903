"""Checkpoints as files: when they are written, which stay, what a damaged one or a full disk does."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
import warnings

import hostile_files
import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.training.checkpoints import folder as folders
from bpx.training.checkpoints.checkpointer import parse_interval
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.training.checkpoints.snapshot import pack, unpack


def new():
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")


def steps(folder):
    return [folders.read_step(path) for path in list_checkpoints(folder)]


def fail_writing(monkeypatch, when, error=None):
    """Let every write of a file fail as long as ``when()`` says so."""
    original = os.fsync

    def fsync(number):
        if when():
            raise error or OSError(28, "No space left on device")
        original(number)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize(
    "every, keep, expected",
    [
        (1, None, [3, 6, 9, 12]),
        (1, 3, [6, 9, 12]),
        (3, None, [9, 12]),
        (1, 1, [12]),
        ("2 epochs", None, [6, 12]),
        ("5 steps", None, [5, 10, 12]),
        ("1 step", 2, [11, 12]),
        ("3600 seconds", None, [12]),
        (100, None, [12]),
    ],
)
def test_checkpoints_are_written_when_due_and_at_the_end(every, keep, expected, data, tmp_path):
    new().fit(*data, epochs=4, batch_size=20, checkpoint=tmp_path / "a" / "run", checkpoint_every=every, keep=keep)
    assert steps(tmp_path / "a" / "run") == expected
    assert len(list((tmp_path / "a" / "run").iterdir())) == len(expected)


def test_checkpoints_are_written_every_so_many_seconds(data, tmp_path):
    new().fit(
        *data, epochs=6, batch_size=20, checkpoint=tmp_path, checkpoint_every="0.05 seconds", keep=None,
        callbacks=lambda run: time.sleep(0.03),
    )  # fmt: skip
    assert 2 <= len(steps(tmp_path)) <= 5
    assert steps(tmp_path)[-1] == 18


@pytest.mark.parametrize(
    "every, message",
    [
        (0, "checkpoint_every must be at least 1, got 0"),
        (1.5, "checkpoint_every must be a whole number, got 1.5"),
        ("0 steps", "checkpoint_every must be at least 1, got 0"),
        ("1.5 steps", "checkpoint_every must be a whole number of steps, got '1.5 steps'"),
        ("0 seconds", "checkpoint_every must be above 0.0, got 0"),
        ("soon", "checkpoint_every is a number of epochs, or text such as '500 steps' or '30 seconds', got 'soon'"),
        ("5 minutes", "got '5 minutes'"),
    ],
)
def test_a_distance_that_is_none_is_refused(every, message, data, tmp_path):
    with pytest.raises(bpx.InputError) as caught:
        new().fit(*data, epochs=1, checkpoint=tmp_path / "run", checkpoint_every=every)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_distances_are_numbers_of_epochs_or_text():
    assert parse_interval(np.int64(3)) == (3, "epochs")
    assert parse_interval(" 12 steps") == (12, "steps")
    assert parse_interval("1 epoch") == (1, "epochs")
    assert parse_interval("2.5 seconds") == (2.5, "seconds")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"keep": 0}, "keep must be at least 1, got 0"),
        ({"on_checkpoint_error": "ignore"}, "unknown on_checkpoint_error 'ignore'"),
        ({"checkpoint": 3}, "checkpoint must be a folder, got 3"),
        ({"checkpoint": ""}, "checkpoint must be a folder, got ''"),
        ({"resume": True}, "resume must be a folder, got True"),
    ],
)
def test_other_arguments_that_make_no_sense_are_refused(options, message, data, tmp_path):
    with pytest.raises(bpx.InputError) as caught:
        new().fit(*data, epochs=1, **{"checkpoint": tmp_path, **options})
    assert message in str(caught.value)


def test_the_checkpoints_of_another_training_are_not_mixed_up(data, tmp_path):
    new().fit(*data, epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(bpx.InputError, match="holds the checkpoints of another training; go on with it by resume="):
        new().fit(*data, epochs=1, checkpoint=tmp_path / "run")
    new().fit(*data, epochs=1, checkpoint=tmp_path / "other")
    with pytest.raises(bpx.InputError, match="other holds the checkpoints of another training"):
        new().fit(*data, epochs=2, checkpoint=tmp_path / "other", resume=tmp_path / "run")
    new().fit(*data, epochs=2, checkpoint=tmp_path / "copy", resume=tmp_path / "run")
    assert steps(tmp_path / "copy") == [2]
    assert steps(tmp_path / "run") == [1]


def test_nothing_to_resume_is_an_error_unless_the_same_folder_is_for_checkpoints(data, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(bpx.InputError, match="there is nothing to resume: .*run does not exist; to start"):
        new().fit(*data, epochs=1, resume=run)
    assert not run.exists()
    run.mkdir()
    with pytest.raises(bpx.InputError, match="nothing to resume: .*run holds no checkpoint; to start .*checkpoint="):
        new().fit(*data, epochs=1, resume=run)
    with pytest.raises(bpx.InputError, match="nothing to resume"):
        new().fit(*data, epochs=1, resume=run, checkpoint=tmp_path / "other")
    new().fit(*data, epochs=1, checkpoint=run, resume=run)
    assert steps(run) == [1]


def test_one_file_can_be_gone_on_from_into_another_folder(data, tmp_path):
    whole = new()
    expected = whole.fit(*data, epochs=4, batch_size=20, checkpoint=tmp_path / "run", keep=None)
    first = list_checkpoints(tmp_path / "run")[0]
    with pytest.raises(bpx.InputError, match="holds checkpoints later than checkpoint-000000000003.safetensors; to go"):
        new().fit(*data, epochs=4, batch_size=20, resume=first)
    again = new()
    history = again.fit(*data, epochs=4, batch_size=20, resume=first, checkpoint=tmp_path / "branch")
    assert history.loss == expected.loss
    assert_same_bits(again.params, whole.params)
    assert steps(tmp_path / "branch") == [6, 9, 12]


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path):
    path.write_bytes(b"")


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def _edit(path):
    path.write_bytes(path.read_bytes().replace(b'\\"position\\": 0', b'\\"position\\": 1'))


def _foreign(path):
    path.write_text("a shopping list")


def _model(path):
    new().save(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _newer(path):
    path.write_bytes(path.read_bytes().replace(b'"training_version":"1"', b'"training_version":"9"'))


DAMAGES = [
    (_truncate, "is no whole safetensors file"),
    (_empty, "is no whole safetensors file"),
    (_flip, "is damaged: its content is not what was written"),
    (_edit, "is damaged: its content is not what was written"),
    (_foreign, "is no whole safetensors file"),
    (_model, "is no checkpoint: it holds a network, but no training to go on with"),
    (_folder, "is a folder, not a file"),
    (_newer, "is no checkpoint: its training is of version '9', this bpx reads '1'"),
]


@pytest.mark.parametrize("damage, message", DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_a_damaged_newest_file_is_passed_over_to_the_older_good_one(damage, message, data, tmp_path):
    whole, again = new(), new()
    expected = whole.fit(*data, epochs=4, batch_size=20, checkpoint=tmp_path)
    newest = list_checkpoints(tmp_path)[-1]
    before = newest.read_bytes()
    damage(newest)
    assert newest.is_dir() or newest.read_bytes() != before
    with pytest.warns(bpx.CheckpointWarning, match=f"{message}.*; taking an older checkpoint"):
        history = again.fit(*data, epochs=4, batch_size=20, resume=tmp_path, on_checkpoint_error="raise") if (
            damage is not _folder
        ) else again.fit(*data, epochs=3, batch_size=20, resume=tmp_path)  # fmt: skip
    assert history.loss == expected.loss[: len(history)]
    if damage is not _folder:
        assert_same_bits(again.params, whole.params)
        folders.read_checkpoint(newest)


def test_when_all_are_damaged_nothing_is_trained(data, tmp_path):
    new().fit(*data, epochs=3, batch_size=20, checkpoint=tmp_path)
    for path in list_checkpoints(tmp_path):
        _truncate(path)
    net = new()
    with (
        pytest.warns(bpx.CheckpointWarning),
        pytest.raises(bpx.FileFormatError, match="holds no checkpoint that can be"),
    ):
        net.fit(*data, epochs=4, batch_size=20, resume=tmp_path, checkpoint=tmp_path)
    assert net.training is None
    with pytest.raises(bpx.FileFormatError, match="is no whole safetensors file"):
        net.fit(*data, epochs=4, batch_size=20, resume=list_checkpoints(tmp_path)[0])


def test_other_files_in_the_folder_stay(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-final.safetensors").write_text("mine too")
    (tmp_path / ".checkpoint-000000000001.safetensors.123.part").write_text("left by a process that was killed")
    new().fit(*data, epochs=5, checkpoint=tmp_path, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000000000005.safetensors", "checkpoint-final.safetensors", "notes.txt",
    ]  # fmt: skip


def test_later_files_are_not_removed(tmp_path):
    """Later than the newest of this training are those that were passed over, or are somebody's."""
    for step in (1, 2, 3, 9):
        folders.make_path(tmp_path, step).write_text("")
    folders.remove_old(tmp_path, folders.make_path(tmp_path, 3), 2)
    assert steps(tmp_path) == [2, 3, 9]


def test_data_is_hashed_once_however_many_checkpoints_there_are(data, tmp_path, monkeypatch):
    from bpx.training import fingerprint

    hashed, original = [], fingerprint._hash
    monkeypatch.setattr(fingerprint, "_hash", lambda array: (hashed.append(1), original(array))[1])
    new().fit(*data, epochs=5, checkpoint=tmp_path)
    assert len(hashed) == 2
    new().fit(*data, epochs=2)
    assert len(hashed) == 2


def test_a_full_disk_is_a_warning_and_the_last_checkpoint_stays_whole(data, tmp_path, monkeypatch):
    full = []
    net, whole = new(), new()
    expected = whole.fit(*data, epochs=6, batch_size=20)
    fail_writing(monkeypatch, lambda: bool(full))
    watch = lambda run: full.append(1) if run.epoch == 3 else full.clear() if run.epoch == 5 else None  # noqa: E731
    with pytest.warns(bpx.CheckpointWarning) as caught:
        history = net.fit(*data, epochs=6, batch_size=20, checkpoint=tmp_path, callbacks=watch)
    assert len(caught) == 1, "one warning until a checkpoint can be written again"
    assert "No space left on device; training goes on, the last whole one is " in str(caught[0].message)
    assert "checkpoint-000000000006.safetensors" in str(caught[0].message)
    assert history.loss == expected.loss
    assert steps(tmp_path) == [6, 15, 18]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_ends_the_training_where_that_is_asked_for(data, tmp_path, monkeypatch):
    full = []
    fail_writing(monkeypatch, lambda: bool(full))
    net = new()
    with pytest.raises(
        bpx.InputError, match="No space left on device; the last whole one is .*000000000006.safetensors"
    ):
        net.fit(
            *data, epochs=6, batch_size=20, checkpoint=tmp_path, on_checkpoint_error="raise",
            callbacks=lambda run: full.append(1) if run.epoch == 3 else None,
        )  # fmt: skip
    assert steps(tmp_path) == [3, 6]
    full.clear()
    whole, again = new(), new()
    expected = whole.fit(*data, epochs=6, batch_size=20, callbacks=lambda run: None)
    history = again.fit(*data, epochs=6, batch_size=20, resume=tmp_path, callbacks=lambda run: None)
    assert history.loss == expected.loss
    assert_same_bits(again.params, whole.params)


FULL = """
import resource, signal, sys, warnings
import numpy as np
import bpx
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
x = np.arange(240.0).reshape(60, 4) / 240
net = bpx.mlp([4, 200, 3], seed=1)
def fill(run):
    if run.epoch == 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
net.fit(x, np.arange(60) % 3, epochs=4, checkpoint=sys.argv[1], on_checkpoint_error=sys.argv[2], callbacks=fill)
"""


@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_a_file_that_cannot_grow_leaves_the_last_checkpoint_whole(on_error, tmp_path):
    """The system itself cuts the write short, as a full disk or a quota does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), on_error], capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if on_error == "warn" else 1), done.stderr
    assert "File too large" in done.stderr
    assert ("CheckpointWarning" if on_error == "warn" else "InputError") in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000000001.safetensors"]
    folders.read_checkpoint(list_checkpoints(tmp_path)[0])
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_folder_that_cannot_be_made_is_a_warning_or_an_error(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(
        bpx.CheckpointWarning, match="cannot make the folder .*file/run: .*; training goes on, there is none"
    ):
        history = new().fit(*data, epochs=2, checkpoint=tmp_path / "file" / "run")
    assert len(history) == 2
    net = new()
    with pytest.raises(bpx.InputError, match="cannot make the folder .*file/run"):
        net.fit(*data, epochs=2, checkpoint=tmp_path / "file" / "run", on_checkpoint_error="raise")
    assert net.training is None


def test_a_folder_that_is_removed_is_a_warning(data, tmp_path):
    run = tmp_path / "run"
    with pytest.warns(bpx.CheckpointWarning, match="cannot write .*No such file or directory; training goes on"):
        history = new().fit(
            *data, epochs=3, checkpoint=run, callbacks=lambda r: shutil.rmtree(run) if r.epoch == 2 else None
        )
    assert len(history) == 3


def test_packing_keeps_everything_that_json_and_arrays_hold():
    tree = {
        "numbers": [1, -2.5e-300, float("inf"), True, None, 2**70],
        "text": "ß",
        "arrays": {"float": np.array(0.1), "int": np.arange(6, dtype=np.int8)[::2], "bool": np.array([True, False])},
        "nested": [{"a": (1, np.float64(0.1))}, {}],
    }
    plain, arrays = pack(tree, "start")
    import json

    again = unpack(json.loads(json.dumps(plain)), arrays)
    assert again["numbers"] == tree["numbers"]
    assert again["nested"] == [{"a": [1, 0.1]}, {}]
    assert again["text"] == "ß"
    for name, array in tree["arrays"].items():
        assert again["arrays"][name].dtype == array.dtype
        np.testing.assert_array_equal(again["arrays"][name], array)
    assert sorted(arrays) == ["start.arrays.bool", "start.arrays.float", "start.arrays.int"]
    with pytest.raises(bpx.FileFormatError, match="the array 'start.arrays.int' is missing"):
        unpack(plain, {name: array for name, array in arrays.items() if not name.endswith("int")})


def test_no_warning_is_given_where_nothing_is_wrong(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks.everything().fit(*networks.classes(60), epochs=2, batch_size=20, checkpoint=tmp_path)


# -- checkpoints whose checksum fits and whose content does not ---------------------------------------------


def wrong_tree(path, change):
    """Write a checkpoint anew with something else in its training."""
    metadata, arrays = hostile_files.read_parts(path)
    tree = json.loads(metadata["training"])
    change(tree, arrays)
    hostile_files.write_parts(path, {**metadata, "training": json.dumps(tree)}, arrays)


def _set(*place):
    *way, last, value = place

    def change(tree, arrays):
        holder = tree
        for key in way:
            holder = holder[key]
        holder[last] = value

    return change


WRONG = [
    (_set("counters", "step", "ten"), "step must be a whole number"),
    (_set("counters", "epoch", 10**30), "epoch is too large"),
    (_set("counters", "optimizer_step", -1), "optimizer_step must be at least 0"),
    (_set("counters", "first_step", 99), "its last step is before its first step"),
    (_set("counters", "first_epoch", 99), "its last epoch is before its first epoch"),
    (_set("counters", "rate_scale", float("nan")), "rate_scale must be finite"),
    (_set("counters", []), "counters in the training must be a dict, got list"),
    (_set("counters", "position", 1), "losses must hold 1 numbers, got 0"),
    (lambda tree, arrays: tree["counters"].pop("epoch"), "'epoch'"),
    (lambda tree, arrays: tree.pop("history"), "'history'"),
    (_set("slots", 3), "slots in the training must be a list, got int"),
    (_set("slots", 0, 0, [1]), "slots must be lists of arrays"),
    (_set("history", "loss", {"__array__": "params.0.weight"}), "loss must be an array of numbers on one axis"),
    (_set("history", "metrics", {"a": 1}), "a must be an array of numbers"),
    (_set("history", "epoch", {"__array__": "training.history.loss"}), "epoch must be an array of numbers"),
    (_set("losses", {"__array__": "nowhere"}), "the array 'nowhere' is missing"),
    (_set("losses", {"__array__": []}), "unhashable"),
    (_set("settings", None), "settings in the training must be a dict, got NoneType"),
    (_set("backend", 3), "backend in the training must be a str, got int"),
    (_set("seconds", "1"), "seconds in the training must be a float"),
    (_set("callbacks", [3]), "the states of callbacks must be dicts"),
    (_set("stop_reason", json.loads(hostile_files.nest(600))), "its training cannot be read"),
]


@pytest.mark.parametrize("change, message", WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_training_with_a_checksum_that_fits_is_passed_over(change, message, data, tmp_path):
    whole, again = new(), new()
    expected = whole.fit(*data, epochs=3, batch_size=20, checkpoint=tmp_path)
    newest = list_checkpoints(tmp_path)[-1]
    wrong_tree(newest, change)
    with pytest.raises(bpx.FileFormatError, match=f"{newest.name} is no checkpoint: .*{message}"):
        folders.read_checkpoint(newest)
    with pytest.warns(bpx.CheckpointWarning, match=f"{message}.*; taking an older checkpoint"):
        history = again.fit(*data, epochs=3, batch_size=20, resume=tmp_path)
    assert history.loss == expected.loss
    assert_same_bits(again.params, whole.params)


UNFIT = [
    (lambda tree, arrays: arrays.pop("params.0.bias"), "the array 'params.0.bias' is missing"),
    (lambda tree, arrays: arrays.update({"params.0.bias": np.zeros(99)}), r"must have shape \(5,\), got \(99,\)"),
    (_set("slots", []), "the arrays of the optimizer do not fit the network"),
    (_set("slots", 0, 0, {"__array__": "params.2.weight"}), "the arrays of the optimizer do not fit the network"),
    (_set("callbacks", []), "it holds the states of 0 callbacks, not of 1"),
]

UNFIT_STATES = [
    (_set("callbacks", 0, {}), "the checkpoint's state of EarlyStopping cannot be taken over: KeyError: 'monitor'"),
    (_set("callbacks", 0, "weights", {"params": 3, "state": 3}), "EarlyStopping cannot be taken over: TypeError"),
    (_set("callbacks", 0, "weights", "params", 0, {}), "the weights of the best epoch do not fit the network"),
    (_set("callbacks", 0, "monitor", "waited", "a" * 9999), "waited must be a whole number"),
]


@pytest.mark.parametrize(
    "change, message", [*UNFIT, *UNFIT_STATES], ids=[message for _, message in (*UNFIT, *UNFIT_STATES)]
)
def test_a_training_that_does_not_fit_the_network_is_an_error(change, message, data, tmp_path):
    def options():
        return {"batch_size": 20, "validation_data": data, "callbacks": bpx.EarlyStopping(patience=50)}

    new().fit(*data, epochs=2, checkpoint=tmp_path, keep=1, **options())
    wrong_tree(list_checkpoints(tmp_path)[-1], change)
    net = new()
    with pytest.raises(bpx.FileFormatError, match=message) as caught:
        net.fit(*data, epochs=3, resume=tmp_path, **options())
    assert len(str(caught.value)) < 1000
    if (change, message) in UNFIT:
        assert net.training is None, "nothing was changed"
        assert_same_bits(net.params, new().params)


def test_settings_that_are_none_are_those_of_another_training(data, tmp_path):
    new().fit(*data, epochs=2, checkpoint=tmp_path, keep=1)
    wrong_tree(list_checkpoints(tmp_path)[-1], _set("settings", "optimizer", "b1", {"__array__": "params.0.weight"}))
    with pytest.raises(bpx.InputError, match="is of another training, which cannot be resumed here: optimizer.b1 is"):
        new().fit(*data, epochs=3, resume=tmp_path)


def test_a_folder_that_cannot_be_read_is_an_error_and_one_file_too_many_is_none(data, tmp_path, monkeypatch):
    new().fit(*data, epochs=1, checkpoint=tmp_path / "run")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(bpx.InputError, match="cannot read the folder .*run: Permission denied"):
        new().fit(*data, epochs=2, resume=tmp_path / "run")
    folders.remove_old(tmp_path / "run", folders.make_path(tmp_path / "run", 1), 1)


def test_a_pipe_is_nothing_to_resume(data, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(bpx.InputError, match="nothing to resume: .*pipe is neither a file nor a folder"):
        new().fit(*data, epochs=1, resume=tmp_path / "pipe")
    run = tmp_path / "run"
    new().fit(*data, epochs=1, checkpoint=run)
    os.mkfifo(folders.make_path(run, 5))
    with pytest.warns(bpx.CheckpointWarning, match="is a device or a pipe, not a file; taking an older checkpoint"):
        assert len(new().fit(*data, epochs=2, resume=run, checkpoint=tmp_path / "other")) == 2


def test_a_folder_that_cannot_be_synchronized_is_a_warning_and_the_checkpoint_counts(data, tmp_path, monkeypatch):
    fsync = os.fsync

    def refuse(number):
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise PermissionError(13, "Permission denied")
        fsync(number)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.warns(bpx.FileWarning, match="the folder cannot be synchronized") as caught:
        new().fit(*data, epochs=2, checkpoint=tmp_path, on_checkpoint_error="raise")
    assert "none yet" not in str([warning.message for warning in caught])
    assert steps(tmp_path) == [1, 2]
