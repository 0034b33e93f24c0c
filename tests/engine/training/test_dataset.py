"""Windows, masks and the packed file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.diffusion.batch import density_bucket, merged_batch
from engine.music.grid import (
    ACCOMPANIMENT,
    LEAD,
    ONSET,
    PAPER,
    PIANO,
    STEPS_PER_BEAT,
    STEPS_PER_TOKEN,
    Meter,
)
from engine.music.merged import merge
from engine.music.roll import Note, notes_to_roll
from engine.training.corpus import Piece, read_piece, write_pack
from engine.training.dataset import Pack, PackError, Windows, cells_of_rows, draw_mask, load_pack

any_notes = st.lists(
    st.builds(
        Note,
        st.integers(-60, 110),
        st.integers(15, 115),
        st.integers(1, 80),
        st.integers(0, 1),
    ),
    max_size=30,
    unique_by=lambda n: (n.pitch, n.voice),
)


@settings(deadline=None)
@given(windows=st.lists(any_notes, min_size=1, max_size=3))
def test_draw_is_notes_to_roll(windows: list[list[Note]]) -> None:
    rows = [
        (index, n.onset_step, n.end_step, n.pitch, n.voice)
        for index, notes in enumerate(windows)
        for n in notes
    ]
    cells = cells_of_rows(np.array(rows, np.int64).reshape(-1, 5), len(windows), 96)
    for found, notes in zip(cells, windows, strict=True):
        assert (found == notes_to_roll(notes, 0, 96).cells).all()


def windows_of(path: Path, seed: int = 0, split: int = 0) -> Windows:
    return Windows(load_pack(path), split, {}, {"made": "hymn"}, np.random.default_rng(seed))


def test_pack_round_trip(midi_folder: Path, made_pack: Path) -> None:
    packed = load_pack(made_pack)
    assert packed.corpora == ("made",)
    assert packed.piece_split.tolist() == [0] * 8 + [1] * 2
    assert set(packed.piece_beats.tolist()) == {32}
    for piece in range(10):
        notes, meters = read_piece((midi_folder / f"piece-{piece}.mid").read_bytes(), "melody")
        part = slice(packed.first_note[piece], packed.first_note[piece + 1])
        assert packed.onset[part].tolist() == notes[:, 0].tolist()
        assert (packed.end - packed.onset)[part].tolist() == notes[:, 1].tolist()
        assert packed.pitch[part].tolist() == notes[:, 2].tolist()
        assert packed.voice[part].tolist() == notes[:, 3].tolist()
        assert [list(row) for row in zip(*packed.meters[piece], strict=True)] == [
            list(meter) for meter in meters
        ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"MThd", bytes(200)])
def test_a_damaged_pack_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(PackError, match=r"bad\.npz.*not a packed corpus"):
        load_pack(path)


def flags_of_first_entry(data: bytes, flag: int) -> bytes:
    """The zip archive `data` with `flag` set in both headers of its first file."""
    broken = bytearray(data)
    for header, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(header) + at
        broken[place] |= flag
    return bytes(broken)


@pytest.mark.parametrize("flag", [0x01, 0x20, 0x41], ids=["encrypted", "patched", "strongly"])
def test_a_pack_whose_zip_flags_are_damaged_says_so(
    tmp_path: Path, made_pack: Path, flag: int
) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(flags_of_first_entry(made_pack.read_bytes(), flag))
    with pytest.raises(PackError, match=r"bad\.npz.*not a packed corpus") as caught:
        load_pack(path)
    assert "\n" not in str(caught.value)


def test_a_pack_damaged_anywhere_is_a_pack_or_one_line(tmp_path: Path, made_pack: Path) -> None:
    data, rng, told = made_pack.read_bytes(), np.random.default_rng(5), Counter[str]()
    path = tmp_path / "bad.npz"
    for _ in range(300):
        broken = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, len(data), int(rng.integers(1, 6)))
        broken[places] = rng.integers(0, 256, len(places))
        path.write_bytes(broken.tobytes())
        try:
            load_pack(path)
        except PackError as err:
            told[str(err)] += 1
    assert not any("\n" in text for text in told)
    assert any("(error)" in text for text in told)  # zlib.error


def test_a_pack_of_something_else_a_missing_and_a_newer_one(
    tmp_path: Path, made_pack: Path
) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(PackError, match="not a packed corpus"):
        load_pack(tmp_path / "other.npz")
    with pytest.raises(PackError, match="no such file"):
        load_pack(tmp_path / "nothing.npz")
    with np.load(made_pack) as data:
        np.savez(tmp_path / "newer.npz", **{**dict(data), "format": 99})
    with pytest.raises(PackError, match="newer"):
        load_pack(tmp_path / "newer.npz")


def test_every_task_is_drawn_as_often_as_told() -> None:
    rng, count = np.random.default_rng(0), 4000
    kinds = Counter[str]()
    for _ in range(count):
        lead, ours = draw_mask(rng, 384)
        if lead.all():
            free = np.flatnonzero(~ours)
            tail = free[-1] == 383
            kinds["harmonize" if not ours.any() else "harmonize on" if tail else "infill one"] += 1
        elif ours.all():
            kinds["melody"] += 1
        elif not lead.any() and not ours.any():
            kinds["nothing"] += 1
        elif (lead == ours).all():
            kinds["infill both" if lead[-1] else "continue"] += 1
        else:
            # Anticipate: our own part, all of it or the last beats, is committed further.
            assert not ours.any() or lead.sum() <= np.flatnonzero(ours)[-1] + 1
            kinds["anticipate"] += 1
            kinds["remembered in part"] += not ours[0]
    assert set(kinds) == {
        "harmonize",
        "harmonize on",
        "infill one",
        "melody",
        "nothing",
        "continue",
        "infill both",
        "anticipate",
        "remembered in part",
    }
    share = {kind: found / count for kind, found in kinds.items()}
    assert share["melody"] == pytest.approx(0.02, abs=0.008)
    assert share["harmonize"] == pytest.approx(0.25 + 0.15 / 52, abs=0.03)
    assert share["anticipate"] == pytest.approx(0.34, abs=0.04)
    assert share["remembered in part"] == pytest.approx(0.14, abs=0.04)


@settings(deadline=None)
@given(st.integers(2, 64), st.integers(0, 2**32))
def test_masks_leave_something_free_and_lie_on_sixteenths(beats: int, seed: int) -> None:
    steps = beats * STEPS_PER_BEAT
    mask = draw_mask(np.random.default_rng(seed), steps)
    assert mask.shape == (2, steps)
    assert not mask.all()
    changes = np.flatnonzero(np.diff(mask.astype(int), axis=1).any(axis=0)) + 1
    assert (changes % STEPS_PER_TOKEN == 0).all()


def test_horizons_spread_over_four_beats() -> None:
    """Where both voices have a past, ours reaches 0 to 4 beats further than the lead's."""
    rng = np.random.default_rng(1)
    known = [draw_mask(rng, 384).sum(axis=1) for _ in range(3000)]
    ahead = [int(ours - lead) for lead, ours in known if 0 < lead < ours < 384 - STEPS_PER_TOKEN]
    assert set(ahead) <= set(range(0, 4 * STEPS_PER_BEAT + 1, STEPS_PER_TOKEN))
    assert {6, 24, 48, 90, 96} <= set(ahead)


def test_a_batch(made_pack: Path) -> None:
    batch = windows_of(made_pack).batch(12, 4)
    assert batch.target.shape == batch.context.shape == (12, 2, 2, 88, 96)
    assert batch.mask.shape == (12, 2, 96)
    assert batch.phase.shape == batch.bar.shape == (12, 16)
    assert (batch.bar == 96).all()
    assert (batch.phase % 24 == np.arange(0, 96, 6) % 24).all()  # windows start on beats
    assert set(batch.style.tolist()) <= {0, 1}
    assert ((batch.density >= 0) & (batch.density <= 12)).all()


METERS = st.lists(
    st.tuples(
        st.integers(0, 40), st.sampled_from(["4/4", "3/4", "6/8", "7/8", "5/4", "2/2", "3/8"])
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(METERS, st.integers(0, 2**32))
def test_bar_lines_lie_where_the_meters_say(changes: list[tuple[int, str]], seed: int) -> None:
    """From any start beat, by an independent walk along the bars; the place is read off a note."""
    meters = {0: Meter(4, 4)}
    for eighths, text in changes:  # also off the bar line and off the beat, as files have it
        meters[eighths * 12] = Meter.parse(text)
    truth = dict(walk(sorted(meters.items()), 48 * STEPS_PER_BEAT))
    batch = Windows(numbered(meters), 0, {}, {}, np.random.default_rng(seed)).batch(4, 8, 0.0)
    for cells, phase, bar in zip(batch.target, batch.phase, batch.bar, strict=True):
        start = start_of(cells)
        steps = range(start, start + 8 * STEPS_PER_BEAT, STEPS_PER_TOKEN)
        assert list(zip(phase.tolist(), bar.tolist(), strict=True)) == [truth[s] for s in steps]


def walk(meters: list[tuple[int, Meter]], end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """(step, (steps since its bar line, its bar's length)), step by step."""
    starts, phase, bar = dict(meters), 0, 0
    for step in range(end):
        if step in starts:
            phase, bar = 0, starts[step].bar_steps
        yield step, (phase, bar)
        phase = (phase + 1) % bar


def numbered(meters: dict[int, Meter]) -> Pack:
    """One piece of 40 beats whose beats can be told apart: their number in binary, as pitches."""
    rows = [
        (beat * STEPS_PER_BEAT, PIANO.low + 20 + bit)
        for beat in range(40)
        for bit in (*(b for b in range(6) if beat >> b & 1), 7, 8, 9, 10)
    ]
    onset, pitch = np.array(rows, np.int64).T
    rows_of_meters = sorted((at, meter.bar_steps) for at, meter in meters.items())
    starts, lengths = np.array(rows_of_meters, np.int64).T
    return Pack(
        ("made",),
        onset,
        onset + STEPS_PER_BEAT,
        pitch,
        np.ones_like(onset),
        np.array([0, len(onset)]),
        np.array([0]),
        np.array([0]),
        np.array([40]),
        ((starts, lengths),),
    )


def start_of(cells: NDArray[np.bool_]) -> int:
    """The absolute step of a window of `numbered`, from its first beat's notes."""
    bits = cells[ACCOMPANIMENT, ONSET, 20:26, 0]
    return int(bits @ (1 << np.arange(6))) * STEPS_PER_BEAT


@pytest.mark.parametrize("beats", [8, 16, 32])
def test_windows_of_up_to_32_beats_are_the_music_from_any_beat(beats: int) -> None:
    batch = Windows(numbered({0: Meter(3, 4)}), 0, {}, {}, np.random.default_rng(0)).batch(
        60, beats, 0.0
    )
    starts = set()
    for cells in batch.target:
        starts.add(start := start_of(cells))
        for beat in range(beats):
            number = cells[ACCOMPANIMENT, ONSET, 20:31, beat * STEPS_PER_BEAT]
            wanted = start // STEPS_PER_BEAT + beat
            bits = [bool(wanted >> b & 1) for b in range(6)] + [False] + 4 * [True]
            assert number.tolist() == (bits if wanted < 40 else 11 * [False])
    assert len(starts) > 20  # any beat, on a bar line or not


def test_flaws_are_heard_and_never_asked_for(made_pack: Path) -> None:
    """The same draw with corruptions and without has the same truth."""
    batch = windows_of(made_pack, 6).batch(40, 8)
    assert (batch.target != batch.context).any(axis=(1, 2, 3, 4)).sum() > 10
    chords = batch.target[:, ACCOMPANIMENT, ONSET].sum(axis=1)
    assert chords.sum() == chords[:, ::STEPS_PER_BEAT].sum()
    lead = batch.target[:, LEAD, ONSET].sum(axis=1)
    on_beats = lead[:, ::STEPS_PER_BEAT]
    assert set(np.unique(on_beats)) <= {0, 1}
    assert lead.sum() == on_beats.sum()  # as composed: on the beat, though some play by hand
    heard = batch.context[:, LEAD, ONSET].sum(axis=1)
    assert heard.sum() > heard[:, ::STEPS_PER_BEAT].sum()


def test_music_with_hardly_a_note_does_not_hang() -> None:
    write_pack = numbered({0: Meter(4, 4)})
    lone = replace(
        write_pack,
        onset=write_pack.onset[:1],
        end=write_pack.end[:1],
        pitch=write_pack.pitch[:1],
        voice=write_pack.voice[:1],
        first_note=np.array([0, 1]),
    )
    batch = Windows(lone, 0, {}, {}, np.random.default_rng(0)).batch(2, 4)
    assert batch.target[:, ACCOMPANIMENT, ONSET].sum(axis=(1, 2)).tolist() == [1, 1]


def test_untouched_windows_are_excerpts(made_pack: Path) -> None:
    batch = windows_of(made_pack, 3).batch(8, 4, augment=0.0)
    assert (batch.target == batch.context).all()
    rows = np.flatnonzero(batch.target[:, LEAD, ONSET].any(axis=(0, 2))) + PIANO.low
    assert set(rows.tolist()) <= {72, 74, 76, 77, 79}


def test_transposition_reaches_half_an_octave_each_way(made_pack: Path) -> None:
    batch = windows_of(made_pack, 4).batch(60, 4)
    rows = np.flatnonzero(batch.target[:, LEAD, ONSET].any(axis=(0, 2))) + PIANO.low
    assert rows.min() < 70
    assert rows.max() > 81


def test_the_same_seed_draws_the_same_windows(made_pack: Path) -> None:
    first, again = (windows_of(made_pack, 9).batch(4, 4) for _ in range(2))
    assert (first.target == again.target).all()
    assert (first.mask == again.mask).all()


def test_density_is_that_of_the_free_accompaniment(made_pack: Path) -> None:
    batch = windows_of(made_pack, 5).batch(150, 8, augment=0.0)
    for i in np.flatnonzero(batch.density):
        free = ~batch.mask[i, ACCOMPANIMENT]
        assert free.any()  # nothing to say of an accompaniment that is all known
        onsets = batch.target[i, ACCOMPANIMENT, ONSET][:, free].sum()
        beats = max(free.sum() / STEPS_PER_BEAT, 0.25)
        assert batch.density[i] == density_bucket(onsets / beats)


def test_density_buckets_rise() -> None:
    buckets = [density_bucket(d) for d in np.linspace(0, 20, 200)]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (1, 12)


def test_a_split_without_pieces_says_so(midi_folder: Path, tmp_path: Path) -> None:
    data = (midi_folder / "piece-0.mid").read_bytes()
    write_pack([Piece("x", "valid", str(i), "", data) for i in range(2)], tmp_path / "p.npz")
    with pytest.raises(PackError, match="no piece in this split"):
        windows_of(tmp_path / "p.npz")


def test_merged_batch_is_the_papers_roll(made_pack: Path) -> None:
    batch = windows_of(made_pack).batch(3, 4)
    merged = merged_batch(batch, PAPER)
    assert merged.target.shape == (3, 1, 1, 56, 96)
    for cells, found in zip(batch.target, merged.target, strict=True):
        rows = slice(PAPER.low - PIANO.low, PAPER.high + 1 - PIANO.low)
        assert (merge(cells[:, :, rows]) == found).all()
    assert not merged.mask.any()
    assert not merged.style.any()
