"""Tests weights files with wrappers, damage, code, other networks and missing layers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from streamseg.backbones import Spec, zoo
from streamseg.backbones.networks import timm_networks, weights
from streamseg.errors import ModelError

SIZE = (64, 64)


def build(model: str, weights, layers=()):
    return timm_networks.build(zoo.recipe(Spec(model, str(weights), layers)), SIZE)[0]


@pytest.fixture(scope="session")
def half_resnet(shared):
    return shared / "weights" / "resnet18_imagenet_stem_to_layer3.safetensors"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(weights.WRAPPERS)), max_size=4))
def test_wrappers_come_off_in_any_order(layers):
    tensors = {"conv1.weight": torch.zeros(2), "bn1.bias": torch.ones(3)}
    wrapped: dict = dict(tensors)
    inside = True
    for as_prefix, wrapper in layers:
        if as_prefix and inside:
            wrapped = {f"{wrapper}.{name}": value for name, value in wrapped.items()}
        else:
            inside, wrapped = False, {wrapper: wrapped, "epoch": 3, "config": {"lr": 0.1}}
    assert weights._unwrapped(wrapped).keys() == tensors.keys()


def test_the_head_beside_a_prefixed_backbone_is_left_behind():
    checkpoint = {
        "teacher": {"module.backbone.conv1.weight": torch.zeros(2), "module.head.mlp.0.weight": torch.zeros(1)}
    }
    assert weights._unwrapped(checkpoint).keys() == {"conv1.weight"}


def test_pth_in_wrappers_and_safetensors_are_the_same_network(half_resnet, tmp_path):
    tensors = load_file(half_resnet)
    wrapped = {"epoch": 7, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}
    torch.save(wrapped, tmp_path / "wrapped.pth")
    pixels = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    wanted = build("resnet18", half_resnet, (4,))(pixels)[0]
    assert torch.equal(build("resnet18", tmp_path / "wrapped.pth", (4,))(pixels)[0], wanted)


def test_a_missing_layer_is_named_with_what_the_weights_are_enough_for(half_resnet):
    with pytest.raises(ModelError, match="layer4") as caught:
        build("resnet18", half_resnet)
    assert "--layers 4" in caught.value.hint


@pytest.mark.parametrize("model", ["resnet50", "efficientnet_lite0", "dino_vits16"])
def test_weights_of_another_network_are_refused(model, half_resnet):
    with pytest.raises(ModelError) as caught:
        build(model, half_resnet)
    assert "model that the weights belong to" in caught.value.hint


def test_tensors_that_the_network_does_not_know_are_named(half_resnet, tmp_path):
    save_file(load_file(half_resnet) | {"attention_pool.weight": torch.zeros(3)}, tmp_path / "more.safetensors")
    with pytest.raises(ModelError, match="attention_pool"):
        build("resnet18", tmp_path / "more.safetensors", (4,))


class Evil:
    def __reduce__(self):
        return (print, ("code in a weights file was run",))


@pytest.mark.parametrize("kind", ["object", "pickle"])
def test_python_objects_in_a_pth_are_never_loaded(kind, tmp_path, capfd):
    file = tmp_path / "evil.pth"
    if kind == "object":
        torch.save({"state_dict": Evil()}, file)
    else:
        file.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ModelError, match=r"evil\.pth"):
        weights.read(file)
    assert "was run" not in capfd.readouterr().out


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 500, b"\xff" * 999])
def test_damaged_files_are_one_clear_error(suffix, content, tmp_path):
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        weights.read(file)


def test_half_a_file_is_one_clear_error(half_resnet, tmp_path):
    tensors = load_file(half_resnet)
    torch.save(tensors, tmp_path / "whole.pth")
    for file in (tmp_path / "whole.pth", half_resnet):
        cut = tmp_path / f"cut{file.suffix}"
        cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(ModelError, match="cut"):
            weights.read(cut)


def test_pairing_in_order_wants_equal_shapes():
    mine = {"a": torch.zeros(2), "b": torch.zeros(3)}
    renamed = weights.renamed_in_order(mine, {"x": torch.ones(2), "y": torch.ones(3)})
    assert renamed["x"] is mine["a"]
    with pytest.raises(ModelError):
        weights.renamed_in_order(mine, {"x": torch.ones(3), "y": torch.ones(2)})
    with pytest.raises(ModelError):
        weights.renamed_in_order(mine, {"x": torch.ones(2)})


@pytest.mark.parametrize(("video", "classes"), [("teddy.mp4", {850}), ("kitten.mp4", set(range(281, 288)))])
def test_the_installed_weights_know_what_is_in_a_photograph(shared, video, classes):
    """It is the whole classifier, with tensors renamed as for the backbone. 850 is "teddy bear", 281 ... 287 are
    cats."""
    import cv2
    import timm

    recipe = zoo.recipe(Spec("efficientnet_lite0"))
    net = timm.create_model(recipe.architecture, pretrained=False).eval()
    tensors = weights.read(Path(recipe.file))
    net.load_state_dict(weights.renamed_in_order(tensors, net.state_dict()))
    capture = cv2.VideoCapture(str(shared / "data" / "videos" / video))
    bgr = capture.read()[1]
    capture.release()
    side = min(bgr.shape[:2])
    top, left = ((length - side) // 2 for length in bgr.shape[:2])
    square = cv2.resize(bgr[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy(square[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        best = net((pixels - 0.5) / 0.5).topk(1).indices[0].tolist()
    assert classes & set(best), best


def test_published_weights_come_from_the_hub_cache_without_network(shared, tmp_path, monkeypatch):
    """The cache has the layout of the hub's client, and there is no network connection."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    file = shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"
    repository = tmp_path / f"models--timm--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(file)
    network, sha256 = timm_networks.build(zoo.recipe(Spec(f"timm:{name}")), SIZE)
    given_recipe = zoo.recipe(Spec(f"timm:{name}", weights=str(file)))
    assert sha256 == given_recipe.sha256
    pixels = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(pixels)[0], timm_networks.build(given_recipe, SIZE)[0](pixels)[0])
