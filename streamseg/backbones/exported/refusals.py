"""What a runtime says about a network's file that it cannot use: one line of it, and what to do."""

from __future__ import annotations

import re

from streamseg.errors import ModelError

OTHER = {"openvino": "onnxruntime", "onnxruntime": "openvino"}
LONGEST = 300
PLACES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+\.(?:cc|cpp|h|hpp):\d+ .*?\) (?=[\w\[])|\b\w+\.cc:\d+ \w+ |^-- "
)
"""Codes, places in the runtime's own source, and bullets."""
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


def refused(engine: str, what: str, problem: Exception) -> ModelError:
    """The error of `engine` that `problem` comes to. what: the beginning, as "onnxruntime cannot run a.onnx"."""
    said = str(problem).strip()
    lines = said.splitlines() or ["it does not say why"]
    line = next((one for one in reversed(lines) if one.strip()), lines[0]) if engine == "openvino" else lines[0]
    other = OTHER.get(engine, "torch")
    hint = next((hint for words, hint in HINTS if re.search(words, said)), "export it again, or try --engine {other}")
    return ModelError(f"{what}: {PLACES.sub('', line)[:LONGEST].strip()}", hint.format(engine=engine, other=other))
