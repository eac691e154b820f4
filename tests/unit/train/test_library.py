"""`streamseg.train`: a whole run with masks for evaluation, its files, and a repetition from its run.json."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import streamseg
from streamseg.backbones import checkpoint
from streamseg.errors import StreamsegError
from train.library import Trained

TABLETOP = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
SMALL = {"size": 64, "batch_size": 4, "layers": [3], "steps": 3, "quiet": True, "hidden": 64}


def losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row["loss"] for row in csv.DictReader(file)]


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """The first eight frames of the sample: each of them is evaluated many times."""
    folder = tmp_path / "tabletop"
    folder.mkdir()
    for path in TABLETOP.iterdir():
        if path.name in ("rgb.txt", "depth.txt"):
            rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
            (folder / path.name).write_text("\n".join(rows[:8]))
        else:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def evaluated_run(images: Path, val: Path, tmp_path: Path) -> Trained:
    """A run whose checkpoints are evaluated after each step."""
    return streamseg.train(
        "byol", images, val=[val], output=tmp_path / "out", probe_every=1, probe_size=96, clip=0.5, save_top_k=2,
        save_period=2, **SMALL
    )  # fmt: skip


def test_a_run_is_evaluated_and_can_be_repeated(evaluated_run: Trained, tmp_path: Path) -> None:
    out, found = tmp_path / "out", evaluated_run.metrics
    assert (evaluated_run.best, evaluated_run.last) == (out / "best.pt", out / "last.pt")
    assert found == json.loads((out / "run.json").read_text())
    # objects and regions are told, paired, and the verdict claims no more than their intervals
    assert {"iou_union", "free", "jf"} <= found["report"].keys()
    assert found["report"]["jf"]["interval"] is None
    clear = any(low > 0 for low, _ in (one["interval"] for one in found["report"].values() if one["interval"]))
    assert clear or not found["verdict"].startswith("training helped")
    kept = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert [name for name in kept if name.startswith("step")] == ["step-000002.pt"]
    best = [name for name in kept if name.startswith("best")]
    assert len(best) == 2
    step = checkpoint.read(evaluated_run.best)["training"]["global_step"]
    assert f"best-{step:06d}.pt" in best
    picture = cv2.imread(str(out / "masks.png"))
    assert picture.shape[1] > 1500
    events = EventAccumulator(str(out)).Reload()
    assert events.Tags()["images"] == ["masks"]
    assert [one.step for one in events.Scalars("probe/iou_union")] == [1, 2, 3]

    again = streamseg.train("byol", config=out / "run.json", output=tmp_path / "again", quiet=True, probe=False,
                            pictures=False)  # fmt: skip
    assert losses(tmp_path / "again") == losses(out)
    assert again.best is None
    with pytest.raises(StreamsegError, match="holds a run already") as told:
        streamseg.train("byol", config=out / "run.json", output=tmp_path / "again", quiet=True)
    assert "--overwrite" in told.value.hint


def test_settings_that_are_refused(images: Path) -> None:
    with pytest.raises(TypeError, match="did you mean 'steps'"):
        streamseg.train("byol", images, stepz=3)
    with pytest.raises(StreamsegError, match="no method is called 'bylo'"):
        streamseg.train("bylo", images)
    with pytest.raises(StreamsegError, match="neither auto nor"):
        streamseg.train("byol", images, steps=-1)
    with pytest.raises(StreamsegError, match="overlaps --data"):
        streamseg.train("byol", images, val=images, **SMALL)
    with pytest.raises(StreamsegError, match="give one of them"):
        streamseg.train("byol", images, resume=True, overwrite=True)


def test_it_is_imported_when_it_is_used() -> None:
    assert "train" in dir(streamseg)
