"""A live window with the masks drawn over the frames; key q stops."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2

from streamseg.errors import OutputError, StopRequested
from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing
from streamseg.sinks import Run, Sink
from streamseg.viewing.opening import display, has_display
from streamseg.viewing.rate import Rate

STOP_KEYS = {ord("q"), ord("Q"), 27}
"""Key codes of q, Q and Esc."""

PROBE = "import cv2; cv2.namedWindow('streamseg'); cv2.waitKey(1); cv2.destroyAllWindows()"
PROBE_SECONDS = 30
"""The program that tests whether a window opens, and how long it may take."""

OUTPUT = ""


def open(folder: Path, run: Run) -> Sink:
    """Show each frame at once. Raises OutputError if no window can be opened."""
    _require_display()
    return Window(run)


class Window(Sink):
    """Shows the frames in one resizable window. Must be used in the main thread.

    `write` raises StopRequested if the user presses q or Esc, or closes the window.
    """

    main_thread = True

    def __init__(self, run: Run) -> None:
        self.run = run
        self.title = f"streamseg - {Path(run.title).name or run.title}"
        self.rate = Rate()
        self._is_open = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        fps = self.rate.tick()
        rate = f"{fps:.0f} frames/s   " if fps else ""
        status = f"{rate}k = {segmentation.k}   q: stop"
        picture = drawing.overlay(frame.rgb, segmentation.mask(self.run.masks), self.run.alpha, status)
        try:
            if not self._is_open:
                self._open(*picture.shape[:2])
            cv2.imshow(self.title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            key = cv2.waitKey(1) & 0xFF
        except cv2.error as problem:
            raise _no_window(str(problem)) from problem
        if key in STOP_KEYS or self._was_closed():
            raise StopRequested

    def _was_closed(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # Qt raises an error if its last window was closed
            return True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            with suppress(cv2.error):  # the user has closed it already
                cv2.destroyWindow(self.title)
                cv2.waitKey(1)  # handles the event that closes the window

    def _open(self, height: int, width: int) -> None:
        cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(self.title, width, height)
        self._is_open = True


def _require_display() -> None:
    """Raise an OutputError if no window can be opened.

    On Linux, Qt aborts the process if it cannot use the display, so this tries it in another process first.
    """
    if not has_display():
        raise OutputError(
            "a window needs a display, and there is none (DISPLAY and WAYLAND_DISPLAY are not set)",
            "use --view browser instead, leave --show out and look at overlay.mp4, or log in with a desktop (ssh -X)",
        )
    if not sys.platform.startswith("linux"):
        return
    try:
        probe = subprocess.run(
            [sys.executable, "-P", "-c", PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as problem:
        raise _no_window(f"no answer within {PROBE_SECONDS} s") from problem
    if probe.returncode != 0:
        raise _no_window(probe.stderr)


def _no_window(message: str) -> OutputError:
    """Return the error for a window that could not be opened. message: of OpenCV or Qt."""
    if "not implemented" in message:
        return OutputError(
            "this OpenCV was built without windows (opencv-python-headless)",
            "pip uninstall opencv-python-headless, then pip install --force-reinstall opencv-python",
        )
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return OutputError(
        f"no window can be opened on display {display()!r}: {lines[0] if lines else 'the display does not answer'}",
        "check DISPLAY (try: xdpyinfo), or leave --show out and look at overlay.mp4",
    )
