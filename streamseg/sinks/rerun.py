"""recording.rrd: colour, masks, depth, boxes, points and curves for the viewer Rerun (extra `rerun`)

`watch` sends the same to a viewer while the run goes on: a window of Rerun's where there is a screen, or else its page
for a browser. The viewer is a process of its own and listens on 127.0.0.1 only.
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
from streamseg.viewing.rate import Rate

OUTPUT = "recording.rrd"
FLUSHED = 30
"""After so many frames a full disk is noticed."""
SECONDS = 0.1
"""Between two frames that are sent to a viewer: pictures that come faster fill its memory."""
HOST = "127.0.0.1"
MEMORY = ["--memory-limit", "1GiB", "--server-memory-limit", "256MiB"]
START_SECONDS, END_SECONDS = 30.0, 5.0


def open(folder: Path, run: Run) -> Sink:
    """Write `folder`/recording.rrd. Raises OutputError where the package rerun-sdk is not installed."""
    return RerunFile(run.new_file(folder, OUTPUT), run)


def watch(run: Run) -> Sink:
    """Send frames to a viewer. Raises OutputError where none can be started."""
    return RerunViewer(run)


class RerunFile(Sink):
    """Frames go to the file as they come; a run without frames leaves none."""

    def __init__(self, path: Path, run: Run) -> None:
        self.partial, self.rate, self.frames = PartialFile(path), Rate(), 0
        self.recording = _recording(run)
        self.recording.save(self.partial.temporary, default_blueprint=layout())
        self.entities = Entities(self.recording, run)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.entities.log(frame, segmentation, self.rate.tick())
        self.frames += 1
        if self.frames % FLUSHED == 0:
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
            with self.partial.temporary.open("ab") as file:  # raises what stopped Rerun's writer, which says no reason
                file.write(bytes(1))
            raise OSError(errno.EIO, str(problem)) from problem


class RerunViewer(Sink):
    """At most a frame in SECONDS is sent, and none to a viewer that was closed: the run goes on either way."""

    def __init__(self, run: Run) -> None:
        self.run, self.rate, self.next = run, Rate(), 0.0
        self.recording = _recording(run)
        self.on_screen = has_screen()
        port, page = _free_port(), _free_port()
        self.process = start(port, page, self.on_screen)
        address = f"rerun+http://{HOST}:{port}/proxy"
        self.recording.connect_grpc(address, default_blueprint=layout())
        self.entities = Entities(self.recording, run)
        if not self.on_screen:
            run.log(f"look at http://{HOST}:{page}/?url={quote(address, safe='')}")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        fps, now = self.rate.tick(), time.monotonic()
        if now < self.next or self.process.poll() is not None:
            return
        self.next = now + SECONDS
        self.entities.log(frame, segmentation, fps)

    def close(self) -> None:
        """A window stays, as its user's; a page ends with the run."""
        if self.process.poll() is None:
            self.recording.flush(timeout_sec=END_SECONDS)
        self.recording.disconnect()
        if not self.on_screen:
            stop(self.process)


def _recording(run: Run) -> Any:
    try:
        import rerun as rr
    except ImportError as problem:
        raise OutputError("the package rerun-sdk is not installed", "pip install 'streamseg[rerun]'") from problem
    # an object, not the global state: a program that uses Rerun itself keeps its own
    recording = rr.RecordingStream("streamseg")
    recording.send_recording_name(run.title.encode("utf-8", errors="replace").decode())
    return recording


def has_screen() -> bool:
    """Whether a window can be expected to open."""
    told = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return not sys.platform.startswith("linux") or bool(told)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def start(port: int, page: int, on_screen: bool) -> subprocess.Popen[bytes]:
    """Rerun's own program, which listens on `port` for frames; `page`: the port of its page for a browser. Raises
    OutputError where it does not start."""
    web = [] if on_screen else ["--serve-web", "--web-viewer-port", str(page), "--newest-first"]
    command = [sys.executable, "-m", "rerun", "--bind", HOST, "--port", str(port), *MEMORY, *web]
    # CI: the program counts nobody. A session of its own: Ctrl-C is for us, who close it in good order
    quiet = {**os.environ, "CI": "1"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=quiet, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        waited = time.monotonic() + START_SECONDS
        while not _answers(port) or (web and not _answers(page)):
            if process.poll() is not None or time.monotonic() > waited:
                stop(process)
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                raise OutputError(
                    f"Rerun's viewer does not start: {lines[-1] if lines else 'no answer'}",
                    "use --save rerun, and open recording.rrd on another machine",
                )
            time.sleep(0.05)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program of `start`, with the one that it started itself."""
    if sys.platform == "win32":
        process.terminate()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    process.wait(END_SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(0.2)
        return one.connect_ex((HOST, port)) == 0
