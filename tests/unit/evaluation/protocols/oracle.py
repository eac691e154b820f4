"""J and F as TrackEval has them, which took them over from DAVIS's own evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask


def davis_of_trackeval(found: list[np.ndarray], true: list[np.ndarray]) -> list[float]:
    """J&F, then mean, recall and decay of J and of F. (H, W) uint8 maps without VOID; 0 = none."""
    trackeval = pytest.importorskip("trackeval")
    pytest.importorskip("skimage")
    metric = trackeval.metrics.JAndF()
    metric.optim_type = "J&F"
    data: dict[str, Any] = {"num_timesteps": len(found)}
    for name, clip in (("tracker", found), ("gt", true)):
        ids = sorted(set(np.unique(clip).tolist()) - {0})
        present = [[i for i in ids if (picture == i).any()] for picture in clip]
        data[f"num_{name}_ids"] = len(ids)
        data[f"{name}_ids"] = [[ids.index(i) for i in frame] for frame in present]
        data[f"{name}_dets"] = [
            [coco_mask.encode(np.asfortranarray(picture == i, np.uint8)) for i in frame]
            for picture, frame in zip(clip, present, strict=True)
        ]
    result = metric.eval_sequence(data)
    names = ("J&F", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
    return [float(result[name]) for name in names]
