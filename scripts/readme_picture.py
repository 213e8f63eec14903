#!/usr/bin/env python3
"""Draw the picture of the README: what a network makes of two spirals, at four moments of its training.

python scripts/readme_picture.py docs/spirals.png
"""

from __future__ import annotations

import sys

from matplotlib.figure import Figure

import bpx
import bpx.plot

EPOCHS = (0, 10, 20, 100)


def draw() -> Figure:
    """Train the network, and return the picture."""
    x, y = bpx.datasets.spirals(300, seed=0)
    net = bpx.mlp([2, 24, 24, 2], activation="tanh", seed=0)
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    trained = 0
    for ax, epoch in zip(figure.subplots(1, len(EPOCHS)), EPOCHS, strict=True):
        if epoch > trained:
            net.fit(x, y, epochs=epoch - trained, optimizer=bpx.Adam(0.01))
            trained = epoch
        bpx.plot.decision_boundary(net, x, y, ax, resolution=150)
        ax.set(
            title=f"epoch {epoch}: loss {net.evaluate(x, y)['loss']:.3f}", xlabel="", ylabel="", xticks=[], yticks=[]
        )
        ax.get_legend().remove()
    return figure


if __name__ == "__main__":
    (path,) = sys.argv[1:]
    bpx.plot.save(draw(), path, dpi=72)
