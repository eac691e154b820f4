"""Where clusters and labels are made: in host memory, or beside the network, where its features already lie.

On a GPU they stay there whenever they can, see `on_device`. In host memory are made: objects, `--clustering per-frame`,
what follows the optical flow (`--keyframes`), and all that an engine hands out there only (OpenVINO).
"""

from __future__ import annotations

from typing import NamedTuple

from streamseg.backbones import Backbone
from streamseg.clustering.online import Settings
from streamseg.errors import ModelError


class Place(NamedTuple):
    """device: of torch, "cuda" or "cpu", where features stay tensors; "" = NumPy arrays in host memory.
    note: for people, "" where there is nothing to say."""

    device: str
    note: str = ""

    def __str__(self) -> str:
        return self.device or "host"


def place_of_labels(settings: Settings, backbone: Backbone) -> Place:
    """Follows `Settings.labels_on`; "auto" is beside the network on a GPU. Raises ModelError for an impossible wish."""
    wish = settings.labels_on
    if wish == "auto" and backbone.device == "cpu":
        return Place("")
    if wish == "host":
        return Place("", "labels on the host, as asked for")
    reason = _why_host(settings, backbone)
    if not reason:
        return Place(backbone.place, f"labels on {backbone.place}")
    if wish == "device":
        raise ModelError(f"labels cannot be made beside the network: {reason}", "leave --labels-on out")
    return Place("", f"labels on the host: {reason}")


def _why_host(settings: Settings, backbone: Backbone) -> str:
    if settings.clustering != "online":
        return f"--clustering {settings.clustering} works in host memory"
    if settings.objects:
        return "objects are found in host memory"
    if settings.keyframes > 1:
        return f"with --keyframes {settings.keyframes} features follow the optical flow, in host memory"
    return "" if backbone.tensors else f"{backbone.engine} gives its features in host memory only"
