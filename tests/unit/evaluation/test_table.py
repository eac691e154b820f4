"""The columns of the table, and the lines below it."""

from __future__ import annotations

from typing import Any

from streamseg.evaluation.protocols import figures_of
from streamseg.evaluation.sequence import FIGURES
from streamseg.evaluation.table import columns, explain


def models(protocol: str = "", undefined: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """One model on one sequence: every figure is .5, but those that are not defined."""
    names = [*FIGURES, *figures_of(protocol)]
    figures = {name: None if name in undefined else {"mean": 0.5, "std": 0.0} for name in names}
    return [{"model": "m", "sequences": [{"name": "s", "frames": 2, "figures": figures}], "mean": figures}]


def test_without_true_objects_the_columns_are_still_those_of_objects() -> None:
    found = models(undefined=("best", "union", "free", "j", "f", "jf", "id_ratio", "idf1", "id_switches", "ap"))
    assert columns(found)["ARI"] == "ari"
    assert any("ids: of the objects" in line for line in explain(found))
    assert "all but ARI, ids and own need true objects" in explain(found)[-1]


def test_without_objects_the_columns_are_those_of_regions() -> None:
    found = models(undefined=("free", "j", "f", "jf", "ari", "id_changes", "id_ratio", "idf1", "id_switches", "ap"))
    assert columns(found)["ARI"] == "segments_ari"
    assert any("of the regions, as no objects were asked for" in line for line in explain(found))


def test_an_undefined_figure_of_a_protocol_has_a_reason() -> None:
    assert not [line for line in explain(models("davis16"), "davis16") if line.startswith("-")]
    for protocol, needs in (("davis16", "three annotated frames"), ("davis17u", "true objects")):
        assert needs in explain(models(protocol, tuple(figures_of(protocol))), protocol)[-1]
