"""Cost of the live page: frames/s of a run with no page, a page without a viewer, one viewer, five, and a stalled one.

    python tests/benchmarks/viewers.py samples/tabletop [--rounds 8] [--seconds 4] [--objects]

One run goes on all the time, over the recording in a loop. In each round every case has its turn, in changing order,
and is compared with the turn without a page of the same round, so that other work on the machine affects all cases
alike. On a busy machine the CPU time a frame is more reliable than frames/s. A viewer is a process of its own that
makes the requests of the page; a stalled one requests the motion JPEG and reads nothing.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import click

from streamseg.bench.turn import Loop
from streamseg.config import RunConfig, from_flags
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.session import open_session
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink
from streamseg.sinks.browser import LivePage

CASES = {"no page": (0, 0), "page, no viewer": (0, 0), "1 viewer": (1, 0), "5 viewers": (5, 0), "1 stalled": (0, 1)}
"""Viewers that look, and viewers that take nothing."""
VIEWER = """
import http.client, json, struct, sys
connection, number, figures = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1])), 0, 1
while True:
    connection.request("GET", f"/moment?after={number}&layer={sys.argv[2]}&figures={figures}")
    answer, figures = connection.getresponse().read(), 0
    if answer[:1] != b"{":
        (length,) = struct.unpack(">I", answer[:4])
        number = json.loads(answer[4 : 4 + length])["number"]
"""
STALLED = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"GET /stream.mjpg HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
time.sleep(1000)
"""
SETTLE = 1.0
"""Seconds from a change to the count."""


class Switched(Sink):
    """It writes to the page, or nowhere, as the case requires, and counts frames."""

    def __init__(self, page: LivePage) -> None:
        self.page, self.on, self.count = page, False, 0

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.count += 1
        if self.on:
            self.page.write(frame, segmentation)

    def close(self) -> None:
        self.page.close()


class Pace(NamedTuple):
    """Frames/s of the run, and milliseconds of CPU time a frame, over all threads."""

    fps: float
    cpu_ms: float


def pace(sink: Switched, case: str, seconds: float, kind: str) -> Pace:
    """The pace of the run in a case."""
    looking, stalled = CASES[case]
    sink.on = case != "no page"
    commands = [[VIEWER, kind]] * looking + [[STALLED, kind]] * stalled
    port = str(sink.page.server.port)
    clients = [subprocess.Popen([sys.executable, "-c", code, port, kind]) for code, kind in commands]
    time.sleep(SETTLE)
    began, cpu, before = time.perf_counter(), time.process_time(), sink.count
    time.sleep(seconds)
    frames = max(1, sink.count - before)
    found = Pace(frames / (time.perf_counter() - began), 1000 * (time.process_time() - cpu) / frames)
    for client in clients:
        client.kill()
        client.wait()
    return found


def rounds(sink: Switched, count: int, seconds: float, kind: str, stop: threading.Event, found: list[Any]) -> None:
    """Measure every case `count` times; then end the run."""
    while sink.count < 30:  # until it runs steadily
        time.sleep(0.1)
    order = random.Random(0)
    for _ in range(count):
        cases = order.sample(list(CASES), len(CASES))
        found.append({case: pace(sink, case, seconds, kind) for case in cases})
    stop.set()


@click.command()
@click.argument("recording")
@click.option("--rounds", "count", default=8, show_default=True, help="Turns of each case.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of a turn.")
@click.option("--size", default=384, show_default=True, help="Input size of the network.")
@click.option("--objects", is_flag=True, help="Find objects, too.")
def main(recording: str, count: int, seconds: float, size: int, objects: bool) -> None:
    """Measure the cost of the live page. Prints medians over the rounds, and of the ratios to the turn without a page,
    as JSON."""
    job = RunConfig(recording, **from_flags({"size": size, "objects": objects}))
    found: list[dict[str, Pace]] = []
    with open_session(job) as session:
        session.warm_up()
        stop = threading.Event()
        with closing(Switched(LivePage(Run(Path(recording).name, masks=job.mask_kind, port=0)))) as sink:
            arguments = (sink, count, seconds, job.mask_kind, stop, found)
            threading.Thread(target=rounds, args=arguments, daemon=True).start()
            stream(Loop(session.source, 10**6), session.segmenter, [sink], interrupted=stop)  # type: ignore[arg-type]
    table = {
        case: {
            "frames_per_second": round(statistics.median(one[case].fps for one in found), 1),
            "ratio": round(statistics.median(one[case].fps / one["no page"].fps for one in found), 3),
            "cpu_ms_a_frame": round(statistics.median(one[case].cpu_ms for one in found), 2),
            "cpu_ratio": round(statistics.median(one[case].cpu_ms / one["no page"].cpu_ms for one in found), 3),
        }
        for case in CASES
    }
    click.echo(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
