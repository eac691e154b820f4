"""The command `export` (also `streamseg export`)."""

from __future__ import annotations

import click

from export.commands.compare_command import compare
from export.commands.gpu_commands import tensorrt, triton
from export.commands.onnx_command import onnx
from export.commands.openvino_command import openvino
from streamseg.cli.entry import run_command
from streamseg.cli.help import CONTEXT


@click.group(context_settings=CONTEXT)
def group() -> None:
    """Export a backbone for other runtimes: ONNX, OpenVINO, TensorRT, Triton.

    Type `streamseg export`: `export` alone is a builtin of the shell, which prints nothing.
    """


for command in (onnx, openvino, tensorrt, triton, compare):
    group.add_command(command)


def main() -> None:
    """The console script."""
    run_command(group, "export")
