"""
A range instead of a number
===========================

The squared error makes a network learn the mean. The quantile loss makes it learn what a given share of the values
stays below: here a tenth, a half and nine tenths, three outputs of one network.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx

generator = np.random.default_rng(0)
x = generator.uniform(-2, 2, size=(1500, 1))
y = np.sin(2 * x) + generator.normal(size=x.shape) * (0.1 + 0.25 * (x + 2) / 2)

net = bpx.mlp([1, 64, 64, 3], activation="tanh", loss=bpx.Quantile((0.1, 0.5, 0.9)), seed=0)
net.fit(x, y, epochs=60, optimizer=bpx.Adam(bpx.CosineDecay(5e-3, 60)))

grid = np.linspace(-2, 2, 200)[:, None]
low, middle, high = net.predict(grid).T
inside = np.mean((net.predict(x)[:, 0] <= y[:, 0]) & (y[:, 0] <= net.predict(x)[:, 2]))
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.plot(x, y, ".", markersize=2, color="gray", label="data")
ax.fill_between(grid[:, 0], low, high, alpha=0.3, label=f"from 0.1 to 0.9: {inside:.0%} of the data")
ax.plot(grid, middle, label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper left")
plt.show()
