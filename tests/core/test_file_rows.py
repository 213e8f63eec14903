"""Rows of several files as one array: taken piece by piece, and the pages let go of."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import bpx
from bpx.core import file_rows
from bpx.core.file_rows import FileRows, MappedArrays, cut_rows, join_lists, open_arrays, predict_rows


def save(array, folder, name, ends):
    """Return an array as parts that are mapped from files."""
    parts = []
    for i, (start, stop) in enumerate(pairwise([0, *ends, len(array)])):
        np.save(folder / f"{name}{i}.npy", array[start:stop])
        parts.append(np.load(folder / f"{name}{i}.npy", mmap_mode="r"))
    return parts


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(50, 4))


@pytest.fixture
def net():
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")


@pytest.mark.parametrize("piece", [1, 64, 2**20])
def test_rows_are_those_of_the_arrays_one_after_the_other(piece, x, tmp_path, monkeypatch):
    monkeypatch.setattr(file_rows, "PIECE_BYTES", piece)
    rows = FileRows("x", save(x, tmp_path, "x", [7, 7, 8, 30]))
    assert (rows.shape, rows.dtype, rows.ndim, rows.size, rows.nbytes, len(rows)) == (
        (50, 4),
        x.dtype,
        2,
        200,
        1600,
        50,
    )
    for start in (0, 3, 7, 8, 49, 50):
        for stop in (0, 5, 7, 8, 31, 50, 60):
            np.testing.assert_array_equal(rows[start:stop], x[start:stop])
            np.testing.assert_array_equal(rows[start:stop, ...], x[start:stop])
    for chosen in (np.arange(0), np.array([0, 6, 7, 8, 29, 30, 49]), np.array([49, 0, 7, 7, 48]), np.arange(50)):
        np.testing.assert_array_equal(rows[chosen], x[chosen])
        np.testing.assert_array_equal(rows[chosen, ...], x[chosen])
    np.testing.assert_array_equal(rows.join(), x)
    assert rows[0:50].flags.writeable
    assert rows[0:50].base is None, "a copy, which is no view of a file"


def test_columns_of_a_file_are_taken_at_once(x, tmp_path, monkeypatch):
    """Of an array that lies column by column a few rows are all over the file."""
    monkeypatch.setattr(file_rows, "PIECE_BYTES", 64)
    released = []
    monkeypatch.setattr(file_rows, "release_pages", released.append)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    rows = FileRows("x", [np.load(tmp_path / "x.npy", mmap_mode="r")])
    np.testing.assert_array_equal(rows[0:50], x)
    assert len(released) == 1
    FileRows("x", [x])[0:50]
    assert len(released) == 1 + 25, "two rows of 32 bytes are a piece"


def test_only_files_that_are_read_are_let_go_of(tmp_path, monkeypatch):
    parts = save(np.arange(1000.0).reshape(1000, 1), tmp_path, "x", range(1, 1000))
    rows = FileRows("x", parts)
    released = []
    monkeypatch.setattr(file_rows, "release_pages", released.append)
    np.testing.assert_array_equal(rows[np.array([3, 500, 999])][:, 0], [3.0, 500.0, 999.0])
    np.testing.assert_array_equal(rows[998:1000][:, 0], [998.0, 999.0])
    assert len(released) == 5


def test_numbers_of_other_sizes_become_the_larger(x):
    rows = FileRows("x", [x[:9].astype(np.float32), x[9:], x[:0].astype(">f8")])
    assert rows.dtype == np.float64
    assert rows.dtype.isnative
    np.testing.assert_array_equal(rows.join(), np.concatenate([x[:9].astype(np.float32), x[9:]]))
    assert FileRows("y", [np.zeros(3, np.int8), np.zeros(2, np.int32)]).dtype == np.int32


@pytest.mark.parametrize(
    "parts, message",
    [
        ([np.zeros((3, 4)), np.zeros((2, 5))], r"same columns, but part 1 has shape \(2, 5\), and part 0 \(3, 4\)"),
        ([np.zeros((3, 4)), np.zeros(3)], r"same columns, but part 1 has shape \(3,\), and part 0 \(3, 4\)"),
        ([np.zeros(3), np.zeros(3, int)], "numbers of one kind, but part 1 holds int64, and part 0 float64"),
        ([np.zeros(3), np.ma.masked_equal([0.0, 1.0], 0.0)], "x has masked values"),
        ([np.zeros(3), np.zeros(3, complex)], "complex|one kind"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(parts, message):
    with pytest.raises(bpx.InputError, match=message):
        FileRows("x", parts)


def test_lists_of_samples_are_told_from_lists_of_rows(net, x, tmp_path):
    mapped = save(x, tmp_path, "x", [20])
    y = np.arange(50) % 3
    for samples in (mapped, tuple(mapped), [x[:20], x[20:]], [mapped[0], x[20:]], [x]):
        joined, targets, weight = join_lists(net, samples, y, None)
        assert isinstance(joined, FileRows)
        assert targets is y
        assert weight is None
        assert isinstance(join_lists(net, samples, [y[: len(part)] for part in samples])[1], FileRows)
        assert join_lists(net, samples, y.tolist())[1] == y.tolist()
    for samples in (x, x.tolist(), list(x), mapped[0], list(mapped[0]), [], [x, [1.0]], [1.0, 2.0]):
        assert join_lists(net, samples, y)[0] is samples
    anything = bpx.Network([bpx.Tanh()])
    assert join_lists(anything, [x, x], y)[0] == [x, x]
    assert isinstance(join_lists(anything, mapped, y)[0], FileRows)
    one_row_each = [x[:1], x[1:2]]
    rows = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    assert join_lists(net, one_row_each, rows)[1] is rows, "as many rows as samples, not parts"


@pytest.mark.parametrize(
    "lengths, message",
    [
        ([20, 30, 0], "y is a list of 3 arrays, and x one of 2; give as many, or one array with all 50 rows"),
        ([20, 29], "part 1 of y has 29 rows, and part 1 of x has 30"),
        ([30, 20], "part 0 of y has 30 rows, and part 0 of x has 20"),
    ],
)
def test_targets_of_other_lengths_are_refused(lengths, message, net, x):
    with pytest.raises(bpx.InputError, match=message):
        join_lists(net, [x[:20], x[20:]], [np.zeros(n, int) for n in lengths])


def test_what_is_small_is_joined_and_what_is_large_is_not(net, x):
    y, parts = np.arange(50) % 3, [x[:20], x[20:]]
    joined = open_arrays(net, parts, [y[:20], y[20:]], None, x.nbytes)
    np.testing.assert_array_equal(joined[0], x)
    np.testing.assert_array_equal(joined[1], y)
    opened = open_arrays(net, parts, y, None, x.nbytes - 1)
    assert isinstance(opened, MappedArrays)
    assert opened.rows == 50


def test_pieces_are_thousands_of_rows_where_there_is_room():
    assert list(cut_rows(3, 20, 60, 2)) == [(3, 8), (8, 13), (13, 18), (18, 20)]
    assert list(cut_rows(0, 2, 6, 100)) == [(0, 1), (1, 2)]
    assert list(cut_rows(0, 20000, 6 * 8200, 1)) == [(0, 8192), (8192, 16384), (16384, 20000)]


def test_a_bad_row_is_named(net, x):
    x[30, 2] = np.nan
    with pytest.raises(bpx.InputError, match="rows 30 to 39: x holds 1 value that is NaN"):
        predict_rows(net, FileRows("x", [x]), 6 * 320)
    with pytest.raises(bpx.InputError, match="rows .* x holds 1 value that is NaN"):
        net.evaluate([x], np.zeros(50, int), memory_limit=600)
