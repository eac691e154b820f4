"""Settings that are left open, by what a run is: fine-tuning a pretrained net on a few recordings, or training one.

Fine-tuning must not spoil what the net knows: batch norms of small batches of a few scenes, and steps as large as those
of training from nothing, cost more than a few hundred steps can give. So norms and the first half of the net stay, and
the rest takes small steps, after the heads have settled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from train.settings import Settings


@dataclass(frozen=True)
class Preset:
    """Of the settings with these names. frozen_share: of the parts of the net, which becomes `frozen_stages`."""

    norms: str
    frozen_share: float
    backbone_lr: float
    heads_first: float


PRESETS = {
    "finetune": Preset(norms="frozen", frozen_share=0.5, backbone_lr=0.1, heads_first=0.15),
    "pretrain": Preset(norms="batch", frozen_share=0.0, backbone_lr=1.0, heads_first=0.0),
}


def settled(settings: Settings) -> Settings:
    """`settings` with everything decided but `frozen_stages`, which hangs on the net: see `frozen_stages`."""
    chosen = _preset(settings)
    return replace(
        settings,
        norms=chosen.norms if settings.norms == "auto" else settings.norms,
        backbone_lr=chosen.backbone_lr if settings.backbone_lr < 0 else settings.backbone_lr,
        heads_first=chosen.heads_first if settings.heads_first < 0 else settings.heads_first,
    )


def frozen_stages(settings: Settings, parts: int) -> int:
    """How many of the `parts` of a net stay as they are."""
    return int(_preset(settings).frozen_share * parts) if settings.frozen_stages < 0 else settings.frozen_stages


def fine_tunes(settings: Settings) -> bool:
    """Whether the run fine-tunes a pretrained net. auto: random weights have nothing to keep."""
    return settings.init != "none" if settings.preset == "auto" else settings.preset == "finetune"


def _preset(settings: Settings) -> Preset:
    return PRESETS["finetune" if fine_tunes(settings) else "pretrain"]
