"""Table 1 of the report (Stoican, guided research, TU Munich 2022): networks before and after fine-tuning.

At two input sizes, with and without PCA. Its method in every cell: one map of features, the last (stride 32), K-Means
with every k and the knee on each frame by itself, cells enlarged without a guide, and the best single region of each
frame against the foreground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.backbones import Spec, checkpoint
from streamseg.config import SessionConfig
from streamseg.errors import ModelError
from streamseg.evaluation import scoring
from streamseg.evaluation.request import Request

SIZES, PCA = (256, 512), (0, 3)
COLUMNS = {f"{size}" + (f" PCA {pca}" if pca else ""): (size, pca) for size in SIZES for pca in PCA}
LAST = 5
"""The CNN stage of stride 32."""


def table(asked: Request, listener: scoring.Listener) -> dict[str, Any]:
    """{"columns", "rows": [{"name", "model", "cells": {column: {"mean", "std"}}, "sequences": {name: {column: ...}}}],
    "notes": what could not be compared}; IoU, 0 ... 1. The spread is over seeds. Raises StreamsegError."""
    names = scoring.short_names(asked.sources)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for name, spec in _networks([setups[0].extractor.spec for setups in asked.setups.values()], notes):
        listener.log(f"{name}")
        setups = [setup.but(spec=spec) for setup in next(iter(asked.setups.values()))]
        try:
            cells = {column: _cell(setups, *choice, asked, listener) for column, choice in COLUMNS.items()}
        except ModelError as problem:
            if spec.model in asked.setups:
                raise
            notes.append(f"{name}: {problem.message}")
            continue
        rows.append(
            {
                "name": name,
                "model": spec.model,
                "cells": {
                    column: scoring.spread([float(np.mean(of_seed)) for of_seed in cell])
                    for column, cell in cells.items()
                },
                "sequences": {
                    sequence: {c: scoring.spread([of_seed[i] for of_seed in cell]) for c, cell in cells.items()}
                    for i, sequence in enumerate(names)
                },
            }
        )
    return {"columns": list(COLUMNS), "rows": rows, "notes": notes}


def _cell(
    setups: Sequence[SessionConfig], size: int, pca: int, asked: Request, listener: scoring.Listener
) -> list[list[float]]:
    """For each seed the IoU of each sequence."""
    how = {"clustering": "per-frame", "edges": False, "objects": False, "pca": pca, "foreground": 0.0}
    runs = []
    for setup in setups:
        cell = setup.but(size=size, **how)
        runs.append(
            scoring.over_seeds(
                cell,
                asked.seeds,
                every=asked.every,
                max_frames=asked.max_frames,
                listener=listener,
                iou_only=True,
            )
        )
    return [[score.figures["segments_best"] or 0.0 for score in of_seed] for of_seed in zip(*runs, strict=True)]


def _networks(specs: Sequence[Spec], notes: list[str]) -> list[tuple[str, Spec]]:
    """Each network's name and what is run, followed by the frozen one of its kind where there is one."""
    found: dict[str, Spec] = {}
    for spec in specs:
        if not spec.model.lower().endswith(checkpoint.SUFFIXES):
            found.setdefault(f"frozen {Path(spec.model).name}", last_map(spec, spec.model))
            continue
        header = checkpoint.read_header(Path(spec.model))
        backbone, method = header["backbone"]["name"], str(header["method"] or "fine-tuned").upper()
        name, number = f"{method} {backbone}", 2
        while name in found:
            name, number = f"{method} {backbone} ({number})", number + 1
        found[name] = last_map(spec, backbone)
        init = (header["provenance"] or {}).get("init", "imagenet")
        weights = init if Path(init).is_file() else ""
        if init not in ("imagenet", "none") and not weights:
            notes.append(f"{name} started from {init!r}, which is not here; beside it are the default weights")
        frozen = Spec(backbone, weights, spec.layers, spec.facet)
        found.setdefault(f"frozen {backbone}", last_map(frozen, backbone))
    return list(found.items())


def last_map(spec: Spec, backbone: str) -> Spec:
    """`spec` with its last map alone, unless layers were asked for; exported files come with theirs."""
    if spec.layers or Path(spec.model).suffix in (".onnx", ".xml", ".plan"):
        return spec
    from streamseg.backbones import zoo

    kind = zoo.recipe(Spec(backbone), weights=False).kind
    return replace(spec, layers=(LAST,) if kind == "cnn" else (-1,))
