"""A finished run, two of them, and a recording before anything is run: every control of the page is used."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from .conftest import Page, Start

RIGHT, HOME = "\ue014", "\ue011"


@pytest.fixture(scope="module")
def run(sample: Path, run_json: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "<b>run & co</b>"
    saved = "overlay,labels,objects,jsonl"
    run_json(sample, folder, "--size", "96", "--max-frames", 12, "--save", saved, "--masks", "objects")
    return folder


def shows(page: Page, number: int) -> bool:
    return page.text("#now").startswith(f"{number} / ")


def test_the_way_through_a_finished_run(page: Page, start: Start, run: Path) -> None:
    process, url = start("view", run)
    page.open(url)
    page.until(lambda: shows(page, 1), "no first frame")
    assert page.text("#title") == str(run)
    assert "12 (done)" in page.text("#about")
    page.press(RIGHT)
    page.until(lambda: shows(page, 2), "an arrow")
    page.click("#before")
    page.until(lambda: shows(page, 1), "before")
    page.click("#after")
    page.until(lambda: shows(page, 2), "after")
    page.find(".curve svg").click()  # its middle
    page.until(lambda: shows(page, 6) or shows(page, 7), "a curve")
    page.click("#play")
    page.until(lambda: shows(page, 12), "it does not play")
    page.until(lambda: page.text("#play") == "Play", "it does not stop at the end")
    page.press(HOME)
    page.until(lambda: shows(page, 1), "home")
    process.send_signal(signal.SIGINT)  # while the page is open
    assert process.wait(timeout=30) == 0


def test_masks_and_objects_of_a_finished_run(page: Page, start: Start, run: Path) -> None:
    _, url = start("view", run)
    page.open(url)
    page.until(lambda: shows(page, 1), "no first frame")
    lines = [json.loads(line) for line in (run / "segments.jsonl").read_text().splitlines()]
    every = {segment["id"] for line in lines for segment in line["segments"]}
    page.until(lambda: len(page.all("aside tbody tr")) == len(every), "not all ids of the run")
    drawn = {}
    for kind in ("regions", "truth", "depth", "none", "objects"):
        page.layer(kind)
        shown = "colour" if kind == "none" else kind
        page.until(lambda shown=shown: f", {shown}," in page.find("canvas").get_attribute("aria-label"), kind)
        drawn[kind] = page.pixels()
    masks = cv2.imread(str(min((run / "objects").iterdir())), cv2.IMREAD_COLOR).any(axis=2)
    tinted = (drawn["objects"] != drawn["none"]).any(axis=2)
    assert tinted[masks].mean() > 0.98
    assert tinted[~masks].mean() < 0.03  # contours

    page.click("aside .id")
    chosen = int(page.text("aside .id"))
    present = sum(any(segment["id"] == chosen for segment in line["segments"]) for line in lines)
    page.until(lambda: f"{present} of 12 frames" in page.text(".details"), "its track")
    assert re.search(r"usual size\n\d+ × \d+ × \d+ cm", page.text(".details"))
    assert {f"area of id {chosen}", f"distance of id {chosen}"} <= {one.text for one in page.all(".curve span")}
    assert page.cut_off(390) == []
    assert page.cut_off(1280) == []
    page.click("aside .id")
    page.click("aside tbody tr button.small")
    assert (page.pixels() != drawn["objects"]).any()
    page.click("aside > button.small")
    page.slide("#opacity", 100)
    before = len(list(page.downloads.iterdir()))
    page.click("#snapshot")
    page.snapshots(before + 1)
    assert page.loaded_elsewhere() == []
    assert page.errors() == []


def test_two_runs_side_by_side(page: Page, start: Start, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"  # as with --every 2 --save labels
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("objects", "segments.jsonl", "overlay.mp4"))
    for mask in sorted((other / "labels").iterdir())[1::2]:
        mask.unlink()
    _, url = start("view", run, other)
    page.open(url)
    page.until(lambda: shows(page, 1), "no first frame")
    assert [one.text for one in page.all(".stage h2")] == [str(run), str(other)]
    page.slide("#place", 10)
    page.until(lambda: shows(page, 11), "the scrubber")
    labels = [one.get_attribute("aria-label").split(",")[0] for one in page.all("canvas")]
    assert labels[0] == labels[1]  # frame 5 of the other is the same moment
    assert page.cut_off(390) == []
    page.until(lambda: any(re.search(r"(\d) \| \1 ", one.text) for one in page.all(".curve")), "no curve of both ks")
    assert page.errors() == []


def test_a_recording_before_anything_is_run(page: Page, start: Start, sample: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(sample, clip, ignore=shutil.ignore_patterns("masks"))
    pictures, depths = (sorted((clip / kind).iterdir()) for kind in ("rgb", "depth"))
    pictures[3].write_bytes(b"no picture")
    depths[5].unlink()
    _, url = start("view", clip)
    page.open(url)
    page.until(lambda: "24 frames of 640x480" in page.text("#about"), "no facts")
    page.until(lambda: "1 × broken" in page.text("#about"), "the broken frame is not told")
    assert re.search(r"1 × without depth|1 frames cannot be used", page.text("#about"))
    page.layer("depth")
    page.until(lambda: "no reading" in page.text("figcaption"), "no depth")
    page.slide("#place", 3)
    page.until(lambda: "cannot be shown" in page.text("figcaption"), "a broken frame")
    assert {one.text for one in page.all(".curve span")} >= {"time from frame to frame", "pixels with a depth reading"}
    assert page.loaded_elsewhere() == []
