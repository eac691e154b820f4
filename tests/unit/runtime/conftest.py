"""Sinks for the tests of the stream."""

from __future__ import annotations

import threading
import time

import numpy as np

from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Sink


class Collect(Sink):
    """Collects the frames that it gets; can be slow, and can fail at a frame."""

    def __init__(self, delay: float = 0.0, fail_at: int = -1, error: BaseException | None = None) -> None:
        self.frames: list[int] = []
        self.labels: list[np.ndarray] = []
        self.threads: set[str] = set()
        self.delay, self.fail_at, self.error = delay, fail_at, error

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        time.sleep(self.delay)
        if frame.index == self.fail_at and self.error:
            raise self.error
        self.frames.append(frame.index)
        self.labels.append(segmentation.regions)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        pass


class OnScreen(Collect):
    main_thread = True
