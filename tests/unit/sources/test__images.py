"""The former name of the image readers, which scripts that reproduce reported bugs use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.sources._images import read_mask, read_rgb


def test_scripts_of_reported_faults_still_find_the_readers(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n2 1\n100\n" + bytes([0, 100]))
    assert read_rgb(tmp_path / "a.pgm").tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert np.unique(read_mask(tmp_path / "a.pgm")).tolist() == [0, 1]
