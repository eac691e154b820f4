"""The EMA momentum of a teacher as a function of the length of the run: in a short run the teacher must follow sooner.

The authors of BYOL use 0.97, 0.99, 0.99 and 0.996 for 40, 100, 300 and 1000 epochs of ImageNet in batches of 4096
(Grill et al., 2020, arXiv:2006.07733, table 7 and their published presets). Between these lengths the momentum is
interpolated over the logarithm of the number of steps; beyond them it is constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from train.options import option

STEPS_PER_EPOCH = 1_281_167 / 4096
"""Steps of an epoch of ImageNet in batches of 4096."""
MOMENTUM_BY_EPOCHS = {40: 0.97, 100: 0.99, 300: 0.99, 1000: 0.996}


def momentum_option(network: str) -> Any:
    """Return the option of a method for the momentum. network: the network that follows the student, for the help."""
    help = f"EMA momentum of the {network} at the start; it rises to 1.  auto: by the length of the run."
    return option(0.0, help, low=0, high=1, auto=True)


def momentum_for(asked: float, steps: int) -> float:
    """Return `asked`, or if it is 0 (auto) the momentum for a run of `steps` optimizer steps."""
    lengths = np.log([STEPS_PER_EPOCH * epochs for epochs in MOMENTUM_BY_EPOCHS])
    return asked or float(np.interp(np.log(max(1, steps)), lengths, list(MOMENTUM_BY_EPOCHS.values())))
