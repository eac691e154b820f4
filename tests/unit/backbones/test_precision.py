from __future__ import annotations

import pytest

from streamseg.backbones import open_backbone
from streamseg.backbones.precision import chosen
from streamseg.errors import ModelError


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("STREAMSEG_PRECISION", raising=False)


def test_auto_is_fp32_also_where_the_cpu_has_bf16_units() -> None:
    assert chosen("auto", {"fp32"})[0] == "fp32"
    precision, reason = chosen("auto", {"fp32", "bf16"})
    assert precision == "fp32"
    assert "bf16" in reason


def test_what_is_asked_for_is_taken_or_refused() -> None:
    assert chosen("bf16", {"fp32", "bf16"}) == ("bf16", "asked for")
    with pytest.raises(ModelError, match="does not support fp16"):
        chosen("fp16", {"fp32", "bf16"})


def test_the_environment_says_what_auto_is(monkeypatch) -> None:
    monkeypatch.setenv("STREAMSEG_PRECISION", "bf16")
    assert chosen("auto", {"fp32", "bf16"})[0] == "bf16"
    assert chosen("fp32", {"fp32", "bf16"})[0] == "fp32"
    with pytest.raises(ModelError, match="does not support bf16") as refused:
        chosen("auto", {"fp32"})
    assert "unset STREAMSEG_PRECISION" in refused.value.hint
    monkeypatch.setenv("STREAMSEG_PRECISION", "half")
    with pytest.raises(ModelError, match="'half', which is not a precision"):
        chosen("auto", {"fp32"})


def test_what_is_chosen_and_why_is_printed(specs) -> None:
    told: list[str] = []
    backbone = open_backbone(specs("efficientnet"), (96, 160), engine="openvino", device="cpu", log=told.append)
    assert backbone.precision == "fp32"
    assert f"fp32: {backbone.precision_reason}" in told
