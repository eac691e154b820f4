"""What the packets of a video say before any is decoded: which frames there are, and how fast they play."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer

LOOKED_AT = 32
"""Pictures that are decoded to learn whether they come in the order of their stamps."""
CHAIN = 4
"""Frames of which a cut may take some and leave others."""
PLAUSIBLE = 240
"""Frames a second."""
LASTING = 0.05
"""Of its length a video may end early without being called truncated; two frames at least."""


@dataclass(frozen=True)
class Packets:
    """The packets of a track that are shown, in the order in which they lie.

    stamps: presentation times; empty where they cannot name frames: some packet lacks one, two share one, or they are
    decoding times. keys: those of key frames. repeats: of empty packets, which show the picture before them again.
    halves: places of pictures that lack their end. count: of all packets. promised: how many frames the file's header
    promises, 0 = nothing. seconds: how long it says that the track is, 0 = nothing.
    """

    stamps: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    halves: list[int] = field(default_factory=list)
    count: int = 0
    promised: int = 0
    seconds: float = 0.0


def packets_of(container: InputContainer, stream: Any) -> Packets:
    """Read all packets of a track; what lies behind the first that cannot be read is not there."""
    import av

    stamps, keys, repeats, whole, seen = [], [], [], [], 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0 and (packet.pts is None or stream.codec_context.name != "theora"):
                continue
            seen += 1
            if packet.is_discard:
                continue
            stamps.append(packet.pts)
            whole.append(stream.codec_context.name != "mjpeg" or bytes(packet).rstrip(b"\0").endswith(b"\xff\xd9"))
            if packet.size == 0:
                repeats.append(packet.pts)
            elif packet.is_keyframe:
                keys.append(packet.pts)
    except av.error.FFmpegError:
        pass
    # some cameras never write the end of a JPEG picture
    halves = [place for place, ends in enumerate(whole) if not ends] if sum(whole) > len(whole) / 2 else []
    told = {"halves": halves, "count": seen, "promised": stream.frames, "seconds": _seconds(container, stream)}
    if None in stamps or len(set(stamps)) < len(stamps) or _are_decoding_times(container, stream, stamps):
        return Packets(**told)
    return Packets(stamps, keys, repeats, **told)


def _are_decoding_times(container: InputContainer, stream: Any, stamps: list[int]) -> bool:
    """Whether pictures are shown in another order than their packets lie, and the stamps do not say so.

    AVI and what some programs write as ASF know decoding times only. Of other containers the first pictures tell.
    """
    import av

    if not stream.codec_context.has_b_frames or any(one > later for one, later in itertools.pairwise(stamps)):
        return False
    if container.format.name in ("avi", "asf"):
        return True
    shown: list[int] = []
    try:
        container.seek(0)
        for picture in itertools.islice(container.decode(stream), LOOKED_AT):
            shown.append(picture.pts if picture.pts is not None else -1)
    except av.error.FFmpegError:
        pass
    return any(one >= later for one, later in itertools.pairwise(shown))


def _seconds(container: InputContainer, stream: Any) -> float:
    """How long a track is as the file says, 0 where it does not. Matroska says so in a tag; what the whole file says
    holds for its only track."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else 0.0


def missing_after(packets: Packets, stamps: list[int], time_base: float, fps: float) -> int:
    """Frames that a file promises and does not have, by their number or else by how long it says it is; 0 also where
    frames come irregularly, for then the last may stand."""
    if packets.promised:
        return max(packets.promised - packets.count, 0)
    steps = np.diff(stamps) * time_base * fps
    regular = steps[:-CHAIN]  # a cut leaves holes where B frames lack their partners
    if not len(regular) or np.mean(np.abs(regular - 1) < 0.2) < 0.9:
        return 0
    there = (stamps[-1] - stamps[0]) * time_base * fps + 1
    lost = round(packets.seconds * fps - there)
    return lost if lost > max(2, LASTING * there) else 0


def rate_of(nominal: float, stamps: list[int], time_base: float) -> float:
    """Frames per second: `nominal`, or what the median distance of the stamps says where that is another.
    Browsers write no frame rate into their WebM files; FFmpeg then takes the clock's, 1000 frames a second."""
    if len(stamps) < (3 if nominal > PLAUSIBLE else 2 * CHAIN) or not time_base:
        return nominal
    measured = 1 / (float(np.median(np.diff(stamps))) * time_base)
    return nominal if 0.8 < nominal / measured < 1.25 else measured
