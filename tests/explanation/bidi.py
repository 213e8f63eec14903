"""Chromium and Firefox by WebDriver BiDi, https://www.w3.org/TR/webdriver-bidi/, and the page open in one of them.

Firefox speaks it itself, and needs no driver (geckodriver is in no package index). Chromium speaks it by chromedriver.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from bpx.explanation.page import render_page

TIMEOUT = 120  # seconds; axe on a machine that does much else
CHROMIUM = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --hide-scrollbars --force-prefers-reduced-motion"
)
FIREFOX = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "layout.css.prefers-color-scheme.content-override": 1,  # light
    "toolkit.telemetry.server": "",
    "ui.prefersReducedMotion": 1,
}
FORCED_COLORS = {"browser.display.document_color_use": 2}


class Connection:
    """Commands to a browser and their results; what its console says is gathered."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=TIMEOUT, suppress_origin=True)
        self.sent = 0
        self.said: list[str] = []

    def close(self) -> None:
        self.socket.close()

    def command(self, method: str, /, **params: Any) -> dict[str, Any]:
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "log.entryAdded":
                self.said.append(str(message["params"]["text"]))
            elif message.get("id") == self.sent:
                assert message["type"] == "success", f"{method}: {message['error']}: {message['message']}"
                result: dict[str, Any] = message["result"]
                return result


class Tab:
    """The page open in a browser, and the few things that tests do with it."""

    def __init__(self, connection: Connection, browser: str) -> None:
        self.connection = connection
        self.browser = browser
        self.size = (1280, 900)
        self.context = connection.command("browsingContext.getTree")["contexts"][0]["context"]
        connection.command("session.subscribe", events=["log.entryAdded"])

    def command(self, method: str, /, **params: Any) -> dict[str, Any]:
        return self.connection.command(method, context=self.context, **params)

    def look(self, width: int = 1280, height: int = 900) -> None:
        """Choose the size of the window that the next page is opened in."""
        self.size = (width, height)

    def open(self, path: Path, data: dict[str, Any], hash: str = "") -> None:
        path.write_text(render_page(data), encoding="utf-8")
        self.go_to(path.as_uri() + hash)

    def go_to(self, address: str) -> None:
        self.connection.said.clear()
        # A new tab has the focus, wherever in the old one or around it the keyboard has gone.
        before, self.context = self.context, self.connection.command("browsingContext.create", type="tab")["context"]
        self.connection.command("browsingContext.close", context=before)
        width, height = self.size
        self.command("browsingContext.setViewport", viewport={"width": width, "height": height})
        self.command("browsingContext.navigate", url=address, wait="complete")

    def enter_frame(self) -> None:
        """Go on in the first frame of the page."""
        tree = self.connection.command("browsingContext.getTree", root=self.context)
        self.context = tree["contexts"][0]["children"][0]["context"]

    def run(self, function: str, *arguments: Any) -> Any:
        """Return what a JavaScript function, which may be async, makes of arguments; all of it as JSON."""
        wrapped = f"async (text) => JSON.stringify((await ({function})(...JSON.parse(text))) ?? null)"
        result = self.connection.command(
            "script.callFunction",
            functionDeclaration=wrapped,
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self.context},
            awaitPromise=True,
        )
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"]["value"])

    def load_script(self, code: str) -> None:
        """Run a whole script, such as a library's, from outside of the page: its content policy does not apply."""
        self.connection.command(
            "script.evaluate", expression=code, target={"context": self.context}, awaitPromise=False
        )

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.run("() => window.bpx.state()")
        return state

    def press(self, *keys: str) -> None:
        """Press keys one after another; several letters are typed."""
        actions = [{"type": kind, "value": key} for text in keys for key in text for kind in ("keyDown", "keyUp")]
        self.command("input.performActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def press_together(self, modifier: str, key: str) -> None:
        presses = [("keyDown", modifier), ("keyDown", key), ("keyUp", key), ("keyUp", modifier)]
        actions = [{"type": kind, "value": value} for kind, value in presses]
        self.command("input.performActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def click(self, selector: str) -> None:
        """Click with the pointer in the middle of what a selector finds first."""
        x, y = self.run(
            """(selector) => {
              const element = document.querySelector(selector);
              element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
              const { left, top, width, height } = element.getBoundingClientRect();
              return [Math.round(left + width / 2), Math.round(top + height / 2)];
            }""",
            selector,
        )
        actions = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.command("input.performActions", actions=[{"type": "pointer", "id": "pointer", "actions": actions}])

    def give_file(self, selector: str, path: Path) -> None:
        """Choose a file in the field that a selector finds, as the system's dialog does."""
        found = self.command("browsingContext.locateNodes", locator={"type": "css", "value": selector})
        self.command("input.setFiles", element={"sharedId": found["nodes"][0]["sharedId"]}, files=[str(path)])

    def read_tree(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return what Chromium tells assistive technology, in order: role, name and properties of each part."""
        session = self.command("goog:cdp.getSession")["session"]
        method = "Accessibility.getFullAXTree"
        answer = self.connection.command("goog:cdp.sendCommand", method=method, params={}, session=session)
        return [
            (
                node["role"]["value"],
                node.get("name", {}).get("value", "").strip(),
                {each["name"]: each["value"].get("value") for each in node.get("properties", ())},
            )
            for node in answer["result"]["nodes"]
            if not node["ignored"]
        ]

    def wait(self, condition: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true."""
        became = self.run(
            f"""async (end) => {{
              while (!({condition}) && performance.now() < end) await new Promise((go) => setTimeout(go, 20));
              return Boolean({condition});
            }}""",
            self.run("() => performance.now()") + 1000 * seconds,
        )
        assert became, f"not within {seconds} s: {condition}"

    def screenshot(self, path: Path) -> None:
        data = self.command("browsingContext.captureScreenshot", origin="document")["data"]
        path.write_bytes(base64.b64decode(data))


def _find(*names: str) -> str:
    """Return the path of the first program that is installed; skip the test where none is."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return found


@contextmanager
def open_chromium(profile: Path, forced_colors: bool = False) -> Iterator[Tab]:
    """Start Chromium without a window, reduced motion wished for."""
    options = webdriver.ChromeOptions()
    options.binary_location = _find("chromium", "chromium-browser", "google-chrome")
    for flag in (*CHROMIUM.split(), f"--user-data-dir={profile}", *["--force-high-contrast"] * forced_colors):
        options.add_argument(flag)
    options.set_capability("webSocketUrl", True)
    with webdriver.Chrome(options=options, service=Service(_find("chromedriver"))) as driver:
        if forced_colors:
            features = [{"name": "forced-colors", "value": "active"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        with closing(Connection(driver.capabilities["webSocketUrl"])) as connection:
            yield Tab(connection, "chromium")


@contextmanager
def open_firefox(profile: Path, forced_colors: bool = False) -> Iterator[Tab]:
    """Start Firefox without a window, reduced motion wished for."""
    program = _find("firefox", "firefox-esr")
    settings = FIREFOX | (FORCED_COLORS if forced_colors else {})
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"HOME": str(profile)}
    )
    try:
        with closing(Connection(_read_address(process) + "/session")) as connection:
            connection.command("session.new", capabilities={})
            yield Tab(connection, "firefox")
            connection.command("browser.close")
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()  # type: ignore[union-attr]


def _read_address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stderr or ():
        said.append(line)
        if address := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
            return address[1]
    raise AssertionError("Firefox did not start:\n" + "".join(said))


BROWSERS: dict[str, Callable[..., Any]] = {"chromium": open_chromium, "firefox": open_firefox}
