"""
Dropout and weight decay against overfitting
============================================

A hundred samples with much noise, and a network that could learn each of them by heart. Dropout leaves out hidden
units at random while training, weight decay pulls all weights towards 0 at each step; both make the boundary
smoother. The number above each picture is the share of a thousand new samples that is classified rightly.
"""

import matplotlib.pyplot as plt

import bpx
import bpx.plot

x, y = bpx.datasets.moons(100, noise=0.3, seed=5)
x_new, y_new = bpx.datasets.moons(1000, noise=0.3, seed=6)

ways = {
    "neither": (0.0, bpx.AdamW(0.01, weight_decay=0.0)),
    "dropout 0.5": (0.5, bpx.AdamW(0.01, weight_decay=0.0)),
    "weight decay 1": (0.0, bpx.AdamW(0.01, weight_decay=1.0)),
}
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, (label, (dropout, optimizer)) in zip(axes, ways.items(), strict=True):
    net = bpx.mlp([2, 64, 64, 2], dropout=dropout, seed=0)
    net.fit(x, y, epochs=300, optimizer=optimizer)
    bpx.plot.decision_boundary(net, x, y, ax, resolution=120)
    ax.set_aspect("auto")
    ax.set_title(f"{label}: {net.evaluate(x_new, y_new)['accuracy']:.1%}")
plt.show()
