"""The live window: on a virtual display where Xvfb and xdotool are installed, and without any display everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.sinks import Run, open_sink

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of Linux")

SHOW = """
import time, numpy as np
from pathlib import Path
from streamseg.errors import StopRequested
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, open_sink
labels = np.ones((240, 320), np.uint8)
labels[:, 160:] = 2
with open_sink("window", Path(), Run("/recordings/a-sequence", alpha=1.0)) as sink:
    assert sink.main_thread
    try:
        for index in range(3000):
            sink.write(Frame(index, "", index / 30, np.zeros((240, 320, 3), np.uint8)), Segmentation(labels, k=2))
            time.sleep(0.01)
    except StopRequested:
        print("stop requested after the first" if index else "stop requested at once", flush=True)
"""


def no_displays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def test_without_a_display_a_window_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_displays(monkeypatch)
    with pytest.raises(OutputError, match="display") as caught:
        open_sink("window", tmp_path, Run("a sequence"))
    assert "--show" in caught.value.hint


def test_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_displays(monkeypatch)
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(OutputError, match="':4711'") as caught:  # and this process lives
        open_sink("window", tmp_path, Run("a sequence"))
    assert "--show" in caught.value.hint


@pytest.fixture
def display() -> Iterator[str]:
    """The name of a virtual display of 640x480, one for each test: a key can stay down when its window goes."""
    missing = [name for name in ("Xvfb", "xdotool") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}, to have a display and to press keys")
    read, write = os.pipe()
    # Without -noreset the server starts over when its last client, the probe, has gone, and the window meets no server.
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    yield f":{number}"
    server.terminate()
    server.wait()


def xdotool(display: str, *arguments: str) -> str:
    env = os.environ | {"DISPLAY": display}
    return subprocess.run(["xdotool", *arguments], env=env, capture_output=True, text=True, check=False).stdout.strip()


def window_of(display: str, process: subprocess.Popen[str]) -> str:
    """Wait for the window and return its X number."""
    for _ in range(300):
        found = xdotool(display, "search", "--name", "streamseg - a-sequence").split()
        if found:
            return found[-1]
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("no window within 30 s")


def has_width(width: int, display: str, window: str) -> bool:
    """Wait for the window to take `width`: it appears first, and is resized then."""
    for _ in range(50):
        if f"WIDTH={width}" in xdotool(display, "getwindowgeometry", "--shell", window).split():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def showing(display: str) -> Iterator[subprocess.Popen[str]]:
    """A process that shows frames until it is stopped, and then prints how."""
    env = os.environ | {"DISPLAY": display}
    with subprocess.Popen([sys.executable, "-c", SHOW], env=env, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_stops(key: str, display: str, showing: subprocess.Popen[str]) -> None:
    window = window_of(display, showing)
    assert has_width(320, display, window)
    for _ in range(50):  # until it listens
        xdotool(display, "windowfocus", window)
        xdotool(display, "key", "--window", window, key)
        if showing.poll() is not None:
            break
        time.sleep(0.2)
    assert showing.communicate(timeout=30)[0] == "stop requested after the first\n"
    assert showing.returncode == 0


@pytest.mark.skipif(
    not (shutil.which("openbox") and shutil.which("wmctrl")), reason="needs openbox and wmctrl, to close a window"
)
def test_closing_the_window_stops(display: str, showing: subprocess.Popen[str]) -> None:
    env = os.environ | {"DISPLAY": display}
    manager = subprocess.Popen(["openbox"], env=env, stderr=subprocess.DEVNULL)
    try:
        window_of(display, showing)
        for _ in range(50):
            subprocess.run(["wmctrl", "-c", "streamseg"], env=env, stderr=subprocess.DEVNULL, check=False)
            if showing.poll() is not None:
                break
            time.sleep(0.2)
        assert showing.communicate(timeout=30)[0] == "stop requested after the first\n"
        assert showing.returncode == 0
    finally:
        manager.terminate()
        manager.wait()
