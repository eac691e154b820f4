"""Tests that a damaged compiled network is not used, but compiled again."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.backbones.exported.openvino_cache import compiled


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    return tmp_path


class Compiler:
    """A compiler that loads any bytes, as OpenVINO does."""

    made = 0

    def ask(self, key: str = "key") -> str:
        return compiled(key, load=bytes.decode, make=self.make, save=str.encode)

    def make(self) -> str:
        self.made += 1
        return "network"


@pytest.mark.parametrize("harm", [b"netwerk", b"net", b""])
def test_what_was_altered_is_made_again(cache: Path, harm: bytes) -> None:
    compiler = Compiler()
    assert [compiler.ask() for _ in range(3)] == ["network"] * 3
    assert compiler.made == 1
    (blob,) = cache.rglob("*.blob")
    blob.write_bytes(harm)
    assert [compiler.ask() for _ in range(3)] == ["network"] * 3
    assert compiler.made == 2
    assert compiler.ask("another key") == "network"
    assert compiler.made == 3


def test_what_cannot_be_loaded_is_made_again() -> None:
    def refuse(content: bytes) -> str:
        raise RuntimeError("a blob of another version")

    compiler = Compiler()
    assert compiler.ask() == "network"
    assert compiled("key", load=refuse, make=compiler.make, save=str.encode) == "network"
    assert compiler.made == 2


def test_what_cannot_be_saved_is_used_all_the_same(cache: Path) -> None:
    def refuse(network: str) -> bytes:
        raise RuntimeError("this device exports nothing")

    compiler = Compiler()
    assert compiled("key", load=bytes.decode, make=compiler.make, save=refuse) == "network"
    assert not list(cache.rglob("*.blob"))
