from __future__ import annotations

import numpy as np

from streamseg.objects.background import FRAMES, LARGE, SIZE, BackgroundMemory, _nearest


def scene(seed: int, thing: int = 1, ground: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and loudness of a 6x6 thing on a ground of 20x20 cells, each with a look of its own and some noise."""
    random = np.random.default_rng(seed)
    looks = np.full((20, 20), ground)
    looks[7:13, 7:13] = thing
    features = np.moveaxis(np.eye(8, dtype=np.float32)[looks], 2, 0) + random.normal(0, 0.05, (8, 20, 20))
    features = (features / np.linalg.norm(features, axis=0)).astype(np.float32)
    return features, np.where(looks == thing, 1.0, 0.3).astype(np.float32) + random.random((20, 20), np.float32) * 0.1


def contrast(unlike: np.ndarray) -> float:
    """How much more unlike the thing is than the ground."""
    ground = np.ones((20, 20), bool)
    ground[7:13, 7:13] = False
    return float(unlike[7:13, 7:13].mean() - unlike[ground].mean())


def test_what_is_unlike_the_border_and_the_quiet_cells_stands_out() -> None:
    surroundings = BackgroundMemory()
    surroundings.start([scene(seed) for seed in range(3)])
    unlike = surroundings(*scene(3))
    assert unlike.shape == (20, 20)
    assert unlike.dtype == np.float32
    assert unlike.min() >= 0
    assert contrast(unlike) > 0.5


def test_the_first_frame_will_do_for_a_start() -> None:
    assert contrast(BackgroundMemory()(*scene(0))) > 0.5


def test_the_memory_follows_a_camera_that_moves_on() -> None:
    surroundings = BackgroundMemory()
    surroundings.start([scene(seed) for seed in range(3)])
    assert contrast(surroundings(*scene(3, thing=0))) < 0.1  # a thing that looks like the ground behind it
    for seed in range(4, 4 + FRAMES):
        surroundings(*scene(seed, thing=1, ground=2))
    assert contrast(surroundings(*scene(3, thing=0, ground=2))) > 0.5  # the old ground is forgotten


def test_what_is_loud_is_no_background_even_along_the_border() -> None:
    features, loud = (np.roll(each, 7, axis=-2) for each in scene(0))  # the thing stands at the bottom of the frame
    surroundings = BackgroundMemory()
    surroundings.start([(features, loud)])
    unlike = surroundings(features, loud)
    assert unlike[14:, 7:13].mean() > unlike[:14].mean() + 0.5


def test_same_frames_same_answer_and_another_network_starts_anew() -> None:
    answers = []
    for _ in range(2):
        surroundings = BackgroundMemory()
        surroundings.start([scene(0)])
        answers.append([surroundings(*scene(seed)) for seed in (1, 2)])
    np.testing.assert_array_equal(*answers)
    features, loud = scene(5)
    assert contrast(surroundings(np.concatenate([features, np.zeros_like(features)]), loud)) > 0.5


def test_attention_may_be_quiet_in_things_which_are_no_background_then() -> None:
    features, loud = scene(0)
    loud[7:13, 7:13] = 0.1  # quieter than the ground
    for attention in (False, True):
        surroundings = BackgroundMemory()
        surroundings.start([(features, loud)], attention)
        assert (contrast(surroundings(features, loud, attention)) > 0.5) == attention


def test_a_rounding_does_not_draw_other_cells() -> None:
    random = np.random.default_rng(1)
    features = random.standard_normal((8, 30, 40)).astype(np.float32)
    features /= np.linalg.norm(features, axis=0)
    level = random.random((30, 40)).astype(np.float32)
    rounded = level.copy()
    rounded[0, np.argmin(np.abs(level[0] - 0.5))] = 1.5  # one cell of the border is no background any more
    exact, other = (BackgroundMemory(), BackgroundMemory())
    exact.start([(features, level)] * 3)
    other.start([(features, rounded)] * 3)
    found, others = exact(features, level), other(features, rounded)
    same = np.isclose(found, others, atol=1e-5).mean()
    assert same > 0.9


def test_the_nearest_of_a_large_memory_is_the_mean_over_draws() -> None:
    """Against many draws that are made."""
    random = np.random.default_rng(0)
    alike = random.random((4 * SIZE, 5)).astype(np.float32) ** 8  # the most alike few stand out
    drawn = [alike[random.random(len(alike)) < 1 / 4].max(axis=0) for _ in range(4000)]
    np.testing.assert_allclose(_nearest(alike), np.mean(drawn, axis=0), atol=1e-3)  # the few behind are left out
    np.testing.assert_array_equal(_nearest(alike[:SIZE]), alike[:SIZE].max(axis=0))


def test_another_draw_of_many_cells_changes_little() -> None:
    random = np.random.default_rng(2)
    maps = [(random.standard_normal((8, 40, 60)).astype(np.float32), random.random((40, 60))) for _ in range(8)]
    maps = [(features / np.linalg.norm(features, axis=0), level) for features, level in maps]

    def change(size: int) -> float:
        """Between two seeds."""
        found = []
        for seed in range(2):
            memory = BackgroundMemory(seed, size)
            memory.start(maps)
            found.append(memory(*maps[0]))
        return float(np.abs(found[0] - found[1]).mean())

    assert change(LARGE) < change(SIZE) / 2


def test_a_set_of_photographs_that_becomes_a_video_costs_no_more_than_one() -> None:
    random = np.random.default_rng(3)
    features, level = random.standard_normal((8, 90, 120)).astype(np.float32), random.random((90, 120))
    memory = BackgroundMemory(size=LARGE)
    memory.start([(features, level)])
    memory.size = SIZE
    memory(features, level)
    assert len(memory._memory) == SIZE
