"""On which step and in which voice a note is heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.listening.input_recorder import PREROLL_NS, InputRecorder, Place, covered_steps
from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.listening.note_memory import SongMemory
from bridge.timebase import NS_PER_MS as MS
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap

BARS = MeterMap(((0, Meter(4, 4)),))


class Ear:
    """A InputRecorder fed with fractional steps."""

    def __init__(self, split: str = "highest", grid: str = "16+triplet") -> None:
        self.song = SongMemory()
        self.recorder = InputRecorder(self.song)
        self.recorder.split = split
        self.grid = grid

    def place(self, step: float) -> Place:
        return Place(step, self.grid, BARS, 120.0)

    def on(self, pitch: int, step: float, channel: int = 0, at_ns: int = 0) -> None:
        event = NoteEvent(Change.ON, at_ns, channel, pitch, 90)
        self.recorder.record(event, self.place(step))

    def off(self, pitch: int, step: float, channel: int = 0, change: Change = Change.OFF) -> None:
        self.recorder.record(NoteEvent(change, 0, channel, pitch), self.place(step))

    def note(self, pitch: int, step: float, end: float, channel: int = 0) -> None:
        self.on(pitch, step, channel)
        self.off(pitch, end, channel)

    def heard(self, now: int = 10_000) -> list[tuple[int, int, int, int]]:
        return [
            (n.onset_step, n.pitch, n.length_steps, n.voice)
            for n in self.song.input.notes(-10_000, 20_000, now)
        ]


def test_played_by_hand_heard_on_the_grid() -> None:
    ear = Ear()
    ear.note(72, 0.4, 23.1)
    ear.note(74, 24.7, 34.0)
    ear.note(76, 95.2, 120.9)  # 16 ms before the bar line
    assert ear.heard() == [(0, 72, 24, LEAD), (24, 74, 12, LEAD), (96, 76, 24, LEAD)]


def test_a_note_that_nearly_reaches_the_next_reaches_it() -> None:
    ear = Ear(grid="off")
    ear.note(72, 0, 21)
    ear.note(74, 24, 40)
    ear.note(76, 48, 60)
    assert [n[2] for n in ear.heard()] == [24, 16, 12]


def test_a_grace_note_does_not_hide_the_note_that_it_ornaments() -> None:
    ear = Ear()
    ear.on(76, 0)
    ear.off(76, 1)
    ear.on(72, 1)  # on the same step of the grid
    ear.off(72, 24)
    ear.note(74, 24, 48)
    heard = {(pitch, voice) for _, pitch, _, voice in ear.heard()}
    assert heard == {(76, ACCOMPANIMENT), (72, LEAD), (74, LEAD)}


def test_a_key_switch_outside_the_model_does_not_lead() -> None:
    ear = Ear()
    ear.on(112, 0)
    ear.note(72, 0, 24)
    ear.note(74, 24, 48)
    ear.off(112, 48)
    heard = {(pitch, voice) for _, pitch, _, voice in ear.heard()}
    assert heard == {(112, ACCOMPANIMENT), (72, LEAD), (74, LEAD)}


def test_an_open_note_lasts_until_now() -> None:
    ear = Ear()
    ear.on(72, 24)
    assert ear.heard(now=24) == [(24, 72, 1, LEAD)]
    assert ear.heard(now=40) == [(24, 72, 16, LEAD)]
    assert ear.recorder.sounding


def test_the_top_of_a_chord_leads_in_whatever_order_it_arrives() -> None:
    for order in ((60, 64, 79), (79, 60, 64), (64, 79, 60)):
        ear = Ear()
        for i, pitch in enumerate(order):
            ear.on(pitch, 0.1 * i)
        for pitch in order:
            ear.off(pitch, 24)
        assert {(n[1], n[3]) for n in ear.heard()} == {
            (60, ACCOMPANIMENT),
            (64, ACCOMPANIMENT),
            (79, LEAD),
        }


def test_a_bass_held_under_a_melody_is_accompaniment() -> None:
    ear = Ear()
    ear.on(48, 0)
    for i in range(3):
        ear.note(72 + i, 24 + 24 * i, 47 + 24 * i)
    ear.off(48, 96)
    assert {(n[1], n[3]) for n in ear.heard()} == {
        (48, ACCOMPANIMENT),
        (72, LEAD),
        (73, LEAD),
        (74, LEAD),
    }


def test_overlapping_fingers_do_not_split_a_melody() -> None:
    ear = Ear()
    ear.on(76, 0)
    ear.on(74, 24)  # down a tone before the key above is up
    ear.off(76, 26)
    ear.on(77, 48)  # and up
    ear.off(74, 50)
    ear.off(77, 72)
    assert {n[3] for n in ear.heard()} == {LEAD}


def test_a_pedal_does_not_make_chords_of_a_melody() -> None:
    ear = Ear()
    for i in range(4):
        ear.on(72 + i, 24 * i)
        ear.off(72 + i, 24 * i + 23, change=Change.LIFTED)
    for i in range(4):
        ear.off(72 + i, 96)
    assert [(n[0], n[2], n[3]) for n in ear.heard()] == [
        (0, 96, LEAD),
        (24, 72, LEAD),
        (48, 48, LEAD),
        (72, 24, LEAD),
    ]


def test_split_all_lead_and_by_channel() -> None:
    ear = Ear("all-lead")
    ear.note(60, 0, 24)
    ear.note(72, 0, 24)
    assert {n[3] for n in ear.heard()} == {LEAD}
    ear = Ear("channel")
    ear.note(60, 0, 24, channel=0)
    ear.note(72, 0, 24, channel=1)
    assert [(n[1], n[3]) for n in ear.heard()] == [(60, LEAD), (72, ACCOMPANIMENT)]


def test_notes_just_before_start_are_on_the_first_step() -> None:
    ear = Ear()
    for pitch, before in ((60, PREROLL_NS + 1), (62, PREROLL_NS), (64, 20 * MS)):
        ear.recorder.record_early(NoteEvent(Change.ON, 10**9 - before, 0, pitch, 90))
    ear.recorder.record_early(NoteEvent(Change.OFF, 10**9 - 50 * MS, 0, 62))
    ear.recorder.start(10**9, ear.place(96.0))
    assert [(n[0], n[1]) for n in ear.heard()] == [(96, 62), (96, 64)]
    assert ear.heard()[0][2] == 6  # 100 ms is nearest to a sixteenth


def test_a_jump_ends_held_notes_and_takes_early_ones_along() -> None:
    ear = Ear()
    ear.on(60, 340)
    ear.on(62, 383.5)  # ahead of the loop's end: belongs to what follows
    ear.song.jump(0)
    ear.recorder.jump(383.9, 0)
    ear.off(60, 5)
    ear.off(62, 24)
    assert [(n[0], n[1], n[2]) for n in ear.heard()] == [(0, 62, 24), (342, 60, 42)]


@pytest.mark.parametrize("end", [10, 100])
def test_stop_ends_held_notes(end: int) -> None:
    ear = Ear()
    ear.on(60, 0)
    assert ear.recorder.stop(float(end), 1000 * MS) == []
    assert ear.heard() == [(0, 60, end, LEAD)]
    assert not ear.recorder.sounding


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_steps_under_other_notes_are_counted_once(spans: list[tuple[int, int]]) -> None:
    steps = {step for start, end in spans for step in range(start, end)}
    assert covered_steps(spans) == len(steps)


@pytest.mark.parametrize(("under", "voice"), [(24, LEAD), (25, ACCOMPANIMENT)])
def test_a_note_under_a_higher_one_for_half_its_length_still_leads(under: int, voice: int) -> None:
    ear = Ear(grid="off")
    ear.on(60, 96)
    ear.on(72, 144 - under)
    ear.off(60, 144)
    ear.off(72, 160)
    assert {(n[1], n[3]) for n in ear.heard()} == {(60, voice), (72, LEAD)}


def test_the_same_key_again_ends_the_note_it_held() -> None:
    ear = Ear(grid="off")
    ear.on(60, 0)
    ear.on(60, 12)
    ear.on(60, 12.2)
    ear.off(60, 40)
    assert [(n[0], n[2]) for n in ear.heard()] == [(0, 12), (12, 1), (12, 28)]
    assert [entry.end_step for entry in ear.song.input.onsets(0, 20)] == [12, 13, 40]


@pytest.mark.parametrize(("end", "length"), [(20.0, 24), (19.9, 20), (28.0, 24), (28.1, 28)])
def test_legato_is_within_four_steps_of_the_next_onset(end: float, length: int) -> None:
    ear = Ear(grid="off")
    ear.on(60, 0)
    if end < 24:
        ear.off(60, end)
        ear.note(62, 24, 48)
    else:
        ear.on(62, 24)
        ear.off(60, end)
        ear.off(62, 48)
    assert ear.heard()[0][:3] == (0, 60, length)


def test_a_note_held_under_a_pedal_stays_open_when_the_next_begins() -> None:
    ear = Ear(grid="off")
    ear.on(60, 0)
    ear.off(60, 23, change=Change.LIFTED)
    ear.on(62, 24)
    assert ear.heard(now=90) == [(0, 60, 90, LEAD), (24, 62, 66, LEAD)]


def test_of_several_later_onsets_a_note_ends_at_the_nearest() -> None:
    ear = Ear(grid="8")
    ear.on(60, 0)
    ear.on(62, 12)
    ear.on(64, 24)
    ear.off(60, 27.9)
    assert ear.heard()[0][:3] == (0, 60, 24)


def test_an_early_note_ends_when_its_own_key_goes_up() -> None:
    ear = Ear(grid="off")
    for pitch, channel in ((60, 0), (62, 0), (62, 1)):
        ear.recorder.record_early(NoteEvent(Change.ON, 10**9, channel, pitch, 90))
    for change, ms, pitch in ((Change.LIFTED, 40, 62), (Change.OFF, 60, 62), (Change.OFF, 90, 62)):
        ear.recorder.record_early(NoteEvent(change, 10**9 + ms * MS, 0, pitch))
    ear.recorder.start(10**9 + 100 * MS, ear.place(0.0))
    # 60 ms at 120 bpm are 2.88 steps; the other two are held.
    assert sorted((n[1], n[2]) for n in ear.heard(now=50)) == [(60, 50), (62, 3), (62, 50)]


@pytest.mark.parametrize(
    ("onset", "start_ns", "moved"),
    [
        (342, None, False),
        (384, None, True),  # at the very step that was left
        (342, PREROLL_NS, True),  # just before a start
        (342, PREROLL_NS + 1, False),
    ],
)
def test_which_held_notes_a_jump_takes_along(onset: int, start_ns: int | None, moved: bool) -> None:
    ear = Ear(grid="off")
    ear.on(60, onset)
    ear.song.jump(0)
    ear.recorder.jump(384.0, 0, start_ns)
    assert ear.recorder.sounding is moved
    assert ear.recorder.last_onset_step == (0 if moved else None)
    first = ear.heard(now=20)[0]
    assert first[:3] == ((0, 60, 20) if moved else (onset, 60, 384 - onset))


def test_a_note_ended_by_a_jump_or_a_stop_lasts_a_step_at_least() -> None:
    ear = Ear()
    ear.on(60, 95.5)  # on the next bar line
    ear.recorder.stop(95.6, 1000 * MS)
    assert ear.heard() == [(96, 60, 1, LEAD)]
    assert [entry.end_step for entry in ear.song.input.onsets(0, 200)] == [97]
    ear = Ear(grid="off")
    ear.on(60, 10.4)
    ear.recorder.jump(10.1, 0)
    assert ear.heard()[0][:3] == (10, 60, 1)
    assert [entry.end_step for entry in ear.song.input.onsets(0, 200)] == [11]


@pytest.mark.parametrize(("ago_ns", "kept"), [(PREROLL_NS, [(2, 60)]), (PREROLL_NS + 1, [])])
def test_what_comes_just_before_a_stop_may_be_the_first_note_of_the_next_pass(
    ago_ns: int, kept: list[tuple[int, int]]
) -> None:
    ear = Ear()
    ear.on(60, 24, channel=2, at_ns=0)
    assert ear.recorder.stop(48.0, ago_ns) == kept
    assert len(ear.heard()) == 1 - len(kept)


@pytest.mark.parametrize(("ended", "leads"), [(5, True), (6, False)])
def test_a_grace_note_is_shorter_than_a_sixteenth(ended: int, leads: bool) -> None:
    ear = Ear(grid="off")
    ear.on(76, 0)
    ear.on(72, 0.1)
    ear.off(76, ended)
    ear.off(72, 24)
    assert {pitch for _, pitch, _, voice in ear.heard() if voice == LEAD} == {72 if leads else 76}
