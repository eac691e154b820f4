"""Where clusters and labels are made: in host memory, or on the network's device, where its features already lie.

On a GPU they stay there whenever they can: the modules `*_torch.py`. In host memory are made: objects, `--clustering
per-frame`, what follows the optical flow (`--keyframes`), and all that an engine hands out there only (OpenVINO).
"""

from __future__ import annotations

from typing import NamedTuple

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.errors import ModelError


class Place(NamedTuple):
    """device: of torch, "cuda" or "cpu", where features stay tensors; "" = NumPy arrays in host memory.
    note: for people, "" where there is nothing to say."""

    device: str
    note: str = ""

    def __str__(self) -> str:
        return self.device or "host"


def place_of_labels(config: SegmenterConfig, backbone: Backbone) -> Place:
    """Follows `ExtractorConfig.labels_on`; "auto" is the network's device on a GPU. Raises ModelError for an impossible
    wish."""
    wish = config.extractor.labels_on
    if wish == "auto" and backbone.device == "cpu":
        return Place("")
    if wish == "host":
        return Place("", "labels on the host, as asked for")
    reason = _why_host(config, backbone)
    if not reason:
        return Place(backbone.place, f"labels on {backbone.place}")
    if wish == "device":
        raise ModelError(f"labels cannot be computed on the network's device: {reason}", "leave --labels-on out")
    return Place("", f"labels on the host: {reason}")


def _why_host(config: SegmenterConfig, backbone: Backbone) -> str:
    if config.clustering.clustering != "online":
        return f"--clustering {config.clustering.clustering} works in host memory"
    if config.objects.objects:
        return "objects are found in host memory"
    if config.extractor.keyframes > 1:
        return f"with --keyframes {config.extractor.keyframes} features follow the optical flow, in host memory"
    return "" if backbone.tensors else f"{backbone.engine} gives its features in host memory only"
