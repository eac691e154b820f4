"""Tests the defaults of names, layers and facets, and the errors and hints for wrong ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.backbones import Spec, zoo
from streamseg.errors import ModelError


def test_defaults():
    recipe = zoo.recipe(Spec(zoo.DEFAULT))
    assert (recipe.layers, recipe.strides, recipe.facet, recipe.licence) == ((4, 5), (16, 32), "output", "Apache-2.0")
    assert recipe.sha256.startswith("57934424")  # the file's own name says so
    assert recipe.shape.size is None


@pytest.mark.parametrize(
    ("name", "stride", "facet"),
    [
        ("resnet18", 32, "output"),
        ("resnet50", 32, "output"),
        ("dino_vits16", 16, "key"),
        ("dino_vits8", 8, "key"),
        ("dinov2_vits14", 14, "key"),
    ],
)
def test_every_name_describes_itself_without_weights(name, stride, facet):
    recipe = zoo.recipe(Spec(name))
    assert (recipe.shape.stride, recipe.shape.multiple, recipe.facet) == (stride, stride, facet)


@pytest.mark.parametrize("name", zoo.NAMED)
def test_the_table_agrees_with_timm(name):
    from streamseg.backbones.networks import timm_networks

    entry, truth = zoo.NAMED[name], timm_networks.probe(zoo.NAMED[name].timm)
    assert (entry.kind, entry.strides, entry.facets) == (truth["kind"], truth["strides"], truth["facets"])
    if truth["licence"]:
        assert entry.licence.lower() == truth["licence"]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_stage_n_has_stride_two_to_the_n(layers):
    recipe = zoo.recipe(Spec("resnet18", layers=tuple(layers)))
    assert recipe.layers == tuple(sorted(set(layers)))
    assert recipe.strides == tuple(2**stage for stage in recipe.layers)
    assert recipe.shape.stride == 2 ** min(layers)
    assert recipe.shape.multiple == 2 ** max(layers)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_blocks_count_from_either_end(blocks):
    forward = zoo.recipe(Spec("dino_vits16", layers=tuple(blocks)))
    backward = zoo.recipe(Spec("dino_vits16", layers=tuple(block - 13 for block in blocks)))
    assert forward.layers == backward.layers == tuple(sorted(set(blocks)))
    assert forward.indices == tuple(block - 1 for block in forward.layers)


@pytest.mark.parametrize(
    ("spec", "words", "hint"),
    [
        (Spec("resnt18"), "resnt18", "did you mean 'resnet18'"),
        (Spec("timm:resnt18"), "resnt18", "timm:resnet18"),
        (Spec("timm:../../etc"), "etc", "timm.list_models"),
        (Spec(""), "no backbone", "known: "),
        (Spec("resnet18", layers=(6,)), "no stage 6", "5 (stride 32)"),
        (Spec("resnet18", layers=(0,)), "no stage 0", "1 (stride 2)"),
        (Spec("dino_vits16", layers=(13,)), "no block 13", "1 ... 12"),
        (Spec("dino_vits16", layers=(0,)), "no block 0", "1 ... 12"),
        (Spec("dino_vits16", layers=(-13,)), "no block", "1 ... 12"),
        (Spec("resnet18", facet="key"), "no key facet", "dino_vits16"),
        (Spec("dino_vits16", facet="keys"), "keys", "did you mean 'key'"),
        (Spec("resnet18", weights="nowhere.pth"), "nowhere.pth", ".safetensors"),
        (Spec("nowhere.onnx"), "nowhere.onnx", "efficientnet_lite0"),
        (Spec("x.onnx", weights="y.pth"), "--weights", "leave --weights out"),
        (Spec("x.onnx", layers=(4,)), "--layers", "leave --layers out"),
        (Spec("x.onnx", facet="key"), "--facet", "leave --facet out"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(spec, words, hint):
    with pytest.raises(ModelError) as caught:
        zoo.recipe(spec)
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_no_weights_file_is_refused(tmp_path):
    file = tmp_path / "weights.txt"
    file.write_text("no")
    with pytest.raises(ModelError, match="not a weights file"):
        zoo.recipe(Spec("resnet18", weights=str(file)))


def test_a_damaged_note_about_a_timm_model_is_written_anew(cache):
    first = zoo.recipe(Spec("timm:resnet10t"))
    (note,) = (cache / "models").glob("timm-resnet10t.json")
    text = note.read_text()
    for damage in ("", "{", "[1]", '{"timm": 1}'):
        note.write_text(damage)
        assert zoo.recipe(Spec("timm:resnet10t")) == first
        assert note.read_text() == text
