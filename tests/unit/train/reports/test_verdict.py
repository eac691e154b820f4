"""The verdict says that training helped only if the interval of the paired difference is above 0."""

from __future__ import annotations

import numpy as np
import pytest

from train.probes import Result
from train.reports.verdict import all_compared, compared, of_scores, verdict


def result(values: np.ndarray, name: str = "iou_union") -> Result:
    return Result({name: values}, np.arange(len(values)) // 4, ("a", "b", "c"), macro=True)


NOISE = np.random.default_rng(0).normal(0, 0.2, 12)


@pytest.mark.parametrize(
    ("gain", "spread", "word"),
    [(0.1, 0.01, "training helped"), (-0.1, 0.01, "training made regions worse"), (0.01, 1.0, "no difference can be")],
)
def test_only_an_interval_that_excludes_zero_counts(gain: float, spread: float, word: str) -> None:
    before = result(0.5 + NOISE)
    report = compared(before, result(0.5 + NOISE + gain + spread * np.roll(NOISE, 3)))
    low, high = report["iou_union"]["interval"]
    assert low <= report["iou_union"]["difference"] <= high
    assert verdict(report, {}).startswith(word)


def test_regions_and_objects_are_reported_separately() -> None:
    same = 0.5 + NOISE
    report = compared(result(same), result(same + 0.1)) | compared(result(same, "free"), result(same - 0.1, "free"))
    assert verdict(report, {}).startswith("training made objects worse and regions better: IoU of regions")


def test_comparisons_come_in_the_order_of_the_results_and_need_the_same_units() -> None:
    """An order by the hash of the names would differ from process to process."""
    names = [f"figure {number}" for number in (4, 1, 7, 2, 6, 3, 5, 0)]
    before, after = ({name: result(0.5 + NOISE + gain, name) for name in names} for gain in (0.0, 0.1))
    assert list(all_compared(before, after)) == names
    other = after | {names[0]: result(0.5 + NOISE[:8], names[0])}
    assert list(all_compared(before, other)) == names[1:]


def test_one_unit_has_no_interval_and_proves_nothing() -> None:
    report = compared(result(np.array([0.1])), result(np.array([0.9])))
    assert report["iou_union"]["interval"] is None
    assert verdict(report, {}).startswith("no difference can be told")


def test_a_single_recording_is_mentioned() -> None:
    before, after = (Result({"free": values}, np.zeros(12, int), ("a",), macro=True) for values in (NOISE, NOISE + 0.1))
    assert verdict(compared(before, after), {}).endswith(
        "this is one recording: give --val more, for others may fare otherwise"
    )


def test_without_masks_the_verdict_claims_nothing() -> None:
    assert verdict({}, {}, probed=False).startswith("nothing was measured")
    said = verdict({}, {"frozen": {"agreement": 0.3}, "best": {"agreement": 0.8}})
    assert said.startswith("no masks: agreement with the objects 0.800")
    assert "helped" not in said
    assert "fell" not in said


def test_without_masks_a_lower_agreement_is_called_so() -> None:
    said = verdict({}, {"frozen": {"agreement": 0.415}, "best": {"agreement": 0.399}})
    assert "0.399 at best, 0.415 before, so it fell: train longer, or keep the start" in said
    same = verdict({}, {"frozen": {"agreement": 0.4151}, "best": {"agreement": 0.4149}})
    assert "fell" not in same


def test_saved_scores_are_paired_with_their_frames() -> None:
    whole = result(0.5 + NOISE)
    assert of_scores({"iou_union": whole.scores["iou_union"].tolist()}, whole).figures() == whole.figures()


def test_the_advice_is_only_to_leave_out_what_was_given() -> None:
    assert "leave out --no-probe" in verdict({}, {}, probed=False)
    assert "no-probe" not in verdict({}, {}, probed=True)  # no object was found
    classes = {"frozen": {"knn_top1": 0.5}, "best": {"knn_top1": 0.6}}
    assert "nothing but the accuracy of classes was measured" in verdict({}, classes)
