"""Describes a bag for `streamseg info`: its topics, and those that a run reads."""

from __future__ import annotations

from typing import Any

from streamseg.errors import SourceError
from streamseg.sources import bag as plugin
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.topics import Stream, choose, streams


def examine(path: str) -> dict[str, Any]:
    """Return a description of a bag for JSON. Raises SourceError if it cannot be opened.

    `topics`: each with its type and number of messages, and image topics with encoding and size. `colour` and `depth`:
    the topics that `streamseg run` reads. `runs`: whether it can read the bag; otherwise `problem` has the reason.
    """
    file = plugin.file_of(path)
    bag = BagFile(file)
    try:
        image_topics = {stream.topic: stream for stream in streams(bag)}
        topics = [
            {"topic": topic.name, "type": topic.type, "messages": topic.size} | _image(image_topics.get(topic.name))
            for topic in bag.topics.values()
        ]
        facts: dict[str, Any] = {"kind": "ROS bag", "seconds": max(bag.end - bag.start, 0) / 1e9, "topics": topics}
        try:
            colour, depth = choose(file, list(image_topics.values()))
        except SourceError as problem:
            return facts | {"runs": False, "problem": problem.message}
        return facts | {"colour": colour.topic, "depth": depth.topic if depth else "", "runs": True}
    finally:
        bag.close()


def _image(stream: Stream | None) -> dict[str, Any]:
    if stream is None:
        return {}
    return {"encoding": stream.encoding, "size": list(stream.size) if stream.size else []}
