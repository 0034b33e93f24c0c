"""A real DAW plays a melody into the daemon and records the answer; the take is read back."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

from tests.live.ardour import Ardour, Note
from tests.live.conftest import StartBand, need

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]

DAEMON_IN, DAEMON_OUT = "midi-diffuse-in:midi-diffuse in", "midi-diffuse-out:midi-diffuse out"
BARS = 8
PERFORMANCES = 5
BLIP_BEATS = 0.1
"""Ardour says Stop a little after the end of its loop: what began there is cut at once."""
EARLIEST_BEATS, LATEST_BEATS = -0.15, 0.05
"""Of the median. Ardour records what comes back up to a tenth of a beat early: its latency
alignment."""
FURTHEST_BEATS = 0.25
"""Of any one note: JACK's time stands still while the machine does, ours does not. A host that
takes the processor away for 100 ms, as shared ones do, moves a note by that."""


def melody(beats_per_bar: int) -> list[Note]:
    """Another pitch on every beat of BARS bars, so that a chord tells which beat it answers."""
    return [Note(beat, 0.9, 60 + 5 * beat % 12) for beat in range(BARS * beats_per_bar)]


def triad(beat: int) -> set[int]:
    """What preset `fixture` answers to the melody's note of `beat`."""
    lead = 60 + 5 * beat % 12
    return {lead - 12, lead - 8, lead - 5}


def chords(take: list[Note]) -> dict[int, set[int]]:
    """Pitches by the beat they begin on; fails for a note that is off the beat, or twice."""
    found = defaultdict[int, set[int]](set)
    for note in take:
        beat = round(note.onset_beats)
        assert abs(note.onset_beats - beat) <= FURTHEST_BEATS, note
        assert note.pitch not in found[beat], note
        found[beat].add(note.pitch)
    off_beats = median(note.onset_beats - round(note.onset_beats) for note in take)
    assert EARLIEST_BEATS <= off_beats <= LATEST_BEATS
    return dict(found)


def answers(beats: range, beats_per_bar: int) -> dict[int, set[int]]:
    """Each beat answered one bar later, and nothing else."""
    return {beat: triad(beat - beats_per_bar) for beat in beats}


def recorded(daw: Ardour, steps: list[str]) -> list[list[Note]]:
    """The takes of a performance. Now and then Ardour 7.3 rolls without recording: then again."""
    for _ in range(PERFORMANCES):
        daw.perform(DAEMON_IN, DAEMON_OUT, steps)
        if takes := daw.takes():
            return takes
    raise AssertionError(f"Ardour recorded nothing in {PERFORMANCES} performances")


def studio(band: StartBand, folder: Path, jack: str, bpm: float, beats_per_bar: int) -> Ardour:
    """The daemon answering in the next bar, and Ardour with the melody."""
    need("ardour7-lua")
    band("--reply", "next-bar", "--listen-bars", "1", "--meter", f"{beats_per_bar}/4")
    daw = Ardour(folder, bpm, beats_per_bar, jack)
    daw.make(melody(beats_per_bar), loop=(beats_per_bar, 3 * beats_per_bar))
    return daw


SONGS = [
    pytest.param(bpm, beats, marks=[] if bpm == 120.0 else pytest.mark.stage)
    for bpm in (90.0, 120.0, 150.0)
    for beats in (4, 3)
]


@pytest.mark.parametrize(("bpm", "beats"), SONGS)
def test_every_beat_is_answered_one_bar_later_and_nothing_else_is_played(
    band: StartBand, tmp_path: Path, jack: str, bpm: float, beats: int
) -> None:
    daw = studio(band, tmp_path, jack, bpm, beats)
    (take,) = recorded(daw, ["roll()", f"reach({daw.sample(5.5 * beats)})", "stop()"])
    last = int(5.5 * beats)
    heard = chords(take)
    heard.pop(last, None)  # begun as the song stopped
    assert heard == answers(range(beats, last), beats)


@pytest.mark.stage
@pytest.mark.parametrize(("bpm", "beats"), [song.values for song in SONGS])
def test_started_in_the_middle_of_the_song_it_is_on_the_same_bar_lines(
    band: StartBand, tmp_path: Path, jack: str, bpm: float, beats: int
) -> None:
    daw = studio(band, tmp_path, jack, bpm, beats)
    stop_at = daw.sample(5.5 * beats)
    steps = [f"locate({daw.sample(2 * beats)})", "roll()", f"reach({stop_at})", "stop()"]
    (take,) = recorded(daw, steps)
    last = int(5.5 * beats)
    heard = chords(take)
    heard.pop(last, None)
    assert heard == answers(range(3 * beats, last), beats)


@pytest.mark.stage
@pytest.mark.parametrize(("bpm", "beats"), [song.values for song in SONGS])
def test_stopped_and_continued_it_answers_again_after_one_bar(
    band: StartBand, tmp_path: Path, jack: str, bpm: float, beats: int
) -> None:
    daw = studio(band, tmp_path, jack, bpm, beats)
    steps = ["roll()", f"reach({daw.sample(2.5 * beats)})", "stop()"]
    steps += [f"locate({daw.sample(4 * beats)})", "session:maybe_enable_record(false)", "roll()"]
    steps += [f"reach({daw.sample(6.5 * beats)})", "stop()"]
    heard = [chords(take) for take in recorded(daw, steps)]
    for take, last in zip(heard, (int(2.5 * beats), int(6.5 * beats)), strict=True):
        take.pop(last, None)
    first, second = heard
    assert first == answers(range(beats, int(2.5 * beats)), beats)
    # The melody of the song is remembered by its place: nothing to wait for, or one bar.
    assert second.items() <= answers(range(4 * beats, int(6.5 * beats)), beats).items()
    assert set(second) >= set(range(5 * beats, int(6.5 * beats)))


@pytest.mark.stage
@pytest.mark.parametrize("bpm", [90.0, 120.0, 150.0])
def test_in_a_loop_each_pass_is_answered_alike(
    band: StartBand, tmp_path: Path, jack: str, bpm: float
) -> None:
    # In 4/4: in 3/4 Ardour 7.3 goes on from the loop's start a beat late, with a song position
    # that, six times too large, names another beat of the bar.
    daw = studio(band, tmp_path, jack, bpm, 4)
    takes = recorded(daw, ["loop()", f"wait({16 * 60 / bpm + 1})", "stop()"])
    # One file holds all passes, one after the other. A bar answers the one played before it: the
    # second of the loop the first, and the first, but for the first pass, the second.
    take = [note for note in takes[0] if note.length_beats > BLIP_BEATS]
    heard = {beat: pitches for beat, pitches in chords(take).items() if beat < 20}
    assert heard == {8 + beat: triad(4 + beat % 8) for beat in range(12)}
