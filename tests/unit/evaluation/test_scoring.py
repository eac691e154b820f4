"""What is scored and what is left out; means and spreads."""

from __future__ import annotations

import statistics
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.config import SessionConfig
from streamseg.errors import FrameError, SourceError
from streamseg.evaluation.scoring import (
    Listener,
    Score,
    Scorer,
    mean_figures,
    nothing_scored,
    over_seeds,
    require_annotation,
    score,
    short_names,
    summary,
)
from streamseg.evaluation.sequence import FIGURES
from streamseg.frame import Frame, Segmentation
from streamseg.sources import open_source

SHAPE = (20, 30)
SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"


def frame(index: int, truth: np.ndarray | Exception | None, rgb: int = 90) -> Frame:
    def load() -> np.ndarray:
        if isinstance(truth, Exception):
            raise truth
        assert truth is not None
        return truth

    picture = np.full((*SHAPE, 3), rgb, np.uint8)
    return Frame(index, f"{index:05d}", index / 30, picture, load_annotation=None if truth is None else load)


def thing() -> np.ndarray:
    truth = np.zeros(SHAPE, np.uint8)
    truth[5:15, 5:15] = 1
    return truth


def test_frames_without_usable_truth_are_named() -> None:
    scorer = Scorer("images")
    perfect = Segmentation(thing() + 1, k=2, objects=thing())
    for index, truth in enumerate((thing(), None, FrameError("unreadable mask"), thing())):
        scorer.write(frame(index, truth), perfect)
    result = scorer.result()
    assert result.frames == 2
    assert result.unscored == {"no annotation": ["00001"], "unreadable mask": ["00002"]}
    assert result.figures["best"] == result.figures["free"] == result.figures["jf"] == 1
    assert result.figures["id_changes"] is None  # the two frames are no neighbours


def test_a_frame_that_is_all_void_is_not_scored() -> None:
    scorer = Scorer("images", protocol="davis17u")
    for index, truth in enumerate((thing(), np.full(SHAPE, 255, np.uint8), thing())):
        scorer.write(frame(index, truth), Segmentation(thing() + 1, k=2, objects=np.zeros(SHAPE, np.uint8)))
    result = scorer.result()
    assert (result.frames, result.unscored) == (2, {"all of its pixels are void": ["00001"]})
    assert result.figures["free"] == result.figures["jf"] == result.figures["davis17u_j_mean"] == 0


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("mask is 2x2, colour is 4x4", "frames' size"),
        ("all of its pixels are void", "void"),
        ("masks of the folder have more than 254 ids", "number the objects"),
        ("mask has too many colours", "number the objects"),
    ],
)
def test_the_hint_depends_on_why_nothing_was_scored(reason: str, hint: str) -> None:
    assert hint in nothing_scored("clip", {reason: ["0"]}).hint


@pytest.mark.parametrize(("kind", "scored"), [("co3d", 1), ("davis", 3)])
def test_co3d_hides_targets(kind: str, scored: int) -> None:
    scorer = Scorer(kind)
    nothing = np.zeros(SHAPE, np.uint8)
    for index, (truth, rgb) in enumerate(((thing(), 90), (nothing, 90), (thing(), 0))):
        scorer.write(frame(index, truth, rgb), Segmentation(thing() + 1, k=2))
    assert scorer.result().frames == scored


def test_iou_only_leaves_the_rest_out() -> None:
    scorer = Scorer("images", iou_only=True)
    scorer.write(frame(0, thing()), Segmentation(thing() + 1, k=2))
    figures = scorer.result().figures
    assert figures["best"] == 1
    masks = {"best", "union", "segments_best", "segments_union"}
    assert {name for name, value in figures.items() if value is not None} == masks


def test_singly_each_frame_is_a_new_session(tmp_path: Path) -> None:
    """The same image twice has the same masks. In one session, the second would depend on the first."""
    picture = cv2.imread(str(next((SAMPLE / "rgb").iterdir())))
    for name, image in (("images", picture), ("masks", np.full(picture.shape[:2], 255, np.uint8))):
        (tmp_path / name).mkdir()
        for stem in ("a", "b"):
            cv2.imwrite(str(tmp_path / name / f"{stem}.png"), image)
    seen: list[np.ndarray] = []

    def look(frame: Frame, segmentation: Segmentation, truth: np.ndarray, own: dict[str, float]) -> None:
        seen.append(segmentation.panoptic)

    config = SessionConfig(str(tmp_path)).but(objects=True, size=96)
    (found,) = over_seeds(config, 1, observer=look, singly=True)
    assert found.frames == len(seen) == 2
    assert np.array_equal(*seen)
    assert (found.figures["id_changes"], found.figures["segments_id_changes"]) == (0, 0)


def test_spread_is_that_of_the_seeds() -> None:
    results = [dict.fromkeys(FIGURES, value) for value in (0.2, 0.4, 0.9)]
    results[0]["free"] = None
    found = summary(results)
    assert found["best"] == pytest.approx({"mean": 0.5, "std": statistics.stdev([0.2, 0.4, 0.9])})
    assert found["free"] == pytest.approx({"mean": 0.65, "std": statistics.stdev([0.4, 0.9])})
    assert summary(results[:1])["free"] is None
    assert summary(results[1:2])["best"] == {"mean": 0.4, "std": 0}
    scores = [Score(1, result, []) for result in results]
    assert mean_figures(scores)["free"] == pytest.approx(0.65)


def test_seeds_share_a_network_and_nothing_else() -> None:
    """The figures of each seed are those of a separate run."""
    setup = SessionConfig(str(SAMPLE)).but(size=96, objects=True, k=6, seed=3)
    told: list[str] = []
    coming: list[int | None] = []
    done: list[int] = []
    listener = Listener(told.append, coming.append, lambda report: done.append(report.processed))
    together = over_seeds(setup, 2, max_frames=2, iou_only=True, listener=listener)
    for number, found in enumerate(together):
        assert found == score(setup.with_seed(3 + number), max_frames=2, iou_only=True)
    for figure in ("segments_best", "free"):  # both regions and objects follow the seed
        assert together[0].figures[figure] != together[1].figures[figure]
    assert sum("efficientnet_lite0 on" in line for line in told) == 1
    assert coming == [2, 2]
    assert done == [1, 2] * 2


def test_names_are_as_short_as_they_can_be() -> None:
    assert short_names(["/data/a/cat", "co3d:/data/a/dog/"]) == ["cat", "dog"]
    assert short_names(["/data/a/cat", "/data/b/cat"]) == ["a/cat", "b/cat"]


def test_recordings_without_truth_are_refused_at_once(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SourceError, match="no annotated frame"):
        require_annotation(open_source(str(tmp_path)))


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from streamseg.evaluation.sequence import FIGURES
    from streamseg.evaluation.table import print_table

    figures = {figure: {"mean": 0.5, "std": 0.0} for figure in FIGURES}
    entry = {"name": "scene[kitchen]_1", "frames": 3, "figures": figures, "unscored": {}, "missing": []}
    print_table([{"model": "m", "sequences": [entry], "mean": figures}], 1)
    assert "scene[kitchen]_1" in capsys.readouterr().out
