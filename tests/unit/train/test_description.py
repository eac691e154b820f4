"""The notes of a run about flags without effect."""

from __future__ import annotations

from typing import Any

import pytest

from streamseg.backbones import Spec
from train.description import ineffective_flags
from train.encoder import open_encoder
from train.methods.odin import METHOD as ODIN
from train.methods.odin import Options as OfOdin
from train.methods.selftrain import METHOD as SELFTRAIN
from train.methods.selftrain import Options as OfSelftrain
from train.settings import Settings


@pytest.mark.parametrize(
    ("kind", "options", "settings", "names"),
    [
        (ODIN, OfOdin(), {}, []),
        (ODIN, OfOdin(negatives="all", hidden=8, enlarge=2.0), {}, ["enlarge", "hidden", "negatives"]),
        (ODIN, OfOdin(masks="kmeans:4", match="projected", negatives="all", enlarge=2.0, hidden=8), {}, []),
        (ODIN, OfOdin(match="projected", anchor=0.5, hidden=8), {"gap": (1, 2)}, ["anchor"]),
        (SELFTRAIN, OfSelftrain(temperature=0.2), {"gap": (1, 2)}, ["temperature", "gap"]),
        (SELFTRAIN, OfSelftrain(temperature=0.2, instances=1.0), {"epochs": 3}, []),
        (SELFTRAIN, OfSelftrain(), {"epochs": 3, "steps": 5, "probe": False, "val": ("a",)}, ["epochs", "val"]),
    ],
)
def test_flags_without_effect_are_named(kind: Any, options: Any, settings: dict[str, Any], names: list[str]) -> None:
    encoder = open_encoder(Spec("timm:resnet10t", layers=(4,)), pretrained=False)
    said = ineffective_flags(kind(encoder, options, Settings(size=64, **settings), 10))
    assert [line.split()[1] for line in said] == ["--" + name for name in names]
    assert all(line.startswith("note: --") for line in said)
