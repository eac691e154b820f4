"""All settings, as dataclasses that Python, the command line and run.json share.

    ExtractorConfig   the network, how it runs, and on which frames
    ClusteringConfig  the regions
    ObjectsConfig     the objects
    SourceConfig      corrections of what a recording says about itself
    SegmenterConfig   the first three together: they determine the masks of given frames
    SessionConfig     a SegmenterConfig and its source
    RunConfig         a whole run

A field is called like its flag on the command line. `limits` defines the possible values.
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
"""Default largest distance of two keyframes, in frames. On labelled videos the regions were as good as with every frame
as a keyframe; with a distance of 8 they were worse."""
KEYFRAME_DISTANCE_OBJECTS = 4
"""The same with objects, at whose borders optical flow is least accurate. On labelled videos the foreground was as good
as with a distance of 2. `features.keyframes` doubles the distance while the flow is consistent."""

FOREGROUND = 2.0
"""Weight of the foreground head's output, 0 ... 1, beside features of length 1: see docs/benchmarks/training.md."""

MIN_SCORE = 0.25
"""Lowest score of an object. On ten empty scenes it reduces false objects from 1.1 to 0.03 per frame, while labelled
videos and RGB-D scenes keep their objects: see docs/benchmarks/scores.md."""


@dataclass(frozen=True)
class Spec:
    """Which network to use.

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
    """size: input size of the network in pixels, shorter side or (H, W). engine, device, precision: "auto", or a name
    that `backbones` knows. keyframes: largest distance of two keyframes in frames, 1 = every frame is a keyframe, 0 =
    auto, see `SegmenterConfig.keyframe_distance`. labels_on: where clustering runs, "auto", "host" or "device", see
    `backbones.placement`."""

    spec: Spec = field(default_factory=Spec)
    size: int | tuple[int, int] = 384
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    keyframes: int = 0
    labels_on: str = "auto"


@dataclass(frozen=True)
class ClusteringConfig(Checked):
    """k: number of regions, 0 = by the knee of the distortion curve within k_range (inclusive).

    clustering: "online" (one codebook for the session) or "per-frame" (K-Means and knee from scratch on every frame,
    ids matched afterwards). pca: number of principal components, 0 = off. position, depth: weights of these channels
    beside features of length 1, 0 = off. foreground: weight of the output of the foreground head, if the network has
    one. edges: whether borders of masks follow edges in the image and in the depth (guided filter). seed: random seed.
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
    """objects: whether to find objects. quality: "live" (real time), or "high" (offline). min_score: objects with a
    lower score, 0 ... 1, are dropped, unless they once were sure, see `objects.scores`. seed: random seed."""

    objects: bool = False
    quality: str = "live"
    min_score: float = MIN_SCORE
    seed: int = 0


@dataclass(frozen=True)
class SourceConfig:
    """What a user may override of a recording; None = as the recording says. intrinsics: of the colour camera.
    depth_scale: units of the depth files per metre. align_depth: how to register the depth to the colour. Raises
    SourceError for an impossible scale."""

    intrinsics: Intrinsics | None = None
    depth_scale: float | None = None
    align_depth: Alignment | None = None

    def __post_init__(self) -> None:
        if self.depth_scale is not None and not 0 < self.depth_scale < float("inf"):
            raise SourceError(f"a depth scale of {self.depth_scale} is impossible", "give units per metre, e.g. 1000")

    def aligned(self, load: Callable[[], np.ndarray] | None) -> Callable[[], np.ndarray] | None:
        """Return `Frame.load_depth` with `align_depth` applied. Every source with depth passes its own through here."""
        return load if load is None or self.align_depth is None else partial(_load_aligned, load, self.align_depth)


def _load_aligned(load: Callable[[], np.ndarray], align: Alignment) -> np.ndarray:
    return align(load())


@dataclass(frozen=True)
class SegmenterConfig(Checked):
    """All settings that determine the masks of given frames. scene_cuts: after a hard cut, "restart" (discard what was
    learnt about the scene before) or "ignore". regions: whether to find regions; objects do not need them."""

    _: KW_ONLY
    scene_cuts: str = "restart"
    regions: bool = True
    extractor: ExtractorConfig = field(default_factory=ExtractorConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)

    @property
    def keyframe_distance(self) -> int:
        """Largest distance of two keyframes, in frames. Auto (0): 1 if quality matters more than speed."""
        if self.extractor.keyframes:
            return self.extractor.keyframes
        if self.clustering.clustering == "per-frame" or self.objects.quality == "high":
            return 1
        return KEYFRAME_DISTANCE_OBJECTS if self.objects.objects else KEYFRAME_DISTANCE

    @property
    def borders_follow_depth(self) -> bool:
        """Whether borders of masks follow edges in the depth: borders of regions with `edges`, of objects always."""
        return self.clustering.edges or self.objects.objects

    @property
    def usual_masks(self) -> str:
        """The kind of masks to show by default: "objects" if they are requested, else "regions"."""
        return "objects" if self.objects.objects else "regions"

    @property
    def flip(self) -> bool:
        """Whether the network also sees the mirror image of each frame."""
        return self.objects.objects and self.objects.quality == "high"

    def with_seed(self, seed: int) -> Any:
        """Return a copy with another random seed for both regions and objects."""
        return replace(self, clustering=replace(self.clustering, seed=seed), objects=replace(self.objects, seed=seed))

    def but(self, **values: Any) -> Any:
        """Return a copy with other values, by name, of its own fields or of the fields of its parts; `seed` goes to
        every part that has one. Raises TypeError for an unknown name."""
        parts = {name: getattr(self, name) for name in _MASK_PARTS}
        changed = {name: replace(part, **_only_fields_of(part, values)) for name, part in parts.items()}
        names_in_parts = {field.name for part in parts.values() for field in fields(part)}
        own = {name: value for name, value in values.items() if name not in names_in_parts}
        return replace(self, **changed, **own)


@dataclass(frozen=True)
class SessionConfig(SegmenterConfig):
    """A source, and the settings to segment it with. options: corrections of what the source says about itself."""

    source: str
    _: KW_ONLY
    options: SourceConfig = field(default_factory=SourceConfig)


@dataclass(frozen=True)
class RunConfig(SessionConfig):
    """All settings of `streamseg run`. Its own fields are flags of that command, which docs/run.md describes. masks:
    "regions", "objects", "panoptic", or "" for the default of `mask_kind`."""

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
        """The kind of masks that the overlay and the sinks take: `masks`, by default `usual_masks`."""
        return self.masks or self.usual_masks


def from_flags(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `SessionConfig`, or of a subclass, for flags by name. The flags of a part
    (extractor, clustering, objects, options) become its config; the others stay as they are."""
    values = flags | (_masks_to_find(flags) if "save" in flags else {})
    values["spec"] = Spec(**_only_fields_of(Spec, values))
    parts = {name: part(**_only_fields_of(part, values)) for name, part in _PARTS.items()}
    names_in_parts = {field.name for part in (Spec, *_PARTS.values()) for field in fields(part)}
    return {name: value for name, value in values.items() if name not in names_in_parts} | parts


def _only_fields_of(part: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return those `values` whose names are fields of the dataclass `part`."""
    return {field.name: values[field.name] for field in fields(part) if field.name in values}


def _masks_to_find(flags: dict[str, Any]) -> dict[str, Any]:
    """Return "save", "masks", "objects" and "regions" for the flags of a run: what is saved, and which masks are found.
    Objects are found unless the flags ask for regions only; regions unless nothing takes them. A save of None stands
    for the overlay and the masks that it shows."""
    save, masks, with_objects = flags["save"], flags.get("masks") or "", {"objects", "panoptic"}
    kind = masks or ("regions" if "labels" in (save or ()) and with_objects.isdisjoint(save) else "objects")
    save = ("overlay", "labels" if kind == "regions" else kind) if save is None else save
    objects = bool(flags.get("objects")) or not with_objects.isdisjoint({kind, *save})
    viewer = flags.get("show") or flags.get("view")  # there the user can switch to other masks
    one_kind = plugins.modules_declaring(str(_SINKS), "ONE_KIND")  # sinks that write masks of `kind` only
    objects_only = objects and kind == "objects" and save and one_kind.issuperset(save) and not viewer
    return {"save": save, "masks": masks, "objects": objects, "regions": not objects_only}


_SINKS = Path(__file__).with_name("sinks") / "__init__.py"
_MASK_PARTS = {"extractor": ExtractorConfig, "clustering": ClusteringConfig, "objects": ObjectsConfig}
_PARTS: dict[str, Any] = _MASK_PARTS | {"options": SourceConfig}
