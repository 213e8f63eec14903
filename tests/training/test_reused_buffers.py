"""Batches whose memory whoever gives them fills with the next one: each counts as it was when it was given."""

from __future__ import annotations

import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.backend.transfer import keep, may_share_memory


def values(rows=80):
    """Return samples, targets of one output, and weights."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 4))
    return x, x[:, :1] * 2.0 - x[:, 1:2], draw.uniform(0.1, 3.0, rows)


class Table:
    """What gives its own memory to NumPy, and is no array."""

    def __init__(self, array):
        self.own = array

    def __array__(self, dtype=None, copy=None):
        return self.own if dtype is None else self.own.astype(dtype)


def view_in(library, array):
    """Return an array of a library in the memory of NumPy's, or in its own where it has no such thing."""
    if library == "torch":
        return pytest.importorskip("torch").from_numpy(array)
    if library == "jax":
        return pytest.importorskip("jax").dlpack.from_dlpack(array)
    if library == "mlx":
        core = pytest.importorskip("mlx.core")
        return core.asarray(array, dtype=getattr(core, array.dtype.name))  # which makes float32 of float64 unless told
    if library == "array-api-strict":
        return pytest.importorskip("array_api_strict").asarray(array, copy=False)
    return {"numpy": np.asarray, "table": Table, "memoryview": memoryview, "list": np.ndarray.tolist}[library](array)


def give_fresh(dtype, size=8):
    arrays = [a.astype(dtype) for a in values()]
    for start in range(0, len(arrays[0]), size):
        yield tuple(a[start : start + size].copy() for a in arrays)


def give_again(dtype, view, size=8):
    """Yield batches in the same memory, which is filled with the next one as soon as that is asked for."""
    arrays = [a.astype(dtype) for a in values()]
    buffers = [np.empty((size, *a.shape[1:]), dtype) for a in arrays]
    for start in range(0, len(arrays[0]), size):
        for buffer, array in zip(buffers, arrays, strict=True):
            buffer[:] = array[start : start + size]
        yield tuple(map(view, buffers))
    for buffer in buffers:
        buffer[:] = np.nan


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("library", ["numpy", "table", "memoryview", "list", "torch", "jax", "mlx", "array-api-strict"])
def test_a_batch_counts_as_it_was_given_from_every_library_on_every_backend(library, shuffle, backend):
    """Training, and the targets that metrics of the validation set gather."""
    results = []
    for view in (None, lambda array: view_in(library, array)):
        net = bpx.mlp([4, 3, 1], "tanh", loss="squared_error", dtype=backend.dtype, backend=backend.spec)

        def give(view=view):
            return give_fresh(backend.dtype) if view is None else give_again(backend.dtype, view)

        history = net.fit(give, epochs=2, shuffle=shuffle, validation_data=give, metrics=["r2"])
        results.append((history.loss, history.validation_loss, history.validation_metrics["r2"]))
    assert results[0] == results[1]


def test_class_ids_count_as_they_were_given(backend):
    x, y, _ = values()
    ids = (y[:, 0] > 0).astype(np.int32)  # the dtype that ids have on the device too

    def give(again):
        buffers = np.empty((8, 4)), np.empty(8, np.int32)
        for start in range(0, 80, 8):
            if not again:
                buffers = np.empty((8, 4)), np.empty(8, np.int32)
            buffers[0][:], buffers[1][:] = x[start : start + 8], ids[start : start + 8]
            yield buffers

    nets = [bpx.mlp([4, 40], dtype=backend.dtype, backend=backend.spec) for _ in range(2)]  # no room for one-hot rows
    losses = [net.fit(lambda again=again: give(again), epochs=2).loss for net, again in zip(nets, (0, 1), strict=True)]
    assert losses[0] == losses[1]


def test_batches_of_the_backend_s_own_arrays_that_are_written_into(backend):
    """On a device too: where arrays change, the generator changes them."""
    x, y, _ = values()
    if backend.backend.name == "jax":  # whose arrays nobody can write into
        with pytest.raises(TypeError, match="immutable"):
            backend.backend.asarray(x.astype(backend.dtype))[...] = 0.0
        return

    def give(again):
        bx, by = (backend.backend.asarray(a[:8].astype(backend.dtype).copy()) for a in (x, y))
        for start in range(0, 80, 8):
            if not again:
                bx, by = (backend.backend.copy(a) for a in (bx, by))
            for buffer, array in ((bx, x), (by, y)):
                buffer[...] = backend.backend.asarray(array[start : start + 8].astype(backend.dtype))
            yield bx, by

    nets = [bpx.mlp([4, 3, 1], loss="squared_error", dtype=backend.dtype, backend=backend.spec) for _ in range(2)]
    losses = [net.fit(lambda again=again: give(again), epochs=2).loss for net, again in zip(nets, (0, 1), strict=True)]
    assert losses[0] == losses[1]


def test_a_loader_that_collates_into_one_buffer(torch):
    """PyTorch's DataLoader, and a generator of generators."""
    from torch.utils.data import DataLoader

    x, y, _ = (torch.tensor(a) for a in values())
    bx, by = torch.empty(8, 4, dtype=x.dtype), torch.empty(8, 1, dtype=x.dtype)

    def collate(rows):
        bx[:], by[:] = x[rows], y[rows]
        return bx, by

    def nest():
        yield from (batch for batch in (pair for pair in DataLoader(range(80), batch_size=8, collate_fn=collate)))

    nets = [bpx.mlp([4, 1], loss="squared_error", dtype="float64", backend="torch") for _ in range(3)]
    nets[0].fit(x, y, epochs=2, batch_size=8, shuffle=False)
    nets[1].fit(DataLoader(range(80), batch_size=8, collate_fn=collate), epochs=2, shuffle=False)
    nets[2].fit(nest, epochs=2, shuffle=False)
    assert_same_bits(nets[1].params, nets[0].params)
    assert_same_bits(nets[2].params, nets[0].params)


def test_only_what_may_share_memory_is_copied():
    numpy, given = bpx.get_backend("numpy"), np.ones((3, 2), "float32")
    for source, shared in (
        (given, True), (given[1:], True), (given.astype("float64"), False), (given.astype(">f4"), False),
        (given.tolist(), False), (Table(given), True), (given.copy(), True),
    ):  # fmt: skip
        placed = numpy.asarray(source, "float32")
        kept = keep(numpy, placed, source)
        assert may_share_memory(numpy, placed, source) is shared
        assert (kept is not placed) is shared
        assert not np.may_share_memory(kept, given)
        np.testing.assert_array_equal(kept, placed)
    device = bpx.get_backend("array-api-strict:device1")
    moved = device.asarray(given)
    assert keep(device, moved, given) is moved
    assert keep(device, moved, moved) is not moved
    given[:] = 0.0
    assert (device.to_numpy(moved) == 1.0).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("prefetch", [True, False])
def test_a_minus_that_pytorch_only_notes_is_carried_out(torch, prefetch, precision):
    """A view with the negative bit has no memory that NumPy could look at, and is another one's all the same."""
    x, y, _ = (a.astype(np.float32) for a in values())

    def fresh():
        for start in range(0, len(x), 8):
            yield torch.from_numpy(x[start : start + 8].copy()), torch.from_numpy(y[start : start + 8].copy())

    def again():
        spectrum = torch.zeros(8, 4, dtype=torch.complex64)
        view = spectrum.conj().imag
        assert view.is_neg()
        for batch, target in fresh():
            spectrum.imag = -batch
            yield view, target

    nets = []
    for batches in (fresh, again):
        nets.append(bpx.mlp([4, 5, 1], loss="squared_error", backend="torch", precision=precision))
        nets[-1].fit(batches, epochs=2, shuffle=False, prefetch=prefetch, progress=False)
    for one, other in zip(*(net.params for net in nets), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
