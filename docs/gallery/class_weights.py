"""
Classes of unequal size
=======================

Of a thousand samples, one in twenty is of the rare class, and the two overlap. Without weights the network finds few
of the rare ones, because that costs it little. `class_weight="balanced"` makes both classes count the same in the
loss.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx
import bpx.plot

generator = np.random.default_rng(0)
y = (np.arange(1000) % 20 == 0).astype(int)
x = generator.normal(size=(1000, 2)) + np.where(y[:, None] == 1, 1.5, 0.0)

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, weight in zip(axes, (None, "balanced"), strict=True):
    net = bpx.mlp([2, 16, 2], seed=0)
    net.fit(x, y, epochs=30, class_weight=weight)
    bpx.plot.confusion_matrix(y, net.predict(x), ax, class_names=["frequent", "rare"])
    ax.set_title(f"class_weight={weight!r}")
plt.show()
