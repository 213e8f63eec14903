"""Training in the page: it plays, it is bpx's, and what can be chosen changes it."""

from __future__ import annotations

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from browser import Page
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.slow

X, Y = bpx.datasets.xor()
SECONDS = 60


@pytest.fixture
def page(driver, tmp_path):
    page = Page(driver, tmp_path)
    yield page
    assert driver.get_log("browser") == [], "the console must stay silent"


def wait(page, script):
    """Wait until something is so in the page."""
    WebDriverWait(page.driver, SECONDS).until(lambda _: page.run(f"return {script}"))


def press(page, role, times=1):
    page.run(f"for (let n = 0; n < {times}; n += 1) document.querySelector('[data-role={role}]').click()")


def type_hidden(page, text):
    field = page.find("[data-role=hidden]")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, text, Keys.ENTER)


def make_moons(**options):
    moons = bpx.datasets.moons(60)
    net = bpx.mlp([2, 4, 1], "tanh", loss="binary_cross_entropy", dtype="float64")
    held_out = (moons.x[40:], moons.y[40:])
    data = page_data(net, moons.x[:40], moons.y[:40], validation_data=held_out, samples=5, **options)
    return net, moons, data


def test_steps_are_those_of_fit(page):
    net, moons, data = make_moons(optimizer=bpx.Adam(0.05))
    page.open(data)
    press(page, "train-step", 10)
    history = net.fit(
        moons.x[:40], moons.y[:40], epochs=10, batch_size=None, optimizer=bpx.Adam(0.05),
        validation_data=(moons.x[40:], moons.y[40:]),
    )  # fmt: skip
    state = page.state()
    for told, params in zip(state["layers"], net.params, strict=True):
        for name, array in params.items():
            np.testing.assert_allclose(told["params"][name], array, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state["lab"]["curve"]["loss"][:10], history.loss, rtol=1e-9)
    np.testing.assert_allclose(state["lab"]["curve"]["heldOut"][1:], history.validation_loss, rtol=1e-9)
    assert "step 10, loss" in page.find("[data-role=progress]").text
    assert "held out" in page.find("[data-role=legend]").text
    press(page, "reset")
    assert page.state()["lab"]["curve"] is None
    np.testing.assert_array_equal(
        page.state()["layers"][0]["params"]["weight"], data["snapshots"][0]["params"][0]["weight"]
    )


def test_it_plays_and_stops(page):
    page.open(make_moons(view="lab")[-1])
    assert page.run("return document.querySelector('.training').nextElementSibling.matches('.settings')")
    page.choose("speed", "fast")
    press(page, "play")
    wait(page, "window.bpx.state().lab.curve?.step.at(-1) > 20")
    press(page, "play")
    curve = page.state()["lab"]["curve"]
    assert curve["loss"][-1] < curve["loss"][0]
    page.driver.execute_async_script("setTimeout(arguments[0], 200)")
    assert page.state()["lab"]["curve"]["step"] == curve["step"], "it rests"
    # What is read of the weights is that of the weights where it stopped.
    shown = page.number("[data-role=gradient]")
    assert shown == pytest.approx(page.state()["weight"]["gradient"], rel=1e-12)


def test_what_each_unit_sees(page):
    net, moons, data = make_moons()
    page.open(data)
    views = page.find_all("[data-view]")
    assert [view.get_attribute("data-view") for view in views] == [f"1:{k}" for k in range(4)]
    blue = (
        "const { data } = arguments[0].getContext('2d').getImageData(0, 0, 24, 24);"
        "return [...data].map((value, k, all) => k % 4 === 0 ? all[k + 2] - value : null).filter((v) => v !== null)"
    )
    (low, high) = moons.x[:40].min(axis=0), moons.x[:40].max(axis=0)
    margin = 0.25 * (high - low)
    at = (np.arange(24) + 0.5) / 24
    xs, ys = (low[k] - margin[k] + at * (high[k] - low[k] + 2 * margin[k]) for k in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys[::-1]), axis=-1).reshape(-1, 2)
    expected = np.tanh(grid @ np.array(net.params[0]["weight"])[:, 1] + net.params[0]["bias"][1])
    seen = page.run(blue, page.find("[data-view='1:1'] canvas"))
    assert np.corrcoef(seen, expected)[0, 1] > 0.98, "blue above 0, orange below it"
    page.click("[data-view='1:3']")
    page.go_to("weighted", 0)
    assert page.find("[data-role=unit]").get_attribute("value") == "3"


def test_weights_over_the_pixels(page):
    digits = bpx.datasets.digits()
    page.open(page_data(bpx.mlp([64, 6, 10]), digits.x[:20] / 16, digits.y[:20]))
    assert len(page.find_all("[data-view^='1:'] canvas")) == 6
    assert page.find("[data-view='1:0'] canvas").get_attribute("width") == "8"


def test_data_layers_activation_and_optimizer_can_be_chosen(page):
    page.open(make_moons()[-1])
    page.choose("source", "arms")
    state = page.state()
    assert [layer["kind"] for layer in state["layers"]] == ["Linear", "Tanh", "Linear"]
    assert np.shape(state["layers"][2]["params"]["weight"]) == (4, 3), "three classes"
    type_hidden(page, "5, 3")
    page.choose("activation", "ReLU")
    page.choose("optimizer", "adam")
    page.choose("batch", "8")
    state = page.state()
    assert [layer["kind"] for layer in state["layers"]] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [np.shape(state["layers"][k]["params"]["weight"]) for k in (0, 2, 4)] == [(2, 5), (5, 3), (3, 3)]
    bound = np.sqrt(6 / 5)
    weight = np.array(state["layers"][2]["params"]["weight"])
    assert np.abs(weight).max() <= bound
    assert np.abs(weight).max() > 0.5 * bound
    press(page, "train-step", 30)
    curve = page.state()["lab"]["curve"]
    assert curve["heldOut"][-1] < curve["heldOut"][0]
    press(page, "new-weights")
    assert page.state()["lab"]["curve"] is None
    assert not np.array_equal(page.state()["layers"][2]["params"]["weight"], weight)
    for bad, words in (
        ("5, x", "whole numbers from 1 to 128"),
        ("9 9 9 9 9 9 9", "At most 6"),
        ("128,128", "17,024 weights; at most 10,000"),
    ):
        type_hidden(page, bad)
        assert words in page.find("[data-role=problem]").text
        assert page.state()["lab"]["hidden"] == [5, 3], "nothing is lost"


def test_normalization_dropout_and_shortcuts_can_be_chosen(page):
    page.open(make_moons()[-1])
    page.choose("source", "circles")
    type_hidden(page, "6, 6")
    page.choose("norm", "BatchNorm")
    page.choose("dropout", "0.1")
    page.choose("shortcuts", "yes")
    page.choose("optimizer", "adam")
    page.find("[data-role=learning-rate]").send_keys(Keys.CONTROL, "a", Keys.NULL, "0.03")
    kinds = ["Linear", "BatchNorm", "Tanh", "Dropout"]
    assert [layer["kind"] for layer in page.state()["layers"]] == [*kinds, *kinds, "Shortcut", "Linear"]
    shortcut = page.find("[data-shortcut='8'] title").get_attribute("textContent")
    assert shortcut.endswith("from hidden layer 1 to hidden layer 2")
    press(page, "train-step", 60)
    state = page.state()
    assert state["lab"]["curve"]["heldOut"][-1] < 0.6 * state["lab"]["curve"]["heldOut"][0]
    assert not np.allclose(state["layers"][1]["params"]["running_mean"], 0), "training moves the running statistics"
    assert page.find("[data-role=key]").text == state["weight"]["key"]
    press(page, "reset")
    np.testing.assert_array_equal(page.state()["layers"][1]["params"]["running_mean"], 0)
    address = page.find("[data-role=link]").get_attribute("href")
    before = page.state()["layers"]
    page.driver.get("about:blank")
    page.driver.get(address)
    assert page.state()["layers"] == before, "the link holds them"
    page.choose("parameter", "4:weight")
    assert page.state()["weight"]["key"].startswith("4.0.weight["), "as bpx names the layer of the block"


def test_the_walk_says_that_it_shows_plain_gradient_descent(page):
    page.open(make_moons(optimizer=bpx.Adam(0.05))[-1])
    for kind in ("change", "after"):
        page.go_to(kind)
        assert "The walk shows plain gradient descent; Train and One step take those of Adam" in page.find(".lead").text
    page.choose("optimizer", "sgd")
    page.go_to("change")
    assert "plain" not in page.find(".lead").text
    state = page.state()
    rate, layer = state["learning_rate"], state["layers"][0]
    np.testing.assert_allclose(layer["changes"]["weight"], -rate * np.array(layer["gradients"]["weight"]), rtol=1e-12)


def test_the_loss_curve_follows_the_learning_rate(page):
    data = page_data(notebook_network(), X, Y, epochs=100, optimizer=bpx.SGD(0.5))
    page.open(data)
    assert page.state()["lab"]["forecast"] is None
    field = page.find("[data-role=learning-rate]")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, "2")
    wait(page, "window.bpx.state().lab.forecast?.isDone")
    forecast = page.state()["lab"]["forecast"]
    history = notebook_network().fit(X, Y, epochs=100, optimizer=bpx.SGD(2.0))
    for step, loss in zip(forecast["step"][:-1], forecast["loss"][:-1], strict=True):
        assert loss == pytest.approx(history.loss[step], rel=1e-9)
    assert "with the learning rate 2," in page.find("[data-role=forecast]").text
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, "0.5")
    wait(page, "window.bpx.state().lab.forecast === null")


def test_a_learning_rate_that_is_too_large_diverges_in_the_page_too(page):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20, 2))
    net = bpx.Network([bpx.Linear(2, 1)], loss="squared_error", dtype="float64")
    page.open(page_data(net, x, x[:, :1] - x[:, 1:], epochs=50, optimizer=bpx.SGD(0.1)))
    field = page.find("[data-role=learning-rate]")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, "5")
    wait(page, "window.bpx.state().lab.forecast?.isLost")
    assert "it diverges, the loss grows without bound by step" in page.find("[data-role=forecast]").text
    page.choose("speed", "fastest")
    press(page, "play")
    wait(page, "window.bpx.state().lab.curve && !window.bpx.state().lab.playing")
    assert "grown without bound" in page.find("[data-role=progress]").text


TABLE = "\n".join(
    ["width,height,wide", *(f"{w},{h},{'yes' if w > h else 'no'}" for w in range(1, 8) for h in range(1, 8))]
)


def drop(page, name, text):
    """Drop a file onto the page, as a person does with the pointer."""
    page.run(
        """
        const files = new DataTransfer();
        files.items.add(new File([arguments[1]], arguments[0], { type: "text/csv" }));
        document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: files }));
        """,
        name,
        text,
    )


def test_a_table_is_dropped_trained_and_saved(page, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    page.open(make_moons()[-1])
    drop(page, "<b>boxes</b>.csv", TABLE)
    wait(page, "window.bpx.state().lab.source === 'table'")
    assert page.find("h1").text == "<b>boxes</b>.csv: wide", "names of files are no markup"
    assert [o.text for o in page.find_all("[data-role=target] option")] == ["width", "height", "wide"]
    page.choose("optimizer", "adam")
    press(page, "train-step", 40)
    curve = page.state()["lab"]["curve"]
    assert curve["heldOut"][-1] < curve["heldOut"][0]
    page.click("[data-role=download]")
    path = folder / "network.safetensors"
    WebDriverWait(page.driver, SECONDS).until(lambda _: path.exists())
    net = bpx.load(path)
    state = page.state()
    scaling = page.run("return window.bpx.data.scaling")
    row = page.run("return window.bpx.data.samples.x[arguments[0]]", state["sample"])
    raw = np.array([row]) * scaling["scale"] + scaling["mean"]
    logit = np.array(state["output"])
    np.testing.assert_allclose(net.predict(raw), 1 / (1 + np.exp(-logit)), rtol=1e-6)
    drop(page, "bad.csv", "nothing")
    wait(page, "document.querySelector('[data-role=problem]') !== null")
    assert "bad.csv is no table" in page.find("[data-role=problem]").text
    assert page.state()["lab"]["curve"] == curve, "nothing is lost"


def test_a_model_that_is_not_finite_is_said_to_be(page):
    for number in (np.nan, np.inf):
        net = bpx.mlp([2, 3, 1], "tanh", loss="squared_error", dtype="float64")
        net.params[0]["weight"][1, 1] = number
        page.open(page_data(net, X, Y))
        assert page.find(".notices p").text.startswith("Some weights of this network are not finite")
        for _ in range(page.state()["step"]["count"]):
            press(page, "next")
        press(page, "train-step")
        assert "grown without bound" in page.find("[data-role=progress]").text
    page.choose("source", "moons")
    assert page.find_all(".notices") == [], "another network is finite"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("picture.png", "\x89PNG\r\n\x1a\n\0\0\0", "picture.png is no text"),
        ("story.txt", "Once upon a time\nthere was a network.", "story.txt is no table"),
        ("words.csv", "\n".join(f"word {k},{k % 2}" for k in range(30)), "has no numbers to learn column 2 from"),
        (
            "million.csv",
            "a,b\n" + "1,0\n2,1\n" * 500_000,
            "million.csv has 1,000,000 rows; the page takes up to 20,000",
        ),
        ("same.csv", "a,b\n" + "\n".join(f"{k},yes" for k in range(30)), "All rows of same.csv have the same b"),
        ("huge.csv", "1,2\n" * 5_000_001, "huge.csv is larger than 20 MB"),
    ],
    ids=lambda value: value if value.endswith((".csv", ".txt", ".png")) else "",
)
def test_a_file_that_cannot_be_learned_from_is_said_to_be(page, name, text, words):
    page.open(make_moons()[-1])
    press(page, "train-step", 3)
    before = page.state()
    drop(page, name, text)
    wait(page, "document.querySelector('[data-role=problem]') !== null")
    assert words in page.find("[data-role=problem]").text
    assert page.state() == before, "nothing is lost"


def test_a_folder_is_no_file(page):
    page.open(make_moons()[-1])
    page.run(
        """
        const file = new File([], "data");
        file.text = () => Promise.reject(new DOMException("A directory", "NotReadableError"));
        const event = new Event("drop", { bubbles: true });
        event.dataTransfer = { files: [file] };
        document.body.dispatchEvent(event);
        """
    )
    wait(page, "document.querySelector('[data-role=problem]') !== null")
    assert page.find("[data-role=problem]").text == "data cannot be read: a file with a table, please, and no folder."


def test_a_link_holds_the_state(page):
    page.open(make_moons()[-1])
    page.choose("source", "circles")
    type_hidden(page, "3")
    page.choose("optimizer", "momentum")
    page.find("[data-role=learning-rate]").send_keys(Keys.CONTROL, "a", Keys.NULL, "0.25")
    page.go_to("error")
    before = page.state()
    address = page.find("[data-role=link]").get_attribute("href")
    page.driver.get("about:blank")
    page.driver.get(address)
    after = page.state()
    assert after["step"] == before["step"]
    assert after["learning_rate"] == 0.25
    assert after["lab"]["hidden"] == [3]
    assert after["layers"] == before["layers"], "the same weights, to the bit"
    page.driver.get("about:blank")
    page.driver.get(address.replace("circles", "%3Cb%3E"))
    assert "there is no data set “<b>”" in page.find("[data-role=problem]").text
    assert page.state()["lab"]["source"] == "given", "the page begins as it is"
