"""Presets replace auto, keep given values, and the momentum is the authors' at the lengths of their runs."""

from __future__ import annotations

import pytest

from train.methods._momentum import MOMENTUM_BY_EPOCHS, STEPS_PER_EPOCH, momentum_for
from train.presets import frozen_stages, resolved
from train.settings import Settings


def test_random_weights_are_pretrained_and_others_fine_tuned() -> None:
    kept, whole = Settings(), Settings(init="none")
    assert (resolved(kept).norms, resolved(kept).backbone_lr, frozen_stages(kept, 8)) == ("frozen", 0.1, 4)
    assert (resolved(whole).norms, resolved(whole).backbone_lr, frozen_stages(whole, 8)) == ("batch", 1.0, 0)
    assert resolved(Settings(preset="pretrain")).heads_first == 0
    assert resolved(Settings()).batch_size == 16


def test_given_values_are_kept_and_resolving_twice_changes_nothing() -> None:
    said = Settings(batch_size=5, norms="batch", backbone_lr=0.0, heads_first=0.5, frozen_stages=2)
    assert resolved(said) == said
    assert frozen_stages(said, 8) == 2
    assert resolved(resolved(Settings())) == resolved(Settings())


@pytest.mark.parametrize(("epochs", "momentum"), MOMENTUM_BY_EPOCHS.items())
def test_momentum_at_the_authors_lengths(epochs: int, momentum: float) -> None:
    assert momentum_for(0.0, round(STEPS_PER_EPOCH * epochs)) == pytest.approx(momentum, abs=1e-4)


def test_momentum_of_short_runs_and_as_asked() -> None:
    assert momentum_for(0.0, 100) == 0.97
    assert momentum_for(0.5, 100) == 0.5
