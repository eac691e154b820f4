"""Segments the images of topics and publishes the masks: `runtime.job` with ROS topics as source and sink."""

from __future__ import annotations

from typing import Any, Protocol

from streamseg.config import RunConfig, from_flags
from streamseg.ros.publisher import Publisher
from streamseg.ros.topics import Names, Topics
from streamseg.runtime import job
from streamseg.runtime.statistics import Statistics


class Display(Protocol):
    """What shows the progress, see `runtime.job.run`."""

    def log(self, line: str) -> None: ...

    def begin(self, total: int | None) -> None: ...

    def update(self, statistics: Statistics) -> None: ...


def serve(node: Any, given: dict[str, Any], display: Display) -> dict[str, object]:
    """Segment the images of the topics until the run is interrupted, or for `max_frames`, and return the manifest.

    given: the flags of `streamseg ros` by name. Raises StreamsegError.
    """
    flags = dict(given)
    names = Names(flags.pop("image_topic"), flags.pop("depth_topic"), flags.pop("info_topic"))
    encoding, objects = flags.pop("encoding"), flags["objects"] or flags["masks"] in ("objects", "panoptic")
    flags |= {"masks": flags["masks"] or "", "objects": objects}
    config = RunConfig(source=f"ros:{names.image}", save=(), **from_flags(flags))
    with Topics(node, names, config.options) as topics:
        publisher = Publisher(node, topics.header_of, objects, encoding, config.mask_kind, config.alpha)
        topics.wait(display.log)
        display.log(f"note: publishing {', '.join(publisher.topics)}")
        with publisher:
            return job.run(
                config, log=display.log, begin=display.begin, progress=display.update, source=topics, others=[publisher]
            )
