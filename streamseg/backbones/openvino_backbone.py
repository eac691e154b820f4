"""OpenVINO: the fastest on CPUs."""

from __future__ import annotations

import functools
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from streamseg.backbones import machine
from streamseg.backbones import precision as precisions
from streamseg.backbones.contract import OUTPUTS, Backbone, Log, Recipe
from streamseg.backbones.exported import cached, onnx_cache, openvino_cache, openvino_file
from streamseg.backbones.exported.refusals import refused
from streamseg.errors import ModelError

PROCESSOR = "FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"
"""Properties of a CPU on which a compiled network depends."""
NAMES = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}
"""OpenVINO's names of precisions, and ours."""


class OpenVinoBackbone(Backbone):
    """A network in OpenVINO: compiled for each batch size that occurs, with buffers for each thread that calls it."""

    engine = "openvino"
    device = "cpu"

    def __init__(
        self, recipe: Recipe, size: tuple[int, int], precision: str, threads: int, log: Log, streams: int = 1
    ) -> None:
        openvino = _runtime()
        if recipe.kind == "openvino":
            path, facts = Path(recipe.file), replace(openvino_file.read(Path(recipe.file))[0], sha256=recipe.sha256)
        else:
            path, facts = onnx_cache.onnx_file(recipe, size, log)
        self.name, self.sha256, self.dim, self.stride = facts.name, facts.sha256, facts.dim, facts.stride
        self.size = size
        self._openvino, self._path = openvino, path
        self._core = _core()
        self.streams = streams or min(4, threads or machine.cores())
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        supported = {precisions.UNITS[name] for name in capabilities if name in precisions.UNITS}
        chosen, self.precision_reason = precisions.chosen(precision, supported)
        self._options = _options(chosen, threads) | {"NUM_STREAMS": self.streams}
        cached.require_unicode(path)
        self._networks: dict[int, Any] = {}
        self._compiling = threading.Lock()
        self._of_thread = threading.local()
        compiled = self._network(1)
        names = [name for output in compiled.outputs for name in output.get_names()]
        self.outputs = [name for name in OUTPUTS if name in names]
        used = NAMES[compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()]
        self.precision = "int8" if facts.precision == "int8" else used  # a file in fp16 is computed in this one, too
        if chosen != used:
            raise ModelError(f"this CPU computes in {used} when asked for {chosen}", f"use --precision {used}")

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = self.pixels(images)
        request = self._request(len(images))
        request.set_input_tensor(self._openvino.Tensor(images, shared_memory=True))
        try:
            request.infer()
        except RuntimeError as problem:
            raise refused("openvino", f"OpenVINO cannot run {self.name}", problem) from problem
        return {name: request.get_tensor(name).data for name in self.outputs}

    def _request(self, batch: int) -> Any:
        """Return this thread's inference request for `batch` images."""
        requests: dict[int, Any] = self._of_thread.__dict__.setdefault("requests", {})
        if batch not in requests:
            requests[batch] = self._network(batch).create_infer_request()
        return requests[batch]

    def _network(self, batch: int) -> Any:
        """Return the network for a batch size: static shapes are faster, and usually only one batch size occurs."""
        with self._compiling:
            if batch not in self._networks:
                self._networks[batch] = self._compiled(batch)
            return self._networks[batch]

    def _compiled(self, batch: int) -> Any:
        """Compile the network for a batch size, or load it from the cache. Raises ModelError."""
        shape = [batch, 3, *self.size]

        def make() -> Any:
            try:
                model = self._core.read_model(self._path)
            except RuntimeError as problem:  # its message has pages of source code
                raise refused("openvino", f"OpenVINO cannot read {str(self._path)!r}", problem) from problem
            model.reshape(shape)
            return self._core.compile_model(model, "CPU", self._options)

        # a compiled network depends on the version of OpenVINO and on the processor
        environment = self._openvino.get_version(), *(self._core.get_property("CPU", name) for name in PROCESSOR)
        key = f"{self._path.name} {self.sha256} {shape} {self._options} {environment}"
        try:
            return openvino_cache.compiled(
                key,
                load=lambda content: self._core.import_model(content, "CPU", self._options),
                make=make,
                save=lambda network: network.export_model().getvalue(),
            )
        except (RuntimeError, ValueError) as problem:
            raise refused("openvino", f"OpenVINO cannot compile {self.name}", problem) from problem


def _runtime() -> ModuleType:
    """Import openvino without its model converter, which takes half of the time of the import and is not needed.

    openvino works without the converter if it cannot be imported.
    """
    converter = "openvino.tools.ovc"
    hidden = "openvino" not in sys.modules
    if hidden:
        sys.modules[converter] = None  # type: ignore[assignment]  # an ImportError, as it expects
    try:
        import openvino
    finally:
        if hidden:
            del sys.modules[converter]
    return openvino


@functools.cache
def _core() -> Any:
    """Return the only Core of this process.

    A Core sets the signal stack of the thread that creates it, and restores the one before when it is deleted. With
    several Cores, that may be a deleted stack, and Ctrl-C causes a segmentation fault.
    """
    return _runtime().Core()


def _options(precision: str, threads: int) -> dict[str, Any]:
    """Return the options for the compilation of a network. threads: 0 = OpenVINO's choice."""
    hint = {name: hint for hint, name in NAMES.items()}[precision]
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    return options


def open(
    recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, streams: int, log: Log
) -> Backbone:
    """See `open_backbone`."""
    if device not in ("auto", "cpu"):
        raise ModelError(f"openvino does not run on {device}", "use --engine onnxruntime for GPUs, or --device cpu")
    return OpenVinoBackbone(recipe, size, precision, threads, log, streams)
