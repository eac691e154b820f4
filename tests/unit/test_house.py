"""Rules that keep the code readable: names, and sizes of files, functions and folders. `make lint` checks imports."""

from __future__ import annotations

import ast
import re
from collections import Counter
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("streamseg", "train", "export")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
SCRIPTS = [path for folder in ("samples", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
JUNK = {"utils", "helpers", "common", "misc", "core", "manager"}
PLUGINS = {"train/methods", "streamseg/sinks", "streamseg/sources"}
"""Folders of plugins, of which there may be any number."""
LINES_OF_A_FILE, LINES_OF_A_FUNCTION, MODULES_OF_A_FOLDER = 250, 50, 16


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def long_functions(source: str) -> list[str]:
    """Return the functions in `source` that have more than LINES_OF_A_FUNCTION lines."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > LINES_OF_A_FUNCTION]


def libraries() -> set[str]:
    """Return the import names of the libraries that streamseg depends on."""
    needed = {re.split(r"[^\w.-]", line)[0].lower() for line in requires("streamseg") or ()}
    return {
        name
        for name, distributions in packages_distributions().items()
        if needed & {distribution.lower() for distribution in distributions}
    }


def test_no_module_shadows_a_library() -> None:
    # plugins are exempt: users type their names, and all imports are absolute
    names = {path.stem for path in FILES if named(path.parent) not in PLUGINS} | {path.parent.name for path in FILES}
    assert {"torch", "onnx", "cv2", "click"} <= libraries()
    assert not names & libraries()


def test_every_name_says_something() -> None:
    assert not {path.stem for path in FILES} & JUNK
    assert not {path.name for path in (ROOT / "streamseg").rglob("*") if path.is_dir()} & JUNK


@pytest.mark.parametrize("path", [*FILES, *SCRIPTS], ids=named)
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    assert lines <= LINES_OF_A_FILE
    assert long_functions(source) == []


def test_a_long_function_is_seen() -> None:
    body = "    pass\n" * LINES_OF_A_FUNCTION
    assert long_functions(f"class Some:\n  def long():\n{body}") == ["long"]
    assert long_functions(f"def fits():\n{body[len('    pass') + 1 :]}") == []


def test_no_folder_is_crowded() -> None:
    modules = Counter(path.parent for path in FILES if path.stem != "__init__")
    crowded = {named(folder): count for folder, count in modules.items() if count > MODULES_OF_A_FOLDER}
    assert set(crowded) <= PLUGINS, crowded
