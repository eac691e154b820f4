"""Images wait a short time for their depth, and newer images replace older ones."""

from __future__ import annotations

import threading
import time

from streamseg.ros import pairing
from streamseg.ros.pairing import Arrival, Newest

MS = 10**6


def arrival(milliseconds: int, name: str, age: float = 0.0) -> Arrival:
    return Arrival(milliseconds * MS, time.monotonic() - age, name)


def test_the_newest_image_goes_first_and_older_ones_are_dropped() -> None:
    newest = Newest()
    for i in range(3):
        newest.put_image(arrival(33 * i, f"image {i}"))
    assert newest.peek() == ("image 2", None)
    assert newest.take(0) == ("image 2", None)
    assert newest.take(0) is None
    assert newest.peek() == (None, None)


def test_late_depth_is_paired_with_its_own_image() -> None:
    newest = Newest()
    newest.paired = True
    for i in range(3):
        newest.put_image(arrival(33 * i, f"image {i}"))
    assert newest.take(0) is None
    newest.put_depth(arrival(10, "depth 0"))
    newest.put_depth(arrival(33 + 19, "depth 1"))
    assert newest.take(0) == ("image 1", "depth 1")
    assert newest.take(0) is None  # image 0 is old by now
    newest.put_depth(arrival(66 + 21, "depth 2, of another moment"))
    assert newest.take(0) is None


def test_an_image_waits_for_its_depth_only_for_a_while() -> None:
    newest = Newest()
    newest.paired = True
    newest.put_image(arrival(0, "image 0", age=pairing.PATIENCE))
    newest.put_depth(arrival(500, "depth"))
    assert newest.take(0) == ("image 0", None)


def test_a_waiting_thread_gets_the_new_image() -> None:
    newest = Newest()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(newest.take(30)))
    waiting.start()
    newest.put_image(arrival(0, "image 0"))
    waiting.join(10)
    assert found == [("image 0", None)]


def test_memory_stays_bounded() -> None:
    newest = Newest()
    newest.paired = True
    for i in range(1000):
        newest.put_image(arrival(i, "image"))
        newest.put_depth(arrival(10**6 + i, "depth"))
    assert len(newest._images) == len(newest._depths) == pairing.QUEUE_LENGTH
