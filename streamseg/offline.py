"""No library that streamseg uses reports home: what counts users is turned off before it is imported.

`import openvino` sends an event to an analytics host and writes into the home folder; it knows no switch but a file in
that folder, and stays silent where the package `openvino_telemetry` is absent. onnxruntime, Ray, the Hugging Face
hub, W&B and MLflow heed environment variables, which child processes inherit.
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
    """Turn all of it off, for this process and those that it starts. Call it before these libraries are imported.

    A module that is None cannot be imported: openvino then takes its own stub instead. What somebody imported before,
    or set in the environment otherwise, stays as they wanted it.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
