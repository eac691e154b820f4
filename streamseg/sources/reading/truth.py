"""Ground truth beside pictures: which mask belongs to which picture, and whether it has to be turned along with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import VOID
from streamseg.sources.reading.files import IMAGE_SUFFIXES, listing
from streamseg.sources.reading.headers import orientation, stored_size
from streamseg.sources.reading.images import upright
from streamseg.sources.reading.mask_colours import LEADING, MARK
from streamseg.sources.reading.masks import WHITE, read_mask, taken_for

FOLDERS = ("masks", "mask", "segmentations", "segmentation", "segm", "annotations", "labels", "groundtruth", "gt")
SUFFIXES = IMAGE_SUFFIXES | {".gif", ".pbm"}  # Carvana's masks, and plain bitmaps
KNOWN = "valid"
"""Folder beside the masks' own: white where the truth is known; elsewhere nothing is counted (OSD)."""
LOOKED_AT = 200  # pictures whose orientation is looked up

Load = Callable[[], np.ndarray]


class Truth(NamedTuple):
    """loads: by picture. notes: how the masks are understood, for people."""

    loads: dict[Path, Load]
    notes: tuple[str, ...] = ()


def truth(
    pictures: Sequence[Path],
    folder: Path | None,
    read: Callable[[Path], np.ndarray] = read_mask,
    name: Callable[[Path], str] = lambda path: path.stem,
    among: Sequence[Path] = (),
) -> Truth:
    """The masks in `folder`, and those `among` the pictures, that belong to `pictures`. name: what a mask has in common
    with a picture, besides its stem and its whole name."""
    masks = [*([] if folder is None else masks_in(folder)), *among]
    found = masks_of(pictures, masks, name)
    others = sorted({mask.name for mask in masks} - {mask.name for mask in found.values()})
    told = f"left out: {len(others)} of {len(masks)} masks ({others[0]} ...): no image has that name" if others else ""
    lost = (told,) if told else ()
    if not found:
        return Truth({}, lost)
    first = next(iter(found.values()))
    words = taken_for(first)
    known = {} if folder is None else _known(folder.parent / KNOWN, [mask.stem for mask in found.values()])
    notes = (
        [f"masks ({len(found)} of {len(pictures)} pictures, e.g. {first.name}) are read as: {words}"] if words else []
    )
    stored = drawn_as_stored(found)
    if stored:
        notes.append("masks are drawn on the pixels as stored: they are turned with their pictures, as EXIF says")
    elif stored is None:
        notes.append("EXIF turns some pictures, and no size tells whether masks are drawn before that: taken for after")
    if known:
        notes.append(f"{KNOWN}/ tells where {len(known)} of {len(found)} masks are known; elsewhere nothing is counted")
        read = partial(_where_known, read, known)
    loads: dict[Path, Load] = {
        picture: partial(_turned, read, mask, picture) if stored else partial(read, mask)
        for picture, mask in found.items()
    }
    return Truth(loads, (*notes, *lost))


def masks_in(folder: Path) -> list[Path]:
    """The mask files of a folder, in natural order."""
    return [path for path in listing(folder) if path.suffix.lower() in SUFFIXES]


def masks_among(pictures: Sequence[Path]) -> list[Path]:
    """Those that are masks of others that lie beside them: NAME_mask.png beside NAME.jpg."""
    stems = {path.stem for path in pictures}
    marked = ((path, MARK.fullmatch(path.stem) or LEADING.fullmatch(path.stem)) for path in pictures)
    return [path for path, found in marked if found and found["stem"] in stems]


def masks_of(
    pictures: Iterable[Path], masks: Iterable[Path], name: Callable[[Path], str] = lambda path: path.stem
) -> dict[Path, Path]:
    """Picture -> its mask: NAME.png, NAME.jpg.png (COLMAP), NAME_mask.gif (Carvana), NAME_segmentation.png (ISIC),
    mask_NAME.png.

    A mask that has a picture's very name is that picture's before one that is only similar to it.
    """
    exact: dict[str, Path] = {}
    marked: dict[str, Path] = {}
    for mask in masks:
        exact.setdefault(mask.stem, mask)
        if found := MARK.fullmatch(mask.stem) or LEADING.fullmatch(mask.stem):
            marked.setdefault(found["stem"], mask)
    pairs = {}
    for picture in pictures:
        wanted = [(exact, picture.name), (exact, picture.stem), (marked, picture.stem), (marked, picture.name)]
        wanted += [(exact, name(picture)), (marked, name(picture))]
        found_mask = next((table[key] for table, key in wanted if key in table), None)
        if found_mask is not None:
            pairs[picture] = found_mask
    return pairs


def folder_of(pictures: Path) -> Path | None:
    """Where the masks of a folder of pictures lie: in it, beside it where it is called images or rgb, or beside it
    under its own name (train and train_masks); None where there are none."""
    whole = Path(os.path.abspath(pictures))
    beside = whole.name.lower() in ("images", "image", "rgb", "color", "colour", "imgs", "img")
    for parent in (whole, whole.parent) if beside else (whole,):
        for name in FOLDERS:
            if masks_in(parent / name):
                return parent / name
    named = whole.with_name(f"{whole.name}_masks")
    return named if masks_in(named) else None


def drawn_as_stored(found: dict[Path, Path]) -> bool | None:
    """Whether masks are drawn on the pixels as stored, though EXIF turns the pictures. None: it cannot be told.

    Masks of pictures that lie on their side tell by their sizes, and for the whole folder: squares and pictures that
    are upside down do not tell.
    """
    step = max(1, len(found) // LOOKED_AT)
    turned = [(picture, mask) for picture, mask in list(found.items())[::step] if orientation(picture) > 1]
    for picture, mask in turned:
        size = stored_size(picture)
        if orientation(picture) >= 5 and size is not None and size[0] != size[1]:
            drawn = stored_size(mask)
            if drawn in (size, size[::-1]):
                return drawn == size
    return None if turned else False


def _known(folder: Path, stems: Sequence[str]) -> dict[str, Path]:
    """Stem of a mask -> where it is known; nothing where `folder` holds other things, as pictures to validate with."""
    found = {path.stem: path for path in masks_in(folder)}
    known = {stem: found[stem] for stem in stems if stem in found}
    return known if known and WHITE in taken_for(next(iter(known.values()))) else {}


def _where_known(read: Callable[[Path], np.ndarray], known: dict[str, Path], mask: Path) -> np.ndarray:
    ids = read(mask)
    if mask.stem not in known:
        return ids
    where = read_mask(known[mask.stem])
    if where.shape != ids.shape:
        raise FrameError(f"{KNOWN}/{known[mask.stem].name} has another size than its mask")
    return np.where(where > 0, ids, VOID).astype(np.uint8)


def _turned(read: Callable[[Path], np.ndarray], mask: Path, picture: Path) -> np.ndarray:
    drawn, size = read(mask), stored_size(picture)
    return upright(drawn, picture) if size is not None and drawn.shape == size[::-1] else drawn
