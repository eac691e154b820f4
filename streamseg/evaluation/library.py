"""The Python API of `streamseg eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.evaluation import command
from streamseg.evaluation.request import DEFAULT, request
from streamseg.evaluation.scoring import SILENT
from streamseg.limits import check
from streamseg.runtime.library import checked


def evaluate(
    sources: str | Path | Sequence[str | Path],
    *,
    models: str | Path | Sequence[str | Path] = (DEFAULT,),
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
    `segment`, without `model`.

    `figures` in the document explains each figure. All are in [0, 1], except the number `id_switches`, `id_ratio`, and
    decays of a protocol, which may be negative. Raises StreamsegError.
    """
    if "model" in settings:
        raise StreamsegError("evaluate scores one or more models, and has no setting 'model'", "give models=[...]")
    check({"seeds": seeds, "every": every, "max_frames": max_frames})
    flags: dict[str, Any] = {
        "seeds": seeds,
        "every": every,
        "max_frames": max_frames,
        "protocol": protocol,
        "singly": singly,
        "models": _names(models) if masks is None else (),
        "masks": None if masks is None else Path(masks),
        "objects": objects,
    }
    return command.evaluate(request(_names(sources), flags | checked(settings)), SILENT)


def _names(given: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """Return one name or several names as text."""
    return (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))
