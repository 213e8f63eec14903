"""Checks of arguments: what passes, and what the message says of the rest."""

import numpy as np
import pytest

import bpx
from bpx.arguments import check_choice, check_count, check_number


def test_a_count_is_a_whole_number_of_any_integer_type():
    assert [check_count("n", value) for value in (3, np.int64(3), np.uint8(3))] == [3, 3, 3]
    assert type(check_count("n", np.int64(3))) is int
    assert check_count("n", 0, minimum=0) == 0


@pytest.mark.parametrize("value", [2.0, "2", None, True, False, [2], np.float64(2.0)])
def test_what_is_no_whole_number_is_no_count(value):
    with pytest.raises(bpx.InputError, match="n must be a whole number, got"):
        check_count("n", value)


@pytest.mark.parametrize("value", [0, -1])
def test_a_count_has_a_minimum(value):
    with pytest.raises(bpx.InputError, match=f"n must be at least 1, got {value}"):
        check_count("n", value)


def test_a_number_is_a_float_within_its_bounds():
    assert check_number("rate", 1, above=0.0) == 1.0
    assert check_number("rate", np.float32(0.5), minimum=0.5, maximum=0.5) == 0.5
    assert type(check_number("rate", np.float32(0.5))) is float


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0.0, {"above": 0.0}, "rate must be above 0.0, got 0"),
        (-0.1, {"minimum": 0.0, "below": 1.0}, "rate must be at least 0.0 and below 1.0, got -0.1"),
        (1.0, {"minimum": 0.0, "below": 1.0}, "rate must be at least 0.0 and below 1.0, got 1"),
        (1.5, {"above": 0.0, "maximum": 1.0}, "rate must be above 0.0 and at most 1.0, got 1.5"),
        (float("nan"), {"above": 0.0}, "rate must be finite and above 0.0, got nan"),
        (float("inf"), {}, "rate must be finite, got inf"),
        ("1", {}, "rate must be a number, got '1'"),
        (None, {}, "rate must be a number, got None"),
        (True, {}, "rate must be a number, got True"),
        ([1.0, 2.0], {}, "rate must be a number, got [1.0, 2.0]"),
    ],
)
def test_a_number_out_of_bounds_is_told_them(value, bounds, message):
    with pytest.raises(bpx.InputError) as error:
        check_number("rate", value, **bounds)
    assert str(error.value) == message


def test_a_choice_is_one_of_the_names():
    assert check_choice("color", "red", ("red", "green")) == "red"
    with pytest.raises(bpx.InputError, match=r"unknown color 'gren'; did you mean 'green'\? Valid: 'green', 'red'"):
        check_choice("color", "gren", ("red", "green"))
    with pytest.raises(bpx.InputError, match=r"unknown color \['red'\]; valid: 'green', 'red'"):
        check_choice("color", ["red"], ("red", "green"))
