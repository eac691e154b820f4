"""The scores of the objects that `run` finds with a network: IoU of all objects (`free`) per frame, and J&F.

This uses `run` itself with its default settings, on the last frames of each recording. The dense probe measures regions
alone, and a network can have better regions and worse objects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamseg.backbones import Spec
from streamseg.config import SessionConfig
from streamseg.evaluation.scoring import Scorer
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.session import open_segmenter, open_session
from streamseg.runtime.stream import stream
from streamseg.sources import Recording
from train.data.parts import Part
from train.probes import Result

FIGURES = ("free", "jf")
"""Names of the scores."""


def score_objects(
    recordings: Sequence[Recording], spec: Spec, size: int, frames: int, seed: int, *, chooses: bool = False
) -> dict[str, Result]:
    """Return {"free": a unit is a frame, "jf": a unit is a recording}, values 0 to 1.

    Recordings that cannot be scored are left out. size: shorter side of the network's input. frames: largest number of
    frames of each recording, its last ones, at most half of it. chooses: to choose among weights, use the last frames
    of the first half instead, and the engine that needs no export. Raises StreamsegError.
    """
    free: list[float] = []
    groups: list[int] = []
    names: list[str] = []
    jf_scores: list[float] = []
    engine = "torch" if chooses else "auto"
    config = SessionConfig("").but(objects=True, seed=seed, spec=spec, size=size, engine=engine)
    with open_segmenter(config) as segmenter:
        for recording in recordings:
            frame_scores: list[float] = []

            def collect(
                frame: Frame,
                segmentation: Segmentation,
                truth: np.ndarray,
                figures: dict[str, float],
                scores: list[float] = frame_scores,
            ) -> None:
                if "free" in figures:
                    scores.append(figures["free"])

            half = max(1, len(recording) // 2)
            end = len(recording) - half if chooses else len(recording)
            part = Part(recording, range(max(0, end - min(frames, half)), end))
            if not len(part):
                continue
            with open_session(config, segmenter=segmenter, source=part) as session:
                scorer = Scorer(recording.kind, collect)
                if stream(session.source, session.segmenter, [scorer]).stopped:
                    raise KeyboardInterrupt
            jf = scorer.result().figures["jf"] if frame_scores else None
            if jf is not None:
                free += frame_scores
                groups += [len(names)] * len(frame_scores)
                names.append(recording.uri)
                jf_scores.append(jf)
    if not names:
        return {}
    return {
        "free": Result({"free": np.array(free)}, np.array(groups), tuple(names), macro=True),
        "jf": Result({"jf": np.array(jf_scores)}, np.arange(len(jf_scores)), tuple(names), macro=True),
    }
