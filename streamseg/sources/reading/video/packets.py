"""Reads the packets of a video track without decoding them: which frames there are, and the frame rate."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_SAMPLES = 32
"""Pictures that are decoded to find out whether they are shown in the order of their stamps."""
B_FRAME_GROUP = 4
"""Frames at the end of a truncated file of which only some may be left, because B frames need later ones."""
MAX_FPS = 240
"""Frames per second; a higher nominal rate is not believed."""
TOLERANCE = 0.05
"""Share of its frames by which a video may be shorter than the file says without counting as truncated."""


@dataclass(frozen=True)
class Packets:
    """The packets of a track that are shown, in the order of the file.

    stamps: presentation times; empty if they cannot identify frames: a packet lacks one, two share one, or they are
        decoding times.
    keys: stamps of key frames.
    repeats: stamps of empty packets, which show the previous picture again.
    halves: indices of packets whose picture is incomplete.
    count: number of all packets.
    promised: number of frames in the header of the file; 0 = unknown.
    seconds: duration in the header of the file; 0 = unknown.
    """

    stamps: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    halves: list[int] = field(default_factory=list)
    count: int = 0
    promised: int = 0
    seconds: float = 0.0


def packets_of(container: InputContainer, stream: Any) -> Packets:
    """Read the packets of a track, up to the first that cannot be read."""
    import av

    stamps, keys, repeats, complete, count = [], [], [], [], 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0 and (packet.pts is None or stream.codec_context.name != "theora"):
                continue
            count += 1
            if packet.is_discard:
                continue
            stamps.append(packet.pts)
            complete.append(stream.codec_context.name != "mjpeg" or bytes(packet).rstrip(b"\0").endswith(b"\xff\xd9"))
            if packet.size == 0:
                repeats.append(packet.pts)
            elif packet.is_keyframe:
                keys.append(packet.pts)
    except av.error.FFmpegError:
        pass
    halves = [index for index, ends in enumerate(complete) if not ends]
    if len(halves) >= len(complete) / 2:  # some cameras never write the end marker of JPEG
        halves = []
    header = {"halves": halves, "count": count, "promised": stream.frames, "seconds": _seconds(container, stream)}
    if None in stamps or len(set(stamps)) < len(stamps) or _are_decoding_times(container, stream, stamps):
        return Packets(**header)
    return Packets(stamps, keys, repeats, **header)


def _are_decoding_times(container: InputContainer, stream: Any, stamps: list[int]) -> bool:
    """Return whether the stamps are decoding times: pictures are shown in another order than that of their stamps.

    AVI, and ASF as some programs write it, have only decoding times. In other containers the first pictures decide.
    """
    import av

    if not stream.codec_context.has_b_frames or any(stamp > later for stamp, later in itertools.pairwise(stamps)):
        return False
    if container.format.name in ("avi", "asf"):
        return True
    shown: list[int] = []
    try:
        container.seek(0)
        for picture in itertools.islice(container.decode(stream), MAX_SAMPLES):
            shown.append(picture.pts if picture.pts is not None else -1)
    except av.error.FFmpegError:
        pass
    return any(stamp >= later for stamp, later in itertools.pairwise(shown))


def _seconds(container: InputContainer, stream: Any) -> float:
    """Return the duration of a track [s] by the header of the file, or by a tag in Matroska; 0 if it is unknown. The
    duration of the file is that of its only track."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else 0.0


def missing_after(packets: Packets, stamps: list[int], time_base: float, fps: float) -> int:
    """Return how many frames are missing at the end of a file, by the number of frames or the duration in its header.

    If only the duration is known, frames must be regular: otherwise the last frame may be meant to be shown for long.
    stamps: sorted, in units of `time_base` seconds.
    """
    if packets.promised:
        return max(packets.promised - packets.count, 0)
    intervals = np.diff(stamps) * time_base * fps  # in frames
    intervals = intervals[:-B_FRAME_GROUP]
    if not len(intervals) or np.mean(np.abs(intervals - 1) < 0.2) < 0.9:
        return 0
    present = (stamps[-1] - stamps[0]) * time_base * fps + 1
    missing = round(packets.seconds * fps - present)
    return missing if missing > max(2, TOLERANCE * present) else 0


def rate_of(nominal: float, stamps: list[int], time_base: float) -> float:
    """Return the frames per second: `nominal`, or the rate by the median interval of the stamps if that differs.

    Browsers write no frame rate into WebM files, for which FFmpeg reports that of the clock, 1000 frames per second.
    """
    if len(stamps) < (3 if nominal > MAX_FPS else 2 * B_FRAME_GROUP) or not time_base:
        return nominal
    measured = 1 / (float(np.median(np.diff(stamps))) * time_base)
    return nominal if 0.8 < nominal / measured < 1.25 else measured
