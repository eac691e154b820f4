"""Fixtures that all tests share."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and weights beside the project; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared (real recordings and weights), which is not here")
    return SHARED


@contextmanager
def _full_disk(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """with full_disk(bytes): no file of this process can grow beyond so many bytes; the system call fails.

    Not for the length of a test: pytest itself writes between a test and the end of its fixtures.
    """
    return _full_disk
