"""The recipes of files that are exported already: everything but the place of the file is read from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from streamseg.backbones.contract import Recipe
from streamseg.backbones.exported import engine_file, onnx_file, openvino_file
from streamseg.backbones.exported.onnx_file import Facts
from streamseg.config import Spec
from streamseg.errors import ModelError
from streamseg.files import sha256_of


def exported(spec: Spec, names: Iterable[str]) -> Recipe | None:
    """Return the recipe of an exported file; None if the suffix of `spec.model` is that of no such file.

    names: of the networks, for a hint. Raises ModelError.
    """
    name = spec.model.lower()
    if name.endswith(".onnx"):
        return _onnx(spec, names)
    if name.endswith(engine_file.SUFFIXES):
        return _engine(spec)
    return _openvino(spec) if name.endswith(".xml") else None


def _onnx(spec: Spec, names: Iterable[str]) -> Recipe:
    """Return the recipe of an .onnx file."""
    _refuse_choices(spec)
    path = Path(spec.model)
    if not path.is_file():
        raise ModelError(f"there is no model file {spec.model!r}", "give an .onnx file or one of: " + ", ".join(names))
    return _described(spec, "onnx", onnx_file.read(path), sha256_of(path))


def _engine(spec: Spec) -> Recipe:
    """Return the recipe of a TensorRT engine, by the JSON beside it."""
    _refuse_choices(spec)
    engine = engine_file.read(Path(spec.model))
    return Recipe(
        name=engine.metadata.get("backbone") or Path(spec.model).stem,
        architecture="",
        kind="tensorrt",
        file=spec.model,
        sha256=engine.sha256,
        strides=(engine.stride,),
        licence=engine.metadata.get("licence", ""),
        size=engine.size,
        method=engine.metadata.get("method", ""),
    )


def _openvino(spec: Spec) -> Recipe:
    """Return the recipe of an OpenVINO network."""
    _refuse_choices(spec)
    return _described(spec, "openvino", *openvino_file.read(Path(spec.model)))


def _described(spec: Spec, kind: str, facts: Facts, sha256: str) -> Recipe:
    """Return the recipe of an exported file from its facts."""
    return Recipe(
        name=facts.name,
        architecture="",
        kind=kind,
        file=spec.model,
        sha256=sha256,
        strides=(facts.stride, max(facts.stride, facts.multiple)),
        licence=facts.licence,
        size=facts.size,
    )


def _refuse_choices(spec: Spec) -> None:
    """Raise ModelError if the spec has weights, layers or a facet, which an exported file already has."""
    for flag, given in (("weights", spec.weights), ("layers", spec.layers), ("facet", spec.facet)):
        if given:
            raise ModelError(f"--{flag} cannot change {spec.model!r}, which is exported already", f"leave --{flag} out")
