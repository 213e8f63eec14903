"""
Categories that become vectors
==============================

A shop sold 30 articles for two years, twelve months each. The network is told the number of the article and that of
the month, and what was sold. `bpx.Embedding` learns a vector for each of them; twelve months that nobody put in an
order come out as a ring.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx

generator = np.random.default_rng(1)
month, article = generator.integers(0, 12, 6000), generator.integers(0, 30, 6000)
peak = generator.uniform(0, 12, 30)
sold = np.cos((month - peak[article]) * 2 * np.pi / 12) + generator.normal(0, 0.2, 6000)

net = bpx.Network(
    [
        bpx.Columns([1, 1], [bpx.Embedding(12, 2), bpx.Embedding(30, 8)]),
        *(bpx.Linear(10, 48), bpx.SiLU(), bpx.Linear(48, 1)),
    ],
    loss="squared_error",
    seed=0,
)
x = np.stack([month, article], axis=1).astype(np.float32)
net.fit(x, sold[:, None], epochs=40, optimizer=bpx.Adam(bpx.CosineDecay(1e-2, 40)))

vectors = net.params[0]["0.weight"]
names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
ax.plot(*np.vstack([vectors, vectors[:1]]).T, color="lightgray")
ax.plot(*vectors.T, "o")
for name, at in zip(names, vectors, strict=True):
    ax.annotate(name, at, xytext=(5, 5), textcoords="offset points")
ax.set(xlabel="first number of the vector", ylabel="second number")
ax.margins(0.12)
plt.show()
