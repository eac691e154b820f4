"""OpenVINO: the fastest on CPUs, in bfloat16 where they have it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.backbones import Backbone, Log, Recipe, _cache, _exported, _openvino_file
from streamseg.errors import ModelError

NAMES = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}


class OpenVinoBackbone(Backbone):
    """One compiled network for each batch size that is asked for; its buffers are reused."""

    engine = "openvino"
    device = "cpu"

    def __init__(self, recipe: Recipe, size: tuple[int, int], precision: str, threads: int, log: Log) -> None:
        import openvino

        if recipe.kind == "openvino":
            path, facts = Path(recipe.file), replace(_openvino_file.read(Path(recipe.file))[0], sha256=recipe.sha256)
        else:
            path, facts = _exported.onnx_file(recipe, size, log)
        self.name, self.sha256, self.dim, self.stride = facts.name, facts.sha256, facts.dim, facts.stride
        self.size = size
        self._openvino = openvino
        self._core = openvino.Core()
        self._options = _options(self._core, precision, threads)
        try:
            self._model = self._core.read_model(path)
        except RuntimeError as problem:  # what it says is pages of its own source
            raise ModelError(f"OpenVINO cannot read {str(path)!r}", "export it again") from problem
        names = [name for output in self._model.outputs for name in output.get_names()]
        self._outputs = [name for name in ("features", "attention") if name in names]
        self._requests: dict[int, Any] = {}
        compiled = self._request(1).get_compiled_model()
        hint = NAMES[compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()]
        self.precision = "int8" if facts.precision == "int8" else hint  # files in fp16 are computed as the hint says
        if precision not in ("auto", hint):
            raise ModelError(f"this CPU computes in {hint} when asked for {precision}", f"use --precision {hint}")

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = self.pixels(images)
        request = self._request(len(images))
        request.set_input_tensor(self._openvino.Tensor(images, shared_memory=True))
        request.infer()
        return {name: request.get_tensor(name).data for name in self._outputs}

    def _request(self, batch: int) -> Any:
        """A request for `batch` images; static shapes are faster, and hardly ever does more than one size occur."""
        if batch not in self._requests:
            self._model.reshape([batch, 3, *self.size])
            compiled = self._compiled()
            self._requests[batch] = compiled.create_infer_request()
        return self._requests[batch]

    def _compiled(self) -> Any:
        """Compile, by way of OpenVINO's own cache (half the start-up time), or without it where that is damaged."""
        try:
            cache = {"CACHE_DIR": str(_cache.folder("openvino"))}
            return self._core.compile_model(self._model, "CPU", self._options | cache)
        except (RuntimeError, ValueError):
            return self._core.compile_model(self._model, "CPU", self._options)


def _options(core: Any, precision: str, threads: int) -> dict[str, Any]:
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    has = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if (precision == "fp16" and "FP16" not in has) or (precision == "bf16" and "BF16" not in has):
        raise ModelError(f"this CPU does not compute in {precision}", "leave --precision out, or use fp32")
    chosen = precision if precision != "auto" else ("bf16" if "BF16" in has else "fp32")
    options["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[chosen]
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    return options


def open(recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, log: Log) -> Backbone:
    """See open_backbone."""
    if device not in ("auto", "cpu"):
        raise ModelError(f"openvino does not run on {device}", "use --engine onnxruntime for GPUs, or --device cpu")
    return OpenVinoBackbone(recipe, size, precision, threads, log)
