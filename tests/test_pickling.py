"""A network, a history, a trace and a backend are objects like any other: pickled, copied, hashed, sent to workers."""

from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import networks
import numpy as np
import pytest
from closeness import assert_same_bits
from networks import unregistered

import bpx
from bpx.backend import selection
from bpx.backend.numpy_backend import NumpyBackend

HOW = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest protocol": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
}
every_way = pytest.mark.parametrize("how", HOW.values(), ids=HOW)


def fit(net, epochs=3):
    x, y = networks.classes()
    return net.fit(x, y, epochs=epochs, batch_size=5, optimizer=bpx.SGD(0.05, 0.9), metrics=["accuracy"])


@every_way
@pytest.mark.parametrize("fitted", [False, True])
def test_a_copy_goes_on_training_with_the_same_bits(how, fitted, backend):
    net = networks.everything(backend)
    if fitted:
        fit(net)
    other = how(net)
    assert type(other) is bpx.Network
    assert other.backend == net.backend
    assert (other.layers, other.loss, other.dtype, other.seed) == (net.layers, net.loss, net.dtype, net.seed)
    assert_same_bits(networks.left_by_training(other), networks.left_by_training(net))
    before = networks.left_by_training(net)
    losses = fit(other).loss
    assert_same_bits(networks.left_by_training(net), before)
    assert fit(net).loss == losses
    assert_same_bits(networks.left_by_training(other), networks.left_by_training(net))
    assert other.training.step == net.training.step


@pytest.mark.parametrize("fitted", [False, True])
def test_a_copy_in_another_dtype_or_place(fitted):
    net = networks.everything("numpy", dtype="float32")
    if fitted:
        fit(net)
    double = net.copy(dtype="float64", backend="array-api-strict:device1")
    assert (double.dtype, double.backend.spec) == ("float64", "array-api-strict:device1")
    assert (net.dtype, net.backend.spec) == ("float32", "numpy")
    for mine, theirs in zip(networks.left_by_training(double), networks.left_by_training(net), strict=True):
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name].astype(np.float64))
    fit(double)


@every_way
def test_a_history_keeps_its_numbers(how):
    history = fit(networks.everything())
    other = how(history)
    assert other == history
    assert other.to_dict() == history.to_dict()


@every_way
@pytest.mark.parametrize("training", [False, True])
def test_a_trace_still_finds_its_chains(how, training, backend):
    x, y = networks.classes(6)
    net = networks.everything(backend)
    trace = bpx.explain(net, x, y, steps=2, training=training)
    other = how(trace)
    assert other.to_dict() == trace.to_dict()
    assert str(other) == str(trace)
    for key in ("5.weight[2,1]", "3.2.weight[0,1]"):
        expected, got = trace.chain(key, sample=1), other.chain(key, sample=1)
        assert got.to_dict() == expected.to_dict()


@every_way
def test_a_backend_stays_the_one_it_was(how, backend):
    place = bpx.get_backend(backend.spec)
    assert how(place) == place
    assert how(place).spec == place.spec


@every_way
def test_optimizers_and_schedules_are_kept(how):
    net = bpx.mlp([4, 3], seed=1)
    net.fit(*networks.classes(), epochs=2, optimizer=bpx.AdamW(bpx.CosineDecay(0.01, length=4, warmup=1)))
    other = how(net)
    assert other.training.optimizer == net.training.optimizer
    assert other.training.optimizer_step == net.training.optimizer_step == 2


def test_equal_networks_have_equal_hashes_and_trained_ones_others():
    joblib = pytest.importorskip("joblib")
    net = networks.everything()
    before = joblib.hash(net)
    assert joblib.hash(networks.everything()) == joblib.hash(copy.deepcopy(net)) == before
    net.predict(networks.classes()[0])
    assert joblib.hash(net) == before, "what was computed with it leaves no trace"
    fit(net)
    after = joblib.hash(net)
    assert after != before
    assert joblib.hash(pickle.loads(pickle.dumps(net))) == joblib.hash(copy.deepcopy(net)) == after
    assert joblib.hash(bpx.get_backend("numpy")) == joblib.hash(NumpyBackend())


@pytest.mark.parametrize("name", ["numpy", "array-api-strict", "torch", "jax", "mlx"])
def test_hashes_are_equal_on_every_backend_and_after_a_pickle(name):
    """However the backend was named: joblib tells one object that is met twice from two that are equal."""
    joblib = pytest.importorskip("joblib")
    if not {status.name: status.available for status in bpx.backends()}[name]:
        pytest.skip(f"{name} is not here")
    net, other = (networks.everything(spec, "float32") for spec in (name, bpx.get_backend(name).spec))
    assert joblib.hash(net) == joblib.hash(other) == joblib.hash(pickle.loads(pickle.dumps(net)))
    fit(net)
    assert joblib.hash(net) == joblib.hash(pickle.loads(pickle.dumps(net))) != joblib.hash(other)


def predictions_of(net):
    """Work of another process: train on, and say what came of it."""
    losses = fit(net).loss
    return losses, networks.left_by_training(net), net


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["numpy", "torch", "array-api-strict:device1"])
def test_a_spawned_process_takes_a_network_and_gives_it_back(spec):
    if spec == "torch":
        pytest.importorskip("torch")
    net = networks.everything(spec, dtype="float64")
    fit(net)
    context = multiprocessing.get_context("spawn")
    # A spawned process knows the folder of these tests by the path that it is handed.
    with concurrent.futures.ProcessPoolExecutor(1, context, _find_tests, (sys.path[:],)) as pool:
        losses, arrays, returned = pool.submit(_work, pickle.dumps(net)).result(timeout=120)
    assert fit(net).loss == losses
    assert_same_bits(networks.left_by_training(net), arrays)
    assert_same_bits(networks.left_by_training(pickle.loads(returned)), arrays)


def _find_tests(path):
    sys.path[:] = path


def _work(pickled):
    losses, arrays, net = predictions_of(pickle.loads(pickled))
    return losses, arrays, pickle.dumps(net)


@pytest.mark.slow
def test_a_loky_worker_takes_a_network_whose_classes_are_defined_in_a_script(tmp_path):
    """The classes of ``__main__`` go to the worker by value, and large arrays through a read-only memory map."""
    pytest.importorskip("joblib")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from dataclasses import dataclass
        import joblib, numpy as np, bpx

        @dataclass(frozen=True, repr=False)
        class Cube(bpx.Layer):
            def forward(self, xp, params, x, context=None):
                return x * x * x, x
            def backward(self, xp, params, cache, dy, *, input_gradient=True):
                return 3.0 * cache * cache * dy, {}

        @dataclass(frozen=True)
        class Quartic(bpx.Loss):
            def forward(self, xp, z, y, weight=None):
                return xp.sum((z - y) ** 4), z - y
            def backward(self, xp, cache):
                return 4.0 * cache ** 3

        def train(net, x, y):
            net.fit(x, y, epochs=2, batch_size=8, optimizer=bpx.SGD(1e-12, 0.9))
            return net

        if __name__ == "__main__":
            x = np.random.default_rng(0).normal(size=(40, 600))
            y = x[:, :1]
            layers = [bpx.Linear(600, 400), Cube(), bpx.Linear(400, 1)]
            net = bpx.Network(layers, loss=Quartic(), dtype="float64")
            net.fit(x, y, epochs=1, batch_size=8, optimizer=bpx.SGD(1e-12, 0.9))
            (other,) = joblib.Parallel(2, max_nbytes=1000)(joblib.delayed(train)(n, x, y) for n in [net])
            train(net, x, y)
            assert (other.params[0]["weight"] == net.params[0]["weight"]).all()
            assert isinstance(other.layers[1], Cube) and isinstance(other.loss, Quartic)
            print("same bits")
        """),
        "utf-8",
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=300)
    assert ran.stdout == "same bits\n", ran.stderr


def test_cloudpickle_takes_classes_of_a_function():
    cloudpickle = pytest.importorskip("cloudpickle")

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Twice(bpx.Layer):
        def forward(self, xp, params, x, context=None):
            return 2.0 * x, None

        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return 2.0 * dy, {}

    net = bpx.Network([bpx.Linear(4, 3), Twice()], loss="cross_entropy")
    fit(net)
    other = cloudpickle.loads(cloudpickle.dumps(net))
    assert fit(other).loss == fit(net).loss


# -- where the backend is not ------------------------------------------------------------------------------


@pytest.fixture
def away(monkeypatch):
    """Return a pickle of a network, made on a backend that is not there any more."""
    net = networks.everything("array-api-strict:device1")
    fit(net)
    pickled = pickle.dumps(net)
    trace = pickle.dumps(bpx.explain(net, *networks.classes(4)))
    create = selection.create

    def only_numpy(spec):
        if spec.startswith("array-api-strict"):
            raise bpx.BackendError(f"backend {spec!r} cannot be used: the library is gone")
        return create(spec)

    monkeypatch.setattr(selection, "create", only_numpy)
    monkeypatch.delenv("BPX_BACKEND", raising=False)
    return pickled, trace, networks.left_by_training(net)


def test_without_a_chosen_default_it_is_an_error_that_names_the_three_ways(away):
    for pickled in away[:2]:
        with pytest.raises(
            bpx.BackendError, match="pickled on array-api-strict:device1, .*the library is gone"
        ) as error:
            pickle.loads(pickled)
        for way in ("bpx.use_backend", "bpx.set_backend", "BPX_BACKEND"):
            assert way in str(error.value)


@pytest.mark.parametrize("way", ["use_backend", "set_backend", "BPX_BACKEND"])
def test_it_takes_the_default_that_was_chosen(way, away, monkeypatch):
    pickled, trace, arrays = away
    if way == "use_backend":
        with bpx.use_backend("numpy"):
            net, traced = pickle.loads(pickled), pickle.loads(trace)
    else:
        if way == "set_backend":
            monkeypatch.setattr(selection, "_of_process", bpx.get_backend("numpy"))
        else:
            monkeypatch.setenv("BPX_BACKEND", "numpy")
        net, traced = pickle.loads(pickled), pickle.loads(trace)
    assert net.backend.spec == "numpy"
    assert_same_bits(networks.left_by_training(net), arrays)
    fit(net)
    assert traced.chain("5.bias[0]").difference < 1e-12


def test_a_default_without_the_dtype_is_an_error(monkeypatch):
    pickled = pickle.dumps(networks.everything("array-api-strict:device1", dtype="float64"))
    create = selection.create

    def all_but_one(spec):
        if spec == "array-api-strict:device1":
            raise bpx.BackendError("the device is gone")
        return create(spec)

    monkeypatch.setattr(selection, "create", all_but_one)
    with bpx.use_backend("array-api-strict:no_float64"), pytest.raises(bpx.BackendError, match="float64"):
        pickle.loads(pickled)


def test_a_backend_without_the_dtype_is_one_that_cannot_be_used(monkeypatch):
    net = networks.everything("array-api-strict", dtype="float64")
    fit(net)
    pickled, arrays = pickle.dumps(net), networks.left_by_training(net)
    without = bpx.get_backend("array-api-strict:no_float64")
    create = selection.create
    monkeypatch.setattr(
        selection, "create", lambda spec: without if spec.startswith("array-api-strict") else create(spec)
    )
    monkeypatch.delenv("BPX_BACKEND", raising=False)
    with pytest.raises(bpx.BackendError, match=r"use_backend.*set_backend.*BPX_BACKEND"):
        pickle.loads(pickled)
    with bpx.use_backend("numpy"):
        again = pickle.loads(pickled)
    assert again.backend.spec == "numpy"
    assert_same_bits(networks.left_by_training(again), arrays)


def test_a_chosen_default_that_does_not_work_is_said_beside_the_backend_of_the_pickle(away, monkeypatch):
    monkeypatch.setenv("BPX_BACKEND", "nunpy")
    with pytest.raises(bpx.BackendError, match=r"array-api-strict:device1.*nor can the default .*'nunpy'.*use_backend"):
        pickle.loads(away[0])


# -- bad input ---------------------------------------------------------------------------------------------


def test_another_version_is_one_clear_error_that_names_the_class(monkeypatch):
    net = networks.everything()
    fit(net)
    monkeypatch.setattr("bpx.naming.__version__", "99.0")
    pickled = pickle.dumps(net)
    monkeypatch.undo()
    with pytest.raises(bpx.InputError, match=r"this Network was pickled by bpx 99.0, and this is bpx .*bpx.load"):
        pickle.loads(pickled)


def test_histories_and_traces_say_of_themselves_that_they_are_of_another_version(monkeypatch):
    net = networks.everything()
    made = [fit(net), bpx.explain(net, *networks.classes(4))]
    monkeypatch.setattr("bpx.naming.__version__", "99.0")
    pickled = [pickle.dumps(value) for value in made]
    monkeypatch.undo()
    for value, data in zip(made, pickled, strict=True):
        with pytest.raises(bpx.InputError, match=f"this {type(value).__name__} was pickled by bpx 99.0"):
            pickle.loads(data)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('planted')", "RuntimeError: planted"),
        ("Own = 3", "is no class here: 3"),
        ("(", "SyntaxError"),
    ],
)
def test_a_module_that_has_gone_bad_is_one_clear_error(code, said, tmp_path, monkeypatch):
    module = tmp_path / "gone_bad_module.py"
    module.write_text("import bpx\nclass Own(bpx.Tanh):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    pickled = pickle.dumps(__import__("gone_bad_module").Own())
    monkeypatch.delitem(sys.modules, "gone_bad_module")
    module.write_text(code + "  # longer than before, so that it is compiled again\n")
    with pytest.raises(bpx.InputError, match="needs the class gone_bad_module.Own") as error:
        pickle.loads(pickled)
    assert said in str(error.value)


@pytest.mark.parametrize("what", ["layer", "loss", "optimizer", "network"])
def test_a_class_that_cannot_be_imported_is_one_clear_error_that_names_it(what, tmp_path, monkeypatch):
    code = """
        from dataclasses import dataclass
        import bpx

        class Straight(bpx.Tanh):
            pass

        @dataclass(frozen=True)
        class Own(bpx.SquaredError):
            pass

        @dataclass(frozen=True)
        class Slow(bpx.SGD):
            pass

        class Named(bpx.Network):
            pass
    """
    (tmp_path / "gone_tomorrow.py").write_text(textwrap.dedent(code), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import gone_tomorrow

    layers = [bpx.Linear(4, 2), gone_tomorrow.Straight() if what == "layer" else bpx.Tanh()]
    loss = gone_tomorrow.Own() if what == "loss" else "squared_error"
    net = (gone_tomorrow.Named if what == "network" else bpx.Network)(layers, loss)
    net.fit(*networks.numbers(), epochs=1, optimizer=gone_tomorrow.Slow(0.1) if what == "optimizer" else "adam")
    pickled = pickle.dumps(net)
    assert pickle.loads(pickled).loss == net.loss
    monkeypatch.delitem(sys.modules, "gone_tomorrow")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    name = {"layer": "Straight", "loss": "Own", "optimizer": "Slow", "network": "Named"}[what]
    with pytest.raises(bpx.InputError, match=rf"needs the class gone_tomorrow.{name}, which cannot be imported here"):
        pickle.loads(pickled)


def test_no_file_of_bpx_holds_a_pickle(tmp_path):
    import pickletools

    net = networks.everything()
    net.fit(*networks.classes(), epochs=2, batch_size=5, checkpoint=tmp_path / "run")
    net.save(tmp_path / "net.safetensors")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        with pytest.raises(ValueError):
            list(pickletools.genops(path.read_bytes()))


def test_what_is_fixed_says_so_when_it_is_assigned():
    net = networks.everything()
    fit(net)
    for name, value in (("layers", net.layers), ("loss", bpx.Huber()), ("dtype", "float32"), ("n_keys", 0)):
        with pytest.raises(bpx.InputError, match=f"{name} is fixed when a network is made.*bpx.Network"):
            setattr(net, name, value)
        with pytest.raises(AttributeError):
            setattr(net, name, value)
    with pytest.raises(AttributeError, match=r"backend is fixed .*; net.to\(...\) moves the network"):
        net.backend = bpx.get_backend("numpy")
    assert net.loss == bpx.CrossEntropy()
    net.label = "mine"
    assert copy.deepcopy(net).label == "mine"


def test_a_fixed_attribute_is_not_deleted_either():
    net = bpx.mlp([2, 1], loss="squared_error", seed=0)
    for name in ("layers", "loss", "dtype", "backend"):
        with pytest.raises(bpx.InputError, match=f"{name} is fixed when a network is made"):
            delattr(net, name)
    net.note = "mine"
    del net.note
    assert not hasattr(net, "note")


@pytest.mark.parametrize("dtype", ["float16", "int32", np.float64, "double"])
def test_a_copy_is_of_a_dtype_that_networks_have(dtype):
    with pytest.raises(bpx.InputError, match="dtype"):
        bpx.mlp([2, 1], loss="squared_error").copy(dtype=dtype)
