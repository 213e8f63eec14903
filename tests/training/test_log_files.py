"""Logs in files: CSV, JSON lines, TensorBoard's events, and networks saved on the way."""

from __future__ import annotations

import csv
import io
import json
import math
import os
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


class FullDisk(io.FileIO):
    """A file on a disk that has room for so many bytes, and then for more."""

    room = 10**9

    def write(self, content):
        left = max(self.room - self.tell(), 0)
        if not left:
            raise OSError(28, "No space left on device")
        return super().write(bytes(content)[:left])


@pytest.mark.parametrize("kind", [bpx.CSVLog, bpx.JSONLinesLog])
def test_a_log_on_a_full_disk_is_a_warning_and_misses_nothing_in_the_end(kind, data, small, tmp_path, monkeypatch):
    path, whole = tmp_path / "log", tmp_path / "whole"
    monkeypatch.setattr("pathlib.Path.open", lambda self, mode, **options: FullDisk(self, mode))
    seen = []

    def watch(run):
        seen.append(path.read_bytes())
        FullDisk.room = 60 if run.epoch < 4 else 10**9

    try:
        with pytest.warns(bpx.CheckpointWarning) as caught:
            history = small.fit(*data, epochs=6, callbacks=[kind(path), kind(whole), watch])
    finally:
        FullDisk.room = 10**9
    assert len(history) == 6
    assert len(caught) == 2, "one for each log"
    assert "cannot write the log" in str(caught[0].message)
    assert "No space left on device; training goes on" in str(caught[0].message)
    assert all(content.endswith(b"\n") for content in seen), "whole epochs, and nothing of a half one"
    assert len(seen[2]) <= 60
    lines = path.read_text().splitlines()
    assert len(lines) == 6 + (kind is bpx.CSVLog)
    assert path.read_bytes() == whole.read_bytes()


def test_a_log_that_waits_for_the_disk_is_complete_after_a_resume(data, small, tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.open", lambda self, mode, **options: FullDisk(self, mode))

    def options(name):
        return {"epochs": 5, "callbacks": [bpx.CSVLog(tmp_path / f"{name}.csv"), lambda run: None]}

    net = small.copy()
    small.fit(*data, checkpoint=tmp_path / "a", **options("a"))
    FullDisk.room = 60
    try:
        with pytest.warns(bpx.CheckpointWarning, match="cannot write the log"):
            net.copy().fit(*data, checkpoint=tmp_path / "b", **{**options("b"), "epochs": 3})
    finally:
        FullDisk.room = 10**9
    assert len((tmp_path / "b.csv").read_text().splitlines()) < 4
    net.fit(*data, resume=tmp_path / "b", **options("b"))
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()


def test_tensorboard_on_a_full_disk_does_not_stop_the_training_and_misses_nothing(data, small, tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    monkeypatch.setattr("pathlib.Path.open", lambda self, mode, **options: FullDisk(self, mode))

    def watch(run):
        FullDisk.room = 2000 if run.epoch < 30 else 10**9

    try:
        with pytest.warns(bpx.CheckpointWarning, match="cannot write the log .*: No space left on device") as caught:
            history = small.fit(*data, epochs=40, callbacks=[bpx.TensorBoard(tmp_path / "run", 5), watch])
    finally:
        FullDisk.room = 10**9
    monkeypatch.undo()
    assert len(caught) == 1
    scalars, histograms = events(tmp_path / "run")
    assert [step for step, tag, _ in scalars if tag == "loss"] == list(range(1, 41))
    np.testing.assert_allclose([v for _, tag, v in scalars if tag == "loss"], history.loss, rtol=1e-6)
    assert len(histograms) == 4


def test_tensorboard_shows_weights_that_are_not_finite_by_the_others(data, small, tmp_path):
    pytest.importorskip("tensorboardX")

    def spoil(run):
        run.net.params[0]["weight"][0, 0] = np.inf
        run.net.params[0]["bias"][:] = np.nan

    with pytest.raises(bpx.DivergenceError):
        small.fit(*data, epochs=2, callbacks=[spoil, bpx.TensorBoard(tmp_path / "run", 1)])
    assert events(tmp_path / "run")[1] == {"0.weight", "2.weight", "2.bias"}


def test_a_log_that_cannot_be_synchronized_is_a_warning(data, small, tmp_path, monkeypatch):
    fsync = os.fsync

    def refuse(number):
        if os.readlink(f"/proc/self/fd/{number}").endswith(".csv"):
            raise OSError(28, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.warns(bpx.CheckpointWarning, match="cannot write the log .*: No space left"):
        small.fit(*data, epochs=1, callbacks=bpx.CSVLog(tmp_path / "log.csv"), checkpoint=tmp_path / "run")
    assert len(list((tmp_path / "run").iterdir())) == 1
