"""Compares results on tensors with those on arrays, on torch's "cpu" device, and on a GPU if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from streamseg.backbones import Backbone
from streamseg.backbones.placement import place_of_labels
from streamseg.clustering import codebook_torch
from streamseg.clustering.codebook import Codebook
from streamseg.config import RunConfig, SegmenterConfig
from streamseg.errors import ModelError
from streamseg.features import preparation_torch
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import prepare
from streamseg.frame import Frame
from streamseg.masks import upsample_torch
from streamseg.masks.upsample import depth_guide_of, upsample_labels
from streamseg.runtime import job
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import open_source

RECORDING = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
OPTIONS = [
    {},
    {"pca": 3},
    {"position": 0.2, "depth": 0.3},
    {"pca": 2, "position": 0.1, "depth": 0.1},
    {"edges": False},
]


@pytest.fixture(scope="module")
def frame() -> Iterator[Frame]:
    """Return a natural-looking frame of 640x480 with depth."""
    with open_source(str(RECORDING)) as source:
        yield source[5]


def rand_index(a: np.ndarray, b: np.ndarray) -> float:
    return float(adjusted_rand_score(a[::3, ::3].ravel(), b[::3, ::3].ravel()))


@pytest.mark.parametrize("depth", [False, True])
@pytest.mark.parametrize("radius", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 6, 8), (2, 24, 32), (20, 12, 16), (3, 97, 130)])
def test_labels_are_enlarged_alike(frame, shape, radius: float, depth: bool) -> None:
    """Few and many clusters, more than are evaluated at once; grids coarser and finer than the working grid."""
    rng = np.random.default_rng(len(shape))
    scores = rng.normal(size=shape).astype(np.float32)
    rgb = frame.rgb[:431, :571]  # no round factors
    depth_guide = depth_guide_of(frame.depth[:431, :571]) if depth else None
    wanted = upsample_labels(scores, rgb, depth_guide, radius=radius)
    found = upsample_torch.upsample_labels(
        torch.from_numpy(scores), torch.tensor(rgb), depth_guide, radius=radius
    ).numpy()
    assert found.dtype == np.uint8
    assert len(np.unique(wanted)) == shape[0]
    assert (found == wanted).mean() > 0.999


def test_ties_go_to_the_lower_number(frame) -> None:
    scores = torch.zeros(40, 12, 16)
    for radius in (0.0, 1.0):
        assert not upsample_torch.upsample_labels(scores, torch.tensor(frame.rgb), radius=radius).any()


class Watching(Backbone):
    """A backbone that stores its images. The features of a cell are its pixels."""

    name, sha256, engine, device, precision = "watching", "", "torch", "cpu", "fp32"
    tensors = True

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.seen = size, []

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        raise AssertionError("arrays were not asked for")

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen.append(images)
        return {"features": torch.nn.functional.avg_pool2d(images, 8)}


@pytest.mark.parametrize("size", [(384, 512), (240, 320), (200, 264), (96, 128), (512, 672)])
def test_the_network_gets_the_same_pixels(frame, size: tuple[int, int]) -> None:
    backbone, laps = Watching(size), []
    frames = [frame.rgb, np.ascontiguousarray(frame.rgb[::-1])]
    outputs, pixels = preparation_torch.run(backbone, frames, 3, laps.append)
    (images,) = backbone.seen  # one call, filled up to the batch
    assert laps == ["prepare", "backbone"]
    assert np.array_equal(pixels.numpy(), frames)
    assert outputs["features"].shape == (2, 3, size[0] // 8, size[1] // 8)
    wanted = np.concatenate([prepare(rgb, size) for rgb in [*frames, frames[-1]]])
    assert images.shape == wanted.shape
    levels = np.abs(images.numpy() - wanted) * 255
    # OpenCV interpolates in whole numbers; at half the size it rounds ties up, one mean in eight
    assert levels.max() < 1.01
    assert (levels > 0.5).mean() < 0.13


def test_the_codebook_moves_alike() -> None:
    rng = np.random.default_rng(3)
    centroids = rng.normal(size=(5, 16)).astype(np.float32)
    centroids[4] = 50  # has no cells
    here, there = Codebook(centroids), Codebook(centroids)
    for _ in range(12):
        cells = rng.normal(size=(300, 16)).astype(np.float32)
        wanted = here.step(cells)
        found = codebook_torch.step(there, torch.from_numpy(cells)).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(there.centroids, here.centroids, atol=1e-5)
    np.testing.assert_allclose(there.mass, here.mass)
    assert np.array_equal(there.centroids[4], centroids[4])
    assert here.grow(cells, seed=0)
    assert there.grow(cells, seed=0)
    assert codebook_torch.step(there, torch.from_numpy(cells)).shape == (300, 6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_gives_the_labels_of_the_host(shapes, make_segmenter, options: dict[str, object]) -> None:
    frames = [shapes()[i] for i in range(10)]
    here, there = (make_segmenter(**options, keyframes=1, labels_on=where) for where in ("host", "device"))
    for segmenter in (here, there):
        segmenter.start(frames[:8])
    for frame in frames:
        wanted, found = here.step(frame), there.step(frame)
        assert set(found.timings_ms) == {"prepare", "backbone", "depth", "cluster", "upsample"}
        assert (found.regions == wanted.regions).mean() > 0.995
    assert there.k_history == here.k_history
    assert np.allclose(there.features(frames[0]), here.features(frames[0]), atol=0.01)


def test_a_batch_is_as_one_by_one_and_sizes_may_differ(shapes, make_segmenter) -> None:
    wide, tall, large = shapes(5, (120, 160)), shapes(5, (200, 150)), shapes(5, (240, 320))
    frames = [wide[0], wide[1], wide[2], tall[0], tall[1], large[0], wide[3], large[1]]
    segmenter, other = (make_segmenter(k=4, labels_on="device") for _ in range(2))
    together = [*segmenter.extractor(frames[:3], 4), *segmenter.extractor(frames[3:])]
    assert [seen.frame for seen in together] == frames
    for seen, frame in zip(together, frames, strict=True):
        labels = segmenter.step(seen).regions
        assert labels.shape == frame.rgb.shape[:2]
        assert np.array_equal(labels, other.step(frame).regions)


def test_k_is_chosen_alike(shapes, make_segmenter) -> None:
    pipelines = [make_segmenter(k_range=(2, 6), keyframes=1, labels_on=where) for where in ("host", "device")]
    recording = shapes(110)
    for i in range(110):
        frame = recording[i]
        if i < 8:  # two colours only at the start
            frame.rgb[frame.annotation > 1] = 60
        for segmenter in pipelines:
            segmenter.step(frame)
    here, there = (segmenter.k_history for segmenter in pipelines)
    assert there == here


def test_every_frame_is_looked_at(shapes, make_segmenter) -> None:
    segmenter = make_segmenter(k=4, labels_on="device")
    frames = [shapes()[i] for i in range(6)]
    assert [segmenter.plan(frame) for frame in frames] == frames


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"clustering": "per-frame"}, "per-frame"),
        ({"objects": True}, "objects"),
        ({"keyframes": 6}, "--keyframes 6"),
    ],
)
def test_what_stays_on_the_host_is_said(shapes, make_segmenter, settings: dict[str, object], word: str) -> None:
    backbone = Watching((96, 128))
    gpu = Watching((96, 128))
    gpu.device = "cuda"
    assert str(place_of_labels(SegmenterConfig(), backbone)) == "host"
    assert place_of_labels(SegmenterConfig(), backbone).note == ""  # nobody expects anything else
    assert place_of_labels(SegmenterConfig(), gpu) == ("cuda", "labels on cuda")
    assert str(place_of_labels(SegmenterConfig().but(**settings), gpu)) == "host"
    assert word in place_of_labels(SegmenterConfig().but(**settings), gpu).note
    assert str(place_of_labels(SegmenterConfig().but(labels_on="host"), gpu)) == "host"
    with pytest.raises(ModelError, match=word):
        make_segmenter(**settings, labels_on="device").step(shapes()[0])


def test_an_engine_that_gives_no_tensors(shapes) -> None:
    class Arrays(Watching):
        engine, tensors = "openvino", False

    segmenter = Segmenter(FeatureExtractor(Arrays, lambda size: size, SegmenterConfig().but(labels_on="device")))
    with pytest.raises(ModelError, match="openvino gives its features in host memory only") as caught:
        segmenter.step(shapes()[0])
    assert "--labels-on" in caught.value.hint


def labels_of(folder: Path) -> list[np.ndarray]:
    files = sorted((folder / "labels").glob("*.png"))
    return [cv2.imread(str(file), cv2.IMREAD_COLOR).astype(int) @ [1, 256, 65536] for file in files]


def run(folder: Path, **more: object) -> tuple[dict, list[str], list[np.ndarray]]:
    """Return the manifest, the messages and the labels of a run."""
    told: list[str] = []
    wish = RunConfig(str(RECORDING)).but(size=192, keyframes=1, output=folder, save=("labels",), max_frames=10, **more)
    manifest = job.run(wish, log=told.append)
    return manifest, told, labels_of(folder)


@pytest.fixture(scope="module")
def of_the_host(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[str], list[np.ndarray]]:
    wish = {"engine": "torch", "device": "cpu", "precision": "fp32"}
    return run(tmp_path_factory.mktemp("host"), labels_on="auto", **wish)


def agree(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    assert len(found) == len(wanted) == 10
    assert all(len(np.unique(labels)) > 1 for labels in wanted)
    assert min(map(rand_index, found, wanted)) > 0.99


@pytest.mark.parametrize("batch", [1, 4])
def test_a_recording_gets_the_labels_of_the_host(tmp_path, of_the_host, batch: int) -> None:
    manifest, told, found = run(tmp_path, engine="torch", device="cpu", labels_on="device", batch=batch)
    assert manifest["model"]["labels_on"] == "cpu"
    assert "labels on cpu" in told
    manifest, told, wanted = of_the_host
    assert manifest["model"]["labels_on"] == "host"
    assert not any("labels" in line for line in told)
    agree(found, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU, which is not here")
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_recording_on_a_gpu(tmp_path, engine: str, batch: int) -> None:
    wish = {"engine": engine, "device": "cuda", "precision": "fp32", "batch": batch}
    manifest, told, found = run(tmp_path / "there", labels_on="auto", **wish)
    assert manifest["model"]["labels_on"] == "cuda"
    assert "labels on cuda" in told
    manifest, _, wanted = run(tmp_path / "here", labels_on="host", **wish)
    assert (manifest["model"]["device"], manifest["model"]["labels_on"]) == ("cuda", "host")
    agree(found, wanted)
