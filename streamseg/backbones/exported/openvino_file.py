"""Reads the metadata of an OpenVINO network: NAME.xml is the graph, NAME.bin are the weights.

The .xml file is read without OpenVINO. Files of `streamseg export openvino` contain the metadata of the ONNX file, and
the SHA-256 of the .bin file, so that they are never run with another one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from streamseg.backbones.exported.onnx_file import Dims, Facts, checked_facts
from streamseg.errors import ModelError
from streamseg.files import sha256_of

SECTION = "streamseg"
"""Element with the metadata in the rt_info of a file."""
WEIGHTS = "bin_sha256"
"""Entry with the SHA-256 of the .bin file."""
EXPECTED = "give the .xml of an OpenVINO network, with its .bin beside it, as `streamseg export openvino` writes"


def read(path: Path) -> tuple[Facts, str]:
    """Return the facts, and one SHA-256 of both files. Raises ModelError if they are damaged, or not a backbone."""
    inputs, outputs, metadata = interface(path)
    facts = checked_facts(path, inputs, outputs, metadata)
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(f"{str(path)!r} lacks its weights, {str(weights)!r}", "copy both files to the same folder")
    sha256 = sha256_of(weights)
    if metadata.get(WEIGHTS, sha256) != sha256:
        raise ModelError(
            f"{str(weights)!r} is damaged, or not the one that {path.name!r} was written with",
            "copy both files again, or export them again",
        )
    return facts, hashlib.sha256((sha256_of(path) + sha256).encode()).hexdigest()


def interface(path: Path) -> tuple[dict[str, tuple[Dims, bool]], dict[str, Dims], dict[str, str]]:
    """Return the inputs (dimensions, whether float32), the outputs (dimensions) and the metadata in a .xml file.

    Raises ModelError if it is not an OpenVINO network.
    """
    if not path.is_file():
        raise ModelError(f"there is no model file {str(path)!r}", EXPECTED)
    try:
        net = ElementTree.parse(path).getroot()  # noqa: S314 (expat bounds the expansion of entities)
    except (ElementTree.ParseError, OSError, ValueError) as problem:
        raise ModelError(f"{str(path)!r} is not readable XML ({problem})", EXPECTED) from problem
    layers = net.find("layers")
    if net.tag != "net" or layers is None:
        raise ModelError(f"{str(path)!r} is XML, but not an OpenVINO network; it begins with <{net.tag}>", EXPECTED)
    inputs, outputs = {}, {}
    for layer in layers:
        if layer.get("type") == "Parameter":
            data = layer.find("data")
            floats = data is not None and data.get("element_type") == "f32"
            inputs[_name(layer, "output")] = (_dims(layer, "output"), floats)
        elif layer.get("type") == "Result":
            outputs[layer.get("output_names", "") or layer.get("name", "")] = _dims(layer, "input")
    return inputs, outputs, _metadata(net)


def _metadata(net: Any) -> dict[str, str]:
    """Return the entries of SECTION."""
    section = net.find(f"rt_info/{SECTION}")
    return {entry.tag: entry.get("value", "") for entry in section} if section is not None else {}


def _name(layer: Any, side: str) -> str:
    """Return the name of a layer's tensor. side: "input" or "output"."""
    port = layer.find(f"{side}/port")
    names = port.get("names", "") if port is not None else ""
    return names.split(",")[0] or layer.get("name", "")


def _dims(layer: Any, side: str) -> Dims:
    """Return the dimensions of a layer's port; None = dynamic (negative, or a range). side: as in `_name`."""
    texts = [dim.text or "" for dim in layer.findall(f"{side}/port/dim")]
    return tuple(int(text) if text.isdecimal() else None for text in texts)
