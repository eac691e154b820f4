"""Chooses the topics of a bag that are the colour and the depth of one camera, unless the user names them.

Colour: three channels before gray, a topic of a node with depth before others, a raw topic before its compressed twin,
and then the one with the most messages. Depth: a topic whose name says that it is aligned to the colour (realsense-ros,
openni) first, then one with the optical frame of the colour, then one of the same node.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from streamseg.errors import SourceError
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.pictures import encoding_of, kind_of, size_of

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_TWIN = re.compile(r"/(compressed|compressedDepth|compressed_depth|zstd|rvl)$")
ALIGNED = (
    re.compile(r"aligned_depth_to_color|aligned_depth_to_colour|depth_to_rgb|depth_to_color"),
    re.compile(r"depth_registered|hw_registered|sw_registered"),
)


class Stream(NamedTuple):
    """An image topic. kind: "colour", "gray", "depth", or "" for an unknown encoding. size: (width, height); None if an
    image would have to be decoded. frame: the id of its optical frame."""

    topic: str
    messages: int
    kind: str
    encoding: str
    size: tuple[int, int] | None
    frame: str

    @property
    def base(self) -> str:
        """The name without the suffix of image_transport."""
        return _TWIN.sub("", self.topic)

    @property
    def is_raw(self) -> bool:
        return self.base == self.topic

    @property
    def aligned(self) -> int:
        """How clearly the name says that depth is registered to a colour camera: 2, 1 or 0 = not at all."""
        return next((2 - i for i, pattern in enumerate(ALIGNED) if pattern.search(self.topic)), 0)


class Chosen(NamedTuple):
    """The topics to read. depth: None if there is none."""

    colour: Stream
    depth: Stream | None


def streams(bag: BagFile) -> list[Stream]:
    """Return the image topics of a bag that have messages, in the order of the file. Their first messages are read."""
    image_topics = []
    for topic in bag.topics.values():
        if topic.type not in IMAGES or not topic.size:
            continue
        message = bag.first(topic.name)
        if message is None:
            image_topics.append(Stream(topic.name, topic.size, "", "damaged", None, ""))
            continue
        encoding, size = encoding_of(message)[:60], size_of(message)
        frame = message.header.frame_id
        image_topics.append(Stream(topic.name, topic.size, kind_of(message), encoding, size, frame))
    return image_topics


def choose(path: str, image_topics: Sequence[Stream], wanted: str = "") -> Chosen:
    """Choose the topics to read. wanted: "COLOUR" or "COLOUR,DEPTH" as the user typed them; "" = by the rules above.
    Raises SourceError if there is no such topic."""
    depths = [stream for stream in image_topics if stream.kind == "depth"]
    if wanted:
        colour_name, _, depth_name = wanted.partition(",")
        colour = _find(path, image_topics, colour_name, ("colour", "gray"))
        depth = _find(path, image_topics, depth_name, ("depth",)) if depth_name else _best_depth(colour, depths)
        return Chosen(colour, depth)
    colours = [stream for stream in image_topics if stream.kind == "colour"]
    colours = colours or [stream for stream in image_topics if stream.kind == "gray"]
    if not colours:
        raise SourceError(
            f"{path!r} holds no topic with pictures that are read here; image topics: {_describe(image_topics)}",
            f"look at its topics: streamseg info {path}",
        )
    colour = max(colours, key=lambda stream: _colour_rank(stream, depths))
    return Chosen(colour, _best_depth(colour, depths))


def _colour_rank(colour: Stream, depths: Sequence[Stream]) -> tuple[bool, bool, int, str]:
    depth = _best_depth(colour, depths)
    has_depth = depth is not None and _common_parts(colour.topic, depth.topic) > 0
    # a raw topic may have a few messages fewer than its compressed twin
    return has_depth, colour.is_raw, colour.messages, _reverse_order(colour.topic)


def _best_depth(colour: Stream, depths: Sequence[Stream]) -> Stream | None:
    def rank(depth: Stream) -> tuple[int, bool, int, bool, int, str]:
        same_frame = bool(colour.frame) and depth.frame == colour.frame
        common_parts = _common_parts(colour.topic, depth.topic)
        return depth.aligned, same_frame, common_parts, depth.is_raw, depth.messages, _reverse_order(depth.topic)

    return max(depths, key=rank, default=None)


def _common_parts(first: str, second: str) -> int:
    """Return how many parts at the beginning of two topic names are equal."""
    parts = zip(first.strip("/").split("/"), second.strip("/").split("/"))
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], parts))


def _reverse_order(name: str) -> str:
    """Return a sort key of the reverse alphabetical order, with which `max` finds the alphabetically first name."""
    return "".join(chr(0x10FFFF - ord(letter)) if ord(letter) < 0x800 else letter for letter in name)


def _find(path: str, image_topics: Sequence[Stream], name: str, kinds: tuple[str, ...]) -> Stream:
    """Return the topic `name`, with or without the suffix of image_transport. Raises SourceError if there is none, or
    it is of another kind."""
    name = "/" + name.strip().strip("/")
    matches = [stream for stream in image_topics if stream.topic == name]
    matches = matches or [stream for stream in image_topics if stream.base == name]
    if not matches:
        example = next((stream.topic for stream in image_topics if stream.kind == "colour"), "/TOPIC")
        raise SourceError(
            f"{path!r} has no image topic {name}; it has: {_describe(image_topics)}", f"e.g. bag:{path}#{example}"
        )
    if matches[0].kind not in kinds:
        kind = matches[0].kind or f"not understood ({matches[0].encoding})"
        raise SourceError(
            f"topic {name} of {path!r} is {kind}, not {' or '.join(kinds)}",
            f"name the colour topic, and after a comma the depth topic: bag:{path}#/COLOUR,/DEPTH",
        )
    return matches[0]


def _describe(image_topics: Sequence[Stream]) -> str:
    """Return the first four image topics with their encodings, for a message."""
    names = [f"{stream.topic} ({stream.encoding})" for stream in image_topics[:4]]
    return ", ".join([*names, "..."] if len(image_topics) > 4 else names) or "none"
