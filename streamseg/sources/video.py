"""Video file (mp4, mkv, avi, mov, webm ...), or a folder that holds one, with or without masks/

Frames are found by their time stamps, so that a frame is the same whether frames are read in order or at random. The
name of frame N is N in five digits; its mask is masks/N.png.
"""

from __future__ import annotations

import os
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Frame
from streamseg.sources import Options, Recording, Skip
from streamseg.sources.reading.files import choose_one, has_images, listing, load_mask, masks_by_stem
from streamseg.sources.reading.left_out import notes_on_depth_beside, notes_on_unused
from streamseg.sources.reading.masks import read_mask
from streamseg.sources.reading.video import VIDEOS
from streamseg.sources.reading.video.container import open_container
from streamseg.sources.reading.video.ending import TRUNCATED, is_truncated
from streamseg.sources.reading.video.picture import to_rgb
from streamseg.sources.reading.video.track import Track

PRIORITY = 60


def recognizes(uri: str) -> bool:
    path = Path(uri)
    if os.path.isfile(path):
        return VIDEOS.fullmatch(path.name) is not None or _has_video_signature(path)
    return bool(_videos(path)) and not has_images(path) and not has_images(path / "images")


def expand(uri: str) -> list[str]:
    """Return the videos of a folder. A folder with only one is returned itself, because masks may belong to it."""
    path = Path(uri)
    videos = _videos(path) if os.path.isdir(path) else []
    return [str(video) for video in videos] if len(videos) > 1 else [uri]


def open(uri: str, options: Options) -> Video:
    if os.path.isdir(uri):
        path = choose_one(uri, "video", _videos(Path(uri)), "video")
        video = Video(uri, str(path), masks_by_stem(Path(uri) / "masks"), options)
        video.notes = (*video.notes, *notes_on_unused(Path(uri), [path]))
        return video
    video = Video(uri, uri, {}, options)
    video.notes = (*video.notes, *notes_on_depth_beside(Path(uri)))
    return video


class Video(Recording):
    """The frames of a video file."""

    kind = "video"

    def __init__(self, uri: str, path: str, masks: dict[str, Path], options: Options) -> None:
        self.uri, self._intrinsics = uri, options.intrinsics
        with open_container(path) as container:
            tracks = [track for track in container.streams.video if not _is_cover_picture(track)]
            best = container.streams.best("video")
            stream = best if best in tracks else next(iter(tracks), None)
            if stream is None and not container.streams.audio:
                hint = "it is damaged or truncated: its index is missing; copy or record it again"
                raise SourceError(f"{path!r} cannot be opened as a video (it lists no picture track)", hint)
            if stream is None:
                raise SourceError(
                    f"{path!r} has no picture track", "give a file with video; the cover of a song is not a video"
                )
            others = len(tracks) - 1
            self._track = Track(path, stream.index)
            codec: Any = stream.codec_context
            aspect, size = codec.sample_aspect_ratio or Fraction(1), (codec.width, codec.height)
        if not len(self._track):
            raise SourceError(f"{path!r} holds no frame that can be decoded", "the file is damaged: get it again")
        self.fps = self._track.fps
        if others:
            self.notes = (f"left out: {others} more picture track{'s' * (others > 1)}; ffmpeg -map takes one out",)
        if aspect > 0 and aspect != 1:
            self.pixel_aspect = self._upright_aspect(aspect, size)
            self.notes = (
                *self.notes,
                f"pixels are {float(self.pixel_aspect):.3g} times as wide as high: frames and masks come as they are "
                "stored, and overlay.mp4 plays in its true shape",
            )
        self._masks = {int(stem): mask for stem, mask in masks.items() if stem.isdecimal()}
        count = len(self._track)
        self.skipped = tuple(Skip(_name(count + i), "truncated video") for i in range(self._track.missing))
        if not self.skipped and is_truncated(path):
            self.notes = (*self.notes, TRUNCATED)

    def _upright_aspect(self, aspect: Fraction, stored: tuple[int, int]) -> Fraction:
        """Return the pixel aspect of the frames, which are turned upright.

        aspect: of the pixels as stored. stored: (width, height) of the pictures as stored.
        """
        try:
            turned = self._track.read(0, to_rgb).shape[:2] == stored and stored[0] != stored[1]
        except FrameError:
            turned = False
        return 1 / aspect if turned else aspect

    def __len__(self) -> int:
        return len(self._track)

    def __getitem__(self, index: int) -> Frame:
        name = self.name_of(index)
        rgb = self._track.read(index, to_rgb)
        mask = self._masks.get(index)
        return Frame(
            index=index,
            name=name,
            timestamp=self._track.time(index),
            rgb=rgb,
            intrinsics=self._intrinsics,
            load_annotation=partial(load_mask, partial(read_mask, mask), rgb.shape[:2]) if mask else None,
        )

    def name_of(self, index: int) -> str:
        if not 0 <= index < len(self._track):
            raise IndexError(f"frame {index} of {len(self._track)}")
        return _name(index)

    def close(self) -> None:
        self._track.close()


def _is_cover_picture(stream: Any) -> bool:
    """Return whether a video track is only the cover picture of a song."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _name(index: int) -> str:
    return f"{index:05d}"


def _videos(folder: Path) -> list[Path]:
    return [path for path in listing(folder) if VIDEOS.fullmatch(path.name)]


def _has_video_signature(path: Path) -> bool:
    """Return whether a file starts as ISO media (mp4, mov), Matroska or AVI files do, whatever its name is."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:] == b"AVI ")
