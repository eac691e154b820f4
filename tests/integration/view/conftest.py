"""The pages in a real browser, over the real command."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from ..conftest import ROOT

PROGRAMS = {
    "browser": next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None),
    "driver": shutil.which("chromedriver"),
}
PATIENCE = 60
"""Seconds: machines that do many things at once are slow."""

Start = Callable[..., tuple[subprocess.Popen[str], str]]


class Page(NamedTuple):
    """A page in the browser, and how to use it."""

    driver: Any
    downloads: Path

    def open(self, url: str) -> None:
        self.errors()  # of the page before
        self.driver.get(url)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def click_at(self, column: float, row: float) -> None:
        """A place in the picture, in pixels of the canvas."""
        script = """const c = document.querySelector('canvas'), box = c.getBoundingClientRect();
            const at = {clientX: box.x + box.width * arguments[0] / c.width,
                        clientY: box.y + box.height * arguments[1] / c.height};
            c.dispatchEvent(new MouseEvent('click', at));"""
        self.driver.execute_script(script, column, row)

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def layer(self, kind: str) -> None:
        self.click(f"#layers label:has(input[value={kind}])")

    def press(self, key: str) -> None:
        self.find("body").send_keys(key)

    def slide(self, selector: str, value: int) -> None:
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.driver.execute_script(script, self.find(selector), value)

    def until(self, what: Callable[[], Any], why: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError(f"{why}; the page says {self.text('#status')!r}, {self.driver.get_log('browser')}")

    def pixels(self) -> np.ndarray:
        """(H, W, 3) BGR of what is drawn."""
        script = "return document.querySelector('canvas').toDataURL('image/png').split(',')[1]"
        data = np.frombuffer(base64.b64decode(self.driver.execute_script(script)), np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))

    def snapshots(self, count: int) -> list[Path]:
        found = self.until(lambda: len(done := sorted(self.downloads.glob("*.png"))) >= count and done, "no snapshot")
        return list(found)

    def loaded_elsewhere(self) -> list[str]:
        """What the page loaded from anywhere but its own server."""
        names = self.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
        own = self.driver.execute_script("return location.origin")
        return [name for name in names if not name.startswith((own, "blob:"))]

    def cut_off(self, width: int) -> list[str]:
        """What is wider than its place in a window of so many pixels, by class or tag."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            return list(self.driver.execute_script(
                "return [...document.querySelectorAll('html, aside, .scroll, .card, .curve, .tools, .timeline')]"
                ".filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className || one.tagName)"
            ))  # fmt: skip
        finally:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def errors(self) -> list[Any]:
        return [line for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests; they are skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[test]'")
    missing = [name for name, path in PROGRAMS.items() if path is None]
    if missing:
        pytest.skip(f"needs Chromium; no {' and no '.join(missing)} here (Debian: chromium, chromium-driver)")
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS["browser"]
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1200,1000"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(PROGRAMS["driver"]))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    yield Page(driver, downloads)
    driver.quit()


@pytest.fixture(scope="module")
def start(environment: dict[str, str]) -> Iterator[Start]:
    """start("run", ...): the process, and the address that it prints."""
    running: list[subprocess.Popen[str]] = []

    def call(*args: object) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "streamseg", *map(str, args), "--port", "0"]
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                return process, found[0]
        raise AssertionError("no address was printed")

    yield call
    for process in running:
        process.kill()
        process.wait()
