"""The network that is trained: normalization and a net of timm, any image size, feature maps before they are joined.

What is deployed are the same tensors inside `streamseg.backbones.network`, which joins the maps and gives each vector
length 1; a loss sees the maps as the net makes them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from timm.models import group_parameters
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from streamseg.backbones import Recipe, Spec, network, trainable
from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.backbones.networks.network import qkv
from streamseg.backbones.networks.timm_networks import read_head
from streamseg.errors import ModelError


class Features(NamedTuple):
    """maps: one (B, C, h, w) for each chosen layer, in the order of the net. pooled: (B, C), of the last one.

    A CNN's last map is averaged; a ViT gives its CLS token, or the mean of its patches where it has none.
    """

    maps: list[torch.Tensor]
    pooled: torch.Tensor


class Encoder(nn.Module):
    """images (B, 3, H, W) RGB in [0, 1] -> Features. H, W: any for a CNN, else multiples of the patch.

    Its batch norms may be frozen: they go on normalizing with the statistics of pretraining, which a small batch of a
    few scenes would spoil. Its first stages may be frozen, see `freeze`.

    recipe: which net and layers. dims: channels of each map; dim: of the last. sha256: of the weights it started from.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, net: Any, recipe: Recipe, sha256: str = "", frozen_norms: bool = False) -> None:
        super().__init__()
        self.net, self.recipe, self.sha256 = net, recipe, sha256
        self.frozen_norms = frozen_norms
        self._still: frozenset[str] = frozenset()
        if recipe.kind == "cnn":
            net.to(memory_format=torch.channels_last)  # a quarter faster on a CPU, for depthwise convolutions
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(net.pretrained_cfg[name]).view(1, 3, 1, 1), persistent=False)
        training = net.training
        with torch.no_grad():
            maps = self.eval()(torch.zeros(1, 3, *(2 * [4 * max(recipe.strides)]))).maps
        self.train(training)
        self.dims = tuple(part.shape[1] for part in maps)
        self.dim = self.dims[-1]

    def forward(self, images: torch.Tensor) -> Features:
        pixels = (images - self.mean) / self.std
        options: dict[str, Any] = {"indices": list(self.recipe.indices), "intermediates_only": True}
        if self.recipe.kind == "cnn":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            maps = self.net.forward_intermediates(pixels, **options)
            return Features(maps, maps[-1].mean(dim=(2, 3)))
        found = self.net.forward_intermediates(pixels, norm=True, return_prefix_tokens=True, **options)
        pairs = [part if isinstance(part, tuple) else (part, None) for part in found]
        maps, prefix = [part[0] for part in pairs], pairs[-1][1]
        pooled = prefix[:, 0] if prefix is not None and prefix.shape[1] else maps[-1].mean(dim=(2, 3))
        return Features(maps, pooled)

    def attention(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the CLS token of a ViT looks in its last block, and that token as it enters the block.

        (B, 3, H, W) -> (B, heads, h, w), softmax over all tokens, of which the patches' part is given; and (B, C).
        Raises ModelError for a net without such a token, or whose attention is not the plain one.
        """
        net = self.net
        plain = isinstance(net, VisionTransformer) and hasattr(getattr(net.blocks[-1], "attn", None), "qkv")
        if not plain or net.cls_token is None:
            raise ModelError(
                f"{self.recipe.name} has no attention of a CLS token",
                "use a ViT that has one, such as --backbone dino_vits16",
            )
        tokens = net.norm_pre(net._pos_embed(net.patch_embed((images - self.mean) / self.std)))
        for block in net.blocks[:-1]:
            tokens = block(tokens)
        facets = qkv(net.blocks[-1], tokens)
        looks = (facets["query"][:, :, :1] * net.blocks[-1].attn.scale) @ facets["key"].transpose(-2, -1)
        grid = [side // patch for side, patch in zip(images.shape[2:], net.patch_embed.patch_size)]
        return looks.softmax(dim=-1)[:, :, 0, net.num_prefix_tokens :].unflatten(2, grid), tokens[:, 0]

    @property
    def parts(self) -> int:
        """How many parts `freeze` counts."""
        return len(self._groups())

    def _groups(self) -> dict[Any, list[str]]:
        """Names of parameters by part of the net: stem, stages or blocks, norm."""
        found: dict[Any, list[str]] = group_parameters(self.net, self.net.group_matcher(coarse=True))
        return found

    def freeze(self, stages: int) -> None:
        """Keep the first `stages` parts of the net, its stem and stages or blocks, as they are, batch norms included.

        What edges and textures are does not depend on the recordings, and a few of them would only spoil it. Raises
        ModelError where nothing would be left to train.
        """
        groups = self._groups()
        chosen = {name for number in sorted(groups)[:stages] for name in groups[number]}
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name not in chosen)
        self._still = frozenset(name.rpartition(".")[0] for name in chosen)
        training, side = self.training, 4 * max(self.recipe.strides)
        learns = self.eval()(torch.zeros(1, 3, side, side)).maps[-1].requires_grad
        self.train(training)
        if not learns:
            raise ModelError(
                f"nothing of {self.recipe.name} is left to train when its first {stages} parts are frozen",
                "give a smaller --frozen-stages",
            )

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        for name, part in self.net.named_modules():
            if isinstance(part, _BatchNorm) and (self.frozen_norms or name in self._still):
                part.eval()
        return self

    def own_head(self) -> ForegroundHead | None:
        """A new copy of the head that came with its starting weights; None where there was none."""
        return read_head(self.recipe) if self.recipe.head and self.sha256 else None  # "" = random weights

    def deployed(self, size: tuple[int, int], head: nn.Module | None = None) -> nn.Module:
        """A copy as `streamseg run` will use it, in evaluation mode: images of `size` -> (features, ..., answer of
        `head` where there is one)."""
        tensors = {name: tensor.detach().cpu() for name, tensor in self.net.state_dict().items()}
        found: Any = network(self.recipe, size, tensors)
        found.head = copy.deepcopy(head).cpu().eval() if head else None
        whole: nn.Module = found
        return whole


def open_encoder(spec: Spec, pretrained: bool = True, frozen_norms: bool = False) -> Encoder:
    """The encoder of `spec` with its weights, or random ones (from torch's seed). Raises ModelError."""
    with flags_called({"--model": "--backbone", "--weights": "--init"}):
        return Encoder(*trainable(spec, pretrained), frozen_norms)


@contextmanager
def flags_called(names: Mapping[str, str]) -> Iterator[None]:
    """While inside, errors of networks advise the flags of training. names: by those that `run` has."""
    try:
        yield
    except ModelError as problem:
        hint = re.sub("|".join(names), lambda found: names[found[0]], problem.hint)
        raise type(problem)(problem.message, hint) from problem
