"""When objects learn, and that their seed reaches everything random: the real functions run, and calls are noted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamseg.frame import Frame
from streamseg.objects import discovery, instances, motion


@pytest.mark.parametrize("quality", ["live", "high"])
def test_objects_learn_on_keyframes_only(shapes, make_salient, monkeypatch, quality: str) -> None:
    taught, seen = [], []
    real_cut, real_teaches = discovery.ObjectDiscovery._cut_key, discovery.ObjectDiscovery._teaches

    def cut_key(self, seen_frame):
        taught.append((seen_frame.frame.frame.index, seen_frame.frame.is_key))
        return real_cut(self, seen_frame)

    def teaches(self, frame):
        seen.append(frame.is_key)
        return real_teaches(self, frame)

    monkeypatch.setattr(discovery.ObjectDiscovery, "_cut_key", cut_key)
    monkeypatch.setattr(discovery.ObjectDiscovery, "_teaches", teaches)
    segmenter = make_salient(quality=quality, keyframes=2)
    still = shapes()[0]
    for index in range(48):
        segmenter.step(segmenter.plan(Frame(index, str(index), index / 25, still.rgb)))
    assert {True, False} == set(seen)  # after the start, each other frame is propagated
    assert len(taught) >= 3
    assert all(is_key for _, is_key in taught)


def test_the_seed_reaches_planes_grabcut_ransac_and_background(shapes, make_salient, monkeypatch) -> None:
    seeds: dict[str, set[int]] = {}

    def noted(module, name: str, seed_of: Callable) -> None:
        real = getattr(module, name)

        def call(*args, **kwargs):
            seeds.setdefault(name, set()).add(seed_of(*args, **kwargs))
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    noted(instances, "find_support", lambda depth, camera, seed=0: seed)
    noted(discovery, "cut", lambda *args, seed=0, **rest: seed)
    noted(motion, "_camera_flow", lambda flow, seed: seed)
    noted(discovery, "BackgroundMemory", lambda seed=0: seed)
    segmenter = make_salient(seed=7)
    for frame in [shapes()[i] for i in range(8)]:
        segmenter.step(frame)
    assert seeds == {name: {7} for name in ("find_support", "cut", "_camera_flow", "BackgroundMemory")}
