"""CIE L*a*b* (D65) of sRGB pixels, and the grid of the a*, b* colours that sRGB can represent."""

from __future__ import annotations

import torch

XYZ = torch.tensor(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Matrix from linear sRGB to XYZ (IEC 61966-2-1). The sums of its rows are the white point, whose luminance is 1."""


def luminance(rgb: torch.Tensor) -> torch.Tensor:
    """Return the relative luminance Y: (B, 3, H, W) sRGB in [0, 1] -> (B, 1, H, W) in [0, 1]."""
    return (linear(rgb) * XYZ[1].to(rgb).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def grey(rgb: torch.Tensor) -> torch.Tensor:
    """Return the grays of the same lightness L*: (B, 3, H, W) sRGB in [0, 1] -> (B, 3, H, W)."""
    y = luminance(rgb)
    encoded = torch.where(y <= 0.0031308, 12.92 * y, 1.055 * y.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)
    return encoded.clamp(0, 1).expand_as(rgb)


def ab(rgb: torch.Tensor) -> torch.Tensor:
    """Return a* and b*: (B, 3, H, W) sRGB in [0, 1] -> (B, 2, H, W), about -110 to 110."""
    xyz = torch.einsum("rc,bchw->brhw", XYZ.to(rgb), linear(rgb)) / XYZ.sum(dim=1).to(rgb).view(1, 3, 1, 1)
    knee = 6 / 29
    f = torch.where(xyz > knee**3, xyz.clamp_min(knee**3) ** (1 / 3), xyz / (3 * knee**2) + 4 / 29)
    return torch.stack([500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], dim=1)


def linear(rgb: torch.Tensor) -> torch.Tensor:
    """Return linear values of sRGB values in [0, 1]."""
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def bins(width: float = 10.0, steps: int = 52) -> torch.Tensor:
    """Return the points of a grid in a*, b* that are nearest to some sRGB colour: (Q, 2), in rising order.

    width: distance of the grid points. steps: number of values of each channel that are tried.
    """
    values = torch.linspace(0, 1, steps)
    colours = torch.cartesian_prod(values, values, values).T[None, :, :, None]
    cells = torch.unique((ab(colours)[0, :, :, 0].T / width).round().long(), dim=0)
    return cells.float() * width
