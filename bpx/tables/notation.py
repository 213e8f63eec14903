"""Numbers in disguise: text such as ``$1,200.50``, ``46%``, ``3 kg``, ``1.2M``, ``1 234`` and ``(12)`` read as numbers.

How a column writes its numbers is found from its values once, in training, and stored, so that new rows are read alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.stored import Fields
from bpx.tables.values import read_values, strip_texts, write_ascii_digits

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MANY_NUMBERS",
    "FoundNotation",
    "NumberNotation",
    "choose_notation",
    "find_bare",
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

_SIGN = r"(?:US|AU|CA|NZ|HK|R|A|C)?[$€£¥₹₩₽₺₪฿₫₴]"
_CODE = r"(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR)"
_CURRENCY = rf"(?:{_SIGN}|{_CODE}|Rs\.?|kr\.?|Fr\.?)"

_POWERS = {
    "thousand": 3, "tsd": 3, "lakh": 5, "lac": 5, "million": 6, "millionen": 6, "mio": 6, "mln": 6, "crore": 7,
    "billion": 9, "bn": 9, "milliard": 9, "milliarde": 9, "milliarden": 9, "mrd": 9, "mld": 9, "trillion": 12,
}  # fmt: skip
"""Words behind a number that multiply it by a power of ten, in small letters and in the singular."""

_MONEY_POWERS = {
    "k": 3, "K": 3, "L": 5, "m": 6, "mn": 6, "M": 6, "mm": 6, "MM": 6, "cr": 7, "Cr": 7, "b": 9, "B": 9, "T": 12,
}  # fmt: skip
"""What does so beside a currency, where ``m`` is no meter."""

_LETTER_POWERS = {"k": 3, "K": 3, "M": 6, "B": 9}
"""What may do so elsewhere, or be a unit, as K for kelvin."""

_LARGEST_BEFORE_LETTER = 1000.0
"""Larger numbers are not abbreviated by a letter, as in ``2700K``."""

_TIMES = rf"(?:(?i:{'|'.join(sorted(_POWERS, reverse=True))})s?\.?|[kKmMbB]|mn|MM)"
_POWER = r"(?:[²³]|\^[23])"
_AREA = r"(?:[kcdmKCDM]?[mM]|[fF][tT]|[iI][nN]|[yY][dD]|[mM][iI])[23]"  # with a plain digit: m2, but no A2
_WORD = rf"(?:{_AREA}|°?[A-Za-zµμΩ]+{_POWER}?)\.?"
_PART = rf"(?:100 ?)?(?:{_AREA}|[A-Za-z]+{_POWER}?)"
_UNIT = (
    rf"(?:%(?: ?[A-Za-z]+\.?)?|‰|{_CURRENCY}|{_TIMES} ?{_SIGN}"
    rf"|{_WORD}(?: (?:{_AREA}|[A-Za-z]+{_POWER}?)\.?){{0,2}}(?: ?/ ?{_PART})?"
    rf"|/ ?{_PART}|[\"\u2033\u2032°])"
)
_DIGITS = r"(?:\d(?:[\d.,' ]*\d)?[.,]?|[.,]\d+)(?:[eE][+-]?\d+)?"
_PATTERN = (
    rf"^(?P<open>\()?(?P<bound>[<>≤≥~≈])?\s*(?P<sign>[+-])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[+-])?\s*"
    rf"(?P<digits>{_DIGITS})(?P<gap>\s*)(?P<after>{_UNIT})?\s*(?P<behind>[+-])?(?P<close>\))?$"
)
_MARKED = r"[<>≤≥~≈]|[+-]\)?$"
"""A text that may be a bound."""

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""A number as programs write it."""

_CERTAIN = r"[,.]\d+[,.]|[,.]\d{4}|[,.]\d{1,2}(?:\D|$)|^[+-]?[^\d]*\d{4,}[,.]"
"""A number that shows which of its marks stand before decimals, and which between thousands."""

_SHARE = r"(?i)^(?:[%‰]|per ?cent|per ?mille?|pct\b|prozent|promille)"
"""Units of a part of the whole: a number without one, such as 0.46 for 46%, may be on another scale."""

_PREFIXED = (
    r"^[mpyz](?:ohm|hz|pa|bar|wh?|v|va|var|ah?|j|ev|n|f|h|t|s|g|gram|gramme|l|mol|cd|sv|gy|sec|cal|k|b|bit|byte|bps?)$"
)
"""Units, in small letters, whose first letter is another prefix as a capital, as in mPa and MPa."""

_BITS = r"^[kmgtp]?i?b(?=$|ps?$)"
"""Units, in small letters, in which a capital B is a byte and a small one a bit."""

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
    multiplied : bool
        Whether what stands for a power of ten behind a number multiplies it, as ``K`` in ``1.8K``; it is then no part
        of the unit.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    multiplied: bool = False

    @property
    def needs_unit(self) -> bool:
        """Whether a number without the unit, but for 0, cannot be read, because it may be on another scale.

        That is so of 0.46 beside ``46%``, and of 155 beside ``18K``.
        """
        return bool(re.search(_SHARE, self.unit)) or (not self.multiplied and self.unit in _LETTER_POWERS)

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
        ways = [number] if not (self.unit and (with_unit or self.needs_unit)) else []
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
        plain = plain.str.replace(self.decimal, ".", literal=True)
        behind, units = parts.get_column("behind"), parts.get_column("unit")
        if self.multiplied:
            units, powers = parts.get_column("counted"), parts.get_column("power")
            times = pl.select(pl.when(powers > 0).then("e" + powers.cast(pl.String)).otherwise(pl.lit(""))).to_series()
            plain = plain + times  # 1.1e3 is 1100 exactly, 1.1 * 1e3 is not
        values: Array = plain.cast(pl.Float64, strict=False).to_numpy()
        signs = [parts.get_column(name) == "-" for name in ("sign", "inner")]
        in_brackets = parts.get_column("open").is_not_null()
        negative = sum(sign.fill_null(False).cast(pl.Int8) for sign in (*signs, behind == "-", in_brackets))
        closed = in_brackets == parts.get_column("close").is_not_null()
        known = units.is_in(["", _shorten_unit(self.unit)])
        if self.needs_unit:
            known &= (units != "") | pl.Series(values == 0.0)
        right = (fits & closed & known).fill_null(False).to_numpy() & (np.asarray(negative) <= 1)
        bound = (parts.get_column("bound").is_not_null() | (behind == "+").fill_null(False)).to_numpy()
        return np.where(right, np.where(np.asarray(negative) == 1, -values, values), np.nan), bound & right

    def find_doubtful(self, texts: pl.Series) -> tuple[pl.Series, bool]:
        """Find the marks between thousands that could be decimal ones.

        Parameters
        ----------
        texts : polars.Series
            Texts that are read as numbers.

        Returns
        -------
        doubtful : polars.Series
            The texts with a mark that could be either.
        certain : bool
            Whether another text shows what the marks are.
        """
        if self.thousands not in (",", "."):
            return texts.clear(), False
        marked = texts.str.contains(rf"\d{re.escape(self.thousands)}\d")
        return texts.filter(marked), bool(texts.str.contains(_CERTAIN).any())

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON data."""
        known = {"decimal": self.decimal, "thousands": self.thousands, "unit": self.unit}
        return known | ({"multiplied": True} if self.multiplied else {})


def find_bare(numbers: Array) -> Array:
    """Tell which numbers, of those that have no unit, cannot be read where a unit is needed: all but 0."""
    bare: Array = ~np.isnan(numbers) & (numbers != 0.0)
    return bare


def notation_from_dict(fields: Fields) -> NumberNotation:
    """Build a notation again from what `to_dict` gave.

    Raises
    ------
    FileFormatError
        If the data is not what `to_dict` writes.
    """
    decimal = fields.choice("decimal", (".", ","))
    thousands, unit = fields.choice("thousands", ("", ".", ",", " ", "'")), fields.text("unit")
    notation = NumberNotation(decimal, thousands, unit, fields.has("multiplied") and fields.boolean("multiplied"))
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
    a percentage does not stand beside numbers without a sign. Words such as ``million``, and letters such as ``K`` in
    ``1.8K`` and ``M`` in ``$2M``, multiply what they stand behind. Integers with leading zeros, or of more than 15
    digits, are codes. Of ``2,700`` and ``1.234.567`` the marks stand between thousands, unless one of them cannot.

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
    if notation is None or found.odd or notation.multiplied or notation.unit in _LETTER_POWERS:
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
    if _are_codes(values):
        plain_texts = values.str.contains(_PLAIN)
        return FoundNotation(codes=bool(plain_texts.all()), odd=tuple(values.filter(~plain_texts).to_list()))
    units, multiplied = _find_units(parts, decimal)
    if len(units) > 1:
        return FoundNotation(units=tuple(units) if len(units) <= _FEW_UNITS else ())
    numbers, bounds, notation = _read_best(parts, "".join(units), decimal, multiplied=multiplied)
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
    example = f"{values[first]!r} is {numbers[first]:.12g}" if disguised.any() else ""
    doubtful, certain = notation.find_doubtful(values)
    return FoundNotation(
        notation,
        tuple(odd.to_list()),
        example,
        values[first] if len(doubtful) and not certain else "",
        bound=values[int((read & bounds).argmax())] if (read & bounds).any() else "",
    )


def choose_notation(texts: pl.Series, decimal: str = ".") -> NumberNotation:
    """Return the notation that reads most of the texts of a column which is known to hold numbers."""
    parts = _take_apart(_list_values(texts))
    units, multiplied = _find_units(parts, decimal)
    return _read_best(parts, next(iter(units), ""), decimal, multiplied=multiplied)[2]


def _find_units(parts: pl.DataFrame, decimal: str) -> tuple[list[str], bool]:
    """List the different units of numbers, the most frequent first, and tell whether powers of ten are none of them.

    Where a number without the only unit may be on another scale, ``none`` is one too.
    """
    multiplied = _tell_multiplied(parts, decimal)
    written, shortened = ("counted as", "counted") if multiplied else ("written", "unit")
    units = _list_units(parts, written, shortened)
    if len(units) == 1 and NumberNotation(unit=units[0], multiplied=multiplied).needs_unit:
        bare = (parts.get_column(shortened) == "") & parts.get_column("digits").str.contains("[1-9]")
        units += ["none"] if bare.any() else []
    return units, multiplied


def _tell_multiplied(parts: pl.DataFrame, decimal: str) -> bool:
    """Tell whether what may stand for a power of ten behind numbers multiplies them, or is a part of their unit.

    Words do, and letters beside a currency or another unit, and letters that differ, as in ``1.8K`` and ``2M``. A
    letter that stands alone may be a unit too, as in ``273 K``, ``2700K`` and ``12M``. Where all numbers with a letter
    have the same, no others have a unit, and none of them is above 1000, it does if some have decimals and no space
    before it, or if some numbers have no letter and it is a ``K``, or some have decimals.
    """
    import polars as pl

    powers = parts.get_column("power").fill_null(0)
    letters = parts.get_column("lone").fill_null(False)
    if not letters.any() or ((powers > 0) & ~letters).any():
        return bool((powers > 0).any())
    others = parts.get_column("counted as").filter(~letters).drop_nulls()
    if not others.str.contains(rf"^(?:{_CURRENCY})*$").all():
        return False
    if powers.filter(letters).n_unique() > 1:
        return True
    abbreviated = parts.filter(letters)
    counted, _, _ = _read_best(abbreviated.with_columns(unit=pl.lit("")), "", decimal)
    counted = counted[~np.isnan(counted)]
    if (np.abs(counted) > _LARGEST_BEFORE_LETTER).any():
        return False
    bare = bool(((parts.get_column("written") == "") & parts.get_column("digits").str.contains("[1-9]")).any())
    decimals = bool((counted != np.floor(counted)).any())
    thousands = powers.filter(letters)[0] == _LETTER_POWERS["K"]
    return (bare and (thousands or decimals)) or (decimals and bool((abbreviated.get_column("gap") == "").any()))


def _read_best(
    parts: pl.DataFrame, unit: str, decimal: str, *, multiplied: bool = False
) -> tuple[Array, Array, NumberNotation]:
    """Read numbers in the notation that reads most of them, the likeliest of these."""
    best: tuple[Array, Array, NumberNotation] | None = None
    count = -1
    for mark, thousands in sorted(_NOTATIONS, key=lambda marks: marks[0] != decimal):
        notation = NumberNotation(mark, thousands, unit, multiplied)
        numbers, bounds = notation._read_parts(parts)
        readable = int((~np.isnan(numbers)).sum())
        if readable > count:
            best, count = (numbers, bounds, notation), readable
        if count == len(parts):
            break
    assert best is not None
    return best


def _list_units(parts: pl.DataFrame, written: str, shortened: str) -> list[str]:
    """List the different units as they are most often written, the most frequent first."""
    import polars as pl

    units = parts.select(written=written, shortened=shortened).filter(pl.col("written") != "")
    counts = (
        units.group_by("shortened", "written", maintain_order=True)
        .len()
        .sort("len", descending=True, maintain_order=True)
    )
    return list(counts.unique("shortened", keep="first", maintain_order=True).get_column("written").to_list())


def _shorten_unit(unit: str) -> str:
    """Give the same for one unit in singular and plural, and in capitals where these make no other unit of it."""
    return unit if len(unit) < 3 else re.sub("[^ /]+", lambda part: _fold_word(part[0]), unit)


def _fold_word(word: str) -> str:
    """Give a word of a unit in small letters and the singular, but for letters that mean something else as capitals."""
    word = word.rstrip(".")
    word = word[:-1] if len(word) >= 3 and word[-1] in "sS" else word
    folded = word.lower()
    if re.search(_PREFIXED, folded):
        folded = word[0] + folded[1:]
    bits = re.search(_BITS, folded.lower())
    return folded if bits is None else folded[: bits.end() - 1] + word[bits.end() - 1] + folded[bits.end() :]


def _split_power(before: str, after: str) -> tuple[str, int, bool]:
    """Take what may stand for a power of ten off a unit.

    Returns
    -------
    unit : str
        The rest of it.
    power : int
        The power of ten; 0 for none.
    lone : bool
        Whether it is a letter that may be a unit itself.
    """
    found = re.match(rf"([A-Za-z]+?)(\.?)(?: ?(?={_SIGN}$|{_CODE}$|/)| (?=[A-Za-z])|$)", after)
    if found is None:
        return before + after, 0, False
    word, dot, rest = found[1], found[2], after[found.end() :]
    power = _POWERS.get(word.lower()) or _POWERS.get(word.lower().removesuffix("s"), 0)
    if not power and not dot and (before or re.fullmatch(_CURRENCY, rest)):
        power = _MONEY_POWERS.get(word, 0) if before or word != "T" else 0  # 5 T€ are thousands
    elif not power and not dot and not rest.startswith("/"):
        power = _LETTER_POWERS.get(word, 0)
    return (
        (before + rest, power, not (before or rest) and word in _LETTER_POWERS) if power else (before + after, 0, False)
    )


def _take_apart(texts: pl.Series) -> pl.DataFrame:
    """Take numbers apart into sign, digits and unit; all null where a text is no number.

    Returns
    -------
    polars.DataFrame
        ``open``, ``bound``, ``sign``, ``inner``, ``digits``, ``behind``, ``close``; ``written``, the unit as it stands,
        empty for none, and ``unit``, the same for singular and plural; ``counted as`` and ``counted``, both of them
        without what may stand for a power of ten, ``power``, 0 for none, and ``lone``, whether that is a letter which
        may be a unit itself; and ``gap``, the spaces before the unit.
    """
    import polars as pl

    parts = tidy_texts(texts).str.extract_groups(_PATTERN).struct.unnest()
    before, after = (parts.get_column(name).fill_null("") for name in ("before", "after"))
    code = parts.get_column("digits").str.contains(r"[.,]$") & after.str.contains(r"^[A-Za-z]")
    odd = parts.get_column("digits").is_null() | code.fill_null(False)
    odd |= (before == "") & after.is_in(_ORDINALS)  # such as 1st, and 3.NL
    pairs = pl.DataFrame({"before": before, "after": after})
    known = pairs.filter(~odd).unique(maintain_order=True)
    split = [_split_power(*pair) for pair in known.rows()]
    written = [first + second for first, second in known.rows()]
    known = known.with_columns(
        pl.Series("written", written, dtype=pl.String),
        pl.Series("unit", map(_shorten_unit, written), dtype=pl.String),
        pl.Series("counted as", [unit for unit, _, _ in split], dtype=pl.String),
        pl.Series("counted", [_shorten_unit(unit) for unit, _, _ in split], dtype=pl.String),
        pl.Series("power", [power for _, power, _ in split], dtype=pl.Int64),
        pl.Series("lone", [lone for _, _, lone in split], dtype=pl.Boolean),
    )
    pairs = pl.DataFrame({"before": before.set(odd, None), "after": after.set(odd, None)})
    pairs = pairs.join(known, on=["before", "after"], how="left", maintain_order="left").drop("before", "after")
    return parts.with_columns(digits=parts.get_column("digits").set(odd, None)).hstack(pairs)


def tidy_texts(texts: pl.Series) -> pl.Series:
    """Take spaces off text, make spaces, minus signs and digits those of ASCII, and give null where nothing is left."""
    texts = write_ascii_digits(texts)
    if texts.str.contains(r"[\u00a0\u202f\u2009\u2007\u3000\t\u2212\u2019]").any():
        texts = texts.str.replace_all(r"[\u00a0\u202f\u2009\u2007\u3000\t]", " ")
        texts = texts.str.replace_all("\u2212", "-", literal=True).str.replace_all("\u2019", "'", literal=True)
    return strip_texts(texts)


def find_gap_words(texts: pl.Series) -> pl.Series:
    """Tell of each text whether it says that there is no value; null stays null."""
    words = texts.str.strip_chars().str.to_lowercase()
    return words.is_in(list(_GAP_WORDS))
