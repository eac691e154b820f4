"""Descriptions of a run, for the header of its checkpoints, for run.json, and for the user."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from streamseg.files import written
from streamseg.text import counted
from streamseg.text.flags import flag_of
from train.data.samples import Samples
from train.encoder import Encoder
from train.method import Method
from train.settings import Settings


def config(settings: Settings, options: Any) -> dict[str, Any]:
    """Return every setting in plain types. options: the dataclass instance with the options of the method."""
    return {"settings": dataclasses.asdict(settings), "options": dataclasses.asdict(options)}


def flat(settings: Settings, options: Any) -> dict[str, Any]:
    """Return every setting by the name of its field, for loggers."""
    return dataclasses.asdict(settings) | dataclasses.asdict(options)


def checkpoint_header(name: str, method: Method, settings: Settings, options: Any, data: str) -> dict[str, Any]:
    """Return the header of the run's checkpoints, in the format of `streamseg.backbones.checkpoint`.

    data: SHA-256 of the training data, see `train.data.fingerprint`.
    """
    recipe = method.student.recipe
    return {
        "method": name,
        "backbone": {
            "name": recipe.name,
            "architecture": recipe.architecture,
            "layers": list(recipe.layers),
            "facet": recipe.facet,
            "licence": recipe.licence,
            "head": "" if method.deployed_head() is None else method.head_output,
        },
        "config": config(settings, options),
        "provenance": {
            "init": settings.init,
            "init_sha256": method.student.sha256,
            "data": list(settings.data),
            "data_sha256": data,
        },
    }


def ineffective_flags(method: Method) -> list[str]:
    """Return one note for each flag that was set to another value than its default and has no effect in this run, and
    one if the head of the starting checkpoint is not used."""
    fields = (*dataclasses.fields(method.settings), *dataclasses.fields(method.options))
    defaults = {field.name: field.default for field in fields}
    values = flat(method.settings, method.options)
    unused_head = method.student.recipe.note.replace("--model", "--backbone")
    return [
        f"note: {flag_of(name)} makes no difference here: {why}"
        for name, why in method.flags_without_effect().items()
        if values[name] != defaults[name]
    ] + [f"note: {unused_head}"] * bool(unused_head)


def opening_line(
    name: str, encoder: Encoder, samples: Samples, settings: Settings, total: int, trainer: pl.Trainer
) -> str:
    """Return the line that is printed before the first step. total: number of optimizer steps."""
    device = trainer.strategy.root_device
    return (
        f"{name}: {encoder.recipe.name} from {settings.init} weights, {counted(len(samples), 'frame')} of "
        f"{counted(len(samples.recordings), 'recording')}, {counted(total, 'step')} of {settings.samples_per_step} on "
        f"{trainer.world_size} x {device.type} ({settings.precision})"
    )


def write_json(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Write `content` to `path` and return it as a reader of the file gets it, with lists instead of tuples."""
    text = json.dumps(content, indent=2)
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    reread: dict[str, Any] = json.loads(text)
    return reread
