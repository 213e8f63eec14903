"""
Optimizers on the same network
==============================

The same weights at the start, the same batches in the same order; only what is done with the gradient differs.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.spirals(300, seed=1)
optimizers = {
    "SGD": bpx.SGD(0.1),
    "SGD with momentum": bpx.SGD(0.1, momentum=0.9),
    "RMSprop": bpx.RMSprop(3e-3),
    "Adam": bpx.Adam(1e-2),
}
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for label, optimizer in optimizers.items():
    net = bpx.mlp([2, 32, 32, 2], activation="tanh", seed=0)
    history = net.fit(x, y, epochs=150, optimizer=optimizer)
    ax.semilogy(history.epoch, history.loss, label=label)
ax.set(xlabel="epoch", ylabel="loss (nats)")
ax.legend()
plt.show()
