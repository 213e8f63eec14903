"""The page in a real browser: its steps, its numbers against plain NumPy, its keyboard, its looks at two widths."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from browser import Page
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

_spec = importlib.util.spec_from_file_location("page_data", Path(__file__).with_name("page_data.py"))
assert _spec is not None
assert _spec.loader is not None
page_data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_data)

SOURCE = Path(__file__).parents[2] / "scripts" / "explain_page"
AXE = SOURCE / "node_modules" / "axe-core" / "axe.min.js"
Data = dict[str, Any]


@pytest.fixture
def page(driver: Any, tmp_path: Path) -> Iterator[Page]:
    yield Page(driver, tmp_path)
    assert driver.get_log("browser") == [], "the console must stay silent"


@pytest.fixture(scope="module")
def xor() -> Data:
    data: Data = page_data.xor()
    return data


@pytest.fixture(scope="module")
def digits() -> Data:
    data: Data = page_data.digits()
    return data


@pytest.fixture(params=["xor", "digits"])
def data(request: pytest.FixtureRequest) -> Data:
    value: Data = request.getfixturevalue(request.param)
    return value


def _close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(actual, dtype=float), expected, rtol=1e-9, atol=1e-12)


def _compare(state: Data, expected: Data) -> None:
    """Every quantity of the page's current training step against the reference."""
    _close(state["loss"], expected["loss"])
    _close(state["loss_after"], expected["loss_after"])
    for k, layer in enumerate(state["layers"]):
        _close(layer["input"], expected["values"][k])
        _close(layer["output"], expected["values"][k + 1])
        _close(layer["d_input"], expected["gradients"][k])
        _close(layer["d_output"], expected["gradients"][k + 1])
        assert layer["gradients"].keys() == expected["grads"][k].keys()
        for name in layer["gradients"]:
            _close(layer["gradients"][name], expected["grads"][k][name])
            _close(layer["new_params"][name], expected["new_params"][k][name])
            _close(layer["changes"][name], expected["new_params"][k][name] - np.array(layer["params"][name]))


# -- stepping ---------------------------------------------------------------------------------------------------------


def test_steps_forward_and_back_through_everything(page: Page, data: Data) -> None:
    page.open(data)
    count = page.state()["step"]["count"]
    assert page.find("[data-role=back]").get_attribute("aria-disabled") == "true"
    seen = []
    for index in range(count):
        step = page.state()["step"]
        assert step["index"] == index
        announced = page.find("[data-role=announcer]").get_attribute("textContent")
        assert announced.startswith(f"Step {index + 1} of {count}")
        assert page.find("[aria-current=step]").text == step["part"].capitalize()
        assert page.find("#step-title math").is_displayed()
        assert page.find_all(".formula math")
        seen.append((step["part"], step["kind"], step["layer"]))
        if index < count - 1:
            page.click("[data-role=next]")
    assert page.find("[data-role=next]").get_attribute("aria-disabled") == "true"
    parts = [part for part, _, _ in seen]
    assert list(dict.fromkeys(parts)) == ["forward", "error", "backward", "update"]
    assert parts == sorted(parts, key=["forward", "error", "backward", "update"].index)
    for index in range(count - 2, -1, -1):
        page.click("[data-role=back]")
        step = page.state()["step"]
        assert (step["part"], step["kind"], step["layer"]) == seen[index]


def test_every_quantity_has_its_step(page: Page, xor: Data) -> None:
    page.open(xor)
    kinds = []
    for _ in range(page.state()["step"]["count"]):
        step = page.state()["step"]
        kinds.append((step["kind"], step["layer"]))
        page.press(Keys.ARROW_RIGHT)
    forward = [("input", None), ("weighted", 0), ("activation", 1), ("weighted", 2), ("activation", 3)]
    error = [("loss", None), ("error", None)]
    back = [("slope", 3), ("delta", 3), ("dweight", 2), ("dbias", 2), ("back", 2)]
    back += [("slope", 1), ("delta", 1), ("dweight", 0), ("dbias", 0)]
    update = [("change", 0), ("new", 0), ("change", 2), ("new", 2), ("after", None)]
    assert kinds == forward + error + back + update


def test_arrow_keys_and_part_buttons_move(page: Page, xor: Data) -> None:
    page.open(xor)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert page.state()["step"]["index"] == 1
    page.press(Keys.END)
    assert page.state()["step"]["kind"] == "after"
    page.click("[data-part=backward]")
    assert page.state()["step"]["kind"] == "slope"
    page.press(Keys.HOME)
    assert page.state()["step"]["index"] == 0


def test_arrow_keys_stay_with_the_field_that_has_the_focus(page: Page, xor: Data) -> None:
    page.open(xor)
    for role in ("snapshot-slider", "learning-rate", "sample"):
        page.run("arguments[0].focus()", page.find(f"[data-role={role}]"))
        page.press(Keys.ARROW_RIGHT)
        assert page.state()["step"]["index"] == 0, role


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ["all", 2])
@pytest.mark.parametrize("snapshot", [0, 5])
def test_every_number_is_that_of_the_reference(page: Page, data: Data, sample: int | str, snapshot: int) -> None:
    page.open(data)
    page.choose("sample", str(sample))
    page.choose("snapshot", str(snapshot))
    assert page.state()["snapshot"]["step"] == data["snapshots"][snapshot]["step"]
    _compare(page.state(), page_data.reference(data, snapshot=snapshot, sample=sample))


def _losses() -> list[Data]:
    kinds: list[Data] = [
        {"kind": "squared_error"},
        {"kind": "absolute_error"},
        {"kind": "huber", "delta": 0.5},
        {"kind": "binary_cross_entropy"},
        {"kind": "cross_entropy"},
        {"kind": "cross_entropy", "label_smoothing": 0.2},
    ]
    return [{**loss, "reduction": reduction} for loss in kinds for reduction in ("mean", "sum")]


@pytest.mark.parametrize("loss", _losses(), ids=lambda loss: "-".join(map(str, loss.values())))
def test_every_loss_agrees(page: Page, loss: Data) -> None:
    targets = np.eye(3)[[0, 2, 1, 1]]
    layers = [page_data.linear(2, 5), {"kind": "Tanh"}, page_data.linear(5, 3)]
    data = page_data.network(layers, loss, targets)
    page.open(data).choose("sample", "all")
    _compare(page.state(), page_data.reference(data))
    for kind in ("loss", "error"):
        page.go_to(kind)
        assert page.find_all(".formula math")


def _activations() -> list[list[Data]]:
    names = [{"kind": name, **({"slope": 0.1} if name == "LeakyReLU" else {})} for name in page_data.ACTIVATIONS]
    return [[name] for name in names] + [[{"kind": "Softmax"}], [{"kind": "Tanh"}, {"kind": "Softmax"}]]


@pytest.mark.parametrize("activation", _activations(), ids=lambda items: "-".join(item["kind"] for item in items))
def test_every_activation_agrees_and_is_explained(page: Page, activation: list[Data]) -> None:
    layers = [page_data.linear(3, 4), *activation, page_data.linear(4, 2), *activation]
    data = page_data.network(layers, {"kind": "squared_error", "reduction": "mean"}, np.ones((3, 2)), seed=4)
    page.open(data).choose("sample", "all")
    _compare(page.state(), page_data.reference(data))
    last = page.state()["step"]["count"] - 1
    for index in range(last + 1):
        assert page.state()["step"]["index"] == index
        assert page.find("[data-role=announcer]").get_attribute("textContent").startswith(f"Step {index + 1} of ")
        assert page.find_all(".formula math")
        assert page.find(".lead").text
        if index < last:
            page.run("document.querySelector('[data-role=next]').click()")


def test_numbers_in_the_drawing_and_in_the_tables(page: Page, xor: Data) -> None:
    expected = page_data.reference(xor, sample=1)
    page.open(xor)
    page.go_to("activation", 1)
    for k, value in enumerate(expected["values"][2][0]):
        _close(float(page.find(f"[data-unit='1:{k}']").get_attribute("data-value")), value)
    cells = page.find_all(".step-panel tbody td")
    _close([float(cell.get_attribute("data-value")) for cell in cells], expected["values"][2][0])
    assert page.find("[data-unit='2:0']").get_attribute("data-value") is None, "not computed yet"
    page.go_to("delta", 1)
    for k, value in enumerate(expected["gradients"][1][0]):
        _close(float(page.find(f"[data-unit='1:{k}']").get_attribute("data-gradient")), value)
    page.go_to("dweight", 2)
    for i in range(2):
        _close(page.number(f"svg [data-weight='2.weight[{i},0]']"), expected["grads"][2]["weight"][i, 0])
    page.go_to("new", 2)
    _close(page.number("svg [data-weight='2.weight[1,0]']"), expected["new_params"][2]["weight"][1, 0])
    page.go_to("after")
    _close(float(page.find("[data-loss]").get_attribute("data-loss")), expected["loss_after"])


def test_the_formula_has_the_actual_values(page: Page, xor: Data) -> None:
    expected = page_data.reference(xor, sample=1)
    page.open(xor)
    page.go_to("weighted", 0)
    page.choose("unit", "0")
    text = "".join(element.text for element in page.find_all(".formula"))
    params = xor["snapshots"][0]["params"][0]
    for value in (*np.ravel(params["weight"]), *params["bias"], *expected["values"][1][0]):
        assert f"{value:.4f}" in text


def test_values_that_are_not_finite_are_shown(page: Page) -> None:
    data = page_data.xor(steps=1)
    data["snapshots"][1]["params"][0]["weight"][0][0] = float("nan")
    data["snapshots"][1]["loss"] = float("nan")
    data["losses"]["loss"][1] = float("inf")
    page.open(data)
    page.choose("snapshot", "1")
    page.go_to("activation", 3)
    assert "NaN" in page.find(".step-panel").text


# -- one weight -------------------------------------------------------------------------------------------------------


def _check_weight(page: Page, data: Data, key: str, gradient: float) -> None:
    """The chain on the page: factors multiply to the product, paths add up to the reference's gradient."""
    state = page.state()["weight"]
    assert state["key"] == key == page.find("[data-role=key]").text
    _close(page.number("[data-role=gradient]"), gradient)
    _close(page.number("[data-role=chain-sum]"), gradient)
    factors = [float(element.get_attribute("data-value")) for element in page.find_all("[data-role=factor]")]
    _close(page.number("[data-role=product]"), np.prod(factors))
    for path in state["paths"]:
        _close(path["product"], np.prod([factor["value"] for factor in path["factors"]]))
    assert abs(sum(path["product"] for path in state["paths"]) - state["sum"]) < 1e-12


def test_a_click_on_an_edge_chooses_its_weight(page: Page, xor: Data) -> None:
    expected = page_data.reference(xor, sample=1)
    page.open(xor)
    for i in (1, 0):
        page.click(f"[data-label='2.weight[{i},0]']")
        assert page.find(f"svg [data-weight='2.weight[{i},0]']").get_attribute("aria-pressed") == "true"
        _check_weight(page, xor, f"2.weight[{i},0]", expected["grads"][2]["weight"][i, 0])
    line = page.find("svg [data-weight='0.weight[1,1]'] .line")
    on_the_line = """const path = arguments[0];
    path.scrollIntoView({ block: "center" });
    const { x, y } = path.getPointAtLength(0.2 * path.getTotalLength()).matrixTransform(path.getScreenCTM());
    return [Math.round(x), Math.round(y)];"""
    actions = ActionBuilder(page.driver)
    actions.pointer_action.move_to_location(*page.run(on_the_line, line)).click()
    actions.perform()
    _check_weight(page, xor, "0.weight[1,1]", expected["grads"][0]["weight"][1, 1])
    page.click("svg [data-weight='0.bias[1]']")
    _check_weight(page, xor, "0.bias[1]", expected["grads"][0]["bias"][1])
    lit = {element.get_attribute("data-weight") for element in page.find_all(".edge.lit")}
    assert lit == {"2.weight[1,0]"}, "the path from the bias runs over this edge only"


def test_the_keyboard_chooses_in_the_drawing(page: Page, xor: Data) -> None:
    expected = page_data.reference(xor, sample=1)
    page.open(xor)
    page.click("[data-label='0.weight[0,0]']")
    page.run("arguments[0].focus()", page.find("svg [aria-pressed=true]"))
    page.press(Keys.ARROW_DOWN)
    focused = page.driver.switch_to.active_element
    assert focused.get_attribute("data-weight") == "0.weight[0,1]"
    assert "x₁ to hidden layer 1 unit 2" in focused.get_attribute("aria-label").replace("input unit ", "")
    page.press(Keys.ENTER)
    _check_weight(page, xor, "0.weight[0,1]", expected["grads"][0]["weight"][0, 1])


def test_the_keyboard_chooses_in_the_table(page: Page, digits: Data) -> None:
    expected = page_data.reference(digits, sample=0)
    page.open(digits)
    page.unfold(".picker summary")
    page.choose("parameter", "0:weight")
    page.choose("from", "27")
    page.choose("to", "4")
    _check_weight(page, digits, "0.weight[27,4]", expected["grads"][0]["weight"][27, 4])
    page.run("arguments[0].focus()", page.find(".picker [data-cell='0.weight[27,4]']"))
    page.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    _check_weight(page, digits, "0.weight[28,6]", expected["grads"][0]["weight"][28, 6])
    stops = page.find_all(".picker [data-cell^='0.weight'][tabindex='0']")
    assert [stop.get_attribute("data-cell") for stop in stops] == ["0.weight[28,6]"]
    assert page.state()["step"]["index"] == 0, "arrow keys inside the table leave the step alone"


def test_paths_of_a_digits_weight(page: Page, digits: Data) -> None:
    expected = page_data.reference(digits, sample=0)
    page.open(digits)
    key = page.state()["weight"]["key"]
    i, j = page.state()["weight"]["i"], page.state()["weight"]["j"]
    _check_weight(page, digits, key, expected["grads"][0]["weight"][i, j])
    assert page.state()["weight"]["count"] == 10
    assert len(page.find_all(".edge.lit")) == 1 + 10
    page.click("[data-path]")
    lit = [element.get_attribute("data-weight") for element in page.find_all(".edge.lit")]
    assert len(lit) == 2
    assert key in lit


def test_a_chain_that_is_cut_off_says_why(page: Page, xor: Data, digits: Data) -> None:
    page.open(xor)
    page.choose("from", "0")  # the first input of this sample is 0
    assert page.number("[data-role=gradient]") == 0
    assert "what came in is 0" in page.find(".chain").text
    off = int(np.argmax(page_data.reference(digits, sample=0)["values"][2][0] == 0))
    page.open(digits)
    page.choose("to", str(off))
    assert "a slope of 0 on the way" in page.find(".chain").text


def test_a_batch_adds_up_its_samples(page: Page, xor: Data) -> None:
    expected = page_data.reference(xor)
    page.open(xor)
    page.choose("sample", "all")
    page.choose("parameter", "0:weight")
    for shown in ("3", "0"):
        page.choose("shown", shown)
        state = page.state()["weight"]
        gradient = expected["grads"][0]["weight"][state["i"], state["j"]]
        _close(sum(state["contributions"]), gradient)
        _close(state["sum"], state["contributions"][int(shown)])
        _close(page.number("[data-role=chain-sum]"), gradient)


@pytest.mark.parametrize("hidden", [3, 9], ids=["every path", "bundled paths"])
def test_the_chain_of_every_weight_is_its_gradient(page: Page, hidden: int) -> None:
    layers = [page_data.linear(3, hidden), {"kind": "SiLU"}, page_data.linear(hidden, hidden), {"kind": "GELU"}]
    layers += [page_data.linear(hidden, 2), {"kind": "Softmax"}, page_data.linear(2, 2)]
    data = page_data.network(layers, {"kind": "squared_error", "reduction": "sum"}, np.ones((2, 2)), seed=hidden)
    expected = page_data.reference(data)
    page.open(data)
    # For every weight: its key, the number of paths, whether they are bundled, and the sum over paths and samples.
    found = page.run(
        """
        const { data, engine } = window.bpx;
        const { x, y } = data.samples;
        const pass = engine.trainingStep({ layers: data.layers, loss: data.loss }, data.snapshots[0].params, x, y, 0.1);
        const result = [];
        data.layers.forEach(({ kind, n_in, n_out }, layer) => {
          if (kind !== "Linear") return;
          for (let j = 0; j < n_out; j += 1) for (let i = -1; i < n_in; i += 1) {
            const weight = { layer, name: i < 0 ? "bias" : "weight", i: Math.max(i, 0), j };
            const chains = x.map((_, row) => engine.chain(data.layers, pass, row, weight));
            const sum = chains.reduce((total, chain) => total + chain.sum, 0);
            result.push({ ...weight, sum, count: chains[0].count, grouped: chains[0].grouped });
          }
        });
        return result;
        """
    )
    assert len(found) == sum(np.size(value) for layer in expected["grads"] for value in layer.values())
    for item in found:
        gradient = expected["grads"][item["layer"]][item["name"]]
        _close(item["sum"], gradient[item["j"]] if item["name"] == "bias" else gradient[item["i"], item["j"]])
    first = next(item for item in found if item["layer"] == 0)
    assert first["count"] == hidden * 2 * 2 * 2
    assert first["grouped"] == (hidden > 3)
    page.choose("parameter", "0:bias")
    assert ("too many to read" in page.find(".chain").text) == (hidden > 3)


# -- settings ---------------------------------------------------------------------------------------------------------


def test_the_learning_rate_recomputes_the_update(page: Page, xor: Data) -> None:
    page.open(xor)
    field = page.find("[data-role=learning-rate]")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert page.find("[role=alert]").text == "A number of at least 0, please."
    field.send_keys("0.0375")
    assert page.state()["learning_rate"] == 0.0375
    _compare(page.state(), page_data.reference(xor, sample=1, learning_rate=0.0375))
    field.send_keys("x")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.state()["learning_rate"] == 0.0375
    page.click("[aria-label$='double the learning rate']")
    assert page.state()["learning_rate"] == 0.075
    assert field.get_attribute("value") == "0.075"
    assert not page.find_all("[role=alert]")


def test_the_sample_recomputes_the_pass(page: Page, digits: Data) -> None:
    page.open(digits)
    for sample in (3, 7):
        page.choose("sample", str(sample))
        _compare(page.state(), page_data.reference(digits, sample=sample))


def test_the_slider_moves_through_training(page: Page, xor: Data) -> None:
    page.open(xor)
    slider = page.find("[data-role=snapshot-slider]")
    for index in (1, 2):
        slider.send_keys(Keys.ARROW_RIGHT)
        snapshot = xor["snapshots"][index]
        assert page.state()["snapshot"]["index"] == index
        assert page.find("[data-role=snapshot-step]").text == f"{snapshot['step']:,}"
        assert slider.get_attribute("aria-valuetext").startswith(f"training step {snapshot['step']}, loss ")
        _close(page.state()["layers"][0]["params"]["weight"], snapshot["params"][0]["weight"])


def test_a_click_on_the_loss_curve_goes_there(page: Page, xor: Data) -> None:
    page.open(xor)
    curve = page.find(".loss-curve")
    page.run("arguments[0].scrollIntoView({ block: 'center' })", curve)
    right = curve.size["width"] // 2 - 20
    ActionChains(page.driver).move_to_element_with_offset(curve, right, 0).click().perform()
    assert page.state()["snapshot"]["step"] == xor["snapshots"][-1]["step"]


def test_own_steps_go_on_from_the_new_weights(page: Page, xor: Data) -> None:
    page.open(xor)
    page.choose("sample", "all")
    before = page.state()
    page.go_to("after")
    page.click("[data-role=take-step]")
    state = page.state()
    assert state["snapshot"]["own_steps"] == 1
    assert state["step"]["index"] == 0
    _close(state["loss"], before["loss_after"])
    _close(state["layers"][0]["params"]["weight"], before["layers"][0]["new_params"]["weight"])
    page.click("[data-role=forget]")
    _close(page.state()["loss"], before["loss"])


def test_frozen_biases_are_said_and_stay(page: Page) -> None:
    data = page_data.xor(frozen_biases=True, steps=10)
    page.open(data)
    notice = page.find(".notices").text
    assert "Frozen: the biases of all layers" in notice
    assert "exclusive or" in notice
    page.choose("sample", "all")
    state = page.state()
    assert np.abs(state["layers"][0]["gradients"]["bias"]).min() > 0
    assert state["layers"][0]["changes"]["bias"] == [0, 0]
    assert state["layers"][0]["new_params"]["bias"] == state["layers"][0]["params"]["bias"]
    _compare(state, page_data.reference(data))


def test_a_start_and_notes_from_the_data(page: Page, xor: Data) -> None:
    start = {"sample": 3, "weight": "2.weight[1,0]", "snapshot": 2}
    page.open({**xor, "start": start, "notes": ["A note & its <b>text</b>."]})
    state = page.state()
    assert (state["sample"], state["weight"]["key"], state["snapshot"]["index"]) == (3, "2.weight[1,0]", 2)
    assert "A note & its <b>text</b>." in page.find(".notices").text


# -- large networks ---------------------------------------------------------------------------------------------------


def test_large_layers_are_summarized_and_say_so(page: Page, digits: Data) -> None:
    page.open(digits)
    assert "64 inputs are drawn as an image of 8\N{MULTIPLICATION SIGN}8 pixels" in page.find(".notices").text
    assert "Of the 1,024 weights into hidden layer 1, the 60 strongest are drawn" in page.find("figcaption").text
    assert len(page.find_all("[data-unit^='0:']")) == 64
    assert 60 <= len(page.find_all(".edge[data-weight^='0.']")) <= 61
    page.go_to("weighted", 0)
    assert "others given as one number" in page.find(".step-panel").text
    assert not page.find_all(".step-panel tbody"), "numbers come on demand"
    page.unfold(".step-panel summary")
    assert len(page.find_all(".step-panel tbody tr")) == 16


def test_very_large_tables_come_in_windows(page: Page) -> None:
    layers = [page_data.linear(100, 40), {"kind": "ReLU"}, page_data.linear(40, 2)]
    data = page_data.network(layers, {"kind": "cross_entropy", "reduction": "mean"}, np.eye(2))
    page.open(data)
    page.unfold(".picker summary")
    assert len(page.find_all(".picker [data-cell^='0.weight']")) == 64 * 32
    later = [button for button in page.find_all(".picker .pager button") if button.text == "Later rows"]
    page.click(later[0])
    assert page.find_all(".picker [data-cell='0.weight[99,0]']")


def test_small_inputs_read_well_in_the_menu(page: Page, xor: Data) -> None:
    inputs = [[0.94, 0.0961], [0.0031, -0.05], [1, 0.00012], [250.126, 0.1]]
    samples = {**xor["samples"], "x": inputs}
    page.open({**xor, "samples": samples})
    names = [option.text for option in page.find_all("[data-role=sample] option") if option.text.startswith("x[")]
    shown = [name.partition(" →")[0] for name in names]
    assert shown == [
        "x[0] = (0.94, 0.096)",
        "x[1] = (0.0031, −0.050)",
        "x[2] = (1, 1.20×10⁻⁴)",
        "x[3] = (250.13, 0.10)",
    ]


# -- a page for everyone ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in scripts/explain_page")
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(page: Page, data: Data, width: int, scheme: str) -> None:
    page.look(width, scheme, motion="reduce")
    page.open(data)
    page.choose("sample", "all")
    if len(data["samples"]["x"][0]) < 10:  # the table of a large layer takes axe minutes
        page.unfold(".picker summary")
    page.run(AXE.read_text(encoding="utf-8"))
    for kind in ("loss", "dweight", "after"):
        page.go_to(kind)
        report = page.driver.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
        bad = [
            (item["id"], node["target"], node["failureSummary"])
            for item in report["violations"]
            if item["impact"] in ("serious", "critical")
            for node in item["nodes"]
        ]
        assert not bad, (kind, bad[:5])
    assert len(report["passes"]) > 20
    if not page.find_all(".picker tbody"):
        page.unfold(".picker summary")
    page.assert_fits(width)


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(page: Page, xor: Data, digits: Data, tmp_path: Path, width: int, scheme: str) -> None:
    page.look(width, scheme)
    for name, data in (("xor", xor), ("digits", digits)):
        page.open(data)
        for kind in ("loss", "delta"):
            page.go_to(kind)
            path = tmp_path / f"{name}-{kind}-{width}-{scheme}.png"
            page.screenshot(path)
            assert path.stat().st_size > 20_000
            page.assert_fits(width)
        paper = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
        smallest = page.run(
            "return Math.min(...[...document.querySelectorAll('main *')].filter((e) => e.innerText?.trim() && "
            "!e.closest('math')).map((e) => parseFloat(getComputedStyle(e).fontSize)))"
        )
        assert smallest >= 11.5, "legible"


def test_the_toggle_turns_the_colors_around(page: Page, xor: Data) -> None:
    page.look(1280, "dark")
    page.open(xor)
    for theme in ("light", "dark"):
        page.click("[data-role=theme]")
        assert page.run("return document.documentElement.dataset.theme") == theme


def test_motion_rests_when_it_is_not_wanted(page: Page, xor: Data) -> None:
    moving = """return [...document.querySelectorAll("*")].filter((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return transitionDuration.split(", ").some((time) => time !== "0s") || animationName !== "none";
    }).length"""
    page.open(xor)
    assert page.run(moving) > 0
    page.look(motion="reduce")
    assert page.run(moving) == 0


def test_focus_can_be_seen(page: Page, xor: Data) -> None:
    page.open(xor)
    stops = []
    for _ in range(90):
        page.press(Keys.TAB)
        element = page.driver.switch_to.active_element
        if element.tag_name == "body":
            break
        # The element, or what is drawn in it, looks different without the focus; Tab goes on from where it was.
        changes = page.run(
            """
            const element = arguments[0];
            const drawn = element.querySelector(".casing, rect") ?? element;
            const look = () => {
              const style = getComputedStyle(drawn);
              return [style.outlineStyle, style.stroke, style.strokeWidth].join();
            };
            const focused = look();
            element.blur();
            return focused !== look();
            """,
            element,
        )
        assert changes, element.get_attribute("outerHTML")[:80]
        stops.append(element.get_attribute("data-weight") or element.get_attribute("data-role") or element.tag_name)
    assert {"sample", "learning-rate", "snapshot", "next", "parameter", "snapshot-slider"} <= set(stops)
    assert sum(stop.endswith("]") for stop in stops) == 1, "one stop for all edges of the drawing"


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_page_is_small_and_loads_nothing(page: Page, data: Data) -> None:
    page.open(data)
    page.press(Keys.END)
    assert (page.folder / "page.html").stat().st_size < 1_000_000
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    blocked = "return fetch('data:text/plain,x').then(() => 'loaded', () => 'blocked')"
    assert page.run(blocked) == "blocked"
    assert page.driver.get_log("browser"), "the attempt above is reported, and only it"


def test_a_template_without_data_says_so(driver: Any, tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "bpx" / "explanation" / "page.html", tmp_path / "page.html")
    driver.get((tmp_path / "page.html").as_uri())
    assert "This page is a template" in driver.find_element(By.CSS_SELECTOR, ".failure").text
    assert driver.get_log("browser") == []


def test_a_layer_that_the_page_does_not_know_is_named(page: Page, xor: Data) -> None:
    page.open({**xor, "layers": [*xor["layers"][:3], {"kind": "<b>Doubled</b>"}]})
    assert page.find(".failure").text == "This page cannot explain a layer of kind “<b>Doubled</b>”."


def test_the_committed_page_is_what_its_source_builds() -> None:
    node = shutil.which("node")
    if node is None or not (SOURCE / "node_modules").exists():
        pytest.skip("node or scripts/explain_page/node_modules is missing: npm ci in scripts/explain_page")
    result = subprocess.run([node, "build.mjs", "--check"], cwd=SOURCE, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_lock_file_names_no_registry() -> None:
    lock = (SOURCE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
