"""Tests OpenVINO in several threads at once. Tests for all engines are in test_init.py."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streamseg.backbones import open_backbone

SIZE = (96, 160)


@pytest.fixture(scope="module")
def backbone(specs):
    return open_backbone(
        specs("efficientnet"), SIZE, engine="openvino", device="cpu", precision="fp32", streams=0, threads=2
    )


def test_threads_get_arrays_of_their_own(backbone, opened, images):
    assert backbone.streams == 2
    inputs = [images[i % 2][None] * (1 - i / 100) for i in range(8)]
    with ThreadPoolExecutor(backbone.streams) as pool:
        found = list(pool.map(lambda image: backbone(image).copy(), inputs))
    wanted = opened("torch", "efficientnet")
    for image, features in zip(inputs, found, strict=True):
        np.testing.assert_allclose(features, wanted(image), atol=1e-4)


def test_one_inference_stream_unless_told(opened):
    assert opened("openvino", "efficientnet").streams == 1
    assert opened("torch", "efficientnet").streams == 1


def test_a_network_from_the_cache_is_the_one_that_was_compiled(
    specs, images, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    options = {"engine": "openvino", "device": "cpu", "precision": "fp32"}
    compiled, loaded = (open_backbone(specs("efficientnet"), SIZE, **options) for _ in range(2))
    assert loaded.outputs == compiled.outputs == ["features", "energy"]
    np.testing.assert_array_equal(loaded(images[:1]), compiled(images[:1]))


INTERRUPTED = """
import gc, signal
from streamseg.backbones import Spec, open_backbone

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
networks = [open_backbone(Spec("efficientnet_lite0"), (96, 160), engine="openvino") for _ in range(2)]
while networks:
    del networks[0]
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_finds_its_stack_when_networks_are_gone() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
