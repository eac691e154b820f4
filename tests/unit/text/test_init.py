"""Text from outside is cleaned, and becomes valid JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.text import clean, counted, first_few, json_types, to_json, without_secrets


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("scene[kitchen]_1", "scene[kitchen]_1"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("a\x07b\x9b", "a?b?"),
        ("größe 日本", "größe 日本"),
    ],
)
def test_control_sequences_are_removed(text: str, wanted: str) -> None:
    assert clean(text) == wanted


def test_a_number_agrees_with_its_noun() -> None:
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_a_sentence_has_the_first_of_many_names() -> None:
    assert (first_few([]), first_few({"a": 1}), first_few("abc")) == ("", "a", "a, b, c")
    assert first_few(range(10), 2) == "0, 1 and 8 more"


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("rtsp://me:secret@host/live", "rtsp://***@host/live"),
        ("https://host/v.mp4?token=abc&x=1", "https://host/v.mp4?token=***&x=1"),
        ("folder/a@b", "folder/a@b"),
    ],
)
def test_secrets_are_hidden(uri: str, wanted: str) -> None:
    assert without_secrets(uri) == wanted


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_any_value_becomes_valid_json(value: object) -> None:
    found = json.loads(to_json(value), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found == json.loads(json.dumps(json_types(value)))
