"""Compares the network with independent computations: timm's forward pass with hooks, and TensorFlow's padding rule."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn import functional

from streamseg.backbones import Spec, zoo
from streamseg.backbones.networks import network, timm_networks, weights
from streamseg.errors import ModelError

SIZES = [(224, 224), (96, 160), (240, 64)]


def build(spec: Spec, size: tuple[int, int]):
    return timm_networks.build(zoo.recipe(spec), size)[0]


def random_pixels(size: tuple[int, int]) -> torch.Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))


def hooked(module: torch.nn.Module, run) -> torch.Tensor:
    """Return the output of `module` during `run()`."""
    seen = []
    handle = module.register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.inference_mode():
        run()
    handle.remove()
    return seen[0]


@pytest.fixture(scope="session")
def vit_file(shared):
    return str(shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors")


@pytest.fixture(scope="session")
def reference_vit(vit_file):
    """timm's own network, which interpolates its position embedding for every image."""
    net = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True).eval()
    net.load_state_dict(load_file(vit_file))
    return net


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("facet", ["query", "key", "value"])
def test_facets_of_the_last_block_at_any_size(facet, size, vit_file, reference_vit):
    pixels = random_pixels(size)
    packed = hooked(reference_vit.blocks[-1].attn.qkv, lambda: reference_vit((pixels - 0.5) / 0.5))
    place = ["query", "key", "value"].index(facet)
    tokens = packed[:, 1:, place * 192 : (place + 1) * 192]
    wanted = tokens / tokens.norm(dim=-1, keepdim=True)
    features = build(Spec("timm:vit_tiny_patch16_224", vit_file, facet=facet), size)(pixels)[0]
    rows, columns = size[0] // 16, size[1] // 16
    assert features.shape == (2, 192, rows, columns)
    for row, column in ((0, 0), (rows - 1, 0), (1, columns - 1)):
        torch.testing.assert_close(features[:, :, row, column], wanted[:, row * columns + column], atol=1e-5, rtol=0)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_output_and_attention(size, vit_file, reference_vit):
    pixels = random_pixels(size)
    normalized = (pixels - 0.5) / 0.5
    with torch.inference_mode():
        tokens = reference_vit.forward_features(normalized)[:, 1:]
    packed = hooked(reference_vit.blocks[-1].attn.qkv, lambda: reference_vit(normalized)).numpy()
    query, key = (packed[:, :, part * 192 : (part + 1) * 192].reshape(2, -1, 3, 64) for part in (0, 1))
    scores = np.exp(np.einsum("bhc,bnhc->bhn", query[:, 0], key) / math.sqrt(64))
    wanted = scores / scores.sum(-1, keepdims=True)
    features, attention = build(Spec("timm:vit_tiny_patch16_224", vit_file, facet="output"), size)(pixels)
    torch.testing.assert_close(
        features.flatten(2).transpose(1, 2), functional.normalize(tokens, dim=-1), atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(attention.flatten(2).numpy(), wanted[:, :, 1:], atol=1e-6)


def test_blocks_are_counted_from_one(vit_file, reference_vit):
    pixels = random_pixels((96, 160))
    packed = hooked(reference_vit.blocks[8].attn.qkv, lambda: reference_vit((pixels - 0.5) / 0.5))
    wanted = functional.normalize(packed[:, 1:, 192:384], dim=-1).transpose(1, 2)
    for layer in (9, -4):
        network = build(Spec("timm:vit_tiny_patch16_224", vit_file, (layer,)), (96, 160))
        torch.testing.assert_close(network(pixels)[0].flatten(2), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "size", "prefix", "attention"),
    [
        ("vit_tiny_patch16_224", (64, 96), 1, True),
        ("deit_tiny_distilled_patch16_224", (64, 96), 2, True),
        ("vit_wee_patch16_reg1_gap_256", (64, 96), 1, False),  # one register, no CLS token
        ("test_vit3", (64, 96), 1, None),
    ],
)
def test_prefix_tokens_are_dropped_and_layer_scale_and_norms_kept(name, size, prefix, attention, tmp_path):
    torch.manual_seed(3)
    net = timm.create_model(name, dynamic_img_size=True).eval()
    save_file(net.state_dict(), tmp_path / "random.safetensors")
    assert net.num_prefix_tokens == prefix
    mean, std = (torch.tensor(net.pretrained_cfg[part]).view(1, 3, 1, 1) for part in ("mean", "std"))
    pixels = random_pixels(size)
    seen: dict[str, torch.Tensor] = {}
    last = net.blocks[-1].attn
    last.fused_attn = False
    last.k_norm.register_forward_hook(lambda module, args, output: seen.update(key=output))
    last.attn_drop.register_forward_hook(lambda module, args, output: seen.update(attention=output))
    with torch.inference_mode():
        net((pixels - mean) / std)
    outputs = build(Spec(f"timm:{name}", str(tmp_path / "random.safetensors")), size)(pixels)
    key = seen["key"].transpose(1, 2).flatten(2)[:, prefix:]
    wanted = functional.normalize(key, dim=-1).transpose(1, 2)
    torch.testing.assert_close(outputs[0].flatten(2), wanted, atol=1e-5, rtol=0)
    assert len(outputs) == (2 if net.cls_token is not None else 1)
    if attention is not None:
        assert (net.cls_token is not None) == attention
    if net.cls_token is not None:
        torch.testing.assert_close(outputs[1].flatten(2), seen["attention"][:, :, 0, prefix:], atol=1e-5, rtol=0)


def test_query_and_key_are_those_that_a_normalizing_attention_compares():
    from timm.models.vision_transformer import Block

    torch.manual_seed(4)
    block = Block(24, num_heads=3, qkv_bias=True, qk_norm=True).eval()
    for norm in (block.attn.q_norm, block.attn.k_norm):
        torch.nn.init.uniform_(norm.weight)
    tokens = torch.rand(2, 5, 24)
    facets = network.qkv(block, tokens)
    for name, norm in (("query", block.attn.q_norm), ("key", block.attn.k_norm)):
        torch.testing.assert_close(facets[name], hooked(norm, lambda: block(tokens)))
    weights = (facets["query"] * block.attn.scale @ facets["key"].transpose(-2, -1)).softmax(-1)
    mixed = hooked(block.attn, lambda: block(tokens))
    torch.testing.assert_close(block.attn.proj((weights @ facets["value"]).transpose(1, 2).flatten(2)), mixed)


def test_a_vit_with_other_blocks_offers_its_output_only(tmp_path):
    name = "vit_pwee_patch16_reg1_gap_256"  # attention and MLP in parallel, no CLS token
    net = timm.create_model(name, dynamic_img_size=True).eval()
    save_file(net.state_dict(), tmp_path / "random.safetensors")
    with pytest.raises(ModelError, match="no key facet"):
        zoo.recipe(Spec(f"timm:{name}", facet="key"))
    pixels = random_pixels((64, 96))
    (features,) = build(Spec(f"timm:{name}", str(tmp_path / "random.safetensors")), (64, 96))(pixels)
    mean, std = (torch.tensor(net.pretrained_cfg[part]).view(1, 3, 1, 1) for part in ("mean", "std"))
    with torch.inference_mode():
        tokens = net.forward_features((pixels - mean) / std)[:, 1:]
    wanted = functional.normalize(tokens, dim=-1)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), wanted, atol=1e-5, rtol=0)


def test_efficientnet_joins_two_stages_as_by_hand(images):
    """The reference uses hooks on timm's classifier, NumPy, and OpenCV's bilinear upsampling."""
    import cv2

    recipe = zoo.recipe(Spec("efficientnet_lite0"))
    net = timm.create_model(recipe.architecture).eval()
    net.load_state_dict(weights.renamed_in_order(weights.read(Path(recipe.file)), net.state_dict()))
    normalized = torch.from_numpy(images * 2 - 1)
    fine, coarse = (hooked(net.blocks[block], lambda: net(normalized)).numpy() for block in (4, 6))
    fine, coarse = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (fine, coarse))
    height, width = fine.shape[2:]
    upsampled = [
        [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes] for planes in coarse
    ]
    wanted = np.concatenate([fine, np.array(upsampled)], axis=1)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    network = build(Spec("efficientnet_lite0", layers=(5, 4)), images.shape[2:])
    np.testing.assert_allclose(network(torch.from_numpy(images))[0].numpy(), wanted, atol=1e-5)


def test_resnet_is_normalized_with_the_mean_and_deviation_of_imagenet(shared, images):
    file = str(shared / "weights" / "resnet18_imagenet_stem_to_layer3.safetensors")
    from torchvision.models import resnet18

    net = resnet18().eval()
    net.load_state_dict(load_file(file), strict=False)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.from_numpy(((images - mean[:, None, None]) / std[:, None, None]).astype(np.float32))
    wanted = functional.normalize(hooked(net.layer3, lambda: net(pixels)), dim=1)
    found = build(Spec("resnet18", file, (4,)), images.shape[2:])(torch.from_numpy(images))[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_joined_vectors_have_length_one_on_the_finest_grid(scales, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    maps = [torch.rand(2, 5, height * 2**scale, width * 2**scale, generator=generator) + 0.01 for scale in scales]
    features = network.joined(maps)
    assert features.shape == (2, 5 * len(maps), height * 2 ** max(scales), width * 2 ** max(scales))
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2, *features.shape[2:]))


@given(st.tuples(st.integers(1, 70), st.integers(1, 70)), st.integers(1, 7), st.integers(1, 4), st.integers(1, 2))
def test_same_padding_follows_tensorflow(size, kernel, stride, dilation):
    """Output sides are ceil(side / stride), and the larger half of an odd padding is right and below."""
    convolution = torch.nn.Conv2d(1, 1, kernel, stride, dilation=dilation)
    left, right, top, bottom = network.same_padding(convolution, torch.Size(size))
    assert left >= 0
    assert top >= 0
    assert right - left in (0, 1)
    assert bottom - top in (0, 1)
    padded = network.PaddedConv(convolution, [left, right, top, bottom])(torch.zeros(1, 1, *size))
    assert tuple(padded.shape[2:]) == tuple(math.ceil(side / stride) for side in size)


def test_a_position_embedding_of_another_size_is_used(vit_file, tmp_path, reference_vit):
    """The 10 x 10 grid of weights that were trained at 160 x 160 is interpolated."""
    from timm.layers import resample_abs_pos_embed

    tensors = load_file(vit_file)
    tensors["pos_embed"] = resample_abs_pos_embed(tensors["pos_embed"], [10, 10], [14, 14])
    save_file(tensors, tmp_path / "small.safetensors")
    network = build(Spec("timm:vit_tiny_patch16_224", str(tmp_path / "small.safetensors")), (160, 160))
    torch.testing.assert_close(network.net.pos_embed.data, tensors["pos_embed"], atol=0, rtol=0)


def test_a_network_that_cannot_take_the_size_says_so(tmp_path):
    net = timm.create_model("mixer_s32_224")
    save_file(net.state_dict(), tmp_path / "mixer.safetensors")
    with pytest.raises(ModelError, match="64x96"):
        build(Spec("timm:mixer_s32_224", str(tmp_path / "mixer.safetensors")), (64, 96))
