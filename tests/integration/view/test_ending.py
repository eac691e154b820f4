"""The end of a run that a page does not follow, because it is hidden or paused: it has the last frame nevertheless."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .conftest import Page, Start
from .test_live import looped


@pytest.mark.parametrize("how", ["hidden", "paused"])
def test_the_last_frame_comes_without_the_server(
    how: str, page: Page, start: Start, sample: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    clip = looped(sample, tmp_path / "loop")
    run, url = start("run", clip, "--size", "96", "--save", "objects", "--view", "browser", "-o", output)
    page.open(url)
    page.until(lambda: page.text("#status") == "live" and page.text("#name"), "nothing comes")
    driver, size = page.driver, page.driver.get_window_size()
    if how == "hidden":
        driver.minimize_window()
        page.until(lambda: driver.execute_script("return document.hidden"), "the page is not hidden")
    else:
        page.click("#pause")
        page.until(lambda: page.text("#status").startswith("paused"), "no pause")
    name = driver.execute_script("return document.getElementById('name').textContent")
    page.until(lambda: len(list((output / "objects").glob("*.png"))) > 20, "the run stands still")
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    if how == "hidden":
        driver.set_window_size(size["width"], size["height"])
    else:
        page.until(lambda: page.text("#status") == "paused here; the run has ended", "the end is not told")
        assert page.text("#name") == name
        page.click("#pause")
    page.until(lambda: page.text("#status") == "the run has ended", "the last frame does not come")
    last = max(path.stem for path in (output / "objects").glob("*.png"))
    assert page.text("#name") == last != name
    page.layer("depth")
    assert page.pixels().any()
