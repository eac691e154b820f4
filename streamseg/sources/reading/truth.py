"""Finds the ground truth of pictures: which mask belongs to which picture, and whether EXIF turns it, too."""

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
from streamseg.sources.reading.mask_colours import split_mark
from streamseg.sources.reading.masks import WHITE, meaning_of, read_mask

FOLDERS = ("masks", "mask", "segmentations", "segmentation", "segm", "annotations", "labels", "groundtruth", "gt")
SUFFIXES = IMAGE_SUFFIXES | {".gif", ".pbm"}  # masks of Carvana, and bitmaps
VALID = "valid"
"""Folder beside that of the masks, with images that are white where the ground truth is known (OSD); elsewhere it
becomes void."""
MAX_SAMPLES = 200  # pictures whose EXIF orientation is read

Load = Callable[[], np.ndarray]


class GroundTruth(NamedTuple):
    """loads: picture -> function that reads its mask, see `Frame.load_annotation`. notes: how the masks are read."""

    loads: dict[Path, Load]
    notes: tuple[str, ...] = ()


def ground_truth(
    pictures: Sequence[Path],
    folder: Path | None,
    read: Callable[[Path], np.ndarray] = read_mask,
    name: Callable[[Path], str] = lambda path: path.stem,
    among: Sequence[Path] = (),
) -> GroundTruth:
    """Return the masks of `pictures`.

    folder: of masks. read: reads a mask file. name: returns a name that the mask of a picture may have, besides the
    name and the stem of the picture. among: masks that are in the folder of the pictures.
    """
    masks = [*([] if folder is None else masks_in(folder)), *among]
    mask_of = pair_masks(pictures, masks, name)
    notes_on_unpaired = _note_on_unpaired(masks, mask_of)
    if not mask_of:
        return GroundTruth({}, notes_on_unpaired)
    first = next(iter(mask_of.values()))
    meaning = meaning_of(first)
    valid = {} if folder is None else _validity(folder.parent / VALID, [mask.stem for mask in mask_of.values()])
    notes: list[str] = []
    if meaning:
        count = f"{len(mask_of)} of {len(pictures)} pictures"
        notes.append(f"ground truth ({count}, e.g. {first.name}), read as: {meaning}")
    stored = drawn_as_stored(mask_of)
    if stored:
        notes.append("ground truth is drawn on the pixels as stored: it is turned with its pictures, as EXIF says")
    elif stored is None:
        notes.append(
            "EXIF turns some pictures; no size tells whether ground truth is drawn before that: taken for after"
        )
    if valid:
        known = f"{len(valid)} of {len(mask_of)} pictures"
        notes.append(f"{VALID}/ tells where the ground truth of {known} is known; elsewhere it is void")
        read = partial(_read_valid, read, valid)
    loads: dict[Path, Load] = {
        picture: partial(_read_upright, read, mask, picture) if stored else partial(read, mask)
        for picture, mask in mask_of.items()
    }
    return GroundTruth(loads, (*notes, *notes_on_unpaired))


def _note_on_unpaired(masks: Sequence[Path], mask_of: dict[Path, Path]) -> tuple[str, ...]:
    """Return a note on the masks that belong to no picture; () if there are none."""
    others = sorted({mask.name for mask in masks} - {mask.name for mask in mask_of.values()})
    if not others:
        return ()
    return (f"left out: {len(others)} of {len(masks)} masks ({others[0]} ...): no image has that name",)


def masks_in(folder: Path) -> list[Path]:
    """Return the mask files in a folder, in natural order."""
    return [path for path in listing(folder) if path.suffix.lower() in SUFFIXES]


def masks_among(pictures: Sequence[Path]) -> list[Path]:
    """Return the pictures that are masks of other pictures in the folder: NAME_mask.png beside NAME.jpg."""
    stems = {path.stem for path in pictures}
    return [path for path in pictures if (parts := split_mark(path.stem)) and parts[0] in stems]


def pair_masks(
    pictures: Iterable[Path], masks: Iterable[Path], name: Callable[[Path], str] = lambda path: path.stem
) -> dict[Path, Path]:
    """Return the mask of each picture that has one: NAME.png, NAME.jpg.png (COLMAP), NAME_mask.gif (Carvana),
    NAME_segmentation.png (ISIC) or mask_NAME.png. A mask with exactly the name of the picture comes first.

    name: see `ground_truth`.
    """
    exact: dict[str, Path] = {}
    marked: dict[str, Path] = {}
    for mask in masks:
        exact.setdefault(mask.stem, mask)
        if parts := split_mark(mask.stem):
            marked.setdefault(parts[0], mask)
    pairs = {}
    for picture in pictures:
        lookups = [(exact, picture.name), (exact, picture.stem), (marked, picture.stem), (marked, picture.name)]
        lookups += [(exact, name(picture)), (marked, name(picture))]
        for table, key in lookups:
            if key in table:
                pairs[picture] = table[key]
                break
    return pairs


def mask_folder_of(pictures: Path) -> Path | None:
    """Return the folder with the masks of a folder of pictures; None if there is none.

    It is in that folder; beside it if the name is images, rgb ...; or beside it as NAME_masks (train and train_masks).
    """
    folder = Path(os.path.abspath(pictures))
    beside = folder.name.lower() in ("images", "image", "rgb", "color", "colour", "imgs", "img")
    for parent in (folder, folder.parent) if beside else (folder,):
        for name in FOLDERS:
            if masks_in(parent / name):
                return parent / name
    named = folder.with_name(f"{folder.name}_masks")
    return named if masks_in(named) else None


def drawn_as_stored(mask_of: dict[Path, Path]) -> bool | None:
    """Return whether masks are drawn on the pixels as stored, before EXIF turns the pictures; None if that is unclear.

    The first mask with the size of a picture that lies on its side decides for all. Pictures that are square or upside
    down cannot decide.
    """
    step = max(1, len(mask_of) // MAX_SAMPLES)
    turned = [(picture, mask) for picture, mask in list(mask_of.items())[::step] if orientation(picture) > 1]
    for picture, mask in turned:
        size = stored_size(picture)
        if orientation(picture) >= 5 and size is not None and size[0] != size[1]:
            drawn = stored_size(mask)
            if drawn in (size, size[::-1]):
                return drawn == size
    return None if turned else False


def _validity(folder: Path, stems: Sequence[str]) -> dict[str, Path]:
    """Return the image in `folder` that is white where a mask is valid, by the stem of the mask; {} if the folder has
    other images, such as those of a validation set."""
    files = {path.stem: path for path in masks_in(folder)}
    valid = {stem: files[stem] for stem in stems if stem in files}
    return valid if valid and WHITE in meaning_of(next(iter(valid.values()))) else {}


def _read_valid(read: Callable[[Path], np.ndarray], valid: dict[str, Path], mask: Path) -> np.ndarray:
    """Read a mask, and set it to VOID where it is not valid. Raises FrameError."""
    ids = read(mask)
    if mask.stem not in valid:
        return ids
    is_valid = read_mask(valid[mask.stem]) > 0
    if is_valid.shape != ids.shape:
        raise FrameError(f"{VALID}/{valid[mask.stem].name} has another size than its mask")
    return np.where(is_valid, ids, VOID).astype(np.uint8)


def _read_upright(read: Callable[[Path], np.ndarray], mask: Path, picture: Path) -> np.ndarray:
    """Read a mask that is drawn on the pixels of `picture` as stored, and turn it as EXIF turns the picture."""
    ids, size = read(mask), stored_size(picture)
    return upright(ids, picture) if size is not None and ids.shape == size[::-1] else ids
