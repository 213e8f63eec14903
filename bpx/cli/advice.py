"""What bpx's messages advise, in the words of the command that is running: options in place of Python's arguments."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from contextvars import ContextVar

__all__ = ["offer_options", "translate"]

_offered: ContextVar[frozenset[str]] = ContextVar("_offered", default=frozenset())

_BOTH = (
    (re.compile(r"\w+='[^']*' \((--[^)]*)\)"), r"\1"),  # missing='impute' (--missing impute)
    (re.compile(r"\(\w+(?:=(?:\[.*?\]|\{.*?\}))?, (--)"), r"(\1"),  # (drop=['city'], --drop city)
)

_WORDS: tuple[tuple[str, str, str, str], ...] = (
    # what Python is told; the option that does it; what a command with this option says; what one without it says
    (
        r", or pass header=False: columns are then called by their places, 1 to (\d+|'X')",
        "--no-header",
        r", or pass --no-header, or the target's place, as in --target 1: columns are then called 1 to \1",
        ", as the training had one",
    ),
    (
        r"; missing_values=\(\.\.\.\) says what a gap is, and types=\{\.\.\.\} that a column is a category",
        "--missing-values",
        "; --missing-values says what a gap is, and --category that a column is one of categories",
        "",
    ),
    (r"raise categories_max", "--categories-max", "raise --categories-max", "take a table with fewer of them"),
    (r",? or clip=bpx\.ClipNorm\((\S+?)\)", "--clip", r", or --clip \1", ""),
    (r"lower batch_size, or the widths", "--batch-size", "lower --batch-size, or the widths", "lower the widths"),
    (r"explain\(\.\.\., detail='full'\)", "--detail", "--detail full", "bpx explain --detail full"),
    (r"explain\(\.\.\., training=True\)", "--training", "--training", "bpx explain --training"),
    (r"give fewer snapshots or samples, or pass max_bytes=None", "--max-bytes", "give --max-bytes 0", ""),
    (r"bpx\.explain takes any (\w+): print its trace instead", "--html", r"without --html any \1 is explained", ""),
    (r"call jax\.config\.update\('jax_enable_x64', True\) first, or set", "--backend", "set", "set"),
    (r",? or use dtype='(\w+)'", "--dtype", r", or use --dtype \1", ""),
    (r"give sample_shape, as in", "", "", "export it from Python, with"),
    (r"precision='(\w+)'", "--precision", r"--precision \1", ""),
    (r"dtype='(\w+)' or", "--dtype", r"--dtype \1 or", ""),
    (r"backend='([\w:]+)'", "--backend", r"--backend \1", r"backend \1"),
    (r"resume=(['\"])(.*?)\1", "--resume", r"bpx train --resume \2", r"bpx train --resume \2"),
    (r"a layer of your own is known once its class is defined", "", "", "one of your own is for Python alone"),
    (r"a loss of your own is known once its class is defined", "", "", "one of your own is for Python alone"),
)


@contextlib.contextmanager
def offer_options(options: Collection[str]) -> Iterator[None]:
    """Have `translate` know the options of the command that runs."""
    token = _offered.set(frozenset(options))
    try:
        yield
    finally:
        _offered.reset(token)


def translate(message: str) -> str:
    """Return a message of bpx in the words of the command line.

    An argument that is written with its option beside it, as in ``missing='impute' (--missing impute)``, is left to the
    option; what Python alone has a name for becomes the option of the running command that does it or, where the
    command has none, what helps there.
    """
    for pair, option_alone in _BOTH:
        message = pair.sub(option_alone, message)
    for pattern, option, with_option, without in _WORDS:
        message = re.sub(pattern, with_option if option in _offered.get() else without, message)
    return message
