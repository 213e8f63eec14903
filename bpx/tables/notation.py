"""Numbers in disguise: text such as ``$1,200.50``, ``46%``, ``3 kg``, ``1 234`` and ``(12)`` read as numbers.

How a column writes its numbers is found from its values once, in training, and stored, so that new rows are read alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.stored import Fields
from bpx.tables.values import read_values, strip_texts

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MANY_NUMBERS",
    "FoundNotation",
    "NumberNotation",
    "choose_notation",
    "find_gap_words",
    "find_notation",
    "notation_from_dict",
    "tidy_texts",
]

Array = np.ndarray[Any, Any]

MANY_NUMBERS = 10
"""Text with more different numbers than this is numbers with a slip, not categories such as 0, 1, 2, 3+."""

_FEW_NUMBERS = 3
"""Different numbers with a unit or with commas that it takes to see that they are some."""

_FEW_UNITS = 4
"""More different words behind numbers than this are no units, as in ``10 Downing Street``."""

_FIRST_LOOK = 1000
"""Different texts of a large column that are looked at first; where most are no numbers, the others are not read."""

_EXACT_DIGITS = 15
"""Integers of more digits than this are numbers on a label, which a float would change."""

_GAP_WORDS = (
    "", "na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "nil", "nd", "n.d.", "?", "??", "-", "--", "---", ".", "..",
    "…", "*", "x", "unknown", "missing", "unbekannt", "(blank)", "not available", "not applicable", "no data",
    "#value!", "#div/0!", "#ref!", "#name?", "#null!", "#num!",
)  # fmt: skip
"""What people write for a missing value, in small letters."""

_CURRENCY = (
    r"(?:(?:US|AU|CA|NZ|HK|R|A|C)?[$€£¥₹₩₽₺₪฿₫₴]|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR)"
    r"|Rs\.?|kr\.?|Fr\.?)"
)
_POWER = r"(?:[²³]|\^[23])"
_AREA = r"(?:[kcdmKCDM]?[mM]|[fF][tT]|[iI][nN]|[yY][dD]|[mM][iI])[23]"  # with a plain digit: m2, but no A2
_WORD = rf"(?:{_AREA}|°?[A-Za-zµμΩ]+{_POWER}?)\.?"
_PART = rf"(?:100 ?)?(?:{_AREA}|[A-Za-z]+{_POWER}?)"
_UNIT = (
    rf"(?:%(?: ?[A-Za-z]+\.?)?|‰|{_CURRENCY}|{_WORD}(?: (?:{_AREA}|[A-Za-z]+{_POWER}?)\.?){{0,2}}(?: ?/ ?{_PART})?"
    rf"|/ ?{_PART}|[\"\u2033\u2032°])"
)
_DIGITS = r"(?:\d(?:[\d.,' ]*\d)?[.,]?|[.,]\d+)(?:[eE][+-]?\d+)?"
_PATTERN = (
    rf"^(?P<open>\()?(?P<bound>[<>≤≥~≈])?\s*(?P<sign>[+-])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[+-])?\s*"
    rf"(?P<digits>{_DIGITS})\s*(?P<after>{_UNIT})?\s*(?P<behind>[+-])?(?P<close>\))?$"
)
_MARKED = r"[<>≤≥~≈]|[+-]\)?$"
"""A text that may be a bound."""

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""A number as programs write it."""

_ORDINALS = ("st", "nd", "rd", "th")

_NOTATIONS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
"""Decimal mark and mark between thousands, the likelier ones first."""


@dataclass(frozen=True)
class NumberNotation:
    """How a column writes its numbers.

    Parameters
    ----------
    decimal : str
        The decimal mark, a point or a comma.
    thousands : str
        What may stand between thousands; empty for nothing.
    unit : str
        The currency or unit that stands beside the numbers, as it is written; empty for none.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def read(self, texts: pl.Series) -> Array:
        """Give texts as float64 numbers, NaN where there is none or it cannot be read; shape (rows,)."""
        return read_values(texts, self._read_some)

    def _read_some(self, texts: pl.Series) -> Array:
        numbers = self._read_plain(texts)
        left = np.flatnonzero(np.isnan(numbers) & texts.is_not_null().to_numpy())
        if len(left):
            numbers[left] = self._read_parts(_take_apart(texts.gather(left)))[0]
        return numbers

    def _read_plain(self, texts: pl.Series, *, with_unit: bool = False) -> Array:
        """Read texts that are a number, a minus sign and the unit alone, NaN for others: what most texts are.

        It gives what `_read_parts` gives, without taking each text apart.

        Parameters
        ----------
        texts : polars.Series
        with_unit : bool
            Whether a number without the unit, if there is one, is to be NaN too.
        """
        import polars as pl

        mark, group, unit = re.escape(self.decimal), re.escape(self.thousands), re.escape(self.unit)
        digits = rf"(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)" if self.thousands else r"\d+"
        number = rf"{digits}(?:{mark}\d+)?"
        ways = [number] if not (self.unit and with_unit) else []
        ways += [rf"{unit} ?{number}"] if self.unit and re.fullmatch(_CURRENCY, self.unit) else []
        ways += [rf"{number} ?{unit}"] if self.unit and re.fullmatch(_UNIT, self.unit) else []
        fits = texts.str.contains(rf"^-?(?:{'|'.join(ways)})$").fill_null(False).to_numpy()
        if self.unit:
            texts = texts.str.replace(self.unit, "", literal=True).str.strip_chars(" ")
        if self.thousands:
            texts = texts.str.replace_all(self.thousands, "", literal=True)
        if self.decimal != ".":
            texts = texts.str.replace(self.decimal, ".", literal=True)
        return np.where(fits, texts.cast(pl.Float64, strict=False).to_numpy(), np.nan)

    def read_with_bounds(self, texts: pl.Series) -> tuple[Array, Array]:
        """Give texts as numbers, as `read` does, and where one is a bound, such as ``90+`` or ``<5``."""
        numbers = self.read(texts)
        bounds = np.zeros(len(texts), dtype=bool)
        marked = texts.str.contains(_MARKED).fill_null(False)
        if marked.any():
            bounds[marked.to_numpy()] = self._read_parts(_take_apart(texts.filter(marked)))[1]
        return numbers, bounds

    def _read_parts(self, parts: pl.DataFrame) -> tuple[Array, Array]:
        """Give the numbers, and where a mark says that one is a bound, such as ``90+`` or ``<5``."""
        import polars as pl

        digits = parts.get_column("digits")
        mark, group = re.escape(self.decimal), re.escape(self.thousands)
        grouped = rf"|[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{mark}\d*)?" if self.thousands else ""
        if self.thousands == ",":
            grouped += rf"|[1-9]\d?(?:,\d{{2}})+,\d{{3}}(?:{mark}\d*)?"  # 1,20,000 as in India
        fits = digits.str.contains(rf"^(?:\d+(?:{mark}\d*)?|{mark}\d+{grouped})(?:[eE][+-]?\d+)?$")
        plain = digits.str.replace_all(self.thousands, "", literal=True) if self.thousands else digits
        values: Array = plain.str.replace(self.decimal, ".", literal=True).cast(pl.Float64, strict=False).to_numpy()
        behind, units = parts.get_column("behind"), parts.get_column("unit")
        signs = [parts.get_column(name) == "-" for name in ("sign", "inner")]
        in_brackets = parts.get_column("open").is_not_null()
        negative = sum(sign.fill_null(False).cast(pl.Int8) for sign in (*signs, behind == "-", in_brackets))
        closed = in_brackets == parts.get_column("close").is_not_null()
        known = units.is_in(["", _shorten_unit(self.unit)])
        right = (fits & closed & known).fill_null(False).to_numpy() & (np.asarray(negative) <= 1)
        bound = (parts.get_column("bound").is_not_null() | (behind == "+").fill_null(False)).to_numpy()
        return np.where(right, np.where(np.asarray(negative) == 1, -values, values), np.nan), bound & right

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {"decimal": self.decimal, "thousands": self.thousands, "unit": self.unit}


def notation_from_dict(fields: Fields) -> NumberNotation:
    """Build a notation again from what `to_dict` gave.

    Raises
    ------
    FileFormatError
        If the data is not what `to_dict` writes.
    """
    decimal = fields.choice("decimal", (".", ","))
    notation = NumberNotation(decimal, fields.choice("thousands", ("", ".", ",", " ", "'")), fields.text("unit"))
    fields.done()
    return notation


@dataclass(frozen=True)
class FoundNotation:
    """What the texts of a column are, read as numbers.

    Parameters
    ----------
    notation : NumberNotation or None
        How its numbers are written; None if it holds none, or not enough of them.
    odd : tuple of str
        Texts among the numbers that are none.
    example : str
        A text and the number that it is, where one is in disguise; empty where all are written plainly.
    doubtful : str
        A text whose comma or point could be a decimal mark, if all of them could.
    units : tuple of str
        Different units, because of which the column is not read as numbers.
    codes : bool
        Whether every text is a plain number that typing would change, such as ``007``.
    bound : str
        A text that is a bound, such as ``<0.1``, where one is taken as its number.
    """

    notation: NumberNotation | None = None
    odd: tuple[str, ...] = ()
    example: str = ""
    doubtful: str = ""
    units: tuple[str, ...] = ()
    codes: bool = False
    bound: str = ""


def find_notation(texts: pl.Series, decimal: str = ".") -> FoundNotation:
    """Find how a column of text writes its numbers, if it is meant as numbers.

    It is if every text is a number, a missing value put in words (``n/a``, ``-``, ``unknown``), or, where there are
    more than 10 different numbers and fewer odd texts than these, nearly every one. Numbers with a unit have one unit;
    a percentage does not stand beside numbers without a sign. Integers with leading zeros, or of more than 15 digits,
    are codes. Of ``2,700`` and ``1.234.567`` the marks stand between thousands, unless one of them cannot.

    Parameters
    ----------
    texts : polars.Series
        The column, all of its rows.
    decimal : {".", ","}
        What stands before decimals in its file, which tells what ``1.234`` is.
    """
    values = _list_values(texts)
    values = values.filter(~find_gap_words(values))
    if len(values) <= _FIRST_LOOK:
        return _find_in_values(values, decimal)
    some = values.gather_every(len(values) // _FIRST_LOOK)
    if _take_apart(some).get_column("unit").null_count() > len(some) // 2:
        return FoundNotation()
    return _find_plainly(values, _find_in_values(some, decimal)) or _find_in_values(values, decimal)


def _list_values(texts: pl.Series) -> pl.Series:
    """Give the different texts, tidied, in the order in which they come."""
    return tidy_texts(texts.drop_nulls().unique(maintain_order=True)).drop_nulls().unique(maintain_order=True)


def _find_plainly(values: pl.Series, found: FoundNotation) -> FoundNotation | None:
    """Find what `_find_in_values` finds, given what it finds in some of the values, if each value is as plain as those.

    If all values are numbers in the notation that was found in some, with the same unit or all without one, it is the
    first notation that reads all of them, as it was among these; then no value has to be taken apart.
    """
    notation = found.notation
    if notation is None or found.odd:
        return None
    numbers = notation._read_plain(values, with_unit=True)
    if np.isnan(numbers).any() or (not notation.unit and _are_codes(values)):
        return None
    return _describe(values, notation, numbers, np.zeros(len(values), dtype=bool))


def _find_in_values(values: pl.Series, decimal: str) -> FoundNotation:
    """Find how different texts, none of which stands for a gap, write numbers."""
    if len(values) == 0:
        return FoundNotation()
    parts = _take_apart(values)
    measures = parts.get_column("unit").is_not_null().to_numpy()
    if measures.sum() * 2 < len(values) or measures.sum() < 2:
        return FoundNotation()
    units = _list_units(parts, measures)
    if _are_codes(values):
        plain_texts = values.str.contains(_PLAIN)
        return FoundNotation(codes=bool(plain_texts.all()), odd=tuple(values.filter(~plain_texts).to_list()))
    different = list({_shorten_unit(unit): unit for unit in reversed(units) if unit}.values())[::-1]
    if len(different) > 1:
        return FoundNotation(units=tuple(different) if len(different) <= _FEW_UNITS else ())
    unit = next((unit for unit in units if unit), "")
    numbers, bounds, notation = _read_best(parts, unit, decimal)
    unitless = (parts.get_column("unit") == "").fill_null(False).to_numpy()
    if notation.unit in ("%", "‰") and (numbers[unitless] > 0).any():
        return FoundNotation(units=(notation.unit, "none"))
    return _describe(values, notation, numbers, bounds)


def _are_codes(values: pl.Series) -> bool:
    """Tell whether the integers among texts are codes: one has a leading zero, or more digits than a float holds."""
    integers = values.filter(values.str.contains(r"^[+-]?\d+$"))
    return len(integers) > 0 and bool(
        integers.str.contains(r"^[+-]?0\d").any() or int(integers.str.len_chars().max() or 0) > _EXACT_DIGITS
    )


def _describe(values: pl.Series, notation: NumberNotation, numbers: Array, bounds: Array) -> FoundNotation:
    """Say what texts are, given the numbers that a notation reads in them, and which of these are bounds."""
    import polars as pl

    plain_texts = values.str.contains(_PLAIN).to_numpy()
    read = ~np.isnan(numbers)
    if int((read & ~bounds).sum()) <= MANY_NUMBERS:
        read &= ~bounds
    count, odd = int(read.sum()), values.filter(pl.Series(~read))
    disguised = read & ~plain_texts
    enough = count >= (_FEW_NUMBERS if disguised.any() else 2)
    if not enough or (len(odd) and count <= max(MANY_NUMBERS, len(odd))):
        return FoundNotation(odd=tuple(odd.to_list()) if count > len(odd) else ())
    first = int(disguised.argmax())
    example = f"{values[first]!r} is {numbers[first]:g}" if disguised.any() else ""
    either = notation.thousands in (",", ".") and values.str.contains(r"\d[,.]\d").any()
    certain = values.str.contains(r"[,.]\d+[,.]|[,.]\d{4}|[,.]\d{1,2}\b|^[+-]?[^\d]*\d{4,}[,.]").any()
    return FoundNotation(
        notation,
        tuple(odd.to_list()),
        example,
        values[first] if either and not certain else "",
        bound=values[int((read & bounds).argmax())] if (read & bounds).any() else "",
    )


def choose_notation(texts: pl.Series, decimal: str = ".") -> NumberNotation:
    """Return the notation that reads most of the texts of a column which is known to hold numbers."""
    parts = _take_apart(_list_values(texts))
    units = _list_units(parts, parts.get_column("unit").is_not_null().to_numpy())
    return _read_best(parts, next((unit for unit in units if unit), ""), decimal)[2]


def _read_best(parts: pl.DataFrame, unit: str, decimal: str) -> tuple[Array, Array, NumberNotation]:
    """Read numbers in the notation that reads most of them, the likeliest of these."""
    best: tuple[Array, Array, NumberNotation] | None = None
    count = -1
    for mark, thousands in sorted(_NOTATIONS, key=lambda marks: marks[0] != decimal):
        notation = NumberNotation(mark, thousands, unit)
        numbers, bounds = notation._read_parts(parts)
        readable = int((~np.isnan(numbers)).sum())
        if readable > count:
            best, count = (numbers, bounds, notation), readable
        if count == len(parts):
            break
    assert best is not None
    return best


def _list_units(parts: pl.DataFrame, measures: Array) -> list[str]:
    """List the different units as they are written, the most frequent first; an empty one for none."""
    written = parts.filter(measures).get_column("written")
    return list(written.value_counts(sort=True).get_column("written").to_list())


def _shorten_unit(unit: str) -> str:
    """Give the same for one unit in singular and plural."""
    return unit if len(unit) < 3 else unit.lower().rstrip("s.")


def _take_apart(texts: pl.Series) -> pl.DataFrame:
    """Take numbers apart into sign, digits and unit; all null where a text is no number.

    Returns
    -------
    polars.DataFrame
        ``open``, ``bound``, ``sign``, ``inner``, ``digits``, ``behind``, ``close``; ``written``, the unit as it stands,
        empty for none, and ``unit``, the same for singular and plural.
    """
    import polars as pl

    parts = tidy_texts(texts).str.extract_groups(_PATTERN).struct.unnest()
    written = parts.get_column("before").fill_null("") + parts.get_column("after").fill_null("")
    code = parts.get_column("digits").str.contains(r"[.,]$") & parts.get_column("after").str.contains(r"^[A-Za-z]")
    ordinal = written.is_in(_ORDINALS) | code.fill_null(False)  # such as 1st, and 3.NL
    written = written.set(parts.get_column("digits").is_null() | ordinal, None)
    shortened = written.set(written.str.len_chars() >= 3, None)
    shortened = shortened.fill_null(written.str.to_lowercase().str.strip_chars_end("s."))
    return parts.with_columns(
        digits=parts.get_column("digits").set(ordinal, None), written=written, unit=pl.Series("unit", shortened)
    )


def tidy_texts(texts: pl.Series) -> pl.Series:
    """Take spaces off text, make every space and minus sign one of ASCII, and give null where nothing is left."""
    if texts.str.contains(r"[\u00a0\u202f\u2009\u2007\t\u2212\u2019]").any():
        texts = texts.str.replace_all(r"[\u00a0\u202f\u2009\u2007\t]", " ")
        texts = texts.str.replace_all("\u2212", "-", literal=True).str.replace_all("\u2019", "'", literal=True)
    return strip_texts(texts)


def find_gap_words(texts: pl.Series) -> pl.Series:
    """Tell of each text whether it says that there is no value; null stays null."""
    words = texts.str.strip_chars().str.to_lowercase()
    return words.is_in(list(_GAP_WORDS))
