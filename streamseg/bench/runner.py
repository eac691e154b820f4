"""`streamseg bench`: the main job on every engine and precision that there is, in turn, in processes of their own.

A machine that has other things to do slows down whoever runs at that moment. So everybody takes several turns, in
rotation, medians are reported, and ratios are taken between turns that stood next to each other.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.bench.baseline import Plain
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
"""The plain script is slow and holds no state: more frames would tell nothing new."""


@dataclass(frozen=True)
class Bench(Turn):
    """What is measured; the fields are flags. engines: names, () = all. turns: of each. against: "report" or ""."""

    engines: tuple[str, ...] = ()
    turns: int = 3
    against: str = ""
    against_weights: str = ""

    @property
    def turn(self) -> Turn:
        """One turn, as the flags say."""
        return Turn(**{name: getattr(self, name) for name in Turn.__dataclass_fields__ if name != "_"})


def run(bench: Bench, log: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Measure and return {"machine", "source", "frames", "turns", "runs": [...], "left_out": {...}, "against": ...}.

    log: takes a line a turn. Raises StreamsegError where nothing at all can be measured.
    """
    log = log or (lambda line: None)
    turns: dict[str, list[dict[str, Any]]] = {}
    plain: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    contenders = dict(_contenders(bench))
    for number in range(bench.turns):
        for name, turn in contenders.items():
            if name in left_out:
                continue
            try:
                turns.setdefault(name, []).append(_alone("turn", turn))
            except ModelError as problem:
                if len(contenders) == 1:
                    raise
                left_out[name] = problem.message
                turns.pop(name, None)
                continue
            log(f"turn {number + 1} of {bench.turns}: {name}, {turns[name][-1]['fps']:.1f} frames/s")
        if bench.against and turns:
            size = next(iter(turns.values()))[0]["size"]
            plain.append(_alone("baseline", _plain(bench, tuple(size))))
            log(f"turn {number + 1} of {bench.turns}: the plain script, {plain[-1]['fps']:.1f} frames/s")
    if not turns:
        raise ModelError("no engine can run this here: " + "; ".join(left_out.values()), "see `streamseg doctor`")
    reference = next(iter(turns.values()))[0]["masks"]
    return {
        "machine": machine(),
        "versions": manifest.versions(),
        "source": bench.source,
        "model": bench.extractor.spec.model,
        "save": list(bench.save),
        "turns": bench.turns,
        "runs": [summary(name, found, plain, reference) for name, found in turns.items()],
        "left_out": left_out,
        "against": summary("the plain script", plain, [], None) if plain else None,
    }


def make_clip(folder: str, frames: int = 60) -> str:
    """Write shapes that drift over a noisy ground as 640x480 PNG files into `folder`, which is returned."""
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
    """The median turn, by frames/s, with the range of all; ratios to `plain`, turn by turn; agreement of the masks."""
    ordered = sorted(turns, key=lambda turn: turn["fps"])
    middle = ordered[(len(ordered) - 1) // 2]
    result = {"name": name} | {key: value for key, value in middle.items() if key != "masks"}
    result["fps_of_turns"] = [turn["fps"] for turn in turns]
    if plain:
        pairs = list(zip(turns, plain, strict=True))
        result["against"] = {
            "speed": _median(own["fps"] / other["fps"] for own, other in pairs),
            "cpu_time": _median(other["cpu_ms_per_frame"] / own["cpu_ms_per_frame"] for own, other in pairs),
            "compute": _median(other["compute_ms"] / own["compute_ms"] for own, other in pairs),
        }
    if reference is not None and middle["masks"] is not None and middle["masks"].shape == reference.shape:
        from sklearn.metrics import adjusted_rand_score

        result["agreement"] = round(float(adjusted_rand_score(reference.ravel(), middle["masks"].ravel())), 5)
    return result


def machine() -> dict[str, Any]:
    """The processor by its name, how many cores this process may use, the system, and its load (one minute's mean, None
    where the system does not tell)."""
    from streamseg.backbones.machine import cores

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"processor": name, "cores": cores(), "system": f"{platform.system()} {platform.machine()}", "load": load}


def _contenders(bench: Bench) -> Iterator[tuple[str, Turn]]:
    """Name and turn of all that shall run: as the flags say, or each engine in each precision."""
    turn = bench.turn
    wish = bench.extractor.engine, bench.extractor.device, bench.extractor.precision
    if wish != ("auto",) * 3:
        yield " ".join(wish), turn
        return
    from streamseg.backbones.machine import has_gpu

    for engine, device, precisions in (*(GPU if has_gpu() else ()), *CPU):
        for precision in precisions:
            if not bench.engines or engine in bench.engines:
                name = f"{engine} {device} {precision}"
                yield name, turn.but(engine=engine, device=device, precision=precision)


def _plain(bench: Bench, size: tuple[int, int]) -> Plain:
    weights = bench.against_weights or (
        bench.extractor.spec.weights if bench.extractor.spec.model == "resnet18" else ""
    )
    return Plain(bench.source, min(bench.frames, PLAIN_FRAMES), size, weights)


def _alone(module: str, task: Turn | Plain) -> dict[str, Any]:
    """`measure(task)` of the module, in a new process: its memory and threads are its own. Raises StreamsegError."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            result, problem = pool.submit(_measured, module, task).result()
        except BrokenProcessPool as broken:
            raise StreamsegError(
                "a process of the benchmark was killed", "make sure that there is enough memory"
            ) from broken
    if problem:
        raise problem[0](*problem[1:])
    return result


def _measured(module: str, task: Any) -> tuple[dict[str, Any], tuple[Any, ...] | None]:
    """The result, or class, message and hint of a StreamsegError, which would not survive the way between processes."""
    import importlib

    follow_parent()
    try:
        return importlib.import_module(f"streamseg.bench.{module}").measure(task), None
    except StreamsegError as problem:
        return {}, (type(problem), problem.message, problem.hint)


def _median(values: Iterator[float]) -> float:
    return round(statistics.median(values), 3)
