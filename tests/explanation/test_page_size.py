"""How large the page is: under a megabyte up to 10,000 weights, and a summary of what is too large for it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data, write_page
from bpx.explanation.page import MAX_PAGE_BYTES, render_page


def make_rows(n_in, n_out, rows=300):
    return np.random.default_rng(0).normal(size=(rows, n_in)), np.arange(rows) % n_out


def read_data(text):
    (found,) = re.findall(r'id="bpx-data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


@pytest.mark.parametrize(
    "sizes", [(98, 64, 54), (784, 12, 10), (12, 96, 90), (4990, 2), (2, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 10)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_up_to_10000_weights_the_page_stays_under_a_megabyte(sizes, dtype, tmp_path):
    net = bpx.mlp(sizes, dtype=dtype)
    assert 9_000 < net.n_params <= 10_100
    x, y = make_rows(sizes[0], sizes[-1])
    names = [f"column {k}" for k in range(sizes[0])]
    held_out = (x[:100], y[:100])
    write_page(
        tmp_path / "page.html", net, x, y, epochs=20, feature_names=names, validation_data=held_out, batch_size=32
    )
    data = read_data((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert (tmp_path / "page.html").stat().st_size < MAX_PAGE_BYTES
    assert len(data["snapshots"]) >= 2, "the start and the end"
    assert "summary" not in data
    trace = bpx.explain(net, x[:50], y[:50], 12, detail="full")
    trace.to_html(tmp_path / "trace.html")
    assert (tmp_path / "trace.html").stat().st_size < MAX_PAGE_BYTES


def test_a_network_that_is_too_large_is_summarized_and_says_so(tmp_path):
    net = bpx.mlp([784, 128, 10])
    x, y = make_rows(784, 10)
    write_page(tmp_path / "page.html", net, x, y, learning_rate=0.2, title="Large")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text) < MAX_PAGE_BYTES - 400_000
    data = read_data(text)
    assert data["title"] == "Large"
    assert data["notes"][0].startswith("This network has 101,770 parameters, too many for a page")
    step = bpx.explain(net, x[:24], y[:24], optimizer=bpx.SGD(0.2), detail="full").steps[0]
    assert data["summary"]["loss"] == step.loss
    assert data["summary"]["loss_after"] == step.loss_after
    (backward,) = [part["quantities"] for part in data["summary"]["parts"] if part["part"] == "backward"]
    (told,) = [q for q in backward if (q["layer"], q["name"]) == ("0", "dL/dw")]
    gradient = step.layers[0]["dL/dw"].values
    assert told["shape"] == [784, 128]
    assert told["norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
    assert (told["min"], told["max"]) == (gradient.min(), gradient.max())
    assert sum(told["histogram"]["counts"]) == gradient.size
    with pytest.raises(bpx.InputError, match="sample must be a row of x, 0 to 299, got 300"):
        write_page(tmp_path / "page.html", net, x, y, sample=300)


def test_options_of_a_page_that_is_a_summary_are_known_and_those_unused_are_told(tmp_path):
    net = bpx.mlp([784, 128, 10])
    x, y = make_rows(784, 10)
    write_page(tmp_path / "page.html", net, x, y, epochs=3, validation_data=(x, y))
    notes = read_data((tmp_path / "page.html").read_text(encoding="utf-8"))["notes"]
    assert "One step alone is shown, without epochs, validation_data." in notes
    for sizes in ([784, 128, 10], [784, 2, 10]):
        with pytest.raises(TypeError, match="feature_name"):
            write_page(tmp_path / "page.html", bpx.mlp(sizes), x, y, feature_name=["a"])


def test_a_trace_of_a_large_network_is_summarized_too(tmp_path):
    x, y = make_rows(784, 10, 5)
    bpx.explain(bpx.mlp([784, 128, 10]), x, y, 3, optimizer="adam").to_html(tmp_path / "page.html")
    data = read_data((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert len(data["summary"]["losses"]) == 3
    assert "Adam" in data["summary"]["optimizer"]


def test_any_size_can_be_asked_for():
    net = bpx.mlp([784, 128, 10])
    x, y = make_rows(784, 10, 20)
    page = render_page(page_data(net, x, y), max_bytes=None)
    assert len(page) > MAX_PAGE_BYTES
    assert "summary" not in read_data(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1024, 1920])
def test_the_summary_is_shown(driver, tmp_path, width):
    from browser import Page

    net = bpx.mlp([784, 128, 10])
    x, y = make_rows(784, 10)
    page = Page(driver, tmp_path)
    page.look(width, "dark" if width == 1024 else "light")
    write_page(tmp_path / "page.html", net, x, y, title="<b>Large</b>", sample=7)
    driver.get((tmp_path / "page.html").as_uri())
    assert page.find("h1").text == "<b>Large</b>"
    assert "too many for a page" in page.find(".notices").text
    step = bpx.explain(net, x[7:8], y[7:8], detail="full").steps[0]
    row = page.find('[data-quantity="backward:0:dL/dw"]')
    values = page.run(
        "return [...arguments[0].querySelectorAll('[data-value]')].map((cell) => cell.dataset.value)", row
    )
    assert float(values[0]) == pytest.approx(np.linalg.norm(step.layers[0]["dL/dw"].values), rel=1e-12)
    assert len(page.find_all(".histogram")) == len(page.find_all("[data-quantity]"))
    page.assert_fits(width)
    assert driver.get_log("browser") == []
