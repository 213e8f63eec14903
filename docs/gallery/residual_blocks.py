"""
Residual blocks: a way round each layer
=======================================

Behind many layers the gradient of the first ones depends on all that come after. A residual block adds its input to
its output, ``y = x + f(x)``, so that a part of the gradient goes past it unchanged.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.digits()
x = x / 16
width, depth = 32, 16


def build(*, residual):
    """Return a deep network, with or without ways round its layers."""
    blocks = []
    for _ in range(depth):
        block = [bpx.Linear(width, width), bpx.Tanh()]
        blocks += [bpx.Residual(block)] if residual else block
    return bpx.Network([bpx.Linear(64, width), *blocks, bpx.Linear(width, 10)], loss="cross_entropy", seed=0)


figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for label, residual in (("16 layers in a row", False), ("16 residual blocks", True)):
    history = build(residual=residual).fit(x, y, epochs=8, optimizer=bpx.SGD(0.01))
    ax.plot(history.epoch, history.loss, marker="o", label=label)
ax.set(xlabel="epoch", ylabel="loss (nats)")
ax.legend()
plt.show()
