"""Export a backbone to an OpenVINO network: NAME.xml, the graph, and NAME.bin, the weights, from a verified ONNX file.

fp16 halves the size of the file, but not the time: on CPUs, OpenVINO computes in float32 (or bfloat16 if the CPU
supports it). int8 keeps the pairs of QuantizeLinear and DequantizeLinear of the ONNX file, which OpenVINO's CPU plugin
fuses into its kernels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from export.target import check_name, written
from export.to_onnx import Request, to_onnx, verify_file
from export.verify import Comparison
from streamseg.backbones.exported.openvino_file import SECTION, WEIGHTS
from streamseg.errors import ModelError
from streamseg.files import sha256_of


def to_openvino(request: Request, path: Path, log: Callable[[str], None]) -> list[Comparison]:
    """Write `path` (.xml) and the .bin beside it, and compare them with PyTorch. If that fails, nothing is written.

    Both are written under temporary names and compared. Then the .bin is renamed, and immediately after it the .xml,
    which contains the SHA-256 of its .bin: if the machine stops in between, the old .xml does not open with the new
    .bin. Raises ModelError, OutputError.
    """
    check_name(path, ".xml", exact=True)  # OpenVINO writes no other
    with (
        written(path) as xml,
        written(path.with_suffix(".bin")) as weights,
        tempfile.TemporaryDirectory(prefix="streamseg-") as folder,
    ):
        onnx = Path(folder) / "network.onnx"
        to_onnx(replace(request, precision="int8" if request.precision == "int8" else "fp32"), onnx, log)
        log(f"converting to OpenVINO, {request.precision}")
        convert(onnx, xml, request.precision)
        if not weights.is_file():
            raise ModelError(f"OpenVINO wrote no {weights.name}", "please report this model")
        return verify_file(request, xml, engine="openvino", log=log)


def convert(onnx: Path, xml: Path, precision: str) -> None:
    """Convert the ONNX file `onnx` to `xml` and the .bin beside it. The metadata of the ONNX file go into its rt_info.

    precision: "fp16" stores the weights as float16; every other value stores them as they are.
    """
    import openvino
    from onnx import load
    from openvino.tools.ovc import convert_model  # `openvino` lacks it in a process that has run a network

    model = convert_model(onnx)
    metadata = {entry.key: entry.value for entry in load(onnx, load_external_data=False).metadata_props}
    model.set_rt_info(metadata | {"precision": precision}, [SECTION])
    half = precision == "fp16"
    openvino.save_model(model, xml, compress_to_fp16=half)
    # The SHA-256 of the .bin is known only now. The second call writes the same .bin again.
    model.set_rt_info(sha256_of(xml.with_suffix(".bin")), [SECTION, WEIGHTS])
    openvino.save_model(model, xml, compress_to_fp16=half)
