"""XOR in PyTorch, eager, as its users would write the notebook's loop."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.tasks import XOR_LEARNING_RATE, XOR_X, XOR_Y, Array, xor_start
from benchmarks.threads import thread_count

torch.set_num_threads(thread_count())


class TorchXor:
    """Two linear layers with sigmoids, ½Σ(p-y)², SGD; biases trained, loss recorded each epoch."""

    def __init__(self) -> None:
        self.loss = float("nan")
        self.losses: list[float] = []
        self.x, self.y = torch.from_numpy(XOR_X), torch.from_numpy(XOR_Y)
        first, second = (nn.Linear(*w.shape, dtype=torch.float64) for w, _ in xor_start())
        with torch.no_grad():
            for layer, (w, b) in zip((first, second), xor_start(), strict=True):
                layer.weight.copy_(torch.from_numpy(w.T.copy()))
                layer.bias.copy_(torch.from_numpy(b))
        self.network = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid())
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=XOR_LEARNING_RATE)

    def train(self, epochs: int) -> None:
        """Train on the four rows at once."""
        for _ in range(epochs):
            self.optimizer.zero_grad()
            loss = 0.5 * nn.functional.mse_loss(self.network(self.x), self.y, reduction="sum")
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.item())
        self.loss = self.losses[-1]

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer, weights as (n_in, n_out)."""
        return [p.detach().numpy().T for p in self.network.parameters()]
