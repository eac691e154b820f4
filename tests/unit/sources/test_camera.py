"""Live sources: a file played like a camera, a real network stream, and cameras that do not exist."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import LiveSource, Options, Skip, camera, open_source


def opened(uri: str) -> LiveSource:
    source = open_source(uri)
    assert isinstance(source, LiveSource)
    return source


def test_a_file_plays_to_its_end(tmp_path: Path, make: Any) -> None:
    make.video(tmp_path / "a.avi", 20, codec="mpeg4")
    before = time.monotonic()
    source = camera.open(str(tmp_path / "a.avi"), Options(Intrinsics(1, 2, 3, 4)))
    frames = list(source)
    assert [make.read_barcode(frame.rgb) for frame in frames] == list(range(20))
    assert [frame.name for frame in frames] == [f"{i:05d}" for i in range(20)]
    stamps = [frame.timestamp for frame in frames]
    assert before <= stamps[0] <= stamps[-1] <= time.monotonic()
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] >= 18 / 25  # not faster than its frame rate, except for a delay at the start
    assert frames[0].intrinsics == Intrinsics(1, 2, 3, 4)
    assert (source.kind, source.fps, source.skipped) == ("camera", pytest.approx(25), ())


def test_colours_are_rgb(tmp_path: Path) -> None:
    import numpy as np

    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()
    frame = next(iter(opened(f"camera:{tmp_path / 'red.avi'}")))
    assert frame.rgb[24, 32, 0] > 200
    assert frame.rgb[24, 32, 2] < 50


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("93", "cannot open camera 93"),
        ("rtsp://127.0.0.1:9/none", "cannot open 'rtsp://127.0.0.1:9/none'"),
        ("http://127.0.0.1:9/none", "cannot open 'http://127.0.0.1:9/none'"),
        ("camera:absent.mp4", "cannot open 'absent.mp4'"),
    ],
)
def test_what_cannot_be_opened_says_so_soon_and_once(uri: str, words: str) -> None:
    """In a new process, because OpenCV reads its log level only once, and other tests may have used it before."""
    script = (
        "from streamseg.errors import SourceError\n"
        "from streamseg.sources import open_source\n"
        "try:\n"
        f"    open_source({uri!r})\n"
        "except SourceError as problem:\n"
        "    print(problem.message, problem.hint, sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    message, hint = done.stdout.splitlines()
    assert words in message
    assert hint
    assert done.stderr == ""


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SourceError) as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/live")
    assert "rtsp://me:***@127.0.0.1:9/live" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_folder_called_by_a_number_is_a_folder(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make.images(tmp_path / "0")
    monkeypatch.chdir(tmp_path)
    assert open_source("0").kind == "images"


class Server(ThreadingHTTPServer):
    """Serves MJPEG. pictures: number per connection. connections: how many are accepted before the server stops."""

    daemon_threads = True

    def __init__(self, jpegs: list[bytes], pictures: int, connections: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jpegs, self.pictures, self.connections = jpegs, pictures, connections
        self.stall = 0.0
        self.stopped = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/live.mjpg"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.connections -= 1
        if self.server.connections < 0:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for i in range(self.server.pictures):
                data = self.server.jpegs[i % len(self.server.jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                if self.server.stopped.wait(0.01):
                    return
            self.server.stopped.wait(self.server.stall)
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def jpegs(make: Any) -> list[bytes]:
    return [cv2.imencode(".jpg", make.barcode(i))[1].tobytes() for i in range(32)]


@pytest.fixture
def serve(jpegs: list[bytes]) -> Iterator[Any]:
    servers: list[Server] = []

    def start(pictures: int, connections: int) -> Server:
        servers.append(Server(jpegs, pictures, connections))
        return servers[-1]

    yield start
    for server in servers:
        server.stopped.set()
        server.shutdown()
        server.server_close()


def test_a_network_stream_that_breaks_is_opened_again_and_then_ends(
    serve: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "RETRIES", (0.05, 0.05, 0.05))
    server = serve(pictures=20, connections=2)
    source = opened(server.uri)
    numbers = [make.read_barcode(frame.rgb) for frame in source]
    assert 30 <= len(numbers) <= 40  # one or two pictures at each interruption may be incomplete
    assert numbers.count(5) == 2
    assert isinstance(source, camera.Camera)
    assert source.lost
    assert [skip.reason for skip in source.skipped] == ["lost the camera's signal"] * 2


def test_its_size_is_known_before_the_first_frame(serve: Any, tmp_path: Path, make: Any) -> None:
    make.video(tmp_path / "a.avi", 3, codec="mpeg4")
    for uri in (serve(pictures=40, connections=1).uri, f"camera:{tmp_path / 'a.avi'}"):
        source = opened(uri)
        assert source.frame_size == next(iter(source)).rgb.shape[:2] == (48, 64)
        source.close()


def test_a_network_stream_that_stalls_is_opened_again(serve: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "RETRIES", (0.05, 0.05, 0.05))
    monkeypatch.setattr(camera, "READ_MS", 400)
    server = serve(pictures=10, connections=2)
    server.stall = 30.0  # seconds without data after the last picture; the connection stays open
    source = opened(server.uri)
    began = time.monotonic()
    numbers = [make.read_barcode(frame.rgb) for frame in source]
    assert numbers.count(3) == 2
    assert {skip.reason for skip in source.skipped} == {"lost the camera's signal"}
    assert time.monotonic() - began < 20


def test_close_from_another_thread_ends_the_iteration(serve: Any) -> None:
    source = opened(serve(pictures=100_000, connections=1).uri)
    seen = 0
    for _ in source:
        seen += 1
        if seen == 5:
            threading.Thread(target=source.close).start()
    assert 5 <= seen < 1000
    assert Skip not in map(type, source.skipped)
    source.close()
    assert list(source) == []


def test_closing_during_a_stall_does_not_wait_for_the_network(serve: Any) -> None:
    server = serve(pictures=10, connections=1)
    server.stall = 30.0
    source = opened(server.uri)
    threading.Timer(1.5, source.close).start()
    began = time.monotonic()
    assert len(list(source)) > 0
    assert time.monotonic() - began < 3
    assert isinstance(source, camera.Camera)
    assert not source.lost
