from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.features.extractor import FeatureFrame
from streamseg.features.flow import Way
from streamseg.features.scenes import STEADY
from streamseg.frame import Frame
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.stages import RESTART_AFTER, StartFrames
from streamseg.runtime.stream import stream
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording

from ..objects.conftest import make_salient  # noqa: F401 (a fixture)

RANDOM = np.random.default_rng(0)


def seen(index: int, content: bool, is_key: bool = True) -> FeatureFrame:
    rgb = RANDOM.integers(0, 12, (48, 64, 3), dtype=np.uint8)  # the noise of a sensor
    if content:
        rgb[10:30, 10:40] = 200
    features: Any = np.zeros((2, 3, 4), np.float32)
    way = None if is_key else Way(np.zeros((3, 4, 2), np.float32), np.zeros((3, 4), np.uint8))
    return FeatureFrame(Frame(index, str(index), 0.0, rgb), features, None, None, {}, way=way)


def test_a_session_starts_on_the_frames_that_show_something() -> None:
    frames = [seen(i, i > 4) for i in range(8)]
    start_frames = StartFrames()
    assert start_frames.first(frames) == frames[5:]
    assert not any(start_frames.next(seen(i, True)) for i in range(20))


def test_after_a_start_on_nothing_it_starts_again_as_soon_as_there_is_something() -> None:
    start_frames = StartFrames()
    black = [seen(i, False) for i in range(8)]
    assert start_frames.first(black) == black
    assert start_frames.next(seen(8, False)) == []
    started = [len(start_frames.next(seen(i, True, is_key=i % 2 == 0))) for i in range(10, 40)]
    assert [n for n in started if n] == list(RESTART_AFTER)
    assert started[0] == 1


def test_a_session_that_shows_nothing_at_all_goes_on_as_it_started() -> None:
    start_frames = StartFrames()
    assert not any(start_frames.next(seen(i, False)) for i in range(50))


Masks = dict[str, list[np.ndarray]]
JOINS = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def place(seed: int, count: int, tint: int = 0) -> list[np.ndarray]:
    """Two coloured things that drift before a wall with stripes of its own, which stand or, with a tint, lie: standing
    ones may be alike by chance. tint: the channel of the wall's colour."""
    random = np.random.default_rng(seed)
    stripes = random.integers(40, 180, 40)[:, None].repeat(4, 1).ravel()
    wall = stripes[:120, None].repeat(160, 1) if tint else stripes[None].repeat(120, 0)
    wall = (wall[..., None] + 50 * (np.arange(3) == tint)).astype(np.uint8)
    hues = random.permutation(6)[:2] * 30
    pictures = []
    for i in range(count):
        rgb = wall.copy()
        for hue, (x, y), radius in zip(hues, [(40, 40), (110, 80)], random.permutation([18, 30]), strict=True):
            colour = cv2.cvtColor(np.array([[[hue, 230, 220]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
            cv2.circle(rgb, (x + i % 12, y), int(radius), colour, -1)
        pictures.append(rgb)
    return pictures


class Played(Recording):
    uri, kind, fps = "played", "played", 25.0

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def name_of(self, index: int) -> str:
        return f"{index:05d}"

    def __getitem__(self, index: int) -> Frame:
        return Frame(index, self.name_of(index), index / 25, self.pictures[index])


class Seen(LiveSource):
    uri, kind, fps = "seen", "seen", 25.0

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.recording = Played(pictures)

    def __iter__(self) -> Iterator[Frame]:
        return (self.recording[i] for i in range(len(self.recording)))


class Kept(Sink):
    def __init__(self) -> None:
        self.masks: Masks = {"regions": [], "objects": []}

    def write(self, frame: Frame, segmentation: Any) -> None:
        self.masks["regions"].append(segmentation.regions)
        self.masks["objects"].append(segmentation.objects)

    def close(self) -> None: ...


def streamed(segmenter: Segmenter, source: Recording | LiveSource) -> Masks:
    segmenter.reset()
    sink = Kept()
    stream(source, segmenter, [sink], policy="all")
    return sink.masks


def stepped(segmenter: Segmenter, pictures: list[np.ndarray]) -> Masks:
    """As the Python API does."""
    segmenter.reset()
    found = [segmenter.step(segmenter.plan(Played(pictures)[i])) for i in range(len(pictures))]
    return {"regions": [one.regions for one in found], "objects": [one.objects for one in found]}


def ids(masks: list[np.ndarray]) -> set[int]:
    return set(np.unique(np.stack(masks)).tolist()) - {0, 255}


def same_but_for_ids(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Whether the masks are the same, each id under one other name."""
    pairs = set(zip(np.stack(some).ravel().tolist(), np.stack(others).ravel().tolist()))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@JOINS
@given(st.integers(0, 10**6), st.integers(STEADY, 12), st.booleans())
def test_after_a_cut_masks_are_those_of_a_session_that_starts_there(
    make_salient,  # noqa: F811
    seed: int,
    at: int,
    live: bool,
) -> None:
    first, second = place(seed, at), place(seed + 1, 10, tint=2)
    segmenter = make_salient()
    joined = stepped(segmenter, first + second) if live else streamed(segmenter, Played(first + second))
    assert segmenter.scene_cuts == [{"frame": at, "scene": 2}]
    assert f"at frame {at}:" in segmenter.notes[0]
    alone = stepped(segmenter, second) if live else streamed(segmenter, Played(second))
    assert segmenter.scene_cuts == []
    for kind in ("regions", "objects"):
        assert same_but_for_ids(joined[kind][at:], alone[kind])
        assert not ids(joined[kind][:at]) & ids(joined[kind][at:])  # no id is given twice


def test_a_live_source_starts_anew_at_once(make_segmenter) -> None:
    first, second, segmenter = place(5, 9), place(8, 9, tint=2), make_segmenter(k=4)
    joined = streamed(segmenter, Seen(first + second))
    assert segmenter.scene_cuts == [{"frame": 9, "scene": 2}]
    assert same_but_for_ids(joined["regions"][9:], stepped(segmenter, second)["regions"])


def test_a_scene_that_comes_back_has_its_ids_again(make_salient) -> None:  # noqa: F811
    first, second, segmenter = place(5, 18), place(8, 9, tint=2), make_salient()
    joined = streamed(segmenter, Played(first[:9] + second + first[9:]))
    assert segmenter.scene_cuts == [{"frame": 9, "scene": 2}, {"frame": 18, "scene": 1}]
    for kind in ("regions", "objects"):
        assert ids(joined[kind][18:]) == ids(joined[kind][:9])


@pytest.mark.parametrize("live", [False, True])
def test_a_flash_is_no_cut(make_segmenter, live: bool) -> None:
    pictures, segmenter = place(5, 18), make_segmenter(k=4)
    calm = streamed(segmenter, Seen(pictures) if live else Played(pictures))
    flashed = [*pictures[:9], place(8, 1, tint=2)[0], *pictures[10:]]
    masks = streamed(segmenter, Seen(flashed) if live else Played(flashed))
    assert segmenter.scene_cuts == []
    assert ids(masks["regions"][10:]) == ids(calm["regions"][10:])
    assert np.mean(np.stack(masks["regions"][10:]) != np.stack(calm["regions"][10:])) < 0.1


def test_cuts_may_be_left_alone(make_segmenter) -> None:
    segmenter = make_segmenter(k=4, scene_cuts="ignore")
    masks = streamed(segmenter, Played(place(5, 9) + place(8, 9, tint=2)))
    assert segmenter.scene_cuts == []
    assert ids(masks["regions"][:9]) & ids(masks["regions"][9:])
