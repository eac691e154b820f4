"""Two supervised heads on the attention of a ViT's CLS token: object and background.

Loss: L = 1/N * || mask * head1 - (1 - mask) * head2 ||_F^2 on the attention maps of the last block (the report,
see evaluation.paper; Caron et al., 2021, arXiv:2104.14294, for the maps). N counts the patches.

The mask is 0 or 1, so the loss is head1^2 on the object plus head2^2 beside it: head1 finds the background, head2 the
object. Nothing in it asks for more than two heads that are 0 everywhere (--scale none shows it). With a softmax over
the two heads (--scale pair) they add up to 1, and the loss is Brier's score of head2 as the probability of "object":
smallest where head2 is right. With a softmax over the patches (--scale places) each head is an attention of its own,
with mean 1, that has to go somewhere.

Deviations: that normalization, which the formula does not have. A patch counts as object where most of its known
pixels do; frames and patches without annotation do not count. Attention is multiplied by the number of patches, so that
heads of any size of picture see the same values. Only the heads use the maps: the backbone learns through queries and
keys (--facet key is what gets deployed where there are facets), and what follows the last attention stays as it was.
One frame a sample, so --gap does nothing here.
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
from train.methods._labels import annotated
from train.options import option
from train.settings import Settings

TRAINED = ("norm1.", "attn.qkv.", "attn.q_norm.", "attn.k_norm.")
"""The parts of the last block that its attention depends on."""


@dataclass(frozen=True)
class Options:
    """Of the heads."""

    head: str = option(
        "linear", "What a head is, over the maps of all attention heads.", choices=("linear", "mlp", "conv")
    )
    hidden: int = option(32, "Channels between the layers of mlp and conv.", low=1)
    scale: str = option(
        "pair", "Softmax over the pair of heads, over places, or none.", choices=("pair", "places", "none")
    )
    frozen: bool = option(False, "Train the heads alone; the backbone that is deployed stays as it was.")


class DinoHeads(Method):
    """Encoder with CLS attention, and the two heads."""

    frames = 1
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
    def masks_from(cls, options: Options) -> str:
        return "annotation"

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, scale=(0.4, 1.0), blur=0.1),)

    def begin(self) -> None:
        annotated(self.batches(), self.settings.seed)

    def loss(self, batch: Batch) -> torch.Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.options.frozen):
            attention, self.embedding = self.student.attention(batch.views[0])
        mask, known = patches(batch.masks[0], (attention.shape[2], attention.shape[3]))
        return separation(*self.outputs(attention), mask, known)

    def outputs(self, attention: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, heads, h, w) -> head1 and head2, (B, h, w) each."""
        places = attention.shape[2] * attention.shape[3]
        first, second = (head(attention * places)[:, 0] for head in self.heads)
        if self.options.scale == "pair":
            head1, head2 = torch.stack([first, second]).softmax(dim=0).unbind(0)
        elif self.options.scale == "places":
            head1, head2 = ((places * part.flatten(1).softmax(dim=1)).view_as(part) for part in (first, second))
        else:
            head1, head2 = first, second
        return head1, head2


def separation(head1: torch.Tensor, head2: torch.Tensor, mask: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """1/N * || mask * head1 - (1 - mask) * head2 ||_F^2 over the known patches; all (B, h, w)."""
    difference = (mask * head1 - (1 - mask) * head2) * known
    return difference.square().sum() / known.sum().clamp_min(1)


def patches(masks: torch.Tensor, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, H, W) uint8 ids -> (B, h, w) float32: 1 = mostly object (any id), 0 = not; and 1 = annotated at all."""
    seen = (masks != VOID).float()
    share = functional.adaptive_avg_pool2d(seen, grid)
    objects = functional.adaptive_avg_pool2d(seen * (masks > 0), grid)
    return (objects > 0.5 * share).float(), (share > 0).float()


def _head(kind: str, channels: int, hidden: int) -> nn.Module:
    if kind == "linear":
        return nn.Conv2d(channels, 1, 1)
    side = 3 if kind == "conv" else 1
    first = nn.Conv2d(channels, hidden, side, padding=side // 2)
    return nn.Sequential(first, nn.GELU(), nn.Conv2d(hidden, 1, side, padding=side // 2))


def _freeze(encoder: Encoder, everything: bool) -> None:
    """Take what gets no gradient out of training: all, or what follows the last attention."""
    if everything:
        encoder.requires_grad_(False)
        return
    for module in (encoder.net.norm, encoder.net.fc_norm, encoder.net.head):
        module.requires_grad_(False)
    for name, parameter in encoder.net.blocks[-1].named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED))


METHOD: Any = DinoHeads
