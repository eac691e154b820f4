"""Define the figures of a DAVIS protocol: mean, recall and decay of J and of F, see `davis.statistics`."""

from __future__ import annotations

from streamseg.evaluation.protocols import Figure

MEASURES = {"j": "IoU", "f": "boundary F"}
STATISTICS = {
    "mean": "mean over the frames",
    "recall": "share of the frames above .5",
    "decay": "first quarter of the frames less the last",
}


def j_and_f(protocol: str, meaning: str) -> dict[str, Figure]:
    """Return the FIGURES of a protocol: the statistics of J, then of F, in the order of `davis.Statistics`.

    meaning: template for the meaning of a figure, with the fields {measure} and {statistic}.
    """
    return {
        f"{protocol}_{letter}_{name}": Figure(
            f"{letter.upper()} {name}", meaning.format(measure=measure, statistic=statistic)
        )
        for letter, measure in MEASURES.items()
        for name, statistic in STATISTICS.items()
    }
