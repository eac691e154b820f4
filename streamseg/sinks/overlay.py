"""A video of the frames with the masks drawn over them: overlay.mp4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from streamseg.errors import OutputError
from streamseg.files import PartialFile
from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing
from streamseg.sinks import Run, Sink

OUTPUT = "overlay.mp4"
ONE_KIND = True
ENCODERS = {"libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "21"}, "mpeg4": {"qscale": "3"}}
"""Encoders with their options; the first one that this build of FFmpeg has is used. H.264 plays in browsers, MPEG-4
part 2 does not.

At 640x480 "ultrafast" takes a third of the time of "veryfast" and twice the space, at the same quality. "zerolatency"
and one thread save a sixth of the time: a queue of frames and threads of its own do not help the encoder, because it
runs in the writer's thread, and the network needs the cores.
"""

TICK = Fraction(1, 60_000)
"""Seconds: the unit of the time stamps in the video, the finest round one that MPEG-4 part 2 allows."""
MAX_SECONDS = 10.0
"""A frame is shown no longer than this, even if the time stamps have a longer gap."""


def open(folder: Path, run: Run) -> Sink:
    """Write `folder`/overlay.mp4, which plays at the speed of the time stamps. A run without frames leaves no file."""
    return Overlay(run.new_file(folder, OUTPUT), run)


class Overlay(Sink):
    """Encodes a video of the size of the first frame, padded to even numbers. Frames of another size are scaled to fit
    into it, with black bars. codec: the encoder in use, a key of ENCODERS."""

    def __init__(self, path: Path, run: Run) -> None:
        self.partial, self.run = PartialFile(path), run
        self.codec = next(name for name in ENCODERS if name in av.codecs_available)
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size = 0, 0
        self._previous: tuple[float, int] | None = None  # time stamp [s] and ticks of the last frame
        self._broken = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        picture = drawing.overlay(frame.rgb, segmentation.mask(self.run.masks), self.run.alpha)
        try:
            if self._container is None:
                self._container = self._open(*picture.shape[:2])
            image = _to_video_frame(_fit(picture, self._size))
            image.pts, image.time_base = self._ticks(frame.timestamp), TICK
            self._encode(self._container, image)
        except OSError:
            self._broken = True
            raise
        except av.FFmpegError as problem:
            self._broken = True
            raise self._refusal(picture, problem) from problem

    def close(self) -> None:
        """Complete the video and give it its final name. After a failed `write`, delete it and raise nothing."""
        container, self._container = self._container, None
        if container is None:
            return
        try:
            with container:
                if not self._broken:
                    self._encode(container, None)
            if not self._broken:
                self.partial.commit()
        except (OSError, av.FFmpegError):
            if not self._broken:  # else `write` has raised an error already
                raise
        finally:
            self.partial.discard()

    def _open(self, height: int, width: int) -> OutputContainer:
        # with "file:", because FFmpeg takes the part before a colon, as in -o 12:30, for a protocol
        address = f"file:{self.partial.temporary}"
        container = av.open(address, "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(self.run.fps).limit_denominator(1001)
        stream = container.add_stream(self.codec, rate=rate, options=ENCODERS[self.codec])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = TICK
        context.sample_aspect_ratio = self.run.pixel_aspect
        # The colour space of OpenCV's conversion. Without this tag players guess it from the size, wrongly for HD.
        context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG
        self._size, self._stream = (height, width), stream
        return container

    def _ticks(self, stamp: float) -> int:
        """Return when to show a frame, in TICKs since the first one. stamp: its time stamp [s].

        It is shown as long after the last frame as the time stamps say, but at most MAX_SECONDS. If the time stamps
        jump back or differ by less than a millisecond, it is shown 1 / `run.fps` seconds later.
        """
        if self._previous is None:
            self._previous = stamp, 0
            return 0
        last, ticks = self._previous
        wait = stamp - last
        wait = min(wait, MAX_SECONDS) if wait >= 1e-3 else 1 / self.run.fps
        ticks += max(1, round(wait / TICK))
        self._previous = stamp, ticks
        return ticks

    def _encode(self, container: OutputContainer, frame: av.VideoFrame | None) -> None:
        """Encode and write a frame; None = write the frames that the encoder still holds."""
        assert self._stream is not None
        container.mux(self._stream.encode(frame))

    def _refusal(self, picture: np.ndarray, problem: av.FFmpegError) -> OutputError:
        height, width = picture.shape[:2]
        return OutputError(
            f"{self.codec} cannot encode a video of {width}x{height} at {self.run.fps:g} frames/s: {problem.strerror}",
            "leave overlay out of --save, or use a smaller video",
        )


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an (H, W, 3) image to fit into `size` (H, W), keeping its aspect ratio, and add black bars."""
    height, width = picture.shape[:2]
    if (height, width) == size:
        return picture
    scale = min(size[0] / height, size[1] / width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return canvas


def _to_video_frame(picture: np.ndarray) -> av.VideoFrame:
    """Convert (H, W, 3) uint8 RGB to yuv420p, BT.601. This needs even sizes: an odd one gets its last line twice."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    planes: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)  # Any: the stub of OpenCV does not say uint8
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")
