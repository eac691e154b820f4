"""Compare all export formats of a model in one table: file size, error, agreement of the masks with PyTorch, speed.

Speed is relative to ONNX fp32 in ONNX Runtime, from median times over ROUNDS rounds. In each round every file runs
once, one after the other, so that other load on the machine affects all of them equally.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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
"""Frames that are compared, frames that calibrate int8, rounds that are timed, and rounds before them that are not."""
BASELINE = "ONNX fp32"
GPU = (("CUDA provider fp32", "cuda", "fp32"), ("CUDA provider fp16", "cuda", "fp16"),
       ("TensorRT provider fp32", "tensorrt", "fp32"), ("TensorRT provider fp16", "tensorrt", "fp16"))  # fmt: skip


def parse(text: str) -> Spec:
    """Parse a model as users type it: NAME or FILE, then ",layers=3,4", ",facet=key", and "@WEIGHTS" at the end.

    Raises ModelError.
    """
    model, _, weights = text.partition("@")
    name, *assignments = model.replace(",layers=", "\nlayers=").replace(",facet=", "\nfacet=").split("\n")
    options = dict(assignment.split("=", 1) for assignment in assignments)
    try:
        layers = tuple(int(part) for part in options.get("layers", "").split(",") if part)
    except ValueError:
        layers = ()
    if "," in name or (options.get("layers") and not layers):
        hint = "write NAME, NAME,layers=3,4 or NAME,layers=3,4@WEIGHTS"
        raise ModelError(f"{text!r} is not a model with options", hint)
    return Spec(name, weights, layers, options.get("facet", ""))


def rows(specs: Sequence[Spec], size: tuple[int, int], calibrate: str, frames: str, log: Log) -> list[dict[str, Any]]:
    """Return one row for each model and format, for JSON. size: (H, W). calibrate, frames: recordings, "" =
    photographs.

    The files are written into a temporary folder. A format that does not run on this machine has a "note" instead of
    figures. Raises ModelError if a model cannot be exported at all.
    """
    table = []
    if frames or calibrate:
        images = pictures.load(frames, size, FRAMES, log)
        calibration = pictures.load(calibrate, size, CALIBRATION, log)
    else:  # every second photograph calibrates, the others are compared
        photographs = pictures.load("", size, 2 * FRAMES, log)
        images, calibration = photographs[::2], photographs[1::2]
    for spec in specs:
        with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
            table += _rows(spec, size, calibration, images, Path(folder), log)
    return table


def _rows(
    spec: Spec, size: tuple[int, int], calibration: np.ndarray, images: np.ndarray, folder: Path, log: Log
) -> list[dict[str, Any]]:
    eager = open_backbone(spec, size, engine="torch", device="cpu", precision="fp32")
    reference = [{name: value.copy() for name, value in eager.run(image[None]).items()} for image in images]
    table = []
    backbones: dict[str, Backbone] = {}
    for name, precision, file, open_network in _formats(spec, size, calibration, folder, log):
        log(f"{spec.model}: {name}")
        row = {"model": spec.model, "format": name, "megabytes": round(_bytes(file) / 1e6, 2)}
        try:
            network = open_network()
            row |= _figures(reference, network, images, precision)
            if isinstance(network, Backbone):
                backbones[name] = network
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


class _Format(NamedTuple):
    """An exported file. precision: of its gate. open: opens the network; raises ModelError if this machine cannot."""

    name: str
    precision: str
    file: Path
    open: Callable[[], Backbone | _OpenCV]


def _formats(spec: Spec, size: tuple[int, int], calibration: np.ndarray, folder: Path, log: Log) -> list[_Format]:
    """Write the files of every format into `folder`."""
    fp32, fp16, int8 = (folder / f"{precision}.onnx" for precision in ("fp32", "fp16", "int8"))
    write_onnx(spec, size, fp32, precision="fp32")
    write_onnx(spec, size, fp16, precision="fp16")
    quantize.quantize(fp32, int8, calibration, log)
    formats: list[_Format] = []
    for precision, file in (("fp32", fp32), ("fp16", fp16), ("int8", int8)):
        formats.append(_Format(f"ONNX {precision}", precision, file, partial(open_file, file, size, "onnxruntime")))
    for precision, file in (("fp32", fp32), ("fp16", fp32), ("int8", int8)):
        xml = folder / f"{precision}.xml"
        to_openvino.convert(file, xml, precision)
        formats.append(_Format(f"OpenVINO {precision}", precision, xml, partial(open_file, xml, size, "openvino")))
    formats.append(_Format("OpenVINO reads ONNX fp32", "fp32", fp32, partial(open_file, fp32, size, "openvino")))
    formats.append(_Format("OpenCV dnn reads ONNX fp32", "fp32", fp32, partial(_OpenCV, fp32)))
    for name, device, precision in GPU:
        file = fp32 if precision == "fp32" else fp16
        formats.append(_Format(name, precision, file, partial(open_file, file, size, "onnxruntime", device)))
    return formats


class _OpenCV:
    """A network in OpenCV's dnn module, a runtime that is independent of the exporter."""

    def __init__(self, file: Path) -> None:
        import cv2

        try:
            self.net = cv2.dnn.readNetFromONNX(str(file))
            self.outputs = list(interface(load(file))[1])
        except cv2.error as problem:
            raise ModelError(f"OpenCV does not read it ({_reason(problem)})", "use another runtime") from problem

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network, as `Backbone.run`."""
        import cv2

        try:
            self.net.setInput(images)
            return dict(zip(self.outputs, self.net.forward(self.net.getUnconnectedOutLayersNames())))
        except cv2.error as problem:
            raise ModelError(f"OpenCV does not run it ({_reason(problem)})", "use another runtime") from problem


def _reason(problem: Exception) -> str:
    """Return the message of OpenCV without the path of its source file."""
    return str(problem).strip().rpartition("error: ")[2].splitlines()[0][:100]


def _figures(
    reference: list[dict[str, np.ndarray]], network: Any, images: np.ndarray, precision: str
) -> dict[str, Any]:
    """Return the error of a network, its agreement with PyTorch, and whether it passes the gate of its precision.

    reference: outputs of PyTorch for each image. The network runs on one image at a time, as in a stream.
    """
    outputs = [{name: np.array(value) for name, value in network.run(image[None]).items()} for image in images]
    result = verify.compare(
        lambda _: {name: np.concatenate([each[name] for each in reference]) for name in reference[0]},
        lambda _: {name: np.concatenate([each[name] for each in outputs]) for name in reference[0]},
        images,
    )
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
    """Measure the median seconds for one frame, by format."""
    times: dict[str, list[float]] = {name: [] for name in backbones}
    for number in range(WARM_UP + ROUNDS):
        image = images[number % len(images)][None]
        for name, backbone in backbones.items():
            # a first run is not timed: threads of the last runtime are still busy, and the caches hold its weights
            backbone.run(image)
            started = time.perf_counter()
            backbone.run(image)
            times[name].append(time.perf_counter() - started)
    return {name: float(np.median(seconds[WARM_UP:])) for name, seconds in times.items()}


def _bytes(file: Path) -> int:
    """Return the size of a file; of an .xml, together with its .bin."""
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
    """Format the rows as a Markdown table."""
    lines = [HEADER, ("---",) * len(HEADER), *(_cells(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text(rows: Sequence[dict[str, Any]]) -> str:
    """Format the rows as a table for the terminal."""
    from rich.table import Table

    table = Table(*HEADER, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*_cells(row))
    out = io.StringIO()
    terminal.print_figures(terminal.console(file=out), table)
    return out.getvalue().rstrip()
