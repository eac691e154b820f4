"""Configs are built from flags, and changed by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.config import (
    KEYFRAME_DISTANCE,
    KEYFRAME_DISTANCE_OBJECTS,
    ObjectsConfig,
    RunConfig,
    SegmenterConfig,
    SessionConfig,
    from_flags,
)


def test_but_sets_fields_of_every_part_by_name() -> None:
    config = SegmenterConfig().but(size=224, k=5, edges=False, objects=True, quality="high")
    assert config.extractor.size == 224
    assert (config.clustering.k, config.clustering.edges) == (5, False)
    assert (config.objects.objects, config.objects.quality) == (True, "high")
    assert SegmenterConfig() == SegmenterConfig().but()


def test_but_keeps_the_class_and_all_other_fields() -> None:
    config = RunConfig("clip.mp4", output=Path("out")).but(k=3).but(batch=4)
    assert isinstance(config, RunConfig)
    assert (config.source, config.output, config.batch, config.clustering.k) == ("clip.mp4", Path("out"), 4, 3)


def test_but_refuses_an_unknown_name() -> None:
    with pytest.raises(TypeError, match="nothing_like_it"):
        SegmenterConfig().but(nothing_like_it=1)


def test_the_seed_is_set_in_every_part() -> None:
    for config in (SegmenterConfig().with_seed(7), SegmenterConfig().but(seed=7)):
        assert (config.clustering.seed, config.objects.seed) == (7, 7)
    assert SegmenterConfig().but(k=3).with_seed(7).clustering.k == 3


@pytest.mark.parametrize(
    ("values", "distance"),
    [
        ({}, KEYFRAME_DISTANCE),
        ({"objects": True}, KEYFRAME_DISTANCE_OBJECTS),
        ({"objects": True, "quality": "high"}, 1),
        ({"clustering": "per-frame"}, 1),
        ({"objects": True, "keyframes": 5}, 5),
        ({"clustering": "per-frame", "keyframes": 3}, 3),
    ],
)
def test_the_distance_of_keyframes(values: dict, distance: int) -> None:
    assert SegmenterConfig().but(**values).keyframe_distance == distance


def test_flags_go_to_the_config_that_has_them() -> None:
    flags = {"model": "dino_vits8", "size": 224, "k": 4, "seed": 9, "depth_scale": 5000.0, "batch": 2}
    config = RunConfig("clip.mp4", **from_flags(flags))
    assert config.extractor.spec.model == "dino_vits8"
    assert (config.extractor.size, config.clustering.k, config.options.depth_scale, config.batch) == (224, 4, 5000.0, 2)
    assert (config.clustering.seed, config.objects.seed) == (9, 9)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"save": None}, True),
        ({"save": None, "masks": "regions"}, False),
        ({"save": None, "masks": "panoptic"}, True),
        ({"save": ("overlay",)}, True),
        ({"save": ("labels",)}, False),
        ({"save": ("overlay", "labels")}, False),
        ({"save": ("labels",), "objects": True}, True),
        ({"save": ("objects",)}, True),
        ({"save": ("overlay", "panoptic")}, True),
        ({"save": ("overlay",), "masks": "panoptic"}, True),
        ({"save": ("overlay",), "masks": "regions"}, False),
    ],
)
def test_objects_are_found_if_they_are_saved_or_shown(flags: dict, wanted: bool) -> None:
    assert RunConfig("clip.mp4", **from_flags(flags)).objects.objects is wanted


@pytest.mark.parametrize(
    ("masks", "saved"),
    [("", "objects"), (None, "objects"), ("objects", "objects"), ("regions", "labels"), ("panoptic", "panoptic")],
)
def test_the_overlay_and_the_masks_on_it_are_saved_by_default(masks: str | None, saved: str) -> None:
    assert RunConfig("clip.mp4", **from_flags({"save": None, "masks": masks})).save == ("overlay", saved)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"save": ("overlay", "objects")}, False),
        ({"save": ("overlay", "coco"), "masks": "objects"}, False),
        ({"save": ("overlay",), "objects": True}, False),
        ({"save": ("overlay", "objects"), "masks": "panoptic"}, True),
        ({"save": ("overlay", "objects"), "masks": "regions"}, True),
        ({"save": ("objects", "labels")}, True),
        ({"save": ("objects", "mcap")}, True),
        ({"save": ("objects", "jsonl")}, True),
        ({"save": ("objects",), "view": ("browser",)}, True),
        ({"save": ("objects",), "show": True}, True),
        ({"save": (), "objects": True}, True),
        ({"save": ("overlay",)}, False),
        ({"save": ("overlay", "labels")}, True),
        ({"save": None}, False),
        ({"save": None, "show": True}, True),
        ({"objects": True}, True),
    ],
)
def test_regions_are_not_found_if_nothing_takes_them(flags: dict, wanted: bool) -> None:
    assert SessionConfig("clip.mp4", **_of_session(from_flags(flags))).regions is wanted


def _of_session(given: dict) -> dict:
    return {name: value for name, value in given.items() if name not in ("save", "masks", "view", "show")}


def test_from_flags_does_not_change_its_argument() -> None:
    flags = {"k": 4, "save": ("objects",)}
    from_flags(flags)
    assert flags == {"k": 4, "save": ("objects",)}


def test_the_command_line_has_the_same_default_for_scores() -> None:
    from streamseg.cli.run import run

    (option,) = (one for one in run.params if one.name == "min_score")
    assert option.default == ObjectsConfig().min_score
