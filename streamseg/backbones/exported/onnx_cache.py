"""Networks as .onnx files in the user's cache folder: made once, all but the default one with torch, and then kept.

A file NAME.onnx belongs to NAME.json, which says what it is and carries its SHA-256: written last, it vouches for the
whole; a pair that does not match is made again.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import streamseg
from streamseg.backbones.contract import Log, Recipe
from streamseg.backbones.exported import cached
from streamseg.backbones.exported.onnx_file import Facts, read
from streamseg.cache import recall, remember, trim
from streamseg.errors import ModelError
from streamseg.files import safe_name, sha256_of

EXPORT_FORMAT = 4
"""Raise it whenever the same recipe gives another graph."""
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest difference between the exported network and torch, by precision; features lie in [-1, 1]."""


def onnx_file(recipe: Recipe, size: tuple[int, int], log: Log, precision: str = "fp32") -> tuple[Path, Facts]:
    """The exported network of `recipe` for images of `size`; exported now if the cache has none. Raises ModelError."""
    if recipe.kind == "onnx":
        if precision != "fp32":
            raise ModelError(f"{recipe.name} keeps the precision it was exported in", "leave --precision out")
        return Path(recipe.file), replace(read(Path(recipe.file)), sha256=recipe.sha256)
    path = cached.folder() / f"{file_stem(recipe, size, precision)}.onnx"
    facts = _cached(path, log)
    if facts is not None:
        log(f"using the exported network {path.name} from the cache")
        with suppress(OSError):
            path.touch()  # the longest unused goes first
    else:
        started = time.perf_counter()
        facts = _export(recipe, size, precision, path, log)
        log(f"kept as {path} after {time.perf_counter() - started:.1f} s")
        trim(path.parent, ".onnx")
    return path, facts


def file_stem(recipe: Recipe, size: tuple[int, int], precision: str) -> str:
    """A readable name that differs whenever the exported network would."""
    decides = asdict(recipe) | {
        "file": "" if recipe.sha256 else recipe.file,
        "input": size,
        "precision": precision,
        "streamseg": streamseg.__version__,
        "format": EXPORT_FORMAT,
    }
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return f"{safe_name(recipe.name).replace(' ', '_')}-{size[0]}x{size[1]}-{key}"


def _cached(path: Path, log: Log) -> Facts | None:
    """Facts about the exported file at `path`; None if there is none, or it is damaged (which is said)."""
    if not path.exists():
        return None
    said = recall(path.with_suffix(".json")) or {}
    with suppress(OSError, TypeError, KeyError):
        if sha256_of(path) == said["onnx_sha256"]:
            return Facts(**(said["facts"] | {"size": tuple(said["facts"]["size"] or ())}))
    log(f"the cached network {path} is damaged; making it again")
    return None


def _export(recipe: Recipe, size: tuple[int, int], precision: str, path: Path, log: Log) -> Facts:
    """Write, and only then give the file its name; what torch writes is first compared with what torch computes."""
    from streamseg.backbones.exported import lite0

    known = lite0.describes(recipe, precision)
    direct = known and recipe.sha256 == lite0.SHA256
    how = "" if direct else ", and takes some seconds with PyTorch"
    why = ": its weights are not those that are installed with streamseg" if known and not direct else ""
    log(f"preparing {recipe.name} for {size[0]}x{size[1]}; this happens once{how}{why}")
    with cached.written(path) as temporary:
        if direct:
            facts = lite0.write(recipe, size, temporary)
        else:
            from streamseg.backbones.networks import to_onnx

            network, facts = to_onnx.write(recipe, size, temporary, precision)
            to_onnx.verify(network, size, temporary, TOLERANCE[precision])
        digest = sha256_of(temporary)
    with cached.explained(path):
        remember(path.with_suffix(".json"), {"onnx_sha256": digest, "facts": asdict(facts)})
    return facts
