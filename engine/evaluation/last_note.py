"""V-I at the last note: does the music close as its composer would have closed it? numpy only.

On some beat in which the melody's last note sounds the music comes to rest by V-I (`closes`), the
tonic being that of the key (`engine.music.keys`): of a melody the key of its notes, of a composed
piece that of all notes from 16 beats before the last one on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.evaluation import by_ear, chords, closes
from engine.music.grid import ACCOMPANIMENT, PIANO, STEPS_PER_BEAT
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note, notes_to_roll
from engine.training.corpus_table import CORPORA
from engine.training.dataset import Pack

_LISTEN_STEPS = 16 * STEPS_PER_BEAT


@dataclass(frozen=True, slots=True)
class Closed:
    """How many of so many pieces close by V-I."""

    closed: int
    pieces: int


def closes_v_i(lead: Sequence[Note], ours: Iterable[Note], key: Key) -> bool:
    """Return whether the accompaniment closes by V-I under the last note of the lead, which has
    one."""
    last = max(lead)
    start = _listened_from(last)
    sounding = notes_to_roll(
        (note for note in ours if note.voice == ACCOMPANIMENT), start, _beat_end(last)
    ).cells[ACCOMPANIMENT]
    either_plane = sounding.any(axis=0)
    found = chords.chords_of(either_plane, PIANO.low)
    basses = by_ear.basses_of(by_ear.voicings_of(either_plane, PIANO.low))
    first = (last.onset_step - start) // STEPS_PER_BEAT
    return any(
        closes.is_v_i(beat, found, basses, (key.tonic,)) for beat in range(first, len(found))
    )


def composers(pack: Pack, style: str, split: int) -> dict[str, Closed]:
    """Count, by corpus of the style, composed pieces of the split that close by V-I.

    Pieces without a melody and an accompaniment, or whose notes tell no key, are left out.
    """
    counts: dict[str, list[bool]] = defaultdict(list)
    for corpus, notes in _pieces(pack, style, split):
        lead = [note for note in notes if note.voice != ACCOMPANIMENT]
        if not lead or len(lead) == len(notes):
            continue
        start = _listened_from(max(lead))
        key = read_key(class_weights(note for note in notes if note.end_step > start))
        if key is not None:
            counts[corpus].append(closes_v_i(lead, notes, key))
    return {corpus: Closed(sum(each), len(each)) for corpus, each in counts.items()}


def _pieces(pack: Pack, style: str, split: int) -> Iterator[tuple[str, list[Note]]]:
    """Corpus and notes of each piece; what may be melody (skyline) is."""
    for piece in (pack.piece_split == split).nonzero()[0]:
        corpus = pack.corpora[pack.piece_corpus[piece]]
        if CORPORA.get(corpus, ("any", 0.0))[0] != style:
            continue
        part = slice(pack.first_note[piece], pack.first_note[piece + 1])
        columns = (pack.onset[part], pack.end[part], pack.pitch[part], pack.voice[part])
        yield (
            corpus,
            [
                Note(int(onset), int(pitch), int(end - onset), int(voice == ACCOMPANIMENT))
                for onset, end, pitch, voice in zip(*columns, strict=True)
            ],
        )


def _listened_from(last: Note) -> int:
    """Return a beat line so long before the last note that its approach counts."""
    return (last.onset_step - _LISTEN_STEPS) // STEPS_PER_BEAT * STEPS_PER_BEAT


def _beat_end(last: Note) -> int:
    return -(-last.end_step // STEPS_PER_BEAT) * STEPS_PER_BEAT
