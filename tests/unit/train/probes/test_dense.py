"""The dense probe on coloured shapes with known ground truth, and its rules for frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import FrameError, ModelError, SourceError
from streamseg.frame import VOID, Frame
from streamseg.sources import Recording, open_source
from train.probes.dense import FIGURES, DenseProbe


class Blocks(Recording):
    """A recording with a coloured block in the middle of gray; sizes may differ from frame to frame."""

    kind, fps = "blocks", 30.0

    def __init__(self, count: int = 8, sizes: tuple[tuple[int, int], ...] = ((96, 128),), **change: Frame) -> None:
        self.uri, self.count, self.sizes = f"blocks{count}", count, sizes
        self.change = {int(name.removeprefix("at")): frame for name, frame in change.items()}
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def name_of(self, index: int) -> str:
        return str(index)

    def __getitem__(self, index: int) -> Frame:
        self.asked.append(index)
        return self.change.get(index) or block(index, self.sizes[index % len(self.sizes)])


def block(index: int, size: tuple[int, int] = (96, 128), truth: np.ndarray | None = None, light: int = 1) -> Frame:
    height, width = size
    found = np.zeros(size, np.uint8)
    found[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    rgb = np.where(found[..., None] > 0, [200, 40, 40], [60, 60, 60]).astype(np.uint8) * np.uint8(light)
    mask = found if truth is None else truth
    return Frame(index, str(index), index / 30, rgb, load_annotation=lambda: mask)


def colours(images: np.ndarray) -> np.ndarray:
    """Return (B, 4, H / 8, W / 8) features: the mean colour of a cell as a unit vector."""
    b, _, h, w = images.shape
    cells = images.reshape(b, 3, h // 8, 8, w // 8, 8).mean(axis=(3, 5)) - 0.3
    cells = np.concatenate([cells, np.full_like(cells[:, :1], 0.2)], axis=1)
    return cells / np.linalg.norm(cells, axis=1, keepdims=True)


def noise(images: np.ndarray) -> np.ndarray:
    """Return features that do not depend on the image."""
    b, _, h, w = images.shape
    cells = np.random.default_rng(0).standard_normal((b, 4, h // 8, w // 8))
    return cells / np.linalg.norm(cells, axis=1, keepdims=True)


def test_features_of_the_object_score_high_and_noise_low() -> None:
    probe = DenseProbe([Blocks(), Blocks(5)], 96, k=2)
    good, bad = probe(colours), probe(noise)
    assert set(good) == set(bad) == set(FIGURES)
    assert good["iou_best"] > 0.9
    assert good["iou_free"] > 0.9
    assert all(bad[name] < 0.4 for name in ("iou_best", "iou_free"))
    assert bad["iou_best"] <= bad["iou_union"]


def test_the_same_features_give_the_same_figures() -> None:
    assert DenseProbe([Blocks()], 96, seed=3)(noise) == DenseProbe([Blocks()], 96, seed=3)(noise)
    assert DenseProbe([Blocks()], 96, seed=3)(noise) != DenseProbe([Blocks()], 96, seed=4)(noise)


def test_sizes_may_differ_and_arrays_may_be_reused() -> None:
    kept: dict[tuple[int, ...], np.ndarray] = {}

    def reusing(images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.float32
        assert images.min() >= 0
        assert images.max() <= 1
        found = colours(images)
        array = kept.setdefault(found.shape, found)
        array[:] = found
        return array

    probe = DenseProbe([Blocks(20, ((96, 128), (128, 96), (120, 200)))], 96, k=2)
    assert probe(reusing) == probe(colours)
    assert probe(colours)["iou_best"] > 0.8


def test_recordings_have_equal_weight_whatever_their_length() -> None:
    long, short = Blocks(24), Blocks(2)
    result = DenseProbe([long, short], 96, k=2).result(noise)
    by_recording = result.by_group()
    for name in FIGURES:
        means = [by_recording[recording.uri][name] for recording in (long, short)]
        assert result.figures()[name] == pytest.approx(np.mean(means))


def test_frames_are_spread_evenly_and_no_others_are_decoded() -> None:
    recording = Blocks(64)
    DenseProbe([recording], 96, frames=8)
    assert sorted(recording.asked) == list(range(0, 64, 8))


def test_black_frames_and_empty_masks_are_left_out() -> None:
    nothing, black = np.zeros((96, 128), np.uint8), block(2, light=0)
    recording = Blocks(4, at1=block(1, truth=nothing), at2=black)
    result = DenseProbe([recording], 96).result(colours)
    assert len(result.groups) == 2


def test_void_is_not_counted() -> None:
    truth = np.zeros((96, 128), np.uint8)
    truth[32:64, 42:85] = 1
    truth[:, :40] = VOID
    plain = DenseProbe([Blocks(1)], 96, k=2)(colours)["iou_best"]
    blind = DenseProbe([Blocks(1, at0=block(0, truth=truth))], 96, k=2)(colours)["iou_best"]
    assert blind == pytest.approx(plain, abs=0.06)
    truth[:, :40] = 1  # the same pixels as an object that the features do not see
    assert DenseProbe([Blocks(1, at0=block(0, truth=truth))], 96, k=2)(colours)["iou_best"] < plain - 0.2


def test_recordings_without_masks_are_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 64, 3), 90, np.uint8))
    bare = open_source(str(tmp_path))
    probe = DenseProbe([Blocks(), bare], 96)  # type: ignore[list-item]
    assert probe.skipped == {str(tmp_path): "no frame with a mask"}
    with pytest.raises(SourceError, match="frames with masks"):
        DenseProbe([bare], 96)  # type: ignore[list-item]


def test_a_long_recording_without_masks_is_not_read_to_its_end() -> None:
    class Bare(Blocks):
        def __getitem__(self, index: int) -> Frame:
            self.asked.append(index)
            return Frame(index, str(index), 0.0, np.full((96, 128, 3), 90, np.uint8))

    bare = Bare(5000)
    with pytest.raises(SourceError):
        DenseProbe([bare], 96, frames=4)
    assert len(bare.asked) == 16


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        DenseProbe([Blocks()], 96)(lambda images: np.full((len(images), 4, 12, 16), np.nan, np.float32))


def test_collapsed_features_are_measured() -> None:
    figures = DenseProbe([Blocks()], 96)(lambda images: np.full((len(images), 4, 12, 16), 0.5, np.float32))
    assert figures["iou_best"] == pytest.approx(1 / 9, abs=0.02)  # one cluster: the whole frame


LABELLED = ("apc_shelf_rgbd_masks", "davis_car_shadow", "davis_dogs_jump_240p", "co3d_hydrant", "co3d_backpack",
            "multiview_espresso", "multiview_robot")  # fmt: skip


@pytest.mark.parametrize("name", LABELLED)
def test_every_labelled_set_has_masks_that_the_probe_can_use(name: str, shared: Path) -> None:
    probe = DenseProbe([open_source(str(shared / "data" / name))], 96, frames=3)  # type: ignore[list-item]
    assert not probe.skipped
    for frame in next(iter(probe.frames.values())):
        assert frame.truth.shape == frame.rgb.shape[:2]
        assert 0.01 < (frame.truth == 1).mean() < 0.7
    assert 0 < probe(colours)["iou_best"] < 1


def test_halves_share_no_frame_and_work_alone() -> None:
    whole = DenseProbe([Blocks(9), Blocks(1)], (96, 128), 24)
    first, second = whole.halves()
    parts = [
        {(uri, frame.index) for uri, frames in half.frames.items() for frame in frames} for half in (first, second)
    ]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 10
    assert max(index for uri, index in parts[0] if uri == "blocks9") < min(i for u, i in parts[1] if u == "blocks9")
    assert first(colours)["iou_union"] > 0.8
    with pytest.raises(SourceError, match="cannot both choose"):
        DenseProbe([Blocks(1)], (96, 128), 24).halves()


def unreadable(index: int) -> Frame:
    def fail() -> np.ndarray:
        raise FrameError("mask is 3x4, colour is 128x96")

    return dataclasses.replace(block(index), load_annotation=fail)


def test_frames_whose_masks_cannot_be_read_are_named() -> None:
    probe = DenseProbe([Blocks(4, at1=unreadable(1))], 96)
    assert probe.notes() == ["blocks4: 1 frame cannot be used: 1: mask is 3x4, colour is 128x96"]
    assert [frame.index for frame in probe.frames["blocks4"]] == [0, 2, 3]
    with pytest.raises(SourceError, match="blocks1 can be read: 0: mask is 3x4"):
        DenseProbe([Blocks(1, at0=unreadable(0))], 96)
