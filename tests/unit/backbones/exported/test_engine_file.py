"""Tests the JSON file beside a TensorRT engine, without TensorRT."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import Engine, Machine, Profile
from streamseg.errors import ModelError
from streamseg.files import sha256_of


def test_the_json_beside_an_engine_says_all_of_it(engine):
    path, facts = engine
    assert engine_file.beside(path).name == "net.plan.json"
    assert engine_file.read(path) == facts
    said = json.loads(engine_file.beside(path).read_text(encoding="utf-8"))
    assert said["gpu"], said["compute_capability"] == ("NVIDIA L4", "8.9")
    assert (said["tensorrt"], said["precision"]) == ("10.16.1.11", "fp16")
    assert said["profile"] == {"min": 1, "opt": 4, "max": 8}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"format": 1, "engine": "tensorrt"}',
    ],
)
def test_a_damaged_json_is_told(engine, damage):
    path, _ = engine
    engine_file.beside(path).write_bytes(damage)
    with pytest.raises(ModelError, match=r"net\.plan\.json") as caught:
        engine_file.read(path)
    assert "streamseg export tensorrt" in caught.value.hint


@given(st.data())
def test_no_wrong_value_in_the_json_gets_through_or_escapes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("wrong")
    path = folder / "net.plan"
    path.write_bytes(b"serialized")
    here = Machine("NVIDIA L4", "8.9", "10.16.1.11")
    facts = Engine({}, here, "fp32", {"x": (3, 8, 8)}, {"features": (2, 1, 1)}, Profile(1, 1, 1), "0", "0")
    said = json.loads(engine_file.to_json(dataclasses.replace(facts, sha256=sha256_of(path))))
    key = data.draw(st.sampled_from(sorted(said)))
    value = data.draw(
        st.one_of(st.none(), st.integers(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers()))
    )
    said[key] = value
    engine_file.beside(path).write_text(json.dumps(said), encoding="utf-8")
    try:
        engine = engine_file.read(path)
    except ModelError:
        return
    assert key == "metadata"
    assert engine.metadata == {name: str(number) for name, number in value.items()}


def test_an_engine_without_its_json_or_with_anothers(engine):
    path, _ = engine
    path.write_bytes(b"rebuilt")
    with pytest.raises(ModelError, match="is not the one of"):
        engine_file.read(path)
    engine_file.beside(path).unlink()
    with pytest.raises(ModelError, match=r"lacks 'net\.plan\.json'"):
        engine_file.read(path)
    path.unlink()
    with pytest.raises(ModelError, match="no engine"):
        engine_file.read(path)


def test_a_later_format_is_told_apart_from_damage(engine):
    path, _ = engine
    said = json.loads(engine_file.beside(path).read_text(encoding="utf-8")) | {"format": 2}
    engine_file.beside(path).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match="format 2"):
        engine_file.read(path)


@given(st.integers(-2, 9), st.integers(-2, 9), st.integers(-2, 9))
def test_a_profile_rises_or_is_refused(least, best, most):
    if 1 <= least <= best <= most:
        assert Profile(least, best, most).shapes((3, 4, 5)) == ((least, 3, 4, 5), (best, 3, 4, 5), (most, 3, 4, 5))
    else:
        with pytest.raises(ModelError):
            Profile(least, best, most)
