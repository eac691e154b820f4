"""Plugins: each source, sink and training method is a module, found by its file name.

Names and one-line descriptions are read without importing the modules, so that `--help` stays fast.
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
    """Return {name: first line of the docstring} of the public modules beside `package_file` (a package's `__file__`).

    offers: only modules that define a function of this name at their top level; "" = all.
    """
    return dict(_describe(package_file, offers))


@lru_cache(maxsize=32)  # opening a source asks for the kinds of sources every time
def _describe(package_file: str, offers: str) -> dict[str, str]:
    descriptions = {}
    for path in sorted(Path(package_file).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            text = path.read_text(encoding="utf-8")
            if not offers or re.search(rf"^def {offers}\(", text, re.MULTILINE):
                descriptions[path.stem] = _first_line(text)
    return descriptions


def modules_declaring(package_file: str, name: str) -> frozenset[str]:
    """Return the public modules beside `package_file` that set `name` to True at their top level, without an import."""
    return frozenset(
        path.stem
        for path in Path(package_file).parent.glob("[!_]*.py")
        if re.search(rf"^{name} = True$", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _first_line(text: str) -> str:
    """Return the first line of a module's docstring, "" if it has none. Parsing is slow, and the last resort."""
    if text.startswith('"""'):
        return text[3:].split("\n", 1)[0].split('"""', 1)[0].lstrip()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]


def load(package: str, name: str) -> ModuleType:
    """Import module `name` of `package`."""
    return importlib.import_module(f"{package}.{name}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest name, if one is near, and all `known` ones: "did you mean 'tum'? known: bag,
    tum"."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + "known: " + ", ".join(known)
