"""Where the CLS token of a ViT looks: a picture for each frame with every head of the last block, and their mean.

As the figures of DINO (Caron et al., ICCV 2021, arXiv:2104.14294): the attention of CLS to the patches, by head. The
colours are relative: black is the least that a panel has; its highest 2 % are all of the lightest colour, because some
ViTs park most of their attention on a few patches.
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
from streamseg.runtime.session import Session, open_session
from streamseg.sources import LiveSource

SIDE = 320
"""Pixels of a panel's longer side."""
GAP, TITLE = 8, 26


def write(
    setup: SessionConfig,
    folder: Path,
    *,
    every: int = 1,
    max_frames: int | None = None,
    log: Callable[[str], None] | None = None,
) -> dict[str, object]:
    """Write `folder`/<frame name>.png for each frame.

    Returns {"frames": written, "heads", "skipped": {reason: names}, "output"}.

    Raises ModelError where the network has no CLS attention, SourceError where no frame can be read, OutputError.
    """
    no_vit = ModelError(
        f"{setup.extractor.spec.model!r} has no CLS attention: it is not a ViT, or one without a CLS token",
        "give a ViT, e.g. --model dino_vits16",
    )
    if zoo.recipe(setup.extractor.spec).kind == "cnn":
        raise no_vit
    with open_session(setup, log) as session:
        source = session.source
        if isinstance(source, LiveSource):
            raise SourceError(f"{source.uri!r} is a live source", "give a recording, a video or a folder of images")
        written, heads, skipped = 0, 0, dict[str, list[str]]()
        for index in source.coming(every, max_frames):
            try:
                frame = source[index]
            except FrameError as problem:
                skipped.setdefault(str(problem), []).append(source.name_of(index))
                continue
            attention = _attention(session, frame.rgb)
            if attention is None:
                raise no_vit
            _make(folder)
            name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", frame.name) + ".png"
            _save(folder / name, panels(frame.rgb, attention))
            written, heads = written + 1, len(attention)
    if not written:
        reasons = "; ".join(skipped) or "it is empty"
        raise SourceError(f"no frame of {setup.source!r} could be read: {reasons}", "check the files")
    return {"frames": written, "heads": heads, "skipped": skipped, "output": str(folder)}


def panels(rgb: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The frame, the mean over the heads, and each head, as one (H, W, 3) uint8 RGB picture.

    rgb: (H, W, 3) uint8. attention: (heads, h, w), >= 0, of CLS to each patch.
    """
    scale = SIDE / max(rgb.shape[:2])
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    pictures = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)]
    pictures += [heat(each, size) for each in (attention.mean(axis=0), *attention)]
    titles = ["frame", f"mean of {len(attention)} heads", *(f"head {i + 1}" for i in range(len(attention)))]
    return grid(pictures, titles)


def heat(attention: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) attention -> (height, width, 3) uint8 RGB of `size` (width, height), the patches shown as they are."""
    low, high = float(attention.min()), float(np.quantile(attention, 0.98))
    level = np.clip((attention - low) / (high - low), 0, 1) if high > low else np.zeros_like(attention)
    gray = cv2.resize((255 * level).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def grid(pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int = 0) -> np.ndarray:
    """Rows of (h, w, 3) uint8 RGB pictures of one size, a title above each. columns: 0 = about as wide as high."""
    height, width = pictures[0].shape[:2]
    columns = columns or min(len(pictures), max(2, round((len(pictures) * (height + TITLE) / width) ** 0.5)))
    rows = ceil(len(pictures) / columns)
    shape = GAP + rows * (height + TITLE + GAP), GAP + columns * (width + GAP), 3
    whole = np.full(shape, 255, np.uint8)
    for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        y = GAP + number // columns * (height + TITLE + GAP)
        x = GAP + number % columns * (width + GAP)
        whole[y + TITLE : y + TITLE + height, x : x + width] = picture
        cv2.putText(whole, title, (x + 2, y + TITLE - 8), (0, 0, 0), cv2.FontFace("sans"), 16, 400)
    return whole


def _attention(session: Session, rgb: np.ndarray) -> np.ndarray | None:
    """(heads, h, w) of (H, W, 3) uint8 `rgb`; None where the network gives none."""
    segmenter = session.segmenter
    backbone = segmenter.extractor.backbone(rgb.shape[:2])
    found = backbone.run(prepare(rgb, backbone.size)).get("attention")
    return None if found is None else found[0]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"cannot write into {str(folder)!r}: {problem.strerror}", "choose another -o") from problem


def _save(path: Path, picture: np.ndarray) -> None:
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        with written(path) as temporary:
            temporary.write_bytes(png.tobytes())
    except OSError as problem:
        hint = "free some space, or choose another -o"
        raise OutputError(f"cannot write {str(path)!r}: {problem.strerror}", hint) from problem
