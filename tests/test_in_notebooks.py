"""What notebooks show of bpx: tables, bars and pages, from cells that run; names in them never become markup."""

from __future__ import annotations

import copy
import os
import pickle
import re
from html.parser import HTMLParser

import pytest

import bpx

HTML = "text/html"
WIDGET = "application/vnd.jupyter.widget-view+json"


class Evil(bpx.Sigmoid):
    def __repr__(self):
        return "<img src=x onerror=alert(1)>"


def assert_is_table(html, words):
    """Check that all elements are closed, and that the table has these cells."""
    stack, cells = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag in {"p", "table", "thead", "tbody", "tr", "th", "td"}, tag
            stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

        def handle_data(self, data):
            if stack[-1] in {"th", "td"}:
                cells.append(data)

    Reader().feed(html)
    assert stack == []
    assert set(words) <= set(cells)


# -- without a notebook -----------------------------------------------------------------------------------------------


def test_a_summary_is_text_and_a_table():
    net = bpx.Network([bpx.Linear(2, 1), Evil()])
    summary = net.summary()
    assert isinstance(summary, str)
    assert summary.splitlines()[0].split() == ["layer", "output", "parameters"]
    assert repr(summary) == str(summary), "at a prompt it reads as it is printed"
    assert_is_table(summary._repr_html_(), ["Linear(2, 1)", "(batch, 1)", "3", repr(Evil())])
    for other in (pickle.loads(pickle.dumps(summary)), copy.deepcopy(summary)):
        assert other == summary
        assert other._repr_html_() == summary._repr_html_()


def test_backends_are_a_tuple_and_a_table(monkeypatch):
    report = bpx.backends()
    assert isinstance(report, tuple)
    assert_is_table(report._repr_html_(), ["numpy", "cupy", "torch", "jax", "mlx", "array-api-strict", "works here"])
    broken = bpx.BackendStatus("cupy", False, (), None, "<script>alert(1)</script>")
    assert_is_table(type(report)([broken])._repr_html_(), ["cupy", "no", "<script>alert(1)</script>"])


def test_a_printer_is_a_table_of_the_latest_epochs():
    def evil(run):
        if run.done == 30:
            run.stop("<b>enough</b>")

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        printer = bpx.ProgressPrinter(file=nowhere)
        assert_is_table(printer._repr_html_(), ["epoch"])
        x, y = bpx.datasets.xor()
        net = bpx.mlp([2, 2, 1], loss="squared_error")
        history = net.fit(x, y, epochs=40, callbacks=[evil, printer], validation_data=(x, y))
        html = printer._repr_html_()
        assert_is_table(html, ["epoch", "loss", "validation_loss", "11/40", "30/40", f"{history.loss[-1]:.4g}"])
        assert "10/40" not in html
        assert "&lt;b&gt;enough&lt;/b&gt;" in html
        net.fit(x, y, epochs=2, callbacks=printer)
    assert_is_table(printer._repr_html_(), ["1/2", "2/2"])
    assert "enough" not in printer._repr_html_()


# -- in one -----------------------------------------------------------------------------------------------------------

CELLS = {
    "begin": """
import bpx
import bpx.training.progress
x, y = bpx.datasets.xor()
net = bpx.mlp([2, 3, 1], loss="squared_error", dtype="float64")
""",
    "network": "net",
    "summary": "net.summary()",
    "backends": "bpx.backends()",
    "printer": "history = net.fit(x, y, epochs=6, callbacks=bpx.ProgressPrinter(every=2))",
    "history": "history",
    "file": "import sys; _ = net.fit(x, y, epochs=1, callbacks=bpx.ProgressPrinter(file=sys.stdout))",
    "bar": "_ = net.fit(x, y, epochs=3, progress=True)",
    "long": """
bpx.training.progress.PATIENCE_SECONDS = bpx.training.progress.REFRESH_SECONDS = 0.0
_ = net.fit(x, y, epochs=3, batch_size=2)
""",
    "explanation": "bpx.explain(net, x, y)",
}


@pytest.fixture(scope="module")
def outputs():
    """Return what each cell of a notebook that ran shows."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("network", ["layer", "(batch, 3)"]),
        ("summary", ["layer", "(batch, 3)"]),
        ("backends", ["numpy", "works here"]),
        ("history", ["loss", "lowest"]),
    ],
)
def test_a_cell_shows_a_table(outputs, cell, words):
    (output,) = outputs[cell]
    assert output["output_type"] == "execute_result"
    assert_is_table(output["data"][HTML], words)


@pytest.mark.slow
def test_the_lines_of_a_printer_are_one_table_that_follows(outputs):
    (output,) = outputs["printer"]
    assert output["output_type"] == "display_data", "no line went to standard error"
    assert_is_table(output["data"][HTML], ["epoch", "loss", "2/6", "4/6", "6/6"])
    (output,) = outputs["file"]
    assert output["name"] == "stdout", "a file that was asked for gets the lines"
    assert output["text"].startswith("epoch 1/1: loss ")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["bar", "long"])
def test_the_bar_is_the_notebooks(outputs, cell):
    output = outputs[cell][0]
    assert WIDGET in output["data"]
    assert re.search(r"\d+/3 epochs", output["data"]["text/plain"])


@pytest.mark.slow
def test_an_explanation_shows_its_page_in_a_frame_that_reaches_nothing(outputs):
    (output,) = outputs["explanation"]
    html = output["data"][HTML]
    tag, attributes = re.match(r"<(iframe) ([^>]*?)srcdoc=", html).groups()
    assert tag == "iframe"
    assert 'sandbox="allow-scripts allow-downloads"' in attributes
    assert "&lt;!doctype html&gt;" in html
