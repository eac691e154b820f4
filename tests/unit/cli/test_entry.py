"""The exit status of commands, and the messages for errors of libraries."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest

from streamseg.cli.entry import message_and_hint, run_command
from streamseg.errors import ModelError


def exit_of(error: BaseException | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple:
    @click.command()
    def command() -> None:
        if error:
            raise error

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as end:
        run_command(command, "command")
    return end.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (None, 0, []),
        (ModelError("no such\nmodel", "take another"), 1, ["error: no such model", "hint: take another"]),
        (OSError(28, "No space left on device"), 1, None),
        (ValueError("a bug"), 1, None),
        (KeyboardInterrupt(), 130, None),
        (click.UsageError("no such flag \x1b[2J"), 2, None),
        (SystemExit(7), 7, []),
    ],
)
def test_every_kind_of_end_has_its_exit_status(error, code: int, lines, capsys, monkeypatch) -> None:
    status, stderr = exit_of(error, capsys, monkeypatch)
    assert status == code
    assert "Traceback" not in "\n".join(stderr)
    assert "\x1b" not in "\n".join(stderr)
    if lines is not None:
        assert stderr == lines
    elif code == 1:
        assert [line.split(":")[0] for line in stderr] == ["error", "hint"]


def cv2_error() -> Exception:
    with pytest.raises(cv2.error) as caught:
        cv2.cvtColor(np.zeros((2, 2), np.uint8), cv2.COLOR_BGR2GRAY)
    return caught.value


def cv2_out_of_memory() -> Exception:
    with pytest.raises(cv2.error) as caught:
        cv2.copyMakeBorder(np.zeros((1, 1), np.uint8), 2**30, 2**30, 2**30, 2**30, cv2.BORDER_CONSTANT)
    return caught.value


def torch_out_of_memory() -> Exception:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.zeros(2**50)
    return caught.value


def numpy_out_of_memory() -> Exception:
    with pytest.raises(MemoryError) as caught:
        np.zeros(2**50)
    return caught.value


@pytest.mark.parametrize("raised", [MemoryError, cv2_out_of_memory, torch_out_of_memory, numpy_out_of_memory])
def test_too_little_memory_is_reported_as_such(raised: Any) -> None:
    assert message_and_hint(raised())[0] == "there is not enough memory"


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("Exception from src/inference: std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_too_little_memory_is_recognized_in_messages_and_in_causes(error: Exception) -> None:
    wrapped = RuntimeError("a library is corrupt or incomplete")
    wrapped.__cause__ = error
    assert message_and_hint(error) == message_and_hint(wrapped) == message_and_hint(MemoryError())


def test_a_library_that_cannot_be_loaded() -> None:
    with pytest.raises(ImportError) as caught:
        from streamseg import no_such_thing  # noqa: F401
    message, hint = message_and_hint(caught.value)
    assert "no_such_thing" in message
    assert "streamseg doctor" in hint


def test_a_path_with_a_nul_is_explained() -> None:
    with pytest.raises(ValueError, match="null byte") as caught:
        Path("a\0b").mkdir()
    assert "NUL" in message_and_hint(caught.value)[0]


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises((RuntimeError, OSError)) as caught:
        (tmp_path / "loop").resolve(strict=True)
    message, hint = message_and_hint(caught.value)
    assert "loop" in message
    assert hint.startswith("check the path")


def test_an_error_of_opencv_is_no_bug() -> None:
    message, hint = message_and_hint(cv2_error())
    assert "OpenCV cannot work on this picture" in message
    assert "bug" not in hint


@pytest.mark.parametrize("raised", [lambda: b"\xff".decode(), lambda: "\udcff".encode(), lambda: "é".encode("ascii")])
def test_text_that_is_not_unicode(raised: Any) -> None:
    with pytest.raises(UnicodeError) as caught:
        raised()
    assert "rename the file" in message_and_hint(caught.value)[1]


def test_a_bug_is_called_one() -> None:
    assert "this is a bug" in message_and_hint(KeyError("x"))[1]


def test_sigterm_is_an_interrupt(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(sys, "argv", ["command"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        run_command(command, "command")
    assert end.value.code == 130
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err.endswith("interrupted\n")
