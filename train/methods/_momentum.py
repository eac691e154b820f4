"""The EMA momentum of a teacher by the length of the run: a short run needs a teacher that follows sooner.

The authors of BYOL give it for runs of 40, 100, 300 and 1000 epochs of ImageNet in batches of 4096 (Grill et al., 2020,
arXiv:2006.07733, table 7 and their published presets): 0.97, 0.99, 0.99, 0.996. Between these runs it is interpolated
over the logarithm of the steps; beyond them it stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from train.options import option

EPOCH = 1_281_167 / 4096
"""Steps."""
PRESETS = {40: 0.97, 100: 0.99, 300: 0.99, 1000: 0.996}


def momentum_option(of: str) -> Any:
    """The option of a method. of: what follows the student, for the help."""
    help = f"EMA momentum of the {of} at the start; it rises to 1.  auto: by the length of the run."
    return option(0.0, help, low=0, high=1, auto=True)


def momentum_for(asked: float, steps: int) -> float:
    """`asked`, or where that is 0 (auto) what a run of `steps` optimizer steps should have."""
    lengths = np.log([EPOCH * epochs for epochs in PRESETS])
    return asked or float(np.interp(np.log(max(1, steps)), lengths, list(PRESETS.values())))
