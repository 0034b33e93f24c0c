"""Which sizes a network can have, so that another is refused by name before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


class SizeError(ValueError):
    """A size that there is not, or that a network cannot have; the message says what can be."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """What one size can be.

    least, most: bounds, both included. multiple: what it has to be a multiple of; where `per` names
    another size, of so many times that size. free_below: a size below this may be any.
    """

    least: int = 1
    most: int | None = None
    multiple: int = 1
    per: str = ""
    free_below: int = 0

    def bounds(self, size: object) -> str:
        """Say between what `size` should lie; empty where it does."""
        if not isinstance(size, int):  # a file may hold anything
            return "a whole number"
        if size >= self.least and (self.most is None or size <= self.most):
            return ""
        if self.most is None:
            return f"at least {self.least}"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"

    def grid(self, size: int, sizes: Mapping[str, int]) -> str:
        """Say of what `size` should be a multiple; empty where it is. sizes: all of them."""
        unit = self.multiple * (sizes[self.per] if self.per else 1)
        if size < self.free_below or size % unit == 0:
            return ""
        smaller = f", or less than {self.free_below}" if self.free_below else ""
        factor = f"{self.multiple} times {self.per}, so of " if self.per else ""
        return f"a multiple of {factor}{unit}{smaller}"


SizeRules = Mapping[str, SizeRule]
"""By name; a size without a row is at least 1."""

_USUAL = SizeRule()
SWITCH = SizeRule(0, 1)
SHARE_PERCENT = SizeRule(0, 99)


def exactly(size: int) -> SizeRule:
    """Return the rule of a size that the music decides."""
    return SizeRule(size, size)


def configuration(kind: type[Any], sizes: Mapping[str, int]) -> Any:
    """Return a configuration of the dataclass `kind`, whose `rules` say what its sizes can be.

    Raises SizeError, which names the size.
    """
    known = [part.name for part in fields(kind)]
    if unknown := sorted(set(sizes) - set(known)):
        raise SizeError(f"no size {unknown[0]!r}; there are: {', '.join(known)}")
    config = kind(**sizes)
    rules: SizeRules = kind.rules
    found: dict[str, int] = asdict(config)
    for name, size in found.items():
        if wanted := rules.get(name, _USUAL).bounds(size):
            raise SizeError(f"size {name} cannot be {size!r}; it has to be {wanted}")
    for name, size in found.items():  # by sizes that are not 0
        if wanted := rules.get(name, _USUAL).grid(size, found):
            raise SizeError(f"size {name} cannot be {size}; it has to be {wanted}")
    return config
