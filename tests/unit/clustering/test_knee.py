from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import argrelextrema

from streamseg.clustering.knee import extrema, find_knee


def test_a_clear_knee_is_found() -> None:
    knee = find_knee({2: 100.0, 3: 60.0, 4: 20.0, 5: 18.0, 6: 16.5, 7: 15.2, 8: 14.1})
    assert knee == (4, "knee")


def test_a_noisy_curve_is_made_monotone() -> None:
    clean = {2: 100.0, 3: 60.0, 4: 20.0, 5: 18.0, 6: 17.0, 7: 16.0}
    assert find_knee(clean | {6: 19.0}).k == 4  # K-Means ended in a worse optimum at 6 than at 5


def test_a_straight_line_has_no_knee_and_says_how_it_was_settled() -> None:
    knee = find_knee({k: 100.0 - 10 * k for k in range(2, 9)})
    assert knee.by == "chord"


def test_one_colour_is_not_split() -> None:
    assert find_knee(dict.fromkeys(range(2, 8), 0.0)) == (2, "only")


def test_a_short_range_leaves_no_choice() -> None:
    assert find_knee({5: 3.0}) == (5, "only")
    assert find_knee({4: 3.0, 5: 1.0}) == (5, "only")


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=15),
    st.integers(1, 6),
)
def test_the_answer_is_one_of_the_range(values: list[float], low: int) -> None:
    curve = {low + i: value for i, value in enumerate(values)}
    assert find_knee(curve).k in curve


@given(st.integers(3, 8), st.integers(0, 100))
def test_scaling_the_distortion_does_not_matter(true_k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    curve = {k: (100.0 * (true_k - k) + 10 if k < true_k else 10.0 / (k - true_k + 1)) for k in range(2, 11)}
    curve = {k: value * (1 + 0.001 * random.random()) for k, value in curve.items()}
    assert find_knee(curve).k == find_knee({k: 1e-3 * value for k, value in curve.items()}).k


def test_a_range_of_two_is_settled_by_how_the_curve_goes_on() -> None:
    assert find_knee({1: 100.0, 2: 20.0, 3: 18.0, 4: 17.0}, (2, 3)).k == 2
    assert find_knee({1: 100.0, 2: 60.0, 3: 20.0, 4: 19.0}, (2, 3)).k == 3


def test_what_is_outside_of_the_range_is_never_chosen() -> None:
    assert find_knee({2: 100.0, 3: 20.0, 4: 19.0, 5: 18.0, 6: 17.5}, (4, 6)).k in (4, 5, 6)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.sampled_from([np.greater_equal, np.less_equal]))
def test_extrema_are_those_of_scipy(values: list[int], comparator: np.ufunc) -> None:
    curve = np.array(values, float)
    np.testing.assert_array_equal(extrema(curve, comparator), argrelextrema(curve, comparator))


def test_loading_kneed_leaves_scipy_and_matplotlib_as_they_are() -> None:
    code = (
        "from streamseg.clustering.knee import find_knee; find_knee({2: 9., 3: 4., 4: 1., 5: .9, 6: .8}); import sys; "
        "assert 'scipy.signal' not in sys.modules; import scipy.signal; assert scipy.signal.firwin(3, 0.5).size == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
