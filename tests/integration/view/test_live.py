"""A run while it goes on: every control of its page is used, as a person would. The tests go on from one another."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from .conftest import Page, Start

LOOPS = 300


def looped(clip: Path, folder: Path) -> Path:
    """The TUM recording `clip`, LOOPS times forth and back, as links."""
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
        rows = [line.split() for line in (clip / f"{kind}.txt").read_text().splitlines() if line[0] != "#"]
        lines = []
        for loop in range(LOOPS):
            for (stamp, _), (_, name) in zip(rows, rows[:: (-1) ** loop], strict=True):
                later = f"{float(stamp) + 3 * loop:.6f}"
                (folder / kind / f"{later}.png").symlink_to(clip / name)
                lines.append(f"{later} {kind}/{later}.png")
        (folder / f"{kind}.txt").write_text("\n".join(lines))
    shutil.copy(clip / "intrinsics.txt", folder)
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live") / "out"


@pytest.fixture(scope="module")
def run(page: Page, start: Start, sample: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    """A run whose page is open and shows it."""
    clip = looped(sample, output.parent / "<i>loop</i>")
    process, url = start("run", clip, "--size", "96", "--masks", "objects", "--view", "browser", "-o", output)
    page.open(url)
    page.until(lambda: page.text("#status") == "live", "nothing comes")
    page.until(lambda: len(page.all("#objects .id")) > 2, "no objects")
    return process


@pytest.fixture
def paused(page: Page, run: object) -> Iterator[np.ndarray]:
    """The page, paused on a frame with its objects; gives the picture."""
    page.layer("objects")
    page.click("#pause")
    page.until(lambda: page.text("#status").startswith("paused"), "no pause")
    time.sleep(0.3)  # what was under way
    yield page.pixels()
    page.click("#pause")
    page.until(lambda: page.text("#status") == "live", "it stays paused")


@pytest.mark.usefixtures("run")
def test_it_shows_the_run(page: Page) -> None:
    assert page.text("#title").endswith("/<i>loop</i>")  # as text, not as an element
    rate = page.until(lambda: re.fullmatch(r"[\d.]+", page.text("#fps")), "no rate")
    assert float(rate.group()) > 0
    assert re.fullmatch(r"\d+ ms", page.text("#latency"))
    assert re.search(r"\d %\s.*\d\.\d\d m", page.text("#objects tbody tr"))
    name = page.text("#name")
    page.until(lambda: page.text("#name") != name, "it stands still")


def test_a_pause_has_all_layers_of_its_frame(page: Page, paused: np.ndarray) -> None:
    name = page.text("#name")
    drawn = {}
    for kind in ("regions", "panoptic", "depth", "none", "objects"):
        page.layer(kind)
        drawn[kind] = page.pixels()
    assert np.array_equal(drawn.pop("objects"), paused)
    pictures = [paused, *drawn.values()]
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])
    assert page.text("#name") == name
    page.slide("#opacity", 100)
    full = (page.pixels() != drawn["none"]).any(axis=2).mean()
    page.slide("#opacity", 0)
    contours = (page.pixels() != drawn["none"]).any(axis=2).mean()
    page.slide("#opacity", 50)
    assert 0 < contours < full / 2
    page.click("#snapshot")
    (snapshot,) = page.snapshots(1)
    assert snapshot.name == f"streamseg-{name}-objects.png"
    assert np.array_equal(cv2.imread(str(snapshot)), paused)


def test_an_object_is_chosen_and_hidden(page: Page, paused: np.ndarray) -> None:
    first = page.text("#objects .id")
    page.click("#objects .id")
    assert f"Id {first}\n" in page.text(".details")
    assert re.search(r"distance\n\d\.\d\d m\nsize\n\d+ × \d+ × \d+ cm", page.text(".details"))
    assert re.search(r"score\n[01]\.\d\d", page.text(".details"))
    assert (page.pixels() != paused).any()  # the others are paler
    page.click("#objects .id")
    page.click("#objects tbody tr button.small")
    assert page.text("#objects tbody tr button.small") == "Show"
    hidden = page.pixels()
    changed = (hidden != paused).any(axis=2).astype(np.uint8)
    while cv2.countNonZero(inside := cv2.erode(changed, np.ones((3, 3)))):
        changed = inside
    rows, columns = np.nonzero(changed)  # what lies deepest in the one that was hidden
    page.click("#objects > button.small")  # show all
    assert np.array_equal(page.pixels(), paused)
    page.click_at(columns[0] + 0.5, rows[0] + 0.5)
    assert page.text(".details").startswith("Id ")
    page.click("tr.selected .id")
    assert np.array_equal(page.pixels(), paused)


@pytest.mark.usefixtures("run")
def test_k_is_steered(page: Page) -> None:
    # the knee may choose another k between what we read and what we click: only what is wished stands still
    page.click("#more")
    more = int(page.text("#wish"))
    page.until(lambda: int(page.text("#k")) == more, f"k does not become {more}")
    page.click("#fewer")
    assert int(page.text("#wish")) == more - 1
    page.until(lambda: int(page.text("#k")) == more - 1, f"k does not become {more - 1}")
    page.click("#auto")
    page.until(lambda: page.text("#wish") == "auto", "auto")
    page.click("#recluster")


@pytest.mark.usefixtures("run")
def test_keys_do_what_buttons_do(page: Page) -> None:
    page.press("1")
    page.until(lambda: page.find("input[value=regions]").is_selected(), "key 1")
    page.press(" ")
    page.until(lambda: page.text("#pause") == "Resume", "the space bar")
    page.press(" ")
    page.until(lambda: page.text("#pause") == "Pause", "the space bar")
    page.press("s")
    assert len(page.snapshots(2)) == 2
    page.press("+")
    wish = int(page.text("#wish"))
    page.until(lambda: int(page.text("#k")) == wish, "plus")


@pytest.mark.usefixtures("run")
def test_it_fits_a_phone_and_loads_nothing_from_elsewhere(page: Page) -> None:
    assert page.cut_off(390) == []
    assert page.cut_off(1280) == []
    assert page.loaded_elsewhere() == []
    assert page.errors() == []


def test_ctrl_c_ends_it_while_the_page_is_open(page: Page, run: subprocess.Popen[str], output: Path) -> None:
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    page.until(lambda: page.text("#status") == "the run has ended", "the end is not told")
    drawn = []
    for kind in ("objects", "regions", "panoptic", "depth", "none"):  # the last frame, without the server
        page.layer(kind)
        drawn.append(page.pixels())
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
    assert not any(page.find(name).is_enabled() for name in ("#pause", "#fewer", "#more", "#auto", "#recluster"))
    result = json.loads((output / "run.json").read_text())
    assert result["status"] == "interrupted"
    assert "hand" in {entry["by"] for entry in result["k"]}
