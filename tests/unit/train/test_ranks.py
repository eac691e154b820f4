"""The rank of a process and the number of machines, by the environment variables of torchrun and srun."""

from __future__ import annotations

import pytest

from streamseg.errors import StreamsegError
from train.distributed import by_srun, is_local_rank_zero, is_rank_zero, node_count, trainer_devices
from train.one_machine import OneMachine
from train.settings import Settings

SRUN = {"SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4", "SLURM_NNODES": "2"}
NAMES = "RANK LOCAL_RANK NODE_RANK WORLD_SIZE LOCAL_WORLD_SIZE TORCHELASTIC_RUN_ID SLURM_PROCID SLURM_LOCALID"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES.split(), *SRUN):
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("rank", "local"), [(0, 0), (1, 1), (2, 0), (3, 1)])
def test_ranks_and_devices_of_srun_are_found(rank: int, local: int, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **SRUN, SLURM_PROCID=str(rank), SLURM_LOCALID=str(local))
    assert by_srun()
    assert (is_rank_zero(), is_local_rank_zero(), node_count()) == (rank == 0, local == 0, 2)
    found = trainer_devices(Settings(devices="cpu:2"))
    assert (found["devices"], found["num_nodes"]) == (2, 2)
    assert found["strategy"] == "ddp_find_unused_parameters_true"  # not the file of one machine
    with pytest.raises(StreamsegError, match="started 4 processes for 2 devices"):
        trainer_devices(Settings(devices="cpu:1"))


def test_ranks_and_devices_of_torchrun_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, RANK="2", LOCAL_RANK="0", WORLD_SIZE="4", LOCAL_WORLD_SIZE="2", **SRUN, SLURM_PROCID="0")
    assert not by_srun()  # srun started torchrun, which started this
    assert (is_rank_zero(), is_local_rank_zero(), node_count()) == (False, True, 2)


def test_a_shell_inside_an_allocation_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **SRUN | {"SLURM_JOB_NAME": "interactive"}, SLURM_PROCID="0")
    assert not by_srun()
    assert (is_rank_zero(), node_count()) == (True, 1)
    assert isinstance(trainer_devices(Settings(devices="cpu:2"))["strategy"], OneMachine)
