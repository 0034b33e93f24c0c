"""The engine's causal replay asks what the live session asks: state by state, and a whole song."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.request_window import Known, ahead_steps, plan_request
from bridge.settings.parameters import DEFAULTS
from engine.evaluation.rollout import LiveSettings, Rollout
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest, SampleSettings
from tests.session_rig import MS, clock, melody, rig

BEAT = 24
HELD = tuple(
    Note(beat * BEAT, 48 + beat * 5 % 12, 20 + beat * 7 % 40, ACCOMPANIMENT) for beat in range(64)
)
"""Notes of many lengths, one on every beat; some sound on into the next two."""


@st.composite
def melodies(draw: st.DrawFn) -> tuple[Note, ...]:
    """Notes and rests, end to end."""
    lengths = draw(st.lists(st.integers(1, 60), min_size=2, max_size=30))
    edges = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    notes = [Note(a, 60 + a % 20, b - a, LEAD) for a, b in pairwise(edges)]
    rests = draw(st.sets(st.integers(1, len(notes) - 1), max_size=5))
    return tuple(note for index, note in enumerate(notes) if index not in rests)


def test_it_is_played_as_the_parameters_say() -> None:
    told, live = DEFAULTS, LiveSettings()
    assert live.listen_bars == told["listen_bars"]
    assert live.context_bars == told["context_bars"]
    assert live.bpm == told["tempo"]


@settings(max_examples=30)
@given(
    lead=melodies(),
    horizon=st.sampled_from([0, 6, 24, 96]),
    meters=st.sampled_from(
        [
            MeterMap(((0, Meter(4, 4)),)),
            MeterMap(((-48, Meter(3, 4)),)),
            MeterMap(((0, Meter(7, 8)), (252, Meter(5, 4)))),
        ]
    ),
    context_bars=st.integers(1, 4),
)
def test_a_request_is_the_bridges_own(
    lead: tuple[Note, ...], horizon: int, meters: MeterMap, context_bars: int
) -> None:
    live = LiveSettings(1, context_bars, bpm=97.0)
    sampling = SampleSettings(seed=5, chords_from="melody")
    replay = Rollout(lead, meters, 480, live, sampling)
    bars = BeatLines(meters)
    heard_from = bars.bar(0)[0]
    for place in replay.places(horizon):
        now, song = place - horizon, SongMemory()
        for note in lead:
            if note.onset_step < now:  # what is held has no end yet
                end = note.end_step if note.end_step <= now else None
                song.input.add(RememberedNote(note.onset_step, end, note.pitch, 80, LEAD))
        ours = [note for note in HELD if 96 <= note.onset_step < place]
        for note in ours:
            song.reply.add(
                RememberedNote(note.onset_step, note.end_step, note.pitch, 80, ACCOMPANIMENT)
            )
        known = Known(now, heard_from, ((heard_from, now),))
        ahead = ahead_steps(horizon, live.bpm)
        memory = live.memory_beats
        wanted = plan_request(place, ahead, context_bars, memory, known, song, bars, sampling)
        assert replay.request(place, horizon, ours) == wanted


class Composer:
    """Plays HELD, whatever it hears, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[PlanRequest] = []

    def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request)
        return Plan(0, request.first_step, request.end_step, self.notes(request), 0, 1)

    def notes(self, request: PlanRequest) -> tuple[Note, ...]:
        return tuple(n for n in HELD if request.first_step <= n.onset_step < request.end_step)


def test_a_whole_song_is_asked_for_as_the_session_asks() -> None:
    """An engine of 450 ms has a horizon of one beat at 100 bpm."""
    beats = 24
    live = rig(delay_ns=lambda request: 450 * MS, answer=Composer().notes)
    live.add(clock(beats, bpm=100.0)).add(melody(beats, beat_ns=600 * MS)).run(beats * 600 * MS)
    asked = {request.end_step: replace(request, id=0) for _, request in live.requests}
    # Before, the engine's pace was not known; after, the song is over.
    settled = [asked[step] for step in range(408, 768, BEAT)]

    lead = tuple(
        Note(beat * BEAT, (72, 74, 76, 77, 79, 81, 83, 84)[beat % 8], BEAT, LEAD, velocity=100)
        for beat in range(beats)
    )
    told = LiveSettings(bpm=100.0)
    replay = Rollout(lead, settled[0].meters, beats * BEAT, told, settled[0].settings)
    heard = Composer()
    replay.perform(heard, BEAT)
    assert heard.asked[-15:] == settled
