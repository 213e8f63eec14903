"""Networks in files: all of them comes back, on any backend, and a file that is not right is refused."""

import json
import os
import pickle
import random
import subprocess
import sys
import threading
import tracemalloc
import warnings

import hostile_files
import numpy as np
import pytest
from cases import LAYER_CASES
from closeness import assert_same_bits
from networks import classes, everything, left_by_training
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import bpx
from bpx.files import array_file, load_extra, network_file, save
from bpx.losses import LOSSES
from bpx.network import load_with_extra


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
    net = bpx.Network([case.layer], loss=case.loss, dtype="float64", seed=12345)
    net.params, net.state = [case.params(generator)], [case.state(generator)]
    net.save(path)
    again = bpx.load(path)
    assert again.layers == net.layers
    assert_same_bits(left_by_training(again), left_by_training(net))
    x = case.x(generator)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


@pytest.mark.parametrize(
    "loss", [*(cls(reduction="sum") for cls in LOSSES.values()), bpx.Huber(delta=0.3), bpx.CrossEntropy("mean", 0.1)]
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
    assert (metadata["format"], metadata["version"]) == ("bpx", "2")
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


@pytest.mark.parametrize("version", ["0", "3", "one", None])
def test_another_format_version_is_refused_with_both_numbers(version, path):
    bpx.mlp([3, 2]).save(path)

    def changed(metadata):
        return {**{k: v for k, v in metadata.items() if k != "version"}, **({"version": version} if version else {})}

    _rewritten(path, changed)
    with pytest.raises(
        bpx.FileFormatError, match=f"has format version {version!r}, this bpx reads '2'; use the bpx that"
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
        (_with({"layers": [{"kind": "Residual"}]}), "layer Residual: 'layers' is missing"),
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


# -- the checksum -----------------------------------------------------------------------------------------


def test_every_single_flipped_bit_is_noticed(path):
    bpx.Network([bpx.Linear(2, 1), bpx.BatchNorm(1)], seed=1).save(path)
    whole = path.read_bytes()
    unnoticed = []
    for bit in range(8 * len(whole)):
        path.write_bytes(hostile_files.flip(whole, bit))
        try:
            bpx.load(path)
            unnoticed.append(bit)
        except bpx.FileFormatError:
            pass
    assert not unnoticed
    path.write_bytes(whole)
    assert bpx.load(path).seed == 1


def test_flipped_bits_are_noticed_in_every_part_of_what_a_command_reads(path):
    save(bpx.mlp([3, 4, 2]), path, extra={"preprocessing": {"means": [0.25, 1.5]}})
    whole = path.read_bytes()
    at = whole.index(b"0.25") * 8
    for bit in range(at, at + 32):
        path.write_bytes(hostile_files.flip(whole, bit))
        with pytest.raises(bpx.FileFormatError, match="net.safetensors"):
            load_with_extra(path)
        with pytest.raises(bpx.FileFormatError, match="net.safetensors"):
            load_extra(path)
    path.write_bytes(whole)
    assert load_with_extra(path)[1] == load_extra(path) == {"preprocessing": {"means": [0.25, 1.5]}}


def test_a_changed_weight_is_called_damage(path):
    bpx.mlp([3, 2]).save(path)
    path.write_bytes(hostile_files.flip(path.read_bytes(), -1))
    with pytest.raises(bpx.FileFormatError, match=r"net\.safetensors is damaged: its content is not what was written"):
        bpx.load(path)


def test_a_file_without_its_checksum_is_refused_and_an_older_one_loads_with_a_note(path):
    net = bpx.mlp([3, 2])
    net.save(path)
    _rewritten(path, lambda metadata: {k: v for k, v in metadata.items() if k != "checksum"})
    with pytest.raises(bpx.FileFormatError, match="is damaged: its checksum is missing"):
        bpx.load(path)
    _rewritten(path, lambda metadata: {**metadata, "version": "1"})
    with pytest.warns(bpx.FileWarning, match="written by an earlier bpx, without a checksum") as caught:
        again = bpx.load(path)
    assert caught[0].filename == __file__
    assert_same_bits(again.params, net.params)
    _rewritten(path, lambda metadata: {**metadata, "training": "{}"})
    with pytest.raises(bpx.FileFormatError, match="is damaged: its checksum is missing"):
        bpx.load(path)  # checkpoints have always had one


def test_a_checkpoint_is_checked_when_it_is_loaded_as_a_network(path, tmp_path):
    x, y = classes()
    net = everything("numpy")
    net.fit(x, y, epochs=1, batch_size=8, checkpoint=tmp_path / "run")
    (checkpoint,) = (tmp_path / "run").iterdir()
    assert_same_bits(left_by_training(bpx.load(checkpoint)), left_by_training(net))
    whole = checkpoint.read_bytes()
    for at in (whole.index(b"slots"), whole.index(b"rate_scale"), len(whole) - 1, len(whole) // 2):
        checkpoint.write_bytes(hostile_files.flip(whole, 8 * at))
        with pytest.raises(bpx.FileFormatError):
            bpx.load(checkpoint)


# -- looking before making --------------------------------------------------------------------------------


def _peak(function):
    """Return the largest number of bytes that were allocated at a time while a function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "layers", [[bpx.Linear(1000, 2000)], [bpx.Residual([bpx.Linear(900, 900), bpx.BatchNorm(900)])]]
)
def test_loading_draws_nothing_and_takes_little_more_than_the_arrays(layers, path, monkeypatch):
    net = bpx.Network(layers)
    net.save(path)

    def draw(*given):
        raise AssertionError("weights were drawn")

    bpx.load(path)  # imports are not counted
    for layer in (bpx.Linear, bpx.BatchNorm, bpx.layers.Block):
        monkeypatch.setattr(layer, "init", draw)
    size = sum(array.nbytes for part in (*net.params, *net.state) for array in part.values())
    assert _peak(lambda: bpx.load(path)) < 1.05 * size + 200_000


@pytest.mark.parametrize("spec", ["numpy", "torch", "jax"])
def test_a_loaded_array_takes_its_memory_once(spec, path, request, monkeypatch):
    if spec != "numpy":
        request.getfixturevalue(spec)
    bpx.Network([bpx.Linear(30, 50), bpx.ReLU(), bpx.Linear(50, 3)], loss="cross_entropy").save(path)
    read, seen = array_file.ArrayFile._read_array, {}

    def note(self, name):
        seen[name] = read(self, name)
        return seen[name]

    monkeypatch.setattr(array_file.ArrayFile, "_read_array", note)
    net = bpx.load(path, backend=spec)
    for i in (0, 2):
        assert np.shares_memory(net.backend.to_numpy(net.params[i]["weight"]), seen[f"params.{i}.weight"])
    other = bpx.load(path)
    data = np.ones((40, 30), np.float32), np.arange(40) % 3
    for trained in (net, other):  # steps that overwrite weights, or take them over, do it to the network's own
        trained.fit(*data, epochs=5, batch_size=20, progress=False)
    np.testing.assert_allclose(bpx.to_numpy(net.params[0]["weight"]), other.params[0]["weight"], rtol=1e-4, atol=1e-6)


def _measure_message(function):
    """Return how long the message of a documented error is, 0 where there is none."""
    try:
        function()
    except bpx.FileFormatError as error:
        return len(str(error))
    return 0


SIZES = [30_000, 10**9, 10**12, 2**63, 10**30, 10**4000]


@pytest.mark.parametrize("size", SIZES, ids=[f"{len(str(size))} digits" for size in SIZES])
@pytest.mark.parametrize(
    "layer",
    [
        {"kind": "Linear", "n_in": 3, "n_out": "SIZE"},
        {"kind": "Linear", "n_in": "SIZE", "n_out": "SIZE"},
        {"kind": "LayerNorm", "n_features": "SIZE"},
        {"kind": "Residual", "layers": [{"kind": "BatchNorm", "n_features": "SIZE"}]},
    ],
    ids=["wide", "huge", "LayerNorm", "Residual"],
)
def test_a_size_that_the_arrays_do_not_have_costs_nothing(layer, size, path):
    bpx.mlp([3, 2]).save(path)
    metadata, arrays = hostile_files.read_parts(path)
    described = json.dumps({**json.loads(metadata["network"]), "layers": [layer]}).replace('"SIZE"', "1" + "0" * 9)
    if size != 10**9:
        described = described.replace("1" + "0" * 9, str(size))
    hostile_files.write_parts(path, {**metadata, "network": described}, arrays)

    def refused():
        with pytest.raises(bpx.FileFormatError, match="net.safetensors") as caught:
            bpx.load(path)
        assert len(str(caught.value)) < 1000

    refused()
    assert _peak(refused) < 500_000


def test_a_layer_of_ones_own_is_asked_for_its_arrays(path):
    class ScaledLinear(bpx.Linear):
        def init(self, generator):
            return {**super().init(generator), "scale": np.ones(self.n_out)}

        @property
        def param_names(self):
            return (*super().param_names, "scale")

    net = bpx.Network([ScaledLinear(2, 3)])
    net.save(path)
    assert bpx.load(path).params[0]["scale"].shape == (3,)
    _rewritten(path, change_arrays=lambda a: {**a, "params.0.scale": np.ones(4, dtype=np.float32)})
    with pytest.raises(bpx.FileFormatError, match="'scale': \\(3,\\).*'scale': \\(4,\\)"):
        bpx.load(path)


@pytest.mark.parametrize("depth", [500, 5000, 1_000_000])
@pytest.mark.parametrize("key", ["network", "extra"])
def test_deep_json_is_a_clear_error(depth, key, path):
    save(bpx.mlp([3, 2]), path, extra={})
    metadata, arrays = hostile_files.read_parts(path)
    deep = hostile_files.nest(depth)
    texts = {"extra": deep, "network": metadata["network"].replace('"seed": 0', f'"seed": {deep}')}
    hostile_files.write_parts(path, {**metadata, key: texts[key]}, arrays)
    with pytest.raises(bpx.FileFormatError, match="cannot be read|cannot be built") as caught:
        load_with_extra(path)
    assert len(str(caught.value)) < 1000


def test_residuals_within_residuals_are_a_clear_error(path):
    bpx.mlp([3, 2]).save(path)
    metadata, arrays = hostile_files.read_parts(path)
    for depth in (50, 300, 900, 10_000):
        layers = '[{"kind": "Residual", "layers": ' * depth + "[]" + "}]" * depth
        text = json.dumps({**json.loads(metadata["network"]), "layers": "HERE"}).replace('"HERE"', layers)
        hostile_files.write_parts(path, {**metadata, "network": text}, arrays)
        with pytest.raises(bpx.FileFormatError, match="the description of the network cannot be read"):
            bpx.load(path)


def test_a_description_of_millions_of_things_is_refused_unread(path, monkeypatch):
    save(bpx.mlp([3, 2]), path, extra={})
    metadata, arrays = hostile_files.read_parts(path)
    many = "[" + "[]," * 2_000_000 + "0]"
    hostile_files.write_parts(path, {**metadata, "network": many}, arrays)

    def refused():
        with pytest.raises(bpx.FileFormatError, match="is larger than any that bpx writes"):
            bpx.load(path)

    assert _peak(refused) < 30_000_000
    monkeypatch.setattr(array_file, "LARGEST_TEXT", 1000)
    with pytest.raises(bpx.InputError, match="'extra' would take 0 MiB as text"):
        save(bpx.mlp([3, 2]), path, extra={"text": "x" * 2000})
    with pytest.raises(bpx.FileFormatError, match="a text in it takes 6 MiB"):
        bpx.load(path)
    monkeypatch.setattr(network_file, "LARGEST_DESCRIPTION", 1000)
    with pytest.raises(bpx.InputError, match="a network of 100 layers is larger than a file can describe"):
        bpx.Network([bpx.ReLU()] * 100).save(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000, b'{"a":' * 100_000, hostile_files.nest(900).encode(), b'{"__metadata__":' + b"[]," * 1_000_000,
        b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        b'{"w":{"dtype":"F32","shape":[' + b"9" * 30 + b'],"data_offsets":[0,4]}}',
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', b'{"w":{"dtype":"F32","shape":[-1]}}',
        b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', b'{"w":7}', b"null", b"7", b"\xff\xfe", b"",
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_refused(header, path):
    hostile_files.write_raw(path, header, b"\0\0\x80?")

    def refused():
        with pytest.raises(bpx.FileFormatError, match="is no whole safetensors file"):
            bpx.load(path)

    refused()
    assert _peak(refused) < 1_000_000 + 2 * len(header)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64"])
def test_elements_that_numpy_does_not_have_are_refused(dtype, path):
    size = {"BF16": 2, "F8_E4M3": 1, "C64": 8}[dtype]
    header = f'{{"w":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{size}]}}}}'
    hostile_files.write_raw(path, header.encode(), b"\0" * size)
    said = f"the elements of an array are {dtype}, which bpx does not read|no whole safetensors file"  # older readers
    with pytest.raises(bpx.FileFormatError, match=said):
        bpx.load(path)


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_weights_that_are_no_floating_point_numbers_are_refused(dtype, path):
    bpx.mlp([3, 2]).save(path)
    metadata, arrays = hostile_files.read_parts(path)
    arrays["params.0.weight"] = arrays["params.0.weight"].astype(dtype)
    hostile_files.write_parts(path, metadata, arrays)
    with pytest.raises(bpx.FileFormatError, match=f"must hold floating-point numbers, got .*'{dtype}'"):
        bpx.load(path)


@pytest.mark.parametrize("value", hostile_files.VALUES, ids=lambda value: repr(value)[:20])
def test_wrong_settings_of_every_kind_are_refused_in_few_words(value, path):
    layer = bpx.Residual([bpx.LeakyReLU(0.1), bpx.Linear(3, 3, frozen=("bias",)), bpx.Dropout(0.2), bpx.BatchNorm(3)])
    bpx.Network([layer, bpx.Flatten()], loss=bpx.CrossEntropy(label_smoothing=0.1)).save(path)
    metadata, arrays = hostile_files.read_parts(path)
    described = json.loads(metadata["network"])
    for place in hostile_files.list_places(described):
        changed = json.loads(metadata["network"])
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        if place:
            holder[place[-1]] = value
        hostile_files.write_parts(path, {**metadata, "network": json.dumps(changed if place else value)}, arrays)
        assert _measure_message(lambda: bpx.load(path)) < 1000  # another slope or rate is a network too


def test_what_is_no_file_is_refused_without_waiting(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(bpx.InputError, match=f"{name} is a device or a pipe, not a file"):
            bpx.load(name)
    (tmp_path / "file").write_text("")
    with pytest.raises(bpx.InputError, match="cannot read .*file/net: Not a directory"):
        bpx.load(tmp_path / "file" / "net")
    with pytest.raises(bpx.InputError, match="cannot read .*: File name too long"):
        bpx.load(tmp_path / ("x" * 300))

    def refuse(*given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(bpx.InputError, match="cannot read .*file: Permission denied"):
        bpx.load(tmp_path / "file")


def test_faults_at_random_are_all_found_or_harmless(path):
    """Structured mutation of text, JSON and arrays, with a checksum that fits; more of it runs elsewhere."""
    save(everything("numpy"), path, extra={"a": [1, {"b": 2}]})
    metadata, arrays = hostile_files.read_parts(path)
    draw, refused = random.Random(5), 0
    for _ in range(300):
        hostile_files.write_parts(path, *hostile_files.mutate_parts(metadata, arrays, draw))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            length = _measure_message(lambda: load_with_extra(path))
        assert length < 1000
        refused += length > 0
    assert refused > 150


def test_a_file_that_is_replaced_while_it_is_read_gives_one_or_the_other(path):
    nets = [bpx.mlp([50, 60, 3], seed=seed) for seed in (1, 2)]
    for net in nets:
        save(net, path, extra={"seed": net.seed})

    def replace():
        for i in range(100):
            save(nets[i % 2], path, extra={"seed": nets[i % 2].seed})

    writer = threading.Thread(target=replace)
    writer.start()
    seen = set()
    while writer.is_alive():
        net, extra = load_with_extra(path)
        assert extra == {"seed": net.seed}
        assert_same_bits(net.params, nets[net.seed - 1].params)
        seen.add(net.seed)
    assert seen == {1, 2}
