"""What a target does: classes become 0, 1, 2, ..., numbers are standardized, and predictions are turned back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bpx.errors import FileFormatError, InputError
from bpx.tables.messages import counted, in_row, listed, shown
from bpx.tables.notation import NumberNotation, find_bare, find_gap_words, notation_from_dict
from bpx.tables.spelling import match_spellings
from bpx.tables.stored import Fields, is_finite_number
from bpx.tables.values import as_booleans, as_integers, as_numbers, as_texts, is_text, read_booleans, refuse_rows

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ClassTarget",
    "LabelType",
    "NumberTarget",
    "Target",
    "Task",
    "find_bounds",
    "find_rows_without",
    "label_values",
    "refuse_missing",
    "target_from_dict",
    "target_numbers",
]

Array = np.ndarray[Any, Any]
Label = str | int | bool | float
LabelType = Literal["str", "int", "bool", "float"]
Task = Literal["classification", "regression"]

_LABEL_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "float": float}


@dataclass(frozen=True)
class ClassTarget:
    """A target of classes: labels become 0, 1, 2, ... in the order of `labels`.

    Parameters
    ----------
    name : str
        The column.
    label_type : {"str", "int", "bool", "float"}
        The type of the labels.
    labels : tuple
        The different labels, sorted.
    stripped : bool
        Whether spaces around a label of text do not count.
    folded : bool
        Whether a label of text in another spelling, as `bpx.tables.spelling` takes it, is the label.

    See Also
    --------
    bpx.tables.NumberTarget : A target of numbers.
    bpx.tables.Preprocessor : How columns become numbers.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> target = Preprocessor.fit(table, "y").target
    >>> target.name, target.labels
    ('y', ('no', 'yes'))
    """

    name: str
    label_type: LabelType
    labels: tuple[Label, ...]
    stripped: bool = False
    folded: bool = False

    task: ClassVar[Task] = "classification"

    @property
    def n_outputs(self) -> int:
        """How many outputs a network for this target has: one for each class."""
        return len(self.labels)

    def encode(self, series: pl.Series) -> Array:
        """Give the number of each row's class; int64, shape (rows,)."""

        what = f"target {shown(self.name)}"
        values = label_values(series, self.label_type, what)
        values = values.str.strip_chars() if self.stripped else values
        refuse_missing(what, values.is_null().to_numpy())
        ids = self._number(values)
        refuse_rows(values, ids.is_null().to_numpy(), what, f"one of the classes {listed(self.labels)}")
        encoded: Array = ids.to_numpy().astype(np.int64)
        return encoded

    def match(self, series: pl.Series) -> Array:
        """Give the number of each row's class, -1 where training never saw it; int64, shape (rows,).

        Parameters
        ----------
        series : polars.Series
            The target, with a value in every row.

        Raises
        ------
        InputError
            If it holds dates or lists.
        """
        import polars as pl

        what = f"target {shown(self.name)}"
        if self.label_type == "str":
            values = as_texts(series, what)
            values = values.str.strip_chars() if self.stripped else values
        elif self.label_type == "bool":
            values = read_booleans(series, what)
        elif series.dtype.is_integer():
            values = series
        else:
            texts = as_texts(series, what)
            numbers = NumberNotation().read(texts) if is_text(series) else texts.cast(pl.Float64, strict=False)
            values = pl.Series(series.name, numbers).fill_nan(None)
        ids: Array = self._number(values).fill_null(-1).to_numpy().astype(np.int64)
        return ids

    def find_respelled(self, series: pl.Series, numbers: Array) -> dict[str, str]:
        """Return the labels of text that `match` knew in another spelling, with what it took them as."""
        import polars as pl

        texts = as_texts(series, "").str.strip_chars()
        labels = pl.Series(self.labels, dtype=pl.String)
        pairs = pl.DataFrame({"text": texts, "label": labels.gather(np.maximum(numbers, 0)), "known": numbers >= 0})
        other = pairs.filter(pl.col("known") & ~pl.col("text").is_in(labels.to_list()))
        return dict(other.select("text", "label").unique(maintain_order=True).rows())

    def _number(self, values: pl.Series) -> pl.Series:
        """Give the number of the class of each label, null where it is none."""
        import polars as pl

        labels = pl.Series(list(self.labels)).cast(values.dtype, strict=False)
        numbers = pl.Series(range(len(self.labels)), dtype=pl.Int64)
        known = labels.is_not_null()
        ids = values.replace_strict(labels.filter(known), numbers.filter(known), default=None, return_dtype=pl.Int64)
        if self.folded and ids.null_count():
            unknown = values.filter(ids.is_null()).drop_nulls().unique(maintain_order=True)
            meant = match_spellings(unknown, list(map(str, self.labels)))
            found = meant.is_not_null()
            if found.any():
                return self._number(values.replace(unknown.filter(found), meant.filter(found)))
        return ids

    def probabilities(self, outputs: Any) -> Array:
        """Give the probability of each class; shape (rows, classes), float32 if ``outputs`` are and float64 otherwise.

        Takes probabilities of that shape and, for two classes, the probability of the second one, of shape (rows, 1) or
        (rows,), as a network with one sigmoid output predicts it.
        """
        values = _finite_outputs(outputs)
        if self.n_outputs == 2 and (values.ndim == 1 or values.shape[1:] == (1,)):
            second = values.reshape(-1)
            return np.stack([1.0 - second, second], axis=1)
        if values.ndim != 2 or values.shape[1] != self.n_outputs:
            raise InputError(f"expected probabilities of shape (rows, {self.n_outputs}), got {values.shape}")
        return values

    def decode(self, outputs: Any) -> Array:
        """Give the label of the most probable class of each row; the first of them in a tie."""
        ids = self.probabilities(outputs).argmax(axis=1)
        labels: Array = np.array(self.labels, dtype=object if self.label_type == "str" else None)
        decoded: Array = labels[ids]
        return decoded

    def to_dict(self) -> dict[str, Any]:
        """Give the classes as JSON data."""
        known = {"kind": "classes", "name": self.name, "label_type": self.label_type, "labels": list(self.labels)}
        return known | {name: True for name in ("stripped", "folded") if getattr(self, name)}


@dataclass(frozen=True)
class NumberTarget:
    """A target of numbers, standardized with the mean and standard deviation of the training rows.

    Parameters
    ----------
    name : str
        The column.
    mean, std : float
        Of the training rows.
    notation : NumberNotation or None
        How text is read as numbers; None if it has to be written plainly.

    See Also
    --------
    bpx.tables.ClassTarget : A target of classes.
    bpx.tables.Preprocessor : How columns become numbers.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> target = Preprocessor.fit(table, "size").target
    >>> target.name, target.mean, round(target.std, 4)
    ('size', 2.5, 1.118)
    """

    name: str
    mean: float
    std: float
    notation: NumberNotation | None = None

    task: ClassVar[Task] = "regression"

    @property
    def n_outputs(self) -> int:
        """How many outputs a network for this target has: one."""
        return 1

    @property
    def unit(self) -> str:
        """The unit that stands beside the numbers of the table; empty if there is none."""
        return "" if self.notation is None else self.notation.unit

    def encode(self, series: pl.Series) -> Array:
        """Give ``(target - mean) / std``; float64, shape (rows, 1)."""
        what = f"target {shown(self.name)}"
        numbers = target_numbers(series, what, self.notation)
        refuse_missing(what, np.isnan(numbers))
        with np.errstate(over="ignore"):
            encoded = (numbers - self.mean) / self.std
        refuse_rows(series, ~np.isfinite(encoded), what, "numbers of the size seen in training")
        return encoded[:, None]

    def decode(self, outputs: Any) -> Array:
        """Give predictions in the units of the column; float64, shape (rows,)."""
        values = _finite_outputs(outputs).astype(np.float64)
        if values.ndim != 1 and values.shape[1:] != (1,):
            raise InputError(f"expected predictions of shape (rows, 1), got {values.shape}")
        return values.reshape(-1) * self.std + self.mean

    def to_dict(self) -> dict[str, Any]:
        """Give mean and standard deviation as JSON data."""
        known = {"kind": "numbers", "name": self.name, "mean": self.mean, "std": self.std}
        return known | ({} if self.notation is None else {"notation": self.notation.to_dict()})


Target = ClassTarget | NumberTarget


def target_from_dict(fields: Fields) -> Target:
    """Build a target again from what `to_dict` gave.

    Raises
    ------
    FileFormatError
        If the data is not what `to_dict` writes.
    """
    kind = fields.choice("kind", ("classes", "numbers"))
    name = fields.text("name")
    target: Target
    if kind == "numbers":
        mean, std = fields.number("mean"), fields.number("std", positive=True)
        stored = fields.value("notation") if fields.has("notation") else None
        notation = None if stored is None else notation_from_dict(Fields(stored, f"{fields.where}, notation"))
        target = NumberTarget(name, mean, std, notation)
    else:
        label_type: Any = fields.choice("label_type", tuple(_LABEL_TYPES))
        labels = fields.items("labels")
        for label in labels:
            if type(label) is not _LABEL_TYPES[label_type] or (label_type == "float" and not is_finite_number(label)):
                raise FileFormatError(f"{fields.where}: expected labels of type {label_type}, got {shown(label)}")
        if len(labels) < 2 or sorted(set(labels)) != labels:
            raise FileFormatError(f"{fields.where}: expected two or more sorted labels, got {listed(labels)}")
        stripped, folded = (
            fields.has(key) and fields.boolean(key) and label_type == "str" for key in ("stripped", "folded")
        )
        target = ClassTarget(name, label_type, tuple(labels), stripped, folded)
    fields.done()
    return target


def label_values(series: pl.Series, label_type: LabelType, what: str) -> pl.Series:
    """Give a column as labels of one type, null where it is missing."""
    import polars as pl

    if label_type == "str":
        return as_texts(series, what)
    if label_type == "bool":
        return as_booleans(series, what)
    if label_type == "int":
        return as_integers(series, what)
    return pl.Series(series.name, as_numbers(series, what)).fill_nan(None)


def target_numbers(series: pl.Series, what: str, notation: NumberNotation | None = None) -> Array:
    """Give a column as numbers, booleans among them as 0 and 1, text by its notation if there is one."""
    import polars as pl

    if notation is not None and is_text(series):
        texts = as_texts(series, what)
        numbers = notation.read(texts)
        refuse_rows(texts, np.isnan(numbers) & texts.is_not_null().to_numpy(), what, "numbers")
        return numbers
    return as_numbers(series.cast(pl.Int8) if series.dtype == pl.Boolean else series, what)


def find_rows_without(target: Target, series: pl.Series) -> Array:
    """Tell in which rows the target is missing, infinite, a word for a gap, or no number as training read them.

    Returns
    -------
    array of bool, shape (rows,)
    """
    missing = ~series.is_finite().fill_null(False) if series.dtype.is_float() else series.is_null()
    if is_text(series):
        texts = as_texts(series, target.name)
        missing = find_gap_words(texts).fill_null(True)
        if isinstance(target, ClassTarget) and target.label_type == "str":
            missing &= ~texts.str.strip_chars().is_in(list(target.labels)).fill_null(False)
        elif not isinstance(target, ClassTarget) or target.label_type in ("int", "float"):
            notation = None if isinstance(target, ClassTarget) else target.notation
            return np.isnan((notation or NumberNotation()).read(texts))
    found: Array = missing.to_numpy()
    notation = target.notation if isinstance(target, NumberTarget) and series.dtype.is_numeric() else None
    return found if notation is None or not notation.needs_unit else found | find_bare(_as_floats(series))


def find_bounds(target: Target, series: pl.Series) -> Array:
    """Tell in which rows the target is a bound, such as ``90+`` or ``<5``, that is taken as its number.

    Returns
    -------
    array of bool, shape (rows,)
    """
    notation = target.notation if isinstance(target, NumberTarget) else None
    if notation is None or not is_text(series):
        return np.zeros(len(series), dtype=bool)
    return notation.read_with_bounds(as_texts(series, target.name))[1]


def _as_floats(series: pl.Series) -> Array:
    import polars as pl

    return np.asarray(series.cast(pl.Float64).to_numpy())


def refuse_missing(what: str, missing: Array, advice: str = "") -> None:
    """Refuse missing values in the target; ``advice`` comes last, with its own punctuation."""
    if missing.any():
        where = in_row(int(missing.argmax()), int(missing.sum()))
        count = counted(int(missing.sum()), "value")
        raise InputError(f"{what}: {count} missing, {where}; fill them in or take these rows out{advice}")


def _finite_outputs(outputs: Any) -> Array:
    values = np.asarray(outputs)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        reason = f"shape {values.shape}" if values.ndim not in (1, 2) else "NaN or infinity among them"
        raise InputError(f"expected finite predictions, one row for each row of the table, got {reason}")
    return values
