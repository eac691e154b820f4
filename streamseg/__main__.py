"""`python -m streamseg`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _own_packages_first() -> None:
    """Python looks into the working folder first, where a train.py of the user's would hide our package `train`."""
    if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        sys.path.append(sys.path.pop(0))


if __name__ == "__main__":
    _own_packages_first()
    from streamseg.start import streamseg

    streamseg()
