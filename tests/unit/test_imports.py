"""Imports go down only: a walk over every file with `ast` fails on a forbidden arrow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Lower layers first; a module may import modules of lower layers only. Names not listed are of layer 3, a stage.
LAYERS = {
    **dict.fromkeys(("streamseg", "streamseg.errors", "streamseg.plugins", "streamseg.palette", "streamseg.cache"), 1),
    "streamseg.frame": 1.5,
    "streamseg.alignment": 1.5,  # a user may give a source one
    "streamseg.checkpoint": 1.5,
    **dict.fromkeys(("streamseg.sources", "streamseg.backbones", "streamseg.sinks"), 2),
    **dict.fromkeys(("streamseg.segments", "streamseg.drawing", "streamseg.console"), 2),
    "streamseg.knee": 2.5,  # the clustering's own ruler
    "streamseg.planes": 2.5,  # what surface.py looks for
    **dict.fromkeys(("streamseg.cut", "streamseg.keyframes", "streamseg.surroundings", "streamseg.mirrored"), 3.2),
    "streamseg.standing": 3.2,  # on what surface.py and vessels.py find
    "streamseg.objects": 3.5,
    "streamseg.on_device": 3.2,
    "streamseg.modes": 3.5,
    "streamseg.placement": 3.6,
    "streamseg.looking": 3.8,
    "streamseg.report": 3.5,
    **dict.fromkeys(("streamseg.pipeline", "streamseg.workers"), 4),
    "streamseg.stream": 5,
    "streamseg.session": 5,
    **dict.fromkeys(("streamseg.evaluation", "streamseg.evaluation.iou", "streamseg.evaluation.davis"), 5),
    "streamseg.evaluation.sequence": 5.1,
    **dict.fromkeys(("streamseg.evaluation.scoring", "streamseg.evaluation.table", "streamseg.evaluation.gallery"), 6),
    **dict.fromkeys(("streamseg.evaluation.curve", "streamseg.evaluation.request"), 6),
    **dict.fromkeys((f"streamseg.evaluation.{name}" for name in ("given_masks", "page", "paper")), 6.1),
    "streamseg.evaluation.command": 6.5,
    **dict.fromkeys(("streamseg.manifest", "streamseg.progress"), 6),
    **dict.fromkeys(("streamseg.job", "streamseg.doctor"), 6.5),
    # one turn <- the plain script, which is measured with the same means <- all turns <- the command
    "streamseg.bench_turn": 6.1,
    "streamseg.bench_plain": 6.2,
    "streamseg.bench": 6.5,
    "streamseg.bench_cli": 6.9,
    **dict.fromkeys(("train", "export", "train.methods", "export.to_onnx"), 6),
    **dict.fromkeys(("train.probes", "train.probes.bootstrap", "train.probes.labelled"), 6),
    **dict.fromkeys(("train.probes.dense", "train.probes.embed", "train.probes.network"), 6.1),
    **dict.fromkeys(("train.probes.knn", "train.probes.linear"), 6.2),
    **dict.fromkeys(("train.probes.fewshot", "train.probes.semi"), 6.3),
    "train.probes.compare": 6.4,
    "train.probe_cli": 7,
    **dict.fromkeys(("export.frames", "export.verify", "export.layers", "export.target"), 5.5),
    **dict.fromkeys(("export._signature", "export._tensorrt_progress"), 5.5),
    "export._tensorrt_build": 5.6,
    **dict.fromkeys(("export.quantize", "streamseg.info"), 5.6),
    "export.to_openvino": 6.5,
    "export.compare": 6.6,
    # ONNX <- an engine of it <- a repository with either
    "export.to_tensorrt": 6.5,
    "export.to_triton": 6.6,
    "export.flags": 6.8,
    **dict.fromkeys(("export.nvidia_cli", "export.openvino_cli"), 6.9),
    # train: views and encoder <- method <- methods and the callbacks <- a run <- its command
    **dict.fromkeys(("train.options", "train.views", "train.collapse", "train.frame_cache", "train.recordings"), 6),
    "train.encoder": 6,
    "train.settings": 6.1,
    **dict.fromkeys(("train.optimizers", "train.machines", "train.sync_norm"), 6.2),
    "train.method": 6.3,
    **dict.fromkeys(("train.data", "train.keeping"), 6.4),
    **dict.fromkeys(("train.display", "train.watch", "train.probing"), 6.5),
    "train.run": 6.6,
    "train.command": 6.7,
    **dict.fromkeys(("streamseg.cli", "train.cli", "export.cli", "streamseg.eval_cli"), 7),
    "streamseg.attention": 6,
    "streamseg.attention_cli": 7,
    **dict.fromkeys(("streamseg.__main__", "train.__main__", "export.__main__"), 8),
}
FILES = [path for package in ("streamseg", "train", "export") for path in sorted((ROOT / package).rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def layer(module: str) -> float:
    return LAYERS.get(module, 6.4 if module.startswith("train.methods.") else 3)


def imported(path: Path) -> set[str]:
    """Every module of ours that `path` imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else str(node.module))
    return found & MODULES


def allowed(importer: str, target: str) -> bool:
    if importer.split(".")[0] == "streamseg" and target.split(".")[0] in ("train", "export"):
        return False
    if {importer.split(".")[0], target.split(".")[0]} == {"train", "export"}:
        return False
    # a folder's private modules serve the plugins beside them, and its contract
    private_neighbour = target.rpartition(".")[0] in (importer.rpartition(".")[0], importer) and "._" in target
    return layer(target) < layer(importer) or private_neighbour or target == "streamseg"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down(path: Path) -> None:
    forbidden = sorted(target for target in imported(path) if not allowed(module_name(path), target))
    assert not forbidden, f"{module_name(path)} must not import {forbidden}"


def test_a_forbidden_arrow_is_seen() -> None:
    assert not allowed("streamseg.sources.tum", "streamseg.sources.video")
    assert not allowed("streamseg.pipeline", "streamseg.stream")
    assert not allowed("streamseg.cli", "train.cli")
    assert not allowed("export.to_onnx", "train.cli")
    assert allowed("streamseg.sources.tum", "streamseg.sources._images")
    assert allowed("train.cli", "streamseg.console")


def test_no_module_shadows_a_library() -> None:
    libraries = {"onnx", "torch", "cv2", "faiss", "click", "av", "timm", "openvino", "onnxruntime", "kneed", "rich"}
    junk = {"utils", "helpers", "common", "misc", "core", "manager"}
    assert not {path.stem for path in FILES} & (libraries | junk)
