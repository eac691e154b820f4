"""What the packets of a video say before any is decoded: which frames there are, and how fast they play."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer


def packets_of(container: InputContainer, stream: Any) -> tuple[list[int], list[int], int]:
    """Time stamps of the packets that are shown and of the key frames among them; how many promised ones are absent.

    No stamps at all where they cannot name frames: some packet lacks one, or two share one.
    """
    import av

    stamps, keys, seen = [], [], 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            seen += 1
            if packet.is_discard:
                continue
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    except av.error.FFmpegError:
        pass
    avi = container.format.name == "avi" and stream.codec_context.has_b_frames  # AVI knows decoding times only
    if avi or None in stamps or len(set(stamps)) < len(stamps):
        return [], [], 0
    return stamps, keys, max(stream.frames - seen, 0)


def rate_of(nominal: float, stamps: list[int], time_base: float) -> float:
    """Frames per second: `nominal`, or what the median distance of the stamps says where that is another.
    Browsers write no frame rate into their WebM files; FFmpeg then takes the clock's, 1000 frames a second."""
    if len(stamps) < 3 or not time_base:
        return nominal
    measured = 1 / (float(np.median(np.diff(stamps))) * time_base)
    return nominal if 0.8 < nominal / measured < 1.25 else measured
