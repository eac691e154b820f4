"""Settings with the value auto, by the kind of the run: fine-tuning of a pretrained network, or pretraining.

Batch norm statistics of small batches of a few scenes, and learning rates of pretraining, spoil a pretrained network by
more than a few hundred steps can gain. Therefore fine-tuning freezes the batch norms and the first half of the network,
trains the heads alone at first, and then trains the rest of the network with a small learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from train.settings import Settings


@dataclass(frozen=True)
class Preset:
    """The values that auto stands for, by the names of the settings.

    frozen_share: share of the parts of the network that are frozen; it determines the setting `frozen_stages`.
    """

    norms: str
    frozen_share: float
    backbone_lr: float
    heads_first: float


BATCH_SIZE = 16
"""Pairs per step, if the data has as many frames."""
PRESETS = {
    "finetune": Preset(norms="frozen", frozen_share=0.5, backbone_lr=0.1, heads_first=0.15),
    "pretrain": Preset(norms="batch", frozen_share=0.0, backbone_lr=1.0, heads_first=0.0),
}


def resolved(settings: Settings) -> Settings:
    """Return `settings` with the values that auto stands for, except `frozen_stages`, which depends on the network."""
    preset = _preset(settings)
    return replace(
        settings,
        batch_size=settings.batch_size or BATCH_SIZE,
        norms=preset.norms if settings.norms == "auto" else settings.norms,
        backbone_lr=preset.backbone_lr if settings.backbone_lr < 0 else settings.backbone_lr,
        heads_first=preset.heads_first if settings.heads_first < 0 else settings.heads_first,
    )


def frozen_stages(settings: Settings, part_count: int) -> int:
    """Return how many of the `part_count` parts of a network are frozen."""
    return int(_preset(settings).frozen_share * part_count) if settings.frozen_stages < 0 else settings.frozen_stages


def is_fine_tuning(settings: Settings) -> bool:
    """Return whether the run fine-tunes a pretrained network; with --preset auto, unless weights are random."""
    return settings.init != "none" if settings.preset == "auto" else settings.preset == "finetune"


def _preset(settings: Settings) -> Preset:
    return PRESETS["finetune" if is_fine_tuning(settings) else "pretrain"]
