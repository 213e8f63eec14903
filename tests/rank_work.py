"""One training of each kind, saved as arrays: run alone, and by mpirun or torchrun with any number of ranks.

``python rank_work.py OUT BACKEND NAMES`` writes ``OUT/NAME.RANK.npz`` for each of the cases that a JSON list names:
parameters, statistics, history, evaluation, predictions. Behind that, for jax.distributed, an address, the number of
the process, and how many there are. The data is small, so that batches have ranks without rows.
"""

import json
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np

import bpx
from bpx.core.file_rows import FileRows
from bpx.training import fingerprint

ROWS, WIDTH, CLASSES = 53, 6, 3


def make_data(kind: str):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(ROWS, WIDTH))
    if kind == "classes":
        return x, draw.integers(0, CLASSES, size=ROWS)
    return x, np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 2] * x[:, 3]], axis=1)


def make_net(kind: str, backend: str | None, *, reduction: str = "mean", seed: int | None = 3):
    """Return a network with all that looks at a batch: statistics, masks, a block."""
    block = bpx.Residual([bpx.Linear(8, 8, bias=False), bpx.BatchNorm(8), bpx.Tanh(), bpx.Dropout(0.3)])
    layers = [bpx.Linear(WIDTH, 8, bias=False), bpx.BatchNorm(8), bpx.ReLU(), bpx.Dropout(0.2), block]
    if kind == "classes":
        loss, out = bpx.CrossEntropy(reduction=reduction), CLASSES
    else:
        loss, out = bpx.SquaredError(reduction=reduction), 2
    return bpx.Network([*layers, bpx.Linear(8, out)], loss=loss, dtype="float64", seed=seed, backend=backend)


class HalveRate(bpx.Callback):
    """Lower the rate scale, and in the second epoch change the weights."""

    def on_epoch_end(self, run):
        run.training.rate_scale *= 0.5
        if run.done == 2:
            params = [{name: bpx.to_numpy(a) * 1.01 for name, a in part.items()} for part in run.net.params]
            run.net.params = params


def print_nothing(run):
    """A function as a callback."""


def list_cases():
    """Return options of ``fit`` by name, beside the kind of the data."""
    draw = np.random.default_rng(2)
    weight = draw.uniform(0.0, 2.0, size=ROWS) * (draw.uniform(size=ROWS) > 0.3)
    stop = bpx.EarlyStopping("validation_loss", patience=1)
    cases = {
        "sgd": ("values", {"optimizer": bpx.SGD(0.05, momentum=0.9), "batch_size": 8}),
        "sum": ("values", {"optimizer": bpx.SGD(0.001), "batch_size": 8, "reduction": "sum"}),
        "adam": ("classes", {"optimizer": "adam", "batch_size": 13, "metrics": ["accuracy", "macro_f1"]}),
        "rmsprop": ("classes", {"optimizer": "rmsprop", "batch_size": 4, "sample_weight": weight}),
        "whole": ("values", {"batch_size": None, "epochs": 6}),
        "balanced": ("classes", {"batch_size": 26, "class_weight": "balanced", "sample_weight": weight}),
        "classes weighed": ("classes", {"batch_size": 16, "class_weight": {0: 2.0, 2: 0.0}}),
        "penalties": ("values", {"batch_size": 7, "penalties": [bpx.L1(0.01), bpx.L2(0.1, per_sample=True)]}),
        "penalties weighed": (
            "values", {"batch_size": 7, "penalties": bpx.L2(0.1, per_sample=True), "sample_weight": weight}
        ),
        "clip norm": ("values", {"batch_size": 9, "clip": bpx.ClipNorm(0.1)}),
        "clip value": ("values", {"batch_size": 9, "clip": bpx.ClipValue(0.01)}),
        "accumulate": ("classes", {"batch_size": 6, "accumulate": 3, "sample_weight": weight}),
        "accumulate all": ("values", {"batch_size": 27, "accumulate": 2}),
        "averaged": ("values", {"batch_size": 8, "optimizer": bpx.Averaged(bpx.Adam(0.01))}),
        "order": ("values", {"batch_size": 8, "shuffle": False}),
        "rows": ("values", {"batch_size": 8, "rows": np.arange(3, 50)}),
        "rows of the whole set": ("values", {"batch_size": None, "rows": np.arange(3, 50)}),
        "callbacks": ("classes", {"batch_size": 8, "callbacks": [HalveRate(), print_nothing], "metrics": "accuracy"}),
        "stopping": ("classes", {"batch_size": 8, "epochs": 12, "callbacks": [stop], "validate": True}),
        "plateau": ("values", {
            "batch_size": 8, "epochs": 6, "callbacks": [bpx.ReduceOnPlateau(monitor="loss", patience=1)]
        }),
        "validation": ("classes", {"batch_size": 8, "validate": True, "metrics": ["accuracy", "roc_auc"]}),
    }  # fmt: skip
    cases["mapped"] = ("classes", {"batch_size": 4, "memory_limit": 2500, "sample_weight": weight, "validate": True})
    cases["mapped accumulate"] = ("classes", {"batch_size": 2, "accumulate": 2, "memory_limit": 2500})
    cases["mapped list"] = ("classes", {
        "batch_size": 4, "memory_limit": 2500, "class_weight": "balanced", "sample_weight": weight, "validate": True,
        "metrics": ["accuracy", "macro_f1"],
    })  # fmt: skip
    for name, options in (("batches", {}), ("batches accumulate", {"accumulate": 2, "shuffle": False})):
        cases[name] = ("classes", options)
    return cases


def cut(x, y):
    """Return data as batches of different sizes."""
    ends = [0, 7, 14, 15, 29, 30, 41, len(x)]
    return [(x[a:b], y[a:b]) for a, b in pairwise(ends)]


def map_file(x, folder: Path):
    """Return an array as it is mapped from a file."""
    path = folder / f"x.{bpx.distributed.rank()}.npy"
    np.save(path, x)
    return np.load(path, mmap_mode="r")


def map_files(array, folder: Path, name: str):
    """Return an array as parts that are mapped from files, one of them without rows."""
    parts = []
    for i, (a, b) in enumerate(pairwise([0, 7, 7, 20, 21, ROWS])):
        path = folder / f"{name}{i}.{bpx.distributed.rank()}.npy"
        np.save(path, array[a:b])
        parts.append(np.load(path, mmap_mode="r"))
    return parts


def count_rows() -> list[int]:
    """Return a number to which rows of samples are added from now on, as they are taken of files."""
    count = [0]
    read, take = FileRows._read, FileRows._take

    def read_and_count(self, start, stop):
        count[0] += (stop - start) * (self.ndim > 1)
        return read(self, start, stop)

    def take_and_count(self, rows):
        count[0] += rows.size * (self.ndim > 1)
        return take(self, rows)

    FileRows._read, FileRows._take = read_and_count, take_and_count
    return count


def train(name: str, backend: str | None, folder: Path, distributed: bool = True):
    """Run a case; return what came of it as named arrays."""
    kind, options = list_cases()[name]
    options = {"epochs": 3, "progress": False, **options}
    net = make_net(kind, backend, reduction=options.pop("reduction", "mean"))
    x, y = make_data(kind)
    if options.pop("validate", False):
        options["validation_data"] = (x[:17] + 0.1, y[:17])
    data = (x, y)
    if name == "mapped list":
        fingerprint.WHOLE_BYTES, fingerprint.SAMPLED_ROWS = 0, 2  # of so little data all would be hashed
        count = count_rows()
        data = x, y = map_files(x, folder, "x"), map_files(y, folder, "y")
        options["validation_data"] = data
    elif "mapped" in name:
        data = (map_file(x, folder), y)
    elif "batches" in name:
        data = (cut(x, y),)
    history = net.fit(*data, distributed=distributed, **options)
    more = net.fit(*data, distributed=distributed, **{**options, "epochs": 1, "callbacks": ()})  # continues
    found = collect(net, history, more, x, y, distributed)
    if name == "mapped list":
        (folder / f"rows.{bpx.distributed.rank()}.txt").write_text(str(count[0]))
    return found


def collect(net, history, more, x, y, distributed):
    found = {f"params.{i}.{n}": bpx.to_numpy(a) for i, part in enumerate(net.params) for n, a in part.items()}
    found |= {f"state.{i}.{n}": bpx.to_numpy(a) for i, part in enumerate(net.state) for n, a in part.items()}
    for number, each in enumerate((history, more)):
        found |= {f"history.{number}.{n}": np.array(values) for n, values in each.curves().items()}
    found["stop"] = np.array([len(history), bool(history.stop_reason)])
    metrics = ["r2"] if net.loss.name == "squared_error" else ["accuracy", "roc_auc", "macro_f1"]
    weight = np.linspace(0.0, 1.0, ROWS)
    limit = 2500 if isinstance(x, list) else None
    for number, options in enumerate(({}, {"metrics": metrics}, {"sample_weight": weight, "metrics": metrics})):
        for n, value in net.evaluate(x, y, distributed=distributed, memory_limit=limit, **options).items():
            found[f"evaluate.{number}.{n}"] = np.array(value)
    found["predict"] = np.asarray(net.predict(x, distributed=distributed, memory_limit=limit))
    found["predict few"] = np.asarray(net.predict(x[:2], distributed=distributed))
    return found


def train_estimator():
    """Return what an estimator for tables learns; its seed is rank 0's."""
    from bpx.sklearn import TableClassifier

    x, y = make_data("classes")
    x, y = np.concatenate([x, x + 0.01]), np.concatenate([y, y])
    state = np.random.RandomState(bpx.distributed.rank())
    found = TableClassifier(preset="default", max_iter=2, random_state=state, distributed=True).fit(x, y)
    return {"probabilities": found.predict_proba(x), "loss": np.array(found.history_.loss)}


def main() -> None:
    out, backend = Path(sys.argv[1]), sys.argv[2]
    if len(sys.argv) > 4:
        import jax

        jax.distributed.initialize(sys.argv[4], process_id=int(sys.argv[5]), num_processes=int(sys.argv[6]))
    names = json.loads(sys.argv[3]) if len(sys.argv) > 3 else list(list_cases())
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one|.*of them have none")
    for name in names:
        found = train_estimator() if name == "estimator" else train(name, backend, out)
        np.savez(out / f"{name}.{bpx.distributed.rank()}.npz", **found)


if __name__ == "__main__":
    main()
