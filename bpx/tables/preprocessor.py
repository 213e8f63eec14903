"""The preprocessing of a table: learned from training rows, applied to any table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from bpx.errors import unknown_name
from bpx.tables.columns import DateColumn
from bpx.tables.encoding import Encoding, MatrixWriter
from bpx.tables.fitting import fit_table
from bpx.tables.frames import ColumnType, check_columns, named_column, take_frame
from bpx.tables.inferring import Decimal
from bpx.tables.layout import TableLayout
from bpx.tables.target import ClassTarget, find_bounds, find_rows_without
from bpx.tables.target_tally import TargetTally
from bpx.tables.task import AskedTask

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Preprocessor"]

Array = np.ndarray[Any, Any]


class Preprocessor(TableLayout):
    """How the columns of a table become the input and the target of a network.

    Built by `fit` from a table, or by `from_dict` from what `to_dict` gave. It never changes afterwards.
    Its fields are those of `TableLayout`.

    See Also
    --------
    bpx.tables.prepare : Split a table and encode both parts.
    bpx.tables.parse_columns : Read columns as the preprocessing does.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> fitted = Preprocessor.fit(table, "y")
    >>> fitted.transform(table[:2]).round(3).tolist()
    [[-1.342, 1.0, 0.0], [-0.447, 0.0, 1.0]]
    >>> Preprocessor.from_dict(fitted.to_dict()) == fitted
    True
    """

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        target: str,
        *,
        task: AskedTask = "auto",
        missing: Literal["refuse", "impute"] | None = None,
        drop: Collection[str] = (),
        types: Mapping[str, ColumnType] | None = None,
        categories_max: int = 100,
        rows: Array | None = None,
        strict: bool = False,
        decimal: Decimal = ".",
        codes: bool = False,
    ) -> Self:
        """Find the types of the columns and the task, and learn the encoding from the training rows.

        Numbers are standardized, ``(value - mean) / std``; booleans become 0 and 1; text becomes one-hot
        categories. A column with one value only in the training rows is left out, with a note. Numbers count as one
        value if they differ by rounding alone: ``max - min <= r * max(|min|, |max|)`` with ``r = 1e-13`` for float64,
        1e-6 for float32 and 0 for integers up to 2^53.

        Ordinary files are taken as people have them, and what was decided is told in `notes`, a line a topic. Gaps are
        filled, and a feature says where they were. Text that is numbers in disguise (``$1,200.50``, ``46%``, ``3 kg``,
        ``(12)``) is read as numbers, and dates and times as `DateColumn` has them; how a column writes them is stored,
        so that new rows are read alike. Integers and texts that identify rows, and texts that hardly come again, are
        left out. Of more than `categories_max` categories the most frequent have a feature each, and all others one.
        Rows without the target are left out. With ``strict=True`` all of this is refused, each column with its reason.

        With ``task="auto"``, a target of text or booleans means classes. Integers are classes if they are only 0 and
        1, or if there are at most 20 different ones and each is there twice on average. Other integers and all floats
        mean regression, with a standardized target.

        Parameters
        ----------
        frame : polars.DataFrame
            The table. Types, missing values and classes are checked on all of its rows.
        target : str
            The column to predict.
        task : {"auto", "classification", "regression"}
            The task, or that the target says it.
        missing : {"refuse", "impute"}
            Whether missing values in features are an error, or replaced: by the median of numbers and dates, by the
            most frequent of booleans and categories (the first in sorted order where two are as frequent). Where
            training rows have gaps, a feature says where they are, and missing is a category of its own, unless
            ``strict``. By default they are replaced, and refused if ``strict``.
        drop : collection of str
            Columns to leave out, such as names, numbers of rows and dates.
        types : dict from str to {"text", "number", "category"}, optional
            Columns whose type is declared. A text or a category is one-hot, whatever it looks like, and a target of
            either is classes with labels of text; a category may have any number of different values. A number has to
            be one in every row, and a target that is one means regression unless the task says otherwise.
        categories_max : int
            How many categories of a column that is not declared a category have a feature of their own; with ``strict``
            the most that it may have.
        rows : array of int, optional
            The training rows, which statistics and categories are learned from; by default all rows.
        strict : bool
            Whether what has to be decided about a column is refused.
        decimal : {".", ","}
            What stands before decimals in the file, so that text such as ``6.222 kg`` is read rightly.
        codes : bool
            Whether a column of more than `categories_max` categories, each of which has 2 training rows or more or is
            declared, becomes one feature of codes; `n_codes` says which these are and how many codes each has. They are
            numbers in name alone: give them to `bpx.Embedding`, as `bpx.recipes` does.

        Returns
        -------
        Preprocessor
            The fitted preprocessing.

        Raises
        ------
        InputError
            If a named column does not exist, or is the target or declared a type and dropped; the declared type of the
            target contradicts the task; the table has no rows or no column to learn from; values are missing and to be
            refused; or the target has one value only, tells rows apart and nothing else, or does not fit the task. With
            ``strict`` also if a column holds dates, lists, infinite numbers or too many different texts, or the target
            has missing values.

        Examples
        --------
        >>> import polars as pl
        >>> from bpx.tables import Preprocessor
        >>> table = pl.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "a", "b", "b"]})
        >>> fitted = Preprocessor.fit(table, "kind")
        >>> fitted.task, fitted.class_names, fitted.feature_names
        ('classification', ('a', 'b'), ('size',))
        >>> fitted.transform(pl.DataFrame({"size": [2.5]}))
        array([[0.]])
        """
        if missing is None:
            missing = "refuse" if strict else "impute"
        if missing not in ("refuse", "impute"):
            raise unknown_name("way to treat missing values", missing, ("impute", "refuse"))
        types = dict(types or {})
        how = (missing == "impute", drop, types, categories_max, rows, strict, decimal, codes)
        fitted = fit_table(frame, target, task, *how)
        return cls(
            fitted.columns,
            fitted.target,
            fitted.left_out,
            missing,
            fitted.notes,
            types,
            strict=strict,
            kept_texts=fitted.kept_texts,
        )

    def transform(
        self,
        frame: pl.DataFrame,
        *,
        unseen: Literal["refuse", "ignore"] | None = None,
        strict: bool = False,
        decimal: Decimal = ".",
        notes: list[str] | None = None,
        dtype: Literal["float32", "float64"] = "float64",
        order: Array | None = None,
    ) -> Array:
        """Encode the feature columns of a table, found by name in any order.

        A cell that cannot be read as training read its column counts as missing, if missing values are filled.
        Categories are known in other spellings, such as ``YES`` for ``Yes`` and ``1.0`` for ``1``. Dates whose days and
        months can only be meant the other way round than in training are read so, with all of their column; where
        training had no dates that say an order, the table does, as it would in training.

        Parameters
        ----------
        frame : polars.DataFrame
            The table. The target may be absent.
        unseen : {"refuse", "ignore"}
            Whether a category that training never saw is an error, or encoded as none of the categories (zeros, which
            say as little as can be said). By default it is an error if the preprocessing or this call is strict, and
            ignored if not. Where training had more categories than features, unseen ones are among the others.
        strict : bool
            Whether cells that cannot be read, or in two ways, and other spellings are refused; a strict preprocessing
            always does.
        decimal : {".", ","}
            What stands before decimals where text stands among numbers that are written plainly. Marks between
            thousands of a column that was found to have the other one are told if they could be decimal marks.
        notes : list of str, optional
            Gets a line about columns that are not used, and about what was found in the others and decided about it.
        dtype : {"float32", "float64"}
            The type of the numbers: what is computed in float64 is rounded to it.
        order : array of int, shape (rows,), optional
            The order of the rows: the first row of the result is this row of the table, and so on. By default that of
            the table.

        Returns
        -------
        array, shape (rows, n_features)
            The input of the network.

        Raises
        ------
        InputError
            If columns are absent; or a value is missing and to be refused, of the wrong type, far out of range, or, if
            that is strict, cannot be read or is an unseen category. The message names the column, the row (from 1 below
            the header) and the value.
        """
        frame = take_frame(frame)
        how = self.begin_encoding(unseen=unseen, strict=strict, decimal=decimal)
        x = self.encode(frame, how, dtype=dtype, order=order)
        turned = self.find_turned(how)
        if turned:
            how = how.begin_again(turned)
            x = self.encode(frame, how, dtype=dtype, order=order)
        if notes is not None:
            notes += how.tell(self.column_names)
        return x

    def begin_encoding(
        self,
        *,
        unseen: Literal["refuse", "ignore"] | None = None,
        strict: bool = False,
        fitted_here: bool = False,
        decimal: Decimal = ".",
    ) -> Encoding:
        """Return how `encode` is to treat the parts of a table, and where it puts what it finds; see `transform`."""
        strict = strict or self.strict
        if unseen is None:
            unseen = "refuse" if strict else "ignore"
        if unseen not in ("refuse", "ignore"):
            raise unknown_name("way to treat unseen categories", unseen, ("ignore", "refuse"))
        return Encoding(self.missing == "impute", unseen == "ignore", self.strict, strict, fitted_here, decimal)

    def encode(
        self,
        frame: pl.DataFrame,
        how: Encoding,
        *,
        dtype: Literal["float32", "float64"] = "float64",
        rows: Array | None = None,
        order: Array | None = None,
        release: bool = False,
    ) -> Array:
        """Encode the feature columns of a table, or of a part of one, as `transform` does.

        Once all parts are encoded, `find_turned` says whether they have to be anew.

        Parameters
        ----------
        frame : polars.DataFrame
            The table.
        how : Encoding
            How values are treated; gets what is found.
        dtype, order
            As in `transform`.
        rows : array of int, optional
            The rows of the table to encode; by default all. ``order`` counts them alone.
        release : bool
            Whether the columns are taken out of ``frame`` as they are encoded, so that their memory is free before the
            result takes its own.
        """
        extra = check_columns(frame, self.column_names, {*self.left_out, self.target.name})
        how.extra = tuple(extra)
        places = None
        if order is not None:
            places = np.empty(len(order), dtype=np.int64)
            places[order] = np.arange(len(order))
        how.dtype = dtype
        x = np.empty((frame.height if rows is None else len(rows), self.n_features), dtype)
        matrix = MatrixWriter(x, places, wait=release)
        if release:
            for name in set(frame.columns).difference(self.column_names):
                frame.drop_in_place(name)
        for column in self.columns:
            series = frame.drop_in_place(column.name) if release else frame.get_column(column.name)
            matrix.add(len(column.features), column.make_writer(series if rows is None else series.gather(rows), how))
        matrix.finish()
        return x

    def find_turned(self, how: Encoding) -> frozenset[str]:
        """Return the columns of dates that a table has the other way round than training, once all of it is encoded.

        If there are some, the table is to be encoded anew by ``how.begin_again(columns)``.
        """
        return how.find_turned({c.name: c.day_first for c in self.columns if isinstance(c, DateColumn)})

    def find_target_rows(
        self, frame: pl.DataFrame, *, tally: TargetTally | None = None
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Find the rows of a table whose target is there; a strict preprocessing expects it in all of them.

        Parameters
        ----------
        frame : polars.DataFrame
            A table with the target column.
        tally : TargetTally, optional
            Gets what stands in place of a target in the other rows, and which targets are bounds.

        Returns
        -------
        array of int64
            Row indices, ascending.

        Raises
        ------
        InputError
            If the column is absent.
        """
        frame = take_frame(frame)
        series = named_column(frame, self.target.name, "target")
        missing = np.zeros(frame.height, dtype=bool) if self.strict else find_rows_without(self.target, series)
        if missing.any() and tally is not None:
            tally.add_without(series.filter(missing))
        if tally is not None and not self.strict:
            tally.add_bounds(series.filter(find_bounds(self.target, series)))
        return np.flatnonzero(~missing)

    def encode_target(self, frame: pl.DataFrame) -> Array:
        """Encode the target column of a table.

        Parameters
        ----------
        frame : polars.DataFrame
            A table with the target column.

        Returns
        -------
        array
            Classes as int64 of shape (rows,), from 0; or standardized numbers as float64 of shape (rows, 1).

        Raises
        ------
        InputError
            If the column is absent, or a value is missing, of the wrong type or a class that training never saw.
        """
        frame = take_frame(frame)
        return self.target.encode(named_column(frame, self.target.name, "target"))

    def match_target(self, frame: pl.DataFrame, *, tally: TargetTally | None = None) -> Array:
        """Encode the target column of a table as `encode_target` does, but for classes that training never saw.

        Parameters
        ----------
        frame : polars.DataFrame
            A table with the target column, and a value in every row of it.
        tally : TargetTally, optional
            Gets classes that are known in another spelling.

        Returns
        -------
        array
            As `encode_target` has it, with -1 for a class that training never saw.

        Raises
        ------
        InputError
            If the column is absent or of the wrong type, or a number is missing.
        """
        if not isinstance(self.target, ClassTarget):
            return self.encode_target(frame)
        series = named_column(take_frame(frame), self.target.name, "target")
        numbers = self.target.match(series)
        if self.target.folded and tally is not None:
            tally.add_respelled(self.target.find_respelled(series, numbers))
        return numbers

    def decode_target(self, outputs: Any) -> Array:
        """Turn what the network predicts into labels, or into numbers in the target's own units.

        Parameters
        ----------
        outputs : array
            For classes, probabilities of shape (rows, classes), or for two classes that of the second one, of shape
            (rows, 1) or (rows,). For regression, predictions of shape (rows, 1) or (rows,).

        Returns
        -------
        array, shape (rows,)
            Labels of the type that the training table had (text as Python str in an object array), or float64.

        Raises
        ------
        InputError
            If the shape does not fit, or a value is NaN or infinite.
        """
        return self.target.decode(outputs)
