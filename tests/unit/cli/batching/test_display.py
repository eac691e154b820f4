"""The summary of a batch."""

from __future__ import annotations

import pytest

from streamseg.cli.batching.display import print_batch

RUN = {"recordings": 3, "before": 0, "left": 0, "done": 3, "fps": 1.0, "frames": 3, "seconds": 3.0, "problems": []}


def test_equal_requests_are_one_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    requests = [("a", "--intrinsics FX,FY,CX,CY"), ("b", "--depth-scale UNITS"), ("c", "--depth-scale UNITS")]
    to_do = [{"name": name, "source": f"/data/{name}", "request": request} for name, request in requests]
    print_batch({"this_run": RUN | {"to_do": to_do}, "status": "done", "output": "masks"})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "to do b and 1 more: --depth-scale UNITS" in lines
    assert lines.index("to do b and 1 more: --depth-scale UNITS") < lines.index("to do a: --intrinsics FX,FY,CX,CY")


def test_a_flag_to_type_stays_on_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    why = "the depth is not registered to the colour: it is off by up to 52 pixels"
    for length in range(12):  # wherever a line would end
        request = f"{why}{'.' * length}: --align-depth 0.90,-10,-4"
        to_do = [{"name": "kitchen", "source": "/data/kitchen", "request": request}]
        print_batch({"this_run": RUN | {"to_do": to_do}, "status": "done", "output": "masks"})
        printed = capsys.readouterr().out
        assert f"to do       kitchen: {request}\n" in printed
        again = "-o masks --config masks/kitchen/run.json --overwrite --align-depth 0.90,-10,-4"
        assert f"to type     streamseg batch /data/kitchen {again}\n" in printed
