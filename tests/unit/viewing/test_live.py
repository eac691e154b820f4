"""The live page's data: the newest frame, made once and only when asked for; wishes reach the run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.viewing import live as living
from streamseg.viewing import moment as moments
from streamseg.viewing.live import Live
from streamseg.viewing.server import PageServer

from .conftest import ask, post, seen, unpacked


class Control:
    """Notes what is asked for."""

    def __init__(self) -> None:
        self.wishes: list[tuple[int | None, bool]] = []

    def steer(self, k: int | None = None, recluster: bool = False) -> None:
        self.wishes.append((k, recluster))


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def live(control: Control) -> Live:
    return Live("a <b>title</b>", "objects", 0.5, control)


@pytest.fixture
def port(live: Live) -> Iterator[int]:
    server = PageServer("live.html", live.gets, live.posts, port=0)
    yield server.port
    live.end()
    server.close()


def test_a_moment_has_the_masks_exactly(live: Live, port: int) -> None:
    frame, masks = seen(3, name='<img src=x onerror="alert(1)">')
    live.put(frame, masks)
    head, pictures = unpacked(ask(port, "/moment?after=0&layer=objects").body)
    assert head["name"] == frame.name
    assert (head["width"], head["height"], head["k"], head["units"]) == (64, 48, 2, "m")
    assert head["kinds"] == ["regions", "objects", "panoptic"]
    assert head["latency_ms"] == 5.0
    assert np.array_equal(pictures["objects"], masks.objects)
    assert np.abs(pictures["colour"].astype(int) - frame.rgb).max() < 4
    (segment,) = head["segments"]["objects"]
    assert (segment["id"], segment["area"], segment["box"]) == (7, 200, [5, 10, 20, 10])
    assert segment["mean_depth"] == pytest.approx(2.0)
    assert segment["score"] == 0.8
    assert segment["size"][0] == pytest.approx(0.38, abs=0.02)  # 20 pixels at 2 m, f = 100


@pytest.mark.parametrize(
    ("layer", "has"),
    [
        ("regions", {"colour", "regions"}),
        ("panoptic", {"colour", "panoptic"}),
        ("depth", {"colour", "depth", "objects"}),
        ("none", {"colour", "objects"}),  # to be clicked
        ("<script>", {"colour", "objects"}),
        ("all", {"colour", "depth", "regions", "objects", "panoptic"}),
    ],
)
def test_a_layer_brings_what_it_needs(layer: str, has: set[str], live: Live, port: int) -> None:
    live.put(*seen(0))
    head, pictures = unpacked(ask(port, f"/moment?after=0&layer={layer}").body)
    assert set(pictures) == has
    assert head["depth"] == ([2.0, 2.5] if "depth" in has else None)


def test_a_large_picture_is_sent_smaller_and_measured_whole(live: Live, port: int) -> None:
    live.put(*seen(0, size=(1000, 2560)))
    head, pictures = unpacked(ask(port, "/moment?after=0&layer=objects").body)
    assert pictures["colour"].shape == (500, 1280, 3)
    assert pictures["objects"].shape == (500, 1280)
    assert (head["width"], head["height"]) == (2560, 1000)
    assert head["segments"]["objects"][0]["area"] == 200


def test_nothing_is_encoded_unless_somebody_looks(monkeypatch: pytest.MonkeyPatch, live: Live, port: int) -> None:
    made: list[str] = []
    real = cv2.imencode
    monkeypatch.setattr(moments.cv2, "imencode", lambda *args: (made.append(args[0]), real(*args))[1])
    for index in range(50):
        live.put(*seen(index))
    assert made == []
    answers: list[bytes] = []
    askers = [
        threading.Thread(target=lambda: answers.append(ask(port, "/moment?after=0&layer=regions").body))
        for _ in range(5)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(set(answers)) == 1
    assert unpacked(answers[0])[0]["index"] == 49
    assert made == [".jpg"]  # once, for all five


def test_ids_are_measured_a_few_times_a_second(live: Live, port: int) -> None:
    found = []
    for index in range(3):
        live.put(*seen(index))
        found.append(unpacked(ask(port, f"/moment?after={index}&layer=objects").body)[0]["segments"])
    assert [bool(one) for one in found] == [True, False, False]
    live.put(*seen(3))
    assert unpacked(ask(port, "/moment?after=3&layer=regions&figures=1").body)[0]["segments"]["regions"]


def test_a_viewer_gets_the_newest_frame_and_waits_for_the_next(live: Live, port: int) -> None:
    for index in range(9):
        live.put(*seen(index))
    first = unpacked(ask(port, "/moment?after=0&layer=none").body)[0]
    assert (first["index"], first["number"]) == (8, 9)
    threading.Timer(0.2, lambda: live.put(*seen(9))).start()
    assert unpacked(ask(port, "/moment?after=9&layer=none").body)[0]["index"] == 9


def test_a_late_viewer_does_not_get_an_old_frame(live: Live, port: int) -> None:
    live.put(*seen(0))
    ask(port, "/moment?after=0&layer=none")
    time.sleep(1.5 / living.FPS)
    for index in range(1, 30):
        live.put(*seen(index))
    assert unpacked(ask(port, "/moment?after=0&layer=none").body)[0]["index"] == 29


def test_a_pause_keeps_its_frame_with_all_layers(live: Live, port: int) -> None:
    live.put(*seen(0))
    number = unpacked(ask(port, "/moment?after=0&layer=none").body)[0]["number"]
    live.put(*seen(1))
    assert unpacked(ask(port, f"/moment?at={number}&layer=all").body)[0]["index"] == 0
    assert ask(port, "/moment?at=999&layer=all").status == 410


def test_who_waits_is_told_of_the_end(live: Live, port: int) -> None:
    threading.Timer(0.2, live.end).start()
    assert ask(port, "/moment?after=0&layer=none").json == {"ended": True}


def test_the_last_frame_stays_with_all_layers(live: Live, port: int) -> None:
    live.put(*seen(0))
    before = unpacked(ask(port, "/moment?after=0&layer=objects").body)[0]
    assert before["ended"] is False
    for index in range(1, 4):
        live.put(*seen(index))
    live.end()
    for after in (0, before["number"], 99):
        head, pictures = unpacked(ask(port, f"/moment?after={after}&layer=objects").body)
        assert (head["index"], head["ended"]) == (3, True)
        assert set(pictures) == {"colour", "depth", "regions", "objects", "panoptic"}
        assert set(head["segments"]) == {"regions", "objects", "panoptic"}


def test_who_asks_for_the_end_gets_the_last_frame_only(live: Live, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    live.put(*seen(0))
    with monkeypatch.context() as patched:
        patched.setattr(living, "WAIT", 0.1)
        assert ask(port, "/moment?end=1").json == {"ended": False}
    assert live.watched
    threading.Timer(0.2, lambda: (live.put(*seen(1)), live.end())).start()
    head, pictures = unpacked(ask(port, "/moment?end=1").body)
    assert (head["index"], head["ended"]) == (1, True)
    assert {"colour", "depth", "objects"} <= set(pictures)


def test_only_a_page_that_asked_lately_watches(live: Live, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not live.watched
    live.put(*seen(0))
    ask(port, "/moment?after=0&layer=none")
    assert live.watched
    later = time.monotonic() + living.WAIT + living.LINGER + 1
    monkeypatch.setattr(living.time, "monotonic", lambda: later)
    assert not live.watched


def test_a_quiet_source_is_no_end(monkeypatch: pytest.MonkeyPatch, live: Live, port: int) -> None:
    monkeypatch.setattr(living, "WAIT", 0.1)
    assert ask(port, "/moment?after=0&layer=none").json == {"ended": False}


def test_wishes_reach_the_run(control: Control, live: Live, port: int) -> None:
    for wish in ({"k": 5}, {"k": 0}, {"recluster": True}):
        assert post(port, "/steer", wish).status == 200
    assert control.wishes == [(5, False), (0, False), (None, True)]
    for wrong in ({"k": -1}, {"k": 65}, {"k": 2.5}, {"k": "<b>"}, {"k": None}, {"k": [1]}):
        found: Any = post(port, "/steer", wrong)
        assert found.status == 400
        assert found.body.decode() == "k is a whole number from 0 to 64"
    assert len(control.wishes) == 3


def test_motion_jpeg_for_players(live: Live, port: int) -> None:
    live.put(*seen(0))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while (
            b"--frame\r\n" not in received or not received.rstrip().endswith(b"--frame") or b"\xff\xd9" not in received
        ):
            received += client.recv(1 << 16)
    assert b"Content-Type: multipart/x-mixed-replace; boundary=frame" in received
    picture = received[received.index(b"\xff\xd8") : received.index(b"\xff\xd9") + 2]
    found = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert found.shape == (48, 64, 3)
