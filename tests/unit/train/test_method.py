"""Seeds: each pair of step and device has its own."""

from __future__ import annotations

import itertools

import torch

from train.method import combined_seed


def test_every_step_of_every_device_has_a_seed_of_its_own_that_torch_takes() -> None:
    numbers = list(itertools.product((0, 1, 2**31 - 1), range(40), (0, 1, 63, 64, 65, 5000)))
    seeds = [combined_seed(*one) for one in numbers]
    assert len(set(seeds)) == len(numbers)
    assert seeds == [combined_seed(*one) for one in numbers]
    with torch.random.fork_rng():
        for seed in (min(seeds), max(seeds)):
            torch.manual_seed(seed)
