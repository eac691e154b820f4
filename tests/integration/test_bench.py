"""`streamseg bench` in a process of its own, which starts one a turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
SMALL = ("--turns", "1", "--size", "64x96", "--frames", "12")


def test_our_engine_against_the_plain_script(cli: Cli, sample: Path) -> None:
    done = cli("bench", sample, *SMALL, "--engines", "openvino", "--against", "report", "--batch", "2", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    run, *others = result["runs"]
    assert run["name"] == "openvino cpu fp32"
    assert {other["name"] for other in others} <= {"openvino cpu bf16", "openvino cpu fp16"}  # where the CPU has them
    for one in (run, result["against"]):
        assert one["frames"] == 12
        assert one["fps"] > 0
        assert one["cpu_ms_per_frame"] > 0
        assert one["peak_mib"] > 50
        assert one["size"] == [64, 96]
        assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p99"] <= one["latency_ms"]["max"]
        assert {"read", "backbone", "cluster", "upsample", "write"} <= set(one["stage_ms"])
    assert 0 < run["key_frames"] <= 12
    assert run["labels_over_network"] > 1
    assert run["against"]["speed"] == pytest.approx(run["fps"] / result["against"]["fps"], rel=0.01)
    assert result["machine"]["cores"] >= 1
    assert "turn 1 of 1" in done.stderr


def test_the_table_without_a_source_and_what_cannot_run(cli: Cli) -> None:
    done = cli("bench", *SMALL, "--engine", "openvino", "--save", "jsonl,objects", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    refused = cli("bench", *SMALL, "--engine", "onnxruntime", "--device", "cpu", "--precision", "bf16")
    assert refused.returncode == 1
    assert "error: onnxruntime does not support bf16" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert cli("bench", "0", *SMALL, "--engines", "opnvino").returncode == 2
    idle = cli("bench", *SMALL, "--k", "3")
    assert (idle.returncode, "add --masks regions" in idle.stderr) == (2, True), idle.stderr


def test_a_profile_is_a_table_and_a_trace(cli: Cli, sample: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    done = cli("bench", sample, "--size", "64x96", "--frames", "12", "--save", "objects", "--profile", trace, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    rows = {(row["thread"], row["stage"]): row for row in result["stages"]}
    assert {("reader", "read"), ("network", "backbone"), ("MainThread", "objects"), ("writer", "write")} <= set(rows)
    assert rows["MainThread", "start"]["calls"] == 1
    whole, parts = rows["MainThread", "objects"], [row for row in rows.values() if row["thread"] == "MainThread"]
    assert sum(row["wall"] for row in parts if row["part"]) <= whole["wall"] + 0.1
    assert 0 < sum(row["cpu"] for row in rows.values() if not row["part"]) <= result["cpu_ms_per_frame"] + 1
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert sum(event["name"] == "objects" for event in events) == result["frames"] == 12
    for more, said in (
        (("--turns", "2", "--profile", trace), "leave --turns out"),
        (("--engines", "torch,openvino", "--profile", trace), "--engines torch"),
        (("--profile", tmp_path / "none" / "trace.json"), "there is no folder"),
    ):
        refused = cli("bench", sample, "--frames", "4", *more)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
