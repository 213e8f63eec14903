"""
XOR: what two hidden units make of the plane
============================================

No straight line parts the four points of XOR, so a network without a hidden layer cannot learn them. Two hidden units
bend the plane once each, and that is enough.
"""

import matplotlib.pyplot as plt

import bpx
import bpx.plot

x, y = bpx.datasets.xor()
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, sizes in zip(axes, ([2, 1], [2, 2, 1]), strict=True):
    net = bpx.mlp(sizes, activation="tanh", loss="binary_cross_entropy", dtype="float64", seed=1)
    net.fit(x, y, epochs=2000, optimizer=bpx.SGD(0.5), batch_size=None)
    bpx.plot.decision_boundary(net, x, y, ax)
    ax.set_title(f"{'-'.join(map(str, sizes))}: loss {net.evaluate(x, y)['loss']:.3f}")
plt.show()

# %%
# The loss on the left is that of a network which answers one half for each point: ln 2, 0.693. There is nothing
# better for a straight line to say.
