"""Notebooks: small tables, escaped, in nobody's colors but the notebook's."""

from html.parser import HTMLParser

import pytest

import bpx
from bpx.notebook import notebook_network


class Checker(HTMLParser):
    """Checks that elements are closed in order, and gathers the text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def net():
    return notebook_network()


def test_a_network_is_a_table_of_its_layers(net):
    html = net._repr_html_()
    text = " ".join(Checker(html).text)
    assert "Network of 9 parameters, float64, loss squared_error (sum), on numpy" in text
    assert "Linear(2, 2)" in text
    assert html.count("<tr>") == 1 + 4
    net.fit(*bpx.datasets.xor(), epochs=3)
    assert "3 epochs trained" in net._repr_html_()


def test_a_deep_network_is_cut_short():
    html = bpx.Network([bpx.Linear(2, 2)] * 40)._repr_html_()
    assert "10 more layers" in html
    assert html.count("<tr>") == 1 + 31


def test_a_history_is_a_table_of_its_numbers(net):
    x, y = bpx.datasets.xor()
    history = net.fit(x, y, epochs=4, validation_data=(x, y), metrics=["accuracy"])
    text = " ".join(Checker(history._repr_html_()).text)
    for word in ("4 epochs", "validation_loss", "accuracy", "lowest", f"{history.loss[0]:.6g}"):
        assert word in text
    assert "0 epochs" in bpx.History()._repr_html_()


def test_a_trace_has_four_parts_to_unfold(net):
    trace = bpx.explain(net, *bpx.datasets.xor(), 2, optimizer=bpx.SGD(0.5))
    html = trace._repr_html_()
    assert html.count("<details>") == 4
    text = " ".join(Checker(html).text)
    for word in ("Forward", "Error", "Backward", "Update", "z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾", "0.437587", "2 steps in all"):
        assert word in text
    frame, end, tables = html.partition("</iframe>")
    assert len(tables) < 30_000
    assert frame.startswith("<iframe ")
    assert end


def test_a_trace_shows_its_page_in_a_frame_that_reaches_nothing(net):
    trace = bpx.explain(net, *bpx.datasets.xor(), optimizer=bpx.SGD(0.5))

    found = []

    class Frames(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag == "iframe":
                found.append(dict(attrs))

    html = trace._repr_html_()
    Frames().feed(html)
    (frame,) = found
    assert frame["sandbox"] == "allow-scripts allow-downloads", "no access to the notebook"
    assert frame["srcdoc"].startswith("<!doctype html>")
    assert "\n" in frame["srcdoc"]
    tag = html[html.index("<iframe") : html.index("</iframe>")]
    assert not {"\n", "\t"} & set(tag), "they would change on the way, and the hash of the script with them"
    assert "default-src 'none'" in frame["srcdoc"]
    assert "One training step of Linear(2, 2" in frame["title"]


def test_text_is_escaped_and_no_color_is_set(net):
    class Evil(bpx.Sigmoid):
        def __repr__(self):
            return "<script>alert(1)</script>"

    evil = bpx.Network([bpx.Linear(2, 1), Evil()])
    trace = bpx.explain(evil, *bpx.datasets.xor())
    report = bpx.diagnose(bpx.mlp([2, 2, 1], init="zeros", loss="squared_error"), *bpx.datasets.xor())
    for html in (evil._repr_html_(), trace._repr_html_(), report._repr_html_()):
        Checker(html)
        assert "<script>" not in html
        assert "color" not in html
        assert "background" not in html
    assert "&lt;script&gt;" in evil._repr_html_()
