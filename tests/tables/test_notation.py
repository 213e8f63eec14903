"""Numbers in disguise: what text is read as, and what is left as it stands."""

import numpy as np
import pytest

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.errors import FileFormatError  # noqa: E402
from bpx.tables.notation import NumberNotation, find_notation, notation_from_dict, tidy_texts  # noqa: E402
from bpx.tables.stored import Fields  # noqa: E402


def find(values):
    return find_notation(pl.Series("c", values, dtype=pl.String))


MANY = [str(i) for i in range(15)]


@pytest.mark.parametrize(
    ("values", "numbers", "unit"),
    [
        (["$1,200.50", "$900", "$12.5"], [1200.5, 900, 12.5], "$"),
        (["46%", "5%", "0%"], [46, 5, 0], "%"),
        (["10%", "0", "20%"], [10, 0, 20], "%"),
        (["3 kg", "2kg", " 4 kg "], [3, 2, 4], "kg"),
        (["103.4 m2", "80m2", "1,095.5 m2"], [103.4, 80, 1095.5], "m2"),
        (["3 m^3", "2.5 m^3", "1 m^3"], [3, 2.5, 1], "m^3"),
        (["21.5 kg/m2", "30 kg/m2", "18 kg/m2"], [21.5, 30, 18], "kg/m2"),
        (["5.6 l/100km", "7 l/100km", "11.2 l/100km"], [5.6, 7, 11.2], "l/100km"),
        (["5 % vol", "12.5 % vol", "40 % vol"], [5, 12.5, 40], "% vol"),
        (["1 234", "12 345", "900"], [1234, 12345, 900], ""),
        (["1\u00a0234", "12\u202f345", "900"], [1234, 12345, 900], ""),
        (["2,700", "13,500", "900"], [2700, 13500, 900], ""),
        (["1,200,000", "900", "1,000"], [1.2e6, 900, 1000], ""),
        (["1,20,000", "50,000", "2,00,000"], [120000, 50000, 200000], ""),
        (["(12)", "5", "7.5"], [-12, 5, 7.5], ""),
        (["($12.50)", "-$5", "$-6", "$7-"], [-12.5, -5, -6, -7], "$"),
        (["+5%", "-6%", "\u22127%"], [5, -6, -7], "%"),
        (["1,5", "2,75", "3"], [1.5, 2.75, 3], ""),
        (["0,500", "1,250", "2,000"], [0.5, 1.25, 2], ""),
        (["1.234,50 €", "99,00 €", "7 €"], [1234.5, 99, 7], "€"),
        (["1.234.567", "2.345.678", "999"], [1234567, 2345678, 999], ""),
        (["1'234.50", "2\u2019000", "3"], [1234.5, 2000, 3], ""),
        (["1 year", "2 years", "3 years"], [1, 2, 3], "years"),
        (["EUR 5", "EUR 6", "EUR 7.5"], [5, 6, 7.5], "EUR"),
        (["-1 m/s", "2 m/s", "3 m/s"], [-1, 2, 3], "m/s"),
        (["5°C", "6°C", "7°C"], [5, 6, 7], "°C"),
        (["1,200 sq ft", "900 sq ft", "800 sq ft"], [1200, 900, 800], "sq ft"),
        (["1.5", "2", "n/a", "-", "unknown", ""], [1.5, 2] + [np.nan] * 4, ""),
        (["1e3", "2.5E-4", ".5"], [1000, 2.5e-4, 0.5], ""),
        ([*MANY, "90+", "<5", "~7"], [*range(15), 90, 5, 7], ""),
        ([*MANY, "oops"], [*range(15), np.nan], ""),
        (["1.8K", "3.8K", "155"], [1800, 3800, 155], ""),
        (["18K", "25k", "155", "0"], [18000, 25000, 155, 0], ""),
        (["1.1K", "1.2K", "2K"], [1100, 1200, 2000], ""),
        (["1.8K", "2.5M", "1.2B", "1,200"], [1800, 2.5e6, 1.2e9, 1200], ""),
        (["273 K", "2.5 M", "155"], [273000, 2.5e6, 155], ""),
        (["1.5M", "7M", "3"], [1.5e6, 7e6, 3], ""),
        (["$1.2M", "$900K", "$12", "7"], [1.2e6, 9e5, 12, 7], "$"),
        (["£3m", "£4.5 mn", "£2bn"], [3e6, 4.5e6, 2e9], "£"),
        (["$85k/yr", "$90,000/yr", "$1.1k/yr"], [85000, 90000, 1100], "$/yr"),
        (["1,2 Mio. €", "500 Tsd. €", "17,50 €"], [1.2e6, 5e5, 17.5], "€"),
        (["5k€", "7,5 k€", "9 €"], [5000, 7500, 9], "€"),
        (["5 kEUR", "7.5 MEUR", "9 EUR"], [5000, 7.5e6, 9], "EUR"),
        (["3 million", "2 Thousand", "1.5 Millions", "155"], [3e6, 2000, 1.5e6, 155], ""),
        (["₹5 Cr", "₹2.5 lakh", "₹900"], [5e7, 2.5e5, 900], "₹"),
        (["1.2K views", "3M views", "155 views"], [1200, 3e6, 155], "views"),
        (["18K", "25K", "3K"], [18, 25, 3], "K"),
        (["273 K", "290.5 K", "0 K"], [273, 290.5, 0], "K"),
        (["2700K", "4000K", "650.5K"], [2700, 4000, 650.5], "K"),
        (["12M", "24M", "36M"], [12, 24, 36], "M"),
        (["3 m", "4.5m", "5"], [3, 4.5, 5], "m"),
        (["5 mg/dL", "6 mg/dl", "7 mg/dL"], [5, 6, 7], "mg/dL"),
        (["5 kWh", "6 KWH", "7 kwh", "8 kWh"], [5, 6, 7, 8], "kWh"),
        (["5 kbps", "6 Kbps", "7 kbps"], [5, 6, 7], "kbps"),
        (["5 min", "6 Min.", "7 mins", "8 min"], [5, 6, 7, 8], "min"),
        (["1", "2", "3.5", "-4"], [1, 2, 3.5, -4], ""),
        (["\uff11", "\uff12\uff0e\uff15", "\uff0d3"], [1, 2.5, -3], ""),
        (["\u0661\u0662\u066b\u0665", "\u0663", "4"], [12.5, 3, 4], ""),
        (["\u0967\u0968%", "\uff15\uff05", "4\u066a"], [12, 5, 4], "%"),
    ],
)
def test_numbers_in_disguise_are_numbers(values, numbers, unit):
    found = find(values)
    assert found.notation is not None, found
    np.testing.assert_array_equal(found.notation.read(pl.Series(values)), numbers)
    restored = notation_from_dict(Fields(found.notation.to_dict(), "it"))
    assert restored == found.notation
    # The unit is the one that most values have.
    assert restored.unit in (unit, "year")


@pytest.mark.parametrize(
    "values",
    [
        ["1st", "2nd", "3rd", "4th"],
        ["18-25", "26-40", "41-65"],
        ["1.2.3", "1.2.4", "2.0.0"],
        ["4wd", "2wd"],
        ["01", "1", "20"],
        ["B2", "007", "C3"],
        ["0", "1", "2", "3+"],
        ["male", "female"],
        ["10 Downing Street", "221 Baker Street", "4 Privet Drive", "742 Evergreen Terrace", "12 Grimmauld Place"],
        ["89314404000000000003", "89314404000000000001"],
        ["(5", "6", "7)"],
        ["--5", "6-7", "5/6"],
        [None, None],
    ],
)
def test_other_text_is_not(values):
    found = find(values)
    assert found.notation is None
    assert found.units == ()


def test_a_digit_is_part_of_a_unit_of_area_or_volume_alone():
    assert find(["1 A2", "2 A2", "3 A2", "4 A2"]).notation is None
    assert find(["12 B3", "13 B3", "14 B3", "15 B3"]).notation is None


def test_a_unit_that_varies_and_a_share_beside_numbers_are_said_and_not_read():
    assert find(["3 kg", "200 g", "1 kg"]).units == ("kg", "g")
    assert find(["10%", "0.5", "20%"]).units == ("%", "none")
    assert find(["10%", "-0.5", "20%"]).units == ("%", "none")
    assert find(["10 percent", "0.5", "20 percent"]).units == ("percent", "none")


@pytest.mark.parametrize("values", [["2700K", "4000K", "3000"], ["12M", "24M", "36"]])
def test_a_letter_that_may_be_a_unit_or_a_power_of_ten_is_said_beside_numbers_without(values):
    assert find(values).units == (values[0][-1], "none")


@pytest.mark.parametrize(
    "units",
    [
        ("mOhm", "MOhm"),
        ("MBps", "Mbps"),
        ("MB/s", "Mb/s"),
        ("GiB/s", "Gib/s"),
        ("mPa", "MPa"),
        ("MWh", "mWh"),
        ("mS/cm", "MS/cm"),
        ("pmol/l", "Pmol/l"),
        ("ml/d", "ML/d"),
        ("V/m", "V/ms"),
        ("K", "kg"),
    ],
)
def test_units_whose_capitals_differ_in_meaning_are_not_one(units):
    assert find([f"5 {units[0]}", f"6 {units[1]}", f"7 {units[0]}"]).units == units


def test_what_is_doubtful_is_said():
    assert find(["2,700", "3,500", "900"]).doubtful == "2,700"
    for certain in (["2,700", "12,000,000"], ["2,700.5", "3,100"], ["2,75", "3,5", "1,0"]):
        assert find([*certain, "900", "800"]).doubtful == ""


def test_codes_and_odd_texts_are_told_apart():
    assert find(["007", "12", "9"]).codes
    assert find([*MANY, "oops", "no"]).odd == ("oops", "no")
    assert find(["1", "2", "3", "none of these"]).odd == ("none of these",)


def test_what_a_notation_does_not_have_is_not_read():
    dollars = NumberNotation(".", ",", "$")
    assert np.isnan(dollars.read(pl.Series(["5 €", "1,20", "1.5.0", "five", None, "(5)-"]))).all()
    np.testing.assert_array_equal(dollars.read(pl.Series(["5", "$1,200", " ($3) "])), [5, 1200, -3])


def test_new_numbers_are_on_the_scale_of_training():
    for column in (["1.8K", "3.8K", "155"], ["1.2K", "1.4K", "2K"]):
        numbers = find(column).notation.read(pl.Series(["200", "1.2K", "2.5M", "5 kg", "1e3", "3 K"]))
        np.testing.assert_array_equal(numbers, [200, 1200, 2.5e6, np.nan, 1000, 3000])
    numbers = find(["18K", "25K", "3K"]).notation.read(pl.Series(["200", "0", "4K", "2M"]))
    np.testing.assert_array_equal(numbers, [np.nan, 0, 4, np.nan])
    numbers = find(["18%", "25%", "3%"]).notation.read(pl.Series(["0.2", "-5", "0", "0.0", "4%", "0.5%"]))
    np.testing.assert_array_equal(numbers, [np.nan, np.nan, 0, 0, 4, 0.5])
    earlier = notation_from_dict(Fields({"decimal": ".", "thousands": "", "unit": "$M"}, "it"))
    np.testing.assert_array_equal(earlier.read(pl.Series(["$1.2M", "3", "$5K"])), [1.2, 3, np.nan])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decimal": ";"}, "in the field 'decimal'"),
        ({"thousands": "x"}, "'thousands'"),
        ({"unit": 3}, "'unit'"),
        ({"multiplied": 1}, "'multiplied'"),
    ],
)
def test_a_stored_notation_is_checked(change, message):
    with pytest.raises(FileFormatError, match=message):
        notation_from_dict(Fields(NumberNotation().to_dict() | change, "it"))


def test_tidy_texts_are_null_where_nothing_is_left():
    assert tidy_texts(pl.Series([" a\u00a0b ", "\u202f", "", None, "\u22125"])).to_list() == [
        "a b",
        None,
        None,
        None,
        "-5",
    ]
