"""
A learning rate that is too small, right, or too large
======================================================

The step that gradient descent makes is the gradient times the learning rate. One that is too small gets nowhere in
the time there is; one that is too large jumps from one side of the valley to the other and never gets down to its
floor: at the rate 3, the loss stays about ten times as high as that of a network that has learned nothing.
"""

import matplotlib.pyplot as plt

import bpx

x, y = bpx.datasets.digits()
x = x / 16

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for rate in (0.001, 0.01, 0.1, 1.0, 3.0):
    net = bpx.mlp([64, 32, 10], activation="tanh", seed=0)
    history = net.fit(x, y, epochs=15, optimizer=bpx.SGD(rate))
    ax.plot(history.epoch, history.loss, marker=".", label=f"{rate:g}")
ax.set(xlabel="epoch", ylabel="loss (nats)", yscale="log")
figure.legend(title="learning rate", loc="outside right center")
plt.show()
