"""How a decided note is played: which part it is of, how loud, how late, on which channel.

Knows nothing of plans, of queues or of what sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.live.clock.time_map import steps_in
from bridge.live.playing.scheduler import ScheduledNote
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS
from engine.music.grid import LEAD
from engine.music.roll import Note

_HUMANIZE_NS = 10 * NS_PER_MS
_HUMANIZE_VELOCITY = 0.2
_REPLY_SHARE = 0.8
"""The reply is this much softer than the melody."""
_LATEST_SHARE = 0.5
"""A strummed note begins in this part of its length, however slow the strum."""
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class BandPart:
    """The rows of the table that one part of the reply has of its own."""

    channel: str
    humanize: str


BASS = BandPart("bass_channel", "bass_humanize")
CHORDS_PART = BandPart("out_channel", "humanize")
MELODY_PART = BandPart("lead_channel", "lead_humanize")


def part_of(note: Note, beside: Sequence[Note]) -> BandPart:
    """Return the part of a note, by what else sounds where it begins. See `engine.scores.parts`."""
    if note.voice == LEAD:
        return MELODY_PART
    below = any(
        other.voice != LEAD
        and other.pitch < note.pitch
        and other.onset_step <= note.onset_step < other.end_step
        for other in beside
    )
    return CHORDS_PART if below else BASS


def chance(seed: int, *place: int) -> float:
    """Return a number in [0, 1) that depends on the arguments only (splitmix64)."""
    state = seed & _MASK
    for value in place:
        state = (state + (value & _MASK) * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state / (_MASK + 1)


def strum_steps(note: Note, beside: Sequence[Note], knobs: Knobs, bpm: float) -> float:
    """Return how much later than its chord a note begins; `beside` are the notes decided with
    it."""
    gap_ms = knobs.number("strum")
    if not gap_ms or note.voice == LEAD:
        return 0.0
    chord = {n.pitch for n in beside if n.onset_step == note.onset_step and n.voice != LEAD}
    before = sum(p < note.pitch if gap_ms > 0 else p > note.pitch for p in chord)
    later = steps_in(before * abs(gap_ms) * NS_PER_MS, bpm)
    return min(later, _LATEST_SHARE * note.length_steps)


def dress(
    note: Note,
    beside: Sequence[Note],
    part: BandPart,
    lead_velocity: float,
    knobs: Knobs,
    bpm: float,
) -> ScheduledNote:
    """Return the note as it is to be sent. beside: what is decided with it, itself among them."""
    fixed, human = knobs.integer("velocity"), knobs.number(part.humanize)
    human = knobs.number("humanize") if human < 0 else human
    velocity = float(fixed) if fixed else lead_velocity * _REPLY_SHARE
    onset = note.onset_step + strum_steps(note, beside, knobs, bpm)
    if human:
        place = (note.onset_step, note.pitch, note.voice)
        seed = knobs.integer("seed")
        velocity *= 1 + human * _HUMANIZE_VELOCITY * (2 * chance(seed, *place, 0) - 1)
        onset += steps_in(human * _HUMANIZE_NS * chance(seed, *place, 1), bpm)
    return ScheduledNote(
        onset_step=onset,
        end_step=float(note.end_step),
        channel=(knobs.integer(part.channel) or knobs.integer("out_channel")) - 1,
        pitch=note.pitch,
        velocity=max(1, min(127, round(velocity))),
    )
