"""A backbone as one ONNX file: input `images` (N, 3, H, W) float32 RGB in [0, 1], output `features` (N, D, h, w)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from streamseg.backbones import Spec, export_onnx
from streamseg.errors import OutputError
from streamseg.sinks import partial


def to_onnx(spec: Spec, size: tuple[int, int], path: Path, log: Callable[[str], None]) -> None:
    """Write `spec` for images of `size` (H, W) to `path`, whole or not at all.

    The file has been compared with PyTorch: see `streamseg.backbones.export_onnx`. Raises ModelError, OutputError.
    """
    source = export_onnx(spec, size, log)
    try:
        shutil.copyfile(source, partial(path))
        os.replace(partial(path), path)
    except OSError as problem:
        partial(path).unlink(missing_ok=True)
        raise OutputError(f"cannot write {str(path)!r}: {problem.strerror}", "choose another -o") from problem
