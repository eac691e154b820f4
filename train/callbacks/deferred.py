"""Figures that stay on the GPU for some steps, because the CPU waits for the GPU whenever it reads one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

GPU_INTERVAL = 20
"""Number of steps between readings of figures that are on a GPU."""


def read_interval(device: str) -> int:
    """Return the number of steps between readings of figures on this type of device; 1 on a CPU."""
    return 1 if device == "cpu" else GPU_INTERVAL


class DeferredFigures:
    """Figures of several steps. `take` reads all of them at once."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, step: int, figures: Mapping[str, Any]) -> None:
        """Add the figures of a step: scalar tensors on any device, or numbers."""
        self._rows.append((step, dict(figures)))

    def take(self) -> list[tuple[int, dict[str, float]]]:
        """Return the figures of all steps as numbers, in order, and remove them. Each device needs one transfer."""
        rows, self._rows = self._rows, []
        tensors = [value for _, row in rows for value in row.values() if isinstance(value, torch.Tensor)]
        by_device: dict[torch.device, list[torch.Tensor]] = {}
        for tensor in tensors:
            by_device.setdefault(tensor.device, []).append(tensor.detach().reshape(()).double())
        numbers = {device: iter(torch.stack(stack).tolist()) for device, stack in by_device.items()}

        def number(value: Any) -> float:
            return next(numbers[value.device]) if isinstance(value, torch.Tensor) else float(value)

        return [(step, {name: number(value) for name, value in row.items()}) for step, row in rows]
