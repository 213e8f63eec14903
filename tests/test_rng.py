"""Random numbers: the same bits on every backend, under jax.jit too, from streams that share nothing."""

import numpy as np
import pytest

import bpx
from bpx.rng import SHUFFLE, WEIGHTS, generator, keep_mask, permutation, step_keys
from bpx.tables.splitting import SPLIT


def _hash_in_python(element: int, keys: tuple[int, int]) -> int:
    """Compute the mask's hash with Python's integers: MurmurHash3's finalizer, once for each key."""
    h = element
    for key in keys:
        h ^= key & 0xFFFFFFFF
        h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
        h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
        h ^= h >> 16
    return h


@pytest.mark.parametrize("keys", [(0, 0), (1, -1), (-(2**31), 2**31 - 1), (123456789, -987654321)])
@pytest.mark.parametrize("keep", [0.5, 0.1, 0.9999])
def test_a_mask_is_the_hash_of_its_keys_and_elements_to_the_bit(keep, keys, backend):
    expected = [(_hash_in_python(i, keys) & 0x7FFFFFFF) < int(keep * 2**31) for i in range(60)]
    mask = keep_mask(backend.xp, backend.array(np.zeros((5, 12))), keys, keep)
    assert "bool" in str(mask.dtype)
    np.testing.assert_array_equal(backend.numpy(mask), np.reshape(expected, (5, 12)))


@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_masks_are_the_same_under_jit(keep, jax, on_numpy):
    xp = bpx.get_backend("jax").xp

    @jax.jit
    def mask(like, first, second):
        return keep_mask(xp, like, (first, second), keep)

    keys = step_keys(7, 1000, 1, 2)[0]
    got = mask(jax.numpy.zeros((64, 33)), jax.numpy.int32(keys[0]), jax.numpy.int32(keys[1]))
    expected = keep_mask(on_numpy.xp, np.zeros((64, 33)), tuple(keys.tolist()), keep)
    np.testing.assert_array_equal(np.asarray(got), expected)


def test_masks_are_even_over_elements_steps_and_layers(on_numpy):
    keys = step_keys(3, 0, 200, 4)
    pairs = [[tuple(row[k : k + 2].tolist()) for k in (0, 2)] for row in keys]
    masks = np.array([[keep_mask(on_numpy.xp, np.zeros((10, 10)), pair, 0.7) for pair in row] for row in pairs])
    assert masks.mean() == pytest.approx(0.7, abs=0.01)
    for axis in (0, (1, 2, 3)):  # each element over the steps, each step over the elements
        assert np.abs(masks.mean(axis=axis) - 0.7).max() < 5 * np.sqrt(0.21 / 200)
    both = masks[:, 0] & masks[:, 1]
    assert both.mean() == pytest.approx(0.49, abs=0.02)  # layers are independent of each other
    assert (masks[1:] & masks[:-1]).mean() == pytest.approx(0.49, abs=0.01)  # and so are steps


def _splitmix_in_python(seed: int, step: int, key: int) -> int:
    z = seed & (2**64 - 1)
    for part in (step, key):
        z = ((z ^ part) + 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        z ^= z >> 31
    return z >> 32


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**64 - 1, 2**70 + 5])
def test_keys_are_the_hash_of_seed_and_step_to_the_bit(seed):
    keys = step_keys(seed, 998, 3, 4)
    assert keys.dtype == np.int32
    expected = [[_splitmix_in_python(seed, step, key) for key in range(4)] for step in (998, 999, 1000)]
    np.testing.assert_array_equal(keys.view(np.uint32), np.array(expected, dtype=np.uint32))


def test_keys_of_a_step_do_not_depend_on_where_counting_began():
    np.testing.assert_array_equal(step_keys(5, 0, 50, 2)[20:30], step_keys(5, 20, 10, 2))
    assert np.unique(step_keys(5, 0, 1000, 4)).size == 4000


def test_an_epochs_shuffle_needs_no_other_epochs():
    orders = [permutation(5, epoch, 40) for epoch in range(4)]
    np.testing.assert_array_equal(permutation(5, 3, 40), orders[3])
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(40))
    assert all((orders[0] != order).any() for order in orders[1:])
    assert (permutation(6, 0, 40) != orders[0]).any()


def test_streams_of_a_seed_share_no_numbers():
    draws = [
        generator(5, *stream).random(8) for stream in ((WEIGHTS,), (SPLIT,), (SHUFFLE, 0), (SHUFFLE, 1), (SHUFFLE, 2))
    ]
    assert np.unique(np.concatenate(draws)).size == 40
    np.testing.assert_array_equal(generator(5, SHUFFLE, 1).random(8), draws[3])


def test_numpys_global_generator_is_left_alone():
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    net = bpx.mlp([4, 3, 3], dropout=0.5)
    net.fit(np.ones((6, 4)), np.arange(6) % 3, epochs=2, batch_size=2)
    assert np.random.random() == expected  # noqa: NPY002
