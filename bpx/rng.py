"""Every random draw of bpx: drawn on the host from NumPy's bit generators, or counted, so that no device changes it.

Weights and shuffles come from generators that are seeded anew for each purpose, so that the shuffle of epoch 7 needs
no other epoch's. Dropout masks come from a hash of (seed, step, layer, element) in 32-bit integers, which numpy, cupy,
torch and jax compute to the same bits, under ``jax.jit`` too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bpx.backend.base import Array, device_of

WEIGHTS, SHUFFLE = 1, 2
"""Purposes of a generator: streams of the same seed that share no numbers."""


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Return NumPy's generator for one purpose: a function of the seed and the stream's numbers alone.

    Parameters
    ----------
    seed : int
        The network's seed.
    *stream : int
        What the numbers are for, such as ``(SHUFFLE, epoch)``.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *stream])))


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order in which an epoch visits ``n`` samples."""
    return generator(seed, SHUFFLE, epoch).permutation(n)


def step_keys(seed: int, first_step: int, steps: int, n_keys: int) -> np.ndarray:
    """Return the keys of the masks of some training steps, int32 of shape ``(steps, n_keys)``.

    A key is a hash of (seed, step, number of the key), by the finalizer of SplitMix64.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", 2014, figure 16.
    """
    return hash_steps(seed, np.arange(first_step, first_step + steps, dtype=np.uint64), n_keys)


def hash_steps(seed: int, steps: np.ndarray, n_keys: int) -> np.ndarray:
    """Return what `step_keys` does, for steps whose numbers are given in uint64, of shape ``(steps,)``.

    Written in NumPy's functions and operators alone, so that arrays which record them will do.
    """
    z: np.ndarray = np.array([[seed & 0xFFFFFFFFFFFFFFFF]], dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in (steps[:, None], np.arange(n_keys, dtype=np.uint64)[None, :]):
            z = (z ^ part) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    high = (z >> np.uint64(32)).astype(np.int64)
    return np.where(high < 2**31, high, high - 2**32).astype(np.int32)


def _scramble(xp: Any, h: Array) -> Array:
    """Mix the bits of 32-bit integers so that each bit of the result depends on all (MurmurHash3's finalizer).

    The shifts are masked because int32 shifts carry the sign; multiplication wraps around.
    """
    h = h ^ (xp.bitwise_right_shift(h, 16) & 0xFFFF)
    h = h * -2048144789  # 0x85EBCA6B
    h = h ^ (xp.bitwise_right_shift(h, 13) & 0x7FFFF)
    h = h * -1028477387  # 0xC2B2AE35
    return h ^ (xp.bitwise_right_shift(h, 16) & 0xFFFF)


def keep_mask(xp: Any, like: Array, keys: tuple[Any, Any], keep: float, first: int = 0) -> Array:
    """Return which elements to keep: a boolean array shaped like ``like``, each True with probability ``keep``.

    Parameters
    ----------
    xp : namespace
        The array API namespace of ``like``.
    like : array
        Gives shape and device.
    keys : pair of int
        Two int32 keys; the same keys give the same mask on every backend.
    keep : float
        Probability of True, above 0 and at most 1.
    first : int
        Number of the first row of ``like`` in the batch, of which it may be a part.
    """
    width = math.prod(like.shape[1:])
    begin = first * width
    h = xp.arange(begin, begin + like.shape[0] * width, dtype=xp.int32, device=device_of(like))
    h = _scramble(xp, _scramble(xp, h ^ keys[0]) ^ keys[1])
    threshold = min(int(keep * 2.0**31), 2**31 - 1)
    return xp.reshape((h & 0x7FFFFFFF) < threshold, like.shape)
