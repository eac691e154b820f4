"""Interpolates a ViT's position embedding to any grid size, with operations that an exported graph can contain.

timm uses antialiased bicubic interpolation, which most runtimes do not support. It is separable and linear:
rows (h, h0) @ grid (h0, w0) @ columns (w, w0)^T, with matrices from Keys' kernel, a = -0.5 (Keys, 1981, eq. 4).
"""

from __future__ import annotations

import torch

A = -0.5
"""Parameter a of Keys' kernel, as in PIL and in torch's antialiased interpolation."""


def resampled(grid: torch.Tensor, height: int | torch.Tensor, width: int | torch.Tensor) -> torch.Tensor:
    """Interpolate a (h0, w0, C) float32 grid to (height * width, C). The sides are tensors while a graph is traced."""
    rows, columns = weights(grid.shape[0], height), weights(grid.shape[1], width)
    tall = torch.matmul(rows, grid.flatten(1)).unflatten(1, grid.shape[1:])
    # equal ranks: OpenVINO refuses to broadcast a matrix over a product of unknown shape
    return torch.matmul(columns[None], tall).reshape(-1, grid.shape[2])


def weights(old: int, new: int | torch.Tensor) -> torch.Tensor:
    """Return (new, old) float32: the weight of each old place at each new one. Each row sums to 1."""
    scale = torch.tensor(float(old)) / new
    centres = (torch.arange(new, dtype=torch.float32) + 0.5) * scale  # type: ignore[arg-type]
    places = torch.arange(old, dtype=torch.float32) + 0.5
    distance = ((places - centres[:, None]) / scale.clamp(min=1.0)).abs()
    near = ((A + 2) * distance - (A + 3)) * distance * distance + 1
    far = A * (((distance - 5) * distance + 8) * distance - 4)
    share = torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
    return share / share.sum(dim=1, keepdim=True)
