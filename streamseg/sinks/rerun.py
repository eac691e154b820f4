"""recording.rrd: colour, masks, depth, boxes, points and curves for the viewer Rerun (extra `rerun`)

`watch` sends the same data to a viewer during the run: to a window of Rerun if there is a display, else to its page in
a browser. The viewer is a separate process, which listens on 127.0.0.1 only.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamseg.errors import OutputError
from streamseg.files import PartialFile
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.entities import Entities, layout
from streamseg.viewing.opening import has_display
from streamseg.viewing.rate import Rate

OUTPUT = "recording.rrd"
FLUSH_INTERVAL = 30
"""Frames between two flushes of the file. Only a flush reports that the disk is full."""
SECONDS = 0.1
"""The least time between two frames that are sent to a viewer; images at a higher rate fill its memory."""
HOST = "127.0.0.1"
MEMORY = ["--memory-limit", "1GiB", "--server-memory-limit", "256MiB"]
START_SECONDS, END_SECONDS = 30.0, 5.0
"""The longest time that the viewer may take to start, and to end."""


def check() -> None:
    """Raise OutputError if the package rerun-sdk is not installed."""
    try:
        import rerun  # noqa: F401
    except ImportError as problem:
        raise OutputError("the package rerun-sdk is not installed", "pip install 'streamseg[rerun]'") from problem


def open(folder: Path, run: Run) -> Sink:
    """Write `folder`/recording.rrd."""
    return RerunFile(run.new_file(folder, OUTPUT), run)


def watch(run: Run) -> Sink:
    """Send frames to a viewer. Raises OutputError if it cannot be started."""
    return RerunViewer(run)


class RerunFile(Sink):
    """Writes each frame at once. A run without frames leaves no file."""

    def __init__(self, path: Path, run: Run) -> None:
        self.partial, self.rate, self.frames = PartialFile(path), Rate(), 0
        self.recording = _recording(run)
        self.recording.save(self.partial.temporary, default_blueprint=layout())
        self.entities = Entities(self.recording, run)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.entities.log(frame, segmentation, self.rate.tick())
        self.frames += 1
        if self.frames % FLUSH_INTERVAL == 0:
            self._flush()

    def close(self) -> None:
        try:
            self._flush()
            self.recording.disconnect()
            if self.frames:
                self.partial.commit()
        finally:
            self.partial.discard()

    def _flush(self) -> None:
        try:
            self.recording.flush()
        except RuntimeError as problem:
            # Rerun does not say why writing failed. One more byte raises the OSError with the reason, e.g. a full disk.
            with self.partial.temporary.open("ab") as file:
                file.write(bytes(1))
            raise OSError(errno.EIO, str(problem)) from problem


class RerunViewer(Sink):
    """Sends at most one frame every SECONDS, and none after the user has closed the viewer. The run always goes on."""

    def __init__(self, run: Run) -> None:
        self.run, self.rate, self.next_time = run, Rate(), 0.0
        self.recording = _recording(run)
        self.on_screen = has_display()
        port, page = _free_port(), _free_port()
        self.process = start(port, page, self.on_screen)
        address = f"rerun+http://{HOST}:{port}/proxy"
        self.recording.connect_grpc(address, default_blueprint=layout())
        self.entities = Entities(self.recording, run)
        if not self.on_screen:
            run.log(f"look at http://{HOST}:{page}/?url={quote(address, safe='')}")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        fps, now = self.rate.tick(), time.monotonic()
        if now < self.next_time or self.process.poll() is not None:
            return
        self.next_time = now + SECONDS
        self.entities.log(frame, segmentation, fps)

    def close(self) -> None:
        """Leave a window open for its user, but end the process that serves a page."""
        if self.process.poll() is None:
            self.recording.flush(timeout_sec=END_SECONDS)
        self.recording.disconnect()
        if not self.on_screen:
            stop(self.process)


def _recording(run: Run) -> Any:
    check()
    import rerun as rr

    # an object of our own, not the global one, which a program around us may use
    recording = rr.RecordingStream("streamseg")
    recording.send_recording_name(run.title.encode("utf-8", errors="replace").decode())
    return recording


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(port: int, page: int, on_screen: bool) -> subprocess.Popen[bytes]:
    """Start Rerun's viewer and wait until it answers. Raises OutputError if it does not.

    port: where it listens for frames. page: the port of its page for a browser, used if not on_screen.
    """
    web = [] if on_screen else ["--serve-web", "--web-viewer-port", str(page), "--newest-first"]
    command = [sys.executable, "-m", "rerun", "--bind", HOST, "--port", str(port), *MEMORY, *web]
    without_telemetry = {**os.environ, "CI": "1"}  # Rerun sends no usage data if CI is set
    with tempfile.TemporaryFile() as output:
        # in a session of its own, so that Ctrl-C reaches only this process, which then ends the viewer
        process = subprocess.Popen(
            command,
            env=without_telemetry,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port) or (web and not _answers(page)):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process)
                output.seek(0)
                lines = output.read().decode(errors="replace").strip().splitlines()
                raise OutputError(
                    f"Rerun's viewer does not start: {lines[-1] if lines else 'no answer'}",
                    "use --save rerun, and open recording.rrd on another machine",
                )
            time.sleep(0.05)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process of `start`, and the processes that it started."""
    if sys.platform == "win32":
        process.terminate()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    process.wait(END_SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
