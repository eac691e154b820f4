"""Which topics of a bag are the colour and the depth of one camera, by rule; people can name others.

Colour: three channels before gray, one with depth beside it before one without, a raw topic before its compressed twin,
then the one with the most messages. Depth: aligned to the colour by its name (realsense-ros, openni), then of the
colour's own optical frame, then of the same node.
"""

from __future__ import annotations

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
    """An image topic. kind: "colour", "gray", "depth" or "" (its encoding is not known). size: (width, height), None
    where it is only known after decoding. frame: the id of its optical frame."""

    topic: str
    messages: int
    kind: str
    encoding: str
    size: tuple[int, int] | None
    frame: str

    @property
    def base(self) -> str:
        """The name without the transport's suffix."""
        return _TWIN.sub("", self.topic)

    @property
    def is_raw(self) -> bool:
        return self.base == self.topic

    @property
    def aligned(self) -> int:
        """How surely its name says that it is registered to a colour camera: 2, 1 or 0."""
        return next((2 - place for place, pattern in enumerate(ALIGNED) if pattern.search(self.topic)), 0)


class Chosen(NamedTuple):
    """depth: None where there is none."""

    colour: Stream
    depth: Stream | None


def streams(bag: BagFile) -> list[Stream]:
    """The image topics of a bag that hold messages, in the file's order; the first message of each is looked at."""
    found = []
    for topic in bag.topics.values():
        if topic.type not in IMAGES or not topic.size:
            continue
        message = bag.first(topic.name)
        if message is None:
            found.append(Stream(topic.name, topic.size, "", "damaged", None, ""))
            continue
        encoding, size = encoding_of(message)[:60], size_of(message)
        found.append(Stream(topic.name, topic.size, kind_of(message), encoding, size, message.header.frame_id))
    return found


def choose(path: str, found: Sequence[Stream], wanted: str = "") -> Chosen:
    """The topics to read. wanted: "COLOUR" or "COLOUR,DEPTH" as the user typed them, "" = by rule. Raises
    SourceError."""
    depths = [one for one in found if one.kind == "depth"]
    if wanted:
        colour_name, _, depth_name = wanted.partition(",")
        colour = _named(path, found, colour_name, ("colour", "gray"))
        depth = _named(path, found, depth_name, ("depth",)) if depth_name else _partner(colour, depths)
        return Chosen(colour, depth)
    colours = [one for one in found if one.kind == "colour"] or [one for one in found if one.kind == "gray"]
    if not colours:
        raise SourceError(
            f"{path!r} holds no topic with pictures that are read here; image topics: {listed(found)}",
            f"look at its topics: streamseg info {path}",
        )
    colour = max(colours, key=lambda one: _worth(one, depths))
    return Chosen(colour, _partner(colour, depths))


def _worth(colour: Stream, depths: Sequence[Stream]) -> tuple[bool, bool, int, str]:
    partner = _partner(colour, depths)
    beside = partner is not None and _shared(colour.topic, partner.topic) > 0
    # a twin that lost a frame or two stays behind its raw topic
    return beside, colour.is_raw, colour.messages, _reversed(colour.topic)


def _partner(colour: Stream, depths: Sequence[Stream]) -> Stream | None:
    def worth(depth: Stream) -> tuple[int, bool, int, bool, int, str]:
        same_frame = bool(colour.frame) and depth.frame == colour.frame
        near = _shared(colour.topic, depth.topic)
        return depth.aligned, same_frame, near, depth.is_raw, depth.messages, _reversed(depth.topic)

    return max(depths, key=worth, default=None)


def _shared(one: str, other: str) -> int:
    """How many leading parts two names have in common."""
    count = 0
    for a, b in zip(one.strip("/").split("/"), other.strip("/").split("/")):
        if a != b:
            break
        count += 1
    return count


def _reversed(name: str) -> str:
    """A key that puts names that come first in the alphabet last."""
    return "".join(chr(0x10FFFF - ord(letter)) if ord(letter) < 0x800 else letter for letter in name)


def _named(path: str, found: Sequence[Stream], name: str, kinds: tuple[str, ...]) -> Stream:
    name = "/" + name.strip().strip("/")
    fitting = [one for one in found if one.topic == name] or [one for one in found if one.base == name]
    if not fitting:
        raise SourceError(
            f"{path!r} has no image topic {name}; it has: {listed(found)}", f"e.g. bag:{path}#{_any(found)}"
        )
    if fitting[0].kind not in kinds:
        said = fitting[0].kind or f"not understood ({fitting[0].encoding})"
        raise SourceError(
            f"topic {name} of {path!r} is {said}, not {' or '.join(kinds)}",
            f"name the colour topic, and after a comma the depth topic: bag:{path}#/COLOUR,/DEPTH",
        )
    return fitting[0]


def _any(found: Sequence[Stream]) -> str:
    return next((one.topic for one in found if one.kind == "colour"), "/TOPIC")


def listed(found: Sequence[Stream]) -> str:
    """Image topics for a message, four at most."""
    some = [f"{one.topic} ({one.encoding})" for one in found[:4]] + (["..."] if len(found) > 4 else [])
    return ", ".join(some) or "none"
