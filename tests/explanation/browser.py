"""Chromium, and the page open in it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from bpx.explanation.page import render_page

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --hide-scrollbars --window-size=1280,900"
)
Data = dict[str, Any]


@contextmanager
def open_browser(profile: Path) -> Iterator[Any]:
    """Start Chromium without a window; skip the test where it is not installed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    service = shutil.which("chromedriver")
    if browser is None or service is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(service)) as driver:
        driver.set_script_timeout(120)  # axe on a machine that does much else
        yield driver


class Page:
    """The page open in the browser, and the few things that tests do with it."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        self.look()

    def look(self, width: int = 1280, scheme: str = "light", motion: str = "no-preference", height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, data: Data) -> Page:
        path = self.folder / "page.html"
        path.write_text(render_page(data), encoding="utf-8")
        self.driver.get(path.as_uri())
        return self

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def state(self) -> Data:
        state: Data = self.run("return window.bpx.state()")
        return state

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[Any]:
        elements: list[Any] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return elements

    def click(self, target: Any) -> None:
        """Click an element or what a selector finds first, in the middle of the window, clear of the fixed bars."""
        element = self.find(target) if isinstance(target, str) else target
        self.run("arguments[0].scrollIntoView({ block: 'center', inline: 'nearest' })", element)
        element.click()

    def unfold(self, selector: str) -> None:
        """Click the summary of a part that is folded, and wait for the event that tells the page, which comes later."""
        script = """
        const part = arguments[0].parentElement;
        window.unfolded = new Promise((heard) => part.addEventListener("toggle", heard, { once: true }));
        """
        self.run(script, self.find(selector))
        self.click(selector)
        self.driver.execute_async_script("const done = arguments[0]; window.unfolded.then(() => done())")

    def number(self, selector: str) -> float:
        """The number that an element shows, to its last digit."""
        return float(self.find(selector).get_attribute("data-value"))

    def choose(self, role: str, value: str) -> None:
        script = "return [...arguments[0].options].find((option) => option.value === arguments[1])"
        option = self.run(script, self.find(f"[data-role={role}]"), value)
        assert option is not None, f"{role} has no option {value!r}"
        option.click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def go_to(self, kind: str, layer: int | None = None) -> None:
        """Go to the first step of a kind, by the page's own buttons."""
        script = """
        const [kind, layer] = arguments;
        document.querySelector("[data-part=forward]").click();
        for (let n = window.bpx.state().step.count; n > 0; n -= 1) {
          const { step } = window.bpx.state();
          if (step.kind === kind && (layer === null || layer === step.layer)) return true;
          document.querySelector("[data-role=next]").click();
        }
        return false;"""
        assert self.run(script, kind, layer), f"no step {kind} of layer {layer}"

    def assert_fits(self, width: int) -> None:
        assert self.run("return document.documentElement.scrollWidth") == width, "nothing sticks out sideways"

    def screenshot(self, path: Path) -> None:
        options = {"captureBeyondViewport": True, "format": "png"}
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))
