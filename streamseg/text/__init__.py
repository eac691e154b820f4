"""Makes text from outside, such as file names, addresses and messages, safe for a terminal and for JSON."""

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
    """Return `text` without the control of a terminal: escape sequences are removed, other control characters become
    "?"."""
    return _CONTROLS.sub("?", _ESCAPES.sub("", text))


def without_secrets(uri: str) -> str:
    """Return an address with "***" for its login and for secret parameters: "rtsp://***@host/?token=***"."""
    if "://" not in uri:
        return uri
    return _SECRET.sub(r"\1***", _LOGIN.sub("***@", uri))


def first_few(names: Collection[object], most: int = 3) -> str:
    """Return the first `most` names for a sentence: "a, b, c and 4 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in itertools.islice(names, most)) + more


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 frame", "3 frames"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def json_types(value: Any) -> Any:
    """Return `value` in types that JSON has: NaN and infinity become None, paths text, and text is cleaned."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Path):
        return clean(str(value))
    if isinstance(value, Mapping):
        return {clean(str(key)): json_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_types(item) for item in value]
    return value


def from_json(data: str | bytes) -> Any:
    """Return the content of a JSON document. Raises ValueError if it is not JSON, or is nested too deeply to be
    real."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def to_json(content: object, indent: int | None = None) -> bytes:
    """Return valid JSON (RFC 8259) as UTF-8. A byte of a file name that is not Unicode is written as \\udcXX, which
    JSON readers restore."""
    text = json.dumps(json_types(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="backslashreplace")
