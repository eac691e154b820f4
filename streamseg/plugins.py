"""One new file is one new thing: sources, sinks (and later methods) are modules found by their file name.

Names and one-line descriptions are read without importing anything, so that `--help` stays fast.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import re
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
    """Kept: the kinds of sources are asked for with every uri."""
    found = {}
    for path in sorted(Path(package_file).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            text = path.read_text(encoding="utf-8")
            if not offers or re.search(rf"^def {offers}\(", text, re.MULTILINE):
                found[path.stem] = _first_line(text)
    return found


def declaring(package_file: str, name: str) -> frozenset[str]:
    """The public modules beside `package_file` that set `name` to True at their top level; they are not imported."""
    return frozenset(
        path.stem
        for path in Path(package_file).parent.glob("[!_]*.py")
        if re.search(rf"^{name} = True$", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _first_line(text: str) -> str:
    """Of a module's docstring, "" without one. Parsing all modules would take as long as a thirtieth of a start."""
    if text.startswith('"""'):
        return text[3:].split("\n", 1)[0].split('"""', 1)[0].lstrip()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]


def load(package: str, name: str) -> ModuleType:
    """Import module `name` of `package`."""
    return importlib.import_module(f"{package}.{name}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that lists what is `known`, led by the nearest name: "did you mean 'tum'? known: co3d, davis, tum"."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + "known: " + ", ".join(known)
