"""masks_ros2/: a ROS 2 bag (MCAP) of the masks as mono8 images with the frames' stamps, to play beside the recording

Topics: see `streamseg.sinks.encoding.ros_messages`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.ros_messages import RosMessages

OUTPUT = "masks_ros2"
FILES = "metadata.yaml", f"{OUTPUT}.mcap"


def open(folder: Path, run: Run) -> McapFolder:
    """Write `folder`/masks_ros2."""
    return McapFolder(RosMessages(2, run), folder, run)


class McapFolder(Sink):
    """Writes the bag into a hidden folder, and moves it when it is complete. A run without frames leaves no bag."""

    def __init__(self, messages: RosMessages, folder: Path, run: Run) -> None:
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        self.messages = messages
        self.paths = [run.new_file(folder, f"{OUTPUT}/{name}") for name in FILES]
        self.partial = folder / f".{OUTPUT}.partial"
        shutil.rmtree(self.partial, ignore_errors=True)  # left by a run that was killed
        self.partial.mkdir()
        self.writer = Writer(self.partial / OUTPUT, version=8, storage_plugin=StoragePlugin.MCAP)
        self.writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self.writer.open()

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.messages.write(self.writer, frame, segmentation)

    def close(self) -> None:
        try:
            self.writer.close()
            if self.messages.any:
                for path in reversed(self.paths):  # metadata.yaml last, because it names the other file
                    os.replace(self.partial / OUTPUT / path.name, path)
        finally:
            shutil.rmtree(self.partial, ignore_errors=True)
            with suppress(OSError):  # the folder is not empty
                self.paths[0].parent.rmdir()
