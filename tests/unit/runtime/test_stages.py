from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.features.extractor import FeatureFrame
from streamseg.features.flow import FlowToKeyframe
from streamseg.features.scenes import STEADY
from streamseg.frame import Frame
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.stages import RESTART_AFTER, StartFrameSelector
from streamseg.runtime.stream import stream
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording

from ..objects.conftest import make_salient  # noqa: F401 (a fixture)

RANDOM = np.random.default_rng(0)


def feature_frame(index: int, content: bool, is_key: bool = True) -> FeatureFrame:
    rgb = RANDOM.integers(0, 12, (48, 64, 3), dtype=np.uint8)  # the noise of a sensor
    if content:
        rgb[10:30, 10:40] = 200
    features: Any = np.zeros((2, 3, 4), np.float32)
    way = None if is_key else FlowToKeyframe(np.zeros((3, 4, 2), np.float32), np.zeros((3, 4), np.uint8))
    return FeatureFrame(Frame(index, str(index), 0.0, rgb), features, None, None, {}, to_keyframe=way)


def test_a_session_starts_on_the_frames_that_show_something() -> None:
    frames = [feature_frame(i, i > 4) for i in range(8)]
    selector = StartFrameSelector()
    assert selector.first(frames) == frames[5:]
    assert not any(selector.next(feature_frame(i, True)) for i in range(20))


def test_after_a_start_on_black_frames_it_starts_again_on_the_first_useful_ones() -> None:
    selector = StartFrameSelector()
    black = [feature_frame(i, False) for i in range(8)]
    assert selector.first(black) == black
    assert selector.next(feature_frame(8, False)) == []
    started = [len(selector.next(feature_frame(i, True, is_key=i % 2 == 0))) for i in range(10, 40)]
    assert [n for n in started if n] == list(RESTART_AFTER)
    assert started[0] == 1


def test_a_session_of_black_frames_never_starts_again() -> None:
    selector = StartFrameSelector()
    assert not any(selector.next(feature_frame(i, False)) for i in range(50))


Masks = dict[str, list[np.ndarray]]
JOINS = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def place(seed: int, count: int, tint: int = 0) -> list[np.ndarray]:
    """Two coloured discs that drift in front of a striped wall.

    tint: the colour channel of the wall. The stripes are horizontal with a tint, else vertical, so that two walls are
    never alike by chance.
    """
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


class ArrayRecording(Recording):
    uri, kind, fps = "arrays", "arrays", 25.0

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def name_of(self, index: int) -> str:
        return f"{index:05d}"

    def __getitem__(self, index: int) -> Frame:
        return Frame(index, self.name_of(index), index / 25, self.pictures[index])


class ArrayLiveSource(LiveSource):
    uri, kind, fps = "arrays", "arrays", 25.0

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.recording = ArrayRecording(pictures)

    def __iter__(self) -> Iterator[Frame]:
        return (self.recording[i] for i in range(len(self.recording)))


class MaskSink(Sink):
    def __init__(self) -> None:
        self.masks: Masks = {"regions": [], "objects": []}

    def write(self, frame: Frame, segmentation: Any) -> None:
        self.masks["regions"].append(segmentation.regions)
        self.masks["objects"].append(segmentation.objects)

    def close(self) -> None: ...


def masks_of_stream(segmenter: Segmenter, source: Recording | LiveSource) -> Masks:
    segmenter.reset()
    sink = MaskSink()
    stream(source, segmenter, [sink], policy="all")
    return sink.masks


def masks_of_steps(segmenter: Segmenter, pictures: list[np.ndarray]) -> Masks:
    """Return the masks of single steps, as in the Python API."""
    segmenter.reset()
    found = [segmenter.step(segmenter.plan(ArrayRecording(pictures)[i])) for i in range(len(pictures))]
    return {"regions": [one.regions for one in found], "objects": [one.objects for one in found]}


def ids(masks: list[np.ndarray]) -> set[int]:
    return set(np.unique(np.stack(masks)).tolist()) - {0, 255}


def equal_up_to_ids(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Return whether the masks are equal after the ids of one are renamed."""
    pairs = set(zip(np.stack(first).ravel().tolist(), np.stack(second).ravel().tolist()))
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
    both, segmenter = first + second, make_salient()
    joined = masks_of_steps(segmenter, both) if live else masks_of_stream(segmenter, ArrayRecording(both))
    assert segmenter.scene_cuts == [{"frame": at, "scene": 2}]
    assert f"at frame {at}:" in segmenter.notes[0]
    alone = masks_of_steps(segmenter, second) if live else masks_of_stream(segmenter, ArrayRecording(second))
    assert segmenter.scene_cuts == []
    for kind in ("regions", "objects"):
        assert equal_up_to_ids(joined[kind][at:], alone[kind])
        assert not ids(joined[kind][:at]) & ids(joined[kind][at:])  # no id is used twice


def test_a_live_source_starts_a_new_scene_at_once(make_segmenter) -> None:
    first, second, segmenter = place(5, 9), place(8, 9, tint=2), make_segmenter(k=4)
    joined = masks_of_stream(segmenter, ArrayLiveSource(first + second))
    assert segmenter.scene_cuts == [{"frame": 9, "scene": 2}]
    assert equal_up_to_ids(joined["regions"][9:], masks_of_steps(segmenter, second)["regions"])


def test_a_scene_that_comes_back_has_its_ids_again(make_salient) -> None:  # noqa: F811
    first, second, segmenter = place(5, 18), place(8, 9, tint=2), make_salient()
    joined = masks_of_stream(segmenter, ArrayRecording(first[:9] + second + first[9:]))
    assert segmenter.scene_cuts == [{"frame": 9, "scene": 2}, {"frame": 18, "scene": 1}]
    for kind in ("regions", "objects"):
        assert ids(joined[kind][18:]) == ids(joined[kind][:9])


@pytest.mark.parametrize("live", [False, True])
def test_a_flash_is_no_cut(make_segmenter, live: bool) -> None:
    pictures, segmenter = place(5, 18), make_segmenter(k=4)
    calm = masks_of_stream(segmenter, ArrayLiveSource(pictures) if live else ArrayRecording(pictures))
    flashed = [*pictures[:9], place(8, 1, tint=2)[0], *pictures[10:]]
    masks = masks_of_stream(segmenter, ArrayLiveSource(flashed) if live else ArrayRecording(flashed))
    assert segmenter.scene_cuts == []
    assert ids(masks["regions"][10:]) == ids(calm["regions"][10:])
    assert np.mean(np.stack(masks["regions"][10:]) != np.stack(calm["regions"][10:])) < 0.1


def test_cuts_can_be_ignored(make_segmenter) -> None:
    segmenter = make_segmenter(k=4, scene_cuts="ignore")
    masks = masks_of_stream(segmenter, ArrayRecording(place(5, 9) + place(8, 9, tint=2)))
    assert segmenter.scene_cuts == []
    assert ids(masks["regions"][:9]) & ids(masks["regions"][9:])
