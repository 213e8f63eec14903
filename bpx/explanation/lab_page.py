"""`lab`: the page of a network, opened in a browser."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.explanation.page_file import write_page
from bpx.network import Network

HELD_OUT_FROM = 50
"""Rows from which every fifth is held out, where nothing else is said."""


def lab(
    net: Network,
    x: Any,
    y: Any,
    path: str | Path | None = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    browser: bool = True,
    **options: Any,
) -> Path:
    """Write the page of a network, to train and steer it in, and open it in a browser.

    The page trains the network on its data with bpx's mathematics, in the browser: layers, activation, optimizer and
    data can be changed there, each number of a training step can be walked through, and nothing is sent anywhere.

    Parameters
    ----------
    net : Network
        On any backend; it is not changed. Its layers and loss are those that `bpx.explanation.page_data` names.
    x, y : array_like
        Samples and targets, as for `Network.fit`; of many rows the page takes as many as it has room for.
    path : path or None
        Where to write the page; None: into a new temporary folder.
    validation_data : tuple of array_like or None
        What the page measures its training on besides. None: from 50 rows on, every fifth of them, which the page then
        does not learn from.
    browser : bool
        Whether to open it.
    **options
        As for `bpx.explanation.page_data` and `bpx.explanation.write_page`: ``title``, ``feature_names``,
        ``class_names``, ``image_shape``, ``learning_rate``, ``epochs``, ``max_bytes`` ...

    Returns
    -------
    pathlib.Path
        The page: one HTML file, which needs no other file and no network connection.

    Raises
    ------
    InputError
        As for `bpx.explanation.write_page`.

    See Also
    --------
    explain : Take a training step apart.
    bpx.explanation.write_page : Write the page that explains a network.
    load : Read a network from its file.

    Notes
    -----
    Every page holds a lesson of ten steps (why a network does not learn exclusive or, and what the bias changes; a
    learning rate that is too large; dead units). It begins with a link at the top, or with ``#lesson=1`` at the end of
    the page's address; ``#lesson=7`` is its seventh step, for a teacher to share. Leaving it gives the page back.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 8, 1], "tanh", loss="binary_cross_entropy")
    >>> data = bpx.datasets.moons(200)
    >>> path = bpx.lab(net, data.x, data.y, title="Moons", browser=False)
    >>> path.name
    'bpx.html'
    """
    if validation_data is None and len(x) >= HELD_OUT_FROM and len(x) == len(y):
        x, y, kept = to_numpy(x), to_numpy(y), np.arange(len(x)) % 5 != 4
        validation_data, x, y = (x[~kept], y[~kept]), x[kept], y[kept]
    place = Path(tempfile.mkdtemp(prefix="bpx-")) / "bpx.html" if path is None else Path(path)
    write_page(place, net, x, y, validation_data=validation_data, view="lab", **options)
    if browser:
        webbrowser.open(place.resolve().as_uri())
    return place
