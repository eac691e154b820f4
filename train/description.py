"""What a run says of itself: in its checkpoints, in run.json, and to people before it begins."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytorch_lightning as pl

from streamseg.flags import flag_of
from train.data.samples import Samples
from train.encoder import Encoder
from train.method import Method
from train.settings import Settings


def config(settings: Settings, options: Any) -> dict[str, Any]:
    """Every setting, in plain types. options: the method's own, a dataclass."""
    return {"settings": dataclasses.asdict(settings), "options": dataclasses.asdict(options)}


def flat(settings: Settings, options: Any) -> dict[str, Any]:
    """Every setting by its flag's name, for loggers."""
    return {name: value for part in config(settings, options).values() for name, value in part.items()}


def checkpoint_header(name: str, method: Method, settings: Settings, options: Any, data: str) -> dict[str, Any]:
    """What a checkpoint of the run says of itself, see `backbones.checkpoint`. data: its fingerprint."""
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


def unused(method: Method) -> list[str]:
    """What people should know of flags that make no difference, though somebody said something else than usual."""
    fields = {field.name: field for said in (method.settings, method.options) for field in dataclasses.fields(said)}
    values = flat(method.settings, method.options)
    return [
        f"note: {flag_of(name)} makes no difference here: {why}"
        for name, why in method.unused().items()
        if values[name] != fields[name].default
    ]


def opening_line(
    name: str, encoder: Encoder, samples: Samples, settings: Settings, total: int, trainer: pl.Trainer
) -> str:
    """One line for people before the first step."""
    device = trainer.strategy.root_device
    return (
        f"{name}: {encoder.recipe.name} from {settings.init} weights, {len(samples)} frames of "
        f"{len(samples.recordings)} recordings, {total} steps of {settings.samples_per_step} on "
        f"{trainer.world_size} x {device.type} ({settings.precision})"
    )
