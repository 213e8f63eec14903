"""
What the bias changes
=====================

bpx started from a notebook that trains a 2-2-1 network of sigmoids on XOR, and never updates its biases. Here is that
network twice, from the same weights: as it was published, and with its biases trained too.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx.notebook

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for shift, published in ((-0.2, True), (0.2, False)):
    result = bpx.notebook.notebook_xor(as_published=published)
    label = "biases stay as they were drawn" if published else "biases are trained too"
    bars = ax.bar(np.arange(4) + shift, np.ravel(result.predictions), width=0.38, label=label)
    ax.bar_label(bars, fmt="%.3f", padding=2, fontsize=8)
ax.set(xticks=range(4), xticklabels=["0 xor 0", "0 xor 1", "1 xor 0", "1 xor 1"], ylabel="prediction", ylim=(0, 1.25))
ax.legend(loc="upper center", ncols=2, frameon=False)
plt.show()

# %%
# A hidden unit is on one side of a line and off on the other. Its weights turn that line, and only the bias moves it
# away from where it was drawn.
