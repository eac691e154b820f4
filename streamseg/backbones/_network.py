"""The network that is run and exported: normalization, a net of timm, chosen layers, joined, vectors of length 1.

    images (B, 3, H, W) RGB in [0, 1] -> features (B, D, h, w)[, attention (B, heads, h, w) of a ViT's CLS token]

Layers of several strides are joined like the columns of a hypercolumn (Hariharan et al., 2015, arXiv:1411.5752): each
map L2-normalized per cell, upsampled bilinearly to the finest grid, concatenated, and normalized again. Keys of the
last block as dense descriptors: Amir et al., 2021, arXiv:2112.05814; attention of CLS: DINO, arXiv:2104.14294.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import Conv2dSame, resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from streamseg.backbones import Recipe, _cache, _weights
from streamseg.errors import ModelError


class Network(nn.Module):
    """Pixels in, features out; subclasses choose the layers.

    dim: D, known after the first call. half: compute in float16, but normalize pixels and features in float32.
    """

    def __init__(self, net: Any, recipe: Recipe, half: bool = False) -> None:
        super().__init__()
        self.net = net.half() if half else net
        self.half_precision = half
        self.recipe = recipe
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(net.pretrained_cfg[name]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pixels = (images - self.mean) / self.std
        maps, attention = self.layers(pixels.half() if self.half_precision else pixels)
        features = joined([part.float() for part in maps])
        return (features,) if attention is None else (features, attention.float())

    def layers(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """Maps (B, C, h, w) of the chosen layers by timm's own forward pass, and no attention."""
        options = {"norm": True} if self.recipe.kind == "vit" else {}
        maps = self.net.forward_intermediates(
            pixels, indices=list(self.recipe.indices), intermediates_only=True, output_fmt="NCHW", **options
        )
        return maps, None


class ViT(Network):
    """Vision Transformer: facets of chosen blocks without the prefix tokens, and where the CLS token looks."""

    def layers(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        net = self.net
        tokens = net.norm_pre(net._pos_embed(net.patch_embed(pixels)))
        maps, attention = [], None
        last = len(net.blocks) - 1
        for index, block in enumerate(net.blocks):
            facets = None
            chosen = index in self.recipe.indices
            if index == last or (chosen and self.recipe.facet != "output"):
                facets = qkv(block, tokens)
            if chosen and facets is not None and self.recipe.facet != "output":
                maps.append(self.grid(facets[self.recipe.facet].transpose(1, 2).flatten(2)))
            if index == last and facets is not None and net.cls_token is not None:
                attention = self.cls_attention(facets, block.attn.scale)
            if index < last or self.recipe.facet == "output":
                tokens = block(tokens)
                if chosen and self.recipe.facet == "output":
                    maps.append(self.grid(net.norm(tokens)))
        return maps, attention

    def grid(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, prefix + h * w, C) -> (B, C, h, w)."""
        patches = tokens[:, self.net.num_prefix_tokens :].transpose(1, 2)
        return patches.unflatten(2, self.net.patch_embed.grid_size)

    def cls_attention(self, facets: dict[str, torch.Tensor], scale: float) -> torch.Tensor:
        """Softmax of the CLS query over all keys, its share on the patches: (B, heads, h, w)."""
        weights = (facets["query"][:, :, :1] * scale) @ facets["key"].transpose(-2, -1)
        patches = weights.softmax(dim=-1)[:, :, 0, self.net.num_prefix_tokens :]
        return patches.unflatten(2, self.net.patch_embed.grid_size)


def qkv(block: Any, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Query, key and value of a block, (B, heads, N, C / heads) each, as its attention compares them."""
    attention = block.attn
    packed = attention.qkv(block.norm1(tokens)).unflatten(2, (3, attention.num_heads, -1))
    query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
    return {"query": attention.q_norm(query), "key": attention.k_norm(key), "value": value}


def joined(maps: list[torch.Tensor]) -> torch.Tensor:
    """Join maps (B, C_i, h_i, w_i) into (B, sum C_i, h, w) on the finest grid, each vector of length 1."""
    if len(maps) == 1:
        return functional.normalize(maps[0], dim=1)
    height, width = max((part.shape[2:] for part in maps), key=lambda shape: shape[0])
    parts = [functional.normalize(part, dim=1) for part in maps]
    finest = [
        part
        if part.shape[2:] == (height, width)
        else functional.interpolate(part, (int(height), int(width)), mode="bilinear", align_corners=False)
        for part in parts
    ]
    return functional.normalize(torch.cat(finest, dim=1), dim=1)


def build(recipe: Recipe, size: tuple[int, int], half: bool = False) -> tuple[Network, str]:
    """Make the network of `recipe` for images of `size`, with its weights; also their SHA-256. Raises ModelError."""
    net, sha256 = _with_weights(recipe)
    vit = isinstance(net, VisionTransformer) and recipe.kind == "vit"
    if hasattr(net, "set_input_size"):
        _resized(net, size)
    network = (ViT if vit else Network)(net.eval(), recipe, half).eval().requires_grad_(False)
    try:
        with torch.inference_mode():
            _freeze_padding(network, torch.zeros(1, 3, *size))
    except (RuntimeError, AssertionError, ValueError, IndexError) as problem:
        reason = str(problem).splitlines()[0][:160]
        raise ModelError(
            f"{recipe.name} cannot take images of {size[0]}x{size[1]}: {reason}", "try another --size, or another model"
        ) from problem
    return network, sha256


def probe(name: str) -> dict[str, Any]:
    """What there is to know about timm's model `name` before it is built: the fields of zoo.Architecture."""
    net = _created(name, device="meta")
    if not hasattr(net, "forward_intermediates"):
        raise ModelError(f"timm's {name} does not offer its layers", "choose another model of timm")
    info = net.feature_info
    strides = [entry["reduction"] for entry in info] if isinstance(info, list) else info.reduction()
    vit = len(set(strides)) == 1 and hasattr(net, "blocks")
    if not vit and not all(stride & (stride - 1) == 0 for stride in strides):
        raise ModelError(
            f"timm's {name} has stages of strides {strides}", "choose a model whose strides are 2, 4, 8 ..."
        )
    blocks = getattr(net, "blocks", ())
    facets = isinstance(net, VisionTransformer) and all(hasattr(getattr(b, "attn", None), "qkv") for b in blocks)
    licence = net.pretrained_cfg.get("license") or ""
    return {
        "timm": name,
        "kind": "vit" if vit else "cnn",
        "strides": tuple(int(stride) for stride in strides),
        "facets": bool(facets and vit),
        "licence": licence,
    }


def _created(architecture: str, **options: Any) -> Any:
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        with torch.device(options.pop("device", "cpu")):
            return timm.create_model(architecture, pretrained=False, **options)
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as problem:
        import difflib

        near = difflib.get_close_matches(architecture.split(".")[0], timm.list_models(), n=3)
        also = f"did you mean {' or '.join('timm:' + name for name in near)}? " if near else ""
        reason = str(problem).splitlines()[0][:120]
        raise ModelError(
            f"timm cannot make {architecture!r}: {reason}", also + "timm.list_models() lists all"
        ) from problem


def _with_weights(recipe: Recipe) -> tuple[Any, str]:
    """The net, cut down to the chosen layers, with weights from the recipe's file or from the hub."""
    if not recipe.file:
        path = _weights.published(recipe.architecture)
        # timm converts published weights to its own names, which is why it reads this file itself.
        net = timm.create_model(recipe.architecture, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
        _prune(net, recipe)
        return net, _cache.sha256(path)
    tensors = _weights.read(Path(recipe.file))
    net = _created(recipe.architecture)
    if "_conv_stem.weight" in tensors:
        tensors = _weights.renamed_in_order(tensors, net.state_dict())
    known = set(net.state_dict())
    _fit_positions(net, tensors)
    _prune(net, recipe)
    _weights.load(net, tensors, known, _suggestion(recipe, net, tensors))
    return net, recipe.sha256


def _prune(net: Any, recipe: Recipe) -> None:
    """Drop what the chosen layers do not need. A ViT keeps its blocks: its attention is that of the last one."""
    if isinstance(net, VisionTransformer):
        net.reset_classifier(0, "")
        net.fc_norm = nn.Identity()
    else:
        net.prune_intermediate_layers(list(recipe.indices), prune_norm=recipe.kind != "vit", prune_head=True)


def _suggestion(recipe: Recipe, net: Any, tensors: dict[str, torch.Tensor]) -> str:
    """Which --layers the weights at hand are enough for."""
    if recipe.kind != "cnn":
        return "use weights of the whole network"
    enough = []
    for index, entry in enumerate(list(net.feature_info)):
        whole = _created(recipe.architecture, device="meta")
        whole.prune_intermediate_layers([index], prune_norm=True, prune_head=True)
        names = (name for name in whole.state_dict() if not name.endswith("num_batches_tracked"))
        if all(name in tensors for name in names):
            enough.append(int(math.log2(entry["reduction"])))
    return f"they are enough for --layers {max(enough)}" if enough else "use weights of the whole network"


def _fit_positions(net: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Give a ViT the (square) input size that the weights' position embedding was made for."""
    theirs = tensors.get("pos_embed")
    if not isinstance(net, VisionTransformer) or theirs is None or net.pos_embed is None or theirs.ndim != 3:
        return
    prefix = 0 if net.no_embed_class else net.num_prefix_tokens
    side = math.isqrt(max(theirs.shape[1] - prefix, 0))
    if theirs.shape[1] != net.pos_embed.shape[1] and side * side == theirs.shape[1] - prefix:
        net.set_input_size(img_size=(side * net.patch_embed.patch_size[0], side * net.patch_embed.patch_size[1]))


def _resized(net: Any, size: tuple[int, int]) -> None:
    """Interpolate the position embedding once, so that it is a constant of the network."""
    if isinstance(net, VisionTransformer):
        before = net.patch_embed.grid_size
        net.patch_embed.set_input_size(img_size=size)
        if net.pos_embed is not None and net.patch_embed.grid_size != before:
            prefix = 0 if net.no_embed_class else net.num_prefix_tokens
            grid = resample_abs_pos_embed(
                net.pos_embed.detach(), list(net.patch_embed.grid_size), list(before), num_prefix_tokens=prefix
            )
            net.pos_embed = nn.Parameter(grid, requires_grad=False)
    else:
        net.set_input_size(img_size=size)


class PaddedConv(nn.Module):
    """A TensorFlow "SAME" convolution whose padding is known: plain numbers in the exported graph."""

    def __init__(self, convolution: nn.Conv2d, padding: list[int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.convolution
        x = functional.pad(x, self.padding)
        return functional.conv2d(x, inner.weight, inner.bias, inner.stride, 0, inner.dilation, inner.groups)


def same_padding(convolution: nn.Conv2d, size: torch.Size) -> list[int]:
    """Left, right, top, bottom padding by TensorFlow's rule: an odd pixel goes right and below."""
    padding = []
    for axis in (1, 0):
        side, stride = size[axis], convolution.stride[axis]
        reach = (convolution.kernel_size[axis] - 1) * convolution.dilation[axis] + 1
        total = max((math.ceil(side / stride) - 1) * stride + reach - side, 0)
        padding += [total // 2, total - total // 2]
    return padding


def _freeze_padding(network: Network, images: torch.Tensor) -> None:
    """Run once, note the input size of every "SAME" convolution, and replace it by one with fixed padding."""
    sizes: dict[nn.Module, torch.Size] = {}
    same = {name: module for name, module in network.named_modules() if isinstance(module, Conv2dSame)}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: sizes.__setitem__(module, args[0].shape[-2:]))
        for module in same.values()
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    for name, module in same.items():
        if module in sizes:
            network.set_submodule(name, PaddedConv(module, same_padding(module, sizes[module])))
