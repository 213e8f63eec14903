"""The targets of speed: what is measured, against what, and the largest ratio that holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks import peers
from benchmarks.cases import busy, compiled, cuda, device, epoch, memory, start_up
from benchmarks.cases.predict import MANY
from benchmarks.cases.xor import PUBLISHED, TRAINED
from benchmarks.measuring import Case, Spread
from benchmarks.tasks import SIZES, SMALL


@dataclass(frozen=True)
class Target:
    """One row of the table.

    Attributes
    ----------
    group : str
        Heading under which it stands.
    case : str
        Name of the case that measures it.
    peer, against : str
        The ratio is the time of the first over that of the second.
    limit : float
        Largest ratio that holds.
    wherever : str
        Peer (hand-written NumPy): the target says that the ratio holds wherever this peer's is below 1, and so it holds
        where that is not. Empty: it is to hold in any case.
    fact : str
        Where given, the figure is not a ratio but this fact of the case (or, for ``"time"``, the peer's own time).
    """

    group: str
    case: str
    peer: str
    against: str
    limit: float
    wherever: str = ""
    fact: str = ""

    @property
    def text(self) -> str:
        """The target in words."""
        kind, _, rest = self.case.partition("/")
        placed = ("sgd", "adam", "predict", "estimator", "cuda", "busy", "mlx")
        place = rest.replace("/", ", ") if kind in placed else ""
        what = self.fact if self.fact and self.fact != "time" else f"{self.peer} / {self.against}"
        return f"{place}: {what}" if place else what


@dataclass(frozen=True)
class Verdict:
    """A target and what one run found.

    Attributes
    ----------
    target : Target
    value : Spread or None
        None where it was not measured.
    holds : bool or None
    reason : str
        Why it was not measured, or why it holds although the ratio is over the limit.
    """

    target: Target
    value: Spread | None
    holds: bool | None
    reason: str = ""


def targets() -> Iterator[Target]:
    """Yield every target of the project, in the order of the report."""
    xor = "XOR by the epoch, float64"
    yield Target(xor, TRAINED, peers.BPX, peers.HAND, 1.1)
    yield Target(xor, TRAINED, peers.BPX, peers.TORCH, 0.12)
    yield Target(xor, PUBLISHED, peers.BPX, peers.NOTEBOOK, 1.25)
    for size in SIZES:
        group = "training step, SGD, float32"
        yield Target(group, f"sgd/{size}", peers.BPX, peers.HAND, 1.25 if size in SMALL else 1.05)
        for peer in (peers.TORCH, peers.JAX, peers.SKLEARN):
            yield Target(group, f"sgd/{size}", peers.BPX, peer, 1.0, wherever=peers.HAND)
    for size in SIZES:
        group = "training step, Adam, float32"
        yield Target(group, f"adam/{size}", peers.BPX, peers.TORCH, 1.0)
        yield Target(group, f"adam/{size}", peers.BPX, peers.FUSED, 1.15)
    limits = {peers.TORCH: 0.8, peers.LOADER: 0.5, peers.SKLEARN: 0.7, peers.KERAS: 0.5}
    for peer, limit in limits.items():
        yield Target("one epoch of 60,000 x 784", epoch.NAME, peers.BPX, peer, limit)
    for solver in ("adam", "sgd"):
        for data in ("digits", "table"):
            yield Target("fit of bpx.sklearn", f"estimator/{solver}/{data}", peers.BPX, peers.SKLEARN, 0.7)
    for size in (*SIZES, MANY):
        yield Target("predict", f"predict/{size}", peers.BPX, peers.TORCH, 1.0)
    for name in (busy.COMMAND, busy.FIT, busy.WIDE):
        for state, limit in busy.LIMITS.items():
            yield Target("a busy machine", f"busy/{name}", state, busy.QUIET, limit)
    yield Target("peak memory of a fit", memory.NAME, peers.BPX, peers.HAND, 1.3)
    for statement in (start_up.BPX, start_up.NETWORK):
        yield Target("import", start_up.NAME, statement, start_up.NUMPY, 1.3)
    yield Target("compiled, jax", compiled.NAME, peers.BPX_JAX, "1 µs an epoch", 1.0, fact="time")
    yield Target("compiled, jax", compiled.NAME, peers.BPX_JAX, peers.SCAN, 1.3)
    for name in ("XOR", "64-32-10, shuffled batches"):
        yield Target("compiled, jax", compiled.NAME, peers.BPX_JAX, "", 0, fact=f"{name}: {compiled.AGAIN}")
    for size in SIZES:
        yield Target("training step on torch", f"sgd/{size}", peers.BPX_TORCH, peers.TORCH, 0.9)
    for size in SMALL:
        yield Target("training step on mlx", f"mlx/sgd/{size}", peers.BPX_MLX, peers.MLX, 1.0)
    for optimizer in ("sgd", "adam"):
        for size in (*SIZES, *((cuda.WIDE,) if optimizer == "sgd" else ())):
            yield Target("CUDA", f"cuda/{optimizer}/{size}", peers.BPX_CUPY, peers.TORCH_CUDA, 1.0)
    for size in SMALL:
        yield Target("CUDA", f"cuda/sgd/{size}", peers.BPX_CUPY, peers.REDUCED_CUDA, 1.0)
    yield Target("CUDA", f"cuda/sgd/{cuda.WIDE}", peers.BPX_CUPY, peers.FLOOR_CUDA, 1.25)
    yield from device_targets()


def device_targets() -> Iterator[Target]:
    """Yield the targets on a CUDA device: steps in three precisions, fits, predictions."""
    ours = (peers.BPX_CUPY, peers.BPX_TORCH_CUDA)
    sizes = (*SIZES, *device.WIDE)
    for precision, limit in (("float32", 1.05), ("tf32", 1.2), ("bfloat16", 1.3)):
        for optimizer in ("sgd", "adam"):
            for size in sizes:
                case = f"cuda/{precision}/{optimizer}/{size}"
                yield from (Target("CUDA, steps", case, peer, peers.GRAPH_CUDA, 1.0) for peer in ours)
                if size in device.WIDE:
                    yield Target("CUDA, steps", case, peers.BPX_CUPY, peers.FLOOR_CUDA, limit)
    for size, limit in (("64-32-10", 1.5), ("784-512-512-10", 1.3), ("1024-2048-2048-10", 1.05)):
        yield Target("CUDA, steps", f"cuda/float32/sgd/{size}", peers.BPX_CUPY, peers.SCAN_CUDA, limit)
    for optimizer in ("sgd", "adam"):
        for size in list(SIZES)[::2]:
            for peer in ours:
                for fact, limit in ((device.TIME_OF_FIT, 2.0), (device.TIME_OF_PARTS, 1.5)):
                    yield Target("CUDA, fits", f"cuda/fit/{peer}/{optimizer}/{size}", peer, "", limit, fact=fact)
    for what in ("predict", "evaluate"):
        for rows in device.ROWS:
            yield from (Target("CUDA, predict", f"cuda/{what}/{rows}", peer, peers.TORCH_CUDA, 1.0) for peer in ours)


NOT_RUN = "not measured: case not run"


def judge(target: Target, cases: Mapping[str, Case]) -> Verdict:
    """Compare a target with the cases of one run."""
    case = cases.get(target.case)
    if case is None:
        return Verdict(target, None, None, NOT_RUN)
    value = _value(target, case)
    if value is None:
        gaps = [name for name in (target.peer, target.against) if name in case.missing]
        reason = "; ".join(f"{name}: {case.missing[name]}" for name in gaps) or "peer missing"
        return Verdict(target, None, None, f"not measured: {reason}")
    if target.wherever and value.median > target.limit:
        hand = case.ratio(target.wherever, target.against)
        if hand is not None and hand.median >= 1.0:
            return Verdict(target, value, True, f"{target.wherever} is at {hand.median:.2f} itself")
    return Verdict(target, value, value.median <= target.limit)


def _value(target: Target, case: Case) -> Spread | None:
    if target.fact == "time":
        line = case.lines.get(target.peer)
        return Spread.of([case.scale * seconds for seconds in line.seconds]) if line else None
    if target.fact:
        fact = case.facts.get(target.fact)
        return None if fact is None else Spread(fact, fact, fact)
    return case.ratio(target.peer, target.against)
