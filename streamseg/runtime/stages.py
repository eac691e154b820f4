"""The stages that make the masks of a session: on which frames they start, and where they start anew.

What is learnt is learnt of a scene. After a hard cut the stages start anew, on frames that show something, not on a
fade-in or a lens cap. Ids go on, and a scene that comes back gets its own stages back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from streamseg.clustering.regions import Regions
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureFrame
from streamseg.features.scenes import KNOWN, STEADY, Scenes, shows_something
from streamseg.features.stage import MaskStage
from streamseg.frame import Frame
from streamseg.objects.changes import load_colours
from streamseg.objects.discovery import ObjectDiscovery
from streamseg.text import some

AGAIN = 1, 4
"""After a start on nothing, the stages start again at these keyframes that show something, on all of them up to there:
at once, and when there are enough that nothing hangs on one."""


class Opening:
    """Told of the first frames and of each frame after them, it says on which the stages start."""

    def __init__(self) -> None:
        self._gathered: list[FeatureFrame] | None = None  # None: nothing is waited for any more
        self._begun = False

    def begin(self, frames: Sequence[FeatureFrame]) -> list[FeatureFrame]:
        """The first frames of a scene, at least one -> those to start on: all of them where none shows anything."""
        showing = [one for one in frames if shows_something(one.frame.rgb)]
        self._begun, self._gathered = True, None if showing else []
        return showing or list(frames)

    def again(self, frame: FeatureFrame) -> list[FeatureFrame]:
        """The next frame, in order -> the frames to start again on, [] = go on."""
        if not self._begun:
            self.begin([frame])
            return []
        if self._gathered is None or not frame.is_key or not shows_something(frame.frame.rgb):
            return []
        self._gathered = gathered = [*self._gathered, frame]
        if len(gathered) == AGAIN[-1]:
            self._gathered = None
        return gathered if len(gathered) in AGAIN else []


class Stages(NamedTuple):
    """What makes the masks of one scene."""

    regions: Regions | None
    objects: ObjectDiscovery | None
    opening: Opening

    @property
    def all(self) -> list[MaskStage]:
        """Those that there are."""
        return [stage for stage in (self.regions, self.objects) if stage]

    def warm_up(self) -> None:
        """Load what they compute with; in any thread."""
        if self.regions:
            self.regions.warm_up()
        if self.objects:
            load_colours()

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """Learn from these frames."""
        if self.regions:
            self.regions.start(frames)
        if self.objects:
            self.objects.start([one.reduced() for one in frames])

    def anew(self) -> Stages:
        """For another scene of the session."""
        return Stages(self.regions and self.regions.anew(), self.objects and self.objects.anew(), Opening())


class SceneStages:
    """The stages of the scenes of a session. shown: those of the scene that is shown. cuts: [{"frame": index, "scene":
    number}], the frames at which another scene begins; scenes count from 1, and one that comes back has its number.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        objects = ObjectDiscovery(config.objects) if config.objects.objects else None
        regions = Regions(config.clustering) if config.regions else None
        self.shown = Stages(regions, objects, Opening())
        self.known = {1: self.shown}  # by scene, sorted by when it was last shown
        self.cuts: list[dict[str, int]] = []
        self._scenes = Scenes() if config.scene_cuts == "restart" else None
        self._planned, self._number, self._left = 1, 1, 0
        self._count = self._last = 0  # frames planned; the one of them that began the scene that is shown
        self._turns: deque[tuple[Frame, int, int]] = deque()  # frames that come, their count, the scenes they begin

    def plan(self, frame: Frame, scene: int = 0) -> bool:
        """Told of each frame before the network is: whether another scene begins with it. scene: its number where
        somebody has looked ahead, see `settled`; 0 = nobody has."""
        if self._scenes is None:
            return False
        scene = scene or self._scenes(frame.rgb)
        begins, self._planned = scene != self._planned, scene
        self._count += 1
        if begins:
            self._turns.append((frame, self._count, scene))
        return begins

    def begins(self, frame: Frame) -> str:
        """What begins with a frame that was planned and has not come yet: a "new" scene, a "known" one, or "" none."""
        scene = next((scene for first, _, scene in self._turns if first is frame), 0)
        return ("known" if scene in self.known else "new") if scene else ""

    def turn(self, frame: Frame) -> None:
        """Show the scene of this frame, the next one of those that were planned."""
        if not self._turns or self._turns[0][0] is not frame:
            return
        _, count, scene = self._turns.popleft()
        self.shown = self.known.pop(scene) if scene in self.known else self.shown.anew()
        self.known[scene] = self.shown
        while len(self.known) > KNOWN + 1:
            del self.known[next(iter(self.known))]
        if scene == self._left and count - self._last < STEADY:
            self.cuts.pop()  # it was a flash
        else:
            self.cuts.append({"frame": frame.index, "scene": scene})
        self._left, self._number, self._last = self._number, scene, count

    @property
    def note(self) -> str:
        """About the cuts, "" where there was none."""
        if not self.cuts:
            return ""
        frames = some([cut["frame"] for cut in self.cuts], 8)  # run.json has all
        return f"scene cuts at frame {frames}: masks start again there (--scene-cuts ignore prevents this)"
