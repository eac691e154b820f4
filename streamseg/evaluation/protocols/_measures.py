"""J and F of DAVIS as figures of a protocol: mean, recall and decay of each, see `davis.statistics`."""

from __future__ import annotations

from streamseg.evaluation.protocols import Figure

MEASURES = {"j": "IoU", "f": "boundary F"}
STATISTICS = {
    "mean": "mean over the frames",
    "recall": "share of the frames above .5",
    "decay": "first quarter of the frames less the last",
}


def j_and_f(protocol: str, meaning: str) -> dict[str, Figure]:
    """FIGURES of `protocol`, in the order of `davis.statistics` of J, then of F. meaning: of one, with {measure} and
    {statistic} to be filled in."""
    return {
        f"{protocol}_{letter}_{name}": Figure(
            f"{letter.upper()} {name}", meaning.format(measure=measure, statistic=statistic)
        )
        for letter, measure in MEASURES.items()
        for name, statistic in STATISTICS.items()
    }
