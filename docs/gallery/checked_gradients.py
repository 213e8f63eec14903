"""
Gradients checked against differences
=====================================

A derivative is the limit of :math:`(f(w + h) - f(w - h)) / 2h`. `bpx.check_gradients` forms that quotient for each
weight in double precision, and compares. Here it is by hand for one weight, for many sizes of the step.
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

import bpx

x, y = bpx.datasets.moons(50)
net = bpx.mlp([2, 8, 2], activation="tanh", dtype="float64", seed=0)
print(bpx.check_gradients(net, x, y))

# %%
# The error falls as the square of the step, until the rounding of the loss, divided by an ever smaller step, takes
# over.
_, gradients = net.gradients(x, y)
exact = gradients[0]["weight"][0, 0]


def compute_loss(change):
    """Return the loss with the weight moved."""
    moved = copy.deepcopy(net)
    moved.params[0]["weight"][0, 0] += change
    return moved.evaluate(x, y)["loss"]


steps = np.logspace(-1, -12, 45)
errors = [abs((compute_loss(h) - compute_loss(-h)) / (2 * h) - exact) for h in steps]
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.loglog(steps, errors, marker=".")
ax.set(xlabel="step h", ylabel="|difference quotient - gradient|")
ax.invert_xaxis()
plt.show()
