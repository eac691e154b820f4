"""Ten scenes without objects: windows of real recordings in which nothing is annotated and no object is visible.

Each window is the largest one with aspect ratio 4:3, in steps of 8 pixels, that no annotated object of the recording
touches within 8 pixels in any frame. A person looked at all frames and saw no object in it. The floor has no
annotation; its window lies beside the cabinet. The scenes are meadow and forest, scree, a hillside with villages, beach
and sea, paving, a road and a clay court; with depth, two table tops and a floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamseg.frame import Frame, Intrinsics
from streamseg.sources import Recording, open_source

VIDEOS = "davis16_train/JPEGImages/480p/"


@dataclass(frozen=True)
class Scene:
    """source: path below the data. window: x, y, width, height [pixels]. frames: indices in the source, None = all."""

    name: str
    source: str
    window: tuple[int, int, int, int]
    frames: tuple[int, ...] | None = None


SCENES = (
    Scene("meadow", VIDEOS + "car-turn", (0, 32, 560, 420)),
    Scene("scree", VIDEOS + "hike", (0, 88, 400, 300)),
    Scene("hillside", VIDEOS + "paragliding", (0, 40, 528, 396)),
    Scene("beach", VIDEOS + "kite-walk", (0, 192, 368, 276)),
    Scene("paving", VIDEOS + "dance-jump", (0, 248, 304, 228)),
    Scene("road", "davis_car_shadow/JPEGImages/480p/car-shadow", (0, 288, 256, 192)),
    Scene("clay court", VIDEOS + "tennis", (480, 152, 368, 276)),
    Scene("table, test5", "rgbd_osd", (312, 288, 248, 186)),
    Scene("table, learn16", "rgbd_osd", (16, 288, 248, 186)),
    Scene("floor", "tum_fr3_cabinet_keyframes", (0, 300, 180, 135), tuple(range(40, 58))),
)


def frames(name: str, data: Path) -> Iterator[Frame]:
    """The frames of the scene with this name, cropped to its window, with an empty annotation."""
    scene = next(one for one in SCENES if one.name == name)
    with open_source(str(data / scene.source)) as source:
        assert isinstance(source, Recording)
        single = scene.name.rpartition(", ")[2] if "," in scene.name else ""
        for index in scene.frames or range(len(source)):
            if not single or source.name_of(index) == single:
                yield cropped(source[index], scene.window)


def cropped(frame: Frame, window: tuple[int, int, int, int]) -> Frame:
    """Crop a frame to a window, and shift the principal point of its camera."""
    x, y, width, height = window
    place = slice(y, y + height), slice(x, x + width)
    depth, camera = frame.depth, frame.intrinsics
    if camera is not None:
        camera = Intrinsics(camera.fx, camera.fy, camera.cx - x, camera.cy - y)
    return replace(
        frame,
        rgb=np.ascontiguousarray(frame.rgb[place]),
        intrinsics=camera,
        load_depth=None if depth is None else lambda: np.ascontiguousarray(depth[place]),
        load_annotation=lambda: np.zeros((height, width), np.uint8),
    )
