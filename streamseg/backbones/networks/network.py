"""The network that is run and exported: normalization, a net of timm, chosen layers, joined, vectors of length 1.

    images (B, 3, H, W) RGB in [0, 1] -> features (B, D, h, w), and further outputs that separate objects from
    background: energy (B, 1, h, w) of a CNN, attention (B, heads, h, w) of a ViT with a CLS token, and foreground or
    region_foreground (B, 1, h, w) of a network that was trained with a foreground head

Layers of several strides are joined as a hypercolumn (Hariharan et al., 2015, arXiv:1411.5752): each map is
L2-normalized per cell and upsampled bilinearly to the finest grid; then all are concatenated and normalized again. Keys
of the last block as dense descriptors: Amir et al., 2021, arXiv:2112.05814. Attention of the CLS token: DINO,
arXiv:2104.14294.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.nn import functional

from streamseg.backbones.contract import Recipe
from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.backbones.networks.positions import resampled


class Network(nn.Module):
    """The network that runs: timm's network with normalization of pixels and features, which are float32.

    net: timm's network, whose precision is `precision`. recipe: of it. head: foreground head, or None.
    """

    precision = torch.float32
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, net: Any, recipe: Recipe, head: ForegroundHead | None = None) -> None:
        super().__init__()
        self.net, self.head = net, head
        self.recipe = recipe
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(net.pretrained_cfg[name]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pixels = (images - self.mean) / self.std
        maps, attention = self.layers(cast(pixels, self.precision))
        maps = [cast(part, torch.float32) for part in maps]
        features = joined(maps)
        outputs = [features]
        if self.recipe.kind == "cnn":
            outputs.append(energy(maps))
        elif attention is not None:
            outputs.append(cast(attention, torch.float32))
        if self.head is not None:
            outputs.append(self.head(features).sigmoid())
        return tuple(outputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of `forward`, in their order."""
        names = ["features"]
        if self.recipe.kind == "cnn":
            names.append("energy")
        elif self.net.cls_token is not None:
            names.append("attention")
        if self.head is not None:
            names.append(self.recipe.head)
        return tuple(names)

    def layers(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """Return the maps (B, C, h, w) of the chosen layers, by timm's own forward pass, and no attention."""
        options = {"norm": True} if self.recipe.kind == "vit" else {}
        maps = self.net.forward_intermediates(
            pixels, indices=list(self.recipe.indices), intermediates_only=True, output_fmt="NCHW", **options
        )
        return maps, None


def cast(values: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
    """Convert a tensor to another precision, without an operation if it has it: a traced Cast would rename outputs."""
    return values if values.dtype == precision else values.to(precision)


class ViT(Network):
    """A Vision Transformer: facets of the chosen blocks without prefix tokens, and the attention of the CLS token."""

    def layers(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        net, grid = self.net, self.grid(pixels)
        tokens = net.norm_pre(self.embedded(pixels))
        maps, attention = [], None
        last = len(net.blocks) - 1
        for index, block in enumerate(net.blocks):
            facets = None
            chosen = index in self.recipe.indices
            if index == last or (chosen and self.recipe.facet != "output"):
                facets = qkv(block, tokens)
            if chosen and facets is not None and self.recipe.facet != "output":
                maps.append(self.patches(facets[self.recipe.facet].transpose(1, 2).flatten(2), grid))
            if index == last and facets is not None and net.cls_token is not None:
                attention = self.cls_attention(facets, block.attn.scale, grid)
            if index < last or self.recipe.facet == "output":
                tokens = block(tokens)
                if chosen and self.recipe.facet == "output":
                    maps.append(self.patches(net.norm(tokens), grid))
        return maps, attention

    def grid(self, pixels: torch.Tensor) -> tuple[int, int]:
        """Return the rows and columns of patches of (B, 3, H, W) images."""
        height, width = self.net.patch_embed.grid_size
        return height, width

    def embedded(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the tokens of (B, 3, H, W) images, (B, prefix + h * w, C): prefix tokens, then patches."""
        tokens: torch.Tensor = self.net._pos_embed(self.net.patch_embed(pixels))
        return tokens

    def patches(self, tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return the (B, C, h, w) map of the patches in (B, prefix + h * w, C) tokens."""
        return tokens[:, self.net.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid)

    def cls_attention(self, facets: dict[str, torch.Tensor], scale: float, grid: tuple[int, int]) -> torch.Tensor:
        """Return (B, heads, h, w): the softmax of the CLS query over all keys, for the patches."""
        weights = (facets["query"][:, :, :1] * scale) @ facets["key"].transpose(-2, -1)
        return weights.softmax(dim=-1)[:, :, 0, self.net.num_prefix_tokens :].unflatten(2, grid)


class FreeViT(ViT):
    """A ViT for images of any size: its position embedding is interpolated in every forward pass, by `positions`."""

    prefix: torch.Tensor
    positions: torch.Tensor

    def __init__(self, net: Any, recipe: Recipe, head: ForegroundHead | None = None) -> None:
        super().__init__(net, recipe, head)
        net.patch_embed.strict_img_size, net.patch_embed.img_size = False, None
        self.has_positions = net.pos_embed is not None
        if self.has_positions:
            count = 0 if net.no_embed_class else net.num_prefix_tokens  # of prefix tokens with a position
            table = net.pos_embed.detach()
            zeros = table.new_zeros(1, net.num_prefix_tokens - count, table.shape[2])
            self.register_buffer("prefix", torch.cat([table[:, :count], zeros], dim=1), persistent=False)
            grid = table[0, count:].unflatten(0, net.patch_embed.grid_size)
            self.register_buffer("positions", grid, persistent=False)
            net.pos_embed = None  # then timm adds none

    def grid(self, pixels: torch.Tensor) -> tuple[int, int]:
        """As `ViT.grid`. While a graph is traced these are tensors, and the division is a part of the graph."""
        rows, columns = (side // patch for side, patch in zip(pixels.shape[2:], self.net.patch_embed.patch_size))
        return rows, columns

    def embedded(self, pixels: torch.Tensor) -> torch.Tensor:
        tokens = super().embedded(pixels)
        if not self.has_positions:
            return tokens
        positions = resampled(self.positions, *self.grid(pixels))
        return tokens + torch.cat([self.prefix, positions[None]], dim=1).to(tokens.dtype)


def qkv(block: Any, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return query, key and value, (B, heads, N, C / heads) each, of the attention in a block. tokens: (B, N, C)."""
    attention = block.attn
    packed = attention.qkv(block.norm1(tokens)).unflatten(2, (3, attention.num_heads, -1))
    query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
    return {"query": attention.q_norm(query), "key": attention.k_norm(key), "value": value}


def joined(maps: list[torch.Tensor]) -> torch.Tensor:
    """Join maps (B, C_i, h_i, w_i) into (B, sum C_i, h, w) on the finest grid, each vector of length 1."""
    if len(maps) == 1:
        return functional.normalize(maps[0], dim=1)
    return functional.normalize(hypercolumns(maps), dim=1)


def hypercolumns(maps: list[torch.Tensor]) -> torch.Tensor:
    """As `joined`, without the last normalization: the part of each map has length 1 in each cell before upsampling.

    The strides must be multiples of the finest one.
    """
    finest = max(int(part.shape[2]) for part in maps)
    return torch.cat([_upsampled(functional.normalize(part, dim=1), finest) for part in maps], dim=1)


def energy(maps: list[torch.Tensor]) -> torch.Tensor:
    """Return (B, 1, h, w): the activation energy, the root mean square of the deepest map, on the finest grid.

    It measures objectness: in a network that was trained for classification it is high on objects, and low on grass and
    walls. maps: (B, C_i, h_i, w_i).
    """
    finest = max(int(part.shape[2]) for part in maps)
    return _upsampled(maps[-1].square().mean(dim=1, keepdim=True).sqrt(), finest)


def _upsampled(part: torch.Tensor, rows: int) -> torch.Tensor:
    """Upsample a map to a number of rows, by a constant factor, which all runtimes support for images of any size."""
    if int(part.shape[2]) == rows:
        return part
    factor = float(rows // int(part.shape[2]))
    return functional.interpolate(part, scale_factor=factor, mode="bilinear", align_corners=False)


class PaddedConv(nn.Module):
    """A TensorFlow "SAME" convolution with constant padding, which is a constant in the exported graph, too."""

    def __init__(self, convolution: nn.Conv2d, padding: list[int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.convolution
        x = functional.pad(x, self.padding)
        return functional.conv2d(x, inner.weight, inner.bias, inner.stride, 0, inner.dilation, inner.groups)


def same_padding(convolution: nn.Conv2d, size: torch.Size) -> list[int]:
    """Return the left, right, top and bottom padding by TensorFlow's rule: an odd pixel is added right and below.

    size: (H, W) of the input.
    """
    padding = []
    for axis in (1, 0):
        side, stride = size[axis], convolution.stride[axis]
        reach = (convolution.kernel_size[axis] - 1) * convolution.dilation[axis] + 1
        total = max((math.ceil(side / stride) - 1) * stride + reach - side, 0)
        padding += [total // 2, total - total // 2]
    return padding


def freeze_padding(network: Network, images: torch.Tensor) -> None:
    """Replace every "SAME" convolution by one with constant padding. images: for one run, which shows the input sizes.

    The sides of our images are multiples of the network's stride. So those of a convolution's input are multiples of
    its stride, and TensorFlow's rule gives reach - stride pixels: the padding is right for all sizes.
    """
    sizes: dict[nn.Module, torch.Size] = {}

    def note_size(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        sizes[module] = args[0].shape[-2:]

    same = {name: module for name, module in network.named_modules() if isinstance(module, Conv2dSame)}
    hooks = [module.register_forward_pre_hook(note_size) for module in same.values()]
    network(images)
    for hook in hooks:
        hook.remove()
    for name, module in same.items():
        if module in sizes:
            network.set_submodule(name, PaddedConv(module, same_padding(module, sizes[module])))
