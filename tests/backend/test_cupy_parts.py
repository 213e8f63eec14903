"""Parts of the CuPy backend with stand-ins for CuPy: what they ask of it, in which order. No GPU is needed."""

import contextlib
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from bpx.backend import cublas
from bpx.backend.cublas import Products
from bpx.backend.cupy_backend import CupyBackend
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
