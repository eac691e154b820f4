"""The console scripts: whoever presses Ctrl-C while a command is still being loaded gets no traceback either."""

from __future__ import annotations

import importlib
import sys


def _start(module: str) -> None:
    try:
        importlib.import_module(module).main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def streamseg() -> None:
    """`streamseg`."""
    _start("streamseg.cli.main")


def train() -> None:
    """`train`."""
    _start("train.cli")


def export() -> None:
    """`export`."""
    _start("export.cli")
