"""Objects through the segmenter: on drifting shapes, whose truth is exact, and on the sample recording."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamseg.backbones import Backbone, Spec, open_backbone
from streamseg.config import SessionConfig
from streamseg.errors import FrameError, ModelError
from streamseg.features.extractor import FeatureFrame
from streamseg.frame import VOID, Frame
from streamseg.objects.background import LARGE, SIZE
from streamseg.runtime.frames import _survey
from streamseg.runtime.session import open_session
from streamseg.runtime.stream import stream

from .conftest import segmenter_of

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
QUALITIES = ["live", "high"]


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("ahead", [0, 3])
def test_shapes_are_found_and_keep_their_ids(shapes, make_salient, quality: str, ahead: int) -> None:
    segmenter = make_salient(quality=quality)
    frames = [shapes()[i] for i in (0, 3, 6, 9, 11)]
    if ahead:
        segmenter.start(frames[:ahead])
    names = []
    for frame in frames:
        found = segmenter.step(frame).objects
        assert found.dtype == np.uint8
        assert found.shape == frame.annotation.shape
        assert iou(found > 0, frame.annotation > 0) > 0.9
        pairs = (np.bincount(found[frame.annotation == thing]).argmax() for thing in (1, 2, 3))
        names.append(tuple(map(int, pairs)))
    assert set(names) == {names[0]}
    assert sorted(names[0]) == [1, 2, 3]


def test_objects_do_without_regions(shapes, make_salient) -> None:
    frames = [shapes()[i] for i in range(10)]
    both, alone = (make_salient(keyframes=3, regions=wanted) for wanted in (True, False))
    alone.steer(k=3, recluster=True)  # of no consequence
    for frame in frames:
        one, other = (segmenter.step(segmenter.plan(frame)) for segmenter in (both, alone))
        assert np.array_equal(one.objects, other.objects)
        assert one.scores == other.scores
        assert (other.k, np.unique(other.regions).tolist()) == (0, [VOID])
    assert (alone.k_history, len(both.k_history)) == ([], 1)


def test_photographs_are_drawn_finely_and_it_is_said(make_salient) -> None:
    random, frames = np.random.default_rng(0), []
    for i in range(4):
        rgb = random.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        frames.append(Frame(index=i, name=str(i), timestamp=float(i), rgb=cv2.resize(rgb, None, fx=2, fy=2)))
    one, many = make_salient(keyframes=4), make_salient(keyframes=4)
    one.start(frames[:1])
    assert one.notes == []  # it may begin a video
    many.start(frames)
    assert "photographs" in many.notes[0]
    assert not many.objects_record.is_video
    assert many._scenes.current.objects.background.size == LARGE
    for frame in [frames[-1]] * 10:  # the first eight of a session are keyframes
        many.step(many.plan(frame))
    assert many.notes == []  # the last frame followed the one before
    assert many.objects_record.is_video
    assert many._scenes.current.objects.background.size == SIZE


def test_between_keyframes_objects_move_with_the_picture(shapes, make_salient) -> None:
    segmenter, worst = make_salient(keyframes=4), 1.0
    for i in range(16):
        planned = segmenter.plan(shapes()[i])
        found = segmenter.step(planned)
        assert set(found.scores) == set(np.unique(found.objects[found.objects > 0]))
        if not isinstance(planned, Frame):
            worst = min(worst, iou(found.objects > 0, shapes()[i].annotation > 0))
    assert 0.8 < worst < 1.0  # 1.0: no frame lay between keyframes


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_gap_narrower_than_a_cell_of_the_grid_stays_open(make_salient, quality: str) -> None:
    truth = np.zeros((120, 160), bool)
    truth[40:80, 40:80] = truth[40:80, 87:120] = True
    rgb = np.where(truth[..., None], (200, 40, 40), 70).astype(np.uint8)
    rgb += np.random.default_rng(0).integers(0, 12, rgb.shape, np.uint8)
    found = make_salient(quality=quality).step(Frame(0, "0", 0.0, rgb)).objects
    assert iou(found > 0, truth) > 0.98
    assert found[45:75, 81:83].max() == 0
    assert len({int(found[60, x]) for x in (60, 100)}) == 2


@pytest.mark.parametrize("quality", QUALITIES)
def test_same_frames_same_objects_and_reset_forgets(shapes, make_salient, quality: str) -> None:
    frames = [shapes()[i] for i in range(4)]
    other = shapes(30, (200, 150))
    segmenter, again = make_salient(quality=quality), make_salient(quality=quality)
    first = [segmenter.step(frame).objects for frame in frames]
    for i in range(20, 22):
        segmenter.step(other[i])
    segmenter.reset()
    assert np.array_equal(first, [segmenter.step(frame).objects for frame in frames])
    assert np.array_equal(first, [again.step(frame).objects for frame in frames])


def test_frames_may_change_their_size(shapes, make_salient) -> None:
    segmenter = make_salient()
    wide, tall = shapes(5, (120, 160)), shapes(5, (200, 150))
    for recording in (wide, tall, wide, tall):
        found = segmenter.step(recording[1]).objects
        assert found.shape == recording.frame_size
        assert iou(found > 0, recording[1].annotation > 0) > 0.85


@pytest.mark.parametrize("quality", QUALITIES)
def test_where_there_is_nothing_nothing_is_found(make_salient, quality: str) -> None:
    segmenter = make_salient(quality=quality)
    empty = Frame(0, "0", 0.0, np.full((120, 160, 3), 60, np.uint8))
    for _ in range(3):
        assert not segmenter.step(empty).objects.any()


def test_objects_are_made_only_when_they_are_asked_for(shapes, make_segmenter, make_salient) -> None:
    assert make_segmenter(k=4).step(shapes()[0]).objects is None
    assert "objects" in make_salient().step(shapes()[0]).timings_ms
    frame = shapes()[0]
    make_salient(edges=False).step(frame)
    assert "depth" in vars(frame)  # borders do not follow it, but objects stand on what it shows


def test_a_network_that_tells_nothing_of_things_is_refused(tmp_path: Path, shapes) -> None:
    """An .onnx file of an average pooling: features, and nothing else."""
    image, features = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ("n", 3, 120, 160)), ("features", ("n", 3, 15, 20)))
    )
    node = helper.make_node("AveragePool", ["x"], ["features"], kernel_shape=[8, 8], strides=[8, 8])
    graph = helper.make_graph([node], "pooling", [image], [features])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "p.onnx")

    def backbone_for(size: tuple[int, int]) -> Backbone:
        return open_backbone(Spec(str(tmp_path / "p.onnx")), size, engine="onnxruntime", device="cpu", precision="fp32")

    with pytest.raises(ModelError, match="neither energy nor attention") as caught:
        segmenter_of(backbone_for, objects=True).step(shapes()[0])
    assert "export it again" in caught.value.hint
    assert segmenter_of(backbone_for, k=2).step(shapes()[0]).objects is None


@pytest.mark.parametrize(("length", "wanted"), [(1, 1), (10, 10), (100, 32)])
def test_high_quality_looks_all_over_a_recording_first(shapes, make_salient, length: int, wanted: int) -> None:
    interrupted = threading.Event()
    seen = [one.frame.index for one in _survey(shapes(length), make_salient(quality="high"), interrupted)]
    assert len(seen) == wanted
    assert (seen[0], seen[-1]) == (0, length - 1)
    assert np.ptp(np.diff(seen)) <= 1 if length > 2 else True
    coming = [one.frame.index for one in _survey(shapes(100), make_salient(quality="high"), interrupted, 10, 5)]
    assert coming == [0, 10, 20, 30, 40]
    assert _survey(shapes(length), make_salient(quality="live"), interrupted) == []
    interrupted.set()
    assert _survey(shapes(length), make_salient(quality="high"), interrupted) == []


def test_a_damaged_frame_is_counted_once_though_it_was_looked_at_twice(shapes, make_salient) -> None:
    class Damaged(shapes):
        def __getitem__(self, index: int) -> Frame:
            if index == 3:
                raise FrameError("damaged")
            return super().__getitem__(index)

    report = stream(Damaged(5), make_salient(quality="high"), [])
    assert report.processed == 4
    assert len(report.skipped) == 1


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[Backbone, list[FeatureFrame]]]:
    """A real network, and what it sees in the first frames of the sample recording."""
    with open_session(SessionConfig(str(SAMPLE)).but(size=160, objects=True)) as session:
        seen = session.segmenter.extractor([session.source[i] for i in range(0, 24, 4)])
        yield session.segmenter.extractor.backbones[0], seen


@pytest.mark.parametrize("quality", QUALITIES)
def test_things_on_a_table(sample: tuple[Backbone, list[FeatureFrame]], quality: str) -> None:
    backbone, seen = sample
    segmenter = segmenter_of(lambda _: backbone, lambda _: backbone.size, k=6, objects=True, quality=quality)
    segmenter.start(seen[:3])
    results = [segmenter.step(one) for one in seen]
    objects = np.stack([found.objects for found in results])
    if quality == "live":
        segmenter.reset()
        segmenter.start(seen[:3])
        assert np.array_equal(objects, [segmenter.step(one).objects for one in seen])

    truth = np.stack([one.frame.annotation for one in seen])
    clusters = [max(iou(f.regions == i, t > 0) for i in np.unique(f.regions)) for f, t in zip(results, truth)]
    found = np.mean([iou(o > 0, t > 0) for o, t in zip(objects, truth)])
    assert found > 0.6
    assert found > 1.5 * np.mean(clusters)

    for thing in range(1, 7):  # each has one id nearly always, and that id is nothing else's
        names = [np.bincount(o[t == thing], minlength=2)[1:].argmax() + 1 for o, t in zip(objects, truth)]
        ((name, times),) = Counter(names).most_common(1)
        assert times >= 5
        others = (objects == name) & (truth != thing) & (truth > 0)
        assert others.sum() < 0.15 * ((objects == name) & (truth == thing)).sum()


def test_depth_parts_things_that_touch_in_the_picture(sample: tuple[Backbone, list[FeatureFrame]]) -> None:
    backbone, seen = sample
    flat = [replace(one, frame=Frame(0, "0", 0.0, one.frame.rgb)) for one in seen[:2]]
    shares = []
    for views in (seen[:2], flat):
        segmenter = segmenter_of(lambda _: backbone, lambda _: backbone.size, k=6, objects=True)
        segmenter.start(views)
        found = [segmenter.step(one).objects for one in views]
        best = [
            max(iou(o == name, one.frame.annotation == thing) for name in range(1, 40))
            for o, one in zip(found, seen)
            for thing in (2, 3)  # the box, and the bottle in front of it
        ]
        shares.append(np.mean(best))
    assert shares[0] > 0.7
    assert shares[0] > shares[1]
