"""Two supervised heads on the attention of a ViT's CLS token: object and background.

The loss is L = 1/N * || mask * head1 - (1 - mask) * head2 ||_F^2 on the attention maps of the last block (from
Stoican, guided research, TU Munich, 2022; for the maps: Caron et al., 2021, arXiv:2104.14294). N is the number of
patches.

The mask is 0 or 1, so the loss is head1^2 on the object plus head2^2 on the background: head1 finds the background,
head2 the object. Two heads that are 0 everywhere minimize it; --scale none shows this. With a softmax over the two
heads (--scale pair) they sum to 1, and the loss is the Brier score of head2 as the probability of "object", which is
smallest where head2 is right. With a softmax over the patches (--scale places) each head is an attention map with mean
1, which cannot be 0 everywhere.

Deviations: this normalization, which the formula does not have. A patch counts as object if most of its known pixels
do; frames and patches without annotation do not count. Attention is multiplied by the number of patches, so that heads
get the same values for any image size. Only the heads use the maps: the backbone learns through queries and keys
(--facet key deploys keys where there are facets), and what follows the last attention does not change. A sample is one
frame, so --gap has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from streamseg.errors import ModelError
from streamseg.frame import VOID
from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._labels import annotated_draws
from train.options import option
from train.settings import Settings

TRAINED_PARTS = ("norm1.", "attn.qkv.", "attn.q_norm.", "attn.k_norm.")
"""Prefixes of the parameters of the last block that its attention depends on."""


@dataclass(frozen=True)
class Options:
    """The options of the heads."""

    head: str = option(
        "linear",
        "Architecture of a head, whose input is the maps of all attention heads.",
        choices=("linear", "mlp", "conv"),
    )
    hidden: int = option(32, "Channels between the layers of mlp and conv.", low=1)
    scale: str = option(
        "pair", "Softmax over the pair of heads, over places, or none.", choices=("pair", "places", "none")
    )
    frozen: bool = option(False, "Train the heads alone; the deployed backbone does not change.")


class DinoHeads(Method):
    """An encoder with CLS attention, and the two heads."""

    frames_per_sample = 1
    optimizer = "adamw"
    lr = 1.25e-3
    weight_decay = 0.01

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        if encoder.recipe.kind != "vit":
            raise ModelError(
                f"{encoder.recipe.name} is a CNN, and has no attention",
                "use a ViT, such as --backbone dino_vits16 or timm:vit_tiny_patch16_224",
            )
        with torch.no_grad():
            maps = encoder.attention(torch.zeros(1, 3, *(2 * [2 * max(encoder.recipe.strides)])))[0]
        self.heads = nn.ModuleList(_head(options.head, maps.shape[1], options.hidden) for _ in range(2))
        _freeze(encoder, options.frozen)

    @classmethod
    def mask_source(cls, options: Options) -> str:
        return "annotation"

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, scale=(0.4, 1.0), blur=0.1),)

    def begin(self) -> None:
        annotated_draws(self.batches(), self.settings.seed)

    def loss(self, batch: Batch) -> torch.Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.options.frozen):
            attention, self.embedding = self.student.attention(batch.views[0])
        mask, known = patches(batch.masks[0], (attention.shape[2], attention.shape[3]))
        return separation(*self.outputs(attention), mask, known)

    def outputs(self, attention: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return head1 and head2, (B, h, w) each, of attention maps (B, heads, h, w)."""
        patch_count = attention.shape[2] * attention.shape[3]
        first, second = (head(attention * patch_count)[:, 0] for head in self.heads)
        if self.options.scale == "pair":
            head1, head2 = torch.stack([first, second]).softmax(dim=0).unbind(0)
        elif self.options.scale == "places":
            head1, head2 = ((patch_count * part.flatten(1).softmax(dim=1)).view_as(part) for part in (first, second))
        else:
            head1, head2 = first, second
        return head1, head2


def separation(head1: torch.Tensor, head2: torch.Tensor, mask: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return 1/N * || mask * head1 - (1 - mask) * head2 ||_F^2 over the known patches. All: (B, h, w)."""
    difference = (mask * head1 - (1 - mask) * head2) * known
    return difference.square().sum() / known.sum().clamp_min(1)


def patches(masks: torch.Tensor, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduce masks to patches: (B, H, W) uint8 ids -> two maps (B, h, w) float32.

    The first is 1 where most known pixels are objects (any id), the second is 1 where any pixel is annotated.
    """
    known = (masks != VOID).float()
    share = functional.adaptive_avg_pool2d(known, grid)
    objects = functional.adaptive_avg_pool2d(known * (masks > 0), grid)
    return (objects > 0.5 * share).float(), (share > 0).float()


def _head(kind: str, channels: int, hidden: int) -> nn.Module:
    if kind == "linear":
        return nn.Conv2d(channels, 1, 1)
    side = 3 if kind == "conv" else 1
    first = nn.Conv2d(channels, hidden, side, padding=side // 2)
    return nn.Sequential(first, nn.GELU(), nn.Conv2d(hidden, 1, side, padding=side // 2))


def _freeze(encoder: Encoder, everything: bool) -> None:
    """Freeze the parameters that get no gradient: all of them, or those that follow the last attention."""
    if everything:
        encoder.requires_grad_(False)
        return
    for module in (encoder.net.norm, encoder.net.fc_norm, encoder.net.head):
        module.requires_grad_(False)
    for name, parameter in encoder.net.blocks[-1].named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED_PARTS))


METHOD: Any = DinoHeads
