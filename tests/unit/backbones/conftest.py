"""Networks for the tests of backbones: real weights, one cache folder for the session, each network opened once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamseg.backbones import Backbone, Spec, open_backbone
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import Engine, Machine, Profile
from streamseg.files import sha256_of

SIZE = (96, 160)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    """An empty cache folder for the tests, so that they do not use the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMSEG_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def specs(request: pytest.FixtureRequest) -> Callable[[str], Spec]:
    """Specs by short name. Those with shared weights skip if the shared folder is absent."""

    def spec(name: str) -> Spec:
        if name == "efficientnet":
            return Spec("efficientnet_lite0", layers=(5,))
        if name == "joined":
            return Spec("efficientnet_lite0", layers=(4, 5))
        weights: Path = request.getfixturevalue("shared") / "weights"
        if name == "resnet18":
            file = weights / "resnet18_imagenet_stem_to_layer3.safetensors"
            return Spec("resnet18", weights=str(file), layers=(4,))
        return Spec("timm:vit_tiny_patch16_224", weights=str(weights / "vit_tiny_patch16_224_imagenet.safetensors"))

    return spec


@pytest.fixture(scope="session")
def opened(specs: Callable[[str], Spec]) -> Callable[[str, str], Backbone]:
    """A function that opens a backbone by engine and short name, for images of SIZE."""
    known: dict[tuple[str, str], Backbone] = {}

    def get(engine: str, name: str) -> Backbone:
        if (engine, name) not in known:
            known[engine, name] = open_backbone(specs(name), SIZE, engine=engine, device="cpu", precision="fp32")
        return known[engine, name]

    return get


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Two different smooth images, (2, 3, H, W) float32 in [0, 1]."""
    height, width = SIZE
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(9 * rows * k + 7 * columns * (4 - k)) for k in (1, 2, 3)]
    first = np.stack(waves) * 0.5 + 0.5
    second = np.random.default_rng(0).random((3, height, width)) * 0.3 + 0.7 * first[::-1, ::-1]
    return np.stack([first, second]).astype(np.float32)


@pytest.fixture
def engine(tmp_path):
    """The path and the facts of a file for 96x160 that is not a real engine, with a valid JSON file."""
    path = tmp_path / "net.plan"
    path.write_bytes(b"serialized")
    facts = Engine(
        metadata={"backbone": "resnet18", "stride": "16", "licence": "BSD-3-Clause", "method": "byol"},
        machine=Machine("NVIDIA L4", "8.9", "10.16.1.11"),
        precision="fp16",
        inputs={"images": (3, 96, 160)},
        outputs={"features": (256, 6, 10)},
        profile=Profile(1, 4, 8),
        onnx_sha256="0" * 64,
        sha256=sha256_of(path),
    )
    engine_file.beside(path).write_text(engine_file.to_json(facts), encoding="utf-8")
    return path, facts
