"""What a page that is opened later is told."""

from __future__ import annotations

from bridge.monitor.memory import MOST_FIGURES, Memory


def test_the_last_word_on_everything() -> None:
    memory = Memory()
    memory.take("param/tempo", [96.0], 1.0)
    memory.take("state", ["listening"], 2.0)
    memory.take("state", ["playing"], 3.0)
    memory.take("key", ["C major"], 4.0)
    found = memory.snapshot()
    assert found["parameters"] == {"tempo": 96.0}
    assert found["last"] == {"state": [3.0, "playing"], "key": [4.0, "C major"]}


def test_learned_controllers_come_and_go() -> None:
    memory = Memory()
    memory.take("learned", ["voices", 1, 20], 0)
    memory.take("learned", ["panic", 2, 30], 0)
    memory.take("learned", ["voices", 0, 0], 0)
    assert memory.snapshot()["learned"] == {"panic": [2, 30]}


def test_a_played_note_gets_its_length_when_it_ends() -> None:
    memory = Memory()
    for words in ([60, 90, 1.0, 0.0], [60, 90, 2.0, 0.0], [60, 90, 1.0, 0.75], [62, 90, 3.0, 0.5]):
        memory.take("played", words, 0.0)
    assert memory.snapshot()["played"] == [
        [60, 90, 1.0, 0.75],
        [60, 90, 2.0, 0.0],
        [62, 90, 3.0, 0.5],
    ]


def test_a_jump_back_forgets_what_lies_ahead() -> None:
    memory = Memory()
    for beat in range(8):
        memory.take("horizon", [float(beat), 1 + beat // 4, 1.0 + beat % 4, 120.0, 9.0, "midi"], 0)
        memory.take("note", [60, 80, float(beat), 1.0], 0.0)
        memory.take("chord", ["C", "C", 1 + beat // 4, 1.0 + beat % 4], 0.0)
    memory.take("horizon", [4.0, 2, 1.0, 120.0, 9.0, "midi"], 0.0)
    found = memory.snapshot()
    assert [note[2] for note in found["reply"]] == [0.0, 1.0, 2.0, 3.0]
    assert [chord[2:] for chord in found["chords"]] == [[1, float(b)] for b in range(1, 5)]
    memory.take("horizon", [3.9, 1, 4.9, 120.0, 9.0, "midi"], 0.0)
    assert len(memory.snapshot()["reply"]) == 4


def test_figures_are_kept_for_three_minutes() -> None:
    memory = Memory()
    for second in range(MOST_FIGURES + 5):
        memory.take("stats", ["send_late_last_ms", 0.5], float(second))
        memory.take("stats", ["plan_last_ms", 40.0], float(second))
        memory.take("stats", ["end", 2.0], float(second))
    found = memory.snapshot()
    assert len(found["figures"]) == MOST_FIGURES
    assert found["figures"][-1] == [MOST_FIGURES + 4.0, 0.5, 40.0]
