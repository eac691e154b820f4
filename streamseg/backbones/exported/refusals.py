"""Turns the errors of a runtime that cannot use a network's file into one line and a hint."""

from __future__ import annotations

import re

from streamseg.errors import ModelError

OTHER = {"openvino": "onnxruntime", "onnxruntime": "openvino"}
"""The engine to try instead."""
LONGEST = 300
"""Characters of a message that are shown."""
PLACES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+\.(?:cc|cpp|h|hpp):\d+ .*?\) (?=[\w\[])|\b\w+\.cc:\d+ \w+ |^-- "
)
"""Parts of messages that are removed: codes, places in the runtime's source, and bullets."""
HINTS = (
    (r"bad_alloc|allocate memory", "use a smaller --size, or end other programs"),
    (
        r"not a registered|No Op registered|No conversion rule",
        "try --engine {other}, or export it without the operation",
    ),
    (r"[Oo]pset \d|IR version", "pip install -U {engine}, or export it again with an older opset"),
    (r"xternal|outside the base directory", "copy the file of its weights beside it again, under its name then"),
    (
        r"[Ss]hape|[Dd]imension|channel count|out of data bounds",
        "try the --size that it was exported for, or export it again",
    ),
)
"""Patterns in messages, and the hints for them; the first that matches is used."""
DEFAULT_HINT = "export it again, or try --engine {other}"


def refused(engine: str, what: str, problem: Exception) -> ModelError:
    """Return a ModelError for an error of `engine`. what: how its message begins, "onnxruntime cannot run a.onnx"."""
    message = str(problem).strip()
    lines = message.splitlines() or ["it does not say why"]
    line = lines[-1] if engine == "openvino" else lines[0]  # OpenVINO gives the reason last
    other = OTHER.get(engine, "torch")
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, message)), DEFAULT_HINT)
    return ModelError(f"{what}: {PLACES.sub('', line)[:LONGEST].strip()}", hint.format(engine=engine, other=other))
