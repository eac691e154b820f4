"""Opens media files with FFmpeg, and explains why one cannot be opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from streamseg.errors import SourceError

if TYPE_CHECKING:
    from av.container import InputContainer


def open_container(path: str) -> InputContainer:
    """Open a media file for reading. Raises SourceError if it cannot be opened as one."""
    import av

    try:
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
