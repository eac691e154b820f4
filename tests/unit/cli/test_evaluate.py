"""What `streamseg eval` refuses before it scores anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamseg.cli.evaluate import evaluate
from streamseg.errors import OutputError


def test_a_page_that_cannot_be_written_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *args, **options: False)  # as for a folder of another user
    done = CliRunner().invoke(evaluate, [str(tmp_path / "no such recording"), "--html", str(tmp_path / "page.html")])
    assert isinstance(done.exception, OutputError)
    assert "cannot write into" in done.exception.message
