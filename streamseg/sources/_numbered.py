"""Base class of recordings whose frames are parts of one file, and have numbers instead of file names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from streamseg.frame import Frame, Intrinsics
from streamseg.sources import Options, Recording

Load = Callable[[], np.ndarray]


class NumberedRecording(Recording):
    """A recording in one file; a subclass implements `rgb` and `depth_of` for its format.

    times: the time stamp of each frame [s], rising. The name of frame i is i in five digits.
    """

    def __init__(self, uri: str, times: list[float], intrinsics: Intrinsics | None, options: Options) -> None:
        self.uri, self._times, self._intrinsics, self._options = uri, times, intrinsics, options
        if len(times) > 1:
            step = float(np.median(np.diff(times)))
            self.fps = 1 / step if 1e-3 <= step <= 10 else 30.0

    @abstractmethod
    def rgb(self, index: int) -> np.ndarray:
        """Decode frame `index` to (H, W, 3) uint8 RGB. Raises FrameError."""

    @abstractmethod
    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        """Return a picklable function that loads the depth of frame `index`, and "". Without depth, return None and the
        reason.

        The function returns (H, W) = `size` float32 metres, 0 = no reading, and may raise FrameError.
        """

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> Frame:
        name = self.name_of(index)
        rgb = self.rgb(index)
        load, problem = self.depth_of(index, (rgb.shape[0], rgb.shape[1]))
        return Frame(
            index=index,
            name=name,
            timestamp=self._times[index],
            rgb=rgb,
            intrinsics=self._options.intrinsics or self._intrinsics,
            load_depth=self._options.aligned(load),
            depth_problem=problem,
        )

    def name_of(self, index: int) -> str:
        if not 0 <= index < len(self._times):
            raise IndexError(f"frame {index} of {len(self._times)}")
        return f"{index:05d}"
