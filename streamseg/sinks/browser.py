"""A page in the browser with the masks of the latest frame, on this machine only."""

from __future__ import annotations

import time

from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.viewing.live import LINGER, Live
from streamseg.viewing.opening import open_in_browser
from streamseg.viewing.server import PageServer


def watch(run: Run) -> Sink:
    """Serve the page until the run ends, and log its address. Raises OutputError if the port is in use."""
    page = LivePage(run)
    run.log(f"look at {page.server.url} (Ctrl-C ends the run)")
    open_in_browser(page.server.url)
    return page


class LivePage(Sink):
    """Serves the latest frame. `write` only stores a reference to it, so that viewers do not slow the run down."""

    def __init__(self, run: Run) -> None:
        self.live = Live(run.title, run.masks, run.alpha, run.control)
        self.server = PageServer("live.html", self.live.gets, self.live.posts, run.port)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.live.put(frame, segmentation)

    def close(self) -> None:
        self.live.end()
        if self.live.watched:
            time.sleep(LINGER)
        self.server.close()
