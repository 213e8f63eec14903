"""
Gradients that vanish on their way back
=======================================

The derivative of a sigmoid is at most a quarter. Eight sigmoids in a row leave of a gradient what eight factors below
a quarter leave, and the first layers hardly move. ReLU has the factor 1 or 0, and a normalization before each
activation keeps the sigmoids where they are steep.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx

x, y = bpx.datasets.digits()
x = x / 16
depth, width = 8, 32


def build(activation, *, normalized=False):
    """Return a deep network of one activation."""
    layers, n_in = [], 64
    for _ in range(depth):
        layers += [bpx.Linear(n_in, width), *([bpx.BatchNorm(width)] if normalized else []), activation]
        n_in = width
    return bpx.Network([*layers, bpx.Linear(width, 10)], loss="cross_entropy", seed=0)


networks = {
    "sigmoid": build(bpx.Sigmoid()),
    "sigmoid behind batch normalization": build(bpx.Sigmoid(), normalized=True),
    "ReLU": build(bpx.ReLU()),
}
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for label, net in networks.items():
    _, gradients = net.gradients(x[:256], y[:256], training=True)
    linear = [g["weight"] for g, layer in zip(gradients, net.layers, strict=True) if isinstance(layer, bpx.Linear)]
    ax.semilogy(range(1, depth + 2), [np.sqrt((g**2).mean()) for g in linear], marker="o", label=label)
ax.set(xlabel="linear layer, from the input", ylabel="root mean square of dw")
ax.legend()
plt.show()
