"""Files and frames of strangers that keep to their grammar: read, or one error of ours.

What was found so is kept as examples. `scripts/fuzz` runs many more of each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from bridge.commands import Act, EngineState, MidiIn, PlanArrived, Tick
from bridge.engine_host.wire import NONSENSE, unpack, unpack_plan
from bridge.engine_link.limits import read_request
from bridge.engine_link.wire import WireError, offers_of, unpack_ask
from bridge.event_log.lines import LogError
from bridge.event_log.replay import replay
from bridge.live.session import Session
from engine.music.grid import Meter
from engine.music.roll import Note
from engine.requests import lead_sheet
from engine.requests.lead_sheet import LeadSheetError
from engine.scores.midi_events import MidiFileError
from engine.scores.midi_file import parse
from engine.scores.midi_write import add_tracks, reply_track
from engine.training.dataset import PackError, Windows, load_pack
from tests.bridge import grammar, grammar_files


def one_line(err: Exception) -> None:
    """What is said of it fits a line."""
    text = str(err)
    assert "\n" not in text
    assert len(text) < 2000


@grammar.FUZZ
@given(grammar_files.packs)
def test_every_pack_is_trained_on_or_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "strange.npz"
    path.write_bytes(data)
    try:
        pack = load_pack(path)
        batch = Windows(pack, 0, {"made": 1.0}, {}, np.random.default_rng(1)).batch(1, 4)
    except PackError as err:
        one_line(err)
        return
    assert batch.target.shape == (1, 2, 2, 88, 96)
    assert (batch.bar > 0).all()


@grammar.FUZZ
@given(grammar_files.midi_files)
def test_every_midi_file_is_a_score_that_can_be_written_or_one_line(data: bytes) -> None:
    try:
        score = parse(data)
    except MidiFileError as err:
        one_line(err)
        return
    again = parse(add_tracks(score, [reply_track(score, [Note(0, 60, 24)], None)]))
    assert again.tracks[:-1] == score.tracks


@grammar.FUZZ
@given(grammar_files.sheets)
def test_every_lead_sheet_is_bars_or_one_line(text: str) -> None:
    try:
        bars = lead_sheet.read_sheet(text)
        placed = lead_sheet.place(bars, lambda bar: Meter(4, 4))
    except LeadSheetError as err:
        one_line(err)
        return
    assert all(each.chord.classes <= set(range(12)) for each in placed)


@grammar.FUZZ
@given(grammar_files.log_lines)
def test_every_log_is_replayed_or_refused(lines: list[str]) -> None:
    try:
        found = replay(lines)
    except LogError:
        return
    assert found.commands <= len(lines)


@grammar.FUZZ
@given(grammar_files.frames)
def test_a_frame_is_read_or_raises_what_its_readers_catch(frame: bytes) -> None:
    try:
        _, head, numbers = unpack(frame)
        unpack_plan(head, numbers)
        offers_of(head)
    except NONSENSE:
        pass
    for read in (read_request, unpack_ask):
        try:
            read(frame)
        except WireError as err:
            one_line(err)


@grammar.FUZZ
@given(st.lists(grammar_files.plans, max_size=4))
def test_a_session_takes_every_plan_that_passed_its_reader(frames: list[bytes]) -> None:
    session = Session({"clock": "internal", "listen_bars": 0})
    for command in (EngineState(0, "ready"), Act(0, "start"), MidiIn(1, (0x90, 72, 90))):
        session.step(command)
    for at_ns in range(2, 2_000_000_000, 100_000_000):
        session.step(Tick(at_ns))
        if frames and at_ns > 500_000_000:
            try:
                _, head, numbers = unpack(frames.pop())
                plan = unpack_plan(head, numbers)
            except NONSENSE:
                continue
            session.step(PlanArrived(at_ns, plan))
    session.step(Act(2_100_000_000, "stop"))


def _is_sound(read: Callable[[Any], object]) -> Callable[[Any], bool]:
    def sound(given: Any) -> bool:
        try:
            return bool(read(given))
        except (ValueError, KeyError):
            return False

    return sound


@pytest.mark.parametrize(
    ("strategy", "read"),
    [
        (grammar_files.midi_files, parse),
        (grammar_files.sheets, lead_sheet.read_sheet),
        (grammar_files.log_lines, lambda lines: replay(lines).commands),
        (grammar_files.plans, lambda frame: unpack_plan(*unpack(frame)[1:]).notes),
    ],
    ids=["midi", "sheet", "log", "plan"],
)
def test_not_everything_is_refused(
    strategy: st.SearchStrategy[Any], read: Callable[[Any], object]
) -> None:
    assert find(strategy, _is_sound(read), settings=settings(derandomize=True, max_examples=3000))


def test_the_pack_that_the_others_are_made_of_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.npz"
    path.write_bytes(grammar_files.packed([], set(), 0))
    assert load_pack(path).piece_beats.tolist() == [3, 6]
