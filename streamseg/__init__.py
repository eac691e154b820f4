"""streamseg: object masks for video and RGB-D streams, without labels, in real time.

    for result in streamseg.segment("video.mp4", objects=True):
        result.frame.rgb, result.regions, result.objects, result.properties, result.plot()

Each name is imported when it is first used (PEP 562), so `import streamseg` itself takes hardly any time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from streamseg.offline import disable_telemetry

if TYPE_CHECKING:
    from streamseg.errors import StreamsegError as StreamsegError
    from streamseg.evaluation.library import evaluate as evaluate
    from streamseg.frame import Frame as Frame
    from streamseg.frame import Intrinsics as Intrinsics
    from streamseg.frame import Segmentation as Segmentation
    from streamseg.runtime.library import Segmenter as Segmenter
    from streamseg.runtime.library import segment as segment
    from streamseg.runtime.result import Result as Result
    from streamseg.sources import open_source as open_source
    from train.library import train as train

__version__ = "0.1.0"
_MODULES = {
    "segment": "streamseg.runtime.library",
    "Segmenter": "streamseg.runtime.library",
    "Result": "streamseg.runtime.result",
    "evaluate": "streamseg.evaluation.library",
    "train": "train.library",
    "open_source": "streamseg.sources",
    "Frame": "streamseg.frame",
    "Intrinsics": "streamseg.frame",
    "Segmentation": "streamseg.frame",
    "StreamsegError": "streamseg.errors",
}
__all__ = ["__version__", *_MODULES]

disable_telemetry()  # here, because every command, child process and program imports this module first


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'streamseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
