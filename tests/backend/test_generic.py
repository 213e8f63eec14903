"""Libraries of which bpx knows nothing: what it finds out about them, and what it refuses, with the reason."""

import copy
import importlib.metadata
import importlib.util
import pickle
import sys
import types
from pathlib import Path

import array_api_strict
import numpy as np
import pytest

import bpx
from bpx.backend import generic, registry
from bpx.backend.transfer import backend_of

SOURCE = Path(__file__).parents[1] / "invented_arrays.py"

X = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5]], dtype=np.float32)).astype(np.float32)


@pytest.fixture
def library(monkeypatch):
    """Return a fresh copy of the invented library under a name of its own, for a test to change."""
    name = "another_library"
    spec = importlib.util.spec_from_file_location(name, SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    module.__spec__ = spec
    yield module
    _forget()


def _forget():
    registry.forget_found()


def _train(backend, *, optimizer="adam", x=X, y=Y, **options):
    net = bpx.mlp([3, 4, 1], activation="tanh", loss="squared_error", seed=5, backend=backend, **options)
    net.fit(x, y, epochs=6, batch_size=10, optimizer=optimizer)
    return net


def _agree(net, other):
    for mine, theirs in zip(net.params, other.params, strict=True):
        for name in mine:
            np.testing.assert_allclose(bpx.to_numpy(mine[name]), bpx.to_numpy(theirs[name]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["", ":CPU_DEVICE", ":device1"])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"dtype": "float64"}], ids=str)
def test_a_library_is_found_by_the_name_of_its_module(library, device, options):
    net = _train(f"another_library{device}", **options)
    assert net.backend.spec == f"another_library:{device[1:] or 'CPU_DEVICE'}"
    assert type(net.params[0]["weight"]) is library.Tensor
    assert str(net.params[0]["weight"].device) == str(array_api_strict.Device(net.backend.device))
    _agree(net, _train("numpy", **options))


@pytest.mark.parametrize("named", [True, False])
def test_arrays_come_back_as_what_they_were_given_as(library, named):
    """Whether the library was named before or is met for the first time."""
    if named:
        bpx.get_backend("another_library")
    x, y = library.asarray(X), library.asarray(Y)
    assert backend_of(x).spec == "another_library:CPU_DEVICE"
    net = _train("numpy", x=x, y=y)
    assert type(net.predict(x)) is library.Tensor
    np.testing.assert_array_equal(bpx.to_numpy(net.predict(x)), net.predict(X))
    assert bpx.to_numpy(x).dtype == np.float32


def test_an_array_on_a_device_of_its_own_stays_there(library):
    x = library.asarray(X, device=array_api_strict.Device("device1"))
    with pytest.raises(bpx.BackendError, match="lies on another_library:device1"):
        _train("numpy").predict(x)
    net = _train("another_library:device1", x=x, y=library.asarray(Y, device=array_api_strict.Device("device1")))
    assert str(net.predict(x).device) == str(array_api_strict.Device("device1"))
    assert type(net.predict(X)) is np.ndarray


def test_networks_move_pickle_and_copy(library):
    net = _train("another_library")
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.backend == net.backend
        _agree(other, net)
    _agree(_train("another_library").to("numpy"), net)
    _agree(_train("numpy").to("another_library:device1"), net)


def test_a_namespace_that_is_no_module_serves_its_arrays(library, monkeypatch):
    space = types.SimpleNamespace(**{name: getattr(library, name) for name in dir(array_api_strict)})
    space.__array_namespace_info__ = library.__array_namespace_info__
    monkeypatch.setattr(library.Tensor, "__array_namespace__", lambda self, api_version=None: space)
    x = library.asarray(X)
    assert backend_of(x) is backend_of(library.asarray(Y))
    net = _train(backend_of(x), x=x, y=library.asarray(Y))
    assert type(net.predict(x)) is library.Tensor
    _agree(net, _train("numpy"))


def test_a_missing_function_is_an_error_that_names_it(library, monkeypatch):
    found = library.__getattr__

    def without(name):
        if name == "tanh":
            raise AttributeError(name)
        return found(name)

    monkeypatch.setattr(library, "__getattr__", without)
    net = bpx.mlp([3, 4, 1], activation="tanh", loss="squared_error", seed=5, backend="another_library")
    before = bpx.to_numpy(net.params[0]["weight"]).copy()
    with pytest.raises(bpx.BackendError, match="backend 'another_library' lacks 'tanh'"):
        net.fit(X, Y, epochs=1)
    np.testing.assert_array_equal(bpx.to_numpy(net.params[0]["weight"]), before)
    relu = bpx.mlp([3, 4, 1], activation="relu", loss="squared_error", seed=5, backend="another_library")
    assert np.isfinite(relu.fit(X, Y, epochs=2).loss).all()


def test_arrays_that_do_not_change_in_place(library):
    for name in list(vars(library.Tensor)):
        if name.startswith("__i") and name[3:-2] in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor"):
            delattr(library.Tensor, name)
    _agree(_train("another_library"), _train("numpy"))


def test_arrays_that_refuse_to_be_written_to_are_refused(library, monkeypatch):
    def refuse(self, other):
        raise ValueError("assignment destination is read-only")

    monkeypatch.setattr(library.Tensor, "__imul__", refuse)
    with pytest.raises(bpx.BackendError, match=r"`x \*= y` must change x.*destination is read-only"):
        bpx.get_backend("another_library")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_library_that_puts_work_off_holds_on_to_a_few_steps_alone(library, optimizer):
    assert not bpx.get_backend("another_library").lazy
    library.KEEPS_HISTORY = True
    _forget()
    net = _train("another_library", optimizer=optimizer)
    assert net.backend.lazy
    arrays = [array for part in net.params for array in part.values()]
    assert not any(isinstance(operand, library.Tensor) for array in arrays for operand in array.made_of)
    _agree(net, _train("numpy", optimizer=optimizer))


def test_a_library_that_puts_work_off_and_never_computes_is_refused(library, monkeypatch):
    def refuse(self, *arguments, **options):
        raise RuntimeError("this array has no values yet")

    for name in ("__array__", "__float__", "__dlpack__", "to_device"):
        monkeypatch.setattr(library.Tensor, name, refuse)
    with pytest.raises(bpx.BackendError, match="cannot be brought to the host.*no values yet"):
        bpx.get_backend("another_library")


def test_a_dtype_is_never_narrowed_in_silence(library, monkeypatch):
    found = library.__getattr__

    def narrowing(name):
        function = found(name)
        if name != "asarray":
            return function
        return lambda x, **options: function(np.asarray(x, dtype=np.float32), device=options.get("device"))

    monkeypatch.setattr(library, "__getattr__", narrowing)
    with pytest.raises(bpx.BackendError, match="makes float32 of float64 in spite of being told the dtype"):
        _train("another_library", dtype="float64")


def test_a_device_without_float64_says_so(library):
    with pytest.raises(bpx.BackendError, match="'another_library:no_float64' has no float64"):
        _train("another_library:no_float64", dtype="float64")
    _agree(_train("another_library:no_float64"), _train("numpy"))


def test_a_copy_that_shares_memory_is_found_out(library, monkeypatch):
    found = library.__getattr__

    def sharing(name):
        function = found(name)
        if name != "asarray":
            return function
        return lambda x, **options: x if isinstance(x, library.Tensor) else function(x, **options)

    monkeypatch.setattr(library, "__getattr__", sharing)
    backend = bpx.get_backend("another_library")
    array = backend.asarray(X)
    copied = backend.copy(array)
    copied *= 2.0
    np.testing.assert_array_equal(backend.to_numpy(array), X)


def test_what_is_no_namespace_is_refused(tmp_path, monkeypatch):
    with pytest.raises(bpx.BackendError, match="the module of this name is no namespace of .* it has no asarray"):
        bpx.get_backend("json")
    (tmp_path / "broken_arrays.py").write_text("raise OSError('libsomething.so is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(bpx.BackendError, match="'broken_arrays' .* cannot be imported .OSError: libsomething.so"):
        bpx.get_backend("broken_arrays")
    for name in ("no_such_library", "no.such.library", "json.no_such_part", "a b", "../numpy", ""):
        with pytest.raises(bpx.InputError, match="unknown backend"):
            bpx.get_backend(name)


def test_an_unknown_device_is_an_error_that_lists_the_known(library):
    with pytest.raises(bpx.BackendError, match="has no device 'gpu'; its devices are CPU_DEVICE, device1"):
        bpx.get_backend("another_library:gpu")


class Named:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (None, "cpu"),
        ("cpu", "cpu"),
        (array_api_strict.Device("device1"), "device1"),
        (Named("Device(gpu, 0)"), "gpu:0"),
        (Named("<Device level_zero:gpu:0>"), "level_zero:gpu:0"),
        (Named("cuda:1"), "cuda:1"),
    ],
)
def test_names_of_devices(device, name):
    assert generic.name_device(device) == name


def test_arrays_that_come_to_the_host_by_dlpack_alone(library, monkeypatch):
    """NumPy would make an array of objects of anything that has a length and items."""
    monkeypatch.delattr(library.Tensor, "__array__")
    net = _train("another_library")
    assert bpx.to_numpy(net.params[0]["weight"]).dtype == np.float32
    assert net.predict(X).dtype == np.float32
    _agree(net, _train("numpy"))
    _forget()
    monkeypatch.delattr(library.Tensor, "__dlpack__")
    with pytest.raises(bpx.BackendError, match="cannot be brought to the host"):
        bpx.get_backend("another_library")


def test_a_way_to_the_host_that_changes_the_dtype_is_not_taken(library, monkeypatch):
    monkeypatch.setattr(library.Tensor, "__array__", lambda self, dtype=None, copy=None: np.asarray(self._inner, "f4"))
    net = _train("another_library", dtype="float64")
    assert net.predict(X).dtype == np.float64
    np.testing.assert_allclose(net.predict(X), _train("numpy", dtype="float64").predict(X), rtol=1e-12)


def test_a_library_without_devices(library, monkeypatch):
    found = library.__getattr__

    def without(name):
        if name == "__array_namespace_info__":
            raise AttributeError(name)
        function = found(name)
        if name not in ("asarray", "zeros", "arange", "ones", "full", "empty", "eye", "linspace"):
            return function
        return lambda *arguments, dtype=None: function(*arguments, dtype=dtype)

    monkeypatch.setattr(library, "__getattr__", without)
    monkeypatch.delattr(library.Tensor, "device")
    net = _train("another_library:cpu", dropout=0.2)
    assert net.backend is bpx.get_backend("another_library")
    assert net.backend.devices() == ("cpu",)
    _agree(net, _train("numpy", dropout=0.2))
    assert type(net.predict(library.asarray(X))) is library.Tensor


def test_a_library_of_the_program_itself(library, monkeypatch):
    """A script or a notebook defines one; its module has no specification by which it could be imported."""
    monkeypatch.setitem(sys.modules, "__main__", library)
    monkeypatch.setattr(library, "__spec__", None)
    monkeypatch.setattr(library, "__name__", "__main__")
    monkeypatch.setattr(library.Tensor, "__array_namespace__", lambda self, api_version=None: library)
    assert bpx.get_backend("__main__").spec == "__main__:CPU_DEVICE"
    assert type(_train("numpy").predict(library.asarray(X))) is library.Tensor


def test_two_libraries_of_one_name_are_two(library, monkeypatch):
    spec = importlib.util.spec_from_file_location("another_library", SOURCE)
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    for module in (library, twin):

        class Space:
            __name__ = "Space"

            def __init__(self, module):
                self.module = module

            def __getattr__(self, name):
                return getattr(self.module, name)

        monkeypatch.setattr(
            module.Tensor, "__array_namespace__", lambda self, api_version=None, module=module: Space(module)
        )
    x, y = library.asarray(X), twin.asarray(Y)
    assert backend_of(x) != backend_of(y)
    assert backend_of(x) is backend_of(library.asarray(Y))
    with pytest.raises(bpx.InputError, match="arrays of two libraries are mixed"):
        _train("numpy", x=x, y=y)


@pytest.mark.parametrize("shown", ["dtype('float32')", "<class 'library.float32'>", "float32"])
def test_dtypes_may_show_themselves_in_any_way(library, monkeypatch, shown):
    class DType:
        def __init__(self, name):
            self.name = name

        def __str__(self):
            return shown.replace("float32", self.name)

    names = ("float32", "float64", "int32", "int64", "int8", "uint8", "bool")
    kinds = {name: DType(name) for name in names}
    ours = {getattr(array_api_strict, name): kind for name, kind in kinds.items()}
    theirs = {id(kind): dtype for dtype, kind in ours.items()}
    found = library.__getattr__

    def renamed(name):
        if name in kinds:
            return kinds[name]
        function = found(name)
        if not callable(function) or name == "__array_namespace_info__":
            if name == "__array_namespace_info__":
                raise AttributeError(name)
            return function
        back = lambda value: theirs.get(id(value), value)  # noqa: E731
        return lambda *arguments, **options: function(
            *map(back, arguments), **{key: back(value) for key, value in options.items()}
        )

    monkeypatch.setattr(library, "__getattr__", renamed)
    monkeypatch.setattr(library.Tensor, "dtype", property(lambda self: ours[self._inner.dtype]))
    _agree(_train("another_library"), _train("numpy"))
    assert _train("numpy").predict(library.asarray(X)).shape == (40, 1)


def test_errors_of_a_library_are_told_in_one_line(library, monkeypatch):
    found = library.__getattr__

    def failing(name):
        if name == "asarray":
            raise RuntimeError("first line\nsecond line")
        return found(name)

    monkeypatch.setattr(library, "__getattr__", failing)
    with pytest.raises(bpx.BackendError) as error:
        bpx.get_backend("another_library")
    assert "\n" not in str(error.value)


def test_tables_are_no_arrays_and_found_to_be_none_once(monkeypatch):
    class Table:
        shape = (40, 3)

        def __array__(self, dtype=None, copy=None):
            return X

    scans = []
    entry_points = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda **query: scans.append(query) or entry_points(**query)
    )
    net = _train("numpy")
    _forget()
    for _ in range(5):
        np.testing.assert_array_equal(net.predict(Table()), net.predict(X))
    assert len(scans) <= 1


def test_sparse_arrays_of_the_standard_are_refused(library, monkeypatch):
    monkeypatch.setattr(library.Tensor, "nnz", 3, raising=False)
    with pytest.raises(bpx.InputError, match=r"x is sparse \(Tensor\), and a network takes all values"):
        _train("numpy").predict(library.asarray(X))
