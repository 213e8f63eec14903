"""Arrays on their way between libraries and devices: values, dtypes, memory, and what is refused."""

import numpy as np
import pytest
from closeness import assert_close

import bpx
from bpx.backend.transfer import backend_of, convert_like, host_array

DTYPES = ["float32", "float64", "int8", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_there_and_back_changes_nothing(shape, dtype, backend):
    if dtype == "float64" and not backend.has_float64:
        dtype = "float32"
    host = (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(dtype)
    array = backend.backend.asarray(host)
    assert backend_of(array) == backend.backend
    for again in (bpx.to_numpy(array), backend.backend.to_numpy(array)):
        assert type(again) is np.ndarray
        assert again.dtype == host.dtype
        np.testing.assert_array_equal(again, host)


def test_a_dtype_can_be_asked_for(backend):
    for data in ([[1, 2]], np.array([[1, 2]]), np.array([[1.0, 2.0]]), backend.array(np.array([[1.0, 2.0]]))):
        got = backend.backend.asarray(data, "float32")
        assert_close(backend, got, [[1.0, 2.0]], 0.0, dtype="float32")


def test_an_array_that_is_there_already_is_taken_as_it_is(backend):
    array = backend.array(np.ones((2, 3)))
    same = backend.backend.asarray(array, backend.dtype)
    assert same is array or backend.backend.name in ("torch", "jax")
    if backend.backend.name == "torch":
        assert same.data_ptr() == array.data_ptr()
    if backend.backend.name == "jax":
        assert same.unsafe_buffer_pointer() == array.unsafe_buffer_pointer()


def test_a_copy_shares_no_memory(backend):
    host = np.ones((2, 3))
    array = backend.backend.asarray(host.astype(backend.dtype))
    copy = backend.backend.copy(array)
    copy += 1.0
    assert_close(backend, array, host, 0.0)
    assert_close(backend, copy, host + 1.0, 0.0)


def test_zeros_like_are_of_the_same_kind(backend):
    assert_close(backend, backend.backend.zeros_like(backend.array(np.ones((2, 3)))), np.zeros((2, 3)), 0.0)


def test_arrays_made_by_its_functions_live_on_its_device(backend):
    xp = backend.xp
    dtype = getattr(xp, backend.dtype)
    for array in (xp.zeros((2,), dtype=dtype), xp.ones((2,), dtype=dtype), xp.asarray([1.0], dtype=dtype)):
        assert backend_of(array) == backend.backend


def test_scalars_of_many_steps_come_back_at_once(backend):
    values = [backend.array(np.array(float(i))) for i in range(3)]
    fetched = backend.backend.fetch_scalars(values)
    assert fetched.dtype == np.float64
    np.testing.assert_array_equal(fetched, [0.0, 1.0, 2.0])


def test_results_return_to_where_their_input_came_from(backend):
    result = backend.array(np.ones((2, 1)))
    for source in ([1.0], np.ones(2), np.ones(2, dtype=np.float32), 3.0):
        back = convert_like(source, result, backend.backend)
        assert type(back) is np.ndarray
        assert back.dtype == backend.dtype
    assert convert_like(backend.array(np.ones(2)), result, backend.backend) is result


@pytest.mark.parametrize(
    "other", ["array-api-strict:device1", "array-api-strict:CPU_DEVICE", "torch:cpu", "jax:cpu:0", "mlx:cpu:0"]
)
def test_results_return_to_another_library_too(other, backend, request):
    request.getfixturevalue({"array": "strict", "torch": "torch", "jax:c": "jax", "mlx:c": "mlx"}[other[:5]])
    source = bpx.get_backend(other).asarray(np.ones((2, 1), dtype=np.float32))
    result = backend.array(np.full((2, 1), 2.0))
    on_gpu = not backend.backend.on_host and backend.backend.name != "array-api-strict"
    if on_gpu and other == "array-api-strict:device1":  # that device cannot share a GPU's memory
        with pytest.raises(bpx.BackendError, match=f"the array lies on {backend.spec}"):
            convert_like(source, result, backend.backend)
        return
    back = convert_like(source, result, backend.backend)
    assert backend_of(back).spec == other
    np.testing.assert_array_equal(bpx.to_numpy(back), np.full((2, 1), 2.0))


def test_what_lies_on_another_device_is_not_moved_to_the_host_in_silence(strict):
    array = bpx.get_backend("array-api-strict:device1").asarray(np.ones((2, 3)))
    with pytest.raises(
        bpx.BackendError, match=r"the array lies on array-api-strict:device1, the network on the host; .*"
    ):
        host_array(array)
    net = bpx.mlp([3, 1], loss="squared_error")
    for call in (net.predict, lambda x: net.fit(x, [0.0, 1.0], epochs=1)):
        with pytest.raises((bpx.BackendError, bpx.InputError), match="array-api-strict:device1"):
            call(array)
    np.testing.assert_array_equal(bpx.to_numpy(array), np.ones((2, 3)))  # asked for, it is


@pytest.mark.parametrize("data", [[[1.0], [1.0, 2.0]], object(), {"a": 1}, "text"])
def test_what_is_no_array_of_numbers_is_refused_by_a_network(data):
    with pytest.raises(bpx.InputError, match="x must|expected an array of numbers"):
        bpx.mlp([1, 1], loss="squared_error").predict(data)


def test_numpy_takes_anything_that_looks_like_an_array():
    np.testing.assert_array_equal(bpx.to_numpy([[1, 2]]), [[1, 2]])
    assert bpx.to_numpy(3.5).shape == ()
    array = np.ones(3)
    assert bpx.to_numpy(array) is array


def test_a_tensor_that_records_gradients_is_taken_without_its_record(torch):
    x = torch.ones((2, 3), requires_grad=True)
    np.testing.assert_array_equal(bpx.to_numpy(x), np.ones((2, 3)))
    net = bpx.mlp([3, 1], loss="squared_error", backend="torch")
    assert not net.predict(x).requires_grad
    net.fit(x, [0.0, 1.0], epochs=2)
    assert x.grad is None


@pytest.mark.parametrize("layout", ["fortran", "reversed", "strided", "big-endian", "read-only", "float16"])
def test_every_layout_of_numpys_arrays_arrives(layout, backend):
    plain = np.arange(12.0).reshape(3, 4)
    host = {
        "fortran": np.asfortranarray(plain),
        "reversed": np.ascontiguousarray(plain[::-1, ::-1])[::-1, ::-1],
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "big-endian": plain.astype(">f8"),
        "read-only": plain.copy(),
        "float16": plain.astype(np.float16),
    }[layout]
    host.flags.writeable = layout != "read-only"
    assert_close(backend, backend.backend.asarray(host, backend.dtype), plain, 0.0)
