"""Text that comes from elsewhere, made fit for a terminal and for JSON: names, addresses, messages, numbers."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET = re.compile(r"((?:token|key|password|passwd|pwd|secret|auth|signature|sig)=)[^&\s]+", re.IGNORECASE)


def clean(text: str) -> str:
    """Without what a terminal obeys: escape sequences go, other control characters become "?"."""
    return _CONTROLS.sub("?", _ESCAPES.sub("", text))


def without_secrets(uri: str) -> str:
    """An address without its login and the values of parameters that are secrets: "rtsp://***@host/?token=***"."""
    if "://" not in uri:
        return uri
    return _SECRET.sub(r"\1***", _LOGIN.sub("***@", uri))


def some(names: Collection[object], most: int = 3) -> str:
    """The first of the names, for a sentence: "a, b, c and 4 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in itertools.islice(names, most)) + more


def plain(value: Any) -> Any:
    """The same in types that JSON has: no NaN and no infinity (null), no escape sequences, no objects of ours."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Path):
        return clean(str(value))
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def from_json(data: str | bytes) -> Any:
    """What JSON says. Raises ValueError where it is none, or nested so deeply that nobody wrote it."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def to_json(content: object, indent: int | None = None) -> bytes:
    """Valid JSON (RFC 8259) as UTF-8. A file name need not be Unicode: what is none is written as \\udcXX, which JSON
    reads back."""
    text = json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="backslashreplace")
