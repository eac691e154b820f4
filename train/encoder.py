"""The network that is trained: a timm network with input normalization, for any image size.

It returns the feature map of each chosen layer. The deployed network, `streamseg.backbones.network`, has the same
weights, but concatenates the maps and scales each vector to length 1.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

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
    """The output of an `Encoder`.

    maps: for each chosen layer a map (B, C, h, w), in the order of the network.
    pooled: (B, C) vectors of the last layer. For a CNN this is the mean of the last map; for a ViT the CLS token, or
    the mean of the patches if the network has no such token.
    """

    maps: list[torch.Tensor]
    pooled: torch.Tensor


class Encoder(nn.Module):
    """Maps images (B, 3, H, W), RGB in [0, 1], to `Features`.

    H and W are arbitrary for a CNN, and multiples of the patch size for a ViT.

    Frozen batch norms keep normalizing with the statistics of pretraining, which small batches of a few scenes would
    spoil. The first stages can be frozen as well, see `freeze`.

    recipe: the architecture and the layers. dims: channels of each map. dim: channels of the last map. sha256: hash of
    the starting weights, "" if they are random.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, net: Any, recipe: Recipe, sha256: str = "", frozen_norms: bool = False) -> None:
        super().__init__()
        self.net, self.recipe, self.sha256 = net, recipe, sha256
        self.frozen_norms = frozen_norms
        self._frozen_modules: frozenset[str] = frozenset()
        if recipe.kind == "cnn":
            net.to(memory_format=torch.channels_last)  # depthwise convolutions on a CPU take a quarter less time
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
        # a ViT returns pairs of a map and its prefix tokens (CLS, registers), or maps alone if it has no such tokens
        outputs = self.net.forward_intermediates(pixels, norm=True, return_prefix_tokens=True, **options)
        maps = [output[0] if isinstance(output, tuple) else output for output in outputs]
        prefix_tokens = outputs[-1][1] if isinstance(outputs[-1], tuple) else None
        if prefix_tokens is None or not prefix_tokens.shape[1]:
            return Features(maps, maps[-1].mean(dim=(2, 3)))
        return Features(maps, prefix_tokens[:, 0])

    def attention(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the attention of the CLS token in the last block of a ViT, and that token as it enters the block.

        (B, 3, H, W) -> (B, heads, h, w) and (B, C). The softmax is over all tokens; the attention on patches is
        returned. Raises ModelError for a network without a CLS token or without plain attention.
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
        attention = (facets["query"][:, :, :1] * net.blocks[-1].attn.scale) @ facets["key"].transpose(-2, -1)
        grid = [side // patch for side, patch in zip(images.shape[2:], net.patch_embed.patch_size)]
        return attention.softmax(dim=-1)[:, :, 0, net.num_prefix_tokens :].unflatten(2, grid), tokens[:, 0]

    @property
    def part_count(self) -> int:
        """The number of parts (stem, stages or blocks, norm) that `freeze` counts."""
        return len(self._groups())

    def _groups(self) -> dict[Any, list[str]]:
        """Return the names of the parameters of each part, by the number of the part."""
        groups: dict[Any, list[str]] = group_parameters(self.net, self.net.group_matcher(coarse=True))
        return groups

    def freeze(self, stages: int) -> None:
        """Freeze the first `stages` parts of the network, including their batch norms.

        Early layers detect edges and textures, which do not depend on the recordings; training on a few recordings
        would only spoil them. Raises ModelError if nothing is left to train.
        """
        groups = self._groups()
        chosen = {name for number in sorted(groups)[:stages] for name in groups[number]}
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name not in chosen)
        self._frozen_modules = frozenset(name.rpartition(".")[0] for name in chosen)
        training, side = self.training, 4 * max(self.recipe.strides)
        trainable_left = self.eval()(torch.zeros(1, 3, side, side)).maps[-1].requires_grad
        self.train(training)
        if not trainable_left:
            raise ModelError(
                f"nothing of {self.recipe.name} is left to train when its first {stages} parts are frozen",
                "give a smaller --frozen-stages",
            )

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        for name, part in self.net.named_modules():
            if isinstance(part, _BatchNorm) and (self.frozen_norms or name in self._frozen_modules):
                part.eval()
        return self

    def starting_head(self) -> ForegroundHead | None:
        """Return a new copy of the foreground head in the starting checkpoint, or None if there is none."""
        return read_head(self.recipe) if self.recipe.head and self.sha256 else None

    def inference_copy(self, size: tuple[int, int], head: nn.Module | None = None) -> nn.Module:
        """Return a copy in evaluation mode, as `streamseg run` uses it.

        It maps images of `size` (height, width) to a tuple whose first element is the features. With `head`, its output
        is the last element.
        """
        tensors = {name: tensor.detach().cpu() for name, tensor in self.net.state_dict().items()}
        deployed: Any = network(self.recipe, size, tensors)
        deployed.head = copy.deepcopy(head).cpu().eval() if head else None
        return cast(nn.Module, deployed)


def open_encoder(spec: Spec, pretrained: bool = True, frozen_norms: bool = False) -> Encoder:
    """Return the encoder of `spec`, with its pretrained weights or with random ones from torch's generator.

    Raises ModelError for a network that is unknown or cannot be loaded.
    """
    with training_flag_names({"--model": "--backbone", "--weights": "--init"}):
        return Encoder(*trainable(spec, pretrained), frozen_norms)


@contextmanager
def training_flag_names(names: Mapping[str, str]) -> Iterator[None]:
    """Replace the flags of `run` by those of `train` in the hints of errors that are raised inside the `with` block.

    names: {flag of `run`: flag of `train`}.
    """
    try:
        yield
    except ModelError as problem:
        hint = re.sub("|".join(names), lambda match: names[match[0]], problem.hint)
        raise type(problem)(problem.message, hint) from problem
