"""`export openvino`, `info` and `run --model FILE.xml`, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def network(cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formats") / "net.xml"
    done = cli("export", "openvino", "efficientnet_lite0", "--layers", "4", "--size", "96x128", "-o", path, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["bytes"] == path.stat().st_size + path.with_suffix(".bin").stat().st_size
    assert all(part["ari"] > 0.98 for part in said["verified"])
    return path


def test_an_openvino_network_streams(network: Path, run_json: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run_json(sample, out, "--model", network, "--size", "96x128", "--max-frames", 4, "--save", "labels")
    manifest = json.loads((out / "run.json").read_text())
    assert result["status"] == manifest["status"] == "done"
    assert "openvino" in json.dumps(manifest)
    assert len(list((out / "labels").glob("*.png"))) == 4


def test_info_tells_what_it_is(network: Path, cli: Callable[..., Any]) -> None:
    done = cli("info", network, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["kind"], report["backbone"], report["runs"]) == ("OpenVINO network", "efficientnet_lite0", True)
    people = cli("info", network).stdout
    assert "efficientnet_lite0" in people
    assert report["sha256"] in people


def test_a_pair_that_lost_its_weights_is_refused(network: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    alone = tmp_path / "alone.xml"
    alone.write_bytes(network.read_bytes())
    done = cli("run", Path(__file__).resolve().parents[2] / "samples" / "tabletop", "--model", alone)
    assert done.returncode == 1
    assert "alone.bin" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_info_of_nothing_and_compare_of_nonsense(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("info", tmp_path / "gone.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no file")
    done = cli("export", "compare", "resnet18,layers=x")
    assert done.returncode == 1
    assert "layers=3,4" in done.stderr
