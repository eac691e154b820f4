"""The Python API of `streamseg eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamseg.evaluation import command
from streamseg.evaluation.request import DEFAULT, request
from streamseg.evaluation.scoring import SILENT
from streamseg.limits import check
from streamseg.runtime.library import check_names


def evaluate(
    sources: str | Path | Sequence[str | Path],
    *,
    models: Sequence[str] = (DEFAULT,),
    objects: bool = True,
    seeds: int = 1,
    every: int = 1,
    max_frames: int | None = None,
    masks: str | Path | None = None,
    protocol: str = "",
    singly: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Score masks of annotated recordings: the document that `streamseg eval --json` prints.

    sources: recordings with ground truth. models: names, checkpoints or exported files. seeds: number of seeds. every,
    max_frames: as in `segment`. masks: a folder of masks to score instead of those of a model. protocol: "davis16",
    "davis17u" or "uois" adds the figures of this benchmark. singly: segment each frame on its own. settings: as in
    `segment`.
    Figures are in [0, 1]; `figures` in the document explains each one. Raises StreamsegError.
    """
    check_names(settings)
    check({"seeds": seeds, "every": every, "max_frames": max_frames})
    flags: dict[str, Any] = {
        "seeds": seeds,
        "every": every,
        "max_frames": max_frames,
        "protocol": protocol,
        "singly": singly,
        "models": tuple(models) if masks is None else (),
        "masks": None if masks is None else Path(masks),
        "objects": objects,
    }
    uris = [str(sources)] if isinstance(sources, str | Path) else [str(source) for source in sources]
    return command.evaluate(request(uris, flags | settings), SILENT)
