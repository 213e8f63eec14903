"""How a table is read, as far as it goes with a model: new rows are then read as those of the training were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpx.tables.inferring import Decimal
from bpx.tables.stored import Fields

__all__ = ["ReadingOptions"]


@dataclass(frozen=True)
class ReadingOptions:
    """Arguments of `read_table` that hold for a model, and not for one file.

    Parameters
    ----------
    missing_values : tuple of str or None
        What stands for a missing value; None for what does by default.
    decimal : {".", ","} or None
        What stands before decimals; None to find it.
    header : bool
        Whether tables have a line of names.
    """

    missing_values: tuple[str, ...] | None = None
    decimal: Decimal | None = None
    header: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Give what is not as it is by default, as JSON data."""
        return {
            **({} if self.missing_values is None else {"missing_values": list(self.missing_values)}),
            **({} if self.decimal is None else {"decimal": self.decimal}),
            **({} if self.header else {"header": False}),
        }

    @classmethod
    def from_dict(cls, fields: Fields) -> ReadingOptions:
        """Build the options again from what `to_dict` gave.

        Raises
        ------
        FileFormatError
            If the data is not what `to_dict` writes.
        """
        missing = fields.texts("missing_values") if fields.has("missing_values") else None
        decimal: Any = fields.choice("decimal", (".", ",")) if fields.has("decimal") else None
        header = fields.boolean("header") if fields.has("header") else True
        fields.done()
        return cls(missing, decimal, header)
