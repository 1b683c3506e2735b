"""Looks at pages in headless Chromium, and notes whatever they do beside being shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
)
# What a page would do at once, such as loading a picture, is done by then.
_A_WHILE = "new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))"


@dataclass
class Page:
    """A page as it was shown. `text`: what a reader sees; `deeds`: all that it did beside."""

    text: str = ""
    deeds: list[str] = field(default_factory=list)


@dataclass
class Browser:
    """A tab of a running Chromium."""

    connection: ClientConnection
    session: str = ""
    _number: int = 0
    _page: Page = field(default_factory=Page)

    def open(self, path: Path) -> Page:
        """Show the page in a file."""
        self._page = Page()
        self.ask("Page.navigate", url=path.as_uri())
        self._wait_for("Page.loadEventFired")
        self.ask("Runtime.evaluate", expression=_A_WHILE, awaitPromise=True)
        shown = self.ask("Runtime.evaluate", expression="document.body.innerText")
        self._page.text = shown["result"]["value"]
        return self._page

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; returns its result."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            asked["sessionId"] = self.session
        self.connection.send(json.dumps(asked))
        while (said := self._hear()).get("id") != asked["id"]:
            pass
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    def _wait_for(self, event: str) -> None:
        while self._hear().get("method") != event:
            pass

    def _hear(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.connection.recv(timeout=120))
        method, parameters = said.get("method", ""), said.get("params", {})
        if method == "Page.javascriptDialogOpening":
            self._page.deeds.append(f"dialog: {parameters['message']}")
            close = {"method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            self.connection.send(json.dumps({"id": 0, "sessionId": self.session, **close}))
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if parameters["type"] != "Document" or not url.startswith("file:"):
                self._page.deeds.append(f"request: {url}")
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self._page.deeds.append(f"console: {json.dumps(parameters)[:500]}")
        return said


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A Chromium of its own; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here: the pages are not looked at")
    process = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if address := re.search(r"listening on (ws://\S+)", line):
                break
        else:
            pytest.skip(f"Chromium does not start here: {said[-300:]}")
        with connect(address[1], max_size=None) as connection:
            browser = Browser(connection)
            tab = browser.ask("Target.createTarget", url="about:blank")["targetId"]
            attached = browser.ask("Target.attachToTarget", targetId=tab, flatten=True)
            browser.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                browser.ask(f"{domain}.enable")
            yield browser
            with suppress(Exception):
                browser.ask("Browser.close")
    finally:
        process.terminate()
        process.wait(timeout=60)
