"""What `--precision auto` comes to on a CPU: a rule, so that a command gives the same masks every time.

A stopwatch would choose now this, now that. The rule stands on what was measured (docs/benchmarks/stability.md):
another precision is worth it where it gives 15 % more frames a second end to end and the same masks. bf16 gives about
a tenth more, because the network runs on keyframes only, and objects that differ.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from streamseg.errors import ModelError

VARIABLE = "STREAMSEG_PRECISION"
UNITS = {"FP32": "fp32", "BF16": "bf16", "FP16": "fp16"}
"""OpenVINO's capabilities of a CPU, as precisions."""


def chosen(asked: str, able: Collection[str]) -> tuple[str, str]:
    """The precision to compute in, and why.

    asked: "auto" or a precision; able: those that the CPU has units for, besides fp32.
    STREAMSEG_PRECISION is what auto comes to, where it is set. Raises ModelError for what the CPU lacks.
    """
    said = os.environ.get(VARIABLE, "") if asked == "auto" else ""
    if said and said not in ("fp32", "bf16", "fp16"):
        raise ModelError(
            f"{VARIABLE} is {said!r}, which is not a precision", "set it to fp32, bf16 or fp16, or unset it"
        )
    wanted = said or asked
    if wanted not in ("auto", "fp32", *able):
        where = f"unset {VARIABLE}, or set it to fp32" if said else "leave --precision out, or use fp32"
        raise ModelError(f"this CPU does not support {wanted}", where)
    if said:
        return said, f"{VARIABLE} says so"
    if asked != "auto":
        return asked, "asked for"
    if "bf16" in able:
        return "fp32", "the CPU also has bf16, which is hardly faster here and gives other objects"
    return "fp32", "the exact one"
