"""Write a network as ONNX: static height and width, dynamic batch; and check that it still computes the same.

The tracing exporter is used on purpose: on efficientnet_lite0 it takes 1 s where the torch.export one takes 15 s, and
both give graphs that run equally fast.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from streamseg.backbones._network import Network
from streamseg.errors import ModelError

OPSET = 18
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def export(network: Network, size: tuple[int, int], path: Path, metadata: dict[str, str]) -> int:
    """Write `network` for images of `size` to `path`, `metadata` and the dim in its metadata_props; returns the dim."""
    images = torch.zeros(1, 3, *size)
    with torch.inference_mode():
        shapes = [tuple(output.shape[1:]) for output in network(images)]
    names = ["features", "attention"][: len(shapes)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (images,),
            path,
            dynamo=False,
            input_names=["images"],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in ("images", *names)},
            opset_version=OPSET,
        )
    model = onnx.load(path)
    for output, shape in zip(model.graph.output, shapes):
        # The tracer loses sight of static sides behind dynamic batches; they are known here.
        for dim, side in zip(output.type.tensor_type.shape.dim[1:], shape):
            dim.dim_value = side
    onnx.helper.set_model_props(model, metadata | {"dim": str(shapes[0][0])})
    onnx.save(model, path)
    return shapes[0][0]


def verify(network: Network, size: tuple[int, int], path: Path, tolerance: float) -> None:
    """Compare the file with `network` on two random images (another batch than was traced). Raises ModelError."""
    import onnxruntime

    images = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": images})
    with torch.inference_mode():
        wanted = network(torch.from_numpy(images))
    for name, mine, its in zip(("features", "attention"), found, wanted):
        worst = float(np.abs(mine - its.numpy()).max())
        if not worst <= tolerance:
            raise ModelError(
                f"the exported {network.recipe.name} differs from the network by {worst:.2g} in its {name}",
                "use --engine torch, and report this model",
            )
