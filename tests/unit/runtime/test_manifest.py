from __future__ import annotations

import json
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.frame import Intrinsics
from streamseg.runtime import manifest
from streamseg.runtime.statistics import Statistics
from streamseg.sources import Skip


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60))
def test_percentiles_against_numpy(values: list[float]) -> None:
    found = manifest.percentiles(values)
    assert found["max"] == pytest.approx(max(values), abs=0.01)
    assert found["p50"] == pytest.approx(np.median(values), abs=0.01)
    assert found["p50"] <= found["p95"] <= found["p99"] <= found["max"]


def test_a_run_without_frames() -> None:
    content = manifest.describe_statistics(Statistics())
    assert content["latency_ms"] == {"p50": 0, "p95": 0, "p99": 0, "max": 0}
    assert (content["frames"], content["fps"], content["id_changes"]) == (0, 0, None)


def test_skips_are_counted_by_reason_and_named() -> None:
    skips = [Skip(f"{i:05d}", "truncated PNG") for i in range(50)] + [Skip("x", "missing file")]
    skipped = manifest.describe_statistics(Statistics(skipped=skips))["skipped"]
    assert skipped == {
        "truncated PNG": {"count": 50, "frames": [f"{i:05d}" for i in range(20)]},
        "missing file": {"count": 1, "frames": ["x"]},
    }


def test_a_manifest_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    manifest.write(tmp_path, {"name": "größe \udcff", "k": [1]})
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["k"] == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    with pytest.raises(OSError, match="No such file"):
        manifest.write(tmp_path / "none", {})
    manifest.write(tmp_path / "none", {}, best_effort=True)


def test_versions_are_those_of_installed_packages() -> None:
    found = manifest.versions(("numpy", "no-such-package"))
    assert found == {"numpy": np.__version__}


def test_a_guessed_camera_is_marked_as_guessed() -> None:
    statistics = Statistics()
    assert manifest.describe_statistics(statistics)["intrinsics"] is None
    statistics.objects_record.camera = Intrinsics(576, 576, 319.5, 239.5)
    assert manifest.describe_statistics(statistics)["intrinsics"] == {
        "fx": 576, "fy": 576, "cx": 319.5, "cy": 239.5, "guessed": True,
    }  # fmt: skip
    statistics.intrinsics = Intrinsics(525, 525, 319.5, 239.5)
    assert manifest.describe_statistics(statistics)["intrinsics"] == {"fx": 525, "fy": 525, "cx": 319.5, "cy": 239.5}


def test_photographs_have_no_id_changes() -> None:
    statistics = Statistics(id_changes=array("f", [0.25, 0.5]))
    assert manifest.describe_statistics(statistics)["id_changes"] == 0.375
    statistics.objects_record.is_video = False
    assert manifest.describe_statistics(statistics)["id_changes"] is None


def test_supports_are_counted_with_their_first_frames() -> None:
    statistics = Statistics()
    statistics.objects_record.supports["plane"].extend(range(0, 160, 4))
    assert manifest.describe_statistics(statistics)["supports"] == {
        "bin": {"count": 0, "frames": []},
        "plane": {"count": 40, "frames": [*range(0, 80, 4)]},
        "none": {"count": 0, "frames": []},
    }
