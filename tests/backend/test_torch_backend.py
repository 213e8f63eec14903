"""PyTorch's recordings with a stand-in for its CUDA: what is asked of it. No GPU is needed."""

import contextlib
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import bpx
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


def test_networks_made_and_trained_in_inference_mode_are_trained_outside(torch, tmp_path):
    x, y = np.ones((6, 3), np.float32), np.zeros(6, int)
    bpx.mlp([3, 4, 2], seed=0).save(tmp_path / "net")
    for optimizer in ("adam", bpx.SGD(0.1, momentum=0.9)):
        expected = bpx.load(tmp_path / "net", backend="torch")
        expected.fit(x, y, epochs=2, optimizer=optimizer)
        with torch.inference_mode():
            net = bpx.load(tmp_path / "net", backend="torch")
            net.fit(x, y, epochs=1, optimizer=optimizer)
            twin = net.copy()
            net.predict(torch.ones(2, 3))
        for each in (net, twin):
            each.fit(x, y, epochs=1, optimizer=optimizer)
            assert not each.params[0]["weight"].is_inference()
            assert torch.equal(each.params[0]["weight"], expected.params[0]["weight"])
    assert not torch.is_inference_mode_enabled()


def test_derivatives_by_torch_func_are_refused_and_not_zero(torch):
    net, x = bpx.mlp([4, 8, 3], backend="torch", seed=0), torch.ones(4)
    for derive in (torch.func.grad, torch.func.jacrev, torch.func.vmap):
        with pytest.raises(bpx.InputError, match=r"x is traced by torch.func, .*call bpx outside of torch.func.grad"):
            derive(lambda row: net.predict(row[None])[0, 0])(x if derive is not torch.func.vmap else x[None])


def test_a_default_device_of_the_users_is_not_gone_by(torch):
    with torch.device("meta"):
        net = bpx.mlp([4, 5, 3], backend="torch", seed=0)
        made = net.predict(np.ones((2, 4)))
    np.testing.assert_array_equal(made, bpx.mlp([4, 5, 3], backend="torch", seed=0).predict(np.ones((2, 4))))


@pytest.mark.parametrize("dtype", [np.longlong, np.ulonglong])
def test_integers_by_either_of_numpys_names_are_taken(dtype, torch):
    net = bpx.mlp([4, 3], backend="torch", seed=0)
    assert np.dtype(dtype).itemsize == 8
    np.testing.assert_array_equal(net.predict(np.ones((2, 4), dtype)), net.predict(np.ones((2, 4))))
    net.fit(np.ones((2, 4)), np.ones(2, dtype), epochs=1)
