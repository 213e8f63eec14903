"""PyTorch's recordings with a stand-in for its CUDA: what is asked of it. No GPU is needed."""

import contextlib
import threading
from types import SimpleNamespace

import pytest

from bpx.backend import recording

pytest.importorskip("torch")

from bpx.backend.torch_backend import TorchBackend


class Cuda:
    """Streams, graphs, and memory that grows while one is recorded."""

    def __init__(self, workspace=0):
        self.log, self.reserved, self.workspace = [], 1000, workspace

    def CUDAGraph(self):
        return SimpleNamespace(
            replay=lambda: self.log.append("replay"),
            capture_begin=lambda **options: self.log.append("first"),
            capture_end=self._take_workspace,
        )

    def _take_workspace(self):
        self.reserved, self.workspace = self.reserved + self.workspace, 0

    def Stream(self, device):
        return f"stream of {device}"

    def stream(self, stream):
        return contextlib.nullcontext()

    def memory_reserved(self, device):
        return self.reserved

    @contextlib.contextmanager
    def graph(self, graph, **options):
        self.log.append(options)
        self.reserved += 500
        yield


def _backend(cuda):
    backend = TorchBackend.__new__(TorchBackend)
    functions = {"zeros": lambda shape, device: "zeros", "zeros_like": lambda x: x, "mm": lambda x, y, out: None}
    backend._torch, backend._device = SimpleNamespace(cuda=cuda, **functions), "cuda:0"
    backend._of_thread, backend._kept = threading.local(), []
    return backend


OPTIONS = {"stream": "stream of cuda:0", "capture_error_mode": "thread_local"}


def test_a_recording_is_made_and_counts_by_how_much_memory_grew():
    cuda = Cuda()
    launch = _backend(cuda).capture(lambda: cuda.log.append("step"))
    assert cuda.log == ["first", OPTIONS, "step"]
    launch()
    assert cuda.log[-1] == "replay"
    assert launch.nbytes == 500


def test_the_recording_that_took_the_workspace_is_kept():
    cuda = Cuda(workspace=4096)
    backend = _backend(cuda)
    assert [backend.capture(lambda: None).nbytes for _ in range(3)] == [500] * 3
    assert len(backend._kept) == 1
    cuda.workspace = 4096  # somebody let go of all workspaces
    backend.capture(lambda: None)
    assert len(backend._kept) == 2


def test_what_breaks_a_recording_is_said():
    def step():
        raise RuntimeError("operation not permitted")

    with pytest.raises(recording.CaptureError, match="RuntimeError: operation not permitted"):
        _backend(Cuda()).capture(step)
