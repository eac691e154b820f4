"""What evaluates a run: masks if there are any, otherwise the objects that are found; classes in addition."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.sources import Recording, open_source
from tests.unit.train.probes.test_dense import colours
from train.probes.classes import ClassProbe
from train.probes.dense import DenseProbe
from train.probes.evaluators import Evaluators, open_evaluators, open_held_out
from train.probes.label_free import LabelFreeProbe
from train.settings import Settings

TABLETOP = Path(__file__).resolve().parents[4] / "samples" / "tabletop"


@pytest.fixture
def data(images: Path) -> list[Recording]:
    found = open_source(str(images))
    assert isinstance(found, Recording)
    return [found]


def evaluators_of(settings: Settings, data: list[Recording], say: Callable[[str], object]) -> Evaluators | None:
    return open_evaluators(open_held_out(settings, data, say), settings, data, say)


def test_with_masks_one_half_chooses_and_the_other_reports(data: list[Recording]) -> None:
    evaluators = evaluators_of(Settings(val=(str(TABLETOP),), probe_size=96), data, print)
    assert evaluators is not None
    assert isinstance(evaluators.choice_probe, DenseProbe)
    assert evaluators.result_probe is not None
    assert evaluators.figure in evaluators(colours, colours)
    chosen, told = (
        {frame.index for frames in probe.frames.values() for frame in frames}
        for probe in (evaluators.choice_probe, evaluators.result_probe)
    )
    assert not chosen & told


def test_without_masks_objects_choose_and_there_is_no_report(images: Path) -> None:
    said: list[str] = []
    data = open_source(str(TABLETOP))
    assert isinstance(data, Recording)
    evaluators = evaluators_of(Settings(probe_size=128), [data], said.append)
    assert evaluators is not None
    assert isinstance(evaluators.choice_probe, LabelFreeProbe)
    assert evaluators.result_probe is None
    assert any("finding objects" in line for line in said)


def test_no_evaluators_without_probe_or_with_random_weights(data: list[Recording]) -> None:
    said: list[str] = []
    assert evaluators_of(Settings(probe=False), data, said.append) is None
    assert evaluators_of(Settings(init="none"), data, said.append) is None
    assert ["no best.pt" in line for line in said] == [True]


def test_classes_are_recognized_by_their_colours(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, colour in (("red", (40, 40, 220)), ("blue", (220, 40, 40))):
        (tmp_path / name).mkdir()
        for number in random.permutation(1000)[:6]:
            noise = random.integers(0, 30, (64, 64, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{name}{number}x.png"), noise + np.uint8(colour))
    found = ClassProbe(str(tmp_path), 64, 0, print)(colours)
    assert found == {"knn_top1": 1.0, "linear_top1": 1.0}


def test_classes_are_not_evaluated_on_training_frames(images: Path, tmp_path: Path, data: list[Recording]) -> None:
    """Frames from which classes are learnt may be training frames."""
    for number, path in enumerate(sorted(images.iterdir())):
        part = tmp_path / "classes" / ("train" if number < 8 else "val") / "ab"[number % 2]
        part.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, part)
    settings = Settings(val_classes=str(tmp_path / "classes"), probe_size=64)
    with pytest.raises(SourceError, match=r"--val-classes .* overlaps --data"):
        open_held_out(settings, data, print)
    for path in sorted(images.iterdir())[8:]:
        path.unlink()
    rest = open_source(str(images))
    assert isinstance(rest, Recording)
    assert open_held_out(settings, [rest], print).classes


def test_masks_of_val_that_do_not_fit_their_frames_are_told(data: list[Recording], tmp_path: Path) -> None:
    for folder in ("rgb", "masks"):
        (tmp_path / "val" / folder).mkdir(parents=True)
    for number, (rgb, mask) in enumerate(zip(sorted(TABLETOP.glob("rgb/*"))[:4], sorted(TABLETOP.glob("masks/*")))):
        shutil.copy(rgb, tmp_path / "val" / "rgb" / f"{number}{rgb.suffix}")
        indices = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(tmp_path / "val" / "masks" / f"{number}.png"), indices if number else indices[::2])
    said: list[str] = []
    open_held_out(Settings(val=(str(tmp_path / "val" / "rgb"),), probe_size=96), data, said.append)
    assert any("1 frame cannot be used: 0: mask is 640x240, colour is 640x480" in line for line in said), said
