"""Finds the frames of a bag: the messages of the colour topic, their times, and the depth message of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streamseg.sources import Skip
from streamseg.sources.reading.pairing import pair
from streamseg.sources.ros.bagfile import BagFile, Place, places

TOLERANCE = 0.02  # seconds between a colour and its depth message, as in TUM's recordings
BILLION = 10**9
MAX_MISSING = 100_000  # missing messages that are reported: a damaged index may claim any number
FIRST_STEP = BILLION // 100
"""Nanoseconds that are skipped after a damaged message; doubled until a message can be read."""


class Item(NamedTuple):
    """A message. stamp: when its image was taken [ns]; 0 = unknown."""

    place: Place
    stamp: int


class Moment(NamedTuple):
    """A colour message, the time at which it was taken [ns], and its depth message, if any."""

    stamp: int
    colour: Place
    depth: Place | None


class Scan(NamedTuple):
    """The messages of a topic. items: in order of reception. stamped: whether any has a time stamp. missing: how many
    messages of the file's index cannot be read."""

    items: list[Item]
    stamped: bool
    missing: int


def scan(bag: BagFile, topic: str, clock: Mapping[int, int]) -> Scan:
    """Read all messages of a topic, and continue after damaged parts of the file.

    clock: time of reception [ns] -> time of the camera [ns], for files whose headers lack the latter.
    """
    items: list[Item] = []
    stamped, start, step = bool(clock), 0, FIRST_STEP
    while start <= bag.end:
        try:
            for place, message in places(bag.messages(topic, start or None)):
                stamp = clock.get(message.time, 0) or (0 if clock else _header_stamp(bag, message))
                stamped = stamped or stamp > 0
                items.append(Item(place, stamp))
                start, step = message.time + 1, FIRST_STEP
            break
        except Exception:  # rosbags may raise any: see sources.ros.bagfile
            bag.close()  # after an error the reader may be at an invalid position
            start, step = max(start, bag.start) + step, 2 * step
    return Scan(items, stamped, max(bag.topics[topic].size - len(items), 0))


def _header_stamp(bag: BagFile, message: Any) -> int:
    """Return the time stamp [ns] in the header of a message; 0 if it is damaged, which reading the frame reports."""
    try:
        stamp = bag.parse(message).header.stamp
        return int(stamp.sec) * BILLION + int(stamp.nanosec)
    except Exception:
        return 0


def moments(colour: Scan, depth: Scan | None) -> tuple[list[Moment], list[Skip]]:
    """Return the frames in order of time, and the messages that are not used."""
    stamped = colour.stamped and (depth is None or not depth.items or depth.stamped)
    colour_items, repeated = _sort(colour.items, stamped)
    depth_items, _ = _sort(depth.items, stamped) if depth else ([], [])
    start = min([item.stamp for item in (*colour_items[:1], *depth_items[:1])], default=0)
    colour_seconds = [(item.stamp - start) / BILLION for item in colour_items]
    depth_seconds = [(item.stamp - start) / BILLION for item in depth_items]
    partner = pair(colour_seconds, depth_seconds, TOLERANCE)
    frames = [
        Moment(item.stamp, item.place, depth_items[partner[i]].place if i in partner else None)
        for i, item in enumerate(colour_items)
    ]
    skipped = [Skip(name_of(item.stamp), "repeated time stamp") for item in repeated]
    for role, missing in (("colour", colour.missing), ("depth", depth.missing if depth else 0)):
        skipped += [Skip(f"{role} {number}", "damaged part of the bag") for number in range(min(missing, MAX_MISSING))]
    unpaired = sorted(set(range(len(depth_items))) - set(partner.values()))
    skipped += [Skip(f"depth {name_of(depth_items[j].stamp)}", "depth without colour") for j in unpaired]
    return frames, skipped


def _sort(items: Sequence[Item], stamped: bool) -> tuple[list[Item], list[Item]]:
    """Return the messages in order of their stamps, and those that repeat a stamp. A message without a stamp, or all if
    not `stamped`, get the time of reception."""
    timed = [item if stamped and item.stamp else Item(item.place, item.place.time) for item in items]
    unique: list[Item] = []
    repeated: list[Item] = []
    for item in sorted(timed, key=lambda item: (item.stamp, item.place)):
        if unique and unique[-1].stamp == item.stamp:
            repeated.append(item)
        else:
            unique.append(item)
    return unique, repeated


def name_of(stamp: int, digits: int = 6) -> str:
    """Return the name of a frame by its time stamp [ns], as TUM has them: "1305031453.359684". digits: of the fraction,
    6 or 9."""
    return f"{stamp // BILLION}.{stamp % BILLION // 10 ** (9 - digits):0{digits}d}"
