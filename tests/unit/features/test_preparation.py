from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamseg.features.preparation import THINNEST, input_size


@given(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), st.integers(16, 1024), st.sampled_from([8, 14, 16, 32]))
def test_input_size_is_a_multiple_and_keeps_the_aspect(frame: tuple[int, int], short: int, multiple: int) -> None:
    height, width = input_size(frame, short, multiple)
    assert height % multiple == width % multiple == 0
    assert min(height, width) >= multiple
    assert max(height, width) <= max(multiple, (THINNEST + 1) * max(short, multiple))
    if max(frame) > THINNEST * min(frame):  # squeezed
        return
    scale = short / min(frame)
    assert abs(height - max(multiple, frame[0] * scale)) <= multiple / 2 + 1
    assert abs(width - max(multiple, frame[1] * scale)) <= multiple / 2 + 1


def test_input_size_as_given() -> None:
    assert input_size((480, 640), (100, 300), 32) == (96, 288)
