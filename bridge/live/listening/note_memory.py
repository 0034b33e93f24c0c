"""What came in and what we played, remembered by song position.

A jump back plays over the old memory: what is passed again is written anew, what lies ahead stays
until then. Knows nothing of clocks, plans or MIDI. Steps are absolute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.music.grid import LEAD
from engine.music.roll import Note

_BUCKET_STEPS = 96
_LOOKBACK_STEPS = 4 * _BUCKET_STEPS
"""A finished note longer than this (16 beats) is not seen by windows that begin after it did."""
SEAM_STEPS = 6
"""A jump this close to the loop's seam goes around the loop: clocks and seeks are not exact."""
MOST_ENTRIES = 8192
"""Entries a track keeps; beyond it forgets those farthest from the present."""


@dataclass(slots=True, eq=False)
class RememberedNote:
    """One remembered note; `end_step` is None while it sounds. `sweep` numbers the jumps."""

    onset_step: int
    end_step: int | None
    pitch: int
    velocity: int
    voice: int
    channel: int = 0
    sweep: int = 0

    def end_at(self, now_step: int) -> int:
        """Return the end, or now for a note that still sounds; at least one step after the
        onset."""
        end = now_step if self.end_step is None else self.end_step
        return max(end, self.onset_step + 1)


@dataclass(frozen=True, slots=True)
class LoopRegion:
    """A loop: song position `start_step + n * length_steps + x` is remembered at x."""

    start_step: int
    length_steps: int

    def __call__(self, step: int) -> int:
        """Return the place within the first pass."""
        return self.start_step + (step - self.start_step) % self.length_steps

    def same_place(self, left: float, step: int) -> int | None:
        """Return the place near `left` that is `step` of another pass; None when there is none
        near."""
        nearest = step + round((left - step) / self.length_steps) * self.length_steps
        return nearest if abs(nearest - left) <= SEAM_STEPS else None

    def rest(self, step: int) -> int:
        """Return steps from `step` to the end of its pass; at least 1."""
        return self.length_steps - (step - self.start_step) % self.length_steps


class NoteMemory:
    """Notes by song position. Owner: the transport thread.

    `cursor` is the present: what is added lies at it or ahead, what it passes over and was there
    from an earlier time is forgotten. `region` makes the position wrap around a loop.
    """

    def __init__(self) -> None:
        self.cursor = 0
        self.sweep = 0
        self.region: LoopRegion | None = None
        self._buckets: dict[int, list[RememberedNote]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: RememberedNote) -> RememberedNote:
        """Remember a note from now on."""
        entry.sweep = self.sweep
        self._buckets.setdefault(self._folded(entry.onset_step) // _BUCKET_STEPS, []).append(entry)
        self._count += 1
        if self._count > MOST_ENTRIES:
            self._forget_farthest()
        return entry

    def remove(self, entry: RememberedNote) -> None:
        """Forget one note."""
        bucket = self._buckets.get(self._folded(entry.onset_step) // _BUCKET_STEPS, [])
        kept = [other for other in bucket if other is not entry]
        self._count -= len(bucket) - len(kept)
        bucket[:] = kept

    def advance(self, to_step: int) -> None:
        """Move the present on; memory from an earlier time in between is forgotten."""
        start, self.cursor = self.cursor, max(self.cursor, to_step)
        if self.region is not None:
            start = max(start, to_step - self.region.length_steps)
        for low, high, _ in self._segments(start, to_step):
            for bucket in self._buckets_of(low, high):
                kept = [e for e in bucket if not self._passed(e, low, high, start)]
                self._count -= len(bucket) - len(kept)
                bucket[:] = kept

    def jump(self, to_step: int) -> None:
        """Put the present elsewhere. Memory stays, but nothing sounds across the new place."""
        self.sweep += 1
        self.cursor = to_step
        for _, entry in self._entries(to_step - _LOOKBACK_STEPS, to_step):
            if self.region is None and entry.end_at(to_step) > to_step:
                entry.end_step = to_step

    def carry(self, from_step: int, to_step: int, length_steps: int) -> None:
        """Carry what began in the `length_steps` before `from_step` on to before `to_step`:
        the present is at `to_step`, and came from there."""
        self.cursor = to_step
        brought = self.onsets(from_step - length_steps, from_step)
        for entry in self.onsets(to_step - length_steps, to_step):
            self.remove(entry)
        by = to_step - from_step
        for entry in brought:
            end = min(to_step, entry.end_at(from_step) + by)
            self.add(replace(entry, onset_step=entry.onset_step + by, end_step=end))

    def clear(self, region: LoopRegion | None = None) -> None:
        """Forget everything; from now on wrap around `region`."""
        self._buckets.clear()
        self._count = 0
        self.region = region

    def notes(self, first_step: int, end_step: int, now_step: int) -> list[Note]:
        """Return notes that sound in [first_step, end_step); open ones last until `now_step`."""
        found = []
        for onset, entry in self._entries(first_step - _LOOKBACK_STEPS, end_step):
            length = entry.end_at(now_step) - entry.onset_step
            if onset + length > first_step:
                found.append(Note(onset, entry.pitch, length, entry.voice, entry.velocity))
        return sorted(found)

    def onsets(self, first_step: int, end_step: int) -> list[RememberedNote]:
        """Entries that begin in [first_step, end_step), as remembered (positions unfolded)."""
        return [entry for _, entry in self._entries(first_step, end_step)]

    def _folded(self, step: int) -> int:
        return step if self.region is None else self.region(step)

    def _segments(self, first_step: int, end_step: int) -> Iterator[tuple[int, int, int]]:
        """Folded ranges that make up [first_step, end_step), each with its shift back."""
        while first_step < end_step:
            stop = end_step
            if self.region is not None:
                stop = min(end_step, first_step + self.region.rest(first_step))
            folded = self._folded(first_step)
            yield folded, folded + stop - first_step, first_step - folded
            first_step = stop

    def _buckets_of(self, low: int, high: int) -> Iterator[list[RememberedNote]]:
        """Yield the buckets with the onsets at the folded steps [low, high)."""
        for key in range(low // _BUCKET_STEPS, (high - 1) // _BUCKET_STEPS + 1):
            yield self._buckets.get(key, [])

    def _entries(self, first_step: int, end_step: int) -> Iterator[tuple[int, RememberedNote]]:
        """(onset, entry) of the onsets in [first_step, end_step)."""
        for low, high, shift in self._segments(first_step, end_step):
            for bucket in self._buckets_of(low, high):
                for entry in bucket:
                    onset = self._folded(entry.onset_step)
                    if low <= onset < high:
                        yield onset + shift, entry

    def _passed(self, entry: RememberedNote, low: int, high: int, start: int) -> bool:
        if not low <= self._folded(entry.onset_step) < high:
            return False
        return entry.sweep < self.sweep or entry.onset_step < start

    def _forget_farthest(self) -> None:
        here = self._folded(self.cursor) // _BUCKET_STEPS
        for key in sorted(self._buckets, key=lambda key: -abs(key - here)):
            if self._count <= MOST_ENTRIES * 3 // 4:
                return
            self._count -= len(self._buckets.pop(key))


class SongMemory:
    """What came in (lead and accompaniment) and our own part."""

    def __init__(self) -> None:
        self.input = NoteMemory()
        self.reply = NoteMemory()

    def jump(self, step: int) -> None:
        """Go to `step`, out of order."""
        self.input.jump(step)
        self.reply.jump(step)

    def carry(self, from_step: int, to_step: int, length_steps: int, lag_steps: int) -> None:
        """Go on from `from_step` at `to_step`: bring what it is to answer, and what
        was answered. Ours lies `lag_steps` behind, where the melody was that it answers."""
        self.input.carry(from_step, to_step, length_steps)
        self.reply.carry(from_step - lag_steps, to_step - lag_steps, length_steps)

    def clear(self, region: LoopRegion | None = None) -> None:
        """Forget everything; from now on wrap around `region`."""
        self.input.clear(region)
        self.reply.clear(region)

    def lead_between(self, first_step: int, end_step: int) -> bool:
        """Say whether a lead note of the input begins in [first_step, end_step)."""
        return any(e.voice == LEAD for e in self.input.onsets(first_step, end_step))
