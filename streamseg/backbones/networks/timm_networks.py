"""Creates networks of timm with their weights, pruned to the chosen layers and adapted to the input size."""

from __future__ import annotations

import difflib
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import Attention, Format, resample_abs_pos_embed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from streamseg.backbones import checkpoint
from streamseg.backbones.contract import Recipe
from streamseg.backbones.networks import weights
from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.backbones.networks.network import FreeViT, Network, ViT, freeze_padding
from streamseg.errors import ModelError
from streamseg.files import sha256_of


def build(
    recipe: Recipe,
    size: tuple[int, int],
    precision: torch.dtype = torch.float32,
    tensors: dict[str, torch.Tensor] | None = None,
    free: bool = False,
) -> tuple[Network, str]:
    """Create the network of `recipe` for images of `size`. Returns it with the SHA-256 of its weights.

    tensors: weights to use instead of the recipe's, from a network of `trainable`; then the SHA-256 is "". free:
    whether the network takes images of any size, of which `size` is an example. Raises ModelError.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # timm's, about torch's future
        net, sha256 = _with_weights(recipe) if tensors is None else (_with_tensors(recipe, tensors), "")
        try:
            if free:
                _check_free(recipe, net)
            elif hasattr(net, "set_input_size"):
                _resized(net, size)
            kind = Network
            if _has_facets(net):
                kind = FreeViT if free else ViT
            head = read_head(recipe) if recipe.head and tensors is None else None
            network = kind(net, recipe, head).eval()
            freeze_padding(network, torch.zeros(1, 3, *size))
        except (RuntimeError, AssertionError, ValueError, IndexError) as problem:
            reason = str(problem).splitlines()[0][:160]
            raise ModelError(
                f"{recipe.name} cannot take images of {size[0]}x{size[1]}: {reason}", "try another --size or model"
            ) from problem
    network.net.to(precision)
    network.precision = precision
    return network.requires_grad_(False), sha256


def _check_free(recipe: Recipe, net: Any) -> None:
    """Raise ModelError for a network with windows, rotary positions or the like, which are created for one size."""
    if not _has_facets(net) and (hasattr(net, "set_input_size") or recipe.kind == "vit"):
        raise ModelError(
            f"{recipe.name} is built for one size and cannot be exported with free height and width",
            "give a --size instead of --dynamic",
        )


def trainable(recipe: Recipe, pretrained: bool) -> tuple[Any, str]:
    """Return the network of `recipe` in training mode, for images of any size, and the SHA-256 of its weights.

    pretrained: False = random weights, whose SHA-256 is "".
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if pretrained:
            net, sha256 = _with_weights(recipe)
        else:
            net, sha256 = _created(recipe.architecture), ""
            _prune(net, recipe)
    if isinstance(net, VisionTransformer):
        # as timm's dynamic_img_size does; it is set after the size has been adapted to the weights
        net.dynamic_img_size = net.patch_embed.dynamic_img_pad = True  # type: ignore[misc]
        net.patch_embed.strict_img_size, net.patch_embed.flatten = False, False
        net.patch_embed.output_fmt = Format.NHWC
    return net.train().requires_grad_(True), sha256


def _with_tensors(recipe: Recipe, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the network, pruned to the chosen layers. tensors: weights of a network that is pruned in the same way."""
    net = _created(recipe.architecture)
    _fit_positions(net, tensors)
    _prune(net, recipe)
    net.load_state_dict(tensors)
    return net


def probe(name: str) -> dict[str, Any]:
    """Return the fields of `zoo.Architecture` of timm's model `name`, without its weights. Raises ModelError."""
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
    licence = net.pretrained_cfg.get("license") or ""
    return {
        "timm": name,
        "kind": "vit" if vit else "cnn",
        "strides": tuple(int(stride) for stride in strides),
        "facets": _has_facets(net),
        "licence": licence,
    }


def _has_facets(net: Any) -> bool:
    """Return whether all blocks are of the plain kind, whose attention takes `qkv(norm1(tokens))`."""
    return isinstance(net, VisionTransformer) and all(
        type(block) is Block and isinstance(block.attn, Attention) for block in net.blocks
    )


def _created(architecture: str, **options: Any) -> Any:
    """Return a network of timm with random weights. options: of timm, and `device`. Raises ModelError."""
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        with torch.device(options.pop("device", "cpu")):
            return timm.create_model(architecture, pretrained=False, **options)
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as problem:
        similar = difflib.get_close_matches(architecture.split(".")[0], timm.list_models(), n=3)
        hint = f"did you mean {' or '.join('timm:' + name for name in similar)}? " if similar else ""
        reason = str(problem).splitlines()[0][:120]
        raise ModelError(
            f"timm cannot make {architecture!r}: {reason}", hint + "timm.list_models() lists all"
        ) from problem


def _with_weights(recipe: Recipe) -> tuple[Any, str]:
    """Return the network, pruned to the chosen layers, with the recipe's weights, and their SHA-256."""
    if not recipe.file:
        path = weights.published(recipe.architecture)
        # timm reads the file itself, because it converts published weights to its own names
        net = timm.create_model(recipe.architecture, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
        _prune(net, recipe)
        return net, sha256_of(path)
    tensors = weights.read(Path(recipe.file))
    net = _created(recipe.architecture)
    if "_conv_stem.weight" in tensors:
        tensors = weights.renamed_in_order(tensors, net.state_dict())
    known = set(net.state_dict())
    _fit_positions(net, tensors)
    _prune(net, recipe)
    weights.load(net, tensors, known, lambda: _suggestion(recipe, net, tensors))
    return net, recipe.sha256


def read_head(recipe: Recipe) -> ForegroundHead:
    """Read the foreground head of a checkpoint. Raises ModelError."""
    tensors = checkpoint.read(Path(recipe.file)).get("head") or {}
    try:
        head = ForegroundHead(tensors["unit.weight"].shape[1])
        head.load_state_dict(tensors)
    except (KeyError, RuntimeError, AttributeError, IndexError) as problem:
        raise ModelError(f"the foreground head of {recipe.file!r} is damaged", "train it again") from problem
    return head


def _prune(net: Any, recipe: Recipe) -> None:
    """Remove what the chosen layers do not need. A ViT keeps all blocks: its attention is that of the last one."""
    if isinstance(net, VisionTransformer):
        net.reset_classifier(0, "")
        net.fc_norm = nn.Identity()
    else:
        net.prune_intermediate_layers(list(recipe.indices), prune_norm=recipe.kind != "vit", prune_head=True)


def _suggestion(recipe: Recipe, net: Any, tensors: dict[str, torch.Tensor]) -> str:
    """Return a hint: the --layers for which the weights suffice."""
    if recipe.kind != "cnn":
        return "use weights of the whole network"
    enough = []
    for index, entry in enumerate(net.feature_info):
        whole = _created(recipe.architecture, device="meta")
        whole.prune_intermediate_layers([index], prune_norm=True, prune_head=True)
        needed = [name for name in whole.state_dict() if not name.endswith("num_batches_tracked")]
        if all(name in tensors for name in needed):
            enough.append(int(math.log2(entry["reduction"])))
    return f"they are enough for --layers {max(enough)}" if enough else "use weights of the whole network"


def _fit_positions(net: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Set the input size of a ViT to the square one for which the position embedding in the weights was made."""
    positions = tensors.get("pos_embed")
    if not isinstance(net, VisionTransformer) or positions is None or net.pos_embed is None or positions.ndim != 3:
        return
    prefix = 0 if net.no_embed_class else net.num_prefix_tokens
    side = math.isqrt(max(positions.shape[1] - prefix, 0))
    if positions.shape[1] != net.pos_embed.shape[1] and side * side == positions.shape[1] - prefix:
        net.set_input_size(img_size=(side * net.patch_embed.patch_size[0], side * net.patch_embed.patch_size[1]))


def _resized(net: Any, size: tuple[int, int]) -> None:
    """Set the input size, and interpolate the position embedding of a ViT once, so that it is a constant."""
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
