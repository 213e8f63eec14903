"""What one card can show of sums over cards: that NCCL takes what it is given, plainly and in a recording.

One process sums up over itself alone, which changes nothing. These tests need a card, and have not been run.
"""

import sys

import numpy as np
import pytest

import bpx
from bpx.backend import cards
from bpx.distributed.communicator import Communicator
from bpx.errors import BackendError

pytestmark = pytest.mark.gpu


class One:
    """The engine of one process."""

    name, rank, size = "one process", 0, 1

    def broadcast(self, value):
        return value

    def gather(self, value):
        return [value]

    def meet(self, seconds):
        return True

    def sum(self, array):
        return array


@pytest.fixture
def communicator(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # a communicator takes it
    monkeypatch.setenv(cards.SWITCH, "1")
    return Communicator(One())


def _get_backend(spec):
    try:
        return bpx.get_backend(spec)
    except BackendError as error:
        pytest.skip(str(error))


def _check_sums(backend, communicator):
    with backend.computing():
        communicator.reach(backend)
        assert communicator.name.startswith("NCCL")
        for dtype in ("float32", "float64"):
            values = np.arange(1000, dtype=dtype)
            array = backend.asarray(values)
            np.testing.assert_array_equal(backend.to_numpy(communicator.sum(array)), values)

            def step(array=array):
                array[...] += 1.0
                communicator.sum(array)

            launch = backend.capture(step)
            for _ in range(3):
                launch()
            np.testing.assert_array_equal(backend.to_numpy(array), values + 3.0)


def test_cupy_sums_up_by_nccl_in_a_recording_too(communicator):
    backend = _get_backend("cupy")
    from cupy.cuda import nccl

    if not nccl.available:
        pytest.skip("CuPy does not find NCCL")
    _check_sums(backend, communicator)


def test_torch_sums_up_by_nccl_in_a_recording_too(communicator):
    pytest.importorskip("torch", reason="torch is not installed")
    backend = _get_backend("torch:cuda")
    import torch.distributed as distributed

    if not distributed.is_nccl_available():
        pytest.skip("this PyTorch has no NCCL")
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        _check_sums(backend, communicator)
    finally:
        distributed.destroy_process_group()
