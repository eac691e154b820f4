"""Self-training: targets of cells, the loss against scikit-learn, and a head that gives the same output when
deployed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from export.to_onnx import Request, to_onnx
from streamseg.backbones import Spec, checkpoint, open_backbone
from streamseg.features.objectness import UNSURE, foreground_of, objectness_of
from streamseg.frame import VOID
from train.description import ineffective_flags
from train.encoder import open_encoder
from train.method import Batch
from train.methods._foreground import object_shares
from train.methods.selftrain import METHOD, Options, instance_loss, paste_objects
from train.settings import Settings


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    made = METHOD(open_encoder(Spec("resnet18", layers=(3, 4)), pretrained=False), Options(), Settings(size=64), 10)
    made.log_figures = lambda **figures: None
    return made


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_are_those_of_the_known_pixels(seed: int) -> None:
    masks = np.random.default_rng(seed).choice([0, 1, 7, VOID], (2, 8, 12)).astype(np.uint8)
    share, known = object_shares(torch.from_numpy(masks), torch.Size((2, 3)))
    for b, y, x in np.ndindex(2, 2, 3):
        cell = masks[b, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        counted = cell[cell != VOID]
        assert float(known[b, y, x]) == pytest.approx(counted.size / 16)
        if counted.size:
            assert float(share[b, y, x]) == pytest.approx((counted > 0).mean(), abs=1e-6)


def test_the_loss_is_the_cross_entropy_of_the_known_pixels(method) -> None:
    """A cell with a share of objects counts as that many pixels of each kind, all with the prediction of the cell."""
    method.eval()
    images = torch.rand(2, 3, 64, 64)
    masks = torch.from_numpy(np.random.default_rng(0).choice([0, 3, VOID], (2, 64, 64)).astype(np.uint8))
    with torch.no_grad():
        found = float(method.loss(Batch([images], [], [], [masks], [], torch.zeros(2, 1, 2))))
        answers = method.head(method.student.inference_copy((64, 64))(images)[0]).sigmoid()[:, 0]
    pixels = answers.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)[masks != VOID]
    wanted = log_loss((masks[masks != VOID] > 0).numpy(), pixels.double().numpy())
    assert found == pytest.approx(wanted, rel=1e-4)


def test_objects_of_a_neighbour_are_pasted_with_their_ids_into_a_share_of_the_views() -> None:
    pixels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    masks = torch.tensor([[[0, 7], [VOID, 0]]] * 4)
    found, ids = paste_objects(pixels, masks, 0.5)
    assert found[:, 0, 0, 1].tolist() == [3, 0, 2, 3]
    assert (found[:, :, 0, 0] == pixels[:, :, 0, 0]).all()  # their background and what is unknown of them stay behind
    assert torch.equal(ids, masks)


def test_the_instance_loss_is_over_the_masks_of_a_recording() -> None:
    """The reference uses loops. Two frames of a recording share their keys; another recording has its own."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(3, 5, 2, 2)).astype(np.float32))
    masks, recordings = torch.tensor([[[0, 1], [1, 2]], [[0, 1], [0, VOID]], [[0, 0], [1, 1]]]), [4, 4, 9]
    cells, ids = features.flatten(2).transpose(1, 2).numpy(), masks.flatten(1).numpy()
    losses = []
    for b, n in np.argwhere(ids != VOID):
        mine = [(c, m) for c, m in np.ndindex(3, 4) if recordings[c] == recordings[b]]
        common, cosines = cells[b].mean(axis=0), {}
        for i in {int(ids[place]) for place in mine} - {VOID}:
            key = np.mean([cells[place] for place in mine if ids[place] == i], axis=0) - common
            cell = cells[b, n] - common
            cosines[i] = cell @ key / np.linalg.norm(cell) / np.linalg.norm(key) / 0.1
        losses.append(np.log(np.exp(list(cosines.values())).sum()) - cosines[int(ids[b, n])])
    assert float(instance_loss(features, masks, torch.tensor(recordings), 0.1)) == pytest.approx(
        np.mean(losses), rel=1e-4
    )


@pytest.fixture(scope="module")
def trained(method, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = method.student.recipe
    about = {name: getattr(recipe, name) for name in ("name", "architecture", "facet", "licence")}
    content = {
        "method": "selftrain",
        "backbone": {**about, "layers": list(recipe.layers), "head": True},
        "state_dict": dict(method.student.net.state_dict()),
        "head": dict(method.head.state_dict()),
        "config": {},
        "provenance": {},
        "training": None,
    }
    path = tmp_path_factory.mktemp("trained") / "selftrain.pt"
    checkpoint.write(path, content)
    return path


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_every_engine_gives_the_output_of_the_head(engine: str, method, trained: Path) -> None:
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    method.eval()
    with torch.no_grad():
        features = method.student.inference_copy((64, 64))(torch.from_numpy(images))[0]
        wanted = method.head(features).sigmoid().numpy()
    backbone = open_backbone(Spec(str(trained)), (64, 64), engine=engine, device="cpu", precision="fp32")
    outputs = backbone.run(images)
    np.testing.assert_allclose(outputs["foreground"], wanted, atol=1e-4)


def test_a_run_that_starts_from_a_checkpoint_keeps_its_head(method, trained: Path) -> None:
    again = METHOD(open_encoder(Spec(str(trained))), Options(), Settings(size=64), 10)
    torch.testing.assert_close(again.head.unit.weight, method.head.unit.weight)
    afresh = METHOD(open_encoder(Spec(str(trained)), pretrained=False), Options(), Settings(size=64), 10)
    assert not torch.equal(afresh.head.unit.weight, method.head.unit.weight)


@pytest.mark.parametrize("as_weights", [False, True])
def test_other_layers_are_used_without_the_head_and_a_note_says_so(as_weights: bool, trained: Path) -> None:
    spec = Spec("resnet18", str(trained), (4,)) if as_weights else Spec(str(trained), layers=(4,))
    notes: list[str] = []
    backbone = open_backbone(spec, (64, 64), engine="torch", device="cpu", log=notes.append)
    assert set(backbone.run(np.zeros((1, 3, 64, 64), np.float32))) == {"features", "energy"}
    (note,) = (line for line in notes if "head" in line)
    assert "--layers 3,4" in note
    assert note.endswith(f"; --model {trained} alone uses it")


def test_weights_of_a_checkpoint_come_with_its_head(trained: Path) -> None:
    images, notes = np.random.default_rng(0).random((1, 3, 64, 64), np.float32), []
    model, weights = (
        open_backbone(spec, (64, 64), engine="torch", device="cpu", precision="fp32", log=notes.append).run(images)
        for spec in (Spec(str(trained)), Spec("resnet18", str(trained), (3, 4)))
    )
    for name, maps in model.items():
        np.testing.assert_array_equal(weights[name], maps)
    assert not any("head" in line for line in notes)


def test_an_export_of_other_layers_says_that_it_lacks_the_head(trained: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    to_onnx(Request(Spec("resnet18", str(trained), (2,)), (64, 64)), tmp_path / "net.onnx", notes.append)
    assert any(note.endswith(f"; --model {trained} alone uses it") for note in notes)


def test_a_training_of_other_layers_says_that_it_starts_without_the_head(trained: Path) -> None:
    settings = Settings(size=64)
    afresh = METHOD(open_encoder(Spec("resnet18", str(trained), (4,))), Options(), settings, 10)
    assert any(f"--backbone {trained} alone" in note for note in ineffective_flags(afresh))
    kept = METHOD(open_encoder(Spec("resnet18", str(trained), (3, 4))), Options(), settings, 10)
    assert not any("head" in note for note in ineffective_flags(kept))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_a_head_for_regions_alone_does_not_change_objects(engine: str, trained: Path, tmp_path: Path) -> None:
    content = checkpoint.read(trained)
    header = content["backbone"] | {"head": "region_foreground"}
    kept = {name: value for name, value in content.items() if name not in ("format", "streamseg")}
    checkpoint.write(tmp_path / "regions.pt", kept | {"backbone": header})
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    both, alone = (
        {
            name: maps.copy()
            for name, maps in open_backbone(Spec(str(path)), (64, 64), engine=engine, device="cpu", precision="fp32")
            .run(images)
            .items()
        }
        for path in (trained, tmp_path / "regions.pt")
    )
    np.testing.assert_allclose(foreground_of(alone), UNSURE * foreground_of(both), atol=1e-6)
    np.testing.assert_allclose(objectness_of(alone), both["energy"][:, 0], atol=1e-5)
    assert not np.allclose(objectness_of(both), both["energy"][:, 0])
