"""The label-free score is high if clusters mean the objects in every frame and in any light, otherwise low."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import SourceError
from tests.unit.train.probes.test_dense import Blocks, colours, noise
from train.probes.label_free import LabelFreeProbe


def test_features_of_the_object_agree_and_noise_does_not() -> None:
    probe = LabelFreeProbe([Blocks()], 96, 4, 0)
    good, bad = (probe.result(features).figures()["agreement"] for features in (colours, noise))
    assert good > 0.8
    assert bad < 0.5
    assert probe.result(colours).scores["agreement"].shape == (4,)


def test_features_that_change_with_the_light_agree_less() -> None:
    """The clusters of each picture alone may be perfect, but they have to mean the same in another light."""

    def fickle(images: np.ndarray) -> np.ndarray:
        cells = colours(images).copy()
        dark = images.mean(axis=(1, 2, 3)) < 0.2
        cells[dark] = -cells[dark][:, ::-1]
        return cells

    probe = LabelFreeProbe([Blocks()], 96, 4, 0, k=2)
    steady, changing = (probe.result(features).figures()["agreement"] for features in (colours, fickle))
    assert steady > changing + 0.2


def test_recordings_without_objects_are_refused() -> None:
    class Nothing(Blocks):
        def __getitem__(self, index: int):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return replace(super().__getitem__(index), load_annotation=None)

    with pytest.raises(SourceError, match="no object was found"):
        LabelFreeProbe([Nothing()], 96, 4, 0)
