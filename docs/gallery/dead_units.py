"""
Dead units, and how they are found
==================================

A ReLU whose input is negative for every sample has the gradient 0 for every sample: it never learns again. Biases
that start far below zero make many of them. `bpx.diagnose` counts them and says what to do.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.digits()
x = x / 16

healthy = bpx.mlp([64, 48, 10], seed=0)
ill = bpx.mlp([64, 48, 10], seed=0)
params = ill.params
params[0]["bias"] = params[0]["bias"] - 3
ill.params = params

print(bpx.diagnose(ill, x, y))

# %%
# How often each hidden unit is above zero, from the most to the least active:
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for net, label in ((healthy, "biases of 0"), (ill, "biases of -3")):
    weight, bias = net.params[0]["weight"], net.params[0]["bias"]
    active = sorted(((x @ weight + bias) > 0).mean(axis=0), reverse=True)
    ax.plot(active, marker=".", label=label)
ax.set(xlabel="hidden unit, sorted", ylabel="share of samples above 0", ylim=(-0.02, 1.02))
ax.legend()
plt.show()
