"""Networks, samples and a reference in plain NumPy for the tests of the page.

`reference` computes one training step from the same data that the page gets, independently of bpx and of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Data = dict[str, Any]


def _sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def _phi(z: Array) -> Array:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


_erf = np.vectorize(math.erf)


def _cdf(z: Array) -> Array:
    return 0.5 * (1.0 + _erf(z / math.sqrt(2.0)))


# Value and slope of each activation at z.
ACTIVATIONS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "Sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "Tanh": (np.tanh, lambda z: 1.0 / np.cosh(z) ** 2),
    "ReLU": (lambda z: np.maximum(z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "LeakyReLU": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z: np.where(z > 0, 1.0, 0.1)),
    "GELU": (lambda z: z * _cdf(z), lambda z: _cdf(z) + z * _phi(z)),
    "SiLU": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) + z * _sigmoid(z) * _sigmoid(-z)),
    "Softplus": (lambda z: np.logaddexp(0.0, z), _sigmoid),
    "Identity": (lambda z: z, np.ones_like),
    "Dropout": (lambda z: z, np.ones_like),
}


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _loss(spec: Data, p: Array, y: Array) -> tuple[Array, Array]:
    """Loss of each sample and its gradient with respect to the output p."""
    e = p - y
    if spec["kind"] == "squared_error":
        return 0.5 * (e * e).sum(axis=1), e
    if spec["kind"] == "absolute_error":
        return np.abs(e).sum(axis=1), np.sign(e)
    if spec["kind"] == "huber":
        d = spec["delta"]
        return np.where(np.abs(e) <= d, 0.5 * e * e, d * (np.abs(e) - 0.5 * d)).sum(axis=1), np.clip(e, -d, d)
    if spec["kind"] == "binary_cross_entropy":
        return (np.logaddexp(0.0, p) - y * p).sum(axis=1), _sigmoid(p) - y
    smoothing = spec.get("label_smoothing", 0.0)
    y = (1.0 - smoothing) * y + smoothing / y.shape[1]
    return -(y * np.log(_softmax(p))).sum(axis=1), _softmax(p) - y


def reference(data: Data, *, snapshot: int = 0, sample: int | str = "all", learning_rate: float | None = None) -> Data:
    """One training step: values, gradients by value and by parameter, new parameters, losses before and after."""
    layers, loss = data["layers"], data["loss"]
    params = [
        {name: np.array(value) for name, value in layer.items()} for layer in data["snapshots"][snapshot]["params"]
    ]
    rate = data["learning_rate"] if learning_rate is None else learning_rate
    x, y = np.array(data["samples"]["x"], dtype=float), np.array(data["samples"]["y"], dtype=float)
    if sample != "all":
        x, y = x[[sample]], y[[sample]]

    def forward(params: list[dict[str, Array]]) -> list[Array]:
        values = [x]
        for layer, p in zip(layers, params, strict=True):
            if layer["kind"] == "Linear":
                values.append(values[-1] @ p["weight"] + p.get("bias", 0.0))
            elif layer["kind"] == "Softmax":
                values.append(_softmax(values[-1]))
            else:
                values.append(ACTIVATIONS[layer["kind"]][0](values[-1]))
        return values

    share = 1.0 if loss["reduction"] == "sum" else 1.0 / len(x)
    values = forward(params)
    per_sample, d = _loss(loss, values[-1], y)
    gradients: list[Array] = [d * share]
    grads: list[dict[str, Array]] = []
    for k in range(len(layers) - 1, -1, -1):
        layer, p, d = layers[k], params[k], gradients[0]
        if layer["kind"] == "Linear":
            own = {"weight": np.einsum("ni,nj->ij", values[k], d), "bias": d.sum(axis=0)}
            grads.insert(0, {name: own[name] for name in p})
            gradients.insert(0, d @ p["weight"].T)
        elif layer["kind"] == "Softmax":
            a = values[k + 1]
            jacobian = np.einsum("ni,ij->nij", a, np.eye(a.shape[1])) - np.einsum("ni,nj->nij", a, a)
            grads.insert(0, {})
            gradients.insert(0, np.einsum("ni,nij->nj", d, jacobian))
        else:
            grads.insert(0, {})
            gradients.insert(0, d * ACTIVATIONS[layer["kind"]][1](values[k]))
    new_params = [
        {name: w - (0.0 if name in layer.get("frozen", []) else rate) * g[name] for name, w in p.items()}
        for layer, p, g in zip(layers, params, grads, strict=True)
    ]
    after, _ = _loss(loss, forward(new_params)[-1], y)
    return {
        "values": values,
        "gradients": gradients,
        "grads": grads,
        "new_params": new_params,
        "loss": float(per_sample.sum() * share),
        "loss_after": float(after.sum() * share),
    }


def train(data: Data, steps: int, keep: list[int]) -> Data:
    """Fill in the snapshots and the loss curve by full-batch gradient descent from the data's first snapshot."""
    first = data["snapshots"][0]["params"]
    work = {**data, "snapshots": [{"step": 0, "params": first}]}
    data = {**data, "snapshots": [], "losses": {"step": [], "loss": []}}
    for step in range(steps + 1):
        result = reference(work)
        params = work["snapshots"][0]["params"]
        if step in keep:
            lists = [{name: np.array(w).tolist() for name, w in layer.items()} for layer in params]
            data["snapshots"].append({"step": step, "loss": result["loss"], "params": lists})
        if step in keep or step % max(1, steps // 200) == 0:
            data["losses"]["step"].append(step)
            data["losses"]["loss"].append(result["loss"])
        work["snapshots"][0]["params"] = result["new_params"]
    return data


def linear(n_in: int, n_out: int, frozen: list[str] | None = None) -> Data:
    return {"kind": "Linear", "n_in": n_in, "n_out": n_out, "frozen": frozen or []}


def draw(layers: list[Data], seed: int, scale: float = 1.0) -> list[dict[str, Any]]:
    """Random parameters for the layers, as nested lists."""
    rng = np.random.default_rng(seed)
    return [
        {
            "weight": (rng.normal(size=(item["n_in"], item["n_out"])) * scale / math.sqrt(item["n_in"])).tolist(),
            "bias": (rng.normal(size=item["n_out"]) * 0.1 * scale).tolist(),
        }
        if item["kind"] == "Linear"
        else {}
        for item in layers
    ]


def xor(*, frozen_biases: bool = False, steps: int = 3000) -> Data:
    """Exclusive or with a 2-2-1 sigmoid network, from the notebook's start (np.random.seed(0), uniform draws)."""
    uniform = np.random.RandomState(0).uniform
    w1, w2, b1, b2 = uniform(size=(2, 2)), uniform(size=(2, 1)), uniform(size=2), uniform(size=1)
    frozen = ["bias"] if frozen_biases else []
    data = {
        "format": "bpx-explain/1",
        "title": "Exclusive or" + (", biases frozen" if frozen_biases else ""),
        "layers": [linear(2, 2, frozen), {"kind": "Sigmoid"}, linear(2, 1, frozen), {"kind": "Sigmoid"}],
        "loss": {"kind": "squared_error", "reduction": "sum"},
        "learning_rate": 0.5,
        "feature_names": ["x₁", "x₂"],
        "class_names": None,
        "samples": {"x": [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "y": [[0.0], [1.0], [1.0], [0.0]]},
        "snapshots": [{"params": [{"weight": w1, "bias": b1}, {}, {"weight": w2, "bias": b2}, {}]}],
    }
    keep = [step for step in (0, 1, 10, 100, 300, 1000, 1500, 2000, 2500, 3000) if step <= steps]
    return train(data, steps, keep)


def digits(steps: int = 60) -> Data:
    """Sixty handwritten digits and a 64-16-10 ReLU network with cross-entropy."""
    from bpx.datasets import digits as load

    dataset = load()
    x, labels = dataset.x[:60] / 16.0, dataset.y[:60]
    layers = [linear(64, 16), {"kind": "ReLU"}, linear(16, 10)]
    data = {
        "format": "bpx-explain/1",
        "title": "Handwritten digits",
        "layers": layers,
        "loss": {"kind": "cross_entropy", "reduction": "mean"},
        "learning_rate": 0.5,
        "feature_names": list(dataset.feature_names),
        "class_names": list(dataset.class_names),
        "samples": {"x": x.tolist(), "y": np.eye(10)[labels].tolist()},
        "snapshots": [{"params": draw(layers, 0, math.sqrt(2.0))}],
    }
    data = train(data, steps, [0, 1, 5, 10, 20, 40, 60])
    shown = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 30, 31]
    data["samples"] = {name: [rows[n] for n in shown] for name, rows in data["samples"].items()}
    return data


def network(layers: list[Data], loss: Data, targets: Array, *, seed: int = 0, title: str = "Test network") -> Data:
    """Data for any network, with random parameters and as many random samples as there are targets."""
    n_in = next(layer["n_in"] for layer in layers if layer["kind"] == "Linear")
    data = {
        "format": "bpx-explain/1",
        "title": title,
        "layers": layers,
        "loss": loss,
        "learning_rate": 0.1,
        "feature_names": None,
        "class_names": None,
        "samples": {
            "x": np.random.default_rng(seed + 1).normal(size=(len(targets), n_in)).tolist(),
            "y": np.asarray(targets, dtype=float).tolist(),
        },
        "snapshots": [{"params": draw(layers, seed)}],
    }
    return train(data, 2, [0, 2])
