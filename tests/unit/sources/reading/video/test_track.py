"""Memory of pictures: a forked process does not wait for FFmpeg's threads, and reading does not keep pictures."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import av
import pytest

from streamseg.sources import open_source


def dropped(path: Path) -> None:
    """Make garbage that only the collector finds: a decoded picture, its scaler and the threads of the scaler."""
    with av.open(str(path)) as container:
        picture: Any = next(container.decode(video=0))
    picture.to_ndarray(format="rgb24")
    cycle: list[Any] = [picture]
    cycle.append(cycle)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_that_stayed_behind(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "a.mp4"
    make.video(path, 4)
    _first = open_source(str(path))[0]
    before = gc.get_threshold()
    gc.disable()
    dropped(path)
    gc.set_threshold(1)  # the child collects as soon as it can
    gc.enable()
    child = os.fork()
    if child == 0:
        os._exit(0)
    gc.set_threshold(*before)
    assert gc.isenabled()
    for _ in range(300):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.1)
    os.kill(child, 9)
    pytest.fail("the child hangs")


def pictures() -> int:
    """Return how many decoded pictures this process has."""
    return sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())


def test_pictures_do_not_wait_for_the_garbage_collector(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "a.mp4"
    make.video(path, 12)
    gc.collect()
    gc.disable()
    try:
        before = pictures()  # other tests may have left some
        with open_source(str(path)) as source:
            for index in range(12):
                source[index]
            left = pictures() - before
    finally:
        gc.enable()
    assert left < 6  # the decoder and the track keep a few
