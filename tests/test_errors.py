"""The exceptions are what callers expect to catch."""

import pytest

from bpx import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.BackendError, RuntimeError),
        (errors.BusyError, RuntimeError),
        (errors.DivergenceError, ArithmeticError),
        (errors.FileFormatError, ValueError),
    ],
)
def test_each_error_is_of_bpx_and_of_its_builtin_kind(error, builtin):
    assert issubclass(error, errors.BpxError)
    assert issubclass(error, builtin)


def test_an_unknown_name_lists_the_valid_ones_and_the_nearest():
    message = str(errors.unknown_name("loss", "HUBER", ["huber", "cross_entropy"]))
    assert message == "unknown loss 'HUBER'; did you mean 'huber'? Valid: 'cross_entropy', 'huber'"


def test_an_unknown_name_that_resembles_none_gets_no_guess():
    assert str(errors.unknown_name("loss", 3, ["b", "a"])) == "unknown loss 3; valid: 'a', 'b'"
