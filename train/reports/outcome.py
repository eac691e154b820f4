"""The result of a run: its comparison with the start, on frames that did not choose the checkpoint, and masks.png."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from streamseg.backbones import Spec
from streamseg.backbones.checkpoint import BEST, LAST
from streamseg.files import written
from streamseg.masks.encoding import png
from streamseg.sources import Recording
from streamseg.text import counted
from train.callbacks.probing import Probing
from train.probes.evaluators import PROBED_FRAMES
from train.probes.objects import score_objects
from train.reports.before_after import MASKS_PICTURE, before_after
from train.reports.loggers import picture
from train.reports.verdict import all_compared, compared, of_scores
from train.settings import Settings

Log = Callable[[str], None]


def compare_with_start(
    probing: Probing | None, settings: Settings, output: Path, say: Log
) -> dict[str, dict[str, Any]]:
    """Return the figures of best.pt beside those of the start, see `verdict.compared`; {} without masks."""
    if probing is None or probing.evaluators is None or probing.evaluators.result_probe is None:
        return {}
    if not {"frozen", "best"} <= probing.result_scores.keys():
        return {}  # the run was resumed from a checkpoint of an older version
    units = probing.evaluators.result_probe.units()
    before, after = (of_scores(probing.result_scores[name], units) for name in ("frozen", "best"))
    comparisons = compared(before, after, settings.seed)
    start = starting_spec(settings)
    if start is not None:
        val = probing.evaluators.val
        say(f"scoring the objects of {counted(len(val), 'recording')}, before and after")
        old, new = (
            score_objects(val, spec, settings.probe_size, PROBED_FRAMES // 2, settings.seed)
            for spec in (start, Spec(str(output / BEST)))
        )
        comparisons |= all_compared(old, new, settings.seed)
    return comparisons


def starting_spec(settings: Settings) -> Spec | None:
    """Return the network that training started from, or None if its weights were random."""
    return None if settings.init == "none" else settings.spec


def draw(recordings: Sequence[Recording], settings: Settings, output: Path, loggers: Sequence[Any], step: int,
         say: Log) -> None:  # fmt: skip
    """Write masks.png and show it in the loggers, unless --no-pictures is set."""
    trained = output / (BEST if (output / BEST).exists() else LAST)
    if not settings.pictures or not trained.exists():
        return
    image = before_after(
        recordings, starting_spec(settings), Spec(str(trained)), settings.probe_size, settings.seed, say
    )
    if image is None:
        return
    with written(output / MASKS_PICTURE) as temporary:
        temporary.write_bytes(png(image))
    picture(loggers, "masks", image, step)
