"""The contract of every recording, tested with a small one of each kind and with real ones."""

from __future__ import annotations

import pickle
import queue
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg import plugins, sources
from streamseg.sources import LiveSource, Options, Recording, kinds, open_source
from streamseg.sources.alignment import Alignment
from tests.unit.sources.recordings import SMALL, build

REAL = (
    "apc_shelf_rgbd_masks",
    "azure_kinect_mkv",
    "co3d_backpack",
    "davis_car_shadow",
    "davis_dogs_jump_240p",
    "multiview_espresso",
    "realsense_recordings/rs.bag",
    "realsense_recordings/rs.db3",
    "rgbd_other_formats",
    "sevenscenes_redkitchen",
    "tum_fr1_rpy",
    "tum_fr3_cabinet_keyframes",
    "uoc_tabletop_rgbd",
    "video_bedroom_frames",
    "videos/kitten.mp4",
    "videos/teddy.mp4",
    "vos_judo_sparse",
)


@pytest.fixture(params=[*SMALL, *(f"shared/{name}" for name in REAL)])
def uri(request: pytest.FixtureRequest, tmp_path: Path, make: Any) -> str:
    if request.param.startswith("shared/"):
        return str(request.getfixturevalue("shared") / "data" / request.param.removeprefix("shared/"))
    return build(request.param, tmp_path, make)


def test_every_kind_of_recording_is_here() -> None:
    live = set(plugins.modules_declaring(str(sources.__file__), "LIVE"))
    assert {name.partition("_")[0] for name in SMALL} == set(kinds()) - live
    modules = [plugins.load("streamseg.sources", name) for name in kinds()]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    assert {one.kind for one in classes if issubclass(one, LiveSource) and one is not LiveSource} == live


def opened(uri: str) -> Recording:
    source = open_source(uri)
    assert isinstance(source, Recording)
    return source


def pick(length: int) -> list[int]:
    """Return a few frame numbers in random order, with repetitions and both ends."""
    rng = np.random.default_rng(0)
    return [length - 1, 0, *rng.integers(0, length, 6).tolist(), length // 2, length // 2, length - 1]


def test_frames_keep_the_contract(uri: str) -> None:
    with opened(uri) as source:
        assert len(source) > 0
        assert source.kind in {name.partition("_")[0] for name in SMALL}
        assert source.fps > 0
        frames = [source[i] for i in range(min(len(source), 12))]
        for i, frame in enumerate(frames):
            assert frame.index == i
            assert frame.name == source.name_of(i)
            assert frame.rgb.dtype == np.uint8
            assert frame.rgb.ndim == 3
            assert frame.rgb.shape[2] == 3
            assert frame.rgb.flags.c_contiguous
            depth = frame.depth
            assert depth is not None or frame.load_depth is None, frame.depth_problem
            if depth is not None:
                assert depth.shape == frame.rgb.shape[:2]
                assert depth.dtype == np.float32
                assert np.isfinite(depth).all()
                assert depth.min() >= 0
                assert 0.2 < np.median(depth[depth > 0]) < 10
        stamps = [frame.timestamp for frame in frames]
        assert stamps == sorted(set(stamps))


def test_names_are_unique_and_known_without_decoding(uri: str) -> None:
    source = opened(uri)
    names = [source.name_of(i) for i in range(len(source))]
    assert len(set(names)) == len(names)
    assert not any("/" in name or "\\" in name for name in names)


def test_random_access_equals_reading_in_order(uri: str) -> None:
    source = opened(uri)
    wanted = pick(len(source))
    in_order = {}
    for i in range(len(source)):
        frame = source[i]
        if i in wanted:
            in_order[i] = frame.rgb
    again = opened(uri)
    for i in wanted:
        assert np.array_equal(again[i].rgb, in_order[i]), i


def test_positions_outside_raise_index_error(uri: str) -> None:
    source = opened(uri)
    for index in (-1, len(source), len(source) + 10):
        with pytest.raises(IndexError):
            source[index]
        with pytest.raises(IndexError):
            source.name_of(index)


def test_a_pickled_recording_reads_the_same(uri: str) -> None:
    source = opened(uri)
    last = len(source) - 1
    frame = source[last]  # opens its files before it is pickled
    copy = pickle.loads(pickle.dumps(source))
    assert copy.skipped == source.skipped
    assert np.array_equal(copy[last].rgb, frame.rgb)
    if frame.load_depth is not None:
        load = pickle.loads(pickle.dumps(frame.load_depth))
        assert np.array_equal(load(), frame.depth)


def test_depth_is_moved_as_the_user_says(uri: str) -> None:
    """Every source with depth applies the option, with the same result as OpenCV for whole pixels."""
    with opened(uri) as source, open_source(uri, Options(align_depth=Alignment(1, 7, -3))) as moved:
        assert isinstance(moved, Recording)
        before, after = source[0], moved[0]
        assert np.array_equal(before.rgb, after.rgb)
        if before.depth is None:
            assert after.depth is None
            return
        shift = np.array([[1.0, 0, 7], [0, 1, -3]])
        expected = cv2.warpAffine(before.depth, shift, before.depth.shape[::-1], flags=cv2.INTER_NEAREST)
        assert np.array_equal(after.depth, expected)
        assert not np.array_equal(after.depth, before.depth)
        assert np.array_equal(pickle.loads(pickle.dumps(after.load_depth))(), expected)


def test_closing_twice_is_fine_and_reading_reopens(uri: str) -> None:
    source = opened(uri)
    before = source[0].rgb
    source.close()
    source.close()
    assert np.array_equal(source[0].rgb, before)


@pytest.mark.parametrize("kind", SMALL)
def test_threads_may_share_a_recording(kind: str, tmp_path: Path, make: Any) -> None:
    source = opened(build(kind, tmp_path, make))
    expected = [source[i].rgb for i in range(len(source))]
    wrong: list[int] = []

    def read(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(0, len(source), 20):
            frame = source[int(i)]
            if not np.array_equal(frame.rgb, expected[i]) or (frame.load_depth and frame.depth is None):
                wrong.append(int(i))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _sums(source: Recording, found: Any) -> None:
    found.put(
        [
            (int(source[i].rgb.sum()), 0.0 if source[i].depth is None else float(source[i].depth.sum()))
            for i in range(len(source))
        ]
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["bag", "kinect", "record3d", "tum", "video"])
def test_other_processes_read_on_their_own(kind: str, method: str, tmp_path: Path, make: Any) -> None:
    source = opened(build(kind, tmp_path, make))
    context = get_context(method)
    found: Any = context.Queue()
    here: Any = queue.Queue()
    _sums(source, here)  # opens decoders with their threads before the processes start
    source[1]
    workers = [context.Process(target=_sums, args=(source, found), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    expected = here.get()
    assert [found.get(timeout=60) for _ in workers] == [expected, expected]
    for worker in workers:
        worker.join(60)
    _sums(source, here)
    assert here.get() == expected
