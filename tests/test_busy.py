"""A network has one training at a time; what else may be done with it meanwhile, and from where."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.errors import BusyError

X, Y = networks.classes(60)
OPTIONS = {"epochs": 2, "batch_size": 20, "optimizer": bpx.SGD(0.1)}


def new(backend=None, dtype="float32"):
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype=dtype, backend=backend)


def train_and_meanwhile(net, action):
    """Train; call a function in another thread while the training waits in a callback; return what it raised."""
    raised = []

    def call():
        try:
            action()
        except bpx.BpxError as error:
            raised.append(error)

    def wait_for_it(run):
        if run.epoch == 1:
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()

    history = net.fit(X, Y, callbacks=wait_for_it, **OPTIONS)
    assert len(history) == 2
    return raised[0] if raised else None


def as_trained(**options):
    net = new(**options)
    net.fit(X, Y, callbacks=lambda run: None, **OPTIONS)
    return networks.left_by_training(net)


def assign_params(net):
    net.params = new().params


def assign_state(net):
    net.state = [{}, {}, {}]


CHANGES = {
    "fit": lambda net: net.fit(X, Y, epochs=1),
    "fit on batches": lambda net: net.fit([(X, Y)], epochs=1, prefetch=False),
    "lbfgs": lambda net: net.fit(X, Y, epochs=1, optimizer="lbfgs"),
    "reset": lambda net: net.reset(),
    "to": lambda net: net.to("array-api-strict"),
    "explain": lambda net: bpx.explain(net, X, Y, in_place=True),
}
ASSIGNMENTS = {
    "params": assign_params,
    "state": assign_state,
    "load_state_dict": lambda net: net.load_state_dict(new().state_dict()),
}
READS = {
    "predict": lambda net: net.predict(X),
    "evaluate": lambda net: net.evaluate(X, Y),
    "gradients": lambda net: net.gradients(X, Y),
    "explain": lambda net: bpx.explain(net, X, Y),
    "copy": lambda net: net.copy(),
    "pickle": lambda net: pickle.dumps(net),
    "state_dict": lambda net: net.state_dict(),
    "params": lambda net: [bpx.to_numpy(a) for part in net.params for a in part.values()],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_second_training_is_refused_from_another_thread_and_from_a_callback(change):
    net = new()
    error = train_and_meanwhile(net, lambda: change(net))
    assert isinstance(error, BusyError)
    assert "this network is being trained in another thread; wait until that has ended" in str(error)
    assert_same_bits(networks.left_by_training(net), as_trained())

    seen = []

    def nested(run):
        with pytest.raises(BusyError, match=r"in the middle of a training, and the call comes from inside .*net.copy"):
            change(run.net)
        seen.append(1)

    net = new()
    net.fit(X, Y, callbacks=nested, **OPTIONS)
    assert seen == [1, 1]
    assert_same_bits(networks.left_by_training(net), as_trained())


@pytest.mark.parametrize("assign", ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_weights_are_assigned_by_the_training_s_own_thread_alone(assign):
    """From another thread they would be lost at the end of the steps under way."""
    net = new()
    error = train_and_meanwhile(net, lambda: assign(net))
    assert isinstance(error, BusyError)
    assert "cannot be assigned: this network is being trained in another thread" in str(error)
    assert_same_bits(networks.left_by_training(net), as_trained())
    new().fit(X, Y, callbacks=lambda run: assign(run.net), **OPTIONS)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_weights_are_read_in_another_thread_or_refused(read, backend):
    net = new(backend.spec)
    error = train_and_meanwhile(net, lambda: read(net))
    if backend.backend.donates:
        assert isinstance(error, BusyError)
        assert (
            f"on {backend.backend.name} weights cannot be read or computed with: this network is being trained"
            in str(error)
        )
    else:
        assert error is None
    new(backend.spec).fit(X, Y, callbacks=lambda run: read(run.net), **OPTIONS)
    read(net)


def test_predictions_beside_many_trainings_are_right_or_refused(backend):
    """In the middle of steps, between two trainings, and at their very beginnings and ends."""
    net, stop, errors, made = new(backend.spec), threading.Event(), [], []
    rows = np.tile(X, (300, 1)).astype(np.float32)  # of several pieces

    def predict():
        while not stop.is_set():
            try:
                made.append(np.isfinite(net.predict(rows if len(made) % 2 else X)).all())
            except BusyError:
                pass
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            net.fit(X, Y, **OPTIONS)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert all(made)


@pytest.mark.parametrize("ended", [True, False])
def test_on_jax_weights_that_are_taken_away_in_the_last_moment(ended, jax):
    """A training that begins when the weights were read and not used yet, and has ended, or not, when they are."""
    net, begun, finish = new("jax"), threading.Event(), threading.Event()
    net.predict(X)
    program = net._programs["outputs"]

    def stop_in_the_middle(run):
        begun.set()
        assert finish.wait(20.0)

    thread = threading.Thread(target=net.fit, args=(X, Y), kwargs={**OPTIONS, "callbacks": stop_in_the_middle})

    def train_first(*arguments):
        if not begun.is_set():
            thread.start()
            assert begun.wait(20.0)
            if ended:
                finish.set()
                thread.join()
        return program(*arguments)

    net._programs["outputs"] = train_first
    try:
        if ended:
            np.testing.assert_array_equal(net.predict(X), net.predict(X))
        else:
            with pytest.raises(BusyError, match="being trained in another thread"):
                net.predict(X)
    finally:
        finish.set()
        thread.join()


def test_of_several_trainings_that_begin_at_once_one_is_made():
    net, ready, outcomes = new(), threading.Barrier(4), []

    def train():
        ready.wait()
        try:
            net.fit(X, Y, epochs=40, batch_size=5)
            outcomes.append("trained")
        except BusyError:
            outcomes.append("refused")

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert net.training.epoch == 40 * outcomes.count("trained")
    net.fit(X, Y, epochs=1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_network_can_be_trained_again(error, tmp_path):
    def fail(run):
        raise error

    net = new()
    with pytest.raises(error):
        net.fit(X, Y, callbacks=fail, **OPTIONS)
    with pytest.raises(bpx.InputError):
        net.fit(X, Y[:-1], epochs=1)
    with pytest.raises(bpx.InputError):
        net.fit(X, Y, epochs=1, resume=tmp_path)
    with pytest.raises(bpx.InputError):
        bpx.explain(net, X, Y, optimizer="lbfgs", in_place=True)
    with pytest.raises(bpx.Interrupted):
        net.fit(X, Y, callbacks=lambda run: os.kill(os.getpid(), signal.SIGINT), **OPTIONS)
    assert len(net.fit(X, Y, **OPTIONS)) == 2


@pytest.mark.parametrize("how", [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_that_a_callback_makes_is_free(how):
    copies = []

    def take(run):
        other = how(run.net)
        other.fit(X, Y, epochs=1)
        copies.append(other)

    net = new()
    net.fit(X, Y, callbacks=take, **OPTIONS)
    for other in copies:
        assert len(other.fit(X, Y, epochs=1)) == 1
    assert "occupancy" not in net.__getstate__()


def test_networks_train_side_by_side():
    nets = [new() for _ in range(3)]
    threads = [threading.Thread(target=net.fit, args=(X, Y), kwargs=OPTIONS) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for net in nets:
        assert_same_bits(networks.left_by_training(net), as_trained())


def test_batches_chosen_by_the_network_itself_on_jax(jax):
    """The thread that reads them must not compute with its weights; where fit was called that can be done."""
    net = new("jax")

    def hardest():
        order = np.argsort(np.max(np.asarray(net.predict(X)), axis=1))
        yield X[order[:20]], Y[order[:20]]

    with pytest.warns(UserWarning, match="BusyError.*prefetch=False"):
        net.fit(hardest, epochs=2)
    assert len(net.fit(hardest, epochs=2, prefetch=False)) == 2


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_estimator_s_network_has_one_training_too(solver):
    sklearn = pytest.importorskip("bpx.sklearn")
    from sklearn.exceptions import ConvergenceWarning

    raised = []

    def nested(run):
        with pytest.raises(BusyError, match="comes from inside"):
            run.net.fit(X, Y, epochs=1)
        raised.append(1)

    estimator = sklearn.MLPClassifier(
        (3,), solver=solver, max_iter=5, random_state=0, warm_start=True, callbacks=nested, tol=1e-9
    )
    with pytest.warns(ConvergenceWarning):
        estimator.fit(X, Y)
    assert raised
    if solver == "adam":

        def again(run):
            with pytest.raises(BusyError, match="comes from inside"):
                estimator.partial_fit(X, Y)
            raised.append(2)

        estimator.set_params(callbacks=again).partial_fit(X, Y)
        assert raised[-1] == 2
        estimator.set_params(callbacks=None).partial_fit(X, Y)
