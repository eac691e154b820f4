"""The Python API gives what the command line gives."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamseg

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "tabletop"
HOW = {"size": 160, "max_frames": 12}


def test_segment_gives_the_masks_of_the_command_line(cli, tmp_path: Path) -> None:
    done = cli("run", SAMPLE, "-o", tmp_path / "out", "--save", "labels,objects", "--size", "160", "--max-frames", "12")
    assert done.returncode == 0, done.stderr
    assert "to do" not in done.stdout + done.stderr  # the sample leaves nothing to its user
    results = list(streamseg.segment(SAMPLE, objects=True, **HOW))
    assert len(results) == 12
    for result in results:
        for folder, mask in (("labels", result.regions), ("objects", result.objects)):
            file = tmp_path / "out" / folder / f"{result.frame.name}.png"
            written = np.asarray(_indices(file))
            assert np.array_equal(written, mask), file.name


def _indices(file: Path) -> np.ndarray:
    from PIL import Image

    return np.array(Image.open(file))


def test_a_result_has_all_that_people_want() -> None:
    said: list[str] = []
    *_, result = streamseg.segment(SAMPLE, objects=True, max_latency=40, log=said.append, **HOW)
    assert [line for line in said if "latency" in line] == [
        "note: a recording is read no faster than it is segmented, so --max-latency, for live sources, does nothing"
    ]
    assert result.frame.rgb.shape[:2] == result.regions.shape == result.masks.shape
    assert result.properties
    assert {one.id for one in result.properties} == set(np.unique(result.objects).tolist()) - {0}
    one = result.properties[0]
    assert one.centroid is not None
    assert 0.2 < one.centroid[2] < 3  # metres in front of the camera
    picture = result.plot()
    assert picture.shape == result.frame.rgb.shape
    assert (picture != result.frame.rgb).any()
    found = result.to_supervision()
    assert sorted(found.tracker_id.tolist()) == [one.id for one in result.properties]
    for mask, box, name in zip(found.mask, found.xyxy, found.tracker_id, strict=True):
        assert np.array_equal(mask, result.objects == name)
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        assert box.tolist() == [x, y, x + width, y + height]


def test_a_closed_generator_leaves_no_thread() -> None:
    before = threading.active_count()
    results = streamseg.segment(SAMPLE, **HOW)
    next(results)
    results.close()
    assert threading.active_count() <= before


def test_a_loop_of_ones_own() -> None:
    with streamseg.open_source(SAMPLE) as source, streamseg.Segmenter(size=160, objects=True, k=5) as segmenter:
        frames = [source[i] for i in range(6)]
        results = [segmenter.step(one.rgb, one.depth, one.intrinsics, one.timestamp) for one in frames]
        assert all(result.objects.any() for result in results)
        segmenter.reset()
        again = [segmenter.step(one) for one in frames]
    for one, other in zip(results, again, strict=True):
        assert np.array_equal(one.regions, other.regions)
        assert np.array_equal(one.objects, other.objects)


def test_arrays_that_do_not_fit_are_refused_in_plain_words() -> None:
    with streamseg.Segmenter(size=96) as segmenter:
        with pytest.raises(streamseg.StreamsegError, match=r"\(H, W, 3\) uint8 RGB, not float64 \(4, 4\)") as gray:
            segmenter.step(np.zeros((4, 4)))
        assert "gray" in gray.value.hint
        with pytest.raises(streamseg.StreamsegError, match="depth is"):
            segmenter.step(np.zeros((48, 64, 3), np.uint8), depth=np.ones((24, 32), np.float32))
        with pytest.raises(streamseg.StreamsegError, match="depth is") as with_axis:
            segmenter.step(np.zeros((48, 64, 3), np.uint8), depth=np.ones((48, 64, 1), np.float32))
        assert "depth[..., 0]" in with_axis.value.hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"depth": np.full((48, 64), 1000, np.uint16)}, "depth / 1000"),  # millimetres, as cameras give them
        ({"depth": [[1.0] * 64] * 48}, "depth / 1000"),
        ({"depth": np.linspace(400, 6000, 48 * 64).reshape(48, 64)}, "depth / 1000"),  # the same as floats
        ({"intrinsics": [525, 525, 320, 240]}, "streamseg.Intrinsics(fx, fy, cx, cy)"),
        ({"intrinsics": np.eye(3)}, "streamseg.Intrinsics(fx, fy, cx, cy)"),
        ({"intrinsics": streamseg.Intrinsics(float("nan"), 525, 320, 240)}, "streamseg.Intrinsics(fx, fy, cx, cy)"),
        ({"timestamp": "now"}, "give seconds"),
    ],
)
def test_what_comes_with_a_frame_is_refused_before_it_does_harm(given: dict[str, object], hint: str) -> None:
    with streamseg.Segmenter(size=96) as segmenter, pytest.raises(streamseg.StreamsegError) as refusal:
        segmenter.step(np.zeros((48, 64, 3), np.uint8), **given)
    assert hint in refusal.value.hint


def test_millimetres_are_told_from_metres_whatever_lacks_a_reading_or_lies_far_away() -> None:
    picture, metres = np.zeros((48, 64, 3), np.uint8), np.full((48, 64), 1.2, np.float32)
    sky = np.where(np.arange(48)[:, None] < 40, np.float32(1e4), metres)  # as a simulator gives it
    with streamseg.Segmenter(size=96) as segmenter:
        segmenter.step(picture, np.full((48, 64), np.nan, np.float32))  # does not tell yet
        with pytest.raises(streamseg.StreamsegError, match="nothing nearer than about 1200 m"):
            segmenter.step(picture, 1000 * metres)
        assert np.array_equal(segmenter.step(picture, sky).frame.depth, sky)
        segmenter.step(picture, np.full((48, 64), 150, np.float32))  # a drone that has risen
        segmenter.reset()
        with pytest.raises(streamseg.StreamsegError, match="1200 m"):
            segmenter.step(picture, 1000 * metres)


def test_a_result_goes_to_another_process() -> None:
    with streamseg.Segmenter(size=96) as segmenter:
        result = segmenter.step(np.zeros((48, 64, 3), np.uint8), depth=np.ones((48, 64)), timestamp=np.float32(1.5))
    copy = pickle.loads(pickle.dumps(result))
    assert np.array_equal(copy.regions, result.regions)
    assert (copy.frame.timestamp, copy.frame.depth.dtype, float(copy.frame.depth.mean())) == (1.5, np.float32, 1.0)


@pytest.mark.parametrize("source", [None, [np.zeros((4, 4, 3), np.uint8)], b"clip.mp4", 1.5])
def test_what_is_no_source_is_refused_in_one_line(source: object) -> None:
    for opens in (streamseg.open_source, lambda given: next(streamseg.segment(given))):
        with pytest.raises(streamseg.StreamsegError, match=f"not {type(source).__name__}$"):
            opens(source)


def test_settings_are_refused_as_the_command_line_does() -> None:
    with pytest.raises(streamseg.StreamsegError, match="'min_scor'") as told:
        next(streamseg.segment(SAMPLE, min_scor=0.3))
    assert "did you mean 'min_score'" in told.value.hint
    with pytest.raises(streamseg.StreamsegError, match="'siz'"):
        streamseg.evaluate(SAMPLE, siz=3)
    with pytest.raises(streamseg.StreamsegError, match="every is 0"):
        next(streamseg.segment(SAMPLE, every=0))
    with pytest.raises(streamseg.StreamsegError, match="quality is 'best'"):
        streamseg.Segmenter(objects=True, quality="best")


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"intrinsics": (525, 525, 320, 240)}, "streamseg.Intrinsics"),
        ({"align_depth": "0.9,-8,-4"}, "Alignment"),
        ({"depth_scale": "1000"}, "units per metre"),
        ({"layers": 4}, "layers=(3, 4)"),
        ({"model": None}, "name of a network"),
        ({"facet": 3}, "a name"),
        ({"regions": False}, "objects=True"),
    ],
)
def test_values_of_a_wrong_type_are_refused_with_what_to_give(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(streamseg.StreamsegError) as refusal:
        next(streamseg.segment(SAMPLE, **settings))
    assert hint in refusal.value.hint


@pytest.mark.parametrize("name", ["intrinsics", "depth_scale", "align_depth"])
def test_a_segmenter_refuses_corrections_of_a_recording(name: str) -> None:
    with pytest.raises(streamseg.StreamsegError, match=f"{name} corrects a recording"):
        streamseg.Segmenter(**{name: None})


def test_a_model_may_be_a_path(tmp_path: Path) -> None:
    missing = tmp_path / "best.pt"
    for call in (
        lambda: next(streamseg.segment(SAMPLE, model=missing)),
        lambda: streamseg.evaluate(SAMPLE, models=missing),
    ):
        with pytest.raises(streamseg.StreamsegError, match=r"best\.pt"):
            call()


def test_evaluate_refuses_a_model_that_it_would_ignore() -> None:
    with pytest.raises(streamseg.StreamsegError) as refusal:
        streamseg.evaluate(SAMPLE, model="resnet18")
    assert "models=" in refusal.value.hint


def test_evaluate_is_the_document_of_eval() -> None:
    found = streamseg.evaluate(SAMPLE, size=160, max_frames=6)
    assert found["models"][0]["sequences"][0]["frames"] == 6
    assert found["models"][0]["mean"]


def test_importing_costs_next_to_nothing() -> None:
    code = "import sys, streamseg; sys.exit(bool({'torch', 'cv2', 'numpy', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    assert {"segment", "Segmenter", "open_source"} <= set(dir(streamseg))
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        streamseg.segmnt  # noqa: B018
