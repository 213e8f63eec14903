"""
Early stopping keeps the best epoch
===================================

A network with more weights than samples goes on lowering the loss over its training data long after the loss over
others has begun to rise. `bpx.EarlyStopping` ends the training then, and puts the weights of the best epoch back.
"""

import matplotlib.pyplot as plt

import bpx
import bpx.plot

x, y = bpx.datasets.moons(80, noise=0.4, seed=3)
x_new, y_new = bpx.datasets.moons(400, noise=0.4, seed=4)

net = bpx.mlp([2, 128, 128, 2], seed=0)
stop = bpx.EarlyStopping(patience=60)
history = net.fit(x, y, epochs=400, optimizer=bpx.Adam(1e-2), validation_data=(x_new, y_new), callbacks=[stop])

ax = bpx.plot.learning_curves(history)
plt.show()

# %%
# What the network is now, beside what it was at the last epoch:
print(f"now {net.evaluate(x_new, y_new)['loss']:.3f}, at the last epoch {history.validation_loss[-1]:.3f}")
