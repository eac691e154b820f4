"""What the summary tells of objects and of speed; all other lines are shown by the tests of `run`."""

from __future__ import annotations

from typing import Any

import pytest

from streamseg.viewing.facts import facts_of_run


def manifest(asked: bool, objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "frames": 4,
        "status": "done",
        "skipped": {},
        "dropped": 0,
        "fps": 30.0,
        "latency_ms": {"p50": 1.0, "p99": 2.0},
        "key_frames": 4,
        "model": None,
        "intrinsics": None,
        "source": {"depth_units_per_metre": None},
        "settings": {"objects": {"objects": asked}},
        "k": [],
        "objects": objects,
        "id_changes": None,
        "without_depth": {},
    }


@pytest.mark.parametrize(
    ("asked", "objects", "told"),
    [
        (False, [], None),
        (True, [], "none found"),
        (True, [{"id": 1, "frames": 4}, {"id": 3, "frames": 2}], "2 in all, 1.5 in a frame on average"),
    ],
)
def test_objects_are_counted_where_they_were_asked_for(asked: bool, objects: list, told: str | None) -> None:
    assert dict(facts_of_run(manifest(asked, objects))).get("objects") == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "30.0 frames/s"),  # a manifest of an older version
        ({"seconds": 0.2, "start_seconds": 0.2, "pace": 0.0}, "30.0 frames/s"),  # one frame
        ({"seconds": 2.4, "start_seconds": 1.234, "pace": 121.0}, "30.0 frames/s"),  # most of the time was the start
        (
            {"seconds": 2.5, "start_seconds": 1.234, "pace": 48.04},
            "30.0 frames/s; 48.0 after the first masks, which took 1.2 s",
        ),
    ],
)
def test_speed_is_told_with_and_without_the_start(more: dict[str, float], told: str) -> None:
    assert dict(facts_of_run(manifest(False, []) | more))["speed"] == told


@pytest.mark.parametrize(
    ("ladder", "told"),
    [
        ([], None),
        (
            [{"frame": 16, "keyframes": 1, "beside": True}, {"frame": 90, "keyframes": 1, "beside": False}],
            "from frame 16 on frames did not always wait for keyframes",
        ),
        (
            [{"frame": 16, "keyframes": 1, "beside": True}, {"frame": 24, "keyframes": 2, "beside": True}],
            "from frame 16 on frames did not always wait for keyframes, and keyframes were up to 2 times as far apart",
        ),
    ],
)
def test_what_a_live_run_did_without_is_told(ladder: list[dict[str, Any]], told: str | None) -> None:
    assert dict(facts_of_run(manifest(False, []) | {"ladder": ladder})).get("for the latency") == told


def supports(*frames: list[int]) -> dict[str, Any]:
    return {kind: {"count": len(on), "frames": on[:20]} for kind, on in zip(("bin", "plane", "none"), frames)}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, None),  # of regions, or a manifest of an older version
        (supports([], [], []), None),
        (supports([0], [], []), "bin or shelf in 1 of 1 keyframes with depth, table or other plane in none"),
        (supports([], [0, 4], []), "table or other plane in 2 of 2 keyframes with depth, bin or shelf in none"),
        (
            supports([0, 4, 8], [12, 16], [20]),
            "bin or shelf in 3 of 6 keyframes with depth, table or other plane in 2 (frames 12, 16), "
            "neither in 1 (frame 20)",
        ),
        (
            supports([], [*range(50)], [*range(50, 59)]),
            "table or other plane in 50 of 59 keyframes with depth, "
            "neither in 9 (frames 50, 51, 52, 53, 54, 55, 56, 57, ...), bin or shelf in none",
        ),
    ],
)
def test_it_is_told_where_a_bin_or_a_table_was_found(found: dict[str, Any], told: str | None) -> None:
    assert dict(facts_of_run(manifest(True, []) | {"supports": found})).get("support") == told


def test_ids_that_change_are_told_where_they_mean_something() -> None:
    assert dict(facts_of_run(manifest(True, []) | {"id_changes": 0.034}))["ids that change"].startswith("3.4 %")
    assert "ids that change" not in dict(facts_of_run(manifest(True, [])))
