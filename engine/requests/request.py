"""What the engine is asked: known cells, what is free, and how to fill it. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.music.grid import PIANO, GridError, MeterMap, PitchRange
from engine.music.roll import Mask, Note, PianoRoll, notes_to_roll

SAMPLERS = (
    "algorithm1",
    "renoise",
    "renoise-coupled",
    "renoise-joint",
    "ancestral",
    "ddim",
    "algorithm1-threshold",
    "renoise-threshold",
)
"""Reverse processes of the exported model; `-threshold` takes x0 > 0.5 instead of drawing x0,
`-coupled` draws it with the same number in every call, `-joint` draws onsets together with what
sounds before them."""

DOUBLINGS = ("avoid", "allow")
"""Whether the accompaniment may sound the lead's pitch while the lead does."""

CHORD_SOURCES = ("notes", "melody")
"""Whether known accompaniment speaks for the chords to come. `melody`: it does not, being what the
model itself played; a planner that hears its own chords repeats them (docs/training.md)."""

RHYTHMS = ("free", "keep")
"""For `vary`: new notes, or the source's onsets and lengths at new pitches."""

STYLES = ("any", "hymn", "song", "piano", "quartet")
"""Style conditions the default model is trained with; index 0 means unconditioned."""

DENSITY_BUCKETS = 12
"""Density conditions, 1 to 12; 0 means unconditioned (`engine.diffusion.batch.density_bucket`)."""


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How to fill: every field is a row of `bridge.settings.parameters` (or follows from one).

    density: wished accompaniment onsets per beat, or None for the model's own choice.
    variation: noise level to start from, 0..1; 1 is pure noise, less keeps the source (vary).
    pitch_classes: pitch classes the accompaniment may use (scale or chord lock); empty = all.
    low, high: register of the accompaniment, MIDI pitch. voices: most notes at once (with rhythm
    `keep` as many as the source has). doubling: one of DOUBLINGS. rhythm: one of RHYTHMS.
    chord_calls, chord_temperature: of the loop that draws the chords; chord_choices: how many
    plans it draws to choose from. chords_from: one of CHORD_SOURCES. figure: how much the bars of
    the accompaniment share a rhythm, 0..1.
    """

    steps: int = 6
    temperature: float = 0.7
    guidance: float = 1.0
    density: float | None = None
    variation: float = 1.0
    seed: int = 0
    style: str = "any"
    sampler: str = "renoise-joint"
    low: int = 21
    high: int = 108
    voices: int = 8
    doubling: str = "avoid"
    rhythm: str = "free"
    pitch_classes: frozenset[int] = field(default_factory=frozenset)
    chord_calls: int = 5
    chord_temperature: float = 0.7
    chord_choices: int = 24
    chords_from: str = "notes"
    figure: float = 0.0


@dataclass(frozen=True, slots=True)
class ChordCell:
    """A chord over the steps [first_step, end_step), absolute: its pitch classes, and the class
    of its lowest note, or None where that is left open. No classes: nothing sounds."""

    first_step: int
    end_step: int
    classes: frozenset[int]
    bass: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FillRequest:
    """Fill the unknown cells of `roll`. Any length: the generator slides a window over it.

    roll: known cells; for `vary` also the source under the unknown ones.
    known: Mask of the roll's shape. Known cells come back bit-exact.
    meters: bar lines in absolute steps, for bar phase. chords: those the accompaniment is to
    follow; where two hold for a beat the later one does. ends: the piece ends where the roll does.
    """

    roll: PianoRoll
    known: Mask
    meters: MeterMap = field(default_factory=MeterMap)
    settings: SampleSettings = field(default_factory=SampleSettings)
    chords: tuple[ChordCell, ...] = ()
    ends: bool = False

    def __post_init__(self) -> None:
        if self.known.shape != self.roll.cells.shape:
            raise GridError(f"mask {self.known.shape} does not fit roll {self.roll.cells.shape}")


@dataclass(frozen=True, slots=True)
class Span:
    """Steps [from_step, to_step) of one voice in which every cell is known."""

    voice: int
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A FillRequest as notes: what the bridge sends to the engine process.

    The steps [first_step, end_step) are asked for; `notes` are the known ones (for vary: the
    source); `known` says where they are the whole truth. Notes crossing a span's end are held as
    far as the span goes: beyond it their sustain is free, so a new plan may shorten them.
    chords, ends: as FillRequest has them.
    """

    id: int
    first_step: int
    end_step: int
    notes: tuple[Note, ...]
    known: tuple[Span, ...]
    meters: MeterMap = field(default_factory=MeterMap)
    settings: SampleSettings = field(default_factory=SampleSettings)
    chords: tuple[ChordCell, ...] = ()
    ends: bool = False

    def to_fill(self, pitches: PitchRange = PIANO) -> FillRequest:
        """Draw the notes and the mask."""
        roll = notes_to_roll(self.notes, self.first_step, self.end_step, pitches)
        known = np.zeros(roll.cells.shape, np.bool_)
        for span in self.known:
            start = max(span.from_step - self.first_step, 0)
            known[span.voice, ..., start : max(span.to_step - self.first_step, 0)] = True
        return FillRequest(roll, known, self.meters, self.settings, self.chords, self.ends)


@dataclass(frozen=True, slots=True)
class Plan:
    """The engine's answer to PlanRequest `id`: all notes of both voices in its steps.

    A note already sounding at `first_step` has no onset in the roll and is not among `notes`,
    except where the request's known notes hold it. `elapsed_ns` is engine time, `calls` the
    sampler calls used. `chords`: the harmony plan they follow, one cell a beat; none from a model
    without a planner.
    """

    id: int
    first_step: int
    end_step: int
    notes: tuple[Note, ...]
    elapsed_ns: int
    calls: int
    chords: tuple[ChordCell, ...] = ()
