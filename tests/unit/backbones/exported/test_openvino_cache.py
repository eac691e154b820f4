"""A compiled network that a disk altered is made again, never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.backbones.exported.openvino_cache import compiled


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    return tmp_path


class Compiler:
    """Keeps what it makes as OpenVINO does: a file in the folder, which it takes unseen where it is there."""

    made = 0

    def __call__(self, folder: Path | None) -> bytes:
        if folder is None:
            return b"without a cache"
        path = folder / "1234.blob"
        if not path.exists():
            self.made += 1
            path.write_bytes(b"network")
        return path.read_bytes()


@pytest.mark.parametrize("harm", [b"netwerk", b"net", b""])
def test_what_was_altered_is_made_again(cache: Path, harm: bytes) -> None:
    compiler = Compiler()
    assert [compiled("key", compiler) for _ in range(3)] == [b"network"] * 3
    assert compiler.made == 1
    (blob,) = cache.rglob("*.blob")
    blob.write_bytes(harm)
    assert [compiled("key", compiler) for _ in range(3)] == [b"network"] * 3
    assert compiler.made == 2
    assert compiled("another key", compiler) == b"network"
    assert compiler.made == 3


def test_what_cannot_be_read_is_compiled_without_a_cache(cache: Path) -> None:
    def refuse(folder: Path | None) -> str:
        if folder:
            raise RuntimeError("a blob of another version")
        return "network"

    assert compiled("key", refuse) == "network"
    assert not list(cache.rglob("*.blob"))
