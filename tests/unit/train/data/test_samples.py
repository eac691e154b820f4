"""Samples: their frames, independence of workers, masks in place of their pixels, and unreadable frames."""

from __future__ import annotations

import dataclasses
import io
import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import FrameError, SourceError
from streamseg.frame import VOID, Frame
from streamseg.sources import Recording
from train.data.frame_cache import FrameCache, fitted
from train.data.samples import EndlessBatches, Samples, loader
from train.data.views import View

PLAIN = (View(24, scale=(0.9, 1.0), jitter=0.0, grey=0.0, blur=0.0),)


class Flat(Recording):
    """A recording whose frames have one colour each, which encodes recording and frame. broken: unreadable frames."""

    kind = "flat"

    def __init__(self, red: int, length: int, broken: tuple[int, ...] = (), unmasked: tuple[int, ...] = ()) -> None:
        self.uri, self.red, self.length, self.broken, self.unmasked = f"flat{red}", red, length, broken, unmasked

    def __len__(self) -> int:
        return self.length

    def name_of(self, index: int) -> str:
        return f"{index:05d}"

    def __getitem__(self, index: int) -> Frame:
        if index in self.broken:
            raise FrameError("truncated JPEG")
        rgb = np.zeros((40, 60, 3), np.uint8)
        rgb[..., 0], rgb[..., 1] = self.red, index
        rgb[:, 30:, 2] = 200
        mask = None if index in self.unmasked else lambda: (rgb[..., 2] > 0).astype(np.int64)
        return Frame(index, self.name_of(index), index / 10, rgb, load_annotation=mask)


def samples(*recordings: Recording, views: tuple[View, ...] = PLAIN, cache: str = "none", **more) -> Samples:
    count = sum(map(len, recordings))
    annotations = FrameCache(cache, count, 48, 1) if more.get("labelled") else None
    return Samples(recordings, views, pictures=FrameCache(cache, count, 48), annotations=annotations, **more)


def same(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 4), st.integers(0, 4),
    st.integers(0, 1000),
)  # fmt: skip
def test_frames_are_a_gap_apart_inside_one_recording(
    lengths: list[int], frames: int, low: int, more: int, seed: int
) -> None:
    if sum(lengths) < 2:
        lengths = [*lengths, 2]
    recordings = [Flat(10 * i, length) for i, length in enumerate(lengths)]
    views = tuple(View(8, frame=frame, jitter=0, grey=0, blur=0) for frame in range(frames))
    data = samples(*recordings, views=views, frames=frames, gap=(low, low + more), seed=seed)
    for number in range(len(data)):
        sample = data[number]
        recording, shown = sample.frame_ids[:, 0], sample.frame_ids[:, 1]
        length = lengths[int(recording[0])]
        assert (recording == recording[0]).all()
        assert shown.min() >= 0
        assert shown.max() < length
        gaps = set(torch.diff(shown).tolist())
        possible = (length - 1) // max(1, frames - 1)
        assert len(gaps) <= 1
        assert all(min(low, possible) <= gap <= min(low + more, possible) for gap in gaps)
        for view, (number_of, frame) in zip(sample.views, sample.frame_ids.tolist()):
            assert (view[0] * 255).round().unique().tolist() == [10 * number_of]
            assert (view[1] * 255).round().unique().tolist() == [frame]


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_every_frame_is_the_first_of_a_sample_once_an_epoch(length: int, seed: int) -> None:
    data = samples(Flat(0, length), frames=1, seed=seed)
    orders = [[int(data[n].frame_ids[0, 1]) for n in range(e * length, (e + 1) * length)] for e in range(2)]
    assert all(sorted(order) == list(range(length)) for order in orders)
    if length > 20:
        assert orders[0] != orders[1]


def test_workers_and_pickling_change_nothing() -> None:
    views = (View(24), View(24, frame=1))
    data = samples(Flat(50, 9), Flat(90, 5), views=views, gap=(0, 3), whole_frame_size=16, labelled=True, seed=3)
    batches = [list(itertools.islice(loader(data, EndlessBatches(4), workers), 5)) for workers in (0, 2)]
    assert same(*batches)
    again = pickle.loads(pickle.dumps(data))
    assert all(same(again[n], data[n]) for n in range(6))
    assert not same(data[0].views, data[14].views)


def test_another_seed_gives_other_samples() -> None:
    one, two = (samples(Flat(50, 30), frames=1, seed=seed) for seed in (0, 1))
    assert [int(one[n].frame_ids[0, 1]) for n in range(30)] != [int(two[n].frame_ids[0, 1]) for n in range(30)]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 7))
def test_devices_share_each_batch(world: int, each: int, start: int) -> None:
    whole = list(itertools.islice(EndlessBatches(world * each, start), 3))
    parts = [list(itertools.islice(EndlessBatches(world * each, start, rank, world), 3)) for rank in range(world)]
    for batch, *shares in zip(whole, *parts):
        assert sorted(itertools.chain(*shares)) == batch
        assert {len(share) for share in shares} == {each}
    assert whole[0][0] == start * world * each


def test_masks_follow_their_pixels_and_missing_ones_are_void() -> None:
    data = samples(Flat(50, 6, unmasked=(2,)), frames=1, labelled=True, views=(View(32, jitter=0, grey=0, blur=0),))
    for number in range(30):
        sample = data[number]
        blue, mask = sample.views[0][2], sample.masks[0]
        if int(sample.frame_ids[0, 1]) == 2:
            assert (mask == VOID).all()
        else:
            assert (mask == (blue > 100 / 255))[(blue < 0.05) | (blue > 0.73)].all()


def test_whole_frames_come_without_augmentation() -> None:
    sample = samples(Flat(50, 6), gap=(2, 2), whole_frame_size=16)[0]
    assert [tuple(frame.shape) for frame in sample.whole_frames] == [(3, 16, 16)] * 2
    for frame, (_, index) in zip(sample.whole_frames, sample.frame_ids.tolist()):
        assert (frame[1] * 255).round().unique().tolist() == [index]
        assert float(frame[2, :, :6].max()) == 0


def test_an_unreadable_frame_is_skipped_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    data = samples(Flat(51, 8, broken=(3,)), frames=1)
    shown = [int(data[n].frame_ids[0, 1]) for n in range(8)]
    assert 3 not in shown
    assert set(shown) == {0, 1, 2, 4, 5, 6, 7}
    said = capsys.readouterr().err
    assert said.count("skipped:") == 1
    assert "truncated JPEG" in said
    assert "00003" in said


def test_a_recording_of_broken_frames_ends_with_a_clear_error() -> None:
    data = samples(Flat(52, 5, broken=tuple(range(5))), frames=1)
    with pytest.raises(SourceError, match="cannot be read") as caught:
        data[0]
    assert "truncated JPEG" in caught.value.message


@pytest.mark.parametrize("recordings", [(), (Flat(0, 1),)])
def test_fewer_than_two_frames_is_a_clear_error(recordings: tuple[Recording, ...]) -> None:
    with pytest.raises(SourceError, match="at least two frames"):
        samples(*recordings)


@pytest.mark.parametrize("kind", ["ram", "disk", "none"])
def test_a_cache_gives_the_picture_that_was_decoded(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((20, 30), (90, 50), (20, 200), (7, 7))]
    plain, calls = FrameCache("none", 4, 24), []
    cache = FrameCache(kind, 4, 24, folder=tmp_path)
    for _ in range(2):
        for number, picture in enumerate(pictures):
            found = cache.get(number, lambda n=number, p=picture: (calls.append(n), p)[1]).copy()
            np.testing.assert_array_equal(found, plain.get(number, lambda p=picture: p))
            assert found.shape[:2] == fitted(picture, 24)
    assert len(calls) == (8 if kind == "none" else 4)
    assert not list(tmp_path.iterdir())  # a file without a name goes with the process, however that ends
    cache.close()


def test_a_mask_is_made_smaller_without_new_ids() -> None:
    mask = np.random.default_rng(0).choice(np.array([0, 7, VOID], np.uint8), (97, 131))
    found = FrameCache("ram", 1, 24, 1).get(0, lambda: mask)
    assert found.shape == (*fitted(mask, 24), 1)
    assert set(np.unique(found)) <= {0, 7, VOID}


def test_two_caches_on_disk_do_not_share_a_file(tmp_path: Path) -> None:
    one, two = (FrameCache("disk", 2, 8, channels, tmp_path) for channels in (3, 1))
    picture, mask = np.full((8, 8, 3), 9, np.uint8), np.full((8, 8), 5, np.uint8)
    one.get(0, lambda: picture)
    two.get(0, lambda: mask)
    assert (one.get(0, lambda: mask) == 9).all()
    assert (two.get(0, lambda: picture) == 5).all()
    one.close()
    two.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a cache is shared by fork alone")
@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_a_process_that_was_not_forked_sees_the_same_frames(kind: str, tmp_path: Path) -> None:
    """A spawned worker and another device of the machine are such processes."""
    cache = FrameCache(kind, 3, 24, folder=tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    cache.get(1, lambda: picture)
    script = (
        "import pickle, sys, numpy\n"
        "cache = pickle.load(sys.stdin.buffer)\n"
        "numpy.save(sys.stdout.buffer, cache.get(1, lambda: 1 / 0))\n"
        "cache.get(2, lambda: numpy.full((24, 30, 3), 7, numpy.uint8))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(cache), capture_output=True, check=True)
    assert np.array_equal(np.load(io.BytesIO(done.stdout)), picture)
    assert (cache.get(2, lambda: 1 / 0) == 7).all()
    assert list(tmp_path.iterdir()) == []
    cache.close()


def test_a_mask_that_cannot_be_used_is_told_with_its_frame(capsys: pytest.CaptureFixture[str]) -> None:
    class OneBadMask(Flat):
        def __getitem__(self, index: int) -> Frame:
            def fail() -> np.ndarray:
                raise FrameError("mask is 3x4, colour is 60x40")

            frame = super().__getitem__(index)
            return frame if index else dataclasses.replace(frame, load_annotation=fail)

    some = samples(OneBadMask(91, 6), labelled=True, frames=1)
    for number in range(len(some)):
        some[number]
    assert "flat91 frame 00000: mask is 3x4, colour is 60x40" in capsys.readouterr().err
