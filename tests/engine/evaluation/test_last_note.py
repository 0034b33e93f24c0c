"""V-I under the last note, of pieces written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.last_note import Closed, closes_v_i, composers
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.keys import Key
from engine.music.roll import Note
from engine.training.dataset import Pack, load_pack

C, F, G = (48, 52, 55), (41, 57, 60), (43, 59, 62)
LEAD_NOTES = [Note(0, 67, 48, LEAD), Note(48, 71, 24, LEAD), Note(72, 72, 60, LEAD)]


def chords(*each: Sequence[int], first_step: int = 0) -> list[Note]:
    """A chord a beat."""
    return [
        Note(first_step + 24 * i, pitch, 24, ACCOMPANIMENT)
        for i, chord in enumerate(each)
        for pitch in chord
    ]


@pytest.mark.parametrize(
    ("played", "closed"),
    [
        ([C, F, G, C, C, C], True),
        ([C, F, G, C, (52, 55, 60), (52, 55, 60)], True),  # the root was there
        ([C, F, C, G, C, C], True),  # over the held note
        ([C, F, G, C], True),  # and then nothing
        ([C, G, F, C, C, C], False),
        ([C, F, G, (52, 60, 67), (52, 60, 67), (52, 60, 67)], False),
        ([C, G, C, F, F, F], False),
        ([], False),
    ],
)
def test_the_last_note(played: list[Sequence[int]], closed: bool) -> None:
    assert closes_v_i(LEAD_NOTES, chords(*played), Key(0)) is closed


def test_it_is_the_keys_tonic() -> None:
    played = chords(C, F, G, C, C, C)
    assert not closes_v_i(LEAD_NOTES, played, Key(5))
    up = [replace(note, pitch=note.pitch + 5) for note in (*LEAD_NOTES, *played)]
    lead = [note for note in up if note.voice == LEAD]
    assert closes_v_i(lead, up, Key(5))


def test_a_piece_that_begins_before_the_first_bar_line() -> None:
    lead = [replace(note, onset_step=note.onset_step - 72) for note in LEAD_NOTES]
    assert closes_v_i(lead, chords(C, F, G, C, C, C, first_step=-72), Key(0))


def packed_pieces(*pieces: tuple[str, list[Note]]) -> Pack:
    """Valid pieces of these corpora."""
    corpora = tuple(dict.fromkeys(corpus for corpus, _ in pieces))
    notes = [sorted(each) for _, each in pieces]
    flat = [note for each in notes for note in each]
    count = len(pieces)
    return Pack(
        corpora=corpora,
        onset=np.array([note.onset_step for note in flat]),
        end=np.array([note.end_step for note in flat]),
        pitch=np.array([note.pitch for note in flat]),
        voice=np.array([note.voice for note in flat]),
        first_note=np.cumsum([0, *map(len, notes)]),
        piece_corpus=np.array([corpora.index(corpus) for corpus, _ in pieces]),
        piece_split=np.ones(count, np.int64),
        piece_beats=np.full(count, 6),
        meters=((np.array([0]), np.array([96])),) * count,
    )


def test_composers_by_corpus_of_a_style() -> None:
    closed = [*LEAD_NOTES, *chords(C, F, G, C, C, C)]
    open_ = [*LEAD_NOTES, *chords(C, F, G, F, F, F)]
    pack = packed_pieces(
        ("openhymnal", closed),
        ("openhymnal", open_),
        ("openhymnal", LEAD_NOTES),  # nobody accompanies it
        ("polish-choral-chamber", closed),
        ("openscore-lieder", closed),
    )
    assert composers(pack, "hymn", 1) == {
        "openhymnal": Closed(1, 2),
        "polish-choral-chamber": Closed(1, 1),
    }
    assert composers(pack, "song", 1) == {"openscore-lieder": Closed(1, 1)}
    assert composers(pack, "hymn", 0) == {}


def test_music_of_no_style_is_left_out(made_pack: Path) -> None:
    assert composers(load_pack(made_pack), "hymn", 1) == {}
