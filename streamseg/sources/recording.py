"""Open a source where only a recording will do: a live one is refused before its camera or stream is opened."""

from __future__ import annotations

import os

from streamseg.errors import SourceError
from streamseg.sources import Options, Recording, is_live, open_source
from streamseg.text import without_secrets
from streamseg.urls import address


def refusal(uri: str, why: str) -> SourceError:
    """Return the error for a live source. why: the end of its message, after the address."""
    hint = "record it first, then give the file; `streamseg run` segments it live"
    return SourceError(f"{without_secrets(uri)!r} {why}", hint)


def open_recording(uri: str | os.PathLike[str] | int, options: Options | None = None, *, why: str) -> Recording:
    """As `open_source`, for a recording. why: see `refusal`."""
    if is_live(address(uri)):
        raise refusal(address(uri), why)
    source = open_source(uri, options)
    assert isinstance(source, Recording)
    return source
