from __future__ import annotations

import ast
from pathlib import Path

import pytest

from streamseg import plugins, sinks, sources


def test_a_new_file_is_a_new_plugin(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('"""The contract."""')
    (tmp_path / "_shared.py").write_text('"""Not for users."""')
    (tmp_path / "radar.py").write_text('"""Echoes.\n\nMore."""\nraise RuntimeError("not imported")')
    assert plugins.describe(str(tmp_path / "__init__.py")) == {"radar": "Echoes."}


@pytest.mark.parametrize("package", [sources, sinks])
def test_every_plugin_describes_itself_and_can_be_opened(package) -> None:
    kinds = package.kinds()
    assert all(kinds.values())
    assert all(callable(plugins.load(package.__name__, name).open) for name in kinds)


def test_the_help_of_run_lists_them_all() -> None:
    from streamseg.cli.run import run

    text = (run.help or "") + "".join(str(p.help) for p in run.params)
    for name in [*sources.kinds(), *(name for name in sinks.kinds() if name != "window")]:
        assert name in text


def test_what_a_plugin_declares_is_read_without_importing_it(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("LOUD = True")
    (tmp_path / "radar.py").write_text('"""Echoes."""\nLOUD = True\nraise RuntimeError("not imported")')
    (tmp_path / "sonar.py").write_text('"""Pings."""\nLOUD = False')
    assert plugins.modules_declaring(str(tmp_path / "__init__.py"), "LOUD") == {"radar"}


def test_did_you_mean() -> None:
    assert plugins.did_you_mean("tun", ["tum", "co3d"]) == "did you mean 'tum'? known: co3d, tum"
    assert plugins.did_you_mean("zzz", ["tum"]) == "known: tum"


@pytest.mark.parametrize(
    "text", ['"""One line."""', '"""One\n\nmore"""\ndef open():\n    pass', "'''Single.'''", "x = 1", '""" Odd """']
)
def test_descriptions_are_what_python_says(text: str, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "one.py").write_text(text)
    first = (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]
    assert plugins.describe(str(tmp_path / "__init__.py")) == {"one": first}
    offered = plugins.describe(str(tmp_path / "__init__.py"), offers="open")
    assert offered == ({"one": first} if "def open" in text else {})
