"""Every setting, in one place, split by who uses it: the same objects in Python, on the command line and in run.json.

    ExtractorConfig   what the network is, how it runs, on which frames
    ClusteringConfig  regions
    ObjectsConfig     objects
    SourceConfig      what a recording does not say of itself
    SegmenterConfig   the first three together: all that decides the masks of given frames
    RunConfig         a whole run

A field has the name of its flag on the command line. What values it may have: see `limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.limits import Checked

if TYPE_CHECKING:
    from streamseg.sources.alignment import Alignment

KEYFRAME_DISTANCE = 6
"""Frames from one keyframe to the next at most, by default. On labelled videos regions were as good as with every frame
a keyframe; at 8 they got worse."""
KEYFRAME_DISTANCE_OBJECTS = 4
"""The same where objects are wanted: they move by themselves, and flow is worst at their borders. On labelled videos
their foreground was as good as at 2. Twice as far where the flow holds good, see `features.keyframes`."""

FOREGROUND = 2.0
"""Weight of a foreground head's answer, 0 ... 1, beside features of length 1: see docs/benchmarks/training.md."""

MIN_SCORE = 0.25
"""Of ten empty scenes 1.1 false things a frame are left without, .02 with it, while labelled recordings keep what they
have: see docs/objects.md."""


@dataclass(frozen=True)
class Spec:
    """The network, as named by the user.

    model: a named network, "timm:NAME", a checkpoint (.pt) of `streamseg train`, or an exported file.
    weights: a .pth or .safetensors file instead of the model's own weights.
    layers: CNN stages (n has stride 2^n) or ViT blocks (1 ... depth, negative from the end); () = the model's default.
    facet: "key", "query", "value" or "output" of the ViT block; "" = the model's default. CNNs have "output" only.
    """

    model: str = "efficientnet_lite0"
    weights: str = ""
    layers: tuple[int, ...] = ()
    facet: str = ""


@dataclass(frozen=True)
class ExtractorConfig(Checked):
    """size: input size of the network, shorter side or (H, W). engine, device, precision: "auto", or see `backbones`.

    keyframes: largest distance of two keyframes in frames, 1 = every frame is a keyframe, 0 = auto, see
    `SegmenterConfig.keyframe_distance`. labels_on: "auto", "host" or "device", see `backbones.placement`.
    """

    spec: Spec = field(default_factory=Spec)
    size: int | tuple[int, int] = 384
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    keyframes: int = 0
    labels_on: str = "auto"


@dataclass(frozen=True)
class ClusteringConfig(Checked):
    """k: number of regions, 0 = by the knee within k_range (inclusive).

    clustering: "online" (one codebook for the session) or "per-frame" (K-Means and knee from scratch on every frame,
    ids matched afterwards). pca: number of components, 0 = off. position, depth: weights of these channels, 0 = off.
    foreground: weight of the output of the foreground head, if the network has one. edges: whether borders follow the
    edges of the image and of the depth (guided filter). seed: random seed.
    """

    clustering: str = "online"
    k: int = 0
    k_range: tuple[int, int] = (2, 10)
    pca: int = 0
    position: float = 0.0
    depth: float = 0.0
    foreground: float = FOREGROUND
    edges: bool = True
    seed: int = 0


@dataclass(frozen=True)
class ObjectsConfig(Checked):
    """objects: whether to find objects. quality: "live", or "high" (offline). min_score: objects with a lower score, 0
    ... 1, are dropped, see `objects.scores`. seed: random seed."""

    objects: bool = False
    quality: str = "live"
    min_score: float = MIN_SCORE
    seed: int = 0


@dataclass(frozen=True)
class SourceConfig:
    """What a user may override. depth_scale: units of the depth files per metre; intrinsics: of the colour camera;
    align_depth: how to register depth to colour. Raises SourceError for an impossible scale."""

    intrinsics: Intrinsics | None = None
    depth_scale: float | None = None
    align_depth: Alignment | None = None

    def __post_init__(self) -> None:
        if self.depth_scale is not None and not 0 < self.depth_scale < float("inf"):
            raise SourceError(f"a depth scale of {self.depth_scale} is impossible", "give units per metre, e.g. 1000")

    def aligned(self, load: Callable[[], np.ndarray] | None) -> Callable[[], np.ndarray] | None:
        """`Frame.load_depth` as the user wants it: every source that has depth passes its own through here."""
        return load if load is None or self.align_depth is None else partial(_moved, load, self.align_depth)


def _moved(load: Callable[[], np.ndarray], align: Alignment) -> np.ndarray:
    return align(load())


@dataclass(frozen=True)
class SegmenterConfig(Checked):
    """All that decides which masks given frames get. scene_cuts: "restart" (what is learnt is learnt of a scene, and
    starts anew after a hard cut) or "ignore". regions: whether they are wanted; objects do without."""

    _: KW_ONLY
    scene_cuts: str = "restart"
    regions: bool = True
    extractor: ExtractorConfig = field(default_factory=ExtractorConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)

    @property
    def keyframe_distance(self) -> int:
        """Frames from one keyframe to the next at most. Auto: 1 where quality comes first."""
        thorough = self.clustering.clustering == "per-frame" or self.objects.quality == "high"
        usual = KEYFRAME_DISTANCE_OBJECTS if self.objects.objects else KEYFRAME_DISTANCE
        return self.extractor.keyframes or (1 if thorough else usual)

    @property
    def borders_follow_depth(self) -> bool:
        """Where there is any: those of regions with `edges`, those of objects always."""
        return self.clustering.edges or self.objects.objects

    @property
    def usual_masks(self) -> str:
        """Which masks people want to see: the objects where they are asked for, else the regions."""
        return "objects" if self.objects.objects else "regions"

    @property
    def flip(self) -> bool:
        """Whether the network also sees the mirror image of each frame."""
        return self.objects.objects and self.objects.quality == "high"

    def with_seed(self, seed: int) -> Any:
        """The same with another seed, for everything random."""
        return replace(self, clustering=replace(self.clustering, seed=seed), objects=replace(self.objects, seed=seed))

    def but(self, **values: Any) -> Any:
        """The same with other values of its own fields or of fields of any part, by name; `seed` goes to all that have
        one. Raises TypeError for an unknown name."""
        parts: dict[str, Any] = {}
        for name in _OF_MASKS:
            part = getattr(self, name)
            own = {key: values[key] for key in values if key in {one.name for one in fields(part)}}
            parts[name] = replace(part, **own)
        inside = {one.name for part in parts.values() for one in fields(part)}
        return replace(self, **parts, **{name: value for name, value in values.items() if name not in inside})


@dataclass(frozen=True)
class SessionConfig(SegmenterConfig):
    """What is segmented by what."""

    source: str
    _: KW_ONLY
    options: SourceConfig = field(default_factory=SourceConfig)


@dataclass(frozen=True)
class RunConfig(SessionConfig):
    """Everything `streamseg run` is asked for. Its own fields are flags of that command; masks: "regions", "objects",
    "panoptic", or "" for what `mask_kind` says."""

    _: KW_ONLY
    output: Path | None = None
    save: tuple[str, ...] = ("overlay", "labels")
    show: bool = False
    view: tuple[str, ...] = ()
    port: int | None = None
    every: int = 1
    max_frames: int | None = None
    batch: int = 1
    policy: str = "latest"
    max_latency: float | None = None
    alpha: float = 0.5
    masks: str = ""
    overwrite: bool = False

    @property
    def mask_kind(self) -> str:
        """Which mask sinks and the overlay take: `masks`, or what `usual_masks` says."""
        return self.masks or self.usual_masks


def from_flags(given: dict[str, Any]) -> dict[str, Any]:
    """Flags by name -> arguments of `SessionConfig` and its kin: those that belong together are put into their config;
    the rest stays as it is."""
    rest = dict(given)
    if "save" in rest:
        rest |= _found(rest)

    def taken(part: type) -> dict[str, Any]:
        return {one.name: rest[one.name] for one in fields(part) if one.name in rest}

    rest["spec"] = Spec(**taken(Spec))
    found = {name: part(**taken(part)) for name, part in _PARTS.items()}
    used = {one.name for part in (Spec, *_PARTS.values()) for one in fields(part)}
    return {name: value for name, value in rest.items() if name not in used} | found


def _found(given: dict[str, Any]) -> dict[str, Any]:
    """What is saved, and whether objects and regions are found for it, by the flags of a run. Objects, unless regions
    are asked for alone. save: None = the overlay and the masks that it shows."""
    save, masks, objects = given["save"], given.get("masks") or "", {"objects", "panoptic"}
    kind = masks or ("regions" if "labels" in (save or ()) and objects.isdisjoint(save) else "objects")
    save = ("overlay", "labels" if kind == "regions" else kind) if save is None else save
    found = bool(given.get("objects")) or not objects.isdisjoint({kind, *save})
    watched = given.get("show") or given.get("view")  # there the masks can be changed
    alone = kind == "objects" and save and plugins.declaring(str(_SINKS), "ONE_KIND").issuperset(save)
    return {"save": save, "masks": masks, "objects": found, "regions": not (found and alone and not watched)}


_SINKS = Path(__file__).with_name("sinks") / "__init__.py"
_OF_MASKS = {"extractor": ExtractorConfig, "clustering": ClusteringConfig, "objects": ObjectsConfig}
_PARTS: dict[str, Any] = _OF_MASKS | {"options": SourceConfig}
