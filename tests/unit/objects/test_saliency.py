from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamseg.backbones import Spec, open_backbone
from streamseg.features.objectness import attention_to_blank, objectness_of
from streamseg.objects.saliency import BACKGROUND_QUANTILE, BORDER, Saliency, parts

MAPS = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 0.3, 0.61, 0.97])
)


def flood(above: np.ndarray, row: int, column: int) -> frozenset[tuple[int, int]]:
    """The 8-connected cells of `above` that can be reached from one of them, step by step."""
    seen, left = set(), [(row, column)]
    while left:
        r, c = left.pop()
        if (r, c) in seen or not (0 <= r < above.shape[0] and 0 <= c < above.shape[1]) or not above[r, c]:
            continue
        seen.add((r, c))
        left += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return frozenset(seen)


def share_on_border(part: frozenset[tuple[int, int]], shape: tuple[int, ...]) -> float:
    """The share of the box's outline, in cell edges, that lies on the frame's border."""
    rows, columns = {r for r, _ in part}, {c for _, c in part}
    outline = 2 * (max(rows) - min(rows) + 1 + max(columns) - min(columns) + 1)
    edges = sum((r == 0) + (r == shape[0] - 1) + (c == 0) + (c == shape[1] - 1) for r, c in part)
    return edges / outline


@settings(max_examples=50, deadline=None)
@given(MAPS)
def test_parts_are_what_a_flood_fill_finds(saliency: np.ndarray) -> None:
    numbers, chosen = parts(saliency, low=0.2, peak=0.5)
    wanted = {flood(saliency > 0.2, *cell) for cell in np.argwhere(saliency > 0.2)}
    found = {n: frozenset(map(tuple, np.argwhere(numbers == n).tolist())) for n in np.unique(numbers[numbers > 0])}
    assert set(found.values()) == wanted
    assert len(found) == len(wanted)
    for number, part in found.items():
        strongest = max(float(saliency[cell]) for cell in part)
        assert (number in chosen) == (strongest > 0.5 + BORDER * share_on_border(part, saliency.shape))
    assert len(set(chosen)) == len(chosen)


def test_a_part_along_the_border_has_to_be_more_salient() -> None:
    inside, along = np.zeros((20, 20), np.float32), np.zeros((20, 20), np.float32)
    inside[6:14, 6:14] = 0.7
    along[:8, 6:14] = 0.7  # a quarter of its outline lies on the border: 0.6 + 0.6 / 4 = 0.75
    assert len(parts(inside, 0.5, 0.6)[1]) == 1
    assert parts(along, 0.5, 0.6)[1] == []
    assert len(parts(along * np.float32(0.8 / 0.7), 0.5, 0.6)[1]) == 1


def test_a_peak_below_low_chooses_nothing_that_is_not_above_low() -> None:
    numbers, chosen = parts(np.full((4, 4), 0.4, np.float32), low=0.5, peak=0.3)
    assert not numbers.any()
    assert chosen == []


@settings(max_examples=30, deadline=None)
@given(st.lists(hnp.arrays(np.float32, (6, 8), elements=st.floats(0, 100, width=32)), min_size=1, max_size=4))
def test_a_session_starts_with_the_scale_of_its_first_frames(maps: list[np.ndarray]) -> None:
    scale = Saliency(rate=0)
    scale.start(maps)
    low = np.quantile(np.stack(maps).astype(float), BACKGROUND_QUANTILE)
    high = np.median([m.max() for m in maps])
    if high - low > 1e-2:
        for m in maps:
            np.testing.assert_allclose(scale(m), (m - low) / (high - low), atol=2e-3)


def test_without_a_start_background_is_0_and_the_strongest_cell_1() -> None:
    level = np.full((8, 10), 3.0, np.float32)
    level[2:4, 2:5] = 11.0
    found = Saliency()(level)
    assert found.dtype == np.float32
    assert found.min() == 0
    assert found.max() == 1


def test_the_scale_follows_slowly() -> None:
    rng = np.random.default_rng(0)
    level = rng.uniform(1, 2, (12, 16)).astype(np.float32)
    scale = Saliency(rate=0.1)
    first = scale(level)
    brighter = scale(10 * level)
    assert brighter.max() > 3  # not on the new scale at once
    for _ in range(100):
        brighter = scale(10 * level)
    np.testing.assert_allclose(brighter, first, atol=0.01)


def test_equal_objectness_everywhere_is_no_saliency() -> None:
    found = Saliency()(np.full((4, 4), 2.0, np.float32))
    assert not found.any()


def test_objectness_is_the_energy_or_else_the_attention() -> None:
    energy = np.random.default_rng(0).random((2, 1, 3, 4), np.float32)
    attention = np.random.default_rng(1).random((2, 5, 3, 4), np.float32)
    found = objectness_of({"features": energy, "attention": attention, "energy": energy})
    assert found is not None
    np.testing.assert_array_equal(found, energy[:, 0])
    found[:] = -1
    assert energy.min() >= 0  # a copy: backbones use their arrays again
    assert objectness_of({"features": energy}) is None


def test_a_head_counts_as_much_as_the_energy() -> None:
    answer, energy = np.random.default_rng(0).random((2, 2, 1, 3, 4)).astype(np.float32)
    both = objectness_of({"energy": energy, "foreground": answer})
    np.testing.assert_allclose(both, np.exp((np.log(energy) + np.log(answer)) / 2)[:, 0], rtol=1e-5)
    again = objectness_of({"energy": 7 * energy, "foreground": answer})
    np.testing.assert_allclose(again, np.sqrt(7) * both, rtol=1e-5)  # the unit of the energy decides nothing
    alone = objectness_of({"foreground": answer})
    np.testing.assert_array_equal(alone, answer[:, 0])


def test_attention_of_all_heads_counts_and_one_patch_does_not_dominate() -> None:
    attention = np.full((2, 3, 12, 16), 1e-4, np.float32)
    attention[:, 0, 3:8, 4:10] = 0.03  # one head sees the object,
    attention[1, :, 10, 14] = 0.5  # and all of them look at one patch of the background
    found = objectness_of({"attention": attention})
    turned = objectness_of({"attention": attention[:, ::-1]})
    assert found is not None
    assert turned is not None
    np.testing.assert_allclose(found, turned, rtol=1e-5)
    assert found.shape == (2, 12, 16)
    assert found.min() >= 0
    for level in found:
        assert level[4:7, 5:9].min() > 3 * level[:, :2].max()
        assert level[4:7, 5:9].min() > 0.1 * level.max()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 1000), st.floats(-5, 5))
def test_saliency_does_not_depend_on_the_unit_of_the_objectness(factor: float, shift: float) -> None:
    level = np.random.default_rng(3).random((5, 7))
    np.testing.assert_allclose(Saliency()(level * factor + shift), Saliency()(level), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 5)])
def test_maps_of_one_row_or_cell(size: tuple[int, int]) -> None:
    assert Saliency()(np.ones(size, np.float32)).shape == size


def test_attention_that_a_place_gets_in_any_picture_does_not_count() -> None:
    blank = np.random.default_rng(0).uniform(1e-4, 1e-1, (12, 16)).astype(np.float32)
    attention = np.stack([blank, blank])[:, None]
    attention[1, 0, 4:7, 5:9] *= 4
    nothing, one = objectness_of({"attention": attention}, blank)  # type: ignore[misc]
    np.testing.assert_allclose(nothing, nothing.mean(), rtol=1e-4)
    assert one[5, 6:8].min() > 1.5 * np.median(one)
    assert np.unravel_index(one.argmax(), one.shape) in {(y, x) for y in range(4, 7) for x in range(5, 9)}


def test_attention_to_a_blank_image_is_what_a_network_gives_empty_pictures(shared: Path) -> None:
    weights = shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"
    backbone = open_backbone(Spec("timm:vit_tiny_patch16_224", str(weights)), (96, 160))
    blank = attention_to_blank(backbone.run, backbone.size)
    assert blank is not None
    assert blank.shape == (6, 10)
    assert blank[[0, 0, -1, -1], [0, -1, 0, -1]].mean() > 2 * np.median(blank)  # corners
    outputs = backbone.run(np.full((1, 3, 96, 160), 0.4, np.float32))  # another grey than that of the blank image
    with_blank, without = (objectness_of(outputs, b) for b in (blank, None))
    assert with_blank is not None
    assert without is not None
    assert with_blank.std() / with_blank.mean() < 0.5 * without.std() / without.mean()
    backbone.close()


def test_there_is_no_attention_to_a_blank_image_without_attention() -> None:
    backbone = open_backbone(Spec("efficientnet_lite0"), (64, 64))
    assert attention_to_blank(backbone.run, backbone.size) is None
    backbone.close()
