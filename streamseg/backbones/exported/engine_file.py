"""What stands beside a TensorRT engine: NAME.plan belongs to NAME.plan.json.

An engine is bound to the GPU model and to the exact TensorRT that built it. The JSON says which these are, with the
facts of the ONNX file that it came from, so that a wrong engine is told before anything of CUDA is loaded.
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
"""Raise it whenever older readers cannot understand the JSON."""
REBUILD = "build it again with `streamseg export tensorrt MODEL -o {path}`, which writes both"


@dataclass(frozen=True)
class Machine:
    """What an engine is bound to. gpu: its name. compute_capability: "9.0". tensorrt: the version, "10.16.1.11"."""

    gpu: str
    compute_capability: str
    tensorrt: str


@dataclass(frozen=True)
class Profile:
    """Batch sizes: the smallest and largest that the engine takes, and the one it is tuned for. 1 <= min <= opt <= max.

    Raises ModelError for anything else.
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
        """The smallest, best and largest input shape for one `image` (3, H, W)."""
        return (self.min, *image), (self.opt, *image), (self.max, *image)


@dataclass(frozen=True)
class Engine:
    """One engine. metadata: metadata_props of the ONNX file. precision: of its graph. inputs, outputs: name to the
    dimensions of one image, without the batch. onnx_sha256, sha256: of the ONNX file and of the engine itself.
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
        """Why the engine cannot run `here`, in words; "" where it can."""
        its, mine = asdict(self.machine), asdict(here)
        names = {"gpu": "GPU", "compute_capability": "compute capability", "tensorrt": "TensorRT"}
        return "; ".join(f"{names[key]} {its[key]}, here {mine[key]}" for key in its if its[key] != mine[key])


def beside(path: Path) -> Path:
    """The JSON of the engine at `path`."""
    return path.with_name(path.name + ".json")


def to_json(engine: Engine) -> str:
    """What is written to `beside(path)`."""
    content = asdict(engine)
    content = {"format": FORMAT, "engine": "tensorrt"} | content.pop("machine") | content
    return json.dumps(content, indent=2) + "\n"


def read(path: Path) -> Engine:
    """The facts of the engine at `path`. Raises ModelError where its JSON is absent, damaged or of another engine."""
    rebuild = REBUILD.format(path=path)
    if not path.is_file():
        raise ModelError(f"there is no engine {str(path)!r}", rebuild)
    json_path = beside(path)
    try:
        said = from_json(json_path.read_bytes())
    except FileNotFoundError as problem:
        raise ModelError(f"{str(path)!r} lacks {json_path.name!r}, which says what it is", rebuild) from problem
    except (OSError, ValueError) as problem:
        raise ModelError(f"{str(json_path)!r} cannot be read: {problem}", rebuild) from problem
    if isinstance(said, dict) and said.get("format") not in (None, FORMAT):
        raise ModelError(f"{str(json_path)!r} is of format {said['format']!r}, this version reads {FORMAT}", rebuild)
    try:
        engine = _parse(said)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as problem:
        raise ModelError(f"{str(json_path)!r} does not describe an engine ({problem!r})", rebuild) from problem
    if engine.sha256 != sha256_of(path):
        raise ModelError(f"{str(json_path)!r} is not the one of {str(path)!r}, or that is damaged", rebuild)
    return engine


def _parse(said: Any) -> Engine:
    """The inverse of `to_json`; raises whatever a wrong content raises."""
    if said["format"] != FORMAT or said["engine"] != "tensorrt":
        raise ValueError("format or engine")
    engine = Engine(
        metadata={str(key): str(value) for key, value in said["metadata"].items()},
        machine=Machine(*(_text(said[key]) for key in ("gpu", "compute_capability", "tensorrt"))),
        precision=_text(said["precision"]),
        inputs={name: _dims(dims, 3) for name, dims in said["inputs"].items()},
        outputs={name: _dims(dims, 3) for name, dims in said["outputs"].items()},
        profile=Profile(*_dims([said["profile"][key] for key in ("min", "opt", "max")], 3)),
        onnx_sha256=_text(said["onnx_sha256"]),
        sha256=_text(said["sha256"]),
    )
    if len(engine.inputs) != 1 or engine.stride < 1:
        raise ValueError("inputs or outputs")
    return engine


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _dims(value: list[object], length: int) -> tuple[int, ...]:
    if len(value) != length or not all(type(side) is int and side > 0 for side in value):
        raise ValueError(f"{value!r} are not {length} positive whole numbers")
    return tuple(value)  # type: ignore[arg-type]
