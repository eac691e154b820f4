"""How fast recordings are read: python tests/benchmarks/sources.py RECORDING ...

Prints frames a second in order, with colour alone and with depth; and of bags, of decoding the same colour messages
alone, without reading them from the file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from streamseg.sources import Recording, open_source
from streamseg.sources.bag import Bag
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.pictures import rgb_of

FRAMES, TIMES = 200, 3


def rate(work: Callable[[int], Any], count: int) -> float:
    """The best of TIMES passes, in calls a second."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.perf_counter()
        for i in range(count):
            work(i)
        best = min(best, time.perf_counter() - began)
    return count / best


def decoding_alone(source: Bag, count: int) -> float:
    bag = BagFile(source._path)
    found = bag.messages(source._chosen.colour.topic)
    messages = [bag.parse(next(found)) for _ in range(count)]
    return rate(lambda i: rgb_of(messages[i]), count)


def main() -> None:
    print("| recording | frames | colour | colour and depth | decoding colour alone |\n|---|---|---|---|---|")
    for uri in sys.argv[1:]:
        source = open_source(uri)
        assert isinstance(source, Recording)
        count = min(len(source), FRAMES)
        colour, both = rate(lambda i, s=source: s[i].rgb, count), rate(lambda i, s=source: s[i].depth, count)
        alone = f"{decoding_alone(source, count):.0f}/s" if isinstance(source, Bag) else ""
        print(f"| {uri.rsplit('/', 1)[-1]} | {count} | {colour:.0f}/s | {both:.0f}/s | {alone} |")


if __name__ == "__main__":
    main()
