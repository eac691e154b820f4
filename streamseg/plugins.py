"""One new file is one new thing: sources, sinks (and later methods) are modules found by their file name.

Names and one-line descriptions are read without importing anything, so that `--help` stays fast.
"""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType


def describe(package_file: str, offers: str = "") -> dict[str, str]:
    """Map each public module beside `package_file` (a package's `__file__`) to its docstring's first line, by name.

    offers: only modules that define a function of this name at their top level; "" = all.
    """
    return dict(_described(package_file, offers))


@lru_cache(maxsize=32)
def _described(package_file: str, offers: str) -> dict[str, str]:
    """Kept: parsing a folder takes 20 ms, and the kinds of sources are asked for with every uri."""
    found = {}
    for path in sorted(Path(package_file).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            if not offers or offers in functions:
                found[path.stem] = (ast.get_docstring(tree) or "").split("\n", 1)[0]
    return found


def load(package: str, name: str) -> ModuleType:
    """Import module `name` of `package`."""
    return importlib.import_module(f"{package}.{name}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that lists what is `known`, led by the nearest name: "did you mean 'tum'? known: co3d, davis, tum"."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + "known: " + ", ".join(known)
