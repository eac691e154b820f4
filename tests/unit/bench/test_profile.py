"""The table and the trace of known spans."""

from __future__ import annotations

import pytest

from streamseg.bench.profile import events, table
from streamseg.features.timing import Span

SPANS = [
    Span("read", "reader", 10.0, 0.004, 0.002, False),
    Span("backbone", "network_0", 10.001, 0.010, 0.001, False),
    Span("backbone", "network_1", 10.002, 0.030, 0.003, False),
    Span("plane", "MainThread", 10.02, 0.001, 0.001, True),
    Span("objects", "MainThread", 10.02, 0.006, 0.005, False),
    Span("read", "reader", 10.03, 0.008, 0.002, False),
]


def test_the_threads_of_a_pool_share_a_row() -> None:
    rows = table(SPANS, frames=2)
    assert [(row["thread"], row["stage"], row["part"], row["calls"]) for row in rows] == [
        ("reader", "read", False, 2),
        ("network", "backbone", False, 2),
        ("MainThread", "plane", True, 1),
        ("MainThread", "objects", False, 1),
    ]
    network = rows[1]
    assert network["p50"] == pytest.approx(20)
    assert 20 < network["p99"] <= 30
    assert (network["wall"], network["cpu"]) == (20, 2)


def test_the_trace_has_one_track_a_thread_and_starts_at_zero() -> None:
    found = events(SPANS)
    tracks = {one["tid"]: one["args"]["name"] for one in found if one["ph"] == "M"}
    spans = [one for one in found if one["ph"] == "X"]
    assert sorted(tracks.values()) == ["MainThread", "network_0", "network_1", "reader"]
    assert [(tracks[one["tid"]], one["name"]) for one in spans] == [(span.thread, span.stage) for span in SPANS]
    assert min(one["ts"] for one in spans) == 0
    whole, inside = spans[4], spans[3]
    assert whole["ts"] <= inside["ts"]
    assert inside["ts"] + inside["dur"] <= whole["ts"] + whole["dur"]
