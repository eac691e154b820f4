"""PyTorch: the reference that the other engines are compared with; CPU or CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from streamseg.backbones.contract import Backbone, Log, Recipe
from streamseg.backbones.networks import timm_networks
from streamseg.errors import ModelError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchBackbone(Backbone):
    """A network in PyTorch, with the weights in the chosen precision, and channels last, which is faster for CNNs."""

    engine = "torch"

    def __init__(
        self, recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, log: Log
    ) -> None:
        self.device, self.precision, self.size = device, precision, size
        if threads:
            torch.set_num_threads(threads)
        self.name, self.stride = recipe.name, recipe.shape.stride
        network, self.sha256 = timm_networks.build(recipe, size, DTYPES[precision])
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.outputs = self._network.outputs
        self.dim = self.run(np.zeros((1, 3, *size), np.float32))["features"].shape[1]

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self.run_on_device(torch.from_numpy(self.pixels(images)).to(self.device))
        return {name: output.cpu().numpy() for name, output in outputs.items()}

    @property
    def tensors(self) -> bool:
        return True

    @torch.inference_mode()
    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.check_shape(images.shape)
        outputs = self._network(images.contiguous(memory_format=torch.channels_last))
        return {name: output.contiguous() for name, output in zip(self._network.outputs, outputs)}

    def layers(self, images: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        """Run the network on images, and return the outputs of the modules `names` of timm's network, by name.

        Modules that do not exist, or whose output is not a tensor, are left out.
        """
        found: dict[str, np.ndarray] = {}

        def keep(name: str) -> Any:
            def hook(_module: Any, _inputs: Any, output: Any) -> None:
                if isinstance(output, torch.Tensor):
                    found[name] = output.contiguous().float().cpu().numpy().copy()

            return hook

        modules = dict(self._network.net.named_modules())
        handles = [modules[name].register_forward_hook(keep(name)) for name in names if name in modules]
        try:
            self.run(images)
        finally:
            for handle in handles:
                handle.remove()
        return found

    def close(self) -> None:
        if self.device == "cuda":
            torch.cuda.empty_cache()


def open(
    recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, streams: int, log: Log
) -> Backbone:
    """See `open_backbone`. `streams` is ignored: one call runs at a time."""
    if recipe.kind == "onnx":
        raise ModelError(
            f"torch does not run {recipe.file!r}", "use --engine openvino or onnxruntime for an .onnx file"
        )
    if device == "tensorrt":
        raise ModelError("torch does not run on tensorrt", "use --engine onnxruntime --device tensorrt")
    device = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("torch finds no CUDA device", "use --device cpu; `streamseg doctor` shows what is missing")
    if device == "cpu" and precision == "fp16":
        raise ModelError("torch does not support fp16 on a CPU", "use --precision fp32 or bf16")
    return TorchBackbone(recipe, size, device, "fp32" if precision == "auto" else precision, threads, log)
