"""Workers as actors of Ray: on the cores of this machine, or on a cluster.

Ray on this machine is private to the command: it listens on the loopback interface, wants a token of its own, has no
dashboard and reports to nobody. Deaths are told, never retried by Ray: the driver counts them for each recording.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from contextlib import suppress
from typing import Any

from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.errors import StreamsegError
from streamseg.runtime.index import Entry
from streamseg.text import without_secrets

LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for "this machine only": every socket is on the loopback
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # an actor without a GPU of its own still sees what the user sees
    "RAY_LOG_TO_STDERR": "0",
}
STORE = 80 << 20
"""Bytes of Ray's object store, its least: entries are small, and frames never pass through it."""
PATIENCE = 3
"""Actors in a row, for each worker, that may die before they are up."""


class RayPool(Pool):
    """address: of a cluster, "" = this machine. count: of workers, 0 = as many as there are GPUs or, without any, as
    fit by `threads` cores each. gpu: whether a worker may want one."""

    def __init__(self, address: str, count: int, threads: int, gpu: bool) -> None:
        self._ray = ray = _ray(local=not address)
        try:
            context = ray.init(**_arguments(address, count * threads))
        except Exception as problem:  # Ray's own, of many kinds
            where = f"the cluster at {without_secrets(address)}" if address else "Ray on this machine"
            raise StreamsegError(f"{where} cannot be reached: {problem}", "check --address: ray://HOST:10001") from None
        self._logs = "" if address else str(context.address_info["session_dir"])
        has = ray.cluster_resources()
        gpus = has.get("GPU", 0.0) if gpu else 0.0
        count = count or max(1, int(gpus or has.get("CPU", 1.0) // threads))
        self._options: dict[str, float] = {"num_cpus": threads, "max_restarts": 0, "max_task_retries": 0}
        if gpus:
            self._options["num_gpus"] = min(1.0, int(gpus / count * 1e4) / 1e4)
        self._threads, self._stillborn = threads, 0
        self._actors: dict[int, Any] = {}
        self._refs: dict[Any, int] = {}
        self._processes: dict[int, int] = {}
        self._up: set[int] = set()
        self._idle: set[int] = set()
        self._kind = ray.remote(_Actor)
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        self._actors[worker] = self._kind.options(**self._options).remote(self._threads)
        self._refs[self._actors[worker].ready.remote()] = worker

    def idle(self) -> list[int]:
        return sorted(self._idle)

    def give(self, worker: int, task: Task) -> None:
        self._idle.discard(worker)
        self._refs[self._actors[worker].do.remote(task)] = worker

    def wait(self, seconds: float) -> list[Event]:
        ready, _ = self._ray.wait(list(self._refs), timeout=max(0.0, seconds))
        if ready and len(self._refs) > 1:  # all that is there by now, not the first alone
            ready, _ = self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        return [event for event in map(self._heard, ready) if event is not None]

    def _heard(self, ref: Any) -> Event | None:
        worker = self._refs.pop(ref)
        try:
            entry = self._ray.get(ref)
        except self._ray.exceptions.RayError as problem:
            return self._died(worker, problem)
        self._idle.add(worker)
        self._up.add(worker)
        if isinstance(entry, Entry):
            return Event(worker, entry)
        self._stillborn, self._processes[worker] = 0, entry or 0
        return None

    def _died(self, worker: int, problem: Exception) -> Event | None:
        reason = " ".join(str(problem).split())
        was_up = worker in self._up
        self._processes.pop(worker, None)
        self.replace(worker)
        if was_up:
            return Event(worker, None, _short(reason))
        self._stillborn += 1
        if self._stillborn >= PATIENCE * len(self._actors):
            raise StreamsegError(f"no worker comes up: {reason}", "install the same streamseg on every node")
        return None

    def replace(self, worker: int) -> None:
        self._refs = {ref: of for ref, of in self._refs.items() if of != worker}
        self._ray.kill(self._actors[worker], no_restart=True)
        process = self._processes.pop(worker, 0)
        if process and self._logs:  # on this machine: Ray only asks it to end, which what is frozen does not hear
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._up.discard(worker)
        self._idle.discard(worker)
        self._start(worker)

    def close(self) -> None:
        self._ray.shutdown()
        if self._logs:  # of Ray on this machine, which keeps those of every command for ever
            shutil.rmtree(self._logs, ignore_errors=True)


class _Actor:
    """What an actor holds: a `Worker`, made on the actor's own machine."""

    def __init__(self, threads: int) -> None:
        from streamseg.cluster.worker import Worker

        self.worker = Worker(threads)

    def ready(self) -> int:
        """Its process, when the actor is up."""
        return os.getpid()

    def do(self, task: Task) -> Any:
        return self.worker.do(task)


def installed() -> bool:
    """Whether Ray is here; it is not imported."""
    from importlib.util import find_spec

    return find_spec("ray") is not None


def _ray(local: bool) -> Any:
    """The package, imported with its settings in place."""
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
    """Ray's story of a death, its cause alone."""
    for mark in ("Worker exit detail:", "because the", "Error Type:"):
        if mark in reason:
            reason = reason.partition(mark)[2].strip()
    return reason.partition(" Some common causes")[0][:200]
