"""Parts of the CuPy backend with stand-ins for CuPy: what they ask of it, in which order. No GPU is needed."""

import contextlib
import ctypes
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from bpx.backend import cublas
from bpx.backend.cublas import Products
from bpx.backend.cupy_backend import CupyBackend
from bpx.backend.precision import round_mantissa
from bpx.backend.recording import CaptureError


class Runtime(RuntimeError):
    """What CUDA says."""


class Device:
    """CuPy's streams, pools and graphs; notes what happens to them."""

    def __init__(self, end_fails=False):
        self.log, self.end_fails = [], end_fails
        pool = SimpleNamespace(malloc=None, total_bytes=lambda: 4096)
        self.cuda = SimpleNamespace(
            MemoryPool=lambda: pool,
            Stream=lambda non_blocking: self,
            using_allocator=lambda malloc: contextlib.nullcontext(),
            runtime=SimpleNamespace(CUDARuntimeError=Runtime),
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def begin_capture(self):
        self.log.append("begin")

    def end_capture(self):
        self.log.append("end")
        if self.end_fails:
            raise Runtime("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(launch=lambda: self.log.append("launch"))


def _backend(device):
    backend = CupyBackend.__new__(CupyBackend)
    backend._cupy = device
    backend._products = SimpleNamespace(own_handle=lambda: contextlib.nullcontext("handle"))
    return backend


def test_a_recording_is_begun_made_and_ended_and_counts_its_pool():
    device = Device()
    launch = _backend(device).capture(lambda: device.log.append("step"))
    assert device.log == ["begin", "step", "end"]
    launch()
    assert device.log[-1] == "launch"
    assert launch.nbytes == 4096


@pytest.mark.parametrize("end_fails", [False, True])
def test_a_recording_that_breaks_is_ended_and_says_what_broke_it(end_fails):
    def step():
        raise Runtime("operation not permitted when stream is capturing")

    device = Device(end_fails)
    with pytest.raises(CaptureError, match="Runtime: operation not permitted"):
        _backend(device).capture(step)
    assert device.log == ["begin", "end"]


def test_a_recording_that_only_its_end_shows_to_be_broken_is_refused():
    with pytest.raises(CaptureError, match="Runtime: cudaErrorStreamCaptureInvalidated"):
        _backend(Device(end_fails=True)).capture(lambda: None)


@pytest.fixture
def products():
    """Return sums by CuPy's part in them, on NumPy's arrays; notes which way each was made."""
    made = Products.__new__(Products)
    made.log = []

    def total(x, **options):
        made.log.append("sum")
        return np.sum(x, **options)

    def gemm(a, b, precision):
        made.log.append(f"product in {precision}")
        return a @ b

    made._cupy = SimpleNamespace(ndarray=np.ndarray, sum=total, ones=np.ones)
    made._gemm, made._of_thread, made._ones, made._tf32 = gemm, threading.local(), {}, False
    return made


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33, 1000])
def test_a_sum_over_the_rows_is_a_product_with_ones_in_float32(rows, dtype, keepdims, products, generator):
    x = generator.integers(-9, 9, (rows, 5)).astype(dtype)
    for _ in range(2):
        total = products.sum(x, axis=0, keepdims=keepdims)
        np.testing.assert_array_equal(total, x.sum(axis=0, keepdims=keepdims))
        assert total.dtype == x.dtype
    assert products.log == ["product in float32"] * 2
    assert len(products._ones) == 1, "ones are kept"


OTHERS = {
    "over the columns": (np.ones((3, 4)), {"axis": 1}),
    "over all": (np.ones((3, 4)), {}),
    "of a vector": (np.ones(3), {"axis": 0}),
    "of whole numbers": (np.ones((3, 4), dtype=int), {"axis": 0}),
    "in another dtype": (np.ones((3, 4), dtype="float32"), {"axis": 0, "dtype": "float64"}),
    "of nothing": (np.ones((3, 0)), {"axis": 0}),
    "of too many rows": (np.ones((cublas.MOST_ONES + 1, 1)), {"axis": 0}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_sums_are_cupys(kind, products):
    x, options = OTHERS[kind]
    np.testing.assert_array_equal(products.sum(x, **options), np.sum(x, **options))
    assert products.log == ["sum"]


def test_where_the_user_has_products_in_tf32_a_sum_is_none(products):
    products._tf32 = True
    products.sum(np.ones((3, 4)), axis=0)
    assert products.log == ["sum"]


def test_while_a_step_is_recorded_no_ones_are_made_for_others(products):
    """They would be filled by the recording alone, and read by what runs before it."""
    products._of_thread.handle_is_own = True
    products.sum(np.ones((3, 4)), axis=0)
    products._of_thread.handle_is_own = False
    products.sum(np.ones((3, 4)), axis=0)
    products._of_thread.handle_is_own = True
    products.sum(np.ones((3, 4)), axis=0)
    assert products.log == ["sum", "product in float32", "product in float32"]


class Library:
    """cuBLAS, as far as products ask for it: it multiplies NumPy's arrays where they lie."""

    def __init__(self):
        self.log = []

    @staticmethod
    def _read(pointer, kind, rows, columns):
        size = {0: 4, 1: 8, 14: 2}[kind]
        bits = (ctypes.c_char * (size * rows * columns)).from_address(pointer.value)
        array = np.frombuffer(bits, dtype={0: "f4", 1: "f8", 14: "u2"}[kind]).reshape(rows, columns)
        return (array.astype(np.uint32) << 16).view(np.float32) if kind == 14 else array

    def _write(self, pointer, result):
        out = (ctypes.c_char * result.nbytes).from_address(pointer.value)
        out[:] = result.tobytes()

    def cublasGemmEx(self, handle, left_kind, right_kind, n, m, k, one, left, kind, left_width, right, same,
                     right_width, zero, out, made, width, compute, algorithm):  # fmt: skip
        self.log.append(("gemm", kind, made, compute))
        b = self._read(left, kind, n, k).T if left_kind else self._read(left, kind, k, n)
        a = self._read(right, kind, k, m).T if right_kind else self._read(right, kind, m, k)
        self._write(out, np.ascontiguousarray(a @ b))
        return 0

    def cublasGemmStridedBatchedEx(self, handle, left_kind, right_kind, n, m, k, one, left, kind, left_width, left_step,
                                   right, same, right_width, right_step, zero, out, made, width, step, count, compute,
                                   algorithm):  # fmt: skip
        self.log.append(("stack", kind, made, compute))
        assert (left_step.value, right_step.value, step.value) == (k * n, m * k, m * n)
        b = self._read(left, kind, count * k, n).reshape(count, k, n)
        a = self._read(right, kind, count * m, k).reshape(count, m, k)
        self._write(out, a @ b)
        return 0


class Pointed(np.ndarray):
    """A NumPy array that says where it lies as CuPy's do."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


@pytest.fixture
def multiplying():
    """Return products by a stand-in for cuBLAS."""
    made = Products.__new__(Products)
    made._library = Library()
    place = {name: getattr(np, name) for name in ("broadcast_to", "matmul")}
    made._cupy = SimpleNamespace(
        empty=lambda shape, dtype: np.empty(shape, dtype).view(Pointed),
        ascontiguousarray=lambda x: np.ascontiguousarray(x).view(Pointed), **place,
    )  # fmt: skip
    made._find_handle = lambda: SimpleNamespace(on_current_stream=lambda: None)
    made._to_bfloat16 = lambda x: (
        (np.ascontiguousarray(round_mantissa(x, 7)).view(np.uint32) >> 16).astype(np.uint16).view(Pointed)
    )
    return made


STACKS = [
    ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((4,), (2, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", STACKS)
def test_stacks_of_matrices_are_multiplied_by_one_call(shapes, dtype, multiplying, generator):
    a, b = (generator.standard_normal(shape).astype(dtype).view(Pointed) for shape in shapes)
    got = multiplying.matmul(a, b)
    np.testing.assert_allclose(got, np.matmul(a, b), rtol=1e-5)
    assert got.dtype == a.dtype
    kind, compute = {"float32": (0, 68), "float64": (1, 70)}[dtype]
    assert multiplying._library.log == [("stack", kind, kind, compute)]


@pytest.mark.parametrize("transposed", [False, True])
def test_in_bfloat16_operands_are_rounded_first_and_summed_up_in_float32(transposed, multiplying, generator):
    a, b = (generator.standard_normal(shape).astype("float32").view(Pointed) for shape in ((3, 4), (4, 5)))
    left, right = (a.T.copy().T, b.T.copy().T) if transposed else (a, b)
    got = multiplying.matmul(left, right, precision="bfloat16")
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, round_mantissa(a, 7) @ round_mantissa(b, 7), rtol=1e-5)
    assert multiplying._library.log == [("gemm", 14, 0, 68)]
    before = multiplying.round_to_bfloat16(a)
    np.testing.assert_array_equal(multiplying.matmul(before, b, precision="bfloat16"), got)
    assert multiplying.round_to_bfloat16(before) is before


def test_in_tf32_cublas_rounds_by_itself(multiplying, generator):
    a, b = (generator.standard_normal(shape).astype("float32").view(Pointed) for shape in ((3, 4), (4, 5)))
    np.testing.assert_allclose(multiplying.matmul(a, b, precision="tf32"), a @ b, rtol=1e-5)
    assert multiplying._library.log == [("gemm", 0, 0, 77)]


def test_the_sign_of_nan_is_nan_by_a_way_that_asks_nothing_of_the_device():
    backend = CupyBackend.__new__(CupyBackend)
    backend._cupy = SimpleNamespace(where=np.where, isnan=np.isnan, sign=lambda x: (x > 0) * 1.0 - (x < 0))
    np.testing.assert_array_equal(backend._sign(np.asarray([-2.0, 0.0, 3.0, np.nan])), [-1.0, 0.0, 1.0, np.nan])
