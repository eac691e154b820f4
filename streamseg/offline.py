"""Turns off the telemetry of the libraries that streamseg uses, before they are imported.

`import openvino` sends an event to an analytics host and writes into the home folder. Only a file in that folder, or
the absence of the package `openvino_telemetry`, prevents this. onnxruntime, Ray, the Hugging Face hub, W&B and MLflow
obey environment variables, which child processes inherit.
"""

from __future__ import annotations

import os
import sys

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def disable_telemetry() -> None:
    """Turn telemetry off for this process and its child processes. Call it before these libraries are imported.

    A module that is None in `sys.modules` cannot be imported: openvino then uses its own stub. A variable that the user
    has set, and a module that was imported before, stay as they are.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
