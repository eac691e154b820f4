"""Run a command in a forked process that has imported the libraries, and check what it leaves."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Thread

FAULTS = ("Traceback", "error: unexpected", "Exception ignored")
Trouble = list[str]
_listeners: dict[int, Thread] = {}  # by the process they listen to


def start(args: list[str], said: Path, prepare: Callable[[], object] = lambda: None) -> int:
    """Fork, and run `streamseg ARGS` in the child. Returns its process id; `said` holds its output after `wait`."""
    heard, spoken = os.pipe()  # not a file, which a full disk would end, too
    child = os.fork()
    if child:
        os.close(spoken)
        _listeners[child] = Thread(target=_listen, args=(heard, said), daemon=True)
        _listeners[child].start()
        return child
    os.dup2(spoken, 1)
    os.dup2(spoken, 2)
    sys.stdout, sys.stderr = (open(handle, "w", closefd=False) for handle in (1, 2))  # noqa: SIM115
    code = 70
    try:
        prepare()
        from streamseg.cli.main import main

        sys.argv = ["streamseg", *args]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _listen(heard: int, said: Path) -> None:
    with os.fdopen(heard, "rb", buffering=0) as pipe, said.open("wb", buffering=0) as file:
        while some := pipe.read(1 << 16):  # as it comes: children of a child that was killed may keep it open
            file.write(some)


def wait(child: int, limit: float = 180) -> int:
    """The exit code, negative for a signal. A process that takes longer than `limit` seconds is killed: -9."""
    code = _waited(child, limit)
    _listeners.pop(child).join(2)
    return code


def _waited(child: int, limit: float) -> int:
    end = time.monotonic() + limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        time.sleep(0.002)


def running(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def faults_of(out: Path, said: str, killed: bool) -> Trouble:
    """What is wrong with the output of a run. killed: by a second signal, after which partial files may remain."""
    import av
    import cv2
    import numpy as np

    found = [said[-2000:] for word in FAULTS if word in said]
    if not (out / "run.json").exists():
        return found
    manifest = json.loads((out / "run.json").read_text())
    masks = sorted((out / "labels").glob("[!.]*")) if (out / "labels").is_dir() else []
    if any(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is None for path in masks):
        found.append("a mask is damaged")
    counts = {"labels": len(masks)}
    if (out / "labels.npz").exists():
        with np.load(out / "labels.npz") as archive:
            counts["npz"] = len(archive["labels"])
    if (out / "annotations.json").exists():
        counts["coco"] = len(json.loads((out / "annotations.json").read_text())["images"])
    if (out / "segments.jsonl").exists():
        counts["jsonl"] = len([json.loads(line) for line in (out / "segments.jsonl").read_text().splitlines()])
    if (out / "overlay.mp4").exists():
        with av.open(str(out / "overlay.mp4")) as video:
            counts["overlay"] = sum(1 for _ in video.decode(video=0))
    if not killed:
        if manifest["status"] not in ("done", "interrupted"):
            found.append(f"run.json says {manifest['status']!r}")
        found += [f"{name} has {count} of {manifest['frames']}" for name, count in counts.items()
                  if count != manifest.get("frames")]  # fmt: skip
        found += [f"left over: {path.name}" for path in out.rglob(".*")]
    return found
