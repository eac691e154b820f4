"""Refuses validation data that is also trained on (data leakage): the same files, or copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.files import sha256_of
from streamseg.sources import Recording
from train.data.fingerprint import fingerprint
from train.data.recordings import real_path_of


def refuse_overlap(data: Sequence[Recording], held_out: Sequence[Recording], flag: str) -> None:
    """Raise SourceError if a frame of `held_out` is also in `data`, as the same file or as a copy.

    flag: the flag that names `held_out`, for the message.
    """
    by_path: dict[str, list[Recording]] = {}
    by_names: dict[tuple[int, str, str], list[Recording]] = {}
    for trained in data:
        by_path.setdefault(real_path_of(trained.uri), []).append(trained)
        by_names.setdefault(_first_and_last(trained), []).append(trained)
    for recording in held_out:
        names = set(_names(recording))
        for trained in by_path.get(real_path_of(recording.uri), ()):
            shared = [name for name in _names(trained) if name in names]
            if shared:
                raise _overlap(flag, recording, trained, f"{len(shared)} frames, such as {shared[0]}")
        for trained in by_names.get(_first_and_last(recording), ()):
            if fingerprint([recording]) == fingerprint([trained]):
                raise _overlap(flag, recording, trained, "all frames: one is a copy of the other")
    _refuse_copies(data, held_out, flag)


def _refuse_copies(data: Sequence[Recording], held_out: Sequence[Recording], flag: str) -> None:
    """Raise SourceError if files have the same content. Only files with equal sizes are read."""
    held_out_files = _files_by_size(held_out)
    trained_files = _files_by_size(data) if held_out_files else {}
    for size in [size for size in held_out_files if size in trained_files]:
        trained_by_hash = {sha256_of(path): recording for recording, path in trained_files[size]}
        for recording, path in held_out_files[size]:
            if trained := trained_by_hash.get(sha256_of(path)):
                raise _overlap(flag, recording, trained, f"frames of it are copies, such as {path.name}")


def _files_by_size(recordings: Sequence[Recording]) -> dict[int, list[tuple[Recording, Path]]]:
    """Return {size in bytes: [(recording, file of one of its frames)]}."""
    files: dict[int, list[tuple[Recording, Path]]] = {}
    for recording in recordings:
        for path in filter(None, map(recording.file_of, range(len(recording)))):
            with suppress(OSError):  # a missing file cannot be trained on
                files.setdefault(path.stat().st_size, []).append((recording, path))
    return files


def _overlap(flag: str, held_out: Recording, trained: Recording, what: str) -> SourceError:
    return SourceError(
        f"{flag} {held_out.uri!r} overlaps --data {trained.uri!r}: {what}",
        f"give {flag} recordings that are not trained on",
    )


def _names(recording: Recording) -> list[str]:
    return [recording.name_of(index) for index in range(len(recording))]


def _first_and_last(recording: Recording) -> tuple[int, str, str]:
    """Return the number of frames and the names of the first and the last one."""
    return len(recording), recording.name_of(0), recording.name_of(len(recording) - 1)
