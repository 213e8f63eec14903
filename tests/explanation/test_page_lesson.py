"""The lesson of the page: what it says is what the engine computes, and it is gone through by link, button and key."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "scripts" / "explain_page" / "src"
X, Y = bpx.datasets.xor()
SECONDS = 60


@pytest.fixture(scope="module")
def lesson():
    """Return the words of the lesson, and the phrases in them that the page's engine finds true."""
    node = shutil.which("node")
    if node is None or not SOURCE.exists():
        pytest.skip("node or scripts/explain_page is missing")
    command = [node, str(HERE / "page_lesson.mjs"), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_there_are_ten_steps_of_two_to_four_sentences(lesson):
    assert len(lesson["steps"]) == 10
    for step in lesson["steps"]:
        assert 2 <= len(step["words"]) <= 4, step["title"]


@pytest.mark.parametrize("number", range(1, 11))
def test_every_number_is_what_the_engine_computes(lesson, number):
    step = lesson["steps"][number - 1]
    text = " ".join(step["words"])
    for claim in step["claims"]:
        assert claim in text
        text = text.replace(claim, "")
    assert re.findall(r"\d[\d.,]*", text) == [], "no number without a computation"


@pytest.mark.parametrize(("as_published", "k"), [(True, 0), (False, 1)])
def test_the_scenes_are_the_notebook(lesson, as_published, k):
    net = notebook_network(as_published=as_published)
    net.fit(X, Y, epochs=10_000, optimizer=bpx.SGD(0.5), batch_size=None, progress=False)
    np.testing.assert_allclose(lesson["notebook"][k], net.predict(X), rtol=1e-9)


class TestInThePage:
    """In Chromium."""

    pytestmark = pytest.mark.slow

    @pytest.fixture
    def page(self, driver, tmp_path):
        from browser import Page

        page = Page(driver, tmp_path)
        page.look(motion="reduce")
        page.open(page_data(bpx.mlp([2, 4, 1], "tanh", loss="squared_error", dtype="float64"), X, Y))
        yield page
        assert driver.get_log("browser") == [], "the console must stay silent"

    @staticmethod
    def wait(page, script):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(page.driver, SECONDS).until(lambda _: page.run(f"return {script}"))

    @staticmethod
    def press(page, role):
        page.run("document.querySelector(`[data-role=${arguments[0]}]`).click()", role)

    def follow(self, page, end):
        address = page.driver.current_url.partition("#")[0]
        page.driver.get("about:blank")
        page.driver.get(address + end)

    def read(self, page):
        return page.find("[data-role=lesson-progress]").text

    def test_a_link_on_the_page_begins_it_and_the_page_comes_back(self, page):
        page.choose("sample", "2")
        before = page.state()
        page.click("[data-role=lesson-start]")
        assert self.read(page) == "step 1 of 10"
        assert page.find("h1").text == "Exclusive or, biases fixed"
        assert page.run("return location.hash") == "#lesson=1"
        self.press(page, "lesson-leave")
        assert page.state() == before, "nothing is lost"
        assert page.find_all(".lesson") == []
        self.wait(page, "document.activeElement.dataset.role === 'lesson-start'")

    def test_each_step_sets_the_page_and_is_announced(self, page, lesson):
        self.follow(page, "#lesson=1")
        seen = []
        for number, step in enumerate(lesson["steps"], 1):
            assert self.read(page) == f"step {number} of 10"
            assert [p.text for p in page.find_all("[data-role=lesson-words] p")] == step["words"]
            assert step["goal"] in page.find("[data-role=lesson-goal]").text
            said = page.run("return document.querySelector('[data-role=lesson-announcer]').textContent")
            assert said == f"Lesson, step {number} of 10: {step['title']}. {' '.join(step['words'])}"
            state = page.state()
            assert state["lesson"] == {"number": number, "is_done": False}
            walk = (state["step"]["kind"], state["step"]["layer"], state["snapshot"]["step"], state["learning_rate"])
            seen.append((page.find("h1").text, *walk))
            if number < 10:
                self.press(page, "lesson-next")
        assert seen == [
            ("Exclusive or, biases fixed", "input", None, 0, 0.5),
            ("Exclusive or, biases fixed", "loss", None, 0, 0.5),
            ("Exclusive or, biases fixed, trained", "weighted", 0, 10_000, 0.5),
            ("Exclusive or, biases fixed, trained", "dweight", 0, 10_000, 0.5),
            ("Exclusive or, biases trained too", "loss", None, 0, 0.5),
            ("Exclusive or, learned", "activation", 1, 10_000, 0.5),
            ("Exclusive or, biases trained too", "slope", 3, 0, 2),
            ("A line through five points", "weighted", 0, 0, 1.1),
            ("Two blobs, units that are dead", "slope", 1, 0, 0.5),
            ("Two blobs, units that leak", "slope", 1, 0, 0.5),
        ]
        self.press(page, "lesson-next")
        assert page.find_all(".lesson") == [], "after the last step it ends"

    def test_keys_go_through_it(self, page):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        def press(key):
            ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()

        self.follow(page, "#lesson=1")
        press(Keys.ARROW_LEFT)
        assert self.read(page) == "step 1 of 10"
        for _ in range(3):
            press(Keys.ARROW_RIGHT)
        press(Keys.ARROW_LEFT)
        assert self.read(page) == "step 3 of 10"
        assert page.state()["step"]["kind"] == "weighted"
        page.press(Keys.ARROW_RIGHT)
        assert (self.read(page), page.state()["step"]["kind"]) == ("step 3 of 10", "activation")
        page.driver.back()
        self.wait(page, "document.querySelector('[data-role=lesson-progress]').textContent.startsWith('step 4')")

    def test_back_keeps_the_focus_at_the_first_step(self, page):
        from selenium.webdriver.common.keys import Keys

        self.follow(page, "#lesson=2")
        page.find("[data-role=lesson-back]").send_keys(Keys.ENTER)
        assert self.read(page) == "step 1 of 10"
        assert page.run("return document.activeElement.dataset.role") == "lesson-back"
        page.find("[data-role=lesson-back]").send_keys(Keys.ENTER)
        assert self.read(page) == "step 1 of 10"
        assert page.find("[data-role=lesson-back]").get_attribute("aria-disabled") == "true"

    @pytest.mark.parametrize("width", [390, 1280])
    def test_the_walk_says_its_name_and_comes_into_view(self, page, width):
        page.look(width, motion="reduce")
        assert page.find(".walk .count").text == "1 / 18"
        self.follow(page, "#lesson=1")
        assert page.find(".walk .count").text == "walk 1 / 21", "two pairs of Back and Next are told apart"
        self.press(page, "next")
        top = page.run("return document.querySelector('.step-panel').getBoundingClientRect().top")
        assert 0 <= top <= 0.6 * 900

    def test_on_a_phone_what_is_done_is_said_below_and_leads_back(self, page):
        page.look(390, motion="reduce")
        self.follow(page, "#lesson=1")
        assert page.find_all("[data-role=lesson-return]") == []
        page.go_to("loss")
        button = page.find("[data-role=lesson-return]")
        assert "Done: back to the lesson" in button.text
        page.assert_fits(390)
        place = "return document.querySelector('.lesson').getBoundingClientRect().top"
        assert page.run(place) < -200, "the lesson is out of sight"
        button.click()
        assert 0 <= page.run(place) < 200
        assert page.run("return document.activeElement.dataset.role") == "lesson-next"
        page.look(1280, motion="reduce")
        assert not page.find("[data-role=lesson-return]").is_displayed()

    def meet(self, page, number, *acts):
        """Do what a step asks for, from a page that was opened by its link; it is done then and not before."""
        self.follow(page, f"#lesson={number}")
        assert not page.state()["lesson"]["is_done"]
        for act in acts:
            assert not page.state()["lesson"]["is_done"]
            act()
        self.wait(page, "window.bpx.state().lesson.is_done")
        assert "Done" in page.find("[data-role=lesson-goal]").text
        page.run("if (window.bpx.state().lab.playing) document.querySelector('[data-role=play]').click()")
        return page.state()

    def set_rate(self, page, rate):
        from selenium.webdriver.common.keys import Keys

        page.find("[data-role=learning-rate]").send_keys(Keys.CONTROL, "a", Keys.NULL, str(rate))

    def test_what_is_done_is_noticed(self, page):
        def train():
            self.press(page, "play")

        self.meet(page, 1, lambda: page.go_to("loss"))
        assert self.meet(page, 2, train)["lab"]["curve"]["step"][-1] >= 10_000
        self.meet(page, 3, lambda: page.choose("snapshot", "0"))
        self.meet(page, 4, lambda: self.press(page, "next"))
        assert self.meet(page, 5, train)["lab"]["curve"]["loss"][-1] < 0.1
        self.meet(page, 6, lambda: page.click("[data-view='1:1']"))
        state = self.meet(page, 7, lambda: self.set_rate(page, 50), train)
        assert max(row[0] for row in state["output"]) < 0.001
        curve = self.meet(page, 8, lambda: self.set_rate(page, 0.9), lambda: page.choose("speed", "fast"), train)
        assert curve["lab"]["curve"]["loss"][-1] < 0.01
        state = self.meet(page, 9, train)
        assert state["lab"]["curve"]["loss"][-1] == pytest.approx(np.log(2), abs=1e-9)
        assert not np.any(state["layers"][0]["gradients"]["weight"])
        assert self.meet(page, 10, train)["lab"]["curve"]["loss"][-1] < 0.3

    @pytest.mark.parametrize(
        ("end", "words"),
        [
            ("#lesson=11", "the lesson has 10 steps, not 11"),
            ("#lesson=0", "the step of the lesson is “0”"),
            ("#lesson=<b>", "the step of the lesson is “"),
            ("#lesson=2&rate=3", "a step of the lesson says all by itself"),
        ],
    )
    def test_a_broken_link_is_said(self, page, end, words):
        self.follow(page, end)
        assert words in page.find("[data-role=problem]").text
        assert page.state()["lesson"] is None
        assert page.find("h1").text == "A 2-4-1 network", "the page begins as it is"

    def test_a_link_to_a_state_ends_it(self, page):
        self.follow(page, "#lesson=4")
        page.run("location.hash = '#source=circles&hidden=3&seed=1'")
        self.wait(page, "window.bpx.state().lesson === null && window.bpx.state().lab.source === 'circles'")
        assert page.find_all(".lesson") == []

    @pytest.mark.parametrize("width", [390, 1024, 1920])
    def test_it_fits(self, page, width):
        page.look(width, motion="reduce")
        for number in range(1, 11):
            self.follow(page, f"#lesson={number}")
            page.assert_fits(width)
            top = page.run("return document.querySelector('.lesson').getBoundingClientRect().top")
            assert 0 <= top < 200, "it is in view"
