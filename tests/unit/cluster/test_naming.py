"""Folder names are short, safe, unique and stable."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.cluster.naming import folder_names
from streamseg.files import safe_name

PARTS = st.lists(st.text("aB.#: \n", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)


def test_names_are_as_short_as_they_can_be() -> None:
    uris = ["/d/apple/1", "co3d:/d/ball/1#small/train", "/d/x.mp4", "s3://bucket/night/y.mkv"]
    assert folder_names(uris) == ["apple_1", "ball_1", "x", "y"]


def test_parts_of_one_file_are_named_by_the_part() -> None:
    assert folder_names(["shards:/d/s#a/1", "shards:/d/s#b", "/d/x.bag"]) == ["s_a_1", "s_b", "x"]


def test_names_that_paths_do_not_distinguish_get_a_hash() -> None:
    first, second = folder_names(["/d/1#a", "/d/1#b"])
    assert first != second
    assert folder_names(["/d/1#b", "/d/1#a"]) == [second, first]


@settings(deadline=None)
@given(st.lists(PARTS, unique=True, max_size=8))
def test_names_are_safe_and_unique_on_any_disk(uris: list[str]) -> None:
    names = folder_names(uris)
    assert len({name.casefold() for name in names}) == len(uris)
    assert all(safe_name(name) == name for name in names)
    assert dict(zip(uris[::-1], folder_names(uris[::-1]))) == dict(zip(uris, names))
