"""Builds a small recording of every kind, by name; the part of the name before _ is the kind."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.cluster.indexing import index_recordings
from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from tests.unit.sources.bags import write_tum_like
from tests.unit.sources.layouts import WRITERS
from tests.unit.sources.realsense_files import write_bag

SMALL = (
    *WRITERS,
    "bag",
    "bag_db3",
    "bag_folder",
    "bag_mcap",
    "bag_realsense",
    "co3d",
    "co3d_bare",
    "davis",
    "images",
    "index",
    "kinect",
    "rgbd",
    "shards",
    "tum",
    "tum_tgz",
    "video",
    "video_avi",
)


def build(kind: str, folder: Path, make: Any) -> str:
    folder = folder / "Größe 北京"  # every kind copes with a non-ASCII path
    folder.mkdir(exist_ok=True)
    if kind.startswith("co3d"):
        return str(make.co3d(folder, annotated=kind == "co3d"))
    if kind in WRITERS:
        return str(WRITERS[kind](folder))
    if kind == "bag_realsense":
        return str(write_bag(folder / "r.bag", [(make.texture(i), np.full(make.size, 900, np.uint16)) for i in (0, 1)]))
    if kind.startswith("bag"):
        frames = [(100 + i / 30, make.texture(i), np.full(make.size, 1 + i / 10, np.float32)) for i in range(4)]
        container = kind.removeprefix("bag_")
        return str(write_tum_like(folder / ("r.bag" if container == "bag" else "r"), frames, container))
    if kind == "tum_tgz":
        with tarfile.open(folder / "r.tgz", "w:gz") as file:
            file.add(make.tum(folder.parent / "tum"), "r")
        return str(folder / "r.tgz")
    if kind == "kinect":
        make.kinect(folder / "r.mkv")
        return str(folder / "r.mkv")
    if kind.startswith("video"):
        path = folder / ("clip.avi" if kind.endswith("avi") else "clip.mp4")
        make.video(path, codec="mpeg4" if kind.endswith("avi") else "libx264")
        return str(path)
    if kind == "index":
        index_recordings([str(make.rgbd(folder))], folder.parent / "some.index", workers=1)
        return str(folder.parent / "some.index")
    if kind == "shards":
        pack([str(make.rgbd(folder))], folder / "shards", PackOptions(), per_shard=1, workers=1)
        return str(folder / "shards")
    return str(getattr(make, kind)(folder))
