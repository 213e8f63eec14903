"""The notebook's story as a script: it runs, and what it tells is true."""

import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "xor_walkthrough.py"


@pytest.fixture(scope="module")
def told():
    """What the script prints, and the names it leaves."""
    import contextlib
    import io

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        names = runpy.run_path(str(SCRIPT))
    return printed.getvalue(), names


def test_the_published_run_is_reproduced(told):
    text, names = told
    published = [float(value) for value in re.findall(r"predicted ([\d.]+)", text)[:4]]
    assert published == [0.42493190, 0.52282867, 0.47875044, 0.28315585]
    assert not names["run"].solved


def test_the_run_with_biases_learns(told):
    text, names = told
    learned = [float(value) for value in re.findall(r"predicted ([\d.]+)", text)[4:]]
    assert learned == pytest.approx([0.01927422, 0.98335907, 0.98335520, 0.01724087], abs=1e-7)
    assert names["cured"].solved


def test_the_explanation_is_true(told):
    text, names = told
    assert names["chain"].difference < 1e-12
    assert "0.weight[0,0]: what the row 00 contributes to the gradient is +0.000000" in text
    assert "0.bias[0]: what the row 00 contributes to the gradient is +0.011278" in text
    assert names["report"].names == ("frozen_parameters",)
    weight, bias = (float(value) for value in re.findall(r"largest gradient of the output's \w+: ([\d.e+-]+)", text))
    assert weight < 1e-3 * bias
    assert "Nothing found that hinders learning." in text
    assert names["cured"].losses[500] > 0.48  # for some 500 epochs the loss hardly moves
    assert names["cured"].losses[1500] < 0.02


def test_it_is_in_cells_of_text_and_code():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    cells = [line for line in lines if line.startswith("# %%")]
    assert set(cells) == {"# %%", "# %% [markdown]"}
    assert [line[2:] for line in lines if line.startswith("# ## ")] == [
        "## 1. Theory", "## 2. Data", "## 3. Model", "## 4. Training, as published", "## 5. Explanation",
    ]  # fmt: skip
