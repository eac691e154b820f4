"""The console scripts. Ctrl-C prints no traceback even while a command is being imported."""

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
    """Run `streamseg`."""
    _start("streamseg.cli.main")


def train() -> None:
    """Run `train`."""
    _start("train.cli")


def export() -> None:
    """Run `export`."""
    _start("export.cli")
