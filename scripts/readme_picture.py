#!/usr/bin/env python3
"""Draw what a network makes of two spirals, at four moments of its training: the README's picture, or a social card.

python scripts/readme_picture.py docs/spirals.png
python scripts/readme_picture.py --card docs/social-card.png
"""

from __future__ import annotations

import argparse

from matplotlib.figure import Figure

import bpx
import bpx.plot

EPOCHS = (0, 10, 20, 100)


def draw(*, card: bool) -> Figure:
    """Train the network, and return the picture: four panels, and on a card of 1280 x 640 what bpx is above them."""
    x, y = bpx.datasets.spirals(300, seed=0)
    net = bpx.mlp([2, 24, 24, 2], activation="tanh", seed=0)
    figure = Figure(figsize=(12.8, 6.4) if card else (11, 2.9), layout="constrained")
    if card:
        figure.suptitle("bpx\nbackpropagation that a person can read,\non every array library", fontsize=34)
    trained = 0
    for ax, epoch in zip(figure.subplots(1, len(EPOCHS)), EPOCHS, strict=True):
        if epoch > trained:
            net.fit(x, y, epochs=epoch - trained, optimizer=bpx.Adam(0.01))
            trained = epoch
        bpx.plot.decision_boundary(net, x, y, ax, resolution=150)
        loss = net.evaluate(x, y)["loss"]
        ax.set(title=f"epoch {epoch}: loss {loss:.3f}", xlabel="", ylabel="", xticks=[], yticks=[])
        ax.get_legend().remove()
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the README's picture.")
    parser.add_argument("path")
    parser.add_argument("--card", action="store_true", help="a social card")
    options = parser.parse_args()
    bpx.plot.save(draw(card=options.card), options.path, dpi=100 if options.card else 72)
