"""Draw the attention of a ViT's CLS token: one image a frame, with every head of the last block and their mean.

These are the figures of DINO (Caron et al., ICCV 2021, arXiv:2104.14294): the attention of CLS to each patch, by head.
The colours of a panel are relative: black is its lowest value, and its highest 2 % all have the lightest colour,
because some ViTs concentrate most of their attention on a few patches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from streamseg.backbones import zoo
from streamseg.config import SessionConfig
from streamseg.errors import FrameError, ModelError, OutputError, SourceError
from streamseg.features.preparation import prepare
from streamseg.files import written
from streamseg.masks.encoding import png
from streamseg.runtime.folder import check_writable
from streamseg.runtime.session import Session, open_session
from streamseg.sources.recording import open_recording

SIDE = 320
"""Pixels of the longer side of a panel."""
GAP, TITLE = 8, 26
"""Pixels between two panels, and height of the title above a panel."""


def write(
    setup: SessionConfig,
    folder: Path,
    *,
    every: int = 1,
    max_frames: int | None = None,
    log: Callable[[str], None] | None = None,
) -> dict[str, object]:
    """Write `folder`/<frame name>.png for each frame.

    Returns {"frames": number of images written, "heads": number of heads, "skipped": {reason: names of frames},
    "output": the folder}. Raises ModelError if the network has no CLS attention, SourceError if no frame can be read,
    OutputError if an image cannot be written.
    """
    no_attention = ModelError(
        f"{setup.extractor.spec.model!r} has no CLS attention: it is not a ViT, or one without a CLS token",
        "give a ViT, e.g. --model dino_vits16",
    )
    if zoo.recipe(setup.extractor.spec).kind == "cnn":
        raise no_attention
    check_writable(folder)
    source = open_recording(setup.source, setup.options, why="is live, and a recording is needed")
    with open_session(setup, log, source=source) as session:
        count, heads, skipped = 0, 0, dict[str, list[str]]()
        for index in source.coming(every, max_frames):
            try:
                frame = source[index]
            except FrameError as problem:
                skipped.setdefault(str(problem), []).append(source.name_of(index))
                continue
            attention = _attention(session, frame.rgb)
            if attention is None:
                raise no_attention
            _make_folder(folder)
            name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", frame.name) + ".png"
            _save(folder / name, panels(frame.rgb, attention))
            count, heads = count + 1, len(attention)
    if not count:
        reasons = "; ".join(skipped) or "it is empty"
        raise SourceError(f"no frame of {setup.source!r} could be read: {reasons}", "check the files")
    return {"frames": count, "heads": heads, "skipped": skipped, "output": str(folder)}


def panels(rgb: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Draw the frame, the mean over the heads, and each head side by side.

    rgb: (H, W, 3) uint8. attention: (heads, h, w), >= 0, of CLS to each patch. Returns (height, width, 3) uint8 RGB.
    """
    scale = SIDE / max(rgb.shape[:2])
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    pictures = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)]
    pictures += [heat(each, size) for each in (attention.mean(axis=0), *attention)]
    titles = ["frame", f"mean of {len(attention)} heads", *(f"head {i + 1}" for i in range(len(attention)))]
    return grid(pictures, titles)


def heat(attention: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Draw an (h, w) attention map as a (height, width, 3) uint8 RGB heat map, without interpolation.

    size: (width, height).
    """
    low, high = float(attention.min()), float(np.quantile(attention, 0.98))
    level = np.clip((attention - low) / (high - low), 0, 1) if high > low else np.zeros_like(attention)
    gray = cv2.resize((255 * level).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def grid(pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int = 0) -> np.ndarray:
    """Arrange images of one size, (h, w, 3) uint8 RGB, in rows, with a title above each one.

    columns: number of images in a row; 0 = choose it so that the result is about square. Returns (H, W, 3) uint8 RGB.
    """
    height, width = pictures[0].shape[:2]
    columns = columns or min(len(pictures), max(2, round((len(pictures) * (height + TITLE) / width) ** 0.5)))
    rows = ceil(len(pictures) / columns)
    shape = GAP + rows * (height + TITLE + GAP), GAP + columns * (width + GAP), 3
    canvas = np.full(shape, 255, np.uint8)
    for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        y = GAP + number // columns * (height + TITLE + GAP)
        x = GAP + number % columns * (width + GAP)
        canvas[y + TITLE : y + TITLE + height, x : x + width] = picture
        cv2.putText(canvas, title, (x + 2, y + TITLE - 8), (0, 0, 0), cv2.FontFace("sans"), 16, 400)
    return canvas


def _attention(session: Session, rgb: np.ndarray) -> np.ndarray | None:
    """Return the (heads, h, w) attention of an (H, W, 3) uint8 image; None if the network has no such output."""
    backbone = session.segmenter.extractor.backbone(rgb.shape[:2])
    attention = backbone.run(prepare(rgb, backbone.size)).get("attention")
    return None if attention is None else attention[0]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"cannot write into {str(folder)!r}: {problem.strerror}", "choose another -o") from problem


def _save(path: Path, picture: np.ndarray) -> None:
    try:
        with written(path) as temporary:
            temporary.write_bytes(png(picture))
    except OSError as problem:
        hint = "free some space, or choose another -o"
        raise OutputError(f"cannot write {str(path)!r}: {problem.strerror}", hint) from problem
