"""`streamseg eval` and `streamseg attention` as a user types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]
HOW = ("--max-frames", 4, "--size", 96)


@pytest.fixture(scope="module")
def evaluated(cli: Cli, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the page of one evaluation."""
    page = tmp_path_factory.mktemp("eval") / "page.html"
    done = cli("eval", sample, *HOW, "--html", page, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), page.read_text(encoding="utf-8")


def test_figures_of_the_sample(evaluated: tuple[dict[str, Any], str]) -> None:
    result, page = evaluated
    assert result["seeds"] == [0]
    (model,) = result["models"]
    assert model["model"] == "efficientnet_lite0"
    (sequence,) = model["sequences"]
    assert (sequence["name"], sequence["frames"], sequence["unscored"]) == ("tabletop", 4, {})
    figures = sequence["figures"]
    for kind in ("", "segments_"):
        assert 0.1 < figures[f"{kind}best"]["mean"] <= figures[f"{kind}union"]["mean"] <= 1
    assert figures["best"] != figures["segments_best"]
    assert len(sequence["matches"][0]) == 6  # things on the table
    assert sequence["curve"]["knee"] in sequence["curve"]["k"]
    assert "objects" not in sequence  # pictures are for the page
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<h4>True objects</h4>") == 1
    assert 0 < figures["ap"]["mean"] <= figures["ap_50"]["mean"] <= 1
    assert "tabletop" in page


def test_masks_of_a_run_score_as_the_run_itself(
    evaluated: tuple[dict[str, Any], str], cli: Cli, sample: Path, tmp_path: Path
) -> None:
    """The masks that `run` writes are the ones that `eval` scores."""
    run = cli("run", sample, "-o", tmp_path, "--save", "labels,objects,jsonl", "--quiet", *HOW)
    assert run.returncode == 0, run.stderr
    done = cli("eval", sample, "--masks", tmp_path, "--max-frames", 4, "--json")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    given = model["sequences"][0]["figures"]
    scored = evaluated[0]["models"][0]["sequences"][0]["figures"]
    for name, value in scored.items():
        assert given[name] == (pytest.approx(value) if value else None), name


def test_networks_that_tell_nothing_of_things(
    evaluated: tuple[dict[str, Any], str], cli: Cli, environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    """Such as those exported by others: what `eval` says, and that its hint helps."""
    import onnx

    exported = next(Path(environment["STREAMSEG_CACHE"]).rglob("*.onnx"))
    network = onnx.load(exported)
    del network.graph.output[1:]
    onnx.save(network, tmp_path / "net.onnx")
    done = cli("eval", sample, "--model", tmp_path / "net.onnx", "--max-frames", 2, "--json")
    assert done.returncode == 1
    assert "hint: export it again" in done.stderr
    assert "--no-objects" in done.stderr
    done = cli("eval", sample, "--model", tmp_path / "net.onnx", "--max-frames", 2, "--json", "--no-objects")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["models"][0]["sequences"][0]["figures"]
    assert figures["free"] is figures["jf"] is None
    assert figures["best"] == figures["segments_best"] is not None


def test_progress_is_for_terminals(environment: dict[str, str], sample: Path) -> None:
    """A bar on the terminal, JSON alone on stdout."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "streamseg", "eval", sample, *HOW, "--json", "--seeds", 2, "--no-objects"]
    kept = environment | {"TERM": "xterm"}
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=theirs, env=kept) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux says that the other side has closed
            pass
        finally:
            os.close(ours)
        assert process.stdout
        result = json.loads(process.stdout.read())
    assert result["seeds"] == [0, 1]
    assert b"segmenting" in shown
    assert b"4/4" in shown


def test_the_table_on_a_terminal(cli: Cli, sample: Path) -> None:
    done = cli("eval", sample, "--masks", sample / "masks", "--max-frames", 3)
    assert done.returncode == 0, done.stderr
    assert "best" in done.stdout
    assert "J&F" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("tabletop")).split()
    assert row[1] == "3"
    assert row[3:9] == ["1.00"] * 6  # the truth itself: union, free, J, F, J&F, ARI


def test_a_protocol_has_its_own_columns(cli: Cli, sample: Path) -> None:
    how = ("eval", sample, "--masks", sample / "masks", "--max-frames", 4)
    done = cli(*how, "--protocol", "davis17u")
    assert done.returncode == 0, done.stderr
    assert "J recall" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("tabletop")).split()
    assert row[1:] == ["4", "1.00", "1.00", "1.00", ".000", "1.00", "1.00", ".000"]
    result = json.loads(cli(*how, "--protocol", "uois", "--json").stdout)
    assert result["protocol"] == "uois"
    figures = result["models"][0]["mean"]
    assert figures["uois_boundary_f"]["mean"] == figures["free"]["mean"] == figures["idf1"]["mean"] == 1
    assert set(figures) == set(result["figures"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{images}"], 1, "has no annotated frame"),
        (["{sample}", "--model", "resnet81"], 1, "no backbone is called 'resnet81'"),
        (["{sample}", "--masks", "{images}"], 1, "belongs to a frame"),
        (["{sample}", "--report", "--html", "page.html"], 2, "--report goes with neither"),
        (["{sample}", "--protocol", "uois", "--no-objects"], 2, "--protocol scores objects"),
    ],
)
def test_errors_are_for_people(
    cli: Cli, sample: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    done = cli("eval", *(text.format(images=tmp_path, sample=sample) for text in arguments))
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_attention_of_a_cnn_is_refused(cli: Cli, sample: Path, tmp_path: Path) -> None:
    done = cli("attention", sample, "--model", "efficientnet_lite0", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "no CLS attention" in done.stderr
    assert "hint: give a ViT" in done.stderr
