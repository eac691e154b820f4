"""Random access to the messages of a ROS bag (.bag, .db3, .mcap or a ROS 2 folder), which the package rosbags parses.

In a damaged file its parsers may raise any exception (struct.error, AssertionError, KeyError, errors of apsw and lz4
...). `explained_errors` turns those of opening a file into a SourceError; methods that read messages say what they
raise.
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
MAX_AHEAD = 16  # reading so many messages is faster than seeking
REPAIR = {
    ".bag": "repair it with ROS: rosbag reindex {path}",
    ".db3": "repair it: sqlite3 {path} .recover | sqlite3 repaired.db3",
    ".mcap": "repair it: mcap recover {path} -o repaired.mcap",
}


class Topic(NamedTuple):
    """A topic. type: as in ROS 2, e.g. "sensor_msgs/msg/Image". size: the number of messages by the file's index."""

    name: str
    type: str
    size: int


class Message(NamedTuple):
    """A serialized message. time: when the recorder received it [ns]. type: as in `Topic`. raw: its bytes."""

    time: int
    type: str
    raw: bytes


@contextmanager
def explained_errors(path: str) -> Iterator[None]:
    """Turn any exception of rosbags into a SourceError that names the file and how to repair it."""
    try:
        yield
    except SourceError:
        raise
    except Exception as problem:
        raise SourceError(*_explain(path, problem)) from None


def _explain(path: str, problem: Exception) -> tuple[str, str]:
    """Return the message and the hint of the error for an exception of rosbags."""
    reason = str(problem).strip() or type(problem).__name__
    repair = REPAIR.get(Path(path).suffix, "record it again, or copy it again from where it was recorded")
    repair = repair.format(path=path)
    if isinstance(problem, FileNotFoundError):
        return f"there is no {path!r}", "check the path; bag needs a .bag, .db3 or .mcap file or a ROS 2 folder"
    if isinstance(problem, PermissionError):
        return f"{path!r} cannot be read", "check its permissions"
    if "not indexed" in reason:
        return f"{path!r} was not closed when it was recorded: it has no index", repair
    if "Profile is not ros2" in reason:
        return (
            f"{path!r} is an MCAP file of another make than ROS 2's",
            "streamseg reads MCAP files with ROS 2 messages; record with: ros2 bag record -s mcap",
        )
    if "encrypt" in reason.lower():
        return f"{path!r} is encrypted", "decrypt it with ROS: rosbag decrypt"
    return f"{path!r} is damaged, cut short or no ROS bag: {reason[:200]}", repair


class BagFile:
    """An open bag: a file or a ROS 2 folder. Raises SourceError if it cannot be opened.

    It is safe in threads, and opens the file again in a forked process. It is not picklable.
    """

    def __init__(self, path: str) -> None:
        self._path, self._lock, self._owner = path, threading.RLock(), 0
        self._reader: Any = None
        if os.path.isdir(path) and path.endswith(".bag"):
            raise SourceError(
                f"{path!r} is a folder with the name of a ROS 1 file", "rename it: without .bag at its end"
            )
        with explained_errors(path):
            self._open()

    def _open(self) -> Any:
        """Return the reader of rosbags for this process."""
        if self._reader is None or self._owner != os.getpid():
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore

            # a .db3 may lack message definitions; those of ROS 2 have not changed since Humble
            reader = AnyReader([Path(self._path)], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            reader.open()
            self._reader, self._owner = reader, os.getpid()
        return self._reader

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics by name, in the order of the file. A topic may have several connections, one per publisher."""
        topics: dict[str, Topic] = {}
        for connection in self._open().connections:
            name = connection.topic
            size = topics[name].size if name in topics else 0
            topics[name] = Topic(name, connection.msgtype, size + connection.msgcount)
        return topics

    @property
    def start(self) -> int:
        """When the first message was received [ns], by the index of the file."""
        return int(self._open().start_time)

    @property
    def end(self) -> int:
        """When the last message was received [ns], by the index of the file."""
        return int(self._open().end_time)

    def messages(self, topic: str, start: int | None = None) -> Iterator[Message]:
        """Yield the messages of a topic in order of time, from `start` [ns] on. Raises any exception of rosbags."""
        reader = self._open()
        connections = [connection for connection in reader.connections if connection.topic == topic]
        items = reader.messages(connections, start=start) if connections else iter(())
        while True:
            with self._lock:
                item = next(items, None)
            if item is None:
                return
            connection, time, raw = item
            yield Message(time, connection.msgtype, bytes(raw))

    def parse(self, message: Message) -> Any:
        """Deserialize a message. Raises any exception of rosbags.

        librealsense appends four bytes (its depth unit) to an Image, against the definition of the message.
        """
        reader = self._open()
        try:
            return reader.deserialize(message.raw, message.type)
        except Exception:
            if reader.is2 or message.type != "sensor_msgs/msg/Image":
                raise
            return reader.typestore.deserialize_ros1(message.raw[:-4], message.type)

    def first(self, topic: str) -> Any:
        """Return the first message of a topic, deserialized; None if there is none or it is damaged."""
        try:
            message = next(self.messages(topic), None)
            return None if message is None else self.parse(message)
        except Exception:  # rosbags may raise any: see the module's docstring
            return None

    def close(self) -> None:
        """Release the file. It is opened again when it is used."""
        with self._lock:
            if self._reader is not None and self._owner == os.getpid():
                self._reader.close()
            self._reader = None


class Place(NamedTuple):
    """The position of a message in its topic. time: when it was received [ns]. order: its number, from 0, among the
    messages with that time."""

    time: int
    order: int


class Track:
    """Random access to the messages of one topic. One of the next few is found by reading on, others by their time."""

    def __init__(self, path: str, topic: str) -> None:
        self._path, self._topic = path, topic
        self._lock, self._owner = threading.Lock(), 0
        self._bag: BagFile | None = None
        self._upcoming: Iterator[tuple[Place, Message]] = iter(())
        self._last: Place | None = None

    def read(self, place: Place) -> Any:
        """Return the message at `place`, deserialized. Raises FrameError if it is damaged."""
        with self._lock:
            try:
                if self._bag is None or self._owner != os.getpid():
                    self._bag, self._owner, self._last = BagFile(self._path), os.getpid(), None
                message = self._read_on(place) or self._seek(place)
                if message is not None:
                    return self._bag.parse(message)
            except Exception:  # rosbags may raise any: see the module's docstring
                self._bag = None  # after an error the reader may be at an invalid position
        raise FrameError("damaged message")

    def _read_on(self, place: Place) -> Message | None:
        """Return the message at `place` if it is one of the next few; None otherwise."""
        if self._last is None or place <= self._last:
            return None
        try:
            return self._find(place, MAX_AHEAD)
        except Exception:  # a message before it is damaged
            assert self._bag is not None
            self._bag.close()
            return None

    def _seek(self, place: Place) -> Message | None:
        """Return the message at `place`, by its time; None if there is none."""
        assert self._bag is not None
        self._upcoming = places(self._bag.messages(self._topic, start=place.time))
        return self._find(place, place.order + 1)

    def _find(self, place: Place, max_messages: int) -> Message | None:
        """Return the message at `place` if it is one of the next `max_messages`; None otherwise."""
        for current, message in itertools.islice(self._upcoming, max_messages):
            self._last = current
            if current >= place:
                return message if current == place else None
        return None


def places(messages: Iterable[Message]) -> Iterator[tuple[Place, Message]]:
    """Yield messages, which are in order of time, with their places."""
    last = Place(-1, 0)
    for message in messages:
        last = Place(message.time, last.order + 1 if message.time == last.time else 0)
        yield last, message


@functools.lru_cache(maxsize=8)
def track(path: str, topic: str) -> Track:
    """Return the track that all frames of a topic share. It has its own lock, and opens the file again in other
    processes."""
    return Track(path, topic)
