"""The stages that compute the masks of a session: one set for each scene, started on its first useful frames.

What the stages learn is valid for one scene. After a hard cut a new set starts, on frames that show something, not on
a fade-in or a lens cap. No id is used in two scenes. A scene that comes back continues with its own stages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from streamseg.clustering.regions import Regions
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureFrame
from streamseg.features.scenes import KNOWN, STEADY, SceneDetector, shows_something
from streamseg.features.stage import MaskStage
from streamseg.frame import Frame
from streamseg.objects.changes import load_colours
from streamseg.objects.discovery import ObjectDiscovery
from streamseg.text import first_few

RESTART_AFTER = 1, 4
"""After a start on frames that show nothing, the stages start again on the keyframes that do: on the first one at
once, and on the first four together, because one frame alone may be untypical."""


class Steering(NamedTuple):
    """A request of the user, see `Segmenter.steer`."""

    k: int | None
    recluster: bool


class StartFrameSelector:
    """Selects the frames of a scene that the stages start on."""

    def __init__(self) -> None:
        self._keyframes: list[FeatureFrame] | None = None  # since a start on nothing; None: no new start is needed
        self._has_started = False

    def first(self, frames: Sequence[FeatureFrame]) -> list[FeatureFrame]:
        """Return those of the first frames of a scene that show something, or all of them if none does."""
        useful = [each for each in frames if shows_something(each.frame.rgb)]
        self._has_started, self._keyframes = True, None if useful else []
        return useful or list(frames)

    def next(self, frame: FeatureFrame) -> list[FeatureFrame]:
        """Return the frames to start on again once `frame`, the next one, has come; [] = no new start."""
        if not self._has_started:
            self.first([frame])
            return []
        if self._keyframes is None or not frame.is_key or not shows_something(frame.frame.rgb):
            return []
        keyframes = self._keyframes = [*self._keyframes, frame]
        if len(keyframes) == RESTART_AFTER[-1]:
            self._keyframes = None
        return keyframes if len(keyframes) in RESTART_AFTER else []


class Stages(NamedTuple):
    """The stages that compute the masks of one scene; None if the user did not ask for that kind of masks."""

    regions: Regions | None
    objects: ObjectDiscovery | None
    start_selector: StartFrameSelector

    @property
    def all(self) -> list[MaskStage]:
        """The stages that exist."""
        return [stage for stage in (self.regions, self.objects) if stage]

    def warm_up(self) -> None:
        """Load the libraries that the stages use. May be called in any thread."""
        if self.regions:
            self.regions.warm_up()
        if self.objects:
            load_colours()

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """Let all stages learn from these frames."""
        if self.regions:
            self.regions.start(frames)
        if self.objects:
            self.objects.start([each.reduced() for each in frames])

    def for_new_scene(self) -> Stages:
        """Return stages for another scene of the session."""
        regions = self.regions and self.regions.for_new_scene()
        objects = self.objects and self.objects.for_new_scene()
        return Stages(regions, objects, StartFrameSelector())


class SceneStages:
    """The stages of all scenes of a session.

    Call `plan` for each frame in order, then `enter` for each frame in order; `plan` may be some frames ahead.
    current: the stages of the scene of the last frame that was entered. by_scene: all stages by the number of their
    scene, the one that was shown longest ago first. cuts: [{"frame": index, "scene": number}], the frames at which the
    scene changes. Scenes are numbered from 1; a scene that comes back keeps its number.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        objects = ObjectDiscovery(config.objects) if config.objects.objects else None
        regions = Regions(config.clustering) if config.regions else None
        self.current = Stages(regions, objects, StartFrameSelector())
        self.by_scene = {1: self.current}
        self.cuts: list[dict[str, int]] = []
        self._detector = SceneDetector() if config.scene_cuts == "restart" else None
        self._planned_scene, self._scene, self._previous_scene = 1, 1, 0
        self._count = self._entered_at = 0  # frames that were planned, and how many of them when the scene began
        self._planned_cuts: deque[tuple[Frame, int, int]] = deque()  # first frame, its count, its scene

    def plan(self, frame: Frame, scene: int = 0) -> bool:
        """Return whether another scene begins with this frame. scene: its number if known, see `settled`; else 0."""
        if self._detector is None:
            return False
        scene = scene or self._detector(frame.rgb)
        begins, self._planned_scene = scene != self._planned_scene, scene
        self._count += 1
        if begins:
            self._planned_cuts.append((frame, self._count, scene))
        return begins

    def begins(self, frame: Frame) -> str:
        """Return which scene begins with a planned frame: a "new" one, a "known" one, or "" = none."""
        for first, _, scene in self._planned_cuts:
            if first is frame:
                return "known" if scene in self.by_scene else "new"
        return ""

    def enter(self, frame: Frame) -> None:
        """Change to the scene of this frame, the next of the planned ones."""
        if not self._planned_cuts or self._planned_cuts[0][0] is not frame:
            return
        _, count, scene = self._planned_cuts.popleft()
        self.current = self.by_scene.pop(scene) if scene in self.by_scene else self.current.for_new_scene()
        self.by_scene[scene] = self.current
        while len(self.by_scene) > KNOWN + 1:
            del self.by_scene[next(iter(self.by_scene))]
        if scene == self._previous_scene and count - self._entered_at < STEADY:
            self.cuts.pop()  # it was a flash
        else:
            self.cuts.append({"frame": frame.index, "scene": scene})
        self._previous_scene, self._scene, self._entered_at = self._scene, scene, count

    def steer(self, requests: Sequence[Steering], latest: FeatureFrame) -> None:
        """Change the regions as the user asked, in order. latest: the frame that new clusters are computed from."""
        for k, recluster in requests:
            for stages in self.by_scene.values():
                if stages.regions and k is not None:
                    stages.regions.set_k(k)
            if recluster and self.current.regions:
                self.current.regions.start([latest])

    @property
    def note(self) -> str:
        """A line about the cuts; "" if there was none."""
        if not self.cuts:
            return ""
        frames = first_few([cut["frame"] for cut in self.cuts], 8)  # run.json lists all
        return f"scene cuts at frame {frames}: masks start again there (--scene-cuts ignore prevents this)"
