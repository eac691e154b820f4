"""Figures that stay on the device for a few steps: reading one makes the CPU wait for all that a GPU has to do yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

STEPS = 20
"""Between looks at figures that lie on a GPU."""


def look_every(device: str) -> int:
    """Steps between looks: on a CPU a figure costs nothing. device: its type."""
    return 1 if device == "cpu" else STEPS


class Pending:
    """Rows of figures by step. Add as many as you like; `take` reads them all at once."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, step: int, figures: Mapping[str, Any]) -> None:
        """figures: scalar tensors on any device, or numbers."""
        self._rows.append((step, dict(figures)))

    def take(self) -> list[tuple[int, dict[str, float]]]:
        """All rows as numbers, in their order, one transfer for each device; afterwards there are none."""
        rows, self._rows = self._rows, []
        tensors = [value for _, row in rows for value in row.values() if isinstance(value, torch.Tensor)]
        by_device: dict[torch.device, list[torch.Tensor]] = {}
        for tensor in tensors:
            by_device.setdefault(tensor.device, []).append(tensor.detach().reshape(()).double())
        numbers = {device: iter(torch.stack(found).tolist()) for device, found in by_device.items()}
        return [
            (
                step,
                {
                    name: next(numbers[value.device]) if isinstance(value, torch.Tensor) else float(value)
                    for name, value in row.items()
                },
            )
            for step, row in rows
        ]
