"""Every protocol: found by its file's name, all of its figures at any time, none for an unknown name."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.cli.evaluate import evaluate
from streamseg.errors import SourceError
from streamseg.evaluation.protocols import figures_of, kinds, open_protocol
from streamseg.evaluation.sequence import FIGURES


@pytest.mark.parametrize("name", kinds())
def test_figures_are_complete_and_perfect_masks_are_perfect(name: str) -> None:
    figures = figures_of(name)
    assert len({figure.head for figure in figures.values()}) == len(figures)
    assert not set(figures) & set(FIGURES)
    one = open_protocol(name)
    assert set(one.figures()) == set(figures)
    truth = np.kron(np.array([[1, 0], [0, 2]], np.uint8), np.ones((9, 9), np.uint8))
    for _ in range(4):
        one.add(truth, truth, {1: 0.5, 2: 0.25})
    found = one.figures()
    assert set(found) == set(figures)
    assert all(value == (0 if key.endswith("decay") else 1) for key, value in found.items())
    assert one.weight >= 1


def test_the_command_offers_them_all() -> None:
    (choice,) = (one.type for one in evaluate.params if one.name == "protocol")
    assert set(choice.choices) == set(kinds())  # type: ignore[attr-defined]


def test_an_unknown_one_is_told() -> None:
    with pytest.raises(SourceError, match="no protocol is called 'davis18'"):
        open_protocol("davis18")
    assert figures_of("") == {}
