"""Reproduce Table 1 of the report (Stoican, guided research, TU Munich 2022): networks before and after fine-tuning.

Its columns are two input sizes, with and without PCA. Every cell uses the method of the report: only the last feature
map (stride 32), K-Means with every k and the knee on each frame by itself, cells enlarged without a guide, and the IoU
of the best single region of each frame with the foreground.
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


def report_table(request: Request, listener: scoring.Listener) -> dict[str, Any]:
    """Return {"columns", "rows", "notes": what could not be compared}.

    A row is {"name", "model", "cells": {column: {"mean", "std"}}, "sequences": {name of a sequence: cells}}. The values
    are IoU, 0 ... 1; the standard deviation is over seeds. Raises StreamsegError.
    """
    names = scoring.short_names(request.sources)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for name, spec in _networks([setups[0].extractor.spec for setups in request.setups.values()], notes):
        listener.log(name)
        setups = [setup.but(spec=spec) for setup in next(iter(request.setups.values()))]
        try:
            cells = {column: _cell(setups, size, pca, request, listener) for column, (size, pca) in COLUMNS.items()}
        except ModelError as problem:
            if spec.model in request.setups:
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
                    sequence: {column: scoring.spread(cell[:, i].tolist()) for column, cell in cells.items()}
                    for i, sequence in enumerate(names)
                },
            }
        )
    return {"columns": list(COLUMNS), "rows": rows, "notes": notes}


def _cell(
    setups: Sequence[SessionConfig], size: int, pca: int, request: Request, listener: scoring.Listener
) -> np.ndarray:
    """Return the IoU of every seed on every sequence: (seeds, sequences)."""
    of_the_report = {"clustering": "per-frame", "edges": False, "objects": False, "pca": pca, "foreground": 0.0}
    ious = []
    for setup in setups:
        scores = scoring.over_seeds(
            setup.but(size=size, **of_the_report),
            request.seeds,
            every=request.every,
            max_frames=request.max_frames,
            listener=listener,
            iou_only=True,
        )
        ious.append([score.figures["segments_best"] or 0.0 for score in scores])
    return np.array(ious).T


def _networks(specs: Sequence[Spec], notes: list[str]) -> list[tuple[str, Spec]]:
    """Return the rows of the table, as (name, network): each network, then the frozen one that it was trained from.

    notes: gets a line for each frozen network that is not available.
    """
    rows: dict[str, Spec] = {}
    for spec in specs:
        if not spec.model.lower().endswith(checkpoint.SUFFIXES):
            rows.setdefault(f"frozen {Path(spec.model).name}", last_map(spec, spec.model))
            continue
        header = checkpoint.read_header(Path(spec.model))
        backbone, method = header["backbone"]["name"], str(header["method"] or "fine-tuned").upper()
        name, number = f"{method} {backbone}", 2
        while name in rows:
            name, number = f"{method} {backbone} ({number})", number + 1
        rows[name] = last_map(spec, backbone)
        init = (header["provenance"] or {}).get("init", "imagenet")
        weights = init if Path(init).is_file() else ""
        if init not in ("imagenet", "none") and not weights:
            notes.append(f"{name} started from {init!r}, which is not here; beside it are the default weights")
        frozen = Spec(backbone, weights, spec.layers, spec.facet)
        rows.setdefault(f"frozen {backbone}", last_map(frozen, backbone))
    return list(rows.items())


def last_map(spec: Spec, backbone: str) -> Spec:
    """Return `spec` with only its last feature map. It stays the same if it names layers, or is an exported file, whose
    layers are fixed. backbone: name of the network."""
    if spec.layers or Path(spec.model).suffix in (".onnx", ".xml", ".plan"):
        return spec
    from streamseg.backbones import zoo

    kind = zoo.recipe(Spec(backbone), weights=False).kind
    return replace(spec, layers=(LAST,) if kind == "cnn" else (-1,))
