"""What the page shows of a network that is too large for it: one training step, each quantity of it summarized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.explanation.page import PAGE_FORMAT
from bpx.explanation.quantity import PARTS, Quantity
from bpx.explanation.step_trace import StepTrace
from bpx.explanation.text import list_part

MAX_WALKED = 10_000
"""Parameters up to which a page walks through every number of a network, whatever it takes."""

SNAPSHOT_BYTES = 250_000
"""Room for the parameters of a network, at all moments of its training, in a page of at most a megabyte."""


def needs_summary(n_params: int, dtype: str, max_bytes: int | None) -> bool:
    """Tell whether a network's parameters leave no room for anything else in a page.

    Parameters
    ----------
    n_params : int
    dtype : str
    max_bytes : int or None
        The largest page to write; with None there is room for all.
    """
    return max_bytes is not None and n_params > MAX_WALKED and count_bytes(n_params, dtype) > SNAPSHOT_BYTES


def count_bytes(numbers: int, dtype: str) -> int:
    """Return how many bytes numbers take in a page, where they stand in base64."""
    return -(-numbers * np.dtype(dtype).itemsize * 4 // 3)


def make_summary_data(
    step: StepTrace, *, network: str, loss: str, optimizer: str, samples: int, losses: Sequence[float] = (),
    title: str | None = None, notes: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return a training step as data of the page, in norms, means, extremes and histograms.

    Parameters
    ----------
    step : StepTrace
        In numbers or already in summaries.
    network, loss, optimizer : str
        What was explained, in words.
    samples : int
        Rows of the batch.
    losses : sequence of float
        Of several steps.
    title : str or None
        None: the number of parameters.
    notes : sequence of str
        Sentences to show above.
    """
    n_params = sum(q.summary["count"] for layer in step.layers for q in layer if q.key.startswith("new "))
    said = (
        f"This network has {n_params:,} parameters, too many for a page that holds and computes each of them: its "
        "training step is summarized here, as computed by bpx. A trace keeps every number, and so does a page whose "
        "size is not limited (max_bytes in Python, --max-bytes 0 at the command line)."
    )
    return {
        "format": PAGE_FORMAT,
        "title": title or f"A network of {n_params:,} parameters",
        "notes": [said, *notes],
        "summary": {
            "network": network, "loss_name": loss, "optimizer": optimizer, "samples": samples,
            "loss": step.loss, "loss_after": step.loss_after, "losses": list(losses),
            "parts": [
                {"part": part, "quantities": [_describe(layer, q) for layer, q in list_part(step, part)]}
                for part in PARTS
            ],
        },
    }  # fmt: skip


def _describe(layer: str, quantity: Quantity) -> dict[str, Any]:
    return {
        "layer": layer, "name": quantity.name, "latex": quantity.symbol.latex, "formula": quantity.formula.latex,
        "shape": list(quantity.shape), **quantity.summary,
    }  # fmt: skip
