"""Backbones: pixels to dense features. One file a runtime (engine); `zoo.py` names models.

Every engine gets the same pixels: RGB in [0, 1]; normalization, the choice of layers, their joining and the L2
normalization of each feature vector lie inside the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

ENGINES = ("openvino", "onnxruntime", "torch")
PRECISIONS = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class Spec:
    """Which network, as the user names it.

    model: a name of the zoo, "timm:NAME", or an .onnx file.
    weights: a .pth or .safetensors file instead of the model's own weights.
    layers: CNN stages (n has stride 2^n) or ViT blocks (1 ... depth, negative from the end); () = the model's default.
    facet: "key", "query", "value" or "output" of the ViT block; "" = the model's default. CNNs have "output" only.
    """

    model: str
    weights: str = ""
    layers: tuple[int, ...] = ()
    facet: str = ""


class Backbone(ABC):
    """A network with a fixed input size, ready to run.

    name: for people and the manifest. sha256: of the weights. dim: D. stride: pixels per feature cell.
    size: (H, W) of its input, multiples of `stride`. engine, device, precision: what is really used, never a wish.
    """

    name: str
    sha256: str
    dim: int
    stride: int
    size: tuple[int, int]
    engine: str
    device: str
    precision: str

    @abstractmethod
    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """(B, 3, H, W) float32 RGB in [0, 1] -> {"features": (B, D, h, w) float32, each vector of length 1;
        for ViTs also "attention": (B, heads, h, w) float32, of the CLS token in the last block}.

        The arrays may be reused by the next call.
        """

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The features alone: (B, 3, H, W) -> (B, D, h, w)."""
        return self.run(images)["features"]

    def close(self) -> None:  # noqa: B027 (most engines free themselves)
        """Release the device."""
