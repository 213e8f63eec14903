"""Spellings of one text: ``yes``, ``YES`` and ``yes.``; and of one number among texts: ``1`` and ``1.0``, ``01234`` and
``1234``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bpx.tables.messages import shown
from bpx.tables.values import write_ascii_digits

if TYPE_CHECKING:
    import polars as pl

__all__ = ["find_spellings", "match_spellings", "tell_spellings"]

_NUMBER = r"^[+-]?\d+(\.\d*)?$"
_EXACT_DIGITS = 15
"""Numbers of more digits than this are not told apart by a float."""


def find_spellings(texts: pl.Series) -> dict[str, str]:
    """Find texts that are another, more frequent one in another spelling.

    Two texts are one if they differ in case, in spaces and in dots at their end alone. Of those that are as frequent as
    the most frequent one, each stays as it is.

    Parameters
    ----------
    texts : polars.Series
        A column of text, null where it is missing.

    Returns
    -------
    dict
        From each such text to the most frequent spelling of it.
    """
    import polars as pl

    values = texts.drop_nulls().value_counts(name="rows").rename({texts.name: "text"})
    values = values.with_columns(key=_fold(values.get_column("text")))
    if values.get_column("key").n_unique() == values.height:
        return {}
    best = values.sort("rows", "text", descending=[True, False]).group_by("key", maintain_order=True).first()
    both = values.join(best.rename({"text": "kept", "rows": "most"}), on="key").filter(pl.col("rows") < pl.col("most"))
    return dict(both.sort("text").select("text", "kept").rows())


def match_spellings(texts: pl.Series, known: Sequence[str]) -> pl.Series:
    """Give the known text that each text is in another spelling; null where there is none, or more than one.

    Beside what `find_spellings` takes for one, numbers are known by their value, if no spelling is.

    Parameters
    ----------
    texts : polars.Series
        Different texts, none of them known.
    known : sequence of str
        The texts that training knew.
    """
    import polars as pl

    names = pl.Series(known, dtype=pl.String)
    found = pl.Series(texts.name, [None] * len(texts), dtype=pl.String)
    for make_key in (_fold, _read_number):
        table = pl.DataFrame({"key": make_key(names), "known": names}).drop_nulls()
        table = table.filter(~pl.col("key").is_duplicated())
        keys = make_key(texts)
        matched = keys.replace_strict(table.get_column("key"), table.get_column("known"), default=None)
        found = found.fill_null(matched.cast(pl.String))
    return found


def tell_spellings(spellings: Mapping[str, str]) -> str:
    """Write the first few spellings, each with what it is taken as."""
    named = [f"{shown(text)} as {shown(kept)}" for text, kept in list(spellings.items())[:3]]
    return ", ".join(named) + (f" and {len(spellings) - 3:,} more" if len(spellings) > 3 else "")


def _fold(texts: pl.Series) -> pl.Series:
    """Give the same for all spellings of a text."""
    folded = texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    short = folded.str.strip_chars_end(". ")
    return short.set(short == "", None).fill_null(folded)


def _read_number(texts: pl.Series) -> pl.Series:
    """Give numbers that are written plainly as floats; null for other texts."""
    import polars as pl

    texts = write_ascii_digits(texts)
    plain = texts.str.contains(_NUMBER) & (texts.str.len_chars() <= _EXACT_DIGITS)
    return texts.set(~plain, None).cast(pl.Float64, strict=False) + 0.0  # -0 is 0
