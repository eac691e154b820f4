"""The pool of worker processes, with real workers."""

from __future__ import annotations

import time

import pytest

from streamseg.cluster.pools.processes import ProcessPool


def test_a_worker_that_is_stopped_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ProcessPool(1, 1)
    while not pool.idle():
        assert not pool.wait(60)
    process = pool._processes[0]
    kill = process.kill

    def late() -> None:
        time.sleep(0.3)  # in which the worker may notice that its connection is closed
        kill()

    monkeypatch.setattr(process, "kill", late)
    pool.close()
    assert not process.is_alive()
    assert "Traceback" not in capfd.readouterr().err
