"""Features of a frame without a run of the network: those of its keyframe, moved along the optical flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streamseg.features.extractor import FeatureFrame, PropagatedFrame
from streamseg.features.flow import Follow, follow_plane
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame


def with_features_of_keyframe(key: FeatureFrame, later: PropagatedFrame) -> FeatureFrame:
    """The later frame with the keyframe's own features, for who moves by himself what he made of these."""
    return replace(key, frame=later.frame, objectness=None, timings_ms=later.timings_ms, way=later.way)


def propagated(
    key: FeatureFrame, later: PropagatedFrame, own_guide: Callable[[Frame], np.ndarray | None] | None
) -> FeatureFrame:
    """The later frame with the keyframe's features, moved. own_guide: gives the depth guide of its own depth; None =
    the keyframe's is moved, too: decoding the depth would cost more than all that follows the flow."""
    timer = StageTimer()
    follow = Follow(later.way.flow, *key.features.shape[1:])
    features = follow(key.features)
    if own_guide:
        guide = own_guide(later.frame)
    else:
        guide = None if key.depth_guide is None else follow_plane(key.depth_guide, later.way.flow)
    timer.lap("follow")
    return replace(
        with_features_of_keyframe(key, later),
        features=features,
        foreground=None if key.foreground is None else follow(key.foreground),
        depth_guide=guide,
        timings_ms=later.timings_ms | timer.laps,
    )
