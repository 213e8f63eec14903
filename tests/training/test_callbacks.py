"""The protocol of callbacks, and the ones that report."""

from __future__ import annotations

import io

import pytest

import bpx
from bpx.training.callback import list_callbacks


def test_a_callback_is_told_of_the_begin_each_epoch_and_the_end(data, small, recorder):
    small.fit(*data, epochs=2, batch_size=20, callbacks=[recorder], validation_data=data, metrics=["accuracy"])
    assert recorder.calls == ["begin", "epoch 1", "epoch 2", "end"]
    assert list(recorder.logs[0]) == ["loss", "accuracy", "validation_loss", "validation_accuracy"]
    small.fit(*data, epochs=1, callbacks=recorder)
    assert recorder.calls[4:] == ["begin", "epoch 3", "end"]


def test_the_names_of_the_numbers_are_known_before_the_first_epoch(data, small, recorder):
    class Names(bpx.Callback):
        def on_train_begin(self, run):
            self.names = run.log_names

    names = Names()
    small.fit(*data, epochs=1, callbacks=[names, recorder], validation_data=data, metrics=["accuracy", "macro_f1"])
    assert names.names == tuple(recorder.logs[0])


def test_a_function_is_called_after_each_epoch_and_can_stop(data, small):
    seen = []

    def watch(run):
        seen.append((run.epoch, run.done, run.logs["loss"] == run.history.loss[-1]))
        if run.epoch == 3:
            run.stop("three are enough")

    history = small.fit(*data, epochs=10, batch_size=20, callbacks=watch)
    assert seen == [(1, 1, True), (2, 2, True), (3, 3, True)]
    assert history.stop_reason == "three are enough"
    assert len(history) == 3


def test_the_end_is_told_where_an_error_ended_the_training(data, small, recorder):
    def fail(run):
        raise RuntimeError("out of coffee")

    with pytest.raises(RuntimeError, match="out of coffee"):
        small.fit(*data, epochs=3, callbacks=[fail, recorder])
    assert recorder.calls == ["begin", "end"]


class Failing(bpx.Callback):
    """Fail at some moments, and note the ends."""

    def __init__(self, ends, name, *at):
        self.ends, self.name, self.at = ends, name, at

    def on_train_begin(self, run):
        if "begin" in self.at:
            raise RuntimeError(f"{self.name} cannot begin")

    def on_epoch_end(self, run):
        if "epoch" in self.at:
            raise RuntimeError(f"{self.name} fails")

    def on_train_end(self, run):
        self.ends.append(self.name)
        if "end" in self.at:
            raise ValueError(f"{self.name} cannot end")


def test_only_what_has_begun_is_ended(data, small):
    ends = []
    callbacks = [Failing(ends, "a"), Failing(ends, "b", "begin"), Failing(ends, "c")]
    with pytest.raises(RuntimeError, match="b cannot begin"):
        small.fit(*data, epochs=1, callbacks=callbacks)
    assert ends == ["a"]


def test_all_are_ended_whatever_one_of_them_raises_and_the_first_error_is_told(data, small):
    ends = []
    callbacks = [Failing(ends, "a"), Failing(ends, "b", "end"), Failing(ends, "c", "end"), Failing(ends, "d")]
    with pytest.raises(ValueError, match="b cannot end") as caught:
        small.fit(*data, epochs=1, callbacks=callbacks)
    assert ends == ["a", "b", "c", "d"]
    assert caught.value.__notes__ == ["Failing.on_train_end failed too: ValueError('c cannot end')"]

    ends.clear()
    with pytest.raises(RuntimeError, match="e fails") as caught:
        small.fit(*data, epochs=1, callbacks=[Failing(ends, "e", "epoch", "end"), Failing(ends, "f")])
    assert ends == ["e", "f"]
    assert caught.value.__notes__ == ["Failing.on_train_end failed too: ValueError('e cannot end')"]
    small.fit(*data, epochs=1)


def test_as_callbacks_keeps_the_order():
    first, second = bpx.LearningRateRecorder(), print
    made = list_callbacks([first, second])
    assert made[0] is first
    assert made[1].function is second
    assert list_callbacks(first) == [first]


def test_the_rates_of_epochs_or_of_steps_are_recorded(data, small):
    optimizer = bpx.Adam(bpx.StepDecay(0.8, every=4, factor=0.5, unit="steps"))
    epochs, steps = bpx.LearningRateRecorder(), bpx.LearningRateRecorder("step")
    for _ in range(2):  # the second call goes on where the first one ended
        small.fit(*data, epochs=2, batch_size=20, optimizer=optimizer, callbacks=[epochs, steps])
    assert epochs.rates == [0.2, 0.2]
    assert steps.rates == [0.4, 0.4, 0.2, 0.2, 0.2, 0.2]
    with pytest.raises(bpx.InputError, match="unknown every 'batch'"):
        bpx.LearningRateRecorder("batch")


def test_progress_is_printed_every_so_often_and_at_the_end(data, small, capsys):
    out = io.StringIO()
    small.fit(*data, epochs=5, callbacks=bpx.ProgressPrinter(every=2, file=out), metrics="accuracy")
    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 2/5", "epoch 4/5", "epoch 5/5"]
    assert ", accuracy 0." in lines[0]
    small.fit(*data, epochs=5, callbacks=[lambda run: run.stop("enough"), bpx.ProgressPrinter(every=4)])
    assert capsys.readouterr().err.splitlines()[0].startswith("epoch 1/5: loss ")


@pytest.mark.parametrize("path", [3, None, ""])
def test_a_checkpoint_needs_a_path(path):
    with pytest.raises(bpx.InputError, match="the path of a checkpoint's file must be a path"):
        bpx.Checkpoint(path)
