"""Writing the page that explains a network to a file."""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.explanation.explaining import explain
from bpx.explanation.page import MAX_PAGE_BYTES, render_page
from bpx.explanation.page_summary import needs_summary
from bpx.explanation.pagedata import MAX_SAMPLES, page_data
from bpx.network import Network
from bpx.optimizers import SGD
from bpx.writing import write_whole


def write_page(
    path: str | os.PathLike[str],
    net: Network,
    x: Any,
    y: Any,
    *,
    max_bytes: int | None = MAX_PAGE_BYTES,
    **options: Any,
) -> None:
    """Write the page that explains a network: one HTML file, which needs no other file and no network connection.

    Of a network with so many parameters that they leave no room for anything else (some tens of thousands), the page
    shows one training step in summaries, and says so.

    Parameters
    ----------
    path : path
        Written beside and renamed, so that it is there whole or not at all.
    net, x, y, **options
        As for `page_data`.
    max_bytes : int or None
        The largest page to write; None for any size.

    Raises
    ------
    InputError
        As for `page_data`; or if the page would be larger than ``max_bytes``, or cannot be written there.

    See Also
    --------
    bpx.explanation.page_data : What the explaining page shows.
    lab : Open a network in a page that trains.
    explain : Take a training step apart.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> from bpx.explanation import write_page
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error")
    >>> path = os.path.join(tempfile.mkdtemp(), "xor.html")
    >>> write_page(path, net, *bpx.datasets.xor(), epochs=100, optimizer=bpx.SGD(0.5))
    >>> os.path.getsize(path) < 1_000_000
    True
    """
    inspect.signature(page_data).bind(net, x, y, **options)  # a misspelled option is refused for any network
    summarized = needs_summary(net.n_params, net.dtype, max_bytes)
    data = _summarize(net, x, y, options) if summarized else page_data(net, x, y, **options)
    write_whole(path, render_page(data, max_bytes=max_bytes).encode())


def _summarize(net: Network, x: Any, y: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return one training step of a large network, on some rows or on one, as data of the page.

    A note names the options of `page_data` that say nothing of one step in summaries.
    """
    optimizer, title, sample, learning_rate = map(options.get, ("optimizer", "title", "sample", "learning_rate"))
    notes = list(options.get("notes", ()))
    unused = [name for name in ("epochs", "weight", "validation_data") if options.get(name)]
    if unused:
        notes.append(f"One step alone is shown, without {', '.join(unused)}.")
    rows = np.arange(min(len(x), MAX_SAMPLES)) if sample is None else np.array([sample])
    if sample is not None and not 0 <= sample < len(x):
        raise InputError(f"sample must be a row of x, 0 to {len(x) - 1}, got {sample}")
    chosen = optimizer if learning_rate is None else SGD(learning_rate)
    trace = explain(net, to_numpy(x)[rows], to_numpy(y)[rows], optimizer=chosen, detail="summary")
    return trace.summarize_page(title=title, notes=notes)
