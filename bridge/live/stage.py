"""The parts of a live session and what several of them need at once: who plays, where the song is.

Knows nothing of OSC arguments, parameters' names in answers, or ports. Owner: transport thread.
"""

from __future__ import annotations

import math

from bridge.commands import Effect, OscOut
from bridge.live.clock.link_transport import LinkTransport
from bridge.live.clock.time_map import steps_in
from bridge.live.listening.input_recorder import InputRecorder, Place
from bridge.live.listening.left_hand import LeftHand
from bridge.live.listening.note_gate import NoteEvent, NoteGate
from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import BeatTally
from bridge.live.planning.choose_policy import make_policy
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.given_chords import GivenChords
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.policies import Accompany, Policy, Scene
from bridge.live.planning.replanner import Replanner
from bridge.live.planning.request_window import Turn
from bridge.live.playing.delivery import Delivery
from bridge.live.playing.performer import Performer
from bridge.live.telling import Teller
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import STEPS_PER_BEAT

HAIR = 1e-6
"""Steps (20 ns): a wake-up at the very instant of a beat must find it reached."""


class Stage:
    """Everyone who is on stage. position: of the song, in steps. silent_since: the step since which
    no input note is held, or None."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.transport = LinkTransport(knobs.number("tempo"), knobs.meter, knobs.text("clock"))
        self.bars = BeatLines(self.transport.meters)
        self.song = SongMemory()
        self.gate = NoteGate()
        self.recorder = InputRecorder(self.song)
        self.left_hand = LeftHand()
        self.performer = Performer(self.gate.sent)
        self.timing = EngineTiming()
        self.plan_book = PlanBook(self.timing)
        self.replanner = Replanner(knobs, self.song, self.bars, self.plan_book, self.timing)
        self.tally = BeatTally()
        self.delivery = Delivery(
            knobs,
            self.song,
            self.bars,
            self.performer,
            self.plan_book,
            self.tally,
            self.replanner.spare,
        )
        self.teller = Teller(self.song, self.bars)
        self.policy: Policy = make_policy(knobs)
        self.position = 0.0
        self.silent_since: int | None = None

    # -- Reading -----------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Does the song position move?"""
        return self.transport.playing

    @property
    def step(self) -> int:
        """The step under way."""
        return math.floor(self.position)

    @property
    def lag_bars(self) -> int:
        """How many bars behind the melody the reply is."""
        return self.policy.lag_bars if isinstance(self.policy, Accompany) else 0

    @property
    def output_offset_steps(self) -> float:
        """What `output_offset_ms` is at the tempo of now."""
        offset_ms = self.knobs.number("output_offset_ms")
        return steps_in(offset_ms * NS_PER_MS, self.transport.bpm) if offset_ms else 0.0

    @property
    def commit_lead_steps(self) -> float:
        """How long before its step a note is taken from the plan at the latest."""
        return self.replanner.commit_lead_steps(self.transport.bpm)

    @property
    def two_bars_ns(self) -> int:
        """Time of two bars like the one under way, at the tempo of now."""
        begin, end = self.transport.meters.bar_span(self.step)
        beats: float = 2 * (end - begin) / STEPS_PER_BEAT
        return round(beats * 60 * NS_PER_S / self.transport.bpm)

    @property
    def input_offset_ns(self) -> int:
        """What is added to the time of incoming notes."""
        return round(self.knobs.number("input_offset_ms") * NS_PER_MS)

    @property
    def given(self) -> GivenChords:
        """Chords the musician gave."""
        return self.replanner.given

    def scene(self) -> Scene:
        """Return what a policy may look at."""
        horizon = self.replanner.horizon_steps
        return Scene(self.knobs, self.bars, self.song, horizon, self.silent_since)

    def due_ns(self) -> int | None:
        """Return when the next note-on or note-off falls due, or None."""
        step = self.performer.next_step() if self.playing else None
        return None if step is None else self.transport.ns_at(step + self.output_offset_steps)

    def place(self, at_ns: int) -> Place:
        """Return where in the song an instant lies."""
        transport, grid = self.transport, self.knobs.text("input_quantize")
        return Place(transport.position_steps(at_ns), grid, transport.meters, transport.bpm)

    # -- What several do together ------------------------------------------------------------------

    def note_began(self) -> None:
        """Tell the policy of a note that came in."""
        onset = self.recorder.last_onset_step
        if onset is not None:
            before = self.policy.turn
            self.policy.note_began(onset, self.scene())
            self.turn_changed(before)

    def left_hand_note(self, event: NoteEvent) -> list[Effect]:
        """Take a key of the left hand: its chord holds from the next plan on."""
        if self.left_hand.note(event):
            self.replanner.hold(self.left_hand.chord)
        if not self.playing:
            return []
        return self.teller.played(event, self.place(event.at_ns + self.input_offset_ns).step)

    def turn_changed(self, before: Turn | None) -> None:
        """End what sounds where the turn `before` was cut short or moved."""
        after = self.policy.turn
        if before is None or after is before:
            return
        if after is None or after.shift_steps != before.shift_steps:
            self.performer.cut(self.position)
        elif after.end_step is not None and after.end_step != before.end_step:
            self.performer.cut(max(self.position, float(after.end_step)))

    def forget_plans(self) -> None:
        """Forget plans and requests, made for elsewhere; what was committed is not played."""
        # Not the step under way: what it began would sound again, late.
        self.replanner.forget(math.ceil(self.position - 2 * HAIR))
        self.delivery.forget()
        self.teller.forget()

    def clear_song(self, step: int) -> None:
        """Forget the music, but for what is held; song position is `step`."""
        self.song.clear(self.policy.region)
        self.song.jump(step)
        self.recorder.reopen()
        self.delivery.filled.clear()

    def aim(self, step: int) -> None:
        """Take bearings at `step`: the beat under way and the next decision."""
        self.delivery.aim(step)
        self.replanner.aim(step, self.policy, self.transport.bpm)

    def bar_begins(self, step: int) -> list[Effect]:
        """Say which bar begins at `step`."""
        return [OscOut("/diffuse/out/bar", (self.bars.number(step),))]

    def beat_begins(self, step: int) -> list[Effect]:
        """Say what holds from the beat at `step` on; the key may be another one."""
        soonest = self.step + self.replanner.horizon_steps
        decided = max(self.plan_book.committed_to, soonest)
        transport = self.transport
        news = self.teller.beat(step, self.position, transport.bpm, decided, transport.source)
        self.replanner.heard_key = self.teller.key
        return news
