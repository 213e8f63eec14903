"""Trainings of `rank_work` on stand-ins for cards: ``python rank_cards.py OUT LIBRARY NAMES``, by mpirun or torchrun.

LIBRARY is "cupy" (under mpirun) or "torch" (under torchrun). The classes that sum up are bpx's own; their arrays lie in
main memory, and what NCCL would do is done by MPI or gloo. A recording is the step, called again. Like NCCL, the
stand-ins want a sum to be recorded on all ranks or on none, and recordings to be repeated that were made together; they
raise where NCCL would wait for ever. Prints how many steps were repeated on each rank.

With "lost" instead of NAMES, rank 1 is killed in a sum, and the others wait for its part in a call that no signal ends.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import rank_work

import bpx
from bpx.backend import captured
from bpx.backend.captured import CapturingBackend
from bpx.backend.cards import choose_card
from bpx.backend.numpy_backend import NumpyBackend
from bpx.backend.recording import CaptureError

captured.PLAIN_STEPS = 2


def lose(rank):
    """Kill rank 1; wait on the others as for a card whose sum lacks a part."""
    if rank == 1:
        sys.stdout.write(f"HAPPENS {time.time()}\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1.0)  # a handler of a signal runs, and it goes on


class Recordings(CapturingBackend):
    """Recordings that are calls; knows which of them a sum is made in."""

    repeats, loses = False, False
    refuses = -1
    """The rank that can record nothing."""

    def begin(self):
        self.made = self.launched = self.inside = 0

    def capture(self, step):
        if self.refuses == bpx.distributed.rank():
            raise CaptureError("this card is full")
        self.made += 1
        number = self.made

        def launch():
            self.inside, self.launched = number, self.launched + 1
            step()
            self.inside = 0

        return launch


class Pointed(np.ndarray):
    """A NumPy array that says where it lies as CuPy's do."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


class Nccl:
    """``cupy.cuda.nccl``, summing up by MPI where the arrays lie."""

    available, NcclError = True, RuntimeError
    NCCL_FLOAT32, NCCL_FLOAT64, NCCL_SUM = 7, 8, 0

    def __init__(self, backend):
        self.backend = backend

    @staticmethod
    def get_unique_id():
        return (os.getpid(), 1, 2)

    def NcclCommunicator(self, size, unique, rank):
        from mpi4py import MPI

        self.mpi, self.world = MPI, MPI.COMM_WORLD.Dup()
        assert (self.world.Get_size(), self.world.Get_rank()) == (size, rank)
        assert set(self.world.allgather(unique)) == {unique}
        return self

    def allReduce(self, source, target, count, kind, operation, stream):
        assert (source, operation, stream) == (target, self.NCCL_SUM, 77)
        if self.backend.loses:
            lose(self.world.Get_rank())
        said = self.world.allgather((count, kind, self.backend.inside))
        if len(set(said)) > 1:
            raise AssertionError(f"ranks would wait for each other: {said}")
        dtype = np.dtype({self.NCCL_FLOAT32: "f4", self.NCCL_FLOAT64: "f8"}[kind])
        memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(target)
        self.world.Allreduce(self.mpi.IN_PLACE, np.frombuffer(memory, dtype=dtype))

    def check_async_error(self):
        return

    def abort(self):
        self.world.Free()


class CupyCards(Recordings, NumpyBackend):
    """NumPy as CuPy on a card for each rank."""

    sums_in_place, sums_on_cards = False, True

    def __init__(self):
        super().__init__()
        self.begin()

    def open_sum(self, communicator):
        from bpx.backend.cupy_group import CupySum

        stream = SimpleNamespace(ptr=77, synchronize=lambda: None)
        properties = {"uuid": b"GPU" + bytes([choose_card(communicator.size)])}
        cuda = SimpleNamespace(
            Device=lambda index: contextlib.nullcontext(), get_current_stream=lambda: stream,
            runtime=SimpleNamespace(getDeviceProperties=lambda index: properties),
        )  # fmt: skip
        cupy = SimpleNamespace(
            cuda=cuda, zeros=np.zeros, ascontiguousarray=lambda x: np.ascontiguousarray(x).view(Pointed)
        )
        return CupySum(cupy, Nccl(self), 0, communicator)


def make_torch_cards():
    """Return PyTorch on the CPU as PyTorch on a card for each rank."""
    import torch
    import torch.distributed as distributed

    from bpx.backend import torch_group
    from bpx.backend.torch_backend import TorchBackend

    distributed.is_nccl_available = lambda: True

    class Gloo(torch_group.TorchSum):
        engine = "gloo"

        def __call__(self, array):
            if backend.loses:
                lose(self._communicator.rank)
            said = self._communicator.gather((tuple(array.shape), backend.inside))
            if len(set(said)) > 1:
                raise AssertionError(f"ranks would wait for each other: {said}")
            return super().__call__(array)

    class TorchCards(Recordings, TorchBackend):
        sums_in_place = False

        def __init__(self):
            super().__init__("cpu")
            self.captures, self.sums_in_place = True, False
            self.begin()

        def open_sum(self, communicator):
            card = SimpleNamespace(uuid=f"GPU-{choose_card(communicator.size)}")
            cuda = SimpleNamespace(
                get_device_properties=lambda device: card, set_device=lambda device: None,
                synchronize=lambda device: None,
            )  # fmt: skip
            return Gloo(SimpleNamespace(cuda=cuda, zeros=torch.zeros), self._device, communicator)

    backend = TorchCards()
    return backend


def train_until_one_is_lost(backend):
    def order(epoch):
        backend.loses = epoch == 3
        return np.random.default_rng(epoch).permutation(rank_work.ROWS)

    net = rank_work.make_net("classes", backend)
    x, y = rank_work.make_data("classes")
    net.fit(x, y, epochs=1000, batch_size=16, shuffle=order, distributed=True)


def main() -> None:
    out, library = Path(sys.argv[1]), sys.argv[2]
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one|.*of them have none")
    backend = CupyCards() if library == "cupy" else make_torch_cards()
    if sys.argv[3] == "lost":
        train_until_one_is_lost(backend)
    for name in json.loads(sys.argv[3]):
        backend.begin()
        rank = bpx.distributed.rank()
        refused = name.startswith("refused ")
        backend.refuses = 1 if refused else -1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = rank_work.train(name.removeprefix("refused "), backend, out)
        said = [w for w in caught if "this card is full" in str(w.message)]
        assert bool(said) == (refused and rank == 1), said
        np.savez(out / f"{name}.{rank}.npz", **found)
        sys.stdout.write(f"{name}: {backend.launched} steps were repeated on rank {rank}\n")


if __name__ == "__main__":
    main()
