"""The shipped weights still score what is kept beside them, on a sample that is in this tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, STEPS_PER_BEAT
from engine.requests.request import SampleSettings
from scripts.hymns import HYMNS
from scripts.score_shipped import (
    PRESETS,
    TOLERANCES,
    WINDOW_BEATS,
    Score,
    bound_nats_per_beat,
    checksum,
    harmonies,
    measure,
    outside,
    read,
    sample,
    scored_models,
    scores_file,
    write,
)

MODELS = scored_models()
AGAIN = "`python -m scripts.score_shipped --write`, and bring the card up to date"


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_shipped_weights_score_what_is_told(model: Path) -> None:
    assert scores_file(model).is_file(), f"{model.name} was never scored: {AGAIN}"
    sha256, told = read(model)
    assert checksum(model) == sha256, f"{model.name} is not the file that was scored: {AGAIN}"
    assert outside(measure(model), told) == []


def test_every_score_is_of_a_model_that_is_shipped() -> None:
    assert MODELS
    assert {path.name for path in PRESETS.glob("*.scores.json")} == {
        scores_file(model).name for model in MODELS
    }


def test_tolerances_are_those_of_the_table() -> None:
    for model in MODELS:
        _, told = read(model)
        assert {name: score.tolerance for name, score in told.items()} == {
            name: TOLERANCES[name] for name in told
        }


def test_an_untrained_model_is_noticed(tiny_generator: Generator) -> None:
    """The check can fail: nothing scores like a trained model by chance."""
    _, told = read(PRESETS / "default.pt")
    found = {"bound_nats_per_beat": bound_nats_per_beat(tiny_generator)}
    assert found["bound_nats_per_beat"] > 5 * told["bound_nats_per_beat"].value
    assert any(line.startswith("bound_nats_per_beat: ") for line in outside(found, told))


def test_what_is_off_is_said() -> None:
    told = {"a": Score(1.0, 0.5), "b": Score(1.0, 0.5), "c": Score(1.0, 0.5)}
    assert outside({"a": 1.5, "b": 0.5, "c": 1.0}, told) == []
    assert outside({"a": 1.51, "b": float("nan"), "d": 1.0}, told) == [
        "c: not measured",
        "d: not told",
        "a: 1.5100, told 1.0000 ± 0.5",
        "b: nan, told 1.0000 ± 0.5",
    ]


def test_scores_are_written_and_read_back(tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    model.write_bytes(b"weights")
    write(model, checksum(model), {"dissonant": 0.123456})
    sha256, told = read(model)
    assert sha256 == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert told == {"dissonant": Score(0.1235, TOLERANCES["dissonant"])}


def test_the_hymns_have_three_parts_under_the_tune() -> None:
    for hymn, chords in zip(HYMNS, (32, 2 * 16), strict=True):
        below: dict[int, list[int]] = {}
        for note in hymn.notes:
            if note.voice == ACCOMPANIMENT:
                below.setdefault(note.onset_step, []).append(note.pitch)
        assert len(below) == chords
        for step, pitches in below.items():
            assert len(pitches) == 3
            assert pitches == sorted(pitches, reverse=True)
            assert all(
                note.pitch >= pitches[0]
                for note in hymn.notes
                if note.voice == LEAD and note.onset_step <= step < note.end_step
            )


def test_the_sample_is_all_of_both_hymns() -> None:
    batch = sample()
    steps = WINDOW_BEATS * STEPS_PER_BEAT
    assert batch.target.shape == (5, 2, 2, 88, steps)
    assert batch.mask[:, LEAD].all()
    assert not batch.mask[:, ACCOMPANIMENT].any()
    assert batch.phase[0, :4].tolist() == [72, 78, 84, 90]  # the upbeat, on four of 4/4
    assert batch.phase[2, :5].tolist() == [48, 54, 60, 66, 0]  # on three of 3/4
    assert {tuple(np.unique(row)) for row in batch.bar} == {(96,), (72,)}
    first = np.flatnonzero(batch.target[0, :, ONSET, :, 0].any(axis=0)) + PIANO.low
    assert first.tolist() == [55, 59, 62, 67]  # G major
    assert batch.target[:2, :, ONSET].sum() == 4 * 32 - 4  # tenor and bass meet four times
    assert not any(array.any() for array in (batch.style, batch.density))


def test_each_melody_is_harmonised_whole(tiny_generator: Generator) -> None:
    told = {**tiny_generator.metadata, "window_beats": 40}
    generator = Generator(tiny_generator.sampler, told, tiny_generator.device)
    played = list(harmonies(generator, SampleSettings(steps=1)))
    assert [tune.file for tune, _ in played] == [
        "ode-to-joy",
        "greensleeves",
        "amazing-grace",
        "auld-lang-syne",
        "silent-night",
    ]
    beats = [pair[0].shape[-1] / STEPS_PER_BEAT for _, pair in played]
    assert beats == [64, 51, 50, 67, 36]
