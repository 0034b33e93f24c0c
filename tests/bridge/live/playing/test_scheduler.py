"""Order, lateness and the ledger: what is on goes off, once."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.live.playing.scheduler import Due, ScheduledNote, Scheduler
from bridge.midi_messages import note_off, panic_messages


def note(
    onset: float, end: float, pitch: int = 60, channel: int = 0, velocity: int = 80
) -> ScheduledNote:
    return ScheduledNote(onset, end, channel, pitch, velocity)


def on(step: float, pitch: int = 60, channel: int = 0, velocity: int = 80) -> Due:
    return Due(step, (0x90 | channel, pitch, velocity))


def off(step: float, pitch: int = 60, channel: int = 0) -> Due:
    return Due(step, (0x80 | channel, pitch, 0))


def filled(*notes: ScheduledNote) -> Scheduler:
    scheduler = Scheduler()
    for each in notes:
        scheduler.add(each)
    return scheduler


def test_notes_come_in_order_offs_before_ons() -> None:
    scheduler = filled(note(24, 48, 64), note(0, 24, 60), note(24, 36, 67, channel=3))
    assert scheduler.next_step() == 0
    assert scheduler.due(-0.1, 4) == []
    assert scheduler.due(0, 4) == [on(0)]
    assert scheduler.next_step() == 24
    assert scheduler.sounding == {(0, 60)}
    assert scheduler.due(24.5, 4) == [off(24), on(24, 64), on(24, 67, channel=3)]
    assert scheduler.due(100, 4) == [off(36, 67, 3), off(48, 64)]
    assert (scheduler.next_step(), scheduler.sent, scheduler.late) == (None, 3, 0)


def test_same_step_keeps_the_order_of_adding() -> None:
    scheduler = filled(*(note(0, 10, pitch) for pitch in (67, 60, 64)))
    assert [due.data[1] for due in scheduler.due(0, 1)] == [67, 60, 64]


def test_a_late_note_is_dropped_with_its_off_and_counted() -> None:
    scheduler = filled(note(0, 24), note(3, 27, 62))
    assert scheduler.due(5, 2) == [on(3, 62)]
    assert scheduler.late == 1
    assert scheduler.due(100, 2) == [off(27, 62)]


def test_exactly_at_the_limit_is_not_late() -> None:
    assert filled(note(0, 24)).due(2, 2) == [on(0)]


def test_a_note_that_is_over_is_not_begun() -> None:
    scheduler = filled(note(0, 1))
    assert scheduler.due(1, 10) == []
    assert (scheduler.late, scheduler.next_step()) == (1, None)


def test_an_off_comes_however_late() -> None:
    scheduler = filled(note(0, 24))
    scheduler.due(0, 1)
    assert scheduler.due(10_000, 1) == [off(24)]


def test_a_sounding_pitch_is_ended_before_it_sounds_again() -> None:
    scheduler = filled(note(0, 48), note(24, 30))
    assert scheduler.due(0, 1) == [on(0)]
    assert scheduler.due(24, 1) == [off(24), on(24)]
    assert scheduler.due(100, 1) == [off(30)]


def test_the_same_note_twice_sounds_once_and_as_long_as_the_longer() -> None:
    scheduler = filled(note(0, 24), note(0, 36, velocity=99), note(0, 12))
    assert scheduler.due(0, 1) == [on(0)]
    assert scheduler.due(100, 1) == [off(36)]


def test_another_channel_is_another_note() -> None:
    scheduler = filled(note(0, 24, channel=1), note(12, 24, channel=2))
    assert scheduler.due(12, 20) == [on(0, channel=1), on(12, channel=2)]
    assert scheduler.sounding == {(1, 60), (2, 60)}


def test_end_at_shortens_and_stretches_what_sounds() -> None:
    scheduler = filled(note(0, 48), note(0, 48, 64))
    scheduler.due(0, 1)
    assert scheduler.end_at(0, 60, 12)
    assert scheduler.end_at(0, 64, 60)
    assert not scheduler.end_at(0, 72, 12)
    assert [(n.pitch, n.end_step) for n in scheduler.sounding_notes] == [(60, 12), (64, 60)]
    assert scheduler.due(48, 1) == [off(12)]
    assert scheduler.due(60, 1) == [off(60, 64)]


def test_end_at_a_step_gone_by_ends_at_once() -> None:
    scheduler = filled(note(0, 48))
    scheduler.due(10, 10)
    scheduler.end_at(0, 60, 3)
    assert scheduler.next_step() == 10
    assert scheduler.due(10.5, 1) == [off(10)]


def test_drop_from_forgets_onsets_not_what_sounds() -> None:
    scheduler = filled(note(0, 48), note(23.9, 30, 62), note(24, 30, 64), note(30, 40, 65))
    scheduler.due(0, 1)
    assert scheduler.drop_from(24) == 2
    assert [n.pitch for n in scheduler.queued] == [62]
    assert scheduler.due(100, 100) == [off(48)]  # 62 is over by then


def test_all_off_ends_everything_and_forgets_the_rest() -> None:
    scheduler = filled(note(0, 48), note(0, 48, 64, channel=5), note(96, 100))
    scheduler.due(0, 1)
    assert scheduler.all_off() == [(0x80, 60, 0), (0x85, 64, 0)]
    assert scheduler.all_off() == []
    assert scheduler.next_step() is None
    assert scheduler.due(1000, 1000) == []


def test_after_all_off_the_song_may_be_earlier() -> None:
    scheduler = filled(note(100, 120))
    scheduler.due(100, 1)
    scheduler.all_off()
    scheduler.add(note(0, 24))
    assert scheduler.due(0, 1) == [on(0)]
    scheduler.end_at(0, 60, 12)
    assert scheduler.due(12, 1) == [off(12)]


def test_a_note_without_length_is_given_one() -> None:
    scheduler = filled(note(10, 9))
    assert scheduler.due(10, 1) == [on(10)]
    assert scheduler.due(10.25, 1) == [off(10.25)]


@pytest.mark.parametrize(
    ("channel", "pitch", "velocity", "onset"),
    [(16, 60, 80, 0), (-1, 60, 80, 0), (0, 128, 80, 0), (0, 60, 0, 0), (0, 60, 80, math.nan)],
)
def test_what_midi_cannot_say_is_refused(
    channel: int, pitch: int, velocity: int, onset: float
) -> None:
    with pytest.raises(ValueError, match="want"):
        ScheduledNote(onset, 24, channel, pitch, velocity)


def test_panic_silences_every_channel() -> None:
    messages = panic_messages()
    assert len(messages) == 48
    assert messages[:3] == [(0xB0, 64, 0), (0xB0, 123, 0), (0xB0, 120, 0)]
    assert {message[0] for message in messages} == set(range(0xB0, 0xC0))


steps = st.floats(-50, 200).map(lambda step: round(step * 4) / 4) | st.floats(-50, 200)
LIMIT = 3.0


class Ledger(RuleBasedStateMachine):
    """Any order of calls against a synth that only counts what is on."""

    @initialize()
    def begin(self) -> None:
        self.scheduler = Scheduler()
        self.synth: Counter[tuple[int, int]] = Counter()
        self.position = -60.0
        self.added = 0
        self.forgotten = 0

    def hear(self, data: tuple[int, ...]) -> None:
        key = (data[0] & 0x0F, data[1])
        if data[0] & 0xF0 == 0x90:
            assert self.synth[key] == 0, "on while on"
            self.synth[key] = 1
        else:
            assert data[0] & 0xF0 == 0x80
            assert self.synth[key] == 1, "off while off"
            self.synth[key] = 0

    def hear_due(self) -> None:
        due = self.scheduler.due(self.position, LIMIT)
        assert [each.step for each in due] == sorted(each.step for each in due)
        for each in due:
            assert each.step <= self.position
            if each.data[0] & 0xF0 == 0x90:
                assert self.position - each.step <= LIMIT, "played late"
            self.hear(each.data)

    @rule(onset=steps, length=st.floats(-1, 60), channel=st.integers(0, 1), pitch=st.integers(0, 2))
    def add(self, onset: float, length: float, channel: int, pitch: int) -> None:
        self.scheduler.add(ScheduledNote(onset, onset + length, channel, pitch, 1 + pitch))
        self.added += 1

    @rule(onset=steps, pitches=st.lists(st.integers(0, 4), max_size=4))
    def add_chord(self, onset: float, pitches: list[int]) -> None:
        for pitch in pitches:
            self.add(onset, 6.0, 0, pitch)

    @rule(by=st.floats(0, 20))
    def go_on(self, by: float) -> None:
        self.position += by
        self.hear_due()

    @rule()
    def wait_for_next(self) -> None:
        step = self.scheduler.next_step()
        if step is not None:
            before = len(self.scheduler.queued) + len(self.scheduler.sounding)
            self.position = max(self.position, step)
            self.hear_due()
            after = len(self.scheduler.queued) + len(self.scheduler.sounding)
            moved = self.scheduler.next_step()
            assert after < before or moved is None or moved > step

    @rule(channel=st.integers(0, 1), pitch=st.integers(0, 2), step=steps)
    def end_at(self, channel: int, pitch: int, step: float) -> None:
        sounds = (channel, pitch) in self.scheduler.sounding
        assert self.scheduler.end_at(channel, pitch, step) == sounds

    @rule(step=steps)
    def drop_from(self, step: float) -> None:
        self.forgotten += self.scheduler.drop_from(step)
        assert all(each.onset_step < step for each in self.scheduler.queued)

    @rule(seek=steps)
    def all_off(self, seek: float) -> None:
        self.forgotten += len(self.scheduler.queued)
        for data in self.scheduler.all_off():
            self.hear(data)
        assert not +self.synth
        assert self.scheduler.next_step() is None
        self.position = seek

    @invariant()
    def ledger_is_what_sounds(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.sounding == set(+self.synth)
            known = self.scheduler.sent + self.scheduler.late + self.forgotten
            known += len(self.scheduler.queued)
            assert known <= self.added, "a note is sent, late, forgotten or queued, once"

    def teardown(self) -> None:
        """Left alone, everything ends by itself."""
        if hasattr(self, "scheduler"):
            self.position = 1000.0
            self.hear_due()
            assert not +self.synth
            assert self.scheduler.next_step() is None


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)


def test_note_off_bytes() -> None:
    assert note_off(9, 36) == (0x89, 36, 0)
