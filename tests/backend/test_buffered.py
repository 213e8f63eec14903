"""Recordings that belong to a network, rehearsed on NumPy; what real ones do is shown by a GPU alone."""

import gc
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from rehearsed import OPTIMIZERS, assert_agree, make_network

import bpx
from bpx.backend import buffered, recording
from bpx.backend.captured import CapturingBackend
from bpx.backend.numpy_backend import NumpyBackend
from bpx.core import model

N = 70
X = np.random.default_rng(0).standard_normal((N, 5))
Y = np.random.default_rng(1).integers(3, size=N)


class Rehearsal(CapturingBackend, NumpyBackend):
    """NumPy with recordings that are calls; counts them, and like a graph gets no arguments and no Python values."""

    def __init__(self, refuses=False):
        super().__init__()
        self.refuses = refuses
        self.captured = self.launched = 0

    def capture(self, step):
        if self.refuses:
            raise recording.CaptureError("a step that waits for the device")
        self.captured += 1

        def launch():
            self.launched += 1
            step()

        return launch


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 1.5, N)], ids=["", "weights"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [None, 16], ids=["whole set", "batches"])
def test_a_training_by_recordings_is_the_plain_training_to_the_bit(batch_size, name, dtype, weights):
    place = Rehearsal()
    made, plain = make_network(place, dtype, dropout=0.25), make_network("numpy", dtype, dropout=0.25)
    options = {"epochs": 30, "batch_size": batch_size, "optimizer": OPTIMIZERS[name], "sample_weight": weights}
    for shift in (0.0, 1.0, 2.0):
        assert made.fit(X + shift, Y, **options).loss == plain.fit(X + shift, Y, **options).loss
    assert_agree(made, plain)
    kinds = 1 if batch_size is None else 2
    assert place.captured == kinds, "recorded once, and not for other data again"
    steps = 3 * 30 * (1 if batch_size is None else 5)
    assert place.launched >= steps - kinds * (buffered.PLAIN_STEPS + 1)


@pytest.mark.parametrize("shuffle, taken", [(False, 0), (True, 2)])
def test_rows_that_follow_each_other_are_not_taken_one_by_one(shuffle, taken):
    place, options = Rehearsal(), {"batch_size": 16, "shuffle": shuffle}
    made, plain = make_network(place), make_network("numpy")
    for net in (made, plain):
        net.fit(X, Y, epochs=20, **options)
    assert_agree(made, plain)
    sizes, take = [], place.xp.take

    def note(x, indices, /, *, axis):
        sizes.append(np.size(indices))
        return take(x, indices, axis=axis)

    place.xp = SimpleNamespace(**{**vars(place.xp), "take": note})
    for recording_ in (r for p in made._programs.values() for r in getattr(p, "_recordings", {}).values()):
        recording_._launch = lambda: None  # what it takes is not counted
    made.fit(X, Y, epochs=1, **options)
    assert len([size for size in sizes if size > 1]) == 2 * taken, "x and y of the full batches, and of the last"


def test_no_step_of_a_later_fit_is_made_plainly():
    place = Rehearsal()
    net = make_network(place)
    net.fit(X, Y, epochs=40, batch_size=16)
    launched = place.launched
    net.fit(X + 1.0, Y[::-1], epochs=3, batch_size=16)
    assert place.launched - launched == 3 * 5


def test_many_fits_of_one_batch_each_are_one_recording():
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    draw = np.random.default_rng(2)
    for _ in range(50):
        x, y = draw.standard_normal((16, 5)), draw.integers(3, size=16)
        for net in (made, plain):
            net.fit(x, y, epochs=1, batch_size=None)
    assert_agree(made, plain)
    assert place.captured == 1
    assert place.launched == 50 - buffered.PLAIN_STEPS - 1


def test_another_learning_rate_needs_no_other_recording():
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    for rate in (0.1, 0.01, 0.1):
        for net in (made, plain):
            net.fit(X, Y, epochs=20, optimizer=bpx.SGD(rate))
    assert_agree(made, plain)
    assert place.captured == 1


CHANGES = {
    "reset": lambda net: net.reset(),
    "params": lambda net: setattr(net, "params", [{n: a + 0.5 for n, a in part.items()} for part in net.params]),
    "load_state_dict": lambda net: net.load_state_dict({n: a + 0.5 for n, a in net.state_dict().items()}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_arrays_that_are_replaced_are_recorded_anew(change):
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    for net in (made, plain):
        net.fit(X, Y, epochs=30)
        for _ in range(4):
            net.predict(X)
        CHANGES[change](net)
        net.fit(X, Y, epochs=30)
    assert_agree(made, plain)
    np.testing.assert_array_equal(made.predict(X), plain.predict(X))
    assert place.captured == 3, "two trainings and a prediction"


@pytest.mark.parametrize("limit", [1, 16 * 8 * 8 * 3])
def test_batches_beyond_the_memory_of_the_buffers(limit, monkeypatch):
    monkeypatch.setattr(buffered, "BATCHES_BYTES", limit)
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    options = {"epochs": 20, "batch_size": 16, "optimizer": OPTIMIZERS["schedule"]}
    assert made.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    assert_agree(made, plain)
    assert place.launched > 50
    batch = 16 * (5 + 3) * 8
    assert made.memory()["recordings"] < 2 * (max(limit, batch) + 24 * 1024)


def test_a_whole_set_too_large_to_copy_is_recorded_where_it_lies(monkeypatch):
    monkeypatch.setattr(buffered, "WHOLE_SET_BYTES", 100)
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    for net in (made, plain):
        net.fit(X, Y, epochs=60)
        net.fit(X + 1.0, Y, epochs=60)
    assert_agree(made, plain)
    assert place.captured == 2
    assert 0 < made.memory()["recordings"] < 30 * 1024
    made.release()
    assert made.memory()["recordings"] == 0


def test_more_steps_than_the_buffers_hold(monkeypatch):
    monkeypatch.setattr(buffered, "BUFFERED_STEPS", 7)
    made, plain = make_network(Rehearsal()), make_network("numpy")
    options = {"epochs": 20, "batch_size": 6, "optimizer": "adam"}
    assert made.fit(X, Y, **options).loss == plain.fit(X, Y, **options).loss
    assert_agree(made, plain)


def test_shapes_and_programs_whose_recordings_are_kept_are_few():
    place = Rehearsal()
    net = make_network(place)
    for rows in range(10, 10 + 2 * buffered.MOST_RECORDINGS):
        net.fit(X[:rows], Y[:rows], epochs=20, optimizer="sgd")
    (loop,) = (program for program in net._programs.values() if isinstance(program, buffered.BufferedLoop))
    assert len(loop._recordings) == buffered.MOST_RECORDINGS
    held = []
    for limit in range(1, 3 * model.LASTING_PROGRAMS):
        net.fit(X, Y, epochs=20, optimizer="sgd", clip=bpx.ClipValue(float(limit)))
        held.append(net.memory()["recordings"])
    assert held[-1] <= held[model.LASTING_PROGRAMS]
    assert sum(1 for program in net._programs.values() if getattr(program, "nbytes", 0)) == model.LASTING_PROGRAMS


def test_what_cannot_be_recorded_is_tried_again_in_the_next_fit():
    place = Rehearsal(refuses=True)
    made, plain = make_network(place), make_network("numpy")
    with pytest.warns(RuntimeWarning, match="training step cannot be recorded on numpy .* a step that waits") as said:
        made.fit(X, Y, epochs=60)
    assert len(said) == 1
    place.refuses = False
    made.fit(X, Y, epochs=60)
    assert place.captured == 1
    plain.fit(X, Y, epochs=120)
    assert_agree(made, plain)


class Forgetful(Rehearsal):
    """Like a graph, its launches hold no array of the step, and count the memory that they work in."""

    def capture(self, step):
        self.captured += 1

        def launch():
            pass

        launch.nbytes = 1000
        return launch


def test_recordings_keep_neither_data_nor_weights_alive_and_go_with_them():
    net, x = make_network(Forgetful()), X.copy()
    data, weight = weakref.ref(x), weakref.ref(net.params[0]["weight"])
    net.fit(x, Y, epochs=30, optimizer="sgd")
    assert net.memory()["recordings"] > 1000
    del x
    gc.collect()
    assert data() is None
    net.reset()
    gc.collect()
    assert weight() is None
    assert net.memory()["recordings"] == 0


def test_recordings_go_with_themake_network():
    place = Rehearsal()
    net = make_network(place)
    net.fit(X, Y, epochs=30)
    (loop,) = (weakref.ref(p) for p in net._programs.values() if isinstance(p, buffered.BufferedLoop))
    del net
    gc.collect()
    assert loop() is None


def test_predictions_are_recorded_and_are_the_callers_own():
    place = Rehearsal()
    made, plain = make_network(place), make_network("numpy")
    given = []
    for shift in range(6):
        given.append(made.predict(X + shift))
        assert made.evaluate(X + shift, Y) == plain.evaluate(X + shift, Y)
    assert place.captured == 2, "predictions and outputs"
    assert place.launched == 2 * (6 - buffered.PLAIN_CALLS)
    for shift, got in enumerate(given):
        np.testing.assert_array_equal(got, plain.predict(X + shift))
    made.predict(X[:3])
    assert place.captured == 2, "other rows, other recording, after some calls"
    made.release()
    assert made.memory()["recordings"] == 0


def test_the_next_result_is_not_written_over_the_last():
    """The result of a graph lies in the same memory each time."""
    memory = np.empty(3)
    call = buffered.BufferedCall(Rehearsal(), lambda params, state, x: np.multiply(params, x, out=memory))
    weight = np.asarray(2.0)
    results = [call(weight, None, np.full(3, float(i))) for i in range(buffered.PLAIN_CALLS, 6)]
    results = results[buffered.PLAIN_CALLS :]
    assert [float(result[0]) for result in results] == [8.0, 10.0]


def test_a_prediction_that_cannot_be_recorded_is_made_and_says_so():
    net = make_network(Rehearsal(refuses=True))
    expected = make_network("numpy").predict(X)
    for _ in range(buffered.PLAIN_CALLS):
        net.predict(X)
    with pytest.warns(RuntimeWarning, match="the prediction cannot be recorded on numpy"):
        np.testing.assert_array_equal(net.predict(X), expected)
    np.testing.assert_array_equal(net.predict(X), expected)


def test_predictions_with_more_rows_than_the_buffers_take_are_not_recorded(monkeypatch):
    monkeypatch.setattr(buffered, "CALL_BYTES", 1000)
    place = Rehearsal()
    net = make_network(place)
    for _ in range(5):
        net.predict(X)
    assert place.captured == 0


def test_threads_that_predict_at_once_get_their_own_results():
    place = Rehearsal()
    net = make_network(place)
    inputs = [X + shift for shift in range(4)]
    expected = [net.copy(backend="numpy").predict(x) for x in inputs]
    wrong = []

    def work(i):
        for _ in range(200):
            if not np.array_equal(net.predict(inputs[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert place.launched


@pytest.mark.parametrize("batch_size", [None, 16], ids=["whole set", "batches"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_recordings_read_pytorchs_tensors_too(name, batch_size, torch):
    """Rehearsed on the processor: every function that the buffers need of PyTorch, and the same bits."""
    from bpx.backend.torch_backend import TorchBackend

    class OnTensors(TorchBackend):
        def __init__(self):
            super().__init__()
            self.captures, self.captured = True, 0

        def capture(self, step):
            self.captured += 1
            return step

    place = OnTensors()
    made, plain = make_network(place, dropout=0.25), make_network("torch", dropout=0.25)
    options = {"epochs": 20, "batch_size": batch_size, "optimizer": OPTIMIZERS[name], "shuffle": False}
    for shift in (0.0, 1.0):
        assert made.fit(X + shift, Y, **options).loss == plain.fit(X + shift, Y, **options).loss
    for mine, theirs in zip(made.params + made.state, plain.params + plain.state, strict=True):
        for key in theirs:
            assert torch.equal(mine[key], theirs[key])
    assert place.captured == (1 if batch_size is None else 2)
    assert made.memory()["recordings"]
    for _ in range(5):
        assert (made.predict(X) == plain.predict(X)).all()
    assert place.captured == (2 if batch_size is None else 3)
