"""masks.bag: a ROS 1 bag of the masks as mono8 images with the frames' stamps, to play beside the recording

Topics: see `streamseg.sinks.encoding.ros_messages`.
"""

from __future__ import annotations

from pathlib import Path

from streamseg.files import PartialFile
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.ros_messages import RosMessages

OUTPUT = "masks.bag"


def open(folder: Path, run: Run) -> Bag:
    """Write `folder`/masks.bag."""
    return Bag(RosMessages(1, run), run.new_file(folder, OUTPUT))


class Bag(Sink):
    """Writes the messages in chunks, compressed with LZ4 as ROS does. A run without frames leaves no file."""

    def __init__(self, messages: RosMessages, path: Path) -> None:
        from rosbags.rosbag1 import Writer

        self.messages, self.partial = messages, PartialFile(path)
        self.writer = Writer(self.partial.temporary)
        self.writer.set_compression(Writer.CompressionFormat.LZ4)
        self.writer.open()

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.messages.write(self.writer, frame, segmentation)

    def close(self) -> None:
        try:
            self.writer.close()
            if self.messages.any:
                self.partial.commit()
        finally:
            self.partial.discard()
