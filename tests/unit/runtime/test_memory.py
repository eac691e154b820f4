from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys

import pytest

from streamseg.bench.memory import resident_mib
from streamseg.runtime.memory import peak_mib, starting

PICTURES = """
import resource, sys, threading
import numpy as np
from streamseg.runtime.memory import retain_freed_memory

def pictures():
    for _ in range(200):
        np.empty((480, 640, 3), np.uint8).fill(1)

kept = retain_freed_memory() if sys.argv[1] == "keep" else False
pictures()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=pictures)
thread.start()
thread.join()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> tuple[bool, int]:
    """Return whether memory is kept, and the page faults of 200 images in a thread."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | environment
    answer = subprocess.run([sys.executable, "-c", PICTURES, how], env=variables, capture_output=True, check=True)
    kept, count = answer.stdout.split()
    return kept == b"True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc's malloc")
def test_images_reuse_freed_memory() -> None:
    kept, few = faults("keep")
    assert kept
    _, many = faults("leave")
    assert few < 0.1 * many


def test_a_malloc_variable_of_the_user_is_respected() -> None:
    assert faults("keep", MALLOC_ARENA_MAX="4")[0] is False


def test_garbage_is_collected_once_a_program_has_started() -> None:
    assert gc.isenabled()
    with starting() as started:
        assert not gc.isenabled()
        started()
        assert gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), starting():
        raise ValueError("x")
    assert gc.isenabled()


def test_the_peak_is_at_least_the_resident_memory() -> None:
    most = peak_mib()
    assert most is None or most >= 0.99 * resident_mib() > 0
