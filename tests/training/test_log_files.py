"""Logs in files: CSV, JSON lines, TensorBoard's events, and networks saved on the way."""

from __future__ import annotations

import csv
import json
import math
import sys

import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.callbacks.log_files import LogFile


def test_a_csv_log_holds_the_numbers_to_the_last_bit(data, small, tmp_path):
    path = tmp_path / "log.csv"
    history = small.fit(
        *data, epochs=3, batch_size=20, validation_data=data, metrics="accuracy", callbacks=bpx.CSVLog(path)
    )
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "validation_loss", "validation_accuracy"]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [float(row["validation_accuracy"]) for row in rows] == history.validation_metrics["accuracy"]


def test_json_lines_hold_an_object_an_epoch(data, small, tmp_path):
    path = tmp_path / "log.jsonl"
    history = small.fit(*data, epochs=3, validation_data=data, callbacks=bpx.JSONLinesLog(path))
    objects = [json.loads(line) for line in path.read_text().splitlines()]
    assert [o["epoch"] for o in objects] == [1, 2, 3]
    assert [o["validation_loss"] for o in objects] == history.validation_loss


def test_what_is_not_finite_is_null_in_json(data, small, tmp_path):
    path = tmp_path / "log.jsonl"
    small.fit(*data, epochs=1, metrics=[("broken", lambda y, p: math.nan)], callbacks=bpx.JSONLinesLog(path))
    assert json.loads(path.read_text())["broken"] is None


def test_a_log_is_there_after_each_epoch_and_replaced_or_added_to_by_the_next_training(data, small, tmp_path):
    path = tmp_path / "log.csv"
    lengths = []
    small.fit(*data, epochs=2, callbacks=[bpx.CSVLog(path), lambda run: lengths.append(len(path.read_text().split()))])
    assert lengths == [2, 3]
    small.fit(*data, epochs=1, callbacks=bpx.CSVLog(path, append=True))
    assert [line.split(",")[0] for line in path.read_text().split()] == ["epoch", "1", "2", "3"]
    small.fit(*data, epochs=1, callbacks=bpx.CSVLog(path))
    assert [line.split(",")[0] for line in path.read_text().split()] == ["epoch", "4"]


def test_a_log_that_cannot_be_written_ends_the_training_before_it_began(data, small, tmp_path):
    with pytest.raises(bpx.InputError, match="cannot write the log .*missing/log.csv: No such file or directory"):
        small.fit(*data, epochs=1, callbacks=bpx.CSVLog(tmp_path / "missing" / "log.csv"))
    assert small.training.step == 0
    with pytest.raises(TypeError, match="LogFile defines no text"):
        small.fit(*data, epochs=1, callbacks=LogFile(tmp_path / "log"))


def events(folder):
    """Return (step, tag, value) of every scalar in a folder of event files, and the tags of histograms."""
    from tensorboardX.proto.event_pb2 import Event

    scalars, histograms = [], set()
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):  # length (8 bytes), its checksum (4), the event, its checksum (4)
            length = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                if value.HasField("histo"):
                    histograms.add(value.tag)
                else:
                    scalars.append((event.step, value.tag, value.simple_value))
    return scalars, histograms


def test_tensorboard_finds_every_number(data, small, tmp_path):
    pytest.importorskip("tensorboardX")
    history = small.fit(
        *data, epochs=3, validation_data=data, optimizer=bpx.SGD(0.5), callbacks=bpx.TensorBoard(tmp_path / "run", 2)
    )
    scalars, histograms = events(tmp_path / "run")
    losses = [value for _, tag, value in scalars if tag == "loss"]
    np.testing.assert_allclose(losses, history.loss, rtol=1e-6)
    assert [step for step, tag, _ in scalars if tag == "validation_loss"] == [1, 2, 3]
    assert {value for _, tag, value in scalars if tag == "learning_rate"} == {0.5}
    assert histograms == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_tensorboard_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(bpx.InputError, match=r'pip install "bpx-backprop\[tensorboard\]"'):
        bpx.TensorBoard(tmp_path)


def test_tensorboard_needs_a_folder(data, small, tmp_path):
    pytest.importorskip("tensorboardX")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(bpx.InputError, match="cannot write to the folder .*file"):
        small.fit(*data, epochs=1, callbacks=bpx.TensorBoard(tmp_path / "file"))


def test_networks_are_saved_after_each_epoch(data, small, tmp_path):
    saver = bpx.Checkpoint(tmp_path / "net-{epoch}.safetensors")
    small.fit(*data, epochs=2, callbacks=saver)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-1.safetensors", "net-2.safetensors"]
    assert saver.last == tmp_path / "net-2.safetensors"
    assert_same_bits(bpx.load(saver.last).params, small.params)


def test_the_best_network_is_kept_in_one_file(data, small, tmp_path):
    path = tmp_path / "best.safetensors"
    values = iter([0.3, 0.7, 0.5])
    left = []
    small.fit(
        *data, epochs=3, metrics=[("made up", lambda y, p: next(values))],
        callbacks=[
            bpx.Checkpoint(path, monitor="made up", mode="max"),
            lambda run: left.append([{n: a.copy() for n, a in part.items()} for part in run.net.params]),
        ],
    )  # fmt: skip
    assert_same_bits(bpx.load(path).params, left[1])


def test_a_network_that_cannot_be_saved_is_a_warning_or_an_error_as_asked(data, small, tmp_path, monkeypatch):
    def full(path, content):
        raise bpx.InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("bpx.files.network_file.write_whole", full)
    with pytest.warns(bpx.CheckpointWarning, match="No space left on device; training goes on without this file"):
        small.fit(*data, epochs=1, callbacks=bpx.Checkpoint(tmp_path / "net.safetensors"))
    with pytest.raises(bpx.InputError, match="No space left"):
        small.fit(*data, epochs=1, callbacks=bpx.Checkpoint(tmp_path / "net.safetensors", on_error="raise"))
    with pytest.raises(bpx.InputError, match="there is no folder .*missing to save the network in"):
        small.fit(*data, epochs=1, callbacks=bpx.Checkpoint(tmp_path / "missing" / "net.safetensors"))
    with pytest.raises(bpx.InputError, match="unknown on_error 'ignore'"):
        bpx.Checkpoint("x", on_error="ignore")
