"""
The chain rule of one weight, in numbers
========================================

The gradient of a weight is a product along each way from it to the loss, summed over the ways. `bpx.explain` keeps
every factor of it.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.xor()
net = bpx.mlp([2, 3, 1], activation="tanh", loss="binary_cross_entropy", dtype="float64", seed=2)
trace = bpx.explain(net, x, y)
chain = trace.chain("0.weight[0,1]", sample=2)
print(chain)

# %%
# The share of each sample in the gradient of that weight, and their sum, which is what `bpx.Network.gradients`
# returns:
shares = [trace.chain("0.weight[0,1]", sample=i).gradient for i in range(4)]
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
bars = ax.bar(["0 xor 0", "0 xor 1", "1 xor 0", "1 xor 1", "sum"], [*shares, sum(shares)])
ax.bar_label(bars, fmt="%.4f", padding=2)
ax.axhline(0, color="black", linewidth=0.8)
ax.margins(y=0.15)
ax.set(ylabel="dL/dw")
plt.show()

# %%
print(sum(shares), net.gradients(x, y)[1][0]["weight"][0, 1])

# %%
# All of it as a page: click into it, and the arrow keys walk through the step.
trace
