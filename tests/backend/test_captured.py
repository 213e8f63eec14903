"""Recorded steps, rehearsed on NumPy: what a CUDA graph would do again is done again by calling the same step."""

import gc
import warnings
import weakref

import numpy as np
import pytest
from rehearsed import OPTIMIZERS, assert_agree, make_network

import bpx
from bpx import display
from bpx.backend import captured
from bpx.backend.captured import CapturingBackend
from bpx.backend.numpy_backend import NumpyBackend
from bpx.backend.recording import CaptureError


class Rehearsal(CapturingBackend, NumpyBackend):
    """NumPy with recordings that are calls; counts them, and like a graph gets no arguments and no Python values."""

    def __init__(self, refuses=False):
        super().__init__()
        self.refuses = refuses
        self.captured = self.launched = 0

    repeats = False  # recordings of arrays as they lie, as of data too large to be copied

    def capture(self, step):
        if self.refuses:
            raise CaptureError("a step that waits for the device")
        self.captured += 1

        def launch():
            self.launched += 1
            step()

        return launch


X = np.random.default_rng(0).standard_normal((70, 5))
Y = np.random.default_rng(1).integers(3, size=70)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [None, 16], ids=["whole set", "batches"])
def test_a_training_by_recordings_is_the_plain_training_to_the_bit(batch_size, name, dtype):
    place = Rehearsal()
    made, plain = make_network(place, dtype, dropout=0.25), make_network("numpy", dtype, dropout=0.25)
    options = {"epochs": 60, "batch_size": batch_size, "optimizer": OPTIMIZERS[name]}
    assert made.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    assert_agree(made, plain)
    assert place.launched > 30


def test_more_steps_than_the_buffers_hold(monkeypatch):
    monkeypatch.setattr(captured, "BUFFERED_STEPS", 7)
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    options = {"epochs": 20, "batch_size": 6, "optimizer": "adam"}
    assert made.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    assert_agree(made, plain)


def test_the_last_smaller_batch_has_a_recording_of_its_own_and_each_is_made_once():
    place = Rehearsal()
    make_network(place).fit(X, Y, epochs=40, batch_size=16, optimizer="adam")  # 4 batches of 16 and one of 6
    assert place.captured == 2
    # 40 epochs of 5 steps; of each kind, at most 8 steps are plain, and one more goes before the recording
    assert place.launched >= 40 * 5 - 2 * (captured.PLAIN_STEPS + 1)


def test_few_steps_are_not_recorded():
    place = Rehearsal()
    make_network(place).fit(X, Y, epochs=captured.PLAIN_STEPS, optimizer="sgd")
    assert place.captured == 0


def test_a_recording_goes_on_in_the_next_fit_on_the_same_arrays():
    place, y = Rehearsal(), np.linspace(0.0, 1.0, 210).reshape(70, 3)  # integer classes are copied by each fit
    net, plain = (bpx.mlp([5, 8, 3], loss="squared_error", dtype="float64", backend=b) for b in (place, "numpy"))
    for _ in range(2):
        net.fit(X, y, epochs=30, optimizer="adam")
        assert place.captured == 1
    plain.fit(X, y, epochs=60, optimizer="adam")
    assert_agree(net, plain)


def test_the_next_fit_on_other_arrays_goes_on_too():
    place = Rehearsal()
    net = make_network(place)
    for _ in range(2):
        net.fit(X.copy(), Y, epochs=30, optimizer="adam")
    assert place.captured == 2
    plain = make_network("numpy")
    plain.fit(X, Y, epochs=60, optimizer="adam")
    assert_agree(net, plain)


def test_other_weights_and_other_data_are_recorded_anew():
    place = Rehearsal()
    net = make_network(place)
    net.fit(X, Y, epochs=30, optimizer="adam")
    net.params = [{name: array + 0.5 for name, array in part.items()} for part in net.params]
    net.fit(X, Y, epochs=30, optimizer="adam")
    net.fit(X + 1.0, Y, epochs=30, optimizer="adam")
    assert place.captured == 3
    plain = make_network("numpy")
    plain.fit(X, Y, epochs=30, optimizer="adam")
    plain.params = [{name: array + 0.5 for name, array in part.items()} for part in plain.params]
    plain.fit(X, Y, epochs=30, optimizer="adam")
    plain.fit(X + 1.0, Y, epochs=30, optimizer="adam")
    assert_agree(net, plain)


def test_another_learning_rate_is_recorded_anew():
    place = Rehearsal()
    net, plain = make_network(place), make_network("numpy")
    for rate in (0.1, 0.01, 0.1):
        for each in (net, plain):
            each.fit(X, Y, epochs=20, optimizer=bpx.SGD(rate))
    assert_agree(net, plain)


class Forgetful(Rehearsal):
    """Like a graph, its launches hold no array of the step."""

    def capture(self, step):
        self.captured += 1
        return lambda: None


def test_a_recording_keeps_neither_data_nor_weights_alive():
    net, x, y = make_network(Forgetful()), X.copy(), Y.copy()
    data, weight = weakref.ref(x), weakref.ref(net.params[0]["weight"])
    net.fit(x, y, epochs=30, optimizer="sgd")
    del x
    gc.collect()
    assert data() is None
    net.reset()
    gc.collect()
    assert weight() is None


def test_what_cannot_be_recorded_runs_call_by_call_says_so_each_time_and_is_tried_again():
    place = Rehearsal(refuses=True)
    net, plain = make_network(place), make_network("numpy")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")  # as in a user's program: what has the same text is shown once
        for fit in range(3):
            place.refuses = fit < 2
            net.fit(X, Y, epochs=30, optimizer="adam")
    said = [str(warning.message) for warning in seen]
    assert len(said) == 2, "once in each fit that was refused"
    for text in said:
        assert "training step cannot be recorded on numpy and runs call by call: a step that waits" in text
    assert place.captured == 1, "the third fit's"
    plain.fit(X, Y, epochs=90, optimizer="adam")
    assert_agree(net, plain)


def test_the_garbage_collector_does_not_run_while_a_step_is_recorded():
    class Watched(Rehearsal):
        def capture(self, step):
            self.collects = gc.isenabled()
            return super().capture(step)

    place = Watched()
    make_network(place).fit(X, Y, epochs=30)
    assert place.captured
    assert not place.collects
    assert gc.isenabled()


def test_recordings_are_counted_and_released(monkeypatch):
    net = make_network(Rehearsal())
    assert net.memory()["recordings"] == 0
    net.fit(X, Y, epochs=30, optimizer="adam")
    held = net.memory()["recordings"]
    assert held >= 8 * (captured.BUFFERED_STEPS * 5 + 1), "numbers of Adam, losses and counter"
    monkeypatch.setattr(display, "WORTH_SAYING", held)
    assert f"recordings hold {held:,} bytes" in net.summary()
    net.release()
    assert net.memory()["recordings"] == 0
    assert "recordings" not in net.summary()
    plain = make_network("numpy")
    net.fit(X, Y, epochs=30, optimizer="adam")
    plain.fit(X, Y, epochs=60, optimizer="adam")
    assert_agree(net, plain)


def test_recordings_are_not_released_in_the_middle_of_a_training():
    net = make_network(Rehearsal())
    with pytest.raises(bpx.BusyError, match="recordings cannot be released: this network is in the middle"):
        net.fit(X, Y, epochs=30, callbacks=[lambda run: net.release()])


def test_a_divergence_is_reported_as_where_nothing_is_recorded():
    messages = []
    for place in (Rehearsal(), "numpy"):
        net = bpx.mlp([5, 3], loss="squared_error", dtype="float64", backend=place)
        with pytest.raises(bpx.DivergenceError) as error:
            net.fit(X, np.ones((70, 3)), epochs=100, optimizer=bpx.SGD(1e4))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "in epoch 3" in messages[0] or "in epoch 4" in messages[0]


def test_penalties_and_clipping_run_in_recordings():
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    options = {
        "epochs": 40, "optimizer": "adam", "penalties": [bpx.L2(0.01), bpx.L1(0.001)], "clip": bpx.ClipNorm(1.0),
        "sample_weight": np.linspace(0.5, 1.5, 70),
    }  # fmt: skip
    assert made.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    assert_agree(made, plain)
    assert place.launched


def _recordings(net):
    """Return what the loops of a network have recorded, and whether one could not be."""
    loops = [program for program in net._programs.values() if hasattr(program, "_recordings")]
    return [r for loop in loops for r in loop._recordings.values()], any(loop._refused for loop in loops)


@pytest.mark.parametrize("batch_size", [None, 16], ids=["whole set", "batches"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_forty_epochs_agree_with_numpy_on_every_backend(name, batch_size, backend):
    """Where the library records steps, this runs by recordings: the only test of real ones."""
    made, plain = (make_network(place, backend.dtype, dropout=0.25) for place in (backend.backend, "numpy"))
    options = {
        "epochs": 40, "batch_size": batch_size, "optimizer": OPTIMIZERS[name], "penalties": bpx.L2(0.01),
        "clip": bpx.ClipNorm(5.0),
    }  # fmt: skip
    losses = made.fit(X, Y, **options).loss
    np.testing.assert_allclose(losses, plain.fit(X, Y, **options).loss, rtol=backend.either(1e-9, 2e-3))
    if getattr(backend.backend, "captures", False):
        recordings, refused = _recordings(made)
        assert recordings
        assert not refused
