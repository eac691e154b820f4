from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from streamseg.config import SegmenterConfig
from streamseg.errors import ModelError
from streamseg.features.extractor import PropagatedFrame
from streamseg.features.keyframes import readings
from streamseg.features.pending import DELAY
from streamseg.frame import Frame
from streamseg.runtime.session import Session


@pytest.mark.parametrize("clustering", ["online", "per-frame"])
@pytest.mark.parametrize("k", [0, 4])
def test_it_finds_the_shapes_and_keeps_their_ids(shapes, make_segmenter, clustering: str, k: int) -> None:
    segmenter = make_segmenter(clustering=clustering, k=k)
    frames = [shapes()[i] for i in range(12)]
    segmenter.start(frames[:8])
    results = [segmenter.step(frame).regions for frame in frames]
    truth = np.stack([frame.annotation for frame in frames])
    assert adjusted_rand_score(truth.ravel()[::7], np.stack(results).ravel()[::7]) > 0.9
    assert segmenter.k_history[0]["k"] == 4
    assert segmenter.k_history[0]["by"] == ("given" if k else "knee")


@pytest.mark.parametrize("clustering", ["online", "per-frame"])
def test_same_seed_same_masks_and_reset_starts_a_new_session(shapes, make_segmenter, clustering: str) -> None:
    frames = [shapes()[i] for i in range(10)]
    segmenter = make_segmenter(clustering=clustering, seed=5)
    first = [segmenter.step(frame).regions.copy() for frame in frames]
    segmenter.reset()
    second = [segmenter.step(frame).regions for frame in frames]
    other = make_segmenter(clustering=clustering, seed=5)
    third = [other.step(frame).regions for frame in frames]
    assert np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_reset_may_change_the_settings(shapes, make_segmenter) -> None:
    """The masks are those of a new segmenter with these settings, but the network is the same."""
    frames = [shapes()[i] for i in range(4)]
    segmenter = make_segmenter(seed=1)
    segmenter.step(frames[0])
    (network,) = segmenter.extractor.backbones
    for settings in ({"seed": 2}, {"k": 3, "pca": 2}, {"clustering": "per-frame"}):
        segmenter.reset(SegmenterConfig().but(**settings))
        other = make_segmenter(**settings)
        for frame in frames:
            assert np.array_equal(segmenter.step(frame).regions, other.step(frame).regions)
    assert segmenter.extractor.backbones == [network]


def test_a_network_without_objectness_is_refused_for_objects(shapes, make_segmenter) -> None:
    with pytest.raises(ModelError, match="neither energy nor attention") as caught:
        make_segmenter(objects=True).step(shapes()[0])
    assert "eval --no-objects" in caught.value.hint
    assert "run --masks regions" in caught.value.hint  # without it, `run` finds objects


def test_frames_may_change_their_size(shapes, make_segmenter) -> None:
    segmenter = make_segmenter(k=4)
    wide, tall = shapes(5, (120, 160)), shapes(5, (200, 150))
    before = segmenter.step(wide[0])
    for recording in (tall, wide, tall):
        assert segmenter.step(recording[1]).regions.shape == recording.frame_size
    again = segmenter.step(wide[0])
    assert (again.regions == before.regions).mean() > 0.98
    assert len(segmenter.extractor.backbones) == 2


def test_k_follows_the_scene_with_hysteresis(shapes, make_segmenter) -> None:
    segmenter = make_segmenter(k_range=(1, 6))
    recording = shapes(200)
    empty = recording[0]
    for i in range(8):  # two colours only at the start: background and the circle
        frame = recording[i]
        frame.rgb[frame.annotation > 1] = 60
        if i == 0:
            empty = frame
        segmenter.step(frame)
    at_first = segmenter.k_history[-1]["k"]
    ids_at_first = set(np.unique(segmenter.step(empty).regions))
    counts = [segmenter.step(recording[i]).k for i in range(8, 200)]
    assert at_first < 4
    assert counts[-1] == 4
    assert max(abs(b - a) for a, b in itertools.pairwise(counts)) <= 1  # one at a time
    assert ids_at_first <= set(np.unique(segmenter.step(recording[199]).regions))
    assert [entry["by"] for entry in segmenter.k_history[1:]] == ["knee, one more"] * (4 - at_first)


def test_a_steady_scene_keeps_its_k(shapes, make_segmenter) -> None:
    segmenter = make_segmenter()
    recording = shapes(120)
    assert {segmenter.step(recording[i]).k for i in range(120)} == {4}
    assert len(segmenter.k_history) == 1


@pytest.mark.parametrize("extra", [{"pca": 2}, {"position": 0.3}, {"depth": 0.5}, {"edges": False}])
@pytest.mark.parametrize("clustering", ["online", "per-frame"])
def test_every_option_gives_masks(shapes, make_segmenter, extra: dict[str, object], clustering: str) -> None:
    segmenter = make_segmenter(clustering=clustering, k=4, **extra)
    frames = [shapes()[i] for i in range(3)]
    found = [segmenter.step(frame) for frame in frames]
    assert set(found[-1].timings_ms) == {"prepare", "backbone", "depth", "cluster", "upsample"}
    agreement = adjusted_rand_score(frames[-1].annotation.ravel(), found[-1].regions.ravel())
    assert agreement > (0.5 if "position" in extra or "depth" in extra else 0.85)


def test_depth_is_decoded_only_if_it_is_used(shapes, make_segmenter) -> None:
    frame = shapes()[0]
    make_segmenter(k=4, edges=False).step(frame)
    assert "depth" not in vars(frame)
    make_segmenter(k=4).step(frame)
    assert "depth" in vars(frame)


@pytest.mark.parametrize(("extra", "every"), [({}, False), ({"depth": 0.5}, True)])
def test_between_key_frames_borders_follow_the_depth_of_the_key_frame(
    shapes, make_segmenter, extra: dict[str, object], every: bool
) -> None:
    segmenter = make_segmenter(k=4, **extra)
    assert segmenter.wants_depth == every
    key, later = (segmenter.plan(shapes()[i]) for i in (0, 1))
    assert isinstance(later, PropagatedFrame)
    segmenter.step(key)
    labels = segmenter.step(later).regions
    assert ("depth" in vars(later.frame)) == every
    with_its_own = make_segmenter(k=4, **extra)
    with_its_own.step(key)
    assert adjusted_rand_score(labels.ravel(), with_its_own.step(later.frame).regions.ravel()) > 0.9


def test_frames_do_not_wait_for_a_keyframe_in_the_background(shapes, make_segmenter) -> None:
    """They show the masks of the keyframe before, moved, and those of the new one DELAY frames later, in every run."""

    def run(background: bool) -> tuple[list[np.ndarray], list[int]]:
        segmenter = make_segmenter(k=4)
        segmenter.adapt_keyframes(background, 1)
        taken, regions = [], []
        for i in range(16):
            masks = segmenter.step(segmenter.plan(shapes()[i]))
            taken += [i] * ("beside" in masks.timings_ms)
            regions.append(masks.regions)
        segmenter.pending.take()
        return regions, taken

    first, taken = run(background=True)
    assert len(taken) >= 2
    assert all(later - earlier > DELAY for earlier, later in itertools.pairwise(taken))
    assert np.array_equal(first, run(background=True)[0])
    at_once, none = run(background=False)
    assert none == []
    for one, other in zip(first, at_once, strict=True):
        assert adjusted_rand_score(one.ravel(), other.ravel()) > 0.85


@pytest.mark.parametrize("wanted", [True, False])
def test_an_error_in_the_background_is_raised_by_the_frame_that_needs_the_keyframe(
    shapes, make_segmenter, wanted: bool
) -> None:
    """If the session ends before that frame, nothing is raised."""

    def gone() -> np.ndarray:
        raise OSError("the disk is gone")

    segmenter = make_segmenter(k=4)
    segmenter.adapt_keyframes(True, 1)
    planned = [segmenter.plan(shapes()[i]) for i in range(16)]
    first = next(
        i for i, one in enumerate(planned) if isinstance(one, PropagatedFrame) and one.to_keyframe.since_pending == 0
    )
    planned[first] = replace(planned[first], frame=replace(planned[first].frame, load_depth=gone))
    for one in planned[: first + DELAY]:
        segmenter.step(one)
    if not wanted:
        segmenter.reset()
    with pytest.raises(OSError, match="the disk is gone") if wanted else nullcontext():
        segmenter.step(planned[first + DELAY] if wanted else shapes()[0])


def test_the_readings_of_a_keyframe_are_counted_once(shapes, make_segmenter, monkeypatch) -> None:
    counted: list[int] = []

    def count(frame: Frame) -> float:
        counted.append(frame.index)
        return readings(frame)

    monkeypatch.setattr("streamseg.runtime.segmenter.readings", count)
    segmenter = make_segmenter(keyframes=2)
    depth = np.ones(shapes()[0].rgb.shape[:2], np.float32)
    planned = [segmenter.plan(replace(shapes()[i], load_depth=lambda: depth)) for i in range(12)]
    assert counted == [one.index for one in planned if isinstance(one, Frame)]
    assert len(counted) > 2


def test_a_k_that_cannot_be_reached_has_a_note(make_segmenter) -> None:
    segmenter = make_segmenter(k=20)
    segmenter.step(Frame(0, "0", 0.0, np.zeros((120, 120, 3), np.uint8)))
    assert any("not 20" in note for note in segmenter.notes)


def test_a_recording_builds_its_network_and_runs_it_on_frames_alone(
    shapes, make_segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, asked = make_segmenter(objects=True), []
    session = Session(shapes(1), segmenter, lambda: (120, 160))
    session.prepare()
    (backbone,) = segmenter.extractor.backbones
    run = backbone.run

    def counted(images: np.ndarray) -> dict[str, np.ndarray]:
        asked.append(len(images))
        return run(images) | {"energy": np.ones((len(images), 1, 15, 20), np.float32)}

    monkeypatch.setattr(backbone, "run", counted)
    monkeypatch.setattr(backbone, "outputs", ("features", "energy"))  # no attention to compare with empty pictures'
    session.prepare()
    assert asked == []
    segmenter.step(shapes(1)[0])
    assert asked == [1]
    session.warm_up()
    assert asked == [1, 1]
