"""
Which digits are taken for which
================================

The accuracy is one number; the confusion matrix says where the rest went.
"""

import matplotlib.pyplot as plt
import numpy as np

import bpx
import bpx.plot

x, y = bpx.datasets.digits()
x = x / 16
held_out = np.arange(len(x)) % 3 == 0
net = bpx.mlp([64, 32, 10], seed=0)
net.fit(x[~held_out], y[~held_out], epochs=12)

predicted = net.predict(x[held_out]).argmax(axis=1)
bpx.plot.confusion_matrix(y[held_out], predicted)
plt.show()

# %%
# Some of those that it got wrong:
wrong = np.flatnonzero(predicted != y[held_out])[:8]
figure, axes = plt.subplots(1, len(wrong), figsize=(9, 1.7), layout="constrained")
for ax, i in zip(axes, wrong, strict=True):
    ax.imshow(x[held_out][i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y[held_out][i]}, read as {predicted[i]}", fontsize=8)
    ax.axis("off")
plt.show()
