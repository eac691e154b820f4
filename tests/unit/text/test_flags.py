"""The flag of each setting, and the masks that a setting is for."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from streamseg.cli.options import refuse_unused_flags
from streamseg.cli.run import run
from streamseg.config import ClusteringConfig, ObjectsConfig, SegmenterConfig
from streamseg.text.flags import SETTINGS_OF_MASKS, flag_of


def test_every_setting_of_regions_and_objects_is_listed_with_its_masks() -> None:
    regions, objects = ({field.name for field in fields(config)} for config in (ClusteringConfig, ObjectsConfig))
    assert set(SETTINGS_OF_MASKS["regions"]) == regions - {"seed"}  # a seed is for both
    assert set(SETTINGS_OF_MASKS["objects"]) == objects - {"seed", "objects"}  # `objects` says that they are wanted


def test_run_has_each_of_these_flags() -> None:
    flags = {flag for param in run.params for flag in param.opts}
    assert {flag_of(name) for names in SETTINGS_OF_MASKS.values() for name in names} <= flags


@pytest.mark.parametrize(
    ("typed", "config", "refused"),
    [
        (["--min-score", "0.5"], SegmenterConfig(), "--min-score is about objects"),
        (["--k-range", "2:4"], SegmenterConfig(regions=False).but(objects=True), "--k-range is about regions"),
        (["--no-edges"], SegmenterConfig(regions=False).but(objects=True), "--no-edges is about regions"),
        (["--min-score", "0.5"], SegmenterConfig().but(objects=True), ""),
        (["--seed", "1", "--keyframes", "2"], SegmenterConfig(), ""),
    ],
)
def test_a_typed_flag_is_refused_if_its_masks_are_not_found(
    typed: list[str], config: SegmenterConfig, refused: str
) -> None:
    context = run.make_context("run", ["video.mp4", *typed])
    if refused:
        with pytest.raises(click.UsageError, match=refused):
            refuse_unused_flags(context, config)
    else:
        refuse_unused_flags(context, config)
