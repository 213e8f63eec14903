"""Ctrl-C: the batch is finished, the training saved, and the way to go on said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import networks
import pytest
from closeness import assert_same_bits

import bpx
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.training.interrupts import Interrupts


@pytest.fixture(autouse=True)
def _python_handles_ctrl_c():
    """Have Python's own handler in place, also where the tests run in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press(epoch):
    """Return a callback that presses Ctrl-C after an epoch."""

    def callback(run):
        if run.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)

    return callback


def test_ctrl_c_saves_and_says_how_to_go_on(data, tmp_path):
    whole, net, again = (networks.everything() for _ in range(3))
    expected = whole.fit(*data, epochs=5, batch_size=20, callbacks=press(99))
    with pytest.raises(bpx.Interrupted) as caught:
        net.fit(*data, epochs=5, batch_size=20, callbacks=press(3), checkpoint=tmp_path, checkpoint_every=100)
    assert isinstance(caught.value, KeyboardInterrupt)
    (path,) = list_checkpoints(tmp_path)
    assert caught.value.checkpoint == str(path)
    assert str(caught.value) == (
        f"interrupted after epoch 3; saved {path}; go on with fit(..., resume={str(tmp_path)!r})"
    )
    history = again.fit(*data, epochs=5, batch_size=20, callbacks=press(99), resume=tmp_path)
    assert history.loss == expected.loss
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


def test_in_the_middle_of_an_epoch_the_batch_is_finished_first(data, tmp_path):
    """The signal comes while rates are computed for the second segment of an epoch."""

    class Pressing(bpx.Schedule):
        def rates(self, steps, steps_per_epoch):
            if steps[0] == 15 and not pressed:
                pressed.append(1)
                os.kill(os.getpid(), signal.SIGINT)
            return 0.05 + 0.0 * steps

    pressed = [1]
    whole, net, again = (networks.everything() for _ in range(3))
    options = {"epochs": 3, "batch_size": 2, "optimizer": bpx.Adam(Pressing())}
    expected = whole.fit(*data, **options)
    pressed.clear()
    with pytest.raises(bpx.Interrupted, match="interrupted in epoch 1, after 20 of its batches; saved "):
        net.fit(*data, checkpoint=tmp_path, checkpoint_every="5 steps", **options)
    assert net.training.step == 20
    history = again.fit(*data, resume=tmp_path, **options)
    assert history.loss == expected.loss
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


def test_without_a_folder_the_network_keeps_what_it_has_learned(data, small):
    with pytest.raises(bpx.Interrupted, match="after epoch 2; the network holds what it has learned") as caught:
        small.fit(*data, epochs=5, callbacks=press(2))
    assert caught.value.checkpoint is None
    assert small.training.epoch == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_nothing_can_be_saved_the_last_checkpoint_is_named(data, small, tmp_path, monkeypatch):
    def full(path, snapshot):
        raise bpx.InputError(f"cannot write {path}: No space left on device")

    write = bpx.training.checkpoints.folder.write
    monkeypatch.setattr("bpx.training.checkpoints.folder.write", full)
    with pytest.warns(bpx.CheckpointWarning), pytest.raises(bpx.Interrupted, match="no checkpoint could be written"):
        small.fit(*data, epochs=5, callbacks=press(2), checkpoint=tmp_path)
    calls = []
    monkeypatch.setattr(
        "bpx.training.checkpoints.folder.write",
        lambda *a: write(*a) if not calls.append(1) and len(calls) < 2 else full(*a),
    )
    with pytest.warns(bpx.CheckpointWarning), pytest.raises(bpx.Interrupted, match="not saved, the last .* is .*0003"):
        small.fit(*data, epochs=5, callbacks=press(4), checkpoint=tmp_path)


def test_a_second_ctrl_c_does_not_wait(data, small):
    def twice(run):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5.0)

    with pytest.raises(KeyboardInterrupt) as caught:
        small.fit(*data, epochs=5, callbacks=twice)
    assert not isinstance(caught.value, bpx.Interrupted)


def test_a_second_ctrl_c_says_how_to_go_on_too(data, small, tmp_path):
    def twice(run):
        if run.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        small.fit(*data, epochs=5, callbacks=twice, checkpoint=tmp_path)
    (path,) = list_checkpoints(tmp_path)[-1:]
    (note,) = caught.value.__notes__
    assert note == (
        f"interrupted at once; the last checkpoint is {path}; go on with fit(..., resume={str(tmp_path)!r})"
    )


def test_a_program_may_ask_a_training_to_end(data, small, tmp_path):
    from bpx.training.interrupts import ask_to_end

    assert not ask_to_end()
    asked = []
    with pytest.raises(bpx.Interrupted, match="after epoch 1; saved"):
        small.fit(
            *data, epochs=5, checkpoint=tmp_path, callbacks=lambda run: asked.extend([ask_to_end(), ask_to_end()])
        )
    assert asked == [True, False]
    assert not ask_to_end()


def test_ctrl_c_in_the_last_epoch_is_not_swallowed(data, small):
    with pytest.raises(bpx.Interrupted, match="after epoch 2"):
        small.fit(*data, epochs=2, callbacks=press(2))


def test_ctrl_c_while_the_last_checkpoint_is_written_is_not_swallowed(data, small, tmp_path, monkeypatch):
    write = bpx.training.checkpoints.folder.write

    def pressed(path, snapshot):
        os.kill(os.getpid(), signal.SIGINT)
        write(path, snapshot)

    monkeypatch.setattr("bpx.training.checkpoints.folder.write", pressed)
    with pytest.raises(bpx.Interrupted, match="after epoch 2; saved"):
        small.fit(*data, epochs=2, checkpoint=tmp_path, checkpoint_every=100)
    assert len(list_checkpoints(tmp_path)) == 1


def test_the_handler_of_somebody_else_is_left_alone(data, small):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        small.fit(*data, epochs=2, callbacks=press(1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_in_another_thread_nothing_is_installed(data, small):
    found = []
    thread = threading.Thread(
        target=lambda: small.fit(*data, epochs=1, callbacks=lambda run: found.append(signal.getsignal(signal.SIGINT)))
    )
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_the_handler_is_taken_away_again():
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGINT) == interrupts._note
        assert not interrupts.caught
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_batches_are_waited_for(small, monkeypatch):
    """A source that takes its time does not keep Ctrl-C waiting."""
    monkeypatch.setattr("bpx.training.streams.CLOSE_SECONDS", 0.1)
    released, waited = threading.Event(), []

    def slow():
        yield networks.classes(60)
        os.kill(os.getpid(), signal.SIGINT)
        waited.append(released.wait(60.0))
        yield networks.classes(60)

    with pytest.raises(bpx.Interrupted):
        small.fit(slow, epochs=1)
    assert waited == []
    released.set()


def test_ctrl_c_between_two_batches_that_are_read_without_prefetch(small, tmp_path):
    """Batches of the block that is being read are not waited for."""
    given = []

    def batches():
        for i in range(10):
            given.append(i)
            if i == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield networks.classes(60)

    with pytest.raises(bpx.Interrupted, match="saved"):
        small.fit(batches, epochs=1, prefetch=False, checkpoint=tmp_path)
    assert given == [0, 1, 2]


SCRIPT = """
import sys, time
import numpy as np
import bpx
x = np.arange(240.0).reshape(60, 4) / 240
def tell(run):
    print(run.epoch, flush=True)
    time.sleep(0.01)
net = bpx.mlp([4, 5, 3], seed=1)
net.fit(x, np.arange(60) % 3, epochs=100000, checkpoint=sys.argv[1], checkpoint_every=100000, callbacks=tell)
"""


def test_a_script_ends_with_the_line_that_resumes(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"; saved {list_checkpoints(tmp_path)[0]}; go on with" in error
    assert len(list_checkpoints(tmp_path)) == 1
