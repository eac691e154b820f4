"""Table 1 of the report: its networks, their layers, and that its cells equal a plain run."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.backbones import Spec, checkpoint
from streamseg.config import SessionConfig
from streamseg.evaluation import report_table, scoring
from streamseg.evaluation.request import Request

ROOT = Path(__file__).resolve().parents[3]


def write(path: Path, method: str, init: str = "imagenet") -> str:
    """A checkpoint without tensors: only its header is looked at here."""
    backbone = {"name": "efficientnet_lite0", "architecture": "", "layers": [4, 5], "facet": "output", "licence": ""}
    checkpoint.write(path, {"method": method, "backbone": backbone, "state_dict": {}, "provenance": {"init": init}})
    return str(path)


def test_each_network_stands_beside_the_frozen_one(tmp_path: Path) -> None:
    notes: list[str] = []
    models = [write(tmp_path / f"{method}.pt", method) for method in ("byol", "odin")]
    found = report_table._networks([Spec(model) for model in models], notes)
    assert [name for name, _ in found] == [
        "BYOL efficientnet_lite0",
        "frozen efficientnet_lite0",
        "ODIN efficientnet_lite0",
    ]
    assert [spec.model for _, spec in found] == [models[0], "efficientnet_lite0", models[1]]
    assert all(spec.layers == (5,) for _, spec in found)
    assert notes == []


def test_two_runs_of_one_method_are_told_apart(tmp_path: Path) -> None:
    models = [write(tmp_path / f"{name}.pt", "byol") for name in ("first", "second")]
    names = [name for name, _ in report_table._networks([Spec(model) for model in models], [])]
    assert names == ["BYOL efficientnet_lite0", "frozen efficientnet_lite0", "BYOL efficientnet_lite0 (2)"]


def test_missing_initial_weights_have_a_note(tmp_path: Path) -> None:
    notes: list[str] = []
    found = report_table._networks([Spec(write(tmp_path / "a.pt", "byol", init=str(tmp_path / "gone.pth")))], notes)
    assert found[1][1].weights == ""
    assert "gone.pth" in notes[0]


def test_chosen_layers_are_kept() -> None:
    assert report_table.last_map(Spec("efficientnet_lite0", layers=(4,)), "efficientnet_lite0").layers == (4,)
    assert report_table.last_map(Spec("dino_vits16"), "dino_vits16").layers == (-1,)
    assert report_table.last_map(Spec("net.onnx"), "net.onnx").layers == ()


def test_cells_are_the_report_s_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a small size, to be quick; the reference is a run with these settings by hand."""
    monkeypatch.setattr(report_table, "COLUMNS", {"64": (64, 0), "64 PCA 3": (64, 3)})
    source = str(ROOT / "samples" / "tabletop")
    setup = SessionConfig(source).but(spec=Spec("efficientnet_lite0"), objects=True, seed=3)
    asked = Request((source,), {"efficientnet_lite0": (setup,)}, seeds=2, max_frames=2)
    table = report_table.report_table(asked, scoring.SILENT)
    assert table["columns"] == ["64", "64 PCA 3"]
    (row,) = table["rows"]
    assert row["name"] == "frozen efficientnet_lite0"
    best = []
    for seed in (3, 4):
        spec = Spec("efficientnet_lite0", layers=(5,))
        how = {"clustering": "per-frame", "edges": False, "pca": 3, "objects": False}
        by_hand = scoring.score(SessionConfig(source).but(spec=spec, size=64, seed=seed, **how), max_frames=2)
        best.append(by_hand.figures["segments_best"] or 0.0)
    cell = row["cells"]["64 PCA 3"]
    assert cell == pytest.approx({"mean": sum(best) / 2, "std": abs(best[0] - best[1]) / 2**0.5})
    assert row["sequences"]["tabletop"]["64 PCA 3"] == pytest.approx(cell)
    assert row["cells"]["64"] != cell
