"""The page for everyone, in Chromium and in Firefox: keyboard, screen reader, forced colors, widths, speed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from bidi import BROWSERS

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[2] / "scripts" / "explain_page" / "node_modules" / "axe-core" / "axe.min.js"
TAB, ENTER, SPACE, SHIFT, CONTROL = "\ue004", "\ue007", " ", "\ue008", "\ue009"
HOME, RIGHT, LEFT, DOWN = "\ue011", "\ue014", "\ue012", "\ue015"

NAMED = {"button", "combobox", "link", "radio", "slider", "textbox"}
"""Roles of what can be used, which a screen reader has to have a name for."""


@pytest.fixture(scope="module", params=list(BROWSERS))
def browser(request, tmp_path_factory):
    with BROWSERS[request.param](tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module", params=list(BROWSERS))
def forced(request, tmp_path_factory):
    with BROWSERS[request.param](tmp_path_factory.mktemp("profile"), forced_colors=True) as tab:
        yield tab


@pytest.fixture
def tab(browser):
    browser.look()
    yield browser
    assert browser.connection.said == [], "the console must stay silent"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "page.html"


@pytest.fixture(scope="module")
def xor():
    return page_data(notebook_network(), *bpx.datasets.xor(), epochs=100, optimizer=bpx.SGD(0.5))


@pytest.fixture(scope="module")
def moons():
    x, y = bpx.datasets.moons(200)
    net = bpx.mlp([2, 16, 16, 1], "tanh", loss="binary_cross_entropy", dtype="float64")
    held_out = (x[100:], y[100:])
    return page_data(net, x[:100], y[:100], validation_data=held_out, view="lab", optimizer=bpx.Adam(0.02))


@pytest.fixture(scope="module")
def digits():
    x, y = bpx.datasets.digits()
    x = x / 16
    held_out = (x[1000:], y[1000:])
    return page_data(bpx.mlp([64, 64, 10]), x[:1000], y[:1000], validation_data=held_out, class_names="0123456789")


FOCUS = """() => {
  const { dataset, tagName, textContent } = document.activeElement;
  return dataset.role ?? dataset.part ?? dataset.weight ?? dataset.view ?? `${tagName} ${textContent.trim()}`;
}"""


def go_to(tab, name, most=80, *, back=False):
    """Press Tab, or Shift and Tab, until the focus is on what has this name."""
    for _ in range(most):
        if back:
            tab.press_together(SHIFT, TAB)
        else:
            tab.press(TAB)
        if tab.run(FOCUS) == name:
            return
    raise AssertionError(f"Tab does not come to {name}")


def choose(tab, role, letters):
    """Choose in a menu by its first letters, from wherever the focus is before it."""
    go_to(tab, role)
    tab.press(letters)


def train_in_page(tab, steps):
    tab.run("(steps) => { while (steps-- > 0) document.querySelector('[data-role=train-step]').click(); }", steps)


# -- keyboard ---------------------------------------------------------------------------------------------------------


def test_the_whole_walk_with_the_keyboard_alone(tab, path, xor):
    tab.open(path, xor)
    count = tab.state()["step"]["count"]
    spoken = "() => document.querySelector('[data-role=announcer]').textContent"
    told = [tab.run(spoken)]
    for _ in range(count - 1):
        tab.press(RIGHT)
        told.append(tab.run(spoken))
    assert [text.partition(",")[0] for text in told] == [f"Step {n} of {count}" for n in range(1, count + 1)]
    assert len(set(told)) == count
    assert tab.state()["step"]["kind"] == "after"
    go_to(tab, "take-step")
    tab.press(ENTER)
    assert tab.state()["snapshot"]["own_steps"] == 1
    assert tab.state()["step"]["index"] == 0
    go_to(tab, "next", back=True)
    tab.press(*ENTER * count)
    assert tab.state()["step"]["kind"] == "after"
    assert tab.run(FOCUS) == "next", "the button is off at the end, and keeps the focus"
    tab.press(LEFT, SPACE)
    assert tab.state()["step"]["kind"] == "after"
    tab.press(HOME)
    assert tab.state()["step"]["index"] == 0


def test_every_control_of_the_lab_with_the_keyboard_alone(tab, path, moons):
    tab.open(path, moons)
    choose(tab, "source", "Moons")
    assert tab.state()["lab"]["source"] == "moons"
    go_to(tab, "file", 1)
    go_to(tab, "hidden", 2)
    tab.press_together(CONTROL, "a")
    tab.press("3, 2", ENTER)
    assert tab.state()["lab"]["hidden"] == [3, 2]
    choose(tab, "activation", "Re")
    assert tab.state()["layers"][1]["kind"] == "ReLU"
    choose(tab, "optimizer", "RM")
    choose(tab, "batch", "8")
    before = tab.state()["layers"][0]["params"]["weight"]
    go_to(tab, "new-weights", 1)
    tab.press(ENTER)
    assert tab.state()["layers"][0]["params"]["weight"] != before
    go_to(tab, "download", 1)
    go_to(tab, "link", 1)
    assert "optimizer=rmsprop" in tab.run("() => document.activeElement.href")
    assert "batch=8" in tab.run("() => document.activeElement.href")
    go_to(tab, "play", 1)
    tab.press(SPACE)
    tab.wait("window.bpx.state().lab.curve?.step.at(-1) > 5")
    tab.press(SPACE)
    taken = tab.state()["lab"]["curve"]["step"][-1]
    go_to(tab, "train-step", 1)
    tab.press(ENTER)
    assert tab.state()["lab"]["curve"]["step"][-1] == taken + 1
    go_to(tab, "reset", 1)
    tab.press(ENTER)
    assert tab.state()["lab"]["curve"] is None
    assert tab.run(FOCUS) == "reset", "the button is off now, and keeps the focus"
    choose(tab, "speed", "Fast")
    go_to(tab, "1:2")
    tab.press(ENTER)
    assert tab.run("() => document.querySelector('[data-view=\"1:2\"]').ariaPressed") == "true"


def test_the_focus_can_be_seen_wherever_it_goes(tab, path, moons):
    tab.look(1280, 700)
    tab.open(path, moons)
    stops = Counter()
    for _ in range(75):
        tab.press(TAB)
        shown = tab.run(
            """() => {
              const element = document.activeElement;
              const drawn = element.querySelector(".casing, rect") ?? element;
              const { outlineStyle, outlineWidth, stroke } = getComputedStyle(drawn);
              const { top, bottom, width } = element.getBoundingClientRect();
              const bar = document.querySelector(".walk").getBoundingClientRect();
              const isUnderBar = !element.closest(".walk") && bar.top <= 0 && bottom < bar.bottom;
              return {
                name: element.getAttribute("aria-label") ?? element.textContent,
                ring: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
                stroke: element.closest("svg") && stroke,
                inView: width > 0 && bottom > 0 && top < innerHeight && !isUnderBar,
                at: [top, bottom, scrollY, bar.bottom],
                tag: element.tagName,
              };
            }"""
        )
        if shown["tag"] == "BODY":
            break
        stops[shown["tag"]] += 1
        assert shown["ring"] or shown["stroke"] == "rgb(23, 100, 171)", shown
        assert shown["inView"], shown
    assert stops["SELECT"] >= 8
    assert stops["BUTTON"] >= 12


# -- screen readers and rules of accessibility ------------------------------------------------------------------------


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)  # Firefox tells its tree to the system only
def test_the_tree_that_a_screen_reader_gets(tab, path, xor, moons):
    for data in (xor, moons):
        tab.open(path, data)
        train_in_page(tab, 3)
        tree = tab.read_tree()
        unnamed = [part for part in tree if part[0] in NAMED and not part[1]]
        assert unnamed == []
        assert [name for role, name, _ in tree if role == "main"] == [""]
        assert ("navigation", "Steps of backpropagation") in [part[:2] for part in tree]
        levels = [properties["level"] for role, _, properties in tree if role == "heading"]
        assert levels[0] == 1
        assert max(np.diff(levels)) <= 1, "no level of heading is left out"
        statuses = [properties.get("live") for role, _, properties in tree if role == "status"]
        assert statuses.count("polite") >= 2, "the step, and the training"
        names = [name for _, name, _ in tree]
        assert not [name for name in names if "undefined" in name or "NaN" in name or "[object" in name]
        weights = [name for role, name, _ in tree if role == "button" and name.startswith("Weight from ")]
        assert any(name.startswith("Weight from input") and ": weight " in name for name in weights)
        assert any(role == "MathMLMath" or role == "math" for role, _, _ in tree)
        charts = [name for role, name, _ in tree if role in {"image", "img"}]
        assert any(name.startswith("Loss over training: ") for name in charts)
        assert any(name.startswith("Output of the network over its two inputs.") for name in charts)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in scripts/explain_page")
@pytest.mark.parametrize(
    ("browser", "width", "scheme"),
    [("chromium", 390, "dark"), ("chromium", 1024, "light"), ("chromium", 1920, "dark"), ("firefox", 390, "light")],
    indirect=["browser"],
)
def test_axe_finds_nothing(tab, path, moons, width, scheme):
    tab.look(width)
    tab.open(path, moons, "#source=nowhere")
    if scheme == "dark":
        tab.click("[data-role=theme]")
    train_in_page(tab, 3)
    tab.run("() => document.querySelector('[data-part=backward]').click()")
    tab.load_script(AXE.read_text(encoding="utf-8"))
    found = tab.run(
        """async () => {
          const { violations, passes } = await axe.run({ resultTypes: ["violations"] });
          const nodes = violations.flatMap(({ id, nodes }) => nodes.map((node) => [id, node.target[0], node.html]));
          return { nodes, rules: passes.length };
        }"""
    )
    assert found["nodes"] == []
    assert found["rules"] > 20
    assert tab.run("() => document.querySelector('[data-role=problem]').getAttribute('role')") == "alert"


# -- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1024, 1920])
def test_nothing_sticks_out_and_the_smallest_target_is_large_enough(tab, path, xor, moons, digits, width):
    tab.look(width)
    for data in (xor, moons, digits):
        tab.open(path, data)
        train_in_page(tab, 2)
        for part in ("forward", "error", "backward", "update"):
            tab.run("(part) => document.querySelector(`[data-part=${part}]`).click()", part)
            sizes = tab.run(
                "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth, innerWidth]"
            )
            assert sizes[0] <= sizes[1], part
            assert sizes[2] == width
        small = tab.run(
            """() => [...document.querySelectorAll("button, select, summary, input:not([type=radio])")]
              .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 24)
              .map((element) => element.outerHTML.slice(0, 80))"""
        )
        assert small == [], "24 pixels, WCAG 2.2's target size"


def test_another_theme_is_drawn_at_once_also_while_it_trains(tab, path, moons):
    tab.open(path, moons)
    paper = """() => {
      const { data } = document.querySelector("[data-view] canvas").getContext("2d").getImageData(0, 0, 24, 24);
      return Math.max(...data.filter((_, k) => k % 4 !== 3));
    }"""
    looks = {}
    for theme in ("light", "dark", "light"):
        looks[theme] = tab.run(paper)
        tab.run("() => document.querySelector('[data-role=theme]').click()")
        if theme == "dark":
            tab.run("() => document.querySelector('[data-role=play]').click()")
    assert looks["dark"] < looks["light"], "what a unit sees is drawn on dark paper"
    assert tab.run("() => document.querySelector('[data-role=theme]').textContent") == "Light colors"
    assert tab.run(paper) < looks["light"]


def test_nothing_moves_where_motion_is_not_wanted(tab, path, xor):
    tab.look(390)
    tab.open(path, xor)
    moving = tab.run(
        """() => [...document.querySelectorAll("*")].filter((element) => {
          const { transitionDuration, animationName } = getComputedStyle(element);
          return transitionDuration.split(", ").some((time) => time !== "0s") || animationName !== "none";
        }).length"""
    )
    assert moving == 0
    tab.run("() => { for (let n = 0; n < 3; n += 1) document.querySelector('[data-role=next]').click(); }")
    top = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY))))"
    at_once = tab.run(top)
    assert at_once > 0, "the explanation is brought into view"
    assert tab.run(top) == at_once, "without a ride"


def test_forced_colors_leave_everything_visible(forced, path, moons):
    forced.look(1024)
    forced.open(path, moons)
    train_in_page(forced, 5)
    assert forced.run("() => matchMedia('(forced-colors: active)').matches")
    look = forced.run(
        """() => {
          const canvas = getComputedStyle(document.body).backgroundColor;
          const all = (selector) => [...document.querySelectorAll(selector)];
          const style = (element) => getComputedStyle(element);
          const pressed = document.querySelector(".units button[aria-pressed=true]");
          const resting = document.querySelector(".units button[aria-pressed=false]");
          return {
            canvas,
            swatches: all(".swatch").map((each) => style(each).backgroundColor),
            signs: [".swatch.positive", ".swatch.negative"].map((sign) => style(all(sign)[0]).backgroundColor),
            ticks: all(".ticks i.here").map((each) => style(each).backgroundColor),
            lines: all(".network .ring, .loss-curve .curve, .surface .border").map((each) => style(each).stroke),
            words: all(".network text, .chart text").map((each) => style(each).fill),
            borders: [pressed, resting].map((each) => style(each).borderTopColor),
            theme: style(document.querySelector(".theme")).display,
            picture: [...document.querySelector("[data-view] canvas").getContext("2d").getImageData(0, 0, 1, 1).data],
          };
        }"""
    )
    for part in ("swatches", "ticks", "lines", "words"):
        assert look[part], part
        assert look["canvas"] not in look[part], f"{part} have the color of what they lie on"
    assert look["signs"][0] != look["signs"][1]
    assert look["borders"][0] != look["borders"][1], "what is chosen can be told"
    assert look["theme"] == "none", "the system gives the colors"
    assert look["picture"][3] == 255
    forced.press(TAB)
    assert forced.run("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"


# -- one's own file, and speed ----------------------------------------------------------------------------------------


def test_a_table_can_be_chosen_without_dropping_it(tab, path, moons, tmp_path):
    rows = [f"{w},{h},{'yes' if w > h else 'no'}" for w in range(1, 8) for h in range(1, 8)]
    table = tmp_path / "boxes <i>.csv"
    table.write_text("\n".join(["width,height,wide", *rows]), encoding="utf-8")
    tab.open(path, moons)
    tab.give_file("[data-role=file]", table)
    tab.wait("window.bpx.state().lab.source === 'table'")
    assert tab.run("() => document.querySelector('h1').textContent") == "boxes <i>.csv: wide"


def test_a_notebooks_frame_runs_the_page_and_keeps_it_in(tab, tmp_path):
    trace = bpx.explain(notebook_network(), *bpx.datasets.xor(), optimizer=bpx.SGD(0.5))
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><title>Notebook</title>{trace._repr_html_()}", encoding="utf-8")
    tab.go_to(notebook.as_uri())
    top = tab.context
    tab.enter_frame()
    tab.run("() => document.querySelector('[data-role=train-step]').click()")
    assert tab.state()["lab"]["curve"]["step"] == [0, 1]
    reached = """() => {
      try { return parent.document.title; } catch (error) { return error.name; }
    }"""
    assert tab.run(reached) == "SecurityError"
    assert tab.run("() => origin") == "null"
    tab.context = top


FRAMES = """async () => {
  const count = (milliseconds, work) =>
    new Promise((done) => {
      const times = [];
      const tick = (time) => {
        times.push(time);
        work();
        if (time - times[0] < milliseconds) requestAnimationFrame(tick);
        else done((1000 * (times.length - 1)) / (time - times[0]));
      };
      requestAnimationFrame(tick);
    });
  // What takes half a frame where nothing else runs; it slows down with the machine, as the page does.
  const spin = (n) => {
    let sum = 0;
    for (let k = 0; k < n; k += 1) sum += Math.sqrt(k);
    return sum;
  };
  let least = Infinity;
  for (let round = 0; round < 40; round += 1) {
    const began = performance.now();
    spin(300000);
    least = Math.min(least, performance.now() - began);
  }
  const half = Math.round((300000 * 8) / Math.max(least, 0.1));
  const possible = await count(500, () => spin(half));
  document.querySelector("[data-role=play]").click();
  const made = await count(1000, () => {});
  document.querySelector("[data-role=play]").click();
  return [made, possible];
}"""
TRIES = 5


@pytest.mark.parametrize("name", ["moons", "digits"], ids=["2-16-16-1", "64-64-10"])
def test_it_stays_fluid_while_it_trains(tab, path, request, name):
    """Measured where little else ran: 58 and 55 of 60 frames a second, and 20 and 19 before the parts took turns."""
    share = {"chromium": {"moons": 0.5, "digits": 0.4}, "firefox": {"moons": 0.25, "digits": 0.25}}[tab.browser][name]
    tab.open(path, request.getfixturevalue(name))
    tries = []
    while len(tries) < TRIES and max((made / possible for made, possible in tries), default=0) < share:
        tries.append(tab.run(FRAMES))
    assert max(made / possible for made, possible in tries) >= share, tries
    curve = tab.state()["lab"]["curve"]
    assert curve["step"][-1] >= tries[-1][0] / 2, "a step a frame"
    assert curve["loss"][-1] < curve["loss"][0]
