"""Workers as actors of Ray: on the cores of this machine, or on a cluster.

Ray on this machine is private to the command: it listens on the loopback interface only, requires a token, and has
neither a dashboard nor telemetry. Ray never restarts a dead actor, because the driver counts the deaths per recording.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from contextlib import suppress
from typing import Any

from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.errors import StreamsegError
from streamseg.files import process_exists
from streamseg.runtime.index import Entry
from streamseg.text import without_secrets

LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # "0" binds every socket to the loopback interface
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # do not hide the GPUs from an actor that reserves none
    "RAY_LOG_TO_STDERR": "0",
}
STORE = 80 << 20
"""Bytes of Ray's object store, the smallest possible: it holds entries, which are small, and never frames."""
FAILED_STARTS = 3
"""Number of actors per worker that may die while they start, one after the other, before the batch ends."""
KILLED = 5.0
"""Seconds to wait at most until a killed process has ended."""


class RayPool(Pool):
    """address: of a Ray cluster, "" = this machine. count: number of workers, 0 = one per GPU or, without GPUs, one per
    `threads` cores. threads: number of cores per worker. gpu: whether workers may use GPUs."""

    def __init__(self, address: str, count: int, threads: int, gpu: bool) -> None:
        self._ray = ray = _import_ray(local=not address)
        try:
            context = ray.init(**_arguments(address, count * threads))
        except Exception as problem:  # Ray raises many types
            where = f"the cluster at {without_secrets(address)}" if address else "Ray on this machine"
            raise StreamsegError(f"{where} cannot be reached: {problem}", "check --address: ray://HOST:10001") from None
        self._logs = "" if address else str(context.address_info["session_dir"])
        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0.0) if gpu else 0.0
        count = count or max(1, int(gpus or resources.get("CPU", 1.0) // threads))
        self._options: dict[str, float] = {"num_cpus": threads, "max_restarts": 0, "max_task_retries": 0}
        if gpus:
            self._options["num_gpus"] = min(1.0, int(gpus / count * 1e4) / 1e4)
        self._threads, self._failed_starts = threads, 0
        self._actors: dict[int, Any] = {}
        self._refs: dict[Any, int] = {}  # Ray's reference of a call -> the worker that runs it
        self._processes: dict[int, int] = {}  # worker -> process number
        self._started: set[int] = set()
        self._idle: set[int] = set()
        self._actor_class = ray.remote(_Actor)
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        self._actors[worker] = self._actor_class.options(**self._options).remote(self._threads)
        self._refs[self._actors[worker].ready.remote()] = worker

    def idle(self) -> list[int]:
        return sorted(self._idle)

    def give(self, worker: int, task: Task) -> None:
        self._idle.discard(worker)
        self._refs[self._actors[worker].do.remote(task)] = worker

    def wait(self, seconds: float) -> list[Event]:
        ready, _ = self._ray.wait(list(self._refs), timeout=max(0.0, seconds))
        if ready and len(self._refs) > 1:  # the call above returns one; take all that are ready now
            ready, _ = self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        return [event for event in map(self._receive, ready) if event is not None]

    def _receive(self, ref: Any) -> Event | None:
        worker = self._refs.pop(ref)
        try:
            entry = self._ray.get(ref)
        except self._ray.exceptions.RayError as problem:
            return self._replace_dead(worker, problem)
        self._idle.add(worker)
        self._started.add(worker)
        if isinstance(entry, Entry):
            return Event(worker, entry)
        self._failed_starts, self._processes[worker] = 0, entry or 0
        return None

    def _replace_dead(self, worker: int, problem: Exception) -> Event | None:
        reason = " ".join(str(problem).split())
        had_started = worker in self._started
        self._processes.pop(worker, None)
        self.replace(worker)
        if had_started:
            return Event(worker, None, _short(reason))
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS * len(self._actors):
            raise StreamsegError(f"no worker comes up: {reason}", "install the same streamseg on every node")
        return None

    def replace(self, worker: int) -> None:
        self._refs = {ref: owner for ref, owner in self._refs.items() if owner != worker}
        self._ray.kill(self._actors[worker], no_restart=True)
        process = self._processes.pop(worker, 0)
        if process and self._logs:  # on this machine: Ray only asks the process to end, and a frozen one does not
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            _wait_for_end(process)  # the work folder of a process that exists is never removed
        self._started.discard(worker)
        self._idle.discard(worker)
        self._start(worker)

    def close(self) -> None:
        self._ray.shutdown()
        if self._logs:  # Ray on this machine never removes the logs of a session
            shutil.rmtree(self._logs, ignore_errors=True)


def _wait_for_end(process: int) -> None:
    """Wait until a killed process has ended, for KILLED seconds at most."""
    end = time.monotonic() + KILLED
    while process_exists(process) and time.monotonic() < end:
        time.sleep(0.02)


class _Actor:
    """The class of the actors: it makes a `Worker` on the actor's machine."""

    def __init__(self, threads: int) -> None:
        from streamseg.cluster.worker import Worker

        self.worker = Worker(threads)

    def ready(self) -> int:
        """Return the process number, once the actor has started."""
        return os.getpid()

    def do(self, task: Task) -> Any:
        return self.worker.do(task)


def installed() -> bool:
    """Whether Ray is installed; it is not imported."""
    from importlib.util import find_spec

    return find_spec("ray") is not None


def _import_ray(local: bool) -> Any:
    """Import Ray after setting its environment variables. Raises StreamsegError if it is not installed."""
    if not installed():
        raise StreamsegError("several workers need Ray, which is not installed", "pip install 'streamseg[cluster]'")
    if local:
        os.environ.update(LOCAL)
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.pop("RAY_ADDRESS", None)
    import ray

    return ray


def _arguments(address: str, cores: int) -> dict[str, Any]:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        return {"address": address, **quiet}
    return {"address": "local", "num_cpus": cores, "include_dashboard": False, "object_store_memory": STORE, **quiet}


def _short(reason: str) -> str:
    """Return the cause from Ray's long message about the death of an actor."""
    for mark in ("Worker exit detail:", "because the", "Error Type:"):
        if mark in reason:
            reason = reason.partition(mark)[2].strip()
    return reason.partition(" Some common causes")[0][:200]
