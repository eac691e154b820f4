"""Chooses the precision on a CPU for `--precision auto`, by a rule, so that a command always gives the same masks.

A choice by measured times would differ from run to run. The rule follows from measurements in
docs/benchmarks/stability.md: another precision than fp32 must give 15 % more frames per second, end to end, and the
same masks. bf16 gives about 10 % more, because the network runs on keyframes only, and other objects.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from streamseg.errors import ModelError

VARIABLE = "STREAMSEG_PRECISION"
"""Environment variable for the precision that "auto" selects."""
UNITS = {"FP32": "fp32", "BF16": "bf16", "FP16": "fp16"}
"""OpenVINO's names of the capabilities of a CPU, and our names of the precisions."""


def chosen(requested: str, supported: Collection[str]) -> tuple[str, str]:
    """Return the precision to compute in, and the reason.

    requested: "auto" or a precision. supported: precisions besides fp32 that the CPU supports. Raises ModelError for
    one that it does not support.
    """
    preset = os.environ.get(VARIABLE, "") if requested == "auto" else ""
    if preset and preset not in ("fp32", "bf16", "fp16"):
        raise ModelError(
            f"{VARIABLE} is {preset!r}, which is not a precision", "set it to fp32, bf16 or fp16, or unset it"
        )
    wanted = preset or requested
    if wanted not in ("auto", "fp32", *supported):
        hint = f"unset {VARIABLE}, or set it to fp32" if preset else "leave --precision out, or use fp32"
        raise ModelError(f"this CPU does not support {wanted}", hint)
    if preset:
        return preset, f"{VARIABLE} says so"
    if requested != "auto":
        return requested, "asked for"
    if "bf16" in supported:
        return "fp32", "the CPU also has bf16, which is hardly faster here and gives other objects"
    return "fp32", "the exact one"
