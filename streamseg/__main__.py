"""`python -m streamseg`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _search_working_folder_last() -> None:
    """Move the working folder to the end of Python's search path: a user's train.py would hide our package `train`."""
    if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        sys.path.append(sys.path.pop(0))


if __name__ == "__main__":
    _search_working_folder_last()
    from streamseg.start import streamseg

    streamseg()
