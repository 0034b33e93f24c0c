"""Following an Ableton Link session, under a manual clock."""

from __future__ import annotations

import pytest

from bridge.commands import Act, FollowLink, LinkHeard, MidiIn, SetParameter
from bridge.live.clock.link_transport import LinkTransport
from bridge.live.clock.transport import TransportEvent, TransportState
from bridge.live.session import Session
from bridge.timebase import NS_PER_MS, NS_PER_S, ManualClock
from engine.music.grid import Meter
from tests.session_rig import melody, rig

E, S = TransportEvent, TransportState
POLL_MS = 100


class LinkSession:
    """A session of another peer's, looked at every 100 ms; `beat` is its beat now."""

    def __init__(self, transport: LinkTransport, bpm: float = 120.0, beat: float = 0.0) -> None:
        self.transport, self.bpm, self.beat = transport, bpm, beat
        self.clock = ManualClock(5 * NS_PER_S)
        self.rolling = False
        self.quantum, self.peers = 4.0, 1

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    @property
    def position(self) -> float:
        """Of the song, in beats."""
        return self.transport.position_steps(self.now_ns) / 24

    def look(self) -> list[TransportEvent]:
        """Hand over what is to be seen now."""
        return self.transport.link(
            LinkHeard(self.now_ns, self.peers, self.beat, self.bpm, self.rolling, self.quantum)
        )

    def wait(self, ms: float) -> None:
        """Nothing is handed over."""
        self.clock.advance(round(ms * NS_PER_MS))
        self.beat += ms * self.bpm / 60_000

    def run(self, ms: float) -> list[TransportEvent]:
        """Look now and every 100 ms; what happened."""
        events = self.look()
        for _ in range(round(ms / POLL_MS)):
            self.wait(POLL_MS)
            events += self.look()
        return events


@pytest.fixture
def link() -> LinkSession:
    return LinkSession(LinkTransport(100.0, clock="link"))


def test_a_session_that_stands_is_waited_for_at_its_tempo(link: LinkSession) -> None:
    assert link.transport.bpm == 100
    assert link.run(1000) == [E.WAITING]
    assert link.transport.state is S.WAITING
    assert link.transport.bpm == 120
    assert not link.transport.may_start_on_note(link.now_ns)
    assert link.transport.source == "link"


def test_start_counts_from_the_next_bar_line(link: LinkSession) -> None:
    link.beat = 5.0
    link.run(100)  # beat 5.2
    link.rolling = True
    assert link.look() == [E.STARTED]
    assert link.position == pytest.approx(-2.8)
    assert link.run(1400) == []
    assert link.position == pytest.approx(0, abs=1e-6)
    assert link.transport.meters.bar_start(1) == 96


@pytest.mark.parametrize(("late_ms", "place"), [(40, 0.08), (60, -3.88)])
def test_start_just_after_a_bar_line_was_meant_for_it(
    link: LinkSession, late_ms: float, place: float
) -> None:
    link.look()
    link.beat, link.rolling = 8.0, True
    link.wait(late_ms)
    assert link.look() == [E.STARTED]
    assert link.position == pytest.approx(place)


def test_joining_a_session_that_rolls_is_being_in_its_bar(link: LinkSession) -> None:
    link.beat, link.rolling = 9.5, True
    assert link.run(500) == [E.STARTED]
    assert link.position == pytest.approx(2.5)


def test_beats_and_tempo_are_followed_without_a_jump(link: LinkSession) -> None:
    link.rolling = True
    link.run(2000)
    for bpm in (90.0, 133.0, 61.5):
        link.wait(8)  # the network's time: the beat went on at the new tempo meanwhile
        link.bpm = bpm
        link.wait(8)
        assert link.run(2000) == []
        assert link.transport.bpm == bpm
        assert link.position == pytest.approx(link.beat, abs=1e-6)


def test_stop_and_start_again(link: LinkSession) -> None:
    link.rolling = True
    link.run(2300)
    link.rolling = False
    assert link.look() == [E.STOPPED]
    assert link.transport.state is S.STOPPED
    assert link.run(900) == []
    assert not link.transport.may_start_on_note(link.now_ns)
    link.rolling = True  # beat 6.4
    assert link.look() == [E.STARTED]
    assert link.position == pytest.approx(6.4 - 8)


def test_a_start_by_hand_joins_the_bar_and_stops_by_hand(link: LinkSession) -> None:
    assert link.transport.start_internal(link.now_ns) == []  # nobody there
    assert link.transport.state is S.STOPPED
    link.run(1000)
    link.wait(50)
    assert link.transport.start_internal(link.now_ns, 2.0) == [E.STARTED]
    assert link.position == pytest.approx(2.1)
    assert link.run(1000) == []
    assert link.transport.stop_internal(link.now_ns) == [E.STOPPED]
    assert link.run(1000) == []
    assert link.transport.downbeat(link.now_ns) == []


def test_a_downbeat_starts_where_a_session_is_waited_for(link: LinkSession) -> None:
    link.run(500)
    assert link.transport.downbeat(link.now_ns) == [E.STARTED]
    assert link.position == pytest.approx(1)


def test_without_a_session_the_song_goes_on_and_it_may_come_back(link: LinkSession) -> None:
    link.rolling = True
    link.run(1000)
    link.peers = 0
    assert link.look() == [E.FREEWHEEL]
    link.wait(2000)
    assert link.transport.tick(link.now_ns) == []
    assert link.position == pytest.approx(6)
    assert link.transport.bpm == pytest.approx(120)
    link.peers, link.beat = 1, 46.1
    assert link.look() == [E.CLOCK_BACK]
    link.run(500)
    assert link.position == pytest.approx(7.1)


def test_silence_is_a_session_lost(link: LinkSession) -> None:
    link.rolling = True
    link.run(1000)
    link.wait(490)
    assert link.transport.tick(link.now_ns) == []
    link.wait(20)
    assert link.transport.tick(link.now_ns) == [E.FREEWHEEL]
    assert link.transport.freewheeling
    assert link.look() == [E.CLOCK_BACK]
    assert link.position == pytest.approx(3.02, abs=1e-6)


def test_a_session_lost_while_waiting_is_waited_for_no_more(link: LinkSession) -> None:
    link.run(500)
    link.peers = 0
    assert link.look() == [E.STOPPED]
    link.peers = 1
    assert link.look() == [E.WAITING]


def test_sessions_that_meet_keep_the_song_in_its_bar(link: LinkSession) -> None:
    """The beats have other numbers then; only their phase in the bar means anything."""
    link.rolling = True
    link.run(3000)  # beat 6
    link.beat = 1002.1
    assert link.look() == []
    link.run(500)
    assert link.position == pytest.approx(7.1)
    link.beat = 20.0  # 3.1 in the bar before; 0 now
    assert link.look() == [E.JUMPED]
    assert link.position == pytest.approx(8)


def test_a_new_meter_is_counted_as_the_session_counts_it(link: LinkSession) -> None:
    link.rolling = True
    link.run(2500)  # beat 5
    assert link.transport.set_meter(Meter(3, 4), link.now_ns) == []
    assert link.transport.meters.bar_span(120) == (96, 192)
    link.quantum, link.beat = 3.0, 8.0  # aalink numbers the beats anew, for their phase
    assert link.look() == [E.REANCHORED]
    assert link.transport.meters.bar_span(120) == (72, 144)
    assert link.position == pytest.approx(5)
    link.quantum, link.beat = 3.5, 7.0
    link.transport.set_meter(Meter(7, 8), link.now_ns)
    assert link.look() == [E.JUMPED, E.REANCHORED]
    assert link.position == pytest.approx(3.5)


def test_midi_clock_does_not_count(link: LinkSession) -> None:
    transport = link.transport
    transport.start(link.now_ns)
    for _ in range(30):
        assert transport.clock_pulse(link.now_ns) == []
        link.wait(20)
    transport.song_position(16, link.now_ns)
    transport.continue_(link.now_ns)
    assert transport.stop(link.now_ns) == []
    assert transport.state is S.STOPPED
    link.rolling = True
    link.run(1000)
    assert transport.stop(link.now_ns) == []
    assert transport.playing


def test_the_tempo_by_hand_is_for_when_the_session_is_gone(link: LinkSession) -> None:
    link.rolling = True
    link.run(1000)
    link.transport.set_tempo(80, link.now_ns)
    assert link.transport.bpm == 120
    link.run(500)
    assert link.position == pytest.approx(3)
    link.peers = 0
    link.look()
    link.transport.set_tempo(80, link.now_ns)
    assert link.transport.bpm == pytest.approx(80)


def test_to_link_stops_and_from_it_plays_on() -> None:
    link = LinkSession(LinkTransport(100.0))
    assert link.look() == []
    link.transport.start_internal(link.now_ns)
    link.wait(100)
    assert link.transport.set_clock("link", link.now_ns) == [E.STOPPED]
    assert link.look() == [E.WAITING]
    link.rolling = True
    assert link.look() == [E.STARTED]
    place = link.position
    assert link.transport.set_clock("auto", link.now_ns) == []
    assert link.look() == []
    assert link.transport.bpm == 100
    link.clock.advance(600 * NS_PER_MS)
    assert link.position == pytest.approx(place + 1)
    assert link.transport.set_clock("link", link.now_ns) == [E.STOPPED]
    link.look()
    assert link.transport.set_clock("midi", link.now_ns) == [E.STOPPED]
    with pytest.raises(ValueError, match="auto, midi, internal or link"):
        link.transport.set_clock("linke")


# -- The session -----------------------------------------------------------------------------------


def heard(at_ms: int, beat: float, rolling: bool = True, peers: int = 1) -> LinkHeard:
    return LinkHeard(at_ms * NS_PER_MS, peers, beat, 120.0, rolling, 4.0)


def test_a_link_session_is_asked_for_when_it_is_chosen_and_counted_in_bars() -> None:
    asked = Session({"clock": "link", "meter": "7/8"})
    effects = asked.step(LinkHeard(0, 0, 0.0, 0.0, False, 0.0))
    assert FollowLink(3.5) in effects
    assert not any(isinstance(e, FollowLink) for e in asked.step(heard(10, 0.0)))
    assert FollowLink(3.0) in asked.step(SetParameter(20, "meter", "3/4"))
    assert FollowLink(None) in asked.step(SetParameter(30, "clock", "auto"))
    assert not any(isinstance(e, FollowLink) for e in asked.step(SetParameter(40, "meter", "4/4")))
    never = Session()
    assert not any(isinstance(e, FollowLink) for e in never.step(MidiIn(0, (0xF8,))))


def test_a_melody_in_a_link_session_is_answered_on_its_beats() -> None:
    """The session's bar line falls at 250 ms; its beats are 500 ms; it stops after 20 beats."""
    played = rig({"clock": "link"})
    looks = [
        heard(ms, (ms - 250) / 500, rolling=100 <= ms < 10_200) for ms in range(0, 12_000, 100)
    ]
    played.add(looks).add(melody(20, 250 * NS_PER_MS)).run(12 * NS_PER_S)
    assert played.counts == {"fresh": 15}  # the last is cut short
    onsets = sorted({round((due - 0.25) / 0.5, 4) for due, _ in played.ons})
    assert onsets == list(range(4, 20))
    assert [words for _, words in played.osc("out/bar")][:3] == [(0,), (1,), (2,)]
    assert [round(at, 3) for at, _ in played.osc("out/bar")][1:3] == [0.25, 2.25]
    assert not played.stuck


def test_the_musician_is_told_when_the_session_is_lost() -> None:
    played = rig({"clock": "link"})
    played.add([heard(0, 0.0), heard(100, 0.0, peers=0), heard(2000, 4.0)]).run(2_300 * NS_PER_MS)
    lines = [e.text for _, e in played.effects if hasattr(e, "text")]
    assert lines == [
        "Ableton Link stopped coming; going on at 120.0 bpm",
        "Ableton Link is back",
    ]


def test_start_without_a_session_says_what_is_missing() -> None:
    effects = Session({"clock": "link"}).step(Act(0, "start"))
    assert "no Link session is joined" in str(effects)


def test_a_link_clock_asked_for_again_goes_on(link: LinkSession) -> None:
    link.rolling = True
    link.run(1000)
    before = link.position
    assert link.transport.set_clock("link", link.now_ns) == []
    assert link.transport.state is S.PLAYING
    assert link.position == pytest.approx(before)


@pytest.mark.parametrize("late_ms", [0, 30, 90])
def test_a_look_that_is_handed_over_late_is_of_its_own_instant(
    link: LinkSession, late_ms: int
) -> None:
    link.rolling = True
    link.run(1000)
    seen = LinkHeard(link.now_ns, 1, link.beat, 120.0, True, 4.0)
    expected = link.beat
    link.transport.tick(link.now_ns + late_ms * NS_PER_MS)
    link.transport.link(seen)
    after_ns = seen.at_ns + 500 * NS_PER_MS
    assert link.transport.position_steps(after_ns) / 24 == pytest.approx(expected + 1, abs=1e-4)


@pytest.mark.parametrize(("off_beats", "jumps"), [(0.24, False), (0.26, True)])
def test_a_session_a_sixteenth_away_is_elsewhere(
    link: LinkSession, off_beats: float, jumps: bool
) -> None:
    link.rolling = True
    link.run(1000)
    link.beat += off_beats
    assert (E.JUMPED in link.look()) is jumps


def test_the_meter_of_a_link_clock_that_stands_still_holds_at_once(link: LinkSession) -> None:
    link.transport.set_meter(Meter(3, 4), link.now_ns)
    assert link.transport.meters.bar_span(0) == (0, 72)


@pytest.mark.parametrize(("at_ns", "step"), [(NS_PER_S, 48), (None, 24)])
def test_what_plays_stops_where_the_clock_is_made_link(at_ns: int | None, step: int) -> None:
    transport = LinkTransport(120.0, clock="internal")
    transport.start_internal(0)
    transport.tick(500 * NS_PER_MS)
    assert E.STOPPED in transport.set_clock("link", at_ns)
    assert transport.position_steps(2 * NS_PER_S) == pytest.approx(step)
