"""Opens media files with FFmpeg, and explains why one cannot be opened."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

from streamseg.errors import SourceError
from streamseg.sources.reading.video import gif

if TYPE_CHECKING:
    from av.container import InputContainer


def open_container(path: str) -> InputContainer:
    """Open a media file for reading, a GIF as `gif.with_delays` returns it. Raises SourceError if it cannot be opened
    as a media file."""
    import av

    try:
        if (content := _changed_gif(path)) is not None:
            return av.open(content, "r", format="gif", metadata_errors="replace")
        # with "file:", because FFmpeg takes the part before a colon, as in 2024-05-01T12:30.mp4, for a protocol
        return av.open("file:" + path, metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if not os.path.isfile(path):
            raise SourceError(f"there is no video file {path!r}", "check the path") from None
        if not os.access(path, os.R_OK):
            raise SourceError(f"{path!r} cannot be read", "check its permissions") from None
        reason = getattr(error, "strerror", None) or str(error)
        hint = "if it is one, it is damaged or truncated: its index is missing; copy or record it again"
        raise SourceError(f"{path!r} cannot be opened as a video ({reason})", hint) from None


def _changed_gif(path: str) -> BytesIO | None:
    """Return the content of a GIF whose pictures FFmpeg would not find, or show too fast; None for any other file.

    Raises OSError if the file cannot be read.
    """
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        if file.read(len(gif.SIGNATURES[0])) not in gif.SIGNATURES:
            return None
        file.seek(0)
        data = file.read()
    changed = gif.with_delays(data)
    return None if changed is data else BytesIO(changed)
