"""Operands of products are rounded to nearest even, on every backend alike, and nothing but them is."""

import threading
import time

import numpy as np
import pytest

import bpx
from bpx.backend.precision import MANTISSA_BITS, find_unit_roundoff, round_mantissa

REDUCED = [name for name in MANTISSA_BITS if name != "float32"]

SPECIAL = [
    0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, np.finfo(np.float32).max, -np.finfo(np.float32).max,
    np.finfo(np.float32).tiny, np.finfo(np.float32).smallest_subnormal,
]  # fmt: skip


def round_by_arithmetic(x, bits):
    """Round to a mantissa of some bits by the definition, in float64: the whole number nearest to its scaled value."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        _, exponent = np.frexp(x)
        unit = np.ldexp(1.0, np.maximum(exponent, -125) - 1 - bits)  # subnormal numbers have the smallest exponent
        rounded = (np.where(np.isfinite(x), np.rint(x / unit) * unit, x)).astype(np.float32)
    return rounded


def draw_numbers(rows=400, columns=30):
    """Return numbers of all sizes, and ties among them: halfway between two of each precision, with odd and even."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, columns)) * 2.0 ** generator.integers(-120, 120, (rows, columns))
    for bits in (7, 10):
        x[bits, :] = (1.0 + (2.0 * np.arange(columns) + 1.0) * 2.0 ** -(bits + 1)) * 2.0 ** generator.integers(-9, 9)
    return x.astype(np.float32)


@pytest.mark.parametrize("precision", REDUCED)
def test_rounding_is_to_nearest_ties_to_even(precision, backend):
    bits, x = MANTISSA_BITS[precision], draw_numbers()
    got = backend.numpy(backend.backend.round_mantissa(backend.array(x, "float32"), bits))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, round_by_arithmetic(x, bits))
    assert not np.array_equal(got, x)


@pytest.mark.parametrize("precision", REDUCED)
def test_special_numbers_stay_what_they_are_and_the_largest_becomes_infinite(precision, backend):
    bits, x = MANTISSA_BITS[precision], np.array(SPECIAL, dtype=np.float32)
    got = backend.numpy(backend.backend.round_mantissa(backend.array(x, "float32"), bits))
    np.testing.assert_array_equal(got[:6], x[:6])
    np.testing.assert_array_equal(np.signbit(got[:2]), [False, True])
    np.testing.assert_array_equal(got[6:8], [np.inf, -np.inf])
    np.testing.assert_array_equal(got[8], x[8])


@pytest.mark.parametrize("payload", [0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF800001])
def test_no_nan_is_rounded_to_a_number(payload, backend):
    x = np.array([[payload]], dtype=np.uint32).view(np.float32)
    assert np.isnan(backend.numpy(backend.backend.round_mantissa(backend.backend.asarray(x), 7)))


def test_columns_and_parts_of_an_array_are_rounded_as_they_lie(backend):
    x = draw_numbers()
    for view in (x.T, x[::2, 1:], x[:, :1]):
        placed = backend.array(np.array(view), "float32")
        np.testing.assert_array_equal(
            backend.numpy(backend.backend.round_mantissa(placed.T, 7)), round_mantissa(np.array(view), 7).T
        )


@pytest.mark.parametrize("shape", [(3, 5, 2), (64, 300, 10), (1, 784, 128)])
@pytest.mark.parametrize("precision", REDUCED)
def test_products_are_those_of_the_rounded_operands(precision, shape, backend):
    n, k, m = shape
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((n, k)).astype(np.float32), generator.standard_normal((k, m)).astype(np.float32)
    left, right = (round_by_arithmetic(x, MANTISSA_BITS[precision]).astype(np.float64) for x in (a, b))
    multiply = backend.backend.namespace(precision).matmul
    on_card = not backend.backend.on_host and backend.backend.name in ("cupy", "torch", "jax")
    # The units of a card round in their own way: halves otherwise, or not at all, as cuBLAS does a single row in TF32.
    unit = 2.0 * find_unit_roundoff(precision) if on_card else 1e-6
    expected, bound = left @ right, unit * (np.abs(left) @ np.abs(right))
    x, y = backend.array(a, "float32"), backend.array(b, "float32")
    got = backend.numpy(multiply(x, y))
    assert got.dtype == np.float32
    assert np.all(np.abs(got - expected) <= bound)
    if not on_card:
        assert not np.all(np.abs(a.astype(np.float64) @ b - expected) <= bound)  # rounding shows
    transposed = backend.numpy(multiply(y.T, x.T))
    assert np.all(np.abs(transposed.T - expected) <= bound)


@pytest.mark.parametrize("precision", REDUCED)
def test_nothing_but_products_is_rounded(precision, backend):
    full, reduced = backend.backend.namespace("float32"), backend.backend.namespace(precision)
    assert full is backend.xp
    changed = {name for name, value in vars(reduced).items() if value is not vars(full).get(name)}
    assert changed - {"round_operand"} == {"matmul"}
    x = backend.array(np.random.default_rng(3).standard_normal(50), "float32")
    np.testing.assert_array_equal(backend.numpy(reduced.vecdot(x, x)), backend.numpy(full.vecdot(x, x)))


def test_the_sum_of_products_is_that_of_the_standard(backend):
    generator = np.random.default_rng(2)
    a, b = generator.standard_normal((4, 50)), generator.standard_normal((4, 50))
    x, y = backend.array(a), backend.array(b)
    tolerance = backend.either(1e-13, 1e-5)
    np.testing.assert_allclose(backend.numpy(backend.xp.vecdot(x, y)), (a * b).sum(axis=1), rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        backend.numpy(backend.xp.vecdot(x[0, :], y[0, :])), (a[0] * b[0]).sum(), rtol=0, atol=tolerance
    )


def test_on_cuda_pytorch_takes_tf32_for_the_time_of_a_product_alone(torch):
    from bpx.backend.torch_functions import make_tensor_core_matmul

    seen = []

    class Noting(type(torch)):
        """PyTorch, whose matmul notes the setting that it meets."""

        def __getattr__(self, name):
            return getattr(torch, name)

        def matmul(self, a, b):
            seen.append(torch.get_float32_matmul_precision())
            return torch.matmul(a, b)

    multiply = make_tensor_core_matmul(Noting("noting"), "tf32")
    before, ones = torch.get_float32_matmul_precision(), torch.ones(2, 2)
    multiply(ones, ones)
    with pytest.raises(RuntimeError):
        multiply(ones, torch.ones(3, 3))
    assert seen == ["high", "high"]
    assert torch.get_float32_matmul_precision() == before


def test_threads_that_multiply_in_tf32_leave_pytorchs_setting_as_it_was(torch):
    from bpx.backend.torch_functions import make_tensor_core_matmul

    class Slow(type(torch)):
        """PyTorch, whose setting is read and made slowly, so that threads meet in between."""

        def __getattr__(self, name):
            return getattr(torch, name)

        def get_float32_matmul_precision(self):
            time.sleep(0.001)
            return torch.get_float32_matmul_precision()

    multiply = make_tensor_core_matmul(Slow("slow"), "tf32")
    before, ones = torch.get_float32_matmul_precision(), torch.ones(2, 2)
    threads = [threading.Thread(target=lambda: [multiply(ones, ones) for _ in range(20)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before)
    assert after == before


def test_on_an_accelerator_jax_has_its_own_setting(jax, monkeypatch):
    place = bpx.get_backend("jax:cpu:0")
    monkeypatch.setattr(place, "platform", "gpu")
    presets = jax.lax.DotAlgorithmPreset
    assert place.make_matmul("tf32").keywords == {"precision": presets.TF32_TF32_F32}
    assert place.make_matmul("bfloat16").keywords == {"precision": presets.BF16_BF16_F32}


@pytest.mark.parametrize("precision", REDUCED)
def test_an_operand_that_is_rounded_once_gives_the_product_of_one_that_is_rounded_on_the_way(precision, backend):
    xp = backend.backend.namespace(precision)
    if not hasattr(xp, "round_operand"):
        assert backend.backend.make_rounding(precision) is None
        return
    generator = np.random.default_rng(4)
    for n, k, m in ((1, 3, 2), (8, 16, 24), (33, 65, 10)):
        a, b = (backend.array(generator.standard_normal(s), "float32") for s in ((n, k), (k, m)))
        expected = backend.numpy(xp.matmul(a, b))
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(backend.numpy(xp.matmul(xp.round_operand(a), xp.round_operand(b))), expected)
        left, right = (xp.round_operand(x) for x in (a.T, b.T))
        np.testing.assert_allclose(backend.numpy(xp.matmul(left.T, right.T)), expected, rtol=0, atol=1e-5 * k)
