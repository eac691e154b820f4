"""Requests as they go over the wire, and frames to look at."""

from __future__ import annotations

import http.client
import json
import struct
import zlib
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from streamseg.frame import Frame, Intrinsics, Segmentation


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """One request; the path goes as it is. headers: "_" stands for "-"."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named)
    for name, value in named.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return reply


def post(port: int, path: str, content: object, **headers: str) -> Reply:
    """As a page of the server's own asks, unless `headers` say otherwise."""
    own = {"Origin": f"http://127.0.0.1:{port}", "Content_Type": "application/json"} | headers
    return ask(port, path, "POST", json.dumps(content).encode(), **own)


def unpacked(packed: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The head of a moment, and its pictures: RGB, or ids."""
    (length,) = struct.unpack(">I", packed[:4])
    head = json.loads(packed[4 : 4 + length])
    pictures, start = {}, 4 + length
    for name, size in head["pictures"]:
        data = packed[start : start + size]
        if name in ("colour", "depth"):
            pictures[name] = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        else:
            pictures[name] = np.frombuffer(zlib.decompress(data), np.uint8).reshape(head["shown"][::-1])
        start += size
    assert start == len(packed)
    return head, pictures


def seen(index: int, name: str = "", size: tuple[int, int] = (48, 64)) -> tuple[Frame, Segmentation]:
    """A frame with depth, one object of 20x10 pixels 2 m away, and two regions."""
    rgb = np.full((*size, 3), (200, 100, 50), np.uint8)
    objects = np.zeros(size, np.uint8)
    objects[10:20, 5:25] = 7
    regions = np.where(np.arange(size[1]) < size[1] // 2, 1, 2).astype(np.uint8) * np.ones((size[0], 1), np.uint8)
    depth = np.full(size, 2.0, np.float32)
    camera = Intrinsics(100, 100, 32, 24)
    frame = Frame(index, name or f"{index:05d}", index / 10, rgb, camera, load_depth=lambda: depth)
    return frame, Segmentation(
        regions, k=2, objects=objects, timings_ms={"network": 4.0}, scores={7: 0.8}, latency_ms=5.0
    )


@pytest.fixture
def frame() -> tuple[Frame, Segmentation]:
    return seen(0)
