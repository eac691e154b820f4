"""Tests the errors if TensorRT is missing, too old, or does not start."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamseg.backbones import _tensorrt
from streamseg.errors import ModelError


def test_the_missing_package_is_another_error():
    with pytest.raises(ModelError, match="not installed") as caught:
        _tensorrt.require(package=False, gpu=True)
    assert caught.value.hint == 'pip install "streamseg[tensorrt]"'
    _tensorrt.require(package=True, gpu=True)


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0.post12"])
def test_an_old_tensorrt_is_refused(version):
    with pytest.raises(ModelError, match="too old"):
        _tensorrt.check_version(version)
    _tensorrt.check_version("10.0.1")
    _tensorrt.check_version("11.4.0.106")


def test_a_tensorrt_that_does_not_start_says_why():
    log = SimpleNamespace(errors=["CUDA initialization failure with error: 35"])

    def nothing(log: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pytest.raises(ModelError, match="failure with error: 35"):
        _tensorrt.start(nothing, log)
