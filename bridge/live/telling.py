"""What of the music is said to listeners: notes played, plans, chords, key, where we are.

Bounded: so many messages a beat and no more; the rest is dropped and counted. Knows nothing of
who listens. Owner: the transport thread. Places are in quarter notes from the song's start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bridge.commands import Effect, OscOut
from bridge.live.listening.input_recorder import PREROLL_NS
from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.plan_book import Answer
from engine.music.chord_names import MIXED, Chord
from engine.music.grid import STEPS_PER_BEAT
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note

MOST_PLAYED = 64
"""Messages about played notes in a beat."""
MOST_PLANNED = 60
"""Notes of a plan that are sent."""
_NOTES_A_MESSAGE = 20
"""Three numbers each: clients take 64 numbers in a message."""
_KEY_STEPS = 32 * STEPS_PER_BEAT
_KEY_MARGIN = 0.08
"""A new key must fit so much better, by correlation, than the one before."""


class Teller:
    """Tells of the music. key: the one read from what was played last; dropped: notes not sent."""

    def __init__(self, song: SongMemory, bars: BeatLines) -> None:
        self.key: Key | None = None
        self.dropped = 0
        self._song, self._bars = song, bars
        self._played = 0
        self._open: dict[tuple[int, int], tuple[float, int]] = {}
        self._chords: dict[int, Chord] = {}
        self._early: deque[NoteEvent] = deque(maxlen=MOST_PLAYED)
        self._sounding = ""

    def forget(self) -> None:
        """Plans are forgotten, so what was said of them does not hold."""
        self._chords.clear()

    def early(self, event: NoteEvent) -> None:
        """Keep a player's note while the song stands still: sent if the song begins at once."""
        self._early.append(event)

    def tell_early(self, now_ns: int, step_at: Callable[[int], float]) -> list[Effect]:
        """Tell that the song begins: what was played just before belongs to it."""
        events = [event for event in self._early if now_ns - event.at_ns <= PREROLL_NS]
        self._early.clear()
        return [effect for event in events for effect in self.played(event, step_at(event.at_ns))]

    def played(self, event: NoteEvent, step: float) -> list[Effect]:
        """Return a note of the player's begins (its duration is then 0) or ends."""
        key, beat = (event.channel, event.pitch), step / STEPS_PER_BEAT
        begun = (beat, event.velocity)
        if event.change is Change.ON:
            self._open[key] = begun
        elif event.change is Change.LIFTED or key not in self._open:
            return []
        else:
            begun = self._open.pop(key)
        self._played += 1
        if self._played > MOST_PLAYED:
            self.dropped += 1
            return []
        length = round(max(beat - begun[0], 0.0), 4)
        words = (event.pitch, begun[1], round(begun[0], 4), length)
        return [OscOut("/diffuse/out/played", words)]

    def plan(self, number: int, answer: Answer, first_step: int) -> list[Effect]:
        """Tell of a plan in force from `first_step` on: its notes, and its chords that are
        new."""
        notes = [note for note in answer.notes if note.onset_step >= first_step]
        self.dropped += max(len(notes) - MOST_PLANNED, 0)
        head = (number, first_step / STEPS_PER_BEAT, len(notes))
        effects: list[Effect] = [OscOut("/diffuse/out/plan", head)]
        for start in range(0, min(len(notes), MOST_PLANNED), _NOTES_A_MESSAGE):
            some = notes[start : min(start + _NOTES_A_MESSAGE, MOST_PLANNED)]
            words = number, *(value for note in some for value in _in_beats(note))
            effects.append(OscOut("/diffuse/out/planned", words))
        for step, chord in answer.chords:
            if step >= first_step and self._chords.get(step) != chord:
                self._chords[step] = chord
                effects.append(self._chord(step, chord))
        return effects

    def beat(
        self, step: int, position: float, bpm: float, decided: float, source: str
    ) -> list[Effect]:
        """Tell that a beat begins at `step`; `decided`: nothing before it changes any more."""
        self._played = 0
        effects: list[Effect] = []
        recent = self._song.input.notes(step - _KEY_STEPS, step, step)
        key = read_key(class_weights(recent), self.key, _KEY_MARGIN)
        if key is not None and key != self.key:
            self.key = key
            effects.append(OscOut("/diffuse/out/key", (str(key),)))
        first = self._bars.bar(step)[0]
        place = (self._bars.number(step), 1 + (step - first) / STEPS_PER_BEAT)
        beats = round(position / STEPS_PER_BEAT, 4)
        words = (beats, *place, round(bpm, 3), round(decided / STEPS_PER_BEAT, 4), source)
        effects.append(OscOut("/diffuse/out/horizon", words))
        return effects + self._begins(step)

    def _begins(self, step: int) -> list[Effect]:
        """Return the chord that sounds from this beat on, where it is another one."""
        past = [place for place in self._chords if place <= step]
        if not past:
            return []
        now = max(past)
        name = self._chords[now].name(self._names)
        for place in past:
            if place < now:
                del self._chords[place]
        if name == self._sounding:
            return []
        self._sounding = name
        return [OscOut("/diffuse/out/chord_now", (name,))]

    @property
    def _names(self) -> tuple[str, ...]:
        return self.key.names if self.key else MIXED

    def _chord(self, step: int, chord: Chord) -> OscOut:
        line = self._bars.bar(step)[0]
        name, bass = chord.name(self._names), chord.bass_name(self._names)
        beat = 1 + (step - line) / STEPS_PER_BEAT
        return OscOut("/diffuse/out/chord", (name, bass, self._bars.number(step), beat))


def _in_beats(note: Note) -> tuple[int, float, float]:
    beat, length = note.onset_step / STEPS_PER_BEAT, note.length_steps / STEPS_PER_BEAT
    return note.pitch, round(beat, 4), round(length, 4)
