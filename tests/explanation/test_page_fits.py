"""The page fits the window and reads well: wide networks, long formulas, names of columns, images, phones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from browser import Page

pytestmark = pytest.mark.slow

COLUMNS = ["alcohol by volume", "malic_acid", "ash", "hue", "od280/od315_of_diluted_wines", "proline"]
CLASSES = ["barolo superiore", "grignolino", "barbera d'Asti"]


@pytest.fixture
def page(driver, tmp_path):
    page = Page(driver, tmp_path)
    yield page
    assert driver.get_log("browser") == [], "the console must stay silent"


def make_table(sizes=(6, 64, 32, 3), **options):
    """A network of the sizes that `bpx train` takes for a table, with names of columns and classes."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(30, sizes[0])), np.arange(30) % sizes[-1]
    net = bpx.mlp(sizes, "gelu", dropout=0.2, seed=0)
    return page_data(net, x, y, feature_names=COLUMNS, class_names=CLASSES, samples=6, **options)


def make_images(hidden=(128, 64)):
    x, y = bpx.datasets.digits()
    return page_data(bpx.mlp([64, *hidden, 10]), x / 16, y, class_names="0123456789")


def list_too_wide(page):
    """Return what has to be scrolled sideways at each step of the walk, tables of all numbers aside."""
    script = """
    const found = [];
    document.querySelector("[data-part=forward]").click();
    for (let n = window.bpx.state().step.count; n > 0; n -= 1) {
      const { kind, layer } = window.bpx.state().step;
      for (const box of document.querySelectorAll(".network .scroller, .formula-row .scroller, .path-table .scroller"))
        if (box.scrollWidth > box.clientWidth + 1) found.push(`${kind} ${layer}: ${box.getAttribute("aria-label")}`);
      document.querySelector("[data-role=next]").click();
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    }
    return found;"""
    return page.driver.execute_async_script(f"const done = arguments[0]; (async () => {{{script}}})().then(done)")


@pytest.mark.parametrize("width", [390, 1024, 1280, 1920])
def test_two_hidden_layers_of_the_usual_sizes_fit(page, width):
    page.look(width, motion="reduce")
    for data in (make_table(), make_images(), page_data(notebook_network(), *bpx.datasets.xor())):
        page.open(data)
        for sample in ("0", "all"):
            page.choose("sample", sample)
            assert list_too_wide(page) == []
        page.assert_fits(width)


def test_two_hidden_layers_fit_into_661_pixels(page):
    page.look(1920)
    page.open(make_images())
    page.run("document.querySelector('.network').style.width = '661px'")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    box = page.find(".network .scroller")
    assert page.run("return [arguments[0].clientWidth, arguments[0].scrollWidth]", box) == [661, 661]


def test_columns_and_classes_keep_their_names(page):
    page.look(1920)
    page.open(make_table())
    names = page.run(
        """
        const { left, right } = document.querySelector(".network svg").getBoundingClientRect();
        return [...document.querySelectorAll(".network .unit-name")].map((text) => {
          const box = text.getBoundingClientRect();
          const whole = text.querySelector("title")?.textContent ?? text.textContent;
          return [whole, box.left >= left && box.right <= right];
        });"""
    )
    assert [name for name, _ in names] == COLUMNS + CLASSES
    assert all(inside for _, inside in names)
    assert "x[1] → grignolino" in page.find("[data-role=sample]").text
    page.run("document.querySelector('[data-role=next]').click()")
    page.unfold(".picker summary")
    assert "alcohol by volume" in page.find(".picker .number-table").text


def test_images_are_pictures(page):
    data = make_images((16,))
    page.open(data)
    pictures = page.find_all(".pictures canvas")
    assert len(pictures) == len(data["samples"]["x"])
    # Darker where the sample has more ink, pixel by pixel.
    grays = page.run(
        "const { data } = arguments[0].getContext('2d').getImageData(0, 0, 8, 8);"
        "return [...data].filter((_, k) => k % 4 === 0)",
        pictures[3],
    )
    assert np.corrcoef(grays, data["samples"]["x"][3])[0, 1] < -0.999
    page.click("[data-picture='3']")
    assert page.state()["sample"] == 3
    assert page.find(".step-panel .picture").is_displayed()


def test_a_table_of_sixteen_columns_is_no_image(page):
    generator = np.random.default_rng(0)
    x, y = np.abs(generator.normal(size=(4, 16))), np.arange(4) % 2
    net = bpx.mlp([16, 3, 2])
    page.open(page_data(net, x, y, feature_names=[f"column {k}" for k in range(16)]))
    assert not page.find_all(".pictures")
    page.open(page_data(net, x - 1, y))
    assert not page.find_all(".pictures"), "pixels are not negative"
    page.open(page_data(net, x - 1, y, image_shape=(2, 8)))
    assert page.find(".pictures canvas").get_attribute("height") == "2"


def test_the_first_sample_has_something_to_see(page):
    net = bpx.Network([bpx.Linear(2, 2), bpx.ReLU(), bpx.Linear(2, 1)], loss="squared_error", dtype="float64")
    net.params[0]["weight"][...] = [[1.0, 0.5], [0.5, 1.0]]
    x = np.array([[0.0, 0.0], [-1.0, -1.0], [1.0, 2.0], [2.0, 1.0]])
    data = page_data(net, x, np.ones((4, 1)))
    page.open(data)
    assert page.state()["sample"] == 2, "0 is all zeros, and at 1 no unit is on"
    assert page.state()["weight"]["gradient"] != 0


def test_signs_and_lists_are_written_as_on_paper(page):
    data = page_data(notebook_network(), *bpx.datasets.xor())
    data["snapshots"][0]["params"][0]["bias"] = [-7.023, 0.5]
    page.open(data)
    assert page.find(".formula").text.replace(" ", "").replace("\n", "") == "x=(x1,x2)"
    biases = [element.text for element in page.find_all(".network .bias text")]
    assert biases[:2] == ["− 7.023", "+ 0.500"]
    page.go_to("weighted", 0)
    page.choose("unit", "0")
    text = page.find_all(".formula")[-1].text.replace("\n", "")
    assert "−7.0230" in text
    assert "+(−" not in text.replace(" ", "").partition("⋅")[2].rpartition("⋅")[2]


def test_time_is_logarithmic_where_the_steps_are_unequal(page):
    x, y = bpx.datasets.xor()
    page.open(page_data(notebook_network(), x, y, epochs=1000, optimizer=bpx.SGD(0.5)))
    assert "Training step (log scale)" in page.find(".loss-curve").text
    ticks = {text.text for text in page.find_all(".loss-curve .tick text")}
    assert {"0", "1", "10", "100", "1,000"} <= ticks
    dots = [float(dot.get_attribute("cx")) for dot in page.find_all(".loss-curve circle")]
    assert min(b - a for a, b in itertools.pairwise(dots)) > 5, "no dot hides another"
    page.open(page_data(notebook_network(), x, y, epochs=10, optimizer=bpx.SGD(0.5)))
    assert "log scale" not in page.find(".loss-curve").text


def test_many_outputs_are_legible(page):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 6)), np.arange(60) % 56
    names = [f"class {k}" for k in range(56)]
    page.look(1920)
    page.open(page_data(bpx.mlp([6, 12, 56]), x, y, class_names=names))
    page.go_to("loss")
    boxes = page.run(
        """
        return [...document.querySelectorAll(".network .column.thin .unit-name, .network .link .note")]
          .filter((text) => text.textContent !== "")
          .map((text) => {
            const { left, right, top, bottom } = text.getBoundingClientRect();
            return [left, right, top + 3, bottom - 3, parseFloat(getComputedStyle(text).fontSize)];
          });"""
    )
    assert len(boxes) == 3 * 56, "name, probability and target of each"
    assert min(box[4] for box in boxes) >= 11.5
    for a, b in itertools.combinations(boxes, 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2], "no text lies on another"


def go_next(page):
    """Click Next; return where the explanation begins, in parts of the window's height, and how far it was scrolled.

    With `motion="reduce"` the page scrolls at once, so that what is read here is the end of the way.
    """
    page.run("document.querySelector('[data-role=next]').click()")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    top = "document.querySelector('.step-panel').getBoundingClientRect().top"
    return page.run(f"return [{top} / window.innerHeight, window.scrollY]")


def test_next_brings_the_explanation_into_view_on_a_phone(page):
    page.look(390, motion="reduce")
    page.open(make_images())
    for _ in range(3):
        begins, scrolled = go_next(page)
        assert 0 <= begins <= 0.61
    assert scrolled > 0


def test_next_brings_the_explanation_into_view_beside_the_drawing(page):
    page.look(1280, motion="reduce")
    page.open(page_data(notebook_network(), *bpx.datasets.xor()))
    begins, scrolled = go_next(page)
    assert begins < 0.8
    assert scrolled == 0, "it is in view already"

    page.look(1280, motion="reduce", height=800)
    page.open(make_images())
    begins, scrolled = go_next(page)
    assert 0.4 <= begins <= 0.61, "pictures to choose from put it at the end of the window"
    assert scrolled > 0
