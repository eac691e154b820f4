"""Average precision against pycocotools, COCO's own evaluation."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from streamseg.evaluation.davis import compare
from streamseg.evaluation.instances.precision import AveragePrecision
from tests.unit.evaluation.clips import Clip, clips

SCORES = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.5, 0.9, 1.0]), min_size=28, max_size=28)


def encoded(mask: np.ndarray) -> dict[str, object]:
    return dict(coco_mask.encode(np.asfortranarray(mask, np.uint8)))


def of_coco(clip: Clip, scores: list[dict[int, float]]) -> tuple[float, float, float]:
    """AP, AP50, AP75 as COCO's evaluation prints them."""
    truth, found = [], []
    for image, (ids, true) in enumerate(zip(*clip, strict=True)):
        for g in sorted(set(np.unique(true).tolist()) - {0}):
            rle = encoded(true == g)
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": 1, "iscrowd": 0,
                          "segmentation": rle, "area": float(coco_mask.area(rle)), "bbox": [0, 0, 1, 1]})  # fmt: skip
        for i in sorted(set(np.unique(ids).tolist()) - {0}):
            found.append({"image_id": image, "category_id": 1, "score": scores[image][i],
                          "segmentation": encoded(ids == i)})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        images = [{"id": image, "height": 18, "width": 65} for image in range(len(clip[0]))]
        known.dataset = {"info": {}, "images": images, "annotations": truth, "categories": [{"id": 1}]}
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(evaluation.stats[:3])


@given(clips([0, 1, 2, 5], [0, 1, 3]), SCORES)
@settings(max_examples=15, deadline=None)
def test_as_coco_counts(clip: Clip, drawn: list[float]) -> None:
    scores = [{i: drawn[4 * image + place] for place, i in enumerate((1, 2, 5))} for image in range(len(clip[0]))]
    ours = AveragePrecision()
    for found, true, of_frame in zip(*clip, scores, strict=True):
        ours.add(compare(found, true), of_frame)
    figures = ours.figures()
    anything = any(np.any(true) for true in clip[1])
    if not anything:
        assert figures["ap"] is None
    elif any(np.any(found) for found in clip[0]):
        assert tuple(figures.values()) == pytest.approx(of_coco(clip, scores))
    else:
        assert figures["ap"] == 0


def test_a_high_score_on_nothing_costs_more_than_a_low_one() -> None:
    truth = np.zeros((8, 8), np.uint8)
    truth[:4, :4] = 1
    found = truth.copy()
    found[6:, 6:] = 2

    def ap(scores: dict[int, float]) -> float | None:
        one = AveragePrecision()
        one.add(compare(found, truth), scores)
        return one.figures()["ap"]

    assert ap({1: 0.9, 2: 0.1}) == 1
    assert ap({1: 0.1, 2: 0.9}) == 0.5
    assert ap({1: 0.1}) is None  # an id without a score
