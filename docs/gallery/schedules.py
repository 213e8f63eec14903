"""
Learning rates that change
==========================

A schedule is a function of the time in training. It counts epochs unless told otherwise, but for ``InverseScaling``,
which counts steps. These are those of bpx, over fifty epochs of twenty steps each.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx

steps_per_epoch = 20
steps = np.arange(50 * steps_per_epoch)
schedules = {
    "CosineDecay": bpx.CosineDecay(0.01, 50, warmup=5),
    "StepDecay": bpx.StepDecay(0.01, every=15, factor=0.5),
    "ExponentialDecay": bpx.ExponentialDecay(0.01, 0.95),
    "InverseScaling": bpx.InverseScaling(0.01),
    "OneCycle": bpx.OneCycle(0.01, 50),
}
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for label, schedule in schedules.items():
    ax.plot(steps / steps_per_epoch, schedule.rates(steps, steps_per_epoch), label=label)
ax.set(xlabel="epoch", ylabel="learning rate")
ax.legend()
plt.show()
