"""Several cards by NCCL, with stand-ins for cards, and with the cards where there are two: sums, recordings, errors.

What needs two cards has the mark ``gpu`` and has not been run. The rest needs no card: bpx's own classes are given
arrays of main memory, and stand-ins for NCCL that ask for what NCCL asks for.
"""

import contextlib
import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rank_work
import started_ranks as ranks

from bpx.backend import cards, cupy_group
from bpx.backend.captured import CapturedLoop, Way
from bpx.backend.recording import CaptureError
from bpx.distributed.communicator import Communicator, _open_engine
from bpx.errors import BackendError, InputError

ON = {cards.SWITCH: "1"}

CASES = ["sgd", "whole", "rmsprop", "accumulate", "callbacks", "batches", "mapped", "validation", "refused sgd"]
"""Statistics, no batches, ranks without rows, weights that a callback changes, data that changes, a refusal on one."""

UNRECORDED = {"refused sgd", "batches", "mapped"}
"""Where each block of batches is data of its own, it has too few steps here."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the numbers of one process on NumPy for each case."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: rank_work.train(name.removeprefix("refused "), "numpy", folder, False) for name in CASES}


def _check_rehearsal(alone, folder, n, library, launcher, names):
    said = ranks.run(n, "cards", folder, library, json.dumps(names), launcher=launcher, **ON)
    for name in names:
        ranks.compare(alone[name], [ranks.load(folder / f"{name}.{rank}.npz") for rank in range(n)])
        counts = re.findall(rf"^{name}: (\d+) steps were repeated on rank \d$", said, re.MULTILINE)
        assert len(counts) == n
        assert len(set(counts)) == 1, counts
        assert (int(counts[0]) == 0) == (name in UNRECORDED), (name, counts)


@pytest.mark.slow
def test_cupy_by_stand_ins_has_the_numbers_of_one_process(alone, tmp_path):
    _check_rehearsal(alone, tmp_path, 3, "cupy", "mpirun", CASES)


@pytest.mark.slow
def test_torch_by_stand_ins_has_the_numbers_of_one_process(alone, tmp_path):
    _check_rehearsal(alone, tmp_path, 2, "torch", "torchrun", ["callbacks", "refused sgd"])


@pytest.mark.slow
@pytest.mark.parametrize(("library", "launcher"), [("torch", "torchrun"), ("cupy", "mpirun")])
def test_a_rank_that_waits_for_the_device_ends_when_another_is_killed(tmp_path, library, launcher):
    started = ranks.start(3, "cards", tmp_path, library, "lost", launcher=launcher, **ON)
    code, stdout, stderr = ranks.finish(started, 90.0)
    ended = time.time()
    (happened,) = (float(line.split()[1]) for line in stdout.splitlines() if line.startswith("HAPPENS"))
    assert ended - happened < 10.0
    assert code != 0
    if library == "torch":  # mpirun ends the others by itself
        assert "rank 0 of 3 ends: rank 1 has ended, and the device waits for its part of a sum" in stderr
    assert ranks.wait_until_none_is_left([str(tmp_path), "lost"]) == []


# -- which card -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "count", "card"),
    [
        ({"LOCAL_RANK": "1"}, 2, 0),  # the switch is off
        ({**ON}, 2, 0),
        ({**ON, "LOCAL_RANK": "1"}, 2, 1),
        ({**ON, "OMPI_COMM_WORLD_LOCAL_RANK": "3"}, 8, 3),
        ({**ON, "MPI_LOCALRANKID": "1"}, 2, 1),
        ({**ON, "SLURM_LOCALID": "2"}, 4, 2),
        ({**ON, "LOCAL_RANK": "1"}, 1, 0),  # each process may be shown one card of its own
        ({**ON, "LOCAL_RANK": "1"}, 0, 0),
    ],
)
def test_a_process_takes_the_card_of_its_number(variables, count, card, monkeypatch):
    for name in (cards.SWITCH, *cards._LOCAL_RANKS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cards.choose_card(count) == card


def test_more_processes_than_cards_are_refused(monkeypatch):
    monkeypatch.setenv(cards.SWITCH, "1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(BackendError, match="process 3 of this machine has no card of its own, for there are 2; start"):
        cards.choose_card(2)


# -- what is refused ----------------------------------------------------------------------------------------------


class Mirrored:
    """The engine of two processes of which the other says what this one does, but for its card."""

    name, rank, size = "stand-in", 0, 2

    def __init__(self, card):
        self.card = card

    def broadcast(self, value):
        return value

    def gather(self, value):
        return [value, self.card if isinstance(value, str) else value]

    def meet(self, seconds):
        return True

    def sum(self, array):
        return array


@pytest.fixture
def connect(monkeypatch):
    """Return a communicator of stand-ins; the switch is on."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # a communicator takes it
    monkeypatch.setenv(cards.SWITCH, "1")
    return lambda card="another": Communicator(Mirrored(card))


def test_two_ranks_on_one_card_are_refused(connect):
    with pytest.raises(InputError, match=r"ranks 0 and 1 are on one card \(GPU-7\), and NCCL sums up over different"):
        cards.check_cards(connect("GPU-7"), "GPU-7")
    cards.check_cards(connect("GPU-8"), "GPU-7")


def _make_cupy(**functions):
    nccl = SimpleNamespace(
        available=True, NCCL_FLOAT32=7, NCCL_FLOAT64=8, NCCL_SUM=0, NcclError=ValueError,
        get_unique_id=lambda: (1, 2), **functions,
    )  # fmt: skip
    stream = SimpleNamespace(ptr=5, synchronize=lambda: None)
    cuda = SimpleNamespace(
        Device=lambda index: contextlib.nullcontext(), get_current_stream=lambda: stream,
        runtime=SimpleNamespace(getDeviceProperties=lambda index: {"uuid": b"\x01\x02"}),
    )  # fmt: skip
    array = SimpleNamespace(data=SimpleNamespace(ptr=9), size=1, dtype=SimpleNamespace(char="f"))
    return SimpleNamespace(cuda=cuda, zeros=lambda n, dtype: array, ascontiguousarray=lambda x: x), nccl


def test_without_the_switch_nothing_is_connected(connect, monkeypatch):
    monkeypatch.delenv(cards.SWITCH)
    with pytest.raises(InputError, match="on cupy:0 would sum up by NCCL, and that has not been run on two cards yet"):
        cupy_group.CupySum(*_make_cupy(), 0, connect())
    group = pytest.importorskip("bpx.backend.torch_group", reason="torch is not installed")
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=f"on torch:cuda:0 would sum up by NCCL, .* set {cards.SWITCH}=1 to be"):
        group.TorchSum(torch, torch.device("cuda:0"), connect())


def test_libraries_without_nccl_are_refused(connect, monkeypatch):
    cupy, nccl = _make_cupy()
    nccl.available = False
    with pytest.raises(InputError, match="need NCCL, which CuPy does not find; install the package nvidia-nccl-cu12"):
        cupy_group.CupySum(cupy, nccl, 0, connect())
    torch = pytest.importorskip("torch")
    from bpx.backend.torch_group import TorchSum

    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    with pytest.raises(InputError, match="torch:cuda need NCCL, which this PyTorch was built without"):
        TorchSum(torch, torch.device("cuda:0"), connect())


def test_what_cannot_be_summed_up_is_refused_on_all_ranks(connect):
    def refuse(communicator):
        raise InputError("no sums here")

    communicator = connect()
    with pytest.raises(InputError, match="no sums here") as caught:
        communicator.reach(SimpleNamespace(spec="doubtful", open_sum=refuse))
    assert caught.value.__notes__ == ["on rank 0 of 2, and on all others"]
    assert communicator.works_since is None


def test_the_sum_is_that_of_the_backend_that_is_reached(connect):
    communicator = connect()
    host, card = (SimpleNamespace(spec=s, open_sum=lambda c, f=f: f) for s, f in (("a", None), ("b", lambda x: -x)))
    for backend, wanted in ((host, 3), (card, -3), (host, 3)):
        communicator.reach(backend)
        assert communicator.sum(3) == wanted
    assert communicator.name == "stand-in"


def test_mpirun_names_what_connects_pytorch_on_a_card(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    place = SimpleNamespace(
        name="torch", spec="torch:cuda:0", open_group=lambda: None, sums_in_place=False, sums_on_cards=False
    )
    with pytest.raises(InputError, match="on NumPy, on torch:cpu or on CuPy, .* 'torch:cuda:0'; start it by torchrun"):
        _open_engine(place, "fit")


def test_one_process_of_torchrun_is_alone(monkeypatch):
    torch = pytest.importorskip("torch")
    from bpx.backend.torch_backend import TorchBackend

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "1")
    backend = TorchBackend.__new__(TorchBackend)
    backend._torch, backend._device = torch, torch.device("cuda:0")
    assert backend.open_group() is None


# -- what NCCL is asked for ---------------------------------------------------------------------------------------


def test_cupy_gives_nccl_the_buffer_in_place_on_the_stream_that_computes(connect):
    calls = []
    made = SimpleNamespace(
        allReduce=lambda *a: calls.append(a), check_async_error=lambda: None, abort=lambda: calls.append("abort")
    )
    cupy, nccl = _make_cupy(NcclCommunicator=lambda *a: calls.append(a) or made)
    add = cupy_group.CupySum(cupy, nccl, 0, connect())
    array = SimpleNamespace(data=SimpleNamespace(ptr=1234), size=55, dtype=SimpleNamespace(char="d"))
    assert add(array) is array
    add._close()
    assert calls == [(2, (1, 2), 0), (9, 9, 1, 7, 0, 5), (1234, 1234, 55, 8, 0, 5), "abort"]


def test_an_error_that_nccl_meets_on_the_way_ends_the_process(connect, monkeypatch):
    def check():
        raise ValueError("NCCL_ERROR_SYSTEM_ERROR: unhandled system error")

    said = []
    monkeypatch.setattr(cupy_group, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(cupy_group, "leave", lambda communicator, why: said.append(why))
    made = SimpleNamespace(allReduce=lambda *a: None, check_async_error=check, abort=lambda: None)
    cupy, nccl = _make_cupy(NcclCommunicator=lambda *a: made)
    add = cupy_group.CupySum(cupy, nccl, 0, connect())
    end = time.monotonic() + 10.0
    while not said and time.monotonic() < end:
        time.sleep(0.01)
    add._close()
    assert set(said) == {"NCCL has lost another rank (NCCL_ERROR_SYSTEM_ERROR: unhandled system error)"}


def test_leaving_says_why():
    code = (
        "from types import SimpleNamespace as S; from bpx.backend.cards import leave\n"
        "leave(S(rank=2, size=4), 'the reason'); print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ranks.make_environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "rank 2 of 4 ends: the reason\n"


def test_a_connection_that_does_not_close_holds_nothing_up(monkeypatch):
    monkeypatch.setattr(cards, "LOST_SECONDS", 0.05)
    began = time.monotonic()
    cards.Closing(lambda: time.sleep(5.0))()
    assert time.monotonic() - began < 2.0


class Wire:
    """The other process as far as one that watches it hears of it."""

    def __init__(self, word):
        self.word, self.sent = word, []

    def recv(self, message, src, group):
        if not self.word:
            raise RuntimeError("connection closed by peer")

    def send(self, message, dst, group):
        self.sent.append(dst)


@pytest.mark.parametrize(
    ("word", "at_work", "ended"),
    [
        (False, True, True),  # lost in the middle
        (False, False, False),  # lost while this one waits for nobody
        (True, True, False),  # left in good order, and there is time
        (True, False, False),
    ],
)
def test_a_watch_ends_a_process_that_waits_for_one_that_is_lost(word, at_work, ended, connect, monkeypatch):
    torch = pytest.importorskip("torch")
    from bpx.backend import torch_group

    said, wire, communicator = [], Wire(word), connect()
    monkeypatch.setattr(torch_group, "LOST_SECONDS", 0.05)
    monkeypatch.setattr(torch_group, "leave", lambda communicator, why: said.append(why))
    with communicator.guarding(works=at_work):
        watch = torch_group.Watch(torch, wire, communicator, 1, None)
        watch.thread.join(0.5)
        assert said == ["rank 1 has ended, and the device waits for its part of a sum"] * ended
    watch.leave()
    watch.thread.join(5.0)
    assert not watch.thread.is_alive()
    assert len(said) == ended
    assert wire.sent == [1]  # its word, once


# -- recordings that all make, or none ----------------------------------------------------------------------------


class Launches:
    """A backend as far as the loop asks for it: arrays of NumPy, recordings that are calls."""

    spec, refuses = "stand-in", False

    def __init__(self):
        from bpx.backend.numpy_backend import NumpyBackend

        self.log, self.xp = [], NumpyBackend().xp

    def capture(self, step):
        if self.refuses:
            raise CaptureError("this card is full")
        self.log.append("recorded")

        def launch():
            self.log.append("repeated")
            step()

        return launch

    asarray = to_numpy = staticmethod(np.asarray)

    @staticmethod
    def fetch_scalars(values):
        return np.stack(values)


def _step(carry, data, inputs):
    carry[0][...] += 1.0
    return carry, carry[0].sum()


def _run(said, calls, refuses=False):
    """Run a loop whose other processes say in turn what is given; return its backend, what it said, and its losses."""
    backend, own = Launches(), []
    backend.refuses = refuses
    others = iter(said)

    def agree(number):
        own.append(number)
        return min(number, next(others))

    loop = CapturedLoop(backend, _step, agree)
    carry, data, losses = [np.zeros(1)], [np.zeros(1)], []
    for length in calls:
        losses += loop(carry, data, (None, None), length)[1].tolist()
    assert next(others, None) is None
    return backend, own, losses, loop


PLAINLY, RECORDING, REPEATING = Way


@pytest.mark.parametrize(
    ("said", "own", "log"),
    [
        ([PLAINLY, RECORDING, True, REPEATING], [PLAINLY, RECORDING, True, REPEATING], "recorded" + " repeated" * 7),
        ([PLAINLY, PLAINLY, PLAINLY], [PLAINLY, RECORDING, RECORDING], ""),  # another rank is not as far
        ([PLAINLY, RECORDING, False, PLAINLY], [PLAINLY, RECORDING, True, PLAINLY], "recorded"),  # it could not
        ([PLAINLY, RECORDING, True, RECORDING, True], [PLAINLY, RECORDING, True, REPEATING, True],
         "recorded repeated repeated repeated recorded repeated repeated repeated"),  # it has lost its own
    ],
)  # fmt: skip
def test_a_loop_goes_the_way_that_all_go(said, own, log):
    backend, have_said, losses, loop = _run(said, [8, 4, 4])
    assert have_said == own
    assert backend.log == log.split()
    assert losses == list(range(1, 17))
    loop.release()
    assert loop.nbytes == 0
    assert not loop._recordings, "a connection of NCCL does not close as long as a recording lives"


@pytest.mark.filterwarnings("ignore:the training step cannot be recorded")
def test_a_refusal_is_told_to_the_others():
    backend, own, losses, _ = _run([PLAINLY, RECORDING, True, PLAINLY], [8, 4, 4], refuses=True)
    assert own == [PLAINLY, RECORDING, False, PLAINLY]
    assert backend.log == []
    assert losses == list(range(1, 17))


# -- where there are two cards ------------------------------------------------------------------------------------


def _count_cards(library):
    module = pytest.importorskip(library)
    with contextlib.suppress(RuntimeError):
        return module.cuda.device_count() if library == "torch" else module.cuda.runtime.getDeviceCount()
    return 0


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("library", "spec", "launcher"), [("torch", "torch:cuda", "torchrun"), ("cupy", "cupy", "mpirun")]
)
def test_two_cards_have_the_numbers_of_one_process(alone, tmp_path, library, spec, launcher):
    if _count_cards(library) < 2:
        pytest.skip(f"{library} sees fewer than two cards")
    names = [name for name in CASES if not name.startswith("refused")]
    ranks.run(2, "work", tmp_path, spec, json.dumps(names), launcher=launcher, **ON)
    for name in names:
        ranks.compare(alone[name], [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(2)])
    started = ranks.start(2, "trouble", "SIGKILL", tmp_path / "checkpoints", spec, launcher=launcher, **ON)
    code, stdout, stderr = ranks.finish(started, 90.0)
    (happened,) = (float(line.split()[1]) for line in stdout.splitlines() if line.startswith("HAPPENS"))
    assert code != 0, stderr
    assert time.time() - happened < 10.0
