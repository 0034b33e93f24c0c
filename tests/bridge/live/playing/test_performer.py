"""Committed notes to MIDI, and ends that plans still move."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.live.playing.performer import chance


@given(st.integers(0, 2**31), st.integers(-5000, 5000), st.integers(0, 127))
def test_chance_is_a_function_of_its_arguments(seed: int, step: int, pitch: int) -> None:
    assert 0 <= chance(seed, step, pitch) < 1
    assert chance(seed, step, pitch) == chance(seed, step, pitch)
    assert chance(seed, step, pitch) != chance(seed + 1, step, pitch)
