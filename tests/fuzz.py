"""Mutations of valid inputs, the same ones for the same seed."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

from tests.steady import least

_ODD = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0xFE, 0x2C, 0x23, 0x2F)
"""Bytes that mean something to somebody: ends, signs, `,`, `#`, `/`."""


def mutants(corpus: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged inputs: bits flipped, bytes set, cut, doubled, spliced, sizes made absurd."""
    draw = random.Random(seed)
    for _ in range(count):
        data = bytearray(draw.choice(corpus))
        for _ in range(draw.choice((1, 1, 2, 3, 8))):
            draw.choice(_WAYS)(data, draw, corpus)
        yield bytes(data)


def _flip(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _set(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[draw.randrange(len(data))] = draw.choice((*_ODD, draw.randrange(256)))


def _cut(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    first = draw.randrange(len(data) + 1)
    del data[first : first + draw.choice((1, 2, 4, len(data)))]


def _insert(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    place = draw.randrange(len(data) + 1)
    data[place:place] = draw.randbytes(draw.choice((1, 3, 4, 16)))


def _double(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    first = draw.randrange(len(data) + 1)
    part = data[first : first + draw.choice((4, 8, 64))]
    data[first:first] = part * draw.choice((1, 2, 20))


def _splice(data: bytearray, draw: random.Random, corpus: Sequence[bytes]) -> None:
    other = draw.choice(corpus)
    data[draw.randrange(len(data) + 1) :] = other[draw.randrange(len(other) + 1) :]


def _size(data: bytearray, draw: random.Random, _: Sequence[bytes]) -> None:
    if len(data) >= 4:
        place = draw.randrange(len(data) - 3)
        value = draw.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x0000FFFF, len(data)))
        data[place : place + 4] = value.to_bytes(4, "big")


_WAYS = (_flip, _set, _cut, _insert, _double, _splice, _size)


def growth_bytes(act: Callable[[], None], enough: int) -> int:
    """How much more memory is held after an `act` than before it, in the best of a few.

    What leaks, leaks each time; what other threads of the tests keep meanwhile, they keep once.
    The first one below `enough` is the last.
    """
    act()
    gc.collect()
    tracemalloc.start()
    try:
        act()
        return int(least(lambda: _grown(act), enough))
    finally:
        tracemalloc.stop()


def _grown(act: Callable[[], None]) -> int:
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    act()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return after - before
