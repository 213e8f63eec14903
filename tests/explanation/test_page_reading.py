"""Every number on the page, read from it as a person reads it, against `bpx.explain`: at every step of the walk.

What is compared is text: of what is visible, and of what a screen reader says. A number must be the trace's, rounded
to the digits that are shown.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import bpx
from bpx.explanation.pagedata import page_data
from bpx.notebook import notebook_network

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from browser import Page
from page_reading import READ, assert_reads, assert_table, read_numbers
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@pytest.fixture
def page(driver, tmp_path):
    page = Page(driver, tmp_path)
    yield page
    assert driver.get_log("browser") == [], "the console must stay silent"


# -- what there is to read --------------------------------------------------------------------------------------------


def has_bias(layer):
    return "b" in layer.quantities


def list_walk(layers):
    """Return the steps of the walk as (part, kind, layer), in order."""
    kinds = [layer.kind for layer in layers]
    walk = [("forward", "input", None)]
    walk += [("forward", "weighted" if kind == "Linear" else "activation", k) for k, kind in enumerate(kinds)]
    walk += [("error", "loss", None), ("error", "error", None)]
    for k in reversed(range(len(kinds))):
        linear = ["dweight"] + ["dbias"] * has_bias(layers[k]) + ["back"] * (k > 0)
        back = linear if kinds[k] == "Linear" else ["slope", "delta"]
        walk += [("backward", kind, k) for kind in back]
    walk += [("update", kind, k) for k in range(len(kinds)) if kinds[k] == "Linear" for kind in ("change", "new")]
    return [*walk, ("update", "after", None)]


def sum_smallest(terms, most=4):
    """Return what is left of a long sum beside its three largest terms: the page gives it as one number."""
    terms = sorted(np.ravel(terms), key=abs, reverse=True)
    return float(sum(terms[most - 1 :])) if len(terms) > most else 0.0


class Told:
    """What `bpx.explain` says of the step that the page shows.

    Parameters
    ----------
    net, x, y
        What the page was made of.
    data : dict
        What the page was given.
    moment : int
        The snapshot that is chosen.
    sample : int or "all"
    shown : int
        The sample that is drawn, of all.
    rate : float
    weight : str
        The parameter whose chain is shown.
    params : list of dict or None
        The parameters, where they are not those of the snapshot.
    """

    def __init__(self, net, x, y, data, *, moment=0, sample, shown=None, rate=None, weight, params=None):
        self.data, self.moment, self.weight = data, moment, weight
        self.rate = data["learning_rate"] if rate is None else rate
        self.rows = slice(None) if sample == "all" else slice(sample, sample + 1)
        self.row = shown if sample == "all" else 0
        self.shown = shown if sample == "all" else sample
        self.now = self.copy(net, data["snapshots"][moment]["params"] if params is None else params)
        self.trace = bpx.explain(self.now, x[self.rows], y[self.rows], optimizer=bpx.SGD(self.rate))
        self.step = self.trace.steps[0]
        self.layers = self.step.layers
        self.walk = list_walk(self.layers)
        self.chains = [self.trace.chain(weight, sample=n) for n in range(self.trace.samples)]
        self.whole = bpx.explain(self.now, x, y, optimizer=bpx.SGD(self.rate)).steps[0]
        self.losses = {
            k: bpx.explain(self.copy(net, data["snapshots"][k]["params"]), x, y).steps[0].loss
            for k in {0, moment, len(data["snapshots"]) - 1}
        }
        self.values = [self.step["inputs"].values.reshape(self.trace.samples, -1)]
        self.values += [layer["z" if layer.kind == "Linear" else "a"].values for layer in self.layers]
        back = ["dL/dinputs" if "dL/dinputs" in layer.quantities else "delta" for layer in self.layers]
        self.gradients = [layer[key].values for layer, key in zip(self.layers, back, strict=True)]
        self.gradients.append(self.layers[-1]["delta" if self.layers[-1].kind == "Linear" else "dL/da"].values)
        self.targets = np.array(data["samples"]["y"])[self.rows]
        cross_entropy = data["loss"]["kind"].endswith("cross_entropy")
        self.probabilities = self.step["predictions"].values if cross_entropy else None
        self.sizes = [self.values[0].shape[1], *(self.values[k + 1].shape[1] for k in self.linears)]
        self.is_image = self.sizes[0] >= 16 and float(self.sizes[0] ** 0.5).is_integer()

    @staticmethod
    def copy(net, params):
        other = net.copy()
        other.params = [{name: np.array(array) for name, array in part.items()} for part in params]
        return other

    @property
    def linears(self):
        return [k for k, layer in enumerate(self.layers) if layer.kind == "Linear"]

    def block_of(self, layer):
        """Return the number of the block of a layer: a linear layer and the activations after it."""
        return sum(k <= layer for k in self.linears)

    def style_of(self, block):
        if block == 0 and self.is_image:
            return "cells"
        return "round" if self.sizes[block] <= 6 else "pill" if self.sizes[block] <= 20 else "cells"

    def at(self, index):
        """Return what the walk has reached: value and gradient of each block by their numbers, renewed layers."""
        values, gradients = {0: 0}, {}
        for _, kind, layer in self.walk[: index + 1]:
            if kind in ("weighted", "activation"):
                values[self.block_of(layer)] = layer + 1
            if kind == "error":
                gradients[len(self.sizes) - 1] = len(self.layers)
            if kind in ("delta", "back"):
                gradients[self.block_of(layer) - (kind == "back")] = layer
        return values, gradients, {layer for _, kind, layer in self.walk[: index + 1] if kind == "new"}

    def parameter(self, index, layer, short):
        """Return what the drawing has at a layer's weights ("w") or biases ("b"): a word for it, and its numbers."""
        name = {"w": "weight", "b": "bias"}[short]
        kind, here = self.walk[index][1], self.walk[index][2] == layer
        if here and kind == f"d{name}":
            return "gradient", self.layers[layer][f"dL/d{short}"].values
        if here and kind == "change":
            return "update", self.layers[layer][f"update {short}"].values
        if layer in self.at(index)[2]:
            return f"new {name}", self.layers[layer][f"new {short}"].values
        return name, self.layers[layer][short].values

    def symbol_of(self, value, *, gradient=False):
        """Return how the page writes a value or its gradient."""
        block = self.block_of(value - 1)
        letter = "x" if value == 0 else "z" if self.layers[value - 1].kind == "Linear" else "a"
        mark = f"⁽{RAISED[block]}⁾" if value else ""
        if not gradient:
            return letter + mark
        return f"δ{mark}" if letter == "z" else f"∂L/∂{letter}{mark}"


# -- place by place ---------------------------------------------------------------------------------------------------


def check_figure(read, told, index):
    values, gradients, renewed = told.at(index)
    row = told.row
    for block, size in enumerate(told.sizes):
        style = told.style_of(block)
        shown = [told.values[values[block]][row]] if block in values else []
        shown += [told.gradients[gradients[block]][row]] if block in gradients else []
        symbols = [told.symbol_of(values[block])] if block in values else []
        symbols += [told.symbol_of(gradients[block], gradient=True)] if block in gradients else []
        if style != "round":
            shown, symbols = shown[-1:], symbols[-1:]
        assert read["symbols"][block] == " · ".join(symbols)
        for k in range(size):
            unit, what = read["units"][f"{block}:{k}"], f"unit {k} of block {block}"
            if style == "cells":
                assert not unit["numbers"]
                text = unit["title"].rpartition(": ")[2]
                if shown:
                    assert_reads(text, shown[0][k], what)
                else:
                    assert text == "not yet computed"
            else:
                assert_table([[text] for text in unit["numbers"] if text], [[s[k]] for s in shown], what)
    biases = set()
    for block, layer in enumerate(told.linears, start=1):
        name, numbers = told.parameter(index, layer, "w")
        for key, aria in read["edges_aria"].items():
            if key.startswith(f"{layer}.weight["):
                i, j = map(int, key[:-1].split("[")[1].split(","))
                says, number = aria.rsplit(" ", 1)
                assert says.endswith(f": {name}"), aria
                assert_reads(number, numbers[i, j], f"{key} for a screen reader")
                if key in read["labels"]:
                    assert_reads(read["labels"][key], numbers[i, j], f"label of {key}")
        for j in range(told.sizes[block]) if told.style_of(block) == "round" and has_bias(told.layers[layer]) else ():
            name, numbers = told.parameter(index, layer, "b")
            key = f"{layer}.bias[{j}]"
            biases.add(key)
            says, number = read["biases_aria"][key].rsplit(" ", 1)
            assert says.endswith(f": {name}"), says
            assert_reads(number, numbers[j], f"{key} for a screen reader")
            assert_reads(read["biases"][key].removeprefix("+ "), numbers[j], key)
        drawn = sum(key.startswith(f"{layer}.weight[") for key in read["edges_aria"])
        count = told.sizes[block - 1] * told.sizes[block]
        assert drawn == count if count <= 60 else drawn >= 60
    assert set(read["biases"]) == biases
    if ".weight[" in told.weight:
        assert told.weight in read["labels"], "the chosen weight has its number"
    kind, has_loss = told.walk[index][1], index >= [k for _, k, _ in told.walk].index("loss")
    for k, notes in enumerate(read["notes"]):
        expected = [told.targets[row][k]]
        if told.probabilities is not None and has_loss:
            expected.append(told.probabilities[row][k])
        both = sorted(notes, key=lambda text: text.startswith("p"))
        if told.style_of(len(told.sizes) - 1) == "round":
            assert_table([[text] for text in both], [[value] for value in expected], f"notes of output {k}")
    if not has_loss:
        assert read["loss"] == "L"
    else:
        value = told.step.loss_after if kind == "after" else told.step["losses"].values[row]
        name = "L after" if kind == "after" else f"L of x[{told.shown}]" if told.trace.samples > 1 else "L"
        assert_reads(read["loss"], value, "the loss in the drawing")
        assert read["loss_name"].endswith(name) or (name == "L" and read["loss_name"] == "Loss")
    assert ("The nodes show the pass before the update." in read["caption"]) == bool(renewed)
    large = [a * b for a, b in zip(told.sizes, told.sizes[1:], strict=False) if a * b > 60]
    for number in read_numbers(read["caption"]):
        assert number.value in {*large, 60, *range(len(told.sizes))}, read["caption"]


def list_tables(told, kind, layer):
    """Return the tables of a step, each as rows of numbers."""
    one = told.trace.samples == 1

    def turn(values):
        return values.T if one else values

    if kind == "loss":
        outputs = [told.values[-1]] + ([] if told.probabilities is None else [told.probabilities]) + [told.targets]
        return [np.concatenate(outputs).T] if one else [*outputs, told.step["losses"].values[:, None]]
    if kind == "after":
        before, after = told.step.loss, told.step.loss_after
        return [np.array([[before], [after], [after - before]])]
    if kind in ("dweight", "dbias", "change", "new"):
        keys = {"dweight": ["dL/dw"], "dbias": ["dL/db"], "change": ["update w", "update b"], "new": ["new w", "new b"]}
        own = told.layers[layer].quantities
        return [np.atleast_2d(own[key].values) for key in keys[kind] if key in own]
    if kind == "slope":
        slopes = told.layers[layer]["da/dz"].values
        return [turn(slopes) if slopes.ndim == 2 else slopes[told.row].T]  # softmax: from each input to each output
    made = {
        "input": lambda: told.values[0],
        "weighted": lambda: told.values[layer + 1],
        "activation": lambda: told.values[layer + 1],
        "error": lambda: told.gradients[-1],
        "delta": lambda: told.gradients[layer],
        "back": lambda: told.gradients[layer],
    }
    return [turn(made[kind]())]


def list_matrices(told, kind, layer):
    """Return the arrays of a step's formula with whole matrices, in reading order; None where it has none."""
    row, own = told.row, None if layer is None else told.layers[layer]
    v, d = told.values, told.gradients
    bias = [own["b"].values] if own is not None and has_bias(own) else []
    one_row = {
        "activation": lambda: v[layer + 1][row],
        "error": lambda: d[-1][row],
        "slope": lambda: own["da/dz"].values[row].T,
        "delta": lambda: d[layer][row],
        "dbias": lambda: own["dL/db"].values,
    }
    if kind in one_row:
        values = one_row[kind]()
        return [values] if 1 < len(values) <= 4 else None
    several = {
        "input": lambda: [v[0][row]],
        "weighted": lambda: [v[layer][row], own["w"].values, *bias, v[layer + 1][row]],
        "dweight": lambda: [v[layer].T, d[layer + 1], own["dL/dw"].values],
        "back": lambda: [d[layer + 1][row], own["w"].values.T, d[layer][row]],
        "change": lambda: [own["update w"].values],
        "new": lambda: [own["new w"].values],
        "after": lambda: [np.array([told.step.loss, told.step.loss_after])],
    }
    arrays = several[kind]() if kind in several else None
    return arrays if arrays and max(max(array.shape) for array in arrays) <= 4 else None


def list_operands(told, kind, layer):
    """Return every number that a step's formulas may have in them."""
    row, samples, own = told.row, told.trace.samples, None if layer is None else told.layers[layer]
    v, d = told.values, told.gradients
    bias = [own["b"]] if own is not None and has_bias(own) else []
    share = told.data["loss"].get("label_smoothing", 0.0)
    goals = (1 - share) * told.targets[row] + share / told.targets.shape[1]
    loss = [v[-1][row], goals, *([] if told.probabilities is None else [told.probabilities[row]])]
    if kind == "weighted":
        terms = v[layer][row][:, None] * own["w"].values
        return [v[layer][row], own["w"], *bias, v[layer + 1][row], [sum_smallest(column) for column in terms.T]]
    if kind == "dweight":
        terms = np.einsum("ni,nj->ijn", v[layer], d[layer + 1])
        rest = [sum_smallest(one) for one in terms.reshape(-1, samples)]
        return [v[layer], d[layer + 1], own["dL/dw"], rest]
    if kind == "dbias":
        return [d[layer + 1], own["dL/db"], [sum_smallest(column) for column in d[layer + 1].T]]
    if kind == "back":
        rest = [sum_smallest(line) for line in own["w"].values * d[layer + 1][row]]
        return [d[layer + 1][row], own["w"], d[layer][row], rest]
    if kind == "loss":
        losses = told.step["losses"].values
        return [*loss, 1 - goals, losses, [told.step.loss, sum_smallest(losses)]]
    return {
        "input": lambda: [v[0][row]],
        "activation": lambda: [v[layer][row], v[layer + 1][row]],
        "error": lambda: [*loss, d[-1][row]],
        "slope": lambda: [v[layer][row], v[layer + 1][row], own["da/dz"]],
        "delta": lambda: [d[layer + 1][row], own["da/dz"], d[layer][row]],
        "change": lambda: [own["dL/dw"], own["update w"], [told.rate]],
        "new": lambda: [own["w"], own["update w"], own["new w"]],
        "after": lambda: [[told.step.loss, told.step.loss_after]],
    }[kind]()


def find_result(told, kind, layer, unit):
    """Return what the formula of one unit or weight ends with; None where it ends otherwise."""
    row, own = told.row, None if layer is None else told.layers[layer]
    key = {"dweight": "dL/dw", "change": "update w", "new": "new w"}.get(kind)
    if key is not None and told.weight.startswith(f"{layer}.weight["):
        i, j = map(int, told.weight[:-1].partition("[")[2].split(","))
        return own[key].values[i, j]
    if kind == "slope":
        slopes = own["da/dz"].values[row]
        return slopes[unit] if slopes.ndim == 1 else slopes[unit, unit]
    results = {
        "weighted": lambda: told.values[layer + 1][row],
        "activation": lambda: told.values[layer + 1][row],
        "error": lambda: told.gradients[-1][row],
        "delta": lambda: told.gradients[layer][row],
        "dbias": lambda: own["dL/db"].values,
        "back": lambda: told.gradients[layer][row],
    }
    return results[kind]()[unit] if kind in results else None


def check_panel(read, told, index):
    part, kind, layer = told.walk[index]
    place = f"{kind} of layer {layer}"
    assert read["kicker"].lower().startswith(part)
    assert read["formulas"], place
    whole = {0, 1, 2, told.trace.samples, told.sizes[0]}
    if layer is not None and told.layers[layer].kind == "Dropout":
        (rate,) = read_numbers(told.layers[layer].description)
        whole |= {rate.value, round(1 - rate.value, 12)}
    for number in read_numbers(read["lead"]):
        assert number.value in {*whole, *range(len(told.sizes)), -1, told.rate}, read["lead"]
    operands = np.concatenate([np.ravel(getattr(o, "values", o)) for o in list_operands(told, kind, layer)])
    operands = np.append(operands, [spec.get("slope", 0.0) for spec in told.data["layers"]])
    operands = np.append(operands, told.data["loss"].get("delta", 0.0))
    for formula in read["formulas"]:
        for number in read_numbers(formula):
            known = (number.half == 0 and abs(number.value) in whole) or any(
                number.is_that_of(value, signed=False) for value in operands
            )
            assert known, f"{place}: {number.text} in {formula!r} is not of this step"
    matrices = list_matrices(told, kind, layer)
    if matrices is not None:
        expected = np.concatenate([np.ravel(array) for array in matrices])
        numbers = read_numbers(read["formulas"][1])
        assert len(numbers) == len(expected), f"{place}: {read['formulas'][1]}"
        for number, value in zip(numbers, expected, strict=True):
            assert number.is_that_of(value), f"{place}: {number.text} for {value!r} in {read['formulas'][1]!r}"
    result = find_result(told, kind, layer, read["unit"])
    if result is not None:
        shown = read_numbers(read["formulas"][-1])[-1]
        assert shown.is_that_of(result, signed=False), f"{place}: {read['formulas'][-1]!r} ends with {result!r}"
    tables = list_tables(told, kind, layer)
    assert len(read["tables"]) == len(tables), place
    for table, values in zip(read["tables"], tables, strict=True):
        assert_table(table["rows"], values, f"{place}: {table['caption']}")
        if table["names"][0].startswith("x["):
            assert table["names"] == [f"x[{n}]" for n in range(told.trace.samples)]
            assert table["marked"] == [n == told.row for n in range(told.trace.samples)]
    for number in read_numbers(read["hint"]):
        assert number.value <= max(*told.sizes, told.trace.samples)


def check_chain(read, told, index):
    read, chain = read["chain"], told.chains[told.row]
    layer, name = int(told.weight.partition(".")[0]), "bias" if "bias" in told.weight else "weight"
    assert read["key"] == told.weight
    renewed = told.at(index)[2]
    start = f"Before the update this {name} was " if layer in renewed else f"This {name} is "
    assert read["lead"].startswith(start)
    value, _, rest = read["lead"].removeprefix(start).partition(". ")
    assert_reads(value, chain.value, "the chosen parameter")
    count = "A single path leads" if chain.n_paths == 1 else f"{chain.n_paths:,} paths lead"
    assert rest.startswith(count)
    paths = sorted(chain.paths, key=lambda path: -abs(path.product))
    if len(paths) > 1:
        products = [chain.total, *(path.product for path in paths)]
        if len(paths) > 9:
            products = [*products[:9], sum(products[9:])]
        assert_table(read["paths"]["rows"], [[product] for product in products], "products of paths")
    cells = [[row[-1]] for row in read["factors"]["rows"]]
    assert_table(cells, [[factor.value] for factor in paths[0].factors], "factors")
    assert_reads(read["factors"]["foot"][-1], paths[0].product, "product")
    old = [name.endswith("before the update") for name in read["factors"]["names"]]
    crossed = [f.layer in renewed and n > 0 for n, f in enumerate(paths[0].factors)]
    assert old == crossed, "weights on the way are those of the backward pass"
    totals = [told.trace.chain(told.weight).total, told.trace.chain(told.weight).gradient]
    if told.trace.samples > 1:
        rows = read["contributions"]["rows"]
        assert_table(rows, [[share.total] for share in told.chains], "what each sample adds")
        assert read["contributions"]["marked"] == [n == told.row for n in range(told.trace.samples)]
    for text, total in zip(read["total"], totals, strict=False):
        assert_reads(text, total, "total")
    assert read["total"][2] == "none" or read_numbers(read["total"][2])[0].value < 1e-12
    layers = [told.layers[k].quantities for k in told.linears]
    gradients = [layer[key].values for layer in layers for key in ("dL/dw", "dL/db") if key in layer]
    if read["gradients"]:
        for table, values in zip(read["gradients"], gradients, strict=True):
            assert_table(table["rows"], np.atleast_2d(values)[:64, :32], table["caption"])


def check_rest(read, told, index):
    """Everything around the step: counts, settings, the run of training."""
    data, total = told.data, len(told.walk)
    moment = data["snapshots"][told.moment]
    assert read["count"] == f"{index + 1} / {total}"
    assert read["count_aria"] == f"Step {index + 1} of {total}"
    assert read["announced"].startswith(f"Step {index + 1} of {total}, {told.walk[index][0]}: ")
    assert [n.value for n in read_numbers(read["subtitle"])] == told.sizes
    settings = read["settings"]
    assert float(settings["rate"]) == told.rate
    options = [text for text in settings["samples"] if text.startswith("x[")]
    for n, (text, x) in enumerate(zip(options, data["samples"]["x"], strict=True)):
        assert text.startswith(f"x[{n}]")
        inputs = re.search(r"= \((.*?)\) →", text)
        for number, value in zip(read_numbers(inputs[1]) if inputs else [], x, strict=False):
            assert number.is_that_of(value), text
    assert settings["sample"].startswith(f"x[{told.shown}]" if told.trace.samples == 1 else "All")
    assert settings["moments"] == [f"{s['step']:,}" for s in data["snapshots"]]
    assert settings["moment"] == f"{moment['step']:,}"
    if len(data["snapshots"]) > 1:
        for text in (read["slider"], read["slider_aria"]):
            step, loss = re.fullmatch(r"[Tt]raining step ([\d,]+), loss (.*)", text).groups()
            assert int(step.replace(",", "")) == moment["step"]
            assert_reads(loss, told.losses[told.moment], "loss at the slider")
    first, last = re.findall(r"(\S+) at step (\d+)", read["curve"])
    for (loss, step), k in ((first, 0), (last, len(data["snapshots"]) - 1)):
        assert_reads(loss, told.losses[k], "loss curve")
        assert int(step) == data["snapshots"][k]["step"]
    if told.sizes[0] == 2:
        outputs = told.whole["outputs"].values[:, 0]
        found = re.findall(r"\((.*?)\) gives ([^;]*?)(?:;|\.$)", read["surface"])
        assert len(found) == len(outputs)
        for (_, text), value in zip(found, outputs, strict=True):
            assert_reads(text, value, "the surface, for a screen reader")
        shares = told.layers[-1].kind in ("Sigmoid", "Softmax")
        middle = 0.5 if shares else float(np.mean(data["samples"]["y"]))
        assert_reads(read["surface_caption"], middle, "the line of the surface")


def compare(page, told, index):
    """Read the page, which is at a step of the walk, and compare every number of it."""
    read: dict[str, Any] = page.run(READ)
    assert read["strays"] == [], "numbers where nobody looks"
    for check in (check_figure, check_panel, check_chain, check_rest):
        check(read, told, index)
    return read


# -- xor --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xor():
    x, y = bpx.datasets.xor()
    net = notebook_network()
    data = page_data(net, x, y, epochs=300, optimizer=bpx.SGD(0.5), snapshots=[0, 50, 300], weight="0.weight[1,1]")
    return net, x, np.asarray(y), data


def unfold_all(page):
    """Unfold the table of gradients, and the numbers of a step even where there are too many to show by themselves."""
    page.unfold(".picker summary")
    while True:  # what was open by itself is folded first: from then on it stays as it was left
        page.unfold(".step-panel .numbers summary")
        if page.find_all(".step-panel tbody"):
            return


def assert_walks(page, told, role):
    """Compare at every step, from one end of the walk to the other, with the button Next or the button Back."""
    walk = range(len(told.walk)) if role == "next" else reversed(range(len(told.walk)))
    for index in walk:
        compare(page, told, index)
        page.run(f"document.querySelector('[data-role={role}]').click()")  # at the end it is disabled


@pytest.mark.parametrize(
    "width, scheme, motion", [(1280, "light", "no-preference"), (375, "dark", "reduce")], ids=["wide", "narrow"]
)
def test_xor_at_every_step(page, xor, width, scheme, motion):
    page.look(width, scheme, motion)
    page.open(xor[-1])
    unfold_all(page)
    told = Told(*xor, sample=1, weight="0.weight[1,1]")
    assert_walks(page, told, "next")
    assert_walks(page, told, "back")
    page.choose("sample", "all")
    page.choose("shown", "2")
    told = Told(*xor, sample="all", shown=2, weight="0.weight[1,1]")
    assert_walks(page, told, "next")
    assert_walks(page, told, "back")


def test_xor_however_one_gets_there(page, xor):
    told = Told(*xor, sample=1, weight="0.weight[1,1]")
    page.open(xor[-1])
    kinds, last = [(kind, layer) for _, kind, layer in told.walk], len(told.walk) - 1
    for key in (Keys.END, Keys.HOME, Keys.END):
        page.press(key)
        compare(page, told, 0 if key == Keys.HOME else last)
    for index in range(last - 1, kinds.index(("change", 0)) - 1, -1):
        page.press(Keys.ARROW_LEFT)
        compare(page, told, index)
    for index in range(kinds.index(("change", 0)) + 1, last + 1):
        page.press(Keys.ARROW_RIGHT)
        compare(page, told, index)
    for part in ("error", "update", "backward", "forward"):
        page.click(f"[data-part={part}]")
        compare(page, told, [name for name, _, _ in told.walk].index(part))
    page.click("[data-role=next]")
    for unit in (0, 1):
        page.choose("unit", str(unit))
        assert compare(page, told, 1)["unit"] == unit


def test_xor_at_the_end_whatever_is_chosen(page, xor):
    page.open(xor[-1])
    page.press(Keys.END)
    last = len(list_walk(bpx.explain(*xor[:3]).steps[0].layers)) - 1
    for moment in (1, 2):
        page.find("[data-role=snapshot-slider]").send_keys(Keys.ARROW_RIGHT)
        compare(page, Told(*xor, moment=moment, sample=1, weight="0.weight[1,1]"), last)
    page.choose("sample", "3")
    compare(page, Told(*xor, moment=2, sample=3, weight="0.weight[1,1]"), last)
    page.choose("snapshot", "1")
    page.click("[aria-label^='×2']")
    compare(page, Told(*xor, moment=1, sample=3, rate=1.0, weight="0.weight[1,1]"), last)
    for key in ("0.bias[1]", "2.bias[0]", "2.weight[1,0]"):
        page.choose("parameter", f"{key[0]}:{key[2:].partition('[')[0]}")
        page.click(f"svg [data-label='{key}']" if "weight" in key else f"svg [data-weight='{key}']")
        told = Told(*xor, moment=1, sample=3, rate=1.0, weight=key)
        compare(page, told, last)
    page.click("[data-role=take-step]")
    new = {"weight": "new w", "bias": "new b"}
    params = [{name: layer[key].values for name, key in new.items() if layer.kind == "Linear"} for layer in told.layers]
    told = Told(*xor, moment=1, sample=3, rate=1.0, weight="2.weight[1,0]", params=params)
    assert compare(page, told, 0)["settings"]["own"].startswith("and 1 of your own")
    page.press(Keys.END)
    compare(page, told, last)


def test_a_tiny_learning_rate_is_written_in_full(page, xor):
    net, x, y, data = xor
    page.open({**data, "learning_rate": 2.5e-7})
    told = Told(net, x, y, data, sample=1, rate=2.5e-7, weight="0.weight[1,1]")
    index = [(kind, layer) for _, kind, layer in told.walk].index(("change", 0))
    page.press(Keys.END)
    for _ in range(len(told.walk) - 1 - index):
        page.press(Keys.ARROW_LEFT)
    text = compare(page, told, index)["formulas"][-1]
    assert re.search(r"[-−]\s?2\.5\s?×\s?10\^\{\s?[-−]\s?7\}", text), text


def test_small_numbers_are_rounded_once(page, xor):
    first = xor[-1]["snapshots"][0]
    layer, *rest = first["params"]
    params = [{**layer, "bias": [1.2451e-5, -9.96e-5]}, *rest]
    page.open({**xor[-1], "snapshots": [{**first, "params": params}]})
    biases = page.run(READ)["biases"]
    assert (biases["0.bias[0]"], biases["0.bias[1]"]) == ("+ 1.2e−5", "− 1.0e−4")


# -- other networks ---------------------------------------------------------------------------------------------------


def make_deep(generator):
    """Three hidden layers, drawn as round nodes and as pills, trained with Adam on classes."""
    x, y = generator.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
    layers = [bpx.Linear(3, 5), bpx.Tanh(), bpx.Linear(5, 8), bpx.SiLU(), bpx.Linear(8, 4), bpx.LeakyReLU(0.1)]
    loss = bpx.CrossEntropy(label_smoothing=0.1)
    net = bpx.Network([*layers, bpx.Linear(4, 3)], loss=loss, dtype="float64", seed=3)
    net.fit(x, y, epochs=5, optimizer=bpx.Adam(0.01))
    return net, x, y, {"epochs": 4, "optimizer": bpx.Adam(0.01), "snapshots": [0, 4], "weight": "2.weight[1,0]"}


def make_wide(generator):
    """An image, a hidden layer of cells and a frozen bias, trained with momentum on several labels."""
    x, y = np.abs(generator.normal(size=(3, 16))), np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    layers = [bpx.Linear(16, 24), bpx.ReLU(), bpx.Linear(24, 2, frozen=("bias",))]
    net = bpx.Network(layers, loss=bpx.BinaryCrossEntropy("sum"), dtype="float64", seed=1)
    optimizer = bpx.SGD(0.02, momentum=0.9)
    return net, x, y, {"epochs": 3, "optimizer": optimizer, "snapshots": [0, 3], "weight": "0.weight[5,7]"}


def make_smooth(generator):
    """Smooth activations, softmax among them, and a loss whose slope has a limit; one output over a plane."""
    x, y = generator.normal(size=(4, 2)), generator.normal(size=(4, 1))
    layers = [bpx.Linear(2, 3), bpx.GELU(), bpx.Linear(3, 3), bpx.Softmax(), bpx.Linear(3, 2), bpx.Softplus()]
    net = bpx.Network([*layers, bpx.Linear(2, 1)], loss=bpx.Huber(delta=0.3), dtype="float64", seed=2)
    optimizer = bpx.SGD(0.1, momentum=0.5, nesterov=True)
    return net, x, y, {"epochs": 2, "optimizer": optimizer, "snapshots": [0, 2], "weight": "0.bias[2]"}


def make_plain(generator):
    """Layers without a bias, activations that change nothing, and a loss whose slope is a sign."""
    x, y = generator.normal(size=(3, 2)), generator.normal(size=(3, 1))
    layers = [bpx.Linear(2, 2, bias=False), bpx.Dropout(0.3), bpx.Linear(2, 1), bpx.Identity()]
    net = bpx.Network(layers, loss=bpx.AbsoluteError("sum"), dtype="float64", seed=4)
    return net, x, y, {"epochs": 2, "optimizer": "rmsprop", "snapshots": [0, 2], "weight": "0.weight[0,1]"}


@pytest.mark.parametrize("make", [make_deep, make_wide, make_smooth, make_plain])
def test_other_networks_at_every_step(page, generator, make):
    net, x, y, options = make(generator)
    data = page_data(net, x, y, **options)
    page.open(data)
    unfold_all(page)
    for sample, moment, role in ((1, 0, "next"), ("all", 1, "back")):
        page.choose("sample", str(sample))
        page.choose("snapshot", str(moment))
        told = Told(net, x, y, data, moment=moment, sample=sample, shown=1, weight=options["weight"])
        assert_walks(page, told, role)


# -- normalizations and residual blocks -------------------------------------------------------------------------------


def find_unit(kind, layer, told, row, step):
    """Return the number of unit 1 that a step computes, from the page's state, or from the trace what is not in it."""
    if kind in ("weighted", "activation"):
        return told["output"][row][1]
    if kind in ("delta", "back"):
        return told["d_input"][row][1]
    if kind == "slope":
        return told["slope"][row][1] if told["slope"] else step.layers[layer]["da/dz"].values[row, 1, 1]
    if "Norm" in told.get("kind", ""):
        return told[{"dscale": "gradients", "change": "changes", "new": "new_params"}[kind]]["weight"][1]
    return None


@pytest.mark.parametrize("sample", ["1", "all"])
def test_formulas_of_normalizations_and_blocks(page, generator, sample):
    """The last number of the formula of one unit, at every step, is that of the trace."""
    x, y = generator.normal(size=(5, 2)), np.array([0, 2, 1, 1, 0])
    block = bpx.Residual([bpx.BatchNorm(3), bpx.Linear(3, 3), bpx.Tanh()])
    layers = [bpx.LayerNorm(2), bpx.Linear(2, 3), bpx.LayerNorm(3), bpx.SiLU(), bpx.Dropout(0.2), block]
    net = bpx.Network([*layers, bpx.Linear(3, 3)], loss="cross_entropy", dtype="float64", seed=3)
    net.fit(x, y, epochs=5, optimizer=bpx.SGD(0.3))
    page.open(page_data(net, x, y, samples=range(5)))
    page.choose("sample", sample)
    if sample == "all":
        page.choose("shown", "1")
    rows = slice(None) if sample == "all" else slice(1, 2)
    step = bpx.explain(net, x[rows], y[rows], optimizer=bpx.SGD(page.state()["learning_rate"])).steps[0]
    seen = set()
    for _ in range(page.state()["step"]["count"]):
        state = page.state()
        kind, layer = state["step"]["kind"], state["step"]["layer"]
        told = {} if layer is None else state["layers"][layer]
        if layer is not None and page.find_all("[data-role=unit]"):
            page.choose("unit", "1")
        expected = find_unit(kind, layer, told, state["row"], step)
        if expected is not None:
            text = page.run("return [...document.querySelectorAll('.step-panel .formula')].at(-1).textContent")
            numbers = read_numbers(text.replace("×10", "e").replace("\u2061", ""))
            assert numbers[-1].is_that_of(expected), f"{kind} {layer}: {text}"
            seen.add((kind, told["kind"]))
        page.run("document.querySelector('[data-role=next]').click()")
    for norm in ("LayerNorm", "BatchNorm"):
        assert {kind for kind, name in seen if name == norm} >= {
            "activation",
            "dscale",
            "slope",
            "delta",
            "change",
            "new",
        }
    assert {kind for kind, name in seen if name == "Shortcut"} == {"activation", "slope", "delta"}
