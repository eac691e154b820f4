"""The frames of a bag: which message of the colour topic, when, and which of the depth topic belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streamseg.sources import Skip
from streamseg.sources.reading.pairing import pair
from streamseg.sources.ros.bagfile import BagFile, Place, places

TOLERANCE = 0.02  # seconds between a colour and a depth frame of one moment, as in TUM's recordings
BILLION = 10**9
FIRST_STEP = BILLION // 100
"""Nanoseconds to go on behind a damaged message; doubled until one can be read."""


class Item(NamedTuple):
    """A message. stamp: nanoseconds, when it was taken."""

    place: Place
    stamp: int


class Moment(NamedTuple):
    """A colour message, when it was taken [ns], and the depth message of that moment."""

    stamp: int
    colour: Place
    depth: Place | None


class Scan(NamedTuple):
    """items: in order of time. stamped: whether headers tell the times. lost: messages that the index promises and the
    file does not give."""

    items: list[Item]
    stamped: bool
    lost: int


def scan(bag: BagFile, topic: str, clock: Mapping[int, int]) -> Scan:
    """Read through a topic; where the file is damaged, go on behind the damage. clock: the camera's time by that of
    reception, where the headers do not have it."""
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
        except Exception:  # whatever a damaged part makes the parser raise; see sources.ros.bagfile
            bag.close()  # the reader may be left in the middle of the damage
            start, step = max(start, bag.start) + step, 2 * step
    return Scan(items, stamped, max(bag.topics[topic].size - len(items), 0))


def _header_stamp(bag: BagFile, message: Any) -> int:
    """0 where the message is damaged: reading the frame says so."""
    try:
        stamp = bag.parse(message).header.stamp
        return int(stamp.sec) * BILLION + int(stamp.nanosec)
    except Exception:
        return 0


def moments(colour: Scan, depth: Scan | None) -> tuple[list[Moment], list[Skip]]:
    """The frames in order of time, and what is left out."""
    stamped = colour.stamped and (depth is None or not depth.items or depth.stamped)
    taken, repeated = _ordered(colour.items, stamped)
    measured, _ = _ordered(depth.items, stamped) if depth else ([], [])
    origin = min([item.stamp for item in (*taken[:1], *measured[:1])], default=0)
    seconds, depth_seconds = ([(item.stamp - origin) / BILLION for item in items] for items in (taken, measured))
    partner = pair(seconds, depth_seconds, TOLERANCE)
    found = [
        Moment(item.stamp, item.place, measured[partner[i]].place if i in partner else None)
        for i, item in enumerate(taken)
    ]
    skipped = [Skip(name_of(item.stamp), "repeated time stamp") for item in repeated]
    for what, one in (("colour", colour), ("depth", depth)):
        lost = one.lost if one else 0
        skipped += [Skip(f"{what} {number}", "damaged part of the bag") for number in range(lost)]
    spare = sorted(set(range(len(measured))) - set(partner.values()))
    skipped += [Skip(f"depth {name_of(measured[j].stamp)}", "depth without colour") for j in spare]
    return found, skipped


def _ordered(items: Sequence[Item], stamped: bool) -> tuple[list[Item], list[Item]]:
    """In order of the stamps, each once; what repeats one. Where headers do not tell, the recorder's clock does."""
    timed = [item if stamped and item.stamp else Item(item.place, item.place.time) for item in items]
    kept: list[Item] = []
    repeated: list[Item] = []
    for item in sorted(timed, key=lambda item: (item.stamp, item.place)):
        (repeated if kept and kept[-1].stamp == item.stamp else kept).append(item)
    return kept, repeated


def name_of(stamp: int, digits: int = 6) -> str:
    """ "1305031453.359684", as TUM names frames. digits: of the fraction, 6 or 9."""
    return f"{stamp // BILLION}.{stamp % BILLION // 10 ** (9 - digits):0{digits}d}"
