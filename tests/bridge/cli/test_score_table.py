"""What `evaluate` found, as people read it."""

from __future__ import annotations

from typing import Any

from bridge.cli.score_table import table

NATS = {"nats_per_beat": 20.0, "se": 1.5, "nats_per_step": 20 / 24}
PROFILE = {"pcs": 0.5, "repeats": 0.25}


def player(distance: float, ratio: float | None) -> dict[str, Any]:
    return {
        "note_f1": 0.125,
        "profile": {"pcs": 0.4, "repeats": 0.5},
        "distance": {"pcs": distance},
        "ratio": {"pcs": ratio},
        "within_1x": 0,
        "within_2x": 1,
        "consistency": {"pitch_consistency": 0.9},
    }


FOUND: dict[str, Any] = {
    "models": ["default", "paper"],
    "task": "harmonize",
    "split": "valid",
    "windows": 48,
    "beats": 16,
    "nll": {
        "models": {"default": NATS | {"less": {}}, "paper": {"note": "no likelihood"}},
        "baselines": {"markov": NATS | {"less": {"default": NATS | {"nats_per_beat": 5.0}}}},
    },
    "harmony": {
        "human": {"profile": PROFILE, "half_split": {"pcs": 0.05}},
        "replies": {
            "default": player(0.1, 2.0),
            "wrong piece": player(0.3, None) | {"consistency": {}},
        },
        "by_ear": {
            "human": {"profile": {"holes": 0.125}, "half_split": {"holes": 0.02}},
            "replies": {
                "default": {"profile": {"holes": 0.25}, "ratio": {"holes": 2.5}, "mean_ratio": 2.5},
                "wrong piece": {
                    "profile": {"holes": 0.5},
                    "ratio": {"holes": None},
                    "mean_ratio": None,
                },
            },
        },
    },
}


def lines(found: dict[str, Any]) -> list[str]:
    """Each line with single spaces."""
    return [" ".join(line.split()) for line in table(found).splitlines()]


def test_bounds_and_exact_values_are_told_apart() -> None:
    told = lines(FOUND)
    assert told[0] == "default, paper: harmonize, 48 valid windows of 16 beats"
    assert "default <= 20.0 +- 1.5" in told
    assert "markov = 20.0 +- 1.5; default +5.0 +- 1.5 better" in told
    assert "paper no likelihood" in told


def test_given_chords_are_named() -> None:
    found = lines({**FOUND, "chords": "composers"})
    assert found[0].endswith("48 valid windows of 16 beats, the composers' chords given")
    assert lines({**FOUND, "chords": "drawn"}) == lines(FOUND)


def test_a_style_is_named() -> None:
    told = lines({**FOUND, "style": "hymn"})
    assert told[0].endswith("48 valid windows of 16 beats, style hymn, halves by piece")
    assert lines({**FOUND, "style": "any"})[0].endswith("of 16 beats")


def test_replies_stand_beside_the_composer() -> None:
    told = lines(FOUND)
    assert "composer default wrong piece" in told
    assert "pcs 0.500 0.400 0.400" in told
    assert "distance (ratio) half split default wrong piece" in told
    assert "pcs 0.050 0.100 (2.0x) 0.300 (-)" in told
    assert "within 2x 1 of 1 1 of 1" in told
    assert "pitch_consistency 0.900 -" in told


def test_what_ears_hear_has_a_table_of_its_own() -> None:
    told = lines(FOUND)
    assert "by ear (ratio) composer half split default wrong piece" in told
    assert "holes 0.125 0.020 0.250 (2.5x) 0.500 (-)" in told
    assert "mean ratio 2.5x -" in told


def test_who_is_nearer_than_the_rule() -> None:
    assert "nearer than the rule" not in table(FOUND)
    versus = {"default": {"pcs": {"nearer": 0.75, "difference": -0.25}}}
    told = lines({**FOUND, "harmony": FOUND["harmony"] | {"against_rule": versus}})
    assert "nearer than the rule default" in told
    assert "pcs 75% (-0.250)" in told


def test_no_empty_table_of_consistency() -> None:
    replies = {"default": player(0.1, 2.0) | {"consistency": {}}}
    found = {**FOUND, "harmony": FOUND["harmony"] | {"replies": replies}}
    assert "like the composer's" not in table(found)


def test_columns_line_up() -> None:
    rows = [line for line in table(FOUND).splitlines() if line.startswith("  pcs")]
    assert len({len(line) for line in rows}) == 1


def test_recovery_is_shown_by_fours() -> None:
    found = {
        "models": ["default"],
        "task": "recovery",
        "split": "valid",
        "windows": 6,
        "beats": 20,
        "turn_beat": 14,
        "players": {
            "rule": {"before": 0.8, "after": [0.0, 0, 0, 1, 0.75, 0.75], "back_beats": 2},
            "default +1": {"before": 0.5, "after": [0.25] * 6, "back_beats": None},
        },
    }
    told = lines(found)
    assert told[1] == "note-in-chord; from beat 15 on the melody is a tritone away"
    assert told[2:] == [
        "before beats 1-4 beats 5-6 back after",
        "rule 0.800 0.250 0.750 2 beats",
        "default +1 0.500 0.250 0.250 never",
    ]


def test_likelihood_alone() -> None:
    told = lines({key: value for key, value in FOUND.items() if key != "harmony"})
    assert "composer default wrong piece" not in told
    merged = FOUND["nll"] | {"merged": {"models": {}, "baselines": {}}}
    assert "-log p of merged rolls, 33 to 88, nats a beat" in lines({**FOUND, "nll": merged})
