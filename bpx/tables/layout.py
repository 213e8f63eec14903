"""What a fitted preprocessing knows: columns, target, and the names and sizes that follow; stored as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from bpx.errors import FileFormatError
from bpx.tables.columns import CategoryColumn, Column, DateColumn, NumberColumn, column_from_dict
from bpx.tables.frames import ColumnType
from bpx.tables.inferring import MISSING_MARKERS
from bpx.tables.messages import listed, shown
from bpx.tables.reading_options import ReadingOptions
from bpx.tables.stored import Fields
from bpx.tables.target import ClassTarget, NumberTarget, Target, Task, target_from_dict

__all__ = ["FORMAT", "VERSION", "TableLayout"]

FORMAT = "bpx-table"
VERSION = 2
"""Version 1 is that of a strict preprocessing, which bpx has written from the first."""


@dataclass(frozen=True)
class TableLayout:
    """The columns and the target of a table, as learned from training rows.

    Parameters
    ----------
    columns : tuple of Column
        The feature columns, in the order of the training table.
    target : ClassTarget or NumberTarget
        The target column.
    left_out : tuple of str
        Columns of the training table that are not used: left out as asked, or with one value only.
    missing : {"refuse", "impute"}
        What happens to missing values in feature columns.
    notes : tuple of str
        What the user should know about the training table, one line each.
    types : dict from str to {"text", "number", "category"}
        The columns whose type was declared; pass them to `read_table` before `transform`.
    reading : ReadingOptions
        How tables are read; pass its fields to `read_table` before `transform`.
    strict : bool
        Whether new rows are refused for what training did not see: categories, words that stand for a gap.
    kept_texts : dict from str to tuple of str
        Texts of columns that stand for a missing value in a file of text, and did not in the training table.
    """

    columns: tuple[Column, ...]
    target: Target
    left_out: tuple[str, ...] = ()
    missing: Literal["refuse", "impute"] = "refuse"
    notes: tuple[str, ...] = ()
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    strict: bool = True
    kept_texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    @property
    def column_names(self) -> tuple[str, ...]:
        """The feature columns, which every table to be transformed has to have."""
        return tuple(column.name for column in self.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the columns of x: ``column`` for numbers and booleans, ``column=category`` for categories.

        Dates have several, such as ``column (year)``, and where training had gaps there is ``column is missing``.
        Categories that are codes have one, ``column (code)``.
        """
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def are_numbers(self) -> tuple[bool, ...]:
        """Whether each column of x is a number, and not zeros and ones, a wave of a date or a code."""
        return tuple(i < column.n_numbers for column in self.columns for i in range(len(column.features)))

    @property
    def n_codes(self) -> tuple[int, ...]:
        """How many codes, from 0, each column of x has; 0 where it holds no codes.

        A value that training never saw may have the code -1.
        """
        counts: list[int] = []
        for column in self.columns:
            if isinstance(column, CategoryColumn) and column.coded:
                counts.append(column.n_codes)
            else:
                counts += [0] * len(column.features)
        return tuple(counts)

    @property
    def plain_numbers(self) -> tuple[str, ...]:
        """The columns, the target among them, whose numbers were written plainly, but for the decimal mark."""
        learned = (*self.columns, self.target)
        return tuple(
            column.name
            for column in learned
            if isinstance(column, (NumberColumn, NumberTarget)) and column.notation is None
        )

    @property
    def n_features(self) -> int:
        """How many columns x has, the number of inputs of the network."""
        return len(self.feature_names)

    @property
    def n_outputs(self) -> int:
        """How many outputs the network has: the number of classes, or 1 for regression."""
        return self.target.n_outputs

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels of the classes as text, in the order of the outputs; empty for regression."""
        return tuple(str(label) for label in self.target.labels) if isinstance(self.target, ClassTarget) else ()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns to be read as text; pass them to `read_table` before `transform`."""
        names = tuple(
            column.name
            for column in self.columns
            if isinstance(column, (CategoryColumn, DateColumn))
            or (isinstance(column, NumberColumn) and column.notation is not None)
        )
        target = self.target
        of_text = target.label_type == "str" if isinstance(target, ClassTarget) else target.notation is not None
        return (*names, self.target.name) if of_text else names

    @property
    def known_texts(self) -> dict[str, tuple[str, ...]]:
        """Texts that are values of a column, though they stand for a missing value elsewhere, such as a country ``NA``.

        Pass them to `read_table` before `transform`.
        """
        known = {name: set(texts) for name, texts in self.kept_texts.items()}
        for column in self.columns:
            if isinstance(column, CategoryColumn):
                known.setdefault(column.name, set()).update(column.categories)
        if isinstance(self.target, ClassTarget) and self.target.label_type == "str":
            known.setdefault(self.target.name, set()).update(map(str, self.target.labels))
        markers = {name: tuple(text for text in MISSING_MARKERS if text in texts) for name, texts in known.items()}
        return {name: texts for name, texts in markers.items() if texts}

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON data, from which `from_dict` builds the same preprocessing, to the bit."""
        return {
            "format": FORMAT,
            "version": 1 if self.strict else VERSION,
            "columns": [column.to_dict() for column in self.columns],
            "target": self.target.to_dict(),
            "left_out": list(self.left_out),
            "missing": self.missing,
            "notes": list(self.notes),
            **({"types": dict(self.types)} if self.types else {}),
            **({"reading": self.reading.to_dict()} if self.reading != ReadingOptions() else {}),
            **({} if self.strict else {"strict": False}),
            **(
                {"kept_texts": {name: list(texts) for name, texts in self.kept_texts.items()}}
                if self.kept_texts
                else {}
            ),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the preprocessing that `to_dict` stored, also after a way through JSON.

        Raises
        ------
        FileFormatError
            If the data is of another format or version, or anything in it is not what `to_dict` writes.
        """
        where = "table preprocessing"
        fields = Fields(data, where)
        fields.choice("format", (FORMAT,))
        version = fields.value("version")
        if type(version) is not int or version not in (1, VERSION):
            raise FileFormatError(
                f"{where}: expected version 1 or {VERSION}, got {shown(version)}: use the bpx that wrote it"
            )
        stored = fields.items("columns")
        columns = tuple(column_from_dict(Fields(one, f"{where}, columns[{i}]")) for i, one in enumerate(stored))
        target = target_from_dict(Fields(fields.value("target"), f"{where}, target"))
        left_out = fields.texts("left_out")
        missing: Any = fields.choice("missing", ("refuse", "impute"))
        notes = fields.texts("notes")
        declared = Fields(fields.value("types") if fields.has("types") else {}, f"{where}, types")
        reading = ReadingOptions.from_dict(
            Fields(fields.value("reading") if fields.has("reading") else {}, f"{where}, reading")
        )
        strict = fields.boolean("strict") if fields.has("strict") else True
        kept = Fields(fields.value("kept_texts") if fields.has("kept_texts") else {}, f"{where}, kept_texts")
        fields.done()
        names = [*(column.name for column in columns), target.name, *left_out]
        if not columns or len(set(names)) != len(names):
            raise FileFormatError(f"{where}: expected one or more columns, each named once, got {listed(names)}")
        types: Any = {name: declared.choice(name, get_args(ColumnType)) for name in names if declared.has(name)}
        declared.done()
        kept_texts = {name: kept.texts(name) for name in names if kept.has(name)}
        kept.done()
        return cls(columns, target, left_out, missing, notes, types, reading, strict, kept_texts)
