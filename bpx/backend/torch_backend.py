"""PyTorch tensors on the CPU, CUDA or Apple's MPS; bpx's own backward pass, never PyTorch's autograd."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bpx.backend import onednn
from bpx.backend.base import Array, Backend, BoundNamespace, make_missing, slices
from bpx.backend.captured import CapturingBackend
from bpx.backend.cards import choose_card
from bpx.backend.kernels import Kernels
from bpx.backend.recording import CaptureError
from bpx.backend.threads import get_chosen
from bpx.backend.torch_functions import RowSums, make_tensor_core_matmul, round_mantissa, shorter_functions
from bpx.backend.torch_kernels import find_compiler
from bpx.errors import BackendError


class TorchBackend(CapturingBackend):
    """PyTorch tensors on one device (``"cpu"``, ``"cuda:0"``, ``"mps"``).

    On CUDA steps are recorded as graphs, and activations, losses and updates are kernels of bpx's own where this
    PyTorch compiles some.
    """

    name = "torch"

    def __init__(self, device: str | None = None) -> None:
        try:
            import torch
        except ImportError as error:
            raise make_missing("torch", "torch") from error
        self._torch = torch
        self._device = self._find_device(torch, device or "cpu")
        self.device = str(self._device)
        self.captures = self._device.type == "cuda"
        self.sums_in_place = self._device.type == "cpu"
        import array_api_compat.torch as compat

        functions = shorter_functions(torch)
        if self._device.type == "cpu":
            functions["matmul"] = onednn.matmul(torch)
        if self._device.type == "cuda":
            functions["sum"] = RowSums(torch, compat.sum)
        self.xp = BoundNamespace(compat, self._device, **functions)
        compiler = find_compiler(torch, self._device) if self._device.type == "cuda" else None
        self._kernels = None if compiler is None else Kernels(compiler, self.xp)
        self.fuses = compiler is not None
        self._of_thread = threading.local()
        self._kept: list[Any] = []

    @staticmethod
    def _find_device(torch: Any, text: str) -> Any:
        try:
            device = torch.device(text)
        except RuntimeError as error:
            raise BackendError(
                f"torch knows no device {text!r}; usable here: {', '.join(TorchBackend.devices())}"
            ) from error
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", choose_card(torch.cuda.device_count()))
        known = TorchBackend.devices()
        if str(device) not in known:
            raise BackendError(
                f"backend 'torch:{text}' cannot be used: no driver or device (torch {torch.__version__}); "
                f"usable here: {', '.join('torch:' + d for d in known)}"
            )
        return device

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the devices that this PyTorch can use."""
        import torch

        cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count())) if torch.cuda.is_available() else ()
        mps = ("mps",) if torch.backends.mps.is_available() else ()
        return ("cpu", *cuda, *mps)

    @classmethod
    def of(cls, array: Array) -> Backend:
        from bpx.backend.registry import create

        return create("torch:mps" if array.device.type == "mps" else f"torch:{array.device}")

    def _ordinary(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which arrays are made that may be written into: PyTorch's inference mode is left."""
        torch = self._torch
        return torch.inference_mode(False) if torch.is_inference_mode_enabled() else contextlib.nullcontext()

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        with self._ordinary():
            return self._read(data, dtype)

    def zeros_like(self, array: Array) -> Array:
        with self._ordinary():
            return super().zeros_like(array)

    def _read(self, data: Any, dtype: str | None) -> Array:
        from bpx.backend.transfer import backend_of, host_array, library_of

        target = None if dtype is None else getattr(self._torch, dtype)
        if library_of(data) == self.name:
            # A minus or a conjugate that is only noted is carried out: it has no memory of its own to be looked at.
            return data.detach().resolve_conj().resolve_neg().to(device=self._device, dtype=target)
        source = backend_of(data)
        if source is not None and not source.on_host:
            return self._torch.from_dlpack(data).to(device=self._device, dtype=target)
        host = host_array(data)
        if not host.flags.writeable or any(s < 0 for s in host.strides):
            host = host.copy()
        if self._device.type == "mps" and host.dtype == np.float64 and dtype is not None:
            host = host.astype(dtype)
        return self._torch.as_tensor(host, device="cpu").to(device=self._device, dtype=target)

    @classmethod
    def find_fault(cls, array: Array) -> str:
        if type(array).__name__ == "MaskedTensor":  # asked for anything else, it may raise
            return "has masked values, which are no numbers to compute with; give x.get_data() with them filled in"
        if _is_traced(array):
            return (
                "is traced by torch.func, and has no values yet; call bpx outside of torch.func.grad, jacrev, jvp and "
                "vmap"
            )
        if array.is_meta:
            return "is on PyTorch's device 'meta', and has no values"
        if array.is_nested:
            return "is a nested tensor, whose rows have several lengths; pad them to one"
        if array.is_quantized:
            return f"is quantized ({array.dtype}); give x.dequantize()"
        if str(array.layout) != "torch.strided":
            return f"is sparse ({array.layout}), and a network takes all values: give x.to_dense()"
        return super().find_fault(array)

    def to_numpy(self, array: Array) -> np.ndarray:
        host = array.detach().cpu()
        try:
            return np.asarray(host.numpy())
        except (TypeError, RuntimeError):  # a float that NumPy has not; a minus or a conjugate that is only noted
            small = host.is_floating_point() and host.dtype.itemsize < 4
            return np.asarray((host.float() if small else host).resolve_conj().resolve_neg().numpy())

    def copy(self, array: Array) -> Array:
        with self._ordinary():
            return array.detach().clone()

    def all_finite(self, array: Array) -> bool:
        if self._device.type != "cpu":
            return super().all_finite(array)
        flat = array.reshape(-1)  # on the CPU a product is faster than a sum
        return math.isfinite(float(self._torch.dot(flat, flat))) or bool(self._torch.isfinite(array).all())

    def require_dtype(self, dtype: str) -> None:
        if dtype == "float64" and self._device.type == "mps":
            raise BackendError("backend 'torch:mps' has no float64; use dtype='float32' or backend='torch:cpu'")

    def make_matmul(self, precision: str) -> Callable[[Array, Array], Array]:
        if self._device.type != "cuda":
            return super().make_matmul(precision)
        on_tensor_cores = make_tensor_core_matmul(self._torch, precision, self._device)
        return on_tensor_cores or super().make_matmul(precision)

    def make_rounding(self, precision: str) -> Callable[[Array], Array] | None:
        on_cuda = precision == "bfloat16" and self._device.type == "cuda"
        if not on_cuda or make_tensor_core_matmul(self._torch, precision, self._device) is None:
            return None
        return self._round_to_bfloat16

    def _round_to_bfloat16(self, x: Array) -> Array:
        return x.to(self._torch.bfloat16)

    def round_mantissa(self, array: Array, bits: int) -> Array:
        return round_mantissa(self._torch, array, bits)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        if not self._torch.is_inference_mode_enabled():
            return self._torch.no_grad()  # type: ignore[no-any-return]
        stack = contextlib.ExitStack()
        stack.enter_context(self._ordinary())
        stack.enter_context(self._torch.no_grad())
        return stack

    def threads(self, work: int, updates: bool = False) -> contextlib.AbstractContextManager[Any]:
        chosen = get_chosen() if self._device.type == "cpu" else None
        return contextlib.nullcontext() if chosen is None else self._use_threads(chosen)

    @contextlib.contextmanager
    def _use_threads(self, number: int) -> Iterator[None]:
        """Compute on so many threads. Only on demand: a thread that is started meanwhile would keep the number."""
        before = self._torch.get_num_threads()
        if number == before:
            yield
            return
        self._torch.set_num_threads(number)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)

    def synchronize(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            self._torch.mps.synchronize()

    def rows_per_step(self, order: np.ndarray) -> Any:
        return (None if self.captures else slices(order)) or super().rows_per_step(order)

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        cuda = self._torch.cuda
        try:
            stream = self._find_stream()
            graph, before = cuda.CUDAGraph(), cuda.memory_reserved(self._device)
            # What other threads do on the device breaks a recording, unless errors are those of this thread alone.
            with cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                step()
        except Exception as error:
            raise CaptureError(f"{type(error).__name__}: {error}") from error
        return _Graph(graph, max(0, cuda.memory_reserved(self._device) - before))

    def _find_stream(self) -> Any:
        """Return this thread's stream to record on, with a workspace of cuBLAS that stays where it is.

        PyTorch takes that memory once for a stream, from the first recording made there. Once that recording is gone,
        and PyTorch is told to let go of all workspaces, as `torch.compile` does for its graphs, recordings made
        meanwhile would write into memory that is no more. So a recording that is never dropped comes first.
        """
        torch, cuda = self._torch, self._torch.cuda
        stream = getattr(self._of_thread, "stream", None)
        if stream is None:
            stream = self._of_thread.stream = cuda.Stream(self._device)
        x = torch.zeros((8, 8), device=self._device)
        y = torch.zeros_like(x)
        first, before = cuda.CUDAGraph(), cuda.memory_reserved(self._device)
        with cuda.stream(stream):
            first.capture_begin(capture_error_mode="thread_local")
            try:
                torch.mm(x, x, out=y)
            finally:
                first.capture_end()
        if cuda.memory_reserved(self._device) > before:
            self._kept.append((first, x, y))
        return stream

    def fused(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        return super().fused(function, name) if self._kernels is None else self._kernels.fuse(function, name)

    def fused_update(self, kernel: Callable[..., Any], slots: int) -> Callable[..., bool] | None:
        return None if self._kernels is None else self._kernels.fuse_update(kernel, slots)

    def fused_loss(self, loss: Any) -> Callable[..., tuple[Array, Array] | None] | None:
        return None if self._kernels is None else self._kernels.fuse_loss(loss)

    def open_group(self) -> Any:
        if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE") == "1":
            return None
        from bpx.backend.torch_group import TorchGroup

        if self._device.type == "mps":
            raise BackendError("torchrun connects networks on 'torch:cpu' and 'torch:cuda', and not on 'torch:mps'")
        return TorchGroup(self._torch)

    def open_sum(self, communicator: Any) -> Any:
        if self._device.type != "cuda":
            return None
        from bpx.backend.torch_group import TorchSum

        return TorchSum(self._torch, self._device, communicator)

    def out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, (MemoryError, self._torch.OutOfMemoryError))


def _is_traced(array: Array) -> bool:
    """Tell whether torch.func follows what is computed with a tensor: a value taken out of it has no slope."""
    import torch

    functorch = getattr(torch._C, "_functorch", None)
    return bool(functorch is not None and functorch.is_functorch_wrapped_tensor(array))


class _Graph:
    """A CUDA graph, and by how many bytes PyTorch's memory grew for it; called, it has the work done."""

    def __init__(self, graph: Any, nbytes: int) -> None:
        self._graph, self.nbytes = graph, nbytes

    def __call__(self) -> None:
        self._graph.replay()
