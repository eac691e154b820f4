"""A video of the frames with their segments drawn over them: overlay.mp4."""

from __future__ import annotations

import os
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
from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing
from streamseg.sinks import Run, Sink, partial

OUTPUT = "overlay.mp4"
ENCODERS = {"libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "21"}, "mpeg4": {"qscale": "3"}}
"""The first one that this build of FFmpeg has is used: H.264, which browsers play, or else MPEG-4 part 2.

At 640x480 "ultrafast" takes a third of the time of "veryfast" and twice the space, at the same quality. Without a queue
of frames and threads of its own ("zerolatency", one thread) the encoder gives the same file for a sixth less: the
writer is a thread already, and the cores belong to the network.
"""


def open(folder: Path, run: Run) -> Sink:
    """Write `folder`/overlay.mp4 at `run.fps`; a run without frames leaves none."""
    return Overlay(folder / OUTPUT, run)


class Overlay(Sink):
    """codec: the encoder in use, a key of ENCODERS. The video has the first frame's size, padded to even numbers;
    frames of another size are fitted into it, with black bars."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path, self.run = path, run
        self.codec = next(name for name in ENCODERS if name in av.codecs_available)
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size = 0, 0
        self._broken = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        picture = drawing.overlay(frame.rgb, segmentation.shown, self.run.alpha)
        try:
            if self._container is None:
                self._container = self._open(*picture.shape[:2])
            self._encode(self._container, _to_video_frame(_fit(picture, self._size)))
        except OSError:
            self._broken = True
            raise
        except av.FFmpegError as problem:
            self._broken = True
            raise self._refusal(picture, problem) from problem

    def close(self) -> None:
        """Finish the video and give it its name. After a failed `write` nothing is left, and nothing raised."""
        container, self._container = self._container, None
        if container is None:
            return
        temporary = partial(self.path)
        try:
            with container:
                if not self._broken:
                    self._encode(container, None)
            if not self._broken:
                os.replace(temporary, self.path)
        except (OSError, av.FFmpegError):
            if not self._broken:  # else it has been told
                raise
        finally:
            temporary.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> OutputContainer:
        container = av.open(str(partial(self.path)), "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(self.run.fps).limit_denominator(1001)
        stream = container.add_stream(self.codec, rate=rate, options=ENCODERS[self.codec])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        # What OpenCV converts to. Untagged, players guess by size, and large pictures get other colours.
        context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG
        self._size, self._stream = (height, width), stream
        return container

    def _encode(self, container: OutputContainer, frame: av.VideoFrame | None) -> None:
        """Encode and write `frame`; None: what the encoder still holds back."""
        assert self._stream is not None
        container.mux(self._stream.encode(frame))

    def _refusal(self, picture: np.ndarray, problem: av.FFmpegError) -> OutputError:
        height, width = picture.shape[:2]
        return OutputError(
            f"{self.codec} cannot encode a video of {width}x{height} at {self.run.fps:g} frames/s: {problem.strerror}",
            "leave overlay out of --save, or use a smaller video",
        )


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`picture` scaled into (H, W) `size`, its aspect kept, amid black bars; as it is where it has that size."""
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
    """yuv420p, BT.601; 4:2:0 needs even sides, so the last row or column is doubled where the number is odd."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    planes: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)  # uint8, which the stub of OpenCV does not know
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")
