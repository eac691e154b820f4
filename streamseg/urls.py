"""Addresses: of sources, of live streams, and those that fsspec opens (s3://, file://); its errors are SourceErrors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

from streamseg.errors import SourceError, StreamsegError
from streamseg.text import without_secrets

_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "srt")
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def address(source: str | os.PathLike[str] | int) -> str:
    """Return what a user gives as a source as text. Raises SourceError for anything but a path, text or a number."""
    if isinstance(source, str | os.PathLike) and isinstance(os.fspath(source), str):
        return os.fspath(source)
    if isinstance(source, Integral) and not isinstance(source, bool):
        return str(source)
    raise SourceError(
        f"a source is a path, an address or the number of a camera, not {type(source).__name__}",
        "give where the recording lies; for frames of your own: streamseg.Segmenter().step(rgb)",
    )


def is_address(text: str) -> bool:
    """Whether `text` is an address, such as rtsp://... or s3://..., and no path."""
    return _URL.match(text) is not None


def is_stream(address: str) -> bool:
    """Whether `address` is that of a live stream."""
    match = _URL.match(address)
    return match is not None and match[1].lower() in _LIVE


def is_store(address: str) -> bool:
    """Whether fsspec has to open `address`, because it is neither a local path nor a live stream."""
    return is_address(address) and not is_stream(address)


def open_store_at(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for `url` and the path in it, to be used within `as_source_errors`. Its cached
    listings are discarded, because other processes write there too."""
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    system.invalidate_cache()
    return system, path


@contextmanager
def as_source_errors(url: str) -> Iterator[None]:
    """Turn every error inside the block, except a StreamsegError, into a SourceError about `url`."""
    try:
        yield
    except StreamsegError:
        raise
    except ImportError as problem:
        scheme = url.partition("://")[0]
        hint = {"s3": "pip install s3fs", "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}.get(scheme, "")
        hint = "pip install 'streamseg[cluster]'" if problem.name == "fsspec" else hint
        raise SourceError(f"{scheme}:// needs a package that is not installed", hint or str(problem)) from problem
    except Exception as problem:  # each store raises errors of its own classes
        reason = f"{type(problem).__name__}: {problem}".replace("\n", " ")
        raise SourceError(
            f"{without_secrets(url)!r} cannot be reached: {reason}", "check the address and your access"
        ) from problem
