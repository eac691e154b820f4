"""The viewer in the browser, as a run opens it."""

from __future__ import annotations

import re
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from streamseg import sinks
from streamseg.sinks import Run, open_viewer

from .conftest import blocks, frame


@pytest.fixture(autouse=True)
def _no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def test_it_is_a_viewer_and_writes_nothing(tmp_path: Path) -> None:
    assert "browser" in sinks.viewers()
    assert "browser" not in sinks.kinds()


def test_it_logs_its_address_and_serves_until_it_is_closed() -> None:
    said: list[str] = []
    with open_viewer("browser", Run("a sequence", log=said.append, port=0)) as viewer:
        (line,) = said
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found
        viewer.write(*frame(0, blocks(0)))
        for path in ("", "about", "moment?after=0&layer=regions"):
            with urllib.request.urlopen(found[0] + path, timeout=5) as answer:
                assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(found[0], timeout=5)


def test_a_page_that_draws_when_the_run_ends_still_gets_the_last_frame() -> None:
    said: list[str] = []
    viewer = open_viewer("browser", Run("a sequence", log=said.append, port=0))
    viewer.write(*frame(0, blocks(0)))
    address = said[0].split()[2] + "moment?after=1&layer=regions"
    with urllib.request.urlopen(address.replace("after=1", "after=0"), timeout=5) as answer:
        assert b'"ended":false' in answer.read().replace(b" ", b"")
    closing = threading.Thread(target=viewer.close)
    closing.start()
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert b'"ended":true' in answer.read().replace(b" ", b"")
    closing.join()


def test_a_client_that_never_reads_does_not_slow_the_run() -> None:
    """Two hundred frames into the page, with a client that never reads: each takes microseconds."""
    said: list[str] = []
    item = frame(0, blocks(0, (480, 640)))
    with open_viewer("browser", Run("a sequence", log=said.append, port=0)) as viewer:
        port = int(said[0].split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(10)
            started = time.thread_time()
            for _ in range(200):
                viewer.write(*item)
            assert time.thread_time() - started < 0.2  # of this thread's own work: nothing is encoded in it
