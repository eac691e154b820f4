"""The messages of a ROS bag (.bag, .db3, .mcap or a ROS 2 folder), topic by topic, at random; rosbags does the parsing.

Its parsers raise whatever a damaged file makes them meet (struct.error, AssertionError, KeyError, apsw's and lz4's own
errors ...). They are called in `understood` alone, which turns all of it into an error for people.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from streamseg.errors import FrameError, SourceError

SUFFIXES = (".bag", ".db3", ".mcap")
AHEAD = 16  # messages that are sooner read on than looked up
REPAIR = {
    ".bag": "repair it with ROS: rosbag reindex {path}",
    ".db3": "repair it: sqlite3 {path} .recover | sqlite3 repaired.db3",
    ".mcap": "repair it: mcap recover {path} -o repaired.mcap",
}


class Topic(NamedTuple):
    """name; type, as in ROS 2 ("sensor_msgs/msg/Image"); size: messages, as the file's own index has it."""

    name: str
    type: str
    size: int


class Message(NamedTuple):
    """time: nanoseconds at which the recorder received it. type: as in `Topic`. raw: its bytes, still serialized."""

    time: int
    type: str
    raw: bytes


@contextmanager
def understood(path: str) -> Iterator[None]:
    """Whatever the library raises becomes a SourceError that names the file and its repair."""
    try:
        yield
    except SourceError:
        raise
    except Exception as problem:
        raise SourceError(*_explained(path, problem)) from None


def _explained(path: str, problem: Exception) -> tuple[str, str]:
    said = str(problem).strip() or type(problem).__name__
    repair = REPAIR.get(Path(path).suffix, "record it again, or copy it again from where it was recorded")
    repair = repair.format(path=path)
    if isinstance(problem, FileNotFoundError):
        return f"there is no {path!r}", "check the path; bag needs a .bag, .db3 or .mcap file or a ROS 2 folder"
    if isinstance(problem, PermissionError):
        return f"{path!r} cannot be read", "check its permissions"
    if "not indexed" in said:
        return f"{path!r} was not closed when it was recorded: it has no index", repair
    if "Profile is not ros2" in said:
        return (
            f"{path!r} is an MCAP file of another make than ROS 2's",
            "streamseg reads MCAP files with ROS 2 messages; record with: ros2 bag record -s mcap",
        )
    if "encrypt" in said.lower():
        return f"{path!r} is encrypted", "decrypt it with ROS: rosbag decrypt"
    return f"{path!r} is damaged, cut short or no ROS bag: {said[:200]}", repair


class BagFile:
    """One open bag, of a file or a ROS 2 folder.

    Safe in threads; opened anew in a process that was forked; not picklable: its users keep paths.
    """

    def __init__(self, path: str) -> None:
        self._path, self._lock, self._owner = path, threading.RLock(), 0
        self._reader: Any = None
        if os.path.isdir(path) and path.endswith(".bag"):
            raise SourceError(
                f"{path!r} is a folder with the name of a ROS 1 file", "rename it: without .bag at its end"
            )
        with understood(path):
            self._open()

    def _open(self) -> Any:
        """The library's reader, of this process."""
        if self._reader is None or self._owner != os.getpid():
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore

            # a .db3 may come without definitions; those of ROS 2's own messages have not changed
            reader = AnyReader([Path(self._path)], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            reader.open()
            self._reader, self._owner = reader, os.getpid()
        return self._reader

    @property
    def topics(self) -> dict[str, Topic]:
        """By name, in the file's order. Several publishers of a topic are one."""
        found: dict[str, Topic] = {}
        for one in self._open().connections:
            before = found[one.topic].size if one.topic in found else 0
            found[one.topic] = Topic(one.topic, one.msgtype, before + one.msgcount)
        return found

    @property
    def start(self) -> int:
        """Nanoseconds at which the first message was received, as the index has it."""
        return int(self._open().start_time)

    @property
    def end(self) -> int:
        """Likewise, the last."""
        return int(self._open().end_time)

    def messages(self, topic: str, start: int | None = None) -> Iterator[Message]:
        """Those of a topic in order of time, from `start` [ns] on. The library's own errors come through."""
        reader = self._open()
        wanted = [one for one in reader.connections if one.topic == topic]
        found = reader.messages(wanted, start=start) if wanted else iter(())
        while True:
            with self._lock:
                item = next(found, None)
            if item is None:
                return
            connection, time, raw = item
            yield Message(time, connection.msgtype, bytes(raw))

    def parse(self, message: Message) -> Any:
        """The message with its fields. The library's own errors come through.

        librealsense appends four bytes (its depth unit) to an Image without changing the definition.
        """
        reader = self._open()
        try:
            return reader.deserialize(message.raw, message.type)
        except Exception:
            if reader.is2 or message.type != "sensor_msgs/msg/Image":
                raise
            return reader.typestore.deserialize_ros1(message.raw[:-4], message.type)

    def first(self, topic: str) -> Any:
        """The first message of a topic, parsed; None where there is none or it is damaged."""
        try:
            message = next(self.messages(topic), None)
            return None if message is None else self.parse(message)
        except Exception:  # see the head of this file
            return None

    def close(self) -> None:
        """Release the file; it is opened again when it is next asked for something."""
        with self._lock:
            if self._reader is not None and self._owner == os.getpid():
                self._reader.close()
            self._reader = None


class Place(NamedTuple):
    """Where a message of a topic stands. time: nanoseconds at which it was received; order: among those of one time."""

    time: int
    order: int


class Track:
    """The messages of one topic, at random. What comes soon is read on; anything else is looked up by its time."""

    def __init__(self, path: str, topic: str) -> None:
        self._path, self._topic = path, topic
        self._lock, self._owner = threading.Lock(), 0
        self._bag: BagFile | None = None
        self._coming: Iterator[tuple[Place, Message]] = iter(())
        self._last: Place | None = None

    def read(self, place: Place) -> Any:
        """The message at `place`, parsed. Raises FrameError where it is damaged."""
        with self._lock:
            try:
                if self._bag is None or self._owner != os.getpid():
                    self._bag, self._owner, self._last = BagFile(self._path), os.getpid(), None
                message = self._ahead(place) or self._sought(place)
                if message is not None:
                    return self._bag.parse(message)
            except Exception:  # see the head of this file
                self._bag = None  # a reader that met damage may be left in the middle of it
        raise FrameError("damaged message")

    def _ahead(self, place: Place) -> Message | None:
        """The message where it is among the next few."""
        if self._last is None or place <= self._last:
            return None
        try:
            return self._found(place, AHEAD)
        except Exception:  # damage on the way there
            assert self._bag is not None
            self._bag.close()
            return None

    def _sought(self, place: Place) -> Message | None:
        assert self._bag is not None
        self._coming = places(self._bag.messages(self._topic, start=place.time))
        return self._found(place, place.order + 1)

    def _found(self, place: Place, most: int) -> Message | None:
        for here, message in itertools.islice(self._coming, most):
            self._last = here
            if here >= place:
                return message if here == place else None
        return None


def places(messages: Iterable[Message]) -> Iterator[tuple[Place, Message]]:
    """Messages in order of time, with their places."""
    last = Place(-1, 0)
    for message in messages:
        last = Place(message.time, last.order + 1 if message.time == last.time else 0)
        yield last, message


@functools.lru_cache(maxsize=8)
def track(path: str, topic: str) -> Track:
    """One open track for all frames of a topic; it has its own lock, and opens anew in other processes."""
    return Track(path, topic)
