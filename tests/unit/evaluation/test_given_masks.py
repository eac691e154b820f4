"""Masks of other programs: several file formats, missing files, wrong files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from streamseg.config import SessionConfig
from streamseg.errors import SourceError
from streamseg.evaluation.given_masks import folders, score
from streamseg.masks import palette

SIZE = (40, 60)
NAMES = ("00000", "00001", "00002")


def ids(shift: int) -> np.ndarray:
    """Two things that move to the right."""
    mask = np.zeros(SIZE, np.uint8)
    mask[5:20, 5 + shift : 20 + shift] = 1
    mask[22:38, 30 + shift : 45 + shift] = 2
    return mask


@pytest.fixture
def recording(tmp_path: Path) -> SessionConfig:
    """Three frames with masks; the last frame has none."""
    folder = tmp_path / "recording"
    for inner in ("images", "masks"):
        (folder / inner).mkdir(parents=True)
    for shift, name in enumerate(NAMES):
        rgb = np.repeat(120 * ids(shift)[..., None], 3, axis=2)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), rgb)
        if name != NAMES[-1]:
            cv2.imwrite(str(folder / "masks" / f"{name}.png"), ids(shift))
    return SessionConfig(str(folder))


def write(folder: Path, kind: str, skip: tuple[str, ...] = (), swap: bool = False) -> Path:
    """The true masks as files of one kind."""
    folder.mkdir(parents=True)
    for shift, name in enumerate(NAMES):
        mask = ids(shift)
        if swap:
            mask = np.array([0, 7, 3], np.uint8)[mask]
        if name in skip:
            continue
        if kind == "indexed":
            image = Image.fromarray(mask)
            image.putpalette(palette.davis().ravel().tolist())
            image.save(folder / f"{name}.png")
        elif kind == "colour":
            Image.fromarray(palette.davis()[mask]).save(folder / f"{name}.bmp")
        elif kind == "own colours":
            colours = np.array([[0, 0, 0], [250, 10, 90], [3, 200, 77]], np.uint8)
            Image.fromarray(colours[mask]).save(folder / f"{name}.tif")
        else:
            Image.fromarray(mask).save(folder / f"{name}.{kind}")
    return folder


@pytest.mark.parametrize("kind", ["indexed", "colour", "own colours", "png", "tiff", "webp"])
def test_perfect_masks_score_one_in_any_format(recording: SessionConfig, tmp_path: Path, kind: str) -> None:
    if kind == "webp":
        pytest.importorskip("PIL.WebPImagePlugin")
        folder = write(tmp_path / "given", "png")
        for path in folder.iterdir():
            Image.open(path).save(path.with_suffix(".webp"), lossless=True)
            path.unlink()
    else:
        folder = write(tmp_path / "given", kind)
    result = score(recording, folder)
    figures = result.figures
    assert [figures[name] for name in ("union", "free", "j", "f", "jf", "ari", "id_ratio")] == [1] * 7
    assert result.frames == 2
    assert result.unscored == {"no annotation": ["00002"]}
    assert result.missing == []


def test_other_ids_score_the_same(recording: SessionConfig, tmp_path: Path) -> None:
    result = score(recording, write(tmp_path / "given", "indexed", swap=True))
    assert result.figures["jf"] == 1
    assert [(match["truth"], match["found"]) for match in result.matches] == [(1, 7), (2, 3)]


def test_missing_files_are_named_and_count_as_empty(recording: SessionConfig, tmp_path: Path) -> None:
    result = score(recording, write(tmp_path / "given", "png", skip=("00001",)))
    assert result.missing == ["00001"]
    assert result.figures["free"] == result.figures["j"] == 0.5
    assert result.figures["best"] == pytest.approx((16 * 15 / (15 * 15 + 16 * 15)) / 2)


def test_labels_and_objects_of_a_run_are_told_apart(recording: SessionConfig, tmp_path: Path) -> None:
    write(tmp_path / "out" / "objects", "png")
    labels = write(tmp_path / "out" / "labels", "png")
    for path in labels.iterdir():
        Image.fromarray(np.asarray(Image.open(path)) + 1).save(path)  # the background is a segment, too
    figures = score(recording, tmp_path / "out").figures
    assert figures["free"] == figures["jf"] == 1
    assert figures["union"] == figures["segments_jf"] == figures["segments_ari"] == 1
    assert figures["segments_union"] == 1
    assert figures["best"] == figures["segments_best"]


def test_objects_and_labels_of_a_run_are_joined(recording: SessionConfig, tmp_path: Path) -> None:
    """The labels are one region everywhere, so only the objects make a difference."""
    write(tmp_path / "out" / "objects", "png")
    for path in write(tmp_path / "out" / "labels", "png").iterdir():
        Image.fromarray(np.ones(SIZE, np.uint8)).save(path)
    figures = score(recording, tmp_path / "out").figures
    area = [15 * 15, 16 * 15]
    assert figures["best"] == pytest.approx(max(area) / sum(area))
    assert figures["union"] == 1
    assert figures["segments_best"] == figures["segments_union"] == pytest.approx(sum(area) / (SIZE[0] * SIZE[1]))


def test_panoptic_masks_of_a_run(recording: SessionConfig, tmp_path: Path) -> None:
    """Alone, none of the masks is known to be an object; beside objects/ they score like labels/."""
    folder = tmp_path / "out" / "panoptic"
    for path in write(folder, "png").iterdir():
        Image.fromarray(np.array([1, 254, 253], np.uint8)[np.asarray(Image.open(path))]).save(path)
    alone = score(recording, tmp_path / "out").figures
    assert alone["union"] == alone["segments_jf"] == 1
    assert alone["free"] is None
    write(tmp_path / "out" / "objects", "png")
    both = score(recording, tmp_path / "out").figures
    assert both["free"] == both["union"] == 1
    assert both["best"] == alone["best"]


def test_labels_alone_are_no_objects(recording: SessionConfig, tmp_path: Path) -> None:
    write(tmp_path / "out" / "labels", "png")
    figures = score(recording, tmp_path / "out").figures
    assert figures["free"] is None
    assert figures["jf"] is None
    assert figures["segments_jf"] == 1


def test_scores_in_the_folder_of_the_masks_are_used(recording: SessionConfig, tmp_path: Path) -> None:
    folder = write(tmp_path / "given", "png")
    assert score(recording, folder).figures["ap"] is None
    segments = [{"id": 1, "score": 0.9}, {"id": 2, "score": 0.4}]
    lines = [json.dumps({"name": name, "masks": "objects", "segments": segments}) for name in NAMES]
    (folder / "segments.jsonl").write_text("\n".join(lines))
    assert score(recording, folder).figures["ap"] == 1


def test_masks_of_another_size_are_an_error(recording: SessionConfig, tmp_path: Path) -> None:
    folder = write(tmp_path / "given", "png")
    Image.fromarray(ids(0)[:, :50]).save(folder / "00001.png")
    with pytest.raises(SourceError, match=r"00001.png' is 50x40, its frame 60x40"):
        score(recording, folder)


def test_a_broken_mask_is_an_error(recording: SessionConfig, tmp_path: Path) -> None:
    folder = write(tmp_path / "given", "png")
    (folder / "00000.png").write_bytes((folder / "00000.png").read_bytes()[:60])
    with pytest.raises(SourceError, match="cannot be read: truncated PNG"):
        score(recording, folder)


def test_masks_of_other_frames_are_an_error(recording: SessionConfig, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    Image.fromarray(ids(0)).save(folder / "frame1.png")
    with pytest.raises(SourceError, match="belongs to a frame") as error:
        score(recording, folder)
    assert "'00000'" in error.value.hint
    assert "'frame1'" in error.value.hint


def test_a_folder_for_each_of_several_recordings(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    assert folders(tmp_path, ["cat", "dog"]) == [tmp_path / "cat", tmp_path / "dog"]
    assert folders(tmp_path, ["cat"]) == [tmp_path / "cat"]
    assert folders(tmp_path, ["bird"]) == [tmp_path]
    with pytest.raises(SourceError, match="bird"):
        folders(tmp_path, ["cat", "bird"])
    with pytest.raises(SourceError, match="there is no folder"):
        folders(tmp_path / "nowhere", ["cat"])


def test_void_pixels_of_an_answer_are_background_in_every_figure(recording: SessionConfig, tmp_path: Path) -> None:
    plain, void = write(tmp_path / "plain", "indexed"), tmp_path / "void"
    void.mkdir()
    for path in sorted(plain.iterdir()):
        mask = np.asarray(Image.open(path)).copy()
        mask[-2:] = 255  # nothing lies there
        Image.fromarray(mask).save(void / path.name)
    assert score(recording, void).figures == score(recording, plain).figures
