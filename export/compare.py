"""What each format costs, as one table: size, error, agreement of the masks with PyTorch, speed.

Speed is a ratio to ONNX fp32 in ONNX Runtime on the same device: the median of ROUNDS rounds, in each of which every
file runs, one after the other, so that whatever else the machine does meets all of them alike.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from export import frames as pictures
from export import quantize, to_openvino, verify
from export.to_onnx import open_file
from streamseg.backbones import Backbone, Spec, open_backbone, write_onnx
from streamseg.backbones.exported.onnx_file import interface, load
from streamseg.errors import ModelError
from streamseg.text import terminal

Log = Callable[[str], None]
FRAMES, CALIBRATION, ROUNDS, WARM_UP = 8, 16, 30, 2
BASELINE = "ONNX fp32"
GPU = (("CUDA provider fp32", "cuda", "fp32"), ("CUDA provider fp16", "cuda", "fp16"),
       ("TensorRT provider fp32", "tensorrt", "fp32"), ("TensorRT provider fp16", "tensorrt", "fp16"))  # fmt: skip


def parse(text: str) -> Spec:
    """A model as people type it: NAME or FILE, then ",layers=3,4", ",facet=key", and "@WEIGHTS" at the end."""
    named, _, weights = text.partition("@")
    name, *choices = named.replace(",layers=", "\nlayers=").replace(",facet=", "\nfacet=").split("\n")
    chosen = dict(choice.split("=", 1) for choice in choices)
    try:
        layers = tuple(int(part) for part in chosen.get("layers", "").split(",") if part)
    except ValueError:
        layers = ()
    if "," in name or (chosen.get("layers") and not layers):
        hint = "write NAME, NAME,layers=3,4 or NAME,layers=3,4@WEIGHTS"
        raise ModelError(f"{text!r} is not a model with options", hint)
    return Spec(name, weights, layers, chosen.get("facet", ""))


def rows(specs: Sequence[Spec], size: tuple[int, int], calibrate: str, frames: str, log: Log) -> list[dict[str, Any]]:
    """One row a model and format, for JSON. size: (H, W). calibrate, frames: recordings, "" = photographs.

    Files are made in a temporary folder. A format that cannot be measured here has `note`, and no figures. Raises
    ModelError where a model cannot be exported at all.
    """
    found = []
    images = pictures.load(frames, size, FRAMES if frames or calibrate else 2 * FRAMES, log)
    held_out = images if frames or calibrate else images[::2]
    seen = pictures.load(calibrate, size, CALIBRATION, log) if frames or calibrate else images[1::2]
    for spec in specs:
        with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
            found += _rows(spec, size, seen, held_out, Path(folder), log)
    return found


def _rows(
    spec: Spec, size: tuple[int, int], seen: np.ndarray, images: np.ndarray, folder: Path, log: Log
) -> list[dict[str, Any]]:
    reference = open_backbone(spec, size, engine="torch", device="cpu", precision="fp32")
    wanted = [{name: value.copy() for name, value in reference.run(image[None]).items()} for image in images]
    table = []
    backbones: dict[str, Backbone] = {}
    for name, precision, file, opened in _formats(spec, size, seen, folder, log):
        log(f"{spec.model}: {name}")
        row = {"model": spec.model, "format": name, "megabytes": round(_bytes(file) / 1e6, 2)}
        try:
            runs = opened()
            row |= _figures(wanted, runs, images, precision)
            if isinstance(runs, Backbone):
                backbones[name] = runs
        except ModelError as problem:
            row = {"model": spec.model, "format": name, "note": f"not measured: {problem.message}"}
        table.append(row)
    log(f"{spec.model}: timing {len(backbones)} files, interleaved")
    medians = _medians(backbones, images)
    for row in table:
        if row["format"] in medians:
            row["milliseconds"] = round(medians[row["format"]] * 1e3, 2)
            row["speed"] = round(medians[BASELINE] / medians[row["format"]], 2)
    return table


def _formats(spec: Spec, size: tuple[int, int], seen: np.ndarray, folder: Path, log: Log) -> list[tuple[Any, ...]]:
    """(name, precision of its gate, file, function that opens it) of every format; the files are written here."""
    fp32, fp16, int8 = (folder / f"{precision}.onnx" for precision in ("fp32", "fp16", "int8"))
    write_onnx(spec, size, fp32, precision="fp32")
    write_onnx(spec, size, fp16, precision="fp16")
    quantize.quantize(fp32, int8, seen, log)
    formats: list[tuple[Any, ...]] = []
    for precision, file in (("fp32", fp32), ("fp16", fp16), ("int8", int8)):
        formats.append((f"ONNX {precision}", precision, file, partial(open_file, file, size, "onnxruntime")))
    for precision, file in (("fp32", fp32), ("fp16", fp32), ("int8", int8)):
        xml = folder / f"{precision}.xml"
        to_openvino.convert(file, xml, precision)
        formats.append((f"OpenVINO {precision}", precision, xml, partial(open_file, xml, size, "openvino")))
    formats.append(("OpenVINO reads ONNX fp32", "fp32", fp32, partial(open_file, fp32, size, "openvino")))
    formats.append(("OpenCV dnn reads ONNX fp32", "fp32", fp32, lambda: _OpenCV(fp32)))
    for name, device, precision in GPU:
        file = fp32 if precision == "fp32" else fp16
        formats.append((name, precision, file, partial(open_file, file, size, "onnxruntime", device)))
    return formats


class _OpenCV:
    """OpenCV's dnn module: a runtime that the exporter never saw."""

    def __init__(self, file: Path) -> None:
        import cv2

        try:
            self.net = cv2.dnn.readNetFromONNX(str(file))
            self.outputs = list(interface(load(file))[1])
        except cv2.error as problem:
            raise ModelError(f"OpenCV does not read it ({_reason(problem)})", "use another runtime") from problem

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As Backbone.run."""
        import cv2

        try:
            self.net.setInput(images)
            return dict(zip(self.outputs, self.net.forward(self.net.getUnconnectedOutLayersNames())))
        except cv2.error as problem:
            raise ModelError(f"OpenCV does not run it ({_reason(problem)})", "use another runtime") from problem


def _reason(problem: Exception) -> str:
    """OpenCV's own words, without its source's path."""
    return str(problem).strip().rpartition("error: ")[2].splitlines()[0][:100]


def _figures(wanted: list[dict[str, np.ndarray]], runs: Any, images: np.ndarray, precision: str) -> dict[str, Any]:
    """Error and agreement of a runtime with PyTorch, one frame at a time as in a stream, and whether its gate opens."""
    found = [{name: np.array(value) for name, value in runs.run(image[None]).items()} for image in images]
    whole = [{name: np.concatenate([part[name] for part in parts]) for name in wanted[0]} for parts in (wanted, found)]
    result = verify.compare(lambda _: whole[0], lambda _: whole[1], images)
    try:
        verify.gate("it", precision, [result])
        passed = True
    except ModelError:
        passed = False
    return {
        "gate": precision,
        "passed": passed,
        "max_error": float(max(value.absolute for value in result.outputs.values())),
        "cosine": float(min(value.cosine for value in result.outputs.values())),
        "ari": result.ari,
        "ari_min": result.ari_min,
    }


def _medians(backbones: dict[str, Backbone], images: np.ndarray) -> dict[str, float]:
    """Seconds a frame, by format."""
    took: dict[str, list[float]] = {name: [] for name in backbones}
    for number in range(WARM_UP + ROUNDS):
        image = images[number % len(images)][None]
        for name, backbone in backbones.items():
            backbone.run(image)  # untimed: threads of the runtime before it still spin, and caches hold its weights
            started = time.perf_counter()
            backbone.run(image)
            took[name].append(time.perf_counter() - started)
    return {name: float(np.median(seconds[WARM_UP:])) for name, seconds in took.items()}


def _bytes(file: Path) -> int:
    """Of a file, and of the .bin that belongs to an .xml."""
    files = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
    return sum(path.stat().st_size for path in files)


HEADER = ("model", "format", "MB", "largest error", "cosine", "ARI", "speed", "gate")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "note" in row:
        return row["model"], row["format"], "", "", "", "", "", row["note"]
    speed = f"{row['speed']:.2f}x" if "speed" in row else ""
    error, cosine, ari = f"{row['max_error']:.2g}", f"{row['cosine']:.6f}", f"{row['ari']:.3f}"
    gate = f"{row['gate']} {'passed' if row['passed'] else 'FAILED'}"
    return row["model"], row["format"], f"{row['megabytes']:.1f}", error, cosine, ari, speed, gate


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *(_cells(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The table for a terminal."""
    from rich.table import Table

    table = Table(*HEADER, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*_cells(row))
    out = io.StringIO()
    terminal.console(file=out, width=160).print(table)
    return out.getvalue().rstrip()
