"""Errors keep their message and hint when another process raises them."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from streamseg.errors import ModelError, OutputError, SourceError


def fail(kind: type[SourceError]) -> None:
    raise kind("no 'x' here", "give y")


@pytest.mark.parametrize("kind", [SourceError, ModelError, OutputError])
def test_an_error_keeps_message_and_hint_between_processes(kind: type[SourceError]) -> None:
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(kind) as caught,
    ):
        pool.submit(fail, kind).result()
    assert (str(caught.value), caught.value.message, caught.value.hint) == ("no 'x' here", "no 'x' here", "give y")
