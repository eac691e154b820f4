"""Rounds: what each starts from, which are kept, what ends them, and resuming."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from streamseg.backbones import checkpoint
from streamseg.errors import OutputError, StreamsegError
from train.callbacks.checkpointing import Checkpointing
from train.callbacks.display import Display
from train.commands import rounds
from train.folder import RunFolder, checkpoint_to_resume, reserved
from train.library import train
from train.methods.selftrain import Options, SelfTrain
from train.settings import Settings

TABLETOP = Path(__file__).resolve().parents[4] / "samples" / "tabletop"
Outcome = dict[str, Any]
Rounds = Callable[..., Outcome]
HELPED: Outcome = {"average": 0.5, "probe": {"frozen": {"agreement": 0.4}, "best": {"agreement": 0.5}}, "report": {}}
LOWER = HELPED | {"probe": {"frozen": {"agreement": 0.5}, "best": {"agreement": 0.4}}}
WORSE = HELPED | {"report": {"free": {"interval": [-0.2, -0.1]}}}


class Fake:
    """A fake `train.run.run` that writes the files of a real run, with given results. calls: its arguments."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome | type[Exception]] = []
        self.calls: list[tuple[str, int, bool]] = []

    def __call__(
        self, name: str, kind: Any, settings: Settings, options: Options, place: RunFolder, display: Display
    ) -> Outcome:
        checkpoint_to_resume(place, True)
        with reserved(place, True):
            self.calls.append((settings.backbone, options.rounds, place.resume))
            outcome = self.outcomes.pop(0)
            if outcome is ZeroDivisionError:
                raise ZeroDivisionError
            for file in ("last.pt", "best.pt"):
                (place.path / file).write_text(f"{settings.backbone} trained")
            if isinstance(outcome, type):
                raise outcome
            config = {"settings": {"backbone": settings.backbone}, "options": {"rounds": options.rounds}}
            result = {
                **{"status": "done", "verdict": f"verdict {len(self.calls)}", "config": config, "init_sha256": ""},
                "checkpoints": {name: str(place.path / f"{name}.pt") for name in ("best", "last")},
                **outcome,
            }
            (place.path / "run.json").write_text(json.dumps(result))
            return result


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr(rounds.training, "run", found)
    return found


def run(out: Path, asked: int, resume: bool = False, overwrite: bool = False, **settings: Any) -> Outcome:
    place = RunFolder(out, resume, overwrite)
    return rounds.run("selftrain", SelfTrain, Settings(**settings), Options(rounds=asked), place, Display(True))


def test_each_round_starts_from_the_network_of_the_previous_one(fake: Fake, tmp_path: Path) -> None:
    fake.outcomes = [HELPED, HELPED, HELPED]
    found = run(tmp_path, 3, layers=(3,), init="start.pth")
    first, second = (str(tmp_path / f"round{number}" / "best.pt") for number in (1, 2))
    assert fake.calls == [("efficientnet_lite0", 3, False), (first, 1, False), (second, 1, False)]
    assert found["kept"] == len(found["rounds"]) == 3
    assert found["verdict"] == "round 3 of 3: verdict 3"
    assert found["config"] == {"settings": {"backbone": "efficientnet_lite0"}, "options": {"rounds": 3}}
    assert found["checkpoints"] == {"best": str(tmp_path / "best.pt"), "last": str(tmp_path / "round3" / "last.pt")}
    assert (tmp_path / "best.pt").read_bytes() == (tmp_path / "round3" / "best.pt").read_bytes()
    assert json.loads((tmp_path / "run.json").read_text()) == found


@pytest.mark.parametrize("outcome", [HELPED | {"average": 0.0}, LOWER, WORSE])
def test_a_round_that_does_not_help_ends_the_training_with_a_message(
    outcome: Outcome, fake: Fake, tmp_path: Path
) -> None:
    fake.outcomes = [HELPED, outcome]
    found = run(tmp_path, 3)
    assert found["kept"] == 1
    assert found["verdict"] == (
        "round 1 of 3: verdict 1; nothing shows that round 2 helped, so no other follows: best.pt is that of round 1"
    )
    assert (tmp_path / "best.pt").read_text() == "efficientnet_lite0 trained"
    fake.outcomes = [outcome]
    found = run(tmp_path / "none", 3)
    assert (found["kept"], len(found["rounds"])) == (0, 1)
    assert "nothing shows that round 1 helped" in found["verdict"]
    assert (tmp_path / "none" / "best.pt").is_file()


def test_without_a_probe_all_rounds_run_and_there_is_no_best_one(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.outcomes = [HELPED | {"probe": {}}] * 2

    def unjudged(*args: Any) -> Outcome:
        found = fake(*args)
        (args[4].path / "best.pt").unlink()
        return found

    monkeypatch.setattr(rounds.training, "run", unjudged)
    found = run(tmp_path, 2)
    assert fake.calls[1][0] == str(tmp_path / "round1" / "last.pt")
    assert found["checkpoints"] == {"last": str(tmp_path / "round2" / "last.pt")}


def test_a_completed_round_is_not_repeated(fake: Fake, tmp_path: Path) -> None:
    fake.outcomes = [HELPED, ZeroDivisionError, KeyError, HELPED | {"status": "interrupted"}, HELPED]
    with pytest.raises(ZeroDivisionError):  # before its first checkpoint
        run(tmp_path, 2)
    assert (tmp_path / "best.pt").is_file()
    with pytest.raises(KeyError):  # later
        run(tmp_path, 2, resume=True)
    found = run(tmp_path, 2, resume=True)
    assert found["status"] == "interrupted"
    assert found["verdict"].startswith("round 2 of 2: ")
    assert found["checkpoints"]["best"] == str(tmp_path / "best.pt")
    assert run(tmp_path, 2, resume=True)["kept"] == 2
    assert [resume for *_, resume in fake.calls] == [False, False, False, True, True]
    assert run(tmp_path, 2, resume=True)["kept"] == 2
    assert len(fake.calls) == 5


def test_an_older_run_is_neither_overwritten_nor_lost(fake: Fake, tmp_path: Path) -> None:
    fake.outcomes = [HELPED, HELPED, ZeroDivisionError, HELPED | {"average": 0.0}]
    run(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="holds a run already"):
        run(tmp_path, 2)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, 2, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run(tmp_path, 2, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "round1", "run.json"]


def test_several_rounds_need_one_device(fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(StreamsegError, match="several rounds need one device"):
        run(tmp_path / "out", 2, devices="cpu:2")
    assert not (tmp_path / "out").exists()


def losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row["loss"] for row in csv.DictReader(file)]


def test_interrupted_rounds_resume_to_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in sorted((TABLETOP / "rgb").iterdir())[:6]:
        cv2.imwrite(str(data / path.with_suffix(".png").name), cv2.resize(cv2.imread(str(path)), (160, 120)))
    small = {"layers": (3,), "size": 64, "batch_size": 2, "steps": 2, "heads_first": 0.0, "logger": "csv"}
    small |= {"rounds": 2, "probe": False, "pictures": False, "quiet": True}
    whole = train("selftrain", data, output=tmp_path / "whole", **small)
    assert whole.metrics["kept"] == 2
    assert whole.last == tmp_path / "whole" / "round2" / "last.pt"

    def interrupted(self: Checkpointing, trainer: Any, *_: object) -> None:
        self.interrupted = trainer.should_stop = self.folder.name == "round2"

    with monkeypatch.context() as patch:
        patch.setattr(Checkpointing, "on_train_batch_end", interrupted)
        stopped = train("selftrain", data, output=tmp_path / "parts", **small)
    assert stopped.metrics["status"] == "interrupted"
    again = train("selftrain", output=tmp_path / "parts", resume=True, quiet=True)
    assert again.metrics["status"] == "done"
    assert again.last is not None
    assert losses(again.last.parent) == losses(whole.last.parent)
    found, wanted = (checkpoint.read(path) for path in (again.last, whole.last))
    for part in ("state_dict", "head"):
        assert all(torch.equal(one, wanted[part][name]) for name, one in found[part].items())
    for flag in ("rounds", "steps"):
        with pytest.raises(StreamsegError, match=f"the run was started with --{flag} 2, and cannot be resumed with 3"):
            train("selftrain", output=tmp_path / "parts", resume=True, quiet=True, **{flag: 3})
