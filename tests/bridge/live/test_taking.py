"""Takes in a session: the last bars kept, triggered answers remembered and played again."""

from __future__ import annotations

from bridge.commands import (
    Act,
    Command,
    Effect,
    EngineState,
    KeepTake,
    OscOut,
    RequestPlan,
    SetParameter,
)
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.requests.request import PlanRequest
from tests.session_rig import MS, Rig, S, clock, melody, play, rig

PEER = ("127.0.0.1", 9001)


def act(at_ns: int, name: str, *arguments: int) -> Act:
    return Act(at_ns, name, arguments, PEER)


def kept(live: Rig) -> list[KeepTake]:
    return [effect for _, effect in live.effects if isinstance(effect, KeepTake)]


def problem(effects: list[Effect]) -> str:
    found = [e for e in effects if isinstance(e, OscOut) and e.address == "/diffuse/out/error"]
    return str(found[0].arguments[1])


def by_seed(request: PlanRequest) -> tuple[Note, ...]:
    """One note a request, whose pitch tells the seed."""
    pitch = 40 + request.settings.seed % 40
    return (Note(request.first_step, pitch, 24, ACCOMPANIMENT),)


def test_the_last_bars_are_kept_with_both_parts() -> None:
    live = rig().add(clock(21)).add(melody(21)).add([act(8 * S + 100 * MS, "keep", 2)]).run(9 * S)
    (effect,) = kept(live)
    take = effect.take
    assert (take.bars, effect.to) == ((4, 5), PEER)
    assert [note.onset_step for note in take.lead] == [0, 24, 48, 72, 96]
    assert {note.voice for note in take.lead} == {LEAD}
    assert {note.onset_step for note in take.reply} == {0, 24, 48, 72, 96}
    assert (take.bpm, take.meters.changes[0][0]) == (120.0, 0)
    assert take.label == "midi-diffuse take: preset default, mode harmonize, seed 0"
    assert ("keep",) in [args for _, args in live.osc("out/done")]


def test_on_a_bar_line_and_after_stop_the_bars_before_it_are_kept() -> None:
    live = rig().add(clock(17)).add(melody(17)).run(8 * S - 1)
    live.add([act(8 * S, "stop"), act(8 * S + 1, "keep", 1)]).run(9 * S)
    assert kept(live)[0].take.bars == (4, 4)


def test_silence_is_not_kept() -> None:
    assert "nothing was played in bars" in problem(rig().session.step(act(0, "keep")))


def triggered(*later: Command) -> Rig:
    live = rig({"mode": "generate", "seed": 7}, answer=by_seed).add(clock(64))
    return live.add([act(8 * S + 1, "trigger"), *later]).run(30 * S)


def test_triggered_answers_are_remembered_and_come_back() -> None:
    live = triggered(act(14 * S, "again"), act(20 * S + 1, "undo"), act(26 * S + 1, "recall", 2))
    seeds = [request.settings.seed for _, request in live.requests]
    assert seeds == [7, (7 * 1_103_515_245 + 12_345) % 2**31]
    assert [args[0] for _, args in live.osc("out/take")] == [1, 2, 1, 2]
    first, second = (40 + seed % 40 for seed in seeds)
    assert [pitch for _, pitch in live.ons] == [first, second, first, second]
    assert live.requests[1][1].first_step == live.requests[0][1].first_step


def test_again_without_a_trigger_is_another_seed() -> None:
    session = rig().session
    effects = session.step(act(0, "again"))
    assert OscOut("/diffuse/out/param/seed", (12_345,), PEER) in effects


def test_closer_and_further_move_the_variation_in_vary_only() -> None:
    session = rig({"mode": "vary", "variation": 0.8}).session
    session.step(act(0, "closer"))
    assert session.knobs.number("variation") == 0.6
    for _ in range(3):
        session.step(act(0, "further"))
    assert session.knobs.number("variation") == 1.0
    session.step(SetParameter(0, "mode", "infill"))
    assert "works in vary" in problem(session.step(act(0, "closer")))


def test_takes_that_are_not_there_are_named() -> None:
    session = rig({"mode": "generate"}).session
    assert problem(session.step(act(0, "recall", 3))) == "no take 3; there are: none yet"
    assert "no take -1" in problem(session.step(act(0, "undo")))


def test_what_only_one_of_the_two_played_is_kept_too() -> None:
    alone = rig(delay_ns=lambda request: None).add(clock(17)).add(melody(17)).run(8 * S - 1)
    alone.add([act(8 * S - 1, "keep", 2)]).run(8 * S)
    take = kept(alone)[0].take
    assert (len(take.lead), take.reply) == (8, ())


def test_keep_says_which_bars_were_empty() -> None:
    live = rig({"clock": "internal", "tempo": 120.0}).add([act(0, "start")]).run(4500 * MS)
    effects = live.session.step(act(4500 * MS, "keep", 2))
    assert problem(effects) == "nothing was played in bars 2 to 3"


def test_a_meter_that_begins_with_the_first_bar_kept_is_its_only_one() -> None:
    live = rig().add(clock(20)).add(melody(20)).add([SetParameter(3 * S, "meter", "3/4")])
    live.add([act(6900 * MS, "keep", 2)]).run(7 * S)
    take = kept(live)[0].take
    assert [(start, str(meter)) for start, meter in take.meters.changes] == [(0, "3/4")]
    assert take.bars == (3, 4)


def test_a_take_is_told_with_its_bars() -> None:
    assert [args for _, args in triggered().osc("out/take")] == [(1, "generate", 7, 1, 4)]


def test_nothing_is_made_anew_where_nothing_can_be_played() -> None:
    """Another mode, an engine that is down, a song that stands still: another seed, no request."""
    for change in (
        SetParameter(14 * S - 1, "mode", "harmonize"),
        EngineState(14 * S - 1, "down", "gone"),
        act(14 * S - 1, "stop"),
    ):
        live = rig({"mode": "generate", "seed": 7}, answer=by_seed).add(clock(28))
        live.add([act(8 * S + 1, "trigger"), change]).run(14 * S)
        effects = live.session.step(act(14 * S, "again"))
        assert [e for e in effects if isinstance(e, RequestPlan)] == []
        assert live.session.knobs.integer("seed") != 7


def test_takes_are_played_while_a_triggered_mode_plays() -> None:
    for change in (SetParameter(14 * S, "mode", "harmonize"), act(14 * S, "stop")):
        live = triggered(change)
        effects = live.session.step(act(30 * S, "recall", 1))
        assert "takes are played in infill, vary and generate" in problem(effects)


def test_the_lower_of_two_notes_is_kept_apart_from_the_melody() -> None:
    live = rig(delay_ns=lambda request: None).add(clock(17)).add(melody(17))
    live.add(play(40, 0, 7900 * MS)).run(8 * S - 1)
    live.add([act(8 * S - 1, "keep", 4)]).run(8 * S)
    take = kept(live)[0].take
    assert [note.pitch for note in take.other] == [40]
    assert len(take.lead) == 16
