"""What `run` makes of a network: the IoU of all objects with the truth (`free`), frame by frame, and J&F.

This is `run` itself with its default settings, over the last frames of each recording; the dense probe looks at
regions only, and a network may make better regions and worse objects.
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


def score_objects(
    recordings: Sequence[Recording], spec: Spec, size: int, frames: int, seed: int, *, chooses: bool = False
) -> dict[str, Result]:
    """{"free": a unit is a frame, "jf": a unit is a recording}, of those that could be measured; values 0 ... 1.

    size: of the network's input, shorter side. frames: at most so many of each recording, its last ones, and not more
    than its second half. chooses: the last ones of the first half, by the engine that needs no export, for weights of
    which there are several to choose from. Raises StreamsegError.
    """
    free: list[float] = []
    groups: list[int] = []
    names: list[str] = []
    whole: list[float] = []
    engine = "torch" if chooses else "auto"
    asked = SessionConfig("").but(objects=True, seed=seed, spec=spec, size=size, engine=engine)
    with open_segmenter(asked) as segmenter:
        for recording in recordings:
            own: list[float] = []

            def see(
                frame: Frame, found: Segmentation, truth: np.ndarray, figures: dict[str, float], into: list[float] = own
            ) -> None:
                if "free" in figures:
                    into.append(figures["free"])

            half = max(1, len(recording) // 2)
            end = len(recording) - half if chooses else len(recording)
            part = Part(recording, range(max(0, end - min(frames, half)), end))
            if not len(part):
                continue
            with open_session(asked, segmenter=segmenter, source=part) as session:
                scorer = Scorer(recording.kind, see)
                if stream(session.source, session.segmenter, [scorer]).stopped:
                    raise KeyboardInterrupt
            jf = scorer.result().figures["jf"] if own else None
            if own and jf is not None:
                free += own
                groups += [len(names)] * len(own)
                names.append(recording.uri)
                whole.append(jf)
    if not names:
        return {}
    return {
        "free": Result({"free": np.array(free)}, np.array(groups), tuple(names), macro=True),
        "jf": Result({"jf": np.array(whole)}, np.arange(len(whole)), tuple(names), macro=True),
    }
