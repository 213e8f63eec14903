"""
Averaged weights
================

With a high learning rate and small batches the weights move to and fro around a good place. `bpx.Averaged` keeps a
moving average of them beside the training, and it is the average that the network is evaluated and used with.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.moons(300, noise=0.3, seed=0)
new = bpx.datasets.moons(1000, noise=0.3, seed=1)

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for label, optimizer in (
    ("the weights of each epoch", bpx.Adam(0.03)),
    ("their moving average", bpx.Averaged(bpx.Adam(0.03), decay=0.99)),
):
    net = bpx.mlp([2, 32, 32, 2], seed=0)
    history = net.fit(x, y, epochs=60, batch_size=16, optimizer=optimizer, validation_data=tuple(new))
    ax.plot(history.epoch, history.validation_loss, label=label)
ax.set(xlabel="epoch", ylabel="loss over new samples (nats)", ylim=(0.2, 0.4))
ax.legend()
plt.show()
