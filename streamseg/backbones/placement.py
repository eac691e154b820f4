"""Decides where clustering and labelling run: in host memory, or on the network's device, where the features are.

On a GPU they run on the device if possible, in the modules `*_torch.py`. These run in host memory only: objects,
`--clustering per-frame`, propagation along the optical flow (`--keyframes`), and engines whose outputs are in host
memory (OpenVINO).
"""

from __future__ import annotations

from typing import NamedTuple

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.errors import ModelError


class Place(NamedTuple):
    """device: torch's device on which features stay tensors, "cuda" or "cpu"; "" = NumPy arrays in host memory.
    note: a message for the user, or ""."""

    device: str
    note: str = ""

    def __str__(self) -> str:
        return self.device or "host"


def place_of_labels(config: SegmenterConfig, backbone: Backbone) -> Place:
    """Return the place that `ExtractorConfig.labels_on` requests; "auto" is the network's device if it is a GPU.

    Raises ModelError if "device" is requested but not possible.
    """
    requested = config.extractor.labels_on
    if requested == "auto" and backbone.device == "cpu":
        return Place("")
    if requested == "host":
        return Place("", "labels on the host, as asked for")
    reason = _why_host(config, backbone)
    if not reason:
        return Place(backbone.place, f"labels on {backbone.place}")
    if requested == "device":
        raise ModelError(f"labels cannot be computed on the network's device: {reason}", "leave --labels-on out")
    return Place("", f"labels on the host: {reason}")


def _why_host(config: SegmenterConfig, backbone: Backbone) -> str:
    """Return why the labels must be computed in host memory; "" if they need not."""
    if config.clustering.clustering != "online":
        return f"--clustering {config.clustering.clustering} works in host memory"
    if config.objects.objects:
        return "objects are found in host memory"
    if config.extractor.keyframes > 1:
        return f"with --keyframes {config.extractor.keyframes} features follow the optical flow, in host memory"
    return "" if backbone.tensors else f"{backbone.engine} gives its features in host memory only"
