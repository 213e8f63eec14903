"""Networks in files: all of them comes back, on any backend, and a file that is not right is refused."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from cases import LAYER_CASES
from closeness import assert_same_bits
from networks import classes, everything, left_by_training
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import bpx
from bpx.losses import LOSSES


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def _rewritten(path, change_metadata=lambda m: m, change_arrays=lambda a: a):
    """Write a file anew with changed metadata and arrays."""
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    arrays = load_file(path)
    metadata, arrays = change_metadata(metadata) or metadata, change_arrays(arrays) or arrays
    save_file(arrays, path, metadata=metadata)


@pytest.mark.parametrize("dtype", ["float32", "widest"])
def test_a_network_comes_back_to_the_bit(dtype, backend, path):
    x, y = classes()
    net = everything("numpy", backend.dtype if dtype == "widest" else dtype)
    net.fit(x, y, epochs=2, batch_size=8)
    net.to(backend.backend)
    net.save(path)
    again = bpx.load(path, backend=backend.backend)
    assert again.backend == net.backend
    assert (again.layers, again.loss, again.dtype, again.seed) == (net.layers, net.loss, net.dtype, net.seed)
    assert_same_bits(left_by_training(again), left_by_training(net))
    assert any(np.abs(part["running_mean"]).min() > 0 for part in left_by_training(again) if "running_mean" in part)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.evaluate(x, y) == net.evaluate(x, y)


def test_a_file_does_not_say_where_its_network_lived(backend, path):
    net = everything(backend, "float32")
    net.save(path)
    again = bpx.load(path)
    assert again.backend.spec == "numpy"
    assert_same_bits(left_by_training(again), left_by_training(net))
    with bpx.use_backend(backend.backend):
        assert bpx.load(path).backend == backend.backend


@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_every_layer_comes_back(case, path, generator):
    net = bpx.Network([case.layer], dtype="float64", seed=12345)
    net.params, net.state = [case.params(generator)], [case.state(generator)]
    net.save(path)
    again = bpx.load(path)
    assert again.layers == net.layers
    assert_same_bits(left_by_training(again), left_by_training(net))
    x = case.x(generator)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


@pytest.mark.parametrize(
    "loss", [*(cls("sum") for cls in LOSSES.values()), bpx.Huber(delta=0.3), bpx.CrossEntropy("mean", 0.1)]
)
def test_every_loss_comes_back(loss, path):
    bpx.mlp([3, 2], loss=loss).save(path)
    assert bpx.load(path).loss == loss


def test_training_of_a_loaded_network_starts_anew(path):
    x, y = classes()
    net = everything("numpy")
    net.fit(x, y, epochs=2)
    net.save(path)
    again = bpx.load(path)
    assert again.training is None
    assert again.fit(x, y, epochs=1).epoch == [1]
    assert_same_bits(again.reset().params, everything("numpy").params)  # its seed came along


def test_a_file_is_plain_safetensors_with_readable_metadata(path):
    net = bpx.mlp([3, 4, 2], dtype="float32", seed=7)
    net.save(path)
    arrays = load_file(path)
    assert sorted(arrays) == ["params.0.bias", "params.0.weight", "params.2.bias", "params.2.weight"]
    np.testing.assert_array_equal(arrays["params.0.weight"], net.params[0]["weight"])
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["version"]) == ("bpx", "1")
    described = json.loads(metadata["network"])
    assert [layer["kind"] for layer in described["layers"]] == ["Linear", "ReLU", "Linear"]
    assert (described["dtype"], described["seed"]) == ("float32", 7)


def test_a_file_is_read_in_another_process(path):
    x, _ = classes(3)
    net = everything("numpy")
    net.save(path)
    code = "import sys, json, bpx; print(json.dumps(bpx.load(sys.argv[1]).predict(json.loads(sys.argv[2])).tolist()))"
    command = [sys.executable, "-c", code, str(path), json.dumps(x.tolist())]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    np.testing.assert_array_equal(np.array(json.loads(printed)), net.predict(x))


def test_an_older_file_is_replaced_and_nothing_is_left_beside_it(path):
    bpx.mlp([3, 2], seed=1).save(path)
    bpx.mlp([5, 2], seed=2).save(str(path))
    assert bpx.load(str(path)).seed == 2
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_that_cannot_be_written_is_an_error_that_says_why(tmp_path):
    net = bpx.mlp([3, 2])
    with pytest.raises(bpx.InputError, match=r"cannot write .*missing.*net: No such file or directory"):
        net.save(tmp_path / "missing" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(bpx.InputError, match="cannot write .*folder"):
        net.save(tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder"]


def test_an_old_file_stays_whole_when_the_disk_is_full(path, monkeypatch):
    old = bpx.mlp([3, 2], seed=1)
    old.save(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(bpx.InputError, match="cannot write .*: No space left on device"):
        bpx.mlp([3, 2], seed=2).save(path)
    assert bpx.load(path).seed == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


# -- files that are not right -----------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(bpx.InputError, match="there is no file .*nowhere.safetensors"):
        bpx.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(bpx.InputError, match="is a folder, not a file"):
        bpx.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused_wherever_it_ends(kept, path):
    everything("numpy").save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(bpx.FileFormatError, match=r"net\.safetensors is no whole safetensors file"):
        bpx.load(path)


@pytest.mark.parametrize(
    "content", [b"not a network at all", b"\x80\x04\x95" + b"\0" * 50, b"PK\x03\x04" + b"\0" * 90, b"\xff" * 64],
    ids=["text", "pickle", "zip", "noise"],
)  # fmt: skip
def test_what_is_no_safetensors_file_is_refused(content, path):
    path.write_bytes(content)
    with pytest.raises(bpx.FileFormatError, match="is no whole safetensors file"):
        bpx.load(path)


def test_a_pickle_is_not_run(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(bpx.FileFormatError):
        bpx.load(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {"version": "1"}])
def test_a_safetensors_file_of_another_program_is_refused(metadata, path):
    save_file({"weight": np.ones(3)}, path, metadata=metadata)
    with pytest.raises(bpx.FileFormatError, match="is a safetensors file, but bpx did not write it"):
        bpx.load(path)


@pytest.mark.parametrize("version", ["0", "2", "one", None])
def test_another_format_version_is_refused_with_both_numbers(version, path):
    bpx.mlp([3, 2]).save(path)

    def changed(metadata):
        return {**{k: v for k, v in metadata.items() if k != "version"}, **({"version": version} if version else {})}

    _rewritten(path, changed)
    with pytest.raises(
        bpx.FileFormatError, match=f"has format version {version!r}, this bpx reads '1'; use the bpx that"
    ):
        bpx.load(path)


def _with(network: dict):
    """Return a change of the metadata that updates the description of the network."""
    return lambda metadata: {**metadata, "network": json.dumps({**json.loads(metadata["network"]), **network})}


LINEAR = {"kind": "Linear", "n_in": 3, "n_out": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {k: v for k, v in m.items() if k != "network"}, "the description of the network cannot be read"),
        (lambda m: {**m, "network": "{"}, "the description of the network cannot be read"),
        (lambda m: {**m, "network": "[]"}, "the description of the network cannot be read"),
        (lambda m: {**m, "network": "{}"}, "the description of the network cannot be read: 'layers'"),
        (_with({"layers": 3}), "the description of the network cannot be read"),
        (_with({"layers": [{"kind": "Convolution"}]}), "unknown layer 'Convolution'"),
        (_with({"layers": [{**LINEAR, "n_in": "three"}]}), "n_in must be a whole number, got 'three'"),
        (_with({"layers": [{"kind": "Residual"}]}), "the description of the network cannot be read: 'layers'"),
        (_with({"layers": [{"kind": "Residual", "layers": []}]}), "Residual takes a sequence of layers"),
        (_with({"layers": []}), "the network it describes cannot be built: a network needs at least one layer"),
        (_with({"layers": [LINEAR, LINEAR]}), "cannot be built: layer 1: Linear(3, 2) expects 3 features"),
        (_with({"loss": {"kind": "hubert"}}), "unknown loss 'hubert'; did you mean 'huber'?"),
        (_with({"loss": None}), "expected a loss with a 'kind', got None"),
        (_with({"dtype": "float16"}), "unknown dtype 'float16'"),
        (_with({"seed": "x"}), "seed must be a whole number, got 'x'"),
        (_with({"seed": -1}), "seed must be at least 0"),
    ],
)  # fmt: skip
def test_a_description_that_is_no_network_is_refused(change, message, path):
    bpx.mlp([3, 2]).save(path)
    _rewritten(path, change)
    with pytest.raises(bpx.FileFormatError) as error:
        bpx.load(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: {**a, "params.0.weight": np.ones((4, 2), dtype=np.float32)},
            "must have shapes {'weight': (3, 2), 'bias'",
        ),
        (lambda a: {**a, "params.0.weight": np.ones((2, 3), dtype=np.float32)}, "got {'weight': (2, 3), 'bias': (2,)}"),
        (lambda a: {**a, "params.0.bias": np.ones((1, 2), dtype=np.float32)}, "the arrays do not fit the network"),
        (lambda a: {**a, "state.1.running_var": np.ones(3, dtype=np.float32)}, "state of layer 1"),
        (lambda a: {k: v for k, v in a.items() if k != "params.0.bias"}, "the array 'params.0.bias' is missing"),
        (lambda a: {k: v for k, v in a.items() if k != "state.1.running_mean"}, "'state.1.running_mean' is missing"),
        (
            lambda a: {**a, "params.7.weight": np.ones(2)},
            "holds arrays that the network has no place for: params.7.weight",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message, path):
    bpx.Network([bpx.Linear(3, 2), bpx.BatchNorm(2)]).save(path)
    _rewritten(path, change_arrays=change)
    with pytest.raises(bpx.FileFormatError) as error:
        bpx.load(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_double_precision_file_is_not_loaded_in_single_in_silence(path, strict):
    bpx.mlp([3, 2], dtype="float64").save(path)
    with pytest.raises(bpx.BackendError, match="has no float64"):
        bpx.load(path, backend="array-api-strict:no_float64")
