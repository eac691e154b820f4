"""Ctrl-C ends the console scripts without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.start import _start


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", "def main():\n    raise KeyboardInterrupt"])
def test_ctrl_c_while_a_command_is_imported(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"interrupted_{len(code)}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as end:
        _start(name)
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
