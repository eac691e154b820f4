"""Encodes pictures as image files. OpenCV takes BGR, everything else here is RGB."""

from __future__ import annotations

import cv2
import numpy as np


def jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """Encode (H, W, 3) uint8 RGB as a JPEG file. quality: 0 ... 100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def png(rgb: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 RGB as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return data.tobytes()
