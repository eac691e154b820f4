"""The page: it loads no other files, shows the figures, and its curve has the knee in the right place."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from streamseg.evaluation.gallery import SIDE, Gallery
from streamseg.evaluation.page import curve, page
from streamseg.evaluation.sequence import FIGURES
from streamseg.frame import Frame, Segmentation

SVG = "{http://www.w3.org/2000/svg}"


def gallery_of(values: list[float], objects: bool = True) -> Gallery:
    gallery = Gallery()
    for index, value in enumerate(values):
        frame = Frame(index, f"frame<{index}>", 0.0, np.full((60, 80, 3), 40 * index, np.uint8))
        ids = np.ones((60, 80), np.uint8)
        found = Segmentation(ids, k=1, objects=ids if objects else None)
        gallery.observe(frame, found, ids, {"free": value} if objects else {"best": value})
    return gallery


def svg(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" '))


def result(gallery: Gallery, name: str = "cat & <dog>") -> dict[str, Any]:
    figures = {key: {"mean": 0.625, "std": 0.0} for key in FIGURES}
    shape = {"k": [2, 3, 4], "distortion": [9.0, 4.0, 3.5], "knee": 3, "by": "knee"}
    sequence = {"name": name, "frames": 3, "figures": figures, "unscored": {}, "missing": [], "gallery": gallery}
    return {
        "seeds": [0],
        "models": [{"model": "some net", "mean": figures, "sequences": [sequence | {"curve": shape}]}],
    }


class Reader(HTMLParser):
    """Sources of pictures and text, as a browser would find them."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_valid_and_loads_no_other_files() -> None:
    text = page(result(gallery_of([0.5, 0.1, 0.9])), "title & more")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert len(reader.sources) == 8  # best and worst: frame, truth, segments, objects
    assert all(source.startswith("data:image/") for source in reader.sources)
    assert not re.search(r"https?://|url\(|@import", text)
    assert 'name="viewport" content="width=device-width' in text  # or a phone shows it too small to read
    for shown in ("title & more", "cat & <dog>", "worst: frame<1>", "0.100", "best: frame<2>", "0.900", ".625"):
        assert shown in reader.text


def test_without_objects_the_best_region_decides() -> None:
    text = page(result(gallery_of([0.5, 0.1], objects=False)), "title")
    assert "IoU of the best region 0.100" in text
    assert text.count("<img") == 6


def test_gallery_keeps_small_pictures_of_the_extremes() -> None:
    gallery = gallery_of([0.4, 0.7, 0.2, 0.5])
    assert gallery.best is not None
    assert gallery.worst is not None
    assert (gallery.best.value, gallery.worst.value) == (0.7, 0.2)
    assert max(gallery.best.rgb.shape) == SIDE
    assert gallery.best.truth.shape == gallery.best.rgb.shape


@pytest.mark.parametrize("knee", [2, 5, 6, 9, 10])
@pytest.mark.parametrize("by", ["knee", "chord"])
def test_the_label_of_the_knee_is_in_the_picture_and_above_the_curve(knee: int, by: str) -> None:
    ks = list(range(2, 11))
    root = svg(curve(ks, [1 / k for k in ks], knee, by))
    (label,) = (text for text in root.iter(f"{SVG}text") if "k = " in str(text.text))
    start, bottom = float(str(label.get("x"))), float(str(label.get("y")))
    end = start + 5.5 * len(str(label.text))
    assert 0 < start < end < float(str(root.get("width")))
    (line,) = root.iter(f"{SVG}polyline")
    xs, ys = zip(*(map(float, point.split(",")) for point in str(line.get("points")).split()))
    under = np.interp(np.linspace(start, end, 50), xs, ys)
    assert (under > bottom).all()


def test_a_wide_range_of_k_names_only_some() -> None:
    ks = list(range(2, 65))
    root = svg(curve(ks, [1 / k for k in ks], 5, "knee"))
    named = [text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "middle"]
    assert 10 < len(named) <= 20
    assert named[0].text == "2"


@pytest.mark.parametrize("knee", [2, 5, 10])
def test_the_knee_is_marked_on_the_curve(knee: int) -> None:
    ks = list(range(2, 11))
    values = [1 / k for k in ks]
    root = svg(curve(ks, values, knee, "knee"))
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.get("r") == "2.5"]
    (mark,) = (dot for dot in root.iter(f"{SVG}circle") if dot.get("r") == "6")
    assert len(dots) == len(ks)
    assert (mark.get("cx"), mark.get("cy")) == (dots[knee - 2].get("cx"), dots[knee - 2].get("cy"))
    heights = [float(str(dot.get("cy"))) for dot in dots]
    assert heights == sorted(heights)  # down the page as the distortion falls
    assert f"k = {knee}" in "".join(root.itertext())


def test_a_range_of_one_k_can_be_drawn() -> None:
    assert "k = 4" in curve([4], [2.0], 4, "only")


def test_pictures_are_rgb() -> None:
    gallery = Gallery()
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 0] = 255
    ids = np.ones((60, 80), np.uint8)
    gallery.observe(Frame(0, "red", 0.0, red), Segmentation(ids, k=1), ids, {"best": 1.0})
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page(result(gallery), "t"))[:1]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture[30, 40, 2] > 240  # OpenCV's own order: blue, green, red
    assert picture[30, 40, 0] < 15
