"""PyTorch's recordings with a stand-in for its CUDA: what is asked of it. No GPU is needed."""

import contextlib
from types import SimpleNamespace

import pytest

from bpx.backend import recording

pytest.importorskip("torch")

from bpx.backend.torch_backend import TorchBackend


class Cuda:
    """Graphs, and memory that grows while one is recorded."""

    def __init__(self):
        self.log, self.reserved = [], 1000

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.log.append("replay"))

    def memory_reserved(self, device):
        return self.reserved

    @contextlib.contextmanager
    def graph(self, graph, **options):
        self.log.append(options)
        self.reserved += 500
        yield


def _backend(cuda):
    backend = TorchBackend.__new__(TorchBackend)
    backend._torch, backend._device = SimpleNamespace(cuda=cuda), "cuda:0"
    return backend


@pytest.mark.parametrize("switch, options", [(None, {}), ("1", {"capture_error_mode": "thread_local"})])
def test_a_recording_is_made_and_counts_by_how_much_memory_grew(switch, options, monkeypatch):
    monkeypatch.delenv(recording.UNTRIED, raising=False)
    if switch:
        monkeypatch.setenv(recording.UNTRIED, switch)
    cuda = Cuda()
    launch = _backend(cuda).capture(lambda: cuda.log.append("step"))
    assert cuda.log == [options, "step"]
    launch()
    assert cuda.log[-1] == "replay"
    assert launch.nbytes == 500


def test_what_breaks_a_recording_is_said():
    def step():
        raise RuntimeError("operation not permitted")

    with pytest.raises(recording.CaptureError, match="RuntimeError: operation not permitted"):
        _backend(Cuda()).capture(step)
