"""Pictures in files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bpx.arguments import check_number
from bpx.errors import InputError
from bpx.plot.style import require_matplotlib
from bpx.writing import write_whole


def save(figure: Any, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
    """Write a picture to a file, in the format that its ending names: .png, .svg, .pdf and others of matplotlib's.

    Parameters
    ----------
    figure : matplotlib.figure.Figure, matplotlib.axes.Axes, or sequence of Axes
        What the functions of this module return: the whole figure is written.
    path : path
        Written beside and renamed, so that an older file stays whole until the new one is.
    dpi : float
        Pixels an inch, above 0.

    Raises
    ------
    InputError
        If it is no picture, the ending names no format, the file cannot be written, or matplotlib is not installed.

    See Also
    --------
    bpx.plot.training_report : A training on one page.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> ax = bpx.plot.confusion_matrix([0, 1], [0, 1])
    >>> path = os.path.join(tempfile.mkdtemp(), "confusion.svg")
    >>> bpx.plot.save(ax, path)
    >>> os.path.getsize(path) > 0
    True
    """
    require_matplotlib()
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"path must be the name of a file, got {type(path).__name__}")
    figure = _find_figure(figure)
    check_number("dpi", dpi, above=0.0)
    known = figure.canvas.get_supported_filetypes()
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in known:
        raise InputError(f"the ending of {path} must name a format of pictures: {', '.join(sorted(known))}")
    content = io.BytesIO()
    figure.savefig(content, format=ending, dpi=dpi)
    write_whole(path, content.getvalue())


def _find_figure(picture: Any) -> Any:
    """Return the figure that axes belong to; a figure is returned as it is."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    first = next(iter(picture), None) if isinstance(picture, Iterable) else picture
    if isinstance(first, Axes):
        return first.get_figure(root=True)
    if isinstance(first, Figure):
        return first
    raise InputError(f"save takes a matplotlib Figure or Axes, got {type(picture).__name__}")
