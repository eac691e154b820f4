"""Propagates the features of a keyframe to a later frame, on which the network does not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streamseg.features.extractor import FeatureFrame, PropagatedFrame
from streamseg.features.flow import Warp, warp_plane
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame


def with_features_of_keyframe(key: FeatureFrame, later: PropagatedFrame) -> FeatureFrame:
    """Return the later frame with the features of its keyframe as they are, for a stage that warps its own results."""
    return replace(key, frame=later.frame, objectness=None, timings_ms=later.timings_ms, to_keyframe=later.to_keyframe)


def propagated(
    key: FeatureFrame, later: PropagatedFrame, own_guide: Callable[[Frame], np.ndarray | None] | None
) -> FeatureFrame:
    """Return the later frame with the features of its keyframe, warped along the optical flow.

    own_guide: returns the depth guide of the later frame's own depth. None = the guide of the keyframe is warped, too,
    because decoding the depth would take longer than everything else here.
    """
    timer = StageTimer()
    warp = Warp(later.to_keyframe.flow, *key.features.shape[1:])
    features = warp(key.features)
    if own_guide:
        guide = own_guide(later.frame)
    else:
        guide = None if key.depth_guide is None else warp_plane(key.depth_guide, later.to_keyframe.flow)
    timer.lap("follow")
    return replace(
        with_features_of_keyframe(key, later),
        features=features,
        foreground=None if key.foreground is None else warp(key.foreground),
        depth_guide=guide,
        timings_ms=later.timings_ms | timer.laps,
    )
