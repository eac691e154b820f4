"""Masks do not hinge on roundings: a session whose features or pixels are disturbed a little gives nearly the same.

The disturbances are those of `tests/benchmarks/stability.py`: noise of bf16's size on every feature and on the
objectness, and frames moved by one pixel. The limits are those of the docs' table of precision, less a margin.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from streamseg.backbones import Backbone, open_backbone
from streamseg.config import SegmenterConfig
from streamseg.sources import open_source

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = (
    "samples/tabletop",
    "tum_fr1_rpy",
    "davis_car_shadow",
    "davis_dogs_jump_240p",
    "co3d_backpack",
    "co3d_hydrant",
)


@pytest.fixture(scope="module")
def stability() -> ModuleType:
    path = ROOT / "tests" / "benchmarks" / "stability.py"
    spec = importlib.util.spec_from_file_location("benchmarks_stability", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)  # as where it is run as a script
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", RECORDINGS)
def test_masks_do_not_hinge_on_roundings(stability: Any, request: pytest.FixtureRequest, name: str) -> None:
    path = ROOT / name if name.startswith("samples") else request.getfixturevalue("shared") / "data" / name
    with open_source(str(path)) as source:
        frames = [source[i] for i in source.coming(1, 12)]
    with_depth = frames[0].depth is not None  # without, objects hinge on GrabCut's cuts: see the docs' table
    config = SegmenterConfig().but(size=384, objects=with_depth)
    opened: dict[tuple[int, int], Backbone] = {}

    def network(size: tuple[int, int]) -> Backbone:
        if size not in opened:
            opened[size] = open_backbone(config.extractor.spec, size, device="cpu", precision="fp32")
        return opened[size]

    wanted = stability.session(frames, network, config)
    noisy = stability.session(frames, lambda size: stability.Disturbed(network(size), 1), config)
    moved = stability.session([stability.shifted(one) for one in frames], network, config)
    for found in (stability.agreement(wanted, noisy), stability.agreement(wanted, moved, shift=1)):
        assert found.k[0] == found.k[1]
        assert found.ari >= 0.95
        assert found.ids >= 0.95
        assert found.objects >= 0.94 or not with_depth
    assert all(len(np.unique(one.regions)) > 1 for one in wanted)
