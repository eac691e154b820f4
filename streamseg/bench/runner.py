"""`streamseg bench`: runs a session on every engine and precision of this machine, each in a process of its own.

Other programs on the machine slow down the engine that runs at that moment. Therefore each engine gets several turns,
in rotation; the median turn is reported, and ratios are taken between neighbouring turns.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.bench.baseline import PlainScript
from streamseg.bench.turn import Turn
from streamseg.errors import ModelError, StreamsegError
from streamseg.runtime import manifest
from streamseg.runtime.signals import follow_parent

CPU = (("openvino", "cpu", ("fp32", "bf16", "fp16")), ("onnxruntime", "cpu", ("fp32",)), ("torch", "cpu", ("fp32",)))
GPU = (
    ("onnxruntime", "cuda", ("fp32", "fp16")),
    ("torch", "cuda", ("fp32", "fp16")),
    ("onnxruntime", "tensorrt", ("fp16",)),
)
PLAIN_FRAMES = 200
"""Largest number of frames for the plain script, which is slow, and whose speed does not change over time."""


@dataclass(frozen=True)
class Bench(Turn):
    """What is measured; the fields are flags. engines: names, () = all. turns: per engine. against: "report" = the
    plain script, too, or "". against_weights: ResNet-18 weights of the plain script, "" = those of `turn` if it is
    ResNet-18."""

    engines: tuple[str, ...] = ()
    turns: int = 3
    against: str = ""
    against_weights: str = ""

    @property
    def turn(self) -> Turn:
        """One turn with these settings."""
        return Turn(**{field.name: getattr(self, field.name) for field in fields(Turn)})


def run(bench: Bench, log: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Measure, and return {"machine", "versions", "source", "model", "save", "turns", "runs", "left_out", "against"}.

    "runs" has the `summary` of each engine, "left_out" {engine: reason}. log: takes a line after each turn. Raises
    StreamsegError if no engine can be measured.
    """
    log = log or (lambda line: None)
    results: dict[str, list[dict[str, Any]]] = {}
    plain: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    turns = dict(_turns_to_compare(bench))
    for number in range(bench.turns):
        for name, turn in turns.items():
            if name in left_out:
                continue
            try:
                results.setdefault(name, []).append(_measure_in_process("turn", turn))
            except ModelError as problem:
                if len(turns) == 1:
                    raise
                left_out[name] = problem.message
                results.pop(name, None)
                continue
            log(f"turn {number + 1} of {bench.turns}: {name}, {results[name][-1]['fps']:.1f} frames/s")
        if bench.against and results:
            size = next(iter(results.values()))[0]["size"]
            plain.append(_measure_in_process("baseline", _plain_script(bench, tuple(size))))
            log(f"turn {number + 1} of {bench.turns}: the plain script, {plain[-1]['fps']:.1f} frames/s")
    if not results:
        raise ModelError("no engine can run this here: " + "; ".join(left_out.values()), "see `streamseg doctor`")
    reference = next(iter(results.values()))[0]["masks"]
    return {
        "machine": machine(),
        "versions": manifest.versions(),
        "source": bench.source,
        "model": bench.extractor.spec.model,
        "save": list(bench.save),
        "turns": bench.turns,
        "runs": [summary(name, measured, plain, reference) for name, measured in results.items()],
        "left_out": left_out,
        "against": summary("the plain script", plain, [], None) if plain else None,
    }


def make_clip(folder: str, frames: int = 60) -> str:
    """Render shapes that drift over a noisy ground as 640x480 PNG files into `folder`, and return `folder`."""
    import cv2

    random = np.random.default_rng(0)
    ground = cv2.resize(random.integers(60, 190, (12, 16, 3), dtype=np.uint8), (640, 480))
    colours = random.integers(0, 256, (5, 3)).tolist()
    for index in range(frames):
        picture = ground.copy()
        for shape, colour in enumerate(colours):
            centre = 90 + 115 * shape + 3 * index % 60, 100 + 60 * shape + 2 * index % 40
            cv2.ellipse(picture, centre, (40 + 8 * shape, 60), 25 * shape + index, 0, 360, colour, cv2.FILLED)
        noise = random.normal(0, 4, picture.shape)
        cv2.imwrite(str(Path(folder) / f"{index:05d}.png"), np.clip(picture + noise, 0, 255).astype(np.uint8))
    return folder


def summary(
    name: str, turns: list[dict[str, Any]], plain: list[dict[str, Any]], reference: np.ndarray | None
) -> dict[str, Any]:
    """Return the turn with the median frames/s, and the frames/s of all turns.

    plain: the turns of the plain script; "against" has the median ratios to them, above 1 if the engine is faster.
    reference: masks of another engine; "agreement" is the adjusted Rand index between them and the masks of this one.
    """
    ordered = sorted(turns, key=lambda turn: turn["fps"])
    middle = ordered[(len(ordered) - 1) // 2]
    result = {"name": name} | {key: value for key, value in middle.items() if key != "masks"}
    result["fps_of_turns"] = [turn["fps"] for turn in turns]
    if plain:
        pairs = list(zip(turns, plain, strict=True))
        result["against"] = {
            "speed": _median(turn["fps"] / script["fps"] for turn, script in pairs),
            "cpu_time": _median(script["cpu_ms_per_frame"] / turn["cpu_ms_per_frame"] for turn, script in pairs),
            "compute": _median(script["compute_ms"] / turn["compute_ms"] for turn, script in pairs),
        }
    if reference is not None and middle["masks"] is not None and middle["masks"].shape == reference.shape:
        from sklearn.metrics import adjusted_rand_score

        result["agreement"] = round(float(adjusted_rand_score(reference.ravel(), middle["masks"].ravel())), 5)
    return result


def machine() -> dict[str, Any]:
    """Return the name of the processor, the number of cores that this process may use, the system, and its load: the
    mean of the last minute, None if the system does not report it."""
    from streamseg.backbones.machine import cores

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"processor": name, "cores": cores(), "system": f"{platform.system()} {platform.machine()}", "load": load}


def _turns_to_compare(bench: Bench) -> Iterator[tuple[str, Turn]]:
    """Yield name and turn of the engine that the flags name, or of every engine in every precision."""
    turn = bench.turn
    requested = bench.extractor.engine, bench.extractor.device, bench.extractor.precision
    if requested != ("auto",) * 3:
        yield " ".join(requested), turn
        return
    from streamseg.backbones.machine import has_gpu

    for engine, device, precisions in (*(GPU if has_gpu() else ()), *CPU):
        for precision in precisions:
            if not bench.engines or engine in bench.engines:
                name = f"{engine} {device} {precision}"
                yield name, turn.but(engine=engine, device=device, precision=precision)


def _plain_script(bench: Bench, size: tuple[int, int]) -> PlainScript:
    spec = bench.extractor.spec
    weights = bench.against_weights or (spec.weights if spec.model == "resnet18" else "")
    return PlainScript(bench.source, min(bench.frames, PLAIN_FRAMES), size, weights)


def _measure_in_process(module: str, task: Turn | PlainScript) -> dict[str, Any]:
    """Return `measure(task)` of a module, called in a new process, so that the memory and threads are those of this
    task alone. Raises StreamsegError."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_measure, module, task).result()
        except BrokenProcessPool as broken:
            raise StreamsegError(
                "a process of the benchmark was killed", "make sure that there is enough memory"
            ) from broken


def _measure(module: str, task: Turn | PlainScript) -> dict[str, Any]:
    follow_parent()
    figures: dict[str, Any] = importlib.import_module(f"streamseg.bench.{module}").measure(task)
    return figures


def _median(values: Iterator[float]) -> float:
    return round(statistics.median(values), 3)
