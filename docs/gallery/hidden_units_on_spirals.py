"""
How many hidden units two spirals need
======================================

Each hidden ReLU bends the boundary along one line. With three bends two spirals cannot be told apart, with ten they
can, and forty make it round.
"""

import matplotlib.pyplot as plt

import bpx
import bpx.plot

x, y = bpx.datasets.spirals(300, seed=0)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, n_hidden in zip(axes, (3, 10, 40), strict=True):
    net = bpx.mlp([2, n_hidden, 2], seed=0)
    net.fit(x, y, epochs=200, optimizer=bpx.Adam(1e-2))
    bpx.plot.decision_boundary(net, x, y, ax, resolution=150)
    ax.set_title(f"{n_hidden} hidden units: {net.evaluate(x, y)['accuracy']:.0%}")
plt.show()
