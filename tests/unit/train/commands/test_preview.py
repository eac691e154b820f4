"""The picture of the samples of a method, without training."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from click.testing import CliRunner

from streamseg.errors import OutputError
from streamseg.evaluation.attention import GAP
from train.cli import group

TABLETOP = Path(__file__).resolve().parents[4] / "samples" / "tabletop"
SMALL = ("--data", str(TABLETOP), "--size", "64", "--layers", "3", "--samples", "2", "--quiet")


def test_rows_are_samples_and_columns_frames_and_views(tmp_path: Path) -> None:
    sizes = {}
    for method in ("byol", "selftrain"):
        path = tmp_path / f"{method}.png"
        done = CliRunner().invoke(group, ["preview", method, *SMALL, "-o", str(path), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["frames"] == 24
        sizes[method] = cv2.imread(str(path)).shape
    assert sizes["byol"][0] == sizes["selftrain"][0]
    assert (sizes["byol"][1] - GAP) // 4 == (sizes["selftrain"][1] - GAP) // 2  # columns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["byol.png", "selftrain.png"]


def test_it_shows_the_samples_of_the_run(tmp_path: Path) -> None:
    """The same seed gives the same picture, another seed another one."""
    found = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.png"
        done = CliRunner().invoke(group, ["preview", "byol", *SMALL, "--seed", str(seed), "-o", str(path)])
        assert done.exit_code == 0, done.output
        found.append(path.read_bytes())
    assert found[0] == found[1] != found[2]


def test_a_name_of_no_picture_format_is_refused_before_drawing(tmp_path: Path) -> None:
    for name in ("sheet", "sheet.txt"):
        done = CliRunner().invoke(group, ["preview", "byol", *SMALL, "-o", str(tmp_path / "new" / name)])
        assert isinstance(done.exception, OutputError)
        assert done.exception.hint == "end it in .png: -o sheet.png"
    assert not list(tmp_path.iterdir())


def test_data_is_needed_and_methods_are_listed() -> None:
    assert CliRunner().invoke(group, ["preview", "byol"]).exit_code == 2
    said = CliRunner().invoke(group, ["preview", "--help"]).output
    assert "selftrain" in said
    assert "preview" in CliRunner().invoke(group, ["--help"]).output
