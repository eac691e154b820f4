"""Reads and writes the JSON file beside a TensorRT engine: NAME.plan.json beside NAME.plan.

An engine runs only on the GPU model, and with the version of TensorRT, that built it. The JSON file names them, with
the metadata of the ONNX file, so that a wrong engine is recognized before CUDA is loaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamseg.errors import ModelError
from streamseg.files import sha256_of
from streamseg.text import from_json

SUFFIXES = (".plan", ".engine")
FORMAT = 1
"""Version of the JSON file. Increase it if older versions of streamseg cannot read the file."""
REBUILD = "build it again with `streamseg export tensorrt MODEL -o {path}`, which writes both"


@dataclass(frozen=True)
class Machine:
    """The machine that built an engine. gpu: its name. compute_capability: "9.0". tensorrt: version, "10.16.1.11"."""

    gpu: str
    compute_capability: str
    tensorrt: str


@dataclass(frozen=True)
class Profile:
    """Batch sizes of an engine: the smallest, the one it is optimized for, and the largest. 1 <= min <= opt <= max.

    Raises ModelError for other values.
    """

    min: int
    opt: int
    max: int

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.opt <= self.max:
            raise ModelError(
                f"an engine cannot have batches of {self.min} to {self.max}, best {self.opt}",
                "--max-batch is at least 1, and --opt-batch lies between 1 and --max-batch",
            )

    def shapes(self, image: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Return the smallest, optimal and largest shape of the input. image: (3, H, W)."""
        return (self.min, *image), (self.opt, *image), (self.max, *image)


@dataclass(frozen=True)
class Engine:
    """The facts about an engine. metadata: metadata_props of the ONNX file. precision: of its graph. inputs, outputs:
    dimensions of one image, without the batch, by name. onnx_sha256, sha256: of the ONNX file and of the engine.
    """

    metadata: dict[str, str]
    machine: Machine
    precision: str
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    profile: Profile
    onnx_sha256: str
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the input."""
        ((_, height, width),) = self.inputs.values()
        return height, width

    @property
    def stride(self) -> int:
        """Pixels per feature cell."""
        return self.size[0] // self.outputs["features"][1]

    def misfit(self, here: Machine) -> str:
        """Return why the engine cannot run on the machine `here`; "" if it can."""
        built_for, current = asdict(self.machine), asdict(here)
        names = {"gpu": "GPU", "compute_capability": "compute capability", "tensorrt": "TensorRT"}
        differing = [key for key in built_for if built_for[key] != current[key]]
        return "; ".join(f"{names[key]} {built_for[key]}, here {current[key]}" for key in differing)


def beside(path: Path) -> Path:
    """Return the path of the JSON file of the engine at `path`."""
    return path.with_name(path.name + ".json")


def to_json(engine: Engine) -> str:
    """Return the content of the JSON file of an engine."""
    content = asdict(engine)
    content = {"format": FORMAT, "engine": "tensorrt"} | content.pop("machine") | content
    return json.dumps(content, indent=2) + "\n"


def read(path: Path) -> Engine:
    """Read the facts about the engine at `path`. Raises ModelError if its JSON file is missing or of another engine."""
    rebuild = REBUILD.format(path=path)
    if not path.is_file():
        raise ModelError(f"there is no engine {str(path)!r}", rebuild)
    json_path = beside(path)
    try:
        content = from_json(json_path.read_bytes())
    except FileNotFoundError as problem:
        raise ModelError(f"{str(path)!r} lacks {json_path.name!r}, which says what it is", rebuild) from problem
    except (OSError, ValueError) as problem:
        raise ModelError(f"{str(json_path)!r} cannot be read: {problem}", rebuild) from problem
    if isinstance(content, dict) and content.get("format") not in (None, FORMAT):
        raise ModelError(f"{str(json_path)!r} is of format {content['format']!r}, this version reads {FORMAT}", rebuild)
    try:
        engine = _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as problem:
        raise ModelError(f"{str(json_path)!r} does not describe an engine ({problem!r})", rebuild) from problem
    if engine.sha256 != sha256_of(path):
        raise ModelError(f"{str(json_path)!r} is not the one of {str(path)!r}, or that is damaged", rebuild)
    return engine


def _parse(content: Any) -> Engine:
    """Return the engine that the content of a JSON file describes. Wrong contents raise any of the errors in `read`."""
    if content["format"] != FORMAT or content["engine"] != "tensorrt":
        raise ValueError("format or engine")
    engine = Engine(
        metadata={str(key): str(value) for key, value in content["metadata"].items()},
        machine=Machine(*(_text(content[key]) for key in ("gpu", "compute_capability", "tensorrt"))),
        precision=_text(content["precision"]),
        inputs={name: _dims(dims, 3) for name, dims in content["inputs"].items()},
        outputs={name: _dims(dims, 3) for name, dims in content["outputs"].items()},
        profile=Profile(*_dims([content["profile"][key] for key in ("min", "opt", "max")], 3)),
        onnx_sha256=_text(content["onnx_sha256"]),
        sha256=_text(content["sha256"]),
    )
    if len(engine.inputs) != 1 or engine.stride < 1:
        raise ValueError("inputs or outputs")
    return engine


def _text(value: object) -> str:
    """Return a string. Raises TypeError for another type."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _dims(value: list[object], length: int) -> tuple[int, ...]:
    """Return `length` positive whole numbers. Raises ValueError for other values."""
    if len(value) != length or not all(type(side) is int and side > 0 for side in value):
        raise ValueError(f"{value!r} are not {length} positive whole numbers")
    return tuple(value)  # type: ignore[arg-type]
