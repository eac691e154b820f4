"""The sinks that write data, read by independent readers."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from streamseg import plugins, sinks
from streamseg.errors import OutputError
from streamseg.frame import VOID, Frame, Intrinsics, Segmentation
from streamseg.sinks import open_sink
from streamseg.sinks.encoding.indexed import indexed_png

from .conftest import FILES, RUN, blocks, frame, write

FOLDERS = ("dataset", "yolo", "labelstudio", "ply")


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 99))
def test_indexed_png_is_read_back_exactly(size: tuple[int, int], seed: int) -> None:
    import io

    labels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    with Image.open(io.BytesIO(indexed_png(labels))) as image:
        assert image.mode == "P"
        assert image.getpalette()[:15] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]
        assert np.array_equal(np.array(image), labels)


def test_label_files_carry_the_frames_names_and_sizes(tmp_path: Path) -> None:
    small, large = blocks(1), blocks(2, (90, 31))
    folder = write("labels", tmp_path, [frame(0, small, "1305031102.175304"), frame(1, large, "größe/ü:1")])
    assert sorted(path.name for path in folder.iterdir()) == ["1305031102.175304.png", "größe_ü_1.png"]
    assert np.array_equal(np.array(Image.open(folder / "1305031102.175304.png")), small)
    assert np.array_equal(np.array(Image.open(folder / "größe_ü_1.png")), large)


def test_panoptic_files_join_things_and_regions(tmp_path: Path) -> None:
    regions, things = np.array([[1, 1, 2, VOID]], np.uint8), np.array([[0, 3, 1, 0]], np.uint8)
    picture, _ = frame(0, regions)
    folder = write("panoptic", tmp_path, [(picture, Segmentation(regions, k=2, objects=things))])
    assert np.array(Image.open(folder / "00000.png")).tolist() == [[1, 252, 254, VOID]]


def test_an_archive_holds_the_labels_of_all_frames(tmp_path: Path) -> None:
    labels = [blocks(seed) for seed in range(5)]
    path = write("npz", tmp_path, [frame(i, x) for i, x in enumerate(labels)])
    with np.load(path, allow_pickle=False) as archive:
        assert np.array_equal(archive["labels"], labels)
        assert archive["timestamps"].tolist() == [0, 0.5, 1, 1.5, 2]
        assert archive["names"].tolist() == ["00000", "00001", "00002", "00003", "00004"]
        assert archive["ids"].tolist() == [1, 2, 3, 200]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.npz"]


def test_an_archive_pads_smaller_frames(tmp_path: Path) -> None:
    sizes = [(48, 64), (20, 80), (90, 31)]
    labels = [blocks(seed, size) for seed, size in enumerate(sizes)]
    with np.load(write("npz", tmp_path, [frame(i, x) for i, x in enumerate(labels)])) as archive:
        assert archive["labels"].shape == (3, 90, 80)
        assert archive["sizes"].tolist() == [list(size) for size in sizes]
        for found, wanted, (h, w) in zip(archive["labels"], labels, sizes, strict=True):
            assert np.array_equal(found[:h, :w], wanted)
            assert (found[h:] == VOID).all()
            assert (found[:, w:] == VOID).all()


def test_coco_is_read_by_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [blocks(seed) for seed in range(4)]
    coco = COCO(str(write("coco", tmp_path, [frame(i, x, f"bild-ä{i}") for i, x in enumerate(labels)])))
    names = [image["file_name"] for image in coco.imgs.values()]
    assert [(tmp_path / name).resolve() for name in names] == [
        Path(f"pictures/bild-ä{i}.jpg").resolve() for i in range(4)
    ]
    assert [category["id"] for category in coco.cats.values()] == [1]
    for index, image_id in enumerate(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
        assert {a["track_id"] for a in annotations} == set(np.unique(labels[index])) - {VOID}
        assert all(a["attributes"] == dict.fromkeys(("track_id", "instance_id"), a["track_id"]) for a in annotations)
        for a in annotations:
            mask = labels[index] == a["track_id"]
            assert np.array_equal(coco.annToMask(a), mask)
            assert a["area"] == mask.sum()
            y, x = np.nonzero(mask)
            assert a["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]


def test_youtube_vis_has_a_mask_or_null_for_each_frame(tmp_path: Path) -> None:
    labels = [blocks(seed) for seed in range(4)]
    labels[2][labels[2] == 200] = 1
    content = json.loads(write("ytvis", tmp_path, [frame(i, x) for i, x in enumerate(labels)]).read_text())
    assert content["videos"][0]["length"] == 4
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3, 200]
    for a in content["annotations"]:
        for index, rle in enumerate(a["segmentations"]):
            mask = labels[index] == a["id"]
            assert (rle is None) == (not mask.any())
            if rle:
                assert np.array_equal(coco_mask.decode(rle), mask)
                assert a["areas"][index] == mask.sum()


def test_lines_hold_metres(tmp_path: Path) -> None:
    labels = np.ones((4, 6), np.uint8)
    labels[:, 3:] = 2
    depth = np.where(labels == 1, 2.0, 0).astype(np.float32)  # nothing was measured on 2
    rgb = np.zeros((4, 6, 3), np.uint8)
    whole = Frame(7, "seven", 1.5, rgb, Intrinsics(2, 2, 1, 1.5), load_depth=lambda: depth)
    flat = Frame(8, "eight", 2.0, rgb)
    path = write("jsonl", tmp_path, [(whole, Segmentation(labels, 2)), (flat, Segmentation(labels, 2))])
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["index"], first["name"], first["timestamp"], first["k"]) == (7, "seven", 1.5, 2)
    one, two = first["segments"]
    assert one["id"] == 1
    assert one["area"] == 12
    assert one["box"] == [0, 0, 3, 4]
    assert one["mean_depth"] == pytest.approx(2)
    assert one["centroid"] == pytest.approx([0, 0, 2])
    assert one["size"] == pytest.approx([1.96, 2.94, 0], abs=0.1)  # 3 and 4 pixels, less a pixel, at 2 m
    assert (first["units"], second["units"], first["masks"]) == ("m", None, "regions")
    assert two["mean_depth"] is two["centroid"] is second["segments"][0]["mean_depth"] is None


def test_lines_are_written_at_once(tmp_path: Path) -> None:
    sink = open_sink("jsonl", tmp_path, RUN)
    sink.write(*frame(0, blocks(0)))
    assert len((tmp_path / "segments.jsonl").read_text().splitlines()) == 1
    sink.close()


@pytest.mark.parametrize("name", FILES)
def test_a_run_without_frames(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path, [])
    assert not [p for p in tmp_path.rglob("*") if "partial" in p.name]
    if name == "coco":
        assert json.loads(path.read_text())["annotations"] == []
    if name in ("npz", "ytvis", "ply"):
        assert not path.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_final_name_appears_only_when_the_file_is_whole(name: str, tmp_path: Path) -> None:
    with open_sink(name, tmp_path, RUN) as sink:
        sink.write(*frame(0, blocks(0)))
        if name not in ("labels", "panoptic", "jsonl", *FOLDERS):  # these are whole after every frame
            assert not (tmp_path / FILES[name]).exists()
    assert (tmp_path / FILES[name]).exists()
    sink.close()


@pytest.mark.parametrize("name", ["npz", "coco"])
def test_memory_does_not_grow_with_the_run(name: str, tmp_path: Path) -> None:
    labels = blocks(0, (480, 640))
    with open_sink(name, tmp_path, RUN) as sink:
        sink.write(*frame(0, labels))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for index in range(1, 150):
            sink.write(*frame(index, labels))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 0.5 * 150 * labels.size


@pytest.mark.parametrize("name", FILES)
def test_a_sink_writes_its_output(name: str, tmp_path: Path) -> None:
    write(name, tmp_path, [frame(0, blocks(0))])
    assert [path.name for path in tmp_path.iterdir()] == [FILES[name]]
    assert FILES[name] == plugins.load(sinks.__name__, name).OUTPUT


def test_an_unknown_sink_is_refused_with_a_guess() -> None:
    with pytest.raises(OutputError) as caught:
        open_sink("label", Path(), RUN)
    assert "did you mean 'labels'?" in caught.value.hint


def test_every_sink_has_a_description() -> None:
    assert all(sinks.kinds().values())
