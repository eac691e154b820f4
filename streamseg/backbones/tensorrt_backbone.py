"""TensorRT: runs engines of `streamseg export tensorrt` on the NVIDIA GPU that built them.

Written for the documented Python interface of TensorRT 10 and 11; it was never run with a GPU.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.backbones import _tensorrt
from streamseg.backbones.contract import Backbone, Log, Recipe
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import Engine
from streamseg.errors import ModelError

if TYPE_CHECKING:
    import torch


class TensorRtBackbone(Backbone):
    """An engine with one execution context and one CUDA stream. Its buffers hold the largest batch."""

    engine = "tensorrt"
    device = "cuda"

    def __init__(self, path: Path, facts: Engine, name: str) -> None:
        tensorrt = _tensorrt.load()
        check_machine(path, facts, _tensorrt.this_machine(tensorrt))
        self.name, self.sha256, self.precision = name, facts.sha256, facts.precision
        self.size, self.stride, self.dim = facts.size, facts.stride, facts.outputs["features"][0]
        self.outputs = list(facts.outputs)
        self._facts = facts
        self._log = _tensorrt.error_log(tensorrt)
        self._runtime = _tensorrt.start(tensorrt.Runtime, self._log)
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise self._failure(f"TensorRT cannot load {str(path)!r}")
        _check_tensors(tensorrt, self._engine, path, facts)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._failure(f"there is no room on the GPU to run {str(path)!r}")
        self._batch = 0
        try:
            self._make_buffers()
        except RuntimeError as problem:
            raise self._failure(f"there is no room on the GPU for {str(path)!r} ({problem})") from problem

    def _make_buffers(self) -> None:
        """Allocate pinned host memory and device memory for the largest batch, at addresses that never change."""
        import torch

        self._torch = torch
        self._stream = torch.cuda.Stream()
        shapes = self._facts.inputs | self._facts.outputs
        (self._input,) = self._facts.inputs
        largest = self._facts.profile.max
        self._host = {name: torch.empty((largest, *dims), pin_memory=True) for name, dims in shapes.items()}
        self._device = {name: torch.empty((largest, *dims), device="cuda") for name, dims in shapes.items()}
        for name, buffer in self._device.items():
            self._context.set_tensor_address(name, buffer.data_ptr())
        torch.cuda.synchronize()  # another stream than that of the buffers uses them

    @property
    def tensors(self) -> bool:
        return True

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.check_shape(images.shape)
        batch = self._fitting_batch(len(images))
        callers = self._torch.cuda.current_stream()
        self._stream.wait_stream(callers)
        with self._torch.cuda.stream(self._stream):
            self._device[self._input][:batch].copy_(images)
            self._infer(batch)
        callers.wait_stream(self._stream)
        # copied in the caller's stream, to which the memory then belongs; afterwards the next call may use the buffers
        outputs = {name: self._device[name][:batch].clone() for name in self._facts.outputs}
        callers.synchronize()
        return outputs

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = self.pixels(images)
        batch = self._fitting_batch(len(images))
        self._host[self._input][:batch].copy_(self._torch.from_numpy(images))
        with self._torch.cuda.stream(self._stream):
            self._device[self._input][:batch].copy_(self._host[self._input][:batch], non_blocking=True)
            self._infer(batch)
            for name in self._facts.outputs:
                # a smaller batch is at the beginning of each buffer, without gaps
                self._host[name][:batch].copy_(self._device[name][:batch], non_blocking=True)
        self._stream.synchronize()
        return {name: self._host[name][:batch].numpy() for name in self._facts.outputs}

    def _fitting_batch(self, batch: int) -> int:
        """Return the batch size. Raises ModelError if the engine does not take it."""
        largest = self._facts.profile.max
        if not self._facts.profile.min <= batch <= largest:
            raise ModelError(
                f"the engine {self.name} takes batches of 1 to {largest}, not {batch}",
                f"build one with `streamseg export tensorrt MODEL --max-batch {batch}`",
            )
        return batch

    def _infer(self, batch: int) -> None:
        """Run the engine on the device buffers, in the current stream."""
        if batch != self._batch:
            if not self._context.set_input_shape(self._input, (batch, *self._facts.inputs[self._input])):
                raise self._failure(f"the engine {self.name} refuses a batch of {batch}")
            self._batch = batch
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise self._failure(f"the engine {self.name} failed")

    def _failure(self, what: str) -> ModelError:
        reason = f": {self._log.errors[-1]}" if self._log.errors else ""
        return ModelError(f"{what}{reason}", "build it again with `streamseg export tensorrt`, or use another --model")

    def close(self) -> None:
        self._host, self._device = {}, {}
        self._context = self._engine = self._runtime = None
        self._torch.cuda.empty_cache()


def _check_tensors(tensorrt: Any, engine: Any, path: Path, facts: Engine) -> None:
    """Raise ModelError if an engine differs from its JSON: it would write beyond the end of the buffers."""
    wanted = {name: (-1, *dims) for name, dims in (facts.inputs | facts.outputs).items()}

    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {name: tuple(engine.get_tensor_shape(name)) for name in names}
    floats = all(engine.get_tensor_dtype(name) == tensorrt.float32 for name in names)
    (name,) = facts.inputs
    batches = [shape[0] for shape in engine.get_tensor_profile_shape(name, 0)] if name in found else []
    if not floats or found != wanted or batches != list(astuple(facts.profile)):
        shapes = ", ".join(f"{name} {list(dims)}" for name, dims in found.items())
        raise ModelError(
            f"{str(path)!r} has {shapes}, batches {batches}, which is not what its JSON says (in float32)",
            engine_file.REBUILD.format(path=path),
        )


def check_machine(path: Path, facts: Engine, here: engine_file.Machine) -> None:
    """Raise ModelError if the engine at `path` was built for another GPU or TensorRT than that of `here`."""
    misfit = facts.misfit(here)
    if misfit:
        height, width = facts.size
        flags = f"--size {height}x{width} --precision {facts.precision} --max-batch {facts.profile.max}"
        raise ModelError(
            f"{str(path)!r} was built for another machine: {misfit}",
            "an engine runs only on machines like the one that built it; build it here: "
            f"streamseg export tensorrt MODEL {flags} -o {path}",
        )


def open(
    recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, streams: int, log: Log
) -> Backbone:
    """See `open_backbone`. `streams` is ignored: one call runs at a time."""
    if recipe.kind != "tensorrt":
        raise ModelError(
            f"the engine tensorrt runs .plan files only, and {recipe.name} is none",
            f"first `streamseg export tensorrt {recipe.name} -o FILE.plan`, then --model FILE.plan",
        )
    if device == "cpu":
        raise ModelError(f"{recipe.file!r} is for a GPU", "leave --device out, or use another --model")
    facts = engine_file.read(Path(recipe.file))
    if precision not in ("auto", facts.precision):
        raise ModelError(f"{recipe.file!r} was built in {facts.precision}, not {precision}", "leave --precision out")
    return TensorRtBackbone(Path(recipe.file), facts, recipe.name)
