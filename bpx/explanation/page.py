"""One self-contained HTML page of a network, its samples and moments of its training.

`page.html` beside this file is built from ``scripts/explain_page`` and committed. `render_page` puts data into it; the
page then computes every quantity of forward, error, backward and update itself, in double precision.

The data, as JSON (arrays are nested lists; `render_page` packs the large ones)::

    {
        "format": "bpx-explain/1",
        "title": str,
        "layers": [
            {"kind": "Linear", "n_in": 2, "n_out": 2, "frozen": ["bias"]},  # frozen: [], ["bias"], ["weight"]...
            {"kind": "Sigmoid"},
            ...,
        ],  # Tanh, ReLU, LeakyReLU ("slope"), GELU, SiLU, Softplus, Identity,
        # Softmax, Dropout ("rate"; drops nothing in the walk), LayerNorm ("n_features", "eps"), BatchNorm (and
        # "momentum"), Shortcut, the end of a residual block, whose layers stand before it ("from": the number of the
        # value that it adds). "name": what bpx calls the layer ("2.0"), where that is not its number here
        "loss": {
            "kind": "squared_error",  # absolute_error, huber ("delta"), cross_entropy ("label_smoothing"),
            "reduction": "mean",
        },  # binary_cross_entropy; "mean" or "sum" over the samples
        "learning_rate": 0.5,  # of plain gradient descent: w - learning_rate * dw
        "feature_names": [str, ...] or null,
        "class_names": [str, ...] or null,
        "samples": {"x": [[...], ...], "y": [[...], ...]},  # one-hot rows for cross_entropy
        "snapshots": [
            {
                "step": 0,
                "loss": 0.5,  # null for a loss that is not finite
                "params": [
                    {"weight": [[...], ...], "bias": [...]},
                    {},
                    ...,
                ],  # BatchNorm: running_mean, running_var too
            },
            ...,
        ],
        "losses": {"step": [...], "loss": [...]},  # the loss curve
        # optional:
        # what the page's own training learns from; else the samples:
        "training": {"x": [[...], ...], "y": [[...], ...]},
        "held_out": {"x": ..., "y": ...},  # what it is measured on besides
        # momentum and nesterov ("momentum"), rmsprop ("decay", "eps"), adam ("b1", "b2", "eps"):
        "optimizer": {"kind": "sgd"},
        "batch_size": 32,  # of that training; null for all rows
        "input_shape": [8, 8],  # draw the inputs as an image; guessed for 16, 25, 36, ... inputs
        "notes": [str, ...],  # sentences shown above the network
        # sample: an index or "all"; view "lab": what the network learns comes before the walk through a step
        "start": {"sample": 0, "weight": "0.weight[1,0]", "snapshot": 0, "view": "lab"},
    }

Of a network that is too large there are "format", "title", "notes" and "summary" alone, by
`bpx.explanation.page_summary.make_summary_data`.

In the page an array may also stand packed as ``{"shape": [...], "dtype": "float32" | "float64", "base64": str}``,
little-endian; float32 only where it loses nothing.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpx.errors import InputError

__all__ = ["MAX_PAGE_BYTES", "PAGE_FORMAT", "render_page"]

PAGE_FORMAT = "bpx-explain/1"
MAX_PAGE_BYTES = 1_000_000

_REQUIRED_OF_SUMMARY = ("format", "title", "summary")
_REQUIRED = ("format", "title", "layers", "loss", "learning_rate", "samples", "snapshots")
_PACK_FROM = 48  # numbers; shorter arrays stay readable in the page's source


def render_page(data: Mapping[str, Any], *, max_bytes: int | None = MAX_PAGE_BYTES) -> str:
    """Write a network, its samples and its snapshots into the page that explains them.

    Parameters
    ----------
    data : mapping
        What the page shows, in the form that this module's documentation lists.
    max_bytes : int or None
        The largest page to accept, in bytes of UTF-8; None for any size.

    Returns
    -------
    str
        HTML that needs nothing else: no network, no other file. It contains no text of `data` as markup.

    Raises
    ------
    InputError
        If `data` is of another format, lacks an entry, or makes a page of more than `max_bytes`.

    Examples
    --------
    >>> from bpx.explanation.page import render_page
    >>> page = render_page(
    ...     {
    ...         "format": "bpx-explain/1",
    ...         "title": "Halving",
    ...         "layers": [{"kind": "Linear", "n_in": 1, "n_out": 1}],
    ...         "loss": {"kind": "squared_error", "reduction": "mean"},
    ...         "learning_rate": 0.1,
    ...         "samples": {"x": [[2.0]], "y": [[1.0]]},
    ...         "snapshots": [{"step": 0, "loss": 2.0, "params": [{"weight": [[-0.5]], "bias": [0.0]}]}],
    ...     }
    ... )
    >>> page.startswith("<!doctype html>")
    True
    """
    from importlib.resources import files  # many modules, so not before it is needed

    required = _REQUIRED_OF_SUMMARY if "summary" in data else _REQUIRED
    missing = [name for name in required if name not in data]
    if missing:
        raise InputError(f"page data need the entries {', '.join(required)}; missing: {', '.join(missing)}")
    if data["format"] != PAGE_FORMAT:
        raise InputError(f"page data must be of the format {PAGE_FORMAT!r}, got {data['format']!r}; build them anew")
    template = files("bpx.explanation").joinpath("page.html").read_text(encoding="utf-8")
    parts = {
        "__BPX_TITLE__": html.escape(str(data["title"])),
        "__BPX_DATA__": _escape(json.dumps(_pack(data), allow_nan=False, ensure_ascii=False)),
    }
    page = re.sub("|".join(parts), lambda match: parts[match[0]], template)
    size = len(page.encode())
    if max_bytes is not None and size > max_bytes:
        raise InputError(
            f"the page would take {size:,} bytes, more than {max_bytes:,}; give fewer snapshots or samples, "
            f"or pass max_bytes=None"
        )
    return page


def _escape(text: str) -> str:
    """Escape JSON so that it can stand inside a script element: no character of it can end or open markup."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _pack(value: Any) -> Any:
    """Replace what JSON cannot say or says at length: NumPy values, long arrays, numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _pack(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) or _is_numeric(value):
        array = np.asarray(value, dtype=np.float64)
        if array.size >= _PACK_FROM or not np.isfinite(array).all():
            return _pack_array(array)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_numeric(value: Any) -> bool:
    """Whether `value` is a rectangular nest of lists with nothing but numbers in it."""
    if not isinstance(value, list | tuple) or not value:
        return False
    if all(isinstance(item, int | float | np.number) and not isinstance(item, bool) for item in value):
        return True
    return all(_is_numeric(item) for item in value) and len({np.shape(item) for item in value}) == 1


def _pack_array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        single = array.astype("<f4")
    exact = np.array_equal(single.astype(np.float64), array, equal_nan=True)
    packed = single if exact else array.astype("<f8")
    return {
        "shape": list(array.shape),
        "dtype": "float32" if exact else "float64",
        "base64": base64.b64encode(packed.tobytes()).decode("ascii"),
    }
